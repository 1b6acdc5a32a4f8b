//! Nodes, processes and links that fail.

use std::time::Duration;

use super::world::{World, model, ms, ping, well};
use crate::failover::view::LinkState;
use crate::failover::{Action, AlarmKind, Event, Local, Reason, State, Step};

#[test]
fn power_loss_is_over_in_dead_interval_plus_probe() {
    let mut world = World::settled();
    world.hosts[0].dead = true;
    let took = world.run_until(ms(2000), |w| w.hosts[1].address);
    assert!((ms(980)..ms(1250)).contains(&took), "{took:?}");
    assert!(world.alarms(1).contains(&AlarmKind::PeerLost));
}

#[test]
fn a_killed_process_hands_over_through_its_guard() {
    let mut world = World::settled();
    world.kill(0);
    let took = world.run_until(ms(2000), |w| w.hosts[1].address);
    assert!(took < ms(20), "{took:?}");
    assert!(
        world
            .path(1)
            .contains(&(State::Standby, State::Acquire, Reason::PeerReleased))
    );
    assert_eq!(world.overlap, ms(0));
}

/// However long the process is stopped there is one owner at most, and in the end one.
#[test]
fn a_stopped_process_never_makes_two_owners() {
    for stop in [100, 250, 400, 500, 700, 900, 1000, 1100, 1500, 3000, 10_000] {
        let mut world = World::settled();
        world.hosts[0].stopped = true;
        world.run(ms(stop));
        world.resume(0);
        world.run(ms(3000));
        assert_eq!(world.overlap, ms(0), "stopped for {stop} ms");
        let owners = world
            .states()
            .iter()
            .filter(|s| **s == State::Active)
            .count();
        assert_eq!(owners, 1, "stopped for {stop} ms: {:?}", world.states());
        // The guard counts from the last advert, which is up to an interval old.
        match stop {
            ..=300 => assert_eq!(world.state(0), State::Active, "stopped for {stop} ms"),
            500.. => assert_eq!(world.state(1), State::Active, "stopped for {stop} ms"),
            _ => {}
        }
    }
}

/// Both nodes are guests of one host that stands still for a moment: neither has heard the
/// other, and neither has asked. Nothing moves.
#[test]
fn a_host_that_stands_still_moves_nothing() {
    let cases = (0..17).flat_map(|n| (330..500).step_by(20).map(move |stop| (n * 20, stop)));
    for (before, stop) in cases {
        let seldom = |node| {
            let mut model = model(node);
            model.timing.advert_interval = ms(330);
            model
        };
        let mut world = World::settled_with([seldom(0), seldom(1)]);
        world.run(ms(before));
        world.stand_still(ms(stop));
        world.run(ms(2000));
        assert_eq!(world.states(), [State::Active, State::Standby]);
        assert!(
            world.path(0).is_empty(),
            "for {stop} ms: {:?}",
            world.path(0)
        );
    }
}

/// Without a guard the address stays until the process runs again and finds itself late.
#[test]
fn a_late_process_first_removes_its_addresses() {
    let mut world = World::settled();
    world.hosts[0].guarded = false;
    world.hosts[0].stopped = true;
    world.run(ms(1500));
    assert_eq!(
        world.state(1),
        State::Probe,
        "the address is still answered for"
    );
    world.forget();
    world.resume(0);
    world.event(0, Event::Timer);
    let sent_before: usize = world.hosts[0].sent.len();
    world.run(ms(1));
    assert!(!world.hosts[0].address);
    assert_eq!(
        world.steps(0)[..2],
        [Step::CancelAnnouncements, Step::RemoveAddresses]
    );
    assert!(
        world
            .path(0)
            .contains(&(State::Active, State::Release, Reason::Stalled))
    );
    assert!(sent_before <= 2, "one round at most, after draining");
    world.run(ms(2000));
    assert_eq!(world.states(), [State::Standby, State::Active]);
    assert_eq!(world.overlap, ms(0));
}

