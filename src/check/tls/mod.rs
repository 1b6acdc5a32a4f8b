//! TLS for checks, the one place where it is spoken.
//!
//! By default any certificate will do: ldirectord switches verification off, a check asks
//! whether the service works, and the network between director and real server is the
//! operator's own. Who wants more says so in [`Tls`].
//!
//! # Design
//!
//! What a [`ClientConfig`] is made of is read when a configuration is loaded ([`files`]) and
//! is part of the check; made from it once, the configuration is shared by all checks with
//! equal settings. The authorities of this host are read when the first check that trusts
//! them runs after a load ([`forget`]).
//!
//! Revocation is not looked at: there is no list of it here and asking for one would make a
//! check depend on a third party.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault;
use crate::model::{CertificateState, Fault, Tls, TlsName, TlsVersion, Trust};

mod authority;
pub mod files;
mod validity;

use authority::Verifier;
use validity::Validity;

/// What is spoken inside, as far as the handshake says so (RFC 7301).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Inside {
    /// Not said.
    Anything,
    /// `h2`, and nothing else.
    Http2,
}

/// A connection after the handshake.
pub(super) struct Secured {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) certificate: CertificateState,
}

/// Completes a handshake.
pub(super) async fn connect(stream: TcpStream, tls: &Tls, inside: Inside) -> io::Result<Secured> {
    let config = configuration(tls, inside).await.map_err(fault::own)?;
    let name = server_name(tls, stream.peer_addr()?.ip()).map_err(fault::own)?;
    let stream = TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(explained)?;
    if inside == Inside::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
        return Err(io::Error::other("the server does not offer HTTP/2"));
    }
    let certificate = state(tls, stream.get_ref().1.peer_certificates());
    Ok(Secured {
        stream,
        certificate,
    })
}

/// Whether a client can be made of settings.
///
/// # Errors
///
/// What cannot be used, in words for an operator.
pub fn prove(tls: &Tls) -> Result<(), Fault> {
    shared(tls, Inside::Anything).map(drop)
}

/// Forgets what was made of settings, and what authorities this host trusts.
pub fn forget() {
    made().clear();
}

/// The configurations that have been made.
type Made = BTreeMap<(Tls, Inside), Arc<ClientConfig>>;

fn made() -> std::sync::MutexGuard<'static, Made> {
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    // A poisoned map is still a map: nothing is left half done in it.
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn configuration(tls: &Tls, inside: Inside) -> Result<Arc<ClientConfig>, Fault> {
    if let Some(config) = made().get(&(tls.clone(), inside)) {
        return Ok(Arc::clone(config));
    }
    // Making one may read files and takes its time.
    let tls = tls.clone();
    let making = tokio::task::spawn_blocking(move || shared(&tls, inside));
    making
        .await
        .unwrap_or_else(|_gone| Err(Fault::new("the TLS client could not be made")))
}

/// Makes a configuration, or finds it made. Others that want one wait meanwhile, so that it
/// is made once.
fn shared(tls: &Tls, inside: Inside) -> Result<Arc<ClientConfig>, Fault> {
    static MAKING: Mutex<()> = Mutex::new(());
    // The map itself is never held for long.
    let _one_at_a_time = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (tls.clone(), inside);
    if let Some(config) = made().get(&key) {
        return Ok(Arc::clone(config));
    }
    let config = Arc::new(make(tls, inside)?);
    made().insert(key, Arc::clone(&config));
    Ok(config)
}

/// Sessions are not resumed: each round tests a whole handshake, and servers behind one name
/// do not share tickets.
fn make(tls: &Tls, inside: Inside) -> Result<ClientConfig, Fault> {
    let fault = |error: rustls::Error| Fault::new(format!("unusable TLS settings: {error}"));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions: &[_] = match tls.minimum {
        TlsVersion::V12 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V13 => &[&rustls::version::TLS13],
    };
    let verifier = Verifier::new(&provider, tls)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(fault)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = files::certificates(&identity.certificates).map_err(Fault::new)?;
            let key = files::key(&identity.key).map_err(Fault::new)?;
            builder.with_client_auth_cert(chain, key).map_err(fault)?
        }
    };
    config.resumption = Resumption::disabled();
    config.enable_sni = tls.name != TlsName::None;
    if inside == Inside::Http2 {
        config.alpn_protocols = vec![b"h2".to_vec()];
    }
    Ok(config)
}

/// Name for the hello and for verification. An address is not sent.
fn server_name(tls: &Tls, address: IpAddr) -> Result<ServerName<'static>, Fault> {
    match &tls.name {
        TlsName::Address | TlsName::None => Ok(ServerName::IpAddress(address.into())),
        TlsName::Given(name) => ServerName::try_from(name.clone())
            .map_err(|_invalid| Fault::new(format!("\"{name}\" is no server name"))),
    }
}

/// What there is to know about the server's own certificate.
fn state(
    tls: &Tls,
    chain: Option<&[rustls::pki_types::CertificateDer<'static>]>,
) -> CertificateState {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_secs().cast_signed());
    let own = chain.and_then(<[_]>::first);
    let expires_in = own
        .and_then(|own| Validity::read(own))
        .and_then(|validity| validity.not_after)
        .map(|end| end - now);
    let limit = tls.expiry_days.map(|days| i64::from(days) * 86_400);
    CertificateState {
        verified: tls.trust != Trust::Any,
        expires_in,
        expires_soon: expires_in
            .zip(limit)
            .is_some_and(|(left, limit)| left < limit),
    }
}

/// The failures every operator meets, in words.
fn explained(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::UnexpectedEof {
        return io::Error::other("the server closed the connection");
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidMessage(
            rustls::InvalidMessage::HandshakePayloadTooLarge
            | rustls::InvalidMessage::CertificatePayloadTooLarge,
        )) => io::Error::other("the certificates of the server are too long"),
        Some(rustls::Error::InvalidMessage(_)) => io::Error::other("the answer is not TLS"),
        Some(rustls::Error::AlertReceived(alert)) => {
            io::Error::other(format!("the server sent the alert {alert:?}"))
        }
        Some(rustls::Error::InvalidCertificate(cause)) => io::Error::other(words(cause)),
        Some(rustls::Error::NoCertificatesPresented) => {
            io::Error::other("the server has no certificate")
        }
        Some(rustls::Error::PeerIncompatible(why)) => {
            io::Error::other(format!("no common version or algorithm: {why:?}"))
        }
        _ => error,
    }
}

/// Why a certificate was not accepted.
fn words(cause: &CertificateError) -> String {
    let known = match cause {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the certificate has expired"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the certificate is not valid yet"
        }
        CertificateError::NotValidForName => "the certificate is for another name",
        CertificateError::NotValidForNameContext { expected, .. } => {
            return format!("the certificate is not for {}", expected.to_str());
        }
        CertificateError::UnknownIssuer => "the certificate is of an unknown authority",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "the certificate is not for servers"
        }
        CertificateError::BadEncoding => "the certificate cannot be read",
        CertificateError::BadSignature => "the signature of the certificate is wrong",
        other => return format!("the certificate is not accepted: {other}"),
    };
    known.to_owned()
}

#[cfg(test)]
mod tests;
