//! Which mail goes when, without a clock.

use proptest::prelude::*;

use super::*;
use crate::config::{Names, ldirectord};

const RELAY: &str = "emailalert=a@example.com\nsmtp=192.0.2.25\n";
const SERVICE: &str = "\
virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    real=192.0.2.22:80 gate
    servicename=web
";

fn config(text: &str) -> Config {
    let parsed = ldirectord::parse(text.as_bytes(), "test.cf");
    let accepted = parsed.resolve(&Names::default());
    accepted.expect("the test's configuration is right").config
}

fn origin() -> Origin {
    Origin {
        user: "root".to_owned(),
        host: "lb1.example.com".to_owned(),
    }
}

struct World {
    desk: Desk,
    start: Instant,
    config: Config,
}

/// A mail: seconds since the start and its lines.
type Mail = (u64, Vec<String>);

impl World {
    fn new(globals: &str) -> Self {
        let config = config(&format!("{globals}{SERVICE}"));
        Self {
            desk: Desk::new(&config, origin()),
            start: Instant::now(),
            config,
        }
    }

    fn at(&self, ms: u64) -> Instant {
        self.start + Duration::from_millis(ms)
    }

    fn event(&mut self, ms: u64, kind: Kind, server: usize, phase: Phase) {
        let service = &self.config.services[0];
        let server = service.reals[server].destination.key;
        let word = match kind {
            Failed => "Quiescent",
            Recovered => "Restored",
            Kind::Other => "Purged",
        };
        let occurrence = Occurrence {
            service: service.key,
            server,
            kind,
            applied: true,
            message: format!("{word} real server: {server} (192.0.2.100:80)"),
            reason: None,
            phase,
        };
        let now = self.at(ms);
        self.desk.handle(occurrence, now);
    }

    /// Lets the time pass from one moment to another, in milliseconds, and returns what was
    /// mailed. Called exactly when the desk asks for it.
    fn pass(&mut self, until: u64) -> Vec<Mail> {
        let limit = self.at(until);
        let mut mails = Vec::new();
        for _ in 0..100_000 {
            let Some(due) = self.desk.poll_timeout().filter(|due| *due <= limit) else {
                return mails;
            };
            while let Some(letter) = self.desk.poll(Running, due) {
                let lines = letter.lines.into_iter().map(|line| line.message);
                let at = due.saturating_duration_since(self.start).as_secs();
                mails.push((at, lines.collect()));
            }
        }
        panic!("the desk does not come to rest");
    }
}

fn line(word: &str, server: u8) -> String {
    format!("{word} real server: 192.0.2.{server}:80 (192.0.2.100:80)")
}

use Kind::{Failed, Recovered};
use Phase::{Reloading, Running, Starting, Stopping};

#[test]
fn a_failure_and_a_return_are_a_mail_each() {
    let mut world = World::new(RELAY);
    world.event(0, Failed, 0, Running);
    assert_eq!(world.pass(1_999), []);
    assert_eq!(world.pass(20_000), [(2, vec![line("Quiescent", 21)])]);
    world.event(20_000, Recovered, 0, Running);
    assert_eq!(world.pass(90_000), [(22, vec![line("Restored", 21)])]);
    assert_eq!(world.desk.poll_timeout(), None);
    assert_eq!(world.desk.waiting(), 0);
}

#[test]
fn changes_close_to_each_other_are_one_mail() {
    let mut world = World::new(RELAY);
    world.event(0, Failed, 0, Running);
    assert_eq!(world.pass(1_500), []);
    world.event(1_500, Failed, 1, Running);
    let both = vec![line("Quiescent", 21), line("Quiescent", 22)];
    assert_eq!(world.pass(60_000), [(3, both)]);
}

#[test]
fn a_mail_does_not_wait_for_changes_to_end() {
    let mut world = World::new(RELAY);
    for ms in (0..30_000).step_by(1_000) {
        let kind = if ms % 2_000 == 0 { Failed } else { Recovered };
        world.event(ms, kind, (ms / 1_000 % 2) as usize, Running);
        let mails = world.pass(ms + 999);
        assert!(mails.iter().all(|(at, _)| *at >= 10), "{mails:?}");
        if !mails.is_empty() {
            assert_eq!(mails[0].0, 10);
            return;
        }
    }
    panic!("no mail");
}

