//! The kinds of value in a `directord.yaml`: each reads itself and describes itself in the
//! schema, so that ranges are stated once.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use schemars::json_schema;

use super::node::{Kind, Node};
use super::read::Read;
use crate::config::source::{Context, quoted};
use crate::model::InterfaceName;

/// Longest text, in bytes.
const TEXT_MAX: usize = 4096;

/// The text of a scalar, not empty.
fn text<'a>(cx: &mut Context<'_>, node: &'a Node, wanted: &str) -> Option<&'a str> {
    if let Kind::Scalar { text, .. } = &node.kind
        && !node.is_null()
        && !text.is_empty()
        && text.len() <= TEXT_MAX
        && !text.contains(char::is_control)
    {
        return Some(text);
    }
    wrong(cx, node, wanted, "");
    None
}

/// Reports a value that is none of the kind wanted.
pub(super) fn wrong(cx: &mut Context<'_>, node: &Node, wanted: &str, help: &str) {
    let message = format!("{} is not {wanted}", node.what());
    let diagnostic = cx.error(node.span, message);
    if !help.is_empty() {
        diagnostic.help(help);
    }
}

/// Implements the schema of a leaf.
macro_rules! leaf_schema {
    ([$($generics:tt)*] $type:ty, $name:expr, $schema:expr) => {
        impl<$($generics)*> schemars::JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::from($name)
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                $schema
            }
        }
    };
}

pub(super) use leaf_schema;

/// A whole number in a range.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number<const MIN: i64, const MAX: i64>(pub(super) i64);

impl<const MIN: i64, const MAX: i64> Read for Number<MIN, MAX> {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let number = match &node.kind {
            Kind::Scalar { text, plain: true } => text.parse().ok(),
            _ => None,
        };
        if let Some(number) = number
            && (MIN..=MAX).contains(&number)
        {
            return Some(Self(number));
        }
        let help = match &node.kind {
            Kind::Scalar { text, plain: false } if text.parse::<i64>().is_ok() => {
                "remove the quotes"
            }
            _ => "",
        };
        wrong(
            cx,
            node,
            &format!("a whole number from {MIN} to {MAX}"),
            help,
        );
        None
    }
}

leaf_schema!(
    [const MIN: i64, const MAX: i64] Number<MIN, MAX>,
    format!("Number{MIN}to{MAX}"),
    json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
);

impl<const MAX: i64> Number<1, MAX> {
    /// For ranges that fit.
    pub(super) fn u32(self) -> u32 {
        u32::try_from(self.0).expect("the range is within u32")
    }
}

impl Number<1, 65_535> {
    /// A port or the like.
    pub(super) fn u16(self) -> u16 {
        u16::try_from(self.0).expect("the range is within u16")
    }
}

impl<const MAX: i64> Number<1, MAX> {
    /// For ranges up to 255.
    pub(super) fn u8(self) -> u8 {
        u8::try_from(self.0).expect("the range is within u8")
    }
}

impl Read for bool {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let word = match &node.kind {
            Kind::Scalar { text, plain: true } => text.as_str(),
            _ => "",
        };
        match word {
            "true" | "True" | "TRUE" => return Some(true),
            "false" | "False" | "FALSE" => return Some(false),
            _ => {}
        }
        let help = match word.to_ascii_lowercase().as_str() {
            "yes" | "on" | "y" => "write true",
            "no" | "off" | "n" => "write false",
            _ => "",
        };
        wrong(cx, node, "true or false", help);
        None
    }
}

/// Text of any kind, one line.
#[derive(Debug, Clone)]
pub(super) struct Text(pub(super) String);

impl Read for Text {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        text(cx, node, "a text of one line").map(|text| Self(text.to_owned()))
    }
}

leaf_schema!(
    [] Text,
    "Text",
    json_schema!({ "type": "string", "minLength": 1, "maxLength": TEXT_MAX })
);

/// A word or number as text.
#[derive(Debug, Clone)]
pub(super) struct Word(pub(super) String);

impl Read for Word {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        text(cx, node, "a word or a number").map(|text| Self(text.to_owned()))
    }
}

leaf_schema!(
    [] Word,
    "Word",
    json_schema!({ "type": ["string", "integer"] })
);

/// A name: letters, digits, `.`, `_`, `-` and the like, without blanks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name<const MAX: usize>(pub(super) String);

