//! The listing for programs: JSON and YAML of one schema, and that schema.
//!
//! Within a version of the schema fields are only ever added. Numbers are in full, times in
//! seconds, sizes in bytes; what does not apply is left out. `docs/list.md` says it for
//! readers, `docs/list.schema.json` for validators.

use std::net::IpAddr;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, json_schema};
use serde::Serialize;

use super::connections::{ConnectionDocument, GroupDocument};
use super::view::{Director, ServerView, ServiceView, Snapshot, Totals};
use crate::director::status::ServerStatus;
use crate::kernel::statistics::Statistics;
use crate::model::{
    Checksum, Counters, Family, Forwarding, ObservedDestination, ObservedService, Persistence,
    Scheduler, SchedulerFlags, ServiceKey, SyncDaemon, Timeouts, Tunnel,
};

/// Version of the schema: another number when a field goes or changes its meaning.
pub(super) const SCHEMA_VERSION: u32 = 1;

/// The table: `list --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Table")]
pub(super) struct Document {
    /// Version of this schema.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    schema_version: u32,
    /// Which document this is.
    #[schemars(extend("const" = "table"))]
    kind: &'static str,
    /// Version of the kernel's IPVS, `1.2.1`.
    version: String,
    /// Buckets of the connection table.
    connection_table_size: u32,
    director: DirectorDocument,
    timeouts: TimeoutsDocument,
    /// Running synchronisation daemons, master first.
    sync_daemons: Vec<SyncDaemonDocument>,
    /// Of all services, shown or not; left out when `/proc` does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<StatisticsDocument>,
    totals: TotalsDocument,
    /// Virtual services in the kernel.
    services: Vec<ServiceDocument>,
    /// Virtual services that the director has and the kernel does not.
    absent_services: Vec<AbsentServiceDocument>,
}

/// `list --sync --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Sync")]
pub(super) struct SyncDocument {
    /// Version of this schema.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    schema_version: u32,
    /// Which document this is.
    #[schemars(extend("const" = "sync"))]
    kind: &'static str,
    /// Running synchronisation daemons, master first.
    sync_daemons: Vec<SyncDaemonDocument>,
}

/// `list --timeouts --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OnlyTimeouts")]
pub(super) struct OnlyTimeoutsDocument {
    /// Version of this schema.
    #[schemars(extend("const" = SCHEMA_VERSION))]
    schema_version: u32,
    /// Which document this is.
    #[schemars(extend("const" = "timeouts"))]
    kind: &'static str,
    timeouts: TimeoutsDocument,
}

/// The director that was asked for health and names.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Director")]
struct DirectorDocument {
    /// Whether one answered; without it there is no health and there are no names.
    answered: bool,
    /// Why none did; left out when none was to be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// Version of the running program.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    /// The configuration in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<String>,
}

/// Time-outs of connections, in seconds.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Timeouts")]
#[expect(
    clippy::struct_field_names,
    reason = "the unit belongs to the name of a key"
)]
struct TimeoutsDocument {
    /// Established TCP connections.
    tcp_seconds: u32,
    /// TCP connections after a FIN.
    tcp_fin_seconds: u32,
    /// UDP.
    udp_seconds: u32,
}

/// A connection synchronisation daemon.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SyncDaemon")]
struct SyncDaemonDocument {
    /// `master` sends, `backup` receives.
    #[schemars(extend("enum" = ["master", "backup"]))]
    role: &'static str,
    /// Interface of the multicast traffic.
    interface: String,
    /// 0 to 255; a backup with 0 takes every id.
    sync_id: u8,
    /// Largest UDP payload in bytes; left out by kernels that do not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<u16>,
    /// Multicast group.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<IpAddr>,
    /// UDP port.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Time to live of its packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u8>,
}

/// Sums and rates of all services.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Statistics")]
struct StatisticsDocument {
    /// Of all processors.
    total: CountersDocument,
    /// The same sums by processor.
    per_cpu: Vec<CpuDocument>,
}

/// Sums of one processor.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Cpu")]
struct CpuDocument {
    /// Its number, from 0.
    cpu: u32,
    connections: u64,
    in_packets: u64,
    out_packets: u64,
    in_bytes: u64,
    out_bytes: u64,
}

