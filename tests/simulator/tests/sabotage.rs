//! The proof that the simulator bites: every deliberate bug of the state machine is found
//! within a million events.

#![expect(clippy::print_stdout, reason = "what was done is part of the result")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use simulator::failover::sabotage::Bug;
use simulator::run::run;

const LIMIT: u64 = 1_000_000;

/// Events, seed and broken promise of the first run that fails.
fn hunt(bug: Bug) -> Result<(u64, u64, String), u64> {
    let mut events = 0;
    for seed in 1.. {
        let outcome = run(seed, Some(bug));
        events += outcome.events;
        if let Some(failure) = outcome.failure {
            return Ok((
                events,
                seed,
                format!("{}: {}", failure.invariant, failure.text),
            ));
        }
        if events > LIMIT {
            break;
        }
    }
    Err(events)
}

#[test]
fn every_deliberate_bug_is_found() {
    let next = AtomicUsize::new(0);
    let lost = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(bug) = Bug::ALL.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    match hunt(bug) {
                        Ok((events, seed, found)) => {
                            let found: String = found.chars().take(100).collect();
                            println!("{bug:?}: {events} events, seed {seed}: {found}");
                        }
                        Err(events) => {
                            println!("{bug:?}: NOT FOUND in {events} events");
                            lost.lock().expect("no panic").push(bug);
                        }
                    }
                }
            });
        }
    });
    let lost = lost.into_inner().expect("no panic");
    assert!(lost.is_empty(), "not found: {lost:?}");
}
