//! The reader for `ldirectord.cf`, the format of ldirectord 4.12.
//!
//! What ldirectord accepts is accepted and means the same; where it guesses, the guess
//! is made and a warning says so; where its guess only ever did harm, the line is
//! refused. All mistakes of a file are reported at once.
//!
//! # Design
//!
//! Reading is in two steps, because addresses need names resolved and that is I/O:
//! [`parse`] takes the text apart, [`Parsed::names`] says what has to be looked up, and
//! [`Parsed::resolve`] builds the configuration. ldirectord looks up each name while it
//! reads, one after the other, and stops at the first mistake.
//!
//! Differences from ldirectord, all towards accepting more or failing sooner:
//!
//! - `#` may stand inside double quotes; lines of white space are blank lines and, from
//!   five columns on, do not end a section; blanks after `yes` and `no` and CR LF line
//!   ends are tolerated; a `virtual` line may be the last line of the file.
//! - Numbers are bounded, weights by 65535. What the kernel would refuse (firewall mark
//!   0, persistence 0, thresholds that cross, unknown scheduler flags, port 0 without
//!   persistence) is refused here. So are regular expressions that do not compile.
//! - Typographic quotes, dashes and blanks, control characters, and lines in which
//!   several directives have run together are refused; so are real servers whose address
//!   ldirectord would cut (`192.0.2.1::80`, `[192.0.2.1]:80`, `192.0.2.1/24:80`).
//! - Text that is not UTF-8 is read as Windows-1252.
//! - A global fallback's service name need not exist for both TCP and UDP.
//! - A request of a single real server counts also when it begins with `/`; ldirectord
//!   4.12 loses it then.
//! - `checkinterval` in a section counts also without `fork=yes`.
//! - A global fallback serves firewall marks too.

mod address;
mod beyond;
pub(in crate::config) mod builder;
mod demands;
mod directives;
mod escape;
mod global;
mod http;
mod line;
mod lower;
mod options;
mod path;
mod policy;
mod protocol;
mod real;
mod reals;
mod resolve;
pub(super) mod rule;
mod section;
mod service;
mod tls;
mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use directives::{DIRECTIVES, Place, place};
use global::GlobalOptions;
use line::BLANKS;
use section::{Patterns, Section};
use value::Value;

use super::diagnostic::Diagnostic;
use super::nearest::nearest;
use super::source::{Context, Report, Source, Span, quoted};
use super::tls::TlsFile;
use crate::model::Family;

/// Every directive of the format, in the order of its manual: name, whether it may stand
/// before the first section, whether it may stand in one. Withdrawn ones are among them.
pub fn directive_places() -> impl Iterator<Item = (&'static str, bool, bool)> {
    DIRECTIVES.iter().map(|(name, place)| {
        let (is_global, is_section) = (*place != Place::Section, *place != Place::Global);
        (*name, is_global, is_section)
    })
}

/// The sections of a file, each in memory of its own: they are large, and there are thousands.
/// A list that grows would copy all of them, and one that ends frees them only together, when
/// their services have found memory elsewhere.
type Sections = Vec<Box<Section>>;

/// An `ldirectord.cf` taken apart, with what is wrong in it so far.
#[derive(Debug, Clone)]
pub struct Parsed {
    source: Source,
    report: Report,
    globals: GlobalOptions,
    sections: Sections,
}

/// Takes the text of a file apart. `path` only appears in diagnostics.
pub fn parse<'a>(text: impl Into<Cow<'a, [u8]>>, path: &str) -> Parsed {
    let source = Source::new(text, path);
    let mut report = Report::default();
    let mut reader = Reader {
        cx: Context {
            source: &source,
            report: &mut report,
        },
        globals: GlobalOptions::default(),
        sections: Vec::new(),
        open: None,
        blank: 0,
        patterns: Patterns::default(),
    };
    reader.note_encoding();
    let mut number = 1;
    while number <= source.len() {
        number = reader.line(number) + 1;
    }
    reader.close(source.len() + 1);
    let (globals, sections) = (reader.globals, reader.sections);
    Parsed {
        source,
        report,
        globals,
        sections,
    }
}

impl Parsed {
    /// Whether the file is already known to be unusable; resolving names is then only
    /// useful for finding more mistakes.
    pub fn has_errors(&self) -> bool {
        self.report.has_errors()
    }

    /// The files that have to be read before [`Parsed::resolve`], once each.
    pub fn files(&self) -> Vec<TlsFile> {
        let sections = self.sections.iter();
        let files = sections.flat_map(|section| section.options.tls.settings.files());
        files.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Everything in it that ldirectord 4.12 would refuse and this reader takes on purpose,
    /// as errors: directives and words that are new.
    pub fn beyond(&self) -> &[Diagnostic] {
        self.report.beyond()
    }
}

/// Longest line of a directive, in bytes.
const LINE_MAX: usize = 64 << 10;

/// Goes through the lines.
struct Reader<'a> {
    cx: Context<'a>,
    globals: GlobalOptions,
    sections: Sections,
    /// The section that the next indented line belongs to.
    open: Option<Box<Section>>,
    /// The blank line that ended the last section; 0 when none did.
    blank: u32,
    patterns: Patterns,
}

