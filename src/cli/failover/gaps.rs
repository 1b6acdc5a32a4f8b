//! What a drill measures: moments from the history of a node, gaps between probes. Pure.

use std::time::{Duration, Instant};

use crate::director::pair::status::PairStatus;

/// A transition of this node, on the clock of who asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) at: Instant,
    pub(super) from: String,
    pub(super) to: String,
}

/// The transitions of an instance from `since` on, oldest first; the status was seen at
/// `seen`. As exact as the question was quick.
pub(super) fn moments(
    pair: &PairStatus,
    instance: &str,
    seen: Instant,
    since: Instant,
) -> Vec<Moment> {
    let own = pair.history.iter().filter(|one| one.instance == instance);
    own.filter_map(|one| {
        let ago = Duration::try_from_secs_f64(one.seconds_ago).ok()?;
        Some(Moment {
            at: seen.checked_sub(ago)?,
            from: one.from.clone(),
            to: one.to.clone(),
        })
    })
    .filter(|moment| moment.at >= since)
    .collect()
}

/// The last moment at which a state was left, or entered.
pub(super) fn last_from(moments: &[Moment], state: &str) -> Option<Instant> {
    let mut all = moments.iter().rev();
    all.find(|moment| moment.from == state).map(|m| m.at)
}

/// See [`last_from`].
pub(super) fn last_to(moments: &[Moment], state: &str) -> Option<Instant> {
    let mut all = moments.iter().rev();
    all.find(|moment| moment.to == state).map(|m| m.at)
}

/// One attempt to reach the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    pub(super) begun: Instant,
    pub(super) succeeded: bool,
}

/// Attempts, how many of them failed, and the longest time between the beginnings of two that
/// succeeded one after the other; `None` when fewer than two did.
pub(super) fn longest_gap(attempts: &[Attempt]) -> (usize, usize, Option<Duration>) {
    let mut succeeded: Vec<Instant> = attempts
        .iter()
        .filter(|one| one.succeeded)
        .map(|one| one.begun)
        .collect();
    succeeded.sort_unstable();
    let gaps = succeeded.windows(2).map(|pair| pair[1] - pair[0]);
    (attempts.len(), attempts.len() - succeeded.len(), gaps.max())
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_history_becomes_moments_of_this_clock() {
        let pair = sample::active();
        // A monotonic clock may be younger than the history.
        let seen = Instant::now() + Duration::from_secs(1000);
        let since = seen.checked_sub(Duration::from_millis(192_150)).unwrap();
        let found = moments(&pair, "web", seen, since);
        assert_eq!(found.len(), 2);
        let ago = |at: Option<Instant>| seen.duration_since(at.unwrap()).as_millis();
        assert_eq!(ago(last_to(&found, "active")), 192_000);
        assert_eq!(ago(last_from(&found, "probe")), 192_100);
        assert_eq!(last_to(&found, "probe"), None);
        assert!(moments(&pair, "mail", seen, since).is_empty());
    }

    #[test]
    fn hostile_numbers_are_no_moments() {
        let mut pair = sample::active();
        let seen = Instant::now();
        for (entry, value) in pair.history.iter_mut().zip([f64::NAN, -1.0, f64::INFINITY]) {
            entry.seconds_ago = value;
        }
        assert!(moments(&pair, "web", seen, seen).is_empty());
    }

    #[test]
    fn the_longest_gap_is_between_two_successes() {
        let start = Instant::now();
        let attempt = |milliseconds, succeeded| Attempt {
            begun: start + Duration::from_millis(milliseconds),
            succeeded,
        };
        // Not in order: one that took long ends last.
        let attempts = [
            attempt(0, true),
            attempt(60, true),
            attempt(10, true),
            attempt(20, false),
            attempt(30, false),
            attempt(70, true),
        ];
        let gap = Some(Duration::from_millis(50));
        assert_eq!(longest_gap(&attempts), (6, 2, gap));
        assert_eq!(longest_gap(&attempts[3..5]), (2, 2, None));
        assert_eq!(longest_gap(&[]), (0, 0, None));
    }
}
