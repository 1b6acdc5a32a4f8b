//! Carrying out what the state machine wants.

use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::oneshot;

use super::handle::Wish;
use super::hooks::{Hook, Kind};
use super::node::Node;
use super::status::Alarm;
use crate::failover::{Action, Event, HookKind, InstanceId, Reason, State, Step};
use crate::model::pair::Instance;

impl Node {
    /// Carries out one action. What takes time comes back as an event.
    pub(super) fn perform(&mut self, action: Action) {
        match action {
            Action::Send { link, bytes } => self.links.send(link, &bytes),
            Action::Keep {
                limit, farewell, ..
            } => self.keeper.beat(limit, farewell),
            Action::Do {
                instance,
                epoch,
                step,
            } => self.carry_out(instance, epoch, step),
            Action::StartProbe { instance, window } => {
                if let Some(configured) = self.instance(instance).cloned() {
                    self.probes
                        .start(instance, &configured, window, &self.results);
                }
            }
            Action::StopProbe { instance } => self.probes.stop(instance),
            Action::Drain => self.drain(),
            Action::Hook {
                instance,
                kind,
                epoch,
                reason,
            } => {
                let kind = match kind {
                    HookKind::AfterActive => Kind::AfterActive,
                    HookKind::AfterRelease => Kind::AfterRelease,
                    HookKind::AfterFault => Kind::AfterFault,
                };
                let hook = self.hook(instance, kind, epoch, reason.to_string());
                self.hooks.push(hook);
            }
            Action::Alarm { kind, text } => {
                tracing::warn!("{text}");
                let at = Instant::now();
                self.note_alarm(Alarm { at, kind, text });
            }
            Action::Transition {
                instance,
                from,
                to,
                reason,
                epoch,
            } => self.tell_transition(instance, (from, to), reason, epoch),
            Action::Reply { ticket, result } => {
                if let Some(reply) = self.tickets.remove(&ticket) {
                    // The operator may have gone meanwhile.
                    let _ = reply.send(result);
                }
            }
            Action::Exit => self.ended = true,
        }
    }

    fn tell_transition(
        &mut self,
        id: InstanceId,
        (from, to): (State, State),
        reason: Reason,
        epoch: u64,
    ) {
        self.entered.insert(id, (to, reason));
        let instance = self.name_of(id);
        if matches!(to, State::Fault | State::Blocked) {
            tracing::error!(%instance, epoch, "{from} → {to}: {reason}");
        } else {
            tracing::info!(%instance, epoch, "{from} → {to}: {reason}");
        }
    }

    fn hook(&self, id: InstanceId, kind: Kind, epoch: u64, reason: String) -> Hook {
        let state = match (kind, self.entered.get(&id)) {
            (Kind::AfterActive | Kind::BeforeRelease, _) => "active",
            (Kind::AfterFault, _) | (Kind::AfterRelease, Some((State::Fault, _))) => "fault",
            (Kind::AfterRelease, _) => "standby",
        };
        Hook {
            instance: self.name_of(id),
            kind,
            state: state.to_owned(),
            epoch,
            reason,
        }
    }

    fn carry_out(&mut self, id: InstanceId, epoch: u64, step: Step) {
        let Some(instance) = self.instance(id).cloned() else {
            return self.done(id, epoch, step, Err("no such instance".to_owned()));
        };
        match step {
            Step::StoreEpoch => {
                let store = Arc::clone(&self.store);
                self.beside(id, epoch, step, async move {
                    match store.lock().await.store(&instance.name, epoch).await {
                        super::epochs::Stored::Durable => Ok(()),
                        super::epochs::Stored::Late => Err("the disk is slow".to_owned()),
                        super::epochs::Stored::Failed(reason) => Err(reason),
                    }
                });
            }
            Step::PrepareTable => self.table(id, epoch, step, instance, true),
            Step::ClearTable => self.table(id, epoch, step, instance, false),
            Step::Sync(part) => {
                let Some(sync) = instance.sync.clone() else {
                    return self.done(id, epoch, step, Ok(()));
                };
                let (parts, kernel) = (Arc::clone(&self.sync_parts), self.kernel.clone());
                self.beside(id, epoch, step, async move {
                    let mut parts = parts.lock().await;
                    let result = parts.take(&kernel, &instance.name, &sync, part).await;
                    result.map_err(|error| error.to_string())
                });
            }
            Step::BeforeRelease => {
                let reason = self.entered.get(&id).map(|(_, reason)| reason.to_string());
                let hook = self.hook(id, Kind::BeforeRelease, epoch, reason.unwrap_or_default());
                let answer = self.hooks.push_and_report(hook);
                // Late or not: a release waits for no program longer than that.
                self.beside(id, epoch, step, async move {
                    drop(answer.await);
                    Ok(())
                });
            }
            Step::AddAddresses
            | Step::Announce
            | Step::CancelAnnouncements
            | Step::RemoveAddresses => self.at_guard(id, epoch, step, &instance),
            Step::Isolate { attempt } => {
                let result = self.isolation.begin(&instance, attempt);
                self.done(id, epoch, step, result);
            }
        }
    }

    /// Runs a step beside the loop.
    fn beside(
        &self,
        instance: InstanceId,
        epoch: u64,
        step: Step,
        work: impl Future<Output = Result<(), String>> + Send + 'static,
    ) {
        let results = self.results.clone();
        tokio::spawn(async move {
            let result = work.await;
            // The node may have ended meanwhile.
            let _ = results.send(Event::Done {
                instance,
                epoch,
                step,
                result,
            });
        });
    }

    /// Asks the director to put an instance's services into the kernel, or to take them out.
    fn table(&self, id: InstanceId, epoch: u64, step: Step, instance: Instance, present: bool) {
        let (done, answer) = oneshot::channel();
        // A director that is gone drops the question, which is an answer too.
        let _ = self.wishes.send(Wish::Table {
            instance: instance.name,
            present,
            done,
        });
        self.beside(id, epoch, step, async move {
            let gone = |_| Err("the director has ended".to_owned());
            answer.await.unwrap_or_else(gone)
        });
    }

    /// A step that is done is told after what is being carried out now.
    pub(super) fn done(
        &mut self,
        instance: InstanceId,
        epoch: u64,
        step: Step,
        result: Result<(), String>,
    ) {
        self.later(Event::Done {
            instance,
            epoch,
            step,
            result,
        });
    }

    fn at_guard(&mut self, id: InstanceId, epoch: u64, step: Step, instance: &Instance) {
        let result = match step {
            Step::AddAddresses => self.keeper.hold(instance, epoch),
            Step::RemoveAddresses => self.keeper.release(instance, epoch),
            Step::Announce => {
                self.keeper.announce(&instance.name, epoch);
                return self.done(id, epoch, step, Ok(()));
            }
            _ => {
                self.keeper.cancel_announcements(&instance.name);
                return self.done(id, epoch, step, Ok(()));
            }
        };
        if let Err(reason) = result {
            self.done(id, epoch, step, Err(reason));
        }
    }

    /// An instance whose addresses are gone has nothing to hide.
    pub(super) fn end_isolation(&mut self, event: &Event) {
        let Event::Done {
            instance,
            step: Step::RemoveAddresses,
            result: Ok(()),
            ..
        } = event
        else {
            return;
        };
        self.isolation.end(*instance);
    }
}
