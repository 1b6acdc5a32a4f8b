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
            login: login(settings),
            path: request,
            receive,
        }),
        word @ ("smtp" | "submission") => ProbeKind::Smtp(SmtpProbe {
            submission: word == "submission",
        }),
        word @ ("pop" | "pops") => ProbeKind::Pop(PopProbe {
            tls: word == "pops",
            login: login(settings),
        }),
        word @ ("imap" | "imaps") => ProbeKind::Imap(ImapProbe {
            tls: word == "imaps",
            login: login(settings),
        }),
        "nntp" => ProbeKind::Nntp,
        word @ ("ldap" | "ldaps") => ProbeKind::Ldap(LdapProbe {
            tls: word == "ldaps",
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

fn sql(database: Database, settings: &CheckSettings, query: String) -> ProbeKind {
    ProbeKind::Sql(SqlProbe {
        database,
        login: login(settings),
        name: settings.database.clone().unwrap_or_default(),
        query,
    })
}

fn login(settings: &CheckSettings) -> Option<Login> {
    let name = settings.login.clone()?;
    Some(Login {
        name,
        password: Secret::new(settings.password.clone().unwrap_or_default()),
    })
}
