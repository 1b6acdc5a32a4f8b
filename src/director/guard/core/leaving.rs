//! Giving up the addresses of instances, until they are gone.

use std::time::Duration;

use super::{
    Action, Core, FenceReason, LISTEN_AFTER, Loopback, Report, Step, VirtualAddress, failed,
};

/// Times between attempts to delete; then the last one again and again.
const DELETE_AGAIN: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// Addresses that have to go.
#[derive(Debug)]
pub(super) struct Leaving {
    epoch: u64,
    addresses: Vec<VirtualAddress>,
    loopback: Vec<Loopback>,
    attempts: usize,
    again_at: Option<Duration>,
    /// Whether the main process wants to know that they are gone.
    report: bool,
}

impl Leaving {
    fn new(
        epoch: u64,
        addresses: Vec<VirtualAddress>,
        loopback: Vec<Loopback>,
        report: bool,
    ) -> Self {
        Self {
            epoch,
            addresses,
            loopback,
            attempts: 0,
            again_at: None,
            report,
        }
    }

    pub(super) fn next(&self) -> Option<Duration> {
        self.again_at
    }

    fn action(&self, instance: &str) -> Action {
        Action::Drop {
            instance: instance.to_owned(),
            addresses: self.addresses.clone(),
            loopback: self.loopback.clone(),
        }
    }
}

impl Core {
    /// The main process gives addresses up. When it was not told that they were held they
    /// are removed all the same.
    pub(super) fn release(
        &mut self,
        instance: String,
        epoch: u64,
        addresses: Vec<VirtualAddress>,
        actions: &mut Vec<Action>,
    ) {
        let mut leaving = self
            .leaving
            .remove(&instance)
            .unwrap_or_else(|| Leaving::new(epoch, Vec::new(), Vec::new(), true));
        leaving.report = true;
        leaving.epoch = leaving.epoch.max(epoch);
        for address in addresses {
            if !leaving.addresses.contains(&address) {
                leaving.addresses.push(address);
            }
        }
        if let Some(mut held) = self.held.remove(&instance) {
            leaving.epoch = leaving.epoch.max(held.epoch);
            held.addresses.retain(|a, _| !leaving.addresses.contains(a));
            let all = held.addresses.is_empty();
            // Of a part, its own copies only: the others stay.
            let goes = |copy: &Loopback| {
                let mut released = leaving.addresses.iter();
                all || released.any(|a| a.address == copy.address)
            };
            let (gone, stay): (Vec<_>, Vec<_>) = held.loopback.into_iter().partition(goes);
            leaving.loopback.extend(gone);
            held.loopback = stay;
            if !all {
                self.held.insert(instance.clone(), held);
            }
        }
        if !self.held.contains_key(&instance) {
            self.never_again(&instance, leaving.epoch);
        }
        actions.push(leaving.action(&instance));
        self.leaving.insert(instance, leaving);
    }

    /// One attempt to remove has ended.
    pub(super) fn dropped(
        &mut self,
        instance: &str,
        result: Result<(), String>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let Some(leaving) = self.leaving.get_mut(instance) else {
            return;
        };
        match result {
            Ok(()) => {
                self.listen_at = Some(now + LISTEN_AFTER);
                if leaving.report {
                    actions.push(Action::Report(Report::Released {
                        instance: instance.to_owned(),
                        epoch: leaving.epoch,
                    }));
                }
                self.leaving.remove(instance);
            }
            Err(why) => {
                let last = DELETE_AGAIN.len() - 1;
                leaving.again_at = Some(now + DELETE_AGAIN[leaving.attempts.min(last)]);
                leaving.attempts += 1;
                // Said at first, and again when it becomes a matter of seconds.
                if leaving.attempts == 1 || leaving.attempts == last + 1 {
                    let epoch = leaving.epoch;
                    actions.push(failed(Step::Release, instance.to_owned(), epoch, why));
                }
            }
        }
    }

    pub(super) fn drop_again(&mut self, now: Duration, actions: &mut Vec<Action>) {
        for (instance, leaving) in &mut self.leaving {
            if leaving.again_at.is_some_and(|at| at <= now) {
                leaving.again_at = None;
                actions.push(leaving.action(instance));
            }
        }
    }

    /// Everything that is held has to go.
    pub(super) fn give_up(&mut self, why: FenceReason, actions: &mut Vec<Action>) {
        let all = self
            .held
            .iter()
            .map(|(name, held)| (name.clone(), held.epoch));
        let all = all.collect();
        self.fence(all, why, actions);
    }

    pub(super) fn fence(
        &mut self,
        instances: Vec<(String, u64)>,
        why: FenceReason,
        actions: &mut Vec<Action>,
    ) {
        if instances.is_empty() {
            return;
        }
        for (instance, epoch) in &instances {
            self.never_again(instance, *epoch);
            self.leave(instance, actions);
        }
        actions.push(Action::Report(Report::Fenced { instances, why }));
    }

    pub(super) fn leave(&mut self, instance: &str, actions: &mut Vec<Action>) {
        if let Some(held) = self.held.remove(instance) {
            let addresses = held.addresses.into_keys().collect();
            let leaving = Leaving::new(held.epoch, addresses, held.loopback, false);
            actions.push(leaving.action(instance));
            self.leaving.insert(instance.to_owned(), leaving);
        }
    }

    pub(super) fn never_again(&mut self, instance: &str, epoch: u64) {
        let oldest = self.given_up.entry(instance.to_owned()).or_default();
        *oldest = epoch.max(*oldest);
    }
}
