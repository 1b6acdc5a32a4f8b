//! What a run is like: drawn from its seed, so that every seed is another pair in another
//! weather ("swarm": a random subset of the faults, each with a random strength).

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::failover::{ConfigDigest, Key, KeyId, Keys, Settings, SoftwareVersion};
use crate::model::InterfaceName;
use crate::model::pair::{
    Effect, Hooks, Instance, Link, LinkSource, LinkTarget, Node, NodeId, Pair, Preempt, Standby,
    Sync, Timing, Track, TrackKind, VirtualAddress,
};
use crate::rng::Rng;

/// Nanoseconds of true time since the run's begin.
pub type Time = u64;
/// A millisecond.
pub const MS: Time = 1_000_000;
/// A second.
pub const SECOND: Time = 1_000 * MS;
/// E: longest execution of all steps of a takeover on a healthy node.
pub const EXECUTION: Time = 100 * MS;
/// κ: the kernel's slack in ending an address.
pub const SLACK: Time = 400 * MS;
/// The secret that must never be seen.
pub const SECRET: [u8; 32] = *b"this is the secret of the pair!!";

/// A pair and its surroundings.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent choices")]
pub struct Config {
    /// Number of links.
    pub links: usize,
    /// Link 0 runs on the service segment and shares its fate.
    pub service_link: bool,
    /// Number of instances.
    pub instances: usize,
    /// Times and limits.
    pub timing: Timing,
    /// Preemption.
    pub preempt: Preempt,
    /// Preferred node per instance.
    pub prefer: [Option<u8>; 2],
    /// Base priority per node.
    pub priority: [u8; 2],
    /// Whether instances have a sync daemon.
    pub sync: bool,
    /// The kernels' `backup_only`.
    pub backup_only: bool,
    /// Standby nodes have empty tables.
    pub cold: bool,
    /// Failed tracks count in themselves.
    pub strict: bool,
    /// Number of targets on the service segment, 0 to 2.
    pub targets: u8,
    /// Time between two looks at them.
    pub track_interval: Duration,
    /// Programs before a release.
    pub hooks: bool,
    /// The switch answers ARP requests from its memory.
    pub suppression: bool,
    /// How much faster than true time the nodes' clocks run, in millionths.
    pub drift: [i64; 2],
    /// A whole-node pause stops the node's clock as well.
    pub clock_stops: bool,
    /// Longest time until a process gets to its events.
    pub jitter: Time,
    /// Longest delay of a good link.
    pub delay: Time,
}

