//! `receive=` patterns: Perl regular expressions over raw bytes.
//!
//! # Design
//!
//! ldirectord searches the answer as a string of bytes, so the expression is compiled for
//! bytes with ASCII classes. Perl's `$` and `\Z` also hold before a last newline; the
//! library's do not, so they are rewritten. Backtracking is bounded, and so is what is
//! compiled: patterns come from the operator, but the text they run on does not.
//!
//! Two properties of an expression matter to its users. A *linear* one runs in time
//! proportional to the text. A *growing* one, once it matches a text, matches every
//! longer text that begins with it: then, and only then, the beginning of an answer may
//! be judged before its end has come.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};

use fancy_regex::{Assertion, AstNode, BytesMode, Expr, Regex, RegexBuilder};

use crate::model::{Fault, Pattern};

/// Backtracking steps of one search.
const BACKTRACK_MAX: usize = 100_000;

/// Bytes of memory one compiled expression may take, and its cache.
const COMPILED_MAX: usize = 1 << 20;

/// A compiled [`Pattern`].
#[derive(Debug)]
pub struct Matcher {
    source: Pattern,
    regex: Regex,
    shape: Shape,
}

/// The search was given up: the pattern needs too much backtracking on this text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the expected text needs more than {BACKTRACK_MAX} steps of backtracking on this answer")]
pub struct TooHard;

/// What an expression is made of, from the tamest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shape {
    /// Nothing that looks ahead: linear and growing.
    Growing,
    /// Looks at what follows, at most by one character or at the end: linear.
    Linear,
    /// Look-around, back-references, atomic groups, …
    Backtracking,
}

impl Matcher {
    /// The pattern as written.
    pub fn source(&self) -> &str {
        &self.source.0
    }

    /// Searches the text.
    ///
    /// # Errors
    ///
    /// [`TooHard`] when the bound on backtracking is reached, which a linear pattern
    /// never does.
    pub fn is_match(&self, text: &[u8]) -> Result<bool, TooHard> {
        self.regex.is_match(text).map_err(|_error| TooHard)
    }

    /// Where the first match ends; `None` without one.
    ///
    /// # Errors
    ///
    /// As [`Matcher::is_match`].
    pub fn end_of_match(&self, text: &[u8]) -> Result<Option<usize>, TooHard> {
        let found = self.regex.find(text).map_err(|_error| TooHard)?;
        Ok(found.map(|found| found.end()))
    }

    /// Whether a search takes time proportional to the text.
    pub fn is_linear(&self) -> bool {
        self.shape <= Shape::Linear
    }

    /// Whether a match in the beginning of a text is a match in the whole.
    pub fn is_growing(&self) -> bool {
        self.shape == Shape::Growing
    }
}

/// Compiles a pattern, or finds it already compiled for someone who still holds it.
///
/// # Errors
///
/// The text is no expression the library takes, or too large a one. This is a fault of
/// the configuration, never of a server.
pub fn compile(pattern: &Pattern) -> Result<Arc<Matcher>, Fault> {
    static COMPILED: LazyLock<Mutex<HashMap<Pattern, Weak<Matcher>>>> =
        LazyLock::new(Mutex::default);
    // A poisoned map is still a map: nothing is left half done in it.
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(matcher) = compiled.get(pattern).and_then(Weak::upgrade) {
        return Ok(matcher);
    }
    let matcher = Arc::new(build(pattern)?);
    if compiled.len().is_power_of_two() {
        // Now and then, so that many patterns do not cost the square of their number.
        compiled.retain(|_, matcher| matcher.strong_count() > 0);
    }
    compiled.insert(pattern.clone(), Arc::downgrade(&matcher));
    Ok(matcher)
}

fn build(pattern: &Pattern) -> Result<Matcher, Fault> {
    let unusable =
        |error: fancy_regex::Error| Fault::new(format!("unusable pattern \"{pattern}\": {error}"));
    let rewritten = perl_ends(&pattern.0);
    let regex = RegexBuilder::new(&rewritten)
        .bytes_mode(BytesMode::Ascii)
        .backtrack_limit(BACKTRACK_MAX)
        .delegate_size_limit(COMPILED_MAX)
        .delegate_dfa_size_limit(COMPILED_MAX)
        .build()
        .map_err(unusable)?;
    let tree = Expr::parse_tree(&rewritten).map_err(unusable)?;
    Ok(Matcher {
        source: pattern.clone(),
        regex,
        shape: shape(&tree.expr),
    })
}

/// The worst shape of any part.
fn shape(expression: &Expr) -> Shape {
    match expression {
        Expr::Empty
        | Expr::Any { .. }
        | Expr::Literal { .. }
        | Expr::LiteralBytes { .. }
        | Expr::Delegate { .. }
        | Expr::Assertion(Assertion::StartText | Assertion::StartLine { .. }) => Shape::Growing,
        Expr::Assertion(
            Assertion::EndText
            | Assertion::EndLine { .. }
            | Assertion::WordBoundary
            | Assertion::NotWordBoundary,
        ) => Shape::Linear,
        Expr::Concat(parts) | Expr::Alt(parts) => {
            parts.iter().map(shape).max().unwrap_or(Shape::Growing)
        }
        Expr::Group(inner) => shape(inner),
        Expr::AstNode(AstNode::AstGroup { inner, .. }, _) => shape(inner),
        Expr::Repeat { child, .. } => shape(child),
        _ => Shape::Backtracking,
    }
}

