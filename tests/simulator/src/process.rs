//! The main process: its loop around the state machine, its steps, probes and tracks.

use crate::clock::{self, Local};
use crate::config::{MS, SECOND, Time};
use crate::failover::sabotage::Sabotage;
use crate::failover::{
    Action, Command, Event, Incarnation, InstanceId, Local as Tracks, Mac, Pair, State, Step,
    SyncPart,
};
use crate::guard::{Guard, Request};
use crate::node::{Input, Packet, Process, SOCKET_BUFFER};
use crate::packet;
use crate::world::{Coming, World};

impl World {
    pub(crate) fn local(&self, n: usize) -> Local {
        self.nodes[n].clock.local(self.now)
    }

    pub(crate) fn index(&self, id: InstanceId) -> Option<usize> {
        self.ids.iter().position(|other| *other == id)
    }

    /// The service manager starts main process and guard; of a former start nothing is left.
    pub(crate) fn start(&mut self, n: usize) {
        let node = &self.nodes[n];
        if !node.powered || node.process.is_some() {
            return;
        }
        if node.standing {
            self.schedule_start(n, self.now + 50 * MS);
            return;
        }
        let now = self.local(n);
        let settings = self.config.settings(n, self.nodes[n].variant);
        let disk = self.nodes[n].disk;
        self.checks.life_begins(n, disk);
        let node = &mut self.nodes[n];
        node.lives += 1;
        node.guard = Some(Guard::default());
        let (high, low) = (node.rng.bits(), node.rng.bits());
        let incarnation: [u8; 16] = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        let epochs = (0..2).filter_map(|i| Some((self.ids[i], node.disk[i]?)));
        let epochs: Vec<_> = epochs.collect();
        let pair = Pair::new(
            settings,
            Incarnation(incarnation),
            &epochs,
            clock::instant(now),
        );
        let pair = match self.bug {
            Some(bug) => pair.with_sabotage(Sabotage::with(bug)),
            None => pair,
        };
        let first_look = node.rng.range(MS, 300 * MS);
        node.process = Some(Process {
            life: node.lives,
            incarnation,
            shadow: self.watched.then(|| pair.clone()),
            pair,
            inbox: std::collections::VecDeque::new(),
            run_at: None,
            due: None,
            paused: false,
            stopping: false,
            draining: false,
            steps: Default::default(),
            running: [None; 2],
            probes: [None; 2],
            answered: [false; 2],
            track_at: now + first_look,
            target_answered: None,
            state: [State::Init; 2],
            admin_standby: false,
            frozen: None,
            eligible: [false; 2],
            eligible_since: [None; 2],
            sent: vec![None; self.config.links],
            rounds: std::collections::BTreeMap::new(),
            heard: None,
            last_news: (0, 0),
            hears_since: None,
            peer_eligible: [false; 2],
            peer_active: [false; 2],
            heard_epoch: [0; 2],
            bare_since: [None; 2],
        });
        self.log(|w| format!("node {n} starts life {}", w.nodes[n].lives));
        self.tell(n, Input::Event(Event::Start));
        self.tell(n, Input::Event(Event::OwnMacs(vec![Self::mac(n)])));
    }

    /// The main process dies; the guard notices, and the service manager starts it again.
    pub(crate) fn kill_main(&mut self, n: usize, after: Time) {
        if self.nodes[n].process.take().is_none() {
            return;
        }
        self.log(|_| format!("node {n} main process ends"));
        self.checks.process_ended(n);
        let now = self.local(n);
        if let Some(guard) = &mut self.nodes[n].guard {
            guard.orphan = true;
            // What was sent to it before can still be read.
            for request in std::mem::take(&mut guard.queue) {
                if let Request::Keep(_, farewell) = request {
                    guard.farewell = farewell;
                }
            }
            guard.rounds = [None; 2];
            guard.fence_held(now);
            guard.begin_farewell(now);
        }
        self.schedule_start(n, self.now + after);
    }