/// Sums of what is shown.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Totals")]
struct TotalsDocument {
    services: usize,
    /// Servers, each once for each of its services.
    servers: usize,
    /// Servers in the kernel with a weight above 0.
    serving: usize,
    /// Servers in the kernel with weight 0.
    quiescent: usize,
    /// Servers that the director has and the kernel does not.
    absent: usize,
    active_connections: u64,
    inactive_connections: u64,
    persistent_connections: u64,
}

/// A virtual service: `protocol`, `address` and `port`, or `mark`; always `family`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Service")]
struct ServiceDocument {
    /// `tcp:192.0.2.1:80`, `fwm:7`, `fwm6:7`: the same in all documents.
    service: String,
    /// What the configuration calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[schemars(extend("enum" = ["ipv4", "ipv6"]))]
    family: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["tcp", "udp", "sctp"]))]
    protocol: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    /// 0 is every port.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// Firewall mark, unsigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u32>,
    /// `none` when the service has none.
    scheduler: String,
    /// Names as `ipvsadm -b` takes them; `flag-3` for a bit without a name of its own.
    scheduler_flags: Vec<&'static str>,
    /// Every datagram is scheduled by itself.
    one_packet: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    persistence: Option<PersistenceDocument>,
    /// Persistence engine, shown with and without persistence.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    counters: CountersDocument,
    /// Real servers in the kernel.
    destinations: Vec<DestinationDocument>,
    /// Real servers that the director has and the kernel does not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    absent: Vec<AbsentDocument>,
}

/// A client keeps its real server for a time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Persistence")]
struct PersistenceDocument {
    timeout_seconds: u32,
    /// Dotted for IPv4, prefix length for IPv6, always there.
    netmask: String,
}

/// A real server in the kernel.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Destination")]
struct DestinationDocument {
    address: IpAddr,
    port: u16,
    /// `ipip` is any tunnel.
    #[schemars(extend("enum" = ["gate", "masq", "ipip", "local", "bypass"]))]
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
    /// It is the fallback of its service.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fallback: bool,
    /// What the director knows; left out when it does not answer or has no such server.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<HealthDocument>,
}

/// How packets to a server are wrapped.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Tunnel")]
struct TunnelDocument {
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["ipip", "gue", "gre"]))]
    kind: &'static str,
    /// UDP port, with `gue`.
    #[serde(skip_serializing_if = "Option::is_none")]
    port: Option<u16>,
    /// With `gue` and `gre`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["none", "full", "remote"]))]
    checksum: Option<&'static str>,
}

/// Sums since the entry was made or zeroed, and the kernel's rates.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Counters")]
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

/// What the director knows of a server.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct HealthDocument {
    /// `up`, `down`, `unknown` or `maintenance`.
    state: String,
    /// Seconds since the state began.
    since_seconds: f64,
    /// Why it is what it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Failed checks in a row that did not change the state yet.
    failures: u32,
    /// Failed checks in a row that take the server out.
    failure_limit: u32,
    /// Weight that the director wants; left out when the server should not be in the kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_wanted: Option<u32>,
    /// The weight was set by hand; this is the one that it would have otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    weight_without_hand: Option<u32>,
    /// Left out when the server is not checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<CheckDocument>,
}

/// A check's last round.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct CheckDocument {
    /// `http 192.0.2.21:80`.
    what: String,
    /// Rounds so far.
    rounds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seconds_ago: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<f64>,
    /// `up: …`, or why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_result: Option<String>,
}

/// A real server that is not in the kernel.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AbsentServer")]
struct AbsentDocument {
    address: IpAddr,
    port: u16,
    health: HealthDocument,
}

/// A virtual service that is not in the kernel.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AbsentService")]
struct AbsentServiceDocument {
    /// `tcp:192.0.2.1:80`, `fwm:7`, `fwm6:7`.
    service: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// On purpose: its instance is a cold standby here.
    cold_standby: bool,
    servers: Vec<AbsentDocument>,
}

