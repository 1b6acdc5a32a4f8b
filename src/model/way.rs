//! How the packets of a check leave this host.

use std::net::IpAddr;

use super::InterfaceName;

/// What is set on the sockets of a check beyond their target.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Way {
    /// Address of this host that packets come from, of the target's family.
    pub source: Option<IpAddr>,
    /// Interface that packets leave and enter by (`SO_BINDTODEVICE`, socket(7)).
    pub interface: Option<InterfaceName>,
    /// Mark of the packets for the packet filter and for policy routing (`SO_MARK`,
    /// socket(7)), at least 1.
    pub mark: Option<u32>,
    /// Header sent first on each connection.
    pub proxy: Option<ProxyHeader>,
}

/// Versions of the PROXY protocol's header
/// (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt> §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProxyHeader {
    /// A line of text with both addresses of the connection.
    V1,
    /// Binary, with the command LOCAL: the connection is the sender's own.
    V2,
}

impl ProxyHeader {
    /// `1` or `2`.
    pub fn number(self) -> u32 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }

    /// The version of that number.
    pub fn of_number(number: u32) -> Option<Self> {
        [Self::V1, Self::V2]
            .into_iter()
            .find(|version| version.number() == number)
    }
}
