//! The keys of services and globals in YAML: one list for the reader and for the schema.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::config::directord::collection::{List, Named};
use crate::config::directord::node::{Kind, Node};
use crate::config::directord::read::{Optional, Read, Slot, mapping};
use crate::config::directord::value::{AbsolutePath, Address, Name, Number, Text, Word};
use crate::config::source::Context;
use crate::model::{HttpHeader, Rule};

/// Longest time in seconds: a year, as in an `ldirectord.cf`.
const YEAR: i64 = 365 * 24 * 3600;
/// Most services, most real servers of one.
const SERVICES: usize = 100_000;

/// Longest name of a check, in bytes.
pub(in crate::config::directord) const CHECK_NAME: usize = 64;
/// Most named checks.
const CHECKS: usize = 1000;

/// Checks with a name.
pub(in crate::config::directord) type ChecksEntry = Named<CheckEntry, CHECK_NAME, 0, CHECKS>;

/// A number of seconds.
type Seconds = Number<1, YEAR>;

/// Where the services are.
#[derive(Debug, Clone)]
pub(in crate::config::directord) enum ServicesEntry {
    /// In this `ldirectord.cf`.
    File(String),
    /// Here.
    Here(List<ServiceEntry, 0, SERVICES>),
}

impl Read for ServicesEntry {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        match &node.kind {
            Kind::List(_) => List::read(cx, node).map(Self::Here),
            Kind::Scalar { .. } | Kind::Map(_) => {
                Text::read(cx, node).map(|text| Self::File(text.0))
            }
        }
    }
}

impl JsonSchema for ServicesEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Services".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let file = generator.subschema_for::<Text>();
        let here = generator.subschema_for::<List<ServiceEntry, 0, SERVICES>>();
        json_schema!({ "anyOf": [file, here] })
    }
}

mapping! {
    /// Settings of the director as a whole and defaults of its services, as `config show`
    /// prints them; only with services that are written here.
    GlobalsEntry {
        /// Deadline of connect, ping and external checks in seconds; 5 when missing.
        check_timeout_s: Optional<Seconds>,
        /// Deadline of negotiate checks in seconds; 30 when missing.
        negotiate_timeout_s: Optional<Seconds>,
        /// Time between two rounds of a check in seconds; 10 when missing.
        check_interval_s: Optional<Seconds>,
        /// Echo requests of a ping check; 1 when missing.
        ping_attempts: Optional<Number<1, 1000>>,
        /// Failures in a row that take a server out; 1 when missing.
        failure_count: Optional<Number<1, 1_000_000>>,
        /// The same by another name; one of the two.
        fall: Optional<Number<1, 1_000_000>>,
        /// Successes in a row that bring a failed server up; 1 when missing.
        rise: Optional<Number<1, 1_000_000>>,
        /// Time between two rounds in seconds while results in a row are counted; the check's
        /// own when missing or 0.
        fast_interval_s: Optional<Number<0, YEAR>>,
        /// Time in seconds in which the weight of a recovered server climbs to its full value;
        /// 0, not at all, when missing.
        slow_start_s: Optional<Number<0, YEAR>>,
        /// Keeps servers out that fail again and again: yes, no, or penalty, half-life in
        /// seconds, penalty that suppresses and penalty that ends it, separated by commas; no
        /// when missing.
        flap_damping: Optional<Word>,
        /// Percentage of the servers that failed checks never go below; 0, off, when missing.
        floor_percent: Optional<Number<0, 100>>,
        /// Whether the weight falls with the response time; false when missing.
        response_weight: Optional<bool>,
        /// Whether the output of external checks may name a weight; false when missing.
        external_weight: Optional<bool>,
        /// Fallback server of IPv4 services.
        fallback: Optional<FallbackEntry>,
        /// Fallback server of IPv6 services.
        fallback6: Optional<FallbackEntry>,
        /// Program run when the fallback starts and stops, with its arguments.
        fallback_command: Optional<List<Text, 1, 64>>,
        /// Whether changed files are read again without being told; false when missing.
        autoreload: Optional<bool>,
        /// Program run with the file's path after it changed.
        callback: Optional<AbsolutePath>,
        /// Where the log goes: an absolute path or a syslog facility.
        log: Optional<LogEntry>,
        /// Whether a failed server stays in the table with weight 0; false when missing.
        quiescent: Optional<bool>,
        /// Whether a failed server that is not in the table is entered with weight 0; false
        /// when missing.
        readd_quiescent: Optional<bool>,
        /// Whether weights that were set by hand are put right at once; false when missing.
        enforce_weights: Optional<bool>,
        /// Addresses of hosts of which one answers as long as this host's own uplink works;
        /// failed checks do not count while none does. None when missing.
        uplink: Optional<List<Address, 0, 8>>,
        /// Whether services are removed at the end; true when missing.
        clean_stop: Optional<bool>,
        /// Mail about changes.
        mail: Optional<MailEntry>,
        /// Sender of mail.
        mail_from: Optional<Text>,
        /// Directory whose files take servers out.
        maintenance_directory: Optional<Text>,
    }
}

