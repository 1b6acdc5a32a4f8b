//! How a client of MySQL proves that it knows a password. Pure.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Bytes of a server's challenge that count.
const CHALLENGE: usize = 20;

/// A login method that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// `mysql_native_password`: MySQL up to 5.7, MariaDB.
    Native,
    /// `caching_sha2_password`: MySQL from 8.0 on.
    CachingSha2,
}

impl Method {
    /// Finds one by name.
    pub(super) fn find(name: &[u8]) -> Option<Self> {
        [Self::Native, Self::CachingSha2]
            .into_iter()
            .find(|method| method.name().as_bytes() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
        }
    }

    /// The answer to a challenge; an empty password has an empty one.
    pub(super) fn answer(self, password: &str, challenge: &[u8]) -> Vec<u8> {
        let challenge = &challenge[..challenge.len().min(CHALLENGE)];
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Native => {
                let once = Sha1::digest(password);
                let twice = Sha1::digest(once);
                let mask = Sha1::new_with_prefix(challenge)
                    .chain_update(twice)
                    .finalize();
                xor(&once, &mask)
            }
            Self::CachingSha2 => {
                let once = Sha256::digest(password);
                let twice = Sha256::digest(once);
                let mask = Sha256::new_with_prefix(twice)
                    .chain_update(challenge)
                    .finalize();
                xor(&once, &mask)
            }
        }
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter()
        .zip(right)
        .map(|(left, right)| left ^ right)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a server does that keeps the double hash: recover the single one and compare.
    #[test]
    fn a_server_can_verify_the_answers() {
        let challenge = b"abcdefghijklmnopqrst\0";
        let stored = Sha1::digest(Sha1::digest("secret"));
        let answer = Method::Native.answer("secret", challenge);
        let mask = Sha1::digest([&challenge[..20], &stored].concat());
        assert_eq!(Sha1::digest(xor(&answer, &mask)), stored);

        let stored = Sha256::digest(Sha256::digest("secret"));
        let answer = Method::CachingSha2.answer("secret", challenge);
        let mask = Sha256::digest([&stored[..], &challenge[..20]].concat());
        assert_eq!(Sha256::digest(xor(&answer, &mask)), stored);
    }

    #[test]
    fn an_empty_password_is_an_empty_answer() {
        for method in [Method::Native, Method::CachingSha2] {
            assert!(method.answer("", &[1; 20]).is_empty());
            assert_eq!(Method::find(method.name().as_bytes()), Some(method));
        }
        assert_eq!(Method::find(b"client_ed25519"), None);
    }
}
