//! Errors and warnings of a configuration in ldirectord's words.

use std::fmt;
use std::path::Path;

use crate::model::is_printable;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can, though not as its author may think.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
        })
    }
}

/// Something wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// Line, counted from 1; `None` when none is to blame.
    pub line: Option<usize>,
    /// What is wrong. ldirectord's text for an unknown directive spans two lines.
    pub text: String,
}

impl Complaint {
    /// `Error [PID] reading file PATH at line N: TEXT`; without a line the part about
    /// the file is left out.
    pub fn render(&self, severity: Severity, pid: u32, path: &Path) -> String {
        let place = self.line.map_or_else(String::new, |line| {
            format!(" reading file {} at line {line}", path.display())
        });
        format!("{severity} [{pid}]{place}: {}", self.text)
    }
}

/// Text for a terminal: unprintable characters are escaped, except those that ldirectord
/// prints too, the end of a line and the tab.
pub(super) fn for_terminal(text: &str) -> String {
    escaped(text, |c| is_printable(c) || matches!(c, '\n' | '\t'))
}

/// The same without exceptions.
pub(super) fn one_line(text: &str) -> String {
    escaped(text, is_printable)
}

fn escaped(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if keep(c) {
            line.push(c);
        } else {
            line.extend(c.escape_default());
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(line: Option<usize>, text: &str) -> Complaint {
        let text = text.to_owned();
        Complaint { line, text }
    }

    #[test]
    fn complaints_name_process_file_and_line() {
        let path = Path::new("/etc/ha.d/x.cf");
        let error = complaint(Some(3), "invalid check timeout value");
        assert_eq!(
            error.render(Severity::Error, 42, path),
            "Error [42] reading file /etc/ha.d/x.cf at line 3: invalid check timeout value"
        );
        let warning = complaint(None, "nothing to do");
        assert_eq!(
            warning.render(Severity::Warning, 42, path),
            "Warning [42]: nothing to do"
        );
    }

    #[test]
    fn terminals_get_no_control_characters() {
        assert_eq!(for_terminal("a\tb\n\u{1b}[2J\r"), "a\tb\n\\u{1b}[2J\\r");
        assert_eq!(one_line("a\tb\n"), "a\\tb\\n");
    }
}
