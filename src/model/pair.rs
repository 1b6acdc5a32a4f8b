//! The nouns of an active/standby pair of directors: what both nodes of it are told.
//!
//! The defaults are those of a wired pair: the peer is given up after 1 s of silence on every
//! link, and a takeover after a power loss is over in about 1.3 s.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::InterfaceName;

/// The UDP port of adverts when none is given.
pub const DEFAULT_PORT: u16 = 7694;

/// A node's number, 1 to 255. The lower one wins when nothing else decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u8);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One of the two directors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Host name, or the name the file gives it.
    pub name: String,
    /// Number on the wire, different on the two nodes.
    pub id: NodeId,
    /// Base priority, 1 to 254; more is better.
    pub priority: u8,
}

/// An active/standby pair, as seen from one of its nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Name of the pair: adverts of another one are foreign. 1 to 64 bytes.
    pub cluster: String,
    /// This node.
    pub local: Node,
    /// The other one.
    pub peer: Node,
    /// File of the shared keys, absolute.
    pub key_file: PathBuf,
    /// Where adverts are sent, all at once; 1 to 8.
    pub links: Vec<Link>,
    /// Times and limits.
    pub timing: Timing,
    /// Whether the preferred node takes its instances back.
    pub preempt: Preempt,
    /// What is moved between the nodes, each with a state of its own; 1 to 16.
    pub instances: Vec<Instance>,
}

/// One way between the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name in status and logs.
    pub name: String,
    /// Which of this host's interfaces it uses.
    pub source: LinkSource,
    /// Whom it is sent to.
    pub to: LinkTarget,
    /// UDP port, the same on both nodes.
    pub port: u16,
}

/// How a link finds its interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkSource {
    /// By the interface's name.
    Interface(InterfaceName),
    /// By an address of this host.
    Address(IpAddr),
    /// By a subnet in which this host has an address: the same words on both nodes.
    Prefix {
        /// Address of the subnet, host bits zero.
        network: IpAddr,
        /// Its length in bits.
        length: u8,
    },
}

/// Whom a link reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkTarget {
    /// The peer's address.
    Unicast(IpAddr),
    /// A group, joined on the interface.
    Multicast(IpAddr),
    /// The broadcast address of the interface's IPv4 subnet.
    Broadcast,
}

/// Times and limits of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A: time between two adverts, 10 ms to 10 s.
    pub advert_interval: Duration,
    /// D: silence on all links after which the peer counts as dead; at least 3·A.
    pub dead_after: Duration,
    /// P: how long an address is asked for before it is claimed.
    pub probe_window: Duration,
    /// L: how long the kernel keeps an address that nobody refreshes; whole seconds, 2 to 60.
    pub address_lifetime: Duration,
    /// W: how long a node that hears nobody waits after its start.
    pub start_wait: Duration,
    /// Most moves of an instance in [`Timing::moves_window`]; more pin it where it is.
    pub max_moves: u8,
    /// The window of [`Timing::max_moves`].
    pub moves_window: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self::of_interval(Duration::from_millis(200))
    }
}

impl Timing {
    /// Time between two refreshes of an address's lifetime in the kernel. The lifetime is at
    /// least twice this and one second more, so that one refresh may come too late.
    pub const REFRESH: Duration = Duration::from_secs(1);

    /// The defaults that go with an advert interval.
    #[must_use]
    pub fn of_interval(advert_interval: Duration) -> Self {
        Self::of(advert_interval, advert_interval * 5)
    }

    /// The defaults that go with an advert interval and a time of silence.
    #[must_use]
    pub fn of(advert_interval: Duration, dead_after: Duration) -> Self {
        Self {
            advert_interval,
            dead_after,
            probe_window: default_window(dead_after),
            address_lifetime: Duration::from_secs(3),
            start_wait: (dead_after * 3).max(Duration::from_secs(3)),
            max_moves: 5,
            moves_window: Duration::from_secs(600),
        }
    }

