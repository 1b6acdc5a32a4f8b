//! Giving up in order, and not being able to.

use super::world::{World, instance, model, ms, well};
use crate::failover::advert::{Expected, decode};
use crate::failover::{
    Action, AlarmKind, Command, Event, HookKind, Local, Reason, State, Step, SyncPart,
};
use crate::model::pair::{NodeId, Standby};

#[test]
fn a_stop_hands_over_within_milliseconds() {
    let mut world = World::settled();
    world.event(0, Event::Stop);
    let took = world.run_until(ms(500), |w| w.hosts[1].address);
    assert!(took < ms(30), "{took:?}");
    world.run(ms(500));
    assert_eq!(
        world.steps(0),
        [
            Step::CancelAnnouncements,
            Step::RemoveAddresses,
            Step::Sync(SyncPart::None),
        ]
    );
    assert_eq!(world.hosts[0].log.last(), Some(&Action::Exit));
    assert_eq!(world.hosts[0].pair.next_timer(), None);
    assert_eq!(world.overlap, ms(0));
    assert!(
        world
            .path(1)
            .contains(&(State::Standby, State::Acquire, Reason::PeerReleased))
    );
}

/// First the adverts that say so, then the removal, then `released`, then the sync daemon.
#[test]
fn released_is_said_after_the_kernel_has_confirmed_it() {
    let mut world = World::settled();
    world.hosts[0].hangs = vec![Step::RemoveAddresses];
    let reply = world.command(
        0,
        Command::Standby {
            instance: None,
            on: true,
        },
    );
    assert_eq!(reply, Ok("web: handing over to two".to_owned()));
    world.run(ms(1000));
    assert_eq!(world.state(0), State::Release);
    assert!(!world.hosts[1].had_address, "it may still be there");
    assert_eq!(
        world.steps(0),
        [Step::CancelAnnouncements, Step::RemoveAddresses]
    );
    world.run(ms(1100));
    assert_eq!(world.state(0), State::Blocked, "it took too long");
}

/// A packet counts until it is a dead interval old. Whoever is told `released` may act on it
/// that late, so the flag ends early and the next claim waits longer.
#[test]
fn released_cannot_be_believed_when_its_sender_claims_again() {
    let mut world = World::settled();
    world
        .command(
            0,
            Command::Standby {
                instance: None,
                on: true,
            },
        )
        .unwrap();
    world.hosts[1].dead = true;
    world.run(ms(2));
    world
        .command(
            0,
            Command::Standby {
                instance: None,
                on: false,
            },
        )
        .unwrap();
    let released = world.now;
    world.hosts[0].sent.clear();
    let (mut said, mut claimed) = (ms(0), None);
    while claimed.is_none() {
        world.run(ms(1));
        for (link, bytes) in std::mem::take(&mut world.hosts[0].sent) {
            let expected = Expected {
                cluster: "test",
                nodes: [NodeId(1), NodeId(2)],
                link,
            };
            let advert = decode(&bytes, &expected, &super::world::keys()).unwrap();
            let flags = advert.record(super::world::web()).unwrap().flags;
            if flags.released {
                said = world.now - released;
            }
            if flags.claim {
                claimed = Some(world.now - released);
            }
        }
    }
    assert!((ms(300)..=ms(500)).contains(&said), "{said:?}");
    assert!(claimed.is_some_and(|at| at >= ms(1480)), "{claimed:?}");
}

#[test]
fn a_node_that_cannot_remove_its_address_keeps_the_peer_off() {
    let mut world = World::settled();
    world.hosts[0].fails = vec![Step::RemoveAddresses];
    world.event(
        0,
        Event::Operator {
            ticket: 1,
            command: Command::Standby {
                instance: None,
                on: true,
            },
        },
    );
    world.run(ms(5000));
    assert_eq!(world.states(), [State::Blocked, State::Standby]);
    assert!(world.steps(0).contains(&Step::Isolate { attempt: 1 }));
    assert!(world.steps(0).contains(&Step::Isolate { attempt: 2 }));
    assert!(world.alarms(0).contains(&AlarmKind::Blocked));
    assert!(!world.hosts[1].had_address);
    world.hosts[0].fails.clear();
    world.run_until(ms(1500), |w| w.states() == [State::Standby, State::Active]);
    assert_eq!(world.overlap, ms(0));
}

