//! Decides from check outcomes whether a real server is available. Pure.
//!
//! Each real server of each virtual service has one [`Machine`]. Checks may be shared
//! between services, machines are not: a shared check's outcome is handed to every
//! machine that depends on it, so a server in ten services still needs `failurecount`
//! failed rounds in each.
//!
//! ```text
//!                 passed                      failed × failurecount
//!   Unknown ─────────────────► Up ───────────────────────────────────► Down
//!      │                       ▲                                         │
//!      │ failed                └─────────────────────────────────────────┘
//!      ▼                                         passed
//!     Down
//! ```
//!
//! - One passed check brings a server up; there is no `rise` count.
//! - A server found in service when the daemon starts is `Unknown` *and in service*. It is
//!   treated like an up server: it stays until `failurecount` checks failed in a row. A
//!   server that is not in service and fails is simply down.
//! - An [`Outcome::Inconclusive`] says nothing: it neither counts nor resets a count.
//! - Maintenance lies over the checks. They go on underneath, so that the end of
//!   maintenance puts the server where the last check left it.

pub mod rule;

use std::time::Instant;

use crate::model::{Availability, Outcome, Reason};

/// The state machine of one real server in one virtual service.
#[derive(Debug, Clone)]
pub struct Machine {
    checked: Checked,
    maintenance: bool,
    failures: u32,
    since: Instant,
    reason: Option<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checked {
    Unknown { in_service: bool },
    Up,
    Down,
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
            maintenance: false,
            failures: 0,
            since: now,
            reason,
        }
    }

    /// The standing.
    pub fn availability(&self) -> Availability {
        if self.maintenance {
            return Availability::Maintenance;
        }
        match self.checked {
            Checked::Unknown { .. } => Availability::Unknown,
            Checked::Up => Availability::Up,
            Checked::Down => Availability::Down,
        }
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
        self.failures
    }

    /// A check finished. `limit` is the `failurecount`, `detail` describes a success.
    pub fn handle_outcome(
        &mut self,
        outcome: &Outcome,
        detail: &str,
        limit: u32,
        now: Instant,
    ) -> Option<Event> {
        match (outcome, self.checked) {
            (Outcome::Inconclusive(_), _) => None,
            (Outcome::Down(reason), Checked::Down) => {
                if !self.maintenance {
                    self.reason = Some(reason.clone());
                }
                None
            }
            (Outcome::Up, Checked::Up) => {
                let recovered = self.failures > 0;
                self.failures = 0;
                recovered.then_some(Event::SoftRecovery)
            }
            (Outcome::Up, Checked::Unknown { .. } | Checked::Down) => {
                self.failures = 0;
                self.change(Checked::Up, Reason::new(detail), now)
            }
            (Outcome::Down(reason), Checked::Unknown { in_service: false }) => {
                self.change(Checked::Down, reason.clone(), now)
            }
            (Outcome::Down(reason), Checked::Unknown { in_service: true } | Checked::Up) => {
                self.failures = self.failures.saturating_add(1);
                if self.failures < limit {
                    return Some(Event::SoftFailure {
                        count: self.failures,
                        limit,
                        reason: reason.clone(),
                    });
                }
                self.failures = 0;
                self.change(Checked::Down, reason.clone(), now)
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
        self.since = now;
        let reason = Reason::new(if on {
            "server in maintenance"
        } else {
            "maintenance ended"
        });
        self.reason = Some(reason.clone());
        Some(Event::Transition(Transition {
            from,
            to: self.availability(),
            reason,
        }))
    }

    fn change(&mut self, to: Checked, reason: Reason, now: Instant) -> Option<Event> {
        let from = self.availability();
        self.checked = to;
        if self.maintenance {
            return None;
        }
        self.since = now;
        self.reason = Some(reason.clone());
        Some(Event::Transition(Transition {
            from,
            to: self.availability(),
            reason,
        }))
    }
}

#[cfg(test)]
mod tests;
