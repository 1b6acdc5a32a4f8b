//! What an attacker can do who sees everything and has no key.

use super::world::{World, ms};
use crate::failover::advert::Refusal;
use crate::failover::{Event, State};

/// All packets that node 1 sent are sent again, in many ways: nothing moves, and the silence
/// goes on.
#[test]
fn recorded_packets_change_nothing() {
    let mut world = World::new();
    world.boot(0);
    world.boot(1);
    world.run(ms(30_000));
    let recorded = world.hosts[1].sent.clone();
    world.forget();
    for (link, bytes) in recorded.iter().chain(recorded.iter().rev()) {
        world.event(
            0,
            Event::Packet {
                link: *link,
                bytes: bytes.clone(),
            },
        );
        world.event(
            0,
            Event::Packet {
                link: 1 - *link,
                bytes: bytes.clone(),
            },
        );
    }
    world.run(ms(1000));
    assert!(world.path(0).is_empty());

    // After the peer's death they do not keep it alive.
    world.hosts[1].dead = true;
    let mut packets = recorded.iter().cycle();
    for _ in 0..1100 {
        let (link, bytes) = packets.next().unwrap();
        world.event(
            0,
            Event::Packet {
                link: *link,
                bytes: bytes.clone(),
            },
        );
        world.run(ms(1));
    }
    assert!(!world.hosts[0].pair.view(world.now).peer.alive);
    let refused = &world.hosts[0].pair.view(world.now).links[0].refused;
    assert!(
        refused.iter().any(|(r, n)| *r == Refusal::Link && *n > 100),
        "{refused:?}"
    );
    assert!(
        refused
            .iter()
            .any(|(r, n)| *r == Refusal::Replayed && *n > 0),
        "{refused:?}"
    );
    assert!(
        refused
            .iter()
            .any(|(r, n)| *r == Refusal::Stale && *n > 100),
        "{refused:?}"
    );
}

/// Recordings of earlier lives neither verify nor return.
#[test]
fn recordings_of_an_earlier_life_change_nothing() {
    let mut world = World::settled();
    world.run(ms(3000));
    let recorded = world.hosts[0].sent.clone();
    world.hosts[0].dead = true;
    world.run_until(ms(1500), |w| w.state(1) == State::Active);
    world.reboot(0, 11);
    world.run(ms(2000));
    assert_eq!(world.states(), [State::Standby, State::Active]);
    world.forget();
    for (link, bytes) in &recorded {
        world.event(
            1,
            Event::Packet {
                link: *link,
                bytes: bytes.clone(),
            },
        );
    }
    world.run(ms(2000));
    assert!(world.path(1).is_empty());
    let refused = &world.hosts[1].pair.view(world.now).links[0].refused;
    assert!(
        refused.iter().any(|(r, _)| *r == Refusal::Retired),
        "{refused:?}"
    );

    // And after a new life of the receiver, to whom they are news.
    world.hosts[1].dead = true;
    world.hosts[0].dead = true;
    world.reboot(1, 12);
    for (link, bytes) in recorded.iter().cycle().take(3000) {
        world.event(
            1,
            Event::Packet {
                link: *link,
                bytes: bytes.clone(),
            },
        );
        world.run(ms(1));
    }
    world.run_until(ms(700), |w| w.state(1) == State::Active);
    let view = world.hosts[1].pair.view(world.now);
    assert_eq!(view.peer.incarnation, None);
    let refused = &view.links[0].refused;
    assert!(
        refused.iter().any(|(r, _)| *r == Refusal::Unverified),
        "{refused:?}"
    );
}

/// Packets that are withheld and delivered late count for nothing.
#[test]
fn withheld_packets_are_stale() {
    let mut world = World::settled();
    world.cut_all(1);
    world.hosts[1].sent.clear();
    world.run(ms(5000));
    let withheld = world.hosts[1].sent.clone();
    world.hosts[1].dead = true;
    world.run(ms(1000));
    for (link, bytes) in withheld {
        world.event(0, Event::Packet { link, bytes });
    }
    assert!(!world.hosts[0].pair.view(world.now).peer.alive);
}

/// Every bit of a packet is covered.
#[test]
fn a_packet_with_one_bit_changed_is_refused() {
    let mut world = World::settled();
    world.hosts[1].sent.clear();
    world.cut_all(1);
    world.run(ms(210));
    let (link, bytes) = world.hosts[1].sent.last().unwrap().clone();
    let before = world.hosts[0].pair.view(world.now);
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        world.event(0, Event::Packet { link, bytes });
    }
    for length in 0..bytes.len() {
        let bytes = bytes[..length].to_vec();
        world.event(0, Event::Packet { link, bytes });
    }
    let after = world.hosts[0].pair.view(world.now);
    let refused = |view: &crate::failover::View| -> u64 {
        view.links[link]
            .refused
            .iter()
            .map(|(_, count)| count)
            .sum()
    };
    assert_eq!(refused(&after) - refused(&before), bytes.len() as u64 * 9);
    assert_eq!(after.links[link].accepted, before.links[link].accepted);
    assert_eq!(after.instances, before.instances);
    world.event(0, Event::Packet { link, bytes });
    let after = world.hosts[0].pair.view(world.now);
    assert_eq!(
        after.links[link].accepted,
        before.links[link].accepted + 1,
        "the true one"
    );
}
