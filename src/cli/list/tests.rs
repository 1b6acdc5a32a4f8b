//! The listing of a table that has something of everything, held against
//! `tests/golden/list`; `DIRECTORD_GOLDEN=write` makes these files anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_json::Value;

use super::*;
use crate::cli::args::{Arguments, Command};
use crate::director::status::{
    CheckStatus, FallbackStatus, NameStatus, ServerStatus, ServiceStatus, Status,
};
use crate::kernel::statistics::Statistics;
use crate::model::{
    Checksum, Counters, Destination, DestinationKey, Family, Forwarding, Info, Netmask,
    ObservedDestination, ObservedService, Persistence, Protocol, SchedulerFlags, Service,
    ServiceKey, SyncDaemon, SyncRole, Timeouts, Tunnel,
};

/// Whether a value fits a whole schema.
pub(super) fn fits(schema: &Value, value: &Value) -> bool {
    crate::config::directord::tests::validator::fits(schema, schema, value)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Holds a text against a file of the project.
pub(in crate::cli) fn golden_file(path: &Path, actual: &str) {
    let path = root().join(path);
    if std::env::var_os("DIRECTORD_GOLDEN").is_some_and(|word| word == "write") {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, wanted, "{}", path.display());
}

pub(super) fn golden(name: &str, actual: &str) {
    golden_file(&Path::new("tests/golden/list").join(name), actual);
}

/// The options of `directord list …`.
fn options(words: &[&str]) -> Box<List> {
    let words = ["directord", "list"].iter().chain(words);
    match Arguments::try_parse_from(words).unwrap().command {
        Command::List(options) => options,
        other => panic!("{other:?}"),
    }
}

fn counters(scale: u64) -> Counters {
    Counters {
        connections: 12_345 * scale,
        in_packets: 1_999_999 * scale,
        out_packets: 99 * scale,
        in_bytes: 100_000_000_000 * scale,
        out_bytes: if scale == 7 { u64::MAX } else { 0 },
        connections_per_second: 20 * scale,
        in_packets_per_second: 3_000 * scale,
        out_packets_per_second: 4 * scale,
        in_bytes_per_second: 5_000_000 * scale,
        out_bytes_per_second: 6 * scale,
    }
}

fn tcp(address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: address.parse().unwrap(),
        port,
    }
}

fn observed(
    address: &str,
    port: u16,
    forwarding: Forwarding,
    (weight, active): (u32, u32),
) -> (DestinationKey, ObservedDestination) {
    let address = address.parse().unwrap();
    let key = DestinationKey { address, port };
    let mut destination = Destination::new(key, forwarding, weight);
    if weight == 5 {
        (destination.upper_threshold, destination.lower_threshold) = (1000, 800);
    }
    let observed = ObservedDestination {
        destination,
        active,
        inactive: active * 3,
        persistent: active / 2,
        counters: counters(weight.into()),
    };
    (key, observed)
}

fn server(name: &str, state: &str, kernel: Option<u32>, reason: Option<&str>) -> ServerStatus {
    ServerStatus {
        server: name.to_owned(),
        state: state.to_owned(),
        since_seconds: 192.0,
        reason: reason.map(str::to_owned),
        failures: u32::from(state == "up" && reason.is_some()),
        failure_limit: 3,
        successes: 0,
        success_limit: 1,
        weight_configured: 1,
        weight_causes: Vec::new(),
        weight_wanted: kernel,
        weight_in_kernel: kernel,
        weight_without_hand: None,
        check: Some(CheckStatus {
            what: format!("http {name}"),
            rounds: 17,
            last_seconds_ago: Some(1.5),
            latency_ms: Some(2.25),
            last_result: Some("up: 200".to_owned()),
            name: None,
            parts: Vec::new(),
            certificate: None,
        }),
        agent: None,
    }
}

