//! The order of services and of the servers within them.

use std::cmp::{Ordering, Reverse};

use clap::ValueEnum;

use super::view::{ServerView, ServiceView};
use crate::model::Counters;

/// What is sorted by. For a service the numbers are the sums of its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum SortKey {
    /// Address and port, as without sorting
    Address,
    /// Name in the configuration, then address
    Name,
    /// State: what is down first
    State,
    /// Weight
    Weight,
    /// Active connections
    Active,
    /// Inactive connections
    Inactive,
    /// Persistent connections
    Persistent,
    /// Connections since the counters were zero
    Connections,
    /// Packets in both directions
    Packets,
    /// Bytes in both directions
    Bytes,
    /// Connections per second
    Cps,
    /// Packets per second in both directions
    Pps,
    /// Bytes per second in both directions
    Bps,
}

/// Text and numbers upwards, amounts from the largest down.
type Place<'a> = (u8, Option<&'a str>, Reverse<u64>);

/// Sorts by the keys, one after the other; what is equal stays in its order.
pub(super) fn sort(services: &mut [ServiceView<'_>], keys: &[SortKey], reverse: bool) {
    let turned = |order: Ordering| if reverse { order.reverse() } else { order };
    services.sort_by(|a, b| {
        let by_keys = keys.iter().map(|key| match key {
            SortKey::Address => a.key.cmp(&b.key),
            key => service_place(a, *key).cmp(&service_place(b, *key)),
        });
        turned(by_keys.fold(Ordering::Equal, Ordering::then))
    });
    for service in services {
        service.servers.sort_by(|a, b| {
            let by_keys = keys.iter().map(|key| match key {
                SortKey::Address => a.key.cmp(&b.key),
                key => server_place(a, *key).cmp(&server_place(b, *key)),
            });
            turned(by_keys.fold(Ordering::Equal, Ordering::then))
        });
    }
}

fn service_place<'a>(service: &ServiceView<'a>, key: SortKey) -> Place<'a> {
    let counters = service
        .observed
        .map_or_else(Counters::default, |observed| observed.counters);
    let amount = match key {
        SortKey::Address => 0,
        // One without a name comes last.
        SortKey::Name => {
            return (
                u8::from(service.name().is_none()),
                service.name(),
                Reverse(0),
            );
        }
        SortKey::State => {
            let worst = service.servers.iter().map(badness).min();
            return (worst.unwrap_or(u8::MAX), None, Reverse(0));
        }
        SortKey::Weight => service.sum(|server| server.destination.weight),
        SortKey::Active => service.sum(|server| server.active),
        SortKey::Inactive => service.sum(|server| server.inactive),
        SortKey::Persistent => service.sum(|server| server.persistent),
        key => amount(&counters, key),
    };
    (0, None, Reverse(amount))
}

fn server_place(server: &ServerView<'_>, key: SortKey) -> Place<'static> {
    if key == SortKey::State {
        return (badness(server), None, Reverse(0));
    }
    let Some(observed) = server.observed else {
        return (0, None, Reverse(0));
    };
    let amount = match key {
        SortKey::Weight => u64::from(observed.destination.weight),
        SortKey::Active => u64::from(observed.active),
        SortKey::Inactive => u64::from(observed.inactive),
        SortKey::Persistent => u64::from(observed.persistent),
        key => amount(&observed.counters, key),
    };
    (0, None, Reverse(amount))
}

/// The smaller, the more a server needs looking at.
fn badness(server: &ServerView<'_>) -> u8 {
    match server.word() {
        "down" => 0,
        "absent" => 1,
        "maintenance" => 2,
        "unknown" => 3,
        "quiescent" => 4,
        "fallback" => 5,
        _ => 6,
    }
}

fn amount(counters: &Counters, key: SortKey) -> u64 {
    match key {
        SortKey::Connections => counters.connections,
        SortKey::Packets => counters.in_packets.saturating_add(counters.out_packets),
        SortKey::Bytes => counters.in_bytes.saturating_add(counters.out_bytes),
        SortKey::Cps => counters.connections_per_second,
        SortKey::Pps => counters
            .in_packets_per_second
            .saturating_add(counters.out_packets_per_second),
        SortKey::Bps => counters
            .in_bytes_per_second
            .saturating_add(counters.out_bytes_per_second),
        _ => 0,
    }
}
