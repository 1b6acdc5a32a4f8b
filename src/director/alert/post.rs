//! The post: a task that delivers letters and tries again, with nobody waiting for it.
//!
//! Each route has an outbox of its own, so that a dead mail server delays no other's mail:
//! one letter under way, and one in which everything that comes meanwhile is gathered. After
//! an outage there is thus one mail with all that happened, not one for each.

mod outbox;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::tz::TimeZone;
use lettre::Address;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinError, JoinHandle, JoinSet};

use super::{Letter, Message, Now, Origin, Route, sendmail, smtp};
use crate::director::status::{AlertStatus, MailTrouble};
use crate::model::Reason;
use outbox::{Current, Outbox, RETRY_LONGEST};

/// The local mail program.
pub const SENDMAIL: &str = "/usr/sbin/sendmail";

/// Alerts that may wait, of all routes.
const QUEUE: usize = 1000;
/// Letters that may wait for the task itself, which never waits.
const MAILBOX: usize = 256;
/// Deliveries that run at once.
const PARALLEL: usize = 16;
/// Deadline of a delivery, name resolution included.
const DEADLINE: Duration = Duration::from_secs(60);

/// A mail was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Recipients that the server does not take, and its words.
    pub(super) refused: Vec<(Address, String)>,
    /// Recipients that the server does not take now, and its words.
    pub(super) deferred: Vec<(Address, String)>,
}

/// A mail was not taken, in words on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Failure(Reason);

impl Failure {
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self(Reason::new(text))
    }
}

/// How mail leaves.
#[derive(Debug, Clone)]
pub struct Ways {
    /// The local mail program.
    pub sendmail: PathBuf,
    /// Port of the mail servers.
    pub port: u16,
    /// Longest time for one delivery; what takes longer is tried again.
    pub deadline: Duration,
}

impl Default for Ways {
    fn default() -> Self {
        Self {
            sendmail: PathBuf::from(SENDMAIL),
            port: smtp::PORT,
            deadline: DEADLINE,
        }
    }
}

/// A handle of the post.
#[derive(Debug)]
pub struct Post {
    letters: mpsc::Sender<Letter>,
    task: JoinHandle<()>,
    board: Arc<Mutex<Board>>,
}

/// What is to be seen from outside.
#[derive(Debug, Default)]
struct Board {
    waiting: usize,
    dropped: u64,
    troubles: BTreeMap<Arc<Route>, (Instant, String)>,
}

impl Post {
    /// Starts the task. To be called within a runtime.
    pub fn start(origin: Origin, ways: Ways) -> Self {
        let (letters, mailbox) = mpsc::channel(MAILBOX);
        let board = Arc::new(Mutex::new(Board::default()));
        let office = Office {
            origin,
            ways,
            mailbox,
            closing: false,
            outboxes: BTreeMap::new(),
            deliveries: JoinSet::new(),
            running: Vec::new(),
            numbers: 0,
            board: Arc::clone(&board),
        };
        Self {
            letters,
            task: tokio::spawn(office.work()),
            board,
        }
    }

    /// Takes a letter. Never waits.
    pub fn send(&self, letter: Letter) {
        if let Err(error) = self.letters.try_send(letter) {
            let (mpsc::error::TrySendError::Full(letter)
            | mpsc::error::TrySendError::Closed(letter)) = error;
            let lost = letter.lines.len() as u64 + letter.dropped;
            tracing::error!(lost, "alerts were dropped, the mail task does not keep up");
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            board.dropped += lost;
        }
    }

    /// What is to be told of it; `None` when no alert waits and every route works.
    pub fn status(&self, gathered: usize, now: Instant) -> Option<AlertStatus> {
        let board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        let troubles = board
            .troubles
            .iter()
            .map(|(route, (since, error))| MailTrouble {
                relay: route.relay_name().to_owned(),
                error: error.clone(),
                since_seconds: now.saturating_duration_since(*since).as_secs_f64(),
            });
        let status = AlertStatus {
            waiting: board.waiting + gathered,
            dropped: board.dropped,
            troubles: troubles.collect(),
        };
        (status.waiting > 0 || !status.troubles.is_empty()).then_some(status)
    }

    /// Ends the post. What waits has until the `limit` to go, each letter in one more attempt.
    pub async fn finish(self, limit: Duration) {
        let Self {
            letters,
            task,
            board,
        } = self;
        drop(letters);
        let abort = task.abort_handle();
        let ended = tokio::time::timeout(limit, task).await;
        abort.abort();
        let waiting = board.lock().unwrap_or_else(PoisonError::into_inner).waiting;
        if ended.is_err() || waiting > 0 {
            tracing::error!(waiting, "alerts could not be mailed before the end");
        }
    }
}

/// The task.
struct Office {
    origin: Origin,
    ways: Ways,
    mailbox: mpsc::Receiver<Letter>,
    /// The director ends: one attempt more.
    closing: bool,
    outboxes: BTreeMap<Arc<Route>, Outbox>,
    deliveries: JoinSet<Result<Delivered, Failure>>,
    /// Whose they are.
    running: Vec<(Id, Arc<Route>)>,
    /// Counts messages.
    numbers: u64,
    board: Arc<Mutex<Board>>,
}

impl Office {
    async fn work(mut self) {
        loop {
            self.begin();
            self.post_up();
            if self.closing && self.deliveries.is_empty() {
                return;
            }
            let wake = self.next_retry();
            tokio::select! {
                letter = self.mailbox.recv(), if !self.closing => match letter {
                    Some(letter) => self.take(letter),
                    None => self.close(),
                },
                Some(ended) = self.deliveries.join_next_with_id() => self.take_end(ended),
                () = sleep_until(wake), if wake.is_some() && !self.closing => {}
            }
        }
    }

