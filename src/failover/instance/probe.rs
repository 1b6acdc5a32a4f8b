//! The probe: the only witness that does not depend on the links.

use std::time::{Duration, Instant};

use super::{Instance, Reason, State};
use crate::failover::action::{Action, AlarmKind};
use crate::failover::context::Context;
use crate::failover::event::Mac;
use crate::failover::peer::Presence;
use crate::failover::sabotage::Bug;
use crate::model::pair::Timing;

/// A probe that has not begun after this has failed.
const START_LIMIT: Duration = Duration::from_secs(2);
/// How late the kernel removes an address whose lifetime is over, at most.
const LIFETIME_SLACK: Duration = Duration::from_millis(1400);
/// Waiting time after a conflict.
const CONFLICT_PAUSE: Duration = Duration::from_secs(5);

/// What the probe has found out.
#[derive(Debug, Clone, Default)]
pub(super) struct Probe {
    /// Not before.
    at: Option<Instant>,
    asked: Option<Instant>,
    started: Option<Instant>,
    /// The requests go on from before: the next one is up to a window away.
    under_way: bool,
    /// First and last answer of the peer.
    answered: Option<(Instant, Instant)>,
    /// Since when nothing behind the address serves, without a success since.
    dead_since: Option<Instant>,
    foreign: Option<Mac>,
}

impl Probe {
    /// The window begins again.
    pub(super) fn restart(&mut self, now: Instant) {
        self.started = self.started.map(|_| now);
        self.under_way = true;
        self.dead_since = None;
    }

    /// The peer answers for the address.
    pub(super) fn is_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// When one request has had a whole window for its answer: the first one, or, after an
    /// answer or a stall, the one that goes out up to a window later.
    fn quiet_at(&self, window: Duration) -> Option<Instant> {
        let started = self.started?;
        let (since, windows) = match self.answered {
            Some((_, last)) => (last.max(started), 2),
            None => (started, if self.under_way { 2 } else { 1 }),
        };
        Some(since + window * windows)
    }

    pub(super) fn deadlines(&self, context: &Context<'_>) -> [Option<Instant>; 5] {
        let timing = &context.settings.timing;
        [
            self.at.filter(|_| self.asked.is_none()),
            self.asked.map(|at| at + START_LIMIT),
            self.quiet_at(context.probe_window),
            self.answered.map(|(first, _)| first + cache_limit(timing)),
            self.dead_since.map(|at| at + context.dead_after * 2),
        ]
    }
}

/// An owner that lost its process has lost its address after this.
fn cache_limit(timing: &Timing) -> Duration {
    timing.address_lifetime + LIFETIME_SLACK
}

impl Instance {
    /// Claims: a new epoch, and the question whether the addresses are in use. Two nodes
    /// that start with dead links would ask at the same moment; `spread` keeps them apart.
    pub(super) fn claim(&mut self, reason: Reason, spread: bool, context: &mut Context<'_>) {
        self.new_epoch(context);
        let window = context.probe_window;
        let [a, b, ..] = context.incarnation.0;
        let share = u32::from(u16::from_be_bytes([a, b]));
        let delay = if spread {
            window * share / 0xffff
        } else {
            Duration::ZERO
        };
        self.probe = Probe {
            at: Some(context.now + delay),
            ..Probe::default()
        };
        self.enter(State::Probe, reason, context);
    }

    /// Above everything seen, to disk before an address is added.
    pub(super) fn new_epoch(&mut self, context: &Context<'_>) {
        if !context.sabotage.is(Bug::SameEpoch) {
            self.epoch = self.highest.max(self.epoch).saturating_add(1);
        }
        self.highest = self.highest.max(self.epoch);
        self.released = None;
        self.settle_at = None;
        self.steps.clear();
        self.steps.add(crate::failover::action::Step::StoreEpoch);
    }

    pub(in crate::failover) fn probe_started(
        &mut self,
        result: Result<(), String>,
        context: &mut Context<'_>,
    ) {
        if self.state != State::Probe || self.probe.asked.is_none() {
            return;
        }
        match result {
            Ok(()) if self.probe.started.is_none() => self.probe.started = Some(context.now),
            Ok(()) => {}
            Err(reason) => {
                let name = &context.me.name;
                context.out.alarm(context.now, AlarmKind::StepFailed, || {
                    format!("{name}: probe: {reason}")
                });
                self.failures.count(context.now);
                self.claim_after = context.now + self.failures.back_off();
                self.enter(State::Standby, Reason::ProbeFailed, context);
            }
        }
    }

