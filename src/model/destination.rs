//! Destinations: a real server as one virtual service sees it.

use std::fmt;
use std::net::IpAddr;

use super::address::PortAddress;

/// What identifies a destination inside its service. The forwarding method is not
/// part of it (`net/netfilter/ipvs/ip_vs_ctl.c`, `ip_vs_lookup_dest`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestinationKey {
    /// Address of the real server; may be of the other family with tunnels.
    pub address: IpAddr,
    /// Port in host order.
    pub port: u16,
}

impl fmt::Display for DestinationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        PortAddress(self.address, self.port).fmt(f)
    }
}

/// Checksum option of GUE and GRE tunnels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// No checksum.
    #[default]
    None,
    /// Full checksum.
    Full,
    /// Remote checksum offload, GUE only.
    Remote,
}

/// Encapsulation of a tunnelled destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tunnel {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation.
    Gue {
        /// UDP port of the real server's decapsulator; not 0.
        port: u16,
        /// Checksum option.
        checksum: Checksum,
    },
    /// Generic routing encapsulation.
    Gre {
        /// Checksum option.
        checksum: Checksum,
    },
}

/// How packets reach the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Forwarding {
    /// Network address translation (`masq`).
    Masquerade,
    /// Delivered on the director itself.
    Local,
    /// Encapsulated (`ipip`).
    Tunnel(Tunnel),
    /// Direct routing (`gate`).
    DirectRoute,
    /// The kernel's own cache bypass; never configured.
    Bypass,
}

impl Forwarding {
    /// Whether the method cannot change the port.
    pub fn keeps_port(self) -> bool {
        matches!(self, Self::DirectRoute | Self::Tunnel(_))
    }

    /// ldirectord's word: `gate`, `masq` or `ipip`; listings' words for the rest.
    pub fn word(self) -> &'static str {
        match self {
            Self::Masquerade => "masq",
            Self::Local => "local",
            Self::Tunnel(_) => "ipip",
            Self::DirectRoute => "gate",
            Self::Bypass => "bypass",
        }
    }
}

/// A destination of a virtual service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    /// Identity inside the service.
    pub key: DestinationKey,
    /// Forwarding method.
    pub forwarding: Forwarding,
    /// Share of new connections, 0 to 2147483647; 0 takes none (quiesced).
    pub weight: u32,
    /// Connections above which the kernel skips the server; 0 is no limit.
    pub upper_threshold: u32,
    /// Connections below which it is used again; at most `upper_threshold`.
    pub lower_threshold: u32,
}

impl Destination {
    /// A destination without thresholds.
    pub fn new(key: DestinationKey, forwarding: Forwarding, weight: u32) -> Self {
        Self {
            key,
            forwarding,
            weight,
            upper_threshold: 0,
            lower_threshold: 0,
        }
    }
}
