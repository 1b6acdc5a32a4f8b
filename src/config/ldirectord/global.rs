//! Directives outside sections.

use std::net::IpAddr;

use super::address::{RawFallback, read_fallback};
use super::options::{Seen, Shared, set};
use super::value::Value;
use crate::config::effective::{FileName, Globals, Line, Log, LogTarget};
use crate::config::source::{Context, quoted};
use crate::model::Family;

/// What was set outside sections.
#[derive(Debug, Clone, Default)]
pub(super) struct GlobalOptions {
    pub(super) shared: Shared,
    pub(super) fallback: Option<RawFallback>,
    pub(super) fallback6: Option<RawFallback>,
    pub(super) autoreload: Option<bool>,
    pub(super) callback: Option<String>,
    pub(super) log: Option<Log>,
    pub(super) execute: Vec<FileName>,
    pub(super) fork: Option<bool>,
    pub(super) supervised: Option<bool>,
    pub(super) readd_quiescent: Option<bool>,
    pub(super) enforce_weights: Option<bool>,
    pub(super) uplink: Option<Vec<IpAddr>>,
    pub(super) mail_from: Option<String>,
    pub(super) maintenance_directory: Option<FileName>,
    seen: Seen,
}

impl GlobalOptions {
    /// Takes a directive; `false` when it is unknown here.
    pub(super) fn read(&mut self, cx: &mut Context<'_>, value: &Value<'_>) -> bool {
        if value.name != "execute" {
            self.seen.note(cx, value);
        }
        if self.shared.read(cx, value) {
            return true;
        }
        match value.name {
            "fallback" => {
                let read = read_fallback(cx, value, Family::V4);
                set(&mut self.fallback, read);
            }
            "fallback6" => {
                let read = read_fallback(cx, value, Family::V6);
                set(&mut self.fallback6, read);
            }
            "autoreload" => set(&mut self.autoreload, value.yes_no(cx)),
            "fork" => set(&mut self.fork, value.yes_no(cx)),
            "supervised" => set(&mut self.supervised, value.yes_no(cx)),
            "readdquiescent" => set(&mut self.readd_quiescent, value.yes_no(cx)),
            "enforceweights" => set(&mut self.enforce_weights, value.yes_no(cx)),
            "uplink" => set(&mut self.uplink, uplink(cx, value)),
            "callback" => set(&mut self.callback, value.quoted(cx, None)),
            "logfile" => {
                if let Some(text) = value.quoted(cx, None) {
                    self.log = Some(log(cx, value, text));
                }
            }
            "execute" => self.execute.extend(execute(cx, value)),
            "emailalertfrom" => {
                let read = value.rest(cx, "no email from address specified");
                set(&mut self.mail_from, read);
            }
            "maintenancedir" => set(&mut self.maintenance_directory, maintenance(cx, value)),
            "timeout" => {
                cx.error(
                    value.whole,
                    "timeout directive deprecated in favour of checktimeout and negotiatetimeout",
                )
                .help("write checktimeout=SECONDS and negotiatetimeout=SECONDS");
            }
            _ => return false,
        }
        true
    }

    /// The bare word `supervised`.
    pub(super) fn set_supervised(&mut self) {
        self.supervised = Some(true);
    }
}

fn uplink(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Vec<IpAddr>> {
    let words: Vec<&str> = value.text.split(',').map(str::trim).collect();
    let mut targets = Vec::new();
    for word in &words {
        // A name would need what the uplink leads to.
        let Ok(address) = word.parse::<IpAddr>() else {
            cx.error(value.or_whole(), format!("{} is no address", quoted(word)))
                .help("write uplink=ADDRESS, or several with commas between them, without names");
            return None;
        };
        if !targets.contains(&address) {
            targets.push(address);
        }
    }
    if targets.len() > Globals::UPLINK_MAX {
        cx.error(value.or_whole(), "too many hosts for the uplink")
            .help(format!("name {} at most", Globals::UPLINK_MAX));
        return None;
    }
    Some(targets)
}

fn log(cx: &mut Context<'_>, value: &Value<'_>, text: String) -> Log {
    let line = Line(value.span.line);
    if text.starts_with('/') {
        let target = LogTarget::File(text);
        return Log { target, line };
    }
    let known = LogTarget::FACILITIES
        .into_iter()
        .find(|facility| *facility == text);
    let facility = known.unwrap_or_else(|| {
        let message = format!(
            "{} is neither an absolute path nor a syslog facility; daemon is used",
            quoted(&text)
        );
        cx.warning(value.span, message)
            .help("write the path from / on, or a facility such as local0");
        "daemon"
    });
    Log {
        target: LogTarget::Syslog(facility),
        line,
    }
}

fn execute(cx: &mut Context<'_>, value: &Value<'_>) -> Option<FileName> {
    if value.text.is_empty() {
        cx.warning(value.whole, "no configuration is named")
            .help("write execute=NAME, or remove the line");
        return None;
    }
    Some(FileName {
        path: value.text.to_owned(),
        line: Line(value.span.line),
    })
}

fn maintenance(cx: &mut Context<'_>, value: &Value<'_>) -> Option<FileName> {
    let mut path = value.rest(cx, "maintenance directory not specified")?;
    let inner = path
        .strip_prefix('"')
        .and_then(|path| path.strip_suffix('"'))
        .filter(|inner| !inner.is_empty() && !inner.contains('"'));
    if let Some(inner) = inner.map(str::to_owned) {
        cx.warning(value.span, "the quotes are not taken as part of the name")
            .help(format!(
                "write maintenancedir={inner}; ldirectord looks for a name with quotes"
            ));
        path = inner;
    }
    if path.contains(" #") {
        cx.warning(value.span, "\"#\" is part of the name here")
            .help("comments at the end of a line work only inside a virtual section");
    }
    Some(FileName {
        path,
        line: Line(value.span.line),
    })
}
