//! What the simulator has found, each as short as it can be told.

use super::world::{World, instance, mac, model, ms, web};
use crate::failover::{Command, Event, InstanceId, Local, Reason, State, Step, SyncPart};
use crate::model::pair::Standby;

use super::world::well;

/// A request goes out every window, so the next answer is just about to come a window later.
#[test]
fn a_probe_that_was_answered_waits_for_a_request_that_is_not() {
    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Probe);
    world.event(
        1,
        Event::ProbeAnswer {
            instance: web(),
            mac: mac(0),
        },
    );
    world.run(ms(350));
    assert_eq!(world.state(1), State::Probe);
    world.run(ms(20));
    assert!(world.hosts[1].address);
}

#[test]
fn an_announcement_of_the_peer_answers_the_probe_and_stops_a_takeover() {
    let claim = Event::ForeignClaim {
        instance: web(),
        mac: mac(0),
    };
    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Probe);
    world.run(ms(100));
    world.event(1, claim.clone());
    world.run(ms(200));
    assert_eq!(world.state(1), State::Probe);

    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.hosts[1].hangs = vec![Step::PrepareTable];
    world.run_until(ms(2000), |w| w.state(1) == State::Acquire);
    world.event(1, claim);
    assert_eq!(world.state(1), State::Release);
    assert!(!world.hosts[1].had_address);
}

/// One direction was dead, the address was seen to be alive: nothing moves when it is back,
/// although the peer's first words still say that it has heard nothing.
#[test]
fn an_owner_that_is_heard_again_stays() {
    for back in 0..40 {
        let mut world = World::settled();
        world.cut_all(1);
        world.run(ms(1700 + back * 10));
        world.cut = [[false; 2]; 2];
        world.run(ms(1500));
        assert_eq!(world.states(), [State::Active, State::Standby]);
        assert_eq!(world.overlap, ms(0));
        assert!(world.path(0).iter().all(|(_, to, _)| *to != State::Release));
    }
}

/// The standby's vain claim has a newer epoch than the owner's.
#[test]
fn a_planned_switch_is_fast_after_a_claim_in_vain() {
    let mut world = World::settled();
    world.cut = [[true; 2]; 2];
    world.run(ms(2000));
    assert_eq!(world.state(1), State::Probe);
    world.cut = [[false; 2]; 2];
    world.run(ms(2000));
    assert_eq!(world.states(), [State::Active, State::Standby]);
    world.forget();
    world
        .command(1, Command::Takeover { instance: None })
        .expect("the peer is there");
    let took = world.run_until(ms(1000), |w| w.hosts[1].address);
    assert!(took < ms(50), "{took:?}");
    let fast = (State::Standby, State::Acquire, Reason::PeerReleased);
    assert!(world.path(1).contains(&fast));
}

#[test]
fn an_owner_without_sync_daemon_and_a_cold_standby_that_is_not_empty_try_again() {
    let mut world = World::settled();
    world.hosts[1].fails = vec![Step::Sync(SyncPart::Master)];
    world
        .command(1, Command::Takeover { instance: None })
        .expect("the peer is there");
    world.run(ms(1000));
    assert_eq!(world.state(1), State::Active);
    world.hosts[1].fails.clear();
    world.forget();
    world.run(ms(6000));
    assert_eq!(world.steps(1), [Step::Sync(SyncPart::Master)]);

    let models = [0, 1].map(|node| {
        let mut model = model(node);
        model.instances[0].standby = Standby::Cold;
        model
    });
    let mut world = World::settled_with(models);
    world.hosts[0].fails = vec![Step::ClearTable];
    world
        .command(1, Command::Takeover { instance: None })
        .expect("the peer is there");
    world.run(ms(1000));
    world.hosts[0].fails.clear();
    world.forget();
    world.run(ms(6000));
    assert!(world.steps(0).contains(&Step::ClearTable));
}

/// A claim clears what a standby still had to do.
#[test]
fn a_standby_is_prepared_again_after_a_claim_in_vain() {
    let mut world = World::settled();
    world.cut = [[true; 2]; 2];
    world.run_until(ms(2000), |w| w.state(1) == State::Probe);
    world.forget();
    world.cut = [[false; 2]; 2];
    world.run(ms(2000));
    assert_eq!(world.state(1), State::Standby);
    assert!(world.steps(1).contains(&Step::Sync(SyncPart::Backup)));
}

