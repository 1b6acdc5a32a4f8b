//! Everything that can happen within small bounds.

#![expect(clippy::print_stdout, reason = "what was done is part of the result")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use simulator::config::{Config, MS, SECOND, Time};
use simulator::failover::State;
use simulator::fault::{Fault, Order, Quality, good};
use simulator::run::{Demand, converge, finish, number};
use simulator::world::{Failure, Fate, World};

/// What was looked at.
#[derive(Default)]
struct Count {
    histories: u64,
    events: u64,
}

/// Both nodes run, node 0 serves; two links, one instance.
fn settled() -> World {
    let mut world = World::new(0, Config::plain(), Vec::new(), None, false);
    world.run_until(5 * SECOND);
    converge(&mut world);
    assert_eq!(world.failure, None);
    world
}

/// Heals the world and demands convergence and a little quiet.
fn judge(mut world: World, history: &dyn Fn() -> String, count: &mut Count) {
    if world.failure.is_none() {
        world.heal();
        converge(&mut world);
    }
    if world.failure.is_none() {
        let demand = Demand {
            quiet: 40,
            drill: false,
        };
        finish(&mut world, 0, demand);
    }
    count.histories += 1;
    count.events += world.events;
    if let Some(Failure {
        invariant,
        text,
        at,
    }) = world.failure
    {
        panic!("{invariant} at {at} ns: {text}\nafter {}", history());
    }
}

/// One of each kind of fault, on either node; every one of them ends by itself or is ended
/// by the healing.
fn kinds(config: &Config) -> Vec<Fault> {
    let good = good(config);
    let cut = Quality { cut: true, ..good };
    let dead = config.dead();
    let mut kinds = vec![Fault::AllLinks(cut), Fault::AllLinks(good)];
    for n in 0..2 {
        kinds.extend([
            Fault::Link(n, 0, cut),
            Fault::Link(n, 1, cut),
            Fault::OneWay(n, true),
            Fault::Service(n, false),
            Fault::Carrier(n, false),
            Fault::Crash(n, dead / 3),
            Fault::CrashGuard(n),
            Fault::Pause(n, dead * 4 / 10),
            Fault::Pause(n, dead * 2),
            Fault::PauseBoth(n, dead * 2),
            Fault::PowerOff(n, dead * 2),
            Fault::PauseNode(n, dead * 2),
            Fault::Stop(n, dead),
            Fault::StuckRemoval(n, dead * 2),
            Fault::StepErrors(n, 1000),
            Fault::RemoveAddress(n),
            Fault::HostFault(n, true),
            Fault::Operator(n, Order::Standby),
            Fault::Operator(n, Order::Takeover),
            Fault::Operator(n, Order::Freeze(0)),
        ]);
    }
    kinds
}

/// All sequences of so many faults at so many moments, a third of the dead interval apart.
fn sequences(
    world: &World,
    slots: u64,
    faults: u64,
    done: &mut Vec<(Time, Fault)>,
    count: &mut Count,
) {
    let mut world = world.clone();
    let step = world.config.dead() / 3;
    for slot in 0..slots {
        for kind in kinds(&world.config) {
            let mut next = world.clone();
            next.apply(kind);
            done.push((next.now, kind));
            if faults == 1 {
                let history = done.clone();
                let end = next.now + next.config.dead() * 3;
                next.run_until(end);
                judge(next, &|| format!("{history:?}"), count);
            } else {
                next.run_until(next.now + step);
                sequences(&next, slots - slot, faults - 1, done, count);
            }
            done.pop();
        }
        world.run_until(world.now + step);
    }
}

#[test]
fn every_sequence_of_few_faults_ends_well() {
    let (slots, faults) = (number("SIMULATOR_SLOTS", 4), number("SIMULATOR_FAULTS", 2));
    let begin = std::time::Instant::now();
    let start = settled();
    let kinds = kinds(&start.config);
    let next = AtomicUsize::new(0);
    let part = || {
        let mut count = Count::default();
        while let Some(kind) = kinds.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            // The first fault comes at one moment: the pair is at rest until then.
            let mut world = start.clone();
            world.apply(kind);
            let mut done = vec![(world.now, kind)];
            world.run_until(world.now + MS);
            sequences(&world, slots, faults - 1, &mut done, &mut count);
        }
        count
    };
    let counts = std::thread::scope(|scope| {
        let other = scope.spawn(part);
        [part(), other.join().expect("as told above")]
    });
    println!(
        "{} histories: 2 nodes, 2 links, {faults} of {} kinds of faults, {slots} moments; \
         {} events, {:.1} s",
        counts.iter().map(|c| c.histories).sum::<u64>(),
        kinds.len(),
        counts.iter().map(|c| c.events).sum::<u64>(),
        begin.elapsed().as_secs_f64()
    );
}

/// All fates of the next packets: each arrives, is lost, or comes so late that others overtake
/// it.
fn fates(world: &World, depth: usize, name: &str, count: &mut Count) {
    let all = [Fate::Arrives, Fate::Lost, Fate::Late];
    for number in 0..3_usize.pow(depth as u32) {
        let mut rest = number;
        let list: VecDeque<Fate> = (0..depth)
            .map(|_| {
                let fate = all[rest % 3];
                rest /= 3;
                fate
            })
            .collect();
        let mut world = world.clone();
        world.fates = Some(list.clone());
        let end = world.now + world.config.dead() * 4;
        world.run_until(end);
        world.fates = None;
        judge(world, &|| format!("{name} with {list:?}"), count);
    }
}

#[test]
fn every_order_of_few_packets_ends_well() {
    let depth = number("SIMULATOR_PACKETS", 7) as usize;
    let begin = std::time::Instant::now();
    let mut count = Count::default();
    let mut start = World::new(0, Config::plain(), Vec::new(), None, false);
    start.run_until(MS);
    let rest = settled();
    let after = |fault| {
        let mut world = rest.clone();
        world.apply(fault);
        world
    };
    let owner = usize::from(
        rest.nodes[1]
            .process
            .as_ref()
            .is_some_and(|p| p.state[0] == State::Active),
    );
    fates(&start, depth, "start", &mut count);
    fates(
        &after(Fault::Operator(1 - owner, Order::Takeover)),
        depth,
        "takeover",
        &mut count,
    );
    fates(
        &after(Fault::Crash(owner, 100 * MS)),
        depth,
        "crash",
        &mut count,
    );
    fates(
        &after(Fault::Stop(owner, 100 * MS)),
        depth,
        "stop",
        &mut count,
    );
    println!(
        "{} histories: 4 situations, {depth} packets, each of which arrives, is lost or is \
         overtaken; {} events, {:.1} s",
        count.histories,
        count.events,
        begin.elapsed().as_secs_f64()
    );
}
