//! The lane against real servers on loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;

use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, error::TryRecvError};

use super::*;
use crate::check;
use crate::model::{
    ExternalProbe, HttpProbe, Interpreter, Method, Pattern, Probe, ProbeKind, ProxyHeader, Way,
};

const LONG: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_millis(50);

#[test]
fn a_steady_healthy_state_is_silent() {
    let lab = Lab::new();
    let server = Server::start(OK);
    let last = lab.add(1, http(server.target, Some("Page")), false);
    lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
    wait_until(|| last.read().rounds >= 5);
    assert_eq!(lab.try_event(), None);
    let figures = last.read();
    assert!(figures.at.is_some() && figures.latency > Duration::ZERO);

    server.stop();
    let down = lab.wait_for(1, |event| event.report.outcome != Outcome::Up);
    let refused = Outcome::Down(crate::model::Reason::new("connection refused"));
    assert_eq!(down.report.outcome, refused);
    lab.wait_for(1, |event| event.report.outcome == refused);

    let _again = Server::start_at(server.target, OK);
    let up = lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
    assert_eq!(up.report.detail, "HTTP status 200 OK");
    let rounds = last.read().rounds;
    wait_until(|| last.read().rounds >= rounds + 3);
    assert_eq!(lab.try_event(), None);
}

#[test]
fn a_failure_while_this_process_stood_still_says_nothing_but_not_twice() {
    let check = connection(([127, 0, 0, 1], 1).into());
    let mut entry = entry::Entry::new((CheckId(1), 1), check, false, Arc::default());
    let began = Instant::now();
    let down = || Outcome::Down(crate::model::Reason::new("no answer"));
    let excused = |outcome: &Outcome| matches!(outcome, Outcome::Inconclusive(_));
    entry.began = Some(began);
    assert_eq!(entry.judge(down(), None), down());
    assert_eq!(entry.judge(down(), Some(began)), down(), "before the round");
    let woke = Some(began + INTERVAL);
    assert_eq!(entry.judge(Outcome::Up, woke), Outcome::Up);
    assert!(excused(&entry.judge(down(), woke)));
    assert_eq!(entry.judge(down(), woke), down(), "the second in a row");
    assert!(excused(&entry.judge(down(), woke)));
}

#[test]
fn every_round_is_reported_on_request() {
    let lab = Lab::new();
    let server = Server::start(OK);
    lab.add(1, connection(server.target), true);
    for _ in 0..4 {
        let event = lab.event();
        assert_eq!(event.report.outcome, Outcome::Up);
        assert_eq!(event.report.detail, "connected");
    }
}

#[test]
fn a_check_is_watched_more_closely_and_as_before_again() {
    let lab = Lab::new();
    let server = Server::start(OK);
    let mut check = connection(server.target);
    check.interval = 50 * LONG;
    let last = lab.add(1, check, false);
    lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
    assert_eq!(lab.try_event(), None);
    let close = Watch {
        interval: Some(INTERVAL),
        every_result: true,
    };
    lab.lane().watch(CheckId(1), close);
    for _ in 0..3 {
        assert_eq!(lab.event().report.outcome, Outcome::Up);
    }
    lab.lane().watch(CheckId(7), close);
    lab.lane().watch(CheckId(1), Watch::default());
    // A round may have been under way; a second one would be of the old rhythm.
    std::thread::sleep(2 * INTERVAL);
    let rounds = last.read().rounds;
    std::thread::sleep(6 * INTERVAL);
    assert!(last.read().rounds <= rounds);
}

#[test]
fn rhythms_that_were_given_up_leave_no_rounds_behind() {
    let lab = Lab::new();
    let server = Server::start(OK);
    let mut check = connection(server.target);
    check.interval = 4 * INTERVAL;
    let last = lab.add(1, check, false);
    wait_until(|| last.read().rounds >= 1);
    for _ in 0..20 {
        for interval in [Some(3 * INTERVAL), None] {
            let every_result = false;
            lab.lane().watch(
                CheckId(1),
                Watch {
                    interval,
                    every_result,
                },
            );
        }
    }
    wait_until(|| last.read().rounds >= 4);
    assert_eq!(last.read().skipped, 0);
}

