//! From check settings to the probes of the lesser protocols.

use std::net::IpAddr;

use super::escape::unescape;
use super::lower::{Problem, is_udp};
use crate::config::effective::{CheckSettings, WrittenStep};
use crate::model::{
    Database, DialogueProbe, DialogueStep, DnsKind, DnsProbe, FtpProbe, GrpcProbe, ImapProbe,
    LdapProbe, Login, Pattern, PopProbe, ProbeKind, RadiusProbe, RedisProbe, Secret, ServiceKey,
    SipProbe, SmtpProbe, SqlProbe, Transport, UdpProbe,
};

/// The probe of a service that is none of the HTTP family. `request` has no slash in front.
pub(super) fn probe(
    settings: &CheckSettings,
    key: &ServiceKey,
    request: &str,
    receive: Option<Pattern>,
) -> Result<ProbeKind, Problem> {
    let request = request.to_owned();
    let transport = if is_udp(key) {
        Transport::Udp
    } else {
        Transport::Tcp
    };
    Ok(match settings.service.name() {
        "ftp" => ProbeKind::Ftp(FtpProbe {
            login: ftp_login(settings),
            path: request,
            receive,
        }),
        word @ ("smtp" | "submission") => ProbeKind::Smtp(SmtpProbe {
            submission: word == "submission",
        }),
        "pop" | "pops" => ProbeKind::Pop(PopProbe {
            tls: settings.tls_client.clone(),
            login: login(settings),
        }),
        "imap" | "imaps" => ProbeKind::Imap(ImapProbe {
            tls: settings.tls_client.clone(),
            login: login(settings),
        }),
        "nntp" => ProbeKind::Nntp,
        "ldap" | "ldaps" => ProbeKind::Ldap(LdapProbe {
            tls: settings.tls_client.clone(),
            bind: login(settings).filter(|login| !login.password.expose().is_empty()),
            base: request,
            receive,
        }),
        "dns" => {
            if request.is_empty() {
                return Err(Problem {
                    message: "a dns check needs a name to ask for".to_owned(),
                    help: "write request=\"NAME\", or an address for a reverse lookup",
                });
            }
            refuse_address(settings.dns_kind, &request)?;
            ProbeKind::Dns(DnsProbe {
                transport: dns_transport(settings, key),
                name: request,
                kind: settings.dns_kind,
                receive,
            })
        }
        "radius" => ProbeKind::Radius(RadiusProbe {
            login: login(settings).unwrap_or_else(|| Login {
                name: String::new(),
                password: Secret::new(settings.password.clone().unwrap_or_default()),
            }),
            secret: Secret::new(settings.secret.clone().unwrap_or_default()),
        }),
        "sip" => ProbeKind::Sip(SipProbe {
            transport,
            login: settings.login.clone(),
        }),
        "redis" => ProbeKind::Redis(RedisProbe {
            login: login(settings).or_else(|| password_alone(settings, "")),
            command: request,
            receive,
        }),
        "grpc" | "grpcs" => ProbeKind::Grpc(GrpcProbe {
            tls: settings.tls_client.clone(),
            name: request,
            authority: settings.virtual_host.clone(),
        }),
        "udp" => ProbeKind::Udp(UdpProbe {
            send: unescape(&request).map_err(|mistake| Problem {
                message: format!("invalid payload: {mistake}"),
                help: "write \\n, \\r, \\t, \\xNN for any byte and \\\\ for a backslash",
            })?,
            receive,
        }),
        "dialogue" => dialogue(settings, &request)?,
        "mysql" => sql(Database::Mysql, settings, request),
        "pgsql" => sql(Database::Pgsql, settings, request),
        _ => sql(Database::Oracle, settings, request),
    })
}

/// What is missing or in vain in a probe, and what to do about it.
pub(super) fn note(kind: &ProbeKind) -> Option<(String, &'static str)> {
    let ProbeKind::Sql(sql) = kind else {
        return None;
    };
    let word = sql.database.word();
    match sql.database {
        Database::Mysql | Database::Pgsql if sql.login.is_none() || sql.query.is_empty() => Some((
            format!("a {word} check without login= and request= always fails"),
            "write login= and a query that gives a row, such as request=\"SELECT 1\"",
        )),
        Database::Oracle if sql.login.is_some() || !sql.query.is_empty() => Some((
            format!("an {word} check asks the listener only: login= and request= are not used"),
            "checktype=external with a program of the vendor's client can log in and query",
        )),
        _ => None,
    }
}

fn sql(database: Database, settings: &CheckSettings, query: String) -> ProbeKind {
    ProbeKind::Sql(SqlProbe {
        database,
        login: login(settings),
        name: settings.database.clone().unwrap_or_default(),
        query,
    })
}

/// A password alone is that of `anonymous`.
fn ftp_login(settings: &CheckSettings) -> Option<Login> {
    login(settings).or_else(|| password_alone(settings, "anonymous"))
}

/// The login of a user who need not be named.
fn password_alone(settings: &CheckSettings, name: &str) -> Option<Login> {
    Some(Login {
        name: name.to_owned(),
        password: Secret::new(settings.password.clone()?),
    })
}

/// How a name server is asked: as was said, else as the virtual service is. A firewall mark
/// has no protocol: UDP.
pub(super) fn dns_transport(settings: &CheckSettings, key: &ServiceKey) -> Transport {
    let is_tcp = !is_udp(key) && matches!(key, ServiceKey::Address { .. });
    let of_service = if is_tcp {
        Transport::Tcp
    } else {
        Transport::Udp
    };
    settings.dns_transport.unwrap_or(of_service)
}

/// An address has a name and nothing else.
fn refuse_address(kind: Option<DnsKind>, request: &str) -> Result<(), Problem> {
    if request.parse::<IpAddr>().is_ok() && kind.is_some_and(|kind| kind != DnsKind::Ptr) {
        return Err(Problem {
            message: "an address is asked for its name only".to_owned(),
            help: "write dnstype=PTR, or a name in request",
        });
    }
    Ok(())
}

fn dialogue(settings: &CheckSettings, request: &str) -> Result<ProbeKind, Problem> {
    if !request.is_empty() {
        return Err(Problem {
            message: "a request has no meaning with service=dialogue".to_owned(),
            help: "write send=\"…\" and expect=\"…\" lines in the section",
        });
    }
    let step = |step: &WrittenStep| match step {
        WrittenStep::Send(text) => Some(DialogueStep::Send(unescape(text).ok()?)),
        WrittenStep::Expect(pattern) => Some(DialogueStep::Expect(pattern.clone())),
    };
    // What could not be undone was refused where it was read.
    Ok(ProbeKind::Dialogue(DialogueProbe {
        steps: settings.steps.iter().filter_map(step).collect(),
    }))
}

pub(super) fn login(settings: &CheckSettings) -> Option<Login> {
    let name = settings.login.clone()?;
    Some(Login {
        name,
        password: Secret::new(settings.password.clone().unwrap_or_default()),
    })
}
