//! A run: chaos, healing, a drill, quiet; and the shortest plan that still fails.

use crate::config::{Config, EXECUTION, MS, SECOND, SLACK, Time};
use crate::failover::sabotage::Bug;
use crate::failover::{State, SyncPart};
use crate::fault::{Fault, Order, plan};
use crate::rng::Rng;
use crate::segment::CLIENTS;
use crate::world::{Failure, World};

/// What came of a run.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Calls of the state machines.
    pub events: u64,
    /// Simulated time.
    pub time: Time,
    /// Faults that happened.
    pub faults: u64,
    /// Takeovers.
    pub takeovers: u64,
    /// Of all actions of the state machines and their times.
    pub digest: u64,
    /// What was broken.
    pub failure: Option<Failure>,
    /// What happened, when asked for.
    pub trace: Vec<String>,
}

/// How many advert rounds of quiet are demanded, and what for.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Adverts that both nodes send in the quiet phase, all links together.
    pub quiet: u64,
    /// Whether a measured change of roles is made before.
    pub drill: bool,
}

/// A seed's whole run.
pub fn run(seed: u64, bug: Option<Bug>) -> Outcome {
    let config = Config::new(seed);
    let (faults, end) = plan(seed, &config);
    run_plan(seed, &config, &faults, end, bug, false)
}

/// A run with another plan than the seed's.
pub fn run_plan(
    seed: u64,
    config: &Config,
    faults: &[(Time, Fault)],
    end: Time,
    bug: Option<Bug>,
    trace: bool,
) -> Outcome {
    let mut world = World::new(seed, config.clone(), faults.to_vec(), bug, trace);
    world.run_until(end);
    if world.failure.is_none() {
        world.heal();
        converge(&mut world);
    }
    let demand = Demand {
        // Every sixteenth is quiet for long.
        quiet: if seed.is_multiple_of(16) { 10_000 } else { 300 },
        drill: true,
    };
    if world.failure.is_none() {
        finish(&mut world, seed, demand);
    }
    Outcome {
        events: world.events,
        time: world.now,
        faults: faults.len() as u64,
        takeovers: world.checks.takeovers,
        digest: world.digest,
        failure: world.failure.take(),
        trace: world.trace.take().unwrap_or_default(),
    }
}

/// After convergence: a drill and quiet.
pub fn finish(world: &mut World, seed: u64, demand: Demand) {
    if demand.drill {
        drill(world, &mut Rng::new(seed, 9));
    }
    if world.failure.is_none() {
        preferred_node_serves(world);
    }
    if world.failure.is_none() {
        quiet(world, demand.quiet);
    }
}

/// The longest time after which everything must be settled, whatever came before.
fn longest_settling(world: &World) -> Time {
    let config = &world.config;
    let lease = config.lifetime() + SLACK + SECOND;
    // Start, a lease that still has to end, an answer that is only remembered, the steps.
    config.wait() + 2 * lease + 6 * world.dead() + world.probe_window() + EXECUTION + SECOND
}

/// Demands that everything comes to rest with one owner (V1, V5, V6, V7).
pub fn converge(world: &mut World) {
    let limit = world.now + longest_settling(world);
    let step = world.config.interval();
    loop {
        world.run_until(world.now + step);
        if world.failure.is_some() {
            return;
        }
        let problem = (0..world.config.instances).find_map(|i| unsettled(world, i).err());
        let Some(problem) = problem else {
            return;
        };
        if world.now > limit {
            world.fail("V1", |_| format!("not settled in time: {problem}"));
            return;
        }
    }
}

/// The owner of an instance.
fn owner(world: &World, i: usize) -> Option<usize> {
    let mut owners = (0..2).filter(|n| world.nodes[*n].holds(i));
    let owner = owners.next()?;
    owners.next().is_none().then_some(owner)
}

