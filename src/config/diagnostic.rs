//! Mistakes and doubtful places in a configuration, for people, machines and the
//! classic one-line format.

use std::fmt::{self, Write as _};

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;

/// How much a [`Diagnostic`] matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// The configuration can be used, but may not mean what it seems to say.
    Warning,
}

/// A point in ldirectord's own reading of a file, which stops at the first error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    /// The line it has come to.
    pub(super) reached: u32,
    /// What it is doing there.
    pub(super) step: Step,
    /// The line it is looking at.
    pub(super) line: u32,
}

/// What ldirectord does when it comes to a line: if the line ends a section, it first
/// looks into the section's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The fallback server of the section that ends.
    Fallback,
    /// Its own address.
    Virtual,
    /// Its real servers.
    Reals,
    /// Whether it is there already.
    Duplicate,
    /// The line itself.
    Directive,
}

/// One mistake or doubtful place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether the configuration is refused because of it.
    pub severity: Severity,
    /// Path of the file, as given to the reader.
    pub path: String,
    /// Line, from 1; 0 when it concerns the whole file.
    pub line: u32,
    /// Column of the first character concerned, from 1, counted in characters; 0 when
    /// it concerns the whole line.
    pub column: u32,
    /// Number of characters concerned.
    pub length: u32,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The line itself, at most [`Diagnostic::SOURCE_MAX`] characters, with control
    /// characters replaced; empty when it is not at hand.
    pub source: String,
    /// ldirectord prints this one without file and line.
    #[serde(skip)]
    pub(super) placeless: bool,
    /// When ldirectord would have noticed.
    #[serde(skip)]
    pub(super) noticed: Moment,
}

impl Diagnostic {
    /// Longest `source` kept, in characters.
    pub const SOURCE_MAX: usize = 2000;

    /// A diagnostic about a line as a whole, for what only shows when a file is opened:
    /// an unwritable log, a missing maintenance directory.
    pub fn at_line(
        severity: Severity,
        path: impl Into<String>,
        line: u32,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            path: path.into(),
            line,
            column: 0,
            length: 0,
            message: message.into(),
            help: None,
            source: String::new(),
            placeless: false,
            noticed: Moment {
                reached: line,
                step: Step::Directive,
                line,
            },
        }
    }

    /// Sets what to write instead.
    pub(super) fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(super::source::printable_lines(&help.into()));
        self
    }

    /// ldirectord's own line: `Error [PID] reading file PATH at line N: TEXT`, without
    /// the part about the file where there is no line.
    pub fn classic(&self, pid: u32) -> String {
        let kind = match self.severity {
            Severity::Error => "Error",
            Severity::Warning => "Warning",
        };
        if self.line == 0 || self.placeless {
            format!("{kind} [{pid}]: {}", self.message)
        } else {
            format!(
                "{kind} [{pid}] reading file {} at line {}: {}",
                self.path, self.line, self.message
            )
        }
    }

    /// The message, the line with carets below the offending text, and what to write
    /// instead; `styled` adds terminal colours. Ends with a newline.
    pub fn render(&self, styled: bool) -> String {
        let renderer = if styled {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.message.as_str()));
        if self.source.is_empty() || self.line == 0 {
            let mut origin = Origin::path(self.path.as_str());
            if self.line > 0 {
                origin = origin.line(self.line as usize);
            }
            group = group.element(origin);
        } else {
            group = group.element(
                Snippet::source(self.source.as_str())
                    .line_start(self.line as usize)
                    .path(self.path.as_str())
                    .annotation(AnnotationKind::Primary.span(self.byte_range())),
            );
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let mut text = renderer.render(&[group]);
        text.push('\n');
        text
    }

    /// The characters concerned as a byte range of `source`.
    fn byte_range(&self) -> std::ops::Range<usize> {
        let offset = |characters: usize| {
            self.source
                .char_indices()
                .nth(characters)
                .map_or(self.source.len(), |(offset, _)| offset)
        };
        let first = self.column.saturating_sub(1) as usize;
        let length = if self.column == 0 {
            usize::MAX / 2
        } else {
            self.length.max(1) as usize
        };
        offset(first)..offset(first.saturating_add(length))
    }
}

