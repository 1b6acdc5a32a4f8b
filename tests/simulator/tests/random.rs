//! Random runs.

use simulator::config::SECOND;
use simulator::run::{Outcome, report, run};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

#[test]
fn random_runs_keep_every_promise() {
    if let Ok(seed) = std::env::var("SIMULATOR_SEED") {
        let seed = seed.parse().expect("SIMULATOR_SEED is a number");
        let outcome = run(seed, None);
        assert!(outcome.failure.is_none(), "{}", report(seed, None));
        return;
    }
    let wanted = number("SIMULATOR_EVENTS", 2_000_000);
    let first = number("SIMULATOR_FIRST", 1);
    let begin = std::time::Instant::now();
    let mut total = Outcome::default();
    let mut failed = None;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|part| {
                scope.spawn(move || {
                    let mut total = Outcome::default();
                    let mut seed = first + part;
                    while total.events < wanted / 2 {
                        let outcome = run(seed, None);
                        total.events += outcome.events;
                        total.time += outcome.time;
                        total.faults += outcome.faults;
                        total.takeovers += outcome.takeovers;
                        if outcome.failure.is_some() {
                            return (total, seed, true);
                        }
                        seed += 2;
                    }
                    (total, seed, false)
                })
            })
            .collect();
        for thread in threads {
            let (part, seed, bad) = thread.join().expect("a run does not panic");
            total.events += part.events;
            total.time += part.time;
            total.faults += part.faults;
            total.takeovers += part.takeovers;
            if bad {
                failed = Some(failed.map_or(seed, |other: u64| other.min(seed)));
            }
        }
    });
    let elapsed = begin.elapsed().as_secs_f64();
    println!(
        "{} events, {} faults, {} takeovers, {:.1} h simulated, {:.1} s, {:.0} events/s",
        total.events,
        total.faults,
        total.takeovers,
        total.time as f64 / SECOND as f64 / 3600.0,
        elapsed,
        total.events as f64 / elapsed
    );
    if let Some(seed) = failed {
        panic!("{}", report(seed, None));
    }
}
