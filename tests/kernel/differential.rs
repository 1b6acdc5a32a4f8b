//! The fake against the real kernel: whatever is asked of both, they answer alike.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use directord::kernel::fake;
use directord::kernel::{Error, Ipvs};
use directord::model::{
    Checksum, Destination, DestinationKey, Family, Forwarding, Netmask, Operation, Persistence,
    Scheduler, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Tunnel,
};
use nix::errno::Errno;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};

use crate::lab::with_client;
use crate::suite::{mark, table, tcp, udp};

/// Sequences tried.
const SEQUENCES: u32 = 300;
/// Steps in each.
const STEPS: usize = 12;
/// Operations in one step at most.
const OPERATIONS: usize = 8;

#[test]
fn the_fake_and_the_kernel_answer_alike() {
    with_client(|client| {
        let config = Config {
            cases: SEQUENCES,
            failure_persistence: None,
            ..Config::default()
        };
        let steps = prop::collection::vec(step(), 1..=STEPS);
        let mut runner = TestRunner::new(config);
        let blank = fake_of_this_kernel(client);
        let client = RefCell::new(client);
        let result = runner.run(&steps, |steps| {
            let client = &mut **client.borrow_mut();
            client.flush().unwrap();
            for role in [SyncRole::Master, SyncRole::Backup] {
                let _ = client.stop_daemon(role);
            }
            let mut fake = blank.clone();
            for step in &steps {
                prop_assert_eq!(step.take(client), step.take(&mut fake), "{:?}", step);
            }
            prop_assert_eq!(table(client), table(&mut fake));
            prop_assert_eq!(client.daemons().unwrap(), fake.daemons().unwrap());
            prop_assert_eq!(client.sketch().unwrap(), fake.sketch().unwrap());
            Ok(())
        });
        if let Err(failure) = result {
            panic!("{failure}");
        }
    });
}

/// An empty fake with the schedulers that this kernel has: not every distribution builds
/// all of them.
fn fake_of_this_kernel(client: &mut dyn Ipvs) -> fake::Table {
    let mut fake = fake::Table::new();
    for name in Scheduler::MAINLINE {
        let wanted = Service::new(name.parse().unwrap());
        let add = Operation::AddService(tcp("192.0.2.1", 80), wanted);
        if client.apply(&[add]).unwrap().is_empty() {
            client.flush().unwrap();
        } else {
            fake.remove_scheduler(name);
        }
    }
    fake
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<Operation>),
    Start(SyncDaemon),
    Stop(SyncRole),
    Zero(ServiceKey),
}

