//! The check lane: one thread that carries out every check when it is due.
//!
//! Plain TCP connections and plain HTTP, of which a director may have thousands, run on
//! the thread's own readiness loop with as few system calls as the socket interface
//! allows; all other probes are handed to a tokio runtime. Nothing here waits for a
//! server: one that hangs costs a descriptor until its deadline and no one else's time.
//!
//! What the lane does not know: services, availability, what an outcome leads to. It is
//! told which checks exist and tells what came of them, and is silent about a server
//! that was in order and still is.
//!
//! # Design
//!
//! A runtime's task per check is the obvious way and costs twice the processor time: a
//! timer, wake-ups of each task, registration and deregistration of each socket. Here a
//! healthy HTTP check takes socket, connect, register, send, receive, close and a share
//! of the waits, since starts are gathered on a grid of 10 ms.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::Waker;
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

use crate::model::{Advice, CertificateState, Check, Outcome};

mod complaints;
mod deadlines;
mod entry;
mod flight;
mod rounds;
mod schedule;
mod shortage;
mod worker;

use worker::{Command, Worker};

/// Name of a check, chosen by whoever adds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckId(pub u64);

/// What one round of a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckResult {
    /// The verdict.
    pub outcome: Outcome,
    /// One line that describes a success.
    pub detail: String,
    /// What the server, or the program that looked at it, advises.
    pub advice: Advice,
    /// From the start of the probe to its end.
    pub latency: Duration,
}

/// News of a check: its first result, every result that is not up, the first one that is
/// up again, one that advises something else than the one before; or every result, if that
/// was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckEvent {
    /// Which check.
    pub id: CheckId,
    /// What came of the round.
    pub report: CheckResult,
    /// When the round ended.
    pub at: Instant,
}

/// How closely a check is looked at for the time being.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Watch {
    /// Time between two rounds instead of the check's own.
    pub interval: Option<Duration>,
    /// Every result is news.
    pub every_result: bool,
}

/// The last round of a check, to be looked at by others at any time.
#[derive(Debug, Default)]
pub struct LastResult(Mutex<LastRound>);

/// Figures of a check's rounds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastRound {
    /// When the last round ended; `None` before the first.
    pub at: Option<Instant>,
    /// How long it took.
    pub latency: Duration,
    /// How long after its moment in the interval the last round began: what the lane, not
    /// the server, is to blame for. Zero for a first round before that moment.
    pub late: Duration,
    /// Rounds that have ended.
    pub rounds: u64,
    /// What the last TLS handshake told about the server's certificate, and when.
    pub certificate: Option<(CertificateState, Instant)>,
    /// Rounds left out because the one before was under way for longer than an interval.
    pub skipped: u64,
}

impl LastResult {
    /// The figures as they are now.
    pub fn read(&self) -> LastRound {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, change: impl FnOnce(&mut LastRound)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The lane. Dropping it gives up every probe and ends the thread.
#[derive(Debug)]
pub struct Lane {
    mailbox: Mailbox,
    thread: Option<JoinHandle<()>>,
}

impl Lane {
    /// Starts the thread. Probes it does not carry out itself run on `runtime`, which
    /// needs time and I/O enabled. `events` is closed when the lane ends.
    ///
    /// # Errors
    ///
    /// No descriptor for the readiness loop, or no thread.
    pub fn start(runtime: Handle, events: UnboundedSender<CheckEvent>) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let (sender, commands) = mpsc::channel();
        let mailbox = Mailbox {
            sender,
            bell: Arc::new(Bell {
                waker: Waker::new(poll.registry(), worker::BELL)?,
                rung: AtomicBool::new(false),
            }),
        };
        let worker = Worker::new(poll, mailbox.clone(), commands, runtime, events);
        let thread = std::thread::Builder::new()
            .name("checks".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            mailbox,
            thread: Some(thread),
        })
    }

    /// Begins a check. Its rounds begin at a moment of the interval that is the check's own;
    /// the first one earlier, in the order of adding, as far as that makes no burst.
    /// `report_all` asks for an event after every round. An `id` in use is replaced.
    pub fn add(&self, id: CheckId, check: Arc<Check>, report_all: bool) -> Arc<LastResult> {
        let last = Arc::new(LastResult::default());
        self.mailbox.send(Command::Add {
            id,
            check,
            report_all,
            last: Arc::clone(&last),
        });
        last
    }

    /// Looks at a check more closely, or as before, until told otherwise. An `id` that is not
    /// in use is ignored.
    pub fn watch(&self, id: CheckId, watch: Watch) {
        self.mailbox.send(Command::Watch(id, watch));
    }

    /// Ends a check. A probe under way is given up; no event of the check is sent after
    /// the lane has taken note.
    pub fn remove(&self, id: CheckId) {
        self.mailbox.send(Command::Remove(id));
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.mailbox.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed when it happened.
            let _ = thread.join();
        }
    }
}

/// Where commands for the lane's thread are put.
#[derive(Debug, Clone)]
struct Mailbox {
    sender: mpsc::Sender<Command>,
    bell: Arc<Bell>,
}

/// Wakes the thread, once for any number of commands.
#[derive(Debug)]
struct Bell {
    waker: Waker,
    rung: AtomicBool,
}

impl Mailbox {
    fn send(&self, command: Command) {
        // Fails only after the thread has ended; then there is nothing left to tell.
        if self.sender.send(command).is_ok() {
            self.bell.ring();
        }
    }
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // Writing to an event counter fails only when it is full, which wakes too.
            let _ = self.waker.wake();
        }
    }

    /// To be called before the mailbox is emptied.
    fn silence(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests;
