//! An instance for people: what it is, why, and what would change it.

use super::{Instance, State};
use crate::failover::context::Context;
use crate::failover::peer::Presence;
use crate::failover::view::{InstanceView, Owner, PeerInstance};

impl Instance {
    pub(in crate::failover) fn view(&self, context: &Context<'_>) -> InstanceView {
        let peer = context.record.map(|record| PeerInstance {
            state: record.state,
            epoch: record.epoch,
            priority: record.priority,
            eligible: record.flags.eligible,
            ready: record.flags.ready,
            tracks: (record.reachable, record.total),
        });
        let step = self.steps.pending;
        InstanceView {
            id: self.id,
            name: context.me.name.clone(),
            state: self.state,
            since: context.now.saturating_duration_since(self.since),
            reason: self.reason,
            epoch: self.epoch,
            owner: self.owner(context),
            priority: self.priority(context),
            tracks: self.tracks(),
            obstacles: self.obstacles(context),
            ready: self.is_ready(),
            admin_standby: self.admin_standby,
            pinned: self.moves.pinned(context.now),
            moves: self.moves.count(context.now, &context.settings.timing),
            step: step.map(|(step, at)| (step, context.now.saturating_duration_since(at))),
            failures: self.failures.view(context.now),
            peer,
            explanation: self.explain(context),
        }
    }

    fn owner(&self, context: &Context<'_>) -> Owner {
        let there = context.record.map(|record| record.state);
        match (self.state, context.presence) {
            (State::Active, _) => Owner::Local,
            (State::Probe, _) if self.probe.is_answered() => Owner::Peer,
            (_, Presence::Alive) if there == Some(State::Active) => Owner::Peer,
            (_, Presence::Alive) => Owner::Nobody,
            (_, Presence::Unsure | Presence::Silent) => Owner::Unknown,
        }
    }

    /// One thought per line: why this node serves or does not, then what would change it.
    fn explain(&self, context: &Context<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        let reason = self.reason.map_or("start".to_owned(), |r| r.to_string());
        lines.push(format!("{} because: {reason}", self.state));
        for obstacle in self.obstacles(context) {
            lines.push(format!("not eligible: {obstacle}"));
        }
        if context.is_frozen() {
            lines.push("frozen: only the loss of a node moves it".to_owned());
        }
        if let Some(left) = self.moves.pinned(context.now) {
            lines.push(format!(
                "pinned after too many moves, for another {} s",
                left.as_secs()
            ));
        }
        if !context.same_config() {
            lines.push("the peer has another configuration: no preemption".to_owned());
        }
        lines.push(if self.state == State::Active {
            Self::explain_active(context)
        } else {
            self.explain_passive(context)
        });
        lines
    }

    fn explain_active(context: &Context<'_>) -> String {
        let peer = &context.settings.peer.name;
        match context.record {
            None if context.presence == Presence::Alive => {
                format!("{peer} does not know this instance and could not take over")
            }
            None => format!("{peer} is not heard: if this node fails, nobody is known to follow"),
            Some(record) if !record.flags.eligible => {
                format!("{peer} is not eligible: this node keeps serving whatever fails")
            }
            Some(record) if !record.flags.ready => {
                format!("{peer} would take over, but is not ready for a planned switch")
            }
            Some(_) => format!("{peer} would take over"),
        }
    }

    fn explain_passive(&self, context: &Context<'_>) -> String {
        let peer = &context.settings.peer.name;
        let serves = context.record.is_some_and(|r| r.state == State::Active);
        match self.state {
            State::Init => "removes what an earlier life left over".to_owned(),
            State::Wait => format!("waits for {peer} or the end of the start time"),
            State::Probe if self.probe.is_answered() => {
                format!("{peer} answers for the address and is left alone while it does")
            }
            State::Probe => "takes over unless somebody answers for the address".to_owned(),
            State::Acquire => "is taking over".to_owned(),
            State::Release => "is giving up".to_owned(),
            State::Blocked => "an address cannot be removed: remove it by hand".to_owned(),
            _ if !self.is_eligible(context) => "would not take over".to_owned(),
            _ if context.now < self.claim_after.max(self.stand_off) => {
                let until = self.claim_after.max(self.stand_off);
                let left = until.saturating_duration_since(context.now);
                format!("does not claim for another {left:.1?}")
            }
            _ if serves => self.explain_standby(context),
            _ if context.presence == Presence::Silent => {
                format!("{peer} is silent: takes over unless somebody answers for the address")
            }
            _ if self.wins(false, context) => "is about to take over: nobody serves".to_owned(),
            _ => format!("{peer} is better and is about to take over"),
        }
    }

    fn explain_standby(&self, context: &Context<'_>) -> String {
        let peer = &context.settings.peer.name;
        let preempt = &context.settings.preempt;
        if !self.wins(false, context) {
            return format!("{peer} serves and is better; takes over when it fails");
        }
        if !preempt.enabled {
            return format!(
                "this node is better, but does not preempt; takes over when {peer} fails"
            );
        }
        match self.better_since {
            None => format!("this node is better, but not ready to take over from {peer}"),
            Some(since) => {
                let waited = context.now.saturating_duration_since(since);
                let left = preempt.delay.saturating_sub(waited);
                format!("takes over from {peer} in {} s", left.as_secs())
            }
        }
    }
}
