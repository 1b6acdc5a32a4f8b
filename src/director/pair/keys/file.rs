//! Reading and changing the key file.

use std::path::Path;

use zeroize::Zeroizing;

use super::super::private::{self, Existing, Refusal};
use super::lines::{self, LineError, Parsed};
use super::{Key, KeyId, Keys};

/// Longest key file in bytes.
const LONGEST: usize = 16 * 1024;
/// What a new file says about itself.
const HEAD: &[u8] =
    b"# Keys of a pair of directors: the first one signs, all verify. The same on both nodes.";

/// Why a key file is not used or not changed. No text of it repeats a part of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It may not be trusted, or it cannot be read or written.
    #[error(transparent)]
    File(#[from] Refusal),
    /// Its text is not that of a key file.
    #[error("{path}: {error}")]
    Text {
        /// The file.
        path: String,
        /// What is wrong.
        error: LineError,
    },
    /// Every number has a key, or the file is full.
    #[error("there is no room for another key: remove those that no node uses")]
    Full,
    /// There is no key of this number.
    #[error("there is no key {0} in it")]
    NoSuchKey(KeyId),
    /// The key that signs cannot be removed.
    #[error("key {0} is the one that signs: sign with another one first")]
    Signs(KeyId),
    /// The system has no randomness.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}

/// What can be done to a key file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A new key goes behind the others: this node verifies with it and does not sign.
    Add,
    /// A key goes to the front: this node signs with it.
    Sign(KeyId),
    /// A key that does not sign goes.
    Remove(KeyId),
}

/// Reads a key file. It must belong to root or this user, be readable by nobody else and lie
/// where nobody else can write.
pub fn read(path: &Path) -> Result<Keys, KeyFileError> {
    Ok(parsed(path)?.keys)
}

fn parsed(path: &Path) -> Result<Parsed, KeyFileError> {
    let text = private::read(path, LONGEST)?;
    lines::parse(&text).map_err(|error| KeyFileError::Text {
        path: path.display().to_string(),
        error,
    })
}

/// Makes a first key: the text of a key file, and written to `path` when there is one, where
/// no file may be yet.
pub fn generate(path: Option<&Path>) -> Result<(Keys, Zeroizing<Vec<u8>>), KeyFileError> {
    let key = Key::random(KeyId(1)).map_err(KeyFileError::Random)?;
    let text = lines::joined(&[Zeroizing::new(HEAD.to_vec()), lines::line_of(&key)]);
    if let Some(path) = path {
        private::write(path, &text, Existing::Keep, |_| Ok(()))?;
    }
    Ok((Keys(vec![key]), text))
}

/// Changes a key file and returns what is in it now. Other lines stay as they are.
pub fn change(path: &Path, change: Change) -> Result<Keys, KeyFileError> {
    let old = parsed(path)?;
    let new = lines::joined(&changed(old, change)?);
    // What is written is what will be read.
    let keys = lines::parse(&new).map_err(|error| match error {
        LineError::TooMany { .. } => KeyFileError::Full,
        error => KeyFileError::Text {
            path: path.display().to_string(),
            error,
        },
    })?;
    if new.len() > LONGEST {
        return Err(KeyFileError::Full);
    }
    private::write(path, &new, Existing::Replace, |_| Ok(()))?;
    Ok(keys.keys)
}

fn changed(old: Parsed, change: Change) -> Result<Vec<Zeroizing<Vec<u8>>>, KeyFileError> {
    let position = |wanted: KeyId| {
        let mut lines = old.lines.iter();
        lines
            .position(|(id, _)| *id == Some(wanted))
            .ok_or(KeyFileError::NoSuchKey(wanted))
    };
    let signing = old.keys.signing().id();
    let new = match change {
        Change::Add => {
            let key = Key::random(free(&old.keys)?).map_err(KeyFileError::Random)?;
            Some(lines::line_of(&key))
        }
        Change::Sign(_) | Change::Remove(_) => None,
    };
    let from = match change {
        Change::Add => None,
        Change::Remove(id) if id == signing => return Err(KeyFileError::Signs(id)),
        Change::Sign(id) | Change::Remove(id) => Some(position(id)?),
    };
    let front = position(signing)?;
    let mut lines: Vec<_> = old.lines.into_iter().map(|(_, line)| line).collect();
    lines.extend(new);
    if let Some(from) = from {
        let line = lines.remove(from);
        if let Change::Sign(_) = change {
            lines.insert(front, line);
        }
    }
    Ok(lines)
}

/// The number after the highest, or the lowest that is free.
fn free(keys: &Keys) -> Result<KeyId, KeyFileError> {
    let highest = keys.iter().map(|key| key.id().0).max().unwrap_or(0);
    let mut candidates = (highest.saturating_add(1)..=u8::MAX).chain(1..=u8::MAX);
    let unused = |id: &u8| keys.get(KeyId(*id)).is_none();
    candidates.find(unused).map(KeyId).ok_or(KeyFileError::Full)
}