#[test]
fn while_late_nothing_is_sent_or_kept() {
    let mut world = World::settled();
    let host = &mut world.hosts[0];
    let late = world.now + ms(800);
    let actions = host.pair.step(late, Event::Timer);
    let quiet = |a: &Action| {
        !matches!(
            a,
            Action::Send { .. } | Action::Keep { .. } | Action::Do { .. }
        )
    };
    assert!(actions.contains(&Action::Drain));
    assert!(actions.iter().all(quiet), "{actions:?}");
    let actions = host.pair.step(late + ms(100), Event::Timer);
    assert!(actions.iter().all(quiet), "{actions:?}");
    let actions = host.pair.step(late + ms(101), Event::Drained);
    assert!(!actions.iter().all(quiet), "looked around: goes on");
}

#[test]
fn loss_of_one_link_moves_nothing() {
    for link in 0..2 {
        let mut world = World::settled();
        world.cut[0][link] = true;
        world.cut[1][link] = true;
        world.run(ms(1300));
        assert!(world.alarms(0).contains(&AlarmKind::Link));
        world.run(ms(20_000));
        assert_eq!(world.states(), [State::Active, State::Standby]);
        assert!(world.path(0).is_empty() && world.path(1).is_empty());
        let view = world.hosts[0].pair.view(world.now);
        let states = [view.links[link].state, view.links[1 - link].state];
        assert_eq!(states, [LinkState::Down, LinkState::Up]);
    }
}

/// Two opposite one-way links are a working path.
#[test]
fn opposite_one_way_links_move_nothing() {
    let mut world = World::settled();
    world.cut = [[true, false], [false, true]];
    world.run(ms(20_000));
    assert!(world.path(0).is_empty() && world.path(1).is_empty());
    let view = world.hosts[0].pair.view(world.now);
    assert_eq!(view.links[0].state, LinkState::OnlyIn);
    assert_eq!(view.links[1].state, LinkState::OnlyOut);
}

#[test]
fn all_links_dead_but_the_service_network_alive_moves_nothing() {
    let mut world = World::settled();
    world.cut = [[true; 2]; 2];
    world.run(ms(10_000));
    assert_eq!(world.states(), [State::Active, State::Probe]);
    assert!(world.alarms(1).contains(&AlarmKind::PeerStillServing));
    world.cut = [[false; 2]; 2];
    let took = world.run_until(ms(1000), |w| w.state(1) == State::Standby);
    assert!(took < ms(450), "{took:?}");
    world.run(ms(5000));
    assert_eq!(world.states(), [State::Active, State::Standby]);
    assert_eq!(world.overlap, ms(0));
}

/// The owner is not heard, but hears: it gives up before the other one claims.
#[test]
fn an_owner_that_is_not_heard_yields() {
    let mut world = World::settled();
    world.cut_all(0);
    world.run_until(ms(1500), |w| w.hosts[1].address);
    assert!(
        world
            .path(0)
            .contains(&(State::Active, State::Release, Reason::NotHeard))
    );
    world.run(ms(10_000));
    assert_eq!(world.overlap, ms(0));
    assert_eq!(world.state(1), State::Active);
    assert!(!world.hosts[0].address);
    world.cut = [[false; 2]; 2];
    world.run(ms(2000));
    assert_eq!(world.states(), [State::Standby, State::Active]);
}

#[test]
fn an_owner_that_hears_nothing_keeps_serving() {
    let mut world = World::settled();
    world.cut_all(1);
    world.run(ms(20_000));
    assert_eq!(world.state(0), State::Active);
    assert!(world.path(0).is_empty());
    assert!(!world.hosts[1].had_address);
    assert!(world.alarms(1).contains(&AlarmKind::OneWay));
}

/// Both serve an island of their own; after the heal the newer claim goes on.
#[test]
fn a_healed_partition_has_one_owner_within_two_adverts() {
    let mut world = World::settled();
    world.cut = [[true; 2]; 2];
    world.island = true;
    world.run_until(ms(2000), |w| w.states() == [State::Active, State::Active]);
    world.run(ms(3000));
    world.forget();
    world.cut = [[false; 2]; 2];
    world.island = false;
    let took = world.run_until(ms(1000), |w| !w.hosts[0].address || !w.hosts[1].address);
    assert!(took < ms(450), "{took:?}");
    world.run(ms(6000));
    assert_eq!(
        world.states(),
        [State::Standby, State::Active],
        "the newer claim"
    );
    assert!(world.alarms(0).contains(&AlarmKind::TwoOwners));
    let announced = world
        .steps(1)
        .iter()
        .filter(|s| **s == Step::Announce)
        .count();
    assert!(
        announced >= 3,
        "at once, when the other gave up, later: {announced}"
    );
}

