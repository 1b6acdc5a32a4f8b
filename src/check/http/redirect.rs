//! Where a redirect leads. Pure.
//!
//! A check asks about one server, so whatever a redirect says, that server is asked; unless
//! told otherwise, it is followed only when it stays there. ldirectord follows anywhere and
//! then reports on whoever answered.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::model::{HttpProbe, Reason, Redirects, Tls, TlsName};

/// Where to go on, and with which probe, after `location` was received in answer to
/// `probe`. The address is always that of `target`.
///
/// # Errors
///
/// The location is one that is not to be followed.
pub(super) fn follow(
    target: SocketAddr,
    probe: &HttpProbe,
    location: &str,
) -> Result<(SocketAddr, HttpProbe), Reason> {
    let location = location.split('#').next().unwrap_or(location);
    if probe.redirects == Redirects::Yes
        && split_url(&probe.path).is_none()
        && let Some(url) = anywhere(probe, location)
    {
        return other_name(target, probe, url);
    }
    same_server(target, probe, location).map(|probe| (target, probe))
}

/// The URL in a location that may name another server.
fn anywhere<'l>(probe: &HttpProbe, location: &'l str) -> Option<Url<'l>> {
    let Some(rest) = location.strip_prefix("//") else {
        return split_url(location);
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some(Url {
        scheme: if probe.tls.is_some() { "https" } else { "http" },
        authority,
        path,
    })
}

/// The same server under the name of a URL.
fn other_name(
    target: SocketAddr,
    probe: &HttpProbe,
    url: Url<'_>,
) -> Result<(SocketAddr, HttpProbe), Reason> {
    let refused = |why: &str| {
        let Url {
            scheme, authority, ..
        } = url;
        Reason::new(format!("redirects to {scheme}://{authority}, {why}"))
    };
    let to_tls = url.scheme.eq_ignore_ascii_case("https");
    if probe.tls.is_some() && !to_tls {
        return Err(refused("which is not encrypted"));
    }
    let (name, port) = split_port(url.authority);
    let port = port.map(str::parse::<u16>).transpose();
    let is_usable = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    let (Ok(port), true) = (port, !name.is_empty() && name.bytes().all(is_usable)) else {
        return Err(refused("which is no server"));
    };
    let turns_tls = to_tls && probe.tls.is_none();
    let port = match port {
        Some(port) => port,
        // Behind the port of the virtual service the real server may have another one.
        None if turns_tls => 443,
        None => target.port(),
    };
    let mut next = HttpProbe {
        path: absolute(url.path),
        host: url.authority.to_owned(),
        ..probe.clone()
    };
    if to_tls {
        next.tls = Some(Arc::new(renamed(probe, name)));
    }
    next.headers
        .retain(|header| !header.name.eq_ignore_ascii_case("host"));
    Ok((SocketAddr::new(target.ip(), port), next))
}

/// The TLS settings for another name: where it is that of the request it goes along.
fn renamed(probe: &HttpProbe, name: &str) -> Tls {
    let given = match host_address(name) {
        Some(_) => TlsName::Address,
        None => TlsName::Given(name.to_owned()),
    };
    match probe.tls.as_deref() {
        None => Tls {
            name: given,
            ..Tls::default()
        },
        Some(tls) => {
            let own = TlsName::Given(split_port(&probe.host).0.to_owned());
            let name = if tls.name == own {
                given
            } else {
                tls.name.clone()
            };
            Tls {
                name,
                ..tls.clone()
            }
        }
    }
}

/// The probe to go on with at the same name, port and scheme.
fn same_server(target: SocketAddr, probe: &HttpProbe, location: &str) -> Result<HttpProbe, Reason> {
    let elsewhere = || Reason::new(format!("redirects to {location}, which is another server"));
    let scheme = if probe.tls.is_some() { "https" } else { "http" };
    let proxied = split_url(&probe.path);
    if let Some(url) = split_url(location) {
        let same_scheme = match proxied {
            Some(asked) => url.scheme.eq_ignore_ascii_case(asked.scheme),
            None => url.scheme.eq_ignore_ascii_case(scheme),
        };
        let same_server = match proxied {
            Some(asked) => url.authority.eq_ignore_ascii_case(asked.authority),
            None => is_same_server(target, probe, url.authority),
        };
        if !(same_scheme && same_server) {
            return Err(elsewhere());
        }
        let path = absolute(url.path);
        return Ok(HttpProbe {
            path: match proxied {
                Some(asked) => format!("{}://{}{path}", asked.scheme, asked.authority),
                None => path,
            },
            ..probe.clone()
        });
    }
    if let Some(rest) = location.strip_prefix("//") {
        let base = proxied.map_or(scheme, |asked| asked.scheme);
        return same_server(target, probe, &format!("{base}://{rest}"));
    }
    if has_scheme(location) {
        return Err(elsewhere());
    }
    let base = proxied.map_or(probe.path.as_str(), |asked| asked.path);
    let path = resolve(base, location);
    Ok(HttpProbe {
        path: match proxied {
            Some(asked) => format!("{}://{}{path}", asked.scheme, asked.authority),
            None => path,
        },
        ..probe.clone()
    })
}

