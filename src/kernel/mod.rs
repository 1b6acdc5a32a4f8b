//! Every conversation with the Linux kernel.
//!
//! [`Ipvs`] is what the rest of the program needs of the kernel's load balancer.
//! [`ipvs::Client`] speaks with the kernel, [`fake::Table`] refuses and stores what the
//! kernel refuses and stores; the same suite of tests runs against both.
//! [`worker::Handle`] puts either on a thread of its own for asynchronous callers, and
//! [`proc`] reads the whole table in one cheap read to see whether other hands changed it.
//!
//! [`address`], [`neighbour`] and [`sysctl`] are what else the program needs of the host's
//! network stack.
//!
//! Facts about the kernel that the code relies on are numbered files in `kernel-notes/`,
//! each with the test that pins it.

pub mod address;
pub mod carrier;
pub mod connections;
mod error;
pub mod fake;
pub mod host;
pub mod ipvs;
pub mod neighbour;
mod netlink;
pub mod proc;
mod refusal;
#[cfg(test)]
mod api {
    //! Where the shared suite finds what it tests.
    pub(crate) use crate::{kernel, model};
}
pub mod statistics;
#[cfg(test)]
mod suite;
pub mod sysctl;
pub mod worker;

pub use error::{Class, Error, Request};

use crate::model::{
    DestinationKey, Failure, Info, ObservedService, ObservedTable, Operation, ServiceKey,
    SyncDaemon, SyncRole, Timeouts,
};

/// The kernel's load balancer in one network namespace.
pub trait Ipvs {
    /// Version and size of the connection table.
    fn info(&mut self) -> Result<Info, Error>;

    /// Every service, and statistics. The destinations of each are read by
    /// [`Ipvs::fill`]: who needs one service at a time never holds the whole table.
    fn services(&mut self) -> Result<ObservedTable, Error>;

    /// Reads the destinations of a service of [`Ipvs::services`] into it. Returns whether
    /// the service is still there.
    fn fill(&mut self, key: &ServiceKey, observed: &mut ObservedService) -> Result<bool, Error>;

    /// Every service with its destinations, and statistics.
    ///
    /// The kernel gives no consistent picture while others write: in spite of repeated
    /// reading a row can be missing (kernel note 0009). Adding what seems to be missing then fails with
    /// [`Class::Exists`], which is the moment to read again.
    fn dump(&mut self) -> Result<ObservedTable, Error> {
        let mut table = ObservedTable::new();
        for (key, mut observed) in self.services()? {
            if self.fill(&key, &mut observed)? {
                table.insert(key, observed);
            }
        }
        Ok(table)
    }

    /// One service with its destinations; `None` when there is no such service.
    fn dump_service(&mut self, key: &ServiceKey) -> Result<Option<ObservedService>, Error>;

    /// The order in which the table is told, which is that of no tool: services by the
    /// kernel's hash, destinations newest first. Of one service only when it is given.
    fn order(
        &mut self,
        service: Option<&ServiceKey>,
    ) -> Result<Vec<(ServiceKey, Vec<DestinationKey>)>, Error> {
        let keys = |(key, observed): (&ServiceKey, &ObservedService)| {
            (*key, observed.destinations.keys().copied().collect())
        };
        let table = self.dump()?;
        let wanted = |(key, _): &(&ServiceKey, &ObservedService)| {
            service.is_none_or(|service| service == *key)
        };
        Ok(table.iter().filter(wanted).map(keys).collect())
    }

    /// Carries out operations in order and returns those that were refused, by position.
    /// A refused one stops nothing.
    ///
    /// # Errors
    ///
    /// When the conversation itself failed, some of the operations may have been carried
    /// out: the table has to be read again.
    fn apply(&mut self, operations: &[Operation]) -> Result<Vec<Failure<Error>>, Error>;

    /// Sets the statistics of a service and its destinations to zero, or all of them.
    fn zero(&mut self, service: Option<&ServiceKey>) -> Result<(), Error>;

    /// Removes every service. Connections and sync daemons stay.
    fn flush(&mut self) -> Result<(), Error>;

    /// The adjustable time-outs.
    fn timeouts(&mut self) -> Result<Timeouts, Error>;

    /// Changes the time-outs that are not 0.
    fn set_timeouts(&mut self, timeouts: &Timeouts) -> Result<(), Error>;

    /// The running sync daemons, master first.
    fn daemons(&mut self) -> Result<Vec<SyncDaemon>, Error>;

    /// Starts a sync daemon.
    fn start_daemon(&mut self, daemon: &SyncDaemon) -> Result<(), Error>;

    /// Stops the sync daemon of a role.
    fn stop_daemon(&mut self, role: SyncRole) -> Result<(), Error>;

    /// What `/proc/net/ip_vs` tells of the table: for noticing changes cheaply.
    fn sketch(&mut self) -> Result<proc::Sketch, Error>;
}
