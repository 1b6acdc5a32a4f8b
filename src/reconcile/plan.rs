//! The ordered difference between the desired and the observed table.

use std::collections::BTreeMap;

use crate::model::{Destination, DestinationKey, Entry, Operation, ServiceKey};

/// From this many destinations on, a new `mh` service is filled before the scheduler is
/// attached: the kernel rebuilds the whole Maglev table at each change (kernel note 0024).
const MAGLEV_BULK: usize = 16;

/// Orders the changes that turn what is found into what is wanted. Services come one by one,
/// so that a large table need not be there a second time as a whole; every service that does
/// not come is left alone.
#[derive(Debug, Default)]
pub struct Planner {
    operations: Vec<Operation>,
    removals: Vec<ServiceKey>,
}

impl Planner {
    /// With room for so many changes.
    pub fn with_capacity(changes: usize) -> Self {
        Self {
            operations: Vec::with_capacity(changes),
            removals: Vec::new(),
        }
    }

    /// How a service should look, `None` if it should not exist, and how it is found. Whether
    /// that takes any change.
    pub fn want(&mut self, key: ServiceKey, wanted: Option<Entry>, found: Option<&Entry>) -> bool {
        let before = (self.operations.len(), self.removals.len());
        match (wanted, found) {
            (Some(wanted), Some(found)) => self.edit(key, &wanted, found),
            (Some(wanted), None) => self.add(key, wanted),
            (None, Some(_)) => self.removals.push(key),
            (None, None) => {}
        }
        (self.operations.len(), self.removals.len()) != before
    }

    /// The changes, in the order in which they are to be made.
    pub fn finish(self) -> Vec<Operation> {
        let mut operations = self.operations;
        operations.extend(self.removals.into_iter().map(Operation::DeleteService));
        operations
    }

    fn add(&mut self, key: ServiceKey, wanted: Entry) {
        let Entry {
            mut service,
            destinations,
        } = wanted;
        let scheduler = service.scheduler.as_ref();
        let maglev = scheduler.is_some_and(|scheduler| scheduler.name() == "mh");
        let complete = (maglev && destinations.len() >= MAGLEV_BULK).then(|| service.clone());
        if complete.is_some() {
            service.scheduler = None;
        }
        self.operations.push(Operation::AddService(key, service));
        let additions = destinations.into_values();
        self.operations
            .extend(additions.map(|destination| Operation::AddDestination(key, destination)));
        let complete = complete.map(|service| Operation::SetService(key, service));
        self.operations.extend(complete);
    }

    fn edit(&mut self, key: ServiceKey, wanted: &Entry, found: &Entry) {
        if wanted.service != found.service {
            let service = wanted.service.clone();
            self.operations.push(Operation::SetService(key, service));
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
        self.operations
            .extend(edits.into_iter().map(|(_, operation)| operation));
    }
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
