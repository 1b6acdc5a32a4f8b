//! How checks speak TLS.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// Settings of one TLS client. Two checks with equal settings share what is made of them.
///
/// The default is ldirectord's intent: any certificate, no name, TLS 1.2 or later.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tls {
    /// Which certificates are accepted.
    pub trust: Trust,
    /// Name in the hello, and name to verify.
    pub name: TlsName,
    /// Certificate of this host, shown to a server that asks for one.
    pub identity: Option<Identity>,
    /// Oldest version spoken.
    pub minimum: TlsVersion,
    /// So many days before the server's certificate expires the operator is warned;
    /// `None`: never.
    pub expiry_days: Option<u32>,
}

/// Which certificates are accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// Every one; it only has to be there.
    #[default]
    Any,
    /// Those that lead to an authority this host trusts.
    System,
    /// Those that lead to an authority of this file.
    File(Pem),
}

/// The name a server is addressed by in TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsName {
    /// Its address, which a hello does not carry (RFC 6066 §3); a certificate is verified
    /// for the address.
    #[default]
    Address,
    /// None: the hello has no name, and a certificate is verified for no name.
    None,
    /// This one: a DNS name, or an address.
    Given(String),
}

/// Versions of TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246. Nothing older is spoken.
    #[default]
    V12,
    /// RFC 8446.
    V13,
}

impl TlsVersion {
    /// `1.2` or `1.3`.
    pub fn word(self) -> &'static str {
        match self {
            Self::V12 => "1.2",
            Self::V13 => "1.3",
        }
    }
}

/// A client certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The certificate, and those between it and its authority.
    pub certificates: Pem,
    /// Its private key.
    pub key: Pem,
}

/// A PEM file (RFC 7468) as it was when it was read. Compared by a SHA-256 hash of its
/// content; the content does not show.
#[derive(Clone)]
pub struct Pem {
    digest: [u8; 32],
    bytes: Arc<[u8]>,
}

impl Pem {
    /// Takes the bytes of a file.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            digest: Sha256::digest(&bytes).into(),
            bytes,
        }
    }

    /// The content, to be parsed and for nothing else: it may be a key.
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({} bytes)", self.bytes.len())
    }
}

impl PartialEq for Pem {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Pem {}

impl PartialOrd for Pem {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pem {
    fn cmp(&self, other: &Self) -> Ordering {
        self.digest.cmp(&other.digest)
    }
}

impl Hash for Pem {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// What a handshake told about the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateState {
    /// Whether it was verified.
    pub verified: bool,
    /// Seconds from the end of the probe until it expires; negative when it has. `None` when
    /// the certificate does not say so in a way that is understood.
    pub expires_in: Option<i64>,
    /// Whether that is less than the operator wants to be warned of.
    pub expires_soon: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_equal_when_their_contents_are_and_do_not_show() {
        let key = Pem::new(*b"hidden");
        assert_eq!(key, Pem::new(*b"hidden"));
        assert_ne!(key, Pem::new(*b"hidden "));
        assert_eq!(format!("{key:?}"), "Pem(6 bytes)");
        assert_eq!(key.expose(), b"hidden");
    }
}
