//! When a farewell is sent, and what.

use std::time::Duration;

use super::FarewellLink;

/// After the moment from which it may be sent: thrice, against loss.
const ROUNDS: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(10),
    Duration::from_millis(30),
];

/// The farewell of this node.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    pub(super) links: Vec<FarewellLink>,
    /// What the main process last left, by place of the link.
    pub(super) packets: Vec<(usize, Vec<u8>)>,
    /// What is being said: as it was left when it began. What the main process leaves later
    /// may speak of a later claim.
    said: Vec<(usize, Vec<u8>)>,
    /// Begin of the rounds and how many are done.
    rounds: Option<(Duration, usize)>,
}

impl Farewell {
    /// Wanted from now on, when there is something to say.
    pub(super) fn begin(&mut self, now: Duration) {
        if !self.packets.is_empty() && self.rounds.is_none() {
            self.said.clone_from(&self.packets);
            self.rounds = Some((now, 0));
        }
    }

    /// Something is held again: the rest is not said.
    pub(super) fn cancel(&mut self) {
        self.rounds = None;
    }

    /// When the next round is due.
    pub(super) fn next(&self) -> Option<Duration> {
        let (begun, done) = self.rounds?;
        Some(begun + ROUNDS.get(done).copied().unwrap_or_default())
    }

    /// A round, when it is due. It is sent only when nothing is held any more, so it may
    /// come late; the others keep their distance from it.
    pub(super) fn due(&mut self, now: Duration) -> Option<Vec<(FarewellLink, Vec<u8>)>> {
        self.next().filter(|at| *at <= now)?;
        let (begun, done) = self.rounds?;
        let begun = if done == 0 { now } else { begun };
        self.rounds = Some((begun, done + 1)).filter(|_| done + 1 < ROUNDS.len());
        let packets = self.said.iter();
        let round = packets.filter_map(|(link, bytes)| {
            let link = self.links.get(*link)?;
            Some((link.clone(), bytes.clone()))
        });
        Some(round.collect())
    }
}
