//! Directives of HTTP checks that ldirectord does not have.

use super::options::set;
use super::section::Patterns;
use super::value::Value;
use crate::config::http::HttpSettings;
use crate::config::source::{Context, Span, quoted};
use crate::model::{
    ExpectedHeader, ExpectedJson, HttpHeader, HttpVersion, Redirects, Secret, StatusRanges,
};

/// Header lines that are the program's own business.
const RESERVED: [&str; 9] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What was set, and by which words.
#[derive(Debug, Clone, Default)]
pub(super) struct HttpOptions {
    pub(super) settings: HttpSettings,
    pub(super) used: Vec<(&'static str, Span)>,
}

impl HttpOptions {
    /// Takes a directive; `false` when it is none of these.
    pub(super) fn read(
        &mut self,
        cx: &mut Context<'_>,
        value: &Value<'_>,
        patterns: &mut Patterns,
    ) -> bool {
        let settings = &mut self.settings;
        let name = match value.name {
            "status" => {
                let read = read_statuses(cx, value);
                set(&mut settings.statuses, read);
                "status"
            }
            "redirects" => {
                settings.redirects = read_redirects(cx, value).unwrap_or(settings.redirects);
                "redirects"
            }
            "requestheader" => {
                let read = read_header(cx, value);
                push(cx, value, &mut settings.headers, read);
                "requestheader"
            }
            "requestbody" => {
                set(
                    &mut settings.body,
                    value.quoted(cx, Some("invalid request body")),
                );
                "requestbody"
            }
            "expectheader" => {
                let read = read_expected_header(cx, value, patterns);
                push(cx, value, &mut settings.expected_headers, read);
                "expectheader"
            }
            "json" => {
                let read = read_json(cx, value);
                push(cx, value, &mut settings.json, read);
                "json"
            }
            "invert" => {
                settings.invert = value.yes_no(cx).unwrap_or(settings.invert);
                "invert"
            }
            "httpauth" => {
                settings.basic |= read_auth(cx, value);
                "httpauth"
            }
            "httpversion" => {
                settings.version = read_version(cx, value).unwrap_or(settings.version);
                "httpversion"
            }
            _ => return false,
        };
        self.used.push((name, value.whole));
        true
    }

    /// Where a word was last used.
    pub(super) fn place(&self, name: &str) -> Option<Span> {
        let mut used = self.used.iter().rev();
        used.find(|(known, _)| *known == name)
            .map(|(_, span)| *span)
    }
}

/// Adds to a list that may not grow for ever.
fn push<T>(cx: &mut Context<'_>, value: &Value<'_>, list: &mut Vec<T>, read: Option<T>) {
    if list.len() == HttpHeader::MAX {
        let message = format!("more than {} lines of {}", HttpHeader::MAX, value.name);
        cx.error(value.whole, message).help("remove some");
        return;
    }
    list.extend(read);
}

fn read_statuses(cx: &mut Context<'_>, value: &Value<'_>) -> Option<StatusRanges> {
    let text = value.optional_quotes(cx, "no status codes specified")?;
    let read = StatusRanges::read(&text);
    if read.is_none() {
        let message = format!("{} is no list of status codes", quoted(&text));
        cx.error(value.span, message).help(format!(
            "write codes and ranges from 200 to 599, at most {}, such as status=200-299,401",
            StatusRanges::MAX
        ));
    }
    read
}

fn read_redirects(cx: &mut Context<'_>, value: &Value<'_>) -> Option<Redirects> {
    let (word, (start, end)) = value.first_run(|b| b.is_ascii_alphanumeric() || b == b'-');
    let read = Redirects::ALL
        .into_iter()
        .find(|known| known.word() == word);
    if read.is_some() {
        value.note_loose(cx, start, end);
    } else {
        cx.error(value.or_whole(), "redirects must be yes, no or same-host")
            .help("write redirects=same-host to follow those that stay at the name asked");
    }
    read
}

/// Name and value of `Name: value`.
fn read_line(cx: &mut Context<'_>, value: &Value<'_>, example: &str) -> Option<(String, String)> {
    let text = value.quoted(cx, Some("no header specified"))?;
    let (name, rest) = text.split_once(':').unwrap_or(("", ""));
    let rest = rest.trim_matches([' ', '\t']);
    if is_token(name) && !rest.is_empty() {
        return Some((name.to_owned(), rest.to_owned()));
    }
    let message = format!("{} is no header line", quoted(&text));
    cx.error(value.span, message)
        .help(format!("write {}=\"{example}\"", value.name));
    None
}

/// Whether a text can be the name of a header field (RFC 9110 §5.6.2).
fn is_token(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=256).contains(&name.len()) && name.bytes().all(fits)
}

