//! When each check is due. Pure: time comes in.
//!
//! Moments are counted in ticks of [`TICK`] since the lane began, so that checks gather
//! on a grid and one wake-up starts several. A check's place in its interval follows
//! from a hash of the check alone; it does not drift, and a restart does not change it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

/// Distance of the moments at which checks start.
const TICK: Duration = Duration::from_millis(10);

/// First rounds under way at once up to which further ones start freely; beyond, only
/// [`SQUEEZED`] start per tick. Servers that hang thus delay nobody for long, and thousands of checks
/// added at once do not need thousands of descriptors.
pub(super) const FIRST_ROUNDS: usize = 512;

/// First rounds that start in a tick when many are under way already.
const SQUEEZED: u32 = 8;

/// Checks started between two looks at the sockets.
const BATCH: usize = 64;

/// Stands for a check in the schedule. The generation tells a check from an earlier one
/// in the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// How often a check is due, and where in the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rhythm {
    interval: u64,
    phase: u64,
}

impl Rhythm {
    /// The interval is rounded to whole ticks, at least one.
    pub(super) fn new(interval: Duration, hash: u64) -> Self {
        let ticks = (interval.as_millis() / TICK.as_millis()).clamp(1, u128::from(u32::MAX)) as u64;
        Self {
            interval: ticks,
            phase: hash % ticks,
        }
    }

    /// The next moment after `tick`, at most an interval away.
    fn after(self, tick: u64) -> u64 {
        let into = (tick % self.interval + self.interval - self.phase) % self.interval;
        tick + self.interval - into
    }
}

/// All checks that are waiting for their moment.
#[derive(Debug)]
pub(super) struct Schedule {
    epoch: Instant,
    first: VecDeque<Key>,
    due: BinaryHeap<Reverse<(u64, Key)>>,
    /// Last tick in which first rounds were started beyond [`FIRST_ROUNDS`], and how many.
    squeezed: (u64, u32),
}

