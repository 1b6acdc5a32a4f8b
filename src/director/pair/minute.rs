//! Warnings that would come again and again.

use std::time::{Duration, Instant};

/// Shortest time between two warnings about the same thing.
const BETWEEN: Duration = Duration::from_secs(60);

/// Lets one warning a minute through and counts the others.
#[derive(Debug, Default)]
pub(super) struct OncePerMinute {
    last: Option<Instant>,
    held: u64,
}

impl OncePerMinute {
    /// Whether a warning may be given now; then, how many were held back since the last.
    pub(super) fn pass(&mut self, now: Instant) -> Option<u64> {
        let early = |last| now.saturating_duration_since(last) < BETWEEN;
        if self.last.is_some_and(early) {
            self.held += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_and_the_rest_is_counted() {
        let start = Instant::now();
        let mut minute = OncePerMinute::default();
        assert_eq!(minute.pass(start), Some(0));
        for second in 1..60 {
            assert_eq!(minute.pass(start + Duration::from_secs(second)), None);
        }
        assert_eq!(minute.pass(start + BETWEEN), Some(59));
        assert_eq!(minute.pass(start + BETWEEN), None);
    }
}