mapping! {
    /// Where the log goes: one of the two.
    LogEntry {
        /// A file.
        file: Optional<AbsolutePath>,
        /// A facility of the system log, such as daemon or local0.
        syslog: Optional<Text>,
    }
}

mapping! {
    /// Mail about changes.
    MailEntry {
        /// To whom.
        recipients: Optional<Text>,
        /// Time between two reminders in seconds.
        reminder_s: Optional<Seconds>,
        /// Phases in which mail is sent: starting, running, stopping, reloading; all when
        /// missing.
        phases: Optional<List<Text, 0, 4>>,
        /// The mail server.
        relay: Optional<Text>,
    }
}

mapping! {
    /// A server that takes over when no real server is available.
    FallbackEntry {
        /// Address or name.
        host: Slot<Text>,
        /// Number or service name; that of the service when missing.
        port: Optional<Word>,
        /// gate, masq or ipip; gate when missing.
        forwarding: Optional<Text>,
    }
}

mapping! {
    /// A virtual service.
    ServiceEntry {
        /// tcp:ADDRESS:PORT, udp:ADDRESS:PORT, fwm:MARK or fwm6:MARK (IPv6).
        service: Slot<Text>,
        /// Scheduler; wrr when missing.
        scheduler: Optional<Text>,
        /// Flags of the scheduler, such as sh-port.
        scheduler_flags: Optional<List<Text, 0, 8>>,
        /// Keeps clients on one real server; off when missing.
        persistence: Optional<PersistenceEntry>,
        /// One-packet scheduling of UDP; false when missing.
        one_packet: Optional<bool>,
        /// As in globals.
        quiescent: Optional<bool>,
        /// As in globals.
        clean_stop: Optional<bool>,
        /// As in globals.
        failure_count: Optional<Number<1, 1_000_000>>,
        /// As in globals.
        fall: Optional<Number<1, 1_000_000>>,
        /// As in globals.
        rise: Optional<Number<1, 1_000_000>>,
        /// As in globals.
        fast_interval_s: Optional<Number<0, YEAR>>,
        /// As in globals.
        slow_start_s: Optional<Number<0, YEAR>>,
        /// As in globals.
        flap_damping: Optional<Word>,
        /// As in globals.
        floor_percent: Optional<Number<0, 100>>,
        /// As in globals.
        response_weight: Optional<bool>,
        /// As in globals.
        external_weight: Optional<bool>,
        /// Fallback server of this service.
        fallback: Optional<FallbackEntry>,
        /// As in globals.
        fallback_command: Optional<List<Text, 1, 64>>,
        /// File with a line for each check.
        monitor_file: Optional<Text>,
        /// What mail calls the service.
        service_name: Optional<Text>,
        /// For people.
        comment: Optional<Text>,
        /// As in globals.
        mail: Optional<MailEntry>,
        /// How real servers are checked.
        check: Optional<ServiceCheckEntry>,
        /// Whether each real server must also take a connection to the virtual address itself,
        /// delivered as the kernel's load balancer does; gate and ipip only; false when missing.
        check_path: Optional<bool>,
        /// The real servers.
        reals: Optional<List<RealEntry, 0, SERVICES>>,
    }
}

mapping! {
    /// Keeps clients on one real server.
    PersistenceEntry {
        /// For how long in seconds, up to 31 days.
        timeout_s: Slot<Number<1, {31 * 24 * 3600}>>,
        /// Clients of one subnet count as one: 255.255.255.0 or an IPv6 prefix length.
        netmask: Optional<Word>,
    }
}

