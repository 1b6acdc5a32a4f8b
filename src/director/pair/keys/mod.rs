//! The key file: what both nodes of a pair know and nobody else.
//!
//! ```text
//! # made 2026-11-02
//! 1 6f1c…                 64 hexadecimal digits
//! 2 09ab…
//! ```
//!
//! The first line signs, all verify. [`mod@file`] reads and writes it.

mod file;
mod lines;

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::hex::hex;
pub use file::{Change, KeyFileError, change, generate, read};
pub use lines::LineError;

/// Length of a key in bytes.
pub const KEY_LENGTH: usize = 32;
/// Most keys in a file.
pub const MAX_KEYS: usize = 16;

/// The number of a key, 1 to 255: it travels with every advert, so that the other node knows
/// which key to verify it with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A key. It is wiped from memory when it is dropped, and not shown by `Debug`.
pub struct Key {
    id: KeyId,
    // In one place from the start: a key that is moved leaves a copy behind.
    secret: Box<Zeroizing<[u8; KEY_LENGTH]>>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A key with a secret of zeros, to be filled in place.
    fn empty(id: KeyId) -> Self {
        Self {
            id,
            secret: Box::new(Zeroizing::new([0; KEY_LENGTH])),
        }
    }

    /// A new one from the system's randomness, for which it waits at an early boot.
    fn random(id: KeyId) -> Result<Self, getrandom::Error> {
        let mut key = Self::empty(id);
        getrandom::fill(&mut key.secret[..])?;
        Ok(key)
    }

    /// Its number.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key itself, for the computation of tags.
    pub fn secret(&self) -> &[u8; KEY_LENGTH] {
        &self.secret
    }

    /// What tells keys apart without telling the key: the first eight hexadecimal digits of
    /// SHA-256 over `directord key fingerprint`, a NUL and the key. The same on both nodes
    /// exactly when the key is.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"directord key fingerprint\0");
        hash.update(self.secret());
        let digest = hash.finalize();
        hex(&digest[..4])
    }
}

/// The keys of a pair, the one that signs first; never empty.
#[derive(Debug)]
pub struct Keys(Vec<Key>);

impl Keys {
    /// The key with which this node signs.
    pub fn signing(&self) -> &Key {
        &self.0[0]
    }

    /// The key of a number, to verify with.
    pub fn get(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// All of them, the one that signs first.
    pub fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests;
