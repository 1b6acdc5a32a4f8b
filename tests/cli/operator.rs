//! `directord failover …` and Heartbeat's commands against a control socket behind which a
//! pair of our own making answers. Outputs are held against `tests/golden/failover`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use directord::control::Server;
use directord::director::Command;
use directord::director::pair::report::{ConnectionsStatus, DaemonStatus, SyncReport};
use directord::director::pair::status::{PairStatus, TransitionStatus};
use directord::director::status::{NameStatus, Status};
use directord::failover;
use tokio::sync::{mpsc, oneshot};

use super::{directord, root};

/// How long the other node of the fake takes until it serves.
const SWITCH: Duration = Duration::from_millis(30);

/// A node of a pair that does what it is told.
struct Node {
    status: PairStatus,
    /// Since when an instance moves, and whether to this node.
    moving: Option<(Instant, bool)>,
    history: Vec<(Instant, &'static str, &'static str)>,
    /// The other node never takes over.
    stuck: bool,
    orders: Vec<failover::Command>,
}

impl Node {
    fn new(file: &str) -> Self {
        let path = root().join("tests/golden/failover").join(file);
        Self {
            status: serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
            moving: None,
            history: Vec::new(),
            stuck: false,
            orders: Vec::new(),
        }
    }

    fn order(&mut self, command: &failover::Command) -> Result<String, String> {
        self.orders.push(*command);
        let instance = &mut self.status.instances[0];
        let active = instance.state == "active";
        match command {
            failover::Command::Standby { on, .. } => {
                instance.admin_standby = *on;
                if *on && active && !self.status.peer.alive {
                    return Ok("web: stays until loadb2 can serve it".to_owned());
                }
                if *on && active {
                    self.set("release", "nobody");
                    self.set("standby", "nobody");
                    self.moving = Some((Instant::now(), false));
                }
                Ok("web: handing over to loadb2\nmail: stays".to_owned())
            }
            failover::Command::Takeover { .. } if active => {
                Err("web is active here already".to_owned())
            }
            failover::Command::Takeover { .. } => {
                self.moving = Some((Instant::now(), true));
                Ok("web: asking the peer to hand over".to_owned())
            }
            other => Ok(format!("{other:?}")),
        }
    }

    fn set(&mut self, state: &'static str, owner: &str) {
        let instance = &mut self.status.instances[0];
        let before: &'static str = match instance.state.as_str() {
            "active" => "active",
            "release" => "release",
            "acquire" => "acquire",
            _ => "standby",
        };
        state.clone_into(&mut instance.state);
        owner.clone_into(&mut instance.owner);
        self.history.push((Instant::now(), before, state));
    }

    fn status(&mut self) -> PairStatus {
        let moved = self
            .moving
            .filter(|(since, _)| !self.stuck && since.elapsed() >= SWITCH);
        if let Some((_, here)) = moved {
            self.moving = None;
            let other = if here { "standby" } else { "active" };
            if here {
                self.set("acquire", "nobody");
                self.set("active", "local");
            } else {
                "peer".clone_into(&mut self.status.instances[0].owner);
            }
            other.clone_into(&mut self.status.instances[0].peer.as_mut().unwrap().state);
        }
        let mut status = self.status.clone();
        let own = self.history.iter().map(|(at, from, to)| TransitionStatus {
            seconds_ago: at.elapsed().as_secs_f64(),
            instance: "web".to_owned(),
            from: (*from).to_owned(),
            to: (*to).to_owned(),
            reason: "test".to_owned(),
            epoch: 8,
        });
        status.history.extend(own);
        status
    }
}

