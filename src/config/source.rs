//! The text of a configuration file, places in it, and the list of what is wrong there.

use std::borrow::Cow;

use super::diagnostic::{Diagnostic, Moment, Severity, Step};

/// A stretch of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Span {
    /// Line, from 1; 0 is the file as a whole.
    pub(super) line: u32,
    /// First byte in the line.
    pub(super) start: u32,
    /// Byte after the last.
    pub(super) end: u32,
}

impl Span {
    /// Its length in bytes.
    pub(super) fn length(self) -> usize {
        (self.end - self.start) as usize
    }

    /// A part of this stretch: `start` and `end` count from its beginning.
    pub(super) fn part(self, start: usize, end: usize) -> Self {
        Self {
            line: self.line,
            start: self.start + start as u32,
            end: self.start + end as u32,
        }
    }
}

/// The byte order mark.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A file's text, decoded and cut into lines.
#[derive(Debug, Clone)]
pub(super) struct Source {
    path: String,
    text: String,
    /// Byte ranges of the lines in `text`, without line ends.
    lines: Vec<(u32, u32)>,
    /// Lines that were not UTF-8 and were read as Windows-1252, in order.
    pub(super) not_utf8: Vec<u32>,
    /// First line that ended in CR LF.
    pub(super) carriage_return: Option<u32>,
    /// The file was longer than [`Source::MAX`] and was not read.
    pub(super) too_long: bool,
}

impl Source {
    /// Longest file, in bytes.
    pub(super) const MAX: usize = 64 << 20;

    /// Decodes a file. A byte order mark at its beginning is dropped.
    pub(super) fn new<'a>(bytes: impl Into<Cow<'a, [u8]>>, path: &str) -> Self {
        let mut bytes = bytes.into();
        let too_long = bytes.len() > Self::MAX;
        if too_long {
            bytes = Cow::default();
        }
        let mut source = Self {
            path: path.to_owned(),
            text: String::new(),
            lines: Vec::new(),
            not_utf8: Vec::new(),
            carriage_return: None,
            too_long,
        };
        // Nothing to decode in nearly every file: its bytes are the text.
        let is_plain = |bytes: &[u8]| !bytes.starts_with(MARK) && !bytes.contains(&b'\r');
        match bytes {
            Cow::Owned(bytes) if is_plain(&bytes) => match String::from_utf8(bytes) {
                Ok(text) => source.take(text),
                Err(error) => source.decode(error.as_bytes()),
            },
            bytes => source.decode(&bytes),
        }
        source
    }

    fn take(&mut self, text: String) {
        let lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
        self.lines.reserve_exact(lines.clone().count());
        let mut start = 0;
        self.lines.extend(lines.map(|line| {
            let end = start + line.len() as u32;
            (std::mem::replace(&mut start, end + 1), end)
        }));
        self.text = text;
    }

    fn decode(&mut self, bytes: &[u8]) {
        let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
        self.text.reserve(bytes.len());
        let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        for line in lines.split(|b| *b == b'\n') {
            self.push(line);
        }
    }

    fn push(&mut self, line: &[u8]) {
        let number = self.lines.len() as u32 + 1;
        let kept = line.len() - line.iter().rev().take_while(|b| **b == b'\r').count();
        if kept < line.len() {
            self.carriage_return.get_or_insert(number);
        }
        let start = self.text.len() as u32;
        if let Ok(text) = std::str::from_utf8(&line[..kept]) {
            self.text.push_str(text);
        } else {
            self.not_utf8.push(number);
            self.text
                .extend(line[..kept].iter().map(|b| windows_1252(*b)));
        }
        self.lines.push((start, self.text.len() as u32));
    }

    /// Number of lines.
    pub(super) fn len(&self) -> u32 {
        self.lines.len() as u32
    }

    /// Length of all lines in bytes, without line ends.
    pub(super) fn bytes(&self) -> u32 {
        self.lines.iter().map(|(start, end)| end - start).sum()
    }

    /// A line, counted from 1; empty when there is none of that number.
    pub(super) fn line(&self, number: u32) -> &str {
        (number as usize)
            .checked_sub(1)
            .and_then(|index| self.lines.get(index))
            .map_or("", |(start, end)| {
                &self.text[*start as usize..*end as usize]
            })
    }

    /// The text of a stretch.
    pub(super) fn text(&self, span: Span) -> &str {
        self.line(span.line)
            .get(span.start as usize..span.end as usize)
            .unwrap_or_default()
    }

    fn diagnostic(&self, severity: Severity, span: Span, message: &str) -> Diagnostic {
        let message = printable_lines(message);
        let mut diagnostic = Diagnostic::at_line(severity, self.path.as_str(), span.line, message);
        if span.line == 0 {
            return diagnostic;
        }
        let line = self.line(span.line);
        let count = |end: u32| {
            line.get(..end as usize)
                .map_or(0, |text| text.chars().count())
        };
        let (first, last) = (count(span.start), count(span.end));
        diagnostic.column = first as u32 + 1;
        diagnostic.length = last.saturating_sub(first) as u32;
        diagnostic.source = line
            .chars()
            .take(Diagnostic::SOURCE_MAX)
            .map(|c| {
                if printable(c) || c == '\t' {
                    c
                } else {
                    '\u{fffd}'
                }
            })
            .collect();
        diagnostic
    }
}

