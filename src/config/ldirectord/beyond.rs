//! Words for checks that ldirectord does not know: how a check leaves this host, the steps
//! of a dialogue, what a name server is asked. Reading them, and seeing whether they fit
//! what is checked.

use std::net::IpAddr;
use std::sync::Arc;

use super::escape::unescape;
use super::lower::{Problem, Target, is_udp};
use super::options::set;
use super::section::{Patterns, SectionOptions};
use super::value::Value;
use crate::config::effective::{CheckSettings, CheckType, WrittenStep};
use crate::config::source::{Context, Span, quoted};
use crate::model::{DnsKind, Family, InterfaceName, ProxyHeader, ServiceKey, Transport, Way};

/// Most steps of a dialogue.
const STEPS_MAX: usize = 64;

/// What was set of these words in a section.
#[derive(Debug, Clone, Default)]
pub(super) struct Beyond {
    source: Option<(IpAddr, Span)>,
    interface: Option<(InterfaceName, Span)>,
    mark: Option<(u32, Span)>,
    proxy: Option<(ProxyHeader, Span)>,
    pub(super) dns_kind: Option<(DnsKind, Span)>,
    pub(super) dns_transport: Option<(Transport, Span)>,
    steps: Vec<(WrittenStep, Span)>,
}

impl Beyond {
    /// Takes a directive; `false` when it is none of these. `family` is that of the service.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        value: &Value<'_>,
        family: Option<Family>,
        patterns: &mut Patterns,
    ) -> bool {
        let span = value.whole;
        match value.name {
            "checksource" => {
                let read = read_source(cx, value, family);
                set(&mut self.source, read.map(|read| (read, span)));
            }
            "checkinterface" => {
                let read = read_interface(cx, value);
                set(&mut self.interface, read.map(|read| (read, span)));
            }
            "checkmark" => {
                let read = value.number(cx, "invalid mark of checks", 1..=u32::MAX);
                set(&mut self.mark, read.map(|read| (read, span)));
            }
            "proxyprotocol" => {
                let read = value.number(cx, "invalid version of the PROXY protocol", 1..=2);
                let read = read.and_then(ProxyHeader::of_number);
                set(&mut self.proxy, read.map(|read| (read, span)));
            }
            "dnstype" => {
                let read = read_dns_kind(cx, value);
                set(&mut self.dns_kind, read.map(|read| (read, span)));
            }
            "dnstransport" => {
                let read = read_transport(cx, value);
                set(&mut self.dns_transport, read.map(|read| (read, span)));
            }
            "send" | "expect" => self.read_step(cx, value, patterns),
            _ => return false,
        }
        true
    }

    fn read_step(&mut self, cx: &mut Context<'_>, value: &Value<'_>, patterns: &mut Patterns) {
        if self.steps.len() == STEPS_MAX {
            let message = format!("a dialogue has at most {STEPS_MAX} steps");
            cx.error(value.whole, message);
            return;
        }
        let Some(text) = value.quoted(cx, Some("a step of a dialogue must be some text")) else {
            return;
        };
        let step = if value.name == "send" {
            match unescape(&text) {
                Ok(_) => Some(WrittenStep::Send(text)),
                Err(mistake) => {
                    cx.error(value.span, format!("invalid text to send: {mistake}"))
                        .help(ESCAPES);
                    None
                }
            }
        } else {
            patterns.read(cx, value.span, text).map(WrittenStep::Expect)
        };
        self.steps.extend(step.map(|step| (step, value.whole)));
    }

    /// The steps in their order.
    pub(super) fn steps(&self) -> Vec<WrittenStep> {
        self.steps.iter().map(|(step, _)| step.clone()).collect()
    }

    /// How checks leave this host; `None` when nothing was said about it.
    pub(super) fn way(&self) -> Option<Arc<Way>> {
        let way = Way {
            source: self.source.map(|(source, _)| source),
            interface: self.interface.clone().map(|(interface, _)| interface),
            mark: self.mark.map(|(mark, _)| mark),
            proxy: self.proxy.map(|(proxy, _)| proxy),
        };
        (way != Way::default()).then(|| Arc::new(way))
    }
}

/// The escapes there are.
const ESCAPES: &str = "write \\n, \\r, \\t, \\xNN for any byte and \\\\ for a backslash";

