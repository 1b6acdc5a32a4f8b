//! What is checked and what came of it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::http::HttpProbe;
use super::policy::Advice;
use super::protocol::{
    DnsProbe, FtpProbe, ImapProbe, LdapProbe, PopProbe, RadiusProbe, Secret, SipProbe, SmtpProbe,
    SqlProbe,
};
use super::talk::{DialogueProbe, GrpcProbe, RedisProbe, UdpProbe};
use super::tls::{CertificateState, Tls};
use super::way::Way;

/// A health check, identified by all that can influence its result: two destinations
/// with equal checks share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Check {
    /// Address and port contacted (the port is unused by ping).
    pub target: SocketAddr,
    /// What is done each round.
    pub method: Method,
    /// Time from the start of one round to the start of the next.
    pub interval: Duration,
}

/// What a check does each round.
#[expect(
    clippy::large_enum_variant,
    reason = "checks are shared, and few of them are combined"
)]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// The same probe each time.
    Single(Probe),
    /// `checktype=N`: after a passed `negotiate` come `connects` rounds of `connect`;
    /// a failed probe of either kind makes the next one `negotiate`.
    Combined {
        /// The thorough probe.
        negotiate: Probe,
        /// The cheap probe.
        connect: Probe,
        /// How many cheap ones between two thorough ones.
        connects: u32,
    },
}

impl Method {
    /// The probe that says most about the server: the only one, or the negotiate one.
    pub fn thorough(&self) -> &Probe {
        match self {
            Self::Single(probe) => probe,
            Self::Combined { negotiate, .. } => negotiate,
        }
    }
}

/// One exchange with a server, with one absolute deadline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Probe {
    /// What is exchanged.
    pub kind: ProbeKind,
    /// Deadline for the whole exchange, from its start.
    pub timeout: Duration,
    /// How it leaves this host; `None` leaves that to the routing table.
    pub way: Option<Arc<Way>>,
}

impl Probe {
    /// A probe that leaves as the routing table says.
    pub fn new(kind: ProbeKind, timeout: Duration) -> Self {
        Self {
            kind,
            timeout,
            way: None,
        }
    }
}

/// The kinds of exchange.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// A TCP connection is accepted.
    Connect,
    /// Someone answers an ICMP echo request.
    Ping {
        /// Echo requests sent before giving up, at least 1; the probe's time-out is
        /// divided between them.
        attempts: u32,
    },
    /// An HTTP request is answered with 2xx and the expected text.
    Http(HttpProbe),
    /// A line is sent, a line is matched.
    SimpleTcp(SimpleTcpProbe),
    /// A program exits with status 0.
    External(ExternalProbe),
    /// A file is fetched.
    Ftp(FtpProbe),
    /// A mail server takes a greeting.
    Smtp(SmtpProbe),
    /// A mailbox is opened.
    Pop(PopProbe),
    /// A mailbox is opened.
    Imap(ImapProbe),
    /// A news server greets.
    Nntp,
    /// An entry of a directory is found.
    Ldap(LdapProbe),
    /// A name or address is resolved.
    Dns(DnsProbe),
    /// A query gives a row.
    Sql(SqlProbe),
    /// A user is accepted.
    Radius(RadiusProbe),
    /// OPTIONS is answered with 200.
    Sip(SipProbe),
    /// A Redis command is answered.
    Redis(RedisProbe),
    /// A conversation of several steps goes as expected.
    Dialogue(DialogueProbe),
    /// A gRPC service is serving.
    Grpc(GrpcProbe),
    /// A datagram is answered, or at least not refused.
    Udp(UdpProbe),
    /// An agent says what it advises.
    Agent,
    /// A connection to the virtual address is taken.
    Path(PathProbe),
}

impl ProbeKind {
    /// What nobody may see of it.
    pub fn secrets(&self) -> Vec<&Secret> {
        let login = match self {
            Self::Ftp(ftp) => ftp.login.as_ref(),
            Self::Pop(pop) => pop.login.as_ref(),
            Self::Imap(imap) => imap.login.as_ref(),
            Self::Ldap(ldap) => ldap.bind.as_ref(),
            Self::Sql(sql) => sql.login.as_ref(),
            Self::Redis(redis) => redis.login.as_ref(),
            Self::Http(http) => http.login.as_ref(),
            Self::Radius(radius) => return vec![&radius.login.password, &radius.secret],
            _ => None,
        };
        login.map(|login| &login.password).into_iter().collect()
    }

