//! Two nodes, their links, and kernels that do as they are told.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use crate::failover::advert::Incarnation;
use crate::failover::{
    Action, Command, ConfigDigest, Event, InstanceId, Key, KeyId, Keys, Local, Mac, Pair, Settings,
    SoftwareVersion, State, Step,
};
use crate::model::pair as model;

/// The instance of most tests.
pub(crate) const WEB: &str = "web";

pub(crate) fn web() -> InstanceId {
    InstanceId::of(WEB)
}

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn keys() -> Keys {
    Keys::new(KeyId(1), vec![(KeyId(1), Key::new([7; 32]))]).unwrap()
}

pub(crate) fn mac(node: usize) -> Mac {
    Mac([2, 0, 0, 0, 0, node as u8 + 1])
}

/// A pair of two links and one instance with sync, as node 0 (number 1, priority 150) or
/// node 1 (number 2, priority 100) sees it.
pub(crate) fn model(node: usize) -> model::Pair {
    let nodes = [("one", 1, 150), ("two", 2, 100)].map(|(name, id, priority)| model::Node {
        name: name.to_owned(),
        id: model::NodeId(id),
        priority,
    });
    let link = |name: &str| model::Link {
        name: name.to_owned(),
        source: model::LinkSource::Interface("eth0".parse().unwrap()),
        to: model::LinkTarget::Broadcast,
        port: model::DEFAULT_PORT,
    };
    let [one, two] = nodes;
    let (local, peer) = if node == 0 { (one, two) } else { (two, one) };
    model::Pair {
        cluster: "test".to_owned(),
        local,
        peer,
        key_file: "/etc/directord/key".into(),
        links: vec![link("lan"), link("private")],
        timing: model::Timing::default(),
        preempt: model::Preempt::default(),
        instances: vec![instance(WEB)],
    }
}

pub(crate) fn instance(name: &str) -> model::Instance {
    model::Instance {
        name: name.to_owned(),
        prefer: None,
        addresses: vec![model::VirtualAddress {
            address: "192.0.2.100".parse().unwrap(),
            prefix: 24,
            interface: "eth0".parse().unwrap(),
            label: None,
        }],
        sync: Some(model::Sync {
            interface: "eth0".parse().unwrap(),
            id: 7,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        }),
        standby: model::Standby::Warm,
        strict: false,
        tracks: vec![],
        hooks: model::Hooks::default(),
    }
}

pub(crate) fn ping(interval: Duration) -> model::Track {
    model::Track {
        name: "gateway".to_owned(),
        kind: model::TrackKind::Ping("192.0.2.1".parse().unwrap()),
        interval,
        timeout: interval,
        fall: 3,
        rise: 3,
        effect: model::Effect::Fault,
    }
}

pub(crate) fn settings(model: &model::Pair) -> Settings {
    let version = SoftwareVersion::default();
    Settings::new(model, keys(), ConfigDigest([1; 8]), version).unwrap()
}

pub(crate) fn well() -> Local {
    Local {
        reachable: 1,
        total: 1,
        unknown: 0,
        weight: 0,
        fault: None,
        ready: true,
        carrier: true,
        answered: None,
    }
}

/// Link and bytes.
type Packet = (usize, Vec<u8>);
/// Arrives when, in which order, at whom.
type Flying = Reverse<(Instant, u64, usize, Packet)>;

/// One node and its kernel.
#[expect(clippy::struct_excessive_bools, reason = "independent knobs of a test")]
pub(crate) struct Host {
    pub(crate) pair: Pair,
    /// The address is on an interface.
    pub(crate) address: bool,
    /// It was at any time since the last look.
    pub(crate) had_address: bool,
    /// Stopped, but the kernel and the guard live.
    pub(crate) stopped: bool,
    /// Switched off.
    pub(crate) dead: bool,
    /// Steps that fail.
    pub(crate) fails: Vec<Step>,
    /// Steps that are never answered.
    pub(crate) hangs: Vec<Step>,
    pub(crate) guarded: bool,
    /// Who answers for the address besides the peer.
    pub(crate) stranger: Option<Mac>,
    probing: bool,
    /// When the guard gives up, and what it says then.
    pub(crate) keep: Option<(Instant, Vec<Packet>)>,
    inbox: Vec<Event>,
    /// What was done, without adverts and leave for the guard.
    pub(crate) log: Vec<Action>,
    pub(crate) sent: Vec<Packet>,
}

