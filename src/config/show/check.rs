//! Check settings.

use serde::Serialize;

use super::{MASK, path};
use crate::config::effective::{CheckSettings, WrittenStep};
use crate::config::http::{expected_header, expected_json};
use crate::config::tls::{TlsSettings, name as tls_name};
use crate::model::{DialogueStep, DnsKind, HttpHeader, InterfaceName, ProxyHeader, Transport, Way};

#[derive(Serialize)]
pub(super) struct CheckView<'a> {
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
pub(super) enum StepView<'a> {
    Send(std::borrow::Cow<'a, str>),
    Expect(&'a str),
}

impl<'a> StepView<'a> {
    pub(super) fn written(step: &'a WrittenStep) -> Self {
        match step {
            WrittenStep::Send(text) => Self::Send(text.into()),
            WrittenStep::Expect(pattern) => Self::Expect(&pattern.0),
        }
    }

    pub(super) fn of(step: &'a DialogueStep) -> Self {
        match step {
            DialogueStep::Send(bytes) => Self::Send(String::from_utf8_lossy(bytes)),
            DialogueStep::Expect(pattern) => Self::Expect(&pattern.0),
        }
    }
}

/// How a check leaves this host.
#[derive(Serialize, Default)]
pub(super) struct WayView<'a> {
    source: Option<std::net::IpAddr>,
    interface: Option<&'a str>,
    mark: Option<u32>,
    proxy_protocol: Option<u32>,
}

impl<'a> WayView<'a> {
    pub(super) fn of(way: &'a Way) -> Self {
        Self {
            source: way.source,
            interface: way.interface.as_ref().map(InterfaceName::as_str),
            mark: way.mark,
            proxy_protocol: way.proxy.map(ProxyHeader::number),
        }
    }
}

impl<'a> CheckView<'a> {
    pub(super) fn of(check: &'a CheckSettings) -> Self {
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
