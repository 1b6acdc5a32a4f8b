//! Virtual services: what clients reach and how connections are spread.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use super::address::{Family, Netmask, PortAddress};

/// Transport protocol of a virtual service; the values are the IP protocol numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP (6).
    Tcp,
    /// UDP (17).
    Udp,
    /// SCTP (132).
    Sctp,
}

impl Protocol {
    /// IP protocol number.
    pub fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// Lower-case name, as in `/etc/protocols`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }

    /// Protocol of an IP protocol number, if IPVS balances it.
    pub fn from_number(number: u16) -> Option<Self> {
        [Self::Tcp, Self::Udp, Self::Sctp]
            .into_iter()
            .find(|protocol| protocol.number() == number)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What identifies a virtual service to the kernel.
///
/// The order is that of `ipvsadm -L`: address services by family, protocol,
/// address and port, then firewall marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceKey {
    /// Address, protocol and port.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Virtual IP address.
        address: IpAddr,
        /// Port in host order; 0 means every port and needs persistence.
        port: u16,
    },
    /// Packets that the firewall marked; one mark may serve each family at once.
    Mark {
        /// Family of the marked packets.
        family: Family,
        /// The mark.
        mark: u32,
    },
}

impl ServiceKey {
    /// Address family of the service.
    pub fn family(&self) -> Family {
        match self {
            Self::Address { address, .. } => Family::of(*address),
            Self::Mark { family, .. } => *family,
        }
    }

    /// Port of the service; 0 for a firewall mark.
    pub fn port(&self) -> u16 {
        match self {
            Self::Address { port, .. } => *port,
            Self::Mark { .. } => 0,
        }
    }

    /// Port under which the kernel files a destination of this service.
    ///
    /// Direct routing and tunnels cannot change the port, so those destinations are
    /// entered under the service's own port, as `ipvsadm` does (kernel note 0005).
    /// Firewall-mark services keep the given port.
    pub fn destination_port(&self, forwarding: super::Forwarding, port: u16) -> u16 {
        match self {
            Self::Address { port: own, .. } if forwarding.keeps_port() => *own,
            _ => port,
        }
    }

    /// `ADDRESS:PORT` or the mark, without the protocol: how ldirectord's log names a service.
    pub fn short(&self) -> String {
        match self {
            Self::Address { address, port, .. } => PortAddress(*address, *port).to_string(),
            Self::Mark { mark, .. } => mark.to_string(),
        }
    }

    fn order(&self) -> (u32, Family, u16, Option<IpAddr>, u16) {
        match *self {
            Self::Address {
                protocol,
                address,
                port,
            } => (
                0,
                Family::of(address),
                protocol.number(),
                Some(address),
                port,
            ),
            Self::Mark { family, mark } => (mark, family, u16::MAX, None, 0),
        }
    }
}

impl Ord for ServiceKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for ServiceKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// `tcp:192.0.2.1:80`, `udp:[2001:db8::1]:53`, `fwm:7`, `fwm6:7`.
impl fmt::Display for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address {
                protocol,
                address,
                port,
            } => write!(f, "{protocol}:{}", PortAddress(*address, *port)),
            Self::Mark {
                family: Family::V4,
                mark,
            } => write!(f, "fwm:{mark}"),
            Self::Mark {
                family: Family::V6,
                mark,
            } => write!(f, "fwm6:{mark}"),
        }
    }
}

/// Name of a scheduling algorithm, at most 15 bytes as in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scheduler(String);

/// The text cannot be a scheduler's name: empty, too long or not printable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownScheduler(pub String);

impl Scheduler {
    /// Every scheduler of mainline Linux, in the order of its manual.
    pub const MAINLINE: [&'static str; 14] = [
        "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh",
        "twos",
    ];

    /// Weighted round robin, ldirectord's default.
    pub fn wrr() -> Self {
        Self("wrr".to_owned())
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether the name is one of [`Scheduler::MAINLINE`].
    pub fn is_mainline(&self) -> bool {
        Self::MAINLINE.contains(&self.name())
    }
}

impl FromStr for Scheduler {
    type Err = UnknownScheduler;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usable =
            !text.is_empty() && text.len() <= 15 && text.bytes().all(|b| b.is_ascii_graphic());
        if usable {
            Ok(Self(text.to_owned()))
        } else {
            Err(UnknownScheduler(text.to_owned()))
        }
    }
}

impl fmt::Display for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The three scheduler-specific flag bits, already shifted down: bit 0 is the
/// kernel's `IP_VS_SVC_F_SCHED1`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SchedulerFlags(pub u8);