    /// Hands something to the main process, which gets to it in a moment.
    pub(crate) fn tell(&mut self, n: usize, input: Input) {
        let now = self.local(n);
        let node = &mut self.nodes[n];
        let Some(process) = &mut node.process else {
            return;
        };
        if let Input::Packet(packet) = &input {
            let same = |i: &&Input| matches!(i, Input::Packet(p) if p.link == packet.link);
            if process.inbox.iter().filter(same).count() >= SOCKET_BUFFER {
                return;
            }
        }
        process.inbox.push_back(input);
        if process.run_at.is_none() {
            process.run_at = Some(now + node.rng.below(self.config.jitter));
        }
    }

    /// Whatever of a node is due.
    pub(crate) fn wake(&mut self, n: usize) {
        if !self.nodes[n].runs() {
            return;
        }
        let now = self.local(n);
        for i in self.nodes[n].kernel.expire(now) {
            self.log(|_| format!("node {n} kernel: lifetime of instance {i} over"));
            let instance = self.ids[i];
            self.tell(n, Input::Event(Event::AddressMissing { instance }));
        }
        self.run_guard(n, now);
        self.run_process(n, now);
    }

    fn run_process(&mut self, n: usize, now: Local) {
        if !self.nodes[n].is_awake() {
            return;
        }
        for i in 0..2 {
            let Some(process) = &mut self.nodes[n].process else {
                return;
            };
            if process.running[i].flatten().is_some_and(|end| end <= now) {
                process.running[i] = Some(None);
                self.finish(n, i);
            }
            let Some(process) = &self.nodes[n].process else {
                return;
            };
            if let Some((_, window)) = process.probes[i].filter(|(at, _)| *at <= now) {
                self.probe(n, i, now, window);
            }
        }
        if self.nodes[n]
            .process
            .as_ref()
            .is_some_and(|p| p.track_at <= now)
        {
            self.look_at_tracks(n);
        }
        let jitter = self.config.jitter;
        let node = &mut self.nodes[n];
        let Some(process) = &mut node.process else {
            return;
        };
        if process.run_at.is_none() && process.due.is_some_and(|due| due <= now) {
            process.run_at = process.due.map(|due| due + node.rng.below(jitter));
        }
        if process.run_at.is_some_and(|at| at <= now) {
            process.run_at = None;
            self.turn(n, now);
        }
    }

    /// One turn of the loop: everything that waits, then the timer.
    fn turn(&mut self, n: usize, now: Local) {
        let timer_due = |w: &Self| {
            let process = w.nodes[n].process.as_ref();
            process.is_some_and(|p| !p.draining && p.due.is_some_and(|due| due <= now))
        };
        for _ in 0..4096 {
            let Some(process) = &mut self.nodes[n].process else {
                return;
            };
            match process.inbox.pop_front() {
                Some(Input::Packet(packet)) => self.feed_packet(n, packet),
                Some(Input::Event(event)) => self.feed(n, event, None),
                Some(Input::ProbeStarted(i)) => {
                    let instance = self.ids[i];
                    let works = self.nodes[n].carrier;
                    let result = if works {
                        Ok(())
                    } else {
                        Err("Network is down (os error 100)".to_owned())
                    };
                    self.feed(n, Event::ProbeStarted { instance, result }, None);
                }
                None if process.draining => {
                    process.draining = false;
                    self.feed(n, Event::Drained, None);
                }
                None => break,
            }
            if self.failure.is_some() {
                return;
            }
        }
        let mut turns = 0;
        while timer_due(self) {
            turns += 1;
            if turns > 50 {
                self.fail("timer", |w| {
                    let due = w.nodes[n].process.as_ref().and_then(|p| p.due);
                    format!("node {n}: the timer stays at {due:?}, it is {now}")
                });
                return;
            }
            self.feed(n, Event::Timer, None);
        }
        if let Some(process) = &mut self.nodes[n].process {
            let waits = !process.inbox.is_empty() || process.draining;
            process.run_at = process.run_at.take().or(waits.then_some(now));
        }
    }

