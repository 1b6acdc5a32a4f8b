//! How often one server may be the subject of mail.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Changes of one server are told of in at most [`MAILS`] mails in any time this long.
pub(super) const PERIOD: Duration = Duration::from_secs(600);
/// See [`PERIOD`].
pub(super) const MAILS: usize = 3;
/// Least time between the first and the second mail of a period, and between the second and
/// the third: a server that fails and comes back is told of at once, one that keeps doing
/// so in summaries.
const GAPS: [Duration; MAILS - 1] = [Duration::from_secs(10), Duration::from_secs(240)];

/// When a server was last the subject of mail.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Damping(VecDeque<Instant>);

impl Damping {
    /// From when on the next mail about the server may go: `now` or later.
    pub(super) fn ready_at(&mut self, now: Instant) -> Instant {
        self.forget(now);
        let told = &self.0;
        let at = match (told.front(), told.back()) {
            (Some(first), Some(last)) => match GAPS.get(told.len() - 1) {
                Some(gap) => *last + *gap,
                None => *first + PERIOD,
            },
            _ => now,
        };
        at.max(now)
    }

    /// A mail tells of a change of the server.
    pub(super) fn note(&mut self, now: Instant) {
        self.forget(now);
        self.0.push_back(now);
    }

    /// Whether nothing is known that matters.
    pub(super) fn is_idle(&mut self, now: Instant) -> bool {
        self.forget(now);
        self.0.is_empty()
    }

    fn forget(&mut self, now: Instant) {
        while self.0.front().is_some_and(|at| *at + PERIOD <= now) {
            self.0.pop_front();
        }
    }
}
