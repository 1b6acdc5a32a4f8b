use std::net::Ipv4Addr;

use super::*;
use crate::model::pair::{Hooks, Standby, VirtualAddress};
use crate::model::{Fault, Reason};

const INTERVAL: Duration = Duration::from_secs(1);

fn track(name: &str, kind: TrackKind, effect: Effect) -> Track {
    Track {
        name: name.to_owned(),
        kind,
        interval: INTERVAL,
        timeout: INTERVAL,
        fall: 2,
        rise: 2,
        effect,
    }
}

fn ping(name: &str, effect: Effect) -> Track {
    let target = Ipv4Addr::new(192, 0, 2, 1).into();
    track(name, TrackKind::Ping(target), effect)
}

fn interface(name: &str) -> TrackKind {
    TrackKind::Interface(name.parse().unwrap())
}

fn instance(name: &str, tracks: Vec<Track>) -> Instance {
    Instance {
        name: name.to_owned(),
        prefer: None,
        addresses: vec![VirtualAddress {
            address: Ipv4Addr::new(192, 0, 2, 100).into(),
            prefix: 24,
            interface: "eth0".parse().unwrap(),
            label: None,
        }],
        sync: None,
        standby: Standby::Warm,
        strict: false,
        tracks,
        hooks: Hooks::default(),
    }
}

fn down() -> Outcome {
    Outcome::Down(Reason::new("no answer"))
}

/// The board of these instances, and the numbers of its tracks by name.
fn board(instances: &[Instance], now: Instant) -> (Board, BTreeMap<String, Id>) {
    let mut board = Board::default();
    let added = board.replace(instances, now).added;
    let name = |id: Id| board.track(id).unwrap().1.name.clone();
    let ids = added.into_iter().map(|id| (name(id), id)).collect();
    (board, ids)
}

#[test]
fn a_summary_counts_mandatory_tracks_and_adds_weights() {
    let now = Instant::now();
    let web = instance(
        "web",
        vec![
            ping("good", Effect::Fault),
            ping("bad", Effect::Fault),
            ping("new", Effect::Fault),
            ping("heavy", Effect::Weight(-200)),
            ping("heavier", Effect::Weight(-100)),
            ping("fine", Effect::Weight(-7)),
        ],
    );
    let (mut board, ids) = board(&[web], now);
    board.handle_outcome(ids["good"], &Outcome::Up, "", now);
    board.handle_outcome(ids["fine"], &Outcome::Up, "", now);
    for _ in 0..2 {
        for name in ["bad", "heavy"] {
            board.handle_outcome(ids[name], &down(), "", now);
        }
    }
    let summary = board.summary("web");
    let expected = Summary {
        reachable: 1,
        total: 3,
        unknown: 1,
        weight: -200,
        faults: vec!["bad: no answer".to_owned()],
        carrier: None,
        answered: Some(now),
    };
    assert_eq!(summary, expected);
    for _ in 0..2 {
        board.handle_outcome(ids["heavier"], &down(), "", now);
    }
    assert_eq!(board.summary("web").weight, -253);
}

#[test]
fn the_interfaces_of_the_addresses_are_watched_unasked() {
    let now = Instant::now();
    let tracked = instance("web", vec![track("nic", interface("eth0"), Effect::Fault)]);
    let bare = instance(
        "mail",
        vec![track("hb", interface("hb0"), Effect::Weight(-1))],
    );
    let (mut board, ids) = board(&[tracked, bare], now);
    let names: Vec<&str> = ids.keys().map(String::as_str).collect();
    assert_eq!(names, ["carrier of eth0", "hb", "nic"]);
    let carriers = |board: &Board| {
        let carrier = |name| board.summary(name).carrier;
        (carrier("web"), carrier("mail"))
    };
    assert_eq!(carriers(&board), (None, None));
    board.handle_outcome(ids["hb"], &down(), "", now);
    board.handle_outcome(ids["nic"], &Outcome::Up, "", now);
    assert_eq!(carriers(&board), (Some(true), None));
    board.handle_outcome(ids["carrier of eth0"], &down(), "", now);
    assert_eq!(carriers(&board), (Some(true), Some(false)));
    // The own watch is no mandatory track.
    assert_eq!(board.summary("mail").total, 0);
    assert_eq!(board.summary("mail").faults, [""; 0]);
}

#[test]
fn every_carrying_interface_must_be_known() {
    let now = Instant::now();
    let mut web = instance("web", Vec::new());
    let mut second = web.addresses[0].clone();
    second.interface = "eth1".parse().unwrap();
    web.addresses.push(second);
    let (mut board, ids) = board(&[web], now);
    board.handle_outcome(ids["carrier of eth0"], &Outcome::Up, "", now);
    assert_eq!(board.summary("web").carrier, None);
    board.handle_outcome(ids["carrier of eth1"], &Outcome::Up, "", now);
    assert_eq!(board.summary("web").carrier, Some(true));
    board.handle_outcome(ids["carrier of eth1"], &down(), "", now);
    assert_eq!(board.summary("web").carrier, Some(false));
}

