//! Virtual sections: the `virtual` line and the indented directives below it.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use fancy_regex::{BytesMode, RegexBuilder};

use super::address::{RawFallback, VirtualAddress, VirtualForm, read_endpoint, read_fallback};
use super::beyond::Beyond;
use super::http::HttpOptions;
use super::options::{COUNT_MAX, SECONDS_MAX, Seen, Shared, set};
use super::real::{RawReal, read_real};
use super::rule::RawRule;
use super::tls::TlsOptions;
use super::value::{Value, enclosed};
use crate::config::diagnostic::Step;
use crate::config::effective::{CheckType, FileName, Line, ServiceType};
use crate::config::nearest::nearest;
use crate::config::source::{Context, Source, Span, quoted};
use crate::model::{Family, HttpMethod, Netmask, Pattern, Scheduler};

/// A virtual section before its names are resolved.
#[derive(Debug, Clone)]
pub(super) struct Section {
    pub(super) family: Family,
    /// What its line names; `None` after an error.
    form: Option<VirtualForm>,
    /// The same, looked into; `None` after an error and before the section ends.
    pub(super) address: Option<VirtualAddress>,
    /// The `virtual` directive.
    pub(super) span: Span,
    /// Line that ended the section.
    pub(super) end: u32,
    pub(super) options: SectionOptions,
    pub(super) fallback: Option<RawFallback>,
    pub(super) reals: Vec<RawReal>,
    /// It is no service but the check of this name.
    pub(super) check_name: Option<String>,
    /// Several named checks instead of one of its own.
    pub(super) rule: Option<RawRule>,
    /// Directives that ldirectord looks into when the section ends.
    later: Vec<Span>,
}

/// Values of `protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProtocolWord {
    Tcp,
    Udp,
    Mark,
}

/// What was set in a section.
#[derive(Debug, Clone, Default)]
pub(super) struct SectionOptions {
    pub(super) shared: Shared,
    pub(super) check_type: Option<CheckType>,
    pub(super) service: Option<(ServiceType, Span)>,
    pub(super) check_command: Option<(String, Span)>,
    pub(super) check_port: Option<u16>,
    pub(super) agent_port: Option<u16>,
    /// In seconds, with the place.
    pub(super) agent_interval: Option<(u32, Span)>,
    pub(super) check_path: Option<(bool, Span)>,
    pub(super) request: Option<(String, Span)>,
    pub(super) receive: Option<(Pattern, Span)>,
    pub(super) http_method: Option<(HttpMethod, Span)>,
    pub(super) http: HttpOptions,
    pub(super) tls: TlsOptions,
    pub(super) virtual_host: Option<String>,
    pub(super) login: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) secret: Option<String>,
    pub(super) scheduler: Option<Scheduler>,
    pub(super) scheduler_flags: Option<(String, Span)>,
    pub(super) persistent: Option<u32>,
    pub(super) netmask: Option<(Netmask, Span)>,
    pub(super) protocol: Option<(ProtocolWord, Span)>,
    pub(super) one_packet: Option<(bool, Span)>,
    pub(super) monitor_file: Option<FileName>,
    pub(super) service_name: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) beyond: Beyond,
    seen: Seen,
}

/// Longest persistence in seconds: 31 days, as in `ipvsadm`.
const PERSISTENT_MAX: u32 = 31 * 24 * 3600;

impl Section {
    /// Opens a section.
    pub(super) fn new(family: Family, form: Option<VirtualForm>, span: Span) -> Self {
        let address = match form {
            Some(VirtualForm::Mark(mark)) => Some(VirtualAddress::Mark(mark)),
            Some(VirtualForm::Endpoint(..)) | None => None,
        };
        Self {
            family,
            form,
            address,
            span,
            end: span.line,
            options: SectionOptions::default(),
            fallback: None,
            reals: Vec::new(),
            check_name: None,
            rule: None,
            later: Vec::new(),
        }
    }

