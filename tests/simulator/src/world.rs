//! Two nodes, their links and the service segment, event by event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use crate::attacker::{Attacker, Lives};
use crate::checks::Checks;
use crate::config::{Config, MS, SECOND, Time, instance_name};
use crate::failover::sabotage::Bug;
use crate::failover::{Event, InstanceId, Mac};
use crate::fault::{Fault, Quality, good};
use crate::node::{Input, Node, Packet};
use crate::rng::Rng;
use crate::segment::Segment;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which, as in the crate's table.
    pub invariant: &'static str,
    /// What happened.
    pub text: String,
    /// When.
    pub at: Time,
}

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Coming {
    /// Something of a node is due.
    Wake(usize, u64),
    /// A packet arrives.
    Arrival(usize, Packet),
    /// The service is started.
    Start(usize, u64),
    /// A signal or the end of a pause, when the life is still the same.
    Continue(usize, Which, u64),
    /// Power is back, or the node moves again.
    Node(usize, bool),
    /// Something for a main process, when its life is still the same.
    Tell(usize, u64, Event),
    /// The service manager loses patience.
    Kill(usize, u64),
    /// A fault of the plan.
    Fault(usize),
}

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    Main,
    Guard,
}

#[derive(Debug, Clone)]
struct Entry {
    at: Time,
    order: u64,
    what: Coming,
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// What becomes of a packet, when somebody else than chance decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It arrives after the usual time.
    Arrives,
    /// It is lost.
    Lost,
    /// It arrives one and a half advert intervals late.
    Late,
}

/// Everything.
#[derive(Debug, Clone)]
pub struct World {
    /// How it was drawn.
    pub config: Arc<Config>,
    /// True time.
    pub now: Time,
    /// Calls of the state machines.
    pub events: u64,
    /// Of all actions of the state machines and their times.
    pub digest: u64,
    /// Longest dead interval that a node has announced.
    pub longest: Time,
    /// The nodes.
    pub nodes: [Node; 2],
    /// The service segment.
    pub segment: Segment,
    /// What has been broken first.
    pub failure: Option<Failure>,
    /// What the checks remember.
    pub checks: Checks,
    /// What happened, when somebody wants to read it.
    pub trace: Option<Vec<String>>,
    /// The deliberate bug.
    pub bug: Option<Bug>,
    /// Short forms of the instances' names.
    pub ids: [InstanceId; 2],
    /// Fates of the next packets; the others arrive.
    pub fates: Option<std::collections::VecDeque<Fate>>,
    pub(crate) attacker: Attacker,
    pub(crate) watched: bool,
    links: Vec<[Quality; 2]>,
    plan: Arc<Vec<(Time, Fault)>>,
    queue: BinaryHeap<Reverse<Entry>>,
    order: u64,
    at_once: u32,
    /// Since when each direction of each link has been good.
    good_since: Vec<[Option<Time>; 2]>,
    /// Until when links from a node were neither good nor cut.
    pub(crate) weather: [Time; 2],
    /// Since when each node's main process has been running without a pause.
    pub(crate) awake_since: [Option<Time>; 2],
    /// Since when nothing has hindered the nodes from giving up addresses.
    pub(crate) executes_since: Option<Time>,
    /// Only one direction between the nodes is dead, and nothing else is wrong.
    pub(crate) one_way: bool,
    /// Since when both nodes have been on one service segment.
    pub(crate) together_since: Option<Time>,
    pub(crate) rng: Rng,
}

impl World {
    /// Before anything happens. `plan` is what will.
    pub fn new(
        seed: u64,
        config: Config,
        plan: Vec<(Time, Fault)>,
        bug: Option<Bug>,
        trace: bool,
    ) -> Self {
        let watched = plan
            .iter()
            .any(|(_, f)| matches!(f, Fault::Attack(..) | Fault::Link(..)));
        let mut world = Self {
            now: 0,
            events: 0,
            digest: 0,
            longest: 0,
            nodes: [0, 1].map(|n| Node::new(n, seed, &config)),
            segment: Segment::default(),
            failure: None,
            checks: Checks::default(),
            trace: trace.then(Vec::new),
            bug,
            ids: [0, 1].map(|i| InstanceId::of(&instance_name(i))),
            fates: None,
            attacker: Attacker::new(Rng::new(seed, 4)),
            watched,
            links: vec![[good(&config); 2]; config.links],
            plan: Arc::new(plan),
            queue: BinaryHeap::new(),
            order: 0,
            at_once: 0,
            good_since: vec![[Some(0); 2]; config.links],
            weather: [0; 2],
            awake_since: [None; 2],
            executes_since: None,
            one_way: false,
            together_since: None,
            rng: Rng::new(seed, 3),
            config: Arc::new(config),
        };
        for index in 0..world.plan.len() {
            let at = world.plan[index].0;
            world.schedule(at, Coming::Fault(index));
        }
        for n in 0..2 {
            let at = if world.rng.chance(700) {
                0
            } else {
                world.rng.below(world.config.wait() * 2)
            };
            world.schedule_start(n, at);
        }
        world
    }

