//! Transition table of the health machine, and properties over random sequences.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{Event, Limits, Machine};
use crate::model::{Advice, Availability, Fault, Mode, Outcome, Reason, Verdict};

fn down() -> Outcome {
    Outcome::Down(Reason::new("connection refused"))
}

fn inconclusive() -> Outcome {
    Outcome::Inconclusive(Fault::new("no descriptors"))
}

fn falls(fall: u32) -> Limits {
    Limits { rise: 1, fall }
}

fn feed(machine: &mut Machine, outcome: &Outcome, limit: u32) -> Option<Event> {
    machine.handle_outcome(outcome, "200 OK", falls(limit), Instant::now())
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

const SLOW: Limits = Limits { rise: 3, fall: 2 };

#[test]
fn a_server_that_was_down_comes_up_at_the_rise_th_success_in_a_row() {
    let now = Instant::now();
    let mut machine = Machine::unknown(false, now);
    machine.handle_outcome(&down(), "", SLOW, now);
    for outcome in [
        &Outcome::Up,
        &Outcome::Up,
        &down(),
        &Outcome::Up,
        &inconclusive(),
    ] {
        machine.handle_outcome(outcome, "", SLOW, now);
        assert_eq!(machine.availability(), Availability::Down);
    }
    assert_eq!((machine.successes(), machine.failures()), (1, 0));
    assert_eq!(
        machine.handle_outcome(&Outcome::Up, "", SLOW, now),
        Some(Event::SoftSuccess { count: 2, limit: 3 })
    );
    assert!(machine.is_changing());
    assert_eq!(
        standing(machine.handle_outcome(&Outcome::Up, "", SLOW, now)),
        Some((Availability::Down, Availability::Up))
    );
    assert!(!machine.is_changing());
}

#[test]
fn the_first_result_counts_at_once_whatever_rise_is() {
    let now = Instant::now();
    for in_service in [false, true] {
        let mut machine = Machine::unknown(in_service, now);
        machine.handle_outcome(&Outcome::Up, "", SLOW, now);
        assert_eq!(machine.availability(), Availability::Up);
    }
}

#[test]
fn what_an_agent_says_lies_between_the_checks_and_maintenance() {
    let now = Instant::now();
    let says = |mode, verdict| Advice {
        percent: None,
        mode,
        verdict,
    };
    let stopped = says(None, Some(Verdict::Down(Reason::new("agent: stopped"))));
    let mut machine = Machine::always_up(now);
    assert_eq!(
        standing(machine.handle_advice(&stopped, now)),
        Some((Availability::Up, Availability::Down))
    );
    assert_eq!(machine.reason().unwrap().as_str(), "agent: stopped");
    assert!(!machine.is_serving());
    assert_eq!(machine.handle_advice(&stopped, now), None);
    // The check says the same, and is not the reason.
    assert_eq!(feed(&mut machine, &down(), 1), None);
    assert_eq!(
        machine.handle_advice(&says(None, Some(Verdict::Up)), now),
        None
    );
    assert_eq!(machine.availability(), Availability::Down);
    feed(&mut machine, &Outcome::Up, 1);
    assert_eq!(
        standing(machine.handle_advice(&says(Some(Mode::Maintenance), None), now)),
        Some((Availability::Up, Availability::Maintenance))
    );
    machine.handle_maintenance(true, now);
    assert_eq!(machine.handle_advice(&stopped, now), None);
    assert_eq!(
        standing(machine.handle_maintenance(false, now)),
        Some((Availability::Maintenance, Availability::Down))
    );
    // A drain is a matter of weight.
    machine.handle_advice(&says(Some(Mode::Drain), None), now);
    assert_eq!(machine.availability(), Availability::Up);
}

proptest! {
    /// A reference in a few lines: after maintenance is set aside, the server is up until so
    /// many failures in a row and then down until so many successes in a row; the first result
    /// counts at once.
    #[test]
    fn the_standing_follows_the_results_in_a_row(
        outcomes in prop::collection::vec(0..3u8, 0..60),
        rise in 1..5u32,
        fall in 1..5u32,
    ) {
        let start = Instant::now();
        let mut machine = Machine::unknown(false, start);
        let (mut expected, mut run) = (Availability::Unknown, 0);
        for (step, outcome) in outcomes.iter().enumerate() {
            let now = start + Duration::from_secs(step as u64);
            let before = expected;
            let (outcome, says) = match outcome {
                0 => (Outcome::Up, Availability::Up),
                1 => (down(), Availability::Down),
                _ => (inconclusive(), before),
            };
            if !matches!(outcome, Outcome::Inconclusive(_)) {
                run = if says == before { 0 } else { run + 1 };
                let limit = match before {
                    Availability::Up => fall,
                    Availability::Down => rise,
                    _ => 1,
                };
                if run >= limit {
                    (expected, run) = (says, 0);
                }
            }
            let event = machine.handle_outcome(&outcome, "", Limits { rise, fall }, now);
            prop_assert_eq!(machine.availability(), expected);
            prop_assert_eq!(machine.failures() + machine.successes(), run);
            prop_assert_eq!(standing(event), (before != expected).then_some((before, expected)));
            prop_assert!(machine.since() <= now);
        }
    }
}
