//! A table in memory that stores what Linux stores and refuses what Linux refuses.
//!
//! It serves dry runs and the tests of everything above this layer. A differential test
//! holds it against a real kernel. It stands for a namespace whose `lo` is up and in
//! which nothing else has an address; it has no traffic, so statistics stay as given.

mod daemon;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use super::proc::Sketch;
use super::{Error, Ipvs, Request, refusal};
use crate::model::{
    self, Counters, Failure, Info, ObservedDestination, ObservedService, ObservedTable, Operation,
    Scheduler, ServiceKey, SyncDaemon, SyncRole, Timeouts,
};

/// Largest time-out in seconds: the kernel counts in ticks and checks for overflow.
/// This is the limit at 100 ticks a second, that of the lab kernel.
const MAX_TIMEOUT: u32 = (i32::MAX / 100).cast_unsigned();

/// A table in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    services: ObservedTable,
    timeouts: Timeouts,
    daemons: BTreeMap<SyncRole, SyncDaemon>,
    schedulers: BTreeSet<String>,
    engines: BTreeSet<String>,
    /// Network interfaces and their MTU in bytes.
    interfaces: BTreeMap<String, u16>,
    operations: u64,
    refused_operations: BTreeMap<u64, Errno>,
    failing_calls: BTreeMap<u64, Error>,
    calls: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self {
            services: ObservedTable::new(),
            timeouts: Timeouts {
                tcp: 900,
                tcp_fin: 120,
                udp: 300,
            },
            daemons: BTreeMap::new(),
            schedulers: Scheduler::MAINLINE.map(str::to_owned).into(),
            engines: ["sip".to_owned()].into(),
            interfaces: [("lo".to_owned(), u16::MAX)].into(),
            operations: 0,
            refused_operations: BTreeMap::new(),
            failing_calls: BTreeMap::new(),
            calls: 0,
        }
    }
}

impl From<ObservedTable> for Table {
    fn from(services: ObservedTable) -> Self {
        Self {
            services,
            ..Self::default()
        }
    }
}

impl From<&model::Table> for Table {
    fn from(table: &model::Table) -> Self {
        let observed = |entry: &model::Entry| ObservedService {
            service: entry.service.clone(),
            counters: Counters::default(),
            destinations: entry
                .destinations
                .iter()
                .map(|(key, destination)| (*key, fresh(*destination)))
                .collect(),
        };
        let services = table.iter().map(|(key, entry)| (*key, observed(entry)));
        Self::from(services.collect::<ObservedTable>())
    }
}

impl Table {
    /// An empty table with the mainline schedulers, the `sip` engine and the interface `lo`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The table as it stands.
    pub fn services(&self) -> &ObservedTable {
        &self.services
    }

    /// The table as it stands, to let other hands change it or traffic flow.
    pub fn services_mut(&mut self) -> &mut ObservedTable {
        &mut self.services
    }

    /// Adds a network interface for sync daemons, with its MTU in bytes.
    pub fn add_interface(&mut self, name: impl Into<String>, mtu: u16) {
        self.interfaces.insert(name.into(), mtu);
    }

    /// Makes the kernel forget a scheduler, as if its module could not be loaded.
    pub fn remove_scheduler(&mut self, name: &str) {
        self.schedulers.remove(name);
    }

    /// Operations attempted so far, refused ones included.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Calls of the trait's methods so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Refuses the `nth` operation from now, counted from 1.
    pub fn refuse_operation(&mut self, nth: u64, errno: Errno) {
        self.refused_operations
            .insert(self.operations.saturating_add(nth), errno);
    }

    /// Fails the `nth` call of a method from now, counted from 1, without doing anything.
    pub fn fail_call(&mut self, nth: u64, error: Error) {
        self.failing_calls
            .insert(self.calls.saturating_add(nth), error);
    }

    fn enter(&mut self) -> Result<(), Error> {
        self.calls += 1;
        self.failing_calls.remove(&self.calls).map_or(Ok(()), Err)
    }

    fn perform(&mut self, operation: &Operation) -> Result<(), Errno> {
        self.operations += 1;
        if let Some(errno) = self.refused_operations.remove(&self.operations) {
            return Err(errno);
        }
        if let Some(errno) = refusal::of_operation(operation) {
            return Err(errno);
        }
        match operation {
            Operation::AddService(key, wanted) => self.add_service(key, wanted),
            Operation::SetService(key, wanted) => self.set_service(key, wanted),
            Operation::DeleteService(key) => {
                self.services.remove(key).map(drop).ok_or(Errno::ESRCH)
            }
            Operation::AddDestination(key, wanted) => self.add_destination(key, wanted),
            Operation::SetDestination(key, wanted) => self.set_destination(key, wanted),
            Operation::DeleteDestination(key, gone) => {
                let service = self.services.get_mut(key).ok_or(Errno::ESRCH)?;
                let removed = service.destinations.remove(gone);
                removed.map(drop).ok_or(Errno::ENOENT)
            }
        }
    }
}

