//! How long a silence of the peer has to last until it is one, on hosts as they are.
//!
//! A pause of a host, a full queue and a burst of lost packets all look like the death of the
//! peer until its next advert comes. What such pauses cost is measured: a node waits half as long
//! again as the worst of the last minutes, never less than is configured and, so that a real
//! death is still noticed, never more than a second where less than that is configured.
//!
//! When one of the nodes has just started, nothing is known, and the start itself keeps its
//! host busy: for a few seconds a pause of [`START`] is taken for granted.
//!
//! A node says in its adverts how long it waits, because the owner on the other side must have
//! given up before that. So a longer time counts at once, and a shorter one only after the peer
//! has echoed an advert that announced it.

use std::time::{Duration, Instant};

/// Nobody who configured less waits longer.
const MOST: Duration = Duration::from_secs(1);
/// Half of the time for which a pause is remembered.
const MEMORY: Duration = Duration::from_secs(150);

/// What the start of a program may cost a host, and for how long.
const START: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(3));

/// The worst pauses of late, and what follows from them.
#[derive(Debug, Clone)]
pub(in crate::failover) struct Patience {
    /// Worst pause of this part of the memory, and of the one before.
    worst: [Duration; 2],
    /// When this part began.
    since: Instant,
    /// Until when a node counts as just started.
    starting: Option<Instant>,
    /// What the last advert announced.
    announced: Duration,
    /// What an earlier one had announced, until an echo of that sequence comes.
    owed: Option<(Duration, u64)>,
}

impl Patience {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            worst: [Duration::ZERO; 2],
            since: now,
            starting: Some(now + START.1),
            announced: Duration::ZERO,
            owed: None,
        }
    }

    /// The peer has just started.
    pub(super) fn restart(&mut self, now: Instant) {
        self.starting = Some(now + START.1);
    }

    /// A silence has ended by itself, or what came was that old. What lasted longer than
    /// anybody waits was no pause but an outage. Called only when something comes, so that
    /// nothing is forgotten while nothing does.
    pub(super) fn note(&mut self, pause: Duration, configured: Duration, now: Instant) {
        self.starting = self.starting.filter(|until| now < *until);
        let parts = now.saturating_duration_since(self.since);
        if parts >= MEMORY {
            let before = if parts < MEMORY * 2 {
                self.worst[0]
            } else {
                Duration::ZERO
            };
            self.worst = [Duration::ZERO, before];
            self.since = now;
        }
        // What is taken for granted at a start says nothing of the time after it.
        let granted = self.starting.is_some() && pause <= START.0;
        if !granted && pause <= configured.max(MOST) {
            self.worst[0] = self.worst[0].max(pause);
        }
    }

    /// The worst pause that is remembered.
    pub(in crate::failover) fn worst(&self) -> Duration {
        self.worst[0].max(self.worst[1])
    }

    /// What the next advert says.
    pub(in crate::failover) fn wanted(&self, configured: Duration) -> Duration {
        let start = self.starting.map_or(Duration::ZERO, |_| START.0);
        stretched(self.worst().max(start), configured)
    }

    /// The same without what is taken for granted.
    pub(in crate::failover) fn learned(&self, configured: Duration) -> Duration {
        stretched(self.worst(), configured)
    }

    /// What this node waits: also what it has said and the peer may still count on.
    pub(in crate::failover) fn granted(&self, configured: Duration) -> Duration {
        let owed = self.owed.map_or(Duration::ZERO, |(time, _)| time);
        self.wanted(configured).max(self.announced).max(owed)
    }

    /// The advert with this sequence leaves.
    pub(in crate::failover) fn announce(
        &mut self,
        sequence: u64,
        configured: Duration,
    ) -> Duration {
        let wanted = self.wanted(configured);
        if wanted < self.announced {
            self.owed = Some((self.granted(configured), sequence));
        }
        self.announced = wanted;
        wanted
    }

    /// The peer has heard the advert with this sequence.
    pub(super) fn echoed(&mut self, sequence: u64) {
        self.owed = self.owed.filter(|(_, first)| sequence < *first);
    }
}

fn stretched(pause: Duration, configured: Duration) -> Duration {
    (pause * 3 / 2).clamp(configured, configured.max(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Duration = Duration::from_millis(50);

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn rested(start: Instant) -> Patience {
        let mut patience = Patience::new(start);
        patience.starting = None;
        patience
    }

    #[test]
    fn a_start_is_a_pause() {
        let start = Instant::now();
        let mut patience = Patience::new(start);
        assert_eq!(patience.wanted(D), ms(300));
        assert_eq!(patience.wanted(ms(400)), ms(400));
        patience.note(ms(1), D, start + ms(2999));
        assert_eq!(patience.wanted(D), ms(300));
        patience.note(ms(150), D, start + ms(2999));
        assert_eq!((patience.wanted(D), patience.worst()), (ms(300), ms(0)));
        patience.note(ms(1), D, start + START.1);
        assert_eq!(patience.wanted(D), D);
        patience.restart(start + START.1 * 2);
        assert_eq!((patience.wanted(D), patience.worst()), (ms(300), ms(1)));
        patience.note(ms(240), D, start + START.1 * 2);
        assert_eq!((patience.wanted(D), patience.worst()), (ms(360), ms(240)));
    }

    #[test]
    fn a_pause_counts_half_as_long_again_and_for_some_minutes() {
        let start = Instant::now();
        let mut patience = rested(start);
        patience.note(ms(20), D, start);
        assert_eq!(patience.wanted(D), D, "less than is configured");
        patience.note(ms(120), D, start + ms(10));
        assert_eq!(patience.wanted(D), ms(180));
        patience.note(ms(10), D, start + MEMORY);
        assert_eq!(patience.wanted(D), ms(180), "the part before still counts");
        patience.note(ms(10), D, start + MEMORY * 2);
        assert_eq!(patience.wanted(D), D);
        patience.note(ms(120), D, start + MEMORY * 2);
        patience.note(ms(10), D, start + MEMORY * 5);
        assert_eq!(patience.wanted(D), D, "long ago");
    }

    #[test]
    fn an_outage_is_no_pause_and_nobody_waits_for_ever() {
        let start = Instant::now();
        let mut patience = rested(start);
        patience.note(ms(1001), D, start);
        assert_eq!(patience.wanted(D), D);
        patience.note(ms(900), D, start);
        assert_eq!(patience.wanted(D), MOST);
        let long = Duration::from_secs(3);
        patience.note(ms(2900), long, start);
        assert_eq!(
            patience.wanted(long),
            long,
            "what is configured is the limit"
        );
    }

    #[test]
    fn a_shorter_time_counts_when_the_peer_knows() {
        let start = Instant::now();
        let mut patience = rested(start);
        patience.note(ms(100), D, start);
        assert_eq!(patience.announce(1, D), ms(150));
        patience.note(ms(10), D, start + MEMORY);
        patience.note(ms(40), D, start + MEMORY * 2);
        assert_eq!(patience.granted(D), ms(150), "nothing shorter was said yet");
        assert_eq!(patience.announce(7, D), ms(60));
        assert_eq!(patience.granted(D), ms(150));
        patience.echoed(6);
        assert_eq!(patience.granted(D), ms(150), "it may not have heard it");
        patience.echoed(7);
        assert_eq!(patience.granted(D), ms(60));
    }
}
