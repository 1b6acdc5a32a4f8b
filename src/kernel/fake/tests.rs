use super::*;
use crate::kernel::Class;
use crate::kernel::suite;
use crate::model::{Forwarding, Service};

macro_rules! on_the_fake {
    ($($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                suite::$case(&mut Table::new());
            }
        )*
    };
}
suite::for_every_case!(on_the_fake);

fn add(port: u16) -> Operation {
    Operation::AddService(
        suite::tcp("192.0.2.1", port),
        Service::new(Scheduler::wrr()),
    )
}

#[test]
fn an_injected_refusal_hits_the_nth_operation_and_nothing_else() {
    let mut table = Table::new();
    assert_eq!(table.apply(&[add(1)]).unwrap(), []);
    table.refuse_operation(2, Errno::ENOMEM);
    let failures = table.apply(&[add(2), add(3), add(4)]).unwrap();
    let [failure] = failures.as_slice() else {
        panic!("{failures:?}");
    };
    assert_eq!(
        (failure.index, failure.error.errno()),
        (1, Some(Errno::ENOMEM))
    );
    assert_eq!(table.operations(), 4);
    assert_eq!(table.services().len(), 3);
}

#[test]
fn an_injected_failure_hits_the_nth_call_and_changes_nothing() {
    let mut table = Table::new();
    let timeout = Error::Timeout {
        request: Request::Services,
    };
    table.fail_call(2, timeout.clone());
    assert!(table.dump().is_ok());
    assert_eq!(table.apply(&[add(1)]), Err(timeout));
    assert_eq!(table.operations(), 0);
    assert_eq!(table.apply(&[add(1)]), Ok(vec![]));
    assert_eq!(table.calls(), 3);
}

#[test]
fn a_scheduler_can_be_taken_away() {
    let mut table = Table::new();
    table.remove_scheduler("wrr");
    let failures = table.apply(&[add(1)]).unwrap();
    assert_eq!(failures[0].error.class(), Class::AbsentScheduler);
}

#[test]
fn a_daemon_takes_its_length_from_the_interface() {
    let mut table = Table::new();
    table.add_interface("eth0", 9000);
    let daemon = SyncDaemon {
        role: SyncRole::Backup,
        interface: "eth0".to_owned(),
        sync_id: 0,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    };
    table.start_daemon(&daemon).unwrap();
    assert_eq!(table.daemons().unwrap()[0].max_length, 8972);
}

#[test]
fn a_table_can_be_filled_shared_and_changed_by_other_hands() {
    let key = suite::tcp("192.0.2.1", 1);
    let mut first = Table::new();
    first.apply(&[add(1)]).unwrap();
    let wanted = suite::destination("198.51.100.1", 1, Forwarding::Masquerade, 1);
    let operation = Operation::AddDestination(key, wanted);
    first.apply(&[operation]).unwrap();
    let model = suite::table(&mut first);
    let mut shared = Arc::new(Mutex::new(Table::from(&model)));
    let other = Arc::clone(&shared);
    assert_eq!(suite::table(&mut shared), model);
    let mut hand = other.lock().unwrap();
    let service = hand.services_mut().get_mut(&key).unwrap();
    service.destinations.clear();
    drop(hand);
    assert!(
        shared
            .dump_service(&key)
            .unwrap()
            .unwrap()
            .destinations
            .is_empty()
    );
}

#[test]
fn zero_resets_the_counters_it_is_asked_for() {
    let mut table = Table::new();
    table.apply(&[add(1), add(2)]).unwrap();
    for service in table.services_mut().values_mut() {
        service.counters.connections = 7;
    }
    table.zero(Some(&suite::tcp("192.0.2.1", 1))).unwrap();
    let counted = |table: &Table| {
        let services = table.services().values();
        services
            .map(|service| service.counters.connections)
            .collect::<Vec<_>>()
    };
    assert_eq!(counted(&table), [0, 7]);
    table.zero(None).unwrap();
    assert_eq!(counted(&table), [0, 0]);
}
