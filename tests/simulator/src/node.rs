//! A node: host, kernel, guard and the main process with the real state machine.

use std::collections::{BTreeMap, VecDeque};

use crate::clock::{Clock, Local};
use crate::config::{Config, Time};
use crate::failover::{Event, Pair, State, Step};
use crate::guard::Guard;
use crate::kernel::Kernel;
use crate::rng::Rng;

/// Most packets that wait for a process on one link; more are lost.
pub const SOCKET_BUFFER: usize = 128;

/// A packet under way or waiting.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Its link.
    pub link: usize,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The life of its sender; `None` when the attacker sent or changed it.
    pub life: Option<u64>,
    /// It is genuine, but from another time or for somebody else.
    pub recording: bool,
    /// Its number in the attacker's log.
    pub logged: Option<u64>,
}

/// Something that waits for the main process.
#[derive(Debug, Clone)]
pub enum Input {
    /// From the network.
    Packet(Packet),
    /// Anything else.
    Event(Event),
    /// A probe's first request.
    ProbeStarted(usize),
}

/// A host.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent conditions")]
pub struct Node {
    /// Its clock.
    pub clock: Clock,
    /// It has power.
    pub powered: bool,
    /// It stands still.
    pub standing: bool,
    /// Its kernel.
    pub kernel: Kernel,
    /// Its guard.
    pub guard: Option<Guard>,
    /// Its main process.
    pub process: Option<Process>,
    /// The epoch file.
    pub disk: [Option<u64>; 2],
    /// An older copy of it.
    pub disk_before: [Option<u64>; 2],
    /// It cannot be written.
    pub disk_errors: bool,
    /// Which settings its file has, see [`Config::settings`].
    pub variant: u8,
    /// It has had the longer times of variant 3.
    pub longer: bool,
    /// Failed targets that only it does not reach.
    pub failed_targets: u8,
    /// Weight of failed tracks.
    pub weight: i16,
    /// Fault of the host.
    pub host_fault: bool,
    /// Checks have results.
    pub ready: bool,
    /// Its port on the service segment works.
    pub service: bool,
    /// Its service interface has a carrier.
    pub carrier: bool,
    /// Programs before a release hang.
    pub hang_hooks: bool,
    /// How many times as long as usual steps take.
    pub slow: u64,
    /// Packets that arrived while it stood still.
    pub ring: Vec<Packet>,
    /// Number of its last life.
    pub lives: u64,
    /// Which of the times set for waking it is valid.
    pub wake: u64,
    /// When that is.
    pub wake_at: Option<Time>,
    /// Which of the starts of its service is valid.
    pub start: u64,
    /// End of the last pause of the whole node.
    pub stood_until: Option<Time>,
    /// Its own noise.
    pub rng: Rng,
}

