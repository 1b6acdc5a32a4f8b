//! The same server behind TLS.

use std::time::SystemTime;

use rcgen::{CertificateParams, CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::{Identity, Pem, TlsName, TlsVersion, Trust};

const NAME: &str = "grpc.example.com";

/// Says what is said of a handshake that fails, and why.
const FAILED: &str = "connected, but the TLS handshake failed: ";

/// Versions that a server of yesterday speaks.
const OLD: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// How the server speaks TLS.
struct Speaks {
    own: CertifiedKey<KeyPair>,
    versions: &'static [&'static SupportedProtocolVersion],
    /// What it offers by ALPN.
    protocols: Vec<Vec<u8>>,
    /// The client certificate it insists on.
    client: Option<CertificateDer<'static>>,
}

impl Speaks {
    /// As it should be.
    fn well() -> Self {
        Self {
            own: rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap(),
            versions: rustls::ALL_VERSIONS,
            protocols: vec![b"h2".to_vec()],
            client: None,
        }
    }

    fn config(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.versions)
            .unwrap();
        let builder = match &self.client {
            None => builder.with_no_client_auth(),
            Some(client) => {
                let mut roots = RootCertStore::empty();
                roots.add(client.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivatePkcs8KeyDer::from(self.own.signing_key.serialize_der());
        let mut config = builder
            .with_single_cert(vec![self.own.cert.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols.clone_from(&self.protocols);
        config
    }

    /// Serves one connection.
    async fn serve(&self, says: Says) -> SocketAddr {
        let acceptor = TlsAcceptor::from(Arc::new(self.config()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor.accept(stream).into_fallible().await {
                Ok(stream) => speak(stream, says, "https").await,
                // Closed at once, the alert could be lost to a reset.
                Err((_refused, mut stream)) => {
                    let _ = stream.shutdown().await;
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                }
            }
        });
        target
    }

    /// Settings that trust this server and nobody else.
    fn trusted(&self) -> Tls {
        Tls {
            trust: Trust::File(pem(&self.own)),
            name: TlsName::Given(NAME.to_owned()),
            ..Tls::default()
        }
    }
}

fn pem(own: &CertifiedKey<KeyPair>) -> Pem {
    Pem::new(own.cert.pem().into_bytes())
}

/// What comes of asking a server that serves.
async fn said(server: &Speaks, tls: Tls) -> Report {
    let target = server.serve(Says::Message(SERVING)).await;
    ask_over(target, Some(tls), LONG).await
}

/// Why it is down; empty when it is up.
fn reason(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Up => "",
        Outcome::Down(reason) => reason.as_str(),
        Outcome::Inconclusive(fault) => panic!("{fault}"),
    }
}

#[tokio::test]
async fn a_service_that_serves_is_up_over_tls() {
    let server = Speaks::well();
    for (settings, verified) in [(Tls::default(), false), (server.trusted(), true)] {
        let report = said(&server, settings).await;
        assert_eq!(report.outcome, Outcome::Up);
        assert_eq!(report.detail, "\"web\" is SERVING");
        assert!(report.phases.tls > report.phases.connected);
        assert_eq!(report.certificate.unwrap().verified, verified);
    }
    let target = server.serve(Says::Status("12")).await;
    let report = ask_over(target, Some(server.trusted()), LONG).await;
    assert!(reason(&report).starts_with("gRPC status 12 UNIMPLEMENTED"));
}

#[tokio::test]
async fn certificates_are_verified_when_asked() {
    let server = Speaks::well();
    let stranger = Speaks::well();
    let other = Tls {
        name: TlsName::Given("www.example.net".to_owned()),
        ..server.trusted()
    };
    for (settings, expected) in [
        // Another one of the same name.
        (
            stranger.trusted(),
            "the signature of the certificate is wrong",
        ),
        (other, "the certificate is not for www.example.net"),
    ] {
        let report = said(&server, settings).await;
        assert_eq!(reason(&report), format!("{FAILED}{expected}"));
        assert_eq!(report.certificate, None);
    }
}

#[tokio::test]
async fn http_2_must_be_agreed_on() {
    for (protocols, expected) in [
        (vec![], "the server does not offer HTTP/2"),
        (
            vec![b"http/1.1".to_vec()],
            "the server sent the alert NoApplicationProtocol",
        ),
    ] {
        let server = Speaks {
            protocols,
            ..Speaks::well()
        };
        let report = said(&server, Tls::default()).await;
        assert_eq!(reason(&report), format!("{FAILED}{expected}"));
    }
}

#[tokio::test]
async fn the_client_shows_its_certificate() {
    let client = rcgen::generate_simple_self_signed(["monitor".to_owned()]).unwrap();
    let server = Speaks {
        client: Some(client.cert.der().clone()),
        ..Speaks::well()
    };
    let identity = Identity {
        certificates: pem(&client),
        key: Pem::new(client.signing_key.serialize_pem().into_bytes()),
    };
    let known = Tls {
        identity: Some(identity),
        ..server.trusted()
    };
    assert_eq!(said(&server, known).await.outcome, Outcome::Up);
    let report = said(&server, server.trusted()).await;
    assert!(
        reason(&report).contains("CertificateRequired"),
        "{report:?}"
    );
}

#[tokio::test]
async fn old_versions_are_refused() {
    let server = Speaks {
        versions: OLD,
        ..Speaks::well()
    };
    assert_eq!(
        said(&server, server.trusted()).await.outcome,
        Outcome::Up,
        "1.2 is new enough by default"
    );
    let strict = Tls {
        minimum: TlsVersion::V13,
        ..server.trusted()
    };
    let report = said(&server, strict).await;
    let expected = format!("{FAILED}the server sent the alert ProtocolVersion");
    assert_eq!(reason(&report), expected);
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_told_of() {
    let mut wanted = CertificateParams::new([NAME.to_owned()]).unwrap();
    wanted.not_after = (SystemTime::now() + Duration::from_secs(10 * 86_400)).into();
    let signing_key = KeyPair::generate().unwrap();
    let cert = wanted.self_signed(&signing_key).unwrap();
    let server = Speaks {
        own: CertifiedKey { cert, signing_key },
        ..Speaks::well()
    };
    for (limit, soon) in [(Some(14), true), (Some(5), false), (None, false)] {
        let settings = Tls {
            expiry_days: limit,
            ..server.trusted()
        };
        let report = said(&server, settings).await;
        assert_eq!(report.outcome, Outcome::Up);
        assert_eq!(report.certificate.unwrap().expires_soon, soon, "{limit:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_down_and_so_is_one_that_says_nothing() {
    let plain = serve(Says::Message(SERVING)).await;
    let report = ask_over(plain, Some(Tls::default()), LONG).await;
    assert!(reason(&report).starts_with(FAILED), "{report:?}");
    let silent = Speaks::well().serve(Says::Nothing).await;
    let report = ask_over(silent, Some(Tls::default()), SHORT).await;
    let expected = "connected, but no answer within 0.3 s";
    assert_eq!(reason(&report), expected);
}