/// A listening node; ends when dropped.
struct Bench {
    directory: tempfile::TempDir,
    node: Arc<Mutex<Node>>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Bench {
    fn new(node: Node) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let node = Arc::new(Mutex::new(node));
        let (end, ended) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let socket = directory.path().join("control.sock");
        let inner = Arc::clone(&node);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let (sender, commands) = mpsc::channel(4);
                let _server = Server::start(&socket, None, sender).await.unwrap();
                ready.send(()).unwrap();
                tokio::select! {
                    () = answer(commands, inner) => {}
                    _ = ended => {}
                }
            });
        });
        is_ready.recv().unwrap();
        Self {
            directory,
            node,
            end: Some(end),
            thread: Some(thread),
        }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn run(&self, words: &[&str]) -> (i32, String, String) {
        let socket = self.socket();
        let place = ["--socket", socket.to_str().unwrap()];
        directord(&[&["failover"], words, &place].concat())
    }

    /// Held against a golden file: exit code, then both streams.
    fn golden(&self, name: &str, words: &[&str]) {
        let (code, out, err) = self.run(words);
        let text = format!("exit code {code}\n{out}{err}");
        let path = root().join("tests/golden/failover").join(name);
        if std::env::var_os("DIRECTORD_GOLDEN").is_some_and(|word| word == "write") {
            std::fs::write(&path, text).unwrap();
            return;
        }
        let wanted = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, wanted, "{name}");
    }

    fn orders(&self) -> Vec<failover::Command> {
        self.node.lock().unwrap().orders.clone()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // Its panic has been told.
            let _ = thread.join();
        }
    }
}

async fn answer(mut commands: mpsc::Receiver<Command>, node: Arc<Mutex<Node>>) {
    while let Some(command) = commands.recv().await {
        let mut node = node.lock().unwrap();
        // A client that has gone wants no answer.
        match command {
            Command::Pair(command, reply) => drop(reply.send(node.order(&command))),
            Command::PairStatus(reply) => drop(reply.send(Some(node.status()))),
            Command::Sync(reply) => drop(reply.send(sync())),
            Command::Status(reply) => {
                let pair = Some(node.status());
                drop(reply.send(Status {
                    version: "0.1.0".to_owned(),
                    pid: 7,
                    config: "/etc/directord/directord.yaml".to_owned(),
                    files: vec!["/etc/directord/directord.yaml".to_owned()],
                    uptime_seconds: 240.0,
                    reload_error: None,
                    kernel_error: None,
                    uplink: None,
                    names: NameStatus::default(),
                    alerts: None,
                    services: Vec::new(),
                    pair,
                }));
            }
            Command::Reload(reply) => drop(reply.send(Ok(()))),
        }
    }
}

fn sync() -> SyncReport {
    SyncReport {
        daemons: vec![DaemonStatus {
            role: "master".to_owned(),
            interface: "hb0".to_owned(),
            id: 7,
        }],
        connections: Some(ConnectionsStatus {
            entries: 1843,
            synchronised: 12,
            complete: true,
        }),
        newest_seconds_ago: None,
        problem: None,
    }
}