#[test]
fn a_word_of_an_agent_is_news_when_it_is_another_one() {
    let lab = Lab::new();
    let agent = Server::start(|mut stream, count| {
        let word: &[u8] = if count < 4 { b"up 50%\n" } else { b"up 60%\n" };
        let _ = stream.write_all(word);
    });
    let last = lab.add(1, check_of(agent.target, ProbeKind::Agent), false);
    for percent in [50, 60] {
        let event = lab.event();
        assert_eq!(event.report.outcome, Outcome::Up);
        assert_eq!(event.report.advice.percent, Some(percent));
    }
    let rounds = last.read().rounds;
    wait_until(|| last.read().rounds >= rounds + 3);
    assert_eq!(lab.try_event(), None);
}

#[test]
fn hanging_servers_delay_nobody() {
    let lab = Lab::new();
    let hanging = Server::start(|stream, _| hold(&stream));
    for id in 0..200 {
        let mut check = http(hanging.target, None);
        check.interval = Duration::from_millis(100);
        lab.add(id, check, false);
    }
    let interval = Duration::from_millis(100);
    let dying = Server::start(OK);
    let mut check = http(dying.target, None);
    check.interval = interval;
    let last = lab.add(1000, check, false);
    wait_until(|| last.read().rounds >= 3 && hanging.count() == 200);
    dying.stop();
    let died = Instant::now();
    let event = lab.wait_for(1000, |event| event.report.outcome != Outcome::Up);
    let delay = (event.at - died).saturating_sub(interval);
    assert!(delay < Duration::from_millis(100), "{delay:?} late");
    assert_eq!(
        hanging.count(),
        200,
        "no second connection before the first ended"
    );
}

#[test]
fn a_deadline_is_kept_and_the_next_round_follows() {
    let lab = Lab::new();
    let hanging = Server::start(|stream, _| hold(&stream));
    let mut check = http(hanging.target, None);
    let timeout = Duration::from_millis(120);
    let Method::Single(probe) = &mut check.method else {
        unreachable!("a single probe")
    };
    probe.timeout = timeout;
    let last = lab.add(1, check, false);
    for _ in 0..2 {
        let event = lab.event();
        let expected = crate::model::Reason::new("connected, but no answer within 0.12 s");
        assert_eq!(event.report.outcome, Outcome::Down(expected));
        let latency = event.report.latency;
        assert!(latency >= timeout && latency < timeout * 2, "{latency:?}");
    }
    assert!(last.read().skipped >= 2);
}

#[test]
fn a_round_that_is_overdue_follows_the_one_before_at_once() {
    let lab = Lab::new();
    let hanging = Server::start(|stream, _| hold(&stream));
    let interval = Duration::from_millis(400);
    let mut check = http(hanging.target, None);
    check.interval = interval;
    let Method::Single(probe) = &mut check.method else {
        unreachable!("a single probe")
    };
    probe.timeout = interval;
    lab.add(1, check, false);
    // The first round begins at any moment of the interval.
    lab.event();
    let from = Instant::now();
    for _ in 0..4 {
        lab.event();
    }
    let took = from.elapsed();
    assert!(took < interval * 5, "{took:?}");
}