/// An absolute URL in its parts; the path is empty or begins with `/` or `?`.
#[derive(Clone, Copy)]
struct Url<'u> {
    scheme: &'u str,
    authority: &'u str,
    path: &'u str,
}

fn split_url(text: &str) -> Option<Url<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    if !["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
    {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    Some(Url {
        scheme,
        authority,
        path,
    })
}

/// Whether the authority of a URL is the server being checked: its address or the name
/// it is asked by, and its port.
fn is_same_server(target: SocketAddr, probe: &HttpProbe, authority: &str) -> bool {
    if authority.contains('@') {
        return false;
    }
    // Servers build such URLs from the Host they were asked by; behind another port than
    // that of the virtual service they cannot know better.
    if authority.eq_ignore_ascii_case(&probe.host) {
        return true;
    }
    let default_port = if probe.tls.is_some() { 443 } else { 80 };
    let (host, port) = split_port(authority);
    let port = match port {
        None => Some(default_port),
        Some(digits) => digits.parse().ok(),
    };
    let same_host = host.eq_ignore_ascii_case(split_port(&probe.host).0)
        || host_address(host) == Some(target.ip());
    same_host && port == Some(target.port())
}

/// Splits `host:port` or `[v6]:port`; an empty port counts as none.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (authority, None),
    }
}

/// The address a host part stands for, if it is one.
fn host_address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

/// Whether a reference begins with `scheme:` (RFC 3986 §3.1).
fn has_scheme(reference: &str) -> bool {
    let before = reference.split(['/', '?']).next().unwrap_or(reference);
    before.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// Resolves a reference without scheme and authority against a path (RFC 3986 §5.2).
fn resolve(base: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return without_dots(reference);
    }
    let base_path = base.split('?').next().unwrap_or(base);
    if reference.is_empty() {
        return absolute(base);
    }
    if reference.starts_with('?') {
        return absolute(&format!("{base_path}{reference}"));
    }
    let directory = base_path.rsplit_once('/').map_or("", |(before, _)| before);
    without_dots(&format!("{directory}/{reference}"))
}

