//! Moves and failures: what keeps an instance from flapping.

use std::time::{Duration, Instant};

use crate::failover::action::Step;
use crate::failover::bounded::Bounded;
use crate::failover::view::FailureView;
use crate::model::pair::Timing;

/// Moves that are remembered; more are never allowed in a window.
const MOVES: usize = 32;
/// Shortest and longest time for which an instance is pinned beyond the window.
const HOLD: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(30 * 60));
/// Failed steps after which a node is not eligible.
const FAILURE_LIMIT: u8 = 3;
/// How long after the last one.
const FAILURE_EXPIRY: Duration = Duration::from_secs(60);
/// Waiting time after the first failed claim, doubled with each, and the longest.
const BACK_OFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Longest reason that is kept, in bytes.
const REASON: usize = 200;

/// Which node served last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Local,
    Peer,
}

/// Moves of an instance between the nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Moves {
    last: Option<Side>,
    times: Bounded<Instant, MOVES>,
    pinned_until: Option<Instant>,
    hold: Duration,
}

impl Moves {
    /// A node serves. True when that makes the moves too many.
    pub(super) fn note(&mut self, side: Side, now: Instant, timing: &Timing) -> bool {
        let moved = self.last.replace(side).is_some_and(|last| last != side);
        if !moved {
            return false;
        }
        if self.count(now, timing) == 0 && self.pinned(now).is_none() {
            self.hold = Duration::ZERO;
        }
        self.times.push_over(now);
        if usize::from(self.count(now, timing)) < limit(timing) {
            return false;
        }
        self.hold = (self.hold * 2).clamp(HOLD.0, HOLD.1);
        let window = self.oldest(now, timing).unwrap_or(now) + timing.moves_window;
        self.pinned_until = Some(window.max(now + self.hold));
        true
    }

    /// Moves in the window.
    pub(super) fn count(&self, now: Instant, timing: &Timing) -> u8 {
        let recent = self.times.iter().filter(|at| within(**at, now, timing));
        u8::try_from(recent.count()).unwrap_or(u8::MAX)
    }

    fn oldest(&self, now: Instant, timing: &Timing) -> Option<Instant> {
        self.times
            .iter()
            .find(|at| within(**at, now, timing))
            .copied()
    }

    /// Whether a node of the pair has served since our start.
    pub(super) fn served(&self) -> bool {
        self.last.is_some()
    }

    /// How long the instance stays where it is.
    pub(super) fn pinned(&self, now: Instant) -> Option<Duration> {
        self.pinned_until
            .and_then(|until| until.checked_duration_since(now))
            .filter(|left| !left.is_zero())
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pinned_until
    }

    /// Forgets all but who serves.
    pub(super) fn clean(&mut self) {
        *self = Self {
            last: self.last,
            ..Self::default()
        };
    }
}

fn limit(timing: &Timing) -> usize {
    usize::from(timing.max_moves).clamp(1, MOVES)
}

fn within(at: Instant, now: Instant, timing: &Timing) -> bool {
    now.saturating_duration_since(at) < timing.moves_window
}

/// Failed steps of an instance. A success does not lower the count.
#[derive(Debug, Clone, Default)]
pub(super) struct Failures {
    /// One entry per step that ever failed; there are about a dozen.
    steps: Vec<Failure>,
    /// Since the last expiry.
    recent: u8,
    last: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Failure {
    step: Step,
    count: u32,
    at: Instant,
    reason: String,
}

impl Failures {
    pub(super) fn note(&mut self, step: Step, reason: &str, now: Instant) {
        let reason: String = reason.chars().take(REASON).collect();
        match self.steps.iter_mut().find(|f| same_kind(f.step, step)) {
            Some(failure) => {
                failure.count = failure.count.saturating_add(1);
                failure.at = now;
                failure.reason = reason;
            }
            None => self.steps.push(Failure {
                step,
                count: 1,
                at: now,
                reason,
            }),
        }
    }

    /// A failure that counts against the node.
    pub(super) fn count(&mut self, now: Instant) {
        if self.expiry(now).is_none() {
            self.recent = 0;
        }
        self.recent = self.recent.saturating_add(1);
        self.last = Some(now);
    }

