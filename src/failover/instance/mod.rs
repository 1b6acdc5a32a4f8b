//! One instance on this node: its state, and what happens to it from outside.

mod damping;
mod decide;
mod operator;
mod probe;
mod report;
mod standing;
mod state;
mod steps;

use std::time::{Duration, Instant};

pub use state::{Reason, State};

use super::action::{Action, AlarmKind, HookKind};
use super::advert::Record;
use super::bounded::Bounded;
use super::context::Context;
use super::event::Local;
use super::sabotage::Bug;
use super::settings::{InstanceId, LEAST_STALL};
use super::view::HistoryEntry;
use damping::{Failures, Moves, Side};
use probe::Probe;
use steps::Steps;

/// Least time between two announcements against somebody else who uses an address.
const DEFENCE_GAP: Duration = Duration::from_secs(10);

/// The state machine of an instance.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "conditions beside the state, independent of it and of each other"
)]
pub(super) struct Instance {
    pub(super) id: InstanceId,
    pub(super) state: State,
    since: Instant,
    reason: Option<Reason>,
    /// Of this node's last claim.
    pub(super) epoch: u64,
    /// Highest seen on either node.
    highest: u64,
    /// At which the peer was last seen to serve while this node did not, and has not claimed
    /// since.
    peer_served: Option<u64>,
    /// Since when the addresses of `epoch` are gone, confirmed, and were not added.
    released: Option<Instant>,
    /// An address may be in the kernel.
    added: bool,
    /// The other node was told to stand off.
    hold: bool,
    local: Option<Local>,
    pub(super) admin_standby: bool,
    /// An operator wants it here, until then.
    takeover: Option<Instant>,
    steps: Steps,
    probe: Probe,
    /// Since when neither node serves.
    no_owner_since: Option<Instant>,
    /// Since when this node is better than the owner, and ready.
    better_since: Option<Instant>,
    /// Since when the peer has more working tracks than this owner.
    worse_since: Option<Instant>,
    /// No claim before, after a failure.
    claim_after: Instant,
    /// No claim before, because the peer may still act on what this node has released.
    stand_off: Instant,
    /// Announcements to be repeated.
    announce_at: Bounded<Instant, 4>,
    /// The peer serves too, and this node wins.
    rivalled: bool,
    /// The peer has been silent since it was last seen alive.
    alone: bool,
    /// Somebody removed an address of an owner.
    missing: bool,
    repair_at: Option<Instant>,
    settle_at: Option<Instant>,
    /// Isolations tried.
    attempt: u8,
    defended: Option<Instant>,
    moves: Moves,
    failures: Failures,
    /// It served in this claim: programs are told when it ends.
    served: bool,
    /// Not in the configuration any more.
    pub(super) leaving: bool,
}

impl Instance {
    pub(super) fn new(id: InstanceId, epoch: u64, now: Instant) -> Self {
        let mut instance = Self {
            id,
            state: State::Init,
            since: now,
            reason: None,
            epoch,
            highest: epoch,
            peer_served: None,
            released: None,
            added: true,
            hold: false,
            local: None,
            admin_standby: false,
            takeover: None,
            steps: Steps::default(),
            probe: Probe::default(),
            no_owner_since: None,
            better_since: None,
            worse_since: None,
            claim_after: now,
            stand_off: now,
            announce_at: Bounded::new(),
            rivalled: false,
            alone: false,
            missing: false,
            repair_at: None,
            settle_at: None,
            attempt: 0,
            defended: None,
            moves: Moves::default(),
            failures: Failures::default(),
            served: false,
            leaving: false,
        };
        instance.plan_clean_start();
        instance
    }

    /// The tracks have something to say.
    pub(super) fn set_local(&mut self, local: Local, context: &mut Context<'_>) {
        let before = self.is_sound(context);
        self.local = Some(Local {
            reachable: local.reachable.min(local.total),
            ..local
        });
        if before && !self.is_sound(context) {
            context.out.push(Action::Hook {
                instance: self.id,
                kind: HookKind::AfterFault,
                epoch: self.epoch,
                reason: Reason::Faulty,
            });
        }
    }

    /// A new state.
    fn enter(&mut self, to: State, reason: Reason, context: &mut Context<'_>) {
        let from = std::mem::replace(&mut self.state, to);
        if from == State::Probe {
            context.out.push(Action::StopProbe { instance: self.id });
            // The claim may have cut a standby's preparation short.
            self.settle_at = (to == State::Standby).then_some(context.now);
        }
        self.since = context.now;
        self.reason = Some(reason);
        self.no_owner_since = None;
        self.better_since = None;
        self.worse_since = None;
        self.hold = false;
        self.rivalled = false;
        context.out.urgent = true;
        context.out.transition(HistoryEntry {
            at: context.now,
            instance: self.id,
            from,
            to,
            reason,
            epoch: self.epoch,
        });
    }