    fn take(&mut self, letter: Letter) {
        let outbox = self.outboxes.entry(Arc::clone(&letter.route)).or_default();
        match &mut outbox.waiting {
            Some(waiting) => waiting.merge(letter),
            None => outbox.waiting = Some(letter),
        }
        outbox.make_way();
        let Some(waiting) = &mut outbox.waiting else {
            return;
        };
        let (route, own) = (Arc::clone(&waiting.route), waiting.lines.len());
        let others = self.waiting() - own;
        let room = QUEUE.saturating_sub(others);
        let outbox = self
            .outboxes
            .get_mut(&route)
            .and_then(|o| o.waiting.as_mut());
        let dropped = outbox.map_or(0, |letter| letter.shorten(room));
        if dropped > 0 {
            let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
            if board.dropped == 0 {
                tracing::error!(
                    limit = QUEUE,
                    "too many alerts wait for mail, the oldest are dropped"
                );
            }
            board.dropped += dropped as u64;
        }
    }

    /// Alerts that have not been delivered.
    fn waiting(&self) -> usize {
        let outboxes = self.outboxes.values();
        let one = |outbox: &Outbox| {
            let waiting = outbox
                .waiting
                .as_ref()
                .map_or(0, |letter| letter.lines.len());
            waiting + outbox.current.as_ref().map_or(0, |current| current.alerts)
        };
        outboxes.map(one).sum()
    }

    /// Starts the deliveries whose time has come.
    fn begin(&mut self) {
        let now = Instant::now();
        let ready: Vec<Arc<Route>> = self
            .outboxes
            .iter()
            .filter(|(_, outbox)| outbox.wants(now))
            .map(|(route, _)| Arc::clone(route))
            .collect();
        for route in ready {
            if self.deliveries.len() >= PARALLEL {
                return;
            }
            self.start(&route);
        }
    }

    fn start(&mut self, route: &Arc<Route>) {
        let Some(outbox) = self.outboxes.get_mut(route) else {
            return;
        };
        if outbox.current.is_none()
            && let Some(letter) = outbox.waiting.take()
        {
            self.numbers += 1;
            outbox.current = write(&letter, &self.origin, self.numbers);
        }
        let Some(current) = &mut outbox.current else {
            return;
        };
        current.under_way = true;
        outbox.retry_at = None;
        let (message, route) = (Arc::clone(&current.message), Arc::clone(route));
        let (host, ways) = (self.origin.host.clone(), self.ways.clone());
        let of = Arc::clone(&route);
        let delivery = self.deliveries.spawn(async move {
            match &route.relay {
                Some(relay) => smtp::deliver(relay, &ways, &host, &message).await,
                None => sendmail::deliver(&ways, &message).await,
            }
        });
        self.running.push((delivery.id(), of));
    }

    fn take_end(&mut self, ended: Result<(Id, Result<Delivered, Failure>), JoinError>) {
        let (id, result) = ended.unwrap_or_else(|error| {
            let failure = Failure::new(format!("the delivery broke off: {error}"));
            (error.id(), Err(failure))
        });
        if let Some(position) = self.running.iter().position(|(of, _)| *of == id) {
            let (_, route) = self.running.swap_remove(position);
            self.take_result(&route, result);
        }
    }

    fn take_result(&mut self, route: &Arc<Route>, result: Result<Delivered, Failure>) {
        let closing = self.closing;
        let Some(outbox) = self.outboxes.get_mut(route) else {
            return;
        };
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(delivered) => {
                outbox.note_success(route);
                board.troubles.remove(route);
                outbox.note_delivered(delivered);
            }
            Err(failure) => {
                let failure = failure.to_string();
                outbox.note_failure(route, &failure);
                let since = board
                    .troubles
                    .get(route)
                    .map_or_else(Instant::now, |known| known.0);
                board.troubles.insert(Arc::clone(route), (since, failure));
                if closing {
                    // That was its last attempt.
                    outbox.retry_at = Some(Instant::now() + RETRY_LONGEST);
                }
            }
        }
    }

    /// The director ends: whatever waits is tried once more, now.
    fn close(&mut self) {
        self.closing = true;
        for outbox in self.outboxes.values_mut() {
            outbox.retry_at = None;
        }
        self.begin();
    }

    fn next_retry(&self) -> Option<Instant> {
        let outboxes = self.outboxes.values();
        outboxes.filter_map(|outbox| outbox.retry_at).min()
    }

    /// Brings the board up to date.
    fn post_up(&self) {
        let waiting = self.waiting();
        let mut board = self.board.lock().unwrap_or_else(PoisonError::into_inner);
        board.waiting = waiting;
    }
}

/// Writes a letter down. One that cannot be written is lost, with a log line.
fn write(letter: &Letter, origin: &Origin, number: u64) -> Option<Current> {
    let now = Now {
        steady: Instant::now(),
        wall: SystemTime::now(),
    };
    let since = now.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
    let id = format!("{}.{}.{number}", since.as_micros(), std::process::id());
    match Message::of(letter, &origin.host, &id, now, &TimeZone::system()) {
        Ok(message) => {
            tracing::info!("emailalert: {}", message.subject);
            Some(Current {
                message: Arc::new(message),
                alerts: letter.lines.len(),
                under_way: false,
                at_rest: 0,
            })
        }
        Err(error) => {
            tracing::error!("{error}");
            None
        }
    }
}

async fn sleep_until(at: Option<Instant>) {
    if let Some(at) = at {
        tokio::time::sleep_until(at.into()).await;
    }
}

#[cfg(test)]
mod tests;
