//! What every implementation of [`Ipvs`] must do, written once: the fake runs it among
//! its unit tests, `tests/kernel.rs` runs it against a real kernel. Whoever includes this
//! file provides a module `api` with the library's `kernel` and `model`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use nix::errno::Errno;

use super::api::kernel::{Class, Ipvs};
use super::api::model::{
    Checksum, Destination, DestinationKey, Entry, Family, Forwarding, Netmask, Operation,
    Persistence, Protocol, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Table,
    Timeouts, Tunnel,
};

/// Calls a macro with the names of all cases.
macro_rules! for_every_case {
    ($run:ident) => {
        $run! {
            services_read_back_as_written
            destinations_read_back_as_written
            ports_are_not_byte_swapped
            an_edited_service_keeps_nothing_that_was_not_repeated
            an_edited_destination_keeps_nothing_that_was_not_repeated
            the_name_none_is_no_scheduler
            a_destination_is_its_address_and_port
            a_tunnel_may_cross_families_until_it_is_deleted
            direct_routing_keeps_the_port_it_was_given
            local_addresses_keep_the_forwarding_method
            services_are_refused_as_linux_refuses_them
            destinations_are_refused_as_linux_refuses_them
            a_missing_service_is_reported_before_anything_about_its_destination
            a_refusal_in_the_middle_of_five_thousand_is_mapped_to_its_operation
            a_dump_of_three_thousand_services_is_complete
            an_absent_service_is_told_from_one_without_destinations
            flush_removes_every_service
            zero_wants_an_existing_service
            time_outs_of_zero_are_kept
            sync_daemons_start_with_the_defaults_filled_in
            sync_daemons_start_with_every_option
            sync_daemons_are_refused_as_linux_refuses_them
            a_sync_daemon_and_mixed_families_exclude_each_other
            a_sync_daemon_stopped_right_after_its_start_does_not_hang
            the_sketch_of_an_unchanged_table_shows_no_difference
            the_sketch_shows_which_services_changed
        }
    };
}
pub(crate) use for_every_case;

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

pub(crate) fn services_are_refused_as_linux_refuses_them(ipvs: &mut dyn Ipvs) {
    let here = tcp("192.0.2.1", 80);
    let gone = tcp("192.0.2.2", 80);
    let v6 = tcp("2001:db8::1", 80);
    let unknown = || service("nosuch");
    let engine = |name: &str| Service {
        engine: Some(name.to_owned()),
        ..persistent("rr", 60, v4_mask("255.255.255.255"))
    };
    succeed(ipvs, vec![Operation::AddService(here, service("rr"))]);
    let add = Operation::AddService;
    let set = Operation::SetService;
    for (operation, errno) in [
        (add(here, service("rr")), Errno::EEXIST),
        (add(here, unknown()), Errno::EEXIST),
        (add(gone, unknown()), Errno::ENOENT),
        (set(here, unknown()), Errno::ENOENT),
        (set(gone, service("rr")), Errno::ESRCH),
        (set(gone, unknown()), Errno::ESRCH),
        (Operation::DeleteService(gone), Errno::ESRCH),
        (add(gone, engine("nosuch")), Errno::ENOENT),
        (add(gone, engine("fifteen-letters")), Errno::ENOENT),
        (add(gone, engine("sixteen--letters")), Errno::EINVAL),
        (add(v6, persistent("rr", 60, Netmask::V6(0))), Errno::EINVAL),
        (
            add(v6, persistent("rr", 60, Netmask::V6(129))),
            Errno::EINVAL,
        ),
        (
            add(v6, persistent("rr", 60, v4_mask("255.255.255.255"))),
            Errno::EINVAL,
        ),
        (
            add(gone, persistent("rr", 60, Netmask::V6(64))),
            Errno::EINVAL,
        ),
        (
            add(
                gone,
                persistent("rr", 4_294_968, v4_mask("255.255.255.255")),
            ),
            Errno::EINVAL,
        ),
        (add(mark(Family::V4, 0), service("rr")), Errno::EINVAL),
        (Operation::DeleteService(mark(Family::V6, 0)), Errno::EINVAL),
    ] {
        refuse(ipvs, operation, errno);
    }
    assert_eq!(table(ipvs).keys().copied().collect::<Vec<_>>(), [here]);
}