impl Config {
    /// Of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, 1);
        let rng = &mut rng;
        let interval = Duration::from_millis(rng.pick(&[200, 200, 200, 100, 50, 20]));
        let mut timing = Timing::of_interval(interval);
        timing.address_lifetime = Duration::from_secs(rng.range(2, 4));
        timing.max_moves = rng.range(2, 5) as u8;
        timing.moves_window = Duration::from_secs(rng.pick(&[60, 120, 600]));
        let links = rng.range(1, 4) as usize;
        let targets = rng.range(0, 2) as u8;
        let equal = rng.chance(400);
        let prefer = [(); 2].map(|()| rng.chance(500).then(|| rng.range(1, 2) as u8));
        Self {
            links,
            service_link: rng.chance(400),
            instances: if rng.chance(300) { 2 } else { 1 },
            timing,
            preempt: Preempt {
                enabled: rng.chance(400),
                delay: Duration::from_secs(rng.range(1, 10)),
            },
            prefer,
            priority: if equal {
                [100, 100]
            } else {
                [100 + rng.range(0, 1) as u8 * 50, 120]
            },
            sync: rng.chance(700),
            backup_only: rng.chance(500),
            cold: rng.chance(250),
            strict: rng.chance(200),
            targets,
            // Two looks fit into three fifths of the dead interval.
            track_interval: timing.dead_after / 4,
            hooks: rng.chance(300),
            suppression: rng.chance(200),
            drift: [(); 2].map(|()| i64::from(rng.range(0, 40_000) as u32) - 20_000),
            clock_stops: rng.chance(500),
            jitter: interval.as_nanos() as u64 / rng.pick(&[1000, 200, 40]),
            delay: interval.as_nanos() as u64 / rng.pick(&[400, 100, 10]),
        }
    }

    /// The plainest pair: two links, one instance, true clocks.
    pub fn plain() -> Self {
        Self {
            links: 2,
            service_link: false,
            instances: 1,
            timing: Timing::default(),
            preempt: Preempt::default(),
            prefer: [None, None],
            priority: [150, 100],
            sync: true,
            backup_only: true,
            cold: false,
            strict: false,
            targets: 1,
            track_interval: Duration::from_millis(250),
            hooks: false,
            suppression: false,
            drift: [0, 0],
            clock_stops: false,
            jitter: MS / 5,
            delay: 2 * MS,
        }
    }

    /// A.
    pub fn interval(&self) -> Time {
        nanos(self.timing.advert_interval)
    }

    /// D.
    pub fn dead(&self) -> Time {
        nanos(self.timing.dead_after)
    }

    /// P.
    pub fn probe(&self) -> Time {
        nanos(self.timing.probe_window)
    }

    /// L.
    pub fn lifetime(&self) -> Time {
        nanos(self.timing.address_lifetime)
    }

    /// W.
    pub fn wait(&self) -> Time {
        nanos(self.timing.start_wait)
    }

    /// What a node's file says. Variant 0 is what both have at first; the others are what a
    /// reload may bring: 1 another priority, 2 both keys, signing with the new one, 3 longer
    /// times and another digest.
    pub fn settings(&self, node: usize, variant: u8) -> Settings {
        let mut timing = self.timing;
        if variant == 3 {
            timing.advert_interval = timing.advert_interval * 3 / 2;
            timing.dead_after = timing.dead_after * 3 / 2;
        }
        let nodes = [0, 1].map(|n| Node {
            name: format!("node{}", n + 1),
            id: NodeId(n as u8 + 1),
            priority: if variant == 1 && n == node {
                self.priority[n] + 30
            } else {
                self.priority[n]
            },
        });
        let [first, second] = nodes;
        let (local, peer) = if node == 0 {
            (first, second)
        } else {
            (second, first)
        };
        let pair = Pair {
            cluster: "simulated".to_owned(),
            local,
            peer,
            key_file: PathBuf::from("/etc/directord/key"),
            links: (0..self.links).map(link).collect(),
            timing,
            preempt: self.preempt,
            instances: (0..self.instances).map(|i| self.instance(i)).collect(),
        };
        let old = (KeyId(1), Key::new(SECRET));
        let new = (KeyId(2), Key::new(SECRET.map(|b| b ^ 0x15)));
        let signing = KeyId(if variant == 2 { 2 } else { 1 });
        let keys = Keys::new(signing, vec![old, new]).expect("two numbers");
        let digest = ConfigDigest([u8::from(variant == 3); 8]);
        let version = SoftwareVersion {
            major: 0,
            minor: 1,
            patch: variant,
        };
        Settings::new(&pair, keys, digest, version).expect("the drawn settings are possible")
    }

    fn instance(&self, index: usize) -> Instance {
        Instance {
            name: instance_name(index),
            prefer: self.prefer[index].map(NodeId),
            addresses: vec![VirtualAddress {
                address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 100 + index as u8)),
                prefix: 32,
                interface: interface("eth0"),
                label: None,
            }],
            sync: self.sync.then(|| Sync {
                interface: interface("hb0"),
                id: 7,
                max_length: 0,
                group: None,
                port: 0,
                ttl: 0,
            }),
            standby: if self.cold {
                Standby::Cold
            } else {
                Standby::Warm
            },
            strict: self.strict,
            tracks: (0..self.targets).map(|t| self.track(t)).collect(),
            hooks: Hooks {
                before_release: if self.hooks {
                    vec![PathBuf::from("/usr/local/bin/notify")]
                } else {
                    Vec::new()
                },
                ..Hooks::default()
            },
        }
    }

    fn track(&self, index: u8) -> Track {
        Track {
            name: format!("target{index}"),
            kind: TrackKind::Ping(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1 + index))),
            interval: self.track_interval,
            timeout: self.track_interval / 3,
            fall: 2,
            rise: 2,
            effect: Effect::Fault,
        }
    }
}

/// Name of an instance.
pub fn instance_name(index: usize) -> String {
    format!("instance{index}")
}

fn interface(name: &str) -> InterfaceName {
    name.parse().expect("a name of an interface")
}

fn link(index: usize) -> Link {
    Link {
        name: format!("link{index}"),
        source: LinkSource::Interface(interface("eth0")),
        to: LinkTarget::Broadcast,
        port: 7694 + index as u16,
    }
}

fn nanos(duration: Duration) -> Time {
    duration.as_nanos() as Time
}
