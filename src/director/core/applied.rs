//! What became of a plan: the table is followed, the operator is told, refusals are retried.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Phase;
use crate::model::{DestinationKey, Entry, Failure, Operation, ServiceKey, Table};

use super::super::notice::{Change, Notice};
use super::managed::Managed;
use super::{Action, Core, alerts};

/// Why the kernel refused an operation, or a whole batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Operation, object and reason in words, with the command that mends it if there is one.
    pub text: String,
    /// The table was not what it was believed to be (something exists, or is gone): reading
    /// it again helps.
    pub stale: bool,
}

/// A service that the kernel refused to change as wished.
#[derive(Debug)]
pub(super) struct Refusal {
    attempts: u32,
    retry_at: Option<Instant>,
}

/// More changes at once than this, of which none is the transition of a server (the first
/// filling of a large table, a large reload), are told of in one line.
const SUMMARY: usize = 200;

/// First and longest wait before a refused change is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);

impl Refusal {
    pub(super) fn due(&self) -> Option<Instant> {
        self.retry_at
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }
}

impl Core {
    /// The plan of [`Action::Apply`] was carried out: every operation but the failed ones, or
    /// an unknown part of it when the exchange itself failed.
    pub fn handle_applied(
        &mut self,
        operations: &[Operation],
        result: Result<Vec<Failure<Refused>>, Refused>,
        now: Instant,
    ) {
        self.in_flight = false;
        let mut refused: BTreeSet<ServiceKey> = BTreeSet::new();
        match result {
            Ok(failures) => {
                let failed: BTreeSet<usize> = failures.iter().map(|f| f.index).collect();
                for failure in failures {
                    let Some(operation) = operations.get(failure.index) else {
                        continue;
                    };
                    let key = *operation.service();
                    if refused.insert(key) {
                        self.note_refusal(key, &failure.error, now);
                    }
                }
                let applied = operations.iter().enumerate();
                let applied = applied.filter(|(index, _)| !failed.contains(index));
                self.note_applied(applied.map(|(_, operation)| operation), now);
            }
            Err(error) => {
                for operation in operations {
                    let key = *operation.service();
                    if refused.insert(key) {
                        self.note_refusal(key, &error, now);
                    }
                }
            }
        }
        let done: BTreeSet<&ServiceKey> = operations.iter().map(Operation::service).collect();
        for key in done.into_iter().filter(|key| !refused.contains(key)) {
            self.settle(key);
        }
        self.reread(refused);
    }

    /// Services could not be read from the kernel: tried again like a refused change.
    pub fn handle_unreadable(&mut self, keys: &[ServiceKey], error: &Refused, now: Instant) {
        for key in keys {
            self.unread.remove(key);
            self.note_refusal(*key, error, now);
        }
    }

    pub(super) fn reread(&mut self, keys: BTreeSet<ServiceKey>) {
        if keys.is_empty() {
            return;
        }
        self.unread.extend(&keys);
        self.actions
            .push_back(Action::Reread(keys.into_iter().collect()));
    }

    pub(super) fn is_waiting(&self, key: &ServiceKey, now: Instant) -> bool {
        let retry_at = self.refusals.get(key).and_then(|r| r.retry_at);
        self.unread.contains(key) || retry_at.is_some_and(|at| at > now)
    }

    /// Refused services whose wait is over are read again, and planned after that.
    pub(super) fn retry_refused(&mut self, now: Instant) {
        let mut due = BTreeSet::new();
        for (key, refusal) in &mut self.refusals {
            if refusal.retry_at.is_some_and(|at| at <= now) {
                refusal.retry_at = None;
                due.insert(*key);
            }
        }
        self.dirty.extend(&due);
        self.reread(due);
    }

    fn note_refusal(&mut self, key: ServiceKey, error: &Refused, now: Instant) {
        let refusal = self.refusals.entry(key).or_insert(Refusal {
            attempts: 0,
            retry_at: None,
        });
        let first = refusal.attempts == 0;
        let doubled = RETRY_FIRST.saturating_mul(1 << refusal.attempts.min(8));
        let at_once = first && error.stale;
        refusal.attempts = refusal.attempts.saturating_add(1);
        refusal.retry_at = (!at_once).then(|| now + doubled.min(RETRY_LONGEST));
        self.dirty.insert(key);
        if first && !error.stale {
            let notice = Notice::refused(key, &error.text);
            self.actions.push_back(Action::Notice(notice));
        }
    }

