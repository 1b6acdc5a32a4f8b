//! Virtual services that are written elsewhere than in an `ldirectord.cf`: they go through
//! the readers of its directives and through the same [`Parsed::resolve`], so that they
//! cannot mean anything else.

use std::net::IpAddr;

use super::Parsed;
use super::address::{RawFallback, VirtualAddress, method_help, read_host, read_method, read_port};
use super::global::GlobalOptions;
use super::options::Shared;
use super::real::{Options, RawReal};
use super::rule::RawRule;
use super::section::{Patterns, ProtocolWord, Section};
use super::value::Value;
use crate::config::effective::CheckType;
use crate::config::names::{Endpoint, Host, Port};
use crate::config::source::{Context, Report, Source, Span, quoted};
use crate::model::{Family, Forwarding};

/// A text and where it stands.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Written<'a> {
    pub(in crate::config) text: &'a str,
    pub(in crate::config) span: Span,
}

/// A real server or fallback server as it is written.
#[derive(Debug, Clone, Copy)]
pub(in crate::config) struct Server<'a> {
    pub(in crate::config) host: Written<'a>,
    pub(in crate::config) port: Option<Written<'a>>,
    pub(in crate::config) forwarding: Written<'a>,
}

/// What a real server has beyond that.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::config) struct Extras<'a> {
    pub(in crate::config) weight: Option<u32>,
    pub(in crate::config) lower: Option<u32>,
    pub(in crate::config) upper: Option<u32>,
    /// Request and expected text of its own.
    pub(in crate::config) exchange: Option<(Written<'a>, Option<Written<'a>>)>,
}

/// Takes services one after the other.
#[derive(Debug, Default)]
pub(in crate::config) struct Builder {
    globals: GlobalOptions,
    sections: super::Sections,
    patterns: Patterns,
}

impl Builder {
    /// Begins a virtual service: `tcp:HOST:PORT`, `udp:HOST:PORT`, `fwm:MARK`, `fwm6:MARK`.
    /// What is set afterwards is set in it. `false` after an error.
    pub(in crate::config) fn service(&mut self, cx: &mut Context<'_>, name: Written<'_>) -> bool {
        let Some((family, address, protocol)) = read_service(cx, name) else {
            return false;
        };
        let mut section = Section::new(family, None, name.span);
        section.address = Some(address);
        section.options.protocol = protocol.map(|protocol| (protocol, name.span));
        self.sections.push(Box::new(section));
        true
    }

    /// Begins a named check, to be used in rules. Settings of checks that follow are its own.
    /// To be done before the first service.
    pub(in crate::config) fn named_check(&mut self, name: Written<'_>) {
        let mut section = Section::new(Family::V4, None, name.span);
        section.check_name = Some(name.text.to_owned());
        self.sections.push(Box::new(section));
    }

    /// Checks the service at hand by a rule.
    pub(in crate::config) fn rule(&mut self, rule: RawRule) {
        if let Some(section) = self.sections.last_mut() {
            section.rule = Some(rule);
            // Its own settings check nothing.
            section.options.check_type = Some(CheckType::On);
        }
    }

    /// Sets a directive of the service at hand, or a global one before the first service.
    pub(in crate::config) fn set(
        &mut self,
        cx: &mut Context<'_>,
        name: &'static str,
        value: Written<'_>,
    ) {
        let value = Value {
            name,
            text: value.text,
            span: value.span,
            whole: value.span,
            trailing_blank: false,
            // Tabs stay tabs.
            in_section: false,
        };
        let known = match self.sections.last_mut() {
            Some(section) => section.read(cx, &value, &mut self.patterns),
            None => self.globals.read(cx, &value),
        };
        debug_assert!(known, "{name} is a directive here");
    }

    fn shared(&mut self) -> &mut Shared {
        match self.sections.last_mut() {
            Some(section) => &mut section.options.shared,
            None => &mut self.globals.shared,
        }
    }

    /// Sets the time between two rounds, in seconds. It is honoured in services too, which
    /// needs no warning here: there is no ldirectord that reads it otherwise.
    pub(in crate::config) fn interval(&mut self, seconds: u32) {
        self.shared().check_interval = Some((seconds, Span::default()));
    }

    /// Sets the number of echo requests of a ping check.
    pub(in crate::config) fn ping_attempts(&mut self, attempts: u32) {
        self.shared().ping_attempts = Some(attempts);
    }

    /// Sets the fallback server: of the service at hand, or of all services of a family.
    pub(in crate::config) fn fallback(
        &mut self,
        cx: &mut Context<'_>,
        family: Family,
        server: Server<'_>,
    ) {
        let family = self
            .sections
            .last()
            .map_or(family, |section| section.family);
        let Some((endpoint, forwarding)) = read_server(cx, family, server) else {
            return;
        };
        let fallback = Some(RawFallback {
            endpoint,
            forwarding,
            span: server.host.span,
        });
        match (self.sections.last_mut(), family) {
            (Some(section), _) => section.fallback = fallback,
            (None, Family::V4) => self.globals.fallback = fallback,
            (None, Family::V6) => self.globals.fallback6 = fallback,
        }
    }

