//! The probe, rivals, and takeovers that fail.

use super::world::{World, mac, ms, web};
use crate::failover::{AlarmKind, Event, Mac, Reason, State, Step, SyncPart};

#[test]
fn a_stranger_that_answers_is_a_conflict_unless_the_pair_served_before() {
    let stranger = Mac([2, 0, 0, 0, 9, 9]);
    let mut world = World::new();
    world.hosts[0].stranger = Some(stranger);
    world.boot(0);
    world.run(ms(10_000));
    assert!(!world.hosts[0].had_address);
    let conflict = (State::Probe, State::Standby, Reason::Conflict(stranger));
    assert!(world.path(0).contains(&conflict));

    let mut world = World::settled();
    world.hosts[1].stranger = Some(stranger);
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Active);
    assert!(world.alarms(1).contains(&AlarmKind::ForeignOwner));
}

#[test]
fn answers_from_a_cache_do_not_keep_a_claim_away_for_ever() {
    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.hosts[1].stranger = Some(mac(0));
    world.run(ms(3000));
    assert_eq!(world.state(1), State::Probe);
    for _ in 0..60 {
        world.event(
            1,
            Event::ProbeReach {
                instance: web(),
                serves: false,
            },
        );
        world.run(ms(100));
    }
    let path = world.path(1);
    assert!(
        path.contains(&(State::Probe, State::Acquire, Reason::NothingServes)),
        "{path:?}"
    );

    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.hosts[1].stranger = Some(mac(0));
    for round in 0..200 {
        let serves = round % 10 == 0;
        world.event(
            1,
            Event::ProbeReach {
                instance: web(),
                serves,
            },
        );
        world.run(ms(100));
    }
    assert_eq!(world.state(1), State::Probe, "it serves now and then");
}

#[test]
fn of_two_that_probe_the_lower_address_goes_on() {
    for (other, goes_on) in [(mac(0), false), (Mac([9; 6]), true)] {
        let mut world = World::new();
        world.boot(1);
        world.run_until(ms(4000), |w| w.state(1) == State::Probe);
        let own = mac(1);
        world.event(
            1,
            Event::RivalProbe {
                instance: web(),
                mac: other,
                own,
            },
        );
        world.run(ms(700));
        assert_eq!(world.state(1) == State::Active, goes_on);
    }
}

#[test]
fn a_probe_that_cannot_be_sent_is_no_evidence() {
    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Probe);
    let result = Err("network is down".to_owned());
    world.event(
        1,
        Event::ProbeStarted {
            instance: web(),
            result,
        },
    );
    world.run(ms(100));
    assert_eq!(world.state(1), State::Standby);
    assert!(!world.hosts[1].had_address);
    world.run_until(ms(3000), |w| w.state(1) == State::Active);
}

#[test]
fn a_step_that_fails_or_hangs_undoes_the_takeover_and_the_peer_gets_its_turn() {
    let fatal = [
        Step::PrepareTable,
        Step::Sync(SyncPart::None),
        Step::AddAddresses,
    ];
    for step in fatal {
        for hangs in [false, true] {
            let mut world = World::settled();
            let host = &mut world.hosts[1];
            if hangs {
                host.hangs = vec![step];
            } else {
                host.fails = vec![step];
            }
            world
                .command(1, crate::failover::Command::Takeover { instance: None })
                .unwrap();
            world.run(ms(16_000));
            let failed = (State::Acquire, State::Release, Reason::StepFailed(step));
            assert!(
                world.path(1).contains(&failed),
                "{step}: {:?}",
                world.path(1)
            );
            assert_eq!(world.states(), [State::Active, State::Standby], "{step}");
            assert_eq!(world.overlap, ms(0));
            assert!(world.alarms(1).contains(&AlarmKind::StepFailed));
        }
    }
}

#[test]
fn a_full_disk_or_a_dead_sync_daemon_stops_no_takeover() {
    for step in [
        Step::StoreEpoch,
        Step::Sync(SyncPart::Master),
        Step::Announce,
    ] {
        let mut world = World::settled();
        world.hosts[1].fails = vec![step];
        world.hosts[0].dead = true;
        world.run_until(ms(1500), |w| w.state(1) == State::Active);
        world.run(ms(100));
        assert!(world.hosts[1].address);
    }
}

#[test]
fn three_failures_exclude_a_node_until_it_is_cleaned_up() {
    let mut world = World::settled();
    world.hosts[1].fails = vec![Step::AddAddresses];
    world.hosts[0].dead = true;
    world.run(ms(20_000));
    let view = world.hosts[1].pair.view(world.now);
    assert_eq!(world.state(1), State::Fault);
    assert_eq!(view.instances[0].failures[0].count, 3);
    world.hosts[1].fails.clear();
    world
        .command(1, crate::failover::Command::Cleanup { instance: None })
        .unwrap();
    world.run_until(ms(2000), |w| w.state(1) == State::Active);
}

#[test]
fn results_that_nobody_waits_for_change_nothing() {
    let mut world = World::settled();
    for (epoch, step) in [(0, Step::AddAddresses), (1, Step::RemoveAddresses)] {
        let instance = web();
        for result in [Ok(()), Err(String::new())] {
            world.event(
                0,
                Event::Done {
                    instance,
                    epoch,
                    step,
                    result,
                },
            );
        }
    }
    let instance = crate::failover::InstanceId(12345);
    world.event(0, Event::AddressMissing { instance });
    world.event(
        0,
        Event::Packet {
            link: 99,
            bytes: vec![0; 600],
        },
    );
    world.run(ms(1000));
    assert!(world.path(0).is_empty());
    assert!(world.steps(0).is_empty());
}
