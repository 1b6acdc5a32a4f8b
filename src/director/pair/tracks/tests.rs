use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sched::{CloneFlags, unshare};
use tokio::net::TcpListener;

use super::*;
use crate::director::pair::program::sample::{self, script, survivors, until};
use crate::model::pair::{Effect, Hooks, Track};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(20);

fn track(name: &str, kind: TrackKind, interval: Duration, timeout: Duration) -> Track {
    Track {
        name: name.to_owned(),
        kind,
        interval,
        timeout,
        fall: 1,
        rise: 1,
        effect: Effect::Fault,
    }
}

fn pair(tracks: Vec<Track>) -> Pair {
    sample::pair(tracks, Hooks::default())
}

fn program(path: &Path) -> TrackKind {
    TrackKind::Script {
        command: vec![path.to_string_lossy().into_owned()],
        user: None,
    }
}

/// Watches, for a test that takes no news.
fn start(pair: &Pair) -> (Tracks, mpsc::Receiver<(String, Summary)>) {
    let (sender, news) = mpsc::channel(4);
    (Tracks::start(pair, sender).unwrap(), news)
}

fn status(tracks: &Tracks, name: &str) -> TrackStatus {
    let mut all = tracks.status().into_iter();
    all.find(|status| status.name == name).unwrap()
}

fn word(tracks: &Tracks, name: &str) -> &'static str {
    status(tracks, name).state.word()
}

#[tokio::test]
async fn what_hangs_delays_nothing_else() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let counting = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let sleeper = script(directory.path(), "sleeper", "sleep 100");
    let http = TrackKind::Http {
        host: "127.0.0.1".to_owned(),
        port: hanging.local_addr().unwrap().port(),
        path: "/".to_owned(),
    };
    let tcp = TrackKind::Tcp(counting.local_addr().unwrap());
    let (tracks, _news) = start(&pair(vec![
        track("http", http, 20 * MS, LONG),
        track("script", program(&sleeper), 20 * MS, LONG),
        track(
            "ping",
            TrackKind::Ping([127, 0, 0, 1].into()),
            20 * MS,
            LONG,
        ),
        track("tcp", tcp, 20 * MS, LONG),
    ]));
    // It has been asked, and does not answer.
    let (_kept, _) = hanging.accept().await.unwrap();
    let began = Instant::now();
    for _ in 0..10 {
        counting.accept().await.unwrap();
    }
    assert!(began.elapsed() < LONG / 4, "{:?}", began.elapsed());
    assert_eq!(word(&tracks, "tcp"), "up");
    if nix::unistd::geteuid().is_root() {
        until("a ping", || word(&tracks, "ping") == "up").await;
    }
    assert_eq!(word(&tracks, "http"), "unknown");
    assert_eq!(word(&tracks, "script"), "unknown");
    // Nobody has taken news all the while.
    assert_eq!(tracks.summary("web").unknown, 2);
}

#[tokio::test]
async fn a_hanging_script_is_killed_with_what_it_started() {
    let directory = tempfile::tempdir().unwrap();
    let stubborn = "trap '' TERM
        sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 100; done' &
        echo $$ >> pids; while :; do sleep 100; done";
    let path = script(directory.path(), "stubborn", stubborn);
    let (tracks, mut news) = start(&pair(vec![track("s", program(&path), LONG, 700 * MS)]));
    let summary = loop {
        let (instance, summary) = news.recv().await.unwrap();
        assert_eq!(instance, "web");
        if summary.unknown == 0 {
            break summary;
        }
    };
    assert_eq!(summary.faults, ["s: still running after 0.7 s, killed"]);
    assert_eq!((summary.reachable, summary.total), (0, 1));
    let list = directory.path().join("pids");
    assert_eq!(fs::read_to_string(&list).unwrap().lines().count(), 2);
    until("nobody is left", || survivors(&list).is_empty()).await;
    drop(tracks);
}

#[tokio::test]
async fn who_is_given_up_leaves_no_program_behind() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "s", "echo $$ > pids; sleep 100");
    let list = directory.path().join("pids");
    let running = || fs::read_to_string(&list).is_ok_and(|pids| pids.ends_with('\n'));
    // Its own time-out is no help.
    let watched = || pair(vec![track("s", program(&path), LONG, 10 * LONG)]);
    let (mut tracks, _news) = start(&watched());
    until("it runs", running).await;
    assert_eq!(survivors(&list).len(), 1);
    tracks.replace(&pair(Vec::new()));
    until("it is gone", || survivors(&list).is_empty()).await;
    fs::remove_file(&list).unwrap();
    tracks.replace(&watched());
    until("it runs", running).await;
    drop(tracks);
    until("it is gone", || survivors(&list).is_empty()).await;
}