/// With equal priorities too, where only epoch and number decide.
#[test]
fn equals_do_not_both_go_on() {
    let models = [0, 1].map(|node| {
        let mut model = model(node);
        model.local.priority = 100;
        model.peer.priority = 100;
        model
    });
    let mut world = World::settled_with(models);
    world.cut = [[true; 2]; 2];
    world.island = true;
    world.run_until(ms(2000), |w| w.states() == [State::Active, State::Active]);
    world.cut = [[false; 2]; 2];
    world.island = false;
    world.run_until(ms(1000), |w| w.states() == [State::Standby, State::Active]);
}

/// A process that stood still neither asked nor listened: its probe begins again.
#[test]
fn a_stalled_probe_proves_nothing() {
    let mut world = World::settled();
    world.cut = [[true; 2]; 2];
    world.run(ms(2000));
    assert_eq!(world.state(1), State::Probe);
    for stall in [60, 170, 200, 400, 900] {
        world.hosts[1].stopped = true;
        world.run(ms(stall));
        world.resume(1);
        world.event(1, Event::Timer);
        world.run(ms(500));
        assert_eq!(
            world.states(),
            [State::Active, State::Probe],
            "after {stall} ms"
        );
        assert!(!world.hosts[1].had_address);
    }
}

/// A guard that took the addresses from a node without a peer: it gets them back, by a claim.
#[test]
fn a_fenced_node_claims_again() {
    let mut world = World::settled();
    world.hosts[1].dead = true;
    world.run(ms(3000));
    world.hosts[0].stopped = true;
    world.run(ms(520));
    assert!(!world.hosts[0].address);
    world.resume(0);
    world.run_until(ms(2500), |w| w.hosts[0].address);
    world.run(ms(10));
    let view = world.hosts[0].pair.view(world.now);
    assert_eq!(
        (view.instances[0].state, view.instances[0].epoch),
        (State::Active, 2)
    );
}

#[test]
fn a_node_that_is_cut_off_gives_up_before_the_peer_claims() {
    let models = [0, 1].map(|node| {
        let mut model = model(node);
        model.instances[0].tracks = vec![ping(ms(100))];
        model
    });
    let mut world = World::with(models);
    world.boot(0);
    world.boot(1);
    for _ in 0..30 {
        world.run(ms(100));
        for node in 0..2 {
            let answered = Some(world.now);
            world.local(node, Local { answered, ..well() });
        }
    }
    assert_eq!(world.states(), [State::Active, State::Standby]);
    world.cut = [[true; 2]; 2];
    world.island = true;
    for _ in 0..20 {
        world.run(ms(100));
        let answered = Some(world.now);
        world.local(1, Local { answered, ..well() });
    }
    assert!(
        world
            .path(0)
            .contains(&(State::Active, State::Release, Reason::Isolated))
    );
    assert_eq!(world.state(1), State::Active);
    assert_eq!(world.overlap, ms(0));
    assert!(world.alarms(0).contains(&AlarmKind::Isolated));
    // The gateway may be what failed: with a carrier it serves again, later, and stays.
    world.run_until(ms(3000), |w| w.state(0) == State::Active);
    world.run(Duration::from_secs(30));
    assert_eq!(world.state(0), State::Active);
}

/// Loss of a fifth of all packets on both links.
#[test]
fn loss_moves_nothing() {
    let mut world = World::settled();
    let mut random: u32 = 1;
    for _ in 0..6_000 {
        for node in 0..2 {
            for link in 0..2 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                world.cut[node][link] = random >> 24 < 51;
            }
        }
        world.run(ms(50));
    }
    assert!(world.path(0).is_empty() && world.path(1).is_empty());
    let loss = world.hosts[0].pair.view(world.now).links[0].loss;
    assert!(loss.is_some_and(|l| (5..40).contains(&l)), "{loss:?}");
}
