//! What the client is asked for, in terms of exchanges.

use std::collections::BTreeMap;

use nix::errno::Errno;

use super::abi::command;
use super::batch::{self, Stopped};
use super::exchange::{Ask, Client, NO_ROW, malformed};
use super::{daemon, destination, general, service};
use crate::kernel::netlink::attribute::Writer;
use crate::kernel::proc::Sketch;
use crate::kernel::{Error, Ipvs, Request, proc, refusal};
use crate::model::{
    DestinationKey, Failure, Info, ObservedService, ObservedTable, Operation, ServiceKey,
    SyncDaemon, SyncRole, Timeouts,
};

/// How often a dump that changed under the reader is read at most.
const MAX_DUMPS: usize = 5;
impl Ipvs for Client {
    fn info(&mut self) -> Result<Info, Error> {
        let mut info = None;
        self.ask(
            &Request::Info,
            Ask::get(command::GET_INFO),
            |_| {},
            |row| {
                info = Some(general::decode_info(row)?);
                Ok(())
            },
        )?;
        info.ok_or_else(|| malformed(&Request::Info, NO_ROW))
    }

    /// Read until a list brings nothing new and lacks nothing: changes in any namespace
    /// make the kernel skip rows (kernel note 0009). What was deleted meanwhile may be
    /// among them.
    fn services(&mut self) -> Result<ObservedTable, Error> {
        let mut table = self.list_services()?;
        for _ in 1..MAX_DUMPS {
            let known = table.len();
            let list = self.list_services()?;
            let complete = list.len() == known && list.keys().all(|key| table.contains_key(key));
            table.extend(list);
            if complete {
                break;
            }
        }
        Ok(table)
    }