pub(crate) fn destinations_are_refused_as_linux_refuses_them(ipvs: &mut dyn Ipvs) {
    let v4 = tcp("192.0.2.1", 80);
    let v6 = tcp("2001:db8::1", 80);
    let masquerade = |address| destination(address, 80, Forwarding::Masquerade, 1);
    let here = masquerade("198.51.100.1");
    let gone = masquerade("198.51.100.2");
    let heavy = Destination {
        weight: 0x8000_0000,
        ..gone
    };
    let lower_alone = Destination {
        lower_threshold: 1,
        ..gone
    };
    let gue = Forwarding::Tunnel(Tunnel::Gue {
        port: 0,
        checksum: Checksum::None,
    });
    succeed(
        ipvs,
        vec![
            Operation::AddService(v4, service("rr")),
            Operation::AddService(v6, service("rr")),
            Operation::AddDestination(v4, here),
        ],
    );
    let add = Operation::AddDestination;
    let set = Operation::SetDestination;
    let routed_v4 = destination("198.51.100.1", 80, Forwarding::DirectRoute, 0x8000_0000);
    let mut cases = vec![
        (add(v4, here), Errno::EEXIST),
        (set(v4, gone), Errno::ENOENT),
        (Operation::DeleteDestination(v4, gone.key), Errno::ENOENT),
        (add(v4, heavy), Errno::ERANGE),
        (set(v4, heavy), Errno::ERANGE),
        (add(v4, lower_alone), Errno::ERANGE),
        (
            add(v4, destination("198.51.100.2", 80, gue, 1)),
            Errno::EINVAL,
        ),
        (
            add(
                v4,
                Destination {
                    weight: 0x8000_0000,
                    ..here
                },
            ),
            Errno::ERANGE,
        ),
        (add(v6, routed_v4), Errno::EINVAL),
        (set(v6, routed_v4), Errno::EINVAL),
        (Operation::DeleteDestination(v6, here.key), Errno::ENOENT),
    ];
    for bad in [
        "0.0.0.0",
        "224.0.0.1",
        "239.255.255.255",
        "255.255.255.255",
        "127.255.255.255",
    ] {
        cases.push((add(v4, masquerade(bad)), Errno::EINVAL));
    }
    for bad in ["::", "fe80::1", "febf::1", "ff02::1", "::ffff:198.51.100.1"] {
        cases.push((add(v6, masquerade(bad)), Errno::EINVAL));
    }
    for (operation, errno) in cases {
        refuse(ipvs, operation, errno);
    }
    let odd = [
        "0.0.0.1",
        "127.0.0.0",
        "127.0.0.2",
        "240.0.0.1",
        "198.51.100.255",
    ];
    let odd_v6 = ["::1", "::198.51.100.1", "fec0::1", "fc00::1", "100::1"];
    succeed(
        ipvs,
        odd.iter()
            .map(|address| add(v4, masquerade(address)))
            .chain(odd_v6.iter().map(|address| add(v6, masquerade(address))))
            .collect(),
    );
}

pub(crate) fn a_missing_service_is_reported_before_anything_about_its_destination(
    ipvs: &mut dyn Ipvs,
) {
    let gone = tcp("192.0.2.1", 80);
    let impossible = destination("224.0.0.1", 80, Forwarding::Masquerade, 0x8000_0000);
    refuse(
        ipvs,
        Operation::AddDestination(gone, impossible),
        Errno::ESRCH,
    );
    refuse(
        ipvs,
        Operation::SetDestination(gone, impossible),
        Errno::ESRCH,
    );
    refuse(
        ipvs,
        Operation::DeleteDestination(gone, impossible.key),
        Errno::ESRCH,
    );
}