    /// Nobody asked for a while: the window begins again.
    pub(in crate::failover) fn probe_anew(&mut self, now: Instant) {
        self.probe.restart(now);
    }

    pub(in crate::failover) fn probe_answer(&mut self, mac: Mac, context: &mut Context<'_>) {
        if self.state != State::Probe || context.own_macs.contains(&mac) {
            return;
        }
        let now = context.now;
        let name = &context.me.name;
        if context.peer.has_mac(mac) {
            let first = self.probe.answered.map_or(now, |(first, _)| first);
            self.probe.answered = Some((first, now));
            if context.presence == Presence::Silent {
                context.out.alarm(now, AlarmKind::PeerStillServing, || {
                    format!("{name}: the links are dead, but the peer ({mac}) serves")
                });
            }
        } else {
            self.probe.foreign = Some(mac);
            context.out.alarm(now, AlarmKind::ForeignOwner, || {
                format!("{name}: {mac}, which is not the peer, answers for an address")
            });
        }
    }

    pub(in crate::failover) fn probe_reach(&mut self, serves: bool, now: Instant) {
        if self.state == State::Probe {
            self.probe.dead_since = if serves {
                None
            } else {
                self.probe.dead_since.or(Some(now))
            };
        }
    }

    /// Of two that probe the one with the lower address goes on.
    pub(in crate::failover) fn rival_probe(
        &mut self,
        mac: Mac,
        own: Mac,
        context: &mut Context<'_>,
    ) {
        let foreign = mac != own && !context.own_macs.contains(&mac);
        if self.state == State::Probe && foreign && mac < own {
            self.claim_after = context.now + context.dead_after;
            self.enter(State::Standby, Reason::RivalClaim, context);
        }
    }

    /// Claiming: what ends it, and what becomes of it.
    pub(super) fn decide_probe(&mut self, context: &mut Context<'_>) {
        if !self.may_claim(context) {
            return self.enter(State::Standby, Reason::NotEligible, context);
        }
        if let Some(reason) = self.objection(context) {
            if reason == Reason::Hold {
                let name = &context.me.name;
                context.out.alarm(context.now, AlarmKind::OneWay, || {
                    format!("{name}: the peer serves and did not reach this node")
                });
            }
            self.claim_after = context.now + context.dead_after;
            return self.enter(State::Standby, reason, context);
        }
        if context.sabotage.is(Bug::NoProbe) {
            return self.acquire(Reason::ProbeQuiet, context);
        }
        if self.probe.asked.is_none() {
            if self.probe.at.is_none_or(|at| context.now >= at) {
                self.probe.asked = Some(context.now);
                context.out.push(Action::StartProbe {
                    instance: self.id,
                    window: context.probe_window,
                });
            }
            return;
        }
        if self.probe.started.is_none() {
            let late = self.probe.asked.map(|at| at + START_LIMIT);
            if late.is_some_and(|at| context.now >= at) {
                self.probe_started(Err("it did not begin".to_owned()), context);
            }
            return;
        }
        self.judge_probe(context);
    }

    /// What the peer says against a claim.
    fn objection(&self, context: &Context<'_>) -> Option<Reason> {
        let record = context.record?;
        if record.flags.hold {
            return Some(Reason::Hold);
        }
        match record.state {
            State::Active => Some(Reason::PeerActive),
            // Further than we are.
            State::Acquire => Some(Reason::RivalClaim),
            State::Probe if !self.wins(false, context) => Some(Reason::RivalClaim),
            _ => None,
        }
    }

    fn judge_probe(&mut self, context: &mut Context<'_>) {
        let timing = &context.settings.timing;
        let doubtful = |record: super::Record| {
            matches!(record.state, State::Init | State::Blocked)
                || record.state == State::Release && !record.flags.released
        };
        if context.record.is_some_and(doubtful) {
            return;
        }
        let over = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|at| context.now >= at + limit)
        };
        let cached = over(
            self.probe.answered.map(|(first, _)| first),
            cache_limit(timing),
        ) && over(self.probe.dead_since, context.dead_after * 2);
        if cached {
            return self.acquire(Reason::NothingServes, context);
        }
        if !over(self.probe.quiet_at(context.probe_window), Duration::ZERO) {
            return;
        }
        match self.probe.foreign {
            // Whoever has never heard the peer cannot tell its address from a stranger's.
            Some(mac) if !self.moves.served() || !context.peer.knows_macs() => {
                self.claim_after = context.now + CONFLICT_PAUSE;
                self.enter(State::Standby, Reason::Conflict(mac), context);
            }
            _ => self.acquire(Reason::ProbeQuiet, context),
        }
    }
}
