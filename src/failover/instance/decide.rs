//! What an instance does next, by state.

use std::time::{Duration, Instant};

use super::{Instance, Reason, Side, State};
use crate::failover::action::{Action, AlarmKind, HookKind, Step, SyncPart};
use crate::failover::advert::Record;
use crate::failover::context::Context;
use crate::failover::peer::Presence;
use crate::failover::sabotage::Bug;

/// Most transitions in one step: Release → Standby → Acquire and some more.
const TRANSITIONS: usize = 8;
/// After two owners met, the winner announces again, so much later.
const ANNOUNCE_AGAIN: [u64; 2] = [1, 5];

impl Instance {
    /// Decides until nothing changes any more, and asks for the next step.
    pub(in crate::failover) fn decide(&mut self, context: &mut Context<'_>) {
        self.look_around(context);
        self.check_step(context);
        for _ in 0..TRANSITIONS {
            let before = self.state;
            self.decide_once(context);
            if self.state == before {
                break;
            }
        }
        self.proceed(context);
    }

    /// What is learned from the peer whatever the state.
    fn look_around(&mut self, context: &mut Context<'_>) {
        match context.presence {
            Presence::Silent => self.alone = true,
            // It may have served meanwhile, and neighbours may have learned so.
            Presence::Alive if std::mem::take(&mut self.alone) && self.state == State::Active => {
                self.announce_again(context.now);
            }
            Presence::Alive | Presence::Unsure => {}
        }
        let Some(record) = context.record else {
            return;
        };
        self.highest = self.highest.max(record.epoch);
        // Service that ended at once is only seen by its end.
        let served = record.state == State::Active
            || (record.state == State::Release && record.epoch > self.epoch);
        if served && self.state.is_passive() {
            self.peer_served = Some(record.epoch);
        }
        if served && self.state != State::Active {
            self.note_owner(Side::Peer, context);
        }
    }

    fn note_owner(&mut self, side: Side, context: &mut Context<'_>) {
        let timing = &context.settings.timing;
        if self.moves.note(side, context.now, timing) {
            let name = &context.me.name;
            context.out.alarm(context.now, AlarmKind::Pinned, || {
                format!("{name}: too many moves; it stays where it is for a while")
            });
        }
    }

    fn decide_once(&mut self, context: &mut Context<'_>) {
        if self.takeover.is_some_and(|until| context.now >= until) {
            self.takeover = None;
        }
        match self.state {
            State::Init if self.steps.is_done() => {
                self.enter(State::Wait, Reason::Started, context);
            }
            State::Release if self.steps.is_done() => self.settle(Reason::Released, context),
            State::Blocked => self.unblock(context),
            State::Acquire => self.decide_acquire(context),
            State::Active if !context.suspect => self.decide_active(context),
            State::Wait if !context.suspect => self.decide_wait(context),
            State::Standby | State::Fault if !context.suspect => self.decide_standby(context),
            State::Probe if !context.suspect => self.decide_probe(context),
            _ => {}
        }
    }

    /// Standby or Fault.
    fn settle(&mut self, reason: Reason, context: &mut Context<'_>) {
        let why = self.reason.unwrap_or(reason);
        let sound = self.is_sound(context);
        self.enter(
            if sound { State::Standby } else { State::Fault },
            reason,
            context,
        );
        if self.served {
            self.served = false;
            context.out.push(Action::Hook {
                instance: self.id,
                kind: HookKind::AfterRelease,
                epoch: self.epoch,
                reason: why,
            });
        }
    }

    fn decide_wait(&mut self, context: &mut Context<'_>) {
        let waited = context.now.saturating_duration_since(self.since);
        let reason = match (context.presence, context.record.map(|record| record.state)) {
            (Presence::Alive, Some(State::Active)) => Reason::PeerActive,
            (Presence::Alive, Some(State::Wait | State::Standby | State::Fault))
                if self.is_judged() =>
            {
                Reason::PeerFound
            }
            _ if waited >= context.settings.timing.start_wait => Reason::WaitOver,
            _ => return,
        };
        self.plan_standby(context);
        self.enter(State::Standby, reason, context);
    }

    fn decide_standby(&mut self, context: &mut Context<'_>) {
        match (self.state, self.is_sound(context)) {
            (State::Standby, false) => {
                return self.enter(State::Fault, Reason::Faulty, context);
            }
            (State::Fault, true) => {
                return self.enter(State::Standby, Reason::Recovered, context);
            }
            _ => {}
        }
        self.weigh_preemption(context);
        if self.settle_at.is_some_and(|at| context.now >= at) && self.steps.is_done() {
            self.settle_at = None;
            self.plan_standby_again(context);
        }
        match context.presence {
            Presence::Alive => self.consider_peer(context),
            Presence::Silent => self.consider_silence(context),
            Presence::Unsure => self.no_owner_since = None,
        }
    }