#[test]
fn a_flapping_server_is_three_mails_in_ten_minutes_and_the_last_state_is_told() {
    let mut world = World::new(RELAY);
    let mut mails = Vec::new();
    for round in 0..=200 {
        let kind = if round % 2 == 0 { Failed } else { Recovered };
        world.event(round * 3_000, kind, 0, Running);
        mails.extend(world.pass(round * 3_000 + 2_999));
    }
    let within: Vec<&Mail> = mails.iter().filter(|(at, _)| *at < 600).collect();
    assert_eq!(within.len(), 3, "{mails:?}");
    mails.extend(world.pass(2_000_000));
    let (_, last) = mails.last().unwrap();
    assert_eq!(last.last(), Some(&line("Quiescent", 21)));
    assert!(mails.iter().all(|(_, lines)| lines.len() <= 4), "{mails:?}");
}

#[test]
fn a_storm_is_one_mail() {
    let mut text = format!("{RELAY}virtual=192.0.2.100:80\n");
    for host in 1..=250 {
        text += &format!("    real=198.51.100.{host}:80 gate\n");
    }
    let mut world = World::new(RELAY);
    world.config = config(&text);
    world.desk = Desk::new(&world.config, origin());
    for host in 0..250 {
        // Over four seconds, as checks are.
        world.event(host as u64 * 16, Failed, host, Running);
    }
    let mails = world.pass(60_000);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].1.len(), 250);
}

#[test]
fn mail_goes_in_the_phases_that_are_named() {
    for (words, phases) in [
        ("all", &[Starting, Running, Stopping, Reloading][..]),
        ("none", &[]),
        ("running", &[Running]),
        ("starting,stopping", &[Starting, Stopping]),
        ("reloading", &[Reloading]),
    ] {
        for phase in Phase::ALL {
            let mut world = World::new(&format!("{RELAY}emailalertstatus={words}\n"));
            world.event(0, Failed, 0, phase);
            let mails = world.pass(60_000).len();
            assert_eq!(
                mails,
                usize::from(phases.contains(&phase)),
                "{words} {phase:?}"
            );
        }
    }
}

#[test]
fn reminders_come_at_the_interval_and_end_with_the_return() {
    let mut world = World::new(&format!("{RELAY}emailalertfreq=60\n"));
    world.event(0, Failed, 0, Running);
    let mails = world.pass(200_000);
    let reminder = vec!["Inaccessible real server: 192.0.2.21:80 (192.0.2.100:80)".to_owned()];
    let expected = [
        (2, vec![line("Quiescent", 21)]),
        (62, reminder.clone()),
        (122, reminder.clone()),
        (182, reminder),
    ];
    assert_eq!(mails, expected);
    world.event(200_000, Recovered, 0, Running);
    assert_eq!(world.pass(1_000_000), [(202, vec![line("Restored", 21)])]);
}

#[test]
fn a_failure_while_starting_is_reminded_of_while_running() {
    let mut world = World::new(&format!(
        "{RELAY}emailalertfreq=60\nemailalertstatus=running\n"
    ));
    world.event(0, Failed, 0, Starting);
    let mails = world.pass(70_000);
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].0, 62);
}

#[test]
fn reminders_of_many_servers_come_together() {
    let mut world = World::new(&format!("{RELAY}emailalertfreq=60\n"));
    world.event(0, Failed, 0, Running);
    assert_eq!(world.pass(12_000).len(), 1);
    world.event(12_000, Failed, 1, Running);
    let mails = world.pass(300_000);
    let lines: Vec<(u64, usize)> = mails.iter().map(|(at, lines)| (*at, lines.len())).collect();
    assert_eq!(lines, [(14, 1), (62, 2), (122, 2), (182, 2), (242, 2)]);
}

