//! A configuration with every default filled in and every name resolved.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::http::HttpSettings;
use super::names::{Endpoint, Port};
use super::tls::TlsSettings;
use crate::model::{
    Check, Destination, DnsKind, Forwarding, HttpMethod, Pattern, Policy, Rule, Service,
    ServiceKey, Tls, Transport, Way,
};

/// Line of the file that something comes from; 0 for a default. Two configurations
/// that differ only in layout are equal, so this takes no part in comparison.
#[derive(Debug, Clone, Copy, Default)]
pub struct Line(pub u32);

impl PartialEq for Line {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Line {}

/// A path whose file is opened later, with the line to name if that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    /// The path as written.
    pub path: String,
    /// Where it was written.
    pub line: Line,
}

/// A whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Settings of the director as a whole, and defaults of its services.
    pub globals: Globals,
    /// Checks with a name that rules refer to, in file order.
    pub checks: Vec<Arc<NamedCheck>>,
    /// Virtual services in file order, no two with the same key.
    pub services: Vec<Arc<VirtualService>>,
}

/// Settings outside virtual services.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the format has that many independent switches"
)]
pub struct Globals {
    /// Default deadline of connect, ping and external checks.
    pub check_timeout: Duration,
    /// Default deadline of negotiate checks.
    pub negotiate_timeout: Duration,
    /// Default time between two rounds of a check.
    pub check_interval: Duration,
    /// Default number of echo requests of a ping check.
    pub ping_attempts: u32,
    /// Default number of failures in a row that take a server out.
    pub failure_count: u32,
    /// Default of [`VirtualService::policy`].
    pub policy: Policy,
    /// Default fallback server of IPv4 services.
    pub fallback: Option<GlobalFallback>,
    /// Default fallback server of IPv6 services.
    pub fallback6: Option<GlobalFallback>,
    /// Default of [`VirtualService::fallback_command`].
    pub fallback_command: Option<Command>,
    /// Whether a changed file is read again without being told.
    pub autoreload: bool,
    /// Program run with the file's path after it changed.
    pub callback: Option<String>,
    /// Where the log goes.
    pub log: Log,
    /// Other configurations that are started and stopped with this one.
    pub execute: Vec<FileName>,
    /// Accepted for the sake of old files: checks always run beside each other.
    pub fork: bool,
    /// Whether to stay in the foreground and log to standard output.
    pub supervised: bool,
    /// Default of [`VirtualService::quiescent`].
    pub quiescent: bool,
    /// Whether a failed server that is missing from the kernel's table is entered with
    /// weight 0 (with `quiescent`).
    pub readd_quiescent: bool,
    /// Whether weights that were set by hand are put right at once instead of being kept
    /// until the server's next transition. A word of our own.
    pub enforce_weights: bool,
    /// Hosts of which one answers as long as this host's own uplink works; failed checks do
    /// not count while none does. At most [`Globals::UPLINK_MAX`], none is off. A word of our
    /// own.
    pub uplink: Vec<IpAddr>,
    /// Default of [`VirtualService::clean_stop`].
    pub clean_stop: bool,
    /// Default of [`VirtualService::mail`].
    pub mail: Mail,
    /// Sender of mail; `None` is the user at this host.
    pub mail_from: Option<String>,
    /// Directory whose files take servers out; it may not exist.
    pub maintenance_directory: Option<FileName>,
}

impl Globals {
    /// Most hosts of [`Globals::uplink`].
    pub const UPLINK_MAX: usize = 8;
}

/// A fallback server outside virtual services. Without a port it takes that of the
/// service it stands in for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobalFallback {
    /// Host and port as written.
    pub written: Endpoint,
    /// Address of the host.
    pub address: IpAddr,
    /// Forwarding method.
    pub forwarding: Forwarding,
    /// Where it was written.
    pub line: Line,
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The destination.
    pub target: LogTarget,
    /// Where it was written.
    pub line: Line,
}

/// Kinds of log destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// A file, by its absolute path.
    File(String),
    /// The system log, under a facility: one of [`LogTarget::FACILITIES`].
    Syslog(&'static str),
}

impl LogTarget {
    /// The log file when none is configured.
    pub const DEFAULT_FILE: &'static str = "/var/log/ldirectord.log";

    /// Facilities of `syslog(3)`.
    pub const FACILITIES: [&'static str; 20] = [
        "auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog",
        "user", "uucp", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
        "local7",
    ];
}