    /// Takes a directive; `false` when it is unknown here.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        value: &Value<'_>,
        patterns: &mut Patterns,
    ) -> bool {
        match value.name {
            "real" | "real6" => {
                if self.is_own(cx, value, "real") {
                    self.later.push(value.whole);
                }
                return true;
            }
            "fallback" | "fallback6" => {
                self.options.seen.note(cx, value);
                if self.is_own(cx, value, "fallback") {
                    self.later.push(value.whole);
                }
                return true;
            }
            _ => {}
        }
        self.options.seen.note(cx, value);
        // A named check may be used by services of either family.
        let family = self.check_name.is_none().then_some(self.family);
        self.options.shared.read(cx, value)
            || self.options.read_check(cx, value, patterns)
            || self.options.read_service(cx, value, self.family)
            || self.options.beyond.read(cx, value, family, patterns)
    }

    /// Ends the section at a line: now addresses are looked at, the fallback's first.
    pub(super) fn close(&mut self, cx: &mut Context<'_>, line: u32, patterns: &mut Patterns) {
        self.end = line;
        let later = std::mem::take(&mut self.later);
        let source = cx.source;
        let values = || later.iter().filter_map(|span| value_at(source, *span));
        cx.report.at_end = Some((line, Step::Virtual));
        if let Some(VirtualForm::Endpoint(value_span, cut)) = self.form {
            self.address = read_endpoint(cx, value_span, cut, self.family);
        }
        cx.report.at_end = Some((line, Step::Fallback));
        for value in values().filter(|value| value.name.starts_with("fallback")) {
            self.fallback = read_fallback(cx, &value, self.family);
        }
        cx.report.at_end = Some((line, Step::Reals));
        self.reals.reserve_exact(later.len());
        for value in values().filter(|value| value.name.starts_with("real")) {
            let real = read_real(cx, &value, self.family);
            self.reals
                .extend(real.and_then(|real| real.checked(cx, patterns)));
        }
        cx.report.at_end = None;
    }

    /// Whether a directive has the suffix of the section's family.
    fn is_own(&self, cx: &mut Context<'_>, value: &Value<'_>, name: &str) -> bool {
        let (suffix, virtual_name) = match self.family {
            Family::V4 => ("", "virtual"),
            Family::V6 => ("6", "virtual6"),
        };
        if value.name.strip_prefix(name) == Some(suffix) {
            return true;
        }
        let own = format!("{name}{suffix}");
        cx.error(
            value.whole.part(0, value.name.len()),
            format!(
                "cannot specify \"{}\" in a {virtual_name} section: use {own}",
                value.name
            ),
        )
        .help(format!("write {own}={}", value.text));
        false
    }
}

/// The directive at a place that has been cut before.
fn value_at(source: &Source, span: Span) -> Option<Value<'_>> {
    let cut = super::line::split(source.text(span))?;
    let at = (span.start as usize, span.end as usize);
    Some(Value::new(source, span.line, at, cut, true))
}

impl SectionOptions {
    fn read_check(
        &mut self,
        cx: &mut Context<'_>,
        value: &Value<'_>,
        patterns: &mut Patterns,
    ) -> bool {
        match value.name {
            "checktype" => set(&mut self.check_type, read_check_type(cx, value)),
            "service" => {
                let read = read_service_type(cx, value);
                set(&mut self.service, read.map(|read| (read, value.span)));
            }
            "checkcommand" => {
                let read = value.optional_quotes(cx, "invalid check command");
                set(&mut self.check_command, read.map(|read| (read, value.span)));
            }
            "checkpath" => {
                let read = value.yes_no(cx);
                set(&mut self.check_path, read.map(|read| (read, value.whole)));
            }
            "checkport" => set(&mut self.check_port, read_check_port(cx, value)),
            "agentcheck" => set(&mut self.agent_port, read_agent_port(cx, value)),
            "agentinterval" => {
                let seconds = 1..=SECONDS_MAX;
                let read = value.number(cx, "invalid agent interval value", seconds);
                set(
                    &mut self.agent_interval,
                    read.map(|read| (read, value.whole)),
                );
            }
            "request" => {
                let read = value.quoted(cx, Some("no request string specified"));
                set(&mut self.request, read.map(|read| (read, value.span)));
            }
            "receive" => {
                let read = value.quoted(cx, Some("invalid receive string"));
                let pattern = read.and_then(|read| patterns.read(cx, value.span, read));
                set(&mut self.receive, pattern.map(|read| (read, value.span)));
            }
            "httpmethod" => {
                let read = read_http_method(cx, value);
                set(&mut self.http_method, read.map(|read| (read, value.whole)));
            }
            "virtualhost" => set(&mut self.virtual_host, read_virtual_host(cx, value)),
            "login" => set(
                &mut self.login,
                value.quoted(cx, Some("invalid login string")),
            ),
            "passwd" => set(
                &mut self.password,
                value.quoted(cx, Some("invalid password")),
            ),
            "database" => set(
                &mut self.database,
                value.quoted(cx, Some("invalid database name")),
            ),
            "secret" => set(&mut self.secret, value.quoted(cx, Some("invalid secret"))),
            "load" => read_load(cx, value),
            _ => return self.http.read(cx, value, patterns) || self.tls.read(cx, value),
        }
        true
    }

