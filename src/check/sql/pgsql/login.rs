//! How a client of PostgreSQL proves that it knows a password. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Iterations of the hash a server may ask for: PostgreSQL's default is 4096, and each
/// costs time of all other checks.
const ITERATIONS_MAX: u32 = 100_000;

/// Random bytes of a client's nonce.
pub(super) const NONCE: usize = 18;

/// `md5` and the hash of (the hash of password and user) and salt.
pub(super) fn md5(user: &str, password: &str, salt: &[u8]) -> String {
    let inner = hex(&Md5::digest([password, user].concat()));
    let outer = Md5::new_with_prefix(inner).chain_update(salt).finalize();
    format!("md5{}", hex(&outer))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        text += &format!("{byte:02x}");
    }
    text
}

/// The client's half of SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding. The
/// password is taken as it is: one outside ASCII is not normalised (RFC 4013).
#[derive(Debug)]
pub(super) struct Scram {
    /// Our half of the nonce, as text.
    nonce: String,
    /// Proof that the server knows the password, too.
    expected: Option<[u8; 32]>,
}

/// Why a server's half is not right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Odd {
    #[error("a challenge that cannot be read")]
    Challenge,
    #[error("a second challenge")]
    Again,
    #[error("a challenge for another client")]
    Nonce,
    #[error("{0} iterations are asked for, more than {ITERATIONS_MAX}")]
    Iterations(u32),
    #[error("the server does not prove that it knows the password")]
    Proof,
}

impl Scram {
    pub(super) fn new(nonce: &[u8; NONCE]) -> Self {
        Self {
            nonce: STANDARD.encode(nonce),
            expected: None,
        }
    }

    /// What the client says first. The server knows the user from the start-up.
    pub(super) fn first(&self) -> String {
        format!("n,,{}", self.first_bare())
    }

