//! Searches an answer line by line. Pure.

use std::sync::Arc;

use super::fault::{Bytes, excerpt};
use super::pattern::{Matcher, TooHard};
use crate::model::Reason;

/// Longest line that is searched, in bytes.
const LINE_MAX: usize = 16 * 1024;

/// Bytes of an answer that are read before giving up.
const ANSWER_MAX: u64 = 256 * 1024;

/// What came of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// This line was the expected one.
    Up(String),
    /// None was.
    Down(Reason),
}

/// Takes an answer in pieces of any size and looks for a line that matches; without a
/// matcher any line will do, but there must be one.
///
/// A line is searched with its newline. The last one needs none if the server closes.
pub struct Lines {
    matcher: Option<Arc<Matcher>>,
    line: Vec<u8>,
    received: u64,
}

impl Lines {
    /// An answer that has not begun.
    pub fn new(matcher: Option<Arc<Matcher>>) -> Self {
        Self {
            matcher,
            line: Vec::new(),
            received: 0,
        }
    }

    /// More of the answer; `None` asks for more.
    pub fn feed(&mut self, bytes: &[u8]) -> Option<Verdict> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_MAX - self.line.len();
            if piece.len() > room {
                return Some(down(format!("a line is longer than {LINE_MAX} bytes")));
            }
            self.line.extend_from_slice(piece);
            self.received += piece.len() as u64;
            if piece.ends_with(b"\n")
                && let Some(verdict) = self.take_line()
            {
                return Some(verdict);
            }
            if self.received >= ANSWER_MAX {
                return Some(self.nothing_found());
            }
        }
        None
    }

    /// The server has closed its side.
    pub fn end(&mut self) -> Verdict {
        if !self.line.is_empty()
            && let Some(verdict) = self.take_line()
        {
            return verdict;
        }
        if self.received == 0 {
            return down("connected, but the server closed without an answer".to_owned());
        }
        self.nothing_found()
    }

    fn take_line(&mut self) -> Option<Verdict> {
        let found = match &self.matcher {
            None => Ok(true),
            Some(matcher) => matcher.is_match(&self.line),
        };
        let verdict = match found {
            Ok(true) => Some(Verdict::Up(excerpt(self.line.trim_ascii_end(), 200))),
            Ok(false) => None,
            Err(TooHard) => Some(down(TooHard.to_string())),
        };
        self.line.clear();
        verdict
    }

    fn nothing_found(&self) -> Verdict {
        let pattern = self.matcher.as_ref().map_or("", |matcher| matcher.source());
        down(format!(
            "no line of the answer ({}) matches \"{pattern}\"",
            Bytes(self.received)
        ))
    }
}

fn down(reason: String) -> Verdict {
    Verdict::Down(Reason::new(reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::pattern;
    use crate::model::Pattern;

    fn lines(receive: Option<&str>) -> Lines {
        Lines::new(receive.map(|text| pattern::compile(&Pattern(text.to_owned())).unwrap()))
    }

    fn whole(receive: Option<&str>, answer: &[u8]) -> Verdict {
        let mut lines = lines(receive);
        lines.feed(answer).unwrap_or_else(|| lines.end())
    }

    fn byte_by_byte(receive: Option<&str>, answer: &[u8]) -> Verdict {
        let mut lines = lines(receive);
        answer
            .iter()
            .find_map(|byte| lines.feed(&[*byte]))
            .unwrap_or_else(|| lines.end())
    }

    #[test]
    fn a_line_is_judged_when_it_is_complete_and_not_across_lines() {
        for judge in [whole, byte_by_byte] {
            let up = |line: &str| Verdict::Up(line.to_owned());
            assert_eq!(judge(Some("^PONG$"), b"hello\nPONG\nbye\n"), up("PONG"));
            assert_eq!(judge(Some("PONG"), b"PONG"), up("PONG"));
            assert_eq!(judge(None, b"\n"), up(""));
            assert!(matches!(judge(None, b""), Verdict::Down(_)));
            assert!(matches!(judge(Some("a.*b"), b"a\nb\n"), Verdict::Down(_)));
            assert!(matches!(judge(Some("x"), b"\0\xff\n\n"), Verdict::Down(_)));
        }
    }

    #[test]
    fn lines_and_answers_are_bounded() {
        let mut endless_line = lines(Some("x"));
        let fed = (0..1000)
            .take_while(|_| endless_line.feed(&[b'a'; 100]).is_none())
            .count();
        assert_eq!(fed, LINE_MAX / 100);
        let mut endless_lines = lines(Some("x"));
        let fed = (0..100_000)
            .take_while(|_| endless_lines.feed(b"aaaaaaaaaaaaaaa\n").is_none())
            .count();
        assert_eq!(fed as u64, ANSWER_MAX / 16 - 1);
    }
}