/// What is missing for an instance to be served by one node, with the other one ready.
fn unsettled(world: &World, i: usize) -> Result<(), String> {
    let owner = owner(world, i).ok_or_else(|| format!("instance {i} has not one owner"))?;
    for n in 0..2 {
        let node = &world.nodes[n];
        let process = node
            .process
            .as_ref()
            .ok_or_else(|| format!("node {n} does not run"))?;
        let wanted = if n == owner {
            State::Active
        } else {
            State::Standby
        };
        if process.state[i] != wanted {
            return Err(format!("node {n} is {} for instance {i}", process.state[i]));
        }
        if !process.steps[i].is_empty() {
            return Err(format!("node {n} still has steps for instance {i}"));
        }
        let view = process.pair.view(crate::clock::instant(world.local(n)));
        let own = view.instances.get(i).ok_or("the view has no instance")?;
        let peer = own
            .peer
            .ok_or_else(|| format!("node {n} knows nothing of its peer"))?;
        if own.state != wanted || (peer.state == State::Active) == (n == owner) {
            return Err(format!(
                "node {n} thinks that it is {}, the peer {}",
                own.state, peer.state
            ));
        }
        let part = match (world.config.sync, n == owner) {
            (false, _) => SyncPart::None,
            (true, true) => SyncPart::Master,
            (true, false) => SyncPart::Backup,
        };
        let kernel = &node.kernel;
        let roles = (kernel.master[i], kernel.backup[i]);
        if roles != (part == SyncPart::Master, part == SyncPart::Backup) {
            return Err(format!(
                "node {n} has sync roles {roles:?} for instance {i}"
            ));
        }
        if kernel.table[i] != (n == owner || !world.config.cold) {
            return Err(format!(
                "node {n}: services of instance {i}: {}",
                kernel.table[i]
            ));
        }
    }
    for client in 0..CLIENTS {
        let cached = world.segment.caches[client][i];
        if cached != Some(owner) {
            return Err(format!(
                "client {client} thinks that instance {i} is at {cached:?}"
            ));
        }
    }
    Ok(())
}

/// A change of roles on a healthy pair, with the bound of its kind (V1, V3).
fn drill(world: &mut World, rng: &mut Rng) {
    let Some(old) = owner(world, 0) else {
        return;
    };
    // Links and peers have proven themselves, announcements are over, nobody is suspect.
    world.run_until(world.now + 6 * SECOND);
    if world.failure.is_some() || owner(world, 0) != Some(old) {
        return;
    }
    let config = world.config.clone();
    // Clocks may be 2 % off.
    let loose = |time: Time| time * 103 / 100 + 5 * config.delay + 5 * config.jitter;
    let back = 3 * SECOND;
    let memory = if config.suppression {
        config.lifetime() + SLACK + SECOND + 4 * world.dead()
    } else {
        0
    };
    let silence = world.dead() + config.interval();
    let loss = loose(silence + 2 * world.probe_window() + EXECUTION + memory);
    if rng.chance(150) {
        return one_way_drill(world, old);
    }
    let (fault, invariant, bound) = match rng.below(5) {
        0 => (Fault::PowerOff(old, 2 * loss), "V1 power", loss),
        1 => (
            Fault::Crash(old, back),
            "V1 crash",
            loose(EXECUTION + 20 * MS),
        ),
        2 => {
            let hang =
                loose(config.lifetime() + SLACK + 2 * world.probe_window() + EXECUTION + silence);
            (
                Fault::PauseBoth(old, 2 * (hang + memory)),
                "V1 hang",
                hang + memory,
            )
        }
        3 => (
            Fault::Operator(1 - old, Order::Takeover),
            "V3",
            loose(EXECUTION + 50 * MS),
        ),
        _ => (Fault::Stop(old, back), "V3", loose(EXECUTION + 50 * MS)),
    };
    world.log(|_| format!("DRILL {fault:?}"));
    let since = world.now;
    world.apply(fault);
    while world.failure.is_none() && !world.nodes[1 - old].holds(0) {
        if world.now > since + bound {
            world.fail(invariant, |_| {
                format!("no owner {bound} ns after {fault:?}")
            });
            return;
        }
        world.run_until(world.now + 2 * MS);
    }
    world.run_until(since + 2 * (loss + config.lifetime() + SLACK) + memory * 2 + back);
    if world.failure.is_none() {
        world.heal();
        converge(world);
    }
}

