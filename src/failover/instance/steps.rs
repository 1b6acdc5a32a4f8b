//! The order of the steps of takeover, release and standby.

use std::time::{Duration, Instant};

use super::{Instance, Reason, State};
use crate::failover::action::{Action, AlarmKind, Step, SyncPart};
use crate::failover::bounded::Bounded;
use crate::failover::context::Context;
use crate::failover::sabotage::Bug;
use crate::model::pair::Standby;

/// Most steps in a row.
const QUEUE: usize = 12;
/// A standby whose preparation failed tries again after this, as does an owner without its
/// sync daemon: it serves, but the peer does not learn its connections.
const SETTLE_AGAIN: Duration = Duration::from_secs(5);
/// So does an owner whose address could not be restored, and a blocked one.
const REPAIR_AGAIN: Duration = Duration::from_secs(1);

/// Steps to come and the one under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Steps {
    queue: Bounded<Step, QUEUE>,
    pub(super) pending: Option<(Step, Instant)>,
}

impl Steps {
    /// Nothing is under way or to come.
    pub(super) fn is_done(&self) -> bool {
        self.pending.is_none() && self.queue.is_empty()
    }

    /// Forgets everything. A step that is under way is waited for by nobody.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    pub(super) fn add(&mut self, step: Step) {
        self.queue.push(step);
    }

    /// Whether a step is to come or under way.
    pub(super) fn contains(&self, step: Step) -> bool {
        self.queue.contains(&step) || self.pending.is_some_and(|(pending, _)| pending == step)
    }

    pub(super) fn deadline(&self, dead_after: Duration) -> Option<Instant> {
        self.pending
            .map(|(step, since)| since + limit(step, dead_after))
    }
}

/// How long a step may take.
fn limit(step: Step, dead_after: Duration) -> Duration {
    match step {
        Step::StoreEpoch => dead_after / 2,
        Step::PrepareTable | Step::ClearTable => Duration::from_secs(10),
        Step::Isolate { .. } => Duration::from_secs(5),
        Step::BeforeRelease => Duration::from_millis(1200),
        Step::Sync(_)
        | Step::AddAddresses
        | Step::Announce
        | Step::CancelAnnouncements
        | Step::RemoveAddresses => Duration::from_secs(2),
    }
}

impl Instance {
    /// Start: nothing of an earlier life may be left.
    pub(super) fn plan_clean_start(&mut self) {
        self.steps.clear();
        self.steps.add(Step::CancelAnnouncements);
        self.steps.add(Step::RemoveAddresses);
    }

    /// The sync daemon leaves its backup role before an address is there: with `backup_only`
    /// the kernel hands every packet to the local stack until then, which answers with RST.
    pub(super) fn plan_takeover(&mut self, context: &Context<'_>) {
        let sync = [Step::Sync(SyncPart::None), Step::Sync(SyncPart::Master)];
        let sync = sync.into_iter().filter(|_| context.me.sync);
        let early = context.sabotage.is(Bug::AddressBeforeSync);
        self.steps.add(Step::PrepareTable);
        if early {
            self.steps.add(Step::AddAddresses);
        }
        sync.for_each(|step| self.steps.add(step));
        if !early {
            self.steps.add(Step::AddAddresses);
        }
        self.steps.add(Step::Announce);
    }

    /// Programs that want to know before have a second when there is no hurry. The sync
    /// daemon stays master until the addresses are gone, so that the last connections get
    /// across.
    pub(super) fn plan_release(&mut self, orderly: bool, context: &Context<'_>) {
        self.steps.clear();
        self.settle_at = None;
        if !context.sabotage.is(Bug::AnnounceAfterRelease) {
            self.steps.add(Step::CancelAnnouncements);
        }
        if orderly && context.me.before_release {
            self.steps.add(Step::BeforeRelease);
        }
        self.steps.add(Step::RemoveAddresses);
        self.plan_standby(context);
    }

    /// What a standby keeps.
    pub(super) fn plan_standby(&mut self, context: &Context<'_>) {
        if context.me.sync {
            let ends = context.stopping || self.leaving;
            let part = if ends {
                SyncPart::None
            } else {
                SyncPart::Backup
            };
            self.steps.add(Step::Sync(part));
        }
        match context.me.standby {
            Standby::Warm if self.state == State::Wait => self.steps.add(Step::PrepareTable),
            Standby::Warm => {}
            Standby::Cold => self.steps.add(Step::ClearTable),
        }
    }