/// The keys by which a rule is told from a check.
const COUNTING: [&str; 4] = ["all", "any", "at_least", "of"];

/// The check of a service: its own, or a rule over named ones.
#[derive(Debug, Clone)]
pub(in crate::config::directord) enum ServiceCheckEntry {
    /// Its own.
    Own(Box<CheckEntry>),
    /// A rule.
    Rule(Box<RuleEntry>),
}

impl Read for ServiceCheckEntry {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let is_rule = match &node.kind {
            Kind::Map(entries) => entries
                .iter()
                .any(|(key, _)| COUNTING.contains(&key.text.as_str())),
            Kind::List(_) | Kind::Scalar { .. } => false,
        };
        if is_rule {
            let rule = RuleEntry::read(cx, node);
            rule.map(|rule| Self::Rule(Box::new(rule)))
        } else {
            let own = CheckEntry::read(cx, node);
            own.map(|own| Self::Own(Box::new(own)))
        }
    }
}

impl JsonSchema for ServiceCheckEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ServiceCheck".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let own = generator.subschema_for::<CheckEntry>();
        let rule = generator.subschema_for::<RuleEntry>();
        json_schema!({ "anyOf": [own, rule] })
    }
}

mapping! {
    /// How several checks make one verdict: exactly one of `all`, `any`, and `at_least` with
    /// `of`. A server is up when so many of them pass.
    RuleEntry {
        /// All of these must pass: names of checks, or rules.
        all: Optional<RuleItems>,
        /// One of these must pass.
        any: Optional<RuleItems>,
        /// So many must pass of those in `of`.
        at_least: Optional<Number<1, 64>>,
        /// The checks and rules that `at_least` counts.
        of: Optional<RuleItems>,
        /// Port of an agent on each real server that advises about its weight; of the
        /// outermost rule only.
        agent_port: Optional<Number<1, 65_535>>,
        /// Time between two questions to the agent in seconds; `check_interval_s` when missing.
        agent_interval_s: Optional<Seconds>,
    }
}

/// What a rule counts.
type RuleItems = List<RuleItem, 1, { Rule::PARTS_MAX }>;

/// A named check or a rule.
#[derive(Debug, Clone)]
pub(in crate::config::directord) enum RuleItem {
    /// A named check.
    Check(Name<CHECK_NAME>),
    /// A rule in the rule.
    Rule(RuleEntry),
}

impl Read for RuleItem {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        match &node.kind {
            Kind::Map(_) => RuleEntry::read(cx, node).map(Self::Rule),
            Kind::Scalar { .. } | Kind::List(_) => Name::read(cx, node).map(Self::Check),
        }
    }
}

impl JsonSchema for RuleItem {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RuleItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let check = generator.subschema_for::<Name<CHECK_NAME>>();
        let rule = generator.subschema_for::<RuleEntry>();
        json_schema!({ "anyOf": [check, rule] })
    }
}

