//! What is watched.

use std::collections::BTreeMap;
use std::time::Duration;

use super::collection::{List, OneOrMore};
use super::file::TrackEntry;
use super::pair::Places;
use super::read::{Marked, OptionalKey as _};
use super::time::Shown;
use super::value::Text;
use crate::config::source::{Context, Span, quoted};
use crate::model::pair::{Effect, Timing, Track, TrackKind};

/// Time between two looks when the file does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(1);
/// Failures in a row when the file does not say.
const DEFAULT_FALL: u32 = 3;
/// Successes in a row when the file does not say.
const DEFAULT_RISE: u32 = 2;

/// The tracks that are in order.
pub(super) fn lower<const MAX: usize>(
    cx: &mut Context<'_>,
    entries: &List<TrackEntry, 0, MAX>,
    timing: Option<Timing>,
    places: &mut Places,
) -> Vec<Track> {
    let mut lines: BTreeMap<String, u32> = BTreeMap::new();
    let mut tracks = Vec::new();
    for entry in entries.given() {
        let Some(track) = track(cx, entry, timing, places) else {
            continue;
        };
        let span = entry
            .value
            .name
            .given()
            .map_or(entry.span, |name| name.span);
        if let Some(line) = lines.get(&track.name) {
            let message = format!("two tracks are called {}", quoted(&track.name));
            cx.error(span, message).help(format!(
                "the other is on line {line}; give one another name, or remove it"
            ));
            continue;
        }
        lines.insert(track.name.clone(), span.line);
        tracks.push(track);
    }
    tracks
}

fn track(
    cx: &mut Context<'_>,
    entry: &Marked<TrackEntry>,
    timing: Option<Timing>,
    places: &mut Places,
) -> Option<Track> {
    let (span, entry) = (entry.span, &entry.value);
    let kind = kind(cx, entry, span, places);
    misplaced(cx, entry);
    let kind = kind?;
    let told = is_told(&kind);
    let interval = interval(cx, entry, &kind, timing);
    let timeout = entry.timeout.value().map_or(interval, |timeout| timeout.0);
    let count = |written: Option<u32>, default| written.unwrap_or(if told { 1 } else { default });
    Some(Track {
        name: match &entry.name {
            None => name_of(&kind),
            Some(name) => name.given()?.value.0.clone(),
        },
        interval,
        timeout,
        fall: count(entry.fall.value().map(|fall| fall.u32()), DEFAULT_FALL),
        rise: count(entry.rise.value().map(|rise| rise.u32()), DEFAULT_RISE),
        effect: effect(cx, entry)?,
        kind,
    })
}

/// What is told when it changes, so that nobody looks at intervals.
pub(super) fn is_told(kind: &TrackKind) -> bool {
    matches!(kind, TrackKind::Interface(_) | TrackKind::Service { .. })
}

/// What is watched: exactly one.
fn kind(
    cx: &mut Context<'_>,
    entry: &TrackEntry,
    span: Span,
    places: &mut Places,
) -> Option<TrackKind> {
    let present = [
        entry.interface.is_some(),
        entry.ping.is_some(),
        entry.http.is_some(),
        entry.tcp.is_some(),
        entry.script.is_some(),
        entry.process.is_some(),
        entry.service.is_some(),
    ];
    if present.into_iter().filter(|is_there| *is_there).count() != 1 {
        let message =
            "a track has exactly one of interface, ping, http, tcp, script, process and service";
        cx.error(span, message)
            .help("write each thing that is watched as an item of its own");
        return None;
    }
    if let Some(interface) = entry.interface.value() {
        return Some(TrackKind::Interface(interface.0.clone()));
    }
    if let Some(ping) = entry.ping.value() {
        return Some(TrackKind::Ping(ping.0));
    }
    if let Some(url) = entry.http.value() {
        return Some(TrackKind::Http {
            host: url.host.clone(),
            port: url.port,
            path: url.path.clone(),
        });
    }
    if let Some(socket) = entry.tcp.value() {
        return Some(TrackKind::Tcp(socket.0));
    }
    if let Some(script) = entry.script.given() {
        return script_of(cx, script, entry);
    }
    if let Some(process) = entry.process.value() {
        return Some(TrackKind::Process(process.0.clone()));
    }
    let service = entry.service.given()?;
    places
        .services
        .push((service.value.0.clone(), service.span));
    Some(TrackKind::Service {
        service: service.value.0.clone(),
        min_available: entry.min_available.value().map_or(1, |least| least.u32()),
    })
}