    /// [`Timing::probe_window`] while silence lasts longer than [`Timing::dead_after`] until
    /// it counts: whatever makes adverts late makes answers late.
    #[must_use]
    pub fn probe_window_within(&self, dead_after: Duration) -> Duration {
        if dead_after > self.dead_after {
            self.probe_window.max(default_window(dead_after))
        } else {
            self.probe_window
        }
    }
}

fn default_window(dead_after: Duration) -> Duration {
    (dead_after / 5).clamp(Duration::from_millis(10), Duration::from_millis(180))
}

/// Whether a better node takes over from one that serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preempt {
    /// Off by default.
    pub enabled: bool,
    /// How long the better node must have been ready before.
    pub delay: Duration,
}

impl Default for Preempt {
    fn default() -> Self {
        Self {
            enabled: false,
            delay: Duration::from_secs(30),
        }
    }
}

/// What moves between the nodes as one: addresses, the services on them, the sync daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// Its name, the same on both nodes. 1 to 32 bytes.
    pub name: String,
    /// The node that should serve it when both could: its priority counts 100 more.
    pub prefer: Option<NodeId>,
    /// Its virtual IP addresses; 1 to 64.
    pub addresses: Vec<VirtualAddress>,
    /// Connection synchronisation.
    pub sync: Option<Sync>,
    /// What the node that does not serve keeps in its kernel's table.
    pub standby: Standby,
    /// Whether a failed track takes the instance away even when the peer is no better.
    pub strict: bool,
    /// What must work for the node to serve.
    pub tracks: Vec<Track>,
    /// Programs that are told.
    pub hooks: Hooks,
}

/// A virtual IP address (VIP).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix as configured, up to 32 or 128.
    pub prefix: u8,
    /// The interface it is put on.
    pub interface: InterfaceName,
    /// Label of an IPv4 address (`eth0:0`), at most 15 bytes, starting with the interface's name.
    pub label: Option<String>,
}

/// `192.0.2.100/24`.
impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The kernel's sync daemon, as an instance uses it. `None` and 0 are the kernel's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    /// Multicast interface.
    pub interface: InterfaceName,
    /// Sync id, 1 to 255: a backup takes only what carries its id.
    pub id: u8,
    /// Largest UDP payload in bytes.
    pub max_length: u16,
    /// Multicast group; 224.0.0.81 when none.
    pub group: Option<IpAddr>,
    /// UDP port; 8848 when 0.
    pub port: u16,
    /// Time to live; 1 when 0.
    pub ttl: u8,
}

/// What a standby's kernel holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Standby {
    /// Services and real servers, checked and weighted: nothing is left to do at a takeover.
    #[default]
    Warm,
    /// None of the instance's services, as Heartbeat's pairs had it.
    Cold,
}

/// Something that is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// What it is called in status and logs; unique in its instance.
    pub name: String,
    /// What is watched.
    pub kind: TrackKind,
    /// Time between two looks.
    pub interval: Duration,
    /// How long one look may take.
    pub timeout: Duration,
    /// Failures in a row until it counts as failed, at least 1.
    pub fall: u32,
    /// Successes in a row until it counts as good again, at least 1.
    pub rise: u32,
    /// What its failure does.
    pub effect: Effect,
}

/// What a track watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackKind {
    /// An interface is up and has a carrier. Told by the kernel, not polled.
    Interface(InterfaceName),
    /// A host answers an ICMP echo request.
    Ping(IpAddr),
    /// An `http://` URL answers with a status of 200 to 399.
    Http {
        /// Host as in the URL: an address or a name.
        host: String,
        /// Port.
        port: u16,
        /// Path and query, from the `/`.
        path: String,
    },
    /// A TCP connection is accepted.
    Tcp(SocketAddr),
    /// A program ends with status 0.
    Script {
        /// Absolute path of the program, then its arguments.
        command: Vec<String>,
        /// Whom it runs as; the daemon's own user when none.
        user: Option<String>,
    },
    /// A process of this name (`/proc/PID/comm`, at most 15 bytes) exists.
    Process(String),
    /// A virtual service has at least so many available real servers.
    Service {
        /// The service as configuration and listings name it: `192.0.2.100:80`, `fwm:1`.
        service: String,
        /// The least number.
        min_available: u32,
    },
}

