//! Slow start: the weight of a recovered server climbs to its full value in steps. Pure.

use std::time::{Duration, Instant};

/// Steps to the full weight.
const STEPS: u128 = 10;

/// A climb under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Climb {
    began: Instant,
    over: Duration,
}

impl Climb {
    /// Begins at a tenth of the weight and is over after `over`.
    pub fn new(began: Instant, over: Duration) -> Self {
        Self { began, over }
    }

    /// Percentage of the full weight at a moment: 10 to 100, never less than before.
    pub fn percent(&self, now: Instant) -> u8 {
        let level = self.level(now).max(1) * 100 / STEPS;
        u8::try_from(level).unwrap_or(100).min(100)
    }

    /// When the next step is due; `None` at the top.
    pub fn next(&self, now: Instant) -> Option<Instant> {
        let level = self.level(now).max(1);
        let after = (self.over.as_nanos() * (level + 1)).div_ceil(STEPS);
        let nanoseconds = u64::try_from(after).ok().filter(|_| level < STEPS)?;
        self.began.checked_add(Duration::from_nanos(nanoseconds))
    }

    /// Tenths of the time that have passed.
    fn level(&self, now: Instant) -> u128 {
        let passed = now.saturating_duration_since(self.began);
        let tenths = (passed.as_nanos() * STEPS).checked_div(self.over.as_nanos());
        tenths.unwrap_or(STEPS).min(STEPS)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// From step to step the share grows, in at most ten of them, and is whole at the end
        /// of the time and not before.
        #[test]
        fn the_share_climbs_in_at_most_ten_steps(nanoseconds in 0..u64::MAX / 2) {
            let start = Instant::now();
            let over = Duration::from_nanos(nanoseconds);
            let climb = Climb::new(start, over);
            let mut now = start;
            let mut shares = vec![climb.percent(now)];
            while let Some(next) = climb.next(now) {
                prop_assert!(next > now);
                let before = next.checked_sub(Duration::from_nanos(1)).unwrap();
                prop_assert_eq!(climb.percent(before), *shares.last().unwrap());
                now = next;
                shares.push(climb.percent(now));
                prop_assert!(shares.len() <= 10);
            }
            prop_assert!(shares.is_sorted_by(|a, b| a < b), "{:?}", shares);
            prop_assert_eq!(shares.last(), Some(&100));
            if nanoseconds >= 10 {
                prop_assert_eq!(shares[0], 10);
                prop_assert_eq!(now, start + over);
            }
        }
    }

    #[test]
    fn a_minute_is_ten_percent_every_six_seconds() {
        let start = Instant::now();
        let climb = Climb::new(start, Duration::from_secs(60));
        let at = |s| climb.percent(start + Duration::from_secs(s));
        assert_eq!(
            [at(0), at(11), at(12), at(59), at(60), at(9000)],
            [10, 10, 20, 90, 100, 100]
        );
        assert_eq!(climb.next(start), Some(start + Duration::from_secs(12)));
    }
}
