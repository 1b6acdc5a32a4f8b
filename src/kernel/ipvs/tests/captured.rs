//! Both ways against what ipvsadm and the kernel said to each other.

use super::{attributes, capture, encoded};
use crate::kernel::ipvs::abi::{self, command, top};
use crate::kernel::ipvs::{daemon, destination, general, service};
use crate::kernel::netlink::attribute::Writer;
use crate::kernel::suite::{destination as a_destination, mark, tcp, udp};
use crate::model::{
    Checksum, Counters, Family, Forwarding, Info, Netmask, ObservedDestination, ObservedService,
    Persistence, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Timeouts, Tunnel,
};

fn decoded_service(name: &str) -> (ServiceKey, ObservedService) {
    let payload = capture(name);
    service::decode(attributes(&payload)).unwrap().unwrap()
}

fn decoded_destination(name: &str, family: Family) -> ObservedDestination {
    let payload = capture(name);
    destination::decode(attributes(&payload), family).unwrap()
}

fn a_service(scheduler: &str) -> Service {
    Service::new(scheduler.parse().unwrap())
}

fn persistent(scheduler: &str, timeout: u32, netmask: Netmask) -> Service {
    Service {
        persistence: Some(Persistence { timeout, netmask }),
        ..a_service(scheduler)
    }
}

#[test]
fn services_are_written_as_ipvsadm_writes_them() {
    let v4 = persistent("wlc", 300, Netmask::full(Family::V4));
    let bytes = encoded(command::NEW_SERVICE, |message| {
        service::encode(message, &tcp("192.0.2.1", 80), &v4);
    });
    assert_eq!(bytes, capture("add-service"));
    let v6 = Service {
        flags: SchedulerFlags(2),
        ..persistent("sh", 60, Netmask::V6(64))
    };
    let bytes = encoded(command::NEW_SERVICE, |message| {
        service::encode(message, &tcp("2001:db8::1", 80), &v6);
    });
    assert_eq!(bytes, capture("add-service-v6"));
}

#[test]
fn services_are_identified_as_ipvsadm_identifies_them() {
    for (key, name) in [
        (tcp("192.0.2.1", 80), "list-destinations"),
        (mark(Family::V6, 7), "list-destinations-mark"),
    ] {
        let bytes = encoded(command::GET_DEST, |message| {
            service::encode_key(message, &key);
        });
        assert_eq!(bytes, capture(name));
    }
}

/// The nest alone: ipvsadm repeats the whole service before it.
fn destination_nest(payload: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let nest = attributes(payload).find(top::DEST).unwrap().unwrap();
    nest.nest()
        .map(|attribute| {
            let attribute = attribute.unwrap();
            let mut payload = attribute.bytes().to_vec();
            if attribute.kind == abi::destination::ADDR {
                payload.truncate(4); // ipvsadm leaves the rest as it happens to be
            }
            (attribute.kind, payload)
        })
        .collect()
}

#[test]
fn destinations_are_written_as_ipvsadm_writes_them() {
    let gue = Tunnel::Gue {
        port: 6080,
        checksum: Checksum::Remote,
    };
    let crossing = Forwarding::Tunnel(Tunnel::Ipip);
    let mut masquerade = a_destination("198.51.100.1", 80, Forwarding::Masquerade, 5);
    masquerade.upper_threshold = 100;
    masquerade.lower_threshold = 50;
    let cases = [
        (
            a_destination("198.51.100.3", 80, Forwarding::Tunnel(gue), 1),
            "add-gue",
        ),
        (
            a_destination("198.51.100.9", 80, crossing, 1),
            "add-crossing",
        ),
        (masquerade, "add-masquerade"),
    ];
    for (wanted, name) in cases {
        let bytes = encoded(command::NEW_DEST, |message| {
            destination::encode(message, &wanted);
        });
        let mut expected = destination_nest(&capture(name));
        if wanted.forwarding == Forwarding::Masquerade {
            // ipvsadm sends tunnel attributes, all zero, for every method.
            expected.retain(|(kind, _)| *kind < abi::destination::TUN_TYPE);
        }
        assert_eq!(destination_nest(&bytes), expected, "{name}");
    }
}

#[test]
fn daemons_and_time_outs_are_written_as_ipvsadm_writes_them() {
    for (daemon, name) in [(master(), "start-master"), (backup(), "start-backup")] {
        let bytes = encoded(command::NEW_DAEMON, |message| {
            daemon::encode(message, &daemon);
        });
        assert_eq!(bytes, capture(name));
    }
    let timeouts = Timeouts {
        tcp: 100,
        ..Timeouts::default()
    };
    let bytes = encoded(command::SET_CONFIG, |message| {
        general::encode_timeouts(message, &timeouts);
    });
    assert_eq!(bytes, capture("set-timeouts"));
}

