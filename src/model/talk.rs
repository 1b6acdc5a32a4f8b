//! What checks say that ldirectord knows nothing of.

use std::sync::Arc;

use super::check::Pattern;
use super::protocol::Login;
use super::tls::Tls;

/// A Redis server answers a command.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RedisProbe {
    /// AUTH before the command; an empty name is the default user, for whom the password
    /// alone is sent.
    pub login: Option<Login>,
    /// The command, its words separated by blanks; empty is PING.
    pub command: String,
    /// Expected in the answer; `None` accepts every answer that is no error.
    pub receive: Option<Pattern>,
}

/// One step of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DialogueStep {
    /// This is sent, escapes undone.
    Send(Vec<u8>),
    /// This is waited for.
    Expect(Pattern),
}

/// Steps of a conversation over one TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DialogueProbe {
    /// At least one.
    pub steps: Vec<DialogueStep>,
}

/// A datagram, and what comes back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UdpProbe {
    /// The payload; may be empty.
    pub send: Vec<u8>,
    /// Expected in the answer. `None`: silence is fine, but not an ICMP error.
    pub receive: Option<Pattern>,
}

/// A gRPC server says that a service works (`grpc.health.v1`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrpcProbe {
    /// TLS settings; `None` for HTTP/2 in the open.
    pub tls: Option<Arc<Tls>>,
    /// Name of the service; empty asks for the server as a whole.
    pub name: String,
    /// `:authority` of the call; `None` is the address and port contacted.
    pub authority: Option<String>,
}

/// Types of DNS records that can be asked for (RFC 1035 §3.2.2, RFC 3596, RFC 2782).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DnsKind {
    /// IPv4 address.
    A,
    /// IPv6 address.
    Aaaa,
    /// Another name for the name.
    Cname,
    /// Mail servers.
    Mx,
    /// Name servers.
    Ns,
    /// Name of an address.
    Ptr,
    /// Begin of a zone.
    Soa,
    /// Where a service is.
    Srv,
    /// Text.
    Txt,
}

impl DnsKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::A,
        Self::Aaaa,
        Self::Cname,
        Self::Mx,
        Self::Ns,
        Self::Ptr,
        Self::Soa,
        Self::Srv,
        Self::Txt,
    ];

    /// As in zone files.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Ptr => "PTR",
            Self::Soa => "SOA",
            Self::Srv => "SRV",
            Self::Txt => "TXT",
        }
    }
}