/// Both of them, at a time.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) hosts: [Host; 2],
    /// From node *n* on link *l*.
    pub(crate) cut: [[bool; 2]; 2],
    /// The service segment carries nothing between the nodes.
    pub(crate) island: bool,
    pub(crate) delay: Duration,
    flying: BinaryHeap<Flying>,
    serial: u64,
    pub(crate) overlap: Duration,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with([model(0), model(1)])
    }

    pub(crate) fn with(models: [model::Pair; 2]) -> Self {
        let now = Instant::now();
        let mut node = 0;
        let hosts = models.map(|model| {
            let incarnation = Incarnation([node + 1; 16]);
            node += 1;
            Host {
                pair: Pair::new(settings(&model), incarnation, &[], now),
                address: false,
                had_address: false,
                stopped: false,
                dead: true,
                fails: vec![],
                hangs: vec![],
                guarded: true,
                stranger: None,
                probing: false,
                keep: None,
                inbox: vec![],
                log: vec![],
                sent: vec![],
            }
        });
        Self {
            now,
            hosts,
            cut: [[false; 2]; 2],
            island: false,
            delay: ms(1),
            flying: BinaryHeap::new(),
            serial: 0,
            overlap: Duration::ZERO,
        }
    }

    /// Both run and have settled: node 0 serves.
    pub(crate) fn settled() -> Self {
        Self::settled_with([model(0), model(1)])
    }

    pub(crate) fn settled_with(models: [model::Pair; 2]) -> Self {
        let mut world = Self::with(models);
        world.boot(0);
        world.boot(1);
        world.run(ms(3000));
        assert_eq!(world.states(), [State::Active, State::Standby]);
        world.forget();
        world
    }

    /// A node starts for the first time.
    pub(crate) fn boot(&mut self, node: usize) {
        self.hosts[node].dead = false;
        self.event(node, Event::Start);
        self.event(node, Event::OwnMacs(vec![mac(node)]));
        self.local(node, well());
    }

    /// A new life of a node.
    pub(crate) fn reboot(&mut self, node: usize, life: u8) {
        let host = &mut self.hosts[node];
        let epoch = host.pair.view(self.now).instances[0].epoch;
        let incarnation = Incarnation([life; 16]);
        let settings = settings(&model(node));
        host.pair = Pair::new(settings, incarnation, &[(web(), epoch)], self.now);
        host.address = false;
        host.keep = None;
        host.probing = false;
        self.boot(node);
    }

    pub(crate) fn forget(&mut self) {
        for host in &mut self.hosts {
            host.log.clear();
            host.sent.clear();
            host.had_address = host.address;
        }
        self.overlap = Duration::ZERO;
    }

    pub(crate) fn local(&mut self, node: usize, local: Local) {
        let instance = web();
        self.event(node, Event::Local { instance, local });
    }

    pub(crate) fn command(&mut self, node: usize, command: Command) -> Result<String, String> {
        self.event(node, Event::Operator { ticket: 9, command });
        let log = &self.hosts[node].log;
        let reply = log.iter().rev().find_map(|action| match action {
            Action::Reply { ticket: 9, result } => Some(result.clone()),
            _ => None,
        });
        reply.expect("an answer")
    }

    /// Hands an event over, at once or when the process runs again.
    pub(crate) fn event(&mut self, node: usize, event: Event) {
        let host = &mut self.hosts[node];
        if host.dead {
            return;
        }
        if host.stopped {
            host.inbox.push(event);
            return;
        }
        let actions = host.pair.step(self.now, event);
        let next = host.pair.next_timer();
        assert!(next.is_none_or(|at| at > self.now), "no busy loop");
        for action in actions {
            self.act(node, action);
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match &action {
            Action::Send { link, bytes } => return self.send(node, *link, bytes.clone()),
            Action::Keep {
                limit, farewell, ..
            } => {
                self.hosts[node].keep = Some((self.now + *limit, farewell.clone()));
                return;
            }
            Action::Drain => self.event(node, Event::Drained),
            Action::StartProbe { instance, .. } => {
                self.hosts[node].probing = true;
                self.event(
                    node,
                    Event::ProbeStarted {
                        instance: *instance,
                        result: Ok(()),
                    },
                );
                self.probe(node);
            }
            Action::StopProbe { .. } => self.hosts[node].probing = false,
            Action::Do {
                instance,
                epoch,
                step,
            } => self.carry_out(node, *instance, *epoch, *step),
            _ => {}
        }
        self.hosts[node].log.push(action);
    }

    fn carry_out(&mut self, node: usize, instance: InstanceId, epoch: u64, step: Step) {
        let host = &mut self.hosts[node];
        let result = if host.fails.contains(&step) {
            Err("it failed".to_owned())
        } else {
            Ok(())
        };
        match step {
            Step::AddAddresses if result.is_ok() => {
                host.address = true;
                host.had_address = true;
            }
            Step::RemoveAddresses if result.is_ok() => host.address = false,
            _ => {}
        }
        if !host.hangs.contains(&step) {
            // Later: what was asked for before is logged first.
            host.inbox.push(Event::Done {
                instance,
                epoch,
                step,
                result,
            });
        }
    }

    fn send(&mut self, node: usize, link: usize, bytes: Vec<u8>) {
        self.hosts[node].sent.push((link, bytes.clone()));
        if !self.cut[node][link] {
            self.serial += 1;
            let entry = (self.now + self.delay, self.serial, 1 - node, (link, bytes));
            self.flying.push(Reverse(entry));
        }
    }

    fn probe(&mut self, node: usize) {
        let peer = &self.hosts[1 - node];
        let instance = web();
        if peer.address && !peer.dead && !self.island {
            let mac = mac(1 - node);
            self.event(node, Event::ProbeAnswer { instance, mac });
        }
        let peer = &self.hosts[1 - node];
        if peer.probing && !peer.dead && !peer.stopped && !self.island {
            let (mac, own) = (mac(1 - node), mac(node));
            self.event(node, Event::RivalProbe { instance, mac, own });
        }
        if let Some(mac) = self.hosts[node].stranger {
            self.event(node, Event::ProbeAnswer { instance, mac });
        }
    }

    /// Runs for a while, a millisecond at a time.
    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.now += ms(1);
            self.tick();
        }
    }

    /// Runs until something is so, at most for a while; how long it took.
    pub(crate) fn run_until(
        &mut self,
        limit: Duration,
        mut there: impl FnMut(&Self) -> bool,
    ) -> Duration {
        let start = self.now;
        while !there(self) {
            assert!(
                self.now - start < limit,
                "not within {limit:?}: {:?}",
                self.states()
            );
            self.run(ms(1));
        }
        self.now - start
    }

    fn tick(&mut self) {
        while self
            .flying
            .peek()
            .is_some_and(|Reverse((at, ..))| *at <= self.now)
        {
            let Reverse((_, _, node, (link, bytes))) = self.flying.pop().unwrap();
            self.event(node, Event::Packet { link, bytes });
        }
        for node in 0..2 {
            self.guard(node);
            for _ in 0..20 {
                if self.hosts[node].stopped || self.hosts[node].inbox.is_empty() {
                    break;
                }
                for event in std::mem::take(&mut self.hosts[node].inbox) {
                    self.event(node, event);
                }
            }
            let due = self.hosts[node].pair.next_timer();
            if due.is_some_and(|at| at <= self.now) && !self.hosts[node].stopped {
                self.event(node, Event::Timer);
            }
            if self.hosts[node].probing && !self.hosts[node].stopped {
                self.probe(node);
            }
        }
        if self.hosts.iter().all(|host| host.address && !host.dead) {
            self.overlap += ms(1);
        }
    }

    /// The guard outlives a process that is stopped.
    fn guard(&mut self, node: usize) {
        let host = &mut self.hosts[node];
        let overdue = host.keep.as_ref().is_some_and(|(at, _)| *at <= self.now);
        if !overdue || host.dead || !host.guarded {
            return;
        }
        let (_, farewell) = host.keep.take().expect("it is overdue");
        if !host.address {
            return;
        }
        host.address = false;
        for (link, bytes) in farewell {
            self.send(node, link, bytes);
        }
        let instances = vec![web()];
        self.event(node, Event::Fenced { instances });
    }

    /// Kills the process: the guard acts at once.
    pub(crate) fn kill(&mut self, node: usize) {
        self.hosts[node].stopped = true;
        if let Some((at, _)) = &mut self.hosts[node].keep {
            *at = self.now;
        }
    }

    /// The host of both nodes stands still, links and guards included; when it goes on, what
    /// is due comes before what waits.
    pub(crate) fn stand_still(&mut self, time: Duration) {
        self.now += time;
        for node in 0..2 {
            if let Some((at, _)) = &mut self.hosts[node].keep {
                *at += time;
            }
            self.event(node, Event::Timer);
        }
    }

    /// A process that was stopped goes on: what waited comes first, in any case before its
    /// answer to the question what it missed.
    pub(crate) fn resume(&mut self, node: usize) {
        self.hosts[node].stopped = false;
        for event in std::mem::take(&mut self.hosts[node].inbox) {
            self.event(node, event);
        }
    }

    pub(crate) fn states(&self) -> [State; 2] {
        [0, 1].map(|node| self.state(node))
    }

    pub(crate) fn state(&self, node: usize) -> State {
        self.hosts[node].pair.view(self.now).instances[0].state
    }

    pub(crate) fn cut_all(&mut self, node: usize) {
        self.cut[node] = [true; 2];
    }

    /// Steps that a node was asked for.
    pub(crate) fn steps(&self, node: usize) -> Vec<Step> {
        let log = self.hosts[node].log.iter();
        log.filter_map(|action| match action {
            Action::Do { step, .. } => Some(*step),
            _ => None,
        })
        .collect()
    }

    /// Transitions of a node.
    pub(crate) fn path(&self, node: usize) -> Vec<(State, State, crate::failover::Reason)> {
        let log = self.hosts[node].log.iter();
        log.filter_map(|action| match action {
            Action::Transition {
                from, to, reason, ..
            } => Some((*from, *to, *reason)),
            _ => None,
        })
        .collect()
    }

    pub(crate) fn alarms(&self, node: usize) -> Vec<crate::failover::AlarmKind> {
        let log = self.hosts[node].log.iter();
        log.filter_map(|action| match action {
            Action::Alarm { kind, .. } => Some(*kind),
            _ => None,
        })
        .collect()
    }
}