fn absolute(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// Removes `.` and `..` segments from a path (RFC 3986 §5.2.4).
fn without_dots(path: &str) -> String {
    let (path, query) = match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    };
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for (index, segment) in segments.iter().enumerate() {
        let is_last = index + 1 == segments.len();
        match *segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            ordinary => {
                kept.push(ordinary);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    let mut result = format!("/{}", kept.join("/"));
    if let Some(query) = query {
        result.push('?');
        result.push_str(query);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(path: &str, host: &str) -> HttpProbe {
        HttpProbe {
            path: path.to_owned(),
            host: host.to_owned(),
            ..HttpProbe::default()
        }
    }

    fn path_after(path: &str, location: &str) -> Option<String> {
        let target = "192.0.2.7:80".parse().unwrap();
        follow(target, &probe(path, "www.example.com"), location)
            .ok()
            .map(|(_, probe)| probe.path)
    }

    #[test]
    fn references_are_resolved_on_the_same_server() {
        for (location, path) in [
            ("/x?y#z", "/x?y"),
            ("x", "/a/x"),
            ("../x", "/x"),
            ("./../../../x/.", "/x/"),
            ("?q=1", "/a/b?q=1"),
            ("", "/a/b"),
            ("http://www.example.com", "/"),
            ("HTTP://WWW.EXAMPLE.COM:80/x", "/x"),
            ("http://192.0.2.7/x", "/x"),
            ("//www.example.com/x", "/x"),
            (
                "/x?u=http://elsewhere.example/",
                "/x?u=http://elsewhere.example/",
            ),
        ] {
            assert_eq!(
                path_after("/a/b", location).as_deref(),
                Some(path),
                "{location}"
            );
        }
    }

    #[test]
    fn other_servers_ports_and_schemes_are_refused() {
        for location in [
            "http://www.example.org/",
            "http://www.example.com:8080/",
            "https://www.example.com/",
            "http://192.0.2.8/",
            "//192.0.2.8/",
            "http://www.example.com@192.0.2.8/",
            "http://192.0.2.7:99999/",
            "ftp://www.example.com/",
            "javascript:0",
        ] {
            assert_eq!(path_after("/a/b", location), None, "{location}");
        }
    }

    #[test]
    fn ports_and_addresses_are_compared_as_values() {
        let target = "[2001:db8::7]:8080".parse().unwrap();
        let follows =
            |host: &str, location: &str| follow(target, &probe("/", host), location).is_ok();
        assert!(follows("[2001:db8::7]", "http://[2001:DB8:0::7]:8080/x"));
        assert!(!follows("[2001:db8::7]", "http://[2001:DB8::7:0]/x"));
        assert!(!follows("www.example.com", "http://[2001:db8::7]/x"));
        // As it was asked for.
        assert!(follows("[2001:db8::7]", "http://[2001:db8::7]/x"));
        assert!(follows("www.example.com", "http://www.example.com/x"));
        assert!(follows("www.example.com:80", "http://www.example.com:80/x"));
        assert!(follows(
            "www.example.com:80",
            "http://www.example.com:8080/x"
        ));
    }

    #[test]
    fn behind_a_proxy_the_requested_site_counts() {
        let asked = "http://site.example/a/b";
        let after = |location| path_after(asked, location);
        assert_eq!(after("/x").as_deref(), Some("http://site.example/x"));
        assert_eq!(after("x").as_deref(), Some("http://site.example/a/x"));
        assert_eq!(
            after("http://site.example/x").as_deref(),
            Some("http://site.example/x")
        );
        assert_eq!(after("http://www.example.com/x"), None);
    }

    #[test]
    fn other_names_are_asked_of_the_same_server() {
        let target: SocketAddr = "192.0.2.7:8080".parse().unwrap();
        let asked = HttpProbe {
            redirects: Redirects::Yes,
            ..probe("/a/b", "www.example.com")
        };
        let after = |probe: &HttpProbe, location: &str| {
            let (target, next) = follow(target, probe, location).ok()?;
            let tls = next.tls.as_ref().map(|tls| tls.name.clone());
            Some((target.to_string(), next.host, next.path, tls))
        };
        let found = |target: &str, host: &str, path: &str, tls: Option<&str>| {
            let tls = tls.map(|name| TlsName::Given(name.to_owned()));
            Some((target.to_owned(), host.to_owned(), path.to_owned(), tls))
        };
        for (location, wanted) in [
            (
                "c",
                found("192.0.2.7:8080", "www.example.com", "/a/c", None),
            ),
            (
                "http://other.example/x",
                found("192.0.2.7:8080", "other.example", "/x", None),
            ),
            (
                "//198.51.100.1/x",
                found("192.0.2.7:8080", "198.51.100.1", "/x", None),
            ),
            (
                "https://www.example.com",
                found(
                    "192.0.2.7:443",
                    "www.example.com",
                    "/",
                    Some("www.example.com"),
                ),
            ),
            (
                "https://other.example:8443/?q",
                found(
                    "192.0.2.7:8443",
                    "other.example:8443",
                    "/?q",
                    Some("other.example"),
                ),
            ),
            ("ftp://other.example/", None),
            ("http://a@b/", None),
            ("http:///x", None),
            ("http://a:99999/", None),
        ] {
            assert_eq!(after(&asked, location), wanted, "{location}");
        }
        let secure = HttpProbe {
            tls: Some(Arc::new(Tls {
                name: TlsName::Given("www.example.com".to_owned()),
                ..Tls::default()
            })),
            ..asked
        };
        assert_eq!(after(&secure, "http://www.example.com/"), None);
        assert_eq!(
            after(&secure, "https://other.example/"),
            found(
                "192.0.2.7:8080",
                "other.example",
                "/",
                Some("other.example")
            )
        );
    }
}
