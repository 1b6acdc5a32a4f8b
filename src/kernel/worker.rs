//! The kernel on a thread of its own, for asynchronous callers.
//!
//! Netlink calls do their work inside the send and can wait for a lock in the kernel, so
//! they must not run on the runtime. One thread owns the connection and serves one
//! request after the other, in the order in which they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::oneshot;

use super::{Error, Ipvs};
use crate::model::{
    Failure, Info, ObservedService, ObservedTable, Operation, ServiceKey, SyncDaemon, SyncRole,
    Table, Timeouts,
};

type Job = Box<dyn FnOnce(&mut dyn Ipvs) + Send>;

/// Asks the thread that owns the connection to the kernel. The thread ends when the last
/// handle is gone and its last request is served.
///
/// A request whose future is dropped is carried out all the same.
#[derive(Debug, Clone)]
pub struct Handle {
    jobs: mpsc::Sender<Job>,
}

impl Handle {
    /// Starts the thread.
    pub fn start(mut ipvs: Box<dyn Ipvs + Send>) -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("ipvs".to_owned())
            .spawn(move || {
                for job in queue {
                    job(&mut *ipvs);
                }
            })?;
        Ok(Self { jobs })
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Ipvs) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |ipvs| {
            // Nobody listens when the caller has gone away, which is its right.
            let _ = reply.send(question(ipvs));
        });
        self.jobs.send(job).map_err(|_| Error::Stopped)?;
        answer.await.unwrap_or(Err(Error::Stopped))
    }

    /// [`Ipvs::info`].
    pub async fn info(&self) -> Result<Info, Error> {
        self.ask(|ipvs| ipvs.info()).await
    }

    /// [`Ipvs::dump`].
    pub async fn dump(&self) -> Result<ObservedTable, Error> {
        self.ask(|ipvs| ipvs.dump()).await
    }

    /// [`Ipvs::dump_service`] for several services; one that is not there is `None`.
    pub async fn dump_services(
        &self,
        keys: Vec<ServiceKey>,
    ) -> Result<BTreeMap<ServiceKey, Option<ObservedService>>, Error> {
        self.ask(move |ipvs| {
            keys.into_iter()
                .map(|key| Ok((key, ipvs.dump_service(&key)?)))
                .collect()
        })
        .await
    }

    /// [`Ipvs::apply`]; hands the operations back.
    pub async fn apply(
        &self,
        operations: Vec<Operation>,
    ) -> (Vec<Operation>, Result<Vec<Failure<Error>>, Error>) {
        let answer = self.ask(move |ipvs| {
            let result = ipvs.apply(&operations);
            Ok((operations, result))
        });
        let stopped = |error| (Vec::new(), Err(error));
        answer.await.unwrap_or_else(stopped)
    }

    /// The services that differ between the kernel and a table, as far as
    /// [`Ipvs::sketch`] tells.
    pub async fn drift(&self, wanted: Arc<Table>) -> Result<BTreeSet<ServiceKey>, Error> {
        self.ask(move |ipvs| Ok(ipvs.sketch()?.differing(&wanted)))
            .await
    }

    /// [`Ipvs::zero`].
    pub async fn zero(&self, service: Option<ServiceKey>) -> Result<(), Error> {
        self.ask(move |ipvs| ipvs.zero(service.as_ref())).await
    }

    /// [`Ipvs::flush`].
    pub async fn flush(&self) -> Result<(), Error> {
        self.ask(|ipvs| ipvs.flush()).await
    }

    /// [`Ipvs::timeouts`].
    pub async fn timeouts(&self) -> Result<Timeouts, Error> {
        self.ask(|ipvs| ipvs.timeouts()).await
    }

    /// [`Ipvs::set_timeouts`].
    pub async fn set_timeouts(&self, timeouts: Timeouts) -> Result<(), Error> {
        self.ask(move |ipvs| ipvs.set_timeouts(&timeouts)).await
    }

    /// [`Ipvs::daemons`].
    pub async fn daemons(&self) -> Result<Vec<SyncDaemon>, Error> {
        self.ask(|ipvs| ipvs.daemons()).await
    }

    /// [`Ipvs::start_daemon`].
    pub async fn start_daemon(&self, daemon: SyncDaemon) -> Result<(), Error> {
        self.ask(move |ipvs| ipvs.start_daemon(&daemon)).await
    }

    /// [`Ipvs::stop_daemon`].
    pub async fn stop_daemon(&self, role: SyncRole) -> Result<(), Error> {
        self.ask(move |ipvs| ipvs.stop_daemon(role)).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::kernel::fake;
    use crate::kernel::suite::{destination, numbered, service};
    use crate::model::Forwarding;

    fn add(number: u16) -> Operation {
        Operation::AddService(numbered(number), service("rr"))
    }

    #[tokio::test]
    async fn requests_reach_the_table_in_order() {
        let handle = Handle::start(Box::new(fake::Table::new())).unwrap();
        assert_eq!(handle.apply(vec![add(1), add(2)]).await.1, Ok(vec![]));
        assert_eq!(handle.dump().await.unwrap().len(), 2);
        let keys = vec![numbered(2), numbered(3)];
        let found = handle.dump_services(keys).await.unwrap();
        let there: Vec<_> = found.values().map(Option::is_some).collect();
        assert_eq!(there, [true, false]);
        assert_eq!(handle.info().await.unwrap().version, (1, 2, 1));
        handle.zero(None).await.unwrap();
        handle.flush().await.unwrap();
        assert!(handle.dump().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn drift_names_the_services_that_other_hands_changed() {
        let shared = Arc::new(Mutex::new(fake::Table::new()));
        let handle = Handle::start(Box::new(Arc::clone(&shared))).unwrap();
        let server = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
        let operations = vec![
            add(1),
            Operation::AddDestination(numbered(1), server),
            add(2),
        ];
        handle.apply(operations).await.1.unwrap();
        let observed = handle.dump().await.unwrap();
        let table = observed.iter().map(|(key, found)| (*key, found.to_entry()));
        let wanted = Arc::new(table.collect::<Table>());
        assert!(handle.drift(Arc::clone(&wanted)).await.unwrap().is_empty());
        let removed = shared.lock().unwrap().services_mut().remove(&numbered(1));
        assert!(removed.is_some());
        let drift = handle.drift(wanted).await.unwrap();
        assert_eq!(drift, [numbered(1)].into());
    }

    #[tokio::test]
    async fn time_outs_and_sync_daemons_pass_through() {
        let handle = Handle::start(Box::new(fake::Table::new())).unwrap();
        let timeouts = Timeouts {
            tcp: 1,
            tcp_fin: 2,
            udp: 3,
        };
        handle.set_timeouts(timeouts).await.unwrap();
        assert_eq!(handle.timeouts().await, Ok(timeouts));
        let daemon = SyncDaemon {
            role: SyncRole::Master,
            interface: "lo".to_owned(),
            sync_id: 1,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        };
        handle.start_daemon(daemon).await.unwrap();
        assert_eq!(handle.daemons().await.unwrap().len(), 1);
        handle.stop_daemon(SyncRole::Master).await.unwrap();
        assert_eq!(handle.daemons().await, Ok(vec![]));
    }

    #[tokio::test]
    async fn a_thread_that_died_is_reported_to_every_caller() {
        let handle = Handle::start(Box::new(fake::Table::new())).unwrap();
        let answer: Result<(), Error> = handle.ask(|_| panic!("a bug in the kernel layer")).await;
        assert_eq!(answer, Err(Error::Stopped));
        assert_eq!(handle.flush().await, Err(Error::Stopped));
    }
}