#[test]
fn programs_before_a_release_run_only_when_there_is_time() {
    let with_program = |node| {
        let mut model = model(node);
        model.instances[0].hooks.before_release = vec!["/bin/true".into()];
        model
    };
    let mut world = World::settled_with([with_program(0), with_program(1)]);
    world
        .command(
            0,
            Command::Standby {
                instance: None,
                on: true,
            },
        )
        .unwrap();
    world.run(ms(100));
    assert!(world.steps(0).contains(&Step::BeforeRelease));

    let mut world = World::settled_with([with_program(0), with_program(1)]);
    world.local(
        0,
        Local {
            carrier: false,
            ..well()
        },
    );
    let took = world.run_until(ms(500), |w| w.hosts[1].address);
    assert!(took < ms(30), "{took:?}");
    assert!(!world.steps(0).contains(&Step::BeforeRelease));
    assert!(
        world
            .path(0)
            .contains(&(State::Active, State::Release, Reason::CarrierLost))
    );
    world.run(ms(100));
    assert_eq!(world.state(0), State::Fault);
    let hooks = world.hosts[0].log.iter().filter_map(|a| match a {
        Action::Hook { kind, reason, .. } => Some((*kind, *reason)),
        _ => None,
    });
    assert_eq!(
        hooks.collect::<Vec<_>>(),
        [
            (HookKind::AfterFault, Reason::Faulty),
            (HookKind::AfterRelease, Reason::CarrierLost)
        ]
    );
    world.local(0, well());
    world.run(ms(10));
    assert_eq!(world.state(0), State::Standby);
}

#[test]
fn a_cold_standby_empties_its_table() {
    let models = [0, 1].map(|node| {
        let mut model = model(node);
        model.instances[0].standby = Standby::Cold;
        model.instances[0].sync = None;
        model
    });
    let mut world = World::settled_with(models);
    world
        .command(
            0,
            Command::Standby {
                instance: None,
                on: true,
            },
        )
        .unwrap();
    world.run(ms(100));
    assert_eq!(
        world.steps(0),
        [
            Step::CancelAnnouncements,
            Step::RemoveAddresses,
            Step::ClearTable
        ]
    );
    assert_eq!(
        world.steps(1),
        [
            Step::StoreEpoch,
            Step::PrepareTable,
            Step::AddAddresses,
            Step::Announce
        ]
    );
}

#[test]
fn an_address_that_somebody_removed_is_restored_and_a_third_time_is_a_fault() {
    let mut world = World::settled();
    for round in 1..=3 {
        world.hosts[0].address = false;
        let instance = super::world::web();
        world.event(0, Event::AddressMissing { instance });
        world.run(ms(50));
        if round < 3 {
            assert!(world.hosts[0].address);
            let steps = world.steps(0);
            assert_eq!(
                steps[steps.len() - 2..],
                [Step::AddAddresses, Step::Announce]
            );
        }
    }
    world.run(ms(100));
    assert_eq!(world.states(), [State::Fault, State::Active]);
    assert!(world.alarms(0).contains(&AlarmKind::AddressMissing));
}

#[test]
fn instances_come_and_go_with_the_configuration() {
    let two = |node| {
        let mut model = model(node);
        model.instances.push(instance("mail"));
        model
    };
    let mut world = World::settled();
    for node in 0..2 {
        let settings = super::world::settings(&two(node));
        world.event(node, Event::Reconfigured(Box::new(settings)));
    }
    world.run(ms(100));
    assert_eq!(
        world.states(),
        [State::Active, State::Standby],
        "roles are kept"
    );
    assert!(
        world
            .path(0)
            .iter()
            .all(|(from, ..)| *from != State::Active)
    );
    let view = world.hosts[0].pair.view(world.now);
    assert_eq!(view.instances[1].name, "mail");

    world.forget();
    let only_mail = |node| {
        let mut model = two(node);
        model.instances.remove(0);
        super::world::settings(&model)
    };
    world.event(0, Event::Reconfigured(Box::new(only_mail(0))));
    world.run(ms(100));
    assert!(!world.hosts[0].address);
    let view = world.hosts[0].pair.view(world.now);
    assert_eq!(view.instances.len(), 1, "given up and forgotten");
    assert!(world.steps(0).contains(&Step::Sync(SyncPart::None)));
}