/// What has been found so far, bounded.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    /// Takes what no longer fits.
    overflow: Option<Diagnostic>,
    /// What ldirectord does not know, as errors for those who ask.
    beyond: Vec<Diagnostic>,
    /// What ldirectord would be doing at the end of a section: line reached and step.
    pub(super) at_end: Option<(u32, Step)>,
}

impl Report {
    /// Most diagnostics kept; one more says that there are others.
    const MAX: usize = 1000;

    /// Adds an error.
    pub(super) fn error(
        &mut self,
        source: &Source,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.errors += 1;
        self.add(source, Severity::Error, span, &message.into())
    }

    /// Adds a warning.
    pub(super) fn warning(
        &mut self,
        source: &Source,
        span: Span,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(source, Severity::Warning, span, &message.into())
    }

    fn add(
        &mut self,
        source: &Source,
        severity: Severity,
        span: Span,
        message: &str,
    ) -> &mut Diagnostic {
        let full = self.diagnostics.len() >= Self::MAX;
        // The first error is always kept: it is why the file is refused.
        if full && !(severity == Severity::Error && self.errors == 1) {
            return self
                .overflow
                .insert(source.diagnostic(severity, Span::default(), message));
        }
        let mut diagnostic = source.diagnostic(severity, span, message);
        let (reached, step) = self.at_end.unwrap_or((span.line, Step::Directive));
        diagnostic.noticed = Moment {
            reached,
            step,
            line: span.line,
        };
        self.diagnostics.push(diagnostic);
        self.diagnostics.last_mut().expect("one was pushed")
    }

    /// What ldirectord does not know.
    pub(super) fn beyond(&self) -> &[Diagnostic] {
        &self.beyond
    }

    /// Whether there was an error.
    pub(super) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Everything in the order in which ldirectord would have noticed it.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics
            .sort_by_key(|diagnostic| diagnostic.noticed);
        if let Some(mut more) = self.overflow {
            more.severity = Severity::Warning;
            more.message = format!("more than {} diagnostics; the rest is not shown", Self::MAX);
            more.help = None;
            self.diagnostics.push(more);
        }
        self.diagnostics
    }
}

/// Where something is reported: the text and the list together.
pub(super) struct Context<'a> {
    pub(super) source: &'a Source,
    pub(super) report: &'a mut Report,
}