impl Document {
    /// What is shown of a moment.
    pub(super) fn new(snapshot: &Snapshot, services: &[ServiceView<'_>]) -> Self {
        let (major, minor, patch) = snapshot.info.version;
        let there = |service: &ServiceView<'_>| Some(service_document(service, service.observed?));
        let absent = services.iter().filter(|service| service.observed.is_none());
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "table",
            version: format!("{major}.{minor}.{patch}"),
            connection_table_size: snapshot.info.connection_table_size,
            director: director(&snapshot.director),
            timeouts: timeouts(snapshot.timeouts),
            sync_daemons: snapshot.daemons.iter().map(sync_daemon).collect(),
            statistics: snapshot.statistics.as_ref().map(statistics),
            totals: totals(Totals::of(services)),
            services: services.iter().filter_map(there).collect(),
            absent_services: absent.map(absent_service).collect(),
        }
    }
}

impl SyncDocument {
    /// These daemons.
    pub(super) fn new(daemons: &[SyncDaemon]) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "sync",
            sync_daemons: daemons.iter().map(sync_daemon).collect(),
        }
    }
}

impl OnlyTimeoutsDocument {
    /// These time-outs.
    pub(super) fn new(found: Timeouts) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            kind: "timeouts",
            timeouts: timeouts(found),
        }
    }
}

/// Everything that the listing prints as JSON, as indented JSON with a final newline.
pub(super) fn schema() -> String {
    let mut generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    let table = generator.subschema_for::<Document>();
    let sync = generator.subschema_for::<SyncDocument>();
    let timeouts = generator.subschema_for::<OnlyTimeoutsDocument>();
    let connection = generator.subschema_for::<ConnectionDocument>();
    let group = generator.subschema_for::<GroupDocument>();
    let mut schema = json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "directord list",
        "description": "What `directord list` prints with --json or --yaml, version 1 of the schema.",
        "anyOf": [
            table,
            sync,
            timeouts,
            {
                "description": "`list connections --json`.",
                "type": "object",
                "properties": {
                    "schema_version": { "const": SCHEMA_VERSION },
                    "kind": { "const": "connections" },
                    "connections": { "type": "array", "items": connection },
                    "shown": { "type": "integer", "minimum": 0 },
                    "seen": { "type": "integer", "minimum": 0 },
                },
                "required": ["schema_version", "kind", "connections", "shown", "seen"],
            },
            {
                "description": "`list connections --count … --json`.",
                "type": "object",
                "properties": {
                    "schema_version": { "const": SCHEMA_VERSION },
                    "kind": { "const": "groups" },
                    "groups": { "type": "array", "items": group },
                    "shown": { "type": "integer", "minimum": 0 },
                    "seen": { "type": "integer", "minimum": 0 },
                },
                "required": ["schema_version", "kind", "groups", "shown", "seen"],
            },
        ],
    });
    let definitions = generator.take_definitions(true);
    schema.insert("$defs".to_owned(), serde_json::Value::Object(definitions));
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema has only string keys");
    text.push('\n');
    text
}

fn director(director: &Director) -> DirectorDocument {
    let status = director.status();
    DirectorDocument {
        answered: status.is_some(),
        error: match director {
            Director::Silent(why) => Some(why.clone()),
            Director::Answered(_) | Director::NotAsked => None,
        },
        version: status.map(|status| status.version.clone()),
        pid: status.map(|status| status.pid),
        config: status.map(|status| status.config.clone()),
    }
}

fn timeouts(timeouts: Timeouts) -> TimeoutsDocument {
    TimeoutsDocument {
        tcp_seconds: timeouts.tcp,
        tcp_fin_seconds: timeouts.tcp_fin,
        udp_seconds: timeouts.udp,
    }
}

fn sync_daemon(daemon: &SyncDaemon) -> SyncDaemonDocument {
    SyncDaemonDocument {
        role: daemon.role.name(),
        interface: daemon.interface.clone(),
        sync_id: daemon.sync_id,
        max_length: (daemon.max_length > 0).then_some(daemon.max_length),
        group: daemon.group,
        port: (daemon.port > 0).then_some(daemon.port),
        ttl: (daemon.ttl > 0).then_some(daemon.ttl),
    }
}

fn statistics(statistics: &Statistics) -> StatisticsDocument {
    let cpu = |(cpu, counters): &(u32, Counters)| CpuDocument {
        cpu: *cpu,
        connections: counters.connections,
        in_packets: counters.in_packets,
        out_packets: counters.out_packets,
        in_bytes: counters.in_bytes,
        out_bytes: counters.out_bytes,
    };
    StatisticsDocument {
        total: counters(&statistics.total),
        per_cpu: statistics.processors.iter().map(cpu).collect(),
    }
}

