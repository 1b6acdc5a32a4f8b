//! Two nodes in network namespaces of their own, joined by veth pairs.

use std::io::Write as _;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, Uid, gettid};

use super::super::{LinkStatus, Links, Packet};
use crate::model::pair::Link;

type Job = Box<dyn FnOnce(&mut State) + Send>;

/// What a node's thread has.
pub(super) struct State {
    pub(super) links: Links,
    pub(super) packets: Vec<Packet>,
}

/// A node: a thread in its own network namespace that sends on every link every 10 ms and
/// collects what comes in.
pub(super) struct Node {
    jobs: Option<tokio::sync::mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
    id: Pid,
}

/// Whether namespaces can be made; says so when not.
pub(super) fn possible() -> bool {
    if Uid::effective().is_root() {
        return true;
    }
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED, NOT TESTED: {name}: needs root\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    false
}

/// Runs `ip` in the calling thread's namespace.
fn ip(command: &str) {
    let arguments = command.split_whitespace();
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {command}: {output:?}");
}

impl Node {
    /// A node without interfaces but `lo`, whose packets begin with `name`.
    pub(super) fn start(name: &'static str, links: Vec<Link>) -> Self {
        let (jobs, mut taken) = tokio::sync::mpsc::unbounded_channel::<Job>();
        let (tell, told) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            ip("link set lo up");
            tell.send(gettid()).unwrap();
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build().unwrap();
            runtime.block_on(async {
                let mut state = State {
                    links: Links::open(&links),
                    packets: Vec::new(),
                };
                let mut tick = tokio::time::interval(Duration::from_millis(10));
                loop {
                    tokio::select! {
                        job = taken.recv() => match job {
                            Some(job) => job(&mut state),
                            None => break,
                        },
                        packet = state.links.recv() => state.packets.push(packet),
                        _ = tick.tick() => {
                            for link in 0..state.links.status().len() {
                                state.links.send(link, format!("{name} {link}").as_bytes());
                            }
                        }
                    }
                }
            });
        });
        Self {
            jobs: Some(jobs),
            thread: Some(thread),
            id: told.recv().unwrap(),
        }
    }

    /// Does something on the node's thread.
    pub(super) fn call<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut State) -> T + Send + 'static,
    ) -> T {
        let (tell, told) = mpsc::channel();
        let job: Job = Box::new(move |state| tell.send(job(state)).unwrap());
        assert!(self.jobs.as_ref().unwrap().send(job).is_ok());
        told.recv().unwrap()
    }

    /// Runs `ip` there.
    pub(super) fn ip(&self, command: &str) {
        let command = command.to_owned();
        self.call(move |_| ip(&command));
    }

    /// Joins two nodes by a veth pair and sets both ends up with addresses.
    pub(super) fn join(
        &self,
        own: &str,
        addresses: &[&str],
        peer: &Self,
        other: &str,
        others: &[&str],
    ) {
        self.ip(&format!(
            "link add {own} type veth peer name {other} netns {}",
            peer.id
        ));
        for (node, name, list) in [(self, own, addresses), (peer, other, others)] {
            // No other link-local address than the test's.
            node.ip(&format!("link set {name} addrgenmode none"));
            for address in list {
                let more = if address.contains(':') {
                    "nodad"
                } else {
                    "brd +"
                };
                node.ip(&format!("address add {address} dev {name} {more}"));
            }
            node.ip(&format!("link set {name} up"));
        }
    }

    pub(super) fn status(&self) -> Vec<LinkStatus> {
        self.call(|state| state.links.status())
    }

    /// Forgets what came in, and returns how many packets of each link came in within the
    /// time, all of them being the peer's for this link.
    pub(super) fn heard(&self, links: usize, during: Duration) -> Vec<usize> {
        self.call(|state| state.packets.clear());
        std::thread::sleep(during);
        let packets = self.call(|state| std::mem::take(&mut state.packets));
        let mut counts = vec![0; links];
        for packet in packets {
            counts[packet.link] += 1;
        }
        counts
    }

    /// Waits until the statuses are as wanted, and returns how long that took.
    pub(super) fn wait(&self, what: &str, wanted: impl Fn(&[LinkStatus]) -> bool) -> Duration {
        let start = Instant::now();
        loop {
            let status = self.status();
            if wanted(&status) {
                return start.elapsed();
            }
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{what}: {status:#?}"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a packet comes in on a link, and returns how long that took.
    pub(super) fn wait_for_packet(&self, link: usize) -> Duration {
        let start = Instant::now();
        self.call(|state| state.packets.clear());
        while !self.call(move |state| state.packets.iter().any(|packet| packet.link == link)) {
            assert!(
                start.elapsed() < Duration::from_secs(5),
                "{:#?}",
                self.status()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        start.elapsed()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("a node panicked");
        }
    }
}
