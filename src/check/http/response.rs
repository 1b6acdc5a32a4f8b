//! Judges an HTTP answer that comes in pieces. Pure.

use std::mem::MaybeUninit;
use std::sync::Arc;

use super::body::{BadChunk, Chunked, Framing, Progress};
use super::expected::Expected;
use crate::check::fault::{Bytes, excerpt};
use crate::model::{HttpMethod, Reason};

/// Longest head, interim responses included, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// Most header lines of one head.
const HEADERS_MAX: usize = 100;

/// Up to this length the body is searched whenever it grows; beyond, whenever it has
/// grown by an eighth, so that a server that sends single bytes costs no more than one
/// that does not.
const EAGER_SEARCH: usize = 4096;

/// First line by which something that is no HTTP is recognised, in bytes.
const FIRST_LINE_MAX: usize = 256;

/// Longest reason phrase and `Location` that are kept, in bytes.
const PHRASE_MAX: usize = 100;
const LOCATION_MAX: usize = 2048;

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// All that is expected.
    Up,
    /// Anything else that ends the check.
    Down(Reason),
    /// A 3xx with this `Location`.
    Redirect(String),
}

/// An HTTP answer as far as it has come.
///
/// [`Response::feed`] takes the bytes as they arrive and returns the verdict as soon as
/// it is certain: nothing is read for completeness' sake. The verdict does not depend on
/// how the bytes are split.
#[derive(Debug)]
pub struct Response {
    expected: Arc<Expected>,
    /// Status code and phrase once the head is complete.
    status: Option<Status>,
    framing: Option<Framing>,
    /// The head until it is complete, then the body.
    buffer: Vec<u8>,
    /// Bytes of complete interim responses and of blank lines before the head.
    head_skipped: usize,
    /// Bytes of the buffer that have been searched already.
    searched: usize,
    received: u64,
}

#[derive(Debug)]
struct Status {
    code: u16,
    phrase: String,
}

impl Status {
    fn line(&self) -> String {
        let Self { code, phrase } = self;
        if phrase.is_empty() {
            format!("HTTP status {code}")
        } else {
            format!("HTTP status {code} {phrase}")
        }
    }
}

impl Response {
    /// Nothing has come.
    pub fn new(expected: Arc<Expected>) -> Self {
        Self {
            expected,
            status: None,
            framing: None,
            buffer: Vec::new(),
            head_skipped: 0,
            searched: 0,
            received: 0,
        }
    }

    /// Bytes taken so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// `HTTP status 200 OK`, once the head is complete.
    pub fn status_line(&self) -> String {
        self.status.as_ref().map_or_else(String::new, Status::line)
    }

    /// The status code, once the head is complete.
    pub fn code(&self) -> Option<u16> {
        self.status.as_ref().map(|status| status.code)
    }

