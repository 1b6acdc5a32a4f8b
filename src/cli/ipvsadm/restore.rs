//! Commands from standard input (`-R`).
//!
//! Lines are words between blanks, without quotes, escapes or comments. A mistake that the
//! program finds itself ends the run; what the kernel refuses, or a word that is no option,
//! is told and the next line follows. Neighbouring changes go to the kernel together, but
//! nothing waits for input that has not come: what was read is carried out before more is
//! read, so that a slow writer sees each line take effect.

use std::io::{self, BufRead};

/// Longest line, in bytes.
const MAX_LINE: usize = 1024 * 1024;

/// A line of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its words.
    Words(String),
    /// More may come, but not at once.
    Pause,
    /// Nothing more comes.
    End,
    /// It is longer than any command can be.
    TooLong,
}

/// The lines of an input.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    /// What is buffered is used up.
    empty: bool,
}

impl Lines {
    /// The next line. A last one without an end counts.
    pub(super) fn next(&mut self, input: &mut dyn BufRead) -> io::Result<Line> {
        loop {
            if self.empty {
                self.empty = false;
                return Ok(Line::Pause);
            }
            let buffered = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                buffered => buffered?,
            };
            if buffered.is_empty() {
                let last = std::mem::take(&mut self.begun);
                return Ok(if last.is_empty() {
                    Line::End
                } else {
                    line(&last)
                });
            }
            let end = buffered.iter().position(|byte| *byte == b'\n');
            let used = end.map_or(buffered.len(), |end| end + 1);
            self.begun.extend_from_slice(&buffered[..used]);
            self.empty = used == buffered.len();
            input.consume(used);
            if self.begun.len() > MAX_LINE {
                return Ok(Line::TooLong);
            }
            if end.is_some() {
                return Ok(line(&std::mem::take(&mut self.begun)));
            }
        }
    }
}

fn line(bytes: &[u8]) -> Line {
    Line::Words(String::from_utf8_lossy(bytes).into_owned())
}

/// The words of a line as a command line: without the program's name, wherever it stands.
pub(super) fn words(line: &str) -> Vec<&str> {
    line.split([' ', '\t', '\r', '\n'])
        .filter(|word| !word.is_empty() && *word != "ipvsadm")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, buffer: usize) -> Vec<Line> {
        let mut input = io::BufReader::with_capacity(buffer, text.as_bytes());
        let mut lines = Lines::default();
        let mut found = Vec::new();
        loop {
            let line = lines.next(&mut input).unwrap();
            let last = matches!(line, Line::End | Line::TooLong);
            found.push(line);
            if last {
                return found;
            }
        }
    }

    #[test]
    fn lines_come_whole_and_pauses_between_reads() {
        let word = |text: &str| Line::Words(text.to_owned());
        assert_eq!(
            all("-C\n-A -f 1\n\n-L", 100),
            [
                word("-C\n"),
                word("-A -f 1\n"),
                word("\n"),
                Line::Pause,
                word("-L"),
                Line::End
            ]
        );
        let pieces = all("-A -f 1\n-C\n", 3);
        let lines: Vec<_> = pieces
            .into_iter()
            .filter(|line| *line != Line::Pause)
            .collect();
        assert_eq!(lines, [word("-A -f 1\n"), word("-C\n"), Line::End]);
        assert_eq!(all("", 3), [Line::End]);
    }

    #[test]
    fn a_line_without_end_is_not_kept() {
        let long = "x".repeat(MAX_LINE + 10);
        let last = all(&long, 65536).pop();
        assert_eq!(last, Some(Line::TooLong));
    }

    #[test]
    fn words_are_split_at_blanks_and_the_name_is_skipped() {
        assert_eq!(words("ipvsadm  -A\t-t\r\n"), ["-A", "-t"]);
        assert_eq!(words("-A ipvsadm -f 1"), ["-A", "-f", "1"]);
        assert!(words(" \t\r\n").is_empty());
    }
}
