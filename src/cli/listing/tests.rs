use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::model::{
    Checksum, Counters, Destination, DestinationKey, Family, Forwarding, Info, Netmask,
    ObservedDestination, ObservedService, ObservedTable, Persistence, Protocol, Scheduler,
    SchedulerFlags, Service, ServiceKey, Tunnel,
};

const INFO: Info = Info {
    version: (1, 2, 1),
    connection_table_size: 4096,
};

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/ipvsadm")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The table that `ipvsadm -R` leaves after these rules, written from the rules with the
/// defaults of `ipvsadm` and the refusals of the kernel.
fn table(rules: &str) -> ObservedTable {
    let mut table = ObservedTable::new();
    for line in rules.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        apply(&mut table, &Rule(&words));
    }
    table
}

struct Rule<'a>(&'a [&'a str]);

impl<'a> Rule<'a> {
    fn has(&self, option: &str) -> bool {
        self.0.contains(&option)
    }

    fn value(&self, option: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|word| *word == option)?;
        self.0.get(at + 1).copied()
    }

    fn number(&self, option: &str, default: u32) -> u32 {
        self.value(option)
            .map_or(default, |value| value.parse().unwrap())
    }

    fn key(&self) -> ServiceKey {
        if let Some(mark) = self.value("-f") {
            let family = if self.has("-6") {
                Family::V6
            } else {
                Family::V4
            };
            let mark = mark.parse().unwrap();
            return ServiceKey::Mark { family, mark };
        }
        let (protocol, at) = [
            (Protocol::Tcp, "-t"),
            (Protocol::Udp, "-u"),
            (Protocol::Sctp, "--sctp-service"),
        ]
        .into_iter()
        .find_map(|(protocol, option)| Some((protocol, self.value(option)?)))
        .unwrap();
        let at: std::net::SocketAddr = at.parse().unwrap();
        ServiceKey::Address {
            protocol,
            address: at.ip(),
            port: at.port(),
        }
    }

    fn service(&self, family: Family) -> Service {
        let scheduler: Scheduler = self.value("-s").unwrap_or("wlc").parse().unwrap();
        let mut flags = SchedulerFlags::default();
        for name in self.value("-b").iter().flat_map(|names| names.split(',')) {
            flags = flags.union(SchedulerFlags::bit(scheduler.name(), name).unwrap());
        }
        let netmask = match (self.value("-M"), family) {
            (None, family) => Netmask::full(family),
            (Some(mask), Family::V4) => Netmask::V4(mask.parse().unwrap()),
            (Some(prefix), Family::V6) => Netmask::V6(prefix.parse().unwrap()),
        };
        let persistence = self.has("-p").then(|| {
            let timeout = self.value("-p").and_then(|value| value.parse().ok());
            let timeout = timeout.unwrap_or(360);
            Persistence { timeout, netmask }
        });
        Service {
            scheduler: (scheduler.name() != "none").then_some(scheduler),
            flags,
            persistence,
            engine: self.value("--pe").map(str::to_owned),
            one_packet: self.has("-o"),
        }
    }

    fn destination(&self, service: &ServiceKey) -> Destination {
        let checksum = if self.has("--tun-remcsum") {
            Checksum::Remote
        } else if self.has("--tun-csum") {
            Checksum::Full
        } else {
            Checksum::None
        };
        let port = u16::try_from(self.number("--tun-port", 0)).unwrap();
        let forwarding = match (self.has("-m"), self.has("-i"), self.value("--tun-type")) {
            (true, ..) => Forwarding::Masquerade,
            (_, true, Some("gue")) => Forwarding::Tunnel(Tunnel::Gue { port, checksum }),
            (_, true, Some("gre")) => Forwarding::Tunnel(Tunnel::Gre { checksum }),
            (_, true, _) => Forwarding::Tunnel(Tunnel::Ipip),
            _ => Forwarding::DirectRoute,
        };
        let text = self.value("-r").unwrap();
        let (address, port) = match text.parse::<std::net::SocketAddr>() {
            Ok(at) => (at.ip(), at.port()),
            Err(_) => (text.parse().unwrap(), service.port()),
        };
        let port = service.destination_port(forwarding, port);
        Destination {
            upper_threshold: self.number("-x", 0),
            lower_threshold: self.number("-y", 0),
            ..Destination::new(
                DestinationKey { address, port },
                forwarding,
                self.number("-w", 1),
            )
        }
    }
}

fn apply(table: &mut ObservedTable, rule: &Rule<'_>) {
    let known = |name: &str| name == "none" || Scheduler::MAINLINE.contains(&name);
    match rule.0[0] {
        "-A" if known(rule.value("-s").unwrap_or("wlc")) => {
            let key = rule.key();
            let family = match key {
                ServiceKey::Address { address, .. } => Family::of(address),
                ServiceKey::Mark { family, .. } => family,
            };
            table.entry(key).or_insert_with(|| ObservedService {
                service: rule.service(family),
                counters: Counters::default(),
                destinations: BTreeMap::new(),
            });
        }
        command @ ("-a" | "-e" | "-d") => {
            let key = rule.key();
            let Some(service) = table.get_mut(&key) else {
                return;
            };
            let destination = rule.destination(&key);
            if command == "-d" {
                service.destinations.remove(&destination.key);
            } else if (command == "-a") != service.destinations.contains_key(&destination.key) {
                service
                    .destinations
                    .insert(destination.key, observed(destination));
            }
        }
        _ => {}
    }
}

