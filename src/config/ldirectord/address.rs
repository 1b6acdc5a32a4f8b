//! Hosts, ports, virtual services and fallback servers as they are written.

use std::net::{IpAddr, Ipv6Addr};

use super::line::BLANKS;
use super::value::Value;
use crate::config::names::{Endpoint, Host, Port, ends_in_a_number, inet_aton};
use crate::config::source::{Context, Span, quoted};
use crate::model::{Family, Forwarding, Tunnel};

/// What a `virtual` line names.
#[derive(Debug, Clone)]
pub(super) enum VirtualAddress {
    /// An address and port.
    Endpoint {
        host: Host,
        port: Port,
        /// The port is written `53` or `domain`: UDP unless said otherwise.
        is_dns: bool,
    },
    /// A firewall mark.
    Mark(u32),
}

/// The form of a `virtual` line.
#[derive(Debug, Clone, Copy)]
pub(super) enum VirtualForm {
    /// `HOST:PORT`, where it stands and the byte offset of the colon in it.
    Endpoint(Span, usize),
    /// A firewall mark.
    Mark(u32),
}

/// A fallback server before its names are resolved.
#[derive(Debug, Clone)]
pub(super) struct RawFallback {
    pub(super) endpoint: Endpoint,
    pub(super) forwarding: Forwarding,
    pub(super) span: Span,
}

/// Longest host name, RFC 1035.
const NAME_MAX: usize = 255;

/// Characters of host names. ldirectord knows the underscore in some places only.
pub(super) fn is_host_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+')
}

/// Characters of service names and port numbers.
pub(super) fn is_port_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

/// Reads a host; warns when it is an address in an unusual spelling. The error says what
/// to write.
pub(super) fn read_host(
    cx: &mut Context<'_>,
    span: Span,
    text: &str,
    family: Family,
) -> Result<Host, &'static str> {
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let Ok(address) = inner.parse::<Ipv6Addr>() else {
            return Err("write an IPv6 address between the brackets, such as [2001:db8::1]");
        };
        return match family {
            Family::V6 => Ok(Host::Address(IpAddr::V6(address))),
            Family::V4 => Err("IPv6 addresses belong in virtual6, real6 and fallback6"),
        };
    }
    if !ends_in_a_number(text) {
        let usable = !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(is_host_byte);
        return if usable {
            Ok(Host::Name(text.into()))
        } else {
            Err("write a host name or an address such as 192.0.2.1")
        };
    }
    let Some(address) = inet_aton(text) else {
        return Err("write an IPv4 address as four numbers from 0 to 255, such as 192.0.2.1");
    };
    if family == Family::V6 {
        return Err("an IPv4 address belongs in virtual, real or fallback, without the 6");
    }
    if address.to_string() != text {
        cx.warning(span, format!("{} is read as {address}", quoted(text)))
            .help(format!("write {address}"));
    }
    Ok(Host::Address(IpAddr::V4(address)))
}

/// Reads a port: a number or a service name.
pub(super) fn read_port(text: &str) -> Option<Port> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        text.parse().ok().map(Port::Number)
    } else {
        (text.len() <= NAME_MAX).then(|| Port::Name(text.into()))
    }
}

/// Reads a forwarding method.
pub(super) fn read_method(text: &str) -> Option<Forwarding> {
    match text {
        "gate" => Some(Forwarding::DirectRoute),
        "masq" => Some(Forwarding::Masquerade),
        "ipip" => Some(Forwarding::Tunnel(Tunnel::Ipip)),
        _ => None,
    }
}

/// What to write for a forwarding method that is not ldirectord's.
pub(super) fn method_help(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "masq" | "nat" | "masquerade" | "masquerading" | "m" => {
            "write masq for address translation"
        }
        "gate" | "dr" | "route" | "gatewaying" | "direct" | "g" => "write gate for direct routing",
        "ipip" | "tun" | "tunnel" | "i" => "write ipip for tunnelling",
        _ => "write gate (direct routing), masq (address translation) or ipip (tunnelling)",
    }
}