pub(crate) fn a_refusal_in_the_middle_of_five_thousand_is_mapped_to_its_operation(
    ipvs: &mut dyn Ipvs,
) {
    let mut operations: Vec<_> = (0..5000)
        .map(|number| Operation::AddService(numbered(number), service("rr")))
        .collect();
    for (index, number) in [(0, 1), (700, 3), (701, 4), (2500, 5), (4999, 6)] {
        operations[index] = Operation::DeleteService(numbered(9000 + number));
    }
    operations[3000] = operations[2999].clone();
    operations[1024] = Operation::AddService(mark(Family::V4, 0), service("rr"));
    let failures = ipvs.apply(&operations).unwrap();
    let found: Vec<_> = failures
        .iter()
        .map(|failure| (failure.index, failure.error.errno().unwrap()))
        .collect();
    let expected = [
        (0, Errno::ESRCH),
        (700, Errno::ESRCH),
        (701, Errno::ESRCH),
        (1024, Errno::EINVAL),
        (2500, Errno::ESRCH),
        (3000, Errno::EEXIST),
        (4999, Errno::ESRCH),
    ];
    assert_eq!(found, expected);
    assert_eq!(table(ipvs).len(), 5000 - expected.len());
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

pub(crate) fn flush_removes_every_service(ipvs: &mut dyn Ipvs) {
    ipvs.flush().unwrap();
    let adds = (0..3).map(|number| Operation::AddService(numbered(number), service("rr")));
    succeed(ipvs, adds.collect());
    ipvs.flush().unwrap();
    assert!(table(ipvs).is_empty());
}

pub(crate) fn zero_wants_an_existing_service(ipvs: &mut dyn Ipvs) {
    let here = mark(Family::V6, 9);
    ipvs.zero(None).unwrap();
    succeed(ipvs, vec![Operation::AddService(here, service("rr"))]);
    ipvs.zero(Some(&here)).unwrap();
    for gone in [
        tcp("192.0.2.1", 80),
        mark(Family::V4, 9),
        mark(Family::V4, 0),
    ] {
        let error = ipvs.zero(Some(&gone)).unwrap_err();
        assert_eq!(error.class(), Class::AbsentService, "{error}");
    }
}

pub(crate) fn time_outs_of_zero_are_kept(ipvs: &mut dyn Ipvs) {
    let set = |tcp, tcp_fin, udp| Timeouts { tcp, tcp_fin, udp };
    assert_eq!(ipvs.timeouts().unwrap(), set(900, 120, 300));
    ipvs.set_timeouts(&set(0, 77, 0)).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), set(900, 77, 300));
    ipvs.set_timeouts(&set(2_678_400, 1, 2)).unwrap();
    assert_eq!(ipvs.timeouts().unwrap(), set(2_678_400, 1, 2));
    for too_large in [
        set(2_147_483_647, 5, 5),
        set(5, u32::MAX, 5),
        set(5, 5, 0x8000_0000),
    ] {
        let error = ipvs.set_timeouts(&too_large).unwrap_err();
        assert_eq!(error.class(), Class::Invalid, "{error}");
    }
    assert_eq!(ipvs.timeouts().unwrap(), set(2_678_400, 1, 2));
}

pub(crate) fn sync_daemons_start_with_the_defaults_filled_in(ipvs: &mut dyn Ipvs) {
    assert_eq!(ipvs.daemons().unwrap(), []);
    ipvs.start_daemon(&daemon(SyncRole::Backup)).unwrap();
    ipvs.start_daemon(&daemon(SyncRole::Master)).unwrap();
    let expected = |role, max_length| SyncDaemon {
        max_length,
        group: Some("224.0.0.81".parse().unwrap()),
        port: 8848,
        ttl: 1,
        ..daemon(role)
    };
    let master = expected(SyncRole::Master, 1472);
    let backup = expected(SyncRole::Backup, 65507);
    assert_eq!(ipvs.daemons().unwrap(), [master, backup.clone()]);
    ipvs.stop_daemon(SyncRole::Master).unwrap();
    assert_eq!(ipvs.daemons().unwrap(), [backup]);
    ipvs.stop_daemon(SyncRole::Backup).unwrap();
    assert_eq!(ipvs.daemons().unwrap(), []);
}

pub(crate) fn sync_daemons_start_with_every_option(ipvs: &mut dyn Ipvs) {
    let backup = SyncDaemon {
        sync_id: 255,
        max_length: 2000,
        group: Some("ff05::51".parse().unwrap()),
        port: 8849,
        ttl: 3,
        ..daemon(SyncRole::Backup)
    };
    let small = SyncDaemon {
        max_length: 100,
        group: Some("239.1.2.3".parse().unwrap()),
        ..backup.clone()
    };
    ipvs.start_daemon(&backup).unwrap();
    assert_eq!(ipvs.daemons().unwrap(), [backup]);
    ipvs.stop_daemon(SyncRole::Backup).unwrap();
    ipvs.start_daemon(&small).unwrap();
    assert_eq!(
        ipvs.daemons().unwrap(),
        [SyncDaemon {
            max_length: 1024,
            ..small
        }]
    );
    let default_v6 = SyncDaemon {
        group: Some("ff05::51".parse().unwrap()),
        ..daemon(SyncRole::Master)
    };
    ipvs.start_daemon(&default_v6).unwrap();
    assert_eq!(ipvs.daemons().unwrap()[0].max_length, 1452);
}

