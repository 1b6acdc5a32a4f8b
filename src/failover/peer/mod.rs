//! What is known of the other node, and which packets may change it.
//!
//! A packet counts when it is
//!
//! 1. authentic ([`super::advert`]);
//! 2. of a life of the peer that has *verified* itself: one of its packets echoed our own
//!    incarnation, which no recording from before our start can. A later life retires the
//!    earlier one for good;
//! 3. *fresh*: the sequence of ours that it echoes left less than a dead interval ago, so
//!    that a packet that was held back counts for nothing;
//! 4. new: sequences grow within a life. Copies of a round on other links only say that the
//!    link works.
//!
//! Everything else is counted per link and reason. Of authentic packets that fail only 2 or 3
//! the hardware addresses are remembered, so that the probe recognises the peer, and the
//! incarnation is echoed when there is no better one, so that the peer can verify us.

mod link;
mod patience;
mod sent;

use std::time::{Duration, Instant};

use super::advert::{Advert, Echo, FAREWELL, Frame, Incarnation, Refusal, Signer};
use super::bounded::Bounded;
use super::event::Mac;
use super::sabotage::{Bug, Sabotage};
use super::view::{LinkState, LinkView};
use link::Link;
use patience::Patience;
use sent::Age;
pub(super) use sent::Sent;

/// Lives of the peer that are remembered as over.
const RETIRED: usize = 64;
/// Hardware addresses of the peer that are remembered: a bond may change its own.
const MACS: usize = 16;
/// Adverts without an answer that make a silence one.
const ASKED: usize = 3;

/// The other node.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Life that verified itself.
    incarnation: Option<Incarnation>,
    retired: Bounded<Incarnation, RETIRED>,
    /// Authentic but unverified, for the echo.
    candidate: Option<Echo>,
    /// Highest sequence of the verified life in any authentic packet: what is echoed. Were it
    /// only what counts, two nodes that lost each other would find each other's echoes stale
    /// for ever.
    seen: u64,
    /// Highest sequences of the verified life: of adverts and, without the mark, of farewells.
    highest: u64,
    farewell: u64,
    /// When something fresh and new came last.
    heard: Option<Instant>,
    /// When it was heard again after more than half a dead interval.
    returned: Option<Instant>,
    /// Since when silence counts: our start, or the end of a stall.
    listening: Instant,
    /// How long this process had stood still, all in all, when silence began.
    stood: Duration,
    /// What it said last.
    advert: Option<Advert>,
    /// Highest sequence of ours that its present life has echoed.
    echoed: u64,
    /// It was written after that.
    written: Option<Instant>,
    macs: Bounded<Mac, MACS>,
    pub(super) patience: Patience,
    pub(super) links: Vec<Link>,
    sabotage: Sabotage,
}

/// Whether the peer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It was heard within the dead interval.
    Alive,
    /// Not heard, but not for long enough.
    Unsure,
    /// Silent on all links for the dead interval.
    Silent,
}

/// What a receiver brings along.
pub(super) struct Receiver<'a> {
    pub(super) now: Instant,
    pub(super) frame: Frame,
    pub(super) signer: &'a Signer,
    pub(super) incarnation: Incarnation,
    pub(super) sent: &'a Sent,
    /// How long this node waits for the peer, and what its configuration says about that.
    pub(super) dead_after: Duration,
    pub(super) configured: Duration,
}

/// What an accepted packet was good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It says something new.
    News {
        /// The sender would like an answer.
        ask: bool,
        /// The first of a life.
        restarted: bool,
    },
    /// A copy of what came on another link.
    Copy,
}