#[test]
fn news_are_given_once_and_only_when_they_are_some() {
    let now = Instant::now();
    let script = || {
        let command = vec!["/bin/true".to_owned()];
        let kind = TrackKind::Script {
            command,
            user: None,
        };
        track("script", kind, Effect::Fault)
    };
    let instances = [
        instance("web", vec![script()]),
        instance("mail", Vec::new()),
    ];
    let (mut board, ids) = board(&instances, now);
    let id = ids["script"];
    let taken = |board: &mut Board| -> Vec<String> {
        std::iter::from_fn(|| board.next_news().map(|(name, _)| name)).collect()
    };
    assert_eq!(taken(&mut board), ["mail", "web"]);
    assert!(!board.has_news());
    assert!(board.handle_outcome(id, &Outcome::Up, "", now).is_some());
    assert_eq!(taken(&mut board), ["web"]);
    // The same again, a failure that does not count yet, and one of our own.
    let fault = Outcome::Inconclusive(Fault::new("no descriptors"));
    for outcome in [Outcome::Up, down(), fault] {
        assert_eq!(board.handle_outcome(id, &outcome, "", now), None);
    }
    assert_eq!(taken(&mut board), [""; 0]);
    // There and back while nobody listened.
    board.handle_outcome(id, &down(), "", now);
    assert_eq!(board.summary("web").reachable, 0);
    board.handle_outcome(id, &Outcome::Up, "", now);
    board.handle_outcome(id, &Outcome::Up, "", now);
    assert_eq!(taken(&mut board), [""; 0]);
    // A replacement without effect is none either.
    board.replace(&instances, now);
    assert_eq!(taken(&mut board), [""; 0]);
}

#[test]
fn a_replacement_keeps_the_verdicts_of_what_is_watched_as_before() {
    let now = Instant::now();
    let tracks = |weight, fall| {
        let retuned = Track {
            fall,
            ..ping("retuned", Effect::Fault)
        };
        vec![
            ping("kept", Effect::Weight(weight)),
            retuned,
            ping("gone", Effect::Fault),
        ]
    };
    let (mut board, ids) = board(&[instance("web", tracks(-1, 2))], now);
    for id in ids.values() {
        for _ in 0..2 {
            board.handle_outcome(*id, &down(), "", now);
        }
    }
    let mut fewer = tracks(-50, 3);
    fewer.pop();
    fewer.insert(0, ping("first", Effect::Fault));
    let replaced = board.replace(&[instance("web", fewer)], now);
    assert_eq!(replaced.added.len(), 2);
    assert_eq!(replaced.removed, [ids["retuned"], ids["gone"]]);
    let states: Vec<(String, &str)> = board
        .status()
        .into_iter()
        .map(|status| (status.name, status.state.word()))
        .collect();
    let expected = [
        ("first", "unknown"),
        ("kept", "down"),
        ("retuned", "unknown"),
        ("carrier of eth0", "down"),
    ];
    assert_eq!(
        states,
        expected.map(|(name, state)| (name.to_owned(), state))
    );
    assert_eq!(board.summary("web").weight, -50);
    // Late news of what is watched no more.
    let late = board.handle_outcome(ids["gone"], &Outcome::Up, "", now);
    assert_eq!(late, None);
    // The same name in another instance is another track.
    let replaced = board.replace(&[instance("mail", tracks(-50, 3))], now);
    assert_eq!(replaced.added.len(), 4);
}

#[test]
fn services_are_told_and_remembered_for_tracks_that_come_later() {
    let now = Instant::now();
    let service = |name: &str, least| {
        let kind = TrackKind::Service {
            service: "192.0.2.100:80".to_owned(),
            min_available: least,
        };
        track(name, kind, Effect::Fault)
    };
    let (mut board, _) = board(&[instance("web", vec![service("one", 1)])], now);
    assert_eq!(board.handle_available("192.0.2.100:443", 0, now), []);
    assert_eq!(board.summary("web").unknown, 1);
    assert_eq!(board.handle_available("192.0.2.100:80", 2, now).len(), 1);
    assert_eq!(board.summary("web").reachable, 1);
    // fall is 2: the failure must last for one interval.
    board.handle_available("192.0.2.100:80", 0, now);
    assert_eq!(board.due(), Some(now + INTERVAL));
    assert_eq!(board.handle_time(now + INTERVAL / 2), []);
    let change = &board.handle_time(now + INTERVAL)[0];
    assert_eq!(change.name, "one");
    let faults = ["one: 0 available, at least 1 wanted"];
    assert_eq!(board.summary("web").faults, faults);
    let more = vec![service("one", 1), service("two", 2)];
    board.replace(&[instance("web", more)], now);
    assert_eq!(board.summary("web").faults.len(), 2);
}
