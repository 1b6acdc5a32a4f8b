use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream as Plain};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::check::run;
use crate::model::{
    HttpProbe, Identity, Outcome, Pem, Probe, ProbeKind, Report, TlsName, TlsVersion,
};

const NAME: &str = "www.example.com";

/// A certificate with its key, and what stands between it and its authority.
struct Own {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Own {
    fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    fn identity(&self, pem: String) -> Identity {
        Identity {
            certificates: Pem::new(pem.into_bytes()),
            key: Pem::new(self.key.serialize_pem().into_bytes()),
        }
    }
}

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut wanted = CertificateParams::default();
    wanted.distinguished_name.push(DnType::CommonName, name);
    wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(wanted, KeyPair::generate().unwrap()).unwrap()
}

fn for_name(name: &str) -> CertificateParams {
    let mut wanted = CertificateParams::new([name.to_owned()]).unwrap();
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    wanted
}

fn signed(authority: &Authority, wanted: &CertificateParams) -> Own {
    let key = KeyPair::generate().unwrap();
    let certificate = wanted.signed_by(&key, authority).unwrap();
    Own {
        chain: vec![certificate.der().clone()],
        key,
    }
}

fn self_signed(wanted: &CertificateParams) -> Own {
    let key = KeyPair::generate().unwrap();
    let certificate = wanted.self_signed(&key).unwrap();
    Own {
        chain: vec![certificate.der().clone()],
        key,
    }
}

fn pem(certificate: &CertificateDer<'_>) -> Pem {
    let text = rcgen_pem(certificate);
    Pem::new(text.into_bytes())
}

fn rcgen_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Serves HTTP over TLS, connection after connection.
fn serve(config: ServerConfig) -> SocketAddr {
    let config = Arc::new(config);
    raw(move |mut stream| {
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                let _ = connection.write_tls(&mut stream);
                let _ = stream.shutdown(std::net::Shutdown::Write);
                let _ = io::copy(&mut stream, &mut io::sink());
                return;
            }
        }
        let mut tls = rustls::Stream::new(&mut connection, &mut stream);
        let _ = tls.read(&mut [0; 4096]);
        let _ = tls.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        let _ = tls.flush();
    })
}

/// Treats each connection as told.
fn raw(treat: impl Fn(Plain) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let treat = Arc::new(treat);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = Arc::clone(&treat);
            std::thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
                treat(stream);
            });
        }
    });
    address
}

/// Says this after a hello has come.
fn blurt(bytes: &'static [u8]) -> SocketAddr {
    raw(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = io::copy(&mut stream, &mut io::sink());
    })
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server(own: &Own) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(own.chain.clone(), own.key())
        .unwrap()
}

/// A server that asks for a certificate of this authority.
fn asking(own: &Own, authority: &Authority) -> ServerConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(own.chain.clone(), own.key())
        .unwrap()
}

async fn probe(target: SocketAddr, tls: &Tls) -> Report {
    let http = HttpProbe {
        tls: Some(Arc::new(tls.clone())),
        path: "/".to_owned(),
        host: NAME.to_owned(),
        ..HttpProbe::default()
    };
    let probe = Probe {
        kind: ProbeKind::Http(http),
        timeout: Duration::from_secs(10),
        way: None,
    };
    run(target, &probe).await
}

/// Why a server is down, without what is said of every handshake; empty when it is up.
fn reason(report: &Report) -> String {
    match &report.outcome {
        Outcome::Up => String::new(),
        Outcome::Down(reason) => {
            let text = reason.as_str();
            let begin = "connected, but the TLS handshake failed: ";
            text.strip_prefix(begin).unwrap_or(text).to_owned()
        }
        Outcome::Inconclusive(fault) => panic!("{fault}"),
    }
}

fn trusting(file: Pem) -> Tls {
    Tls {
        trust: Trust::File(file),
        name: TlsName::Given(NAME.to_owned()),
        ..Tls::default()
    }
}

