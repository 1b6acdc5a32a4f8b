//! What is done to a real server.

use serde::Serialize;

use super::check::{StepView, WayView};
use crate::config::tls::name as tls_name;
use crate::model::{DnsKind, Interpreter, Login, Pattern, Probe, ProbeKind};

#[derive(Serialize)]
pub(super) struct ProbeView<'a> {
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
    Path {
        service: String,
        delivery: &'static str,
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
    pub(super) fn of(probe: &'a Probe) -> Self {
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
            ProbeKind::Path(path) => KindView::Path {
                service: path.service.to_string(),
                delivery: path.delivery.word(),
            },
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