impl Context<'_> {
    /// Adds an error.
    pub(super) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.report.error(self.source, span, message)
    }

    /// Adds a warning.
    pub(super) fn warning(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.report.warning(self.source, span, message)
    }

    /// Notes something that ldirectord 4.12 does not know.
    pub(super) fn beyond(&mut self, span: Span, what: &str) {
        if self.report.beyond.len() < Report::MAX {
            let message = format!("ldirectord does not know {what}");
            let mut diagnostic = self.source.diagnostic(Severity::Error, span, &message);
            diagnostic.help("remove it, or check without --strict-ldirectord");
            self.report.beyond.push(diagnostic);
        }
    }
}

/// A character of Windows-1252, of which Latin-1 is a part. The five bytes without a
/// meaning stay control characters.
fn windows_1252(byte: u8) -> char {
    const FROM_80: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => FROM_80[usize::from(byte - 0x80)],
        _ => char::from(byte),
    }
}

/// Whether a character can stand in one line of a terminal without acting on it.
fn printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of a message, bounded and safe to print; it may have several lines.
pub(super) fn printable_lines(text: &str) -> String {
    text.chars()
        .take(Diagnostic::SOURCE_MAX)
        .map(|c| {
            if printable(c) || c == '\n' {
                c
            } else {
                '\u{fffd}'
            }
        })
        .collect()
}

/// Text from a file, in double quotes, bounded and safe to print in a message.
pub(super) fn quoted(text: &str) -> String {
    const MAX: usize = 100;
    let mut shown = String::from("\"");
    for (index, c) in text.chars().enumerate() {
        if index == MAX {
            shown.push('…');
            break;
        }
        shown.push(match c {
            '\t' => ' ',
            c if printable(c) => c,
            _ => '\u{fffd}',
        });
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_given_away_read_like_those_that_are_lent() {
        let texts: [&[u8]; 9] = [
            b"",
            b"\n",
            b"a",
            b"a\n",
            b"a\n\nb",
            b"a\n\n",
            "\u{e9}\n \u{2013}".as_bytes(),
            b"a\r\nb\xe9",
            b"\xef\xbb\xbfa\n",
        ];
        for text in texts {
            let [lent, given] = [Source::new(text, "x"), Source::new(text.to_vec(), "x")];
            assert_eq!((lent.len(), lent.bytes()), (given.len(), given.bytes()));
            for number in 0..=lent.len() + 1 {
                assert_eq!(lent.line(number), given.line(number), "{text:?}");
            }
        }
    }

    #[test]
    fn lines_lose_their_ends_and_bad_bytes_become_western() {
        let source = Source::new(b"\xef\xbb\xbfa\r\n\nb\xe9\n", "x");
        assert_eq!(source.len(), 3);
        assert_eq!(source.line(1), "a");
        assert_eq!(source.line(2), "");
        assert_eq!(source.line(3), "bé");
        assert_eq!(source.line(4), "");
        assert_eq!(source.line(0), "");
        assert_eq!(source.not_utf8, [3]);
        assert_eq!(source.carriage_return, Some(1));
    }

    #[test]
    fn sources_in_diagnostics_cannot_act_on_a_terminal() {
        let source = Source::new("a\u{1b}[31m\u{202e}b".as_bytes(), "x");
        let span = Span {
            line: 1,
            start: 1,
            end: 2,
        };
        let diagnostic = source.diagnostic(Severity::Error, span, "");
        assert_eq!(diagnostic.source, "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(quoted("\u{1b}\u{7}"), "\"\u{fffd}\u{fffd}\"");
    }

    #[test]
    fn the_list_is_bounded_but_keeps_the_first_error() {
        let source = Source::new(b"", "x");
        let mut report = Report::default();
        for _ in 0..5000 {
            report.warning(&source, Span::default(), "w");
        }
        report.error(&source, Span::default(), "the error");
        let all = report.finish();
        assert_eq!(all.len(), Report::MAX + 2);
        assert!(all.iter().any(|d| d.message == "the error"));
        assert!(all.last().unwrap().message.contains("not shown"));
    }
}