    /// Asks for the next step. While this process does not know what it missed only
    /// addresses are removed.
    pub(super) fn proceed(&mut self, context: &mut Context<'_>) {
        if self.steps.pending.is_some() {
            return;
        }
        let first = self.steps.queue.iter().next().copied();
        let Some(step) = first.filter(|step| !context.suspect || removes(*step)) else {
            return;
        };
        self.steps.queue.pop_front();
        self.steps.pending = Some((step, context.now));
        if step == Step::AddAddresses {
            self.added = true;
        }
        context.out.push(Action::Do {
            instance: self.id,
            epoch: self.epoch,
            step,
        });
    }

    /// The result of a step.
    pub(in crate::failover) fn done(
        &mut self,
        epoch: u64,
        step: Step,
        result: Result<(), String>,
        context: &mut Context<'_>,
    ) {
        if epoch != self.epoch
            || self
                .steps
                .pending
                .is_none_or(|(pending, _)| pending != step)
        {
            return;
        }
        self.steps.pending = None;
        match result {
            Ok(()) => self.succeeded(step, context),
            Err(reason) => self.failed(step, &reason, context),
        }
    }

    /// A step that takes too long has failed.
    pub(super) fn check_step(&mut self, context: &mut Context<'_>) {
        let Some((step, since)) = self.steps.pending else {
            return;
        };
        if context.now >= since + limit(step, context.dead_after) {
            self.steps.pending = None;
            self.failed(step, "took too long", context);
        }
    }

    fn succeeded(&mut self, step: Step, context: &mut Context<'_>) {
        if step == Step::RemoveAddresses {
            self.added = false;
            match self.state {
                State::Release => self.set_released(context),
                State::Blocked => {
                    self.set_released(context);
                    self.steps.clear();
                    self.plan_standby(context);
                    self.enter(State::Release, Reason::Released, context);
                }
                _ => {}
            }
        }
    }

    fn set_released(&mut self, context: &mut Context<'_>) {
        self.released = Some(context.now);
        self.stand_off(context);
        context.out.insist();
    }

    fn failed(&mut self, step: Step, reason: &str, context: &mut Context<'_>) {
        self.failures.note(step, reason, context.now);
        let name = &context.me.name;
        context.out.alarm(context.now, AlarmKind::StepFailed, || {
            format!("{name}: {step}: {reason}")
        });
        match (self.state, step) {
            (State::Init | State::Release, Step::RemoveAddresses) => self.block(context),
            (State::Blocked, Step::RemoveAddresses) => {
                self.repair_at = Some(context.now + REPAIR_AGAIN);
            }
            (
                State::Acquire,
                Step::PrepareTable | Step::Sync(SyncPart::None) | Step::AddAddresses,
            ) => {
                self.failures.count(context.now);
                self.release(Reason::StepFailed(step), context);
                self.claim_after = context.now + self.failures.back_off();
            }
            (State::Active, Step::AddAddresses) => {
                self.failures.count(context.now);
                self.missing = true;
                self.repair_at = Some(context.now + REPAIR_AGAIN);
            }
            (State::Active | State::Acquire, Step::Announce) => {
                self.announce_at.push(context.now + REPAIR_AGAIN);
            }
            (
                State::Standby | State::Fault | State::Release,
                Step::Sync(_) | Step::PrepareTable | Step::ClearTable,
            )
            | (State::Acquire | State::Active, Step::Sync(_)) => {
                self.settle_at = Some(context.now + SETTLE_AGAIN);
            }
            _ => {}
        }
    }

    /// The address stays: nobody may be told that it is gone.
    fn block(&mut self, context: &mut Context<'_>) {
        if context.sabotage.is(Bug::ReleasedWhenBlocked) {
            return self.set_released(context);
        }
        self.steps.clear();
        self.attempt = 0;
        self.repair_at = Some(context.now);
        self.enter(State::Blocked, Reason::NotRemoved, context);
        let name = &context.me.name;
        context.out.alarm(context.now, AlarmKind::Blocked, || {
            format!("{name}: an address cannot be removed; the peer must not take over")
        });
    }

    /// Other means, then the removal again.
    pub(super) fn unblock(&mut self, context: &Context<'_>) {
        if self.steps.is_done() && self.repair_at.is_some_and(|at| context.now >= at) {
            self.repair_at = None;
            self.attempt = self.attempt.saturating_add(1);
            self.steps.add(Step::Isolate {
                attempt: self.attempt,
            });
            self.steps.add(Step::RemoveAddresses);
        }
    }
}

fn removes(step: Step) -> bool {
    matches!(step, Step::CancelAnnouncements | Step::RemoveAddresses)
}
