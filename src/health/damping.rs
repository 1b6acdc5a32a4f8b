//! Damping of servers that go down again and again, after RFC 2439. Pure.

use std::time::{Duration, Instant};

use crate::model::Damping;

/// The penalty of one server.
#[derive(Debug, Clone, Default)]
pub struct Damper {
    /// What it was, and when.
    penalty: Option<(f64, Instant)>,
    /// When a suppressed server may be used again.
    reuse: Option<Instant>,
}

impl Damper {
    /// The penalty at a moment.
    pub fn penalty(&self, damping: &Damping, now: Instant) -> f64 {
        self.penalty.map_or(0.0, |(penalty, at)| {
            let passed = now.saturating_duration_since(at).as_secs_f64();
            penalty * (-passed / damping.half_life.as_secs_f64()).exp2()
        })
    }

    /// The server went down. Whether it is suppressed from now on and was not before.
    pub fn note_down(&mut self, damping: &Damping, now: Instant) -> bool {
        let before = self.reuse.is_some();
        let grown = self.penalty(damping, now) + f64::from(damping.penalty);
        let penalty = grown.min(damping.ceiling());
        self.penalty = Some((penalty, now));
        if before || penalty >= f64::from(damping.suppress) {
            let half_lives = (penalty / f64::from(damping.reuse)).log2().max(0.0);
            // At most 20 half-lives of a day.
            let rest = Duration::from_secs_f64(half_lives * damping.half_life.as_secs_f64());
            self.reuse = Some(now + rest);
        }
        !before && self.reuse.is_some()
    }

    /// Ends a suppression whose time is over. Whether it did.
    pub fn handle_timeout(&mut self, now: Instant) -> bool {
        let is_over = self.reuse.is_some_and(|reuse| reuse <= now);
        if is_over {
            self.reuse = None;
        }
        is_over
    }

    /// When a suppressed server may be used again; `None` when it is not suppressed.
    pub fn reuse(&self) -> Option<Instant> {
        self.reuse
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DEFAULT: Damping = Damping::DEFAULT;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_third_quick_failure_suppresses_for_about_a_minute_and_a_half() {
        let start = Instant::now();
        let mut damper = Damper::default();
        assert!(!damper.note_down(&DEFAULT, start));
        assert!(!damper.note_down(&DEFAULT, start + seconds(6)));
        assert!(damper.note_down(&DEFAULT, start + seconds(12)));
        let reuse = damper.reuse().unwrap();
        let rest = reuse - (start + seconds(12));
        assert!((seconds(88)..seconds(91)).contains(&rest), "{rest:?}");
        assert!(!damper.handle_timeout(reuse.checked_sub(seconds(1)).unwrap()));
        assert!(damper.handle_timeout(reuse));
        assert_eq!(damper.reuse(), None);
        assert!((damper.penalty(&DEFAULT, reuse) - 1000.0).abs() < 1.0);
    }

    #[test]
    fn a_failure_now_and_then_never_suppresses() {
        let start = Instant::now();
        let mut damper = Damper::default();
        for minute in 0..1000 {
            assert!(!damper.note_down(&DEFAULT, start + seconds(minute * 60)));
        }
    }

    #[test]
    fn nobody_is_suppressed_for_longer_than_four_half_lives_after_the_last_failure() {
        let start = Instant::now();
        let mut damper = Damper::default();
        for n in 0..10_000 {
            damper.note_down(&DEFAULT, start + seconds(n));
        }
        let last = start + seconds(9999);
        assert_eq!(damper.reuse(), Some(last + seconds(240)));
    }

    proptest! {
        /// Whatever the figures and the failures: the penalty is bounded, decays, and halves
        /// in a half-life; a suppression begins at the threshold and ends.
        #[test]
        fn the_penalty_decays(
            penalty in 1..=Damping::FIGURE_MAX,
            half_life in 1..=86_400u64,
            reuse in 1..Damping::FIGURE_MAX / 2,
            above in 1..Damping::FIGURE_MAX / 2,
            gaps in prop::collection::vec(0..10_000u64, 1..40),
        ) {
            let damping = Damping {
                penalty,
                half_life: seconds(half_life),
                suppress: reuse + above,
                reuse,
            };
            let mut now = Instant::now();
            let mut damper = Damper::default();
            for gap in gaps {
                now += seconds(gap);
                damper.handle_timeout(now);
                let was_suppressed = damper.reuse().is_some();
                let began = damper.note_down(&damping, now);
                let figure = damper.penalty(&damping, now);
                prop_assert!(figure <= damping.ceiling());
                prop_assert_eq!(began, !was_suppressed && figure >= f64::from(damping.suppress));
                let later = damper.penalty(&damping, now + damping.half_life);
                prop_assert!((later * 2.0 - figure).abs() <= figure * 1e-9);
                prop_assert!(damper.penalty(&damping, now + seconds(1)) < figure);
            }
            if let Some(reuse) = damper.reuse() {
                prop_assert!(reuse <= now + damping.half_life * 20);
                prop_assert!(damper.handle_timeout(reuse));
                prop_assert!(damper.reuse().is_none());
            }
        }
    }
}
