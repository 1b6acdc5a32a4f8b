//! Which checks run, and who depends on them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::config::RealRule;
use crate::health::rule::Part;
use crate::model::{Check, ServiceKey};

use super::super::lane::{CheckResult, Watch};
use super::CheckId;

/// Who depends on a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dependant {
    pub(super) service: ServiceKey,
    /// Position of the real server in the configuration.
    pub(super) index: usize,
    pub(super) role: Role,
}

/// What a check is for a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It decides whether the server is available.
    Health,
    /// It asks its agent.
    Agent,
}

/// The checks that run. Equal checks are one, whoever asked for them.
#[derive(Debug, Default)]
pub(super) struct Checks {
    next: u64,
    ids: BTreeMap<Arc<Check>, CheckId>,
    running: BTreeMap<CheckId, Running>,
}

#[derive(Debug, Default)]
struct Running {
    interval: Duration,
    dependants: Vec<Dependant>,
    last: Option<CheckResult>,
    watch: Watch,
}

/// What a change of the wanted checks means for the outside.
#[derive(Debug, Default)]
pub(super) struct Replaced {
    pub(super) started: Vec<(CheckId, Arc<Check>)>,
    pub(super) ended: Vec<CheckId>,
}

impl Checks {
    /// Runs exactly the wanted checks. One that ran before keeps its id and last outcome.
    pub(super) fn replace(&mut self, wanted: BTreeMap<Arc<Check>, Vec<Dependant>>) -> Replaced {
        let mut before = std::mem::take(&mut self.ids);
        let mut replaced = Replaced::default();
        for (check, dependants) in wanted {
            let id = before.remove(&check).unwrap_or_else(|| {
                let id = CheckId(self.next);
                self.next += 1;
                replaced.started.push((id, Arc::clone(&check)));
                id
            });
            let running = self.running.entry(id).or_default();
            running.interval = check.interval;
            running.dependants = dependants;
            self.ids.insert(check, id);
        }
        for id in before.into_values() {
            self.running.remove(&id);
            replaced.ended.push(id);
        }
        replaced
    }

    /// Remembers a result and says whom it concerns. A result of a check that has ended
    /// concerns nobody. What an agent does not mention stays as it said before.
    pub(super) fn record(&mut self, id: CheckId, result: &mut CheckResult) -> Vec<Dependant> {
        let Some(running) = self.running.get_mut(&id) else {
            return Vec::new();
        };
        let is_agent = running.dependants.iter().any(|d| d.role == Role::Agent);
        if let (true, Some(last)) = (is_agent, running.last.take()) {
            let latest = std::mem::replace(&mut result.advice, last.advice);
            result.advice.update(&latest);
        }
        running.last = Some(result.clone());
        running.dependants.clone()
    }

    /// Looks at a check in a way. `None` when that is the way it is looked at already.
    pub(super) fn watch(&mut self, id: CheckId, watch: Watch) -> Option<Watch> {
        let running = self.running.get_mut(&id)?;
        let before = std::mem::replace(&mut running.watch, watch);
        (before != watch).then_some(watch)
    }

    /// Who depends on a running check, and its own interval.
    pub(super) fn dependants(&self, id: CheckId) -> Option<(&[Dependant], Duration)> {
        let running = self.running.get(&id)?;
        Some((&running.dependants, running.interval))
    }

    /// Ids of all running checks.
    pub(super) fn ids(&self) -> Vec<CheckId> {
        self.running.keys().copied().collect()
    }

    /// Every running check.
    pub(super) fn all(&self) -> Vec<(CheckId, Arc<Check>)> {
        let checks = self.ids.iter();
        checks.map(|(check, id)| (*id, Arc::clone(check))).collect()
    }

    /// Whether each has had an outcome.
    pub(super) fn have_all_ended_once(&self) -> bool {
        self.running.values().all(|running| running.last.is_some())
    }

    /// Id of a running check.
    pub(super) fn id(&self, check: &Check) -> Option<CheckId> {
        self.ids.get(check).copied()
    }

    /// Last result of a running check.
    pub(super) fn last(&self, check: &Check) -> Option<&CheckResult> {
        self.running.get(self.ids.get(check)?)?.last.as_ref()
    }

    /// The checks of a rule with their last outcomes, in its order.
    pub(super) fn parts<'a>(&'a self, rule: &'a RealRule) -> Vec<Part<'a>> {
        let parts = rule.parts.iter().map(|part| {
            let last = self.last(&part.check);
            Part {
                name: &part.name,
                last: last.map(|last| (&last.outcome, last.detail.as_str())),
            }
        });
        parts.collect()
    }
}