/// The peer does not hear the owner any more, nor can it see it: I2.
fn one_way_drill(world: &mut World, old: usize) {
    world.log(|_| "DRILL one way".to_owned());
    world.one_way = true;
    world.apply(Fault::OneWay(old, true));
    world.apply(Fault::Service(1 - old, false));
    world.run_until(world.now + 4 * world.dead());
    world.one_way = false;
    if world.failure.is_none() {
        world.heal();
        converge(world);
    }
}

/// V4.
fn preferred_node_serves(world: &mut World) {
    let config = world.config.clone();
    if !config.preempt.enabled {
        return;
    }
    let wait = config.preempt.delay.as_nanos() as Time * 103 / 100;
    world.run_until(world.now + wait + 4 * config.interval() + EXECUTION + 2 * SECOND);
    for i in 0..config.instances {
        let Some(preferred) = config.prefer[i].map(|id| usize::from(id) - 1) else {
            continue;
        };
        if world.failure.is_none() && owner(world, i) != Some(preferred) {
            world.fail("V4", |_| format!("instance {i} is not at node {preferred}"));
        }
    }
    if world.failure.is_none() {
        converge(world);
    }
}

/// Nothing happens for so many adverts.
pub fn quiet(world: &mut World, adverts: u64) {
    world.run_until(world.now + 6 * SECOND);
    if world.failure.is_some() {
        return;
    }
    let before = (world.checks.transitions, world.checks.last_step);
    let rounds = adverts / (2 * world.config.links as u64) + 1;
    world.run_until(world.now + rounds * world.config.interval());
    let after = (world.checks.transitions, world.checks.last_step);
    if world.failure.is_none() && before != after {
        world.fail("quiet", |w| {
            let (transitions, step) = (w.checks.transitions - before.0, w.checks.last_step);
            format!("{transitions} transitions, last step at {step} ns")
        });
    }
    for i in 0..world.config.instances {
        if let (None, Err(problem)) = (&world.failure, unsettled(world, i)) {
            world.fail("quiet", |_| problem);
        }
    }
}

/// The plan without the faults that are not needed for the same failure.
pub fn shrink(seed: u64, bug: Option<Bug>) -> (Vec<(Time, Fault)>, Outcome) {
    let config = Config::new(seed);
    let (mut faults, end) = plan(seed, &config);
    let first = run_plan(seed, &config, &faults, end, bug, false);
    let Some(failure) = first.failure else {
        return (faults, Outcome::default());
    };
    let same = |faults: &[(Time, Fault)]| {
        let outcome = run_plan(seed, &config, faults, end, bug, false);
        outcome
            .failure
            .is_some_and(|f| f.invariant == failure.invariant)
    };
    let mut chunk = faults.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        while at < faults.len() {
            let mut fewer = faults.clone();
            fewer.drain(at..(at + chunk).min(fewer.len()));
            if same(&fewer) {
                faults = fewer;
            } else {
                at += chunk;
            }
        }
        if chunk == 1 {
            break;
        }
        chunk = chunk.div_ceil(2);
    }
    let outcome = run_plan(seed, &config, &faults, end, bug, true);
    (faults, outcome)
}

/// What to print about a failed seed: how to replay it, the shrunk plan and the end of its
/// trace.
pub fn report(seed: u64, bug: Option<Bug>) -> String {
    let (faults, outcome) = shrink(seed, bug);
    let mut text = format!(
        "replay with: SIMULATOR_SEED={seed} cargo test -p simulator --test random\n{:#?}\n",
        Config::new(seed)
    );
    if let Some(failure) = &outcome.failure {
        let at = failure.at as f64 / 1e9;
        text += &format!("{} at {at:.6} s: {}\n", failure.invariant, failure.text);
    }
    text += &format!("faults that are needed ({}):\n", faults.len());
    for (at, fault) in &faults {
        text += &format!("{:>12.6} {fault:?}\n", *at as f64 / 1e9);
    }
    text += "the last of what happened:\n";
    let lines = number("SIMULATOR_LINES", 60) as usize;
    let skip = outcome.trace.len().saturating_sub(lines);
    for line in outcome.trace.iter().skip(skip) {
        text += line;
        text += "\n";
    }
    text
}

/// A number from the environment.
pub fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}