    fn note_applied<'a>(
        &mut self,
        operations: impl Iterator<Item = &'a Operation> + Clone,
        now: Instant,
    ) {
        let summary = operations.clone().nth(SUMMARY).is_some();
        let mut untold = 0;
        let table = Arc::make_mut(&mut self.table);
        for operation in operations {
            let key = *operation.service();
            let purged = if self.mails {
                purged(operation, table)
            } else {
                Vec::new()
            };
            let change = change(
                operation,
                self.phase == Phase::Stopping,
                self.services.get(&key),
                table.get(&key),
            );
            follow(table, operation);
            let managed = self.services.get_mut(&key);
            let (fallback, transition, cause) = match (change.server(), managed) {
                (Some(server), Some(managed)) => (
                    managed.is_fallback(&server),
                    managed.take_transition(&server),
                    managed.cause(&server, now),
                ),
                _ => (false, None, None),
            };
            if matches!(operation, Operation::DeleteService(_)) && !self.passive.contains(&key) {
                let stopping = self.phase == Phase::Stopping;
                let alerts = purged
                    .into_iter()
                    .map(|server| Action::Alert(alerts::purged(key, server, stopping, self.phase)));
                self.actions.extend(alerts);
                if !self.services.contains_key(&key) {
                    self.actions.push_back(Action::Gone(key));
                }
            } else if let Some(occurrence) = alerts::applied(
                key,
                &change,
                fallback,
                transition.as_ref(),
                self.services.get(&key),
                self.phase,
            ) {
                self.actions.push_back(Action::Alert(occurrence));
            }
            if summary && transition.is_none() {
                untold += 1;
            } else {
                let notice = Notice::applied(
                    key,
                    &change,
                    fallback,
                    transition.as_ref(),
                    cause.as_deref(),
                );
                self.actions.push_back(Action::Notice(notice));
            }
        }
        if untold > 0 {
            self.actions.push_back(Action::Notice(Notice::bulk(untold)));
        }
    }
}

/// What an operation is called in the log.
fn change(
    operation: &Operation,
    stopping: bool,
    managed: Option<&Managed>,
    before: Option<&Entry>,
) -> Change {
    let was_used = |server| {
        let found = before.and_then(|entry| entry.destinations.get(server));
        found.is_some_and(|found| found.weight > 0)
    };
    match operation {
        Operation::AddService(..) => Change::ServiceAdded,
        Operation::SetService(..) => Change::ServiceChanged,
        Operation::DeleteService(_) => Change::ServicePurged { stopping },
        Operation::AddDestination(_, d) => Change::ServerAdded(d.key, d.weight),
        Operation::SetDestination(_, d) if d.weight == 0 => Change::ServerQuiesced(d.key),
        Operation::SetDestination(_, d) if was_used(&d.key) => {
            Change::ServerWeighed(d.key, d.weight)
        }
        Operation::SetDestination(_, d) => Change::ServerRestored(d.key, d.weight),
        Operation::DeleteDestination(_, server) => match managed {
            Some(m) if !m.is_fallback(server) && m.positions(server).is_empty() => {
                Change::ServerPurged(*server)
            }
            _ => Change::ServerDeleted(*server),
        },
    }
}

/// Servers that leave with their service.
fn purged(operation: &Operation, table: &Table) -> Vec<DestinationKey> {
    match operation {
        Operation::DeleteService(key) => table.get(key).map_or_else(Vec::new, |entry| {
            entry.destinations.keys().copied().collect()
        }),
        _ => Vec::new(),
    }
}

/// What an operation that succeeded does to the table.
fn follow(table: &mut Table, operation: &Operation) {
    match operation {
        Operation::AddService(key, service) | Operation::SetService(key, service) => {
            table
                .entry(*key)
                .and_modify(|entry| entry.service = service.clone())
                .or_insert_with(|| Entry {
                    service: service.clone(),
                    destinations: std::collections::BTreeMap::new(),
                });
        }
        Operation::DeleteService(key) => {
            table.remove(key);
        }
        Operation::AddDestination(key, destination)
        | Operation::SetDestination(key, destination) => {
            if let Some(entry) = table.get_mut(key) {
                entry.destinations.insert(destination.key, *destination);
            }
        }
        Operation::DeleteDestination(key, destination) => {
            if let Some(entry) = table.get_mut(key) {
                entry.destinations.remove(destination);
            }
        }
    }
}
