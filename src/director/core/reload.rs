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
                let health = managed.checks(index).map(|check| (check, Role::Health));
                let agent = managed.agent(index).map(|check| (check, Role::Agent));
                for (check, role) in health.chain(agent) {
                    let dependant = Dependant {
                        service: *key,
                        index,
                        role,
                    };
                    let dependants = wanted.entry(Arc::clone(check)).or_default();
                    // Two checks of one rule may be the same under different names.
                    if dependants.last() != Some(&dependant) {
                        dependants.push(dependant);
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
        self.take_known(now);
        self.watch_checks(self.checks.ids());
    }

    /// Takes what is known already of checks that servers have joined.
    fn take_known(&mut self, now: Instant) {
        for (dependant, results) in self.known_results() {
            match dependant.role {
                Role::Health => {
                    for (number, result) in &results {
                        self.note_health(dependant, &[*number], result);
                    }
                    let reported: Vec<usize> = results.iter().map(|(number, _)| *number).collect();
                    self.judge(dependant, &reported, now);
                }
                Role::Agent => {
                    for (_, result) in &results {
                        self.take_advice(dependant, result, now);
                    }
                }
            }
        }
    }

    /// The last results of the checks of servers of which nothing is known yet, with the
    /// numbers of the checks.
    fn known_results(&self) -> Vec<(Dependant, Vec<(usize, CheckResult)>)> {
        let mut known = Vec::new();
        for (key, managed) in &self.services {
            for (index, real) in managed.reals.iter().enumerate() {
                let is_new = real.machine.availability() == Availability::Unknown;
                let health: Vec<_> = managed.checks(index).filter(|_| is_new).collect();
                let is_heard = real.usage.is_agent_heard();
                let agent: Vec<_> = managed
                    .agent(index)
                    .filter(|_| !is_heard)
                    .into_iter()
                    .collect();
                for (checks, role) in [(health, Role::Health), (agent, Role::Agent)] {
                    let numbered = checks.into_iter().enumerate();
                    let results: Vec<_> = numbered
                        .filter_map(|(number, check)| {
                            Some((number, self.checks.last(check)?.clone()))
                        })
                        .collect();
                    if !results.is_empty() {
                        let dependant = Dependant {
                            service: *key,
                            index,
                            role,
                        };
                        known.push((dependant, results));
                    }
                }
            }
        }
        known
    }
}
