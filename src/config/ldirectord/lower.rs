//! From check settings and one real server to the check that is run.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::protocol;
use crate::config::effective::{CheckSettings, CheckType, Exchange, RealCheck, ServiceType};
use crate::config::names::{Host, Names, ends_in_a_number, inet_aton};
use crate::model::{
    Check, ExternalProbe, Family, HttpProbe, Interpreter, Method, Pattern, Probe, ProbeKind,
    Protocol, ServiceKey, SimpleTcpProbe, Way,
};

/// One real server of a service.
pub(super) struct Target<'a> {
    pub(super) key: &'a ServiceKey,
    pub(super) address: IpAddr,
    /// Port as written; 0 when none was.
    pub(super) port: u16,
    pub(super) exchange: Option<&'a Exchange>,
}

/// Why a real server cannot be checked.
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: &'static str,
}

/// A request as it is kept: beginning with a slash. The services of our own take it as it
/// is written, so it always gets one more.
pub(super) fn kept_request(service: ServiceType, request: &str) -> String {
    if request.starts_with('/') && !service.is_beyond() {
        request.to_owned()
    } else {
        format!("/{request}")
    }
}

/// The check of one real server.
pub(super) fn check(
    settings: &CheckSettings,
    target: &Target<'_>,
    names: &Names,
) -> Result<RealCheck, Problem> {
    let speaks_none = settings.service == ServiceType::NONE;
    let negotiates = match settings.kind {
        CheckType::On => return Ok(RealCheck::Always),
        CheckType::Off => return Ok(RealCheck::Off),
        CheckType::Negotiate | CheckType::Combined(0) if speaks_none => {
            return Ok(RealCheck::Always);
        }
        CheckType::Negotiate | CheckType::Combined(_) => !speaks_none,
        _ => false,
    };
    let (address, method) = match settings.kind {
        CheckType::External => external(settings, target, Interpreter::None),
        CheckType::ExternalPerl => external(settings, target, Interpreter::Perl),
        CheckType::Ping => ping(settings, target),
        CheckType::Negotiate | CheckType::Combined(0) => {
            let (address, probe) = negotiate(settings, target, names)?;
            (address, Method::Single(probe))
        }
        CheckType::Combined(connects) if negotiates => {
            let (address, negotiate) = negotiate(settings, target, names)?;
            let (_, connect) = connect(settings, target)?;
            let method = Method::Combined {
                negotiate,
                connect,
                connects,
            };
            (address, method)
        }
        _ => {
            let (address, probe) = connect(settings, target)?;
            (address, Method::Single(probe))
        }
    };
    Ok(RealCheck::Probe(Arc::new(Check {
        target: address,
        method,
        interval: settings.interval,
    })))
}

/// The check of its agent; none for a server that is never used.
pub(super) fn agent(
    settings: &CheckSettings,
    target: &Target<'_>,
    check: &RealCheck,
) -> Option<Arc<Check>> {
    let agent = settings.agent.filter(|_| *check != RealCheck::Off)?;
    // It leaves as the other checks do, but the PROXY header is the service's, not the agent's.
    let way = settings.way.as_deref().map(|way| Way {
        proxy: None,
        ..way.clone()
    });
    let probe = Probe {
        kind: ProbeKind::Agent,
        timeout: settings.check_timeout,
        way: way.filter(|way| *way != Way::default()).map(Arc::new),
    };
    Some(Arc::new(Check {
        target: SocketAddr::new(target.address, agent.port),
        method: Method::Single(probe),
        interval: agent.interval,
    }))
}

/// Port that checks contact: the one set for checks, the real server's own, the usual
/// one of what is spoken, that of the virtual service. ldirectord lacks the last.
fn contacted(settings: &CheckSettings, key: &ServiceKey, port: u16) -> Option<u16> {
    let known = |port: u16| (port > 0).then_some(port);
    settings
        .port
        .or(known(port))
        .or(settings.service.port())
        .or(known(key.port()))
}

/// What is doubtful about the port that checks contact, if anything is.
pub(super) fn port_note(settings: &CheckSettings, key: &ServiceKey, port: u16) -> Option<String> {
    let contacts = match settings.kind {
        CheckType::Connect | CheckType::Combined(_) => !is_udp(key),
        CheckType::Negotiate => settings.service != ServiceType::NONE,
        _ => false,
    };
    let own = key.port();
    if !contacts || port != 0 || settings.port.is_some() || own == 0 {
        return None;
    }
    match settings.service.port() {
        Some(usual) if usual == own => None,
        Some(usual) => Some(format!(
            "the real server has no port: it is checked on port {usual}, the usual one of {}, while traffic goes to port {own}",
            settings.service.name()
        )),
        None => Some(format!(
            "the real server has no port: it is checked on port {own}, that of the virtual service"
        )),
    }
}

