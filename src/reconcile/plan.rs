//! The ordered difference between the desired and the observed table.

use std::collections::BTreeMap;

use crate::model::{Destination, DestinationKey, Entry, Operation, ServiceKey, Table};

/// An ordered list of changes. Only [`plan()`] makes one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    operations: Vec<Operation>,
}

impl Plan {
    /// The changes, in the order in which they are to be made.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// The changes by value.
    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}

/// From this many destinations on, a new `mh` service is filled before the scheduler is
/// attached: the kernel rebuilds the whole Maglev table at each change (kernel note 0024).
const MAGLEV_BULK: usize = 16;

/// Orders the changes that make `observed` look like `desired`.
///
/// `desired` holds the services concerned: `Some` is how the service should look, `None`
/// that it should not exist. Every other service of `observed` is left alone.
pub fn plan(desired: &BTreeMap<ServiceKey, Option<Entry>>, observed: &Table) -> Plan {
    let mut operations = Vec::new();
    for (key, entry) in desired {
        if let Some(entry) = entry {
            match observed.get(key) {
                Some(found) => edit_service(*key, entry, found, &mut operations),
                None => add_service(*key, entry, &mut operations),
            }
        }
    }
    let unwanted = desired
        .iter()
        .filter(|(key, entry)| entry.is_none() && observed.contains_key(key));
    operations.extend(unwanted.map(|(key, _)| Operation::DeleteService(*key)));
    Plan { operations }
}

fn add_service(key: ServiceKey, entry: &Entry, operations: &mut Vec<Operation>) {
    let maglev = entry
        .service
        .scheduler
        .as_ref()
        .is_some_and(|scheduler| scheduler.name() == "mh");
    let in_bulk = maglev && entry.destinations.len() >= MAGLEV_BULK;
    let mut service = entry.service.clone();
    if in_bulk {
        service.scheduler = None;
    }
    operations.push(Operation::AddService(key, service));
    let additions = entry.destinations.values();
    operations.extend(additions.map(|destination| Operation::AddDestination(key, *destination)));
    if in_bulk {
        operations.push(Operation::SetService(key, entry.service.clone()));
    }
}

fn edit_service(key: ServiceKey, wanted: &Entry, found: &Entry, operations: &mut Vec<Operation>) {
    if wanted.service != found.service {
        operations.push(Operation::SetService(key, wanted.service.clone()));
    }
    let mut edits: Vec<(Step, Operation)> = Vec::new();
    for (destination_key, destination) in &wanted.destinations {
        match found.destinations.get(destination_key) {
            None => edits.push((Step::Add, Operation::AddDestination(key, *destination))),
            Some(known) if known != destination => {
                let step = Step::of_edit(known, destination);
                edits.push((step, Operation::SetDestination(key, *destination)));
            }
            Some(_) => {}
        }
    }
    for destination_key in missing(&found.destinations, &wanted.destinations) {
        let operation = Operation::DeleteDestination(key, destination_key);
        edits.push((Step::Remove, operation));
    }
    edits.sort_by_key(|(step, _)| *step);
    operations.extend(edits.into_iter().map(|(_, operation)| operation));
}

fn missing<'a>(
    found: &'a BTreeMap<DestinationKey, Destination>,
    wanted: &'a BTreeMap<DestinationKey, Destination>,
) -> impl Iterator<Item = DestinationKey> + 'a {
    found
        .keys()
        .filter(|key| !wanted.contains_key(key))
        .copied()
}

/// The order within one service: what makes a server usable comes before what makes one
/// unusable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Add,
    Raise,
    Change,
    Quiesce,
    Remove,
}

impl Step {
    fn of_edit(from: &Destination, to: &Destination) -> Self {
        match (from.weight, to.weight) {
            (0, 1..) => Self::Raise,
            (1.., 0) => Self::Quiesce,
            _ => Self::Change,
        }
    }
}
