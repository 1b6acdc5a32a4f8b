//! Taking a configuration into force: the first one, and each later one as a difference.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{Config, Phase};
use crate::model::{Availability, Check, ServiceKey, Table};

use super::super::lane::CheckResult;
use super::checks::{Dependant, Role};
use super::managed::Managed;
use super::{Action, Core};

impl Core {
    /// Takes a new configuration into force. Servers that keep their service, address and
    /// check keep all that is known of them; services that vanished leave the kernel.
    ///
    /// `observed` is what the kernel holds of the services named by [`Core::new_services`].
    pub fn reload(&mut self, config: Arc<Config>, observed: Table, now: Instant) {
        self.phase = Phase::Reloading;
        self.phase_since = now;
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
        let mut recipients = config.services.iter().map(|s| &s.mail.recipients);
        self.mails |= recipients.any(Option::is_some);
        let answered = self.uplink.configure(&config.globals.uplink);
        self.take_answered(answered);
        self.config = config;
        self.run_checks(now);
    }

    /// Runs exactly the checks of the configuration. A server that joins a check which has a
    /// result already takes that result at once.
    fn run_checks(&mut self, now: Instant) {
        let mut wanted: BTreeMap<Arc<Check>, Vec<Dependant>> = BTreeMap::new();
        for (key, managed) in &self.services {
            for index in 0..managed.reals.len() {
                let both = [
                    (managed.check(index), Role::Health),
                    (managed.agent(index), Role::Agent),
                ];
                for (check, role) in both {
                    if let Some(check) = check {
                        wanted
                            .entry(Arc::clone(check))
                            .or_default()
                            .push(Dependant {
                                service: *key,
                                index,
                                role,
                            });
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
        for (dependant, result) in self.known_results() {
            self.take_result(dependant, &result, now);
        }
        self.watch_checks(None);
    }

    /// What is known already of checks that servers have joined.
    fn known_results(&self) -> Vec<(Dependant, CheckResult)> {
        let mut known = Vec::new();
        for (key, managed) in &self.services {
            for (index, real) in managed.reals.iter().enumerate() {
                let is_new = real.machine.availability() == Availability::Unknown;
                let health = managed.check(index).filter(|_| is_new);
                let agent = managed
                    .agent(index)
                    .filter(|_| !real.usage.is_agent_heard());
                for (check, role) in [(health, Role::Health), (agent, Role::Agent)] {
                    let result = check.and_then(|check| self.checks.last(check));
                    known.extend(result.map(|result| {
                        let dependant = Dependant {
                            service: *key,
                            index,
                            role,
                        };
                        (dependant, result.clone())
                    }));
                }
            }
        }
        known
    }
}
