//! The connection entries one by one, in memory that does not grow with their number.
//!
//! The kernel has them in two files that differ in what stands behind the state:
//! `/proc/net/ip_vs_conn` ends with persistence engine and its data, and
//! `/proc/net/ip_vs_conn_sync` tells where an entry came from (`ip_vs_conn_seq_show` and
//! `ip_vs_conn_sync_seq_show` in `ip_vs_conn.c`). Both are read a page at a time; entries
//! that come and go meanwhile may be missed or seen twice.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::ControlFlow;

use nix::errno::Errno;

use crate::kernel::{Error, Request};
use crate::model::PortAddress;

/// Longest line taken, in bytes; the longest that a kernel writes has three IPv6 addresses
/// and engine data, some 300.
const MAX_LINE: u64 = 4096;

/// Which of the two files is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Entries with their origin.
    Origin,
    /// Entries with persistence engine and data.
    Engine,
}

impl Source {
    /// The file in the calling thread's network namespace.
    fn path(self) -> &'static str {
        match self {
            Self::Origin => "/proc/thread-self/net/ip_vs_conn_sync",
            Self::Engine => "/proc/thread-self/net/ip_vs_conn",
        }
    }
}

/// A connection entry or a persistence template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection<'a> {
    /// `TCP`, `UDP`, `SCTP`, or `IP` for templates of firewall marks: graphic ASCII.
    pub protocol: &'a str,
    /// The client; port 0 for a template.
    pub client: PortAddress,
    /// The virtual address; the firewall mark as an address in templates of marked packets.
    pub virtual_address: PortAddress,
    /// The real server.
    pub server: PortAddress,
    /// `ESTABLISHED`, `FIN_WAIT`, …: graphic ASCII.
    pub state: &'a str,
    /// Seconds until it is forgotten, unless a packet comes.
    pub expires: u64,
    /// `LOCAL` or `SYNC`; only with [`Source::Origin`].
    pub origin: Option<&'a str>,
    /// Persistence engine, only with [`Source::Engine`].
    pub engine: Option<&'a str>,
    /// The engine's data, such as a SIP call id: any bytes but blanks.
    pub engine_data: Option<&'a [u8]>,
}

impl Connection<'_> {
    /// Whether it is a persistence template: such entries have no client port.
    pub fn is_template(&self) -> bool {
        self.client.1 == 0
    }

    /// Whether a sync daemon received it.
    pub fn is_synchronised(&self) -> bool {
        self.origin == Some("SYNC")
    }
}