    fn read_service(&mut self, cx: &mut Context<'_>, value: &Value<'_>, family: Family) -> bool {
        match value.name {
            "scheduler" => set(&mut self.scheduler, read_scheduler(cx, value)),
            "schedflags" => {
                let (word, (start, end)) = value.first_run(|b| !matches!(b, b' ' | b'\t'));
                if word.is_empty() {
                    cx.error(value.whole, "invalid scheduler flags")
                        .help("write schedflags=FLAG[,FLAG], such as sh-port");
                } else {
                    value.note_loose(cx, start, end);
                    self.scheduler_flags = Some((word.to_owned(), value.span));
                }
            }
            "persistent" => {
                let read = value.number(cx, "invalid persistent timeout", 1..=PERSISTENT_MAX);
                set(&mut self.persistent, read);
            }
            "netmask" => {
                let read = read_netmask(cx, value, family);
                set(&mut self.netmask, read.map(|read| (read, value.whole)));
            }
            "protocol" => {
                let read = read_protocol(cx, value);
                set(&mut self.protocol, read.map(|read| (read, value.span)));
            }
            "ops" => {
                let read = value.yes_no(cx);
                set(&mut self.one_packet, read.map(|read| (read, value.whole)));
            }
            "monitorfile" => {
                let read = value.optional_quotes(cx, "unable to open monitorfile: no name");
                set(
                    &mut self.monitor_file,
                    read.map(|path| FileName {
                        path,
                        line: Line(value.span.line),
                    }),
                );
            }
            "servicename" => self.service_name = free_text(value),
            "comment" => self.comment = free_text(value),
            _ => return false,
        }
        true
    }
}

/// Regular expressions that are known to compile.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Result<(), String>>);

impl Patterns {
    /// Bytes of memory that one compiled expression may take.
    const COMPILED_MAX: usize = 1 << 20;

    /// A pattern, if it compiles.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        span: Span,
        text: String,
    ) -> Option<Pattern> {
        if !self.0.contains_key(&text) {
            let compiled = RegexBuilder::new(&text)
                .bytes_mode(BytesMode::Ascii)
                .delegate_size_limit(Self::COMPILED_MAX)
                .delegate_dfa_size_limit(Self::COMPILED_MAX)
                .build();
            let result = compiled.map(|_| ()).map_err(|error| error.to_string());
            self.0.insert(text.clone(), result);
        }
        if let Some(Err(error)) = self.0.get(&text) {
            let reason = error.lines().last().unwrap_or_default().trim();
            cx.error(
                span,
                format!("invalid receive string: not a regular expression: {reason}"),
            )
            .help("put a backslash before ( ) [ ] { } * + ? . | ^ $ that are meant literally");
            return None;
        }
        Some(Pattern(text))
    }
}

/// Checked as ldirectord does, and not used, as by it.
fn read_load(cx: &mut Context<'_>, value: &Value<'_>) {
    let message = "invalid string for load testing";
    let Some(text) = value.quoted(cx, Some(message)) else {
        return;
    };
    if text.contains(|c: char| c.is_ascii_alphanumeric() || c == '_') {
        cx.warning(value.whole, "load has no effect")
            .help("remove it");
    } else {
        cx.error(value.span, message)
            .help("remove it: load has no effect");
    }
}

fn free_text(value: &Value<'_>) -> Option<String> {
    (!value.text.is_empty()).then(|| value.kept(value.text))
}

