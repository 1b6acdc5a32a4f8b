//! The client: one socket, one exchange at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use nix::errno::Errno;

use super::abi::{self, command, controller};
use super::batch::{self, Stopped};
use super::{daemon, destination, general, service};
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attributes, Writer};
use crate::kernel::netlink::message::{self, Content, Header, Message, Messages};
use crate::kernel::netlink::socket::{Link, RECEIVE_SIZE, Setup, Socket};
use crate::kernel::proc::Sketch;
use crate::kernel::{Error, Ipvs, Request, proc, refusal};
use crate::model::{
    Failure, Info, ObservedService, ObservedTable, Operation, ServiceKey, SyncDaemon, SyncRole,
    Timeouts,
};

/// How often a dump that changed under the reader is started over.
const MAX_DUMPS: usize = 5;
/// Datagrams without an answer to the request, before giving up on an exchange.
const MAX_STALE: usize = 1024;

/// How the client speaks with the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long to wait for each datagram of an answer.
    pub timeout: Duration,
    /// Receive buffer of the socket in bytes. It bounds how many operations go into
    /// one send, so that all of them can fail without losing an answer.
    pub receive_buffer: usize,
    /// Operations in one send; `None` is as many as the buffers allow, up to 512.
    pub batch: Option<NonZeroUsize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(2),
            receive_buffer: 1024 * 1024,
            batch: None,
        }
    }
}

/// Speaks with the kernel's IPVS in the network namespace of the thread that opened it.
///
/// Opening loads the module when the system is set up for that (kernel note 0015).
pub struct Client {
    pub(super) link: Box<dyn Link>,
    pub(super) batch: Option<NonZeroUsize>,
    /// Receives go here.
    pub(super) buffer: Vec<u8>,
    /// The socket may still hold answers to an abandoned request.
    pub(super) stale: bool,
    pub(super) family: u16,
    sequence: u32,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("family", &self.family)
            .field("sequence", &self.sequence)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Opens a socket, finds IPVS and makes sure that it may be used.
    pub fn open() -> Result<Self, Error> {
        Self::open_with(&Options::default())
    }

    /// As [`Client::open`], with other options.
    pub fn open_with(options: &Options) -> Result<Self, Error> {
        let setup = Setup {
            timeout: options.timeout,
            receive_buffer: options.receive_buffer,
        };
        let socket = Socket::open(setup).map_err(|errno| Error::Io {
            request: Request::Open,
            errno,
        })?;
        Self::over(Box::new(socket), options.batch)
    }

    /// Speaks over a link that is open.
    pub(super) fn over(link: Box<dyn Link>, batch: Option<NonZeroUsize>) -> Result<Self, Error> {
        let mut client = Self {
            link,
            batch,
            buffer: vec![0; RECEIVE_SIZE],
            stale: false,
            family: 0,
            sequence: 0,
        };
        client.resolve(&Request::Open)?;
        client.once(
            &Request::Open,
            Ask::get(command::GET_INFO),
            |_| {},
            |_| Ok(()),
        )?;
        Ok(client)
    }

    /// Asks the controller for the id of the family, which it loads when it can.
    pub(super) fn resolve(&mut self, request: &Request) -> Result<(), Error> {
        let ask = Ask {
            family: Some((controller::ID, controller::VERSION)),
            ..Ask::get(controller::GETFAMILY)
        };
        let mut family = None;
        let answer = self.once(
            request,
            ask,
            |message| message.string(controller::FAMILY_NAME, abi::FAMILY_NAME),
            |attributes| {
                family = Some(general::decode_family(attributes)?);
                Ok(())
            },
        );
        match answer {
            Err(Error::Refused {
                errno: Errno::ENOENT,
                request,
            }) => Err(Error::NoModule { request }),
            Err(error) => Err(error),
            Ok(()) => {
                self.family = family.ok_or_else(|| malformed(request, NO_ROW))?;
                Ok(())
            }
        }
    }

