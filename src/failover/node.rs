//! A node without its instances: what it hears, and what it notices about the other one.

use std::time::{Duration, Instant};

use super::action::{Action, AlarmKind};
use super::advert::{Frame, Incarnation, Refusal, Signer};
use super::context::Context;
use super::event::Mac;
use super::outbox::Outbox;
use super::peer::{Accepted, Peer, Presence, Receiver, Sent};
use super::sabotage::Sabotage;
use super::settings::{InstanceSettings, Settings};
use super::transmit::Transmitter;
use super::view::{Freeze, LinkState};

/// Least time between two answers to a node that has not verified itself.
const CHALLENGE_GAP: Duration = Duration::from_millis(100);

/// Everything but the instances.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "conditions of the process, independent of each other"
)]
pub(super) struct Node {
    pub(super) settings: Settings,
    pub(super) signer: Signer,
    pub(super) cluster: [u8; 8],
    pub(super) incarnation: Incarnation,
    pub(super) peer: Peer,
    pub(super) sent: Sent,
    pub(super) transmitter: Transmitter,
    pub(super) own_macs: Vec<Mac>,
    pub(super) frozen: Freeze,
    /// When a stop is over at the latest.
    pub(super) stopping: Option<Instant>,
    /// This process was late and does not know what it missed; when it asked last.
    pub(super) suspect: bool,
    pub(super) drain_asked: Option<Instant>,
    pub(super) started: bool,
    pub(super) exited: bool,
    /// The peer was alive in the last step.
    pub(super) peer_alive: bool,
    /// What the peer's pauses have made of the dead interval.
    pub(super) learned: Duration,
    pub(super) sabotage: Sabotage,
    pub(super) out: Outbox,
}

impl Node {
    /// How long this node waits for the peer: as both of them want it.
    pub(super) fn dead_after(&self) -> Duration {
        let configured = self.settings.timing.dead_after;
        self.peer.patience.granted(configured).max(self.allowance())
    }

    /// How long the peer waits for this node, at least: as the peer says.
    pub(super) fn allowance(&self) -> Duration {
        self.peer.dead_after(self.settings.timing.dead_after)
    }

    /// How long an address is asked for before it is claimed: as much longer as is waited
    /// longer, within what is the default for that.
    pub(super) fn probe_window(&self) -> Duration {
        self.settings.timing.probe_window_within(self.dead_after())
    }

    /// What an instance sees.
    pub(super) fn context<'a>(&'a mut self, me: &'a InstanceSettings, now: Instant) -> Context<'a> {
        let dead_after = self.dead_after();
        let allowance = self.allowance();
        let probe_window = self.probe_window();
        let presence = self.peer.presence(now, dead_after, &self.sent);
        let alive = presence == Presence::Alive;
        let advert = self.peer.advert().filter(|_| alive);
        Context {
            now,
            me,
            incarnation: self.incarnation,
            own_macs: &self.own_macs,
            dead_after,
            allowance,
            probe_window,
            presence,
            record: advert.and_then(|advert| advert.record(me.id)).copied(),
            frozen: self.frozen != Freeze::No,
            stopping: self.stopping.is_some(),
            suspect: self.suspect,
            sabotage: self.sabotage,
            settings: &self.settings,
            peer: &self.peer,
            out: &mut self.out,
        }
    }

    pub(super) fn receive(&mut self, link: usize, bytes: &[u8], now: Instant) {
        let settings = &self.settings;
        let name = settings.links.get(link);
        let receiver = Receiver {
            now,
            frame: Frame {
                cluster: self.cluster,
                nodes: [settings.peer.id, settings.local.id],
                link,
                sabotage: self.sabotage,
            },
            signer: &self.signer,
            incarnation: self.incarnation,
            sent: &self.sent,
            dead_after: self.dead_after(),
            configured: settings.timing.dead_after,
        };
        match self.peer.receive(bytes, &receiver) {
            Ok(Accepted::News { ask, restarted }) => {
                self.out.wanted |= ask || restarted;
                self.look_at_news(now);
                self.look_at_pauses(now);
            }
            Err(Refusal::Unverified) => {
                let last = self.sent.last_at();
                let due = |at: Instant| now.saturating_duration_since(at) >= CHALLENGE_GAP;
                self.out.wanted |= last.is_none_or(due);
            }
            Err(refusal @ (Refusal::Key | Refusal::Tag | Refusal::Malformed)) => {
                self.out.alarm(now, AlarmKind::Refused, || {
                    let link = name.map_or("?", String::as_str);
                    format!("link {link}: packet refused: {refusal}")
                });
            }
            Ok(Accepted::Copy) | Err(_) => {}
        }
    }

