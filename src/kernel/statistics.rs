//! Totals of all services: `/proc/net/ip_vs_stats_percpu` (`ip_vs_stats_percpu_show` in
//! `ip_vs_ctl.c`). The kernel writes all numbers in hexadecimal.

use std::fs::File;
use std::io::Read as _;

use nix::errno::Errno;

use super::{Error, Request};
use crate::model::Counters;

/// The file of the calling thread's network namespace.
const PATH: &str = "/proc/thread-self/net/ip_vs_stats_percpu";
/// Longest text read, in bytes: some 10,000 processors.
const MAX_BYTES: u64 = 1024 * 1024;

/// Totals of a network namespace since its first packet or the last time they were zeroed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Sums and rates of all processors.
    pub total: Counters,
    /// Sums by processor; rates are not kept for each.
    pub processors: Vec<(u32, Counters)>,
}

/// Reads them. Needs no privilege.
///
/// # Errors
///
/// The kernel has no IPVS, the file cannot be read or makes no sense.
pub fn read() -> Result<Statistics, Error> {
    let request = Request::Proc;
    let failed = |error: std::io::Error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => Error::NoModule {
            request: Request::Proc,
        },
        errno => Error::Io {
            request: Request::Proc,
            errno: errno.unwrap_or(Errno::EIO),
        },
    };
    let mut text = String::new();
    let file = File::open(PATH).map_err(failed)?;
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(failed)?;
    parse(&text).ok_or(Error::Malformed {
        request,
        reason: "unintelligible statistics of processors",
    })
}

fn parse(text: &str) -> Option<Statistics> {
    let mut statistics = Statistics::default();
    let mut lines = text.lines().skip(2);
    loop {
        let mut words = lines.next()?.split_ascii_whitespace();
        match words.next()? {
            "~" => {
                statistics.total = sums(numbers(words)?);
                break;
            }
            number => {
                let number = u32::from_str_radix(number, 16).ok()?;
                statistics.processors.push((number, sums(numbers(words)?)));
            }
        }
    }
    let mut lines = lines.skip_while(|line| !line.contains("Conns/s"));
    lines.next()?;
    let rates = numbers(lines.next()?.split_ascii_whitespace())?;
    let total = &mut statistics.total;
    [
        total.connections_per_second,
        total.in_packets_per_second,
        total.out_packets_per_second,
        total.in_bytes_per_second,
        total.out_bytes_per_second,
    ] = rates;
    Some(statistics)
}

fn numbers<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<[u64; 5]> {
    let mut numbers = [0; 5];
    for number in &mut numbers {
        *number = u64::from_str_radix(words.next()?, 16).ok()?;
    }
    Some(numbers)
}

fn sums(numbers: [u64; 5]) -> Counters {
    let [connections, in_packets, out_packets, in_bytes, out_bytes] = numbers;
    Counters {
        connections,
        in_packets,
        out_packets,
        in_bytes,
        out_bytes,
        ..Counters::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "       Total Incoming Outgoing         Incoming         Outgoing
CPU    Conns  Packets  Packets            Bytes            Bytes
  0       14       A0        0             1F40                0
  A        1        2        3                4                5
  ~       15       A2        3             1F44                5

     Conns/s   Pkts/s   Pkts/s          Bytes/s          Bytes/s
           A       1F        0              9C4                0
";

    #[test]
    fn numbers_are_hexadecimal() {
        let statistics = parse(TEXT).unwrap();
        assert_eq!(statistics.processors.len(), 2);
        assert_eq!(statistics.processors[0].1.connections, 20);
        assert_eq!(statistics.processors[0].1.in_bytes, 8000);
        assert_eq!(statistics.processors[1].0, 10);
        assert_eq!(statistics.processors[1].1.out_bytes, 5);
        let total = statistics.total;
        assert_eq!((total.connections, total.in_packets), (21, 162));
        assert_eq!(total.connections_per_second, 10);
        assert_eq!(total.in_bytes_per_second, 2500);
        assert_eq!(total.out_bytes_per_second, 0);
    }

    #[test]
    fn a_text_cut_short_is_no_statistics() {
        for end in 0..TEXT.trim_end().len() - 1 {
            if TEXT.is_char_boundary(end) && TEXT[..end].lines().count() < 8 {
                assert_eq!(parse(&TEXT[..end]), None, "{end}");
            }
        }
        assert_eq!(parse("\n\n0 x\n"), None);
    }
}