fn observed(destination: Destination) -> ObservedDestination {
    ObservedDestination {
        destination,
        active: 0,
        inactive: 0,
        persistent: 0,
        counters: Counters::default(),
    }
}

fn text(table: &ObservedTable, mode: Mode) -> String {
    let options = Options {
        mode,
        ..Options::default()
    };
    Listing::new(Some(&INFO), table, options).to_string()
}

/// The same, read from a kernel piece by piece.
fn streamed(table: &ObservedTable, mode: Mode) -> String {
    let options = Options {
        mode,
        ..Options::default()
    };
    let mut kernel = crate::kernel::fake::Table::from(table.clone());
    let mut out = Vec::new();
    stream(&mut kernel, options, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn every_mode_equals_ipvsadm_byte_for_byte() {
    let modes = [
        (Mode::Table, "L"),
        (Mode::Stats, "stats"),
        (Mode::Rate, "rate"),
        (Mode::Thresholds, "thresholds"),
        (Mode::PersistentConnections, "persist"),
        (Mode::TunnelInfo, "tun"),
    ];
    for case in 1..=9 {
        let table = table(&golden(&format!("{case:02}.rules")));
        for (mode, suffix) in modes {
            let name = format!("{case:02}.{suffix}");
            assert_eq!(text(&table, mode), golden(&name), "{name}");
            assert_eq!(streamed(&table, mode), golden(&name), "{name}");
        }
    }
}

#[test]
fn one_service_is_listed_without_the_version() {
    let mut table = table(&golden("09.rules"));
    table.retain(|key, _| key.to_string() == "tcp:10.0.0.1:80");
    let listing = Listing::new(None, &table, Options::default());
    assert_eq!(listing.to_string(), golden("09.single"));
}

/// A TCP service with one destination, all counters set.
fn busy() -> ObservedTable {
    let counters = Counters {
        connections: 123_456_789,
        in_packets: 1_999_999_999,
        out_packets: 99_999_999,
        in_bytes: 100_000_000_000,
        out_bytes: u64::MAX,
        connections_per_second: 200_000_000,
        in_packets_per_second: 300_000_000,
        out_packets_per_second: 4,
        in_bytes_per_second: 500_000_000,
        out_bytes_per_second: 6,
    };
    let mut table = table(
        "-A -t 192.0.2.1:80 -s sh -b sh-port,flag-3 -p 50\n-a -t 192.0.2.1:80 -r 192.0.2.2 -m -x 9",
    );
    let service = table.values_mut().next().unwrap();
    service.counters = counters;
    let destination = service.destinations.values_mut().next().unwrap();
    destination.counters = counters;
    (
        destination.active,
        destination.inactive,
        destination.persistent,
    ) = (1, 2, 3);
    table
}

#[test]
fn counters_are_scaled_but_destination_rates_of_packets_are_not() {
    let lines = |mode| -> Vec<String> {
        let text = text(&busy(), mode);
        text.lines().skip(3).map(str::to_owned).collect()
    };
    assert_eq!(
        lines(Mode::Stats),
        [
            "TCP  192.0.2.1:80                  123456K    1999M 99999999     100G18446744T",
            "  -> 192.0.2.2:80                  123456K    1999M 99999999     100G18446744T",
        ]
    );
    assert_eq!(
        lines(Mode::Rate),
        [
            "TCP  192.0.2.1:80                  200000K  300000K        4  500000K        6",
            "  -> 192.0.2.2:80                 200000000 300000000        4  500000K        6",
        ]
    );
}

#[test]
fn exact_counters_are_in_full() {
    let options = Options {
        mode: Mode::Stats,
        exact: true,
        sort: true,
    };
    let text = Listing::new(None, &busy(), options).to_string();
    assert_eq!(
        text.lines().nth(2).unwrap(),
        "TCP  192.0.2.1:80                 123456789 1999999999 99999999 100000000000 18446744073709551615"
    );
}

#[test]
fn live_connections_fill_their_columns() {
    let last = |mode| text(&busy(), mode).lines().last().unwrap().to_owned();
    assert_eq!(
        last(Mode::Table),
        "  -> 192.0.2.2:80                 Masq    1      1          2         "
    );
    assert_eq!(
        last(Mode::PersistentConnections),
        "  -> 192.0.2.2:80                 1         3           1          2         "
    );
}

#[test]
fn a_large_table_is_streamed_to_its_end() {
    let rules: Vec<_> = (1..=3000)
        .map(|port| format!("-A -t 192.0.2.1:{port} -s rr\n-a -t 192.0.2.1:{port} -r 192.0.2.2 -m"))
        .collect();
    let table = table(&rules.join("\n"));
    assert_eq!(streamed(&table, Mode::Table), text(&table, Mode::Table));
}

#[test]
fn the_engine_is_shown_only_with_persistence() {
    let table = table("-A -u 192.0.2.1:5060 -s rr --pe sip");
    let text = text(&table, Mode::Table);
    assert_eq!(text.lines().last(), Some("UDP  192.0.2.1:5060 rr"));
}

#[test]
fn unsorted_means_the_order_of_the_table() {
    let table = table("-A -t 192.168.0.1:80 -s rr\n-A -t 10.0.0.1:80 -s rr");
    let listed = |sort| {
        let options = Options {
            sort,
            ..Options::default()
        };
        let text = Listing::new(None, &table, options).to_string();
        text.lines().nth(2).unwrap().to_owned()
    };
    assert_eq!(listed(true), "TCP  192.168.0.1:80 rr");
    assert_eq!(listed(false), "TCP  10.0.0.1:80 rr");
}