impl Peer {
    pub(super) fn new<'a>(
        links: impl Iterator<Item = &'a String>,
        now: Instant,
        sabotage: Sabotage,
    ) -> Self {
        Self {
            incarnation: None,
            retired: Bounded::new(),
            candidate: None,
            seen: 0,
            highest: 0,
            farewell: 0,
            heard: None,
            returned: None,
            listening: now,
            stood: Duration::ZERO,
            advert: None,
            echoed: 0,
            written: None,
            macs: Bounded::new(),
            patience: Patience::new(now),
            links: links.map(|name| Link::new(name)).collect(),
            sabotage,
        }
    }

    /// A datagram. On refusal nothing changes that decides about a role.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        receiver: &Receiver<'_>,
    ) -> Result<Accepted, Refusal> {
        let link = receiver.frame.link;
        let result = self.judge(bytes, receiver);
        if let (Err(refusal), Some(link)) = (result, self.links.get_mut(link)) {
            link.refuse(refusal);
        }
        result
    }

    fn judge(&mut self, bytes: &[u8], receiver: &Receiver<'_>) -> Result<Accepted, Refusal> {
        let advert = receiver.frame.read(bytes, receiver.signer)?;
        if advert.incarnation == receiver.incarnation {
            return Err(Refusal::Own);
        }
        if self.retired.contains(&advert.incarnation) && !self.sabotage.is(Bug::ForgetRetired) {
            return Err(Refusal::Retired);
        }
        self.remember(&advert);
        let age = self.verify(&advert, receiver)?;
        if age > receiver.dead_after && !self.sabotage.is(Bug::AcceptStale) {
            return Err(Refusal::Stale);
        }
        let restarted = self.incarnation != Some(advert.incarnation);
        // The next life hears more of us than any before it. One that has heard less is an
        // earlier one that we never met, delayed or held back until now.
        let echoed = advert.echo.map_or(u64::MAX, |echo| echo.sequence);
        let earlier = echoed <= self.echoed && !self.sabotage.is(Bug::ForgetRetired);
        if restarted && self.incarnation.is_some() && earlier {
            return Err(Refusal::Retired);
        }
        if restarted {
            self.restart(&advert, receiver.now);
        }
        self.take(advert, age, receiver)
            .map(|accepted| match accepted {
                Accepted::News { ask, .. } => Accepted::News { ask, restarted },
                Accepted::Copy => Accepted::Copy,
            })
    }

    /// What an authentic packet is good for even when it proves nothing.
    fn remember(&mut self, advert: &Advert) {
        for mac in advert.macs.iter() {
            if !self.macs.contains(mac) {
                self.macs.push_over(*mac);
            }
        }
        let sequence = advert.sequence & !FAREWELL;
        if self.incarnation == Some(advert.incarnation) {
            self.seen = self.seen.max(sequence);
            return;
        }
        let known = self
            .candidate
            .filter(|c| c.incarnation == advert.incarnation);
        self.candidate = Some(Echo {
            incarnation: advert.incarnation,
            sequence: known.map_or(0, |c| c.sequence).max(sequence),
        });
    }

    /// Age of the echo of our own life.
    fn verify(&self, advert: &Advert, receiver: &Receiver<'_>) -> Result<Duration, Refusal> {
        let echo = advert
            .echo
            .filter(|echo| echo.incarnation == receiver.incarnation);
        let Some(echo) = echo else {
            if self.sabotage.is(Bug::NoIncarnationEcho) {
                return Ok(Duration::ZERO);
            }
            return Err(Refusal::Unverified);
        };
        match receiver.sent.age(echo.sequence, receiver.now) {
            Age::Known(age) => Ok(age),
            Age::Ancient if self.sabotage.is(Bug::AcceptStale) => Ok(Duration::ZERO),
            Age::Ancient => Err(Refusal::Stale),
            Age::Never => Err(Refusal::Malformed),
        }
    }

    fn restart(&mut self, advert: &Advert, now: Instant) {
        self.patience.restart(now);
        if let Some(old) = self.incarnation.replace(advert.incarnation) {
            self.retired.push_over(old);
        }
        self.candidate = None;
        self.seen = advert.sequence & !FAREWELL;
        self.highest = 0;
        self.farewell = 0;
        self.advert = None;
        self.links.iter_mut().for_each(Link::restart);
    }

    fn take(
        &mut self,
        advert: Advert,
        age: Duration,
        receiver: &Receiver<'_>,
    ) -> Result<Accepted, Refusal> {
        let lax = self.sabotage.is(Bug::IgnoreSequence);
        let sequence = advert.sequence & !FAREWELL;
        let Some(link) = self.links.get_mut(receiver.frame.link) else {
            return Err(Refusal::Link);
        };
        if advert.is_farewell() {
            // Signed with the last advert before it: a later one means that the node went on.
            if (sequence <= self.farewell || sequence < self.highest) && !lax {
                return Err(Refusal::Replayed);
            }
            self.farewell = sequence;
            self.advert = Some(advert);
            self.written = receiver.now.checked_sub(age);
            return Ok(Accepted::News {
                ask: false,
                restarted: false,
            });
        }
        if !link.is_new(sequence) && !lax {
            return Err(Refusal::Replayed);
        }
        link.accept(sequence, age, receiver.now);
        if sequence <= self.highest.max(self.farewell) && !lax {
            return Ok(Accepted::Copy);
        }
        self.highest = sequence;
        if self.silence(receiver.now) > receiver.dead_after / 2 {
            self.returned = Some(receiver.now);
        }
        if self.advert.is_some() {
            let echoed = advert.echo.map_or(0, |echo| echo.sequence);
            let age = receiver.sent.age_awake(echoed, receiver.now).unwrap_or(age);
            let pause = self.silence_awake(receiver.now, receiver.sent).max(age);
            self.patience.note(pause, receiver.configured, receiver.now);
        }
        self.heard = Some(receiver.now);
        self.stood = receiver.sent.stood();
        let echoed = advert.echo.map_or(0, |echo| echo.sequence);
        self.echoed = self.echoed.max(echoed);
        self.patience.echoed(self.echoed);
        let ask = advert.ask;
        // One that echoes what we said a moment ago does hear us: after the other direction
        // was down, it has not taken it for fresh yet. After both were down, what it says
        // first was written before it could hear us.
        let just_back = self.returned.is_some_and(|at| {
            receiver.now.saturating_duration_since(at) < receiver.dead_after / 10
        });
        let unheard = advert.unheard && age > receiver.dead_after / 2 && !just_back;
        self.advert = Some(Advert { unheard, ..advert });
        self.written = receiver.now.checked_sub(age);
        Ok(Accepted::News {
            ask,
            restarted: false,
        })
    }

    /// With a deliberate bug.
    #[cfg(feature = "sabotage")]
    pub(super) fn set_sabotage(&mut self, sabotage: Sabotage) {
        self.sabotage = sabotage;
    }

    /// We were not looking: silence counts from now.
    pub(super) fn resume(&mut self, now: Instant, sent: &Sent) {
        self.listening = now;
        self.stood = sent.stood();
    }

    /// A new list of links; what is known of those that stay is kept.
    pub(super) fn set_links<'a>(&mut self, names: impl Iterator<Item = &'a String>) {
        let mut old = std::mem::take(&mut self.links).into_iter();
        self.links = names
            .map(|name| match old.next() {
                Some(link) if link.name() == name => link,
                _ => Link::new(name),
            })
            .collect();
    }

    /// What we tell it that we heard, in the advert with this sequence. A life that is silent
    /// shares with one that is not verified: that may be the next one, or a recording from
    /// long ago that would keep a peer that is back from ever being echoed.
    pub(super) fn echo(&self, now: Instant, sequence: u64) -> Option<Echo> {
        let current = self.incarnation.map(|incarnation| Echo {
            incarnation,
            sequence: self.seen,
        });
        let silent = self.silence(now) > self.dead_after(Duration::MAX) / 2;
        match self.candidate {
            Some(candidate) if current.is_none() || (silent && sequence.is_multiple_of(2)) => {
                Some(candidate)
            }
            _ => current,
        }
    }

    /// How long nothing fresh has come, at most since we listen.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.silent_from())
    }

    /// The silence without the time for which this process stood still itself: what it takes
    /// to call the peer dead.
    pub(super) fn silence_awake(&self, now: Instant, sent: &Sent) -> Duration {
        let stood = sent.stood().saturating_sub(self.stood);
        self.silence(now).saturating_sub(stood)
    }

    fn silent_from(&self) -> Instant {
        self.heard
            .map_or(self.listening, |at| at.max(self.listening))
    }

    /// Whether it had the chance to break its silence: adverts that it should have answered
    /// left since. A host that stood still, this process with it, was silent itself.
    pub(super) fn was_asked(&self, sent: &Sent) -> bool {
        sent.rounds_after(self.silent_from()) >= ASKED
    }

    /// The sender's dead interval, within reason; ours before it has said any.
    pub(super) fn dead_after(&self, own: Duration) -> Duration {
        let limits = (Duration::from_millis(30), Duration::from_secs(120));
        self.advert
            .as_ref()
            .map_or(own, |advert| advert.dead_after)
            .clamp(limits.0, limits.1)
    }

    pub(super) fn presence(&self, now: Instant, dead_after: Duration, sent: &Sent) -> Presence {
        let is_silent = self.silence_awake(now, sent) >= dead_after && self.was_asked(sent);
        if is_silent || self.one_link_silent(now, dead_after) {
            Presence::Silent
        } else if self.is_alive(now, dead_after) {
            Presence::Alive
        } else {
            Presence::Unsure
        }
    }

    /// Whether it was heard within the dead interval.
    pub(super) fn is_alive(&self, now: Instant, dead_after: Duration) -> bool {
        let heard = self.heard.is_some_and(|at| at >= self.listening);
        heard && self.silence(now) < dead_after && !self.one_link_silent(now, dead_after)
    }

    fn one_link_silent(&self, now: Instant, dead_after: Duration) -> bool {
        let mut links = self.links.iter();
        let silent = |link: &Link| {
            let from = link.heard().unwrap_or(self.listening).max(self.listening);
            now.saturating_duration_since(from) >= dead_after
        };
        self.sabotage.is(Bug::OneLinkDecides) && links.any(silent)
    }

    /// Whether it has been heard in this life of ours.
    pub(super) fn is_known(&self) -> bool {
        self.heard.is_some()
    }

    pub(super) fn advert(&self) -> Option<&Advert> {
        self.advert.as_ref()
    }

    /// Whether what it said last is not older than that, however late it arrived.
    pub(super) fn said_within(&self, now: Instant, time: Duration) -> bool {
        self.written
            .is_some_and(|at| now.saturating_duration_since(at) <= time)
    }

    pub(super) fn incarnation(&self) -> Option<Incarnation> {
        self.incarnation
    }

    pub(super) fn retired(&self) -> usize {
        self.retired.len()
    }

    /// Whether any hardware address of it is known.
    pub(super) fn knows_macs(&self) -> bool {
        !self.macs.is_empty()
    }

    pub(super) fn has_mac(&self, mac: Mac) -> bool {
        self.macs.contains(&mac)
    }

    /// How long ago something fresh came.
    pub(super) fn heard_ago(&self, now: Instant) -> Option<Duration> {
        self.heard.map(|at| now.saturating_duration_since(at))
    }

    /// Links on which the peer is heard, one bit each: silent ones count as down after four
    /// fifths of the dead interval.
    pub(super) fn heard_links(&self, now: Instant, dead_after: Duration) -> u8 {
        let heard = |link: &Link| {
            link.heard()
                .is_some_and(|at| now.saturating_duration_since(at) < dead_after * 4 / 5)
        };
        let bits = self
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| heard(link));
        bits.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// What a link carries: what we hear and what the peer says that it hears.
    pub(super) fn link_state(&self, index: usize, now: Instant, dead_after: Duration) -> LinkState {
        let alive = self.is_alive(now, dead_after);
        let there = self.advert.as_ref().map_or(0, |advert| advert.heard);
        let incoming = self.heard_links(now, dead_after) & 1 << index != 0;
        let outgoing = alive && there & 1 << index != 0;
        match (incoming, outgoing) {
            (true, true) => LinkState::Up,
            (true, false) => LinkState::OnlyIn,
            (false, true) => LinkState::OnlyOut,
            (false, false) => LinkState::Down,
        }
    }

    pub(super) fn link_views(&self, now: Instant, dead_after: Duration) -> Vec<LinkView> {
        let links = self.links.iter().enumerate();
        links
            .map(|(index, link)| link.view(now, self.link_state(index, now, dead_after)))
            .collect()
    }
}