impl<'a> Reader<'a> {
    fn note_encoding(&mut self) {
        let source = self.cx.source;
        if source.too_long {
            let message = format!("the file is longer than {} MiB", Source::MAX >> 20);
            self.cx.error(Span::default(), message);
        }
        if let Some(line) = source.carriage_return {
            let end = source.line(line).len();
            self.cx
                .warning(span(line, end, end), "lines end in CR LF")
                .help(
                    "the CR is ignored; ldirectord refuses yes and no before it: convert the file",
                );
        }
        for line in source.not_utf8.clone() {
            self.cx
                .warning(
                    span(line, 0, source.line(line).len()),
                    "not UTF-8: read as Windows-1252",
                )
                .help("convert the file to UTF-8");
        }
    }

    /// Takes a line, or a run of lines with the same mistake; returns the last one taken.
    fn line(&mut self, number: u32) -> u32 {
        let source: &'a Source = self.cx.source;
        let line = source.line(number);
        let text = line.trim_start_matches(BLANKS);
        if text.starts_with('#') {
            return number;
        }
        let columns = line::indentation(line);
        if text.is_empty() {
            // ldirectord takes more than four columns for an unknown directive.
            if columns <= 4 && self.open.is_some() {
                self.close(number);
                self.blank = number;
            }
            return number;
        }
        if line.len() > LINE_MAX {
            let message = format!("the line is longer than {LINE_MAX} bytes");
            self.cx.error(span(number, 0, 1), message);
            return number;
        }
        let start = line.len() - text.len();
        let spoilt_indentation = text
            .chars()
            .next()
            .is_some_and(|c| line::plain(c) == Some(' '));
        if self.open.is_some() && (columns >= 4 || spoilt_indentation) {
            let end = line::without_comment(line).len();
            self.section_line(number, start, end);
            return number;
        }
        let ended_here = self.open.is_some();
        self.close(number);
        if columns == 0 {
            self.blank = 0;
            self.global_line(number, line.len());
            return number;
        }
        self.stray(number, ended_here)
    }

    /// A directive without indentation.
    fn global_line(&mut self, number: u32, end: usize) {
        let source: &'a Source = self.cx.source;
        let text = &source.line(number)[..end];
        let whole = span(number, 0, end);
        if self.is_spoilt(whole, text) {
            return;
        }
        if text.trim_end_matches(BLANKS) == "supervised" {
            self.cx
                .warning(
                    whole,
                    "please update your config not to use a bare supervised directive",
                )
                .help("write supervised=yes");
            self.globals.set_supervised();
            return;
        }
        let Some(cut) = line::split(text) else {
            return self.unknown(whole, text, Place::Global);
        };
        let value = Value::new(source, number, (0, end), cut, false);
        let family = match value.name {
            "virtual" => Family::V4,
            "virtual6" => Family::V6,
            _ => {
                if !self.globals.read(&mut self.cx, &value) {
                    self.unknown(whole, text, Place::Global);
                } else if directives::is_beyond(value.name) {
                    self.cx.beyond(whole.part(0, value.name.len()), value.name);
                }
                return;
            }
        };
        let form = address::read_virtual(&mut self.cx, &value, family);
        self.open = Some(Box::new(Section::new(family, form, value.whole)));
    }

    /// A directive of the open section.
    fn section_line(&mut self, number: u32, start: usize, end: usize) {
        let source: &'a Source = self.cx.source;
        let text = &source.line(number)[start..end];
        let whole = span(number, start, end);
        if self.is_spoilt(whole, text) {
            return;
        }
        let Some(cut) = line::split(text) else {
            return self.unknown(whole, text, Place::Section);
        };
        let value = Value::new(source, number, (start, end), cut, true);
        let goes_on_the_wire = matches!(
            value.name,
            "request" | "receive" | "send" | "expect" | "real" | "real6"
        );
        if goes_on_the_wire && source.not_utf8.binary_search(&number).is_ok() {
            self.cx
                .error(value.span, format!("{} is not UTF-8", value.name))
                .help("write bytes that are not ASCII as %XX in a request and as \\xXX in an expected text");
            return;
        }
        let Some(section) = &mut self.open else {
            return;
        };
        if !section.read(&mut self.cx, &value, &mut self.patterns) {
            self.unknown(whole, text, Place::Section);
        } else if directives::is_beyond(value.name) {
            self.cx.beyond(whole.part(0, value.name.len()), value.name);
        }
    }

    fn close(&mut self, line: u32) {
        if let Some(mut section) = self.open.take() {
            section.close(&mut self.cx, line, &mut self.patterns);
            self.sections.push(section);
        }
    }

