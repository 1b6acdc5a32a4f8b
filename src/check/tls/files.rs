//! The files that TLS settings name, read when a configuration is loaded.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::model::Pem;

/// Longest file, in bytes: a bundle of all public authorities is a quarter of it.
const MAX_BYTES: u64 = 1 << 20;

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// Certificates, of authorities or of a client.
    Certificates,
    /// A private key, which nobody else may read.
    Key,
}

/// Reads a file and makes sure that it holds what it is for.
///
/// # Errors
///
/// Why it cannot be used, in words that follow its name.
pub fn read(path: &Path, purpose: Use) -> Result<Pem, String> {
    let pem = Pem::new(contents(path, purpose).map_err(|error| error.to_string())?);
    match purpose {
        Use::Certificates => certificates(&pem).map(drop)?,
        Use::Key => key(&pem).map(drop)?,
    }
    Ok(pem)
}

fn contents(path: &Path, purpose: Use) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if purpose == Use::Key && facts.mode() & 0o007 != 0 {
        return Err(io::Error::other(
            "others may read, write or execute it: chmod o= it",
        ));
    }
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!(
            "it is longer than {MAX_BYTES} bytes"
        )));
    }
    Ok(bytes)
}

/// The certificates in a file, at least one.
pub(super) fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, String> {
    let found = CertificateDer::pem_slice_iter(pem.expose()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| format!("it is not PEM: {error}"))?;
    if found.is_empty() {
        return Err("there is no certificate in it".to_owned());
    }
    Ok(found)
}

/// The first private key in a file.
pub(super) fn key(pem: &Pem) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem.expose())
        .map_err(|_error| "there is no unencrypted private key in it".to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_what_they_are_for_or_say_why_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.pem");
        let said = |text: &str, mode, purpose| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            read(&path, purpose).err().unwrap_or_default()
        };
        let signed = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
        let (certificate, key) = (signed.cert.pem(), signed.signing_key.serialize_pem());
        assert_eq!(said(&certificate, 0o644, Use::Certificates), "");
        assert_eq!(said(&key, 0o640, Use::Key), "");
        assert!(said(&key, 0o644, Use::Key).contains("others may read"));
        assert!(said(&certificate, 0o600, Use::Key).contains("no unencrypted private key"));
        assert!(said(&key, 0o600, Use::Certificates).contains("no certificate in it"));
        assert!(said("", 0o600, Use::Certificates).contains("no certificate in it"));
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        assert!(said(broken, 0o600, Use::Certificates).contains("not PEM"));
        let long = "x".repeat(2 << 20);
        assert!(said(&long, 0o600, Use::Certificates).contains("longer than"));
        assert!(
            read(directory.path(), Use::Certificates)
                .unwrap_err()
                .contains("no file")
        );
        let missing = directory.path().join("missing");
        assert!(
            read(&missing, Use::Key)
                .unwrap_err()
                .contains("No such file")
        );
    }
}