impl<const MAX: usize> Name<MAX> {
    /// Whether a text can be one.
    fn fits(text: &str) -> bool {
        let refused = |c: char| c.is_control() || c.is_whitespace();
        (1..=MAX).contains(&text.len()) && !text.contains(refused)
    }

    /// Whether the key of a mapping can be one; an error when not.
    pub(super) fn check(cx: &mut Context<'_>, key: &super::node::Key) -> bool {
        let fits = Self::fits(&key.text);
        if !fits {
            let message = format!("{} is not {}", quoted(&key.text), Self::wanted());
            cx.error(key.span, message);
        }
        fits
    }

    fn wanted() -> String {
        format!("a name of 1 to {MAX} bytes without blanks")
    }
}

impl<const MAX: usize> Read for Name<MAX> {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        if let Kind::Scalar { text, .. } = &node.kind
            && !node.is_null()
            && Self::fits(text)
        {
            return Some(Self(text.clone()));
        }
        wrong(cx, node, &Self::wanted(), "");
        None
    }
}

leaf_schema!(
    [const MAX: usize] Name<MAX>,
    format!("Name{MAX}"),
    json_schema!({ "type": "string", "pattern": r"^\S+$", "maxLength": MAX })
);

/// An interface's name.
#[derive(Debug, Clone)]
pub(super) struct Interface(pub(super) InterfaceName);

impl Read for Interface {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let wanted = "the name of an interface";
        let name = text(cx, node, wanted)?.parse().ok();
        if name.is_none() {
            let help = "names have at most 15 bytes, no blank, no / and no colon; what an old file calls eth0:0 is interface: eth0 with label: eth0:0";
            wrong(cx, node, wanted, help);
        }
        name.map(Self)
    }
}

leaf_schema!(
    [] Interface,
    "Interface",
    json_schema!({ "type": "string", "pattern": "^[^\\s/:]{1,15}$" })
);

/// An IPv4 or IPv6 address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address(pub(super) IpAddr);

impl Read for Address {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let wanted = "an IP address";
        let text = text(cx, node, wanted)?;
        let Ok(address) = text.parse() else {
            let help = match text.split_once('/') {
                Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                    format!("write {address}, without a prefix length")
                }
                _ if text.starts_with('[') => "write it without brackets".to_owned(),
                _ => "write an address such as 192.0.2.1 or 2001:db8::1".to_owned(),
            };
            wrong(cx, node, wanted, &help);
            return None;
        };
        Some(Self(address))
    }
}

leaf_schema!(
    [] Address,
    "Address",
    json_schema!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
);

/// An address with the length of its prefix.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefixed {
    pub(super) address: IpAddr,
    /// In bits, as far as written.
    pub(super) length: Option<u8>,
}

impl Prefixed {
    /// Bits of an address of its family.
    pub(super) fn width(&self) -> u8 {
        if self.address.is_ipv4() { 32 } else { 128 }
    }

    /// The address of its subnet, if it has a length.
    pub(super) fn network(&self) -> Option<IpAddr> {
        let host = u32::from(self.width() - self.length?);
        Some(match self.address {
            IpAddr::V4(address) => {
                let bits = u32::from(address);
                let network = bits.checked_shr(host).unwrap_or(0);
                IpAddr::from(network.checked_shl(host).unwrap_or(0).to_be_bytes())
            }
            IpAddr::V6(address) => {
                let bits = u128::from(address);
                let network = bits.checked_shr(host).unwrap_or(0);
                IpAddr::from(network.checked_shl(host).unwrap_or(0).to_be_bytes())
            }
        })
    }
}

impl Read for Prefixed {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let wanted = "an IP address with the length of its prefix";
        let text = text(cx, node, wanted)?;
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().ok();
        let length = match length {
            None => Some(None),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse::<u8>().ok().map(Some)
            }
            Some(_) => None,
        };
        if let (Some(address), Some(length)) = (address, length) {
            let prefixed = Self { address, length };
            if length.is_none_or(|length| length <= prefixed.width()) {
                return Some(prefixed);
            }
        }
        let help = "write an address such as 192.0.2.100/24 or 2001:db8::100/64";
        wrong(cx, node, wanted, help);
        None
    }
}

leaf_schema!(
    [] Prefixed,
    "Prefixed",
    json_schema!({ "type": "string", "pattern": "^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$" })
);

/// An address and a port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Socket(pub(super) SocketAddr);

