//! What is known of one link.

use std::time::{Duration, Instant};

use crate::failover::advert::Refusal;
use crate::failover::bounded::Bounded;
use crate::failover::view::{LinkState, LinkView};

/// Round trips that are remembered.
const TRIPS: usize = 16;

/// Receiving half of a link, and what the peer says of the sending half.
#[derive(Debug, Clone)]
pub(in crate::failover) struct Link {
    name: String,
    /// Highest sequence of the peer's current life.
    highest: u64,
    /// Bit 0 is `highest`, bit *n* the advert *n* before; set when it arrived.
    window: u64,
    /// How many bits of the window mean something.
    known: u8,
    heard: Option<Instant>,
    trips: Bounded<Duration, TRIPS>,
    accepted: u64,
    refused: [u64; Refusal::ALL.len()],
    /// It worked both ways since the peer's start.
    was_up: bool,
    /// Since when it does not.
    broken: Option<Instant>,
    alarmed: bool,
}

impl Link {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            highest: 0,
            window: 0,
            known: 0,
            heard: None,
            trips: Bounded::new(),
            accepted: 0,
            refused: [0; Refusal::ALL.len()],
            was_up: false,
            broken: None,
            alarmed: false,
        }
    }

    /// Whether an alarm is due: once for each time that a link stops working, within a dead
    /// interval, while another one shows that the peer lives.
    pub(in crate::failover) fn watch(
        &mut self,
        state: LinkState,
        alive: bool,
        now: Instant,
        dead_after: Duration,
    ) -> bool {
        if state == LinkState::Up {
            self.was_up = true;
            self.broken = None;
            self.alarmed = false;
            return false;
        }
        if !alive {
            self.broken = None;
            return false;
        }
        // Silence has lasted four fifths of the interval when the state says so; a link
        // that never worked may just be the last to begin.
        let patience = if self.was_up {
            dead_after / 5
        } else {
            dead_after
        };
        let since = *self.broken.get_or_insert(now);
        let due = !self.alarmed && now.saturating_duration_since(since) >= patience;
        self.alarmed |= due;
        due
    }

    pub(in crate::failover) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn refuse(&mut self, refusal: Refusal) {
        let count = &mut self.refused[refusal as usize];
        *count = count.saturating_add(1);
    }

    /// Whether an advert with this sequence is new on this link.
    pub(super) fn is_new(&self, sequence: u64) -> bool {
        sequence > self.highest
    }

    /// A new one arrived; `trip` is the age of its echo.
    pub(super) fn accept(&mut self, sequence: u64, trip: Duration, now: Instant) {
        let step = sequence.saturating_sub(self.highest);
        if self.known == 0 {
            self.window = 1;
            self.known = 1;
        } else {
            let shift = u32::try_from(step).unwrap_or(u32::MAX);
            self.window = self.window.checked_shl(shift).unwrap_or(0) | 1;
            self.known = u8::try_from(step.saturating_add(self.known.into()).min(64)).unwrap_or(64);
        }
        self.highest = sequence;
        self.accepted += 1;
        self.heard = Some(now);
        self.trips.push_over(trip);
    }

    /// The peer has begun a new life.
    pub(super) fn restart(&mut self) {
        self.highest = 0;
        self.window = 0;
        self.known = 0;
        self.trips.clear();
    }

    pub(super) fn heard(&self) -> Option<Instant> {
        self.heard
    }

    pub(super) fn view(&self, now: Instant, state: LinkState) -> LinkView {
        let lost = u32::from(self.known).saturating_sub(self.window.count_ones());
        LinkView {
            name: self.name.clone(),
            state,
            loss: (self.known > 0).then(|| (lost * 100 / u32::from(self.known)) as u8),
            rtt: self.trips.iter().min().copied(),
            heard: self.heard.map(|at| now.saturating_duration_since(at)),
            accepted: self.accepted,
            refused: Refusal::ALL
                .into_iter()
                .map(|refusal| (refusal, self.refused[refusal as usize]))
                .filter(|(_, count)| *count > 0)
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_the_sequence_are_losses() {
        let now = Instant::now();
        let mut link = Link::new("lan");
        assert_eq!(link.view(now, LinkState::Down).loss, None);
        for sequence in [7, 8, 10, 11] {
            assert!(link.is_new(sequence));
            link.accept(sequence, Duration::from_millis(sequence), now);
        }
        let view = link.view(now, LinkState::Up);
        assert_eq!(view.loss, Some(20));
        assert_eq!(view.rtt, Some(Duration::from_millis(7)));
        assert!(!link.is_new(9) && !link.is_new(11));
        link.accept(u64::MAX >> 1, Duration::ZERO, now);
        assert_eq!(link.view(now, LinkState::Up).loss, Some(98));
    }
}
