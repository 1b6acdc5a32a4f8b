//! The verdict on one track. Pure.
//!
//! ```text
//!              good                 failed × fall
//!   Unknown ───────────► Up ─────────────────────────► Down(reason)
//!      │                  ▲                              │ ▲
//!      │                  └──────────────────────────────┘ │
//!      │                            good × rise            │
//!      └───────────────────────────────────────────────────┘
//!                          failed × fall
//! ```
//!
//! What is looked at from time to time is counted, what is told is timed: it is said once
//! and holds until the contrary is said. What this host could not find out neither counts
//! nor resets a count.

use std::time::{Duration, Instant};

use crate::model::pair::{Track, TrackKind};
use crate::model::{Outcome, Reason};

/// What is known of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing yet; that is not failed.
    Unknown,
    /// It is good.
    Up,
    /// It has failed, and this is what was found when it did, or what was told since.
    Down(Reason),
}

impl State {
    /// Lower-case word for status, logs and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down(_) => "down",
        }
    }
}

/// Longest time that a change of verdict takes, so that no sum of times overflows.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How much it takes to change a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inertia {
    /// So many looks in a row.
    Looks { fall: u32, rise: u32 },
    /// So long without a contrary word.
    Time { fall: Duration, rise: Duration },
}

impl Inertia {
    /// A carrier falls at once, whatever its `fall`: nothing is served without it. The
    /// number of available servers comes from checks that have been counted already; its
    /// first failure is one, each further one takes an interval. Both must be good for
    /// `rise` intervals.
    pub(super) fn of(track: &Track) -> Self {
        let rise = track.interval.saturating_mul(track.rise).min(LONGEST);
        let further = track.fall.saturating_sub(1);
        match track.kind {
            TrackKind::Interface(_) => Self::Time {
                fall: Duration::ZERO,
                rise,
            },
            TrackKind::Service { .. } => Self::Time {
                fall: track.interval.saturating_mul(further).min(LONGEST),
                rise,
            },
            _ => Self::Looks {
                fall: track.fall,
                rise: track.rise,
            },
        }
    }
}

/// The machine of one track.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    inertia: Inertia,
    state: State,
    since: Instant,
    /// Looks in a row that contradict the state.
    contrary: u32,
    /// What was told that contradicts the state, and when it will be believed.
    pending: Option<(State, Instant)>,
    last: String,
}

impl Machine {
    pub(super) fn new(inertia: Inertia, now: Instant) -> Self {
        Self {
            inertia,
            state: State::Unknown,
            since: now,
            contrary: 0,
            pending: None,
            last: String::new(),
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    /// Since when the state is what it is.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    /// What was found last, in words.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    /// A look has ended or something was told; `detail` describes a success. Whether the
    /// state, or its reason, has changed.
    pub(super) fn handle_outcome(&mut self, outcome: &Outcome, detail: &str, now: Instant) -> bool {
        let found = match outcome {
            Outcome::Up => State::Up,
            Outcome::Down(reason) => State::Down(reason.clone()),
            Outcome::Inconclusive(fault) => {
                self.last = fault.to_string();
                return false;
            }
        };
        self.last = match &found {
            State::Down(reason) => reason.to_string(),
            _ => detail.to_owned(),
        };
        if self.agrees(&found) {
            self.contrary = 0;
            self.pending = None;
            // What is told is the present reason; what is looked at may give another
            // one each time.
            let news = matches!(self.inertia, Inertia::Time { .. }) && found != self.state;
            if news {
                self.state = found;
            }
            return news;
        }
        match self.inertia {
            Inertia::Looks { fall, rise } => {
                self.contrary = self.contrary.saturating_add(1);
                let needed = match (&self.state, &found) {
                    (State::Unknown, State::Up) => 1,
                    (_, State::Up) => rise,
                    _ => fall,
                };
                self.contrary >= needed && self.change(found, now)
            }
            Inertia::Time { fall, rise } => {
                let wait = match (&self.state, &found) {
                    (State::Unknown, _) => Duration::ZERO,
                    (_, State::Up) => rise,
                    _ => fall,
                };
                let due = match self.pending.take() {
                    // Only one thing can contradict a known state.
                    Some((_, due)) => due,
                    None => now + wait,
                };
                self.pending = Some((found, due));
                self.handle_time(now)
            }
        }
    }

    /// When [`Machine::handle_time`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|(_, due)| *due)
    }

    /// Time has passed. Whether the state has changed.
    pub(super) fn handle_time(&mut self, now: Instant) -> bool {
        match self.pending.take_if(|(_, due)| *due <= now) {
            Some((state, _)) => self.change(state, now),
            None => false,
        }
    }

    fn agrees(&self, found: &State) -> bool {
        matches!(
            (&self.state, found),
            (State::Up, State::Up) | (State::Down(_), State::Down(_))
        )
    }

    fn change(&mut self, state: State, now: Instant) -> bool {
        self.state = state;
        self.since = now;
        self.contrary = 0;
        self.pending = None;
        true
    }
}

#[cfg(test)]
mod tests;
