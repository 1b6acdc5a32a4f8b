//! Tracks: what must work for this node to serve.
//!
//! Each track that must be looked at has a task of its own, so that none waits for another;
//! carriers are told by the kernel to one thread for all; the number of available real servers
//! is told from outside by [`Tracks::set_available`]. All verdicts are on one [`board`],
//! and another task sends a [`Summary`] whenever one has changed.
//!
//! ```text
//! looks, kernel, set_available ─► outcome ─► board (pure) ─► Summary ─► channel
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tokio::time::sleep_until;

use super::program::Names;
use crate::model::pair::{Pair, TrackKind};

mod board;
mod carrier;
mod kind;
mod look;
mod machine;
mod process;

pub use board::{Summary, TrackStatus};
pub use machine::State;

use board::{Board, Change, Id};
use look::Looker;
use process::Scanner;

/// First looks are spread over the interval, but over no more than this: before it, nothing
/// is known.
const SPREAD: Duration = Duration::from_secs(1);

/// Least and most time between two looks at a track.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
const INTERVAL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Watches the tracks of a pair. Everything ends when it is dropped; programs that run are
/// killed.
pub struct Tracks {
    shared: Arc<Shared>,
    scanner: Arc<Scanner>,
    names: Names,
    looks: BTreeMap<Id, Task>,
    _teller: Task,
    _carriers: carrier::Thread,
}

/// What the tasks have in common.
struct Shared {
    board: Mutex<Board>,
    /// Something on the board has changed.
    changed: Notify,
    /// The set of interfaces has changed.
    interfaces: Notify,
}

/// A task that ends with its owner.
struct Task(AbortHandle);

impl Task {
    fn spawn(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(future).abort_handle())
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Tracks {
    /// Begins to watch, in the calling thread's network namespace. To be called within a
    /// tokio runtime with time and I/O enabled.
    ///
    /// `news` gets the name of an instance and its summary: once for each at the beginning,
    /// and after every change. While nobody takes them, only the latest of each instance is
    /// kept.
    ///
    /// # Errors
    ///
    /// The thread that hears the kernel could not be started.
    pub fn start(pair: &Pair, news: mpsc::Sender<(String, Summary)>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            board: Mutex::default(),
            changed: Notify::new(),
            interfaces: Notify::new(),
        });
        let mut tracks = Self {
            _carriers: carrier::Thread::start(Arc::clone(&shared))?,
            _teller: Task::spawn(tell(Arc::clone(&shared), news)),
            shared,
            scanner: Arc::default(),
            names: Names::of(pair),
            looks: BTreeMap::new(),
        };
        tracks.replace(pair);
        Ok(tracks)
    }

    /// Watches what a new configuration asks for. A track that is as before, but for what
    /// its failure does, keeps its verdict and its place in time.
    pub fn replace(&mut self, pair: &Pair) {
        let names = Names::of(pair);
        let renamed = std::mem::replace(&mut self.names, names) != self.names;
        let mut start = {
            let mut board = self.shared.board();
            let replaced = board.replace(&pair.instances, now());
            self.scanner.want(board.processes());
            for id in &replaced.removed {
                self.looks.remove(id);
            }
            replaced.added
        };
        if renamed {
            // Their environment has changed.
            start.extend(self.scripts());
        }
        self.start_looks(&start);
        self.shared.changed.notify_one();
        self.shared.interfaces.notify_one();
    }

    /// A virtual service, named as listings name it, has so many available real servers
    /// now. Before the first word, nothing is known of it.
    pub fn set_available(&self, service: &str, available: u32) {
        let changes = self
            .shared
            .board()
            .handle_available(service, available, now());
        self.shared.changed.notify_one();
        changes.iter().for_each(log);
    }

    /// Every track, in the order of configuration.
    pub fn status(&self) -> Vec<TrackStatus> {
        self.shared.board().status()
    }

    /// What the tracks of an instance say together at this moment.
    pub fn summary(&self, instance: &str) -> Summary {
        self.shared.board().summary(instance)
    }

    fn scripts(&self) -> Vec<Id> {
        let board = self.shared.board();
        let is_script = |id: &Id| {
            let track = board.track(*id);
            track.is_some_and(|(_, track)| matches!(track.kind, TrackKind::Script { .. }))
        };
        self.looks.keys().copied().filter(is_script).collect()
    }

    fn start_looks(&mut self, ids: &[Id]) {
        let board = self.shared.board();
        for (index, id) in ids.iter().enumerate() {
            let Some((instance, track)) = board.track(*id) else {
                continue;
            };
            let Some(looker) = Looker::new(instance, track, &self.names, &self.scanner) else {
                continue;
            };
            let place = index as f64 / ids.len() as f64;
            let first = track.interval.min(SPREAD).mul_f64(place);
            let interval = track.interval.clamp(INTERVAL_MIN, INTERVAL_MAX);
            let look = watch(Arc::clone(&self.shared), *id, looker, first, interval);
            self.looks.insert(*id, Task::spawn(look));
        }
    }
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A look has ended, or the kernel has spoken.
    fn handle_outcome(&self, id: Id, (outcome, detail): &look::Finding) {
        let change = self.board().handle_outcome(id, outcome, detail, now());
        // Also when no verdict has changed: a later one may be due.
        self.changed.notify_one();
        change.iter().for_each(log);
    }
}

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn log(change: &Change) {
    let Change {
        instance,
        name,
        state,
        detail,
    } = change;
    match state {
        State::Down(reason) => tracing::warn!(instance, track = name, %reason, "track failed"),
        State::Up => tracing::info!(instance, track = name, detail, "track is good"),
        State::Unknown => {}
    }
}

/// Looks at one track for as long as it is watched. A look that takes longer than the
/// interval is followed by the next one at once; those that were missed are left out.
async fn watch(
    shared: Arc<Shared>,
    id: Id,
    mut looker: Looker,
    first: Duration,
    interval: Duration,
) {
    let mut next = tokio::time::Instant::now() + first;
    loop {
        sleep_until(next).await;
        let started = tokio::time::Instant::now();
        let finding = looker.look().await;
        shared.handle_outcome(id, &finding);
        let earliest = tokio::time::Instant::now() + INTERVAL_MIN;
        next = (started + interval).max(earliest);
    }
}

/// Sends summaries as they change, and lets time pass on the board.
async fn tell(shared: Arc<Shared>, news: mpsc::Sender<(String, Summary)>) {
    loop {
        let (changes, due, pending) = {
            let mut board = shared.board();
            let changes = board.handle_time(now());
            (changes, board.due(), board.has_news())
        };
        changes.iter().for_each(log);
        let wait = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            permit = news.reserve(), if pending => {
                let Ok(permit) = permit else { return };
                if let Some(summary) = shared.board().next_news() {
                    permit.send(summary);
                }
            }
            () = wait => {}
            () = shared.changed.notified() => {}
        }
    }
}

#[cfg(test)]
mod tests;
