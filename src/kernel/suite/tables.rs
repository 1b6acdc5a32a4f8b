//! What is written reads back equal, and what identifies what.

use super::*;

pub(crate) fn services_read_back_as_written(ipvs: &mut dyn Ipvs) {
    let wanted: BTreeMap<ServiceKey, Service> = [
        (tcp("192.0.2.1", 80), service("wlc")),
        (
            tcp("192.0.2.1", 443),
            persistent("rr", 300, v4_mask("255.255.255.0")),
        ),
        (
            tcp("192.0.2.2", 0),
            persistent("wrr", 1, v4_mask("255.255.255.255")),
        ),
        (
            udp("192.0.2.1", 53),
            Service {
                one_packet: true,
                ..service("rr")
            },
        ),
        (
            sctp("192.0.2.1", 9),
            Service {
                scheduler: None,
                ..service("rr")
            },
        ),
        (
            udp("192.0.2.1", 5060),
            Service {
                engine: Some("sip".to_owned()),
                ..persistent("rr", 60, v4_mask("255.255.255.255"))
            },
        ),
        (tcp("2001:db8::1", 80), flagged("sh", 3)),
        (
            tcp("2001:db8::1", 443),
            persistent("rr", 2_678_400, Netmask::V6(64)),
        ),
        (
            udp("2001:db8::1", 53),
            Service {
                one_packet: true,
                ..persistent("rr", 9, Netmask::V6(128))
            },
        ),
        (mark(Family::V4, 7), flagged("mh", 2)),
        (mark(Family::V6, 7), persistent("lc", 5, Netmask::V6(1))),
        (mark(Family::V4, u32::MAX), flagged("rr", 7)),
    ]
    .into();
    let adds = wanted
        .iter()
        .map(|(key, service)| Operation::AddService(*key, service.clone()));
    succeed(ipvs, adds.collect());
    let found = table(ipvs);
    let services: BTreeMap<_, _> = found
        .iter()
        .map(|(key, entry)| (*key, entry.service.clone()))
        .collect();
    assert_eq!(services, wanted);
    for (key, service) in wanted {
        let found = ipvs.dump_service(&key).unwrap().unwrap();
        assert_eq!(found.service, service, "{key}");
    }
}

pub(crate) fn destinations_read_back_as_written(ipvs: &mut dyn Ipvs) {
    let gue = |checksum| {
        Forwarding::Tunnel(Tunnel::Gue {
            port: 6080,
            checksum,
        })
    };
    let gre = |checksum| Forwarding::Tunnel(Tunnel::Gre { checksum });
    let v4 = [
        Forwarding::Masquerade,
        Forwarding::Local,
        Forwarding::DirectRoute,
        Forwarding::Bypass,
        Forwarding::Tunnel(Tunnel::Ipip),
        gue(Checksum::None),
        gue(Checksum::Full),
        gue(Checksum::Remote),
        gre(Checksum::None),
        gre(Checksum::Full),
    ];
    let service_v4 = tcp("192.0.2.1", 80);
    let service_v6 = mark(Family::V6, 1);
    let mut operations = vec![
        Operation::AddService(service_v4, service("rr")),
        Operation::AddService(service_v6, service("rr")),
    ];
    for (port, forwarding) in (1..).zip(v4) {
        let mut wanted = destination("198.51.100.1", port, forwarding, u32::from(port) - 1);
        wanted.upper_threshold = 100;
        wanted.lower_threshold = u32::from(port);
        operations.push(Operation::AddDestination(service_v4, wanted));
    }
    let mut heavy = destination("2001:db8::10", 8080, Forwarding::Masquerade, 2_147_483_647);
    heavy.upper_threshold = u32::MAX;
    operations.push(Operation::AddDestination(service_v6, heavy));
    let crossing = destination("198.51.100.1", 8080, Forwarding::Tunnel(Tunnel::Ipip), 1);
    operations.push(Operation::AddDestination(service_v6, crossing));
    let wanted = table_after(&operations);
    succeed(ipvs, operations);
    assert_eq!(table(ipvs), wanted);
}

