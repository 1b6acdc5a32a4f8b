//! A guard against the failure of this host's own uplink: when none of its targets answers at
//! the moment that a check fails, the failure is this host's and says nothing about the server.
//!
//! ```text
//!              a check fails: held, targets are asked
//!   trusted ──────────────────────────────────────────► asking
//!      ▲ ▲                 one answers: it counts          │
//!      │ └─────────────────────────────────────────────────┤
//!      │ one answers                                       │ none answers: it does not count
//!      └──────────────────── dead ◄────────────────────────┘
//!                            asks each second, no failure counts
//! ```
//!
//! A failure whose probe began before the uplink was back does not count either.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::model::{Fault, Outcome};

use super::super::lane::{CheckId, CheckResult};
use super::super::status::UplinkStatus;

/// Time between two questions while the uplink is dead.
const AGAIN: Duration = Duration::from_secs(1);

/// The guard; without targets everything counts.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    targets: Vec<IpAddr>,
    state: State,
    asking: bool,
    /// When to ask again.
    due: Option<Instant>,
    /// Failures that wait for the answer.
    held: BTreeMap<CheckId, (CheckResult, Instant)>,
    /// Failures that did not count, since the start.
    ignored: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// It was never found dead.
    #[default]
    Trusted,
    Dead {
        since: Instant,
    },
    Back {
        since: Instant,
    },
}

/// What an answer changes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answered {
    /// Results that waited, as they count now, with the time of each.
    pub(super) results: Vec<(CheckId, CheckResult, Instant)>,
    /// The uplink was found dead (`Some(true)`) or is back (`Some(false)`).
    pub(super) turned: Option<bool>,
}

impl Uplink {
    /// Has these targets from now on. Without any, what waited counts.
    pub(super) fn configure(&mut self, targets: &[IpAddr]) -> Answered {
        if self.targets == targets {
            return Answered::default();
        }
        targets.clone_into(&mut self.targets);
        if !self.targets.is_empty() {
            return Answered::default();
        }
        let held = std::mem::take(&mut self.held).into_iter();
        let ignored = self.ignored;
        *self = Self {
            ignored,
            ..Self::default()
        };
        Answered {
            results: held.map(|(id, (result, at))| (id, result, at)).collect(),
            turned: None,
        }
    }

    /// The result as it counts; `None` when it has to wait for an answer.
    pub(super) fn pass(
        &mut self,
        id: CheckId,
        mut result: CheckResult,
        now: Instant,
    ) -> Option<CheckResult> {
        // Whatever waited is older than this.
        self.held.remove(&id);
        if self.targets.is_empty() || !matches!(result.outcome, Outcome::Down(_)) {
            return Some(result);
        }
        let began = now.checked_sub(result.latency).unwrap_or(now);
        match self.state {
            State::Dead { .. } => self.ignore(&mut result),
            State::Back { since } if began < since => self.ignore(&mut result),
            State::Trusted | State::Back { .. } => {
                self.held.insert(id, (result, now));
                return None;
            }
        }
        Some(result)
    }

    /// The targets to ask now, if there is a reason to.
    pub(super) fn question(&mut self, now: Instant) -> Option<Vec<IpAddr>> {
        let is_due = self.due.is_some_and(|due| due <= now);
        if self.asking || (!is_due && self.held.is_empty()) {
            return None;
        }
        self.due = None;
        self.asking = true;
        Some(self.targets.clone())
    }

    /// When [`Self::question`] has a reason by itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// One of the targets answered, or none did.
    pub(super) fn answer(&mut self, is_alive: bool, now: Instant) -> Answered {
        self.asking = false;
        if self.targets.is_empty() {
            return Answered::default();
        }
        let was_dead = matches!(self.state, State::Dead { .. });
        let mut turned = None;
        if is_alive && was_dead {
            self.state = State::Back { since: now };
            turned = Some(false);
        } else if !is_alive {
            self.due = Some(now + AGAIN);
            if !was_dead {
                self.state = State::Dead { since: now };
                turned = Some(true);
            }
        }
        let held = std::mem::take(&mut self.held);
        let mut results = Vec::with_capacity(held.len());
        for (id, (mut result, at)) in held {
            if !is_alive {
                self.ignore(&mut result);
            }
            results.push((id, result, at));
        }
        Answered { results, turned }
    }

    fn ignore(&mut self, result: &mut CheckResult) {
        self.ignored += 1;
        if let Outcome::Down(reason) = &result.outcome {
            let fault = Fault::new(format!("the uplink is dead, does not count: {reason}"));
            result.outcome = Outcome::Inconclusive(fault);
        }
    }

