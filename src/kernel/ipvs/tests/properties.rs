//! What holds for all values and all bytes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;

use super::{attributes, capture, encoded};
use crate::kernel::ipvs::abi::{self, command, top};
use crate::kernel::ipvs::{daemon, destination, general, service};
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::Attributes;
use crate::kernel::suite::{destination as a_destination, mark};
use crate::model::{
    Checksum, Destination, DestinationKey, Family, Forwarding, Netmask, Persistence, Protocol,
    SchedulerFlags, Service, ServiceKey, Tunnel,
};

#[test]
fn tunnels_are_always_repeated_and_absent_elsewhere() {
    let kinds = |forwarding| {
        let wanted = a_destination("198.51.100.1", 80, forwarding, 1);
        let bytes = encoded(command::SET_DEST, |message| {
            destination::encode(message, &wanted);
        });
        let nest = attributes(&bytes).find(top::DEST).unwrap().unwrap();
        nest.nest()
            .map(|found| found.unwrap().kind)
            .collect::<Vec<_>>()
    };
    let tunnel = [
        abi::destination::TUN_TYPE,
        abi::destination::TUN_PORT,
        abi::destination::TUN_FLAGS,
    ];
    let ipip = kinds(Forwarding::Tunnel(Tunnel::Ipip));
    assert!(tunnel.iter().all(|kind| ipip.contains(kind)));
    let routed = kinds(Forwarding::DirectRoute);
    assert!(tunnel.iter().all(|kind| !routed.contains(kind)));
}

/// What a decoder says of any bytes; the value does not matter, only that it returns.
fn decode_all(bytes: &[u8]) -> Vec<Result<(), Malformed>> {
    let all = || Attributes::new(bytes);
    vec![
        service::decode(all()).map(drop),
        destination::decode(all(), Family::V4).map(drop),
        destination::decode(all(), Family::V6).map(drop),
        daemon::decode(all()).map(drop),
        general::decode_info(all()).map(drop),
        general::decode_timeouts(all()).map(drop),
        general::decode_family(all()).map(drop),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        decode_all(&bytes);
    }

    /// Random bytes rarely get past the first length; damaged real answers do.
    #[test]
    fn no_damaged_answer_makes_a_decoder_panic(
        name in prop::sample::select(vec![
            "service-engine", "service-mark-v6", "destination-gue", "destination-counted",
            "backup", "timeouts", "info", "family",
        ]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut payload = capture(name).split_off(4);
        for (at, value) in damage {
            let at = at.index(payload.len());
            payload[at] = value;
        }
        payload.truncate(cut.index(payload.len()) + 1);
        decode_all(&payload);
    }

    /// What is written reads back equal, whatever else stands between.
    #[test]
    fn a_service_is_read_as_it_was_written(
        (key, wanted) in any_service(),
        unknown in prop::collection::vec(any::<u8>(), 0..9),
    ) {
        let bytes = encoded(command::NEW_SERVICE, |message| {
            message.bytes(0x1234, &unknown);
            service::encode(message, &key, &wanted);
        });
        let (found, observed) = service::decode(attributes(&bytes)).unwrap().unwrap();
        prop_assert_eq!((found, observed.service), (key, wanted));
        prop_assert_eq!(observed.destinations, BTreeMap::new());
    }

    #[test]
    fn a_destination_is_read_as_it_was_written(wanted in any_destination()) {
        let bytes = encoded(command::NEW_DEST, |message| destination::encode(message, &wanted));
        let family = Family::of(wanted.key.address);
        let found = destination::decode(attributes(&bytes), family).unwrap();
        prop_assert_eq!(found.destination, wanted);
    }
}

fn any_service() -> impl Strategy<Value = (ServiceKey, Service)> {
    let key = prop_oneof![
        (
            any::<IpAddr>(),
            any::<u16>(),
            prop::sample::select(vec![6_u16, 17, 132])
        )
            .prop_map(|(address, port, protocol)| ServiceKey::Address {
                protocol: Protocol::from_number(protocol).unwrap(),
                address,
                port,
            }),
        (any::<bool>(), 1_u32..)
            .prop_map(|(v6, number)| { mark(if v6 { Family::V6 } else { Family::V4 }, number) }),
    ];
    let name = prop::option::of("[a-mo-z]{1,15}");
    let rest = (
        name.clone(),
        name,
        0_u8..8,
        any::<bool>(),
        any::<Option<(u32, u32)>>(),
    );
    (key, rest).prop_map(
        |(key, (scheduler, engine, flags, one_packet, persistence))| {
            let netmask = |bits: u32| match key.family() {
                Family::V4 => Netmask::V4(bits.into()),
                Family::V6 => Netmask::V6((bits % 128 + 1) as u8),
            };
            let service = Service {
                scheduler: scheduler.map(|name| name.parse().unwrap()),
                flags: SchedulerFlags(flags),
                persistence: persistence.map(|(timeout, bits)| Persistence {
                    timeout,
                    netmask: netmask(bits),
                }),
                engine,
                one_packet,
            };
            (key, service)
        },
    )
}

fn any_destination() -> impl Strategy<Value = Destination> {
    let checksum = prop::sample::select(vec![Checksum::None, Checksum::Full, Checksum::Remote]);
    let forwarding = prop_oneof![
        Just(Forwarding::Masquerade),
        Just(Forwarding::Local),
        Just(Forwarding::DirectRoute),
        Just(Forwarding::Bypass),
        Just(Forwarding::Tunnel(Tunnel::Ipip)),
        (any::<u16>(), checksum.clone())
            .prop_map(|(port, checksum)| Forwarding::Tunnel(Tunnel::Gue { port, checksum })),
        checksum.prop_map(|checksum| Forwarding::Tunnel(Tunnel::Gre { checksum })),
    ];
    (any::<IpAddr>(), any::<u16>(), forwarding, any::<[u32; 3]>()).prop_map(
        |(address, port, forwarding, [weight, upper_threshold, lower_threshold])| Destination {
            key: DestinationKey { address, port },
            forwarding,
            weight,
            upper_threshold,
            lower_threshold,
        },
    )
}