impl Read for Socket {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let wanted = "an address with a port";
        let text = text(cx, node, wanted)?;
        let socket = text.parse::<SocketAddr>().ok();
        let socket = socket.filter(|socket| socket.port() > 0);
        if socket.is_none() {
            let help = "write 192.0.2.1:80 or \"[2001:db8::1]:80\"";
            wrong(cx, node, wanted, help);
        }
        socket.map(Self)
    }
}

leaf_schema!(
    [] Socket,
    "Socket",
    json_schema!({ "type": "string", "pattern": ":[0-9]{1,5}$" })
);

/// An absolute path.
#[derive(Debug, Clone)]
pub(super) struct AbsolutePath(pub(super) PathBuf);

impl Read for AbsolutePath {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let wanted = "an absolute path";
        let text = text(cx, node, wanted)?;
        if text.starts_with('/') {
            return Some(Self(PathBuf::from(text)));
        }
        wrong(cx, node, wanted, "write the path from / on");
        None
    }
}

leaf_schema!(
    [] AbsolutePath,
    "AbsolutePath",
    json_schema!({ "type": "string", "pattern": "^/" })
);

/// An `http://` URL.
#[derive(Debug, Clone)]
pub(super) struct HttpUrl {
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query, from the `/`.
    pub(super) path: String,
}

impl HttpUrl {
    fn of(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("http://")?;
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let bracket = authority.rfind(']').map_or(0, |end| end + 1);
        let (host, port) = match authority[bracket..].find(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(bracket + colon);
                let digits = &port[1..];
                let is_number = digits.bytes().all(|b| b.is_ascii_digit());
                let port = digits.parse().ok().filter(|port| is_number && *port > 0)?;
                (host, port)
            }
            None => (authority, 80),
        };
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = match inner {
            Some(inner) => inner.parse::<std::net::Ipv6Addr>().ok()?.to_string(),
            None => host.to_owned(),
        };
        let host_byte = |b: u8| b.is_ascii_alphanumeric() || b".-_:".contains(&b);
        let usable = (1..=255).contains(&host.len()) && host.bytes().all(host_byte);
        let path_is_plain = path.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
        let slash = if path.starts_with('/') { "" } else { "/" };
        (usable && path_is_plain).then(|| Self {
            host,
            port,
            path: format!("{slash}{path}"),
        })
    }
}

impl Read for HttpUrl {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        let wanted = "an http:// URL";
        let text = text(cx, node, wanted)?;
        let url = Self::of(text);
        if url.is_none() {
            let help = if text.starts_with("https:") {
                "tracks speak plain HTTP; use script for anything else"
            } else {
                "write \"http://127.0.0.1:80/path\""
            };
            wrong(cx, node, wanted, help);
        }
        url
    }
}

leaf_schema!(
    [] HttpUrl,
    "HttpUrl",
    json_schema!({ "type": "string", "pattern": "^http://" })
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_no_host_bits() {
        let network = |address: &str, length| {
            let prefixed = Prefixed {
                address: address.parse().unwrap(),
                length: Some(length),
            };
            prefixed.network().unwrap().to_string()
        };
        assert_eq!(network("192.0.2.77", 24), "192.0.2.0");
        assert_eq!(network("192.0.2.77", 32), "192.0.2.77");
        assert_eq!(network("192.0.2.77", 0), "0.0.0.0");
        assert_eq!(network("2001:db8::77", 64), "2001:db8::");
        assert_eq!(network("2001:db8::77", 0), "::");
        assert_eq!(network("2001:db8::77", 128), "2001:db8::77");
    }

    #[test]
    fn urls_of_tracks_are_plain_http() {
        let read = |text| HttpUrl::of(text).map(|url| (url.host, url.port, url.path));
        let url = |host: &str, port, path: &str| Some((host.to_owned(), port, path.to_owned()));
        assert_eq!(
            read("http://127.0.0.1/server-status"),
            url("127.0.0.1", 80, "/server-status")
        );
        assert_eq!(
            read("http://[2001:db8::1]:81?a"),
            url("2001:db8::1", 81, "/?a")
        );
        assert_eq!(read("http://www"), url("www", 80, "/"));
        for bad in [
            "https://a/",
            "http://",
            "http://a:0/",
            "http://a:+1/",
            "http://a:99999/",
            "http://u@a/",
            "http://a/b c",
            "http://a/#b",
            "http://[::1/",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
