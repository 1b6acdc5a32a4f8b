//! Who moves when, and who does not.

use std::time::Duration;

use super::world::{World, model, ms, settings, well};
use crate::failover::{
    Action, AlarmKind, Command, ConfigDigest, Event, Local, Reason, Settings, SoftwareVersion,
    State,
};
use crate::model::pair::{NodeId, Pair, Preempt};

fn preempting(node: usize) -> Pair {
    Pair {
        preempt: Preempt {
            enabled: true,
            delay: Duration::from_secs(2),
        },
        ..model(node)
    }
}

fn failed() -> Local {
    Local {
        reachable: 0,
        ..well()
    }
}

/// Node 1 serves because node 0 came later.
fn reversed(models: [Pair; 2]) -> World {
    let mut world = World::with(models);
    world.boot(1);
    world.run_until(ms(4000), |w| w.state(1) == State::Active);
    world.boot(0);
    world.run(ms(1000));
    assert_eq!(world.states(), [State::Standby, State::Active]);
    world.forget();
    world
}

#[test]
fn the_better_node_waits_for_its_turn_and_then_asks() {
    let mut world = reversed([preempting(0), preempting(1)]);
    let took = world.run_until(ms(3000), |w| w.state(0) == State::Active);
    assert!((ms(900)..ms(2200)).contains(&took), "{took:?}");
    assert!(
        world
            .path(1)
            .contains(&(State::Active, State::Release, Reason::HandedOver))
    );
    assert_eq!(world.overlap, ms(0));
}

#[test]
fn without_preemption_or_readiness_or_agreement_it_stays() {
    let mut world = reversed([model(0), model(1)]);
    world.run(ms(60_000));
    assert_eq!(world.state(1), State::Active, "off by default");

    let mut world = reversed([preempting(0), preempting(1)]);
    world.local(
        0,
        Local {
            ready: false,
            ..well()
        },
    );
    world.run(ms(60_000));
    assert_eq!(world.state(1), State::Active, "not ready");

    let mut world = reversed([preempting(0), preempting(1)]);
    let digest = ConfigDigest([9; 8]);
    let other = Settings::new(
        &preempting(0),
        super::world::keys(),
        digest,
        SoftwareVersion::default(),
    );
    world.event(0, Event::Reconfigured(Box::new(other.unwrap())));
    world.run(ms(60_000));
    assert_eq!(world.state(1), State::Active, "different configurations");
    assert!(world.alarms(1).contains(&AlarmKind::ConfigMismatch));
    assert_eq!(
        world.hosts[1].pair.view(world.now).peer.same_config,
        Some(false)
    );
    world.local(
        1,
        Local {
            fault: Some("no IPVS".to_owned()),
            ..well()
        },
    );
    world.run(ms(100));
    assert_eq!(world.state(0), State::Active, "but a fault counts");
}

#[test]
fn preference_counts_a_hundred() {
    let preferred = |node| {
        let mut model = model(node);
        model.instances[0].prefer = Some(NodeId(2));
        model
    };
    let mut world = World::with([preferred(0), preferred(1)]);
    world.boot(0);
    world.boot(1);
    world.run(ms(2000));
    assert_eq!(world.states(), [State::Standby, State::Active]);
    assert_eq!(
        world.hosts[1].pair.view(world.now).instances[0].priority,
        200
    );
    world.local(
        1,
        Local {
            weight: 100,
            ..well()
        },
    );
    assert_eq!(
        world.hosts[1].pair.view(world.now).instances[0].priority,
        254
    );
    world.local(
        1,
        Local {
            weight: -253,
            ..well()
        },
    );
    assert_eq!(world.hosts[1].pair.view(world.now).instances[0].priority, 1);
}

#[test]
fn a_failed_target_moves_the_instance_only_to_a_node_that_reaches_it() {
    let mut world = World::settled();
    world.local(0, failed());
    let took = world.run_until(ms(1000), |w| w.state(1) == State::Active);
    assert!((ms(380)..ms(500)).contains(&took), "{took:?}");
    assert!(
        world
            .path(0)
            .contains(&(State::Active, State::Release, Reason::Fault))
    );

    let mut world = World::settled();
    world.local(0, failed());
    world.run(ms(100));
    world.local(1, failed());
    world.run(ms(10_000));
    assert_eq!(world.state(0), State::Active, "the target failed for both");
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Active);
}