    /// What may be wrong with a peer that is otherwise well.
    pub(super) fn look_at_news(&mut self, now: Instant) {
        let Some(advert) = self.peer.advert() else {
            return;
        };
        let peer = &self.settings.peer.name;
        if advert.sender == self.settings.local.id {
            self.out.alarm(now, AlarmKind::DuplicateNode, || {
                format!("both nodes say that they are number {}", advert.sender)
            });
        }
        if advert.digest != self.settings.digest {
            self.out.alarm(now, AlarmKind::ConfigMismatch, || {
                format!("{peer} has another configuration; nothing moves but after a fault")
            });
        }
        if advert.unheard {
            self.out.alarm(now, AlarmKind::OneWay, || {
                format!("{peer} is heard, but does not hear this node on any link")
            });
        }
    }

    /// Says so when silence has to last longer than before, and than is configured.
    fn look_at_pauses(&mut self, now: Instant) {
        let configured = self.settings.timing.dead_after;
        let patience = &self.peer.patience;
        let (worst, learned) = (patience.worst(), patience.learned(configured));
        if learned > self.learned.max(configured) {
            let peer = &self.settings.peer.name;
            self.out.alarm(now, AlarmKind::Pauses, || {
                format!(
                    "{peer} was silent or late for {worst:.0?} and went on: for some minutes it \
                     counts as dead after {learned:.0?}, not after {configured:.0?}"
                )
            });
        }
        self.learned = learned;
    }

    /// Alarms about the peer and the links.
    pub(super) fn watch_peer(&mut self, now: Instant) {
        let dead_after = self.dead_after();
        let presence = self.peer.presence(now, dead_after, &self.sent);
        let peer = &self.settings.peer.name;
        if self.peer_alive && presence == Presence::Silent {
            self.out.alarm(now, AlarmKind::PeerLost, || {
                format!("nothing heard from {peer} on any link for {dead_after:?}")
            });
        }
        match presence {
            Presence::Alive => self.peer_alive = true,
            Presence::Silent => self.peer_alive = false,
            Presence::Unsure => {}
        }
        for index in 0..self.peer.links.len() {
            let state = self.peer.link_state(index, now, dead_after);
            let alive = presence == Presence::Alive;
            if self.peer.links[index].watch(state, alive, now, dead_after) {
                let link = self.peer.links[index].name();
                let what = match state {
                    LinkState::OnlyIn => "carries only what the peer sends",
                    LinkState::OnlyOut => "carries only what this node sends",
                    LinkState::Up | LinkState::Down => "carries nothing",
                };
                self.out
                    .alarm(now, AlarmKind::Link, || format!("link {link} {what}"));
            }
        }
    }

    pub(super) fn thaw(&mut self, now: Instant) {
        if matches!(self.frozen, Freeze::Until(until) if now >= until) {
            self.frozen = Freeze::No;
        }
    }

    pub(super) fn ask_drain(&mut self, now: Instant) {
        self.drain_asked = Some(now);
        self.out.push(Action::Drain);
    }

    /// The answer may have got lost.
    pub(super) fn drain_again(&mut self, now: Instant) {
        let interval = self.settings.timing.advert_interval;
        let overdue = |at: Instant| now.saturating_duration_since(at) >= interval;
        if self.suspect && self.drain_asked.is_none_or(overdue) {
            self.ask_drain(now);
        }
    }

    /// The moments at which the peer's silence means something more.
    pub(super) fn silences(&self, now: Instant) -> [Instant; 5] {
        let dead_after = self.dead_after();
        let allowance = self.allowance();
        let since = |silence| now.checked_sub(silence).unwrap_or(now);
        let from = since(self.peer.silence(now));
        [
            from + dead_after / 2,
            from + allowance * 6 / 10,
            from + dead_after * 4 / 5,
            since(self.peer.silence_awake(now, &self.sent)) + dead_after,
            from + dead_after * 2,
        ]
    }
}