pub(super) fn is_udp(key: &ServiceKey) -> bool {
    matches!(
        key,
        ServiceKey::Address {
            protocol: Protocol::Udp,
            ..
        }
    )
}

fn socket(settings: &CheckSettings, target: &Target<'_>) -> Result<SocketAddr, Problem> {
    match contacted(settings, target.key, target.port) {
        Some(port) => Ok(SocketAddr::new(target.address, port)),
        None => Err(Problem {
            message: "there is no port to check: neither the real server nor the service names one"
                .to_owned(),
            help: "write the port after the real server, or checkport=PORT, or checktype=ping",
        }),
    }
}

/// A TCP connection; UDP has none, so the host is pinged.
fn connect(settings: &CheckSettings, target: &Target<'_>) -> Result<(SocketAddr, Probe), Problem> {
    if is_udp(target.key) {
        let (address, probe) = ping_probe(settings, target);
        return Ok((address, probe));
    }
    let probe = probe(settings, ProbeKind::Connect, settings.check_timeout);
    Ok((socket(settings, target)?, probe))
}

fn ping(settings: &CheckSettings, target: &Target<'_>) -> (SocketAddr, Method) {
    let (address, probe) = ping_probe(settings, target);
    (address, Method::Single(probe))
}

/// The port is left out, so that services on one host share the check.
fn ping_probe(settings: &CheckSettings, target: &Target<'_>) -> (SocketAddr, Probe) {
    let attempts = settings.ping_attempts;
    let timeout = settings.check_timeout.saturating_mul(attempts);
    let probe = probe(settings, ProbeKind::Ping { attempts }, timeout);
    (SocketAddr::new(target.address, 0), probe)
}

/// A program with four arguments: virtual address or mark, its port, real address, its
/// port.
fn external(
    settings: &CheckSettings,
    target: &Target<'_>,
    interpreter: Interpreter,
) -> (SocketAddr, Method) {
    let of_service = match target.key {
        ServiceKey::Address { address, .. } => Host::Address(*address).to_string(),
        ServiceKey::Mark { mark, .. } => mark.to_string(),
    };
    let probe = ExternalProbe {
        command: settings.command.clone(),
        interpreter,
        arguments: vec![
            of_service,
            target.key.port().to_string(),
            Host::Address(target.address).to_string(),
            target.port.to_string(),
        ],
    };
    let probe = Probe::new(ProbeKind::External(probe), settings.check_timeout);
    (
        SocketAddr::new(target.address, target.port),
        Method::Single(probe),
    )
}

fn negotiate(
    settings: &CheckSettings,
    target: &Target<'_>,
    names: &Names,
) -> Result<(SocketAddr, Probe), Problem> {
    let (request, receive) = match target.exchange {
        Some(own) => (kept_request(settings.service, &own.request), &own.receive),
        None => (settings.request.clone(), &settings.receive),
    };
    // Most have a request with a slash that was only put in front.
    let plain = &request[1..];
    let receive = receive.clone();
    let kind = match settings.service.name() {
        "http" | "https" => {
            let (address, kind) = http(settings, target, names, &request, receive)?;
            return Ok((address, probe(settings, kind, settings.negotiate_timeout)));
        }
        "http_proxy" => proxy(settings, &request, receive)?,
        "simpletcp" => ProbeKind::SimpleTcp(SimpleTcpProbe {
            send: plain.replace("\\n", "\n").into_bytes(),
            receive,
        }),
        _ => protocol::probe(settings, target.key, plain, receive)?,
    };
    Ok((
        socket(settings, target)?,
        probe(settings, kind, settings.negotiate_timeout),
    ))
}

/// A probe that leaves as the settings say.
fn probe(settings: &CheckSettings, kind: ProbeKind, timeout: Duration) -> Probe {
    Probe {
        way: settings.way.clone(),
        ..Probe::new(kind, timeout)
    }
}

fn http(
    settings: &CheckSettings,
    target: &Target<'_>,
    names: &Names,
    request: &str,
    receive: Option<Pattern>,
) -> Result<(SocketAddr, ProbeKind), Problem> {
    let tls = settings.tls_client.clone();
    let scheme = if tls.is_some() {
        "/https://"
    } else {
        "/http://"
    };
    let has_url = target.exchange.is_some() && request.starts_with(scheme);
    let (address, path) = if has_url {
        url_target(target, names, &request[1..])?
    } else {
        (socket(settings, target)?, escaped(request))
    };
    let host = settings
        .virtual_host
        .clone()
        .unwrap_or_else(|| Host::Address(target.address).to_string());
    let probe = HttpProbe {
        tls,
        path,
        host,
        receive,
        ..wanted(settings)
    };
    Ok((address, ProbeKind::Http(probe)))
}

