//! When adverts leave, and what is in them.

use std::time::{Duration, Instant};

use super::action::Action;
use super::advert::{self, Advert, FAREWELL, Record};
use super::bounded::Bounded;
use super::node::Node;
use super::pair::Slot;
use super::settings::{InstanceId, MAX_INSTANCES, stall_after};

type Records = Bounded<Record, MAX_INSTANCES>;

/// The sending half.
#[derive(Debug, Clone, Default)]
pub(super) struct Transmitter {
    /// What was said last.
    said: Records,
}

impl Node {
    /// Adverts that are due, before everything else that is to be done: the peer learns first.
    pub(super) fn transmit(&mut self, slots: &[Slot], now: Instant) {
        if self.suspect || !self.started {
            return;
        }
        let records = self.records(slots, now);
        if records != self.transmitter.said {
            self.out.wanted = true;
        }
        if self.send_at(now).is_some_and(|at| now < at) {
            return;
        }
        if self.out.urgent {
            self.out.urgent = false;
        } else {
            self.out.burst = self.out.burst.saturating_sub(1);
        }
        self.out.wanted = false;
        let sequence = self.sent.round(now);
        let configured = self.settings.timing.dead_after;
        let dead_after = self.peer.patience.announce(sequence, configured);
        let advert = Advert {
            dead_after,
            ..self.advert(&records, sequence, now)
        };
        self.transmitter.said = records;
        let mut actions = self.sends(&advert);
        actions.extend(self.keep(slots, &advert, now));
        actions.append(&mut self.out.actions);
        self.out.actions = actions;
    }

    /// When the next advert is due; at once when there was none yet.
    pub(super) fn send_at(&self, now: Instant) -> Option<Instant> {
        let last = self.sent.last_at()?;
        let dead_after = self.dead_after();
        let gap = if self.out.urgent {
            Duration::ZERO
        } else if self.out.wanted || self.out.burst > 0 {
            dead_after / 40
        } else if self.is_asking(now) {
            dead_after / 20
        } else {
            return Some(last + self.settings.timing.advert_interval);
        };
        Some(last + gap.min(self.settings.timing.advert_interval))
    }

    /// Adverts were missed: the peer is asked to answer, several times before it counts as dead.
    fn is_asking(&self, now: Instant) -> bool {
        let dead_after = self.dead_after();
        let silence = self.peer.silence(now);
        let undecided = silence < dead_after || !self.peer.was_asked(&self.sent);
        self.peer.is_known() && silence >= dead_after / 2 && undecided
    }

    /// The peer was silent for so long, though asked, that this node is about to claim.
    fn is_unheard(&self, now: Instant) -> bool {
        let silent = self.peer.silence(now) >= self.dead_after() * 4 / 5;
        self.peer.is_known() && silent && self.peer.was_asked(&self.sent)
    }

    fn records(&mut self, slots: &[Slot], now: Instant) -> Records {
        let record = |slot: &Slot| slot.instance.record(&self.context(&slot.settings, now));
        slots.iter().map(record).collect()
    }

    fn advert(&self, records: &Records, sequence: u64, now: Instant) -> Advert {
        let settings = &self.settings;
        let dead_after = self.dead_after();
        Advert {
            newest: advert::VERSION,
            sender: settings.local.id,
            link: 0,
            ask: self.is_asking(now),
            unheard: self.is_unheard(now),
            incarnation: self.incarnation,
            sequence,
            echo: self.peer.echo(now, sequence),
            heard: self.peer.heard_links(now, dead_after),
            interval: settings.timing.advert_interval,
            dead_after: settings.timing.dead_after,
            digest: settings.digest,
            version: settings.version,
            macs: self.own_macs.iter().copied().collect(),
            records: *records,
        }
    }

    /// One packet per link, all of one sequence.
    fn sends(&self, advert: &Advert) -> Vec<Action> {
        let packets = self.packets(advert);
        packets
            .map(|(link, bytes)| Action::Send { link, bytes })
            .collect()
    }

    fn packets(&self, advert: &Advert) -> impl Iterator<Item = (usize, Vec<u8>)> {
        let mut advert = advert.clone();
        (0..self.settings.links.len()).map(move |link| {
            advert.link = link as u8;
            let bytes = advert::write(&advert, self.cluster, &self.signer);
            (link, bytes)
        })
    }

    /// Leave for the guard to keep what is held, and what it says when it must not.
    fn keep(&mut self, slots: &[Slot], advert: &Advert, now: Instant) -> Option<Action> {
        let held: Vec<InstanceId> = slots
            .iter()
            .filter(|slot| slot.instance.holds())
            .map(|slot| slot.instance.id)
            .collect();
        if held.is_empty() {
            return None;
        }
        let last_words = |slot: &Slot| slot.instance.farewell(&self.context(&slot.settings, now));
        let records = slots.iter().map(last_words).collect();
        let farewell = Advert {
            sequence: advert.sequence | FAREWELL,
            ask: false,
            unheard: false,
            records,
            ..advert.clone()
        };
        Some(Action::Keep {
            limit: stall_after(self.allowance()),
            held,
            farewell: self.packets(&farewell).collect(),
        })
    }
}
