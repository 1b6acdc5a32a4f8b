//! From nothing to one owner.

use super::world::{World, ms};
use crate::failover::{Reason, State, Step, SyncPart};

#[test]
fn of_two_new_nodes_the_better_one_serves() {
    let mut world = World::new();
    world.boot(0);
    world.boot(1);
    let took = world.run_until(ms(1500), |w| w.states() == [State::Active, State::Standby]);
    assert!(took < ms(900), "{took:?}");
    assert_eq!(
        world.path(0),
        [
            (State::Init, State::Wait, Reason::Started),
            (State::Wait, State::Standby, Reason::PeerFound),
            (State::Standby, State::Probe, Reason::NoOwner),
            (State::Probe, State::Acquire, Reason::ProbeQuiet),
            (State::Acquire, State::Active, Reason::Acquired),
        ]
    );
    assert_eq!(
        world.steps(0),
        [
            Step::CancelAnnouncements,
            Step::RemoveAddresses,
            Step::Sync(SyncPart::Backup),
            Step::PrepareTable,
            Step::StoreEpoch,
            Step::PrepareTable,
            Step::Sync(SyncPart::None),
            Step::Sync(SyncPart::Master),
            Step::AddAddresses,
            Step::Announce,
        ]
    );
    world.run(ms(5000));
    assert_eq!(world.states(), [State::Active, State::Standby]);
    assert!(!world.hosts[1].had_address);
}

#[test]
fn two_nodes_that_start_at_different_times_have_one_owner_all_the_time() {
    for offset in (0..2000).step_by(130) {
        let mut world = World::new();
        world.boot(1);
        world.run(ms(offset));
        world.boot(0);
        world.run(ms(5000));
        let owners = world
            .states()
            .iter()
            .filter(|s| **s == State::Active)
            .count();
        assert_eq!(owners, 1, "after {offset} ms: {:?}", world.states());
        assert_eq!(world.overlap, ms(0), "after {offset} ms");
    }
}

#[test]
fn a_node_without_a_peer_serves_after_the_start_time() {
    let mut world = World::new();
    world.boot(1);
    let took = world.run_until(ms(4000), |w| w.state(1) == State::Active);
    assert!((ms(3000)..ms(3500)).contains(&took), "{took:?}");
    assert!(
        world
            .path(1)
            .contains(&(State::Wait, State::Standby, Reason::WaitOver))
    );
    assert!(
        world
            .path(1)
            .contains(&(State::Standby, State::Probe, Reason::PeerSilent))
    );
}

#[test]
fn a_node_that_comes_back_leaves_the_owner_alone() {
    let mut world = World::settled();
    world.hosts[0].dead = true;
    world.run_until(ms(1400), |w| w.state(1) == State::Active);
    world.reboot(0, 10);
    let took = world.run_until(ms(1000), |w| w.state(0) == State::Standby);
    assert!(took < ms(500), "{took:?}");
    world.run(ms(60_000));
    assert_eq!(world.states(), [State::Standby, State::Active]);
    let view = world.hosts[1].pair.view(world.now);
    assert_eq!(
        (view.peer.retired, view.peer.alive, view.peer.hears_us),
        (1, true, true)
    );
    assert!(
        world
            .path(0)
            .contains(&(State::Wait, State::Standby, Reason::PeerActive))
    );
}

#[test]
fn a_left_over_address_that_stays_blocks() {
    let mut world = World::new();
    world.hosts[0].fails = vec![Step::RemoveAddresses];
    world.hosts[0].address = true;
    world.boot(0);
    world.boot(1);
    world.run(ms(6000));
    assert_eq!(world.state(0), State::Blocked);
    assert!(!world.hosts[1].had_address, "the peer keeps off");
    world.hosts[0].fails.clear();
    world.run_until(ms(3000), |w| {
        w.state(1) == State::Active || w.state(0) == State::Active
    });
    assert_eq!(world.overlap, ms(0));
}

#[test]
fn nothing_is_claimed_before_the_tracks_have_spoken() {
    use super::world::well;
    let mut world = World::new();
    world.boot(0);
    let unknown = crate::failover::Local {
        unknown: 1,
        reachable: 0,
        ..well()
    };
    world.local(0, unknown);
    world.run(ms(10_000));
    assert_eq!(world.state(0), State::Standby);
    world.local(0, well());
    world.run_until(ms(300), |w| w.state(0) == State::Active);
}
