//! Addresses, ports and numbers as the original reads them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::Lookup;
use crate::model::Protocol;

/// A host with or without a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: IpAddr,
    /// `None` when none was written.
    pub(super) port: Option<u16>,
}

/// Reads `HOST[:PORT]` or `[IPV6]:PORT`. A bare IPv6 address has no port; a bare number is
/// no host.
pub(super) fn place(text: &str, protocol: Option<Protocol>, names: &dyn Lookup) -> Option<Place> {
    if let Some(inner) = text.strip_prefix('[') {
        let (host, port) = inner.split_once(']')?;
        let port = port.strip_prefix(':')?;
        let address = match host.parse::<Ipv6Addr>() {
            Ok(address) => IpAddr::V6(address),
            Err(_) => IpAddr::V4(host_v4(host, names)?),
        };
        let port = Some(self::port(port, protocol, names)?);
        return Some(Place { address, port });
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        let address = IpAddr::V6(address);
        return Some(Place {
            address,
            port: None,
        });
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(self::port(port, protocol, names)?)),
        None if number(text, 0, i64::MAX).is_some() => return None,
        None => (text, None),
    };
    let address = IpAddr::V4(host_v4(host, names)?);
    Some(Place { address, port })
}

/// Reads an IPv4 address or the name of a host that has one.
pub(super) fn host_v4(text: &str, names: &dyn Lookup) -> Option<Ipv4Addr> {
    if text.is_empty() {
        return None;
    }
    aton(text).or_else(|| names.address(text))
}

fn port(text: &str, protocol: Option<Protocol>, names: &dyn Lookup) -> Option<u16> {
    match number(text, 0, i64::from(u16::MAX)) {
        Some(port) => u16::try_from(port).ok(),
        None => names.port(text, protocol?),
    }
}

/// Reads a decimal number within bounds as the C library does: blanks before it and a sign
/// are allowed, anything after it is not.
pub(super) fn number(text: &str, least: i64, most: i64) -> Option<i64> {
    let digits = text.trim_start_matches(is_space);
    // A sign alone, or two of them, is none.
    let value: i64 = digits.parse().ok()?;
    (least..=most).contains(&value).then_some(value)
}

/// The number at the beginning of a text, 0 without one (C's `atoi`).
pub(super) fn leading_number(text: &str) -> i64 {
    let text = text.trim_start_matches(is_space);
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let end = text.len() - unsigned.len() + digits;
    text[..end].parse().unwrap_or(0)
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// An IPv4 address in any of the forms of the C library's `inet_aton`: one to four parts,
/// each decimal, octal after `0`, hexadecimal after `0x`; the last part fills what is left.
/// Text after a blank does not count.
fn aton(text: &str) -> Option<Ipv4Addr> {
    let end = text.find(is_space).unwrap_or(text.len());
    let mut parts = Vec::with_capacity(4);
    for part in text[..end].splitn(5, '.') {
        parts.push(part_of_address(part)?);
    }
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * (4 - first.len() as u32);
    if u64::from(*last) >= 1 << room {
        return None;
    }
    let high = first
        .iter()
        .zip([24, 16, 8])
        .fold(0, |bits, (part, shift)| bits | part << shift);
    Some(Ipv4Addr::from_bits(high | last))
}

fn part_of_address(text: &str) -> Option<u32> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    if digits.starts_with('+') {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ipvsadm::names::tests::Known;

    fn read(text: &str) -> Option<String> {
        let place = place(text, Some(Protocol::Tcp), &Known)?;
        let port = place.port.map_or("-".to_owned(), |port| port.to_string());
        Some(format!("{} {port}", place.address))
    }

    #[test]
    fn every_form_of_an_address_reads_as_in_the_original() {
        let cases = [
            ("192.0.2.1:80", Some("192.0.2.1 80")),
            ("192.0.2.1", Some("192.0.2.1 -")),
            ("192.0.2.1:http", Some("192.0.2.1 80")),
            ("192.0.2.1:domain", None),
            ("192.0.2.1:65536", None),
            ("192.0.2.1:-1", None),
            ("192.0.2.1:+91", Some("192.0.2.1 91")),
            ("192.0.2.1: 92", Some("192.0.2.1 92")),
            ("192.0.2.1:0x5d", None),
            ("192.0.2.1:0100", Some("192.0.2.1 100")),
            ("192.0.2.1:80:90", None),
            ("192.0.2.1:", None),
            (":80", None),
            ("", None),
            ("12345:80", Some("0.0.48.57 80")),
            ("12345", None),
            ("192.0.2:81", Some("192.0.0.2 81")),
            ("0xC0000201:82", Some("192.0.2.1 82")),
            ("0300.0.2.1:83", Some("192.0.2.1 83")),
            ("192.0.2.1 x:84", Some("192.0.2.1 84")),
            ("192.0.2.256:82", None),
            ("192.0.2.1.1:82", None),
            ("192.0.2.:82", None),
            ("08.0.0.1:1", None),
            ("0x.0.0.1:1", None),
            ("1.0x+1:1", None),
            ("4294967296:1", None),
            ("web:80", Some("192.0.2.7 80")),
            ("nosuch:80", None),
            ("[2001:db8::1]:81", Some("2001:db8::1 81")),
            ("[2001:db8::1]:http", Some("2001:db8::1 80")),
            ("[2001:db8::1]", None),
            ("[2001:db8::1]:", None),
            ("[2001:db8::1]81", None),
            ("[2001:db8::1", None),
            ("2001:db8::1", Some("2001:db8::1 -")),
            ("2001:db8::1]:80", None),
            // Mended: the original forgets the port.
            ("[192.0.2.1]:81", Some("192.0.2.1 81")),
            ("[web]:81", Some("192.0.2.7 81")),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn numbers_are_bounded_and_complete() {
        assert_eq!(number(" 4", 0, 9), Some(4));
        assert_eq!(number("+5", 0, 9), Some(5));
        assert_eq!(number("010", 0, 99), Some(10));
        for wrong in [
            "",
            " ",
            "4 ",
            "0x4",
            "-1",
            "10",
            "++5",
            "99999999999999999999",
        ] {
            assert_eq!(number(wrong, 0, 9), None, "{wrong}");
        }
        assert_eq!(leading_number("64x"), 64);
        assert_eq!(leading_number(" -3"), -3);
        assert_eq!(leading_number("x"), 0);
        assert_eq!(leading_number("+"), 0);
    }
}