    pub(super) fn status(&self, now: Instant) -> Option<UplinkStatus> {
        if self.targets.is_empty() {
            return None;
        }
        let dead_since = match self.state {
            State::Dead { since } => Some(since),
            State::Trusted | State::Back { .. } => None,
        };
        Some(UplinkStatus {
            targets: self.targets.iter().map(ToString::to_string).collect(),
            dead_for_seconds: dead_since
                .map(|since| now.saturating_duration_since(since).as_secs_f64()),
            ignored_failures: self.ignored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Advice, Reason};

    const TICK: Duration = Duration::from_millis(100);

    fn result(outcome: Outcome) -> CheckResult {
        CheckResult {
            outcome,
            detail: String::new(),
            advice: Advice::default(),
            latency: Duration::from_secs(1),
        }
    }

    fn down() -> CheckResult {
        result(Outcome::Down(Reason::new("refused")))
    }

    fn guard() -> Uplink {
        let mut uplink = Uplink::default();
        uplink.configure(&[[192, 0, 2, 1].into()]);
        uplink
    }

    fn counts(result: &CheckResult) -> bool {
        matches!(result.outcome, Outcome::Down(_))
    }

    #[test]
    fn without_targets_everything_counts_at_once() {
        let now = Instant::now();
        let mut uplink = Uplink::default();
        assert_eq!(uplink.pass(CheckId(1), down(), now), Some(down()));
        assert_eq!(uplink.question(now), None);
        assert_eq!(uplink.status(now), None);
    }

    #[test]
    fn a_failure_waits_for_the_answer_and_others_do_not() {
        let now = Instant::now();
        let mut uplink = guard();
        let up = result(Outcome::Up);
        assert_eq!(uplink.pass(CheckId(1), up.clone(), now), Some(up.clone()));
        assert_eq!(uplink.question(now), None);
        assert_eq!(uplink.pass(CheckId(1), down(), now), None);
        assert_eq!(uplink.pass(CheckId(2), down(), now), None);
        assert_eq!(uplink.question(now).map(|targets| targets.len()), Some(1));
        // One question at a time.
        assert_eq!(uplink.question(now), None);
        // A server that answers meanwhile has not failed.
        assert_eq!(uplink.pass(CheckId(2), up.clone(), now + TICK), Some(up));
        let answered = uplink.answer(true, now + TICK);
        assert_eq!(answered.results, [(CheckId(1), down(), now)]);
        assert_eq!(answered.turned, None);
        assert_eq!(uplink.due(), None);
    }

    #[test]
    fn nothing_counts_while_the_uplink_is_dead_nor_what_began_then() {
        let now = Instant::now();
        let mut uplink = guard();
        assert_eq!(uplink.pass(CheckId(1), down(), now), None);
        uplink.question(now);
        let answered = uplink.answer(false, now);
        assert_eq!(answered.turned, Some(true));
        assert!(
            answered
                .results
                .iter()
                .all(|(_, result, _)| !counts(result))
        );
        let passed = uplink.pass(CheckId(2), down(), now + TICK).unwrap();
        assert!(!counts(&passed));
        // It asks by itself, and says only once that it is dead.
        let again = uplink.due().unwrap();
        assert_eq!(again, now + AGAIN);
        assert!(uplink.question(again).is_some());
        assert_eq!(uplink.answer(false, again).turned, None);
        assert_eq!(uplink.status(again).unwrap().ignored_failures, 2);
        let back = again + AGAIN;
        assert!(uplink.question(back).is_some());
        assert_eq!(uplink.answer(true, back).turned, Some(false));
        assert_eq!(uplink.due(), None);
        // It took a second: it began while the uplink was dead.
        let passed = uplink.pass(CheckId(1), down(), back + TICK).unwrap();
        assert!(!counts(&passed));
        let later = back + Duration::from_secs(1);
        assert_eq!(uplink.pass(CheckId(1), down(), later), None);
        uplink.question(later);
        let answered = uplink.answer(true, later);
        assert!(answered.results.iter().all(|(_, result, _)| counts(result)));
        assert_eq!(answered.results.len(), 1);
    }

    #[test]
    fn a_reload_without_targets_lets_count_what_waited() {
        let now = Instant::now();
        let mut uplink = guard();
        assert_eq!(uplink.pass(CheckId(1), down(), now), None);
        uplink.question(now);
        assert_eq!(uplink.configure(&[]).results.len(), 1);
        assert_eq!(uplink.answer(false, now), Answered::default());
        assert_eq!(uplink.pass(CheckId(1), down(), now), Some(down()));
    }
}