impl TrackKind {
    /// Whether an answer shows that the network is there: of a host, and not of this one.
    pub fn is_on_the_network(&self) -> bool {
        let is_away = |address: IpAddr| !address.to_canonical().is_loopback();
        match self {
            Self::Ping(address) => is_away(*address),
            Self::Tcp(address) => is_away(address.ip()),
            Self::Http { host, .. } => {
                let bare = host.trim_start_matches('[').trim_end_matches(']');
                bare.parse().map_or(host != "localhost", is_away)
            }
            _ => false,
        }
    }

    /// Those of an instance's tracks that tell whether the network is there: the pings, or
    /// where there are none whatever else is on it. Pings are looked at most often.
    pub fn that_tell_of_the_network<T>(
        tracks: impl Iterator<Item = T> + Clone,
        kind: impl Fn(&T) -> &Self,
    ) -> Vec<T> {
        let away = tracks.filter(|track| kind(track).is_on_the_network());
        let (pings, others): (Vec<T>, Vec<T>) =
            away.partition(|track| matches!(kind(track), Self::Ping(_)));
        if pings.is_empty() { others } else { pings }
    }
}

/// What the failure of a track does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The node is not eligible while the peer is better: one reachable target less.
    Fault,
    /// The priority changes by so much, -253 to 253.
    Weight(i16),
}

/// Programs that are run after a change, one after the other, never in its way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hooks {
    /// After this node has become active.
    pub after_active: Vec<PathBuf>,
    /// Before this node gives up, at most one second and not in an emergency.
    pub before_release: Vec<PathBuf>,
    /// After this node has given up.
    pub after_release: Vec<PathBuf>,
    /// After this node has found a fault of its own.
    pub after_fault: Vec<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_beyond_this_host_show_that_the_network_is_there() {
        let http = |host: &str| TrackKind::Http {
            host: host.to_owned(),
            port: 80,
            path: "/".to_owned(),
        };
        let tcp = |target: &str| TrackKind::Tcp(target.parse().unwrap());
        for kind in [
            TrackKind::Ping(std::net::Ipv4Addr::new(192, 0, 2, 1).into()),
            tcp("[2001:db8::1]:80"),
            http("www.example.com"),
            http("[2001:db8::1]"),
        ] {
            assert!(kind.is_on_the_network(), "{kind:?}");
        }
        for kind in [
            TrackKind::Ping(std::net::Ipv4Addr::LOCALHOST.into()),
            tcp("[::1]:80"),
            tcp("[::ffff:127.0.0.1]:80"),
            http("127.0.0.1"),
            http("[::1]"),
            http("localhost"),
            TrackKind::Interface("eth0".parse().unwrap()),
            TrackKind::Process("nginx".to_owned()),
        ] {
            assert!(!kind.is_on_the_network(), "{kind:?}");
        }
    }

    #[test]
    fn pings_tell_of_the_network_where_there_are_some() {
        let ping = |last| TrackKind::Ping(std::net::Ipv4Addr::new(192, 0, 2, last).into());
        let tcp = |target: &str| TrackKind::Tcp(target.parse().unwrap());
        let (here, away) = (|| tcp("127.0.0.1:80"), || tcp("192.0.2.1:80"));
        let told = |tracks: &[TrackKind]| -> Vec<TrackKind> {
            let told = TrackKind::that_tell_of_the_network(tracks.iter(), |kind| *kind);
            told.into_iter().cloned().collect()
        };
        assert_eq!(told(&[here()]), []);
        assert_eq!(told(&[here(), away()]), [away()]);
        assert_eq!(
            told(&[away(), ping(1), here(), ping(2)]),
            [ping(1), ping(2)]
        );
    }
}