#[test]
fn services_are_read() {
    let engine = Service {
        engine: Some("sip".to_owned()),
        ..persistent("rr", 60, Netmask::full(Family::V4))
    };
    let v6 = Service {
        flags: SchedulerFlags(2),
        ..persistent("sh", 60, Netmask::V6(64))
    };
    let one_packet = Service {
        one_packet: true,
        ..a_service("rr")
    };
    let unscheduled = Service {
        scheduler: None,
        ..a_service("rr")
    };
    let flagged = Service {
        flags: SchedulerFlags(3),
        ..a_service("mh")
    };
    for (name, key, expected) in [
        ("service-engine", udp("192.0.2.1", 5060), engine),
        ("service-v6", tcp("2001:db8::1", 80), v6),
        ("service-one-packet", udp("2001:db8::1", 53), one_packet),
        ("service-mark", mark(Family::V4, 7), unscheduled),
        ("service-mark-v6", mark(Family::V6, 7), flagged),
    ] {
        let (found, observed) = decoded_service(name);
        assert_eq!((found, observed.service), (key, expected), "{name}");
        assert_eq!(observed.counters, Counters::default());
    }
}

#[test]
fn the_internal_flag_of_the_kernel_is_hidden() {
    let (_, observed) = decoded_service("service-counted");
    assert_eq!(observed.service, a_service("wlc"));
}

fn counters() -> Counters {
    Counters {
        connections: 3,
        in_packets: 15,
        out_packets: 9,
        in_bytes: 804,
        out_bytes: 15492,
        connections_per_second: 0,
        in_packets_per_second: 1,
        out_packets_per_second: 1,
        in_bytes_per_second: 75,
        out_bytes_per_second: 1452,
    }
}

#[test]
fn statistics_are_read() {
    let (_, service) = decoded_service("service-counted");
    assert_eq!(service.counters, counters());
    let destination = decoded_destination("destination-counted", Family::V4);
    assert_eq!(destination.counters, counters());
    let live = (
        destination.active,
        destination.inactive,
        destination.persistent,
    );
    assert_eq!(live, (0, 3, 0));
}

/// Renumbers the attributes of a type inside a captured nest, so that they are unknown.
fn without(name: &str, nest: u16, kind: u16) -> Vec<u8> {
    let payload = capture(name);
    let mut out = payload[..4].to_vec();
    let inner = attributes(&payload).find(nest).unwrap().unwrap();
    Writer(&mut out).nest(nest, |writer| {
        for attribute in inner.nest().map(Result::unwrap) {
            if attribute.kind == kind {
                writer.bytes(0x3ff0, attribute.bytes());
            } else {
                writer.bytes(attribute.kind, attribute.bytes());
            }
        }
    });
    out
}

#[test]
fn narrow_statistics_serve_where_wide_ones_are_missing() {
    let payload = without("service-counted", top::SERVICE, abi::service::STATS64);
    let (_, observed) = service::decode(attributes(&payload)).unwrap().unwrap();
    assert_eq!(observed.counters, counters());
    let payload = without("destination-counted", top::DEST, abi::destination::STATS64);
    let observed = destination::decode(attributes(&payload), Family::V4).unwrap();
    assert_eq!(observed.counters, counters());
}

#[test]
fn wide_statistics_are_preferred_and_hold_64_bits() {
    let wide = |writer: &mut Writer<'_>, kind: u16| {
        writer.nest(kind, |nest| {
            nest.bytes(abi::stats::CONNS, &(u64::MAX - 1).to_ne_bytes());
            nest.bytes(11, &[]);
            nest.bytes(abi::stats::OUTBPS, &(1_u64 << 40).to_ne_bytes());
        });
    };
    let expected = Counters {
        connections: u64::MAX - 1,
        out_bytes_per_second: 1 << 40,
        ..Counters::default()
    };
    let payload = without("service-counted", top::SERVICE, abi::service::STATS64);
    let nest = attributes(&payload).find(top::SERVICE).unwrap().unwrap();
    let mut out = vec![0; 4];
    Writer(&mut out).nest(top::SERVICE, |writer| {
        wide(writer, abi::service::STATS64);
        for attribute in nest.nest().map(Result::unwrap) {
            writer.bytes(attribute.kind, attribute.bytes());
        }
    });
    let (_, observed) = service::decode(attributes(&out)).unwrap().unwrap();
    assert_eq!(observed.counters, expected);
}

