//! Random runs of the pair: chaos, healing, a measured change of roles, quiet.
//!
//! - `SIMULATOR_SEED`: only this run, with its shrunk plan and trace when it fails.
//! - `SIMULATOR_EVENTS`: how many events, 2 million by default.
//! - `SIMULATOR_SECONDS`: no new run after that, an hour by default.
//! - `SIMULATOR_FIRST`: the first seed, 1 by default.
//! - `SIMULATOR_LINES`: how much of the trace of a failure is shown, 60 lines by default.

#![expect(clippy::print_stdout, reason = "what was done is part of the result")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use simulator::config::SECOND;
use simulator::run::{Outcome, number, report, run};

/// What several runs have done together.
#[derive(Debug, Default)]
struct Total {
    runs: u64,
    sum: Outcome,
    failed: Option<u64>,
}

impl Total {
    fn add(&mut self, seed: u64, outcome: &Outcome) {
        self.runs += 1;
        self.sum.events += outcome.events;
        self.sum.time += outcome.time;
        self.sum.faults += outcome.faults;
        self.sum.takeovers += outcome.takeovers;
        if outcome.failure.is_some() {
            self.failed = Some(self.failed.map_or(seed, |other| other.min(seed)));
        }
    }
}

#[test]
fn random_runs_keep_every_promise() {
    let seed = number("SIMULATOR_SEED", 0);
    if seed != 0 {
        let failed = run(seed, None).failure.is_some();
        assert!(!failed, "{}", report(seed, None));
        return;
    }
    let wanted = number("SIMULATOR_EVENTS", 2_000_000);
    let begin = Instant::now();
    let end = begin + Duration::from_secs(number("SIMULATOR_SECONDS", 3600));
    let next = AtomicU64::new(number("SIMULATOR_FIRST", 1));
    let total = Mutex::new(Total::default());
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let outcome = run(seed, None);
            let mut total = total.lock().expect("no run panics");
            total.add(seed, &outcome);
            if total.failed.is_some() || total.sum.events >= wanted || Instant::now() >= end {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        work();
    });
    let total = total.into_inner().expect("no run panics");
    let elapsed = begin.elapsed().as_secs_f64();
    println!(
        "{} events, {} seeds, {} faults, {} takeovers, {:.1} h simulated, {elapsed:.1} s, \
         {:.0} events/s",
        total.sum.events,
        total.runs,
        total.sum.faults,
        total.sum.takeovers,
        total.sum.time as f64 / SECOND as f64 / 3600.0,
        total.sum.events as f64 / elapsed
    );
    if let Some(seed) = total.failed {
        panic!("{}", report(seed, None));
    }
}

/// I14: the same seed does the same, action by action.
#[test]
fn a_seed_replays() {
    for seed in [3, 16, 77] {
        let (first, second) = (run(seed, None), run(seed, None));
        assert_eq!(first.events, second.events);
        assert_eq!(first.digest, second.digest);
        assert_ne!(first.digest, run(seed + 1, None).digest);
    }
}

/// I17: no wall clock gets into the state machine, so none can be turned.
#[test]
fn the_state_machine_knows_no_wall_clock() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../src/failover");
    let mut pending = vec![std::path::PathBuf::from(root)];
    let mut files = 0;
    while let Some(path) = pending.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("a readable directory");
            pending.extend(entries.map(|entry| entry.expect("a readable entry").path()));
        } else if !path
            .strip_prefix(root)
            .is_ok_and(|path| path.starts_with("tests"))
        {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            files += 1;
            for word in [
                "SystemTime",
                "UNIX_EPOCH",
                "Instant::now",
                ".elapsed()",
                "OffsetDateTime",
            ] {
                let tests = path.file_name().is_some_and(|name| name == "tests.rs");
                assert!(
                    tests || !text.contains(word),
                    "{} has {word}",
                    path.display()
                );
            }
        }
    }
    assert!(files > 10, "{files} files");
}

/// I18: the key is nowhere in what can be shown.
#[test]
fn secrets_are_not_shown() {
    use simulator::checks::shows_secret;
    use simulator::config::{Config, SECRET};
    use simulator::world::World;

    assert!(shows_secret(&SECRET));
    let mut world = World::new(5, Config::plain(), Vec::new(), None, false);
    world.run_until(5 * SECOND);
    let settings = format!("{:?}", world.config.settings(0, 2));
    assert!(!shows_secret(settings.as_bytes()));
    let bytes: Vec<String> = SECRET[..4].iter().map(u8::to_string).collect();
    assert!(!settings.contains(&bytes.join(", ")));
    for node in &world.nodes {
        let process = node.process.as_ref().expect("both nodes run");
        let shown = format!(
            "{:?} {:?}",
            process.pair,
            process.pair.view(simulator::clock::instant(1))
        );
        assert!(!shows_secret(shown.as_bytes()));
        assert!(!shown.contains(&bytes.join(", ")));
    }
}
