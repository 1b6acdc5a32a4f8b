//! Connection entries (`-L -c`), from `/proc/net/ip_vs_conn`.
//!
//! Each line has protocol, three addresses with their ports in hexadecimal, state and
//! seconds left, then name and data of a persistence engine where there is one
//! (`ip_vs_conn_seq_show` in `net/netfilter/ipvs/ip_vs_conn.c`). They are shown in the
//! order of the file, which is that of the kernel's hash table.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::{Lookup, Names};
use crate::cli::listing;
use crate::model::Protocol;

/// Longest line that is read, in bytes: engine data are at most 256 (`IP_VS_PEDATA_MAXLEN`).
const MAX_LINE: u64 = 4096;
/// Bytes written at once.
const CHUNK: usize = 64 * 1024;

/// An entry.
#[derive(Debug, PartialEq, Eq)]
struct Entry<'a> {
    protocol: &'a str,
    client: (IpAddr, u16),
    service: (IpAddr, u16),
    server: (IpAddr, u16),
    state: &'a str,
    seconds: u32,
    /// Name and data of the engine.
    engine: Option<(&'a str, &'a str)>,
}

impl<'a> Entry<'a> {
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let protocol = words.next()?;
        let mut place = || Some((address(words.next()?)?, hexadecimal(words.next()?)?));
        let (client, service, server) = (place()?, place()?, place()?);
        let (state, seconds) = (words.next()?, words.next()?.parse().ok()?);
        let engine = words
            .next()
            .map(|name| (name, words.next().unwrap_or_default()));
        Some(Self {
            protocol,
            client,
            service,
            server,
            state,
            seconds,
            engine,
        })
    }

    fn print(&self, text: &mut String, names: &Names<'_>, engines: bool) {
        let known = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        let protocol = known
            .into_iter()
            .find(|protocol| protocol.name().eq_ignore_ascii_case(self.protocol));
        let place = |(address, port)| listing::place(names, address, port, protocol);
        let expires = format!("{:02}:{:02}", self.seconds / 60, self.seconds % 60);
        let (client, service, server) =
            (place(self.client), place(self.service), place(self.server));
        let Self {
            protocol, state, ..
        } = self;
        let _ = write!(
            text,
            "{protocol:<3} {expires:<6} {state:<11} {client:<18} {service:<18} "
        );
        let _ = match self.engine.filter(|_| engines) {
            Some((engine, data)) => writeln!(text, "{server:<16} {engine:<18} {data}"),
            None => writeln!(text, "{server}"),
        };
    }
}

/// 8 hexadecimal digits, or 32 with or without colons and brackets.
fn address(word: &str) -> Option<IpAddr> {
    if word.len() == 8 {
        let bits = u32::from_str_radix(word, 16).ok()?;
        return Some(IpAddr::V4(Ipv4Addr::from_bits(bits)));
    }
    let inner = word
        .strip_prefix('[')
        .map_or(word, |word| word.trim_end_matches(']'));
    if inner.contains(':') {
        return inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    }
    let bits = (inner.len() == 32).then(|| u128::from_str_radix(inner, 16).ok())??;
    Some(IpAddr::V6(Ipv6Addr::from_bits(bits)))
}

fn hexadecimal(word: &str) -> Option<u16> {
    u16::from_str_radix(word, 16).ok()
}

/// Reads entries and prints them. Without names it prints while it reads.
pub(super) fn print(
    mut entries: impl BufRead,
    out: &mut dyn Write,
    lookup: Option<&dyn Lookup>,
    engines: bool,
) -> io::Result<()> {
    let mut text = String::with_capacity(CHUNK + 256);
    header(&mut text, engines);
    // Names take all addresses first, so that they are looked up together.
    let mut all = Vec::new();
    let names = match lookup {
        None => Names::none(),
        Some(lookup) => {
            let mut addresses = BTreeSet::new();
            each_line(&mut entries, |line| {
                if let Some(entry) = Entry::read(line) {
                    let places = [entry.client, entry.service, entry.server];
                    addresses.extend(places.map(|(address, _)| address));
                    all.extend_from_slice(line.as_bytes());
                }
                Ok(())
            })?;
            Names::of(addresses, lookup)
        }
    };
    let mut show = |line: &str| {
        if let Some(entry) = Entry::read(line) {
            entry.print(&mut text, &names, engines);
            if text.len() >= CHUNK {
                out.write_all(text.as_bytes())?;
                text.clear();
            }
        }
        Ok(())
    };
    each_line(&mut all.as_slice(), &mut show)?;
    each_line(&mut entries, &mut show)?;
    out.write_all(text.as_bytes())
}