/// Fault row R16: what is up without verification, and what verification says of it.
#[tokio::test]
async fn certificates_are_judged_when_asked() {
    let trusted = authority("trusted");
    let other = authority("other");
    let file = pem(trusted.der());
    let mut expired = for_name(NAME);
    expired.not_before = date_time_ymd(2000, 1, 1);
    expired.not_after = date_time_ymd(2001, 1, 1);
    let mut future = for_name(NAME);
    future.not_before = date_time_ymd(2090, 1, 1);
    future.not_after = date_time_ymd(2091, 1, 1);
    let mut for_clients = for_name(NAME);
    for_clients.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut as_authority = for_name(NAME);
    as_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut spoilt = signed(&trusted, &for_name(NAME));
    let foreign = signed(&trusted, &for_name("www.example.net"));
    spoilt.chain.push(foreign.chain[0].clone());
    let unknown = "the certificate is of an unknown authority";
    for (what, own, wanted) in [
        ("good", signed(&trusted, &for_name(NAME)), ""),
        ("superfluous certificate behind it", spoilt, ""),
        ("wildcard", signed(&trusted, &for_name("*.example.com")), ""),
        (
            "expired",
            signed(&trusted, &expired),
            "the certificate has expired",
        ),
        (
            "not yet valid",
            signed(&trusted, &future),
            "the certificate is not valid yet",
        ),
        (
            "other name",
            signed(&trusted, &for_name("www.example.net")),
            "the certificate is not for www.example.com",
        ),
        ("self-signed", self_signed(&for_name(NAME)), unknown),
        ("other authority", signed(&other, &for_name(NAME)), unknown),
        (
            "for clients",
            signed(&trusted, &for_clients),
            "the certificate is not for servers",
        ),
        (
            "marked as an authority",
            signed(&trusted, &as_authority),
            "the certificate is not accepted",
        ),
    ] {
        let target = serve(server(&own));
        let report = probe(target, &trusting(file.clone())).await;
        let said = reason(&report);
        let fits = if wanted.is_empty() {
            said.is_empty()
        } else {
            said.starts_with(wanted)
        };
        assert!(fits, "{what}: {said}");
        if wanted.is_empty() {
            assert!(report.certificate.unwrap().verified, "{what}");
        }
        let report = probe(target, &Tls::default()).await;
        assert_eq!(reason(&report), "", "{what}, not verified");
        assert!(!report.certificate.unwrap().verified, "{what}");
    }
}

#[tokio::test]
async fn names_are_verified_as_told() {
    let trusted = authority("trusted");
    let file = pem(trusted.der());
    let named = |name: TlsName| Tls {
        name,
        ..trusting(file.clone())
    };
    let other = serve(server(&signed(&trusted, &for_name("www.example.net"))));
    assert_eq!(reason(&probe(other, &named(TlsName::None)).await), "");
    assert_eq!(
        reason(&probe(other, &named(TlsName::Address)).await),
        "the certificate is not for 127.0.0.1"
    );
    let local = serve(server(&signed(&trusted, &for_name("127.0.0.1"))));
    assert_eq!(reason(&probe(local, &named(TlsName::Address)).await), "");
    // Without a name the chain counts all the same.
    let foreign = serve(server(&signed(&authority("foreign"), &for_name(NAME))));
    assert_eq!(
        reason(&probe(foreign, &named(TlsName::None)).await),
        "the certificate is of an unknown authority"
    );
}

