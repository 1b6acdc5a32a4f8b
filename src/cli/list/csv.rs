//! Lines of comma-separated values (RFC 4180, but with line feeds), the names of the columns
//! first. Columns are only ever added at the end.

use super::document::{flag_names, tunnel_words};
use super::view::{ServerView, ServiceView};
use crate::cli::failover::plain;
use crate::model::{Counters, Family, Scheduler, ServiceKey};

/// Names of the columns of the table.
const TITLES: [&str; 38] = [
    "service",
    "name",
    "family",
    "protocol",
    "address",
    "port",
    "mark",
    "scheduler",
    "scheduler_flags",
    "one_packet",
    "persistence_timeout_seconds",
    "persistence_netmask",
    "engine",
    "server_address",
    "server_port",
    "forwarding",
    "tunnel_type",
    "tunnel_port",
    "tunnel_checksum",
    "weight",
    "upper_threshold",
    "lower_threshold",
    "active_connections",
    "inactive_connections",
    "persistent_connections",
    "state",
    "reason",
    "connections",
    "in_packets",
    "out_packets",
    "in_bytes",
    "out_bytes",
    "connections_per_second",
    "in_packets_per_second",
    "out_packets_per_second",
    "in_bytes_per_second",
    "out_bytes_per_second",
    "fallback",
];

/// One line of fields. A field with a comma or a quote is put in quotes; control characters
/// become question marks, since the lines may be shown on a terminal.
pub(super) fn line<T: AsRef<str>>(fields: impl IntoIterator<Item = T>) -> String {
    let mut line = String::new();
    for (place, field) in fields.into_iter().enumerate() {
        if place > 0 {
            line.push(',');
        }
        let field = plain(field.as_ref());
        if field.contains([',', '"']) {
            line.push('"');
            line.push_str(&field.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&field);
        }
    }
    line.push('\n');
    line
}

/// The table: a line for each server, and one for a service without any.
pub(super) fn table(services: &[ServiceView<'_>]) -> String {
    let mut text = line(TITLES);
    for service in services {
        let of_service = service_fields(service);
        if service.servers.is_empty() {
            let counters = service.observed.map(|observed| &observed.counters);
            text.push_str(&row(&of_service, None, counters));
        }
        for server in &service.servers {
            let counters = server.observed.map(|observed| &observed.counters);
            text.push_str(&row(&of_service, Some(server), counters));
        }
    }
    text
}

fn row(service: &[String], server: Option<&ServerView<'_>>, counters: Option<&Counters>) -> String {
    let mut fields = service.to_vec();
    fields.extend(server_fields(server));
    let counters = counters.map(|counters| {
        [
            counters.connections,
            counters.in_packets,
            counters.out_packets,
            counters.in_bytes,
            counters.out_bytes,
            counters.connections_per_second,
            counters.in_packets_per_second,
            counters.out_packets_per_second,
            counters.in_bytes_per_second,
            counters.out_bytes_per_second,
        ]
    });
    for place in 0..10 {
        fields.push(text(counters.map(|counters| counters[place])));
    }
    fields.push(text(server.map(|server| server.is_fallback)));
    debug_assert_eq!(fields.len(), TITLES.len());
    line(fields)
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn service_fields(service: &ServiceView<'_>) -> Vec<String> {
    let (protocol, address, port, mark) = match service.key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => (Some(protocol.name()), Some(address), Some(port), None),
        ServiceKey::Mark { mark, .. } => (None, None, None, Some(mark)),
    };
    let attributes = service.observed.map(|observed| &observed.service);
    let scheduler = attributes.and_then(|service| service.scheduler.as_ref());
    let persistence = attributes.and_then(|service| service.persistence);
    vec![
        service.key.to_string(),
        text(service.name()),
        match service.key.family() {
            Family::V4 => "ipv4".to_owned(),
            Family::V6 => "ipv6".to_owned(),
        },
        text(protocol),
        text(address),
        text(port),
        text(mark),
        text(attributes.map(|_| scheduler.map_or("none", Scheduler::name))),
        text(attributes.map(|service| flag_names(service.flags, scheduler).join(" "))),
        text(attributes.map(|service| service.one_packet)),
        text(persistence.map(|persistence| persistence.timeout)),
        text(persistence.map(|persistence| persistence.netmask)),
        text(attributes.and_then(|service| service.engine.as_ref())),
    ]
}

fn server_fields(server: Option<&ServerView<'_>>) -> Vec<String> {
    let observed = server.and_then(|server| server.observed);
    let destination = observed.map(|observed| &observed.destination);
    let tunnel = destination.and_then(|destination| tunnel_words(destination.forwarding));
    let reason = server
        .and_then(|server| server.status)
        .and_then(|status| status.reason.as_ref());
    vec![
        text(server.map(|server| server.key.address)),
        text(server.map(|server| server.key.port)),
        text(destination.map(|destination| destination.forwarding.word())),
        text(tunnel.map(|(kind, _, _)| kind)),
        text(tunnel.and_then(|(_, port, _)| port)),
        text(tunnel.and_then(|(_, _, checksum)| checksum)),
        text(destination.map(|destination| destination.weight)),
        text(destination.map(|destination| destination.upper_threshold)),
        text(destination.map(|destination| destination.lower_threshold)),
        text(observed.map(|observed| observed.active)),
        text(observed.map(|observed| observed.inactive)),
        text(observed.map(|observed| observed.persistent)),
        text(server.map(ServerView::word)),
        text(reason),
    ]
}