    /// Adds a real server to the service at hand.
    pub(in crate::config) fn real(
        &mut self,
        cx: &mut Context<'_>,
        server: Server<'_>,
        extras: Extras<'_>,
    ) {
        let Some(section) = self.sections.last_mut() else {
            return;
        };
        let Some((endpoint, forwarding)) = read_server(cx, section.family, server) else {
            return;
        };
        if let Some((_, Some(receive))) = extras.exchange {
            let pattern = self
                .patterns
                .read(cx, receive.span, receive.text.to_owned());
            if pattern.is_none() {
                return;
            }
        }
        let (lower, upper) = (extras.lower.unwrap_or(0), extras.upper.unwrap_or(0));
        if lower > upper {
            let message =
                format!("the lower threshold {lower} is above the upper threshold {upper}");
            cx.error(server.host.span, message)
                .help("give an upper_threshold that is at least as large as lower_threshold");
            return;
        }
        let exchange = extras.exchange.map(|(request, receive)| {
            let receive = receive.map_or("", |receive| receive.text);
            Box::new((request.text.to_owned(), receive.to_owned()))
        });
        section.reals.push(RawReal {
            host: endpoint.host,
            last: None,
            port: endpoint.port,
            forwarding,
            options: Options {
                weight: extras.weight,
                exchange,
                lower: extras.lower,
                upper: extras.upper,
            },
            span: server.host.span,
        });
    }

    /// The services, to be resolved; `source` is the text that the places are in.
    pub(in crate::config) fn finish(self, source: &Source) -> Parsed {
        Parsed {
            source: source.clone(),
            report: Report::default(),
            globals: self.globals,
            sections: self.sections,
        }
    }
}

fn read_service(
    cx: &mut Context<'_>,
    name: Written<'_>,
) -> Option<(Family, VirtualAddress, Option<ProtocolWord>)> {
    let (word, rest) = name.text.split_once(':').unwrap_or((name.text, ""));
    let mark = |family| {
        let mark = rest.parse().ok().filter(|mark| *mark > 0);
        mark.map(|mark| (family, VirtualAddress::Mark(mark), None))
    };
    let found = match word {
        "fwm" => mark(Family::V4),
        "fwm6" => mark(Family::V6),
        "tcp" => read_address(cx, name, rest).map(|(f, a)| (f, a, Some(ProtocolWord::Tcp))),
        "udp" => read_address(cx, name, rest).map(|(f, a)| (f, a, Some(ProtocolWord::Udp))),
        _ => None,
    };
    if found.is_none() {
        cx.error(name.span, format!("{} is no service", quoted(name.text)))
            .help(
                "write \"tcp:192.0.2.100:80\", \"udp:[2001:db8::1]:53\", \"fwm:1\" or \"fwm6:1\"",
            );
    }
    found
}

fn read_address(
    cx: &mut Context<'_>,
    name: Written<'_>,
    text: &str,
) -> Option<(Family, VirtualAddress)> {
    let (host, port) = text.rsplit_once(':')?;
    let family = if host.starts_with('[') {
        Family::V6
    } else {
        Family::V4
    };
    let host = read_host(cx, name.span, host, family).ok()?;
    let port = Some(port)
        .filter(|port| !port.is_empty())
        .and_then(read_port)?;
    let address = VirtualAddress::Endpoint {
        host,
        port,
        is_dns: false,
    };
    Some((family, address))
}

fn read_server(
    cx: &mut Context<'_>,
    family: Family,
    server: Server<'_>,
) -> Option<(Endpoint, Forwarding)> {
    let forwarding = read_method(server.forwarding.text);
    if forwarding.is_none() {
        let word = server.forwarding;
        let message = format!("{} is not gate, masq or ipip", quoted(word.text));
        cx.error(word.span, message).help(method_help(word.text));
    }
    let port = match server.port {
        None => Some(None),
        Some(port) => server_port(cx, port).map(Some),
    };
    let host = server_host(cx, server.host, family);
    let endpoint = Endpoint {
        host: host?,
        port: port?,
    };
    Some((endpoint, forwarding?))
}

fn server_port(cx: &mut Context<'_>, port: Written<'_>) -> Option<Port> {
    let usable = port.text.bytes().all(super::address::is_port_byte);
    let read = Some(port.text).filter(|_| usable).and_then(read_port);
    if read.is_none() {
        cx.error(port.span, format!("{} is no port", quoted(port.text)))
            .help("write a number up to 65535 or a service name");
    }
    read
}

fn server_host(cx: &mut Context<'_>, host: Written<'_>, family: Family) -> Option<Host> {
    let bare = host.text.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        if Family::of(address) == family {
            return Some(Host::Address(address));
        }
        cx.error(host.span, format!("{address} is not an {family} address"))
            .help("virtual service and servers are of one address family");
        return None;
    }
    let read = read_host(cx, host.span, host.text, family).ok();
    if read.is_none() {
        cx.error(host.span, format!("{} is no host", quoted(host.text)))
            .help("write an address or a host name");
    }
    read
}