    /// The hardware address of a node's service interface.
    pub fn mac(node: usize) -> Mac {
        Mac([2, 0, 0, 0, 0, node as u8 + 1])
    }

    pub(crate) fn log(&mut self, text: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>12.6} {}", self.now as f64 / 1e9, text(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    /// D, as long as a node may have waited so far.
    pub fn dead(&self) -> Time {
        self.longest.max(self.config.dead())
    }

    /// P, as long as a node may have asked so far.
    pub fn probe_window(&self) -> Time {
        let dead = std::time::Duration::from_nanos(self.dead());
        self.config.timing.probe_window_within(dead).as_nanos() as Time
    }

    pub(crate) fn fail(&mut self, invariant: &'static str, text: impl FnOnce(&Self) -> String) {
        if self.failure.is_none() {
            let text = text(self);
            self.log(|_| format!("*** {invariant}: {text}"));
            self.failure = Some(Failure {
                invariant,
                text,
                at: self.now,
            });
        }
    }

    pub(crate) fn schedule(&mut self, at: Time, what: Coming) {
        self.order += 1;
        self.queue.push(Reverse(Entry {
            at: at.max(self.now),
            order: self.order,
            what,
        }));
    }

    pub(crate) fn schedule_start(&mut self, n: usize, at: Time) {
        self.nodes[n].start += 1;
        let token = self.nodes[n].start;
        self.schedule(at, Coming::Start(n, token));
    }

    /// Lets things happen until then, or until something is broken.
    pub fn run_until(&mut self, end: Time) {
        while self.failure.is_none() {
            let Some(Reverse(entry)) = self.queue.peek() else {
                break;
            };
            if entry.at > end {
                break;
            }
            self.happen();
        }
        self.now = self.now.max(end);
    }

    /// The next thing.
    pub fn happen(&mut self) {
        let Some(Reverse(entry)) = self.queue.pop() else {
            return;
        };
        self.at_once = if entry.at > self.now {
            0
        } else {
            self.at_once + 1
        };
        if self.at_once > 20_000 {
            self.fail("time", |w| {
                format!("stands still at {:?} of {} s", entry.what, w.now / SECOND)
            });
        }
        self.now = self.now.max(entry.at);
        match entry.what {
            Coming::Wake(n, token) => {
                if self.nodes[n].wake == token {
                    self.nodes[n].wake_at = None;
                    self.wake(n);
                }
            }
            Coming::Arrival(to, packet) => self.arrive(to, packet),
            Coming::Start(n, token) => {
                if self.nodes[n].start == token {
                    self.start(n);
                }
            }
            Coming::Continue(n, which, life) => self.resume(n, which, life),
            Coming::Node(n, power) => self.node_is_back(n, power),
            Coming::Tell(n, life, event) => {
                if self.life(n) == Some(life) {
                    self.tell(n, Input::Event(event));
                }
            }
            Coming::Kill(n, life) => {
                if self.life(n) == Some(life) {
                    self.kill_main(n, 50 * MS);
                }
            }
            Coming::Fault(index) => {
                let fault = self.plan[index].1;
                self.log(|_| format!("FAULT {fault:?}"));
                self.apply(fault);
            }
        }
        self.check_state();
        self.set_wakes();
    }

    /// Both nodes are woken when something of theirs is due.
    pub(crate) fn set_wakes(&mut self) {
        for n in 0..2 {
            self.set_wake(n);
        }
    }

    fn set_wake(&mut self, n: usize) {
        let node = &self.nodes[n];
        let at = node
            .next(&self.config)
            .map(|local| node.clock.true_time(local).max(self.now));
        if at != node.wake_at {
            self.nodes[n].wake_at = at;
            self.nodes[n].wake += 1;
            let token = self.nodes[n].wake;
            if let Some(at) = at {
                self.schedule(at, Coming::Wake(n, token));
            }
        }
    }