/// `PATH:LINE:COLUMN: error: MESSAGE`, on one line.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        let kind = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, ": {kind}: {}", self.message)
    }
}

/// Diagnostics by file and line. Files come in the order in which they are first mentioned.
pub fn by_line(diagnostics: &[Diagnostic]) -> Vec<&Diagnostic> {
    let mut by_line: Vec<&Diagnostic> = diagnostics.iter().collect();
    let mut files: Vec<&str> = Vec::new();
    for diagnostic in diagnostics {
        // There are two files at most.
        if !files.contains(&diagnostic.path.as_str()) {
            files.push(&diagnostic.path);
        }
    }
    let file = |path: &str| files.iter().position(|file| *file == path);
    by_line.sort_by_key(|d| (file(&d.path), d.line, d.column));
    by_line
}

/// All diagnostics as text for people, [`by_line`], with a blank line between them.
pub fn render(diagnostics: &[Diagnostic], styled: bool) -> String {
    let rendered: Vec<String> = by_line(diagnostics)
        .into_iter()
        .map(|diagnostic| diagnostic.render(styled))
        .collect();
    rendered.join("\n")
}

/// Why a configuration was refused: at least one error, with the warnings, in the
/// order in which ldirectord would have noticed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected(pub Vec<Diagnostic>);

impl Rejected {
    /// The error that ldirectord, which stops at the first, would have reported.
    pub fn first_error(&self) -> Option<&Diagnostic> {
        self.0
            .iter()
            .find(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = String::new();
        for (index, diagnostic) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(lines, "{separator}{diagnostic}")?;
        }
        f.write_str(&lines)
    }
}

impl std::error::Error for Rejected {}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Diagnostic {
        Diagnostic {
            column: 17,
            length: 4,
            source: "virtual=192.0.2.1:http".to_owned(),
            help: Some("write a number".to_owned()),
            ..Diagnostic::at_line(Severity::Error, "a.cf", 7, "unknown port")
        }
    }

    // SYN-21
    #[test]
    fn the_classic_line_names_process_file_and_line() {
        let mut diagnostic = sample();
        assert_eq!(
            diagnostic.classic(42),
            "Error [42] reading file a.cf at line 7: unknown port"
        );
        diagnostic.placeless = true;
        diagnostic.severity = Severity::Warning;
        assert_eq!(diagnostic.classic(42), "Warning [42]: unknown port");
    }

    #[test]
    fn people_see_the_line_with_carets_and_the_help() {
        assert_eq!(
            sample().render(false),
            "error: unknown port\n --> a.cf:7:17\n  |\n7 | virtual=192.0.2.1:http\n  |                 ^^^^\n  |\n  = help: write a number\n"
        );
    }

    #[test]
    fn columns_count_characters_and_never_run_past_the_line() {
        let mut diagnostic = sample();
        diagnostic.source = "ä“".to_owned();
        (diagnostic.column, diagnostic.length) = (2, 900);
        assert_eq!(diagnostic.byte_range(), 2..5);
        diagnostic.column = 50;
        assert_eq!(diagnostic.byte_range(), 5..5);
        assert!(diagnostic.render(false).contains("unknown port"));
    }

    #[test]
    fn people_see_the_diagnostics_by_line() {
        let line = |line| Diagnostic::at_line(Severity::Warning, "a.cf", line, format!("m{line}"));
        let text = render(&[line(9), line(2)], false);
        assert_eq!(text, "warning: m2\n--> a.cf:2\n\nwarning: m9\n--> a.cf:9\n");
    }

    #[test]
    fn machines_get_every_public_field() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["severity"], "error");
        assert_eq!(json["line"], 7);
        assert_eq!(json["column"], 17);
        assert_eq!(json["help"], "write a number");
        assert!(json.get("noticed").is_none());
    }
}
