//! The effective configuration for people and programs, every default filled in.
//!
//! The shape is stable: fields may be added, none changes its meaning. Times carry their
//! unit in the name. `null` means none or off. Passwords and secrets are masked.
//!
//! ```yaml
//! globals:
//!   check_timeout_s: 5            # and the other settings of `Globals`
//!   fallback: {host: 127.0.0.1, port: null, address: 127.0.0.1, forwarding: gate, line: 1}
//!   log: {file: /var/log/ldirectord.log, syslog: null}
//! services:
//! - service: tcp:192.0.2.100:80   # or fwm:7, fwm6:7
//!   line: 3
//!   scheduler: wrr
//!   check: {type: negotiate, service: http, …}
//!   fallback: {host: …, port: …, address: …, forwarding: …, destination: …, line: …}
//!   reals:
//!   - destination: 192.0.2.21:80  # as in the kernel's table
//!     host: 192.0.2.21            # as written
//!     port: '80'
//!     forwarding: gate
//!     weight: 1
//!     check: {state: probe, target: 192.0.2.21:80, interval_s: 10, probes: […]}
//! ```

use std::time::Duration;

use serde::Serialize;

use super::effective::{
    CheckSettings, Config, Fallback, FileName, GlobalFallback, Globals, LogTarget, Mail, RealCheck,
    RealServer, VirtualService, WrittenStep,
};
use super::http::{expected_header, expected_json};
use super::names::Endpoint;
use super::tls::{TlsSettings, name as tls_name};
use crate::model::{
    Check, DialogueStep, DnsKind, HttpHeader, InterfaceName, Interpreter, Login, Method, Pattern,
    Policy, Probe, ProbeKind, ProxyHeader, Transport, Way,
};

/// The effective configuration as YAML.
pub fn to_yaml(config: &Config) -> String {
    serde_yaml::to_string(&Document::of(config)).expect("the document has only string keys")
}

/// The effective configuration as indented JSON with a final newline.
pub fn to_json(config: &Config) -> String {
    let mut text = serde_json::to_string_pretty(&Document::of(config))
        .expect("the document has only string keys");
    text.push('\n');
    text
}

/// Stands for a password or secret.
const MASK: &str = "********";

/// The whole of it.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    globals: GlobalView<'a>,
    services: Vec<ServiceView<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        Self {
            globals: GlobalView::of(&config.globals),
            services: config
                .services
                .iter()
                .map(|service| ServiceView::of(service))
                .collect(),
        }
    }
}

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the format has that many independent switches"
)]
struct GlobalView<'a> {
    check_timeout_s: u64,
    negotiate_timeout_s: u64,
    check_interval_s: u64,
    ping_attempts: u32,
    failure_count: u32,
    #[serde(flatten)]
    policy: PolicyView,
    fallback: Option<FallbackView>,
    fallback6: Option<FallbackView>,
    fallback_command: Option<&'a [String]>,
    autoreload: bool,
    callback: Option<&'a str>,
    log: LogView<'a>,
    execute: Vec<&'a str>,
    fork: bool,
    supervised: bool,
    quiescent: bool,
    readd_quiescent: bool,
    enforce_weights: bool,
    clean_stop: bool,
    mail: MailView<'a>,
    mail_from: Option<&'a str>,
    maintenance_directory: Option<&'a str>,
}

impl<'a> GlobalView<'a> {
    fn of(globals: &'a Globals) -> Self {
        Self {
            check_timeout_s: globals.check_timeout.as_secs(),
            negotiate_timeout_s: globals.negotiate_timeout.as_secs(),
            check_interval_s: globals.check_interval.as_secs(),
            ping_attempts: globals.ping_attempts,
            failure_count: globals.failure_count,
            policy: PolicyView::of(&globals.policy),
            fallback: globals.fallback.as_ref().map(FallbackView::global),
            fallback6: globals.fallback6.as_ref().map(FallbackView::global),
            fallback_command: globals
                .fallback_command
                .as_ref()
                .map(|c| c.words.as_slice()),
            autoreload: globals.autoreload,
            callback: globals.callback.as_deref(),
            log: match &globals.log.target {
                LogTarget::File(path) => LogView {
                    file: Some(path),
                    syslog: None,
                },
                LogTarget::Syslog(facility) => LogView {
                    file: None,
                    syslog: Some(facility),
                },
            },
            execute: globals
                .execute
                .iter()
                .map(|file| file.path.as_str())
                .collect(),
            fork: globals.fork,
            supervised: globals.supervised,
            quiescent: globals.quiescent,
            readd_quiescent: globals.readd_quiescent,
            enforce_weights: globals.enforce_weights,
            clean_stop: globals.clean_stop,
            mail: MailView::of(&globals.mail),
            mail_from: globals.mail_from.as_deref(),
            maintenance_directory: path(globals.maintenance_directory.as_ref()),
        }
    }
}