#[test]
fn a_reload_keeps_reminders_of_what_stays_and_forgets_the_rest() {
    let mut world = World::new(&format!("{RELAY}emailalertfreq=60\n"));
    world.event(0, Failed, 0, Running);
    world.event(0, Failed, 1, Running);
    assert_eq!(world.pass(10_000).len(), 1);
    let text =
        format!("{RELAY}emailalertfreq=30\n{SERVICE}").replace("    real=192.0.2.22:80 gate\n", "");
    world.desk.configure(&config(&text));
    let reminder = vec!["Inaccessible real server: 192.0.2.21:80 (192.0.2.100:80)".to_owned()];
    assert_eq!(world.pass(50_000), [(32, reminder)]);
    world.desk.configure(&config(RELAY));
    assert_eq!(world.pass(1_000_000), []);
    assert!(world.desk.reminders.is_empty());
}

#[test]
fn what_a_reload_removes_is_told_as_purged() {
    let mut world = World::new(RELAY);
    world.desk.configure(&config(RELAY));
    world.event(0, Kind::Other, 0, Reloading);
    world.desk.forget(&world.config.services[0].key);
    world.event(0, Kind::Other, 1, Reloading);
    assert_eq!(world.pass(60_000), [(2, vec![line("Purged", 21)])]);
}

#[test]
fn being_in_order_is_no_news_without_a_change_of_the_table() {
    let mut world = World::new(RELAY);
    let service = &world.config.services[0];
    let in_order = Occurrence {
        service: service.key,
        server: service.reals[0].destination.key,
        kind: Recovered,
        applied: false,
        message: "Real server up: 192.0.2.21:80 (192.0.2.100:80)".to_owned(),
        reason: None,
        phase: Starting,
    };
    let now = world.at(0);
    world.desk.handle(in_order.clone(), now);
    assert_eq!(world.pass(10_000), []);
    world.event(10_000, Failed, 0, Running);
    let now = world.at(20_000);
    assert_eq!(world.pass(20_000).len(), 1);
    world.desk.handle(in_order, now);
    assert_eq!(world.pass(90_000).len(), 1);
}

#[test]
fn the_end_waits_for_nothing() {
    let mut world = World::new(RELAY);
    world.event(0, Failed, 0, Running);
    world.pass(2_000);
    // Damped, and after it still gathered.
    world.event(3_000, Recovered, 0, Running);
    world.event(3_000, Failed, 1, Stopping);
    let now = world.at(3_000);
    let letters = world.desk.flush(now);
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].lines.len(), 2);
    assert_eq!(world.desk.poll_timeout(), None);
}

proptest! {
    /// Whatever happens: a server is the subject of at most three mails of changes in any ten
    /// minutes, its last state is told, and the desk forgets everything in the end.
    #[test]
    fn mails_are_bounded_and_the_last_word_is_true(
        gaps in prop::collection::vec((0_u64..40_000, 0_usize..2, prop::bool::ANY), 1..150),
    ) {
        let mut world = World::new(RELAY);
        let mut mails: Vec<Mail> = Vec::new();
        let (mut now, mut states) = (0, [None, None]);
        for (gap, server, failed) in gaps {
            now += gap;
            mails.extend(world.pass(now));
            let kind = if failed { Failed } else { Recovered };
            states[server] = Some(failed);
            world.event(now, kind, server, Running);
        }
        mails.extend(world.pass(now + 2_000_000));
        for (index, state) in states.into_iter().enumerate() {
            let of = format!("192.0.2.{}:80 (", 21 + index);
            let about: Vec<&Mail> = mails.iter().filter(|(_, l)| l.iter().any(|l| l.contains(&of))).collect();
            for first in 0..about.len() {
                let within = about[first..].iter().take_while(|(at, _)| *at < about[first].0 + 600);
                prop_assert!(within.count() <= 3, "{about:?}");
            }
            let last = about.last().and_then(|(_, lines)| lines.iter().rfind(|l| l.contains(&of)));
            let word = state.map(|failed| if failed { "Quiescent" } else { "Restored" });
            prop_assert_eq!(last.map(|line| line.split(' ').next().unwrap()), word);
        }
        world.desk.sweep(world.at(now + 4_000_000));
        prop_assert!(world.desk.folds.is_empty());
        prop_assert!(world.desk.concerns.values().all(|state| state.out_since.is_some()));
    }
}