/// Any digits make a combined check; else the first word counts.
fn read_check_type(cx: &mut Context<'_>, value: &Value<'_>) -> Option<CheckType> {
    const WORDS: [(&str, CheckType); 7] = [
        ("connect", CheckType::Connect),
        ("negotiate", CheckType::Negotiate),
        ("ping", CheckType::Ping),
        ("off", CheckType::Off),
        ("on", CheckType::On),
        ("external", CheckType::External),
        ("external-perl", CheckType::ExternalPerl),
    ];
    if value.text.bytes().any(|b| b.is_ascii_digit()) {
        let message = "checktype: invalid number of connects";
        return value
            .number(cx, message, 0..=COUNT_MAX)
            .map(CheckType::Combined);
    }
    let (word, (start, end)) =
        value.first_run(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if let Some((_, kind)) = WORDS.into_iter().find(|(known, _)| *known == word) {
        value.note_loose(cx, start, end);
        return Some(kind);
    }
    let words = WORDS.map(|(word, _)| word);
    let message = format!(
        "checktype must be {} or a number, not {}",
        words.join(", "),
        quoted(value.text)
    );
    value.not_one_of(cx, message, words.into_iter());
    None
}

fn read_service_type(cx: &mut Context<'_>, value: &Value<'_>) -> Option<ServiceType> {
    let (word, (start, end)) = value.word();
    if let Some(service) = ServiceType::named(word) {
        value.note_loose(cx, start, end);
        if service.is_beyond() {
            cx.beyond(value.span, &format!("service={word}"));
        }
        return Some(service);
    }
    let mut names: Vec<&str> = ServiceType::names().collect();
    names.sort_unstable();
    let message = format!(
        "service must be {}, not {}",
        names.join(", "),
        quoted(value.text)
    );
    value.not_one_of(cx, message, names.into_iter());
    None
}

fn read_check_port(cx: &mut Context<'_>, value: &Value<'_>) -> Option<u16> {
    let message = if value.text.bytes().any(|b| b.is_ascii_digit()) {
        "checkport must be in range 1..65536"
    } else {
        "invalid port"
    };
    let port = value.number(cx, message, 1..=65535)?;
    u16::try_from(port).ok()
}

fn read_agent_port(cx: &mut Context<'_>, value: &Value<'_>) -> Option<u16> {
    let message = "agentcheck must be the port of the agent, 1 to 65535";
    let port = value.number(cx, message, 1..=65535)?;
    u16::try_from(port).ok()
}

fn read_http_method(cx: &mut Context<'_>, value: &Value<'_>) -> Option<HttpMethod> {
    let (word, (start, end)) = value.word();
    let mut known = HttpMethod::ALL.into_iter();
    let Some(method) = known.find(|known| word.eq_ignore_ascii_case(known.word())) else {
        let message = "httpmethod must be GET or HEAD, or POST, PUT or OPTIONS";
        cx.error(value.or_whole(), message)
            .help("write httpmethod=GET or httpmethod=HEAD");
        return None;
    };
    if method.takes_body() {
        cx.beyond(value.span, &format!("httpmethod={}", method.word()));
    }
    value.note_loose(cx, start, end);
    Some(method)
}

/// Up to a quote, with or without one before.
fn read_virtual_host(cx: &mut Context<'_>, value: &Value<'_>) -> Option<String> {
    let start = usize::from(value.text.starts_with('"'));
    let length = value.text[start..].find('"');
    let end = length.map_or(value.text.len(), |length| start + length);
    let host = &value.text[start..end];
    if host.is_empty() {
        cx.warning(
            value.whole,
            "no virtual host is named: the real server's address is used",
        )
        .help("write virtualhost=NAME, or remove the line");
        return None;
    }
    if host.bytes().any(|b| !matches!(b, 0x20..=0x7e)) {
        cx.error(value.span, "invalid virtual host")
            .help("write the name in plain ASCII; international names in their xn-- form");
        return None;
    }
    let is_enclosed = enclosed(value.text) == Some((start, end));
    value.note_loose(
        cx,
        if is_enclosed { 0 } else { start },
        if is_enclosed { end + 1 } else { end },
    );
    Some(host.to_owned())
}

fn read_scheduler(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Scheduler> {
    let (word, (start, end)) = value.first_run(|b| b.is_ascii_lowercase());
    let Ok(scheduler) = word.parse::<Scheduler>() else {
        cx.error(
            value.or_whole(),
            "invalid scheduler, should be only lowercase letters (a-z)",
        )
        .help(format!("write one of {}", Scheduler::MAINLINE.join(", ")));
        return None;
    };
    value.note_loose(cx, start, end);
    if !scheduler.is_mainline() {
        let near = nearest(word, Scheduler::MAINLINE.into_iter());
        let diagnostic = cx.warning(
            value.span,
            format!("Linux has no scheduler \"{scheduler}\" of its own"),
        );
        if let Some(near) = near {
            diagnostic.help(format!("did you mean {near}?"));
        }
    }
    Some(scheduler)
}

fn read_netmask(cx: &mut Context<'_>, value: &Value<'_>, family: Family) -> Option<Netmask> {
    let text = value.text;
    match family {
        Family::V4 => {
            let mask = text.parse::<Ipv4Addr>().ok().map(Netmask::V4);
            if mask.is_none() {
                cx.error(
                    value.or_whole(),
                    "invalid netmask: dotted quad notation is required",
                )
                .help("write netmask=255.255.255.0, for example");
            }
            mask
        }
        Family::V6 => {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let length = text.parse::<u8>().ok();
            let length = length.filter(|length| digits && (1..=128).contains(length));
            if length.is_none() {
                cx.error(
                    value.or_whole(),
                    "invalid netmask: prefix length 1-128 is required",
                )
                .help("write netmask=64, for example");
            }
            length.map(Netmask::V6)
        }
    }
}

fn read_protocol(cx: &mut Context<'_>, value: &Value<'_>) -> Option<ProtocolWord> {
    let (word, (start, end)) = value.word();
    let protocol = match word {
        "tcp" => ProtocolWord::Tcp,
        "udp" => ProtocolWord::Udp,
        "fwm" => ProtocolWord::Mark,
        _ => {
            cx.error(
                value.or_whole(),
                format!(
                    "protocol must be tcp, udp or fwm, not {}",
                    quoted(value.text)
                ),
            )
            .help("write tcp or udp for an address and port, fwm for a firewall mark");
            return None;
        }
    };
    value.note_loose(cx, start, end);
    Some(protocol)
}
