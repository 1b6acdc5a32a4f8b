//! What services, servers and clients are picked by.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::model::{PortAddress, ServiceKey};

/// Longest pattern, in bytes.
const MAX: usize = 256;

/// An address, an address with its port, a network, or a text with `*` for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    Address(IpAddr),
    Endpoint(PortAddress),
    Network(IpAddr, u8),
    Text(String),
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > MAX {
            return Err(format!("not between 1 and {MAX} bytes"));
        }
        let unbracketed = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = unbracketed.unwrap_or(text).parse() {
            return Ok(Self::Address(address));
        }
        if let Ok(endpoint) = text.parse::<SocketAddr>() {
            return Ok(Self::Endpoint(PortAddress(endpoint.ip(), endpoint.port())));
        }
        if let Some((address, length)) = text.split_once('/')
            && let Ok(address) = address.parse::<IpAddr>()
        {
            let most = if address.is_ipv4() { 32 } else { 128 };
            return match length.parse() {
                Ok(length) if length <= most => Ok(Self::Network(address, length)),
                _ => Err(format!("a network's length is a number from 0 to {most}")),
            };
        }
        // An address behind its protocol is written in the one form that is printed.
        if let Some((protocol @ ("tcp" | "udp" | "sctp"), rest)) = text.split_once(':')
            && let Ok(endpoint) = rest.parse::<SocketAddr>()
        {
            return Ok(Self::Text(format!("{protocol}:{endpoint}")));
        }
        Ok(Self::Text(text.to_owned()))
    }
}

impl Pattern {
    /// Whether an address with a port is meant; `names` are the texts that it goes by.
    pub(super) fn fits(&self, endpoint: Option<PortAddress>, names: &[&str]) -> bool {
        match (self, endpoint) {
            (Self::Address(wanted), Some(PortAddress(address, _))) => *wanted == address,
            (Self::Endpoint(wanted), Some(endpoint)) => *wanted == endpoint,
            (Self::Network(network, length), Some(PortAddress(address, _))) => {
                contains(*network, *length, address)
            }
            (Self::Text(text), _) => names.iter().any(|name| glob(text, name)),
            (_, None) => false,
        }
    }

    /// Whether a service is meant.
    pub(super) fn fits_service(&self, key: &ServiceKey, name: Option<&str>) -> bool {
        let endpoint = match *key {
            ServiceKey::Address { address, port, .. } => Some(PortAddress(address, port)),
            ServiceKey::Mark { .. } => None,
        };
        match self {
            // Texts are made only where they are compared.
            Self::Text(_) => {
                let (long, short) = (key.to_string(), endpoint.map(|_| key.short()));
                let short = short.as_deref().unwrap_or(&long);
                self.fits(endpoint, &[&long, short, name.unwrap_or(&long)])
            }
            _ => self.fits(endpoint, &[]),
        }
    }

    /// Whether a server or client is meant.
    pub(super) fn fits_endpoint(&self, endpoint: PortAddress) -> bool {
        match self {
            Self::Text(_) => {
                let (long, short) = (endpoint.to_string(), endpoint.0.to_string());
                self.fits(Some(endpoint), &[&long, &short])
            }
            _ => self.fits(Some(endpoint), &[]),
        }
    }
}

fn contains(network: IpAddr, length: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

/// Whether a text fits a pattern in which `*` stands for anything. The time is bounded by
/// the product of the lengths.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at, mut place) = (0, 0);
    // Where the last star stands and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while place < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at, place));
            at += 1;
        } else if pattern.get(at) == Some(&text[place]) {
            at += 1;
            place += 1;
        } else if let Some((behind, reach)) = star {
            star = Some((behind, reach + 1));
            at = behind + 1;
            place = reach + 1;
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Family, Protocol};

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap()
    }

    #[test]
    fn services_are_found_by_every_name_they_have() {
        let web = ServiceKey::Address {
            protocol: Protocol::Tcp,
            address: "2001:db8::1".parse().unwrap(),
            port: 80,
        };
        for good in [
            "2001:DB8:0::1",
            "[2001:db8::1]",
            "[2001:db8:0:0::1]:80",
            "tcp:[2001:db8:0:0::1]:80",
            "tcp:*",
            "*:80",
            "2001:db8::/32",
            "shop",
            "s*p",
            "::/0",
        ] {
            assert!(pattern(good).fits_service(&web, Some("shop")), "{good}");
        }
        for bad in [
            "2001:db8::2",
            "[2001:db8::1]:81",
            "udp:[2001:db8::1]:80",
            "2001:db9::/32",
            "0.0.0.0/0",
            "sho",
            "s*q",
        ] {
            assert!(!pattern(bad).fits_service(&web, Some("shop")), "{bad}");
        }
        assert!(!pattern("shop").fits_service(&web, None));
        let mark = ServiceKey::Mark {
            family: Family::V4,
            mark: 7,
        };
        assert!(pattern("fwm:7").fits_service(&mark, None));
        assert!(pattern("fwm:*").fits_service(&mark, None));
        assert!(!pattern("0.0.0.0/0").fits_service(&mark, None));
        assert!(!pattern("fwm6:7").fits_service(&mark, None));
    }

    #[test]
    fn networks_contain_their_addresses() {
        let at = |text: &str| PortAddress(text.parse().unwrap(), 80);
        assert!(pattern("192.0.2.0/24").fits_endpoint(at("192.0.2.255")));
        assert!(!pattern("192.0.2.0/24").fits_endpoint(at("192.0.3.0")));
        assert!(pattern("192.0.2.1/32").fits_endpoint(at("192.0.2.1")));
        assert!(!pattern("192.0.2.1/32").fits_endpoint(at("192.0.2.0")));
        assert!(pattern("0.0.0.0/0").fits_endpoint(at("203.0.113.1")));
        for bad in ["192.0.2.0/33", "192.0.2.0/x", "2001:db8::/129", ""] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad}");
        }
    }

    #[test]
    fn stars_stand_for_anything() {
        for (text, fits, fits_not) in [
            ("*", "", "-"),
            ("a*b*c", "axxbyybc", "axxbyyb"),
            ("*:80", "192.0.2.1:80", "192.0.2.1:8080"),
            ("a**", "a", "b"),
            ("", "", "a"),
        ] {
            assert!(glob(text, fits), "{text} {fits}");
            assert!(
                fits_not == "-" || !glob(text, fits_not),
                "{text} {fits_not}"
            );
        }
        assert!(!glob(&"*a".repeat(100), &"a".repeat(99)));
    }
}
