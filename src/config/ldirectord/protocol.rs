//! From check settings to the probes of the lesser protocols.

use super::lower::{Problem, is_udp};
use crate::config::effective::CheckSettings;
use crate::model::{
    Database, DnsProbe, FtpProbe, ImapProbe, LdapProbe, Login, Pattern, PopProbe, ProbeKind,
    RadiusProbe, Secret, ServiceKey, SipProbe, SmtpProbe, SqlProbe, Transport,
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
            // A firewall mark has no protocol: names are asked over UDP.
            let is_tcp = transport == Transport::Tcp && matches!(key, ServiceKey::Address { .. });
            ProbeKind::Dns(DnsProbe {
                transport: if is_tcp {
                    Transport::Tcp
                } else {
                    Transport::Udp
                },
                name: request,
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
    login(settings).or_else(|| {
        Some(Login {
            name: "anonymous".to_owned(),
            password: Secret::new(settings.password.clone()?),
        })
    })
}

pub(super) fn login(settings: &CheckSettings) -> Option<Login> {
    let name = settings.login.clone()?;
    Some(Login {
        name,
        password: Secret::new(settings.password.clone().unwrap_or_default()),
    })
}