    /// Gives up: in order when nothing is wrong, otherwise at once.
    pub(super) fn release(&mut self, reason: Reason, context: &mut Context<'_>) {
        let orderly = matches!(
            reason,
            Reason::HandedOver | Reason::Operator | Reason::Fault | Reason::Stop | Reason::Removed
        );
        self.announce_at.clear();
        self.missing = false;
        self.repair_at = None;
        self.takeover = None;
        self.stand_off(context);
        self.plan_release(orderly, context);
        self.enter(State::Release, reason, context);
    }

    /// Leaves the addresses to the peer for a while, see [`Self::says_released`].
    fn stand_off(&mut self, context: &Context<'_>) {
        self.stand_off = context.now + context.settings.timing.dead_after * 3 / 2;
    }

    /// The guard has taken the addresses away.
    pub(super) fn fenced(&mut self, context: &mut Context<'_>) {
        let serves = matches!(self.state, State::Acquire | State::Active);
        if serves && !context.sabotage.is(Bug::IgnoreFence) {
            self.release(Reason::Fenced, context);
        }
    }

    /// This process was late and has said nothing for so long: the peer may serve. While the
    /// guard keeps the addresses, they answer the peer's probe, and what the peer says is
    /// read before anything else is done.
    pub(super) fn stalled(&mut self, unsaid: Duration, context: &mut Context<'_>) {
        self.no_owner_since = None;
        self.better_since = None;
        self.worse_since = None;
        let limit = match self.state {
            State::Acquire => context.allowance,
            State::Active => context.allowance.max(LEAST_STALL),
            _ => return,
        };
        if unsaid >= limit {
            self.release(Reason::Stalled, context);
        }
    }

    pub(super) fn address_missing(&mut self, context: &mut Context<'_>) {
        if self.state != State::Active {
            return;
        }
        self.missing = true;
        self.failures.note(
            super::action::Step::AddAddresses,
            "an address was removed by somebody else",
            context.now,
        );
        self.failures.count(context.now);
        let name = &context.me.name;
        context
            .out
            .alarm(context.now, AlarmKind::AddressMissing, || {
                format!("{name}: an address was removed by somebody else; restoring it")
            });
    }

    /// Somebody else uses an address of ours: say whose it is, at most every ten seconds. Who
    /// is about to take over has had an answer that the probe did not ask for. After a
    /// hand-over it may be the last announcement of before.
    pub(super) fn foreign_claim(&mut self, mac: super::event::Mac, context: &mut Context<'_>) {
        if self.state == State::Probe {
            return self.probe_answer(mac, context);
        }
        let asked = self.reason != Some(Reason::PeerReleased);
        if self.state == State::Acquire && asked && !self.added && context.peer.has_mac(mac) {
            return self.release(Reason::PeerStillActive, context);
        }
        if context.own_macs.contains(&mac) || self.state != State::Active {
            return;
        }
        let peer = context.peer.has_mac(mac);
        let kind = if peer {
            AlarmKind::TwoOwners
        } else {
            AlarmKind::ForeignOwner
        };
        let name = &context.me.name;
        context.out.alarm(context.now, kind, || {
            let whose = if peer { "the peer, " } else { "" };
            format!("{name}: {whose}{mac} uses an address that is served here")
        });
        let due = self
            .defended
            .is_none_or(|at| context.now.saturating_duration_since(at) >= DEFENCE_GAP);
        if due {
            self.defended = Some(context.now);
            self.announce_at.push(context.now);
        }
    }

    /// It is not in the configuration any more: give it up, sync daemon included.
    pub(super) fn remove(&mut self, context: &mut Context<'_>) {
        self.leaving = true;
        if !matches!(self.state, State::Init | State::Release | State::Blocked) {
            self.release(Reason::Removed, context);
        }
    }

    /// It is given up and can be forgotten.
    pub(super) fn is_gone(&self) -> bool {
        self.leaving && matches!(self.state, State::Wait | State::Standby | State::Fault)
    }

    /// Nothing of it is left to be given up.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Wait | State::Standby | State::Fault)
    }

    /// When something is to be looked at, if nothing happens before.
    pub(super) fn deadlines(&self, context: &Context<'_>) -> impl Iterator<Item = Instant> {
        let timing = &context.settings.timing;
        let wait = (self.state == State::Wait).then(|| self.since + timing.start_wait);
        let election = self.no_owner_since.map(|at| at + context.interval() * 2);
        let preempt = self
            .better_since
            .map(|at| at + context.settings.preempt.delay);
        let worse = self.worse_since.map(|at| at + context.interval() * 2);
        let answered = self.local.as_ref().and_then(|local| local.answered);
        let cut_off = context
            .me
            .isolation
            .and_then(|limit| Some(answered? + limit));
        [
            wait,
            election,
            preempt,
            worse,
            cut_off,
            Some(self.claim_after),
            Some(self.stand_off),
            self.released.map(|at| at + timing.dead_after / 2),
            self.takeover,
            self.steps.deadline(context.dead_after),
            self.repair_at,
            self.settle_at,
            self.moves.deadline(),
            self.failures.deadline(),
        ]
        .into_iter()
        .chain(self.announce_at.iter().copied().map(Some))
        .chain(self.probe.deadlines(context))
        .flatten()
    }
}