/// Over what a check speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// Nothing is contacted.
    Nothing,
    /// A program does what it likes.
    Program,
    /// ICMP echo.
    Ping,
    Udp,
    Tcp,
}

/// What the checks of a service speak over; of several things the one of least abilities.
fn speaks(settings: &CheckSettings, key: &ServiceKey) -> Speaks {
    let connect = if is_udp(key) {
        Speaks::Ping
    } else {
        Speaks::Tcp
    };
    let negotiate = match settings.service.name() {
        "none" => Speaks::Nothing,
        "radius" | "udp" => Speaks::Udp,
        "sip" if is_udp(key) => Speaks::Udp,
        "dns" if super::protocol::dns_transport(settings, key) == Transport::Udp => Speaks::Udp,
        _ => Speaks::Tcp,
    };
    match settings.kind {
        CheckType::On | CheckType::Off => Speaks::Nothing,
        CheckType::External | CheckType::ExternalPerl => Speaks::Program,
        CheckType::Ping => Speaks::Ping,
        CheckType::Negotiate | CheckType::Combined(0) => negotiate,
        CheckType::Combined(_) if connect == Speaks::Tcp && negotiate != Speaks::Nothing => {
            negotiate
        }
        CheckType::Connect | CheckType::Combined(_) => connect,
    }
}

/// Refuses words that do not fit what is checked.
pub(super) fn refuse(
    cx: &mut Context<'_>,
    options: &SectionOptions,
    settings: &CheckSettings,
    key: &ServiceKey,
) {
    let speaks = speaks(settings, key);
    let has_agent = settings.agent.is_some() && settings.kind != CheckType::Off;
    refuse_way(cx, &options.beyond, speaks, has_agent);
    let negotiates = matches!(settings.kind, CheckType::Negotiate | CheckType::Combined(_));
    let spoken = if negotiates {
        settings.service.name()
    } else {
        ""
    };
    let beyond = &options.beyond;
    for (word, span, wanted) in [
        ("dnstype", beyond.dns_kind.map(|(_, span)| span), "dns"),
        (
            "dnstransport",
            beyond.dns_transport.map(|(_, span)| span),
            "dns",
        ),
        (
            "send and expect",
            beyond.steps.first().map(|(_, span)| *span),
            "dialogue",
        ),
    ] {
        if let Some(span) = span
            && spoken != wanted
        {
            let plural = if word.contains(' ') { "go" } else { "goes" };
            cx.error(
                span,
                format!("{word} {plural} with service={wanted} and checktype=negotiate only"),
            )
            .help(format!("write service={wanted}, or remove the line"));
        }
    }
    match spoken {
        "dialogue" => refuse_dialogue(cx, options),
        word @ ("grpc" | "grpcs") => {
            if let Some((_, span)) = options.receive {
                cx.error(span, format!("receive has no meaning with service={word}"))
                    .help("remove the line: a service that is SERVING is up");
            }
        }
        "udp" => refuse_payload(cx, options),
        "redis" if settings.login.is_some() && settings.password.is_none() => {
            let (_, span) = options
                .service
                .unwrap_or((settings.service, Span::default()));
            cx.error(span, "a redis check with login needs passwd")
                .help("write passwd=\"PASSWORD\", or remove login");
        }
        _ => {}
    }
}

fn refuse_way(cx: &mut Context<'_>, beyond: &Beyond, speaks: Speaks, has_agent: bool) {
    let why = match speaks {
        _ if has_agent => None,
        Speaks::Nothing => Some("nothing is contacted here"),
        Speaks::Program => Some("an external program opens its own connections"),
        Speaks::Ping | Speaks::Udp | Speaks::Tcp => None,
    };
    for (word, span) in [
        ("checksource", beyond.source.map(|(_, span)| span)),
        (
            "checkinterface",
            beyond.interface.as_ref().map(|(_, span)| *span),
        ),
        ("checkmark", beyond.mark.map(|(_, span)| span)),
    ] {
        if let (Some(why), Some(span)) = (why, span) {
            cx.error(span, format!("{word} has nothing to act on: {why}"))
                .help("remove the line, or choose checktype=negotiate, connect or ping");
        }
    }
    if let Some((_, span)) = beyond.proxy
        && speaks != Speaks::Tcp
    {
        cx.error(span, "proxyprotocol goes with checks over TCP only")
            .help("remove the line, or choose a check that connects, such as checktype=connect");
    }
}

