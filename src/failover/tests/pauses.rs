//! Pauses of hosts and networks: how long a silence has to last is learned from them.

use std::time::Duration;

use super::world::{World, model, ms};
use crate::failover::{AlarmKind, State};

/// Adverts every 20 ms, silence after 100 ms.
fn fast() -> World {
    let mut world = World::settled_with([0, 1].map(|node| {
        let mut model = model(node);
        model.timing = crate::model::pair::Timing::of(ms(20), ms(100));
        model
    }));
    // The start is over.
    world.run(ms(4000));
    world.forget();
    world
}

/// Nothing gets through for a while, then everything again.
fn pause(world: &mut World, time: Duration) {
    world.cut = [[true; 2]; 2];
    world.run(time);
    world.cut = [[false; 2]; 2];
    world.run(ms(200));
}

#[test]
fn what_has_passed_by_itself_is_waited_for_the_next_time() {
    let mut untaught = fast();
    pause(&mut untaught, ms(130));
    assert!(!untaught.path(1).is_empty(), "it asks for the address");

    let mut world = fast();
    for time in [75, 105, 145, 200, 290, 420] {
        pause(&mut world, ms(time));
        assert_eq!(world.states(), [State::Active, State::Standby]);
        assert!(world.path(1).is_empty(), "{time} ms: {:?}", world.path(1));
    }
    assert_eq!(
        world.alarms(1),
        [AlarmKind::Pauses],
        "once a minute at most"
    );
}

#[test]
fn a_death_is_noticed_within_a_second_all_the_same() {
    let mut world = fast();
    for time in [75, 105, 145, 200, 290, 420, 620, 900] {
        pause(&mut world, ms(time));
    }
    assert_eq!(world.states(), [State::Active, State::Standby]);
    world.hosts[0].dead = true;
    let took = world.run_until(ms(2000), |w| w.hosts[1].address);
    assert!((ms(950)..ms(1300)).contains(&took), "{took:?}");
}

#[test]
fn an_outage_teaches_nothing() {
    let mut world = fast();
    pause(&mut world, ms(5000));
    world.run(ms(5000));
    world.forget();
    let owner = world.states().iter().position(|s| *s == State::Active);
    world.hosts[owner.unwrap()].dead = true;
    let took = world.run_until(ms(2000), |w| w.hosts[1 - owner.unwrap()].address);
    assert!(took < ms(180), "{took:?}");
}

/// Whoever stands still finds its peer silent and all that it reads old.
#[test]
fn a_pause_of_its_own_teaches_nothing() {
    let mut world = fast();
    for time in [30, 45, 60, 90, 90] {
        world.stand_still(ms(time));
        world.run(ms(200));
        assert_eq!(world.states(), [State::Active, State::Standby], "{time} ms");
        let now = world.now;
        let waits = [0, 1].map(|node| world.hosts[node].pair.view(now).dead_after);
        assert_eq!(waits, [ms(100); 2], "after {time} ms");
    }
}

/// Its addresses answer the peer's probe meanwhile, so it has time to read what it missed.
#[test]
fn an_owner_that_stood_still_for_less_than_the_guard_waits_stays() {
    for (time, path) in [(60, 0), (150, 0), (230, 0), (400, 1)] {
        let mut world = fast();
        world.hosts[0].stopped = true;
        world.run(ms(time));
        world.resume(0);
        world.run(ms(50));
        let went = world.path(0);
        let released = went.iter().filter(|(_, to, _)| *to == State::Release);
        assert_eq!(released.count(), path, "{time} ms: {went:?}");
        assert_eq!(world.overlap, ms(0));
    }
}

/// The guard gives up in time for the peer, and not before.
#[test]
fn the_owner_has_as_long_as_the_peer_waits() {
    let mut world = fast();
    let left = |world: &World| world.hosts[0].keep.as_ref().unwrap().0 - world.now;
    assert!((ms(225)..=ms(250)).contains(&left(&world)), "the least");
    for time in [75, 105, 145, 200, 290, 420] {
        pause(&mut world, ms(time));
    }
    let taught = left(&world);
    assert!((ms(280)..=ms(350)).contains(&taught), "{taught:?}");
}
