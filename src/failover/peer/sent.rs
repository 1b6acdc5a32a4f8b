//! When adverts left: the age of what the peer echoes, without a clock in common.
//!
//! And how long this process stood still meanwhile. A host that pauses finds its peer silent
//! and all that it reads old, and neither is the peer's doing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Rounds that are remembered. A round leaves at most every fortieth of the dead interval,
/// so they cover at least four of these.
const ROUNDS: usize = 256;

/// The last rounds of adverts.
#[derive(Debug, Clone)]
pub(in crate::failover) struct Sent {
    /// Sequence of the first one.
    first: u64,
    /// When each left, and how long this process had stood still until then.
    times: VecDeque<(Instant, Duration)>,
    /// How long it has stood still, all in all.
    stood: Duration,
}

/// What an echoed sequence says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::failover) enum Age {
    /// So long ago it was sent.
    Known(Duration),
    /// Longer ago than is remembered.
    Ancient,
    /// It never was.
    Never,
}

impl Sent {
    pub(in crate::failover) fn new() -> Self {
        Self {
            first: 1,
            times: VecDeque::with_capacity(ROUNDS),
            stood: Duration::ZERO,
        }
    }

    /// This process did not run for so long when it should have.
    pub(in crate::failover) fn stand(&mut self, time: Duration) {
        self.stood += time;
    }

    /// How long it has stood still, all in all.
    pub(in crate::failover) fn stood(&self) -> Duration {
        self.stood
    }

    /// A round leaves: its sequence, from 1.
    pub(in crate::failover) fn round(&mut self, now: Instant) -> u64 {
        if self.times.len() == ROUNDS {
            self.times.pop_front();
            self.first += 1;
        }
        self.times.push_back((now, self.stood));
        self.last()
    }

    /// The last sequence; 0 before the first round.
    pub(in crate::failover) fn last(&self) -> u64 {
        self.first + self.times.len() as u64 - 1
    }

    /// When the last round left.
    pub(in crate::failover) fn last_at(&self) -> Option<Instant> {
        self.times.back().map(|(at, _)| *at)
    }

    /// How many rounds left after a moment, as far as is remembered.
    pub(in crate::failover) fn rounds_after(&self, at: Instant) -> usize {
        self.times
            .iter()
            .rev()
            .take_while(|(sent, _)| *sent > at)
            .count()
    }

    pub(in crate::failover) fn age(&self, sequence: u64, now: Instant) -> Age {
        if sequence > self.last() {
            return Age::Never;
        }
        match self.get(sequence) {
            Some((at, _)) => Age::Known(now.saturating_duration_since(at)),
            None => Age::Ancient,
        }
    }

    /// The age without the time for which this process stood still.
    pub(in crate::failover) fn age_awake(&self, sequence: u64, now: Instant) -> Option<Duration> {
        let (at, stood) = self.get(sequence)?;
        let age = now.saturating_duration_since(at);
        Some(age.saturating_sub(self.stood.saturating_sub(stood)))
    }

    fn get(&self, sequence: u64) -> Option<(Instant, Duration)> {
        let index = sequence.checked_sub(self.first)?;
        self.times.get(usize::try_from(index).ok()?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_as_old_as_what_it_echoes() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut sent = Sent::new();
        assert_eq!(sent.age(1, start), Age::Never);
        assert_eq!(sent.age(0, start), Age::Ancient);
        for round in 1..=300 {
            assert_eq!(sent.round(at(round * 10)), round);
        }
        assert_eq!(
            sent.age(300, at(3005)),
            Age::Known(Duration::from_millis(5))
        );
        assert_eq!(
            sent.age(45, at(3000)),
            Age::Known(Duration::from_millis(2550))
        );
        assert_eq!(sent.age(44, at(3000)), Age::Ancient);
        assert_eq!(sent.age(301, at(3000)), Age::Never);
        sent.stand(Duration::from_millis(90));
        let awake = |sequence| sent.age_awake(sequence, at(3100));
        assert_eq!(awake(300), Some(Duration::from_millis(10)));
        assert_eq!(awake(301), None);
        assert_eq!(sent.rounds_after(at(2980)), 2);
        assert_eq!(sent.rounds_after(at(3000)), 0);
        assert_eq!(sent.rounds_after(start), ROUNDS);
    }
}
