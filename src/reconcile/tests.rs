//! Cases of the desired entry, and the properties of plans over random tables.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Planner, RealServer, ServiceState, desired};
use crate::model::{
    Availability, Destination, DestinationKey, Entry, Forwarding, Operation, Protocol, Scheduler,
    Service, ServiceKey, Table,
};

/// The changes that make these services look like that.
fn plan(wanted: &BTreeMap<ServiceKey, Option<Entry>>, found: &Table) -> Vec<Operation> {
    let mut planner = Planner::default();
    let mut count = 0;
    for (key, entry) in wanted {
        count += usize::from(planner.want(*key, entry.clone(), found.get(key)));
    }
    let operations = planner.finish();
    let touched: BTreeSet<_> = operations.iter().map(Operation::service).collect();
    assert_eq!(count, touched.len());
    operations
}

fn service(last: u8) -> ServiceKey {
    ServiceKey::Address {
        protocol: Protocol::Tcp,
        address: [192, 0, 2, last].into(),
        port: 80,
    }
}

fn server(last: u8, weight: u32) -> Destination {
    let address = [198, 51, 100, last].into();
    Destination::new(
        DestinationKey { address, port: 80 },
        Forwarding::DirectRoute,
        weight,
    )
}

fn real(last: u8, weight: u32, availability: Availability) -> RealServer {
    RealServer {
        destination: server(last, weight),
        availability,
        hand_weight: None,
    }
}

fn entry(destinations: &[Destination]) -> Entry {
    Entry {
        service: Service::new(Scheduler::wrr()),
        destinations: destinations.iter().map(|d| (d.key, *d)).collect(),
    }
}

/// The desired destinations of a service, as (last octet, weight).
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "those of the state that it stands for"
)]
struct Case<'a> {
    reals: &'a [RealServer],
    quiescent: bool,
    readd: bool,
    keeps: bool,
    fallback: Option<Destination>,
    hold: bool,
    observed: Option<&'a Entry>,
}

impl Case<'_> {
    fn run(&self) -> Vec<(u8, u32)> {
        let service = Service::new(Scheduler::wrr());
        let entry = desired(&ServiceState {
            service: &service,
            quiescent: self.quiescent,
            readd_quiescent: self.readd,
            reals: self.reals,
            keeps_others: self.keeps,
            fallback: self.fallback,
            hold_fallback: self.hold,
            observed: self.observed,
        })
        .entry;
        entry
            .destinations
            .values()
            .map(|d| (last_octet(&d.key), d.weight))
            .collect()
    }
}

fn last_octet(key: &DestinationKey) -> u8 {
    match key.address {
        std::net::IpAddr::V4(address) => address.octets()[3],
        std::net::IpAddr::V6(_) => unreachable!("tests use IPv4"),
    }
}

use Availability::{Down, Maintenance, Unknown, Up};

#[test]
fn up_servers_are_in_and_failed_ones_leave() {
    let reals = [real(1, 5, Up), real(2, 1, Down), real(3, 1, Maintenance)];
    let before = entry(&[server(1, 5), server(2, 1), server(3, 1)]);
    let case = Case {
        reals: &reals,
        observed: Some(&before),
        ..Case::default()
    };
    assert_eq!(case.run(), [(1, 5)]);
}

#[test]
fn others_stay_as_they_are_only_while_addresses_are_unknown() {
    let reals = [real(1, 5, Up), real(2, 1, Down)];
    let before = entry(&[server(1, 5), server(2, 1), server(3, 7), server(9, 1)]);
    let case = |keeps| Case {
        reals: &reals,
        fallback: Some(server(9, 1)),
        keeps,
        observed: Some(&before),
        ..Case::default()
    };
    assert_eq!(case(false).run(), [(1, 5)]);
    assert_eq!(case(true).run(), [(1, 5), (3, 7)]);
}

