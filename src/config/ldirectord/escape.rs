//! Escapes in what checks send.

/// Longest text, in bytes.
const SENT_MAX: usize = 4096;

/// The bytes that a text with `\n`, `\r`, `\t`, `\\`, `\"` and `\xNN` stands for. The error
/// says what is wrong.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(plain @ (b'\\' | b'"')) => plain,
            Some(b'x') => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high << 4 | low) as u8,
                    _ => return Err("\\x needs two hexadecimal digits".to_owned()),
                }
            }
            Some(other) if other.is_ascii_graphic() => {
                return Err(format!("there is no escape \\{}", char::from(other)));
            }
            Some(_) | None => return Err("a backslash stands alone".to_owned()),
        });
    }
    if bytes.len() > SENT_MAX {
        return Err(format!("it is longer than {SENT_MAX} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_bytes() {
        assert_eq!(
            unescape(r#"a\r\n\t\\\"\x00\xfFé"#).unwrap(),
            b"a\r\n\t\\\"\0\xff\xc3\xa9"
        );
    }

    #[test]
    fn unknown_and_unfinished_escapes_are_mistakes() {
        for (text, mistake) in [
            (r"\q", "there is no escape \\q"),
            (r"\x1", "\\x needs two hexadecimal digits"),
            (r"\xg0", "\\x needs two hexadecimal digits"),
            ("\\", "a backslash stands alone"),
            ("\\é", "a backslash stands alone"),
        ] {
            assert_eq!(unescape(text), Err(mistake.to_owned()));
        }
        assert!(unescape(&"a".repeat(SENT_MAX + 1)).is_err());
    }
}