    /// The life of a node's main process.
    pub fn life(&self, n: usize) -> Option<u64> {
        self.nodes[n].process.as_ref().map(|p| p.life)
    }

    pub(crate) fn lives(&self, to: usize) -> Lives {
        let heard = self.nodes[to].process.as_ref().and_then(|p| p.heard);
        let since = self.awake_since[1 - to];
        Lives {
            to: self.nodes[to].lives,
            from: self.nodes[1 - to].lives,
            met: heard.zip(since).is_some_and(|(heard, since)| heard > since),
        }
    }

    /// Whether both nodes are on one segment.
    pub fn same_segment(&self) -> bool {
        self.nodes.iter().all(Node::is_connected)
    }

    /// A packet leaves a node.
    pub(crate) fn transmit(&mut self, from: usize, link: usize, bytes: &[u8], life: u64) {
        let to = 1 - from;
        let logged = self.watched.then(|| {
            let lives = Lives {
                from: life,
                ..self.lives(to)
            };
            self.attacker.see(to, lives, self.now, link, bytes)
        });
        let Some(quality) = self.links.get(link).map(|l| l[from]) else {
            return;
        };
        let dead = self.config.service_link && link == 0 && !self.same_segment();
        if quality.cut || dead || self.rng.chance(quality.loss) {
            return;
        }
        let mut extra = 0;
        if let Some(fates) = &mut self.fates {
            match fates.pop_front().unwrap_or(Fate::Arrives) {
                Fate::Arrives => {}
                Fate::Lost => return,
                Fate::Late => extra = self.config.interval() * 3 / 2,
            }
        }
        let copies = 1 + u64::from(self.rng.chance(quality.duplicate));
        for _ in 0..copies {
            let mut packet = Packet {
                link,
                bytes: bytes.to_vec(),
                life: Some(life),
                recording: false,
                logged,
            };
            if self.rng.chance(quality.corrupt) {
                let bit = self.rng.below(bytes.len() as u64 * 8) as usize;
                packet.bytes[bit / 8] ^= 1 << (bit % 8);
                packet.life = None;
            }
            let at = self.now + extra + self.rng.range(quality.delay / 10, quality.delay);
            self.schedule(at, Coming::Arrival(to, packet));
        }
    }

    pub(crate) fn set_link(&mut self, link: usize, from: usize, quality: Quality) {
        if link < self.links.len() {
            let good = good(&self.config);
            let fine = |q: Quality| q.cut || q == good;
            let was_fine = self.links.iter().all(|link| fine(link[from]));
            self.links[link][from] = quality;
            if !self.links.iter().all(|link| fine(link[from])) {
                self.weather[from] = Time::MAX;
            } else if !was_fine {
                self.weather[from] = self.now;
            }
            let well = quality == good;
            let since = self.good_since[link][from].unwrap_or(self.now);
            self.good_since[link][from] = well.then_some(since);
        }
    }

    pub(crate) fn set_all_links(&mut self, quality: Quality) {
        for link in 0..self.links.len() {
            self.set_link(link, 0, quality);
            self.set_link(link, 1, quality);
        }
    }

    pub(crate) fn cut_direction(&mut self, from: usize, cut: bool) {
        for link in 0..self.links.len() {
            let quality = Quality {
                cut,
                ..self.links[link][from]
            };
            self.set_link(link, from, quality);
        }
    }

    /// Since when some link has carried everything that a node sent.
    pub(crate) fn carried_since(&self, from: usize) -> Option<Time> {
        let shared = usize::from(self.config.service_link);
        self.good_since
            .iter()
            .skip(shared)
            .filter_map(|link| link[from])
            .min()
    }

    pub(crate) fn arrive(&mut self, to: usize, packet: Packet) {
        let node = &mut self.nodes[to];
        if !node.powered {
            return;
        }
        if node.standing {
            // A network card has room for some.
            if node.ring.len() < 64 {
                node.ring.push(packet);
            }
            return;
        }
        self.tell(to, Input::Packet(packet));
    }
}

impl World {
    /// Faults that were still to come do not come.
    pub(crate) fn forget_faults(&mut self) {
        self.queue
            .retain(|Reverse(entry)| !matches!(entry.what, Coming::Fault(_)));
    }
}