#[test]
fn status_on_both_nodes() {
    let active = Bench::new(Node::new("active.json"));
    active.golden("active.status", &["status"]);
    active.golden("active.check", &["status", "--check"]);
    active.golden("active.explain", &["explain"]);
    active.golden("active.history", &["history"]);
    active.golden("active.status.json", &["status", "--json"]);
    active.golden("active.history.json", &["history", "--json"]);
    let standby = Bench::new(Node::new("standby.json"));
    standby.golden("standby.status", &["status"]);
    standby.golden("standby.check", &["status", "--check"]);
    standby.golden("standby.explain", &["explain", "web"]);
    let (code, out, _) = directord(&["status", "--socket", standby.socket().to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(out.contains("\npair web (node loadb1): web active on loadb2, standby here\n"));
}

#[test]
fn monitors_get_one_line_and_a_number() {
    for (name, change, wanted) in [
        (
            "lost.check",
            (|node: &mut Node| node.status.peer.alive = false) as fn(&mut Node),
            1,
        ),
        (
            "nobody.check",
            |node| node.status.instances[0].owner = "nobody".to_owned(),
            2,
        ),
    ] {
        let mut node = Node::new("active.json");
        change(&mut node);
        let bench = Bench::new(node);
        let (code, out, err) = bench.run(&["status", "--check"]);
        assert_eq!((code, out.lines().count(), err.as_str()), (wanted, 1, ""));
        bench.golden(name, &["status", "--check"]);
    }
}

#[test]
fn orders_are_given_with_their_particulars() {
    use failover::Command as Order;
    let bench = Bench::new(Node::new("standby.json"));
    let web = Some(failover::InstanceId::of("web"));
    for (words, order) in [
        (
            &["freeze"][..],
            Order::Freeze {
                duration: Some(Duration::from_hours(1)),
            },
        ),
        (
            &["freeze", "--for", "10m"],
            Order::Freeze {
                duration: Some(Duration::from_mins(10)),
            },
        ),
        (&["freeze", "--forever"], Order::Freeze { duration: None }),
        (&["unfreeze"], Order::Unfreeze),
        (&["cleanup"], Order::Cleanup { instance: None }),
        (&["cleanup", "web"], Order::Cleanup { instance: web }),
        (
            &["standby", "web"],
            Order::Standby {
                instance: web,
                on: true,
            },
        ),
        (
            &["standby", "--off"],
            Order::Standby {
                instance: None,
                on: false,
            },
        ),
    ] {
        let (code, out, err) = bench.run(words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}");
        assert!(!out.is_empty());
        assert_eq!(bench.orders().last(), Some(&order), "{words:?}");
    }
    for words in [
        &["freeze", "--for", "10x"][..],
        &["freeze", "--for", "1h", "--forever"],
        &["standby", "web", "mail"],
        &["status", "--json", "--check"],
        &["drill", "--probe", "somewhere"],
    ] {
        assert_eq!(bench.run(words).0, 2, "{words:?}");
    }
    assert_eq!(bench.orders().len(), 8);
}

#[test]
fn takeover_and_standby_end_when_it_is_done() {
    let bench = Bench::new(Node::new("standby.json"));
    let (code, out, _) = bench.run(&["takeover"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "web: asking the peer to hand over\n")
    );
    assert_eq!(
        bench.node.lock().unwrap().status.instances[0].state,
        "active"
    );
    let (code, out, err) = bench.run(&["takeover"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "directord: web is active here already\n");
    let (code, out, _) = bench.run(&["standby"]);
    assert_eq!(
        (code, out.as_str()),
        (0, "web: handing over to loadb2\nmail: stays\n")
    );
}

#[test]
fn standby_does_not_wait_for_a_peer_that_cannot_serve() {
    let mut node = Node::new("active.json");
    node.status.peer.alive = false;
    let bench = Bench::new(node);
    let begun = Instant::now();
    let (code, out, err) = bench.run(&["standby", "web"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert_eq!(out, "web: stays until loadb2 can serve it\n");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_drill_goes_there_and_back() {
    for file in ["active.json", "standby.json"] {
        let bench = Bench::new(Node::new(file));
        let begins_here = file == "active.json";
        let (code, out, err) = bench.run(&["drill", "--stay", "1s"]);
        assert_eq!((code, err.as_str()), (0, ""), "{file}");
        let lines: Vec<&str> = out.lines().collect();
        let (away, home) = (
            "web: loadb1 → loadb2: released ",
            "web: loadb2 → loadb1: released ",
        );
        let wanted = if begins_here {
            [away, home]
        } else {
            [home, away]
        };
        assert_eq!(lines.len(), 2, "{out}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{out}");
        }
        // The fake gives up at once and serves after a while.
        let (_, rest) = lines[usize::from(!begins_here)]
            .split_once("at most ")
            .unwrap();
        let gap: u64 = rest.trim_end_matches(" ms").parse().unwrap();
        assert!((30..5000).contains(&gap), "{out}");
        let node = bench.node.lock().unwrap();
        let instance = &node.status.instances[0];
        assert_eq!(instance.state == "active", begins_here, "{file}");
        assert!(!instance.admin_standby);
    }
}

#[test]
fn a_drill_is_refused_when_it_would_be_a_risk() {
    let mut node = Node::new("active.json");
    node.status.instances[0].peer.as_mut().unwrap().ready = false;
    let bench = Bench::new(node);
    let (code, out, err) = bench.run(&["drill"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(err, "directord: no drill: loadb2 is not ready for web\n");
    let bench = Bench::new(Node::new("active.json"));
    let (code, _, err) = bench.run(&["drill", "ftp"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("there is no instance ftp; there are: web"),
        "{err}"
    );
    // Nobody listens there.
    let (code, _, err) = bench.run(&["drill", "--probe", "127.0.0.1:1"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("127.0.0.1:1 does not answer this node"),
        "{err}"
    );
    assert!(bench.orders().is_empty());
}

#[test]
fn a_drill_that_gets_stuck_takes_its_order_back() {
    let mut node = Node::new("active.json");
    node.stuck = true;
    let bench = Bench::new(node);
    let begun = Instant::now();
    let (code, _, err) = bench.run(&["drill", "--wait", "1s"]);
    assert_eq!(code, 1);
    assert!(
        err.contains("loadb2 has not taken it over after 1 s"),
        "{err}"
    );
    assert!(err.contains("web standby here, served by nobody"), "{err}");
    assert!(begun.elapsed() < Duration::from_secs(60));
    let last = bench.orders().pop();
    let off = failover::Command::Standby {
        instance: Some(failover::InstanceId::of("web")),
        on: false,
    };
    assert_eq!(last, Some(off));
}

#[test]
fn a_drill_probes_the_service_meanwhile() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let service = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    let bench = Bench::new(Node::new("active.json"));
    let (code, out, err) = bench.run(&["drill", "web", "--stay", "1s", "--probe", &service]);
    assert_eq!((code, err.as_str()), (0, ""));
    let last = out.lines().last().unwrap();
    assert!(
        last.starts_with(&format!("probe of {service} every 10 ms: ")),
        "{out}"
    );
    assert!(last.contains(" 0 failed, longest gap "), "{out}");
}

#[test]
fn without_a_director_every_command_ends_with_4() {
    for words in [
        &["status"][..],
        &["status", "--check"],
        &["standby"],
        &["takeover"],
        &["freeze"],
        &["unfreeze"],
        &["drill"],
        &["cleanup"],
        &["explain"],
        &["history"],
    ] {
        let all = [&["failover"], words, &["--socket", "no.sock"]].concat();
        let (code, out, err) = directord(&all);
        assert_eq!((code, out.as_str()), (4, ""), "{words:?}");
        assert!(err.contains("no director answers on no.sock"), "{err}");
    }
}

/// Runs one of Heartbeat's commands through a link of its name.
fn habit(bench: &Bench, name: &str, words: &[&str]) -> (i32, String, String) {
    let link = bench.directory.path().join(name);
    if !link.exists() {
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_directord"), &link).unwrap();
    }
    let output = std::process::Command::new(link)
        .args(words)
        .env("DIRECTORD_SOCKET", bench.socket())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

#[test]
fn cl_status_answers_as_heartbeats() {
    let active = Bench::new(Node::new("active.json"));
    let standby = Bench::new(Node::new("standby.json"));
    for (bench, words, code, wanted) in [
        (
            &active,
            &["hbstatus"][..],
            0,
            "Heartbeat is running on this machine.\n",
        ),
        (&active, &["listnodes", "-n"], 0, "loadb1\nloadb2\n"),
        (&active, &["nodestatus", "loadb2"], 0, "active\n"),
        (&active, &["rscstatus"], 0, "all\n"),
        (&standby, &["rscstatus"], 0, "none\n"),
        (&standby, &["hblinkstatus", "loadb2", "private"], 0, "up\n"),
    ] {
        let answer = habit(bench, "cl_status", words);
        assert_eq!(
            answer,
            (code, wanted.to_owned(), String::new()),
            "{words:?}"
        );
    }
    let (code, out, err) = habit(&active, "cl_status", &["nodestatus", "loadb9"]);
    assert_eq!((code, out.as_str()), (11, ""));
    assert_eq!(err, "Error. May be due to incorrect node name\n");
    // Without a director, and through the subcommand.
    let (code, out, err) = directord(&["cl_status", "hbstatus"]);
    assert_eq!((code, err.as_str()), (1, ""));
    assert_eq!(out, "Heartbeat is stopped on this machine.\n");
}

#[test]
fn the_sync_daemon_is_not_swapped_by_hand() {
    let bench = Bench::new(Node::new("active.json"));
    let (code, out, err) = habit(&bench, "LVSSyncDaemonSwap", &["master", "start"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("use `directord failover takeover`"), "{err}");
    let (code, _, err) = directord(&["LVSSyncDaemonSwap", "backup", "stop"]);
    assert_eq!(code, 1);
    assert!(err.contains("refused"), "{err}");
}
