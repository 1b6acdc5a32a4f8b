use super::*;
use crate::model::Fault;
use crate::model::pair::Effect;

const SECOND: Duration = Duration::from_secs(1);

fn down(reason: &str) -> Outcome {
    Outcome::Down(Reason::new(reason))
}

fn unclear() -> Outcome {
    Outcome::Inconclusive(Fault::new("no descriptors"))
}

fn counted(fall: u32, rise: u32) -> (Machine, Instant) {
    let now = Instant::now();
    (Machine::new(Inertia::Looks { fall, rise }, now), now)
}

fn timed(fall: Duration, rise: Duration) -> (Machine, Instant) {
    let now = Instant::now();
    (Machine::new(Inertia::Time { fall, rise }, now), now)
}

/// States after each of these looks: `+` good, `-` failed, `?` inconclusive.
fn states(fall: u32, rise: u32, looks: &str) -> String {
    let (mut machine, now) = counted(fall, rise);
    let look = |look: char| {
        let outcome = match look {
            '+' => Outcome::Up,
            '-' => down("failed"),
            _ => unclear(),
        };
        let before = machine.state().clone();
        let changed = machine.handle_outcome(&outcome, "", now);
        assert_eq!(changed, before != *machine.state(), "{look}");
        match machine.state() {
            State::Unknown => '?',
            State::Up => 'U',
            State::Down(_) => 'D',
        }
    };
    looks.chars().map(look).collect()
}

#[test]
fn a_first_good_look_suffices_and_first_failures_are_counted() {
    assert_eq!(states(3, 3, "+"), "U");
    assert_eq!(states(3, 3, "--+"), "??U");
    assert_eq!(states(3, 3, "---"), "??D");
    assert_eq!(states(1, 1, "-+-"), "DUD");
}

#[test]
fn failures_and_recoveries_count_in_a_row() {
    assert_eq!(states(3, 2, "+--+---++"), "UUUUUUDDU");
    assert_eq!(states(1, 3, "-++-+++"), "DDDDDDU");
}

#[test]
fn what_could_not_be_found_out_neither_counts_nor_resets() {
    assert_eq!(states(2, 2, "????"), "????");
    assert_eq!(states(2, 2, "+-?-"), "UUUD");
    assert_eq!(states(2, 2, "--+?+"), "?DDDU");
    assert_eq!(states(2, 2, "+???????"), "UUUUUUUU");
}

#[test]
fn the_reason_is_the_one_that_decided_and_the_last_words_are_the_latest() {
    let (mut machine, now) = counted(2, 2);
    machine.handle_outcome(&down("first"), "", now);
    assert_eq!(machine.last(), "first");
    let later = now + SECOND;
    machine.handle_outcome(&down("second"), "", later);
    machine.handle_outcome(&down("third"), "", later + SECOND);
    assert_eq!(*machine.state(), State::Down(Reason::new("second")));
    assert_eq!(machine.since(), later);
    assert_eq!(machine.last(), "third");
    machine.handle_outcome(&unclear(), "", later + SECOND);
    assert_eq!(machine.last(), "no descriptors");
    machine.handle_outcome(&Outcome::Up, "echo reply", later + SECOND);
    assert_eq!(machine.last(), "echo reply");
}

#[test]
fn a_carrier_is_known_at_once_falls_at_once_and_rises_by_time() {
    let (mut machine, now) = timed(Duration::ZERO, 2 * SECOND);
    assert!(machine.handle_outcome(&Outcome::Up, "", now));
    assert!(machine.handle_outcome(&down("no carrier"), "", now));
    assert!(!machine.handle_outcome(&Outcome::Up, "", now));
    assert_eq!(machine.due(), Some(now + 2 * SECOND));
    // Said again, it is not said anew.
    assert!(!machine.handle_outcome(&Outcome::Up, "", now + SECOND));
    assert_eq!(machine.due(), Some(now + 2 * SECOND));
    // The reason is the present one, the failure as old as before.
    assert!(machine.handle_outcome(&down("no such interface"), "", now));
    assert_eq!(
        *machine.state(),
        State::Down(Reason::new("no such interface"))
    );
    assert!(machine.handle_outcome(&down("no carrier"), "", now + SECOND / 2));
    assert_eq!(machine.since(), now);
    assert!(!machine.handle_outcome(&Outcome::Up, "", now));
    // A flap begins the wait again.
    assert!(!machine.handle_outcome(&down("no carrier"), "", now + SECOND));
    assert_eq!(machine.due(), None);
    assert!(!machine.handle_outcome(&Outcome::Up, "", now + SECOND));
    assert!(!machine.handle_time(now + 2 * SECOND));
    assert!(machine.handle_time(now + 3 * SECOND));
    assert_eq!(*machine.state(), State::Up);
    assert_eq!(machine.since(), now + 3 * SECOND);
    assert!(!machine.handle_time(now + 9 * SECOND));
}

#[test]
fn a_failure_that_is_told_may_have_to_last() {
    let (mut machine, now) = timed(SECOND, SECOND);
    machine.handle_outcome(&Outcome::Up, "", now);
    assert!(!machine.handle_outcome(&down("0 available"), "", now));
    assert!(!machine.handle_outcome(&Outcome::Up, "", now + SECOND / 2));
    assert_eq!(machine.due(), None);
    machine.handle_outcome(&down("0 available"), "", now + SECOND);
    // What this host could not find out does not stop the clock.
    machine.handle_outcome(&unclear(), "", now + SECOND);
    assert!(machine.handle_outcome(&down("1 available"), "", now + 2 * SECOND));
    assert_eq!(*machine.state(), State::Down(Reason::new("1 available")));
}

#[test]
fn the_kind_decides_between_counting_and_timing() {
    let track = |kind| Track {
        name: "x".to_owned(),
        kind,
        interval: SECOND,
        timeout: SECOND,
        fall: 3,
        rise: 2,
        effect: Effect::Fault,
    };
    let interface = track(TrackKind::Interface("eth0".parse().unwrap()));
    let rise = 2 * SECOND;
    let fall = Duration::ZERO;
    assert_eq!(Inertia::of(&interface), Inertia::Time { fall, rise });
    let service = track(TrackKind::Service {
        service: "fwm:1".to_owned(),
        min_available: 1,
    });
    let fall = 2 * SECOND;
    assert_eq!(Inertia::of(&service), Inertia::Time { fall, rise });
    let ping = track(TrackKind::Ping([192, 0, 2, 1].into()));
    assert_eq!(Inertia::of(&ping), Inertia::Looks { fall: 3, rise: 2 });
}
