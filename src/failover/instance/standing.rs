//! What a node is worth to an instance, and what it says about that.

use super::{Instance, State};
use crate::failover::advert::{Flags, Record};
use crate::failover::context::Context;
use crate::failover::order::Standing;
use crate::failover::sabotage::Bug;
use crate::failover::view::Obstacle;

impl Instance {
    /// Nothing rules this node out: [`Self::obstacles`] without words. An owner does not lose
    /// its role because a new track has no result yet.
    pub(super) fn is_eligible(&self, context: &Context<'_>) -> bool {
        let serves = matches!(self.state, State::Acquire | State::Active);
        let willing = !self.admin_standby && !context.stopping && !self.leaving;
        willing && self.is_sound(context) && (serves || self.is_judged())
    }

    pub(super) fn may_claim(&self, context: &Context<'_>) -> bool {
        self.is_eligible(context) || context.sabotage.is(Bug::IgnoreEligibility)
    }

    /// The tracks have all been looked at.
    pub(super) fn is_judged(&self) -> bool {
        self.local.as_ref().is_some_and(|local| local.unknown == 0)
    }

    /// No fault of this node.
    pub(super) fn is_sound(&self, context: &Context<'_>) -> bool {
        let local = self.local.as_ref().is_none_or(|local| {
            local.fault.is_none()
                && local.carrier
                && !(context.me.strict && local.reachable < local.total)
        });
        local && self.failures.excluded(context.now).is_none()
    }

    /// What rules this node out, for an operator.
    pub(in crate::failover) fn obstacles(&self, context: &Context<'_>) -> Vec<Obstacle> {
        let mut list = Vec::new();
        match &self.local {
            None => list.push(Obstacle::NoTracks),
            Some(local) => {
                let failed = local.total.saturating_sub(local.reachable);
                if local.unknown > 0 {
                    list.push(Obstacle::Unknown(local.unknown));
                }
                list.extend(local.fault.clone().map(Obstacle::Fault));
                if !local.carrier {
                    list.push(Obstacle::Carrier);
                }
                if context.me.strict && failed > 0 {
                    list.push(Obstacle::Strict(failed));
                }
            }
        }
        if self.admin_standby {
            list.push(Obstacle::AdminStandby);
        }
        if let Some((count, remaining)) = self.failures.excluded(context.now) {
            list.push(Obstacle::Failures { count, remaining });
        }
        if context.stopping {
            list.push(Obstacle::Stopping);
        }
        list
    }

    pub(super) fn is_ready(&self) -> bool {
        let prepared = self.steps.is_done() && self.settle_at.is_none();
        prepared && self.local.as_ref().is_some_and(|local| local.ready)
    }

    /// What the other node is told.
    pub(in crate::failover) fn record(&self, context: &Context<'_>) -> Record {
        let (reachable, total) = self.tracks();
        let frozen = context.frozen;
        Record {
            instance: self.id,
            epoch: self.epoch,
            state: self.state,
            priority: self.priority(context),
            flags: Flags {
                eligible: self.is_eligible(context),
                ready: self.is_ready(),
                frozen,
                admin_standby: self.admin_standby,
                claim: matches!(self.state, State::Probe | State::Acquire),
                hold: self.hold,
                released: self.says_released(context),
                wants_handover: self.wants_handover(context),
                takeover: self.takeover.is_some(),
                pinned: self.moves.pinned(context.now).is_some(),
            },
            reachable,
            total,
            addresses: context.me.addresses,
        }
    }

    /// The peer may take over without a probe, on a packet that is up to a dead interval old.
    /// So it is said for half of one, and this node does not claim for one and a half.
    pub(super) fn says_released(&self, context: &Context<'_>) -> bool {
        let dead_after = context.settings.timing.dead_after;
        let early = context.sabotage.is(Bug::ReleasedTooEarly) && self.state == State::Release;
        early
            || self
                .released
                .is_some_and(|at| context.now < at + dead_after / 2)
    }

    /// What the other node is told when this process is gone and the guard has removed the
    /// addresses.
    pub(in crate::failover) fn farewell(&self, context: &Context<'_>) -> Record {
        let mut record = self.record(context);
        let flags = Flags {
            frozen: record.flags.frozen,
            pinned: record.flags.pinned,
            released: self.holds(),
            ..Flags::default()
        };
        record.flags = flags;
        if self.holds() {
            record.state = State::Release;
        } else if self.state == State::Probe {
            record.state = State::Standby;
        }
        record
    }

    /// Whether the guard may have addresses of it.
    pub(in crate::failover) fn holds(&self) -> bool {
        match self.state {
            State::Acquire | State::Active => true,
            State::Release | State::Blocked => self.added,
            _ => false,
        }
    }

    /// Mandatory tracks that have not failed, and all.
    pub(super) fn tracks(&self) -> (u8, u8) {
        let local = self.local.as_ref();
        local.map_or((0, 0), |l| {
            (l.reachable.saturating_add(l.unknown).min(l.total), l.total)
        })
    }

    pub(super) fn priority(&self, context: &Context<'_>) -> u8 {
        let weight = self.local.as_ref().map_or(0, |local| local.weight);
        context.settings.priority(context.me, weight)
    }

    pub(super) fn standing(&self, context: &Context<'_>) -> Standing {
        let record = self.record(context);
        Standing::of(&record, context.local_node(), context.incarnation)
    }

    /// Whether this node wins a contest; without a rival it does.
    pub(super) fn wins(&self, owners: bool, context: &Context<'_>) -> bool {
        let Some(rival) = context.rival() else {
            return true;
        };
        let mine = self.standing(context);
        let tied = context.sabotage.is(Bug::EqualPriority) && mine.priority == rival.priority;
        tied || mine.beats(&rival, owners)
    }

    /// Preemption: better than the owner and ready, for long enough.
    pub(super) fn wants_handover(&self, context: &Context<'_>) -> bool {
        let delay = context.settings.preempt.delay;
        self.better_since
            .is_some_and(|since| context.now.saturating_duration_since(since) >= delay)
    }

    pub(super) fn is_pinned(&self, context: &Context<'_>) -> bool {
        let there = context.record.is_some_and(|record| record.flags.pinned);
        let pinned = there || self.moves.pinned(context.now).is_some();
        pinned && !context.sabotage.is(Bug::NoPin)
    }

    pub(super) fn is_frozen(context: &Context<'_>) -> bool {
        context.is_frozen() && !context.sabotage.is(Bug::IgnoreFrozen)
    }

    /// All targets on the network have been silent for too long, if there are any.
    pub(super) fn is_cut_off(&self, context: &Context<'_>) -> bool {
        let Some(limit) = context.me.isolation else {
            return false;
        };
        let answered = self.local.as_ref().and_then(|local| local.answered);
        answered.is_none_or(|at| context.now.saturating_duration_since(at) >= limit)
    }
}
