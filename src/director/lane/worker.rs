//! The lane's thread: owns the checks, their schedule and the probes under way.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use super::complaints::{self, Complaints};
use super::deadlines::Deadlines;
use super::entry::{Entry, First, Ready, Running};
use super::flight::{Flight, Landing, Plain};
use super::schedule::{Key, Schedule, Start};
use super::shortage::{News, Shortage};
use super::{CheckEvent, CheckId, CheckResult, LastResult, Mailbox, Watch};
use crate::check::{self, fault};
use crate::model::{Advice, Check, Fault, Outcome, Phases, Probe, ProbeKind, Report, Way};

/// Token of the waker; probes have the number of their place.
pub(super) const BELL: Token = Token(usize::MAX);

/// Bytes read from a socket at once.
const BUFFER: usize = 16 * 1024;

/// Events taken from the kernel at once.
const EVENTS: usize = 512;

/// External programs that run at once. Their time-outs count from when they start.
const PROGRAMS: usize = 128;

/// Longest wait for the next thing to do: whoever stands still meanwhile wakes up late.
const PULSE: Duration = Duration::from_millis(250);

/// So late is not the scheduler: the process was stopped, or its host was suspended.
const STANDSTILL: Duration = Duration::from_millis(500);

/// Something for the thread to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Begin a check.
    Add {
        id: CheckId,
        check: Arc<Check>,
        report_all: bool,
        last: Arc<LastResult>,
    },
    /// Look at it in another way.
    Watch(CheckId, Watch),
    /// End it.
    Remove(CheckId),
    /// A probe on the runtime has ended.
    Ended(Key, Box<Report>),
    /// End the thread.
    Stop,
}

/// Everything the thread owns.
pub(super) struct Worker {
    poll: Poll,
    mailbox: Mailbox,
    commands: mpsc::Receiver<Command>,
    runtime: Handle,
    programs: Arc<Semaphore>,
    events: UnboundedSender<CheckEvent>,
    checks: Vec<Option<Entry>>,
    vacant: Vec<u32>,
    slots: HashMap<CheckId, u32>,
    generations: u32,
    schedule: Schedule,
    /// Checks whose overdue round can begin.
    late: Vec<Key>,
    /// First rounds under way.
    first_rounds: usize,
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
    /// Places given up since the last look at the sockets: an event of the old socket may
    /// still be in hand.
    freed: Vec<usize>,
    deadlines: Deadlines,
    buffer: Box<[u8]>,
    complaints: Complaints,
    shortage: Shortage,
    /// When the last standstill of this process ended.
    woke: Option<Instant>,
}

impl Worker {
    pub(super) fn new(
        poll: Poll,
        mailbox: Mailbox,
        commands: mpsc::Receiver<Command>,
        runtime: Handle,
        events: UnboundedSender<CheckEvent>,
    ) -> Self {
        Self {
            poll,
            mailbox,
            commands,
            runtime,
            programs: Arc::new(Semaphore::new(PROGRAMS)),
            events,
            checks: Vec::new(),
            vacant: Vec::new(),
            slots: HashMap::new(),
            generations: 0,
            schedule: Schedule::new(Instant::now()),
            late: Vec::new(),
            first_rounds: 0,
            flights: Vec::new(),
            free: Vec::new(),
            freed: Vec::new(),
            deadlines: Deadlines::default(),
            buffer: vec![0; BUFFER].into(),
            complaints: Complaints::default(),
            shortage: Shortage::default(),
            woke: None,
        }
    }

