//! What an HTTP check asks and expects beyond ldirectord's words.

use crate::model::{
    ExpectedHeader, ExpectedJson, HttpHeader, HttpVersion, Redirects, StatusRanges,
};

/// Settings of the checks of `http`, `https` and `http_proxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Status codes that are in order; `None`: 200 to 299.
    pub statuses: Option<StatusRanges>,
    /// What becomes of a redirect.
    pub redirects: Redirects,
    /// Header lines of the request.
    pub headers: Vec<HttpHeader>,
    /// Body of the request.
    pub body: Option<String>,
    /// Expected in the head of the answer.
    pub expected_headers: Vec<ExpectedHeader>,
    /// Expected in a body of JSON.
    pub json: Vec<ExpectedJson>,
    /// Whether the body must not match what is expected.
    pub invert: bool,
    /// Whether login and password are sent as basic authentication.
    pub basic: bool,
    /// Version spoken.
    pub version: HttpVersion,
}

impl HttpSettings {
    /// The directives that say what differs from the default, with their values.
    pub(super) fn directives(&self) -> Vec<(&'static str, String)> {
        let mut lines = Vec::new();
        lines.extend(self.statuses.as_ref().map(|s| ("status", s.to_string())));
        if self.redirects != Redirects::default() {
            lines.push(("redirects", self.redirects.word().to_owned()));
        }
        lines.extend(self.headers.iter().map(|header| {
            let value = header.value.expose();
            ("requestheader", format!("\"{}: {value}\"", header.name))
        }));
        lines.extend(
            self.body
                .as_ref()
                .map(|b| ("requestbody", format!("\"{b}\""))),
        );
        lines.extend(
            self.expected_headers
                .iter()
                .map(|expected| ("expectheader", format!("\"{}\"", expected_header(expected)))),
        );
        let json = self.json.iter();
        lines.extend(json.map(|expected| ("json", format!("\"{}\"", expected_json(expected)))));
        if self.invert {
            lines.push(("invert", "yes".to_owned()));
        }
        if self.basic {
            lines.push(("httpauth", "basic".to_owned()));
        }
        if self.version != HttpVersion::default() {
            lines.push(("httpversion", self.version.word().to_owned()));
        }
        lines
    }
}

/// `Name: pattern`.
pub(super) fn expected_header(expected: &ExpectedHeader) -> String {
    format!("{}: {}", expected.name, expected.value)
}

/// `/pointer = value`.
pub(super) fn expected_json(expected: &ExpectedJson) -> String {
    format!("{} = {}", expected.pointer, expected.value)
}