impl fmt::Display for LogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Syslog(facility) => f.write_str(facility),
        }
    }
}

/// A command with arguments, run without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// As written.
    pub text: String,
    /// Program and arguments, cut as a shell would; at least one.
    pub words: Vec<String>,
    /// Where it was written.
    pub line: Line,
}

/// Phases of the daemon in which mail may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// From start to the end of the first round of checks.
    Starting,
    /// Between starting and stopping.
    Running,
    /// While stopping.
    Stopping,
    /// While a changed configuration is applied.
    Reloading,
}

impl Phase {
    /// All phases, in the order of ldirectord's manual.
    pub const ALL: [Self; 4] = [
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Reloading,
    ];

    /// The word of `emailalertstatus`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Reloading => "reloading",
        }
    }
}

/// A set of phases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phases(u8);

impl Phases {
    /// Every phase.
    pub const ALL: Self = Self(0b1111);
    /// No phase.
    pub const NONE: Self = Self(0);

    /// The set with one phase more.
    #[must_use]
    pub fn with(self, phase: Phase) -> Self {
        Self(self.0 | 1 << phase as u8)
    }

    /// Whether a phase is in the set.
    pub fn contains(self, phase: Phase) -> bool {
        self.0 & 1 << phase as u8 != 0
    }

    /// The phases in order.
    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL
            .into_iter()
            .filter(move |phase| self.contains(*phase))
    }
}

/// Alerts by mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Recipients as written, separated by commas; `None` sends nothing.
    pub recipients: Option<String>,
    /// Time between reminders of a server that stays down; `None` sends none.
    pub reminder: Option<Duration>,
    /// Phases in which mail is sent.
    pub phases: Phases,
    /// Mail relay; `None` is the local mail command.
    pub relay: Option<String>,
}

/// A virtual service with its real servers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the format has that many independent switches"
)]
pub struct VirtualService {
    /// What identifies it to the kernel.
    pub key: ServiceKey,
    /// Address and port as written; `None` for a firewall mark.
    pub written: Option<Endpoint>,
    /// Its attributes in the kernel.
    pub service: Service,
    /// Real servers in file order, ranges written out. The same destination may occur
    /// twice, as in ldirectord; the last one counts for the kernel.
    pub reals: Vec<RealServer>,
    /// Real servers are missing here because their names are unknown: whoever else the
    /// kernel holds may be one of them.
    pub has_unknown_reals: bool,
    /// How its real servers are checked.
    pub check: CheckSettings,
    /// Several named checks instead, of which `check` then says nothing.
    pub rule: Option<RuleSettings>,
    /// Whether real servers must also take connections to the virtual address itself.
    pub check_path: bool,
    /// Stands in when no real server is available.
    pub fallback: Option<Fallback>,
    /// Run with `start` or `stop`, `ADDRESS:PORT` and the protocol when the last real
    /// server goes and the first comes back.
    pub fallback_command: Option<Command>,
    /// Whether failed servers stay in the table with weight 0.
    pub quiescent: bool,
    /// Whether the service is removed when the daemon stops.
    pub clean_stop: bool,
    /// Failures in a row that take a server out, at least 1.
    pub failure_count: u32,
    /// How results become standing and weight beyond that.
    pub policy: Policy,
    /// Alerts.
    pub mail: Mail,
    /// File that gets a line for each check result.
    pub monitor_file: Option<FileName>,
    /// Name of the service in mail.
    pub service_name: Option<String>,
    /// Remark in mail.
    pub comment: Option<String>,
    /// Where its section begins.
    pub line: Line,
}

/// A real server of one virtual service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// Host and port as written; a member of a range has its own address here.
    pub written: Endpoint,
    /// Port as written, resolved; 0 when none was. The destination may be filed under
    /// another: see [`ServiceKey::destination_port`].
    pub port: u16,
    /// What the kernel is given when the server is available.
    pub destination: Destination,
    /// Request and expected answer of its own, instead of the service's.
    pub exchange: Option<Box<Exchange>>,
    /// How it is checked.
    pub check: RealCheck,
    /// The check of its agent, if it has one.
    pub agent: Option<Arc<Check>>,
    /// Where it was written.
    pub line: Line,
}

/// A request and what is expected of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The request as written.
    pub request: String,
    /// Expected in the answer; `None` accepts every answer.
    pub receive: Option<Pattern>,
}

