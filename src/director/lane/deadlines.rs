//! When the probes under way must be over. Pure: time comes in.
//!
//! Most probes end long before their deadline, and thousands may be under way. So a place
//! has one alarm rather than each probe its own: it is left standing when the probe ends,
//! and put off when it goes off before the deadline of the probe that then has the place.
//! A probe that ends in time costs nothing here, and one that does not the logarithm.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// The alarms of all places.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    alarms: BinaryHeap<Reverse<(Instant, usize)>>,
    /// The next alarm of each place; others of the same place are void.
    next: Vec<Option<Instant>>,
}

impl Deadlines {
    /// The probe that now has this place must be over at `deadline`.
    pub(super) fn set(&mut self, place: usize, deadline: Instant) {
        if place >= self.next.len() {
            self.next.resize(place + 1, None);
        }
        let next = &mut self.next[place];
        if next.is_none_or(|at| deadline < at) {
            *next = Some(deadline);
            self.alarms.push(Reverse((deadline, place)));
        }
    }

    /// A place whose probe must be over by `now`; `deadline_of` says what is under way
    /// where. To be asked until there is none.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        deadline_of: impl Fn(usize) -> Option<Instant>,
    ) -> Option<usize> {
        while let Some(Reverse((at, place))) = self.alarms.peek().copied()
            && at <= now
        {
            self.alarms.pop();
            if self.next[place] != Some(at) {
                continue;
            }
            self.next[place] = None;
            match deadline_of(place) {
                Some(deadline) if deadline <= now => return Some(place),
                Some(deadline) => self.set(place, deadline),
                None => {}
            }
        }
        None
    }

    /// When to ask again; it may turn out too early.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.alarms.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// All places whose probe must be over.
    fn expired(
        deadlines: &mut Deadlines,
        now: Instant,
        under_way: &mut [Option<Instant>],
    ) -> Vec<usize> {
        let mut places = Vec::new();
        while let Some(place) = deadlines.poll(now, |place| under_way[place]) {
            under_way[place] = None;
            places.push(place);
        }
        places.sort_unstable();
        places
    }

    proptest! {
        /// Probes that begin, end or are let go, against a list of all deadlines.
        #[test]
        fn exactly_what_is_past_its_deadline_expires(
            steps in prop::collection::vec((0_usize..8, 0_u64..50, 0_u64..20, any::<bool>()), 1..200)
        ) {
            let mut now = Instant::now();
            let mut deadlines = Deadlines::default();
            let mut under_way = vec![None; 8];
            for (place, timeout, pause, ends) in steps {
                if ends {
                    under_way[place] = None;
                } else if under_way[place].is_none() {
                    let deadline = now + Duration::from_millis(timeout);
                    under_way[place] = Some(deadline);
                    deadlines.set(place, deadline);
                }
                let first = under_way.iter().flatten().min().copied();
                // Whoever sleeps until then misses none.
                prop_assert!(first.is_none_or(|at| deadlines.poll_timeout().unwrap() <= at));
                now += Duration::from_millis(pause);
                let expected: Vec<usize> = (0..8)
                    .filter(|place| under_way[*place].is_some_and(|at| at <= now))
                    .collect();
                prop_assert_eq!(expired(&mut deadlines, now, &mut under_way), expected);
            }
        }
    }

    #[test]
    fn probes_that_end_in_time_leave_one_alarm_for_each_place() {
        let mut now = Instant::now();
        let mut deadlines = Deadlines::default();
        for round in 0..10_000 {
            deadlines.set(round % 4, now + Duration::from_secs(30));
            now += Duration::from_millis(1);
        }
        assert_eq!(deadlines.alarms.len(), 4);
    }
}