    fn feed_packet(&mut self, n: usize, packet: Packet) {
        let Packet {
            link,
            bytes,
            life,
            recording,
            logged,
        } = packet;
        if let Some(life) = life {
            self.note_arrival(n, life, &bytes);
            let own = self.nodes[n].lives;
            if let Some(number) = logged {
                self.attacker.taken(number, own);
            }
            self.feed(n, Event::Packet { link, bytes }, None);
            return;
        }
        self.log(|_| format!("node {n} gets an attacker's packet on link {link}"));
        // Whatever is due happens first, so that only the packet makes a difference.
        self.feed(n, Event::Timer, None);
        self.feed(n, Event::Packet { link, bytes }, Some(recording));
    }

    /// Calls the state machine. `attack` is for the attacker's packets: whether it is genuine.
    pub(crate) fn feed(&mut self, n: usize, event: Event, attack: Option<bool>) {
        let now = self.local(n);
        let at = clock::instant(now);
        self.note_event(n, now, &event);
        let Some(process) = &mut self.nodes[n].process else {
            return;
        };
        let late = process.due.map_or(0, |due| now.saturating_sub(due));
        let done = match &event {
            Event::Done { instance, .. } => Some(*instance),
            _ => None,
        };
        self.events += 1;
        let expected = match (&mut process.shadow, attack) {
            (Some(shadow), None | Some(true)) => Some(shadow.step(at, event.clone())),
            (Some(_), Some(false)) => Some(Vec::new()),
            (None, _) => None,
        };
        let knew = attack.map(|_| process.pair.view(at).peer);
        let actions = process.pair.step(at, event);
        let before = process.due;
        process.due = process.pair.next_timer().map(clock::local);
        let knows = attack.map(|_| process.pair.view(at).peer);
        if knew != knows {
            self.fail("I9", |_| {
                format!("node {n} knew {knew:?}, after an attack {knows:?}")
            });
        }
        if let Some(expected) = expected {
            self.check_unimpressed(n, &expected, &actions);
        }
        if attack == Some(true) {
            self.check_silent(n, &actions);
        }
        if attack.is_none() {
            self.check_batch(n, late, before, &actions);
        }
        for action in actions {
            self.note_action(n, &action);
            self.act(n, now, action);
        }
        let done = done.and_then(|id| self.index(id));
        if let (Some(i), Some(process)) = (done, &mut self.nodes[n].process) {
            process.steps[i].pop_front();
            process.running[i] = None;
        }
        for i in 0..2 {
            self.begin_step(n, i, now);
        }
    }

    /// What an event says, before the state machine hears it.
    fn note_event(&mut self, n: usize, now: Local, event: &Event) {
        let true_time = self.now;
        let Some(process) = &mut self.nodes[n].process else {
            return;
        };
        match event {
            Event::Operator { command, .. } => match command {
                Command::Standby { on, .. } => {
                    process.admin_standby = *on;
                    process.eligible_since = process.eligible.map(|e| e.then_some(true_time));
                }
                Command::Freeze { duration } => {
                    let end = duration.map(|d| now + d.as_nanos() as Local);
                    process.frozen = Some(end.unwrap_or(Local::MAX));
                }
                Command::Unfreeze => process.frozen = None,
                Command::Takeover { .. } | Command::Cleanup { .. } => {}
            },
            Event::Local { instance, local } => {
                let eligible = local.fault.is_none() && local.unknown == 0 && local.carrier;
                if let Some(i) = self.ids.iter().position(|id| id == instance) {
                    process.eligible[i] = eligible;
                    let since = process.eligible_since[i].unwrap_or(true_time);
                    process.eligible_since[i] = eligible.then_some(since);
                }
            }
            _ => {}
        }
        if self.trace.is_some()
            && !matches!(
                event,
                Event::Packet { .. } | Event::Timer | Event::Local { .. }
            )
        {
            let text = format!("node {n} <- {event:?}");
            let text: String = text.chars().take(200).collect();
            self.log(|_| text);
        }
    }