pub(crate) fn sync_daemons_are_refused_as_linux_refuses_them(ipvs: &mut dyn Ipvs) {
    let master = daemon(SyncRole::Master);
    let on = |interface: &str| SyncDaemon {
        interface: interface.to_owned(),
        ..daemon(SyncRole::Master)
    };
    let unicast = SyncDaemon {
        group: Some("192.0.2.1".parse().unwrap()),
        ..on("nosuch0")
    };
    for (wanted, errno) in [
        (on("nosuch0"), Errno::ENODEV),
        (on(""), Errno::ENODEV),
        (on("sixteen--letters"), Errno::EINVAL),
        (unicast, Errno::EINVAL),
    ] {
        let error = ipvs.start_daemon(&wanted).unwrap_err();
        assert_eq!(error.errno(), Some(errno), "{wanted:?}");
    }
    ipvs.start_daemon(&master).unwrap();
    assert_eq!(
        ipvs.start_daemon(&master).unwrap_err().class(),
        Class::Exists
    );
    let elsewhere = ipvs.start_daemon(&on("nosuch0")).unwrap_err();
    assert_eq!(elsewhere.errno(), Some(Errno::ENODEV));
    let error = ipvs.stop_daemon(SyncRole::Backup).unwrap_err();
    assert_eq!(error.class(), Class::AbsentDaemon);
}

pub(crate) fn a_sync_daemon_and_mixed_families_exclude_each_other(ipvs: &mut dyn Ipvs) {
    let key = tcp("2001:db8::1", 80);
    let crossing = destination("198.51.100.1", 80, Forwarding::Tunnel(Tunnel::Ipip), 1);
    let add = Operation::AddDestination(key, crossing);
    succeed(
        ipvs,
        vec![Operation::AddService(key, service("rr")), add.clone()],
    );
    let error = ipvs.start_daemon(&daemon(SyncRole::Master)).unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    succeed(ipvs, vec![Operation::DeleteDestination(key, crossing.key)]);
    ipvs.start_daemon(&daemon(SyncRole::Master)).unwrap();
    refuse(ipvs, add.clone(), Errno::EINVAL);
    refuse(
        ipvs,
        Operation::SetDestination(key, crossing),
        Errno::EINVAL,
    );
    refuse(
        ipvs,
        Operation::DeleteDestination(key, crossing.key),
        Errno::ENOENT,
    );
    ipvs.stop_daemon(SyncRole::Master).unwrap();
    succeed(ipvs, vec![add]);
}

pub(crate) fn a_sync_daemon_stopped_right_after_its_start_does_not_hang(ipvs: &mut dyn Ipvs) {
    for _ in 0..20 {
        for role in [SyncRole::Master, SyncRole::Backup] {
            ipvs.start_daemon(&daemon(role)).unwrap();
            ipvs.stop_daemon(role).unwrap();
        }
    }
    assert_eq!(ipvs.daemons().unwrap(), []);
}

pub(crate) fn the_sketch_of_an_unchanged_table_shows_no_difference(ipvs: &mut dyn Ipvs) {
    services_read_back_as_written(ipvs);
    let wanted = destination("198.51.100.1", 80, Forwarding::DirectRoute, 5);
    let crossing = destination("2001:db8::10", 80, Forwarding::Tunnel(Tunnel::Ipip), 0);
    let bypass = destination("198.51.100.3", 80, Forwarding::Bypass, 1);
    let local = destination("198.51.100.4", 80, Forwarding::Local, 1);
    succeed(
        ipvs,
        vec![
            Operation::AddDestination(tcp("192.0.2.1", 80), wanted),
            Operation::AddDestination(tcp("192.0.2.1", 80), crossing),
            Operation::AddDestination(mark(Family::V4, 7), bypass),
            Operation::AddDestination(mark(Family::V4, 7), local),
        ],
    );
    let sketch = ipvs.sketch().unwrap();
    assert_eq!(sketch.differing(&table(ipvs)), BTreeSet::new());
}