    fn plan_standby_again(&mut self, context: &Context<'_>) {
        if context.me.standby == crate::model::pair::Standby::Warm {
            self.steps.add(Step::PrepareTable);
        }
        self.plan_standby(context);
    }

    fn can_claim(&self, context: &Context<'_>) -> bool {
        self.may_claim(context) && context.now >= self.claim_after.max(self.stand_off)
    }

    /// The peer is there and, as far as it says, does not serve: hand-over or election.
    fn consider_peer(&mut self, context: &mut Context<'_>) {
        // The peer does not claim for a while after it has said so, but then it may.
        let fresh = context
            .peer
            .said_within(context.now, context.handover_age());
        let handed_over = fresh && context.record.is_some_and(|r| self.is_handed_over(&r));
        if handed_over && self.is_eligible(context) {
            self.new_epoch(context);
            return self.acquire(Reason::PeerReleased, context);
        }
        // An instance that the peer does not know cannot be served there.
        let vacant = context
            .record
            .is_none_or(|record| record.state.is_passive());
        let probing = context.record.is_some_and(|r| r.state == State::Probe);
        if !vacant || probing {
            self.no_owner_since = None;
            return;
        }
        let since = *self.no_owner_since.get_or_insert(context.now);
        let settled = context.now >= since + context.interval() * 2;
        let moves = !Self::is_frozen(context) || self.takeover.is_some();
        let mine = self.takeover.is_some() || self.wins(false, context);
        if settled && moves && mine && self.can_claim(context) {
            self.claim(Reason::NoOwner, false, context);
        }
    }

    /// The peer was seen to serve, and its kernel has confirmed that the addresses of that
    /// claim are gone. Neither a claim of ours that ended in `Probe` and so added none matters,
    /// however new, nor one that the peer's service has outlived. Never true on both nodes.
    fn is_handed_over(&self, record: &Record) -> bool {
        let gone = matches!(
            record.state,
            State::Release | State::Standby | State::Fault | State::Wait
        );
        gone && record.flags.released && self.peer_served == Some(record.epoch)
    }

    fn consider_silence(&mut self, context: &mut Context<'_>) {
        self.no_owner_since = None;
        // The gateway may be what failed, so being cut off only makes us slower.
        let cut_off = self.is_cut_off(context);
        let patience = context.dead_after * if cut_off { 2 } else { 1 };
        let silent = context.peer.silence(context.now) >= patience
            || context.sabotage.is(Bug::OneLinkDecides);
        if silent && self.can_claim(context) {
            self.claim(Reason::PeerSilent, !context.peer.is_known(), context);
        }
    }

    /// Since when this node would be the better owner.
    fn weigh_preemption(&mut self, context: &Context<'_>) {
        let better = context.settings.preempt.enabled
            && context.record.is_some_and(|r| r.state == State::Active)
            && self.is_eligible(context)
            && self.is_ready()
            && self.wins(false, context)
            && context.same_config()
            && !Self::is_frozen(context)
            && !self.is_pinned(context);
        if !better {
            self.better_since = None;
        } else if self.better_since.is_none() {
            self.better_since = Some(context.now);
        }
    }

    /// The steps of a takeover begin; the epoch is already on its way to disk.
    pub(super) fn acquire(&mut self, reason: Reason, context: &mut Context<'_>) {
        self.peer_served = None;
        self.plan_takeover(context);
        self.enter(State::Acquire, reason, context);
    }

    fn decide_acquire(&mut self, context: &mut Context<'_>) {
        if context.stopping {
            return self.release(Reason::Stop, context);
        }
        if self.leaving {
            return self.release(Reason::Removed, context);
        }
        if context.suspect {
            return;
        }
        let peer = context.record.map(|record| record.state);
        let held = context.record.is_some_and(|record| record.flags.hold);
        if !context.sabotage.is(Bug::NoYield) {
            if held && !self.added {
                return self.release(Reason::Hold, context);
            }
            if peer == Some(State::Active) && (!self.added || !self.wins(true, context)) {
                return self.release(Reason::PeerStillActive, context);
            }
            if peer == Some(State::Acquire) && !self.wins(true, context) {
                return self.release(Reason::RivalClaim, context);
            }
        }
        if self.steps.is_done() {
            self.served = true;
            self.takeover = None;
            self.enter(State::Active, Reason::Acquired, context);
            self.note_owner(Side::Local, context);
            context.out.push(Action::Hook {
                instance: self.id,
                kind: HookKind::AfterActive,
                epoch: self.epoch,
                reason: Reason::Acquired,
            });
        }
    }

