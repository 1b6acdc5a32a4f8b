//! The text of a key file. Nothing here repeats what stands in a line: it may be a key.

use zeroize::Zeroizing;

use super::{KEY_LENGTH, Key, KeyId, Keys, MAX_KEYS};

/// What is wrong with the text of a key file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Not even one line with a key.
    #[error("there is no key in it: `directord failover keygen` makes one")]
    Empty,
    /// A line is not a number and a key.
    #[error("line {line}: `ID KEY` is expected, a number and 64 hexadecimal digits")]
    Form {
        /// Line, from 1.
        line: usize,
    },
    /// The number is not one.
    #[error("line {line}: a key's number is 1 to 255")]
    Id {
        /// Line, from 1.
        line: usize,
    },
    /// Too short or too long.
    #[error("line {line}: the key has {digits} digits, and 64 are needed (32 bytes)")]
    Length {
        /// Line, from 1.
        line: usize,
        /// How many digits it has.
        digits: usize,
    },
    /// Something that is no digit.
    #[error("line {line}: the key has a character that is no hexadecimal digit")]
    Digit {
        /// Line, from 1.
        line: usize,
    },
    /// One byte, 32 times.
    #[error(
        "line {line}: the key is one byte over and over: `directord failover keygen` makes a random one"
    )]
    Monotonous {
        /// Line, from 1.
        line: usize,
    },
    /// Two keys of one number.
    #[error("line {line}: key {id} is in line {first} already")]
    DuplicateId {
        /// Line, from 1.
        line: usize,
        /// The number.
        id: KeyId,
        /// Where it is first.
        first: usize,
    },
    /// One key with two numbers.
    #[error("line {line}: the same key is in line {first} already, under another number")]
    DuplicateKey {
        /// Line, from 1.
        line: usize,
        /// Where it is first.
        first: usize,
    },
    /// More than [`MAX_KEYS`].
    #[error("line {line}: there are more than {MAX_KEYS} keys; remove those that no node uses")]
    TooMany {
        /// Line, from 1.
        line: usize,
    },
}

/// A file's lines as they stand there, and the keys in them.
pub(super) struct Parsed {
    /// Each line without its end, and the number of the key in it.
    pub(super) lines: Vec<(Option<KeyId>, Zeroizing<Vec<u8>>)>,
    /// The keys.
    pub(super) keys: Keys,
}

/// Reads the text of a key file.
pub(super) fn parse(text: &[u8]) -> Result<Parsed, LineError> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let mut lines = Vec::new();
    let mut keys: Vec<(usize, Key)> = Vec::new();
    for (at, bytes) in text.split(|byte| *byte == b'\n').enumerate() {
        let key = key_of(bytes, at + 1)?;
        lines.push((key.as_ref().map(Key::id), Zeroizing::new(bytes.to_vec())));
        if let Some(key) = key {
            distinct(&keys, &key, at + 1)?;
            keys.push((at + 1, key));
        }
    }
    if keys.is_empty() {
        return Err(LineError::Empty);
    }
    let keys = Keys(keys.into_iter().map(|(_, key)| key).collect());
    Ok(Parsed { lines, keys })
}

/// The key in a line, if it holds one. What follows a `#` is a comment.
fn key_of(bytes: &[u8], line: usize) -> Result<Option<Key>, LineError> {
    let content = bytes.split(|byte| *byte == b'#').next().unwrap_or_default();
    let mut words = content
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let (id, digits) = match (words.next(), words.next(), words.next()) {
        (None, ..) => return Ok(None),
        (Some(id), Some(digits), None) => (id, digits),
        _ => return Err(LineError::Form { line }),
    };
    let id = match std::str::from_utf8(id).map(str::parse) {
        Ok(Ok(0)) => return Err(LineError::Id { line }),
        Ok(Ok(number)) => KeyId(number),
        _ if id.iter().all(u8::is_ascii_digit) => return Err(LineError::Id { line }),
        _ => return Err(LineError::Form { line }),
    };
    let mut key = Key::empty(id);
    if digits.len() != 2 * KEY_LENGTH {
        let digits = digits.len();
        return Err(LineError::Length { line, digits });
    }
    for (byte, pair) in key.secret.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(pair[at]).to_digit(16);
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(LineError::Digit { line });
        };
        *byte = (high << 4 | low) as u8;
    }
    if key.secret.iter().all(|byte| *byte == key.secret[0]) {
        return Err(LineError::Monotonous { line });
    }
    Ok(Some(key))
}

fn distinct(keys: &[(usize, Key)], key: &Key, line: usize) -> Result<(), LineError> {
    if keys.len() >= MAX_KEYS {
        return Err(LineError::TooMany { line });
    }
    for (first, other) in keys {
        let first = *first;
        if other.id == key.id {
            let id = key.id;
            return Err(LineError::DuplicateId { line, id, first });
        }
        if other.secret() == key.secret() {
            return Err(LineError::DuplicateKey { line, first });
        }
    }
    Ok(())
}

/// The line of a key, without its end.
pub(super) fn line_of(key: &Key) -> Zeroizing<Vec<u8>> {
    // Room for all of it: a vector that grows leaves copies behind.
    let mut line = Zeroizing::new(Vec::with_capacity(4 + 2 * KEY_LENGTH));
    line.extend_from_slice(format!("{} ", key.id).as_bytes());
    for byte in key.secret() {
        for digit in [byte >> 4, byte & 15] {
            line.push(b"0123456789abcdef"[usize::from(digit)]);
        }
    }
    line
}

/// The text of lines.
pub(super) fn joined(lines: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let length = lines.iter().map(|line| line.len() + 1).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for line in lines {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}