/// Two nodes that have never heard each other: the one that gives up and claims again meets
/// the other's address without knowing whose it is.
#[test]
fn an_unknown_owner_may_be_the_peer_that_was_never_heard() {
    let mut world = World::new();
    world.cut = [[true; 2]; 2];
    world.boot(1);
    world.run_until(ms(6000), |w| w.state(1) == State::Active);
    world.event(
        1,
        Event::Fenced {
            instances: vec![web()],
        },
    );
    world.hosts[1].stranger = Some(mac(0));
    world.run(ms(500));
    world.hosts[1].had_address = false;
    world.run(ms(10_000));
    assert!(!world.hosts[1].had_address, "{:?}", world.path(1));
}

/// The guards' recordings, or anybody's: packets of lives from before both started, played to
/// both while the links are dead, must not keep the nodes from finding each other after.
#[test]
fn recordings_do_not_keep_a_healed_pair_apart() {
    let mut old = World::settled();
    let recorded = |world: &World, node: usize| {
        let sent = world.hosts[node].sent.iter().rev();
        let mut sent = sent.filter(|(link, _)| *link == 0);
        sent.next().map(|(_, bytes)| bytes.clone())
    };
    old.run(ms(1000));
    let recordings = [0, 1].map(|node| recorded(&old, node).expect("adverts were sent"));

    let mut world = World::settled();
    world.reboot(0, 7);
    world.reboot(1, 8);
    world.run(ms(8000));
    world.cut = [[true; 2]; 2];
    world.run(ms(1500));
    for node in 0..2 {
        let bytes = recordings[1 - node].clone();
        world.event(node, Event::Packet { link: 0, bytes });
    }
    world.cut = [[false; 2]; 2];
    world.run(ms(2000));
    for node in 0..2 {
        assert!(world.hosts[node].pair.view(world.now).peer.alive);
    }
}

/// Whoever serves for less than a moment is never seen to serve.
#[test]
fn service_that_ends_at_once_is_a_move() {
    let mut world = World::settled();
    let fault = Local {
        fault: Some("the kernel has no IPVS".to_owned()),
        ..well()
    };
    world.hosts[1].hangs = vec![Step::Announce];
    world.local(0, fault.clone());
    world.run_until(ms(1000), |w| w.hosts[1].address);
    world.local(0, well());
    world.run(ms(300));
    world.local(1, fault);
    let epoch = world.hosts[1].pair.view(world.now).instances[0].epoch;
    world.event(
        1,
        Event::Done {
            instance: web(),
            epoch,
            step: Step::Announce,
            result: Ok(()),
        },
    );
    assert_eq!(world.state(1), State::Release);
    world.run(ms(5000));
    let moves = world.hosts[0].pair.view(world.now).instances[0].moves;
    assert_eq!(
        moves,
        world.hosts[1].pair.view(world.now).instances[0].moves
    );
    assert_eq!(moves, 2);
}

/// A life that was never heard is over; another one has been heard. What the first one said
/// arrives now, and is still fresh.
#[test]
fn an_earlier_life_that_was_never_heard_does_not_come_back() {
    let mut world = World::settled();
    world.reboot(0, 7);
    world.run(ms(4000));
    world.cut_all(0);
    world.reboot(0, 8);
    world.run(ms(400));
    let recorded = world.hosts[0]
        .sent
        .last()
        .expect("adverts were sent")
        .clone();
    world.reboot(0, 9);
    world.cut = [[false; 2]; 2];
    world.run(ms(450));
    let current = world.hosts[1].pair.view(world.now).peer.incarnation;
    let (link, bytes) = recorded;
    world.event(1, Event::Packet { link, bytes });
    assert_eq!(
        world.hosts[1].pair.view(world.now).peer.incarnation,
        current
    );
    world.run(ms(1000));
    assert!(world.hosts[1].pair.view(world.now).peer.alive);
}

/// The guard's farewell is one packet about all instances.
#[test]
fn a_fence_ends_every_takeover_that_is_under_way() {
    let models = [0, 1].map(|node| {
        let mut model = model(node);
        model.instances.push(instance("mail"));
        model
    });
    let mut world = World::settled_with(models);
    world.hosts[1].hangs = vec![Step::PrepareTable];
    world.hosts[0].dead = true;
    world.run_until(ms(2000), |w| w.state(1) == State::Acquire);
    world.event(
        1,
        Event::Fenced {
            instances: vec![InstanceId::of("mail")],
        },
    );
    assert_eq!(world.state(1), State::Release);
}
