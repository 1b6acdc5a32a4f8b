//! What is refused, and with which error number.

use super::*;

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
