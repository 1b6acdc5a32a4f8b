//! `real` lines: `HOST[->HOST][:PORT] METHOD [WEIGHT] ["REQUEST", "RECEIVE"] [l:LOWER] [u:UPPER]`.
//!
//! ldirectord matches these loosely, dropping what lies between the parts it looks for.
//! What it drops is dropped here too, with a warning, unless that changes the address.

use super::address::{is_port_byte, method_help, read_host, read_method, read_port};
use super::line::BLANKS;
use super::section::Patterns;
use super::value::Value;
use crate::config::names::{Host, Port};
use crate::config::source::{Context, Span, quoted};
use crate::model::{Family, Forwarding};

/// A real line before its names are resolved.
#[derive(Debug, Clone)]
pub(super) struct RawReal {
    /// The server, or the first of a range.
    pub(super) host: Host,
    /// The last of a range.
    pub(super) last: Option<Box<Host>>,
    pub(super) port: Option<Port>,
    pub(super) forwarding: Forwarding,
    pub(super) options: Options,
    /// Where host and port stand.
    pub(super) span: Span,
}

/// What may follow the forwarding method.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    pub(super) weight: Option<u32>,
    pub(super) exchange: Option<Box<(String, String)>>,
    pub(super) lower: Option<u32>,
    pub(super) upper: Option<u32>,
}

impl RawReal {
    /// The line, if the expected text of its own is a regular expression.
    pub(super) fn checked(self, cx: &mut Context<'_>, patterns: &mut Patterns) -> Option<Self> {
        if let Some(exchange) = &self.options.exchange {
            if exchange.0.starts_with('/') {
                cx.warning(self.span, "the request and expected text of this real server count")
                    .help("ldirectord 4.12 ignores both when the request begins with \"/\"; without it, it honours them");
            }
            if !exchange.1.is_empty() {
                patterns.read(cx, self.span, exchange.1.clone())?;
            }
        }
        Some(self)
    }
}

/// Largest weight, as in `ipvsadm`.
const WEIGHT_MAX: u32 = 65_535;

/// Longest address in brackets that is looked for.
const ADDRESS_MAX: usize = 64;

/// Byte offsets of the parts of `HOST[->HOST][:PORT]` and of what follows.
struct Head {
    start: usize,
    host_end: usize,
    last: Option<(usize, usize)>,
    port: Option<(usize, usize)>,
    end: usize,
    method: (usize, usize),
}

/// Reads the value of `real` or `real6`.
pub(super) fn read_real(
    cx: &mut Context<'_>,
    value: &Value<'_>,
    family: Family,
) -> Option<RawReal> {
    let text = value.text;
    let Some(head) = find_head(cx, value) else {
        cx.error(
            value.or_whole(),
            "invalid address for real server (wrong format)",
        )
        .help(format_help(text, value.name));
        return None;
    };
    let host = read_end(cx, value, (head.start, head.host_end), family, "")?;
    let last = match head.last {
        Some(at) => Some(Box::new(read_end(cx, value, at, family, "end ")?)),
        None => None,
    };
    let port = match head.port {
        None => None,
        Some((start, end)) => {
            let port = read_port(&text[start..end]);
            if port.is_none() {
                cx.error(
                    value.span.part(start, end),
                    format!(
                        "invalid port ({}) for real server (could not resolve port)",
                        &text[start..end]
                    ),
                )
                .help("write a number up to 65535 or a service name");
                return None;
            }
            port
        }
    };
    let word = &text[head.method.0..head.method.1];
    let Some(forwarding) = read_method(word) else {
        cx.error(
            value.span.part(head.method.0, head.method.1),
            "forward method must be gate, masq or ipip",
        )
        .help(method_help(word));
        return None;
    };
    let options = read_options(cx, value, head.method.1)?;
    Some(RawReal {
        host,
        last,
        port,
        forwarding,
        options,
        span: value.span.part(head.start, head.end),
    })
}

fn read_end(
    cx: &mut Context<'_>,
    value: &Value<'_>,
    (start, end): (usize, usize),
    family: Family,
    which: &str,
) -> Option<Host> {
    let text = &value.text[start..end];
    let span = value.span.part(start, end);
    match read_host(cx, span, text, family) {
        Ok(host) => {
            if let Host::Name(name) = &host
                && name.contains('_')
            {
                cx.warning(span, format!("{} is looked up as a host name", quoted(text)))
                    .help("ldirectord reads only what follows the underscore; rename the host if it is to read the file");
            }
            Some(host)
        }
        Err(help) => {
            cx.error(
                span,
                format!("invalid address ({text}) for real server (could not resolve {which}host)"),
            )
            .help(help);
            None
        }
    }
}