#[tokio::test]
async fn a_self_signed_certificate_may_be_its_own_authority() {
    for is_ca in [false, true] {
        let mut wanted = for_name(NAME);
        if is_ca {
            wanted.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let own = self_signed(&wanted);
        let target = serve(server(&own));
        let tls = trusting(pem(&own.chain[0]));
        assert_eq!(reason(&probe(target, &tls).await), "", "{is_ca}");
        let other = Tls {
            name: TlsName::Given("www.example.net".to_owned()),
            ..tls
        };
        assert_eq!(
            reason(&probe(target, &other).await),
            "the certificate is not for www.example.net",
            "{is_ca}"
        );
        wanted.not_before = date_time_ymd(2000, 1, 1);
        wanted.not_after = date_time_ymd(2001, 1, 1);
        let own = self_signed(&wanted);
        let tls = trusting(pem(&own.chain[0]));
        assert_eq!(
            reason(&probe(serve(server(&own)), &tls).await),
            "the certificate has expired",
            "{is_ca}"
        );
    }
}

/// The rest of fault row R16, and R17: handshakes that go wrong.
#[tokio::test]
async fn handshakes_that_go_wrong_are_down_with_the_reason() {
    const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x28";
    const WARNING: &[u8] = b"\x15\x03\x03\x00\x02\x01\x5a";
    const OLD: &[u8] =
        b"\x16\x03\x01\x00\x2a\x02\x00\x00\x26\x03\x01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\xc0\x13\x00";
    for (what, target, wanted) in [
        (
            "plain text",
            blurt(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "the answer is not TLS",
        ),
        ("nothing", blurt(b""), "the server closed the connection"),
        (
            "alert",
            blurt(ALERT),
            "the server sent the alert HandshakeFailure",
        ),
        (
            "truncated",
            blurt(b"\x16\x03\x03\x40\x00\x02"),
            "the server closed the connection",
        ),
        ("TLS 1.0", blurt(OLD), "no common version or algorithm"),
        (
            "bad record",
            blurt(b"\x16\x03\x03\xff\xff\x02"),
            "the answer is not TLS",
        ),
        (
            "warnings without end",
            raw(|mut stream| {
                let _ = stream.read(&mut [0; 4096]);
                while stream.write_all(&WARNING.repeat(64)).is_ok() {}
            }),
            "",
        ),
    ] {
        let report = probe(target, &Tls::default()).await;
        assert!(
            matches!(report.outcome, Outcome::Down(_)),
            "{what}: {report:?}"
        );
        assert!(reason(&report).starts_with(wanted), "{what}: {report:?}");
        assert!(
            report.phases.total < Duration::from_secs(9),
            "{what}: {report:?}"
        );
    }
}

/// Fault row R17.
#[tokio::test]
async fn a_megabyte_of_certificates_is_down() {
    let own = self_signed(&for_name(NAME));
    let count = (1 << 20) / own.chain[0].len();
    let long = Own {
        chain: vec![own.chain[0].clone(); count],
        key: own.key,
    };
    let report = probe(serve(server(&long)), &Tls::default()).await;
    assert!(!reason(&report).is_empty(), "{report:?}");
    assert!(report.phases.tls.is_none());
}

#[tokio::test]
async fn versions_older_than_wanted_are_refused() {
    let own = self_signed(&for_name(NAME));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(own.chain.clone(), own.key())
        .unwrap();
    let target = serve(config);
    assert_eq!(reason(&probe(target, &Tls::default()).await), "");
    let strict = Tls {
        minimum: TlsVersion::V13,
        ..Tls::default()
    };
    assert_eq!(
        reason(&probe(target, &strict).await),
        "the server sent the alert ProtocolVersion"
    );
}

#[tokio::test]
async fn client_certificates_are_shown() {
    let authority = authority("clients");
    let mut wanted = CertificateParams::new(["monitor".to_owned()]).unwrap();
    wanted.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = signed(&authority, &wanted);
    let target = serve(asking(&self_signed(&for_name(NAME)), &authority));
    let identity = client.identity(rcgen_pem(&client.chain[0]));
    let tls = Tls {
        identity: Some(identity.clone()),
        ..Tls::default()
    };
    assert_eq!(prove(&tls), Ok(()));
    assert_eq!(reason(&probe(target, &tls).await), "");
    // With TLS 1.3 the refusal comes after the handshake.
    let report = probe(target, &Tls::default()).await;
    assert!(
        reason(&report).contains("CertificateRequired"),
        "{report:?}"
    );
    let other = KeyPair::generate().unwrap();
    let mismatched = Tls {
        identity: Some(Identity {
            key: Pem::new(other.serialize_pem().into_bytes()),
            ..identity
        }),
        ..Tls::default()
    };
    assert!(prove(&mismatched).is_err());
    let report = probe(target, &mismatched).await;
    assert!(
        matches!(report.outcome, Outcome::Inconclusive(_)),
        "{report:?}"
    );
}

#[tokio::test]
async fn certificates_that_expire_soon_are_told_of_and_never_down() {
    let now = SystemTime::now();
    let today = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    for (days, limit, soon) in [
        (10, Some(14), true),
        (10, Some(5), false),
        (10, None, false),
    ] {
        let mut wanted = for_name(NAME);
        wanted.not_after = (now + Duration::from_secs(days * 86_400 + 3600)).into();
        let own = self_signed(&wanted);
        let tls = Tls {
            expiry_days: limit,
            ..Tls::default()
        };
        let report = probe(serve(server(&own)), &tls).await;
        assert_eq!(reason(&report), "");
        let state = report.certificate.unwrap();
        assert_eq!(state.expires_soon, soon, "{limit:?}");
        let left = state.expires_in.unwrap();
        assert_eq!(left / 86_400, days.cast_signed(), "{left} at {today}");
    }
}

#[test]
fn equal_settings_share_what_is_made_of_them() {
    let tls = trusting(pem(authority("shared").der()));
    let first = shared(&tls, Inside::Anything).unwrap();
    assert!(Arc::ptr_eq(
        &first,
        &shared(&tls.clone(), Inside::Anything).unwrap()
    ));
    assert!(!Arc::ptr_eq(&first, &shared(&tls, Inside::Http2).unwrap()));
}