/// Tells the form of the value of `virtual` or `virtual6`.
pub(super) fn read_virtual(
    cx: &mut Context<'_>,
    value: &Value<'_>,
    family: Family,
) -> Option<VirtualForm> {
    let text = value.text;
    let colon = if text.starts_with('[') {
        text.find(']').map_or(0, |end| end + 1)
    } else {
        text.bytes().take_while(|b| is_host_byte(*b)).count()
    };
    let after = text[colon..].strip_prefix(':').unwrap_or_default();
    let port = after.bytes().take_while(|b| is_port_byte(*b)).count();
    if colon > 0 && port > 0 {
        let end = colon + 1 + port;
        if text.starts_with('[') && !is_ipv6(&text[..colon], family) {
            return no_virtual(cx, value, family);
        }
        value.note_loose(cx, 0, end);
        return Some(VirtualForm::Endpoint(value.span.part(0, end), colon));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 || text[colon..].starts_with("::") {
        return no_virtual(cx, value, family);
    }
    read_mark(cx, value, digits).map(VirtualForm::Mark)
}

fn is_ipv6(bracketed: &str, family: Family) -> bool {
    let inner = bracketed.trim_matches(['[', ']']);
    family == Family::V6 && inner.parse::<Ipv6Addr>().is_ok()
}

fn no_virtual<T>(cx: &mut Context<'_>, value: &Value<'_>, family: Family) -> Option<T> {
    let is_ipv6_in_ipv4 = family == Family::V4 && value.text.starts_with('[');
    if is_ipv6_in_ipv4 {
        cx.error(
            value.or_whole(),
            "invalid address for virtual server: IPv6 needs virtual6",
        )
        .help(format!("write virtual6={}", value.text));
    } else {
        cx.error(value.or_whole(), "invalid address for virtual server")
            .help("write ADDRESS:PORT, [IPv6 ADDRESS]:PORT or the number of a firewall mark");
    }
    None
}

/// Looks into a `HOST:PORT` whose colon is at an offset.
pub(super) fn read_endpoint(
    cx: &mut Context<'_>,
    span: Span,
    colon: usize,
    family: Family,
) -> Option<VirtualAddress> {
    let (host, port) = cx.source.text(span).split_at(colon);
    let port = &port[1..];
    let host_span = span.part(0, colon);
    let host = match read_host(cx, host_span, host, family) {
        Ok(host) => host,
        Err(help) => {
            cx.error(host_span, "invalid address for virtual service")
                .help(help);
            return None;
        }
    };
    let is_dns = matches!(port, "53" | "domain");
    let Some(port) = read_port(port) else {
        cx.error(
            span.part(colon + 1, span.length()),
            "invalid address for virtual service: no such port",
        )
        .help("ports go from 1 to 65535; 0 means every port");
        return None;
    };
    Some(VirtualAddress::Endpoint { host, port, is_dns })
}

fn read_mark(cx: &mut Context<'_>, value: &Value<'_>, digits: usize) -> Option<u32> {
    let Some(mark) = value.text[..digits].parse().ok().filter(|mark| *mark > 0) else {
        cx.error(value.span, "invalid firewall mark for virtual server")
            .help("firewall marks go from 1 to 4294967295");
        return None;
    };
    if digits < value.text.len() && value.text[digits..].starts_with('.') {
        cx.warning(
            value.span,
            format!(
                "{} has no port and is read as firewall mark {mark}",
                quoted(value.text)
            ),
        )
        .help("write ADDRESS:PORT for a service at an address");
    } else {
        value.note_loose(cx, 0, digits);
    }
    Some(mark)
}

/// Reads the value of `fallback` or `fallback6`: `HOST[:PORT] [METHOD]`, of which
/// ldirectord takes the last two words.
pub(super) fn read_fallback(
    cx: &mut Context<'_>,
    value: &Value<'_>,
    family: Family,
) -> Option<RawFallback> {
    let mut words = words(value.text);
    let (host_at, method) = match (words.pop(), words.pop()) {
        (Some(method), Some(host)) => (host, Some(method)),
        (Some(host), None) => (host, None),
        (None, _) => {
            cx.warning(value.whole, "no fallback server is named")
                .help("write HOST[:PORT] [gate|masq|ipip], or remove the line");
            return None;
        }
    };
    let forwarding = match method {
        None => Forwarding::DirectRoute,
        Some((start, end)) => {
            let word = &value.text[start..end];
            let Some(forwarding) = read_method(word) else {
                let help = if value.text.contains('#') && !value.in_section {
                    "comments at the end of a line work only inside a virtual section"
                } else {
                    method_help(word)
                };
                cx.error(
                    value.span.part(start, end),
                    "forward method must be gate, masq or ipip",
                )
                .help(help);
                return None;
            };
            forwarding
        }
    };
    if host_at.0 > 0 {
        value.note_loose(cx, host_at.0, value.text.len());
    }
    let text = &value.text[host_at.0..host_at.1];
    let span = value.span.part(host_at.0, host_at.1);
    let endpoint = fallback_endpoint(cx, text, span, family)?;
    Some(RawFallback {
        endpoint,
        forwarding,
        span,
    })
}

fn fallback_endpoint(
    cx: &mut Context<'_>,
    text: &str,
    span: Span,
    family: Family,
) -> Option<Endpoint> {
    let bracket = text.rfind(']').map_or(0, |end| end + 1);
    let host_end = text[bracket..]
        .rfind(':')
        .map_or(text.len(), |colon| bracket + colon);
    let mut host = &text[..host_end];
    // ldirectord strips brackets in either family here.
    let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if let Some(inner) = inner.filter(|inner| family == Family::V4 && !inner.contains(':')) {
        host = inner;
    }
    let port = text.get(host_end + 1..);
    let read = if port == Some("") {
        Err("write the port after the colon, or leave out the colon")
    } else {
        read_host(cx, span, host, family)
    };
    let host = match read {
        Ok(host) => host,
        Err(help) => {
            cx.error(
                span,
                format!(
                    "invalid {family} address or could not resolve for fallback server: {}",
                    quoted(text)
                ),
            )
            .help(help);
            return None;
        }
    };
    let Some(port) = port else {
        return Some(Endpoint { host, port: None });
    };
    let port = Some(port)
        .filter(|port| port.bytes().all(is_port_byte))
        .and_then(read_port);
    if port.is_none() {
        cx.error(span, "invalid port for fallback server")
            .help("write a number up to 65535 or a service name");
        return None;
    }
    Some(Endpoint { host, port })
}

/// Byte ranges of the words of a text.
fn words(text: &str) -> Vec<(usize, usize)> {
    let mut words = Vec::new();
    let mut start = None;
    for (offset, c) in text.char_indices() {
        match (BLANKS.contains(&c), start) {
            (true, Some(begin)) => {
                words.push((begin, offset));
                start = None;
            }
            (false, None) => start = Some(offset),
            _ => {}
        }
    }
    words.extend(start.map(|begin| (begin, text.len())));
    words
}
