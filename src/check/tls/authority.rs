//! Which certificates are accepted.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};

use super::files;
use super::validity::Validity;
use crate::model::{Fault, Tls, TlsName, Trust};

/// Judges the certificates of a server.
#[derive(Debug)]
pub(super) struct Verifier {
    /// `None` accepts every certificate, expired, self-signed or odd.
    chain: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are accepted for themselves.
    pinned: Vec<CertificateDer<'static>>,
    /// Whether the name matters.
    checks_name: bool,
    schemes: Vec<SignatureScheme>,
}

impl Verifier {
    pub(super) fn new(provider: &Arc<CryptoProvider>, tls: &Tls) -> Result<Self, Fault> {
        let mut pinned = Vec::new();
        let mut roots = RootCertStore::empty();
        match &tls.trust {
            Trust::Any => {}
            Trust::System => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
            }
            Trust::File(file) => {
                pinned = files::certificates(file).map_err(Fault::new)?;
                roots.add_parsable_certificates(pinned.iter().cloned());
            }
        }
        let chain = match tls.trust {
            Trust::Any => None,
            _ if roots.is_empty() => {
                return Err(Fault::new("this host trusts no certificate authority"));
            }
            _ => Some(
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
                    .build()
                    .map_err(|error| Fault::new(format!("unusable authorities: {error}")))?,
            ),
        };
        Ok(Self {
            chain,
            pinned,
            checks_name: tls.name != TlsName::None,
            schemes: provider
                .signature_verification_algorithms
                .supported_schemes(),
        })
    }

    /// A self-signed server certificate that the operator named as its own authority, and
    /// that a chain cannot be built for since it is marked as one.
    fn verify_pinned(
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let validity = Validity::read(certificate).ok_or(CertificateError::BadEncoding)?;
        let now = now.as_secs().cast_signed();
        if validity.not_after.is_some_and(|end| end < now) {
            return Err(CertificateError::Expired.into());
        }
        if validity.not_before.is_some_and(|begin| now < begin) {
            return Err(CertificateError::NotValidYet.into());
        }
        let parsed = ParsedCertificate::try_from(certificate)?;
        verify_server_name(&parsed, name).map(|()| ServerCertVerified::assertion())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(chain) = &self.chain else {
            return Ok(ServerCertVerified::assertion());
        };
        let mut verified =
            chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let is_authority = matches!(
            &verified,
            Err(Error::InvalidCertificate(CertificateError::Other(OtherError(error))))
                if error.to_string().contains("CaUsedAsEndEntity")
        );
        if is_authority && self.pinned.iter().any(|pinned| pinned == end_entity) {
            verified = Self::verify_pinned(end_entity, server_name, now);
        }
        match verified {
            // The name is looked at last: everything else was in order.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.checks_name => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.chain {
            None => Ok(HandshakeSignatureValid::assertion()),
            Some(chain) => chain.verify_tls12_signature(message, certificate, signature),
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match &self.chain {
            None => Ok(HandshakeSignatureValid::assertion()),
            Some(chain) => chain.verify_tls13_signature(message, certificate, signature),
        }
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