#[test]
fn both_ways_of_carrying_out_a_probe_agree() {
    let lab = Lab::new();
    let pieces = |response: &'static [u8], size: usize| {
        Server::start(move |mut stream, _| {
            let _ = stream.set_nodelay(true);
            read_request(&mut stream);
            for piece in response.chunks(size) {
                let _ = stream.write_all(piece);
            }
            let _ = stream.shutdown(Shutdown::Write);
            hold(&stream);
        })
    };
    let servers = [
        pieces(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTest Page", 1),
        pieces(b"HTTP/1.1 200 OK\r\n\r\nTest Page", 100),
        pieces(b"HTTP/1.1 200 OK\r\n\r\nTest", 100),
        pieces(b"HTTP/1.1 500 Oops\r\n\r\n", 3),
        pieces(b"\xff\0garbage\n", 100),
        pieces(b"HTTP/1.1 200", 100),
        pieces(b"", 1),
        pieces(b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", 100),
        Server::start(|mut stream, count| {
            read_request(&mut stream);
            let response: &[u8] = if count % 2 == 0 {
                b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n"
            } else {
                b"HTTP/1.1 200 OK\r\n\r\nTest Page"
            };
            let _ = stream.write_all(response);
        }),
        Server::start(|mut stream, _| {
            read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            while stream.write_all(&[b'a'; 5000]).is_ok() {}
        }),
        Server::start(|mut stream, _| {
            // A reset instead of an answer.
            read_request(&mut stream);
            let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }),
    ];
    for (id, server) in (0..).zip(&servers) {
        let check = http(server.target, Some("Test Page"));
        let Method::Single(probe) = &check.method else {
            unreachable!("a single probe")
        };
        let on_runtime = lab.runtime.block_on(check::run(server.target, probe));
        lab.add(id, check, false);
        let on_lane = lab.wait_for(id, |_| true);
        lab.lane().remove(CheckId(id));
        assert_eq!(on_lane.report.outcome, on_runtime.outcome, "server {id}");
    }
}

#[test]
fn a_way_is_gone_on_the_lane_too() {
    let lab = Lab::new();
    let (told, heard) = mpsc::channel();
    let server = Server::start(move |mut stream, _| {
        let _ = told.send(stream.peer_addr().unwrap().ip().to_string());
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nTest Page");
    });
    let leaving = |way: Way| {
        let mut check = http(server.target, None);
        let Method::Single(probe) = &mut check.method else {
            unreachable!("a single probe")
        };
        probe.way = Some(Arc::new(way));
        check
    };
    let source = Way {
        source: Some("127.0.0.78".parse().unwrap()),
        ..Way::default()
    };
    lab.add(1, leaving(source), false);
    lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
    assert_eq!(heard.recv().unwrap(), "127.0.0.78");
    let nowhere = Way {
        interface: Some("nowhere0".parse().unwrap()),
        ..Way::default()
    };
    lab.add(2, leaving(nowhere), false);
    lab.wait_for(2, |event| {
        matches!(&event.report.outcome,
        Outcome::Inconclusive(fault) if fault.as_str().contains("no such interface"))
    });
    let proxy = Way {
        proxy: Some(ProxyHeader::V1),
        ..Way::default()
    };
    let refusing = Server::start(|mut stream, _| {
        let mut line = [0; 6];
        let begins = stream.read_exact(&mut line).is_ok() && &line == b"PROXY ";
        read_request(&mut stream);
        if begins {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        }
    });
    let mut check = leaving(proxy);
    check.target = refusing.target;
    lab.add(3, check, false);
    lab.wait_for(3, |event| event.report.outcome == Outcome::Up);
}

#[test]
fn a_refusal_that_comes_late_is_one() {
    let lab = Lab::new();
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let target = socket.local_addr().unwrap().as_socket().unwrap();
    let _queued = TcpStream::connect(target).unwrap();
    // The queue is full now: requests go unanswered, until their repetition after a
    // second meets a closed port.
    lab.add(1, connection(target), false);
    lab.add(2, http(target, None), false);
    wait_until(|| connection_requests(target.port()) == 2);
    drop(socket);
    for _ in 0..2 {
        let expected = crate::model::Reason::new("connection refused");
        assert_eq!(lab.event().report.outcome, Outcome::Down(expected));
    }
}

/// IPv4 connections of this host to a port that are waiting for an answer (`SYN_SENT`).
fn connection_requests(port: u16) -> usize {
    let remote = format!(":{port:04X} 02");
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().filter(|line| line.contains(&remote)).count()
}

#[test]
fn a_combined_check_asks_once_and_then_only_connects() {
    let lab = Lab::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let server = Server::start(move |mut stream, count| {
        if !read_request(&mut stream).is_empty() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        OK(stream, count);
    });
    let Method::Single(negotiate) = http(server.target, None).method else {
        unreachable!("a single probe")
    };
    let Method::Single(connect) = connection(server.target).method else {
        unreachable!("a single probe")
    };
    let check = Check {
        method: Method::Combined {
            negotiate,
            connect,
            connects: 3,
        },
        ..connection(server.target)
    };
    let last = lab.add(1, check, false);
    wait_until(|| last.read().rounds >= 9);
    lab.lane().remove(CheckId(1));
    wait_until(|| {
        let (asked, all) = (asked.load(Ordering::SeqCst), server.count());
        asked == all.div_ceil(4) && asked >= 3
    });
}

#[test]
fn a_removed_check_is_over_and_its_probe_given_up() {
    let lab = Lab::new();
    let closed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&closed);
    let hanging = Server::start(move |stream, _| {
        hold(&stream);
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let steady = Server::start(OK);
    lab.add(1, http(hanging.target, None), true);
    let last = lab.add(2, http(steady.target, None), true);
    // A pattern that backtracks is for the runtime.
    lab.add(3, http(hanging.target, Some("(?!x)y")), true);
    wait_until(|| hanging.count() == 2 && last.read().rounds > 2);
    (1..=3).for_each(|id| lab.lane().remove(CheckId(id)));
    wait_until(|| closed.load(Ordering::SeqCst) == 2);
    let rounds = last.read().rounds;
    // Another check goes through ten rounds meanwhile; the removed ones do not.
    let other = lab.add(4, http(steady.target, None), false);
    wait_until(|| other.read().rounds > 10);
    assert_eq!(last.read().rounds, rounds);
    assert_eq!(hanging.count(), 2);
}

#[test]
fn an_identifier_in_use_is_replaced() {
    let lab = Lab::new();
    let (first, second) = (Server::start(OK), Server::start(OK));
    let replaced = lab.add(1, connection(first.target), false);
    wait_until(|| replaced.read().rounds > 2);
    let last = lab.add(1, connection(second.target), false);
    wait_until(|| last.read().rounds > 0);
    let rounds = replaced.read().rounds;
    wait_until(|| last.read().rounds > 5);
    assert_eq!(replaced.read().rounds, rounds);
}

#[test]
fn other_kinds_run_on_the_runtime_under_the_same_rules() {
    let lab = Lab::new();
    let external = |command: &str, timeout| Check {
        method: Method::Single(Probe::new(
            ProbeKind::External(ExternalProbe {
                command: command.to_owned(),
                interpreter: Interpreter::None,
                arguments: vec!["100".to_owned()],
            }),
            timeout,
        )),
        ..connection("127.0.0.1:1".parse().unwrap())
    };
    let passing = lab.add(1, external("true", LONG), false);
    lab.add(2, external("false", LONG), false);
    let sleeping = lab.add(3, external("sleep", LONG), false);
    lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
    for _ in 0..2 {
        let failed = lab.wait_for(2, |_| true);
        let expected = crate::model::Reason::new("exit status 1");
        assert_eq!(failed.report.outcome, Outcome::Down(expected));
    }
    wait_until(|| passing.read().rounds > 4 && sleeping.read().skipped > 2);
    assert_eq!(sleeping.read().rounds, 0);
}

#[test]
fn a_probe_that_the_runtime_drops_is_inconclusive() {
    let runtime = Runtime::new().unwrap();
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let lane = Lane::start(runtime.handle().clone(), sender).unwrap();
    runtime.shutdown_background();
    let ping = ProbeKind::Ping { attempts: 1 };
    lane.add(
        CheckId(1),
        Arc::new(check_of("127.0.0.1:0".parse().unwrap(), ping)),
        false,
    );
    for _ in 0..2 {
        let outcome = events.blocking_recv().unwrap().report.outcome;
        assert!(matches!(outcome, Outcome::Inconclusive(_)), "{outcome:?}");
    }
}

#[test]
fn thousands_of_checks_begin_without_as_many_descriptors() {
    let lab = Lab::new();
    let server = Server::start(OK);
    let mut check = connection(server.target);
    check.interval = LONG;
    let lasts: Vec<_> = (0..2000)
        .map(|id| lab.add(id, check.clone(), false))
        .collect();
    for _ in 0..2000 {
        assert_eq!(lab.event().report.outcome, Outcome::Up);
    }
    assert!(lasts.iter().all(|last| last.read().rounds >= 1));
}

#[test]
fn dropping_the_lane_ends_it() {
    let mut lab = Lab::new();
    let hanging = Server::start(|stream, _| hold(&stream));
    lab.add(1, http(hanging.target, None), false);
    wait_until(|| hanging.count() == 1);
    lab.lane = None;
    let mut events = lab.events.lock().unwrap();
    assert_eq!(events.try_recv(), Err(TryRecvError::Disconnected));
}

/// Runs in a process of its own, whose descriptors it uses up.
#[test]
fn without_descriptors_nothing_is_said_about_the_server() {
    const CHILD: &str = "DIRECTORD_TEST_WITHOUT_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let name = "director::lane::tests::without_descriptors_nothing_is_said_about_the_server";
        let status = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--test-threads=1"])
            .env(CHILD, "1")
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let lab = Lab::new();
    // Connections wait in the listen queue, so that the server needs no descriptor.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    lab.add(1, connection(target), true);
    // The runtime's probes meet the same, and that is no news.
    let program = ProbeKind::External(ExternalProbe {
        command: "true".to_owned(),
        interpreter: Interpreter::None,
        arguments: Vec::new(),
    });
    lab.add(2, check_of(target, program), true);
    lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
    lab.wait_for(2, |event| event.report.outcome == Outcome::Up);
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    nix::sys::resource::setrlimit(limit, 100, 100).unwrap();
    for _ in 0..3 {
        let mut hoard = Vec::new();
        let mut inconclusive = [0; 2];
        while inconclusive.iter().any(|count| *count < 3) {
            // Also what the probe under way gives back.
            while let Ok(file) = std::fs::File::open("/dev/null") {
                hoard.push(file);
            }
            let CheckEvent { id, report, .. } = lab.event();
            match report.outcome {
                Outcome::Up => {}
                Outcome::Inconclusive(fault) => {
                    assert!(check::fault::is_of_descriptors(&fault), "{fault}");
                    inconclusive[id.0 as usize - 1] += 1;
                }
                down @ Outcome::Down(_) => panic!("{down:?}"),
            }
        }
        drop(hoard);
        lab.wait_for(1, |event| event.report.outcome == Outcome::Up);
        lab.wait_for(2, |event| event.report.outcome == Outcome::Up);
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.matches("no file descriptors left").count(), 1, "{log}");
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A lane with a runtime and what it says.
struct Lab {
    lane: Option<Lane>,
    runtime: Runtime,
    events: Mutex<UnboundedReceiver<CheckEvent>>,
}

impl Lab {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (sender, events) = tokio::sync::mpsc::unbounded_channel();
        Self {
            lane: Some(Lane::start(runtime.handle().clone(), sender).unwrap()),
            runtime,
            events: Mutex::new(events),
        }
    }

    fn lane(&self) -> &Lane {
        self.lane.as_ref().unwrap()
    }

    fn add(&self, id: u64, check: Check, report_all: bool) -> Arc<LastResult> {
        self.lane().add(CheckId(id), Arc::new(check), report_all)
    }

    fn event(&self) -> CheckEvent {
        let mut events = self.events.lock().unwrap();
        let next = async { tokio::time::timeout(LONG, events.recv()).await };
        self.runtime.block_on(next).unwrap().unwrap()
    }

    fn try_event(&self) -> Option<CheckEvent> {
        self.events.lock().unwrap().try_recv().ok()
    }

    /// The next event of a check that fits.
    fn wait_for(&self, id: u64, mut fits: impl FnMut(&CheckEvent) -> bool) -> CheckEvent {
        loop {
            let event = self.event();
            if event.id == CheckId(id) && fits(&event) {
                return event;
            }
        }
    }
}

fn check_of(target: SocketAddr, kind: ProbeKind) -> Check {
    Check {
        target,
        // Longer than any test waits.
        method: Method::Single(Probe::new(kind, 3 * LONG)),
        interval: INTERVAL,
    }
}

fn connection(target: SocketAddr) -> Check {
    check_of(target, ProbeKind::Connect)
}

fn http(target: SocketAddr, receive: Option<&str>) -> Check {
    let probe = HttpProbe {
        path: "/".to_owned(),
        host: "www.example.com".to_owned(),
        receive: receive.map(|text| Pattern(text.to_owned())),
        ..HttpProbe::default()
    };
    check_of(target, ProbeKind::Http(probe))
}

/// A server that treats each connection as told and can go away.
struct Server {
    target: SocketAddr,
    listener: Arc<TcpListener>,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    fn start(treat: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), treat)
    }

    fn start_at(
        target: SocketAddr,
        treat: impl Fn(TcpStream, usize) + Send + Sync + 'static,
    ) -> Self {
        let listener = Arc::new(TcpListener::bind(target).unwrap());
        let server = Self {
            target: listener.local_addr().unwrap(),
            listener: Arc::clone(&listener),
            accepted: Arc::default(),
        };
        let accepted = Arc::clone(&server.accepted);
        let treat = Arc::new(treat);
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let count = accepted.fetch_add(1, Ordering::SeqCst);
                let treat = Arc::clone(&treat);
                std::thread::spawn(move || treat(stream, count));
            }
        });
        server
    }

    fn count(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// From here on connections are refused.
    fn stop(&self) {
        let socket = socket2::SockRef::from(&*self.listener);
        socket.shutdown(Shutdown::Both).unwrap();
    }
}

/// Answers with a page, whatever is asked.
const OK: fn(TcpStream, usize) = |mut stream, _count| {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTest Page");
    hold(&stream);
};

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        request.push(byte[0]);
    }
    String::from_utf8_lossy(&request).into_owned()
}

fn hold(mut stream: &TcpStream) {
    let _ = stream.set_read_timeout(Some(LONG));
    let mut sink = [0; 4096];
    while stream.read(&mut sink).is_ok_and(|count| count > 0) {}
}

/// Looks again and again, but not for ever.
fn wait_until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LONG, "it did not come to pass");
        std::thread::sleep(Duration::from_millis(2));
    }
}
