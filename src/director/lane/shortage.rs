//! When to speak of descriptors that have run out. Pure: time comes in.
//!
//! Near the limit every probe that ends frees a descriptor for the next, so shortage and
//! plenty alternate thousands of times a second. The log is to say it once.

use std::time::{Duration, Instant};

/// So long without a refusal, and the shortage is over.
const QUIET: Duration = Duration::from_secs(10);

/// Whether descriptors are short, and since when.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    /// The last refusal, and how many there were.
    refused: Option<(Instant, u64)>,
}

/// Something the log should say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The first refusal after a quiet time.
    Begun,
    /// None any more; so many rounds were lost.
    Over(u64),
}

impl Shortage {
    /// A probe could not have a descriptor.
    pub(super) fn handle_refusal(&mut self, now: Instant) -> Option<News> {
        let before = self.refused;
        self.refused = Some((now, before.map_or(1, |(_, count)| count + 1)));
        before.is_none().then_some(News::Begun)
    }

    /// A probe could.
    pub(super) fn handle_success(&mut self, now: Instant) -> Option<News> {
        let (last, count) = self.refused?;
        if now.saturating_duration_since(last) < QUIET {
            return None;
        }
        self.refused = None;
        Some(News::Over(count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_alternates_is_said_once() {
        let mut now = Instant::now();
        let mut shortage = Shortage::default();
        assert_eq!(shortage.handle_success(now), None);
        assert_eq!(shortage.handle_refusal(now), Some(News::Begun));
        for _ in 0..10_000 {
            now += Duration::from_millis(7);
            assert_eq!(shortage.handle_success(now), None);
            assert_eq!(shortage.handle_refusal(now), None);
        }
        now += QUIET;
        assert_eq!(shortage.handle_success(now), Some(News::Over(10_001)));
        assert_eq!(shortage.handle_success(now), None);
        assert_eq!(shortage.handle_refusal(now), Some(News::Begun));
    }
}