fn read_header(cx: &mut Context<'_>, value: &Value<'_>) -> Option<HttpHeader> {
    let (name, text) = read_line(cx, value, "X-Check: 1")?;
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&lower.as_str()) {
        let message = format!("the header {name} cannot be set: it is made by the check");
        cx.error(value.span, message).help("remove the line");
        return None;
    }
    let plain = text.bytes().all(|b| matches!(b, 0x20..=0x7e));
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
    if !plain || (lower == "host" && !text.bytes().all(is_host)) {
        let message = format!("the value {} cannot be sent in {name}", quoted(&text));
        cx.error(value.span, message)
            .help("write plain ASCII; a host has no blanks and no slash");
        return None;
    }
    Some(HttpHeader {
        name,
        value: Secret::new(text),
    })
}

fn read_expected_header(
    cx: &mut Context<'_>,
    value: &Value<'_>,
    patterns: &mut Patterns,
) -> Option<ExpectedHeader> {
    let (name, text) = read_line(cx, value, "Content-Type: ^text/html")?;
    let pattern = patterns.read(cx, value.span, text)?;
    Some(ExpectedHeader {
        name,
        value: pattern,
    })
}

/// `/pointer = value`. What is no JSON is text, unless it begins as JSON.
fn read_json(cx: &mut Context<'_>, value: &Value<'_>) -> Option<ExpectedJson> {
    let text = value.quoted(cx, Some("no JSON value specified"))?;
    let (pointer, wanted) = text.split_once('=').unwrap_or((&text, ""));
    let pointer = pointer.trim_matches([' ', '\t']);
    let wanted = wanted.trim_matches([' ', '\t']);
    let parsed = match serde_json::from_str::<serde_json::Value>(wanted) {
        Ok(parsed) => Some(parsed),
        Err(_) if wanted.is_empty() || wanted.starts_with(['"', '[', '{']) => None,
        Err(_) => Some(wanted.into()),
    };
    let tildes = pointer.split('~').skip(1);
    let is_pointer = (pointer.is_empty() || pointer.starts_with('/'))
        && tildes.into_iter().all(|rest| rest.starts_with(['0', '1']));
    let (Some(parsed), true) = (parsed, is_pointer) else {
        let message = format!("{} is no JSON pointer with a value", quoted(&text));
        cx.error(value.span, message)
            .help("write json=\"/status = ok\", json=\"/checks/0/up = true\" or json=\"/n = 7\"");
        return None;
    };
    Some(ExpectedJson {
        pointer: pointer.to_owned(),
        value: parsed.to_string(),
    })
}

fn read_auth(cx: &mut Context<'_>, value: &Value<'_>) -> bool {
    let (word, (start, end)) = value.word();
    let is_basic = word == "basic";
    if is_basic {
        value.note_loose(cx, start, end);
    } else {
        cx.error(value.or_whole(), "httpauth must be basic")
            .help("write httpauth=basic, with login= and passwd=");
    }
    is_basic
}

fn read_version(cx: &mut Context<'_>, value: &Value<'_>) -> Option<HttpVersion> {
    let (word, (start, end)) = value.first_run(|b| b.is_ascii_alphanumeric() || b == b'.');
    let known = [HttpVersion::V11, HttpVersion::V2];
    let read = known.into_iter().find(|known| known.word() == word);
    if read.is_some() {
        value.note_loose(cx, start, end);
    } else {
        cx.error(value.or_whole(), "httpversion must be 1.1 or 2")
            .help("write httpversion=2, or remove the line for HTTP/1.1");
    }
    read
}
