//! Weight from the response time, relative to the fastest server of the service. Pure.
//!
//! `share = 100 % × (fastest + 10 ms) / (own + 10 ms)`, where both times are smoothed over
//! about the last eight rounds of each check, and the slowest check of a server counts; rounded to tens, at least 10 %. The 10 ms keep differences
//! that no client notices from counting. A share stays until the formula has left it by 10
//! points or more, so that one that lies between two tens does not swing.

use std::collections::BTreeMap;
use std::time::Duration;

/// Time added to both sides of the ratio.
const SLACK: f64 = 0.010;

/// Part that a new time has in the smoothed one.
const PART: f64 = 0.25;

/// Distance at which a share is left.
const HYSTERESIS: f64 = 10.0;

/// Smoothed response times of a server's checks, with the share that follows from them.
#[derive(Debug, Clone)]
pub struct ResponseTime {
    /// By the number of the check.
    seconds: BTreeMap<usize, f64>,
    share: u8,
}

impl Default for ResponseTime {
    fn default() -> Self {
        Self {
            seconds: BTreeMap::new(),
            share: 100,
        }
    }
}

impl ResponseTime {
    /// The check with this number passed and took this long.
    pub fn note(&mut self, check: usize, latency: Duration) {
        let new = latency.as_secs_f64();
        let known = self.seconds.entry(check).or_insert(new);
        *known += PART * (new - *known);
    }

    /// The smoothed time of the slowest check; `None` before the first.
    pub fn smoothed(&self) -> Option<Duration> {
        self.slowest().map(Duration::from_secs_f64)
    }

    fn slowest(&self) -> Option<f64> {
        self.seconds.values().copied().reduce(f64::max)
    }

    /// Percentage of the weight, 10 to 100.
    pub fn share(&self) -> u8 {
        self.share
    }

    /// Takes a new share, given the smoothed time of the fastest server. Whether it changed.
    pub fn compare(&mut self, fastest: Duration) -> bool {
        let Some(own) = self.slowest() else {
            return false;
        };
        let raw = 100.0 * (fastest.as_secs_f64() + SLACK) / (own + SLACK);
        let raw = raw.clamp(10.0, 100.0);
        if (raw - f64::from(self.share)).abs() < HYSTERESIS {
            return false;
        }
        // 1 to 10: in range of the type.
        let share = ((raw / 10.0).round() as u8) * 10;
        std::mem::replace(&mut self.share, share) != share
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn share(own: u64, fastest: u64) -> u8 {
        let mut time = ResponseTime::default();
        time.note(0, ms(own));
        time.compare(ms(fastest));
        time.share()
    }

    #[test]
    fn the_share_falls_with_the_time_relative_to_the_fastest() {
        assert_eq!(share(20, 20), 100);
        assert_eq!(share(45, 20), 50);
        assert_eq!(share(245, 20), 10);
        assert_eq!(share(60_000, 1), 10);
        // One millisecond against nothing is no difference.
        assert_eq!(share(1, 0), 100);
        assert_eq!(ResponseTime::default().share(), 100);
    }

    #[test]
    fn one_slow_answer_moves_little_and_many_move_all_the_way() {
        let mut time = ResponseTime::default();
        time.note(0, ms(20));
        time.note(0, ms(40));
        assert_eq!(time.smoothed(), Some(ms(25)));
        for _ in 0..40 {
            time.note(0, ms(45));
        }
        assert!(time.compare(ms(20)));
        assert_eq!(time.share(), 50);
    }

    #[test]
    fn the_slowest_of_several_checks_counts() {
        let mut time = ResponseTime::default();
        for _ in 0..10 {
            time.note(0, ms(45));
            time.note(1, ms(1));
        }
        assert_eq!(time.smoothed(), Some(ms(45)));
    }

    #[test]
    fn a_share_between_two_tens_does_not_swing() {
        let mut time = ResponseTime::default();
        let changes = (0..1000).filter(|n| {
            // Shares of 54 and 56 in turns.
            time.seconds = BTreeMap::from([(0, if n % 2 == 0 { 0.0456 } else { 0.0436 })]);
            time.compare(ms(20))
        });
        assert_eq!(changes.count(), 1);
    }

    proptest! {
        #[test]
        fn shares_are_tens_between_10_and_100(
            times in prop::collection::vec((0..100_000u64, 0..100_000u64), 1..50)
        ) {
            let mut time = ResponseTime::default();
            for (own, fastest) in times {
                time.note(0, Duration::from_micros(own));
                time.compare(Duration::from_micros(fastest));
                prop_assert!((10..=100).contains(&time.share()) && time.share() % 10 == 0);
            }
        }
    }
}