/// Rewrites `$` and `\Z` outside of classes to hold at the end and before a last newline.
///
/// Where nothing can follow in the same alternative the newline is simply consumed, which
/// keeps the expression linear; elsewhere a look-ahead leaves it for what follows. Under
/// `(?m)`, `$` already has Perl's meaning.
fn perl_ends(pattern: &str) -> String {
    let multi_line = has_multi_line_flag(pattern);
    let mut rewritten = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    let mut class = Class::Outside;
    let mut depth = 0_usize;
    while let Some(c) = rest.next() {
        let escaped = if c == '\\' { rest.next() } else { None };
        let is_end = match (c, escaped) {
            ('$', _) => !multi_line,
            ('\\', Some('Z')) => true,
            _ => false,
        };
        if is_end && class == Class::Outside {
            let nothing_follows = depth == 0 && matches!(rest.peek(), None | Some('|'));
            rewritten.push_str(if nothing_follows {
                r"(?:\n?\z)"
            } else {
                r"(?=\n?\z)"
            });
            continue;
        }
        rewritten.push(c);
        rewritten.extend(escaped);
        class = class.after(c);
        if class == Class::Opened && rest.peek() == Some(&'^') {
            rewritten.extend(rest.next());
        }
        match c {
            '(' if class == Class::Outside => depth += 1,
            ')' if class == Class::Outside => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    rewritten
}

/// Where a scan stands with respect to a bracketed class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Outside,
    /// Right after `[` or `[^`, where `]` is an ordinary character.
    Opened,
    Inside,
}

impl Class {
    fn after(self, c: char) -> Self {
        match (self, c) {
            (Self::Outside, '[') => Self::Opened,
            (Self::Inside, ']') | (Self::Outside, _) => Self::Outside,
            (Self::Opened | Self::Inside, _) => Self::Inside,
        }
    }
}

/// Whether an inline flag group such as `(?m)` or `(?i-s:` with `m` set occurs.
fn has_multi_line_flag(pattern: &str) -> bool {
    pattern.split("(?").skip(1).any(|rest| {
        rest.chars()
            .take_while(char::is_ascii_alphabetic)
            .any(|flag| flag == 'm')
            && rest
                .trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == '-')
                .starts_with([')', ':'])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matcher(pattern: &str) -> Arc<Matcher> {
        compile(&Pattern(pattern.to_owned())).unwrap()
    }

    fn found(pattern: &str, text: &[u8]) -> bool {
        matcher(pattern).is_match(text).unwrap()
    }

    #[test]
    fn text_is_searched_as_bytes() {
        assert!(found("Test Page", b"\xff\0<h1>Test Page</h1>\xfe"));
        assert!(found("a.b", b"a\xffb"));
        assert!(!found("a.b", b"a\nb"));
        assert!(found("gr\u{fc}n", "gr\u{fc}n".as_bytes()));
        assert!(found(r"\xfc", b"\xfc"));
        assert!(!found(r"^\w+$", b"\xe9"));
        assert!(found(r"(a)(b)\2\1", b"xabbax"));
        assert!(found(r"^(?!.*error)ok", b"ok"));
        assert!(!found(r"^(?!.*error)ok", b"ok, error"));
    }

    #[test]
    fn dollar_holds_before_a_last_newline_as_in_perl() {
        for pattern in ["^OK$", r"^OK\Z", "^(OK$)", "^(a|OK)$", "y$|OK$"] {
            assert!(found(pattern, b"OK"), "{pattern}");
            assert!(found(pattern, b"OK\n"), "{pattern}");
            assert!(!found(pattern, b"OK\n\n"), "{pattern}");
            assert!(!found(pattern, b"OK\nx"), "{pattern}");
        }
        assert!(!found(r"^OK\z", b"OK\n"));
        assert!(found("OK$\n", b"OK\n"));
        assert!(found(r"OK\$", b"OK$!"));
        assert!(found("OK[$]", b"OK$!"));
        assert!(found("OK[]$]", b"OK]!"));
        assert!(found("OK[^^]$", b"OK!\n"));
        assert!(found("(?m)OK$", b"OK\nmore"));
    }

    #[test]
    fn shapes_tell_what_may_be_judged_early_and_what_is_cheap() {
        let growing = |pattern: &str| matcher(pattern).is_growing();
        let linear = |pattern: &str| matcher(pattern).is_linear();
        for pattern in [
            "Test Page",
            "^<html>",
            "a|b[cd]*",
            "(?i)ok",
            "(a{2,3})+?",
            "(?<n>x)",
        ] {
            assert!(growing(pattern) && linear(pattern), "{pattern}");
        }
        for pattern in ["ok$", r"ok\b", r"ok\z", "a$|b"] {
            assert!(!growing(pattern) && linear(pattern), "{pattern}");
        }
        for pattern in ["(?!x)ok", "(?>ab|a)b", r"(a)\1", "a++b", "(ok$)x?"] {
            assert!(!growing(pattern) && !linear(pattern), "{pattern}");
        }
    }

    #[test]
    fn backtracking_and_size_are_bounded() {
        let hostile = vec![b'a'; 5000];
        assert_eq!(matcher(r"(a*)*\1b").is_match(&hostile), Err(TooHard));
        assert!(compile(&Pattern("(((a{100}){100}){100}){100}".to_owned())).is_err());
        assert!(compile(&Pattern("(".to_owned())).is_err());
    }

    #[test]
    fn equal_patterns_share_one_matcher() {
        let first = matcher("shared once");
        assert!(Arc::ptr_eq(&first, &matcher("shared once")));
    }
}
