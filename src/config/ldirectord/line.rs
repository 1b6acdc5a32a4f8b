//! The shape of a line: indentation, comments, `name = value`, and the two ways in which
//! copying from a web page spoils it.

use super::directives;

/// What separates words.
pub(super) const BLANKS: [char; 2] = [' ', '\t'];

/// Columns of leading white space; a tab counts as four, wherever it stands.
pub(super) fn indentation(line: &str) -> usize {
    line.bytes()
        .take_while(|b| matches!(b, b' ' | b'\t'))
        .map(|b| if b == b'\t' { 4 } else { 1 })
        .sum()
}

/// A line of a section without its comment. A `#` between two double quotes belongs to
/// the text between them; ldirectord would cut there as well, and complain.
pub(super) fn without_comment(line: &str) -> &str {
    let last_quote = line.rfind('"').unwrap_or(0);
    let mut in_quotes = false;
    for (offset, byte) in line.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'#' if !in_quotes || offset > last_quote => return &line[..offset],
            _ => {}
        }
    }
    line
}

/// Byte offsets in `name = value`: end of the name, begin of the value. `None` when the
/// text has another form. The text begins with the name.
pub(super) fn split(text: &str) -> Option<(usize, usize)> {
    let name = name_length(text);
    let rest = text[name..].trim_start_matches(BLANKS);
    let value = rest.strip_prefix('=')?.trim_start_matches(BLANKS);
    (name > 0).then_some((name, text.len() - value.len()))
}

/// Length of what could be a directive's name at the beginning of a text.
pub(super) fn name_length(text: &str) -> usize {
    text.bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        .count()
}

/// Offsets of all `name =` of known directives outside quotes, when there are several:
/// a line in which directives have run together.
pub(super) fn glued(text: &str) -> Vec<usize> {
    if text.bytes().filter(|b| *b == b'=').count() < 2 {
        return Vec::new();
    }
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut in_quotes = false;
    let mut offset = 0;
    while offset < bytes.len() {
        let after_blank = offset == 0 || matches!(bytes[offset - 1], b' ' | b'\t');
        if bytes[offset] == b'"' {
            in_quotes = !in_quotes;
        } else if !in_quotes && after_blank && bytes[offset].is_ascii_lowercase() {
            let rest = &text[offset..];
            let name = name_length(rest);
            let is_directive = directives::place(&rest[..name]).is_some()
                && rest[name..].trim_start_matches(BLANKS).starts_with('=');
            if is_directive {
                if found.is_empty() && directives::is_free_text(&rest[..name]) {
                    return found;
                }
                found.push(offset);
            }
            offset += name;
            continue;
        }
        offset += 1;
    }
    if found.len() < 2 {
        found.clear();
    }
    found
}

/// The first control character but tab, with its byte offset.
pub(super) fn control(text: &str) -> Option<(usize, char)> {
    text.char_indices()
        .find(|(_, character)| character.is_control() && *character != '\t')
}

/// A character that looks like a quote, hyphen or blank but is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Typographic {
    /// Byte offset.
    pub(super) offset: usize,
    /// The character.
    pub(super) character: char,
    /// What to write instead.
    pub(super) plain: char,
}

/// The first typographic character of a directive outside straight quotes. In free text
/// only the first character of the value matters.
pub(super) fn typographic(text: &str) -> Option<Typographic> {
    if text.is_ascii() {
        return None;
    }
    let (name, value) = split(text).unwrap_or((0, 0));
    let free = directives::is_free_text(&text[..name]);
    let mut in_quotes = false;
    text.char_indices().find_map(|(offset, character)| {
        in_quotes ^= character == '"';
        let plain = plain(character)?;
        let matters = !in_quotes && (!free || offset <= value);
        matters.then_some(Typographic {
            offset,
            character,
            plain,
        })
    })
}

/// The plain character that a typographic one stands for.
pub(super) fn plain(character: char) -> Option<char> {
    match character {
        '“' | '”' | '„' | '‟' | '«' | '»' | '″' | '＂' => Some('"'),
        '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' => Some('\''),
        '‐'..='―' | '−' | '﹣' | '－' => Some('-'),
        '\u{a0}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}' => {
            Some(' ')
        }
        '＝' => Some('='),
        '：' => Some(':'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tab_is_four_columns_wherever_it_stands() {
        assert_eq!(indentation("   x"), 3);
        assert_eq!(indentation("\tx"), 4);
        assert_eq!(indentation(" \tx"), 5);
    }

    #[test]
    fn comments_end_outside_quotes_only() {
        assert_eq!(without_comment("a=b # c"), "a=b ");
        assert_eq!(without_comment("a=\"b#c\" # d"), "a=\"b#c\" ");
        assert_eq!(without_comment("a=5\" # c"), "a=5\" ");
        assert_eq!(without_comment("a=\"b\" # \"c\""), "a=\"b\" ");
    }

    #[test]
    fn names_and_values_are_found_round_the_equals_sign() {
        assert_eq!(split("a \t=  5"), Some((1, 6)));
        assert_eq!(split("a="), Some((1, 2)));
        assert_eq!(split("a"), None);
        assert_eq!(split("=a"), None);
    }

    #[test]
    fn run_together_directives_are_seen_outside_quotes_and_free_text() {
        let line = "checktimeout=10 logfile=\"a fork=b\" virtual = 192.0.2.1:80";
        assert_eq!(glued(line), [0, 16, 35]);
        assert!(glued("comment=set quiescent=yes and fork=no").is_empty());
        assert!(glued("request=\"/a?service=1&login=2\"").is_empty());
        assert!(glued("fallbackcommand=/bin/x real=5").is_empty());
    }

    #[test]
    fn typographic_characters_are_found_where_they_matter() {
        let at = |text| typographic(text).map(|t| (t.offset, t.plain));
        assert_eq!(at("receive=“Test Page”"), Some((8, '"')));
        assert_eq!(at("real=192.0.2.1–>192.0.2.3 gate"), Some((14, '-')));
        assert_eq!(at("receive=\"It’s – ok\""), None);
        assert_eq!(at("comment=It’s ok"), None);
        assert_eq!(at("comment=“ok”"), Some((8, '"')));
        assert_eq!(at("\u{a0}real=1"), Some((0, ' ')));
    }
}
