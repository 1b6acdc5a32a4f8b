//! Decides from check outcomes whether a real server is available, and how much it is used.
//! Pure.
//!
//! Each real server of each virtual service has one [`Machine`]. Checks may be shared
//! between services, machines are not: a shared check's outcome is handed to every
//! machine that depends on it, so a server in ten services still needs `failurecount`
//! failed rounds in each.
//!
//! ```text
//!                 passed                      failed × fall
//!   Unknown ─────────────────► Up ───────────────────────────────────► Down
//!      │                       ▲                                         │
//!      │ failed                └─────────────────────────────────────────┘
//!      ▼                                     passed × rise
//!     Down
//! ```
//!
//! - The first result after the start counts at once, whatever `rise` is.
//! - A server found in service when the daemon starts is `Unknown` *and in service*. It is
//!   treated like an up server: it stays until `fall` checks failed in a row. A
//!   server that is not in service and fails is simply down.
//! - An [`Outcome::Inconclusive`] says nothing: it neither counts nor resets a count.
//! - What an agent says of itself lies over the checks, and maintenance over both. They go on
//!   underneath, so that the end of either puts the server where the last check left it.
//!
//! What follows from the standings of all servers of a service together is in [`weigh()`]; what
//! a server's past adds to its standing in [`Damper`], [`Climb`] and [`ResponseTime`].

pub mod rule;

use std::time::Instant;

use crate::model::{Advice, Availability, Mode, Outcome, Reason, Verdict};

mod climb;
mod damping;
mod response;
mod weigh;

pub use climb::Climb;
pub use damping::Damper;
pub use response::ResponseTime;
pub use weigh::{Candidate, Place, SETTLING, Share, scaled, weigh};

/// How many results in a row change a standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Passed checks that bring a server up that was down, at least 1.
    pub rise: u32,
    /// Failed checks that take one out that was up, at least 1.
    pub fall: u32,
}

/// The state machine of one real server in one virtual service.
#[derive(Debug, Clone)]
pub struct Machine {
    checked: Checked,
    advised: Advised,
    maintenance: bool,
    /// Results in a row that speak against what `checked` says.
    against: u32,
    since: Instant,
    reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checked {
    Unknown { in_service: bool },
    Up,
    Down,
}

/// What the server itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Advised {
    Nothing,
    Down,
    Maintenance,
}

/// Something that an operator wants to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The standing changed.
    Transition(Transition),
    /// A check failed, but not often enough in a row yet.
    SoftFailure {
        /// Failed checks in a row, this one included.
        count: u32,
        /// How many it takes.
        limit: u32,
        /// Why this one failed.
        reason: Reason,
    },
    /// A check passed before the failures were enough.
    SoftRecovery,
    /// A check of a server that is down passed, but not often enough in a row yet.
    SoftSuccess {
        /// Passed checks in a row, this one included.
        count: u32,
        /// How many it takes.
        limit: u32,
    },
}

/// A change of standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Standing before.
    pub from: Availability,
    /// Standing after.
    pub to: Availability,
    /// Why.
    pub reason: Reason,
}

impl Machine {
    /// A server of which nothing is known; `in_service` when the kernel already sends it
    /// connections.
    pub fn unknown(in_service: bool, now: Instant) -> Self {
        Self::with(Checked::Unknown { in_service }, None, now)
    }

    /// A server that is up without being checked (`checktype=on`, `service=none`).
    pub fn always_up(now: Instant) -> Self {
        Self::with(Checked::Up, Some(Reason::new("not checked")), now)
    }

    /// A server that is switched off (`checktype=off`).
    pub fn off(now: Instant) -> Self {
        Self::with(Checked::Down, Some(Reason::new("checktype=off")), now)
    }

    fn with(checked: Checked, reason: Option<Reason>, now: Instant) -> Self {
        Self {
            checked,
            advised: Advised::Nothing,
            maintenance: false,
            against: 0,
            since: now,
            reason,
        }
    }

    /// The standing.
    pub fn availability(&self) -> Availability {
        if self.maintenance {
            return Availability::Maintenance;
        }
        match (self.advised, self.checked) {
            (Advised::Maintenance, _) => Availability::Maintenance,
            (Advised::Down, _) | (Advised::Nothing, Checked::Down) => Availability::Down,
            (Advised::Nothing, Checked::Unknown { .. }) => Availability::Unknown,
            (Advised::Nothing, Checked::Up) => Availability::Up,
        }
    }