/// A life of the main process.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent conditions")]
pub struct Process {
    /// Which.
    pub life: u64,
    /// Its incarnation.
    pub incarnation: [u8; 16],
    /// The state machine.
    pub pair: Pair,
    /// The same, but without the attacker.
    pub shadow: Option<Pair>,
    /// What waits.
    pub inbox: VecDeque<Input>,
    /// When it gets to it.
    pub run_at: Option<Local>,
    /// When the state machine wants to be called.
    pub due: Option<Local>,
    /// Stopped by a signal.
    pub paused: bool,
    /// Stopped by the service manager, about to end.
    pub stopping: bool,
    /// It was late and has not looked around yet.
    pub draining: bool,
    /// Steps that were asked for.
    pub steps: [VecDeque<(u64, Step)>; 2],
    /// The first of them is being carried out, until then; `None` in it: by the guard.
    pub running: [Option<Option<Local>>; 2],
    /// Next request of a probe.
    pub probes: [Option<(Local, Local)>; 2],
    /// Whether the last request of a probe was answered.
    pub answered: [bool; 2],
    /// Next look at the targets.
    pub track_at: Local,
    /// When a target last answered.
    pub target_answered: Option<Local>,
    /// States, as the transitions tell.
    pub state: [State; 2],
    /// An operator does not want it to serve.
    pub admin_standby: bool,
    /// Frozen until then.
    pub frozen: Option<Local>,
    /// What was last said about the tracks.
    pub eligible: [bool; 2],
    /// Since when that has allowed it to serve.
    pub eligible_since: [Option<Time>; 2],
    /// When each link was last sent on.
    pub sent: Vec<Option<Local>>,
    /// When each round of adverts was sent, in true time, by sequence.
    pub rounds: BTreeMap<u64, Time>,
    /// When something last came from the peer's present life that proves that this life was
    /// heard recently.
    pub heard: Option<Time>,
    /// The peer's life and the sequence of that.
    pub last_news: (u64, u64),
    /// Begin of the time in which [`Self::heard`] was never long ago.
    pub hears_since: Option<Time>,
    /// What the peer then said about its eligibility.
    pub peer_eligible: [bool; 2],
    /// Whether it served.
    pub peer_active: [bool; 2],
    /// Highest epoch of a serving peer that was heard of.
    pub heard_epoch: [u64; 2],
    /// Since when it says it serves although the address is not there.
    pub bare_since: [Option<Time>; 2],
}

impl Node {
    /// A host without power.
    pub fn new(index: usize, seed: u64, config: &Config) -> Self {
        let purpose = 100 + index as u64;
        Self {
            clock: Clock::new(0, config.drift[index]),
            powered: true,
            standing: false,
            kernel: Kernel::new(Rng::new(seed, purpose + 100)),
            guard: None,
            process: None,
            disk: [None; 2],
            disk_before: [None; 2],
            disk_errors: false,
            variant: 0,
            longer: false,
            failed_targets: 0,
            weight: 0,
            host_fault: false,
            ready: true,
            service: true,
            carrier: true,
            hang_hooks: false,
            slow: 1,
            ring: Vec::new(),
            lives: 0,
            wake: 0,
            wake_at: None,
            start: 0,
            stood_until: None,
            rng: Rng::new(seed, purpose),
        }
    }

    /// Whether its kernel works at this moment.
    pub fn runs(&self) -> bool {
        self.powered && !self.standing
    }

    /// Whether the addresses of an instance can be reached on its segment.
    pub fn holds(&self, instance: usize) -> bool {
        self.runs() && self.kernel.addresses[instance].is_some() && !self.kernel.isolated[instance]
    }

    /// Whether it reaches the service segment's switch.
    pub fn is_connected(&self) -> bool {
        self.runs() && self.service && self.carrier
    }

    /// Whether its main process runs at this moment.
    pub fn is_awake(&self) -> bool {
        self.runs() && self.process.as_ref().is_some_and(|p| !p.paused)
    }

    /// When something of it is due, on its own clock.
    pub fn next(&self, config: &Config) -> Option<Local> {
        if !self.runs() {
            return None;
        }
        let kernel = self.kernel.addresses.into_iter().flatten().min();
        let guard = self.guard.as_ref().and_then(|g| g.next(config.lifetime()));
        let process = self.process.as_ref().and_then(Process::next);
        [kernel, guard, process].into_iter().flatten().min()
    }
}

impl Process {
    /// When something of it is due.
    pub fn next(&self) -> Option<Local> {
        if self.paused {
            return None;
        }
        let running = self.running.into_iter().flatten().flatten();
        let probes = self.probes.into_iter().flatten().map(|(at, _)| at);
        let others = [self.run_at, self.due.filter(|_| self.run_at.is_none())];
        others
            .into_iter()
            .flatten()
            .chain(running)
            .chain(probes)
            .chain([self.track_at])
            .min()
    }

    /// Whether nothing was heard that would contradict the peer's death for so long.
    pub fn is_deaf(&self, now: Time, time: Time) -> bool {
        self.heard
            .is_none_or(|heard| now.saturating_sub(heard) > time)
    }
}
