//! The table as `/proc/net/ip_vs` tells it.

use super::*;

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
