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

    /// [`Ipvs::apply`].
    pub async fn apply(&self, operations: Vec<Operation>) -> Result<Vec<Failure<Error>>, Error> {
        self.ask(move |ipvs| ipvs.apply(&operations)).await
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