#[test]
fn quiescent_servers_stay_at_weight_0_but_a_missing_one_needs_readdquiescent() {
    let reals = [real(1, 5, Up), real(2, 1, Down)];
    let present = entry(&[server(1, 5), server(2, 1)]);
    let absent = entry(&[server(1, 5)]);
    let case = |observed, readd| {
        Case {
            reals: &reals,
            quiescent: true,
            readd,
            observed: Some(observed),
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(&present, false), [(1, 5), (2, 0)]);
    assert_eq!(case(&absent, false), [(1, 5)]);
    assert_eq!(case(&absent, true), [(1, 5), (2, 0)]);
}

#[test]
fn thresholds_survive_quiescing() {
    let limited = Destination {
        upper_threshold: 50,
        lower_threshold: 5,
        ..server(2, 1)
    };
    let reals = [RealServer {
        destination: limited,
        availability: Down,
        hand_weight: None,
    }];
    let service = Service::new(Scheduler::wrr());
    let before = entry(&[limited]);
    let entry = desired(&ServiceState {
        service: &service,
        quiescent: true,
        readd_quiescent: false,
        reals: &reals,
        keeps_others: false,
        fallback: None,
        hold_fallback: false,
        observed: Some(&before),
    })
    .entry;
    assert_eq!(
        entry.destinations[&limited.key],
        Destination {
            weight: 0,
            ..limited
        }
    );
}

#[test]
fn a_server_of_unknown_health_is_left_as_it_is_found() {
    let reals = [
        real(1, 5, Unknown),
        real(2, 5, Unknown),
        real(3, 5, Unknown),
    ];
    let before = entry(&[server(1, 7), server(2, 0)]);
    let case = Case {
        reals: &reals,
        observed: Some(&before),
        ..Case::default()
    };
    assert_eq!(case.run(), [(1, 7), (2, 0)]);
}

#[test]
fn a_weight_set_by_hand_counts() {
    let by_hand = RealServer {
        hand_weight: Some(0),
        ..real(1, 5, Up)
    };
    let reals = [by_hand, real(2, 1, Up)];
    assert_eq!(
        Case {
            reals: &reals,
            ..Case::default()
        }
        .run(),
        [(1, 0), (2, 1)]
    );
}

#[test]
fn the_fallback_is_in_exactly_when_no_server_is_usable() {
    let fallback = Some(server(9, 1));
    let case = |reals: &[RealServer]| {
        let before = entry(&[server(1, 1)]);
        Case {
            reals,
            quiescent: true,
            fallback,
            observed: Some(&before),
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(&[real(1, 1, Down)]), [(1, 0), (9, 1)]);
    assert_eq!(case(&[real(1, 1, Up)]), [(1, 1)]);
    assert_eq!(
        case(&[real(1, 0, Up)]),
        [(1, 0), (9, 1)],
        "weight 0 does not hide the fallback"
    );
    assert_eq!(case(&[]), [(9, 1)]);
}

#[test]
fn a_fallback_that_is_also_a_real_server_is_one_destination() {
    let fallback = Some(server(1, 1));
    let both = [real(1, 5, Up), real(2, 5, Up)];
    assert_eq!(
        Case {
            reals: &both,
            fallback,
            ..Case::default()
        }
        .run(),
        [(1, 5), (2, 5)]
    );
    let none = [real(1, 5, Down), real(2, 5, Down)];
    assert_eq!(
        Case {
            reals: &none,
            fallback,
            ..Case::default()
        }
        .run(),
        [(1, 1)]
    );
}

#[test]
fn first_checks_hold_the_fallback_back_but_do_not_remove_it() {
    let fallback = Some(server(9, 1));
    let reals = [real(1, 1, Unknown)];
    let with_fallback = entry(&[server(9, 1)]);
    let case = |observed| {
        Case {
            reals: &reals,
            fallback,
            hold: true,
            observed,
            ..Case::default()
        }
        .run()
    };
    assert_eq!(case(None), []);
    assert_eq!(case(Some(&with_fallback)), [(9, 1)]);
}

#[test]
fn of_two_lines_for_one_server_the_stronger_counts() {
    let reals = [real(1, 2, Up), real(1, 7, Up), real(1, 3, Down)];
    assert_eq!(
        Case {
            reals: &reals,
            quiescent: true,
            ..Case::default()
        }
        .run(),
        [(1, 7)]
    );
}

#[test]
fn the_fallback_comes_before_the_last_server_goes_and_goes_after_the_first_returns() {
    let one = |found: &[Destination], wanted: &[Destination]| {
        let observed = Table::from([(service(1), entry(found))]);
        plan(
            &BTreeMap::from([(service(1), Some(entry(wanted)))]),
            &observed,
        )
    };
    let key = service(1);
    assert_eq!(
        one(&[server(1, 1)], &[server(1, 0), server(9, 1)]),
        [
            Operation::AddDestination(key, server(9, 1)),
            Operation::SetDestination(key, server(1, 0))
        ]
    );
    assert_eq!(
        one(&[server(1, 0), server(9, 1)], &[server(1, 1)]),
        [
            Operation::SetDestination(key, server(1, 1)),
            Operation::DeleteDestination(key, server(9, 1).key)
        ]
    );
}

#[test]
fn a_large_maglev_service_is_filled_before_its_scheduler_is_attached() {
    let servers: Vec<_> = (1..=20).map(|last| server(last, 1)).collect();
    let mut wanted = entry(&servers);
    wanted.service.scheduler = Some("mh".parse().unwrap());
    let operations = plan(
        &BTreeMap::from([(service(1), Some(wanted.clone()))]),
        &Table::new(),
    );
    assert!(matches!(&operations[0], Operation::AddService(_, s) if s.scheduler.is_none()));
    assert_eq!(
        operations.last(),
        Some(&Operation::SetService(service(1), wanted.service))
    );
    assert_eq!(operations.len(), 22);
}

/// The least of a kernel: enough to apply a plan that is right.
fn apply(table: &mut Table, operation: &Operation) {
    match operation {
        Operation::AddService(key, service) => {
            let empty = Entry {
                service: service.clone(),
                destinations: BTreeMap::new(),
            };
            assert!(table.insert(*key, empty).is_none(), "{operation}: exists");
        }
        Operation::SetService(key, service) => {
            table.get_mut(key).expect("service exists").service = service.clone();
        }
        Operation::DeleteService(key) => {
            table.remove(key).expect("service exists");
        }
        Operation::AddDestination(key, destination) => {
            let entry = table.get_mut(key).expect("service exists");
            let known = entry.destinations.insert(destination.key, *destination);
            assert!(known.is_none(), "{operation}: exists");
        }
        Operation::SetDestination(key, destination) => {
            let entry = table.get_mut(key).expect("service exists");
            let known = entry.destinations.insert(destination.key, *destination);
            assert!(known.is_some(), "{operation}: absent");
        }
        Operation::DeleteDestination(key, destination) => {
            let entry = table.get_mut(key).expect("service exists");
            entry
                .destinations
                .remove(destination)
                .expect("destination exists");
        }
    }
}

fn usable(table: &Table, key: &ServiceKey) -> usize {
    table.get(key).map_or(0, |entry| {
        entry.destinations.values().filter(|d| d.weight > 0).count()
    })
}

fn entries() -> impl Strategy<Value = Entry> {
    let destinations = prop::collection::btree_map(0..6u8, 0..3u32, 0..6);
    (destinations, prop::sample::select(vec!["rr", "wrr", "mh"])).prop_map(|(servers, name)| {
        let servers: Vec<_> = servers
            .into_iter()
            .map(|(last, weight)| server(last, weight))
            .collect();
        let mut entry = entry(&servers);
        entry.service.scheduler = Some(name.parse().unwrap());
        entry
    })
}

fn tables() -> impl Strategy<Value = Table> {
    prop::collection::btree_map((1..5u8).prop_map(service), entries(), 0..5)
}

proptest! {
    #[test]
    fn a_plan_leads_to_the_desired_table_without_a_dip(
        observed in tables(),
        wanted in tables(),
        removed in prop::collection::btree_set(1..5u8, 0..3),
    ) {
        let mut concerned: BTreeMap<ServiceKey, Option<Entry>> =
            wanted.iter().map(|(key, entry)| (*key, Some(entry.clone()))).collect();
        for last in removed {
            concerned.entry(service(last)).or_insert(None);
        }
        let mut after = observed.clone();
        for (key, entry) in &concerned {
            match entry {
                Some(entry) => { after.insert(*key, entry.clone()); }
                None => { after.remove(key); }
            }
        }
        let mut table = observed.clone();
        for operation in &plan(&concerned, &observed) {
            apply(&mut table, operation);
            for key in observed.keys().chain(after.keys()) {
                let floor = usable(&observed, key).min(usable(&after, key));
                prop_assert!(usable(&table, key) >= floor, "dip at {}", operation);
            }
        }
        prop_assert_eq!(&table, &after);
        prop_assert!(plan(&concerned, &after).is_empty());
    }

    /// A crash in the middle of a plan: planning again from there ends in the same table.
    #[test]
    fn a_plan_can_be_resumed_at_any_step(observed in tables(), wanted in tables(), cut in 0..40usize) {
        let concerned: BTreeMap<_, _> =
            wanted.iter().map(|(key, entry)| (*key, Some(entry.clone()))).collect();
        let mut table = observed.clone();
        for operation in plan(&concerned, &observed).iter().take(cut) {
            apply(&mut table, operation);
        }
        for operation in &plan(&concerned, &table) {
            apply(&mut table, operation);
        }
        for (key, entry) in &wanted {
            prop_assert_eq!(table.get(key), Some(entry));
        }
    }
}
