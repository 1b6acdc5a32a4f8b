//! While this host's own uplink is dead, failed checks change nothing. R26.

use super::*;

const GUARDED: &str = "\
uplink=192.0.2.1, 2001:db8::1
virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    real=192.0.2.22:80 gate
    service=http
virtual=192.0.2.101:80
    real=192.0.2.21:80 gate
    real=192.0.2.22:80 gate
    service=http
";
const BOTH: [&str; 2] = ["192.0.2.21:80", "192.0.2.22:80"];

fn world() -> World {
    let mut world = World::new(GUARDED);
    for server in BOTH {
        world.up(server);
    }
    world.changes();
    world.messages.clear();
    world
}

fn answer(world: &mut World, is_alive: bool) {
    world.core.handle_uplink(is_alive, world.now);
    world.settle();
}

#[test]
fn a_dead_uplink_removes_nobody_and_is_told_once() {
    let mut world = world();
    let before = world.table();
    for round in 0..5 {
        for server in BOTH {
            world.down(server);
        }
        answer(&mut world, false);
        assert_eq!(world.changes(), 0, "round {round}");
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(world.table(), before);
    let told = world.messages.iter();
    let told = told.filter(|message| message.contains("the uplink is dead"));
    assert_eq!(told.count(), 1, "{:?}", world.messages);
    let status = world.core.uplink_status(world.now).unwrap();
    assert_eq!(status.dead_for_seconds, Some(5.0));
    assert_eq!(status.ignored_failures, 10);
    // Asked at the first failure, and each second since.
    assert_eq!(world.questions, 6);

    answer(&mut world, true);
    assert!(world.said("the uplink is back"));
    world.pass(Duration::from_secs(1));
    world.down(BOTH[0]);
    answer(&mut world, true);
    assert_eq!(world.changes(), 2);
}

#[test]
fn a_server_that_fails_alone_is_out_as_soon_as_the_uplink_has_answered() {
    let mut world = world();
    world.down(BOTH[0]);
    assert_eq!((world.questions, world.changes()), (1, 0));
    answer(&mut world, true);
    assert_eq!(world.changes(), 2);
    assert_eq!(world.core.poll_timeout(), None);
}

#[test]
fn without_the_word_a_failure_counts_at_once() {
    let mut world = world();
    world.reload(&GUARDED.replace("uplink=", "#"));
    world.changes();
    world.down(BOTH[0]);
    assert_eq!((world.questions, world.changes()), (0, 2));
    assert_eq!(world.core.uplink_status(world.now), None);
}