    /// One exchange. When the family has another id since the module was loaded anew, the
    /// kernel answers `ENOENT`; no request made through here has another reason for that.
    fn ask(
        &mut self,
        request: &Request,
        ask: Ask,
        body: impl Fn(&mut Writer<'_>),
        mut row: impl FnMut(Attributes<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Error> {
        let answer = self.once(request, ask, &body, &mut row);
        if matches!(&answer, Err(error) if error.errno() == Some(Errno::ENOENT)) {
            self.resolve(request)?;
            return self.once(request, ask, body, row);
        }
        answer
    }

    /// One exchange: sends a request and hands each row of the answer to `row`.
    fn once(
        &mut self,
        request: &Request,
        ask: Ask,
        body: impl FnOnce(&mut Writer<'_>),
        mut row: impl FnMut(Attributes<'_>) -> Result<(), Malformed>,
    ) -> Result<(), Error> {
        let (family, version) = ask.family.unwrap_or((self.family, abi::VERSION));
        let sequence = self.reserve(1);
        let header = Header {
            family,
            flags: message::REQUEST | ask.flags,
            sequence,
            command: ask.command,
            version,
        };
        let mut datagram = Vec::with_capacity(256);
        message::append(&mut datagram, header, body);
        self.send(request, &datagram)?;
        let mut interrupted = false;
        let mut refused = None;
        self.receive(request, |message| {
            if message.sequence != sequence {
                return Ok(Progress::Foreign);
            }
            interrupted |= message.interrupted;
            match message.content {
                Content::Acknowledged | Content::Done => return Ok(Progress::Complete),
                Content::Refused(errno) => {
                    refused = Some(errno);
                    return Ok(Progress::Complete);
                }
                Content::Data(_, attributes) => row(Attributes::new(attributes))?,
                Content::Noop | Content::Overrun => {}
            }
            Ok(Progress::More)
        })?;
        match refused {
            Some(errno) => Err(Error::refused(request.clone(), errno)),
            None if interrupted => Err(Error::Lost {
                request: request.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Sequence numbers for this many requests; the first is returned.
    pub(super) fn reserve(&mut self, requests: u32) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(requests);
        first
    }

    /// Sends requests over a socket that holds no old answers.
    pub(super) fn send(&mut self, request: &Request, datagram: &[u8]) -> Result<(), Error> {
        let io = |errno| Error::Io {
            request: request.clone(),
            errno,
        };
        if self.stale {
            self.link.reopen().map_err(io)?;
            self.stale = false;
        }
        self.link.send(datagram).map_err(io)
    }

    /// Receives until `message` says that the answer is complete. After any failure the
    /// socket is left for a new one, because the rest of the answer may still come.
    pub(super) fn receive(
        &mut self,
        request: &Request,
        mut message: impl FnMut(Message<'_>) -> Result<Progress, Malformed>,
    ) -> Result<(), Error> {
        self.stale = true;
        let mut without_progress = 0;
        while without_progress < MAX_STALE {
            let length = self
                .link
                .receive(&mut self.buffer)
                .map_err(|errno| receive_error(request, errno))?;
            without_progress += 1;
            for answer in Messages::new(self.buffer.get(..length).unwrap_or_default()) {
                let progress = answer.and_then(&mut message);
                match progress.map_err(|reason| malformed(request, reason))? {
                    Progress::Foreign => {}
                    Progress::More => without_progress = 0,
                    Progress::Complete => {
                        self.stale = false;
                        return Ok(());
                    }
                }
            }
        }
        Err(Error::Timeout {
            request: request.clone(),
        })
    }

    /// All services, without destinations.
    fn services(&mut self) -> Result<ObservedTable, Error> {
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

    /// Reads the destinations of a service. Returns whether the service is there: for one
    /// that is not, the kernel sends an empty list and no error (kernel note 0010).
    fn destinations(
        &mut self,
        key: &ServiceKey,
        observed: &mut ObservedService,
    ) -> Result<bool, Error> {
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

    fn command(&mut self, request: &Request, command: u8) -> Result<(), Error> {
        self.ask(request, Ask::get(command), |_| {}, |_| Ok(()))
    }
}

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

    fn dump(&mut self) -> Result<ObservedTable, Error> {
        let mut table = ObservedTable::new();
        for (key, mut observed) in self.services()? {
            if self.destinations(&key, &mut observed)? {
                table.insert(key, observed);
            }
        }
        Ok(table)
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<ObservedService>, Error> {
        if !refusal::mark_is_valid(key) {
            return Ok(None);
        }
        let Some(mut observed) = self.service(key)? else {
            return Ok(None);
        };
        let there = self.destinations(key, &mut observed)?;
        Ok(there.then_some(observed))
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

/// Kind of a request.
#[derive(Debug, Clone, Copy)]
struct Ask {
    command: u8,
    flags: u16,
    /// Id and version of another family than IPVS.
    family: Option<(u16, u8)>,
}

impl Ask {
    /// A request that is answered by at most one row and an acknowledgement.
    fn get(command: u8) -> Self {
        Self {
            command,
            flags: message::ACK,
            family: None,
        }
    }

    /// A request that is answered by rows and an end mark.
    fn dump(command: u8) -> Self {
        Self {
            flags: message::DUMP,
            ..Self::get(command)
        }
    }
}

/// What a message was to the request being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Not an answer to it.
    Foreign,
    /// A part of the answer.
    More,
    /// The last part.
    Complete,
}

const NO_ROW: Malformed = Malformed("an acknowledgement without the answer");

fn malformed(request: &Request, reason: Malformed) -> Error {
    Error::Malformed {
        request: request.clone(),
        reason: reason.0,
    }
}

fn receive_error(request: &Request, errno: Errno) -> Error {
    let request = request.clone();
    match errno {
        Errno::ETIMEDOUT => Error::Timeout { request },
        Errno::ENOBUFS | Errno::EMSGSIZE => Error::Lost { request },
        errno => Error::Io { request, errno },
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