#[test]
fn a_missing_required_attribute_is_an_error() {
    for kind in [abi::service::AF, abi::service::PORT, abi::service::FLAGS] {
        let payload = without("service-counted", top::SERVICE, kind);
        assert!(service::decode(attributes(&payload)).is_err(), "{kind}");
    }
    for kind in [abi::destination::ADDR, abi::destination::WEIGHT] {
        let payload = without("destination-counted", top::DEST, kind);
        let answer = destination::decode(attributes(&payload), Family::V4);
        assert!(answer.is_err(), "{kind}");
    }
}

#[test]
fn a_service_of_a_protocol_that_is_not_balanced_is_skipped() {
    let mut payload = capture("service-counted");
    let protocol = payload
        .windows(6)
        .position(|at| at == [6, 0, 2, 0, 6, 0])
        .unwrap();
    payload[protocol + 4] = 50;
    assert_eq!(service::decode(attributes(&payload)), Ok(None));
}

#[test]
fn destinations_are_read() {
    let gue = Tunnel::Gue {
        port: 6080,
        checksum: Checksum::Remote,
    };
    let gre = Tunnel::Gre {
        checksum: Checksum::Full,
    };
    let mut counted = a_destination("127.0.0.1", 80, Forwarding::DirectRoute, 7);
    counted.upper_threshold = 100;
    counted.lower_threshold = 50;
    let tunnelled = |address, tunnel| a_destination(address, 80, Forwarding::Tunnel(tunnel), 1);
    for (name, family, expected) in [
        (
            "destination-gue",
            Family::V4,
            tunnelled("198.51.100.3", gue),
        ),
        (
            "destination-gre",
            Family::V4,
            tunnelled("198.51.100.4", gre),
        ),
        (
            "destination-crossing",
            Family::V6,
            tunnelled("198.51.100.9", Tunnel::Ipip),
        ),
        ("destination-counted", Family::V4, counted),
    ] {
        let found = decoded_destination(name, family);
        assert_eq!(found.destination, expected, "{name}");
    }
}

#[test]
fn a_destination_without_a_family_has_that_of_its_service() {
    let family = abi::destination::ADDR_FAMILY;
    let payload = without("destination-gue", top::DEST, family);
    let found = destination::decode(attributes(&payload), Family::V4).unwrap();
    assert_eq!(found.destination.key.address.to_string(), "198.51.100.3");
}

#[test]
fn methods_and_encapsulations_without_a_name_read_as_bypass() {
    let mut payload = capture("destination-gue");
    let method = payload
        .windows(4)
        .position(|at| at == [8, 0, 3, 0])
        .unwrap();
    let encapsulation = payload
        .windows(4)
        .position(|at| at == [5, 0, 13, 0])
        .unwrap();
    payload[encapsulation + 4] = 9;
    let found = destination::decode(attributes(&payload), Family::V4).unwrap();
    assert_eq!(found.destination.forwarding, Forwarding::Bypass);
    payload[method + 4] = 6;
    let found = destination::decode(attributes(&payload), Family::V4).unwrap();
    assert_eq!(found.destination.forwarding, Forwarding::Bypass);
}

fn master() -> SyncDaemon {
    SyncDaemon {
        role: SyncRole::Master,
        interface: "lo".to_owned(),
        sync_id: 5,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    }
}

fn backup() -> SyncDaemon {
    SyncDaemon {
        role: SyncRole::Backup,
        interface: "lo".to_owned(),
        sync_id: 6,
        max_length: 2000,
        group: Some("ff05::51".parse().unwrap()),
        port: 8849,
        ttl: 3,
    }
}

#[test]
fn daemons_are_read() {
    let defaults = SyncDaemon {
        max_length: 1472,
        group: Some("224.0.0.81".parse().unwrap()),
        port: 8848,
        ttl: 1,
        ..master()
    };
    assert_eq!(daemon::decode(attributes(&capture("master"))), Ok(defaults));
    assert_eq!(daemon::decode(attributes(&capture("backup"))), Ok(backup()));
}

#[test]
fn general_answers_are_read() {
    let info = Info {
        version: (1, 2, 1),
        connection_table_size: 4096,
    };
    let timeouts = Timeouts {
        tcp: 900,
        tcp_fin: 120,
        udp: 300,
    };
    assert_eq!(
        general::decode_family(attributes(&capture("family"))),
        Ok(28)
    );
    assert_eq!(general::decode_info(attributes(&capture("info"))), Ok(info));
    let found = general::decode_timeouts(attributes(&capture("timeouts")));
    assert_eq!(found, Ok(timeouts));
}