/// What is the same in all HTTP requests of a service.
fn wanted(settings: &CheckSettings) -> HttpProbe {
    let http = &settings.http;
    HttpProbe {
        version: http.version,
        method: settings.http_method,
        headers: http.headers.clone(),
        body: http.body.clone(),
        login: protocol::login(settings).filter(|_| http.basic),
        statuses: http.statuses.clone(),
        redirects: http.redirects,
        expected_headers: http.expected_headers.clone(),
        invert: http.invert,
        json: http.json.clone(),
        ..HttpProbe::default()
    }
}

/// A request through the real server as a proxy.
fn proxy(
    settings: &CheckSettings,
    request: &str,
    receive: Option<Pattern>,
) -> Result<ProbeKind, Problem> {
    let url = &request[1..];
    let Some(parts) = Url::read(url).filter(|url| !url.tls) else {
        return Err(Problem {
            message: "the request of an http_proxy check must be a URL".to_owned(),
            help: "write request=\"http://HOST/PATH\"",
        });
    };
    let probe = HttpProbe {
        path: format!("http://{}{}", parts.authority, escaped(parts.path)),
        host: parts.authority.to_owned(),
        receive,
        ..wanted(settings)
    };
    Ok(ProbeKind::Http(probe))
}

/// Address and path of a URL that a real server has as its request.
fn url_target(
    target: &Target<'_>,
    names: &Names,
    url: &str,
) -> Result<(SocketAddr, String), Problem> {
    let Some(parts) = Url::read(url) else {
        return Err(Problem {
            message: "the request of this real server is not a usable URL".to_owned(),
            help: "write http://HOST[:PORT]/PATH",
        });
    };
    let address = match &parts.host {
        Host::Address(address) => Some(*address),
        name @ Host::Name(_) => names.address(name, Family::of(target.address)),
    };
    let Some(address) = address else {
        return Err(Problem {
            message: format!("could not resolve the host of the request: {}", parts.host),
            help: "check the name, or write the address",
        });
    };
    let path = escaped(parts.path);
    let path = if path.starts_with('/') {
        path
    } else {
        format!("/{path}")
    };
    Ok((SocketAddr::new(address, parts.port), path))
}

/// Host of a request that is a URL, to have it resolved.
pub(super) fn url_host(request: &str) -> Option<Host> {
    Url::read(request).map(|url| url.host)
}

/// An `http` or `https` URL.
struct Url<'a> {
    tls: bool,
    /// Host and port as written.
    authority: &'a str,
    host: Host,
    port: u16,
    /// From the `/` or `?` on; may be empty.
    path: &'a str,
}

impl<'a> Url<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let bracket = authority.rfind(']').map_or(0, |end| end + 1);
        let colon = authority[bracket..].find(':').map(|colon| bracket + colon);
        let (host, port) = match colon {
            Some(colon) => (&authority[..colon], Some(&authority[colon + 1..])),
            None => (authority, None),
        };
        let port = match port {
            None | Some("") => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        Some(Self {
            tls,
            authority,
            host: url_host_part(host)?,
            port,
            path,
        })
    }
}

fn url_host_part(text: &str) -> Option<Host> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        return inner
            .parse()
            .ok()
            .map(|address| Host::Address(IpAddr::V6(address)));
    }
    if ends_in_a_number(text) {
        return inet_aton(text).map(|address| Host::Address(IpAddr::V4(address)));
    }
    let usable = !text.is_empty() && text.bytes().all(super::address::is_host_byte);
    usable.then(|| Host::Name(text.into()))
}

/// Path and query with what cannot stand in a request line written as `%XX`. Escapes
/// that are already there stay.
fn escaped(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for byte in path.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b";/?:@&=+$,[]-_.!~*'()%".contains(&byte);
        if plain {
            escaped.push(char::from(byte));
        } else {
            escaped.push('%');
            escaped.extend([byte >> 4, byte & 15].map(|digit| {
                char::from_digit(u32::from(digit), 16)
                    .expect("four bits are a hexadecimal digit")
                    .to_ascii_uppercase()
            }));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_escaped_as_the_perl_library_does() {
        assert_eq!(escaped("/a b?c=d e#f"), "/a%20b?c=d%20e%23f");
        assert_eq!(escaped("/a\"b%20\\é"), "/a%22b%20%5C%C3%A9");
    }

    #[test]
    fn urls_are_cut_into_their_parts() {
        let url = Url::read("http://user@www.example.com:81?q").unwrap();
        assert_eq!(
            (url.authority, url.port, url.path),
            ("www.example.com:81", 81, "?q")
        );
        let url = Url::read("https://[2001:db8::1]/x").unwrap();
        assert_eq!(
            (url.host.to_string().as_str(), url.port),
            ("[2001:db8::1]", 443)
        );
        for bad in [
            "http://",
            "http://:80/",
            "http://a:b/",
            "http://a:99999/",
            "http://1.2.3.256/",
            "ftp://a/",
            "http://[::1",
        ] {
            assert!(Url::read(bad).is_none(), "{bad}");
        }
    }
}
