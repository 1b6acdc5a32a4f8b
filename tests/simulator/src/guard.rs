//! The guard process: it alone adds, refreshes, announces and removes addresses.

use std::collections::VecDeque;

use crate::clock::Local;
use crate::config::{MS, Time};
use crate::failover::Step;

/// When announcements go out after the first; then one every [`REFRESH`], because a port of a
/// switch can come back without anybody being told.
const ROUNDS: [Time; 7] = [
    0,
    200 * MS,
    400 * MS,
    600 * MS,
    800 * MS,
    1200 * MS,
    5000 * MS,
];
/// The guard's `announce_again`.
const REFRESH: Time = 5000 * MS;
/// When farewells go out after the first.
const FAREWELLS: [Time; 3] = [0, 10 * MS, 30 * MS];
/// Time between two attempts to remove.
pub const AGAIN: Time = 100 * MS;

/// When a round goes out after the first.
pub fn offset(done: usize) -> Time {
    let last = ROUNDS.len() - 1;
    ROUNDS[done.min(last)] + REFRESH * done.saturating_sub(last) as Time
}

/// What the main process asks for.
#[derive(Debug, Clone)]
pub enum Request {
    /// It is alive: addresses may stay until then.
    Keep(Local, Vec<(usize, Vec<u8>)>),
    /// A step of an instance, asked for at that time.
    Step(usize, u64, Step, Local),
}

/// Addresses of an instance that the guard holds.
#[derive(Debug, Clone)]
pub struct Held {
    /// Of this claim.
    pub epoch: u64,
    /// When the kernel was last given the lifetime.
    pub refreshed: Local,
    /// When it is to be given again.
    pub refresh_at: Local,
}

/// The process.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Stopped by a signal.
    pub paused: bool,
    /// The main process is gone: everything goes, then the guard ends.
    pub orphan: bool,
    /// Until when the main process counts as alive; `None` before its first word.
    pub deadline: Option<Local>,
    /// What is held.
    pub held: [Option<Held>; 2],
    /// Begin of each instance's announcements and how many are done. They end when the main
    /// process says so, or with the instance when the guard takes it away by itself.
    pub rounds: [Option<(Local, usize)>; 2],
    /// What has to go, and when the next attempt is due.
    pub leaving: [Option<Local>; 2],
    /// Highest epochs that were given up or taken away.
    pub given_up: [Option<u64>; 2],
    /// What waits.
    pub queue: VecDeque<Request>,
    /// Until when the guard is busy with the first of it.
    pub busy: Option<Local>,
    /// What is to be said as things are now.
    pub farewell: Vec<(usize, Vec<u8>)>,
    /// What is being said: as things were when it began. By now the main process may be about
    /// to take over again.
    pub saying: Vec<(usize, Vec<u8>)>,
    /// Begin of the farewells and how many are done.
    pub farewells: Option<(Local, usize)>,
}

impl Guard {
    /// Whether it must not hold anything now.
    pub fn is_fenced(&self, now: Local) -> bool {
        self.orphan || self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Takes everything away; says what.
    pub fn fence_held(&mut self, now: Local) -> Vec<usize> {
        let held: Vec<usize> = (0..2).filter(|i| self.held[*i].is_some()).collect();
        for instance in &held {
            self.give_up(*instance, now);
            self.rounds[*instance] = None;
        }
        if !held.is_empty() {
            self.begin_farewell(now);
        }
        held
    }

    /// As soon as everything is gone, that is said.
    pub fn begin_farewell(&mut self, now: Local) {
        self.farewells = Some((now, 0)).filter(|_| !self.farewell.is_empty());
        self.saying.clone_from(&self.farewell);
    }

    /// An instance's addresses have to go, and its epoch does not come back.
    pub fn give_up(&mut self, instance: usize, now: Local) {
        if let Some(held) = self.held[instance].take() {
            let oldest = self.given_up[instance].get_or_insert(0);
            *oldest = held.epoch.max(*oldest);
        }
        self.leaving[instance] = Some(now);
    }

    /// When the next farewell is due; none before everything is gone.
    pub fn farewell_due(&self) -> Option<Local> {
        let (begun, done) = self.farewells?;
        let empty = self.leaving == [None; 2] && self.held.iter().all(Option::is_none);
        empty.then(|| begun + FAREWELLS[done])
    }

    /// One farewell is done.
    pub fn farewell_done(&mut self, now: Local) {
        if let Some((begun, done)) = self.farewells {
            let begun = if done == 0 { now } else { begun };
            self.farewells = Some((begun, done + 1)).filter(|_| done + 1 < FAREWELLS.len());
        }
    }

    /// Nothing is left to do.
    pub fn is_finished(&self) -> bool {
        self.orphan && self.leaving == [None; 2] && self.farewells.is_none()
    }

    /// When something is due.
    pub fn next(&self, lifetime: Time) -> Option<Local> {
        if self.paused {
            return None;
        }
        let holds = self.held.iter().any(Option::is_some);
        let work = (!self.queue.is_empty()).then(|| self.busy.unwrap_or(0));
        let held = self.held.iter().flatten();
        let held = held.map(|held| Some(held.refresh_at.min(held.refreshed + lifetime)));
        let rounds = self.rounds.iter().flatten();
        let rounds = rounds.map(|(begun, done)| Some(begun + offset(*done)));
        held.chain(rounds)
            .chain(self.leaving)
            .chain([work, self.deadline.filter(|_| holds), self.farewell_due()])
            .flatten()
            .min()
    }
}