#[test]
fn strict_tracks_rule_a_node_out() {
    let strict = |node| {
        let mut model = model(node);
        model.instances[0].strict = true;
        model
    };
    let mut world = World::settled_with([strict(0), strict(1)]);
    world.local(0, failed());
    world.run_until(ms(50), |w| w.state(1) == State::Active);
    assert_eq!(world.state(0), State::Fault);
    world.hosts[1].dead = true;
    world.run(ms(10_000));
    assert_eq!(world.state(0), State::Fault, "it must not claim");
    world.local(0, well());
    world.run_until(ms(500), |w| w.state(0) == State::Active);
}

#[test]
fn a_pair_that_moves_too_often_is_pinned() {
    let mut world = World::settled();
    for round in 0..8 {
        let (bad, good) = (round % 2, 1 - round % 2);
        world.local(good, well());
        world.run(ms(1200));
        world.local(bad, failed());
        world.run(ms(1200));
    }
    let view = world.hosts[0].pair.view(world.now);
    assert_eq!(view.instances[0].moves, 5, "the limit");
    assert_eq!(world.state(1), State::Active);
    assert!(world.alarms(0).contains(&AlarmKind::Pinned));
    assert!(view.instances[0].pinned.is_some());
    // Pinned or not, an owner that is lost is replaced.
    world.hosts[1].dead = true;
    world.run_until(ms(1500), |w| w.state(0) == State::Active);
}

#[test]
fn an_equal_priority_is_decided_by_number_and_an_equal_number_by_incarnation() {
    let equal = |node| {
        let mut model = model(node);
        model.local.priority = 100;
        model.peer.priority = 100;
        model
    };
    let mut world = World::with([equal(0), equal(1)]);
    world.boot(1);
    world.boot(0);
    world.run(ms(2000));
    assert_eq!(world.states(), [State::Active, State::Standby]);

    // The second machine runs with the first one's name.
    let mut world = World::with([equal(0), equal(0)]);
    world.boot(1);
    world.boot(0);
    world.run(ms(5000));
    assert_eq!(
        world.states(),
        [State::Active, State::Standby],
        "the lower incarnation"
    );
    assert!(world.alarms(0).contains(&AlarmKind::DuplicateNode));
    assert!(world.hosts[1].pair.view(world.now).peer.duplicate_id);
    assert_eq!(world.overlap, ms(0));
}

#[test]
fn the_same_events_give_the_same_actions() {
    let settings = settings(&model(0));
    let start = std::time::Instant::now();
    let run = || {
        let incarnation = crate::failover::Incarnation([1; 16]);
        let mut pair = crate::failover::Pair::new(settings.clone(), incarnation, &[], start);
        let mut all: Vec<Action> = pair.step(start, Event::Start);
        for tick in 1..500 {
            all.extend(pair.step(start + ms(tick * 10), Event::Timer));
        }
        all
    };
    assert_eq!(run(), run());
}

#[test]
fn a_frozen_pair_moves_only_when_a_node_is_lost() {
    for frozen in 0..2 {
        let mut world = World::settled_with([preempting(0), preempting(1)]);
        world
            .command(frozen, Command::Freeze { duration: None })
            .unwrap();
        world.run(ms(300));
        world.local(
            0,
            Local {
                fault: Some("broken".to_owned()),
                ..well()
            },
        );
        world.run(ms(5000));
        world.local(
            0,
            Local {
                carrier: false,
                ..well()
            },
        );
        world.run(ms(5000));
        assert_eq!(world.state(0), State::Active, "frozen by node {frozen}");
        world.command(frozen, Command::Unfreeze).unwrap();
        world.run(ms(500));
        assert_eq!(world.state(1), State::Active);
    }
    let mut world = World::settled();
    let duration = Some(Duration::from_secs(600));
    world.command(1, Command::Freeze { duration }).unwrap();
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Active);
}

#[test]
fn a_freeze_ends_in_time() {
    let mut world = World::settled();
    let duration = Some(Duration::from_secs(5));
    world.command(0, Command::Freeze { duration }).unwrap();
    world.local(
        0,
        Local {
            fault: Some("broken".to_owned()),
            ..well()
        },
    );
    world.run(ms(4900));
    assert_eq!(world.state(0), State::Active);
    world.run(ms(300));
    assert_eq!(world.state(1), State::Active);
}