pub(crate) fn the_sketch_shows_which_services_changed(ipvs: &mut dyn Ipvs) {
    let keys: Vec<_> = (0..6).map(numbered).collect();
    let wanted = destination("198.51.100.1", 80, Forwarding::Masquerade, 5);
    let adds = keys.iter().flat_map(|key| {
        [
            Operation::AddService(*key, service("rr")),
            Operation::AddDestination(*key, wanted),
        ]
    });
    succeed(ipvs, adds.collect());
    let before = table(ipvs);
    let foreign = udp("2001:db8::5", 53);
    let routed = Destination {
        forwarding: Forwarding::DirectRoute,
        ..wanted
    };
    succeed(
        ipvs,
        vec![
            Operation::SetDestination(
                keys[0],
                Destination {
                    weight: 6,
                    ..wanted
                },
            ),
            Operation::SetDestination(keys[1], routed),
            Operation::DeleteDestination(keys[2], wanted.key),
            Operation::DeleteService(keys[3]),
            Operation::SetService(keys[4], service("wlc")),
            Operation::AddService(foreign, service("rr")),
            Operation::AddService(mark(Family::V6, 3), service("rr")),
        ],
    );
    let mut expected: BTreeSet<_> = keys[..5].iter().copied().collect();
    expected.extend([foreign, mark(Family::V4, 3), mark(Family::V6, 3)]);
    assert_eq!(ipvs.sketch().unwrap().differing(&before), expected);
}

/// The table without statistics.
pub(crate) fn table(ipvs: &mut dyn Ipvs) -> Table {
    let observed = ipvs.dump().unwrap();
    observed
        .iter()
        .map(|(key, service)| (*key, service.to_entry()))
        .collect()
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

pub(crate) fn succeed(ipvs: &mut dyn Ipvs, operations: Vec<Operation>) {
    assert_eq!(ipvs.apply(&operations).unwrap(), []);
}

#[expect(clippy::needless_pass_by_value, reason = "cases read better")]
fn refuse(ipvs: &mut dyn Ipvs, operation: Operation, errno: Errno) {
    let failures = ipvs.apply(std::slice::from_ref(&operation)).unwrap();
    let [failure] = failures.as_slice() else {
        panic!("{operation:?} was accepted");
    };
    assert_eq!(failure.error.errno(), Some(errno), "{operation:?}");
}

fn only_destination(ipvs: &mut dyn Ipvs, key: &ServiceKey) -> Destination {
    let found = ipvs.dump_service(key).unwrap().unwrap().to_entry();
    assert_eq!(found.destinations.len(), 1);
    *found.destinations.values().next().unwrap()
}

fn address_key(protocol: Protocol, address: &str, port: u16) -> ServiceKey {
    ServiceKey::Address {
        protocol,
        address: ip(address),
        port,
    }
}

pub(crate) fn tcp(address: &str, port: u16) -> ServiceKey {
    address_key(Protocol::Tcp, address, port)
}

pub(crate) fn udp(address: &str, port: u16) -> ServiceKey {
    address_key(Protocol::Udp, address, port)
}

fn sctp(address: &str, port: u16) -> ServiceKey {
    address_key(Protocol::Sctp, address, port)
}

pub(crate) fn mark(family: Family, mark: u32) -> ServiceKey {
    ServiceKey::Mark { family, mark }
}

/// One of many services.
pub(crate) fn numbered(number: u16) -> ServiceKey {
    tcp("192.0.2.1", 1000 + number)
}

pub(crate) fn service(scheduler: &str) -> Service {
    Service::new(scheduler.parse().unwrap())
}

fn persistent(scheduler: &str, timeout: u32, netmask: Netmask) -> Service {
    Service {
        persistence: Some(Persistence { timeout, netmask }),
        ..service(scheduler)
    }
}

fn flagged(scheduler: &str, bits: u8) -> Service {
    Service {
        flags: SchedulerFlags(bits),
        ..service(scheduler)
    }
}

fn v4_mask(mask: &str) -> Netmask {
    Netmask::V4(mask.parse().unwrap())
}

pub(crate) fn destination(
    address: &str,
    port: u16,
    forwarding: Forwarding,
    weight: u32,
) -> Destination {
    let key = DestinationKey {
        address: ip(address),
        port,
    };
    Destination::new(key, forwarding, weight)
}

fn daemon(role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: "lo".to_owned(),
        sync_id: 5,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