    /// More of the answer; `None` asks for more.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Verdict> {
        self.received += bytes.len() as u64;
        let mut rest = bytes;
        while self.framing.is_none() {
            match self.take_head(rest) {
                Ok(Some(unread)) => rest = unread,
                Ok(None) => return None,
                Err(verdict) => return Some(verdict),
            }
        }
        self.take_body(rest)
    }

    /// The server has closed its side.
    pub fn end(&mut self) -> Verdict {
        match self.framing {
            None if self.received == 0 => {
                down("connected, but the server closed without an answer")
            }
            None if self.buffer.is_empty() || self.buffer.starts_with(b"HTTP/") => self.stopped(),
            None => not_http(&self.buffer),
            Some(Framing::UntilClose) => self.complete(),
            Some(Framing::Length(_) | Framing::Chunked(_)) => {
                self.early_match().unwrap_or_else(|| self.stopped())
            }
        }
    }

    /// The deadline has passed: a verdict if what has come suffices for one.
    pub fn expire(&mut self) -> Option<Verdict> {
        self.early_match()
    }

    /// Takes bytes of the head. Returns what follows the head if it ends here and is not
    /// an interim one, or an empty remainder to go on with after an interim one.
    fn take_head<'b>(&mut self, bytes: &'b [u8]) -> Result<Option<&'b [u8]>, Verdict> {
        let mut fresh = bytes;
        if self.buffer.is_empty() {
            // A robust client skips blank lines before the status line (RFC 9112 §2.2).
            let start = fresh.iter().position(|byte| !b"\r\n".contains(byte));
            fresh = &fresh[start.unwrap_or(fresh.len())..];
            self.head_skipped += bytes.len() - fresh.len();
        }
        let room = HEAD_MAX.saturating_sub(self.head_skipped + self.buffer.len());
        let taken = fresh.len().min(room);
        let scan_from = self.buffer.len().saturating_sub(3);
        self.buffer.extend_from_slice(&fresh[..taken]);
        let Some(end) = end_of_head(&self.buffer, scan_from) else {
            if is_foreign(&self.buffer) {
                return Err(not_http(&self.buffer));
            }
            if taken == room {
                return Err(down(format!(
                    "the head of the answer is longer than {HEAD_MAX} bytes"
                )));
            }
            return Ok(None);
        };
        let surplus = self.buffer.len() - end;
        let unread = &fresh[taken - surplus..];
        self.read_head(end)?;
        if self.framing.is_none() {
            self.head_skipped += end;
        }
        self.buffer.clear();
        Ok(Some(unread))
    }

    /// Parses the complete head and decides what it can.
    fn read_head(&mut self, end: usize) -> Result<(), Verdict> {
        let head = &self.buffer[..end];
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let outcome = httparse::ParserConfig::default()
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .parse_response_with_uninit_headers(&mut parsed, head, &mut headers);
        match outcome {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(down(format!("more than {HEADERS_MAX} header lines")));
            }
            _ if !head.starts_with(b"HTTP/") => return Err(not_http(head)),
            Err(
                error @ (httparse::Error::HeaderName
                | httparse::Error::HeaderValue
                | httparse::Error::NewLine),
            ) => return Err(down(format!("malformed HTTP head: {error}"))),
            _ => return Err(not_http(head)),
        }
        let code = parsed.code.unwrap_or(0);
        if (100..200).contains(&code) && code != 101 {
            return Ok(());
        }
        let status = Status {
            code,
            phrase: excerpt(parsed.reason.unwrap_or("").as_bytes(), PHRASE_MAX),
        };
        let judged = judge_head(&self.expected, &status, parsed.headers)
            .and_then(|()| framing(self.expected.method, code, parsed.headers));
        self.status = Some(status);
        self.framing = Some(judged?);
        Ok(())
    }

    /// The head has come by other means than [`Response::feed`]; the body follows there,
    /// without framing, until [`Response::end`].
    pub fn answered(&mut self, code: u16, headers: &[httparse::Header<'_>]) -> Option<Verdict> {
        let status = Status {
            code,
            phrase: String::new(),
        };
        let judged = judge_head(&self.expected, &status, headers);
        self.status = Some(status);
        if let Err(verdict) = judged {
            return Some(verdict);
        }
        self.framing = Some(if has_body(self.expected.method, code) {
            Framing::UntilClose
        } else {
            Framing::Length(0)
        });
        self.take_body(&[])
    }

    fn take_body(&mut self, bytes: &[u8]) -> Option<Verdict> {
        let limit = self.expected.body_max();
        let framing = self.framing.as_mut()?;
        let progress = framing.decode(bytes, &mut self.buffer, limit);
        match progress {
            Ok(Progress::Complete) => Some(self.complete()),
            Ok(Progress::More) if self.buffer.len() >= limit => Some(self.complete()),
            Ok(Progress::More) => {
                let length = self.buffer.len();
                let due = length <= EAGER_SEARCH || length - self.searched >= length / 8;
                if due { self.early_match() } else { None }
            }
            Err(BadChunk(how)) => Some(
                self.early_match()
                    .unwrap_or_else(|| down(format!("not a valid HTTP body: {how}"))),
            ),
        }
    }

    /// Verdict on the beginning of a body, if it is one on the whole.
    fn early_match(&mut self) -> Option<Verdict> {
        let nothing_new = self.framing.is_none() || self.searched == self.buffer.len();
        if nothing_new || !self.expected.decides_early() {
            return None;
        }
        self.searched = self.buffer.len();
        let code = self.code().unwrap_or(0);
        self.expected.early(&self.buffer, code).map(verdict)
    }

    /// Verdict on the body, which is complete or as long as is looked at.
    fn complete(&self) -> Verdict {
        let code = self.code().unwrap_or(0);
        verdict(self.expected.body(&self.buffer, code))
    }

    fn stopped(&self) -> Verdict {
        down(format!("answer stopped after {}", Bytes(self.received)))
    }
}