    fn decide_active(&mut self, context: &mut Context<'_>) {
        if let Some(reason) = self
            .must_release(context)
            .or_else(|| self.may_release(context))
        {
            if reason == Reason::Isolated {
                let name = &context.me.name;
                context.out.alarm(context.now, AlarmKind::Isolated, || {
                    format!("{name}: neither the peer nor any target answers; giving up")
                });
            }
            return self.release(reason, context);
        }
        let claims = |record: Record| matches!(record.state, State::Probe | State::Acquire);
        let hold = context.record.is_some_and(claims);
        if hold && !self.hold {
            context.out.insist();
        }
        self.hold = hold;
        if self.settle_at.is_some_and(|at| context.now >= at) && self.steps.is_done() {
            self.settle_at = None;
            self.steps.add(Step::Sync(SyncPart::Master));
        }
        self.maintain(context);
    }

    /// What ends service whatever the policy.
    fn must_release(&mut self, context: &mut Context<'_>) -> Option<Reason> {
        if context.stopping {
            return Some(Reason::Stop);
        }
        if self.leaving {
            return Some(Reason::Removed);
        }
        if self.meets_owner(context) && !self.wins(true, context) {
            return Some(Reason::Beaten);
        }
        if Self::is_frozen(context) {
            return None;
        }
        if self.local.as_ref().is_some_and(|local| !local.carrier) {
            return Some(Reason::CarrierLost);
        }
        if Self::is_unheard(context) {
            return Some(Reason::NotHeard);
        }
        let silent = context.peer.silence(context.now) >= context.allowance * 6 / 10;
        let answered = self.local.as_ref().and_then(|local| local.answered);
        // A node that took over while cut off does not give up for the same reason.
        let was_connected = answered.is_some_and(|at| at > self.since);
        (silent && was_connected && self.is_cut_off(context)).then_some(Reason::Isolated)
    }

    /// Both serve: an alarm, and the winner says again whose the addresses are, now and when
    /// the other has given up.
    fn meets_owner(&mut self, context: &mut Context<'_>) -> bool {
        let met = context.record.is_some_and(|r| r.state == State::Active)
            && !context.sabotage.is(Bug::NoYield);
        if met != self.rivalled {
            self.rivalled = met;
            if self.wins(true, context) {
                self.announce_again(context.now);
            }
        }
        if met {
            let name = &context.me.name;
            context.out.alarm(context.now, AlarmKind::TwoOwners, || {
                format!("{name}: both nodes serve; the better one goes on")
            });
        }
        met
    }

    /// At once and twice more: neighbours may have learned somebody else's address.
    fn announce_again(&mut self, now: Instant) {
        let times = ANNOUNCE_AGAIN.map(|seconds| now + Duration::from_secs(seconds));
        self.announce_at = [now].into_iter().chain(times).collect();
    }

    /// The peer is about to claim because it does not hear us, and could serve.
    fn is_unheard(context: &mut Context<'_>) -> bool {
        let unheard = context.peer.advert().is_some_and(|advert| advert.unheard);
        let able = |r: Record| r.flags.eligible && r.state == State::Standby;
        let yields = unheard && context.record.is_some_and(able);
        if !yields || context.sabotage.is(Bug::IgnoreOneWay) {
            return false;
        }
        let name = &context.me.name;
        context.out.alarm(context.now, AlarmKind::OneWay, || {
            format!("{name}: the peer does not hear this node on any link; giving up")
        });
        true
    }

    /// What moves an instance to a peer that can take it.
    fn may_release(&mut self, context: &Context<'_>) -> Option<Reason> {
        let record = context.record.filter(|record| {
            record.flags.eligible && matches!(record.state, State::Standby | State::Wait)
        });
        let Some(record) = record else {
            self.worse_since = None;
            return None;
        };
        if self.admin_standby || record.flags.takeover {
            return Some(Reason::Operator);
        }
        if Self::is_frozen(context) || self.is_pinned(context) || !record.flags.ready {
            self.worse_since = None;
            return None;
        }
        if !self.is_sound(context) {
            return Some(Reason::Fault);
        }
        let rival = context.rival()?;
        // A target that fails for both fails at slightly different times.
        if rival.outranks(&self.standing(context)) {
            let since = *self.worse_since.get_or_insert(context.now);
            if context.now >= since + context.interval() * 2 {
                return Some(Reason::Fault);
            }
        } else {
            self.worse_since = None;
        }
        let preempted = record.flags.wants_handover
            && context.settings.preempt.enabled
            && context.same_config()
            && !self.wins(false, context);
        preempted.then_some(Reason::HandedOver)
    }

    /// Restores what is missing, and announces what is due.
    fn maintain(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        let waiting = self.repair_at.is_some_and(|at| now < at);
        if self.missing && !waiting && !self.steps.contains(Step::AddAddresses) {
            self.missing = false;
            self.repair_at = None;
            self.steps.add(Step::AddAddresses);
            self.steps.add(Step::Announce);
        }
        let due = self.announce_at.iter().any(|at| now >= *at);
        if due {
            let later = self.announce_at.iter().filter(|at| now < **at);
            self.announce_at = later.copied().collect();
            if !self.steps.contains(Step::Announce) {
                self.steps.add(Step::Announce);
            }
        }
    }
}