    /// For a service that is not there, the kernel sends an empty list and no error
    /// (kernel note 0010).
    fn fill(&mut self, key: &ServiceKey, observed: &mut ObservedService) -> Result<bool, Error> {
        let family = key.family();
        let request = Request::Destinations(*key);
        observed.destinations = retry(|| {
            let mut destinations = BTreeMap::new();
            self.ask(
                &request,
                Ask::dump(command::GET_DEST),
                |message| service::encode_key(message, key),
                |row| {
                    let found = destination::decode(row, family)?;
                    destinations.insert(found.destination.key, found);
                    Ok(())
                },
            )?;
            Ok(destinations)
        })?;
        Ok(!observed.destinations.is_empty() || self.service(key)?.is_some())
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<ObservedService>, Error> {
        if !refusal::mark_is_valid(key) {
            return Ok(None);
        }
        let Some(mut observed) = self.service(key)? else {
            return Ok(None);
        };
        let there = self.fill(key, &mut observed)?;
        Ok(there.then_some(observed))
    }

    fn order(
        &mut self,
        service: Option<&ServiceKey>,
    ) -> Result<Vec<(ServiceKey, Vec<DestinationKey>)>, Error> {
        let mut order: Vec<(ServiceKey, Vec<DestinationKey>)> = match service {
            Some(key) => vec![(*key, Vec::new())],
            None => retry(|| {
                let mut order = Vec::new();
                self.ask(
                    &Request::Services,
                    Ask::dump(command::GET_SERVICE),
                    |_| {},
                    |row| {
                        order.extend(service::decode(row)?.map(|(key, _)| (key, Vec::new())));
                        Ok(())
                    },
                )?;
                Ok(order)
            })?,
        };
        for (key, destinations) in &mut order {
            *destinations = retry(|| {
                let mut order = Vec::new();
                self.ask(
                    &Request::Destinations(*key),
                    Ask::dump(command::GET_DEST),
                    |message| service::encode_key(message, key),
                    |row| {
                        order.push(destination::decode(row, key.family())?.destination.key);
                        Ok(())
                    },
                )?;
                Ok(order)
            })?;
        }
        Ok(order)
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Failure<Error>>, Error> {
        batch::apply(self, operations)
    }

    fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error> {
        let request = Request::Zero(service.copied());
        if service.is_some_and(|key| !refusal::mark_is_valid(key)) {
            return Err(Error::refused(request, Errno::ESRCH));
        }
        let body = |message: &mut Writer<'_>| {
            if let Some(key) = service {
                service::encode_key(message, key);
            }
        };
        self.ask(&request, Ask::get(command::ZERO), body, |_| Ok(()))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.command(&Request::Flush, command::FLUSH)
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        let mut timeouts = None;
        let ask = Ask::get(command::GET_CONFIG);
        self.ask(
            &Request::Timeouts,
            ask,
            |_| {},
            |row| {
                timeouts = Some(general::decode_timeouts(row)?);
                Ok(())
            },
        )?;
        timeouts.ok_or_else(|| malformed(&Request::Timeouts, NO_ROW))
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.ask(
            &Request::SetTimeouts,
            Ask::get(command::SET_CONFIG),
            |message| general::encode_timeouts(message, timeouts),
            |_| Ok(()),
        )
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        retry(|| {
            let mut daemons = Vec::new();
            let ask = Ask::dump(command::GET_DAEMON);
            self.ask(
                &Request::Daemons,
                ask,
                |_| {},
                |row| {
                    daemons.push(daemon::decode(row)?);
                    Ok(())
                },
            )?;
            Ok(daemons)
        })
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        let request = Request::StartDaemon(daemon.role);
        if let Some(errno) = refusal::of_daemon(daemon) {
            return Err(Error::refused(request, errno));
        }
        self.ask(
            &request,
            Ask::get(command::NEW_DAEMON),
            |message| daemon::encode(message, daemon),
            |_| Ok(()),
        )
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        let request = Request::StopDaemon(role);
        let mut stopped = batch::stop_daemon(self, role)?;
        if stopped == Stopped::Refused(Errno::ENOENT) {
            self.resolve(&request)?;
            stopped = batch::stop_daemon(self, role)?;
        }
        match stopped {
            Stopped::Refused(errno) => Err(Error::refused(request, errno)),
            Stopped::Unanswered if self.daemons()?.iter().any(|found| found.role == role) => {
                Err(Error::Timeout { request })
            }
            Stopped::Yes | Stopped::Unanswered => Ok(()),
        }
    }

    /// Reads the file of the calling thread's network namespace, which is the socket's
    /// as long as the thread has not changed it since.
    fn sketch(&mut self) -> Result<Sketch, Error> {
        proc::read_table()
    }
}

impl Client {
    fn list_services(&mut self) -> Result<ObservedTable, Error> {
        retry(|| {
            let mut table = ObservedTable::new();
            let ask = Ask::dump(command::GET_SERVICE);
            self.ask(
                &Request::Services,
                ask,
                |_| {},
                |row| {
                    table.extend(service::decode(row)?);
                    Ok(())
                },
            )?;
            Ok(table)
        })
    }

    /// One service, without destinations.
    fn service(&mut self, key: &ServiceKey) -> Result<Option<ObservedService>, Error> {
        let request = Request::Service(*key);
        let mut found = None;
        let answer = self.ask(
            &request,
            Ask::get(command::GET_SERVICE),
            |message| service::encode_key(message, key),
            |row| {
                found = service::decode(row)?.map(|(_, observed)| observed);
                Ok(())
            },
        );
        match answer {
            Err(error) if error.errno() == Some(Errno::ESRCH) => Ok(None),
            Err(error) => Err(error),
            Ok(()) => Ok(found),
        }
    }

    fn command(&mut self, request: &Request, command: u8) -> Result<(), Error> {
        self.ask(request, Ask::get(command), |_| {}, |_| Ok(()))
    }
}

/// Repeats a dump for as long as it comes back out of date, a few times.
fn retry<T>(mut dump: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut answer = dump();
    for _ in 1..MAX_DUMPS {
        match answer {
            Err(Error::Lost { .. }) => answer = dump(),
            other => return other,
        }
    }
    answer
}