fn totals(totals: Totals) -> TotalsDocument {
    TotalsDocument {
        services: totals.services,
        servers: totals.servers,
        serving: totals.serving,
        quiescent: totals.quiescent,
        absent: totals.absent,
        active_connections: totals.active,
        inactive_connections: totals.inactive,
        persistent_connections: totals.persistent,
    }
}

fn service_document(service: &ServiceView<'_>, observed: &ObservedService) -> ServiceDocument {
    let (protocol, address, port, mark) = match service.key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => (Some(protocol.name()), Some(address), Some(port), None),
        ServiceKey::Mark { mark, .. } => (None, None, None, Some(mark)),
    };
    let attributes = &observed.service;
    let scheduler = attributes.scheduler.as_ref();
    let there = |server: &ServerView<'_>| Some(destination(server, server.observed?));
    ServiceDocument {
        service: service.key.to_string(),
        name: service.name().map(str::to_owned),
        family: match service.key.family() {
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
        destinations: service.servers.iter().filter_map(there).collect(),
        absent: absent_servers(service),
    }
}

fn absent_service(service: &ServiceView<'_>) -> AbsentServiceDocument {
    AbsentServiceDocument {
        service: service.key.to_string(),
        name: service.name().map(str::to_owned),
        cold_standby: service.status.is_some_and(|status| status.passive),
        servers: absent_servers(service),
    }
}

fn absent_servers(service: &ServiceView<'_>) -> Vec<AbsentDocument> {
    let absent = service
        .servers
        .iter()
        .filter(|server| server.observed.is_none());
    let document = |server: &ServerView<'_>| {
        Some(AbsentDocument {
            address: server.key.address,
            port: server.key.port,
            health: health(server.status?),
        })
    };
    absent.filter_map(document).collect()
}

/// Every set bit by name, unlike `ipvsadm`, which passes over nameless ones.
pub(super) fn flag_names(
    flags: SchedulerFlags,
    scheduler: Option<&Scheduler>,
) -> Vec<&'static str> {
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

fn destination(server: &ServerView<'_>, observed: &ObservedDestination) -> DestinationDocument {
    let destination = &observed.destination;
    let tunnel = tunnel_words(destination.forwarding);
    DestinationDocument {
        address: destination.key.address,
        port: destination.key.port,
        forwarding: destination.forwarding.word(),
        tunnel: tunnel.map(|(kind, port, checksum)| TunnelDocument {
            kind,
            port,
            checksum,
        }),
        weight: destination.weight,
        upper_threshold: destination.upper_threshold,
        lower_threshold: destination.lower_threshold,
        active_connections: observed.active,
        inactive_connections: observed.inactive,
        persistent_connections: observed.persistent,
        counters: counters(&observed.counters),
        fallback: server.is_fallback,
        health: server.status.map(health),
    }
}

/// Type, port and checksum of a tunnel.
pub(super) fn tunnel_words(
    forwarding: Forwarding,
) -> Option<(&'static str, Option<u16>, Option<&'static str>)> {
    let Forwarding::Tunnel(tunnel) = forwarding else {
        return None;
    };
    let word = |checksum| match checksum {
        Checksum::None => "none",
        Checksum::Full => "full",
        Checksum::Remote => "remote",
    };
    Some(match tunnel {
        Tunnel::Ipip => ("ipip", None, None),
        Tunnel::Gue { port, checksum } => ("gue", Some(port), Some(word(checksum))),
        Tunnel::Gre { checksum } => ("gre", None, Some(word(checksum))),
    })
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

fn health(status: &ServerStatus) -> HealthDocument {
    HealthDocument {
        state: status.state.clone(),
        since_seconds: status.since_seconds,
        reason: status.reason.clone(),
        failures: status.failures,
        failure_limit: status.failure_limit,
        weight_wanted: status.weight_wanted,
        weight_without_hand: status.weight_without_hand,
        check: status.check.as_ref().map(|check| CheckDocument {
            what: check.what.clone(),
            rounds: check.rounds,
            last_seconds_ago: check.last_seconds_ago,
            latency_ms: check.latency_ms,
            last_result: check.last_result.clone(),
        }),
    }
}