fn director() -> Director {
    let service = |service: &str, name: Option<&str>, servers| ServiceStatus {
        service: service.to_owned(),
        name: name.map(str::to_owned),
        scheduler: "wrr".to_owned(),
        in_kernel: true,
        passive: false,
        in_service: 1,
        configured: 2,
        floor_percent: 0,
        kept_by_floor: 0,
        fallback: None,
        refused_attempts: 0,
        servers,
    };
    let mut by_hand = server("192.0.2.22:80", "up", Some(5), Some("connection refused"));
    by_hand.weight_without_hand = Some(1);
    let mut web = service(
        "tcp:192.0.2.100:80",
        Some("shop\u{1b}[2J, \"front\""),
        vec![
            server("192.0.2.21:80", "up", Some(1), None),
            by_hand,
            server("192.0.2.23:80", "down", Some(0), Some("HTTP status 503")),
            server(
                "192.0.2.24:80",
                "maintenance",
                None,
                Some("file of the operator"),
            ),
        ],
    );
    web.fallback = Some(FallbackStatus {
        server: "127.0.0.1:80".to_owned(),
        active: false,
    });
    let mut passive = service(
        "tcp:192.0.2.102:25",
        Some("mail"),
        vec![server("192.0.2.25:25", "up", None, None)],
    );
    passive.passive = true;
    let unreadable = service("sctp:nonsense", None, vec![]);
    Director::Answered(Box::new(Status {
        version: "0.1.0".to_owned(),
        pid: 77,
        config: "/etc/ha.d/ldirectord.cf".to_owned(),
        files: Vec::new(),
        uptime_seconds: 4000.0,
        reload_error: None,
        kernel_error: None,
        uplink: None,
        names: NameStatus::default(),
        services: vec![web, passive, unreadable],
        pair: None,
        alerts: None,
    }))
}

fn snapshot(director: Director) -> Snapshot {
    let service = |scheduler: &str| Service::new(scheduler.parse().unwrap());
    let entry = |service, scale, destinations: Vec<_>| ObservedService {
        service,
        counters: counters(scale),
        destinations: destinations.into_iter().collect::<BTreeMap<_, _>>(),
    };
    let mut persistent = service("sh");
    persistent.flags = SchedulerFlags(6);
    persistent.persistence = Some(Persistence {
        timeout: 300,
        netmask: Netmask::V4([255, 255, 255, 0].into()),
    });
    let mut sip = service("wlc");
    sip.one_packet = true;
    sip.engine = Some("sip".to_owned());
    let none = Service {
        scheduler: None,
        ..service("rr")
    };
    let gue = Tunnel::Gue {
        port: 6080,
        checksum: Checksum::Remote,
    };
    let table = [
        (
            tcp("192.0.2.100", 80),
            entry(
                persistent,
                7,
                vec![
                    observed("192.0.2.21", 80, Forwarding::DirectRoute, (1, 12)),
                    observed("192.0.2.22", 80, Forwarding::Masquerade, (5, 40_000)),
                    observed("192.0.2.23", 80, Forwarding::Tunnel(gue), (0, 2)),
                    observed("127.0.0.1", 80, Forwarding::Local, (0, 0)),
                ],
            ),
        ),
        (
            ServiceKey::Address {
                protocol: Protocol::Udp,
                address: "2001:db8::100".parse().unwrap(),
                port: 5060,
            },
            entry(
                sip,
                1,
                vec![observed(
                    "2001:db8::21",
                    5060,
                    Forwarding::Tunnel(Tunnel::Ipip),
                    (2, 1),
                )],
            ),
        ),
        (
            ServiceKey::Mark {
                family: Family::V6,
                mark: 4_294_967_295,
            },
            entry(none, 0, vec![]),
        ),
    ];
    Snapshot {
        info: Info {
            version: (1, 2, 1),
            connection_table_size: 4096,
        },
        table: table.into_iter().collect(),
        timeouts: Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        },
        daemons: daemons(),
        statistics: Some(Statistics {
            total: counters(8),
            processors: vec![(0, counters(7)), (1, counters(1))],
        }),
        director,
    }
}

fn daemons() -> Vec<SyncDaemon> {
    vec![
        SyncDaemon {
            role: SyncRole::Master,
            interface: "hb0".to_owned(),
            sync_id: 7,
            max_length: 1460,
            group: Some("224.0.0.81".parse().unwrap()),
            port: 8848,
            ttl: 1,
        },
        SyncDaemon {
            role: SyncRole::Backup,
            interface: "eth0".to_owned(),
            sync_id: 0,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        },
    ]
}

fn silent() -> Director {
    Director::Silent("no director answers on /run/directord/control.sock".to_owned())
}

fn shown(words: &[&str], director: Director) -> String {
    let (options, snapshot) = (options(words), snapshot(director));
    text(&options, &snapshot, &picked(&options, &snapshot), None).unwrap()
}