fn path(file: Option<&FileName>) -> Option<&str> {
    file.map(|file| file.path.as_str())
}

#[derive(Serialize)]
struct LogView<'a> {
    file: Option<&'a str>,
    syslog: Option<&'static str>,
}

#[derive(Serialize)]
struct MailView<'a> {
    recipients: Option<&'a str>,
    reminder_s: Option<u64>,
    phases: Vec<&'static str>,
    relay: Option<&'a str>,
}

impl<'a> MailView<'a> {
    fn of(mail: &'a Mail) -> Self {
        Self {
            recipients: mail.recipients.as_deref(),
            reminder_s: mail.reminder.map(|reminder| reminder.as_secs()),
            phases: mail.phases.iter().map(super::Phase::word).collect(),
            relay: mail.relay.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct FallbackView {
    host: String,
    port: Option<String>,
    address: String,
    forwarding: &'static str,
    /// As in the kernel's table; a global fallback has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    line: u32,
}

impl FallbackView {
    fn global(fallback: &GlobalFallback) -> Self {
        let (host, port) = endpoint(&fallback.written);
        Self {
            host,
            port,
            address: fallback.address.to_string(),
            forwarding: fallback.forwarding.word(),
            destination: None,
            line: fallback.line.0,
        }
    }

    fn of(fallback: &Fallback) -> Self {
        let (host, port) = endpoint(&fallback.written);
        Self {
            host,
            port,
            address: fallback.destination.key.address.to_string(),
            forwarding: fallback.destination.forwarding.word(),
            destination: Some(fallback.destination.key.to_string()),
            line: fallback.line.0,
        }
    }
}

fn endpoint(written: &Endpoint) -> (String, Option<String>) {
    let port = written.port.as_ref().map(ToString::to_string);
    (written.host.to_string(), port)
}

#[derive(Serialize)]
struct ServiceView<'a> {
    service: String,
    line: u32,
    host: Option<String>,
    port: Option<String>,
    scheduler: Option<&'a str>,
    scheduler_flags: Vec<&'static str>,
    persistence: Option<PersistenceView>,
    one_packet: bool,
    quiescent: bool,
    clean_stop: bool,
    failure_count: u32,
    #[serde(flatten)]
    policy: PolicyView,
    fallback: Option<FallbackView>,
    fallback_command: Option<&'a [String]>,
    monitor_file: Option<&'a str>,
    service_name: Option<&'a str>,
    comment: Option<&'a str>,
    mail: MailView<'a>,
    check: CheckView<'a>,
    reals: Vec<RealView<'a>>,
}

impl<'a> ServiceView<'a> {
    fn of(service: &'a VirtualService) -> Self {
        let (host, port) = service.written.as_ref().map(endpoint).unzip();
        let attributes = &service.service;
        Self {
            service: service.key.to_string(),
            line: service.line.0,
            host,
            port: port.flatten(),
            scheduler: attributes
                .scheduler
                .as_ref()
                .map(crate::model::Scheduler::name),
            scheduler_flags: attributes.flags.names(attributes.scheduler.as_ref()),
            persistence: attributes.persistence.map(|persistence| PersistenceView {
                timeout_s: persistence.timeout,
                netmask: persistence.netmask.to_string(),
            }),
            one_packet: attributes.one_packet,
            quiescent: service.quiescent,
            clean_stop: service.clean_stop,
            failure_count: service.failure_count,
            policy: PolicyView::of(&service.policy),
            fallback: service.fallback.as_ref().map(FallbackView::of),
            fallback_command: service
                .fallback_command
                .as_ref()
                .map(|c| c.words.as_slice()),
            monitor_file: path(service.monitor_file.as_ref()),
            service_name: service.service_name.as_deref(),
            comment: service.comment.as_deref(),
            mail: MailView::of(&service.mail),
            check: CheckView::of(&service.check),
            reals: service.reals.iter().map(RealView::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct PolicyView {
    rise: u32,
    fast_interval_s: u64,
    slow_start_s: u64,
    flap_damping: String,
    floor_percent: u8,
    response_weight: bool,
    external_weight: bool,
}

impl PolicyView {
    fn of(policy: &Policy) -> Self {
        let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs());
        Self {
            rise: policy.rise,
            fast_interval_s: seconds(policy.fast_interval),
            slow_start_s: seconds(policy.slow_start),
            flap_damping: super::print::damping(policy),
            floor_percent: policy.floor,
            response_weight: policy.response_weight,
            external_weight: policy.external_weight,
        }
    }
}

#[derive(Serialize)]
struct PersistenceView {
    timeout_s: u32,
    netmask: String,
}

#[derive(Serialize)]
struct CheckView<'a> {
    r#type: String,
    service: &'static str,
    port: Option<u16>,
    agent_port: Option<u16>,
    agent_interval_s: Option<u64>,
    check_timeout_s: u64,
    negotiate_timeout_s: u64,
    interval_s: u64,
    ping_attempts: u32,
    command: &'a str,
    request: Option<&'a str>,
    receive: Option<&'a str>,
    http_method: &'static str,
    status: Option<String>,
    redirects: Option<&'static str>,
    request_headers: Vec<String>,
    request_body: Option<&'a str>,
    expect_headers: Vec<String>,
    json: Vec<String>,
    invert: Option<bool>,
    http_auth: Option<&'static str>,
    http_version: Option<&'static str>,
    tls: Option<TlsView<'a>>,
    virtual_host: Option<&'a str>,
    login: Option<&'a str>,
    password: Option<&'static str>,
    database: Option<&'a str>,
    secret: Option<&'static str>,
    dns_type: Option<&'static str>,
    dns_transport: Option<&'static str>,
    dialogue: Option<Vec<StepView<'a>>>,
    #[serde(flatten)]
    way: WayView<'a>,
}

/// A step of a dialogue as written.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum StepView<'a> {
    Send(std::borrow::Cow<'a, str>),
    Expect(&'a str),
}

impl<'a> StepView<'a> {
    fn written(step: &'a WrittenStep) -> Self {
        match step {
            WrittenStep::Send(text) => Self::Send(text.into()),
            WrittenStep::Expect(pattern) => Self::Expect(&pattern.0),
        }
    }

    fn of(step: &'a DialogueStep) -> Self {
        match step {
            DialogueStep::Send(bytes) => Self::Send(String::from_utf8_lossy(bytes)),
            DialogueStep::Expect(pattern) => Self::Expect(&pattern.0),
        }
    }
}

/// How a check leaves this host.
#[derive(Serialize, Default)]
struct WayView<'a> {
    source: Option<std::net::IpAddr>,
    interface: Option<&'a str>,
    mark: Option<u32>,
    proxy_protocol: Option<u32>,
}

impl<'a> WayView<'a> {
    fn of(way: &'a Way) -> Self {
        Self {
            source: way.source,
            interface: way.interface.as_ref().map(InterfaceName::as_str),
            mark: way.mark,
            proxy_protocol: way.proxy.map(ProxyHeader::number),
        }
    }
}

impl<'a> CheckView<'a> {
    fn of(check: &'a CheckSettings) -> Self {
        let http = &check.http;
        let is_http = check.service.is_http() && check.kind.negotiates();
        Self {
            r#type: check.kind.to_string(),
            service: check.service.name(),
            port: check.port,
            agent_port: check.agent.map(|agent| agent.port),
            agent_interval_s: check.agent.map(|agent| agent.interval.as_secs()),
            check_timeout_s: check.check_timeout.as_secs(),
            negotiate_timeout_s: check.negotiate_timeout.as_secs(),
            interval_s: check.interval.as_secs(),
            ping_attempts: check.ping_attempts,
            command: &check.command,
            request: Some(check.written_request()).filter(|request| !request.is_empty()),
            receive: check.receive.as_ref().map(|receive| receive.0.as_str()),
            http_method: check.http_method.word(),
            status: http.statuses.as_ref().map(ToString::to_string),
            redirects: is_http.then(|| http.redirects.word()),
            request_headers: http.headers.iter().map(header).collect(),
            request_body: http.body.as_deref(),
            expect_headers: http.expected_headers.iter().map(expected_header).collect(),
            json: http.json.iter().map(expected_json).collect(),
            invert: http.invert.then_some(true),
            http_auth: http.basic.then_some("basic"),
            http_version: is_http.then(|| http.version.word()),
            tls: check.tls_client.as_ref().map(|_| TlsView::of(&check.tls)),
            virtual_host: check.virtual_host.as_deref(),
            login: check.login.as_deref(),
            password: check.password.as_ref().map(|_| MASK),
            database: check.database.as_deref(),
            secret: check.secret.as_ref().map(|_| MASK),
            dns_type: check.dns_kind.map(DnsKind::word),
            dns_transport: check.dns_transport.map(Transport::word),
            dialogue: match &check.steps[..] {
                [] => None,
                steps => Some(steps.iter().map(StepView::written).collect()),
            },
            way: check.way.as_deref().map(WayView::of).unwrap_or_default(),
        }
    }
}

/// A header line of a request; a secret is masked.
fn header(header: &HttpHeader) -> String {
    let value = if header.is_secret() {
        MASK
    } else {
        header.value.expose()
    };
    format!("{}: {value}", header.name)
}

#[derive(Serialize)]
struct TlsView<'a> {
    verify: bool,
    ca: Option<&'a str>,
    name: Option<&'a str>,
    certificate: Option<&'a str>,
    key: Option<&'a str>,
    min_version: &'static str,
    expiry_days: Option<u32>,
}

impl<'a> TlsView<'a> {
    fn of(tls: &'a TlsSettings) -> Self {
        Self {
            verify: tls.verify,
            ca: path(tls.authorities.as_ref()),
            name: tls.name.as_ref().map(tls_name),
            certificate: path(tls.certificate.as_ref()),
            key: path(tls.key.as_ref()),
            min_version: tls.minimum.word(),
            expiry_days: tls.expiry_days,
        }
    }
}

#[derive(Serialize)]
struct RealView<'a> {
    destination: String,
    line: u32,
    host: String,
    port: Option<String>,
    forwarding: &'static str,
    weight: u32,
    lower_threshold: u32,
    upper_threshold: u32,
    request: Option<&'a str>,
    receive: Option<&'a str>,
    check: RealCheckView<'a>,
}

impl<'a> RealView<'a> {
    fn of(real: &'a RealServer) -> Self {
        let (host, port) = endpoint(&real.written);
        let destination = &real.destination;
        let exchange = real.exchange.as_deref();
        Self {
            destination: destination.key.to_string(),
            line: real.line.0,
            host,
            port,
            forwarding: destination.forwarding.word(),
            weight: destination.weight,
            lower_threshold: destination.lower_threshold,
            upper_threshold: destination.upper_threshold,
            request: exchange.map(|exchange| exchange.request.as_str()),
            receive: exchange
                .and_then(|exchange| exchange.receive.as_ref())
                .map(|receive| receive.0.as_str()),
            check: RealCheckView::of(&real.check),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum RealCheckView<'a> {
    /// Not checked, always available.
    Always,
    /// Not checked, never available.
    Off,
    /// Checked.
    Probe {
        target: String,
        interval_s: u64,
        /// Connects between two of the first probe, with two probes.
        #[serde(skip_serializing_if = "Option::is_none")]
        connects: Option<u32>,
        probes: Vec<ProbeView<'a>>,
    },
}

impl<'a> RealCheckView<'a> {
    fn of(check: &'a RealCheck) -> Self {
        let check: &Check = match check {
            RealCheck::Always => return Self::Always,
            RealCheck::Off => return Self::Off,
            RealCheck::Probe(check) => check,
        };
        let (connects, probes) = match &check.method {
            Method::Single(probe) => (None, vec![ProbeView::of(probe)]),
            Method::Combined {
                negotiate,
                connect,
                connects,
            } => (
                Some(*connects),
                vec![ProbeView::of(negotiate), ProbeView::of(connect)],
            ),
        };
        Self::Probe {
            target: check.target.to_string(),
            interval_s: check.interval.as_secs(),
            connects,
            probes,
        }
    }
}

#[derive(Serialize)]
struct ProbeView<'a> {
    timeout_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    way: Option<WayView<'a>>,
    #[serde(flatten)]
    kind: KindView<'a>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum KindView<'a> {
    Connect,
    Ping {
        attempts: u32,
    },
    Http {
        tls: bool,
        method: &'static str,
        path: &'a str,
        host: &'a str,
        receive: Option<&'a str>,
        /// Name in the TLS hello.
        #[serde(skip_serializing_if = "Option::is_none")]
        tls_name: Option<&'a str>,
    },
    SimpleTcp {
        send: String,
        receive: Option<&'a str>,
    },
    External {
        command: &'a str,
        perl: bool,
        arguments: &'a [String],
    },
    Ftp {
        login: Option<&'a str>,
        path: &'a str,
        receive: Option<&'a str>,
    },
    Smtp,
    Submission,
    Pop {
        tls: bool,
        login: Option<&'a str>,
    },
    Imap {
        tls: bool,
        login: Option<&'a str>,
    },
    Nntp,
    Ldap {
        tls: bool,
        bind: Option<&'a str>,
        base: &'a str,
        receive: Option<&'a str>,
    },
    Dns {
        transport: &'static str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        r#type: Option<&'static str>,
        receive: Option<&'a str>,
    },
    Sql {
        engine: &'static str,
        login: Option<&'a str>,
        database: &'a str,
        query: &'a str,
    },
    Radius {
        login: &'a str,
    },
    Sip {
        transport: &'static str,
        login: Option<&'a str>,
    },
    Redis {
        login: Option<&'a str>,
        command: &'a str,
        receive: Option<&'a str>,
    },
    Dialogue {
        steps: Vec<StepView<'a>>,
    },
    Grpc {
        tls: bool,
        name: &'a str,
        authority: Option<&'a str>,
    },
    Udp {
        send: String,
        receive: Option<&'a str>,
    },
    Agent,
}

/// A pattern as written.
fn text(pattern: Option<&Pattern>) -> Option<&str> {
    pattern.map(|pattern| pattern.0.as_str())
}

/// A login without its password.
fn name(login: Option<&Login>) -> Option<&str> {
    login.map(|login| login.name.as_str())
}

impl<'a> ProbeView<'a> {
    fn of(probe: &'a Probe) -> Self {
        let kind = match &probe.kind {
            ProbeKind::Connect => KindView::Connect,
            ProbeKind::Ping { attempts } => KindView::Ping {
                attempts: *attempts,
            },
            ProbeKind::Http(http) => KindView::Http {
                tls: http.tls.is_some(),
                tls_name: http.tls.as_ref().map(|tls| tls_name(&tls.name)),
                method: http.method.word(),
                path: &http.path,
                host: &http.host,
                receive: text(http.receive.as_ref()),
            },
            ProbeKind::SimpleTcp(exchange) => KindView::SimpleTcp {
                send: String::from_utf8_lossy(&exchange.send).into_owned(),
                receive: text(exchange.receive.as_ref()),
            },
            ProbeKind::External(external) => KindView::External {
                command: &external.command,
                perl: external.interpreter == Interpreter::Perl,
                arguments: &external.arguments,
            },
            ProbeKind::Ftp(ftp) => KindView::Ftp {
                login: name(ftp.login.as_ref()),
                path: &ftp.path,
                receive: text(ftp.receive.as_ref()),
            },
            ProbeKind::Smtp(smtp) if smtp.submission => KindView::Submission,
            ProbeKind::Smtp(_) => KindView::Smtp,
            ProbeKind::Pop(pop) => KindView::Pop {
                tls: pop.tls.is_some(),
                login: name(pop.login.as_ref()),
            },
            ProbeKind::Imap(imap) => KindView::Imap {
                tls: imap.tls.is_some(),
                login: name(imap.login.as_ref()),
            },
            ProbeKind::Nntp => KindView::Nntp,
            ProbeKind::Ldap(ldap) => KindView::Ldap {
                tls: ldap.tls.is_some(),
                bind: name(ldap.bind.as_ref()),
                base: &ldap.base,
                receive: text(ldap.receive.as_ref()),
            },
            ProbeKind::Dns(dns) => KindView::Dns {
                transport: dns.transport.word(),
                name: &dns.name,
                r#type: dns.kind.map(DnsKind::word),
                receive: text(dns.receive.as_ref()),
            },
            ProbeKind::Sql(sql) => KindView::Sql {
                engine: sql.database.word(),
                login: name(sql.login.as_ref()),
                database: &sql.name,
                query: &sql.query,
            },
            ProbeKind::Radius(radius) => KindView::Radius {
                login: &radius.login.name,
            },
            ProbeKind::Agent => KindView::Agent,
            ProbeKind::Sip(sip) => KindView::Sip {
                transport: sip.transport.word(),
                login: sip.login.as_deref(),
            },
            ProbeKind::Redis(redis) => KindView::Redis {
                login: name(redis.login.as_ref()),
                command: &redis.command,
                receive: text(redis.receive.as_ref()),
            },
            ProbeKind::Dialogue(dialogue) => KindView::Dialogue {
                steps: dialogue.steps.iter().map(StepView::of).collect(),
            },
            ProbeKind::Grpc(grpc) => KindView::Grpc {
                tls: grpc.tls.is_some(),
                name: &grpc.name,
                authority: grpc.authority.as_deref(),
            },
            ProbeKind::Udp(udp) => KindView::Udp {
                send: String::from_utf8_lossy(&udp.send).into_owned(),
                receive: text(udp.receive.as_ref()),
            },
        };
        Self {
            timeout_s: probe.timeout.as_secs_f64(),
            way: probe.way.as_deref().map(WayView::of),
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Names, ldirectord};

    const TEXT: &str = "fallback=127.0.0.1 masq
virtual=192.0.2.100:80
    real=192.0.2.21:8080 masq 2 \"a\", \"b\" l:1 u:9
    real=192.0.2.22:80 masq
    checktype=2
    passwd=\"hidden\"
    secret=\"hidden\"
    scheduler=sh
    schedflags=sh-port
    persistent=60
virtual6=7
    real6=[2001:db8::21] gate
    checktype=ping
";

    fn config(text: &str) -> Config {
        let parsed = ldirectord::parse(text.as_bytes(), "test.cf");
        parsed.resolve(&Names::default()).unwrap().config
    }

    #[test]
    fn every_default_is_filled_in() {
        let shown: serde_json::Value = serde_json::from_str(&to_json(&config(TEXT))).unwrap();
        let globals = &shown["globals"];
        assert_eq!(globals["check_interval_s"], 10);
        assert_eq!(globals["fallback"]["forwarding"], "masq");
        assert_eq!(globals["fallback"]["port"], serde_json::Value::Null);
        assert_eq!(globals["log"]["file"], "/var/log/ldirectord.log");
        let service = &shown["services"][0];
        assert_eq!(service["service"], "tcp:192.0.2.100:80");
        assert_eq!(service["line"], 2);
        assert_eq!(service["scheduler_flags"][0], "sh-port");
        assert_eq!(service["persistence"]["netmask"], "255.255.255.255");
        assert_eq!(service["fallback"]["destination"], "127.0.0.1:80");
        let real = &service["reals"][0];
        assert_eq!(real["destination"], "192.0.2.21:8080");
        assert_eq!(
            (&real["request"], &real["receive"]),
            (&"a".into(), &"b".into())
        );
        assert_eq!(
            (&real["lower_threshold"], &real["upper_threshold"]),
            (&1.into(), &9.into())
        );
        let check = &real["check"];
        assert_eq!(
            (&check["state"], &check["connects"]),
            (&"probe".into(), &2.into())
        );
        assert_eq!(check["probes"][0]["kind"], "http");
        assert_eq!(check["probes"][0]["path"], "/a");
        assert_eq!(check["probes"][1]["kind"], "connect");
        let mark = &shown["services"][1];
        assert_eq!(mark["service"], "fwm6:7");
        assert_eq!(mark["reals"][0]["check"]["probes"][0]["attempts"], 1);
    }

    #[test]
    fn passwords_and_secrets_are_masked() {
        let config = config(TEXT);
        for text in [to_yaml(&config), to_json(&config)] {
            assert!(!text.contains("hidden"));
            assert_eq!(text.matches(MASK).count(), 2, "{text}");
        }
    }

    #[test]
    fn both_formats_have_the_same_content() {
        let config = config(TEXT);
        let yaml: serde_json::Value = serde_yaml::from_str(&to_yaml(&config)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&to_json(&config)).unwrap();
        assert_eq!(yaml, json);
    }
}