impl Step {
    /// What was refused, by position.
    fn take(&self, ipvs: &mut dyn Ipvs) -> Vec<(usize, Option<Errno>)> {
        let alone = |answer: Result<(), Error>| {
            let error = answer.err();
            error.map(|error| (0, error.errno())).into_iter().collect()
        };
        match self {
            Self::Apply(operations) => ipvs
                .apply(operations)
                .unwrap()
                .into_iter()
                .map(|failure| (failure.index, failure.error.errno()))
                .collect(),
            Self::Start(daemon) => alone(ipvs.start_daemon(daemon)),
            Self::Stop(role) => alone(ipvs.stop_daemon(*role)),
            Self::Zero(key) => alone(ipvs.zero(Some(key))),
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => prop::collection::vec(operation(), 1..=OPERATIONS).prop_map(Step::Apply),
        1 => daemon().prop_map(Step::Start),
        1 => role().prop_map(Step::Stop),
        1 => service_key().prop_map(Step::Zero),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let key = service_key;
    prop_oneof![
        3 => (key(), service()).prop_map(|(key, wanted)| Operation::AddService(key, wanted)),
        1 => (key(), service()).prop_map(|(key, wanted)| Operation::SetService(key, wanted)),
        1 => key().prop_map(Operation::DeleteService),
        6 => (key(), destination())
            .prop_map(|(key, wanted)| Operation::AddDestination(key, wanted)),
        4 => (key(), destination())
            .prop_map(|(key, wanted)| Operation::SetDestination(key, wanted)),
        2 => (key(), destination())
            .prop_map(|(key, gone)| Operation::DeleteDestination(key, gone.key)),
    ]
}

/// Few, so that operations meet.
fn service_key() -> impl Strategy<Value = ServiceKey> {
    prop_oneof![
        3 => Just(tcp("192.0.2.1", 80)),
        1 => Just(udp("192.0.2.1", 80)),
        2 => Just(tcp("2001:db8::1", 80)),
        1 => Just(mark(Family::V4, 1)),
        1 => Just(mark(Family::V6, 1)),
        1 => select(vec![mark(Family::V4, 0), tcp("0.0.0.0", 0), tcp("224.0.0.1", 1)]),
    ]
}

fn service() -> impl Strategy<Value = Service> {
    // An unknown name costs a vain attempt to load a module, so it is rare.
    let scheduler = prop_oneof![
        20 => select(Scheduler::MAINLINE.to_vec()),
        2 => Just("none"),
        1 => Just("nosuch"),
    ];
    let persistence = prop::option::of((
        select(vec![0, 1, 300, 2_678_400, 4_294_967, 4_294_968]),
        netmask(),
    ));
    let engine = prop_oneof![
        20 => Just(None),
        3 => Just(Some("sip".to_owned())),
        1 => Just(Some(String::new())),
        1 => Just(Some("sixteen--letters".to_owned())),
    ];
    let flags = (0_u8..8).prop_map(SchedulerFlags);
    (scheduler, persistence, engine, flags, any::<bool>()).prop_map(
        |(scheduler, persistence, engine, flags, one_packet)| Service {
            scheduler: Some(scheduler.parse().unwrap()),
            flags,
            persistence: persistence.map(|(timeout, netmask)| Persistence { timeout, netmask }),
            engine,
            one_packet,
        },
    )
}

fn netmask() -> impl Strategy<Value = Netmask> {
    prop_oneof![
        4 => any::<u32>().prop_map(|bits| Netmask::V4(bits.into())),
        4 => (0_u8..=130).prop_map(Netmask::V6),
        2 => Just(Netmask::full(Family::V4)),
    ]
}

fn destination() -> impl Strategy<Value = Destination> {
    let weight = select(vec![0, 1, 5, 0x7fff_ffff, 0x8000_0000, u32::MAX]);
    let threshold = || prop_oneof![4 => Just(0), 1 => select(vec![1, 2, u32::MAX])];
    (
        address(),
        1_u16..3,
        forwarding(),
        weight,
        threshold(),
        threshold(),
    )
        .prop_map(
            |(address, port, forwarding, weight, upper_threshold, lower_threshold)| Destination {
                key: DestinationKey { address, port },
                forwarding,
                weight,
                upper_threshold,
                lower_threshold,
            },
        )
}

/// Mostly one of a few servers, sometimes anything at all.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        8 => (1_u8..4).prop_map(|host| IpAddr::V4(Ipv4Addr::new(198, 51, 100, host))),
        4 => (1_u16..4)
            .prop_map(|host| IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host))),
        1 => any::<Ipv4Addr>().prop_map(IpAddr::V4),
        1 => any::<Ipv6Addr>().prop_map(IpAddr::V6),
        1 => (0xe000_u16..).prop_map(|first| {
            IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 1))
        }),
        1 => (any::<u16>(), 0_u16..3).prop_map(|(low, high)| {
            IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, high.wrapping_sub(1), 0, low))
        }),
        1 => select(vec!["127.0.0.1", "127.255.255.255", "255.255.255.255", "0.0.0.0", "::", "::1"])
            .prop_map(|text| text.parse().unwrap()),
    ]
}

fn forwarding() -> impl Strategy<Value = Forwarding> {
    let checksum = || select(vec![Checksum::None, Checksum::Full, Checksum::Remote]);
    prop_oneof![
        4 => Just(Forwarding::Masquerade),
        1 => Just(Forwarding::Local),
        4 => Just(Forwarding::DirectRoute),
        1 => Just(Forwarding::Bypass),
        4 => Just(Forwarding::Tunnel(Tunnel::Ipip)),
        2 => (select(vec![0, 6080]), checksum())
            .prop_map(|(port, checksum)| Forwarding::Tunnel(Tunnel::Gue { port, checksum })),
        2 => checksum().prop_map(|checksum| Forwarding::Tunnel(Tunnel::Gre { checksum })),
    ]
}

fn role() -> impl Strategy<Value = SyncRole> {
    select(vec![SyncRole::Master, SyncRole::Backup])
}

fn daemon() -> impl Strategy<Value = SyncDaemon> {
    let interface = prop_oneof![
        6 => Just("lo"),
        1 => select(vec!["", "nosuch0", "sixteen--letters"]),
    ];
    let group = prop_oneof![
        4 => Just(None),
        2 => Just(Some("239.1.2.3")),
        1 => select(vec![Some("192.0.2.1"), Some("2001:db8::1")]),
    ];
    let numbers = (any::<u8>(), any::<u16>(), any::<u16>(), any::<u8>());
    (role(), interface, group, numbers).prop_map(
        |(role, interface, group, (sync_id, max_length, port, ttl))| SyncDaemon {
            role,
            interface: interface.to_owned(),
            sync_id,
            max_length,
            group: group.map(|group| group.parse().unwrap()),
            port,
            ttl,
        },
    )
}