/// Names of the flag bits, as `ipvsadm -b` takes them. `None` when the bit has no
/// special name for that scheduler.
const FLAG_NAMES: [(&str, [&str; 3]); 2] = [
    ("sh", ["sh-fallback", "sh-port", ""]),
    ("mh", ["mh-fallback", "mh-port", ""]),
];
const GENERIC_FLAG_NAMES: [&str; 3] = ["flag-1", "flag-2", "flag-3"];

impl SchedulerFlags {
    /// The bit that a name stands for under a scheduler; generic names fit every scheduler.
    pub fn bit(scheduler: &str, name: &str) -> Option<Self> {
        let of_scheduler = FLAG_NAMES
            .iter()
            .find(|(owner, _)| *owner == scheduler)
            .and_then(|(_, names)| names.iter().position(|known| *known == name));
        let generic = GENERIC_FLAG_NAMES.iter().position(|known| *known == name);
        of_scheduler.or(generic).map(|bit| Self(1 << bit))
    }

    /// Names of the set bits, in bit order. A bit without a name under this scheduler
    /// (`sh` and `mh` name only two) yields nothing, as in `ipvsadm`.
    pub fn names(self, scheduler: Option<&Scheduler>) -> Vec<&'static str> {
        let names = scheduler
            .and_then(|scheduler| {
                FLAG_NAMES
                    .iter()
                    .find(|(owner, _)| *owner == scheduler.name())
            })
            .map_or(&GENERIC_FLAG_NAMES, |(_, names)| names);
        names
            .iter()
            .enumerate()
            .filter(|(bit, name)| self.0 & (1 << bit) != 0 && !name.is_empty())
            .map(|(_, name)| *name)
            .collect()
    }

    /// Whether no bit is set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Both sets of bits.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Persistence: a client keeps its real server for a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Persistence {
    /// Seconds after the last new connection.
    pub timeout: u32,
    /// Which clients count as one.
    pub netmask: Netmask,
}

/// The attributes of a virtual service that can be changed in place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    /// Scheduling algorithm; `None` is the kernel's `none`, which takes no new connections.
    pub scheduler: Option<Scheduler>,
    /// Flags of the scheduler.
    pub flags: SchedulerFlags,
    /// Persistence, if on.
    pub persistence: Option<Persistence>,
    /// Persistence engine (`sip`), if any.
    pub engine: Option<String>,
    /// Every datagram is scheduled by itself.
    pub one_packet: bool,
}

impl Service {
    /// A service with a scheduler and nothing else.
    pub fn new(scheduler: Scheduler) -> Self {
        Self {
            scheduler: Some(scheduler),
            flags: SchedulerFlags::default(),
            persistence: None,
            engine: None,
            one_packet: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_sort_as_ipvsadm_lists_them() {
        let key = |protocol, address: &str, port| ServiceKey::Address {
            protocol,
            address: address.parse().unwrap(),
            port,
        };
        let mark = |family, mark| ServiceKey::Mark { family, mark };
        let sorted = [
            key(Protocol::Tcp, "192.0.2.1", 80),
            key(Protocol::Tcp, "192.0.2.1", 443),
            key(Protocol::Tcp, "192.0.2.2", 80),
            key(Protocol::Udp, "192.0.2.1", 53),
            key(Protocol::Sctp, "192.0.2.1", 9),
            key(Protocol::Tcp, "2001:db8::1", 80),
            mark(Family::V4, 1),
            mark(Family::V6, 1),
            mark(Family::V4, 2),
        ];
        let mut shuffled = sorted;
        shuffled.reverse();
        shuffled.sort_unstable();
        assert_eq!(shuffled, sorted);
    }

    #[test]
    fn scheduler_names_are_bounded_as_in_the_kernel() {
        assert!("wlc".parse::<Scheduler>().is_ok());
        assert!("abcdefghijklmno".parse::<Scheduler>().is_ok());
        assert!("abcdefghijklmnop".parse::<Scheduler>().is_err());
        assert!("".parse::<Scheduler>().is_err());
    }

    #[test]
    fn flag_names_depend_on_the_scheduler() {
        let sh: Scheduler = "sh".parse().unwrap();
        assert_eq!(
            SchedulerFlags::bit("sh", "sh-port"),
            Some(SchedulerFlags(2))
        );
        assert_eq!(SchedulerFlags::bit("rr", "sh-port"), None);
        assert_eq!(SchedulerFlags::bit("rr", "flag-3"), Some(SchedulerFlags(4)));
        assert_eq!(
            SchedulerFlags(3).names(Some(&sh)),
            ["sh-fallback", "sh-port"]
        );
        assert!(SchedulerFlags(4).names(Some(&sh)).is_empty());
        assert_eq!(SchedulerFlags(5).names(None), ["flag-1", "flag-3"]);
    }
}