/// Finds the head at the beginning of the value or, if that is not to be had, where
/// ldirectord would find it, unless it would silently change the address.
fn find_head(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Head> {
    let text = value.text;
    if let Some(head) = head_at(text, 0) {
        return Some(head);
    }
    let bytes = text.as_bytes();
    let is_start = |offset: &usize| {
        let here = bytes[*offset];
        let before = bytes[*offset - 1];
        here == b'[' || (is_name_byte(here) && !is_name_byte(before))
    };
    let head = (1..bytes.len())
        .filter(is_start)
        .find_map(|start| head_at(text, start))?;
    let dropped = &text[..head.start];
    let scheme = dropped
        .strip_suffix("://")
        .is_some_and(|scheme| scheme.bytes().all(|b| b.is_ascii_lowercase()));
    let harmless = !dropped.contains([':', '"']) && !dropped.bytes().any(is_name_byte);
    if !scheme && !harmless {
        return None;
    }
    cx.warning(
        value.span.part(0, head.start),
        format!("{} before the address is ignored", quoted(dropped)),
    )
    .help(format!("write {}={}", value.name, &text[head.start..]));
    Some(head)
}

/// The head that begins exactly at an offset, if one does.
fn head_at(text: &str, start: usize) -> Option<Head> {
    let host_end = host_end(text, start)?;
    let mut end = host_end;
    let last = if text[end..].starts_with("->") {
        let begin = end + 2;
        end = self::host_end(text, begin)?;
        Some((begin, end))
    } else {
        None
    };
    let port = if text[end..].starts_with(':') {
        let begin = end + 1;
        let length = text[begin..]
            .bytes()
            .take_while(|b| is_port_byte(*b))
            .count();
        end = begin + length;
        Some((begin, end)).filter(|_| length > 0)
    } else {
        None
    };
    let rest = &text[end..];
    let word = rest.trim_start_matches(BLANKS);
    let length = word
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
        .count();
    if word.len() == rest.len() || length == 0 || (port.is_none() && text[..end].ends_with(':')) {
        return None;
    }
    let method = text.len() - word.len();
    Some(Head {
        start,
        host_end,
        last,
        port,
        end,
        method: (method, method + length),
    })
}

/// End of a host that begins at an offset.
fn host_end(text: &str, start: usize) -> Option<usize> {
    let rest = &text[start..];
    if rest.starts_with('[') {
        let end = rest.bytes().take(ADDRESS_MAX).position(|b| b == b']')?;
        return Some(start + end + 1);
    }
    let mut length = rest.bytes().take_while(|b| is_name_byte(*b)).count();
    if rest[..length].ends_with('-') && rest[length..].starts_with('>') {
        length -= 1;
    }
    (length > 0).then_some(start + length)
}

fn is_name_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')
}

/// What is most likely wrong with a line without a head.
fn format_help(text: &str, name: &str) -> String {
    let first = text.split(BLANKS).next().unwrap_or_default();
    let outside_brackets = first.rsplit(']').next().unwrap_or(first);
    if outside_brackets.contains("::") {
        return "there are two colons before the port; IPv6 addresses are written [ADDRESS]:PORT in real6".to_owned();
    }
    if first.contains("->") && first.split("->").next().is_some_and(|a| a.contains(':')) {
        return "the port of a range is written once, at its end: 192.0.2.21->192.0.2.23:80"
            .to_owned();
    }
    if first == text {
        return format!("add the forwarding method: {name}={text} gate, masq or ipip");
    }
    format!("write {name}=HOST[:PORT] gate|masq|ipip [WEIGHT]")
}

/// Reads what follows the forwarding method.
fn read_options(cx: &mut Context<'_>, value: &Value<'_>, from: usize) -> Option<Options> {
    let text = value.text;
    let mut options = Options::default();
    let mut dropped: Option<(usize, usize)> = None;
    let mut at = from;
    while at < text.len() {
        let rest = &text[at..];
        let blanks = rest.len() - rest.trim_start_matches(BLANKS).len();
        if blanks > 0 {
            at += blanks;
            continue;
        }
        if rest.starts_with('"') && options.exchange.is_none() {
            let Some((exchange, length)) = read_exchange(value, rest) else {
                return left_over(cx, value, at);
            };
            options.exchange = Some(Box::new(exchange));
            at += length;
            note_dropped(cx, value, dropped.take());
            continue;
        }
        let length = rest.find(BLANKS).unwrap_or(rest.len());
        let word = &rest[..length];
        if word.contains('"') {
            return left_over(cx, value, dropped.map_or(at, |(start, _)| start));
        }
        // After the method itself only a blank may stand.
        let known = at > from && read_word(cx, value, (at, at + length), word, &mut options)?;
        if known {
            note_dropped(cx, value, dropped.take());
        } else {
            let start = dropped.map_or(at, |(start, _)| start);
            dropped = Some((start, at + length));
        }
        at += length;
    }
    if let Some((start, _)) = dropped {
        return left_over(cx, value, start);
    }
    check_thresholds(cx, value, &options)?;
    Some(options)
}

