//! What an HTTP check asks and expects.

use std::fmt;
use std::sync::Arc;

use super::check::Pattern;
use super::protocol::{Login, Secret};
use super::tls::Tls;

/// Request method of an HTTP probe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpMethod {
    /// `GET`.
    #[default]
    Get,
    /// `HEAD`; there is no body to match.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `OPTIONS`.
    Options,
}

impl HttpMethod {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Options];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Options => "OPTIONS",
        }
    }

    /// Whether a request may have a body.
    pub fn takes_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Options)
    }
}

/// Versions of HTTP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HttpVersion {
    /// HTTP/1.1 (RFC 9112); answers of HTTP/1.0 are taken too.
    #[default]
    V11,
    /// HTTP/2 (RFC 9113): over TLS as negotiated by ALPN, otherwise with prior knowledge.
    V2,
}

impl HttpVersion {
    /// `1.1` or `2`.
    pub fn word(self) -> &'static str {
        match self {
            Self::V11 => "1.1",
            Self::V2 => "2",
        }
    }
}

/// An HTTP or HTTPS request and what is expected of the answer.
///
/// The default asks for nothing in particular and expects 2xx.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpProbe {
    /// Whether and how the exchange runs over TLS.
    pub tls: Option<Arc<Tls>>,
    /// Version spoken.
    pub version: HttpVersion,
    /// Request method.
    pub method: HttpMethod,
    /// Path and query, beginning with `/`; or an absolute URL for a proxy.
    pub path: String,
    /// `Host` header.
    pub host: String,
    /// Further header lines, or others instead of the usual ones; at most
    /// [`HttpHeader::MAX`].
    pub headers: Vec<HttpHeader>,
    /// Body of the request, for methods that take one.
    pub body: Option<String>,
    /// Sent as basic authentication (RFC 7617).
    pub login: Option<Login>,
    /// Status codes that are in order; `None`: 200 to 299.
    pub statuses: Option<StatusRanges>,
    /// What becomes of a redirect whose status is not in order.
    pub redirects: Redirects,
    /// Expected in the head; all of them.
    pub expected_headers: Vec<ExpectedHeader>,
    /// Expected in the body; `None` accepts every body.
    pub receive: Option<Pattern>,
    /// Whether the body must not match `receive`.
    pub invert: bool,
    /// Expected in a body of JSON; all of them.
    pub json: Vec<ExpectedJson>,
}

/// What becomes of a redirect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Redirects {
    /// Followed when it stays at the address, port and name asked; otherwise down.
    #[default]
    SameHost,
    /// Followed whatever name it leads to, always at the same address; the port is another
    /// one when the scheme becomes `https`. A redirect from `https` to `http` is down.
    Yes,
    /// Down.
    No,
}

impl Redirects {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::SameHost, Self::Yes, Self::No];

    /// The word of `redirects`.
    pub fn word(self) -> &'static str {
        match self {
            Self::SameHost => "same-host",
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// A header line of a request. The value may be a secret and does not show in debug output.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpHeader {
    /// Field name, a token (RFC 9110 §5.1).
    pub name: String,
    /// Field value, without control characters.
    pub value: Secret,
}

impl HttpHeader {
    /// Most header lines of one request beyond the usual ones, and most expected ones.
    pub const MAX: usize = 16;

    /// Whether a person should not see the value.
    pub fn is_secret(&self) -> bool {
        const SECRETS: [&str; 5] = [
            "authorization",
            "proxy-authorization",
            "cookie",
            "x-api-key",
            "x-auth-token",
        ];
        SECRETS
            .iter()
            .any(|known| self.name.eq_ignore_ascii_case(known))
    }
}

/// A header line that an answer must have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectedHeader {
    /// Field name.
    pub name: String,
    /// Searched in the values of the lines of that name; one must match.
    pub value: Pattern,
}

/// A value that an answer of JSON must have in one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExpectedJson {
    /// Where: a JSON pointer (RFC 6901), empty for the whole.
    pub pointer: String,
    /// What: JSON text.
    pub value: String,
}

/// Status codes, as ranges with both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusRanges(Vec<(u16, u16)>);

impl StatusRanges {
    /// Most ranges.
    pub const MAX: usize = 32;

    /// Reads `200-299,401`: final status codes, 200 to 599. `None` when it is not that.
    pub fn read(text: &str) -> Option<Self> {
        let code = |text: &str| {
            let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit());
            let code = text.parse().ok().filter(|_| digits)?;
            (200..=599).contains(&code).then_some(code)
        };
        let ranges = text.split(',').map(|range| {
            let range = range.trim_matches([' ', '\t']);
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (code(first)?, code(last)?);
            (first <= last).then_some((first, last))
        });
        let ranges: Vec<_> = ranges.take(Self::MAX + 1).collect::<Option<_>>()?;
        (ranges.len() <= Self::MAX).then_some(Self(ranges))
    }

    /// Whether a code is among them.
    pub fn contains(&self, code: u16) -> bool {
        let mut ranges = self.0.iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&code))
    }
}

impl fmt::Display for StatusRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_ranges_are_read_and_written() {
        let ranges = StatusRanges::read("200-299, 401").unwrap();
        assert_eq!(ranges.to_string(), "200-299,401");
        for (code, wanted) in [
            (199, false),
            (200, true),
            (299, true),
            (300, false),
            (401, true),
        ] {
            assert_eq!(ranges.contains(code), wanted, "{code}");
        }
        for bad in [
            "",
            ",",
            "200,",
            "20",
            "0200",
            "+20",
            "299-200",
            "100",
            "600",
            "200-",
            "2xx",
            "200-299-300",
        ] {
            assert_eq!(StatusRanges::read(bad), None, "{bad}");
        }
        let many = |count| vec!["200"; count].join(",");
        assert!(StatusRanges::read(&many(32)).is_some());
        assert!(StatusRanges::read(&many(33)).is_none());
    }
}