#[tokio::test]
async fn a_reload_does_not_disturb_what_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = script(directory.path(), "s", "echo $DIRECTORD_CLUSTER >> looks");
    let looks = || fs::read_to_string(directory.path().join("looks")).unwrap_or_default();
    let script_track = || track("s", program(&path), LONG, LONG);
    let mut changed = pair(vec![script_track()]);
    let (mut tracks, _news) = start(&changed);
    until("the script has run", || word(&tracks, "s") == "up").await;
    let since = status(&tracks, "s").since;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TrackKind::Tcp(listener.local_addr().unwrap());
    changed.instances[0]
        .tracks
        .push(track("tcp", tcp, LONG, LONG));
    tracks.replace(&changed);
    assert_eq!(word(&tracks, "s"), "up");
    until("the new one has run", || word(&tracks, "tcp") == "up").await;
    assert_eq!(status(&tracks, "s").since, since);
    assert_eq!(looks(), "shop\n");
    // Its environment changes: the program runs again, the verdict stays.
    changed.cluster = "market".to_owned();
    tracks.replace(&changed);
    assert_eq!(word(&tracks, "s"), "up");
    until("it has run again", || looks() == "shop\nmarket\n").await;
}

#[tokio::test]
async fn services_are_told_from_outside_and_the_latest_word_gets_through() {
    let kind = TrackKind::Service {
        service: "192.0.2.100:80".to_owned(),
        min_available: 2,
    };
    let (sender, mut news) = mpsc::channel(1);
    let pair = pair(vec![track("s", kind, 10 * MS, LONG)]);
    let tracks = Tracks::start(&pair, sender).unwrap();
    until("the channel is full", || news.len() == 1).await;
    for available in [5, 0, 7, 1] {
        tracks.set_available("192.0.2.100:80", available);
    }
    let mut latest = news.recv().await.unwrap().1;
    while latest.faults.is_empty() {
        latest = news.recv().await.unwrap().1;
    }
    assert_eq!(latest.faults, ["s: 1 available, at least 2 wanted"]);
    assert_eq!(status(&tracks, "s").last, "1 available, at least 2 wanted");
    tracks.set_available("192.0.2.100:80", 2);
    while latest.reachable == 0 {
        latest = news.recv().await.unwrap().1;
    }
    assert_eq!(latest.faults, [""; 0]);
}

/// Runs a test in a network namespace of its own, if this user may.
fn in_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let body = std::thread::spawn(move || {
        if unshare(CloneFlags::CLONE_NEWNET).is_err() {
            assert!(!nix::unistd::geteuid().is_root(), "root may do that");
            return;
        }
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build().unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

fn ip(arguments: &str) {
    let words = arguments.split_whitespace();
    let status = Command::new("ip").args(words).status().unwrap();
    assert!(status.success(), "ip {arguments}");
}

/// A pair whose address is on `left`, one end of a cable whose other end is `right`, with a
/// track of `left`.
fn cable() -> Pair {
    ip("link add left type veth peer name right");
    ip("link set left up");
    ip("link set right up");
    let kind = TrackKind::Interface("left".parse().unwrap());
    let mut pair = pair(vec![track("nic", kind, 50 * MS, 50 * MS)]);
    pair.instances[0].addresses[0].interface = "left".parse().unwrap();
    pair
}

async fn carrier(news: &mut mpsc::Receiver<(String, Summary)>, wanted: bool) -> Summary {
    loop {
        let (_, summary) = news.recv().await.unwrap();
        if summary.carrier == Some(wanted) {
            return summary;
        }
    }
}

#[test]
fn a_lost_carrier_is_seen_within_50_ms() {
    in_namespace(|| async {
        let (_tracks, mut news) = start(&cable());
        let mut seen = Vec::new();
        for _ in 0..5 {
            assert_eq!(carrier(&mut news, true).await.reachable, 1);
            ip("link set right down");
            let pulled = Instant::now();
            let lost = carrier(&mut news, false).await;
            seen.push(pulled.elapsed());
            assert_eq!(lost.faults, ["nic: no carrier"]);
            ip("link set right up");
        }
        // The machine may be busy with something else once or twice.
        seen.sort_unstable();
        assert!(seen[2] < 50 * MS, "{seen:?}");
    });
}

#[test]
fn an_interface_can_go_away_come_back_and_be_part_of_a_bridge() {
    in_namespace(|| async {
        let (tracks, mut news) = start(&cable());
        carrier(&mut news, true).await;
        ip("link add bridge type bridge");
        ip("link set left master bridge");
        ip("link set left nomaster");
        // What comes after is heard after.
        ip("link set left down");
        let lost = carrier(&mut news, false).await;
        assert_eq!(lost.faults, ["nic: administratively down"]);
        ip("link set left up");
        carrier(&mut news, true).await;
        ip("link delete left");
        until("it is known to be gone", || {
            tracks.summary("web").faults == ["nic: no such interface"]
        })
        .await;
        cable();
        carrier(&mut news, true).await;
        ip("link set left down");
        ip("link set left name other");
        until("it has another name", || {
            status(&tracks, "nic").last == "no such interface"
        })
        .await;
    });
}