pub(crate) fn ports_are_not_byte_swapped(ipvs: &mut dyn Ipvs) {
    let add = |port| Operation::AddService(tcp("192.0.2.1", port), service("rr"));
    succeed(ipvs, vec![add(80)]);
    assert!(ipvs.dump_service(&tcp("192.0.2.1", 80)).unwrap().is_some());
    assert!(
        ipvs.dump_service(&tcp("192.0.2.1", 0x5000))
            .unwrap()
            .is_none()
    );
}

pub(crate) fn an_edited_service_keeps_nothing_that_was_not_repeated(ipvs: &mut dyn Ipvs) {
    let key = udp("192.0.2.1", 5060);
    let full = Service {
        engine: Some("sip".to_owned()),
        flags: SchedulerFlags(5),
        one_packet: true,
        ..persistent("sh", 60, v4_mask("255.255.0.0"))
    };
    let wanted = destination("198.51.100.1", 5060, Forwarding::Masquerade, 3);
    succeed(
        ipvs,
        vec![
            Operation::AddService(key, full),
            Operation::AddDestination(key, wanted),
            Operation::SetService(key, service("rr")),
        ],
    );
    let found = ipvs.dump_service(&key).unwrap().unwrap().to_entry();
    assert_eq!(found.service, service("rr"));
    assert_eq!(found.destinations, [(wanted.key, wanted)].into());
}

pub(crate) fn an_edited_destination_keeps_nothing_that_was_not_repeated(ipvs: &mut dyn Ipvs) {
    let key = tcp("192.0.2.1", 80);
    let tunnel = Tunnel::Gue {
        port: 6080,
        checksum: Checksum::Remote,
    };
    let mut full = destination("198.51.100.1", 80, Forwarding::Tunnel(tunnel), 3);
    full.upper_threshold = 10;
    full.lower_threshold = 5;
    let reweighted = Destination { weight: 0, ..full };
    let bare = destination("198.51.100.1", 80, Forwarding::Tunnel(Tunnel::Ipip), 1);
    succeed(
        ipvs,
        vec![
            Operation::AddService(key, service("rr")),
            Operation::AddDestination(key, full),
            Operation::SetDestination(key, reweighted),
        ],
    );
    assert_eq!(only_destination(ipvs, &key), reweighted);
    succeed(ipvs, vec![Operation::SetDestination(key, bare)]);
    assert_eq!(only_destination(ipvs, &key), bare);
}

pub(crate) fn the_name_none_is_no_scheduler(ipvs: &mut dyn Ipvs) {
    let key = tcp("192.0.2.1", 80);
    succeed(ipvs, vec![Operation::AddService(key, service("none"))]);
    let found = ipvs.dump_service(&key).unwrap().unwrap();
    assert_eq!(found.service.scheduler, None);
}

pub(crate) fn a_destination_is_its_address_and_port(ipvs: &mut dyn Ipvs) {
    let key = tcp("192.0.2.1", 80);
    let masquerade = |port| destination("198.51.100.1", port, Forwarding::Masquerade, 1);
    let routed = destination("198.51.100.1", 80, Forwarding::DirectRoute, 1);
    succeed(
        ipvs,
        vec![
            Operation::AddService(key, service("rr")),
            Operation::AddDestination(key, masquerade(80)),
            Operation::AddDestination(key, masquerade(81)),
        ],
    );
    refuse(ipvs, Operation::AddDestination(key, routed), Errno::EEXIST);
    succeed(
        ipvs,
        vec![
            Operation::SetDestination(key, routed),
            Operation::DeleteDestination(key, masquerade(81).key),
        ],
    );
    assert_eq!(only_destination(ipvs, &key), routed);
}

