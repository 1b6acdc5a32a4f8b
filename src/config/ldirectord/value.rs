//! The value of one directive, and the lax ways in which ldirectord picks from it.
//!
//! Whatever it would pick silently out of a longer text is picked here too, with a
//! warning.

use std::ops::RangeInclusive;

use super::line::BLANKS;
use crate::config::nearest::nearest;
use crate::config::source::{Context, Source, Span, quoted};

/// A directive with its value.
pub(super) struct Value<'a> {
    /// Name of the directive.
    pub(super) name: &'a str,
    /// The value without blanks at either end.
    pub(super) text: &'a str,
    /// Where `text` stands.
    pub(super) span: Span,
    /// The whole directive.
    pub(super) whole: Span,
    /// Whether blanks were cut off behind.
    pub(super) trailing_blank: bool,
    /// Whether it stands in a section, where tabs become blanks.
    pub(super) in_section: bool,
}

impl<'a> Value<'a> {
    /// Cuts the directive that begins at byte `start` of a line and ends before `end`.
    /// `name` and `value` are the offsets of [`super::line::split`].
    pub(super) fn new(
        source: &'a Source,
        line: u32,
        (start, end): (usize, usize),
        (name, value): (usize, usize),
        in_section: bool,
    ) -> Self {
        let text = &source.line(line)[start..end];
        let trimmed = text[value..].trim_end_matches(BLANKS);
        let whole = Span {
            line,
            start: start as u32,
            end: end as u32,
        };
        Self {
            name: &text[..name],
            text: trimmed,
            span: whole.part(value, value + trimmed.len()),
            whole: whole.part(0, text.trim_end_matches(BLANKS).len()),
            trailing_blank: value + trimmed.len() < text.len(),
            in_section,
        }
    }

    /// A part of the value as the program keeps it.
    pub(super) fn kept(&self, text: &str) -> String {
        if self.in_section {
            text.replace('\t', "    ")
        } else {
            text.to_owned()
        }
    }

    /// The whole value, or an error when it is empty.
    pub(super) fn rest(&self, cx: &mut Context<'_>, missing: &str) -> Option<String> {
        if self.text.is_empty() {
            cx.error(self.whole, missing);
            return None;
        }
        Some(self.kept(self.text))
    }

    /// The first digits as a number in a range.
    pub(super) fn number(
        &self,
        cx: &mut Context<'_>,
        message: &str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let Some((start, end)) = run(self.text, |b| b.is_ascii_digit()) else {
            cx.error(self.or_whole(), message).help(format!(
                "write {}=NUMBER, {}",
                self.name,
                bounds(&range)
            ));
            return None;
        };
        let number = self.text[start..end].parse::<u32>();
        if let Ok(number) = number
            && range.contains(&number)
        {
            self.note_loose(cx, start, end);
            return Some(number);
        }
        cx.error(self.span, message)
            .help(format!("{} must be {}", self.name, bounds(&range)));
        None
    }

    /// Exactly `yes` or `no`.
    pub(super) fn yes_no(&self, cx: &mut Context<'_>) -> Option<bool> {
        let answer = match self.text {
            "yes" => true,
            "no" => false,
            other => {
                let lower = other.to_ascii_lowercase();
                let first = lower.split(|c: char| !c.is_ascii_alphabetic()).next();
                let meant = match first {
                    Some("no" | "off" | "false") => "no",
                    _ => "yes",
                };
                let message = format!("{} must be 'yes' or 'no'", self.name);
                let help = if other.contains('#') && !self.in_section {
                    format!(
                        "comments at the end of a line work only inside a virtual section: write {}={meant}",
                        self.name
                    )
                } else {
                    format!("write {}={meant}", self.name)
                };
                cx.error(self.or_whole(), message).help(help);
                return None;
            }
        };
        if self.trailing_blank {
            cx.warning(
                self.span,
                format!("blanks after \"{}\" are ignored", self.text),
            )
            .help("ldirectord itself refuses this line; remove them if it is to read the file");
        }
        Some(answer)
    }

