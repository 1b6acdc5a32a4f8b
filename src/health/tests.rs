//! Transition table of the health machine, and properties over random sequences.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Event, Machine};
use crate::model::{Availability, Fault, Outcome, Reason};

fn down() -> Outcome {
    Outcome::Down(Reason::new("connection refused"))
}

fn inconclusive() -> Outcome {
    Outcome::Inconclusive(Fault::new("no descriptors"))
}

fn feed(machine: &mut Machine, outcome: &Outcome, limit: u32) -> Option<Event> {
    machine.handle_outcome(outcome, "200 OK", limit, Instant::now())
}

fn standing(event: Option<Event>) -> Option<(Availability, Availability)> {
    match event {
        Some(Event::Transition(transition)) => Some((transition.from, transition.to)),
        _ => None,
    }
}

#[test]
fn one_passed_check_brings_a_server_up() {
    let mut machine = Machine::unknown(false, Instant::now());
    assert_eq!(
        standing(feed(&mut machine, &Outcome::Up, 3)),
        Some((Availability::Unknown, Availability::Up))
    );
    assert_eq!(feed(&mut machine, &Outcome::Up, 3), None);
}

#[test]
fn an_up_server_goes_down_at_the_failurecount_th_failure_in_a_row() {
    let mut machine = Machine::always_up(Instant::now());
    for count in 1..3 {
        assert_eq!(
            feed(&mut machine, &down(), 3),
            Some(Event::SoftFailure {
                count,
                limit: 3,
                reason: Reason::new("connection refused")
            })
        );
        assert_eq!(machine.availability(), Availability::Up);
    }
    assert_eq!(
        standing(feed(&mut machine, &down(), 3)),
        Some((Availability::Up, Availability::Down))
    );
    assert_eq!(machine.reason().unwrap().as_str(), "connection refused");
}

#[test]
fn a_passed_check_resets_the_count() {
    let mut machine = Machine::always_up(Instant::now());
    feed(&mut machine, &down(), 2);
    assert_eq!(
        feed(&mut machine, &Outcome::Up, 2),
        Some(Event::SoftRecovery)
    );
    feed(&mut machine, &down(), 2);
    assert_eq!(machine.availability(), Availability::Up);
}

#[test]
fn a_server_found_in_service_needs_as_many_failures_as_an_up_one() {
    let mut adopted = Machine::unknown(true, Instant::now());
    feed(&mut adopted, &down(), 2);
    assert_eq!(adopted.availability(), Availability::Unknown);
    feed(&mut adopted, &down(), 2);
    assert_eq!(adopted.availability(), Availability::Down);
}

#[test]
fn a_server_out_of_service_is_down_at_the_first_failure() {
    let mut machine = Machine::unknown(false, Instant::now());
    feed(&mut machine, &down(), 5);
    assert_eq!(machine.availability(), Availability::Down);
}

#[test]
fn a_fault_of_ours_neither_counts_nor_resets() {
    let mut machine = Machine::always_up(Instant::now());
    feed(&mut machine, &down(), 2);
    assert_eq!(feed(&mut machine, &inconclusive(), 2), None);
    assert_eq!(machine.failures(), 1);
    feed(&mut machine, &down(), 2);
    assert_eq!(machine.availability(), Availability::Down);
}

#[test]
fn maintenance_overrides_and_ends_where_the_checks_are() {
    let now = Instant::now();
    let mut machine = Machine::always_up(now);
    assert_eq!(
        standing(machine.handle_maintenance(true, now)),
        Some((Availability::Up, Availability::Maintenance))
    );
    assert_eq!(machine.handle_maintenance(true, now), None);
    assert_eq!(feed(&mut machine, &down(), 1), None);
    assert_eq!(machine.availability(), Availability::Maintenance);
    assert_eq!(
        standing(machine.handle_maintenance(false, now)),
        Some((Availability::Maintenance, Availability::Down))
    );
}

proptest! {
    /// A reference in four lines: after maintenance is set aside, the server is up exactly
    /// when the last conclusive run of failures since the last pass is shorter than the limit.
    #[test]
    fn the_standing_follows_the_last_run_of_failures(
        outcomes in prop::collection::vec(0..3u8, 0..60),
        limit in 1..5u32,
    ) {
        let start = Instant::now();
        let mut machine = Machine::unknown(false, start);
        let mut run: Option<u32> = None;
        let mut expected = Availability::Unknown;
        for (step, outcome) in outcomes.iter().enumerate() {
            let now = start + Duration::from_secs(step as u64);
            let before = machine.availability();
            let event = match outcome {
                0 => { run = Some(0); expected = Availability::Up;
                       machine.handle_outcome(&Outcome::Up, "", limit, now) }
                1 => {
                    run = run.map(|run| run + 1);
                    if run.is_none_or(|run| run >= limit) { expected = Availability::Down; }
                    machine.handle_outcome(&down(), "", limit, now)
                }
                _ => machine.handle_outcome(&inconclusive(), "", limit, now),
            };
            prop_assert_eq!(machine.availability(), expected);
            prop_assert_eq!(standing(event), (before != expected).then_some((before, expected)));
            prop_assert!(machine.since() <= now);
        }
    }
}
