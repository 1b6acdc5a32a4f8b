//! Commands and what is shown.

use super::world::{World, ms, well};
use crate::failover::view::{Obstacle, Owner};
use crate::failover::{Command, InstanceId, Local, Reason, State};

const STANDBY: Command = Command::Standby {
    instance: None,
    on: true,
};
const TAKEOVER: Command = Command::Takeover { instance: None };

#[test]
fn standby_moves_the_instance_and_keeps_it_away() {
    let mut world = World::settled();
    world.command(0, STANDBY).unwrap();
    world.run(ms(100));
    assert_eq!(world.states(), [State::Standby, State::Active]);
    assert!(
        world
            .path(0)
            .contains(&(State::Active, State::Release, Reason::Operator))
    );
    world.hosts[1].dead = true;
    world.run(ms(5000));
    assert_eq!(world.state(0), State::Standby, "an operator's word");
    let off = Command::Standby {
        instance: None,
        on: false,
    };
    world.command(0, off).unwrap();
    world.run_until(ms(500), |w| w.state(0) == State::Active);
}

/// The second order may reach the new owner in the step in which it takes over: the other
/// node never sees it serve.
#[test]
fn takeover_on_both_nodes_at_once_is_as_fast_as_on_one() {
    for apart in 0..40 {
        let mut world = World::settled();
        world.command(1, TAKEOVER).unwrap();
        world.run(ms(apart));
        // The one that still serves says so.
        let _ = world.command(0, TAKEOVER);
        let one = |world: &World| {
            let serving = world
                .states()
                .iter()
                .filter(|s| **s == State::Active)
                .count();
            serving == 1 && world.states().contains(&State::Standby)
        };
        world.run(ms(1));
        let took = world.run_until(ms(5000), one);
        assert!(took < ms(100), "{apart} ms apart: {took:?}");
        world.run(ms(3000));
        assert!(one(&world), "{apart} ms apart: {:?}", world.states());
        assert_eq!(world.overlap, ms(0), "{apart} ms apart");
    }
}

#[test]
fn standby_waits_for_a_peer_that_can_serve() {
    let mut world = World::settled();
    world.local(
        1,
        Local {
            fault: Some("no table".to_owned()),
            ..well()
        },
    );
    world.run(ms(100));
    let reply = world.command(0, STANDBY);
    assert_eq!(reply, Ok("web: stays until two can serve it".to_owned()));
    world.run(ms(5000));
    assert_eq!(world.state(0), State::Active);
    world.local(1, well());
    world.run_until(ms(100), |w| w.states() == [State::Standby, State::Active]);
}

#[test]
fn takeover_moves_the_instance_here_and_back() {
    let mut world = World::settled();
    for node in [1, 0, 1] {
        world.command(node, TAKEOVER).unwrap();
        let took = world.run_until(ms(200), |w| w.state(node) == State::Active);
        assert!(took < ms(30), "{took:?}");
        world.run(ms(20));
        assert_eq!(world.state(1 - node), State::Standby);
        assert_eq!(
            world.command(node, TAKEOVER),
            Err("web is active here already".to_owned())
        );
    }
    assert_eq!(world.overlap, ms(0));
    world.local(
        0,
        Local {
            fault: Some("no IPVS".to_owned()),
            ..well()
        },
    );
    assert_eq!(world.command(0, TAKEOVER), Err("web: no IPVS".to_owned()));
    let instance = Some(InstanceId(3));
    let unknown = world.command(0, Command::Takeover { instance });
    assert_eq!(unknown, Err("there is no such instance".to_owned()));
}

#[test]
fn takeover_works_without_an_owner_and_against_the_order() {
    let mut world = World::settled();
    world.command(0, STANDBY).unwrap();
    world.run(ms(100));
    world.command(1, STANDBY).unwrap();
    world
        .command(
            1,
            Command::Standby {
                instance: None,
                on: false,
            },
        )
        .unwrap();
    world.run(ms(1000));
    assert_eq!(world.state(1), State::Active, "nobody else can");
}

#[test]
fn both_nodes_say_who_serves_and_why() {
    let mut world = World::settled();
    let views = [0, 1].map(|node| world.hosts[node].pair.view(world.now));
    let owners = [0, 1].map(|node: usize| views[node].instances[0].owner);
    assert_eq!(owners, [Owner::Local, Owner::Peer]);
    assert_eq!(views[0].instances[0].epoch, 1);
    assert_eq!(views[1].instances[0].peer.map(|p| p.epoch), Some(1));
    let text = |node: usize| views[node].instances[0].explanation.join("\n");
    assert!(text(0).contains("takeover complete") && text(0).contains("two would take over"));
    assert!(text(1).contains("one serves and is better"), "{}", text(1));

    world.local(
        1,
        Local {
            unknown: 1,
            ..well()
        },
    );
    let view = world.hosts[1].pair.view(world.now);
    assert_eq!(view.instances[0].obstacles, [Obstacle::Unknown(1)]);
    world.hosts[0].dead = true;
    world.run(ms(2000));
    let view = world.hosts[1].pair.view(world.now);
    assert_eq!(view.instances[0].owner, Owner::Unknown);
    assert!(!view.peer.alive);
}

#[test]
fn history_is_bounded_and_in_order() {
    let mut world = World::settled();
    for _ in 0..20 {
        for node in [1, 0] {
            world.command(node, TAKEOVER).unwrap();
            world.run(ms(50));
        }
    }
    let history = world.hosts[0].pair.view(world.now).history;
    assert_eq!(history.len(), 64);
    assert!(history.is_sorted_by_key(|entry| entry.at));
    assert_eq!(history.last().unwrap().to, State::Active);
}