/// Takes a weight or threshold; `Some(false)` when the word is none.
fn read_word(
    cx: &mut Context<'_>,
    value: &Value<'_>,
    (start, end): (usize, usize),
    word: &str,
    options: &mut Options,
) -> Option<bool> {
    let span = value.span.part(start, end);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number(word) && options.weight.is_none() {
        let weight = word.parse().ok().filter(|weight| *weight <= WEIGHT_MAX);
        if weight.is_none() {
            cx.error(
                span,
                format!("invalid weight {} for real server", quoted(word)),
            )
            .help(format!("weights go from 0 to {WEIGHT_MAX}"));
            return None;
        }
        options.weight = weight;
        return Some(true);
    }
    let Some(colon) = word.rfind(':').filter(|at| is_number(&word[at + 1..])) else {
        return Some(false);
    };
    let slot = match &word[..colon] {
        head if head.ends_with('l') => {
            if options.upper.is_some() {
                cx.warning(span, "both thresholds count")
                    .help("ldirectord loses u: when it stands before l:; write l: first if it is to read the file");
            }
            &mut options.lower
        }
        head if head.ends_with('u') => &mut options.upper,
        _ => return Some(false),
    };
    if slot.is_some() {
        return Some(false);
    }
    if colon > 1 {
        cx.warning(
            span,
            format!("{} is read as {}", quoted(word), quoted(&word[colon - 1..])),
        )
        .help("separate the parts of the line by blanks");
    }
    *slot = word[colon + 1..].parse().ok();
    if slot.is_none() {
        cx.error(span, "invalid connection threshold for real server")
            .help(format!("thresholds go up to {}", u32::MAX));
        return None;
    }
    Some(true)
}

/// Reads `"REQUEST", "RECEIVE"` at the beginning of a text; quotes may stand inside
/// either, so the last place that can separate the two does. Returns the length too.
fn read_exchange(value: &Value<'_>, text: &str) -> Option<((String, String), usize)> {
    let close = text.rfind('"')?;
    let bytes = text.as_bytes();
    let separator = (1..close).rev().find_map(|at| {
        let separated = bytes[at] == b'"' && matches!(bytes[at + 1], b',' | b' ' | b'\t');
        let second = text.get(at + 2..)?.trim_start_matches(BLANKS);
        let open = text.len() - second.len();
        (separated && second.starts_with('"') && open < close).then_some((at, open))
    })?;
    let (end, open) = separator;
    let request = value.kept(&text[1..end]);
    let receive = value.kept(&text[open + 1..close]);
    Some(((request, receive), close + 1))
}

fn note_dropped(cx: &mut Context<'_>, value: &Value<'_>, dropped: Option<(usize, usize)>) {
    if let Some((start, end)) = dropped {
        cx.warning(
            value.span.part(start, end),
            format!("{} is ignored", quoted(&value.text[start..end])),
        )
        .help("remove it, or begin a comment with #");
    }
}

fn left_over<T>(cx: &mut Context<'_>, value: &Value<'_>, start: usize) -> Option<T> {
    cx.error(
        value.span.part(start, value.text.len()),
        format!(
            "Invalid real server line, around {}",
            quoted(&value.text[start..])
        ),
    )
    .help("after the method come [WEIGHT] [\"REQUEST\", \"RECEIVE\"] [l:LOWER] [u:UPPER]");
    None
}

/// The kernel refuses a lower threshold above the upper one.
fn check_thresholds(cx: &mut Context<'_>, value: &Value<'_>, options: &Options) -> Option<()> {
    let (lower, upper) = (options.lower.unwrap_or(0), options.upper.unwrap_or(0));
    if lower <= upper {
        return Some(());
    }
    cx.error(
        value.span,
        format!("the lower threshold {lower} is above the upper threshold {upper}"),
    )
    .help("give an upper threshold u: that is at least as large as l:");
    None
}