    /// Works until told to stop.
    pub(super) fn run(mut self) {
        let mut ready = Events::with_capacity(EVENTS);
        let mut due = Vec::new();
        let mut now = Instant::now();
        loop {
            let wake = self.next_wake(now).map(|at| at.clamp(now, now + PULSE));
            let wait = wake.map(|at| at.saturating_duration_since(now));
            if let Err(error) = self.poll.poll(&mut ready, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "waiting for sockets failed, checks end");
                return;
            }
            now = Instant::now();
            if wake.is_some_and(|at| now.saturating_duration_since(at) >= STANDSTILL) {
                self.woke = Some(now);
            }
            for event in &ready {
                if event.token() == BELL {
                    if !self.take_commands(now) {
                        return;
                    }
                } else {
                    self.handle_ready(event, now);
                }
            }
            self.expire(now);
            self.free.append(&mut self.freed);
            for key in std::mem::take(&mut self.late) {
                self.begin(key, now);
            }
            let checks = &self.checks;
            let is_waiting = |key| is_waiting(checks, key);
            self.schedule
                .poll_due(now, self.first_rounds, is_waiting, &mut due);
            if due.is_empty() {
                continue;
            }
            for start in due.drain(..) {
                self.start_round(start, now);
            }
            // Starting takes time that must not be waited for once more.
            now = Instant::now();
        }
    }

    fn next_wake(&self, now: Instant) -> Option<Instant> {
        let due = self.schedule.poll_timeout(now, self.first_rounds);
        due.into_iter().chain(self.deadlines.poll_timeout()).min()
    }

    /// Does what the mailbox holds; false when told to stop.
    fn take_commands(&mut self, now: Instant) -> bool {
        self.mailbox.bell.silence();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Add {
                    id,
                    check,
                    report_all,
                    last,
                } => self.add((id, Arc::unwrap_or_clone(check)), report_all, last, now),
                Command::Watch(id, watch) => self.watch(id, watch, now),
                Command::Remove(id) => self.remove(id),
                Command::Ended(key, report) => self.handle_report(key, *report, now),
                Command::Stop => return false,
            }
        }
        true
    }

    fn add(
        &mut self,
        (id, check): (CheckId, Check),
        report_all: bool,
        last: Arc<LastResult>,
        now: Instant,
    ) {
        self.remove(id);
        self.generations = self.generations.wrapping_add(1);
        let generation = self.generations;
        let mut entry = Entry::new((id, generation), check, report_all, last);
        let rhythm = entry.rhythm();
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.checks.push(None);
            (self.checks.len() - 1) as u32
        });
        let due = self.schedule.add(Key { slot, generation }, rhythm, now);
        entry.due = Some(due);
        self.checks[slot as usize] = Some(entry);
        self.slots.insert(id, slot);
    }

    fn watch(&mut self, id: CheckId, watch: Watch, now: Instant) {
        let Some(slot) = self.slots.get(&id).copied() else {
            return;
        };
        let Some(entry) = self.checks[slot as usize].as_mut() else {
            return;
        };
        if entry.watch(watch) && entry.due.is_some() {
            let generation = entry.generation;
            let key = Key { slot, generation };
            entry.due = Some(self.schedule.again(key, entry.rhythm(), now));
        }
    }

    fn remove(&mut self, id: CheckId) {
        let Some(slot) = self.slots.remove(&id) else {
            return;
        };
        let Some(entry) = self.checks[slot as usize].take() else {
            return;
        };
        self.vacant.push(slot);
        self.note_fault(entry.fault.as_deref(), None);
        if entry.first == First::UnderWay {
            self.first_rounds -= 1;
        }
        match entry.running {
            Running::No => {}
            Running::Here(place) => self.vacate(place),
            Running::There(task) => task.abort(),
        }
    }

    /// The check that a key stands for, if it still exists.
    fn entry(&mut self, key: Key) -> Option<&mut Entry> {
        self.checks
            .get_mut(key.slot as usize)?
            .as_mut()
            .filter(|entry| entry.generation == key.generation)
    }

    /// Starts a round of a check, and plans the one after it if this was the round's moment.
    /// If a round is under way, the new one begins when that has ended: a server that uses
    /// up a time-out as long as the interval is still tried in every interval.
    fn start_round(&mut self, Start { key, due }: Start, now: Instant) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        if due.is_some() && entry.due.is_some_and(|planned| now < planned) {
            // Planned before the rhythm changed.
            return;
        }
        let rhythm = entry.rhythm();
        if matches!(entry.running, Running::No) {
            entry.late = due.map_or(Duration::ZERO, |due| now.saturating_duration_since(due));
            self.begin(key, now);
        } else if std::mem::replace(&mut entry.overdue, true) {
            entry.last.update(|last| last.skipped += 1);
        }
        if due.is_some() {
            let next = self.schedule.again(key, rhythm, now);
            if let Some(entry) = self.entry(key) {
                entry.due = Some(next);
            }
        }
    }

    /// Begins a round of a check that has none under way.
    fn begin(&mut self, key: Key, now: Instant) {
        let Some(entry) = self.entry(key) else {
            return;
        };
        let (target, probe) = (entry.target, entry.probe().clone());
        entry.began = Some(now);
        if entry.first == First::Waiting {
            entry.first = First::UnderWay;
            self.first_rounds += 1;
        }
        match probe {
            Ready::Plain(plain, timeout, way) => {
                self.take_off(key, (target, way), &plain, (now, timeout));
            }
            Ready::Handed(probe) => self.hand_over(key, target, probe),
            Ready::Unusable(fault) => {
                let outcome = Outcome::Inconclusive(fault);
                self.handle_end(key, Found::nothing(outcome), now, String::new);
            }
        }
    }

    /// Begins a probe on the lane's own loop.
    fn take_off(
        &mut self,
        key: Key,
        route: (SocketAddr, Option<Arc<Way>>),
        plain: &Plain,
        (now, timeout): (Instant, Duration),
    ) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.flights.push(None);
            self.flights.len() - 1
        });
        let socket = (self.poll.registry(), Token(place));
        match Flight::begin(key, route, plain, (now, timeout), socket) {
            Ok(flight) => {
                self.note_descriptor(now);
                self.deadlines.set(place, flight.deadline);
                self.flights[place] = Some(flight);
                if let Some(entry) = self.entry(key) {
                    entry.running = Running::Here(place);
                }
            }
            Err(landing) => {
                self.free.push(place);
                if landing.exhausted {
                    self.note_exhaustion(now);
                }
                self.handle_end(key, Found::nothing(landing.outcome), now, String::new);
            }
        }
    }

    /// Begins a probe on the runtime.
    fn hand_over(&mut self, key: Key, target: SocketAddr, probe: Arc<Probe>) {
        let promise = Promise {
            mailbox: self.mailbox.clone(),
            key,
            report: None,
        };
        let programs = Arc::clone(&self.programs);
        let task = self.runtime.spawn(async move {
            let mut promise = promise;
            promise.report = Some(run_bounded(target, &probe, &programs).await);
        });
        if let Some(entry) = self.entry(key) {
            entry.running = Running::There(task.abort_handle());
        }
    }

    fn handle_ready(&mut self, event: &mio::event::Event, now: Instant) {
        let place = event.token().0;
        let Some(Some(flight)) = self.flights.get_mut(place) else {
            return;
        };
        let landing = flight.handle_ready(event, self.poll.registry(), &mut self.buffer);
        if let Some(landing) = landing {
            self.land(place, landing, now);
        }
    }

    /// Ends the probes whose deadline has passed.
    fn expire(&mut self, now: Instant) {
        loop {
            let flights = &self.flights;
            let deadline_of = |place: usize| Some(flights[place].as_ref()?.deadline);
            let Some(place) = self.deadlines.poll(now, deadline_of) else {
                return;
            };
            if let Some(flight) = &mut self.flights[place] {
                let landing = flight.handle_timeout();
                self.land(place, landing, now);
            }
        }
    }

    /// A probe on the lane's loop has ended.
    fn land(&mut self, place: usize, landing: Landing, now: Instant) {
        let Some(flight) = self.flights[place].take() else {
            return;
        };
        self.freed.push(place);
        if landing.exhausted {
            self.note_exhaustion(now);
        }
        let found = Found {
            latency: now.saturating_duration_since(flight.started),
            ..Found::nothing(landing.outcome)
        };
        self.handle_end(flight.key, found, now, || flight.detail());
    }

    fn vacate(&mut self, place: usize) {
        if self.flights[place].take().is_some() {
            self.freed.push(place);
        }
    }

    /// A probe on the runtime has ended.
    fn handle_report(&mut self, key: Key, report: Report, now: Instant) {
        let Report {
            outcome,
            detail,
            advice,
            phases,
            certificate,
            ..
        } = report;
        if let (Some(certificate), Some(entry)) = (certificate, self.entry(key)) {
            entry.handle_certificate(certificate, now);
        }
        match &outcome {
            Outcome::Inconclusive(fault) if fault::is_of_descriptors(fault) => {
                self.note_exhaustion(now);
            }
            Outcome::Inconclusive(_) => {}
            Outcome::Up | Outcome::Down(_) => self.note_descriptor(now),
        }
        let found = Found {
            outcome,
            advice,
            latency: phases.total,
        };
        self.handle_end(key, found, now, || detail);
    }

    /// A round has ended, however it was carried out.
    fn handle_end(
        &mut self,
        key: Key,
        found: Found,
        now: Instant,
        detail: impl FnOnce() -> String,
    ) {
        let Found {
            outcome,
            advice,
            latency,
        } = found;
        let woke = self.woke;
        let Some(entry) = self.entry(key) else {
            return;
        };
        let outcome = entry.judge(outcome, woke);
        let late = entry.late;
        entry.last.update(|last| {
            last.at = Some(now);
            last.late = late;
            last.latency = latency;
            last.rounds += 1;
        });
        let id = entry.id;
        let fault = match &outcome {
            // Descriptors are spoken of elsewhere.
            Outcome::Inconclusive(fault) if !fault::is_of_descriptors(fault) => {
                Some(Box::<str>::from(fault.as_str()))
            }
            _ => None,
        };
        let before = std::mem::replace(&mut entry.fault, fault.clone());
        let is_news = entry.handle_end(&outcome, &advice);
        let was_first = std::mem::replace(&mut entry.first, First::Over) == First::UnderWay;
        let overdue = std::mem::take(&mut entry.overdue);
        self.first_rounds -= usize::from(was_first);
        if overdue {
            self.late.push(key);
        }
        self.note_fault(before.as_deref(), fault.as_deref());
        if is_news {
            // A director that no longer listens is about to drop the lane.
            let _ = self.events.send(CheckEvent {
                id,
                report: CheckResult {
                    outcome,
                    detail: detail(),
                    advice,
                    latency,
                },
                at: now,
            });
        }
    }

    /// A check had the one fault of this host, and has the other now.
    fn note_fault(&mut self, before: Option<&str>, now: Option<&str>) {
        for news in self.complaints.change(before, now) {
            match news {
                complaints::News::Begun => {
                    let fault = now.unwrap_or_default();
                    tracing::warn!(
                        "checks cannot be carried out, servers stay as they are: {fault}"
                    );
                }
                complaints::News::Over(fault) => {
                    tracing::info!("no check is kept any more by: {fault}");
                }
            }
        }
    }

    /// A probe could not have a descriptor.
    fn note_exhaustion(&mut self, now: Instant) {
        if self.shortage.handle_refusal(now).is_some() {
            tracing::warn!("no file descriptors left for checks, their results are inconclusive");
        }
    }

    /// A probe could.
    fn note_descriptor(&mut self, now: Instant) {
        if let Some(News::Over(rounds)) = self.shortage.handle_success(now) {
            tracing::info!(rounds, "file descriptors are available again");
        }
    }
}

