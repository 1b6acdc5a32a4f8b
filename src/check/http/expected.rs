//! What is expected of an HTTP answer, made ready. Pure.

use std::sync::Arc;

use super::json::{self, Place};
use crate::check::fault::excerpt;
use crate::check::pattern::{self, Matcher, TooHard};
use crate::model::{Fault, HttpMethod, HttpProbe, Reason, Redirects, StatusRanges};

/// Bytes of the body in which the expected text is searched. Nothing beyond is read.
pub(super) const BODY_MAX: usize = 256 * 1024;

/// The same for patterns that backtrack, whose cost grows faster than the text.
const BODY_MAX_BACKTRACKING: usize = 32 * 1024;

/// Bytes of a header's value that a reason quotes.
const QUOTE_MAX: usize = 100;

/// What is expected of an answer.
#[derive(Debug)]
pub struct Expected {
    pub(super) method: HttpMethod,
    statuses: Option<StatusRanges>,
    /// Whether a redirect is something to go on with.
    pub(super) follows: bool,
    headers: Vec<(String, Arc<Matcher>)>,
    matcher: Option<Arc<Matcher>>,
    invert: bool,
    json: Vec<Place>,
}

impl Expected {
    /// 2xx or a redirect, with a body that matches if a matcher is given.
    pub fn plain(method: HttpMethod, matcher: Option<Arc<Matcher>>) -> Self {
        Self {
            method,
            statuses: None,
            follows: true,
            headers: Vec::new(),
            matcher,
            invert: false,
            json: Vec::new(),
        }
    }

    /// What a probe says.
    ///
    /// # Errors
    ///
    /// A pattern or JSON value cannot be used.
    pub fn of(probe: &HttpProbe) -> Result<Self, Fault> {
        let matcher = probe.receive.as_ref().map(pattern::compile).transpose()?;
        let headers = probe.expected_headers.iter().map(|expected| {
            let matcher = pattern::compile(&expected.value)?;
            Ok((expected.name.clone(), matcher))
        });
        let json = probe.json.iter().map(Place::new);
        Ok(Self {
            method: probe.method,
            statuses: probe.statuses.clone(),
            follows: probe.redirects != Redirects::No,
            headers: headers.collect::<Result<_, Fault>>()?,
            matcher,
            invert: probe.invert,
            json: json.collect::<Result<_, _>>()?,
        })
    }

    /// Whether judging takes time proportional to the length of the answer.
    pub(super) fn is_linear(&self) -> bool {
        let mut matchers = self
            .matcher
            .iter()
            .chain(self.headers.iter().map(|(_, matcher)| matcher));
        matchers.all(|matcher| matcher.is_linear())
    }

    /// Whether a status code is in order.
    pub(super) fn accepts(&self, code: u16) -> bool {
        match &self.statuses {
            None => (200..300).contains(&code),
            Some(ranges) => ranges.contains(code),
        }
    }

    /// Judges the header lines.
    pub(super) fn head(&self, headers: &[httparse::Header<'_>]) -> Result<(), Reason> {
        for (name, matcher) in &self.headers {
            let mut last = None;
            let mut found = false;
            for header in headers.iter().filter(|h| h.name.eq_ignore_ascii_case(name)) {
                let value = header.value.trim_ascii();
                found |= matcher
                    .is_match(value)
                    .map_err(|error| Reason::new(error.to_string()))?;
                last = Some(value);
            }
            if found {
                continue;
            }
            return Err(Reason::new(match last {
                None => format!("the answer has no header {name}"),
                Some(value) => format!(
                    "the header {name} is \"{}\", which does not match \"{}\"",
                    excerpt(value, QUOTE_MAX),
                    matcher.source()
                ),
            }));
        }
        Ok(())
    }

    /// Whether the body matters.
    pub(super) fn wants_body(&self) -> bool {
        self.matcher.is_some() || !self.json.is_empty()
    }

    /// Bytes of the body that are looked at.
    pub(super) fn body_max(&self) -> usize {
        match &self.matcher {
            Some(matcher) if !matcher.is_linear() => BODY_MAX_BACKTRACKING,
            _ => BODY_MAX,
        }
    }

    /// Whether the beginning of a body can decide.
    pub(super) fn decides_early(&self) -> bool {
        let is_growing = self.matcher.as_ref().is_some_and(|m| m.is_growing());
        is_growing && (self.invert || self.json.is_empty())
    }

    /// Verdict on the beginning of a body, if [`Expected::decides_early`] and it does.
    pub(super) fn early(&self, body: &[u8], code: u16) -> Option<Result<(), Reason>> {
        let matcher = self.matcher.as_ref()?;
        if matcher.is_match(body) != Ok(true) {
            return None;
        }
        Some(if self.invert {
            Err(self.unwanted(code))
        } else {
            Ok(())
        })
    }

    /// Verdict on a body that is complete or as long as is looked at.
    pub(super) fn body(&self, body: &[u8], code: u16) -> Result<(), Reason> {
        let is_cut = body.len() >= self.body_max();
        if let Some(matcher) = &self.matcher {
            match matcher.is_match(body) {
                Ok(found) if found != self.invert => {}
                Ok(true) => return Err(self.unwanted(code)),
                Ok(false) => {
                    let part = if is_cut {
                        format!(" in its first {} bytes", body.len())
                    } else {
                        String::new()
                    };
                    return Err(Reason::new(format!(
                        "HTTP {code}, but the body does not match \"{}\"{part}",
                        matcher.source()
                    )));
                }
                Err(error @ TooHard) => return Err(Reason::new(error.to_string())),
            }
        }
        if self.json.is_empty() {
            return Ok(());
        }
        if is_cut {
            let length = self.body_max();
            let reason = format!("HTTP {code}, but the JSON is longer than {length} bytes");
            return Err(Reason::new(reason));
        }
        json::judge(body, &self.json).map_err(|why| Reason::new(format!("HTTP {code}, but {why}")))
    }

    fn unwanted(&self, code: u16) -> Reason {
        let source = self.matcher.as_ref().map_or("", |matcher| matcher.source());
        Reason::new(format!(
            "HTTP {code}, but the body matches \"{source}\", which it must not"
        ))
    }
}