/// How a real server is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RealCheck {
    /// Not at all: it is always available.
    Always,
    /// Not at all: it is never brought in.
    Off,
    /// By this check.
    Probe(Arc<Check>),
    /// By several.
    Rule(Arc<RealRule>),
}

/// Several checks of one real server and what makes one verdict of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealRule {
    /// The rule; its numbers are positions in `parts`.
    pub rule: Arc<Rule>,
    /// The checks.
    pub parts: Vec<RulePart>,
}

/// A named check of one real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePart {
    /// Its name.
    pub name: Arc<str>,
    /// What is done.
    pub check: Arc<Check>,
}

/// A rule over named checks, before it is applied to each real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSettings {
    /// The rule; its numbers are positions in `checks`.
    pub rule: Arc<Rule>,
    /// The checks, each once.
    pub checks: Vec<Arc<NamedCheck>>,
}

/// A check that rules refer to by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCheck {
    /// Its name, without blanks and control characters.
    pub name: Arc<str>,
    /// How a real server is checked.
    pub settings: CheckSettings,
}

/// The fallback server of one virtual service: weight 1, no thresholds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallback {
    /// Host and port as written.
    pub written: Endpoint,
    /// What the kernel is given.
    pub destination: Destination,
    /// Where it was written.
    pub line: Line,
}

/// How the real servers of a service are checked, before it is applied to each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckSettings {
    /// Kind of check.
    pub kind: CheckType,
    /// Protocol spoken by negotiate checks.
    pub service: ServiceType,
    /// Port contacted, instead of the real server's own.
    pub port: Option<u16>,
    /// An agent on the real server that is asked as well.
    pub agent: Option<Agent>,
    /// Deadline of connect and external checks, and of each attempt of a ping.
    pub check_timeout: Duration,
    /// Deadline of negotiate checks.
    pub negotiate_timeout: Duration,
    /// Time between the starts of two rounds.
    pub interval: Duration,
    /// Echo requests of a ping check.
    pub ping_attempts: u32,
    /// Program of external checks.
    pub command: String,
    /// Request sent, behind a `/`: see [`CheckSettings::written_request`].
    pub request: String,
    /// Expected in the answer; `None` accepts every answer.
    pub receive: Option<Pattern>,
    /// Method of HTTP requests.
    pub http_method: HttpMethod,
    /// What else HTTP requests and answers have.
    pub http: HttpSettings,
    /// How TLS is spoken.
    pub tls: TlsSettings,
    /// What comes of it with the files read; `None`: these checks do not speak TLS.
    pub tls_client: Option<Arc<Tls>>,
    /// `Host` header; `None` is the real server's address.
    pub virtual_host: Option<String>,
    /// User name.
    pub login: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Database.
    pub database: Option<String>,
    /// RADIUS secret.
    pub secret: Option<String>,
    /// How checks leave this host; `None` leaves it to the routing table.
    pub way: Option<Arc<Way>>,
    /// Type of DNS records asked for.
    pub dns_kind: Option<DnsKind>,
    /// How name servers are asked, whatever the virtual service's protocol.
    pub dns_transport: Option<Transport>,
    /// Steps of a dialogue in their order.
    pub steps: Vec<WrittenStep>,
}

impl CheckSettings {
    /// The request without the slash that only stands in front of it.
    pub fn written_request(&self) -> &str {
        if self.service.is_beyond() {
            &self.request[1..]
        } else {
            &self.request
        }
    }
}

/// A step of a dialogue as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WrittenStep {
    /// Text to send, with escapes that are known to be right.
    Send(String),
    /// What is waited for.
    Expect(Pattern),
}

/// An agent on each real server that advises about its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// Its TCP port.
    pub port: u16,
    /// Time between two questions.
    pub interval: Duration,
}

/// Values of `checktype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckType {
    /// The service's protocol is spoken.
    Negotiate,
    /// A TCP connection is made; with UDP, a ping.
    Connect,
    /// ICMP echo.
    Ping,
    /// So many connects after each negotiate.
    Combined(u32),
    /// A program is run.
    External,
    /// A Perl script is run.
    ExternalPerl,
    /// Always up.
    On,
    /// Never brought up.
    Off,
}

impl CheckType {
    /// Whether the service's protocol is spoken, now and then at least.
    pub fn negotiates(self) -> bool {
        matches!(self, Self::Negotiate | Self::Combined(_))
    }
}