    /// Lower-case word for listings and JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Ping { .. } => "ping",
            Self::Http(http) if http.tls.is_some() => "https",
            Self::Http(_) => "http",
            Self::SimpleTcp(_) => "simpletcp",
            Self::External(_) => "external",
            Self::Ftp(_) => "ftp",
            Self::Smtp(smtp) if smtp.submission => "submission",
            Self::Smtp(_) => "smtp",
            Self::Pop(pop) if pop.tls.is_some() => "pops",
            Self::Pop(_) => "pop",
            Self::Imap(imap) if imap.tls.is_some() => "imaps",
            Self::Imap(_) => "imap",
            Self::Nntp => "nntp",
            Self::Ldap(ldap) if ldap.tls.is_some() => "ldaps",
            Self::Ldap(_) => "ldap",
            Self::Dns(_) => "dns",
            Self::Sql(sql) => sql.database.word(),
            Self::Radius(_) => "radius",
            Self::Sip(_) => "sip",
            Self::Redis(_) => "redis",
            Self::Dialogue(_) => "dialogue",
            Self::Grpc(grpc) if grpc.tls.is_some() => "grpcs",
            Self::Grpc(_) => "grpc",
            Self::Udp(_) => "udp",
            Self::Agent => "agent",
            Self::Path(_) => "path",
        }
    }

    /// TLS settings, of those that speak TLS from the first byte.
    pub fn tls(&self) -> Option<&Tls> {
        match self {
            Self::Http(http) => http.tls.as_deref(),
            Self::Pop(pop) => pop.tls.as_deref(),
            Self::Imap(imap) => imap.tls.as_deref(),
            Self::Ldap(ldap) => ldap.tls.as_deref(),
            Self::Grpc(grpc) => grpc.tls.as_deref(),
            _ => None,
        }
    }
}

/// A send/expect exchange over plain TCP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimpleTcpProbe {
    /// Bytes sent after connecting, before the sending side is closed.
    pub send: Vec<u8>,
    /// Searched in each line of the answer; `None` is content with any line.
    pub receive: Option<Pattern>,
}

/// A TCP connection to the virtual address, delivered to one real server as the kernel's
/// load balancer does it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathProbe {
    /// Virtual address and port, of the real server's family.
    pub service: SocketAddr,
    /// How it gets there.
    pub delivery: Delivery,
}

/// How packets to a virtual address reach a real server that has the address too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delivery {
    /// In frames to its Ethernet address (direct routing).
    Direct,
    /// In packets to its own address (tunnelling).
    Tunnel,
}

impl Delivery {
    /// Lower-case word for listings and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Tunnel => "tunnel",
        }
    }
}

/// How an external program is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Interpreter {
    /// The file itself is executed.
    None,
    /// `perl FILE …`, for `checktype=external-perl`.
    Perl,
}

/// A program run as a check, never through a shell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExternalProbe {
    /// Path of the program.
    pub command: String,
    /// What runs it.
    pub interpreter: Interpreter,
    /// Arguments: virtual address or mark, virtual port, real address, real port.
    pub arguments: Vec<String>,
}

/// A Perl regular expression searched in raw bytes, as written.
///
/// Whoever creates one has made sure that it compiles.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(pub String);

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server is in order.
    Up,
    /// The server is not, and why.
    Down(Reason),
    /// A fault of this host (no descriptor, no memory, script missing): says nothing
    /// about the server and never takes it out.
    Inconclusive(Fault),
}

/// Why a server counts as down: one printable line of at most [`Reason::MAX`] bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(String);

/// Why a probe could not be carried out: one printable line like a [`Reason`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(String);

impl Reason {
    /// Longest text kept, in bytes.
    pub const MAX: usize = 1024;

    /// Takes any text, also from a hostile server: control characters are escaped and
    /// the length is bounded.
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(printable(text.as_ref(), Self::MAX))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Fault {
    /// As [`Reason::new`].
    pub fn new(text: impl AsRef<str>) -> Self {
        Self(printable(text.as_ref(), Reason::MAX))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Whether a character can stand in a line of a log or on a terminal: no control
/// character, no line or paragraph separator, no bidirectional mark or override.
pub fn is_printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line of at most `max` bytes, with unprintable characters escaped.
fn printable(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let before = line.len();
        if is_printable(c) {
            line.push(c);
        } else {
            line.extend(c.escape_default());
        }
        if line.len() > max {
            line.truncate(before);
            break;
        }
    }
    line
}

/// When the phases of a probe ended, counted from its start. A phase that was not
/// reached or does not apply is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// The connection was established.
    pub connected: Option<Duration>,
    /// The TLS handshake was complete.
    pub tls: Option<Duration>,
    /// The first byte of the answer arrived.
    pub first_byte: Option<Duration>,
    /// The probe was over.
    pub total: Duration,
}

/// A probe's outcome with what an operator wants to see of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The verdict.
    pub outcome: Outcome,
    /// One line that describes a success: the status line, `connected`, …
    pub detail: String,
    /// What the server, or the program that looked at it, advises.
    pub advice: Advice,
    /// When each phase ended.
    pub phases: Phases,
    /// What the TLS handshake told about the server's certificate.
    pub certificate: Option<CertificateState>,
    /// Beginning of what was said, in its order: at most 4 KiB of each side, secrets masked.
    pub dialogue: Vec<Said>,
}

impl Report {
    /// All that is kept of one side.
    pub fn said_by(&self, side: Side) -> Vec<u8> {
        let own = self.dialogue.iter().filter(|said| said.by == side);
        own.flat_map(|said| said.bytes.iter().copied()).collect()
    }
}

/// The two sides of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// This host.
    Director,
    /// The real server, or a program.
    Server,
}

/// What one side said until the other one did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub by: Side,
    /// What, never empty.
    pub bytes: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_bounded_printable_line() {
        let hostile = format!("a\nb\u{1b}[31m\u{202e}{}", "x".repeat(5000));
        let reason = Reason::new(hostile);
        assert!(reason.as_str().starts_with("a\\nb\\u{1b}[31m\\u{202e}xxx"));
        assert!(reason.as_str().len() <= Reason::MAX);
        assert!(!reason.as_str().chars().any(char::is_control));
    }
}