/// Whether a check exists and has yet to begin.
fn is_waiting(checks: &[Option<Entry>], key: Key) -> bool {
    let entry = checks.get(key.slot as usize).and_then(Option::as_ref);
    entry.is_some_and(|entry| entry.generation == key.generation && entry.first == First::Waiting)
}

impl Drop for Worker {
    fn drop(&mut self) {
        for entry in self.checks.iter().flatten() {
            if let Running::There(task) = &entry.running {
                task.abort();
            }
        }
    }
}

/// What a round found, but for its description.
struct Found {
    outcome: Outcome,
    advice: Advice,
    latency: Duration,
}

impl Found {
    /// An outcome of which there is no more to say.
    fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            advice: Advice::default(),
            latency: Duration::ZERO,
        }
    }
}

/// Sees to it that every probe on the runtime ends for the lane too, even if the runtime
/// drops it: without an end the check would not begin another round.
struct Promise {
    mailbox: Mailbox,
    key: Key,
    report: Option<Report>,
}

impl Drop for Promise {
    fn drop(&mut self) {
        let report = self.report.take().unwrap_or_else(|| Report {
            outcome: Outcome::Inconclusive(Fault::new("the probe was dropped before its end")),
            detail: String::new(),
            advice: Advice::default(),
            phases: Phases::default(),
            certificate: None,
            dialogue: Vec::new(),
        });
        self.mailbox
            .send(Command::Ended(self.key, Box::new(report)));
    }
}

/// Runs a probe; of external programs only so many at a time.
async fn run_bounded(target: SocketAddr, probe: &Probe, programs: &Semaphore) -> Report {
    let _permit = match probe.kind {
        ProbeKind::External(_) => programs.acquire().await.ok(),
        _ => None,
    };
    check::run(target, probe).await
}