    fn first_bare(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The answer to the server's challenge, and what is shown for it.
    pub(super) fn answer(
        &mut self,
        challenge: &[u8],
        password: &str,
    ) -> Result<(String, String), Odd> {
        if self.expected.is_some() {
            // Each costs much more than it takes to send.
            return Err(Odd::Again);
        }
        let challenge = std::str::from_utf8(challenge).map_err(|_error| Odd::Challenge)?;
        let mut parts = challenge.split(',');
        let mut part = |name: &str| parts.next().and_then(|part| part.strip_prefix(name));
        let nonce = part("r=").ok_or(Odd::Challenge)?;
        let salt = part("s=").and_then(|salt| STANDARD.decode(salt).ok());
        let salt = salt.ok_or(Odd::Challenge)?;
        let iterations: u32 = part("i=")
            .and_then(|i| i.parse().ok())
            .ok_or(Odd::Challenge)?;
        if nonce.len() <= self.nonce.len() || !nonce.starts_with(&self.nonce) {
            return Err(Odd::Nonce);
        }
        if !(1..=ITERATIONS_MAX).contains(&iterations) {
            return Err(Odd::Iterations(iterations));
        }
        let salted = salted(password.as_bytes(), &salt, iterations);
        let without_proof = format!("c=biws,r={nonce}");
        let first = self.first_bare();
        let message = format!("{first},{challenge},{without_proof}");
        let client_key = mac(&salted, &[b"Client Key"]);
        let signature = mac(&Sha256::digest(client_key), &[message.as_bytes()]);
        let proof: Vec<u8> = client_key
            .iter()
            .zip(signature)
            .map(|(a, b)| a ^ b)
            .collect();
        self.expected = Some(mac(&mac(&salted, &[b"Server Key"]), &[message.as_bytes()]));
        let proof = STANDARD.encode(proof);
        Ok((
            format!("{without_proof},p={proof}"),
            format!("{without_proof},p=***"),
        ))
    }

    /// The server's proof.
    pub(super) fn verify(&self, last: &[u8]) -> Result<(), Odd> {
        let proof = last
            .strip_prefix(b"v=")
            .and_then(|proof| STANDARD.decode(proof).ok());
        match (proof, self.expected) {
            (Some(proof), Some(expected)) if bool::from(expected.ct_eq(&proof)) => Ok(()),
            _ => Err(Odd::Proof),
        }
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn mac(key: &[u8], text: &[&[u8]]) -> [u8; 32] {
    let mut mac = keyed(key);
    for part in text {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// `Hi` of RFC 5802 §2.2: PBKDF2 of one block.
fn salted(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let keyed = keyed(password);
    let mut block = mac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut sum = block;
    for _ in 1..iterations {
        let mut round = keyed.clone();
        round.update(&block);
        block = round.finalize().into_bytes().into();
        sum.iter_mut()
            .zip(block)
            .for_each(|(sum, byte)| *sum ^= byte);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7677 §3 but for its user name, which PostgreSQL leaves out; the
    /// proofs were computed with the hashlib and hmac modules of Python 3.11.
    #[test]
    fn scram_says_what_other_programs_compute() {
        let mut scram = Scram::new(&[0; NONCE]);
        scram.nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        assert_eq!(scram.first(), "n,,n=,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                         s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let (answer, shown) = scram.answer(challenge.as_bytes(), "pencil").unwrap();
        assert_eq!(answer, EXPECTED_ANSWER);
        assert!(shown.ends_with(",p=***"));
        assert_eq!(scram.verify(EXPECTED_PROOF.as_bytes()), Ok(()));
        assert_eq!(scram.verify(b"v=AAAA"), Err(Odd::Proof));
        assert_eq!(scram.verify(b"e=other-error"), Err(Odd::Proof));
    }

    const EXPECTED_ANSWER: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=qvT2SWdEH5Q06albL+hjSYuUhCG7VndFyzIb7CK4n9k=";
    const EXPECTED_PROOF: &str = "v=3HO6Qt1M4MKJrmlKaoOqLAI0/0TV0HZe7J9H3MBtSOg=";

    #[test]
    fn passwords_are_salted_as_in_rfc_7914() {
        let key = salted(b"passwd", b"salt", 1);
        assert_eq!(key[..8], [0x55, 0xac, 0x04, 0x6e, 0x56, 0xe3, 0x08, 0x9f]);
        let key = salted(b"Password", b"NaCl", 80_000);
        assert_eq!(key[..8], [0x4d, 0xdc, 0xd8, 0xf6, 0x0b, 0x98, 0xbe, 0x21]);
    }

    #[test]
    fn odd_challenges_are_refused() {
        let judge = |challenge: &[u8]| {
            let mut scram = Scram::new(&[0; NONCE]);
            scram.nonce = "mine".to_owned();
            scram.answer(challenge, "x").map(|_| ())
        };
        assert_eq!(judge(b"r=mine1,s=AAAA,i=1"), Ok(()));
        assert_eq!(judge(b"r=mine,s=AAAA,i=1"), Err(Odd::Nonce));
        assert_eq!(judge(b"r=yours,s=AAAA,i=1"), Err(Odd::Nonce));
        assert_eq!(judge(b"r=mine1,s=AAAA,i=0"), Err(Odd::Iterations(0)));
        assert_eq!(
            judge(b"r=mine1,s=AAAA,i=2000000"),
            Err(Odd::Iterations(2_000_000))
        );
        for odd in [
            &b""[..],
            b"s=AAAA",
            b"r=mine1,s=A,i=1",
            b"r=mine1,s=AAAA,i=x",
            b"r=\xff",
        ] {
            assert_eq!(judge(odd), Err(Odd::Challenge), "{odd:?}");
        }
    }

    /// Computed with `md5sum`: of `secretmonitor`, then of that and the salt.
    #[test]
    fn md5_is_salted_twice() {
        assert_eq!(
            md5("monitor", "secret", b"\x01\x02\x03\x04"),
            "md529c6313c69e8e7dad4af92984a1f41c1"
        );
    }
}
