//! The table for programs: JSON and YAML of one schema.
//!
//! Fields are only ever added. Numbers are in full, times in seconds, sizes in bytes;
//! what does not apply is left out. Services and destinations stand in the order of
//! their keys, address services before firewall marks.

use std::net::IpAddr;

use serde::Serialize;

use crate::model::{
    Checksum, Counters, Family, Forwarding, Info, ObservedDestination, ObservedService,
    ObservedTable, Persistence, Scheduler, SchedulerFlags, ServiceKey, Tunnel,
};

/// The whole table.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Version of the kernel's IPVS, `1.2.1`.
    version: String,
    /// Buckets of the connection table.
    connection_table_size: u32,
    /// Virtual services.
    services: Vec<ServiceDocument>,
}

/// A virtual service: `protocol`, `address` and `port`, or `mark`; always `family`.
#[derive(Debug, Serialize)]
struct ServiceDocument {
    /// `ipv4` or `ipv6`.
    family: &'static str,
    /// `tcp`, `udp` or `sctp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Firewall mark, unsigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u32>,
    /// `none` when the service has none.
    scheduler: String,
    /// Names as `ipvsadm -b` takes them; `flag-3` for a bit without a name of its own.
    scheduler_flags: Vec<&'static str>,
    one_packet: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistence: Option<PersistenceDocument>,
    /// Persistence engine, shown with and without persistence.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    counters: CountersDocument,
    destinations: Vec<DestinationDocument>,
}

#[derive(Debug, Serialize)]
struct PersistenceDocument {
    timeout_seconds: u32,
    /// Dotted for IPv4, prefix length for IPv6, always there.
    netmask: String,
}

#[derive(Debug, Serialize)]
struct DestinationDocument {
    address: IpAddr,
    port: u16,
    /// `gate`, `masq`, `ipip` (any tunnel), `local` or `bypass`.
    forwarding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tunnel: Option<TunnelDocument>,
    weight: u32,
    /// 0 is no limit.
    upper_threshold: u32,
    lower_threshold: u32,
    active_connections: u32,
    inactive_connections: u32,
    persistent_connections: u32,
    counters: CountersDocument,
}

#[derive(Debug, Serialize)]
struct TunnelDocument {
    /// `ipip`, `gue` or `gre`.
    #[serde(rename = "type")]
    kind: &'static str,
    /// UDP port, with `gue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// `none`, `full` or `remote`, with `gue` and `gre`.
    #[serde(skip_serializing_if = "Option::is_none")]
    checksum: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct CountersDocument {
    connections: u64,
    in_packets: u64,
    out_packets: u64,
    in_bytes: u64,
    out_bytes: u64,
    connections_per_second: u64,
    in_packets_per_second: u64,
    out_packets_per_second: u64,
    in_bytes_per_second: u64,
    out_bytes_per_second: u64,
}

impl Document {
    /// The table in its serialisable form.
    pub fn new(info: &Info, table: &ObservedTable) -> Self {
        let (major, minor, patch) = info.version;
        Self {
            version: format!("{major}.{minor}.{patch}"),
            connection_table_size: info.connection_table_size,
            services: table
                .iter()
                .map(|(key, observed)| service(key, observed))
                .collect(),
        }
    }
}

/// The table as JSON, indented, with a final newline.
pub fn json(info: &Info, table: &ObservedTable) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(&Document::new(info, table))?;
    text.push('\n');
    Ok(text)
}

/// The table as YAML.
pub fn yaml(info: &Info, table: &ObservedTable) -> Result<String, serde_yaml::Error> {
    serde_yaml::to_string(&Document::new(info, table))
}

fn service(key: &ServiceKey, observed: &ObservedService) -> ServiceDocument {
    let (family, protocol, address, port, mark) = match *key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => (
            Family::of(address),
            Some(protocol.name()),
            Some(address),
            Some(port),
            None,
        ),
        ServiceKey::Mark { family, mark } => (family, None, None, None, Some(mark)),
    };
    let attributes = &observed.service;
    let scheduler = attributes.scheduler.as_ref();
    ServiceDocument {
        family: match family {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        },
        protocol,
        address,
        port,
        mark,
        scheduler: scheduler.map_or("none", Scheduler::name).to_owned(),
        scheduler_flags: flag_names(attributes.flags, scheduler),
        one_packet: attributes.one_packet,
        persistence: attributes.persistence.as_ref().map(persistence),
        engine: attributes.engine.clone(),
        counters: counters(&observed.counters),
        destinations: observed.destinations.values().map(destination).collect(),
    }
}

/// Every set bit by name, unlike the listing, which passes over nameless ones.
fn flag_names(flags: SchedulerFlags, scheduler: Option<&Scheduler>) -> Vec<&'static str> {
    (0..3)
        .map(|bit| SchedulerFlags(flags.0 & (1 << bit)))
        .filter(|flag| !flag.is_empty())
        .flat_map(|flag| match flag.names(scheduler) {
            names if names.is_empty() => flag.names(None),
            names => names,
        })
        .collect()
}

fn persistence(persistence: &Persistence) -> PersistenceDocument {
    PersistenceDocument {
        timeout_seconds: persistence.timeout,
        netmask: persistence.netmask.to_string(),
    }
}

fn destination(observed: &ObservedDestination) -> DestinationDocument {
    let destination = &observed.destination;
    DestinationDocument {
        address: destination.key.address,
        port: destination.key.port,
        forwarding: destination.forwarding.word(),
        tunnel: match destination.forwarding {
            Forwarding::Tunnel(kind) => Some(tunnel(kind)),
            _ => None,
        },
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
        active_connections: observed.active,
        inactive_connections: observed.inactive,
        persistent_connections: observed.persistent,
        counters: counters(&observed.counters),
    }
}

fn tunnel(tunnel: Tunnel) -> TunnelDocument {
    let (kind, port, checksum) = match tunnel {
        Tunnel::Ipip => ("ipip", None, None),
        Tunnel::Gue { port, checksum } => ("gue", Some(port), Some(checksum)),
        Tunnel::Gre { checksum } => ("gre", None, Some(checksum)),
    };
    TunnelDocument {
        kind,
        port,
        checksum: checksum.map(|checksum| match checksum {
            Checksum::None => "none",
            Checksum::Full => "full",
            Checksum::Remote => "remote",
        }),
    }
}

fn counters(counters: &Counters) -> CountersDocument {
    CountersDocument {
        connections: counters.connections,
        in_packets: counters.in_packets,
        out_packets: counters.out_packets,
        in_bytes: counters.in_bytes,
        out_bytes: counters.out_bytes,
        connections_per_second: counters.connections_per_second,
        in_packets_per_second: counters.in_packets_per_second,
        out_packets_per_second: counters.out_packets_per_second,
        in_bytes_per_second: counters.in_bytes_per_second,
        out_bytes_per_second: counters.out_bytes_per_second,
    }
}
