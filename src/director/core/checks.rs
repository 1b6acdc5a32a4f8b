//! Which checks run, and who depends on them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{RealCheck, RealRule};
use crate::health::rule::{self, Part};
use crate::model::{Check, Outcome, ServiceKey};

use super::CheckId;

/// A real server of a service: the service and the position in its configuration.
type Dependant = (ServiceKey, usize);

/// The checks that run. Equal checks are one, whoever asked for them.
#[derive(Debug, Default)]
pub(super) struct Checks {
    next: u64,
    ids: BTreeMap<Arc<Check>, CheckId>,
    running: BTreeMap<CheckId, Running>,
}

#[derive(Debug, Default)]
struct Running {
    dependants: Vec<Dependant>,
    last: Option<(Outcome, String)>,
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
            self.running.entry(id).or_default().dependants = dependants;
            self.ids.insert(check, id);
        }
        for id in before.into_values() {
            self.running.remove(&id);
            replaced.ended.push(id);
        }
        replaced
    }

    /// Remembers an outcome and says whom it concerns. An outcome of a check that has ended
    /// concerns nobody.
    pub(super) fn record(
        &mut self,
        id: CheckId,
        outcome: &Outcome,
        detail: &str,
    ) -> Vec<Dependant> {
        let Some(running) = self.running.get_mut(&id) else {
            return Vec::new();
        };
        running.last = Some((outcome.clone(), detail.to_owned()));
        running.dependants.clone()
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

    /// Last outcome of a running check, with the description of a success.
    pub(super) fn last(&self, check: &Check) -> Option<(&Outcome, &str)> {
        let running = self.running.get(self.ids.get(check)?)?;
        let (outcome, detail) = running.last.as_ref()?;
        Some((outcome, detail))
    }

    /// What the last outcomes of its checks make of a rule, with the description of a success;
    /// `None` while that is open.
    pub(super) fn judge(&self, rule: &RealRule) -> Option<(Outcome, String)> {
        let parts = rule.parts.iter().map(|part| Part {
            name: &part.name,
            last: self.last(&part.check),
        });
        rule::judge(&rule.rule, &parts.collect::<Vec<_>>())
    }

    /// What is known of a server that is checked so.
    pub(super) fn verdict(&self, check: &RealCheck) -> Option<(Outcome, String)> {
        match check {
            RealCheck::Always | RealCheck::Off => None,
            RealCheck::Probe(check) => {
                let (outcome, detail) = self.last(check)?;
                Some((outcome.clone(), detail.to_owned()))
            }
            RealCheck::Rule(rule) => self.judge(rule),
        }
    }
}