fn header(text: &mut String, engines: bool) {
    let (state, source, service) = ("state", "source", "virtual");
    *text += "IPVS connection entries\n";
    let _ = write!(text, "pro expire {state:<11} {source:<18} {service:<18} ");
    let _ = if engines {
        writeln!(text, "{:<18} {:<16} pe_data", "destination", "pe name")
    } else {
        writeln!(text, "destination")
    };
}

/// Every line. The first one, with the titles of the columns, is no entry.
fn each_line(
    entries: &mut impl BufRead,
    mut line: impl FnMut(&str) -> io::Result<()>,
) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(256);
    loop {
        bytes.clear();
        if io::Read::take(&mut *entries, MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(());
        }
        if let Ok(text) = std::str::from_utf8(&bytes) {
            line(text)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ipvsadm::names::tests::Known;

    const FILE: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C6336402 A802 C0000207 0050 C0000208 0050 ESTABLISHED     891
TCP [2001:0db8:0000:0000:0000:0000:0000:0016] 0000 [2001:0db8:0000:0000:0000:0000:0000:0007] 0050 [2001:0db8:0000:0000:0000:0000:0000:0003] 0050 ASSURED         91
SCTP C6336401 15B3 C6336401 0009 C6336405 0009 INIT1             3
UDP C6336402 13C4 C0000207 13C4 C0000208 13C4 UDP             7501 sip callid@198.51.100.2
nonsense
TCP C6336402 A802 C0000207
";

    fn printed(lookup: Option<&dyn Lookup>, engines: bool) -> String {
        let mut out = Vec::new();
        print(FILE.as_bytes(), &mut out, lookup, engines).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn entries_stand_in_columns() {
        assert_eq!(
            printed(None, false),
            "\
IPVS connection entries
pro expire state       source             virtual            destination
TCP 14:51  ESTABLISHED 198.51.100.2:43010 192.0.2.7:80       192.0.2.8:80
TCP 01:31  ASSURED     [2001:db8::16]:0   [2001:db8::7]:80   [2001:db8::3]:80
SCTP 00:03  INIT1       198.51.100.1:5555  198.51.100.1:9     198.51.100.5:9
UDP 125:01 UDP         198.51.100.2:5060  192.0.2.7:5060     192.0.2.8:5060
"
        );
    }

    #[test]
    fn engines_have_columns_that_only_their_entries_fill() {
        let text = printed(None, true);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[1],
            "pro expire state       source             virtual            destination        pe name          pe_data"
        );
        assert_eq!(
            lines[2],
            "TCP 14:51  ESTABLISHED 198.51.100.2:43010 192.0.2.7:80       192.0.2.8:80"
        );
        assert_eq!(
            lines[5],
            "UDP 125:01 UDP         198.51.100.2:5060  192.0.2.7:5060     192.0.2.8:5060   sip                callid@198.51.100.2"
        );
    }

    #[test]
    fn names_stand_for_addresses_and_ports() {
        let text = printed(Some(&Known), false);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 6, "{text}");
        assert!(
            lines[2]
                .contains(" web:http           a-very-long-host-name-for-testing.example.org:http")
        );
        assert!(lines[3].contains(" [2001:db8::16]:0   [six.example.org]:http [2001:db8::3]:http"));
        assert!(lines[5].contains(" web:5060 "));
    }
}
