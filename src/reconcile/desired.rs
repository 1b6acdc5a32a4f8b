//! What one virtual service should look like now.

use std::collections::BTreeMap;

use crate::model::{Availability, Destination, DestinationKey, Entry, Service};

/// All that decides how a virtual service should look.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent matters of policy and knowledge"
)]
pub struct ServiceState<'a> {
    /// Attributes of the service.
    pub service: &'a Service,
    /// A failed server keeps its entry at weight 0 instead of leaving the table.
    pub quiescent: bool,
    /// A failed server that is missing is entered at weight 0 (`readdquiescent`).
    pub readd_quiescent: bool,
    /// Its real servers, in the order of the configuration.
    pub reals: &'a [RealServer],
    /// The addresses of further real servers are not known: destinations that no line names
    /// may be theirs and stay as they are found.
    pub keeps_others: bool,
    /// Stands in when no real server is usable.
    pub fallback: Option<Destination>,
    /// First checks are still under way: a fallback that is out stays out.
    pub hold_fallback: bool,
    /// What the kernel holds of this service.
    pub observed: Option<&'a Entry>,
}

/// One configured real server and its standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealServer {
    /// As configured.
    pub destination: Destination,
    /// What is known of it.
    pub availability: Availability,
    /// A weight that an operator set by hand in the kernel; it counts until the server's
    /// next transition.
    pub hand_weight: Option<u32>,
}

/// How a service should look, and whether its real servers can carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The entry that the kernel should hold.
    pub entry: Entry,
    /// No real server has a weight above 0 and the fallback, if any, is due.
    pub abandoned: bool,
}

/// The entry that the kernel should hold for a service.
///
/// - An up server is in with its weight.
/// - An unknown server stays as it is found: with its weight, or out.
/// - A failed server, or one in maintenance, is out; with `quiescent` it stays at weight 0
///   (but is only entered there with `readd_quiescent`), thresholds kept.
/// - The fallback is in exactly when no real server has a weight above 0. A fallback that is
///   also a real server of the service is one destination, not two.
/// - Destinations that no line of the configuration names are not in it, unless
///   `keeps_others`.
pub fn desired(state: &ServiceState<'_>) -> Desired {
    let mut destinations = BTreeMap::new();
    for real in state.reals {
        if let Some(destination) = wanted(state, real) {
            insert_stronger(&mut destinations, destination);
        }
    }
    if state.keeps_others {
        destinations.extend(others(state));
    }
    let usable = destinations
        .values()
        .any(|destination| destination.weight > 0);
    let fallback_is_in = state.fallback.is_some_and(|fallback| {
        observed(state, &fallback.key).is_some_and(|found| found.weight > 0)
    });
    let abandoned = !usable && (fallback_is_in || !state.hold_fallback);
    if let (true, Some(fallback)) = (abandoned, state.fallback) {
        destinations.insert(fallback.key, fallback);
    }
    let service = state.service.clone();
    Desired {
        entry: Entry {
            service,
            destinations,
        },
        abandoned,
    }
}

fn observed<'a>(state: &ServiceState<'a>, key: &DestinationKey) -> Option<&'a Destination> {
    state.observed.and_then(|entry| entry.destinations.get(key))
}

/// What the kernel holds beside the real servers and the fallback.
fn others(state: &ServiceState<'_>) -> BTreeMap<DestinationKey, Destination> {
    let found = state.observed.map(|entry| &entry.destinations);
    let mut others = found.cloned().unwrap_or_default();
    for real in state.reals {
        others.remove(&real.destination.key);
    }
    if let Some(fallback) = state.fallback {
        others.remove(&fallback.key);
    }
    others
}

fn wanted(state: &ServiceState<'_>, real: &RealServer) -> Option<Destination> {
    let found = observed(state, &real.destination.key);
    let at = |weight| Destination {
        weight: real.hand_weight.unwrap_or(weight),
        ..real.destination
    };
    match real.availability {
        Availability::Up => Some(at(real.destination.weight)),
        Availability::Unknown => found.map(|found| at(found.weight)),
        Availability::Down | Availability::Maintenance => {
            let stays = state.quiescent && (found.is_some() || state.readd_quiescent);
            stays.then(|| at(0))
        }
    }
}

/// Two lines may name one address and port; the line that lets more connections in counts.
fn insert_stronger(
    destinations: &mut BTreeMap<DestinationKey, Destination>,
    destination: Destination,
) {
    destinations
        .entry(destination.key)
        .and_modify(|known| {
            if destination.weight > known.weight {
                *known = destination;
            }
        })
        .or_insert(destination);
}