/// End of the blank line that ends a head, at or after `from`. A bare line feed ends a
/// line too (RFC 9112 §2.2); small servers and scripts send them.
fn end_of_head(buffer: &[u8], from: usize) -> Option<usize> {
    let tail = &buffer[from..];
    let mut at = 0;
    while let Some(offset) = tail[at..].iter().position(|byte| *byte == b'\n') {
        at += offset + 1;
        match tail[at..] {
            [b'\n', ..] => return Some(from + at + 1),
            [b'\r', b'\n', ..] => return Some(from + at + 2),
            _ => {}
        }
    }
    None
}

/// Whether an unfinished head cannot become one of HTTP. Waits for a whole line, so that
/// the reason shows it.
fn is_foreign(buffer: &[u8]) -> bool {
    let line_is_known = buffer.contains(&b'\n') || buffer.len() >= FIRST_LINE_MAX;
    line_is_known && !buffer.starts_with(b"HTTP/")
}

/// Decides on a head what can be decided; an error is a verdict.
fn judge_head(
    expected: &Expected,
    status: &Status,
    headers: &[httparse::Header<'_>],
) -> Result<(), Verdict> {
    if !expected.accepts(status.code) {
        let is_redirect = matches!(status.code, 301 | 302 | 303 | 307 | 308);
        let location = header(headers, "location").next();
        return Err(match location.filter(|_| is_redirect && expected.follows) {
            Some(location) => redirect(location),
            None => down(status.line()),
        });
    }
    expected.head(headers).map_err(Verdict::Down)?;
    if expected.wants_body() {
        Ok(())
    } else {
        Err(Verdict::Up)
    }
}

/// Whether an answer has a body (RFC 9112 §6.3).
fn has_body(method: HttpMethod, code: u16) -> bool {
    method != HttpMethod::Head && !matches!(code, 204 | 205 | 304)
}

fn verdict(judged: Result<(), Reason>) -> Verdict {
    judged.map_or_else(Verdict::Down, |()| Verdict::Up)
}

/// How the body of an answer ends. `Transfer-Encoding` overrides `Content-Length`.
fn framing(
    method: HttpMethod,
    code: u16,
    headers: &[httparse::Header<'_>],
) -> Result<Framing, Verdict> {
    if !has_body(method, code) {
        return Ok(Framing::Length(0));
    }
    if let Some(coding) = header(headers, "transfer-encoding").last() {
        let last = coding.rsplit(|byte| *byte == b',').next().unwrap_or(coding);
        return Ok(if last.trim_ascii().eq_ignore_ascii_case(b"chunked") {
            Framing::Chunked(Chunked::new())
        } else {
            Framing::UntilClose
        });
    }
    let mut length = None;
    for value in header(headers, "content-length") {
        let parsed = content_length(value).ok_or_else(|| {
            down(format!(
                "unusable Content-Length \"{}\"",
                excerpt(value, PHRASE_MAX)
            ))
        })?;
        if length.is_some_and(|earlier| earlier != parsed) {
            return Err(down("two different Content-Length headers"));
        }
        length = Some(parsed);
    }
    Ok(length.map_or(Framing::UntilClose, Framing::Length))
}

/// Digits only: no sign, no list, no overflow.
fn content_length(value: &[u8]) -> Option<u64> {
    let value = value.trim_ascii();
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| digits)?;
    text.parse().ok()
}

/// Values of a header, in order.
fn header<'h>(
    headers: &'h [httparse::Header<'h>],
    name: &'static str,
) -> impl Iterator<Item = &'h [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .map(|header| header.value)
}

fn redirect(location: &[u8]) -> Verdict {
    let usable = location.len() <= LOCATION_MAX && location.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(location) {
        Ok(text) if usable => Verdict::Redirect(text.to_owned()),
        _ => down(format!(
            "unusable redirect to \"{}\"",
            excerpt(location, PHRASE_MAX)
        )),
    }
}

fn not_http(buffer: &[u8]) -> Verdict {
    let line = buffer
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or(buffer);
    down(format!("not an HTTP answer: {}", excerpt(line, PHRASE_MAX)))
}

fn down(reason: impl AsRef<str>) -> Verdict {
    Verdict::Down(Reason::new(reason))
}

#[cfg(test)]
mod tests;