fn script_of<const MAX: usize>(
    cx: &mut Context<'_>,
    script: &Marked<OneOrMore<Text, MAX>>,
    entry: &TrackEntry,
) -> Option<TrackKind> {
    let words: Vec<&Marked<Text>> = script.value.0.given().collect();
    let Some(program) = words.first() else {
        cx.error(script.span, "no program is named");
        return None;
    };
    let text = &program.value.0;
    if !text.starts_with('/') {
        let message = format!("{} is not an absolute path", quoted(text));
        cx.error(program.span, message)
            .help("write the path from / on");
        return None;
    }
    if words.len() == 1 && text.contains(' ') {
        let list: Vec<&str> = text.split_whitespace().collect();
        cx.error(
            program.span,
            "a program with arguments is written as a list",
        )
        .help(format!("write [{}]", list.join(", ")));
        return None;
    }
    if entry.user.is_bad() {
        return None;
    }
    Some(TrackKind::Script {
        command: words.iter().map(|word| word.value.0.clone()).collect(),
        user: entry.user.value().map(|user| user.0.clone()),
    })
}

/// Keys that mean nothing for what is watched.
fn misplaced(cx: &mut Context<'_>, entry: &TrackEntry) {
    let mut refuse = |span: Option<Span>, key: &str, only: &str| {
        if let Some(span) = span {
            cx.error(span, format!("{key} goes with {only} only"))
                .help("remove it");
        }
    };
    if entry.script.is_none() {
        refuse(entry.user.given().map(|user| user.span), "user", "script");
    }
    if entry.service.is_none() {
        let span = entry.min_available.given().map(|least| least.span);
        refuse(span, "min_available", "service");
    }
    if entry.interface.is_some() || entry.service.is_some() {
        let polled = "ping, http, tcp, script and process";
        let interval = entry.interval.given().map(|interval| interval.span);
        refuse(interval, "interval", polled);
        refuse(entry.timeout.given().map(|t| t.span), "timeout", polled);
        refuse(entry.fall.given().map(|fall| fall.span), "fall", polled);
        refuse(entry.rise.given().map(|rise| rise.span), "rise", polled);
    }
}

/// Time between two looks. Two pings must fit into the time after which an active node that
/// hears nobody lets go: 0.6 of `dead_after`.
fn interval(
    cx: &mut Context<'_>,
    entry: &TrackEntry,
    kind: &TrackKind,
    timing: Option<Timing>,
) -> Duration {
    let (TrackKind::Ping(_), Some(timing)) = (kind, timing) else {
        return entry
            .interval
            .value()
            .map_or(DEFAULT_INTERVAL, |interval| interval.0);
    };
    let most = timing.dead_after * 3 / 10;
    let Some(interval) = entry.interval.given() else {
        return DEFAULT_INTERVAL.min(most);
    };
    let own = interval.value.0;
    if own > most {
        let message = format!(
            "two pings, one every {}, do not fit into 0.6 of dead_after {}",
            Shown(own),
            Shown(timing.dead_after)
        );
        let dead_after = (own * 10).as_millis().div_ceil(300) * 100;
        cx.warning(interval.span, message).help(format!(
            "an isolated node lets go before its peer claims only when they do: write at most {}, or dead_after: {}",
            Shown(most),
            Shown::ms(dead_after as u64)
        ));
    }
    own
}

fn effect(cx: &mut Context<'_>, entry: &TrackEntry) -> Option<Effect> {
    let Some(slot) = &entry.weight else {
        return Some(Effect::Fault);
    };
    let weight = slot.given()?;
    if weight.value.0 == 0 {
        cx.error(weight.span, "a weight of 0 changes nothing")
            .help("write a number such as -50; without weight a failure is a fault");
        return None;
    }
    let value = i16::try_from(weight.value.0).expect("the range is within i16");
    Some(Effect::Weight(value))
}

/// What a track is called that has no name of its own.
fn name_of(kind: &TrackKind) -> String {
    match kind {
        TrackKind::Interface(interface) => format!("interface {interface}"),
        TrackKind::Ping(address) => format!("ping {address}"),
        TrackKind::Http { host, port, path } => format!("http {}", authority(host, *port) + path),
        TrackKind::Tcp(socket) => format!("tcp {socket}"),
        TrackKind::Script { command, .. } => format!("script {}", command.join(" ")),
        TrackKind::Process(name) => format!("process {name}"),
        TrackKind::Service { service, .. } => format!("service {service}"),
    }
}

/// Host and port as a URL has them.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