/// Calls `visit` with every entry until it breaks; returns how many lines could not be
/// understood. Blocks; needs no privilege.
///
/// # Errors
///
/// The kernel has no IPVS, the file cannot be read, or `visit` returned an error.
pub fn visit<E: From<Error>>(
    source: Source,
    visit: impl FnMut(&Connection<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<u64, E> {
    let file = File::open(source.path()).map_err(|error| {
        let errno = error.raw_os_error().map(Errno::from_raw);
        match errno {
            Some(Errno::ENOENT) => Error::NoModule {
                request: Request::Proc,
            },
            _ => failed(&error),
        }
    })?;
    visit_text(BufReader::with_capacity(64 * 1024, file), source, visit)
}

fn failed(error: &io::Error) -> Error {
    Error::Io {
        request: Request::Proc,
        errno: error.raw_os_error().map_or(Errno::EIO, Errno::from_raw),
    }
}

/// As [`visit`], of a file that is open.
///
/// # Errors
///
/// It cannot be read, or `visit` returned an error.
pub fn visit_text<E: From<Error>>(
    mut text: impl BufRead,
    source: Source,
    mut visit: impl FnMut(&Connection<'_>) -> Result<ControlFlow<()>, E>,
) -> Result<u64, E> {
    let mut line = Vec::with_capacity(512);
    let mut is_title = true;
    let mut unintelligible = 0;
    loop {
        line.clear();
        let read = (&mut text).take(MAX_LINE).read_until(b'\n', &mut line);
        if read.map_err(|error| failed(&error))? == 0 {
            return Ok(unintelligible);
        }
        if std::mem::take(&mut is_title) {
            continue;
        }
        match parse(&line, source) {
            Some(connection) => {
                if visit(&connection)?.is_break() {
                    return Ok(unintelligible);
                }
            }
            None => unintelligible += 1,
        }
    }
}

/// One line. The columns are set apart by blanks; the last one may follow without any
/// where the one before it fills its width, which the kernel's own words do not.
fn parse(line: &[u8], source: Source) -> Option<Connection<'_>> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let protocol = graphic(words.next()?)?;
    let mut endpoint = || Some(PortAddress(address(words.next()?)?, port(words.next()?)?));
    let (client, virtual_address, server) = (endpoint()?, endpoint()?, endpoint()?);
    let state = graphic(words.next()?)?;
    let origin = match source {
        Source::Origin => Some(graphic(words.next()?)?),
        Source::Engine => None,
    };
    let expires = graphic(words.next()?)?.parse().ok()?;
    let engine = words.next().and_then(graphic);
    Some(Connection {
        protocol,
        client,
        virtual_address,
        server,
        state,
        expires,
        origin,
        engine,
        engine_data: engine.and_then(|_| words.next()),
    })
}

fn graphic(word: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(word).ok()?;
    (text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

/// `C0000201` or the eight groups of an IPv6 address, which some kernels put in brackets.
fn address(word: &[u8]) -> Option<IpAddr> {
    let inner = word
        .strip_prefix(b"[")
        .and_then(|word| word.strip_suffix(b"]"));
    let text = graphic_address(inner.unwrap_or(word))?;
    if text.contains(':') {
        return text.parse().ok().map(IpAddr::V6);
    }
    if text.len() != 8 {
        return None;
    }
    let bits = u32::from_str_radix(text, 16).ok()?;
    Some(IpAddr::V4(Ipv4Addr::from_bits(bits)))
}

fn graphic_address(word: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(word).ok()?;
    let known = |byte: u8| byte.is_ascii_hexdigit() || byte == b':';
    text.bytes().all(known).then_some(text)
}

fn port(word: &[u8]) -> Option<u16> {
    let text = graphic_address(word)?;
    u16::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData
TCP C6336401 A802 C0000264 0050 C0000215 0050 ESTABLISHED     891
UDP C6336401 0000 C0000264 13C4 C0000215 13C4 NONE            299 sip call\u{7f}-1@example
IP  C6336401 0000 00000007 0000 C0000215 0000 NONE            12
TCP 2001:0db8:0000:0000:0000:0000:0000:0009 A802 \
2001:0db8:0000:0000:0000:0000:0000:0064 0050 2001:0db8:0000:0000:0000:0000:0000:0015 0050 \
FIN_WAIT        99
";
    const ORIGIN: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires
TCP C6336401 1F40 C0000264 0050 C0000215 0050 ESTABLISHED SYNC       872
TCP C6336403 1F42 C0000264 0050 C0000216 0050 SYN_RECV    LOCAL       59
";

    fn all(text: &str, source: Source) -> (Vec<String>, u64) {
        let mut seen = Vec::new();
        let unintelligible = visit_text::<Error>(text.as_bytes(), source, |entry| {
            seen.push(format!(
                "{} {} {} {} {} {} {:?} {:?} {}",
                entry.protocol,
                entry.client,
                entry.virtual_address,
                entry.server,
                entry.state,
                entry.expires,
                entry.origin,
                entry.engine,
                entry.engine_data.map_or(0, <[u8]>::len),
            ));
            Ok(ControlFlow::Continue(()))
        });
        (seen, unintelligible.unwrap())
    }

    #[test]
    fn both_files_are_understood() {
        let (seen, unintelligible) = all(ENGINE, Source::Engine);
        assert_eq!(unintelligible, 0);
        assert_eq!(
            seen,
            [
                "TCP 198.51.100.1:43010 192.0.2.100:80 192.0.2.21:80 ESTABLISHED 891 None None 0",
                "UDP 198.51.100.1:0 192.0.2.100:5060 192.0.2.21:5060 NONE 299 None Some(\"sip\") 15",
                "IP 198.51.100.1:0 0.0.0.7:0 192.0.2.21:0 NONE 12 None None 0",
                "TCP [2001:db8::9]:43010 [2001:db8::64]:80 [2001:db8::15]:80 FIN_WAIT 99 None None 0",
            ]
        );
        let (seen, unintelligible) = all(ORIGIN, Source::Origin);
        assert_eq!(unintelligible, 0);
        assert_eq!(
            seen,
            [
                "TCP 198.51.100.1:8000 192.0.2.100:80 192.0.2.21:80 ESTABLISHED 872 Some(\"SYNC\") None 0",
                "TCP 198.51.100.3:8002 192.0.2.100:80 192.0.2.22:80 SYN_RECV 59 Some(\"LOCAL\") None 0",
            ]
        );
    }

    #[test]
    fn nonsense_is_counted_and_passed_over() {
        let text = "title\n\nTCP\nTCP 1 2 3 4 5 6 X 7\n\u{1b}[2J C6336401 1F40 C0000264 0050 \
                    C0000215 0050 ESTABLISHED 1\nTCP +6336401 +F40 C0000264 0050 C0000215 0050 X 1\n";
        let (seen, unintelligible) = all(text, Source::Engine);
        assert_eq!((seen.len(), unintelligible), (0, 5));
        let long = format!("title\n{}", "x".repeat(100_000));
        assert!(all(&long, Source::Engine).1 >= 24);
    }

    #[test]
    fn a_visitor_can_stop() {
        let mut seen = 0;
        let stop = visit_text::<Error>(ORIGIN.as_bytes(), Source::Origin, |entry| {
            seen += 1;
            assert!(entry.is_synchronised() && !entry.is_template());
            Ok(ControlFlow::Break(()))
        });
        assert_eq!((stop.unwrap(), seen), (0, 1));
    }
}