    fn expiry(&self, now: Instant) -> Option<Duration> {
        (self.last? + FAILURE_EXPIRY)
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// Count and remaining time, when they are too many.
    pub(super) fn excluded(&self, now: Instant) -> Option<(u8, Duration)> {
        let left = self.expiry(now)?;
        (self.recent >= FAILURE_LIMIT).then_some((self.recent, left))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.last.map(|at| at + FAILURE_EXPIRY)
    }

    /// How long to wait before the next claim.
    pub(super) fn back_off(&self) -> Duration {
        let doublings = u32::from(self.recent.saturating_sub(1)).min(5);
        (BACK_OFF.0 * 2_u32.pow(doublings)).min(BACK_OFF.1)
    }

    pub(super) fn clean(&mut self) {
        *self = Self::default();
    }

    pub(super) fn view(&self, now: Instant) -> Vec<FailureView> {
        let view = |failure: &Failure| FailureView {
            step: failure.step,
            count: failure.count,
            ago: now.saturating_duration_since(failure.at),
            reason: failure.reason.clone(),
        };
        self.steps.iter().map(view).collect()
    }
}

/// Attempts of an isolation are one kind.
fn same_kind(a: Step, b: Step) -> bool {
    std::mem::discriminant(&a) == std::mem::discriminant(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_moves_pin_and_each_pin_lasts_longer() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let timing = Timing {
            max_moves: 3,
            moves_window: Duration::from_secs(20),
            ..Timing::default()
        };
        let mut moves = Moves::default();
        assert!(
            !moves.note(Side::Local, at(0), &timing),
            "the first is no move"
        );
        assert!(!moves.note(Side::Local, at(1), &timing), "nor is staying");
        assert!(!moves.note(Side::Peer, at(2), &timing));
        assert!(!moves.note(Side::Local, at(3), &timing));
        assert!(moves.note(Side::Peer, at(4), &timing));
        assert_eq!(moves.pinned(at(4)), Some(Duration::from_secs(30)));
        assert_eq!(moves.pinned(at(34)), None);

        for (second, side) in [(40, Side::Local), (41, Side::Peer), (42, Side::Local)] {
            moves.note(side, at(second), &timing);
        }
        assert_eq!(
            moves.pinned(at(42)),
            Some(Duration::from_secs(30)),
            "a quiet window in between"
        );
        moves.note(Side::Peer, at(43), &timing);
        assert_eq!(moves.pinned(at(43)), Some(Duration::from_secs(60)));
        moves.clean();
        assert_eq!(moves.pinned(at(43)), None);
        assert!(
            !moves.note(Side::Peer, at(44), &timing),
            "who serves is still known"
        );
    }

    #[test]
    fn old_moves_leave_the_window() {
        let start = Instant::now();
        let timing = Timing {
            max_moves: 2,
            moves_window: Duration::from_secs(20),
            ..Timing::default()
        };
        let mut moves = Moves::default();
        for (second, side) in [(0, Side::Local), (1, Side::Peer), (30, Side::Local)] {
            let now = start + Duration::from_secs(second);
            assert!(!moves.note(side, now, &timing));
        }
        assert_eq!(moves.count(start + Duration::from_secs(30), &timing), 1);
    }

    #[test]
    fn three_failures_within_a_minute_exclude_for_a_minute() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut failures = Failures::default();
        for (second, wait) in [(0, 1), (10, 2), (20, 4)] {
            assert_eq!(failures.excluded(at(second)), None);
            failures.note(Step::AddAddresses, "EPERM", at(second));
            failures.count(at(second));
            assert_eq!(failures.back_off(), Duration::from_secs(wait));
        }
        assert_eq!(
            failures.excluded(at(30)),
            Some((3, Duration::from_secs(50)))
        );
        assert_eq!(failures.excluded(at(80)), None);
        failures.count(at(90));
        assert_eq!(failures.excluded(at(90)), None, "the count began anew");
        assert_eq!(failures.view(at(90))[0].count, 3, "the record stays");
    }
}
