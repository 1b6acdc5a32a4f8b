//! Keys and tags.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Length of a key in bytes.
pub(super) const KEY_LENGTH: usize = 32;
/// Length of a tag in bytes.
pub(super) const TAG_LENGTH: usize = 32;
/// Most keys at a time.
const MAX_KEYS: usize = 16;
/// What the derived key is for.
const PURPOSE: &[u8] = b"directord failover advert 1";

/// Number of a key, the same on both nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u8);

/// A shared secret. Not shown, not left in memory.
#[derive(Clone)]
pub struct Key([u8; KEY_LENGTH]);

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// From 32 random bytes.
    pub fn new(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(bytes)
    }
}

/// The keys of a pair: one signs, all verify, so that keys can be exchanged node by node.
#[derive(Debug, Clone)]
pub struct Keys {
    signing: KeyId,
    keys: Vec<(KeyId, Key)>,
}

/// The keys cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// 1 to 16 keys.
    #[error("1 to {MAX_KEYS} keys, not {0}")]
    Count(usize),
    /// The same number twice.
    #[error("key number {} is there twice", .0.0)]
    Twice(KeyId),
    /// No key has the number of the one that signs.
    #[error("there is no key number {}", .0.0)]
    NoSuchKey(KeyId),
}

impl Keys {
    /// Several keys by number, of which `signing` signs.
    pub fn new(signing: KeyId, keys: Vec<(KeyId, Key)>) -> Result<Self, BadKey> {
        if !(1..=MAX_KEYS).contains(&keys.len()) {
            return Err(BadKey::Count(keys.len()));
        }
        for (index, (id, _)) in keys.iter().enumerate() {
            if keys.iter().skip(index + 1).any(|(other, _)| other == id) {
                return Err(BadKey::Twice(*id));
            }
        }
        if !keys.iter().any(|(id, _)| *id == signing) {
            return Err(BadKey::NoSuchKey(signing));
        }
        Ok(Self { signing, keys })
    }
}

/// Keys made ready for the adverts of one cluster.
#[derive(Clone)]
pub(in crate::failover) struct Signer {
    signing: KeyId,
    states: Vec<(KeyId, Hmac<Sha256>)>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.signing.0)
    }
}

impl Signer {
    pub(in crate::failover) fn new(keys: &Keys, cluster: &str) -> Self {
        let states = keys.keys.iter().map(|(id, key)| {
            let mut derive = keyed(&key.0);
            derive.update(PURPOSE);
            derive.update(cluster.as_bytes());
            let mut derived = <[u8; TAG_LENGTH]>::from(derive.finalize().into_bytes());
            let state = keyed(&derived);
            derived.zeroize();
            (*id, state)
        });
        Self {
            signing: keys.signing,
            states: states.collect(),
        }
    }

    /// The key that signs.
    pub(super) fn key(&self) -> KeyId {
        self.signing
    }

    /// Whether there is such a key.
    pub(super) fn knows(&self, key: KeyId) -> bool {
        self.states.iter().any(|(id, _)| *id == key)
    }

    /// The tag of a text under the key that signs.
    pub(super) fn tag(&self, text: &[u8]) -> [u8; TAG_LENGTH] {
        self.tag_with(self.signing, text)
            .expect("keys contain the signing one")
    }

    /// Whether the tag is the text's, in a time that does not depend on where it differs.
    pub(super) fn verify(&self, key: KeyId, text: &[u8], tag: &[u8]) -> bool {
        self.tag_with(key, text)
            .is_some_and(|right| right.ct_eq(tag).into())
    }

    fn tag_with(&self, key: KeyId, text: &[u8]) -> Option<[u8; TAG_LENGTH]> {
        let (_, state) = self.states.iter().find(|(id, _)| *id == key)?;
        let mut state = state.clone();
        state.update(text);
        Some(state.finalize().into_bytes().into())
    }
}

fn keyed(key: &[u8; KEY_LENGTH]) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length")
}