impl Ipvs for Table {
    fn info(&mut self) -> Result<Info, Error> {
        self.enter()?;
        Ok(Info {
            version: (1, 2, 1),
            connection_table_size: 4096,
        })
    }

    fn services(&mut self) -> Result<ObservedTable, Error> {
        self.enter()?;
        let bare = |(key, observed): (&ServiceKey, &ObservedService)| {
            let (service, counters) = (observed.service.clone(), observed.counters);
            let destinations = BTreeMap::new();
            let bare = ObservedService {
                service,
                counters,
                destinations,
            };
            (*key, bare)
        };
        Ok(self.services.iter().map(bare).collect())
    }

    /// No call of its own: whoever reads a table counts once.
    fn fill(&mut self, key: &ServiceKey, observed: &mut ObservedService) -> Result<bool, Error> {
        let found = self.services.get(key);
        observed.destinations = found.map_or_else(BTreeMap::new, |s| s.destinations.clone());
        Ok(found.is_some())
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<ObservedService>, Error> {
        self.enter()?;
        Ok(self.services.get(key).cloned())
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Failure<Error>>, Error> {
        self.enter()?;
        let mut failures = Vec::new();
        for (index, operation) in operations.iter().enumerate() {
            if let Err(errno) = self.perform(operation) {
                let error = Error::refused(Request::of(operation), errno);
                failures.push(Failure { index, error });
            }
        }
        Ok(failures)
    }

    fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error> {
        self.enter()?;
        if let Some(key) = service
            && !self.services.contains_key(key)
        {
            let request = Request::Zero(Some(*key));
            return Err(Error::refused(request, Errno::ESRCH));
        }
        for (key, observed) in &mut self.services {
            if service.is_none_or(|wanted| wanted == key) {
                observed.counters = Counters::default();
                for destination in observed.destinations.values_mut() {
                    destination.counters = Counters::default();
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.enter()?;
        self.services.clear();
        Ok(())
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        self.enter()?;
        Ok(self.timeouts)
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        self.enter()?;
        let pairs = [
            (&mut self.timeouts.tcp, timeouts.tcp),
            (&mut self.timeouts.tcp_fin, timeouts.tcp_fin),
            (&mut self.timeouts.udp, timeouts.udp),
        ];
        if pairs.iter().any(|(_, wanted)| *wanted > MAX_TIMEOUT) {
            return Err(Error::refused(Request::SetTimeouts, Errno::EINVAL));
        }
        for (current, wanted) in pairs {
            if wanted != 0 {
                *current = wanted;
            }
        }
        Ok(())
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        self.enter()?;
        Ok(self.daemons.values().cloned().collect())
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        self.enter()?;
        self.start(daemon)
            .map_err(|errno| Error::refused(Request::StartDaemon(daemon.role), errno))
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        self.enter()?;
        let stopped = self.daemons.remove(&role).map(drop);
        stopped.ok_or_else(|| Error::refused(Request::StopDaemon(role), Errno::ESRCH))
    }

    fn sketch(&mut self) -> Result<Sketch, Error> {
        self.enter()?;
        Ok(Sketch::of_observed(&self.services))
    }
}

/// A table that two hands hold: one behind the program under test, one in the test.
impl Ipvs for Arc<Mutex<Table>> {
    fn info(&mut self) -> Result<Info, Error> {
        lock(self).info()
    }

    fn services(&mut self) -> Result<ObservedTable, Error> {
        Ipvs::services(&mut *lock(self))
    }

    fn fill(&mut self, key: &ServiceKey, observed: &mut ObservedService) -> Result<bool, Error> {
        lock(self).fill(key, observed)
    }

    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<ObservedService>, Error> {
        lock(self).dump_service(key)
    }

    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Failure<Error>>, Error> {
        lock(self).apply(operations)
    }

    fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error> {
        lock(self).zero(service)
    }

    fn flush(&mut self) -> Result<(), Error> {
        lock(self).flush()
    }

    fn timeouts(&mut self) -> Result<Timeouts, Error> {
        lock(self).timeouts()
    }

    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error> {
        lock(self).set_timeouts(timeouts)
    }

    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error> {
        lock(self).daemons()
    }

    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error> {
        lock(self).start_daemon(daemon)
    }

    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error> {
        lock(self).stop_daemon(role)
    }

    fn sketch(&mut self) -> Result<Sketch, Error> {
        lock(self).sketch()
    }
}

/// A test that panicked while holding the table leaves it usable.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

fn fresh(destination: model::Destination) -> ObservedDestination {
    ObservedDestination {
        destination,
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Counters::default(),
    }
}