mapping! {
    /// How real servers are checked.
    CheckEntry {
        /// connect, negotiate, ping, on, off, external, external-perl, or a number: so many
        /// connects between two negotiations; negotiate when missing.
        r#type: Optional<Word>,
        /// What negotiate speaks: `http`, `https`, `http_proxy`, `simpletcp`, `none`, …; by the port
        /// when missing.
        service: Optional<Text>,
        /// Port that is checked instead of the real server's.
        port: Optional<Number<1, 65_535>>,
        /// Port of an agent on each real server that advises about its weight.
        agent_port: Optional<Number<1, 65_535>>,
        /// Time between two questions to the agent in seconds; `interval_s` when missing.
        agent_interval_s: Optional<Seconds>,
        /// As in globals.
        check_timeout_s: Optional<Seconds>,
        /// As in globals.
        negotiate_timeout_s: Optional<Seconds>,
        /// As `check_interval_s` in globals.
        interval_s: Optional<Seconds>,
        /// As in globals.
        ping_attempts: Optional<Number<1, 1000>>,
        /// Program of an external check.
        command: Optional<Text>,
        /// What is asked for.
        request: Optional<Text>,
        /// What the answer must match, a Perl regular expression.
        receive: Optional<Text>,
        /// GET, HEAD, POST, PUT or OPTIONS; GET when missing.
        http_method: Optional<Text>,
        /// Status codes that are in order, such as 200-299,401; 200-299 when missing.
        status: Optional<Word>,
        /// Whether redirects are followed: yes, no or same-host; same-host when missing.
        redirects: Optional<Text>,
        /// Header lines of the request, each a name, a colon and a value.
        request_headers: Optional<List<Text, 0, { HttpHeader::MAX }>>,
        /// Body of the request.
        request_body: Optional<Text>,
        /// Header lines that the answer must have, each a name, a colon and a Perl regular
        /// expression.
        expect_headers: Optional<List<Text, 0, { HttpHeader::MAX }>>,
        /// Values that the answer's JSON must have, each a JSON pointer, `=` and a value.
        json: Optional<List<Text, 0, { HttpHeader::MAX }>>,
        /// Whether the answer must not match `receive`; false when missing.
        invert: Optional<bool>,
        /// basic: login and password are sent with the request; not sent when missing.
        http_auth: Optional<Text>,
        /// 1.1 or 2; 1.1 when missing.
        http_version: Optional<Word>,
        /// How TLS is spoken, with services that are spoken over TLS.
        tls: Optional<TlsEntry>,
        /// Host header of the request.
        virtual_host: Optional<Text>,
        /// Name to log in with.
        login: Optional<Text>,
        /// Password to log in with.
        password: Optional<Text>,
        /// Database to ask.
        database: Optional<Text>,
        /// Secret shared with the server.
        secret: Optional<Text>,
        /// Type of the DNS records that are asked for: A, AAAA, CNAME, MX, NS, PTR, SOA, SRV or
        /// TXT; addresses, or the name of an address, when missing.
        dns_type: Optional<Text>,
        /// How a name server is asked, udp or tcp; as the virtual service when missing.
        dns_transport: Optional<Text>,
        /// Steps of a dialogue in their order.
        dialogue: Optional<List<StepEntry, 0, 64>>,
        /// Address of this host that checks come from.
        source: Optional<Text>,
        /// Interface that checks leave by.
        interface: Optional<Text>,
        /// Mark of the packets of checks.
        mark: Optional<Number<1, { u32::MAX as i64 }>>,
        /// Version of the PROXY protocol's header sent first on each connection, 1 or 2; none
        /// when missing.
        proxy_protocol: Optional<Number<1, 2>>,
    }
}

mapping! {
    /// A step of a dialogue: one of the two.
    StepEntry {
        /// Text that is sent, with the escapes \\n, \\r, \\t, \\xNN and \\\\.
        send: Optional<Text>,
        /// Waited for in what the server says, a Perl regular expression.
        expect: Optional<Text>,
    }
}

mapping! {
    /// How TLS is spoken.
    TlsEntry {
        /// Whether the server's certificate is verified; false when missing.
        verify: Optional<bool>,
        /// File with the authorities that are trusted, in PEM; those of this host when
        /// missing.
        ca: Optional<AbsolutePath>,
        /// Server name that is sent and verified, or none; that of `virtual_host` when
        /// missing.
        name: Optional<Text>,
        /// File with this host's certificate, in PEM.
        certificate: Optional<AbsolutePath>,
        /// File with its private key, in PEM; nobody else may read it.
        key: Optional<AbsolutePath>,
        /// 1.2 or 1.3; 1.2 when missing.
        min_version: Optional<Word>,
        /// Days before a certificate's expiry from which to warn; 14 when missing and
        /// certificates are verified, 0 for never.
        expiry_days: Optional<Number<0, 3650>>,
    }
}

mapping! {
    /// A real server.
    RealEntry {
        /// Address or name.
        host: Slot<Text>,
        /// Number or service name; that of the service when missing.
        port: Optional<Word>,
        /// gate (direct routing), masq (address translation) or ipip (tunnelling).
        forwarding: Slot<Text>,
        /// Its weight, 0 to 65535; 1 when missing.
        weight: Optional<Number<0, 65_535>>,
        /// Connections below which an overloaded server is used again.
        lower_threshold: Optional<Number<0, { u32::MAX as i64 }>>,
        /// Connections above which the server is not used.
        upper_threshold: Optional<Number<0, { u32::MAX as i64 }>>,
        /// Request of its own.
        request: Optional<Text>,
        /// Expected text of its own; only with a request.
        receive: Optional<Text>,
    }
}
