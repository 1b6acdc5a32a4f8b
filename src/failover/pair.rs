//! Both nodes of a pair as one of them sees them.

use std::time::{Duration, Instant};

use super::action::{Action, AlarmKind};
use super::advert::{self, Incarnation, Signer};
use super::context::Context;
use super::event::{Command, Event};
use super::instance::{Instance, State};
use super::node::Node;
use super::outbox::Outbox;
use super::peer::{Peer, Sent};
use super::sabotage::{Bug, Sabotage};
use super::settings::{InstanceId, InstanceSettings, MAX_INSTANCES, Settings};
use super::transmit::Transmitter;
use super::view::Freeze;

/// A stop is over after this, whatever is left.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// Most hardware addresses of our own that are recognised.
const OWN_MACS: usize = 64;

/// The state machine of a node. Feed it with events, carry out its actions in order, and come
/// back when [`Pair::next_timer`] has come or something happens.
///
/// The same events at the same times give the same actions.
#[derive(Debug, Clone)]
pub struct Pair {
    pub(super) node: Node,
    pub(super) slots: Vec<Slot>,
    /// Epochs from disk, for instances that come later.
    epochs: Vec<(InstanceId, u64)>,
    /// What [`Pair::next_timer`] said last.
    armed: Option<Instant>,
}

/// An instance and what it is configured to be.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub(super) settings: InstanceSettings,
    pub(super) instance: Instance,
}

impl Pair {
    /// Of a node that starts. `incarnation` is 128 fresh random bits, `epochs` are those on
    /// disk; a missing one is 0. The first event is [`Event::Start`].
    pub fn new(
        settings: Settings,
        incarnation: Incarnation,
        epochs: &[(InstanceId, u64)],
        now: Instant,
    ) -> Self {
        let sabotage = Sabotage::default();
        let mut pair = Self {
            slots: Vec::new(),
            epochs: epochs.iter().copied().take(2 * MAX_INSTANCES).collect(),
            armed: None,
            node: Node {
                signer: Signer::new(&settings.keys, &settings.cluster),
                cluster: advert::cluster_id(&settings.cluster),
                incarnation,
                peer: Peer::new(settings.links.iter(), now, sabotage),
                sent: Sent::new(),
                transmitter: Transmitter::default(),
                own_macs: Vec::new(),
                frozen: Freeze::No,
                stopping: None,
                suspect: false,
                drain_asked: None,
                started: false,
                exited: false,
                peer_alive: false,
                learned: Duration::ZERO,
                sabotage,
                out: Outbox::new(),
                settings,
            },
        };
        for settings in pair.node.settings.instances.clone() {
            let slot = pair.slot(settings, now);
            pair.slots.push(slot);
        }
        pair
    }

    /// With a deliberate bug.
    #[cfg(feature = "sabotage")]
    #[must_use]
    pub fn with_sabotage(mut self, sabotage: Sabotage) -> Self {
        self.node.sabotage = sabotage;
        self.node.peer.set_sabotage(sabotage);
        self
    }

    fn slot(&self, settings: InstanceSettings, now: Instant) -> Slot {
        let stored = self.epochs.iter().find(|(id, _)| *id == settings.id);
        let epoch = stored.map_or(0, |(_, epoch)| *epoch);
        Slot {
            instance: Instance::new(settings.id, epoch, now),
            settings,
        }
    }

