//! `/proc/net/ip_vs_conn_sync`: how many connection entries there are, and how many of them
//! came from a peer (`ip_vs_conn_sync_seq_show` in `ip_vs_conn.c`).
//!
//! The kernel looks for the place of every piece it hands out from the beginning of its hash
//! table, so that reading a long list takes time that grows with the square of its length:
//! the count stops at a limit and says so.

pub mod entries;
pub mod message;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::{Duration, Instant};

/// The entries of the calling thread's network namespace.
const PATH: &str = "/proc/thread-self/net/ip_vs_conn_sync";
/// Longest text read, in bytes: a million entries.
const MAX_BYTES: u64 = 96 * 1024 * 1024;
/// Longest time for it.
const MAX_TIME: Duration = Duration::from_secs(1);
/// Lines between two looks at the clock.
const LOOK: u64 = 256;

/// What the file tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Connections {
    /// Entries, templates included.
    pub entries: u64,
    /// Those that a sync daemon received.
    pub synchronised: u64,
    /// Of established TCP connections that a sync daemon received: the most seconds that one
    /// has left until it is forgotten.
    pub most_seconds_left: Option<u32>,
    /// Whether the end of the list was reached.
    pub complete: bool,
}

/// Counts the entries, for at most a second. Blocks; needs no privilege.
pub fn count() -> io::Result<Connections> {
    let deadline = Instant::now() + MAX_TIME;
    let text = BufReader::with_capacity(64 * 1024, File::open(PATH)?);
    count_lines(text, MAX_BYTES, &|| Instant::now() >= deadline)
}

fn count_lines(
    text: impl BufRead,
    max_bytes: u64,
    is_late: &dyn Fn() -> bool,
) -> io::Result<Connections> {
    let mut found = Connections::default();
    let mut text = text.take(max_bytes);
    let mut line = Vec::with_capacity(256);
    let mut number: u64 = 0;
    loop {
        line.clear();
        if text.read_until(b'\n', &mut line)? == 0 {
            found.complete = text.limit() > 0;
            return Ok(found);
        }
        // The first line has the titles of the columns.
        if number > 0 {
            found.add(&line);
        }
        number += 1;
        if number.is_multiple_of(LOOK) && is_late() {
            return Ok(found);
        }
    }
}

impl Connections {
    fn add(&mut self, line: &[u8]) {
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let Some(protocol) = words.next() else {
            return;
        };
        self.entries += 1;
        // Behind the protocol: three addresses with their ports.
        let mut words = words.skip(6);
        let (state, origin, left) = (words.next(), words.next(), words.next());
        if origin != Some(b"SYNC".as_slice()) {
            return;
        }
        self.synchronised += 1;
        if protocol == b"TCP" && state == Some(b"ESTABLISHED".as_slice()) {
            let left = left.and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
            self.most_seconds_left = self.most_seconds_left.max(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Origin Expires
TCP C6336401 8000 C0000264 0050 C0000215 0050 ESTABLISHED SYNC       872
TCP C6336402 8001 C0000264 0050 C0000215 0050 ESTABLISHED SYNC       891
TCP C6336403 8002 C0000264 0050 C0000216 0050 ESTABLISHED LOCAL      899
TCP C6336404 8003 C0000264 0050 C0000216 0050 NONE        SYNC       900
UDP C6336404 8003 C0000264 0035 C0000216 0035 UDP         SYNC       299
TCP 20010DB8000000000000000000000001 8003 20010DB8000000000000000000000064 0050 \
20010DB8000000000000000000000015 0050 FIN_WAIT    LOCAL       60
";

    fn never() -> bool {
        false
    }

    #[test]
    fn entries_are_counted_by_their_origin() {
        let found = count_lines(TEXT.as_bytes(), 10_000, &never).unwrap();
        assert_eq!(
            found,
            Connections {
                entries: 6,
                synchronised: 4,
                most_seconds_left: Some(891),
                complete: true,
            }
        );
        let empty = count_lines(
            TEXT.split_inclusive('\n').next().unwrap().as_bytes(),
            10_000,
            &never,
        )
        .unwrap();
        assert_eq!((empty.entries, empty.complete), (0, true));
    }

    #[test]
    fn a_long_list_is_left_off() {
        let found = count_lines(TEXT.as_bytes(), 250, &never).unwrap();
        assert!(!found.complete);
        assert!((1..6).contains(&found.entries), "{found:?}");
        let long = TEXT.repeat(1000);
        let found = count_lines(long.as_bytes(), u64::MAX, &|| true).unwrap();
        assert_eq!((found.entries, found.complete), (LOOK - 1, false));
    }

    #[test]
    fn nonsense_is_no_connection_of_a_peer() {
        let text = "title\n\n  \nSYNC\nTCP SYNC\nTCP 1 2 3 4 5 6 ESTABLISHED SYNC x\n\u{1}\n";
        let found = count_lines(text.as_bytes(), 10_000, &never).unwrap();
        assert_eq!((found.entries, found.synchronised), (4, 1));
        assert_eq!(found.most_seconds_left, None);
    }
}