    /// Whether the server may be used: it is up, or was found in service and nothing has been
    /// said against it.
    pub fn is_serving(&self) -> bool {
        let serves = matches!(
            self.checked,
            Checked::Up | Checked::Unknown { in_service: true }
        );
        serves && self.advised == Advised::Nothing && !self.maintenance
    }

    /// Since when the standing is what it is.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Why the standing is what it is; `None` before the first check.
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// Failed checks in a row that did not change the standing yet.
    pub fn failures(&self) -> u32 {
        match self.checked {
            Checked::Unknown { .. } | Checked::Up => self.against,
            Checked::Down => 0,
        }
    }

    /// Passed checks in a row that did not change the standing yet.
    pub fn successes(&self) -> u32 {
        self.against - self.failures()
    }

    /// Whether results are being counted: the last ones speak against the standing.
    pub fn is_changing(&self) -> bool {
        self.against > 0
    }

    /// A check finished. `detail` describes a success.
    pub fn handle_outcome(
        &mut self,
        outcome: &Outcome,
        detail: &str,
        limits: Limits,
        now: Instant,
    ) -> Option<Event> {
        match (outcome, self.checked) {
            (Outcome::Inconclusive(_), _) => None,
            (Outcome::Down(reason), Checked::Down) => {
                self.against = 0;
                if !self.maintenance && self.advised == Advised::Nothing {
                    self.reason = Some(reason.clone());
                }
                None
            }
            (Outcome::Up, Checked::Up) => {
                let recovered = self.against > 0;
                self.against = 0;
                recovered.then_some(Event::SoftRecovery)
            }
            (Outcome::Up, Checked::Unknown { .. }) => {
                self.check_says(Checked::Up, Reason::new(detail), now)
            }
            (Outcome::Up, Checked::Down) => {
                let (count, limit) = (self.count(), limits.rise);
                if count < limit {
                    return Some(Event::SoftSuccess { count, limit });
                }
                self.check_says(Checked::Up, Reason::new(detail), now)
            }
            (Outcome::Down(reason), Checked::Unknown { in_service: false }) => {
                self.check_says(Checked::Down, reason.clone(), now)
            }
            (Outcome::Down(reason), Checked::Unknown { in_service: true } | Checked::Up) => {
                let (count, limit) = (self.count(), limits.fall);
                if count < limit {
                    return Some(Event::SoftFailure {
                        count,
                        limit,
                        reason: reason.clone(),
                    });
                }
                self.check_says(Checked::Down, reason.clone(), now)
            }
        }
    }

    /// An operator put the server into maintenance or ended it.
    pub fn handle_maintenance(&mut self, on: bool, now: Instant) -> Option<Event> {
        if self.maintenance == on {
            return None;
        }
        let from = self.availability();
        self.maintenance = on;
        let reason = Reason::new(if on {
            "server in maintenance"
        } else {
            "maintenance ended"
        });
        self.moved(from, reason, now)
    }

    /// All that the server's agent has said so far.
    pub fn handle_advice(&mut self, advice: &Advice, now: Instant) -> Option<Event> {
        let from = self.availability();
        let (advised, reason) = match (advice.mode, &advice.verdict) {
            (Some(Mode::Maintenance), _) => {
                (Advised::Maintenance, Reason::new("agent: maintenance"))
            }
            (_, Some(Verdict::Down(reason))) => (Advised::Down, reason.clone()),
            _ => (Advised::Nothing, Reason::new("agent: ready")),
        };
        self.advised = advised;
        self.moved(from, reason, now)
    }

    fn count(&mut self) -> u32 {
        self.against = self.against.saturating_add(1);
        self.against
    }

    fn check_says(&mut self, to: Checked, reason: Reason, now: Instant) -> Option<Event> {
        let from = self.availability();
        self.against = 0;
        self.checked = to;
        self.moved(from, reason, now)
    }

    /// Tells of a change, if what lies over what changed lets it through.
    fn moved(&mut self, from: Availability, reason: Reason, now: Instant) -> Option<Event> {
        let to = self.availability();
        if from == to {
            return None;
        }
        self.since = now;
        self.reason = Some(reason.clone());
        Some(Event::Transition(Transition { from, to, reason }))
    }
}

#[cfg(test)]
mod tests;