    /// The digest is that of FNV-1a, over words.
    fn note_action(&mut self, n: usize, action: &Action) {
        let word = match action {
            Action::Send { bytes, .. } => {
                let tag = bytes.last_chunk().copied().unwrap_or_default();
                u64::from_be_bytes(tag)
            }
            Action::Do { epoch, .. } | Action::Transition { epoch, .. } => *epoch,
            Action::Keep { .. } => 1,
            _ => 2,
        };
        for word in [self.now, n as u64, word] {
            self.digest = (self.digest ^ word).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn act(&mut self, n: usize, now: Local, action: Action) {
        if self.trace.is_some() {
            match &action {
                Action::Send { .. } | Action::Keep { .. } => {}
                other => {
                    let text = format!("node {n} -> {other:?}");
                    self.log(|_| text);
                }
            }
        }
        self.check_secret(n, &action);
        match action {
            Action::Send { link, bytes } => self.send(n, now, link, &bytes),
            Action::Keep {
                limit, farewell, ..
            } => {
                let deadline = now + limit.as_nanos() as Local;
                self.ask_guard(n, now, Request::Keep(deadline, farewell));
            }
            Action::Do {
                instance,
                epoch,
                step,
            } => {
                let index = self.index(instance);
                if let (Some(i), Some(process)) = (index, &mut self.nodes[n].process) {
                    process.steps[i].push_back((epoch, step));
                }
                self.checks.asked(self.now);
            }
            Action::StartProbe { instance, window } => {
                if let Some(i) = self.index(instance) {
                    self.probe(n, i, now, window.as_nanos() as Local);
                    self.tell(n, Input::ProbeStarted(i));
                }
            }
            Action::StopProbe { instance } => {
                let index = self.index(instance);
                if let (Some(i), Some(process)) = (index, &mut self.nodes[n].process) {
                    process.probes[i] = None;
                }
            }
            Action::Drain => {
                if let Some(process) = &mut self.nodes[n].process {
                    process.draining = true;
                    process.run_at = Some(now);
                }
            }
            Action::Transition {
                instance,
                from,
                to,
                reason,
                epoch,
            } => {
                if let Some(i) = self.index(instance) {
                    self.check_transition(n, i, (from, to), reason, epoch);
                }
            }
            Action::Hook { .. } | Action::Alarm { .. } | Action::Reply { .. } => {}
            Action::Exit => self.exit(n),
        }
    }

    fn send(&mut self, n: usize, now: Local, link: usize, bytes: &[u8]) {
        self.check_send(n, now, link, bytes);
        if self.trace.is_some() {
            let said: Vec<_> = packet::records(bytes)
                .iter()
                .map(|r| format!("state {} epoch {} flags {:#x}", r.state, r.epoch, r.flags))
                .collect();
            self.log(|_| format!("node {n} => link {link}: {}", said.join("; ")));
        }
        let Some(process) = &mut self.nodes[n].process else {
            return;
        };
        let life = process.life;
        if let Some(head) = packet::head(bytes) {
            process.rounds.entry(head.sequence).or_insert(self.now);
            while process.rounds.len() > 2048 {
                process.rounds.pop_first();
            }
        }
        self.transmit(n, link, bytes, life);
    }

    fn exit(&mut self, n: usize) {
        let after = self.checks.restart_after[n].max(MS);
        for i in 0..self.config.instances {
            if self.nodes[n].kernel.addresses[i].is_some() {
                self.fail("I4", |_| {
                    format!("node {n} exits with addresses of instance {i}")
                });
            }
        }
        self.kill_main(n, after);
    }

    fn begin_step(&mut self, n: usize, i: usize, now: Local) {
        let node = &mut self.nodes[n];
        let Some(process) = &mut node.process else {
            return;
        };
        if process.running[i].is_some() {
            return;
        }
        let Some((epoch, step)) = process.steps[i].front().copied() else {
            return;
        };
        match step {
            Step::AddAddresses
            | Step::RemoveAddresses
            | Step::Announce
            | Step::CancelAnnouncements => {
                process.running[i] = Some(None);
                self.ask_guard(n, now, Request::Step(i, epoch, step, now));
            }
            _ => {
                let time = match step {
                    Step::BeforeRelease if node.hang_hooks => SECOND,
                    Step::BeforeRelease => node.rng.range(MS, 50 * MS),
                    _ => node.rng.range(MS / 10, 4 * MS) * node.slow,
                };
                process.running[i] = Some(Some(now + time));
            }
        }
    }

    /// A step of the main process has ended.
    fn finish(&mut self, n: usize, i: usize) {
        let node = &mut self.nodes[n];
        let Some((epoch, step)) = node
            .process
            .as_ref()
            .and_then(|p| p.steps[i].front().copied())
        else {
            return;
        };
        let kernel = &mut node.kernel;
        let result = match step {
            Step::StoreEpoch => {
                self.checks.stored[n][i] = epoch;
                if node.disk_errors {
                    Err("No space left on device (os error 28)".to_owned())
                } else {
                    node.disk_before[i] = node.disk[i];
                    node.disk[i] = Some(epoch);
                    Ok(())
                }
            }
            Step::PrepareTable => kernel.attempt().map(|()| kernel.table[i] = true),
            Step::ClearTable => kernel.attempt().map(|()| kernel.table[i] = false),
            Step::Sync(part) => kernel.attempt().map(|()| {
                // A role that is there already, or not there any more, is no error.
                kernel.master[i] = part == SyncPart::Master;
                kernel.backup[i] = part == SyncPart::Backup;
            }),
            Step::Isolate { attempt } => kernel.isolate(i, attempt),
            _ => Ok(()),
        };
        let instance = self.ids[i];
        let done = Event::Done {
            instance,
            epoch,
            step,
            result,
        };
        self.tell(n, Input::Event(done));
    }

    /// Requests for an instance's addresses go out.
    fn probe(&mut self, n: usize, i: usize, now: Local, window: Local) {
        let (id, other) = (self.ids[i], 1 - n);
        if let Some(process) = &mut self.nodes[n].process {
            process.probes[i] = Some((now + window, window));
        }
        if !self.nodes[n].is_connected() {
            return;
        }
        let together = self.same_segment();
        let rogue = Mac([2, 9, 9, 9, 9, 9]);
        let answer = if together && self.nodes[other].holds(i) {
            Some((Self::mac(other), true))
        } else if self.config.suppression && self.segment.switch[i] == Some(other) {
            Some((Self::mac(other), false))
        } else if self.segment.rogue {
            Some((rogue, true))
        } else {
            None
        };
        let life = self.nodes[n].lives;
        if let Some((mac, serves)) = answer {
            let delay = self.rng.range(window / 500, window / 50);
            let event = Event::ProbeAnswer { instance: id, mac };
            self.schedule(self.now + delay, Coming::Tell(n, life, event));
            let event = Event::ProbeReach {
                instance: id,
                serves,
            };
            self.schedule(self.now + delay * 2, Coming::Tell(n, life, event));
        }
        let probes = self.nodes[other]
            .process
            .as_ref()
            .is_some_and(|p| p.probes[i].is_some());
        if together && probes {
            let event = Event::RivalProbe {
                instance: id,
                mac: Self::mac(n),
                own: Self::mac(other),
            };
            let life = self.nodes[other].lives;
            self.schedule(self.now + window / 200, Coming::Tell(other, life, event));
        }
    }

    /// The tracks say how things are.
    pub(crate) fn look_at_tracks(&mut self, n: usize) {
        let now = self.local(n);
        let interval = self.config.track_interval.as_nanos() as Time;
        let total = self.config.targets;
        let node = &mut self.nodes[n];
        let reached = node.is_connected() && self.segment.targets;
        let Some(process) = &mut node.process else {
            return;
        };
        let reachable = if reached {
            total.saturating_sub(node.failed_targets)
        } else {
            0
        };
        if reachable > 0 {
            process.target_answered = Some(now);
        }
        process.track_at = now + interval;
        let local = Tracks {
            reachable,
            total,
            unknown: 0,
            weight: node.weight,
            fault: node.host_fault.then(|| "the kernel has no IPVS".to_owned()),
            ready: node.ready,
            carrier: node.carrier,
            answered: process.target_answered.map(clock::instant),
        };
        for i in 0..self.config.instances {
            let instance = self.ids[i];
            let local = local.clone();
            self.tell(n, Input::Event(Event::Local { instance, local }));
        }
    }
}
