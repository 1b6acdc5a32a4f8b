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

/// First rounds that may start in a tick before their moment in the interval: a small
/// configuration is known within milliseconds, and a large one does not begin with a burst.
const EARLY: u32 = 64;

/// First rounds under way at once up to which [`EARLY`] more may start in a tick; beyond,
/// only [`SQUEEZED`]. Servers that hang thus delay nobody for long, and thousands of checks
/// added at once do not need thousands of descriptors.
pub(super) const FIRST_ROUNDS: usize = 512;

/// First rounds that start early in a tick when many are under way already.
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

/// A check that is to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) key: Key,
    /// Its moment in the interval; `None` for a first round before that moment.
    pub(super) due: Option<Instant>,
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
    /// Added and perhaps not begun, in this order.
    first: VecDeque<Key>,
    due: BinaryHeap<Reverse<(u64, Key)>>,
    /// A tick, and how many first rounds have started early in it.
    early: (u64, u32),
}

impl Schedule {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            first: VecDeque::new(),
            due: BinaryHeap::new(),
            early: (0, 0),
        }
    }

    /// A new check: its first round is due at its moment in the interval, and starts before
    /// that if there is room. Returns that moment.
    pub(super) fn add(&mut self, key: Key, rhythm: Rhythm, now: Instant) -> Instant {
        self.first.push_back(key);
        self.again(key, rhythm, now)
    }

    /// A round was started, or left out, or the rhythm changed at `now`: the next one, and
    /// when. A moment that was planned before is not forgotten: who asks has to compare.
    pub(super) fn again(&mut self, key: Key, rhythm: Rhythm, now: Instant) -> Instant {
        let due = rhythm.after(self.tick(now));
        self.due.push(Reverse((due, key)));
        self.at(due)
    }

    /// Appends the checks to start at `now` to `starts`, at most [`BATCH`] of them; those
    /// whose moment has come go first. `is_waiting` tells whether a check has yet to begin.
    pub(super) fn poll_due(
        &mut self,
        now: Instant,
        first_rounds: usize,
        is_waiting: impl Fn(Key) -> bool,
        starts: &mut Vec<Start>,
    ) {
        let tick = self.tick(now);
        while starts.len() < BATCH
            && let Some(Reverse((due, key))) = self.due.peek().copied()
            && due <= tick
        {
            self.due.pop();
            let due = Some(self.at(due));
            starts.push(Start { key, due });
        }
        let mut under_way = first_rounds;
        while starts.len() < BATCH
            && self.early_left(tick, under_way) > 0
            && let Some(key) = self.first.pop_front()
        {
            let is_starting = starts.iter().any(|start| start.key == key);
            if is_waiting(key) && !is_starting {
                starts.push(Start { key, due: None });
                self.early = (tick, self.early_in(tick) + 1);
                under_way += 1;
            }
        }
    }

    fn early_in(&self, tick: u64) -> u32 {
        if self.early.0 == tick {
            self.early.1
        } else {
            0
        }
    }

    /// How many more first rounds may start early in this tick.
    fn early_left(&self, tick: u64, under_way: usize) -> u32 {
        let allowed = if under_way < FIRST_ROUNDS {
            EARLY
        } else {
            SQUEEZED
        };
        allowed.saturating_sub(self.early_in(tick))
    }

    /// When to ask again.
    pub(super) fn poll_timeout(&self, now: Instant, first_rounds: usize) -> Option<Instant> {
        let tick = self.tick(now);
        let first = if self.first.is_empty() {
            None
        } else if self.early_left(tick, first_rounds) > 0 {
            Some(now)
        } else {
            Some(self.at(tick + 1))
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
        due_with(schedule, now, first_rounds, |_| true)
    }

    fn due_with(
        schedule: &mut Schedule,
        now: Instant,
        first_rounds: usize,
        is_waiting: impl Fn(Key) -> bool,
    ) -> Vec<u32> {
        let mut starts = Vec::new();
        schedule.poll_due(now, first_rounds, is_waiting, &mut starts);
        starts.into_iter().map(|start| start.key.slot).collect()
    }

    /// Far away, so that only the first rounds count.
    const DAY: Duration = Duration::from_secs(86_400);

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
        let far = Rhythm::new(DAY, u64::from(u32::MAX));
        (0..2000).for_each(|slot| {
            schedule.add(key(slot), far, epoch);
        });
        assert_eq!(due(&mut schedule, epoch, 0), (0..EARLY).collect::<Vec<_>>());
        assert!(due(&mut schedule, epoch, 0).is_empty());
        let next = schedule.poll_timeout(epoch, 64).unwrap();
        assert_eq!(next, epoch + TICK);
        // All of them hang: a few more in each tick, and not in every look.
        let more = |from: u32| (from..from + SQUEEZED).collect::<Vec<_>>();
        assert_eq!(due(&mut schedule, next, FIRST_ROUNDS), more(EARLY));
        assert!(due(&mut schedule, next, FIRST_ROUNDS).is_empty());
        let next = schedule.poll_timeout(next, FIRST_ROUNDS).unwrap();
        assert_eq!(next, epoch + 2 * TICK);
        let second = more(EARLY + SQUEEZED);
        assert_eq!(due(&mut schedule, next, FIRST_ROUNDS), second);
    }

    #[test]
    fn rounds_that_are_due_go_before_first_ones() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        schedule.add(key(1), Rhythm::new(DAY, 7), epoch);
        schedule.again(key(2), Rhythm::new(TICK, 0), epoch);
        assert_eq!(due(&mut schedule, epoch + TICK, 0), [2, 1]);
        assert!(schedule.poll_timeout(epoch + TICK, 0).unwrap() > epoch + TICK);
    }

    #[test]
    fn a_check_that_has_begun_or_gone_does_not_begin_early() {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        let far = Rhythm::new(DAY, u64::from(u32::MAX));
        (0..200).for_each(|slot| {
            schedule.add(key(slot), far, epoch);
        });
        // It takes no place from the others.
        let waiting = |key: Key| key.slot >= 100;
        let started = due_with(&mut schedule, epoch, 0, waiting);
        assert_eq!(started, (100..100 + EARLY).collect::<Vec<_>>());
        // Its moment and its turn at the same time: one start.
        let mut schedule = Schedule::new(epoch);
        schedule.add(key(1), Rhythm::new(TICK, 0), epoch);
        assert_eq!(due(&mut schedule, epoch + TICK, 0), [1]);
    }

    /// Plays the schedule of so many checks that are added at once, each round over at
    /// once, for the time of two intervals; returns the starts of each tick.
    fn starts_by_tick(checks: u32, interval: Duration) -> Vec<usize> {
        let epoch = Instant::now();
        let mut schedule = Schedule::new(epoch);
        let rhythms: Vec<Rhythm> = (0..checks)
            .map(|slot| {
                let hash = u64::from(slot).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                Rhythm::new(interval, hash >> 20)
            })
            .collect();
        (0..checks).for_each(|slot| {
            schedule.add(key(slot), rhythms[slot as usize], epoch);
        });
        let mut begun = vec![false; checks as usize];
        let ticks = 2 * interval.as_millis() / TICK.as_millis();
        let mut counts = Vec::new();
        for tick in 0..ticks as u32 {
            let now = epoch + tick * TICK;
            let mut count = 0;
            loop {
                let mut starts = Vec::new();
                let waiting = |key: Key| !begun[key.slot as usize];
                schedule.poll_due(now, 0, waiting, &mut starts);
                if starts.is_empty() {
                    break;
                }
                count += starts.len();
                for start in starts {
                    let slot = start.key.slot as usize;
                    begun[slot] = true;
                    if start.due.is_some() {
                        schedule.again(start.key, rhythms[slot], now);
                    }
                }
            }
            counts.push(count);
        }
        assert!(begun.into_iter().all(|begun| begun));
        counts
    }

    #[test]
    fn a_hundred_thousand_checks_begin_without_a_burst() {
        let counts = starts_by_tick(100_000, Duration::from_secs(10));
        // The rate of ever after is 100 in a tick; chance adds some.
        let steady = 100 + 50;
        let first = &counts[..counts.len() / 2];
        assert!(first.iter().all(|count| *count <= steady + EARLY as usize));
        let second = &counts[counts.len() / 2..];
        assert!(second.iter().all(|count| *count <= steady));
        assert_eq!(second.iter().sum::<usize>(), 100_000);
        let hundred_ms = counts.chunks(10).map(|ticks| ticks.iter().sum::<usize>());
        assert!(hundred_ms.max() <= Some(1000 + 640 + 150));
    }

    #[test]
    fn a_few_hundred_checks_begin_at_once() {
        let counts = starts_by_tick(300, Duration::from_secs(10));
        assert!(counts[..5].iter().sum::<usize>() >= 300);
    }
}