pub(crate) fn a_tunnel_may_cross_families_until_it_is_deleted(ipvs: &mut dyn Ipvs) {
    let key = tcp("2001:db8::1", 80);
    let crossing = destination("198.51.100.1", 80, Forwarding::Tunnel(Tunnel::Ipip), 1);
    succeed(
        ipvs,
        vec![
            Operation::AddService(key, service("rr")),
            Operation::AddDestination(key, crossing),
        ],
    );
    assert_eq!(only_destination(ipvs, &key), crossing);
    succeed(ipvs, vec![Operation::DeleteDestination(key, crossing.key)]);
    assert!(table(ipvs)[&key].destinations.is_empty());
}

pub(crate) fn direct_routing_keeps_the_port_it_was_given(ipvs: &mut dyn Ipvs) {
    let key = tcp("192.0.2.1", 80);
    let routed = destination("198.51.100.1", 8080, Forwarding::DirectRoute, 1);
    succeed(
        ipvs,
        vec![
            Operation::AddService(key, service("rr")),
            Operation::AddDestination(key, routed),
        ],
    );
    assert_eq!(only_destination(ipvs, &key), routed);
}

pub(crate) fn local_addresses_keep_the_forwarding_method(ipvs: &mut dyn Ipvs) {
    let key = tcp("192.0.2.1", 80);
    let local = destination("127.0.0.1", 80, Forwarding::DirectRoute, 1);
    succeed(
        ipvs,
        vec![
            Operation::AddService(key, service("rr")),
            Operation::AddDestination(key, local),
        ],
    );
    assert_eq!(only_destination(ipvs, &key), local);
}

pub(crate) fn a_dump_of_three_thousand_services_is_complete(ipvs: &mut dyn Ipvs) {
    let keys: BTreeSet<_> = (0..3000).map(numbered).collect();
    let wanted = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
    let adds = keys.iter().flat_map(|key| {
        [
            Operation::AddService(*key, service("rr")),
            Operation::AddDestination(*key, wanted),
        ]
    });
    succeed(ipvs, adds.collect());
    let found = table(ipvs);
    assert_eq!(found.keys().copied().collect::<BTreeSet<_>>(), keys);
    assert!(
        found
            .values()
            .all(|entry| entry.destinations == [(wanted.key, wanted)].into())
    );
}

pub(crate) fn an_absent_service_is_told_from_one_without_destinations(ipvs: &mut dyn Ipvs) {
    let empty = tcp("192.0.2.1", 80);
    succeed(ipvs, vec![Operation::AddService(empty, service("rr"))]);
    let found = ipvs.dump_service(&empty).unwrap().unwrap();
    assert!(found.destinations.is_empty());
    assert_eq!(ipvs.dump_service(&tcp("192.0.2.1", 81)).unwrap(), None);
    assert_eq!(ipvs.dump_service(&mark(Family::V4, 0)).unwrap(), None);
}

/// What additions to an empty table make of it.
fn table_after(operations: &[Operation]) -> Table {
    let mut table = Table::new();
    for operation in operations {
        match operation {
            Operation::AddService(key, service) => {
                let entry = Entry {
                    service: service.clone(),
                    destinations: BTreeMap::new(),
                };
                table.insert(*key, entry);
            }
            Operation::AddDestination(key, wanted) => {
                let entry = table.get_mut(key).unwrap();
                entry.destinations.insert(wanted.key, *wanted);
            }
            other => panic!("{other} adds nothing"),
        }
    }
    table
}

fn only_destination(ipvs: &mut dyn Ipvs, key: &ServiceKey) -> Destination {
    let found = ipvs.dump_service(key).unwrap().unwrap().to_entry();
    assert_eq!(found.destinations.len(), 1);
    *found.destinations.values().next().unwrap()
}

fn sctp(address: &str, port: u16) -> ServiceKey {
    address_key(Protocol::Sctp, address, port)
}

fn flagged(scheduler: &str, bits: u8) -> Service {
    Service {
        flags: SchedulerFlags(bits),
        ..service(scheduler)
    }
}