impl fmt::Display for CheckType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negotiate => "negotiate",
            Self::Connect => "connect",
            Self::Ping => "ping",
            Self::Combined(connects) => return connects.fmt(f),
            Self::External => "external",
            Self::ExternalPerl => "external-perl",
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// Values of `service`: an index into ldirectord's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceType(usize);

/// Services that ldirectord knows; those behind them are our own.
const KNOWN: usize = 21;

/// Names with the port that stands for each.
const SERVICES: [(&str, Option<u16>); KNOWN + 5] = [
    ("none", None),
    ("simpletcp", None),
    ("http", Some(80)),
    ("https", Some(443)),
    ("http_proxy", Some(3128)),
    ("dns", Some(53)),
    ("ftp", Some(21)),
    ("imap", Some(143)),
    ("imaps", Some(993)),
    ("ldap", Some(389)),
    ("ldaps", Some(636)),
    ("mysql", Some(3306)),
    ("nntp", Some(119)),
    ("oracle", Some(1521)),
    ("pgsql", Some(5432)),
    ("pop", Some(110)),
    ("pops", Some(995)),
    ("radius", Some(1812)),
    ("sip", Some(5060)),
    ("smtp", Some(25)),
    ("submission", Some(587)),
    ("dialogue", None),
    ("grpc", None),
    ("grpcs", None),
    ("redis", Some(6379)),
    ("udp", None),
];

impl ServiceType {
    /// Whether it is one of the HTTP family.
    pub fn is_http(self) -> bool {
        [Self::HTTP, Self::HTTPS, Self::HTTP_PROXY].contains(&self)
    }

    /// Whether it is spoken over TLS from the first byte.
    pub fn is_tls(self) -> bool {
        matches!(self.name(), "https" | "imaps" | "pops" | "ldaps" | "grpcs")
    }

    /// Nothing is spoken: up without looking.
    pub const NONE: Self = Self(0);
    /// A line sent, a line matched.
    pub const SIMPLETCP: Self = Self(1);
    /// HTTP.
    pub const HTTP: Self = Self(2);
    /// HTTP over TLS.
    pub const HTTPS: Self = Self(3);
    /// HTTP through the real server as a proxy.
    pub const HTTP_PROXY: Self = Self(4);

    /// The service of that name.
    pub fn named(name: &str) -> Option<Self> {
        SERVICES
            .iter()
            .position(|(known, _)| *known == name)
            .map(Self)
    }

    /// Whether ldirectord does not know it.
    pub fn is_beyond(self) -> bool {
        self.0 >= KNOWN
    }

    /// The service that a port stands for, of those that ldirectord knows; `none` for an
    /// unknown one.
    pub fn of_port(port: u16) -> Self {
        SERVICES[..KNOWN]
            .iter()
            .position(|(_, known)| *known == Some(port))
            .map_or(Self::NONE, Self)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        SERVICES[self.0].0
    }

    /// Its usual port.
    pub fn port(self) -> Option<u16> {
        SERVICES[self.0].1
    }

    /// Every service's name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        SERVICES.iter().map(|(name, _)| *name)
    }
}

impl RealServer {
    /// Port as written, or `None`.
    pub fn written_port(&self) -> Option<&Port> {
        self.written.port.as_ref()
    }
}

impl RealCheck {
    /// The checks that are run, none for a server that is not checked.
    pub fn checks(&self) -> impl Iterator<Item = &Arc<Check>> {
        let (one, parts) = match self {
            Self::Probe(check) => (Some(check), &[][..]),
            Self::Rule(rule) => (None, &rule.parts[..]),
            Self::Always | Self::Off => (None, &[][..]),
        };
        one.into_iter().chain(parts.iter().map(|part| &part.check))
    }
}

impl RealRule {
    /// The rule on one line: `all of a, b`.
    pub fn describe(&self) -> String {
        self.rule.describe(&|part| &self.parts[part].name)
    }
}

impl RuleSettings {
    /// The rule on one line: `all of a, b`.
    pub fn describe(&self) -> String {
        self.rule.describe(&|part| &self.checks[part].name)
    }
}

impl VirtualService {
    /// Every check of its real servers, in file order.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        let checks = self.reals.iter().flat_map(|real| real.check.checks());
        checks.map(|check| &**check)
    }
}