impl Schedule {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            first: VecDeque::new(),
            due: BinaryHeap::new(),
            squeezed: (0, 0),
        }
    }

    /// A new check: its first round is due at once.
    pub(super) fn add(&mut self, key: Key) {
        self.first.push_back(key);
    }

    /// A round was started, or left out, or the rhythm changed at `now`: the next one, and
    /// when. A moment that was planned before is not forgotten: who asks has to compare.
    pub(super) fn again(&mut self, key: Key, rhythm: Rhythm, now: Instant) -> Instant {
        let due = rhythm.after(self.tick(now));
        self.due.push(Reverse((due, key)));
        self.at(due)
    }

    /// Appends the checks to start at `now` to `keys`, at most [`BATCH`] of them; those
    /// that have a first round behind them come first.
    pub(super) fn poll_due(&mut self, now: Instant, first_rounds: usize, keys: &mut Vec<Key>) {
        let tick = self.tick(now);
        while keys.len() < BATCH
            && let Some(Reverse((due, key))) = self.due.peek().copied()
            && due <= tick
        {
            self.due.pop();
            keys.push(key);
        }
        let mut under_way = first_rounds;
        while keys.len() < BATCH && !self.first.is_empty() {
            if under_way >= FIRST_ROUNDS && !self.squeeze(tick) {
                return;
            }
            keys.extend(self.first.pop_front());
            under_way += 1;
        }
    }

    /// Whether one more first round may start in this tick although many are under way.
    fn squeeze(&mut self, tick: u64) -> bool {
        if self.squeezed.0 != tick {
            self.squeezed = (tick, 0);
        }
        let allowed = self.squeezed.1 < SQUEEZED;
        self.squeezed.1 += u32::from(allowed);
        allowed
    }

    /// When to ask again.
    pub(super) fn poll_timeout(&self, now: Instant, first_rounds: usize) -> Option<Instant> {
        let first = if self.first.is_empty() {
            None
        } else if first_rounds < FIRST_ROUNDS {
            Some(now)
        } else {
            Some(self.at(self.tick(now) + 1))
        };
        let due = self.due.peek().map(|Reverse((due, _))| self.at(*due));
        first.into_iter().chain(due).min()
    }

    fn tick(&self, now: Instant) -> u64 {
        (now.saturating_duration_since(self.epoch).as_millis() / TICK.as_millis()) as u64
    }

    fn at(&self, tick: u64) -> Instant {
        // Intervals are at most u32::MAX ticks of 10 ms: far from overflow.
        self.epoch + Duration::from_millis(tick * TICK.as_millis() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(slot: u32) -> Key {
        Key {
            slot,
            generation: 0,
        }
    }

    fn due(schedule: &mut Schedule, now: Instant, first_rounds: usize) -> Vec<u32> {
        let mut keys = Vec::new();
        schedule.poll_due(now, first_rounds, &mut keys);
        keys.into_iter().map(|key| key.slot).collect()
    }

    proptest! {
        #[test]
        fn rounds_follow_each_other_by_one_interval_on_the_grid(
            interval_ms in 1_u64..100_000, hash: u64, start_ms in 0_u64..1_000_000
        ) {
            let epoch = Instant::now();
            let mut schedule = Schedule::new(epoch);
            let rhythm = Rhythm::new(Duration::from_millis(interval_ms), hash);
            let interval = Duration::from_millis((interval_ms / 10 * 10).max(10));
            let mut now = epoch + Duration::from_millis(start_ms);
            let mut gaps = Vec::new();
            for _ in 0..4 {
                schedule.again(key(1), rhythm, now);
                let next = schedule.poll_timeout(now, 0).unwrap();
                let too_early = next.checked_sub(Duration::from_millis(1)).unwrap();
                prop_assert!(due(&mut schedule, too_early, 0).is_empty());
                prop_assert_eq!(due(&mut schedule, next, 0), [1]);
                gaps.push(next - now);
                now = next;
            }
            prop_assert!(gaps[0] > Duration::ZERO && gaps[0] <= interval);
            prop_assert_eq!(&gaps[1..], &[interval; 3]);
        }
    }

    #[test]
    fn a_round_started_late_does_not_shift_the_next() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        let rhythm = Rhythm::new(Duration::from_secs(1), 30);
        schedule.again(key(1), rhythm, epoch + Duration::from_millis(300));
        assert_eq!(
            schedule.poll_timeout(epoch, 0),
            Some(epoch + Duration::from_millis(1300))
        );
        let late = epoch + Duration::from_millis(2900);
        assert_eq!(due(&mut schedule, late, 0), [1]);
        schedule.again(key(1), rhythm, late);
        assert_eq!(
            schedule.poll_timeout(late, 0),
            Some(epoch + Duration::from_millis(3300))
        );
    }

    #[test]
    fn first_rounds_start_in_order_and_are_squeezed_when_many_hang() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        (0..2000).for_each(|slot| schedule.add(key(slot)));
        let batch = BATCH as u32;
        assert_eq!(due(&mut schedule, epoch, 0), (0..batch).collect::<Vec<_>>());
        assert_eq!(schedule.poll_timeout(epoch, 64), Some(epoch));
        // All of them hang: a few more in each tick, and not in every look.
        let more = |from: u32| (from..from + SQUEEZED).collect::<Vec<_>>();
        assert_eq!(due(&mut schedule, epoch, FIRST_ROUNDS), more(batch));
        assert!(due(&mut schedule, epoch, FIRST_ROUNDS).is_empty());
        let next = schedule.poll_timeout(epoch, FIRST_ROUNDS).unwrap();
        assert_eq!(next, epoch + TICK);
        let second = more(batch + SQUEEZED);
        assert_eq!(due(&mut schedule, next, FIRST_ROUNDS), second);
    }

    #[test]
    fn rounds_that_are_due_go_before_first_ones() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        schedule.add(key(1));
        schedule.again(key(2), Rhythm::new(TICK, 0), epoch);
        assert_eq!(due(&mut schedule, epoch + TICK, 0), [2, 1]);
        assert_eq!(schedule.poll_timeout(epoch + TICK, 0), None);
    }
}
