//! `service=grpc` and `grpcs` against HTTP/2 of nginx, which serves recorded answers of a
//! health service: one file for each authority.

use super::fixture::{Server, Story, loopback, probe, reason};
use super::nginx;

/// Answers by authority.
const ANSWERS: [(&str, &[u8]); 2] = [
    ("www.example.com", b"\0\0\0\0\x02\x08\x01"),
    ("down.example.com", b"\0\0\0\0\x02\x08\x02"),
];

/// A call is a POST, which files refuse: the refusal is what serves them. `protocol` is
/// empty or ` ssl`: without TLS, HTTP/2 is spoken with prior knowledge.
fn start(protocol: &str, more: &str) -> Server {
    let server = nginx::start(|port| {
        format!(
            "server {{
    listen 127.0.0.1:{port}{protocol} http2;
    listen [::1]:{port}{protocol} http2;
    ssl_certificate certificate.pem;
    ssl_certificate_key key.pem;
    {more}
    root html;
    default_type application/grpc;
    location = /grpc.health.v1.Health/Check {{ error_page 405 =200 /$host; }}
    location / {{ add_trailer grpc-status 0; }}
  }}"
        )
    });
    let pages = server.directory.path().join("html");
    std::fs::create_dir(pages.join("grpc.health.v1.Health")).unwrap();
    std::fs::write(pages.join("grpc.health.v1.Health/Check"), "").unwrap();
    for (name, answer) in ANSWERS {
        std::fs::write(pages.join(name), answer).unwrap();
    }
    server
}

fn lines(service: &str, name: &str) -> String {
    format!("service={service}\nrequest=\"web.Shop\"\nvirtualhost=\"{name}\"")
}

#[test]
fn health_is_asked_for_in_the_open() {
    let mut server = start("", "");
    Story {
        good: &lines("grpc", "www.example.com"),
        wrong_credentials: None,
        wrong_content: Some(&lines("grpc", "down.example.com")),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &lines("grpc", "down.example.com"));
        assert_eq!(reason(&report), "\"web.Shop\" is NOT_SERVING");
        let report = probe(address, &lines("grpcs", "www.example.com"));
        assert!(
            reason(&report).contains("TLS handshake failed"),
            "{report:?}"
        );
    }
}

#[test]
fn health_is_asked_for_over_tls() {
    let mut server = start(" ssl", "ssl_protocols TLSv1.2;");
    let certificate = server.directory.path().join("certificate.pem");
    let verified = format!("tlsverify=yes\ntlsca={}", certificate.display());
    let good = lines("grpcs", "www.example.com") + "\n" + &verified;
    Story {
        good: &good,
        wrong_credentials: None,
        wrong_content: Some(&lines("grpcs", "down.example.com")),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        for (lines, wanted) in [
            (
                lines("grpcs", "down.example.com"),
                "\"web.Shop\" is NOT_SERVING",
            ),
            (
                format!("{}\n{verified}", lines("grpcs", "down.example.com")),
                "connected, but the TLS handshake failed: the certificate is not for down.example.com",
            ),
            (
                format!("{good}\ntlsmin=1.3"),
                "connected, but the TLS handshake failed: the server sent the alert ProtocolVersion",
            ),
        ] {
            let report = probe(address, &lines);
            assert_eq!(reason(&report), wanted, "{lines}");
        }
        let report = probe(address, &lines("grpc", "www.example.com"));
        assert!(!reason(&report).is_empty(), "{report:?}");
    }
}
