//! Taking a configuration into force: the first one, and each later one as a difference.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::Config;
use crate::model::{Availability, Check, ServiceKey, Table};

use super::managed::Managed;
use super::{Action, Core};

impl Core {
    /// Takes a new configuration into force. Servers that keep their service, address and
    /// check keep all that is known of them; services that vanished leave the kernel.
    ///
    /// `observed` is what the kernel holds of the services named by [`Core::new_services`].
    pub fn reload(&mut self, config: Arc<Config>, observed: Table, now: Instant) {
        self.adopt(config, observed, now);
    }

    /// Services of a configuration that are not managed yet.
    pub fn new_services(&self, config: &Config) -> Vec<ServiceKey> {
        let keys = config.services.iter().map(|service| service.key);
        keys.filter(|key| !self.table.contains_key(key)).collect()
    }

    pub(super) fn adopt(&mut self, config: Arc<Config>, observed: Table, now: Instant) {
        let table = Arc::make_mut(&mut self.table);
        for (key, entry) in observed {
            table.entry(key).or_insert(entry);
        }
        let mut before = std::mem::take(&mut self.services);
        for service in &config.services {
            let key = service.key;
            let previous = before.remove(&key);
            let managed = Managed::new(Arc::clone(service), previous, self.table.get(&key), now);
            self.services.insert(key, managed);
            self.unwanted.remove(&key);
            self.refusals.remove(&key);
            self.dirty.insert(key);
        }
        for key in before.into_keys() {
            self.unwanted.insert(key);
            self.dirty.insert(key);
        }
        self.config = config;
        self.run_checks(now);
    }

    /// Runs exactly the checks of the configuration. A server that joins a check which has a
    /// result already takes that result at once.
    fn run_checks(&mut self, now: Instant) {
        let mut wanted: BTreeMap<Arc<Check>, Vec<(ServiceKey, usize)>> = BTreeMap::new();
        for (key, managed) in &self.services {
            for index in 0..managed.reals.len() {
                for check in managed.virtual_service.reals[index].check.checks() {
                    let dependants = wanted.entry(Arc::clone(check)).or_default();
                    // Two checks of one rule may be the same under different names.
                    if dependants.last() != Some(&(*key, index)) {
                        dependants.push((*key, index));
                    }
                }
            }
        }
        let replaced = self.checks.replace(wanted);
        let ended = replaced.ended.into_iter().map(Action::StopCheck);
        let started = replaced.started.into_iter();
        self.actions.extend(ended);
        self.actions
            .extend(started.map(|(id, check)| Action::StartCheck(id, check)));
        let mut events = Vec::new();
        for (key, managed) in &mut self.services {
            for index in 0..managed.reals.len() {
                if managed.reals[index].machine.availability() != Availability::Unknown {
                    continue;
                }
                let check = &managed.virtual_service.reals[index].check;
                if let Some((outcome, detail)) = self.checks.verdict(check) {
                    let event = managed.handle_outcome(index, &outcome, &detail, now);
                    events.extend(event.map(|event| (*key, index, event)));
                }
            }
        }
        for (key, index, event) in events {
            self.note_event(&key, index, event);
        }
    }
}