    /// Something happened: what is to be done, in order.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        if matches!(event, Event::Start) {
            self.node.started = true;
        }
        if !self.node.started || self.node.exited {
            return Vec::new();
        }
        self.check_lateness(now);
        self.apply(now, event);
        self.node.thaw(now);
        self.node.watch_peer(now);
        for Slot { settings, instance } in &mut self.slots {
            instance.decide(&mut self.node.context(settings, now));
        }
        self.forget_removed();
        self.node.transmit(&self.slots, now);
        self.check_exit(now);
        self.armed = self.due(now);
        std::mem::take(&mut self.node.out.actions)
    }

    /// When [`Event::Timer`] is due at the latest: an event that comes later than half a dead
    /// interval after that finds this process stalled. `None` before the start and after
    /// [`Action::Exit`].
    pub fn next_timer(&self) -> Option<Instant> {
        self.armed
    }

    /// A process that was not running knows nothing: it first reads what it missed.
    fn check_lateness(&mut self, now: Instant) {
        let node = &mut self.node;
        let dead_after = node.allowance();
        let lateness = self
            .armed
            .map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        // Less is the grain of timers.
        if lateness >= node.settings.timing.advert_interval {
            node.sent.stand(lateness);
        }
        if node.sabotage.is(Bug::NoLateRule) {
            return;
        }
        // Requests were not sent and answers not read: a shorter stall already makes the
        // silence of a probe worthless.
        if lateness > node.probe_window() / 4 {
            for slot in &mut self.slots {
                slot.instance.probe_anew(now);
            }
        }
        if lateness <= dead_after / 2 {
            return;
        }
        let last = node.sent.last_at();
        let unsaid = last.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        node.peer.resume(now, &node.sent);
        node.ask_drain(now);
        node.suspect = true;
        node.out.alarm(now, AlarmKind::Late, || {
            format!("this process was late by more than {:?}", dead_after / 2)
        });
        for Slot { settings, instance } in &mut self.slots {
            instance.stalled(unsaid, &mut self.node.context(settings, now));
        }
    }

    fn apply(&mut self, now: Instant, event: Event) {
        match event {
            Event::Start => {}
            Event::Timer => self.node.drain_again(now),
            Event::Packet { link, bytes } => self.node.receive(link, &bytes, now),
            Event::Drained => self.node.suspect = false,
            Event::OwnMacs(macs) => {
                self.node.own_macs = macs.into_iter().take(OWN_MACS).collect();
                self.node.out.wanted = true;
            }
            Event::Local { instance, local } => {
                self.with(instance, now, |i, context| i.set_local(local, context));
            }
            Event::ProbeStarted { instance, result } => {
                self.with(instance, now, |i, context| i.probe_started(result, context));
            }
            Event::ProbeAnswer { instance, mac } => {
                self.with(instance, now, |i, context| i.probe_answer(mac, context));
            }
            Event::ProbeReach { instance, serves } => {
                self.with(instance, now, |i, _| i.probe_reach(serves, now));
            }
            Event::RivalProbe { instance, mac, own } => {
                self.with(instance, now, |i, context| i.rival_probe(mac, own, context));
            }
            Event::ForeignClaim { instance, mac } => {
                self.with(instance, now, |i, context| i.foreign_claim(mac, context));
            }
            Event::Done {
                instance,
                epoch,
                step,
                result,
            } => self.with(instance, now, |i, context| {
                i.done(epoch, step, result, context);
            }),
            Event::AddressMissing { instance } => {
                self.with(instance, now, Instance::address_missing);
            }
            Event::Fenced { instances } => {
                // The farewell spoke for takeovers that were under way, too.
                let begun = self.slots.iter().map(|slot| &slot.instance);
                let begun = begun.filter(|i| i.state == State::Acquire).map(|i| i.id);
                let begun: Vec<_> = begun.collect();
                for id in instances.into_iter().chain(begun) {
                    self.with(id, now, Instance::fenced);
                }
            }
            Event::Operator { ticket, command } => {
                let result = self.operate(command, now);
                self.node.out.push(Action::Reply { ticket, result });
            }
            Event::Reconfigured(settings) => self.reconfigure(*settings, now),
            Event::Stop => {
                self.node.stopping.get_or_insert(now + STOP_LIMIT);
            }
        }
    }

    fn with(
        &mut self,
        id: InstanceId,
        now: Instant,
        act: impl FnOnce(&mut Instance, &mut Context<'_>),
    ) {
        if let Some(slot) = self.slots.iter_mut().find(|slot| slot.settings.id == id) {
            act(
                &mut slot.instance,
                &mut self.node.context(&slot.settings, now),
            );
        }
    }

    fn operate(&mut self, command: Command, now: Instant) -> Result<String, String> {
        match command {
            Command::Standby { instance, on } => self.each(instance, now, |i, context| {
                Ok(i.set_admin_standby(on, context))
            }),
            Command::Takeover { instance } => self.each(instance, now, Instance::ask_takeover),
            Command::Cleanup { instance } => self.each(instance, now, |i, context| {
                i.forget(now);
                Ok(format!("{}: failures and moves forgotten", context.me.name))
            }),
            Command::Freeze { duration } => {
                let until = duration.and_then(|duration| now.checked_add(duration));
                self.node.frozen = until.map_or(Freeze::Forever, Freeze::Until);
                Ok("frozen: nothing moves by itself unless a node is lost".to_owned())
            }
            Command::Unfreeze => {
                self.node.frozen = Freeze::No;
                Ok("no longer frozen".to_owned())
            }
        }
    }

    /// One instance or all of them; what worked, or when nothing did why.
    fn each(
        &mut self,
        id: Option<InstanceId>,
        now: Instant,
        mut act: impl FnMut(&mut Instance, &mut Context<'_>) -> Result<String, String>,
    ) -> Result<String, String> {
        let (mut done, mut refused) = (Vec::new(), Vec::new());
        for Slot { settings, instance } in &mut self.slots {
            if id.is_none_or(|id| id == settings.id) {
                match act(instance, &mut self.node.context(settings, now)) {
                    Ok(text) => done.push(text),
                    Err(text) => refused.push(text),
                }
            }
        }
        if done.is_empty() && refused.is_empty() {
            return Err("there is no such instance".to_owned());
        }
        if done.is_empty() {
            return Err(refused.join("\n"));
        }
        done.append(&mut refused);
        Ok(done.join("\n"))
    }

    fn reconfigure(&mut self, settings: Settings, now: Instant) {
        let node = &mut self.node;
        node.signer = Signer::new(&settings.keys, &settings.cluster);
        node.cluster = advert::cluster_id(&settings.cluster);
        node.peer.set_links(settings.links.iter());
        node.out.wanted = true;
        node.settings = settings;
        let mut old = std::mem::take(&mut self.slots);
        for settings in self.node.settings.instances.clone() {
            let known = old.iter().position(|slot| slot.settings.id == settings.id);
            let slot = match known.map(|index| old.remove(index)) {
                Some(slot) if !slot.instance.leaving => Slot { settings, ..slot },
                _ => self.slot(settings, now),
            };
            self.slots.push(slot);
        }
        for mut slot in old {
            let context = &mut self.node.context(&slot.settings, now);
            slot.instance.remove(context);
            self.slots.push(slot);
        }
    }

    /// Instances that left the configuration and are given up; their epochs are kept.
    fn forget_removed(&mut self) {
        for slot in self.slots.iter().filter(|slot| slot.instance.is_gone()) {
            let entry = (slot.settings.id, slot.instance.epoch);
            self.epochs.retain(|(id, _)| *id != entry.0);
            if self.epochs.len() < 2 * MAX_INSTANCES {
                self.epochs.push(entry);
            }
        }
        self.slots.retain(|slot| !slot.instance.is_gone());
    }

    fn check_exit(&mut self, now: Instant) {
        let Some(limit) = self.node.stopping else {
            return;
        };
        let idle = self.slots.iter().all(|slot| slot.instance.is_idle());
        let said = !self.node.out.urgent && self.node.out.burst == 0;
        if idle && said || now >= limit {
            self.node.exited = true;
            self.node.out.push(Action::Exit);
        }
    }

    /// The next moment at which something may have to be decided.
    fn due(&mut self, now: Instant) -> Option<Instant> {
        if self.node.exited {
            return None;
        }
        let interval = self.node.settings.timing.advert_interval;
        // Never later: lateness shows only where a time was set.
        let mut due = now + interval;
        let mut consider = |at: Instant| {
            if at > now {
                due = due.min(at);
            }
        };
        if !self.node.suspect {
            self.node.send_at(now).into_iter().for_each(&mut consider);
        }
        self.node.silences(now).into_iter().for_each(&mut consider);
        self.node.stopping.into_iter().for_each(&mut consider);
        if let Freeze::Until(until) = self.node.frozen {
            consider(until);
        }
        for Slot { settings, instance } in &self.slots {
            let context = self.node.context(settings, now);
            instance.deadlines(&context).for_each(&mut consider);
        }
        Some(due)
    }
}