    /// Reports what copying from a web page or word processor does to a line.
    fn is_spoilt(&mut self, whole: Span, text: &str) -> bool {
        if let Some((offset, character)) = line::control(text) {
            self.stranger(whole, offset, character, "control character")
                .help("remove it");
            return true;
        }
        if let Some(found) = line::typographic(text) {
            let plain = match found.plain {
                ' ' => "a plain blank".to_owned(),
                plain => plain.to_string(),
            };
            self.stranger(
                whole,
                found.offset,
                found.character,
                "typographic character",
            )
            .help(format!("write {plain} instead"));
            return true;
        }
        let offsets = line::glued(text);
        if offsets.is_empty() {
            return false;
        }
        let ends = offsets[1..].iter().copied().chain([text.len()]);
        let pieces: Vec<&str> = offsets
            .iter()
            .zip(ends)
            .map(|(start, end)| text[*start..end].trim_matches(BLANKS))
            .collect();
        self.glued(whole, &pieces);
        true
    }

    /// An error for a character that does not belong in a directive.
    fn stranger(
        &mut self,
        whole: Span,
        offset: usize,
        character: char,
        kind: &str,
    ) -> &mut Diagnostic {
        let at = whole.part(offset, offset + character.len_utf8());
        let before = &self.cx.source.line(whole.line)[..at.start as usize];
        let message = format!(
            "{kind} {} (U+{:04X}) in column {}",
            quoted(&character.to_string()),
            u32::from(character),
            before.chars().count() + 1
        );
        self.cx.error(at, message)
    }

    fn glued(&mut self, whole: Span, pieces: &[&str]) {
        let mut in_section = self.open.is_some();
        let mut help = String::from("each belongs on its own line:");
        for piece in pieces {
            let name = &piece[..line::name_length(piece)];
            if name.starts_with("virtual") && place(name) == Some(Place::Global) {
                in_section = true;
                let family = if name == "virtual" {
                    Family::V4
                } else {
                    Family::V6
                };
                self.close(whole.line);
                self.open = Some(Box::new(Section::new(family, None, whole)));
                help.push_str("\n    ");
            } else {
                help.push_str(if in_section { "\n        " } else { "\n    " });
            }
            help.push_str(piece);
        }
        let message = format!("several directives on one line: {}", pieces.join(", "));
        self.cx.error(whole, message).help(help);
    }

    /// Indented lines outside a section; returns the last of them.
    fn stray(&mut self, number: u32, ended_here: bool) -> u32 {
        let source: &'a Source = self.cx.source;
        let is_stray = |number: &u32| {
            let line = source.line(*number);
            line::indentation(line) > 0 && !line.trim_start_matches(BLANKS).is_empty()
        };
        let last = (number + 1..=source.len())
            .take_while(is_stray)
            .last()
            .unwrap_or(number);
        let line = source.line(number);
        let mut message = format!(
            "Unknown command {}: indented, but not in a virtual section",
            quoted(line)
        );
        if last > number {
            message = format!("{message}; so are the lines up to {last}");
        }
        let indented = line.len() - line.trim_start_matches(BLANKS).len();
        let help = if ended_here {
            "lines of a section are indented by at least four columns".to_owned()
        } else if self.blank > 0 {
            format!("the empty line {} ended the section; remove it", self.blank)
        } else {
            "begin global directives in the first column; put others below a virtual line"
                .to_owned()
        };
        self.cx.error(span(number, 0, indented), message).help(help);
        last
    }

    /// A directive that is unknown at a place.
    fn unknown(&mut self, whole: Span, text: &str, here: Place) {
        let name = &text[..line::name_length(text)];
        let known = DIRECTIVES
            .iter()
            .filter(|(_, place)| *place == here || *place == Place::Both)
            .map(|(name, _)| *name);
        let help = match place(name) {
            Some(place) if place == here || place == Place::Both => {
                format!("write {name}=VALUE")
            }
            Some(Place::Global) if name.starts_with("virtual") => {
                "begin the virtual line in the first column".to_owned()
            }
            Some(Place::Global) => {
                format!(
                    "{name} holds for the whole director: begin its line in the first column, outside any section"
                )
            }
            Some(_) => {
                format!(
                    "{name} belongs into a virtual section: indent it by four blanks below a virtual line"
                )
            }
            None => match nearest(name, known) {
                Some(near) => format!("did you mean {near}?"),
                None => "see the list of directives in ldirectord's manual".to_owned(),
            },
        };
        let name_span = if name.is_empty() {
            whole
        } else {
            whole.part(0, name.len())
        };
        let line = quoted(self.cx.source.line(whole.line));
        self.cx
            .error(name_span, format!("Unknown command {line}"))
            .help(help);
    }
}

/// Whether a value, written after `name=` without quotes, is read as it stands.
pub(super) fn reads_back(name: &str, value: &str, in_section: bool) -> bool {
    let line = format!("{name}={value}");
    let kept = if in_section {
        line::without_comment(&line)
    } else {
        &line
    };
    kept == line
        && !value.starts_with(BLANKS)
        && !value.ends_with(BLANKS)
        && value != "\"\""
        && value::enclosed(value).is_none()
        && line::typographic(&line).is_none()
        && line::glued(&line).is_empty()
}

/// A stretch of a line.
fn span(line: u32, start: usize, end: usize) -> Span {
    Span {
        line,
        start: start as u32,
        end: end as u32,
    }
}

/// Seconds as a duration.
fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}