    /// Text in double quotes, from the first to the last quote; may be empty when
    /// `empty` is `None`, which is then the error for it.
    pub(super) fn quoted(&self, cx: &mut Context<'_>, empty: Option<&str>) -> Option<String> {
        let closing = self.text.rfind('"').filter(|end| *end > 0);
        let Some(closing) = closing.filter(|_| self.text.starts_with('"')) else {
            let message = format!(
                "Unknown command {}: the value must be in double quotes",
                quoted(cx.source.text(self.whole))
            );
            cx.error(self.or_whole(), message).help(format!(
                "write {}=\"{}\"",
                self.name,
                self.text.trim_matches('"')
            ));
            return None;
        };
        if closing == 1
            && let Some(message) = empty
        {
            cx.error(self.span, message);
            return None;
        }
        self.note_loose(cx, 0, closing + 1);
        Some(self.kept(&self.text[1..closing]))
    }

    /// Text with or without double quotes round it.
    pub(super) fn optional_quotes(&self, cx: &mut Context<'_>, missing: &str) -> Option<String> {
        let (start, end) = enclosed(self.text).unwrap_or((0, self.text.len()));
        if start == end || self.text == "\"\"" {
            cx.error(self.or_whole(), missing);
            return None;
        }
        if start > 0 {
            self.note_loose(cx, 0, end + 1);
        }
        Some(self.kept(&self.text[start..end]))
    }

    /// The first run of letters, digits and underscores; empty when there is none.
    pub(super) fn word(&self) -> (&'a str, (usize, usize)) {
        self.first_run(|b| b.is_ascii_alphanumeric() || b == b'_')
    }

    /// The first run of bytes of a kind; empty when there is none.
    pub(super) fn first_run(&self, kind: impl Fn(u8) -> bool) -> (&'a str, (usize, usize)) {
        let (start, end) = run(self.text, kind).unwrap_or((0, 0));
        (&self.text[start..end], (start, end))
    }

    /// Warns that only a part of the value counts. Behind a global directive a `#` is
    /// not a comment by rule, but works as one here.
    pub(super) fn note_loose(&self, cx: &mut Context<'_>, start: usize, end: usize) {
        let before = &self.text[..start];
        let after = self.text[end..].trim_start_matches(BLANKS);
        if before.is_empty() && (after.is_empty() || after.starts_with('#')) {
            return;
        }
        let picked = quoted(&self.text[start..end]);
        cx.warning(
            self.span,
            format!("{} is read as {picked}; the rest is ignored", self.name),
        )
        .help(format!("write {}={}", self.name, &self.text[start..end]));
    }

    /// An error that lists the words allowed, with the nearest as help.
    pub(super) fn not_one_of(
        &self,
        cx: &mut Context<'_>,
        message: String,
        words: impl Iterator<Item = &'static str>,
    ) {
        let (word, _) = self.word();
        let meant = nearest(word, words);
        let diagnostic = cx.error(self.or_whole(), message);
        if let Some(meant) = meant {
            diagnostic.help(format!("did you mean {meant}?"));
        }
    }

    /// Where to point: at the value, or at the whole directive when it is empty.
    pub(super) fn or_whole(&self) -> Span {
        if self.text.is_empty() {
            self.whole
        } else {
            self.span
        }
    }
}

/// The range in words.
fn bounds(range: &RangeInclusive<u32>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

/// First run of bytes of a kind.
pub(super) fn run(text: &str, kind: impl Fn(u8) -> bool) -> Option<(usize, usize)> {
    let start = text.bytes().position(&kind)?;
    let length = text.bytes().skip(start).take_while(|b| kind(*b)).count();
    Some((start, start + length))
}

/// What stands between a first character `"` and the last `"`, if anything does.
pub(super) fn enclosed(text: &str) -> Option<(usize, usize)> {
    let end = text.rfind('"')?;
    (text.starts_with('"') && end > 1).then_some((1, end))
}
