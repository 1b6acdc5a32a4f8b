//! A client of the service during a drill: a TCP connection every 10 ms.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::gaps::Attempt;

/// Time between two attempts.
const RHYTHM: Duration = Duration::from_millis(10);
/// Longest time for one: shorter than the kernel's second SYN.
const PATIENCE: Duration = Duration::from_millis(300);
/// Most attempts, two minutes of them.
const ATTEMPTS: usize = 12_000;

/// A running probe; ends when dropped.
pub(super) struct Probe {
    attempts: Arc<Mutex<Vec<Attempt>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Probe {
    /// Starts one, if the service answers this node at all.
    pub(super) async fn start(service: SocketAddr) -> anyhow::Result<Self> {
        anyhow::ensure!(
            attempt(service).await.succeeded,
            "{service} does not answer this node, so it cannot be probed from here: with direct \
             routing an active director is no client of its own services; run a probe on another \
             host"
        );
        let attempts = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(run(service, Arc::clone(&attempts)));
        Ok(Self { attempts, task })
    }

    /// What came of it, of the attempts that have ended.
    pub(super) async fn end(self) -> Vec<Attempt> {
        // The last ones are still under way.
        tokio::time::sleep(PATIENCE).await;
        let attempts = self.attempts.lock();
        attempts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn run(service: SocketAddr, log: Arc<Mutex<Vec<Attempt>>>) {
    let mut tick = tokio::time::interval(RHYTHM);
    let mut running = JoinSet::new();
    for _ in 0..ATTEMPTS {
        tick.tick().await;
        let log = Arc::clone(&log);
        running.spawn(async move {
            let attempt = attempt(service).await;
            log.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(attempt);
        });
        while running.try_join_next().is_some() {}
    }
    while running.join_next().await.is_some() {}
}

async fn attempt(service: SocketAddr) -> Attempt {
    let begun = Instant::now();
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(service)).await;
    Attempt {
        begun,
        succeeded: matches!(connected, Ok(Ok(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_is_reached_again_and_again_and_a_closed_port_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let service = listener.local_addr().unwrap();
        let probe = Probe::start(service).await.unwrap();
        for _ in 0..3 {
            drop(listener.accept().await.unwrap());
        }
        let attempts = probe.end().await;
        assert!(attempts.len() >= 2, "{attempts:?}");
        assert!(attempts.iter().all(|one| one.succeeded));
        drop(listener);
        assert!(Probe::start(service).await.is_err());
    }
}