/// Whether a check that belongs to no service fits a real server of one.
pub(super) fn fits(settings: &CheckSettings, target: &Target<'_>) -> Result<(), Problem> {
    let Some(way) = settings.way.as_deref() else {
        return Ok(());
    };
    let family = Family::of(target.address);
    if let Some(source) = way.source.filter(|source| Family::of(*source) != family) {
        return Err(Problem {
            message: format!("its source {source} is not an {family} address"),
            help: "give services of the other family a check of their own",
        });
    }
    if way.proxy.is_some() && speaks(settings, target.key) != Speaks::Tcp {
        return Err(Problem {
            message: "proxyprotocol goes with checks over TCP only".to_owned(),
            help: "give services over UDP a check of their own",
        });
    }
    Ok(())
}

fn refuse_dialogue(cx: &mut Context<'_>, options: &SectionOptions) {
    if options.beyond.steps.is_empty()
        && let Some((_, span)) = options.service
    {
        cx.error(span, "service=dialogue needs at least one step")
            .help("write send=\"TEXT\" and expect=\"REGEX\" lines in their order");
    }
    let request = options.request.as_ref().map(|(_, span)| *span);
    let receive = options.receive.as_ref().map(|(_, span)| *span);
    for (word, instead, span) in [("request", "send", request), ("receive", "expect", receive)] {
        if let Some(span) = span {
            cx.error(span, format!("{word} has no meaning with service=dialogue"))
                .help(format!("write {instead}=\"…\""));
        }
    }
}

/// The payload of a datagram may have escapes, which may be wrong.
fn refuse_payload(cx: &mut Context<'_>, options: &SectionOptions) {
    if let Some((request, span)) = &options.request
        && let Err(mistake) = unescape(request)
    {
        cx.error(*span, format!("invalid payload: {mistake}"))
            .help(ESCAPES);
    }
}

fn read_source(cx: &mut Context<'_>, value: &Value<'_>, family: Option<Family>) -> Option<IpAddr> {
    let bare = value.text.trim_start_matches('[').trim_end_matches(']');
    let wrong = match (bare.parse::<IpAddr>(), family) {
        (Ok(address), Some(family)) if Family::of(address) != family => {
            format!("checksource {address} is not an {family} address, as the service is")
        }
        (Ok(address), _) if address.is_unspecified() || address.is_multicast() => {
            format!("checksource {address} is no address of a host")
        }
        (Ok(address), _) => return Some(address),
        (Err(_), _) => format!("checksource {} is no address", quoted(value.text)),
    };
    let help = match family {
        Some(family) => format!("write an {family} address of this host"),
        None => "write an address of this host".to_owned(),
    };
    cx.error(value.or_whole(), wrong).help(help);
    None
}

fn read_interface(cx: &mut Context<'_>, value: &Value<'_>) -> Option<InterfaceName> {
    let read = value.text.parse::<InterfaceName>().ok();
    if read.is_none() {
        let name = quoted(value.text);
        cx.error(value.or_whole(), format!("{name} cannot be an interface"))
            .help("write checkinterface=NAME, at most 15 bytes without / and :");
    }
    read
}

fn read_dns_kind(cx: &mut Context<'_>, value: &Value<'_>) -> Option<DnsKind> {
    let (word, (start, end)) = value.word();
    let found = DnsKind::ALL
        .into_iter()
        .find(|kind| kind.word().eq_ignore_ascii_case(word));
    if found.is_some() {
        value.note_loose(cx, start, end);
        return found;
    }
    let words = DnsKind::ALL.map(DnsKind::word);
    let message = format!(
        "dnstype must be {}, not {}",
        words.join(", "),
        quoted(value.text)
    );
    value.not_one_of(cx, message, words.into_iter());
    None
}

fn read_transport(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Transport> {
    let (word, (start, end)) = value.word();
    let found = [Transport::Udp, Transport::Tcp]
        .into_iter()
        .find(|transport| transport.word() == word);
    if found.is_some() {
        value.note_loose(cx, start, end);
    } else {
        cx.error(value.or_whole(), "dnstransport must be udp or tcp")
            .help("write dnstransport=udp or dnstransport=tcp");
    }
    found
}
