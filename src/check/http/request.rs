//! The request of an HTTP check. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::model::{HttpProbe, Secret};

/// Stands for a secret where a person looks.
const MASK: &str = "***";

/// A header line of a request.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) value: Secret,
    is_secret: bool,
}

impl Line {
    /// The value as a person gets to see it.
    pub(super) fn shown(&self) -> &str {
        if self.is_secret {
            MASK
        } else {
            self.value.expose()
        }
    }
}

/// The header lines after `Host`, in their order: the usual ones that the probe does not
/// replace, then its own.
pub(super) fn lines(probe: &HttpProbe) -> Vec<Line> {
    let is_own = |name: &str| {
        let mut own = probe.headers.iter();
        own.any(|header| header.name.eq_ignore_ascii_case(name))
    };
    let mut lines = Vec::new();
    let mut usual = |name: &str, value: String, is_secret: bool| {
        if !is_own(name) {
            lines.push(Line {
                name: name.to_owned(),
                value: Secret::new(value),
                is_secret,
            });
        }
    };
    let agent = concat!("directord/", env!("CARGO_PKG_VERSION"));
    usual("User-Agent", agent.to_owned(), false);
    usual("Accept", "*/*".to_owned(), false);
    if let Some(login) = &probe.login {
        let pair = format!("{}:{}", login.name, login.password.expose());
        usual(
            "Authorization",
            format!("Basic {}", STANDARD.encode(pair)),
            true,
        );
    }
    if probe.method.takes_body() {
        let length = probe.body.as_ref().map_or(0, String::len);
        usual("Content-Length", length.to_string(), false);
    }
    let own = probe
        .headers
        .iter()
        .filter(|header| !header.name.eq_ignore_ascii_case("host"));
    lines.extend(own.map(|header| Line {
        name: header.name.clone(),
        value: header.value.clone(),
        is_secret: header.is_secret(),
    }));
    lines
}

/// The name asked for.
pub(super) fn host(probe: &HttpProbe) -> String {
    let own = probe
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("host"));
    match own {
        Some(header) => header.value.expose().to_owned(),
        None => escaped(&probe.host),
    }
}

/// The request on the wire, and as a person gets to see it.
pub(super) fn wire(probe: &HttpProbe) -> (Vec<u8>, Vec<u8>) {
    let first = format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\n",
        probe.method.word(),
        escaped(&probe.path),
        host(probe)
    );
    let lines = lines(probe);
    let body = probe.body.as_deref().unwrap_or("");
    let with = |value: fn(&Line) -> &str| {
        let mut text = first.clone();
        for line in &lines {
            text.extend([&line.name, ": ", value(line), "\r\n"]);
        }
        text.extend(["Connection: close\r\n\r\n", body]);
        text.into_bytes()
    };
    (with(|line| line.value.expose()), with(Line::shown))
}

/// Percent-encodes what cannot stand in a request line: controls, spaces, quotes, angle
/// brackets and everything beyond ASCII.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{HttpHeader, HttpMethod, Login};

    #[test]
    fn own_headers_replace_the_usual_ones_and_secrets_do_not_show() {
        let header = |name: &str, value: &str| HttpHeader {
            name: name.to_owned(),
            value: Secret::new(value),
        };
        let probe = HttpProbe {
            method: HttpMethod::Post,
            path: "/a b".to_owned(),
            host: "www.example.com".to_owned(),
            headers: vec![
                header("host", "other.example"),
                header("accept", "text/plain"),
                header("Cookie", "hidden=1"),
                header("X-Check", "1"),
            ],
            body: Some("{}\u{e9}".to_owned()),
            login: Some(Login {
                name: "monitor".to_owned(),
                password: Secret::new("hidden"),
            }),
            ..HttpProbe::default()
        };
        let (sent, shown) = wire(&probe);
        let agent = concat!("User-Agent: directord/", env!("CARGO_PKG_VERSION"), "\r\n");
        let expected = format!(
            "POST /a%20b HTTP/1.1\r\nHost: other.example\r\n{agent}Authorization: Basic bW9uaXRvcjpoaWRkZW4=\r\nContent-Length: 4\r\naccept: text/plain\r\nCookie: hidden=1\r\nX-Check: 1\r\nConnection: close\r\n\r\n{{}}\u{e9}"
        );
        assert_eq!(String::from_utf8(sent).unwrap(), expected);
        let shown = String::from_utf8(shown).unwrap();
        assert_eq!(
            shown,
            expected
                .replace("Basic bW9uaXRvcjpoaWRkZW4=", "***")
                .replace("hidden=1", "***")
        );
    }
}