/// Address and port of the servers that are shown, in order.
fn servers(words: &[&str], director: Director) -> Vec<String> {
    let (options, snapshot) = (options(words), snapshot(director));
    let services = picked(&options, &snapshot);
    let servers = services.iter().flat_map(|service| &service.servers);
    servers.map(|server| server.key.to_string()).collect()
}

#[test]
fn people_see_health_names_and_totals() {
    golden("table.txt", &shown(&[], director()));
    golden("kernel.txt", &shown(&[], silent()));
    golden("rate.txt", &shown(&["--rate"], silent()));
    golden("stats.txt", &shown(&["--stats"], silent()));
    golden("stats-exact.txt", &shown(&["--stats", "-X"], silent()));
    golden("thresholds.txt", &shown(&["--thresholds"], silent()));
    golden(
        "persistent-conn.txt",
        &shown(&["--persistent-conn"], silent()),
    );
    golden("tun-info.txt", &shown(&["--tun-info"], silent()));
    golden("sync.txt", &terminal::sync(&daemons(), false));
    golden(
        "timeouts.txt",
        &terminal::timeouts(snapshot(silent()).timeouts, false),
    );
    assert_eq!(terminal::sync(&[], false), "no sync daemon is running\n");
}

#[test]
fn colours_are_added_and_nothing_else() {
    let snapshot = snapshot(director());
    let services = view::join(&snapshot);
    let style = |colour| Style {
        mode: Mode::Table,
        exact: false,
        colour,
        width: None,
    };
    let painted = terminal::table(&snapshot, &services, style(true));
    let mut plain = painted.clone();
    for code in ["0", "1", "31", "32", "33", "36"] {
        let sequence = format!("\u{1b}[{code}m");
        assert!(painted.contains(&sequence), "{code}");
        plain = plain.replace(&sequence, "");
    }
    assert_eq!(plain, terminal::table(&snapshot, &services, style(false)));
    assert!(
        painted.contains("\u{1b}[31mdown 3m12s\u{1b}[0m"),
        "{painted}"
    );
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn a_watched_table_shows_rates_and_documents_follow_each_other() {
    assert!(shown(&["--watch"], silent()).contains("CONNS/S"));
    assert!(shown(&["--watch", "--stats"], silent()).contains("BYTES-IN "));
    let lines = shown(&["--watch", "0.5", "--json"], silent());
    assert_eq!(lines.lines().count(), 1);
    assert!(serde_json::from_str::<Value>(&lines).is_ok());
    assert!(shown(&["--watch", "--yaml"], silent()).starts_with("---\n"));
    for words in [
        &["--watch", "0"][..],
        &["--watch", "nan"],
        &["--count", "3"],
        &["--watch", "--csv"],
        &["--classic", "--json"],
        &["--json", "--yaml"],
        &["--sync", "--timeouts"],
        &["--stats", "--rate"],
        &["--watch", "--count", "0"],
    ] {
        let words = ["directord", "list"].iter().chain(words);
        assert!(
            Arguments::try_parse_from(words.clone()).is_err(),
            "{words:?}"
        );
    }
}

#[test]
fn services_and_servers_are_picked() {
    let of = |words: &[&str]| servers(words, director());
    assert_eq!(of(&["--state", "down"]), ["192.0.2.23:80"]);
    assert_eq!(
        of(&["--state", "up,maintenance"]),
        [
            "192.0.2.21:80",
            "192.0.2.22:80",
            "192.0.2.24:80",
            "192.0.2.25:25"
        ]
    );
    assert_eq!(of(&["--state", "fallback"]), ["127.0.0.1:80"]);
    assert_eq!(
        of(&["--state", "absent"]),
        ["192.0.2.24:80", "192.0.2.25:25"]
    );
    assert_eq!(
        of(&["--state", "quiescent"]),
        ["127.0.0.1:80", "192.0.2.23:80"]
    );
    assert_eq!(of(&["--server", "192.0.2.22"]), ["192.0.2.22:80"]);
    assert_eq!(of(&["--service", "mail"]), ["192.0.2.25:25"]);
    assert_eq!(
        of(&["--service", "udp:*", "--service", "fwm*"]),
        ["[2001:db8::21]:5060"]
    );
    assert!(of(&["--service", "192.0.2.100:80", "--server", "192.0.2.25"]).is_empty());
    let mark = shown(&["--service", "fwm6:4294967295"], silent());
    assert!(mark.contains("fwm6:4294967295"), "{mark}");
    assert!(mark.contains("1 service, 0 servers"), "{mark}");
}

#[test]
fn services_and_servers_are_sorted() {
    let of = |words: &[&str]| servers(words, director());
    assert_eq!(
        of(&["--sort", "active"]),
        [
            "192.0.2.22:80",
            "192.0.2.21:80",
            "192.0.2.23:80",
            "127.0.0.1:80",
            "192.0.2.24:80",
            "[2001:db8::21]:5060",
            "192.0.2.25:25"
        ]
    );
    let down_first = of(&["--sort", "state"]);
    assert_eq!(down_first[..2], ["192.0.2.23:80", "192.0.2.24:80"]);
    let (forth, mut back) = (of(&["--sort", "address"]), of(&["--reverse"]));
    back.reverse();
    assert_eq!(forth, back);
    assert_eq!(of(&["--sort", "name"])[0], "192.0.2.25:25");
    // The second key decides among those that the first one holds equal.
    assert_eq!(of(&["--sort", "weight"])[2], "127.0.0.1:80");
    assert_eq!(of(&["--sort", "weight,active"])[2], "192.0.2.23:80");
}

#[test]
fn programs_see_everything_in_words_and_full_numbers() {
    let text = shown(&["--json"], director());
    golden("table.json", &text);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema_version"], 1);
    let web = &value["services"][0];
    assert_eq!(
        web["scheduler_flags"],
        serde_json::json!(["sh-port", "flag-3"])
    );
    assert_eq!(web["counters"]["out_bytes"], u64::MAX);
    let mark = &value["services"][2];
    assert_eq!(mark["mark"], 4_294_967_295_u32);
    assert_eq!(mark.get("protocol"), None);
    let from_yaml: Value = serde_yaml::from_str(&shown(&["--yaml"], director())).unwrap();
    assert_eq!(from_yaml, value);
    golden("kernel.json", &shown(&["--json"], silent()));
    golden("table.csv", &shown(&["--csv"], director()));
}

#[test]
fn every_line_of_csv_has_every_column() {
    let text = shown(&["--csv"], director());
    assert!(text.contains("\"shop?[2J, \"\"front\"\"\""), "{text}");
    // Two commas stand in the quoted name, once for each of its servers.
    let text = text.replace("J, ", "J ");
    let commas = text.lines().map(|line| line.matches(',').count());
    assert!(commas.clone().all(|count| count == 37), "{text}");
    assert_eq!(text.lines().count(), 1 + 5 + 1 + 1 + 1);
}

#[test]
fn what_is_printed_fits_the_schema_in_the_documentation() {
    let schema = document::schema();
    golden_file(Path::new("docs/list.schema.json"), &schema);
    let root: Value = serde_json::from_str(&schema).unwrap();
    let is_valid = |text: &str| fits(&root, &serde_json::from_str(text).unwrap());
    for director in [director(), silent(), Director::NotAsked] {
        assert!(is_valid(&shown(&["--json"], director)));
    }
    let format = options(&["--sync", "--json"]).format;
    assert!(is_valid(
        &machine(&format, &SyncDocument::new(&daemons()))
            .unwrap()
            .unwrap()
    ));
    let timeouts = OnlyTimeoutsDocument::new(snapshot(silent()).timeouts);
    assert!(is_valid(&machine(&format, &timeouts).unwrap().unwrap()));
    let text = shown(&["--json"], director());
    for (part, other) in [
        ("\"weight\": 5", "\"weight\": \"5\""),
        ("\"forwarding\": \"gate\"", "\"forwarding\": \"Route\""),
        ("\"tcp_seconds\"", "\"tcp\""),
        ("\"role\": \"master\"", "\"role\": \"main\""),
    ] {
        assert!(text.contains(part), "{part}");
        assert!(!is_valid(&text.replacen(part, other, 1)), "{other}");
    }
}

#[test]
fn figures_are_short_and_never_rounded_up() {
    let figure = |value| terminal::figure(value, false);
    for (value, text) in [
        (0, "0"),
        (9_999, "9999"),
        (10_000, "10.0k"),
        (99_999, "99.9k"),
        (100_000, "100k"),
        (999_999, "999k"),
        (1_000_000, "1.0M"),
        (12_345_678_901, "12.3G"),
        (u64::MAX, "18.4E"),
    ] {
        assert_eq!(figure(value), text);
    }
    assert_eq!(terminal::figure(u64::MAX, true), u64::MAX.to_string());
}
