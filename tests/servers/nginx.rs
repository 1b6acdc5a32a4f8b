//! `service=http` and `https` against nginx.

use super::fixture::{Server, Story, free_port, loopback, probe, program, reason};

/// The page at `/index.html`.
pub(super) const PAGE: &str = "<h1>Test Page</h1>\n";

/// A server for plain HTTP, with a page, one that moved and one that is forbidden.
pub(super) fn start_plain() -> Server {
    start(|port| {
        format!(
            "server {{
    listen 127.0.0.1:{port};
    listen [::1]:{port};
    root html;
    location /moved {{ return 302 /index.html; }}
    location /closed {{ deny all; }}
  }}"
        )
    })
}

/// A server for HTTPS that knows one name and refuses the handshake for all others.
fn start_tls() -> Server {
    start(|port| {
        format!(
            "server {{
    listen 127.0.0.1:{port} ssl default_server;
    listen [::1]:{port} ssl default_server;
    ssl_reject_handshake on;
  }}
  server {{
    listen 127.0.0.1:{port} ssl;
    listen [::1]:{port} ssl;
    server_name www.example.com;
    ssl_certificate certificate.pem;
    ssl_certificate_key key.pem;
    root html;
  }}"
        )
    })
}

fn start(servers: impl Fn(u16) -> String) -> Server {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let port = free_port();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.iter().fold(String::new(), |text, kind| {
        text + &format!("  {kind}_temp_path {}/{kind};\n", path.display())
    });
    let configuration = format!(
        "daemon off;
user root;
worker_processes 1;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 64; }}
http {{
  access_log off;
{temporary}  {}
}}
",
        servers(port)
    );
    std::fs::write(path.join("nginx.conf"), configuration).unwrap();
    std::fs::create_dir(path.join("html")).unwrap();
    std::fs::write(path.join("html/index.html"), PAGE).unwrap();
    let names = vec!["www.example.com".to_owned()];
    let signed = rcgen::generate_simple_self_signed(names).unwrap();
    std::fs::write(path.join("certificate.pem"), signed.cert.pem()).unwrap();
    std::fs::write(path.join("key.pem"), signed.signing_key.serialize_pem()).unwrap();
    let mut command = program("/usr/sbin/nginx", "nginx-light");
    command
        .arg("-p")
        .arg(path)
        .arg("-c")
        .arg(path.join("nginx.conf"));
    command.args(["-e", "stderr"]);
    Server::start(command, port, directory)
}

// CHK-12
#[test]
fn pages_are_fetched() {
    let mut server = start_plain();
    Story {
        good: "service=http\nrequest=\"index.html\"\nreceive=\"Test Page\"",
        wrong_credentials: None,
        wrong_content: Some("service=http\nrequest=\"index.html\"\nreceive=\"Other Page\""),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        for (request, expected) in [
            ("moved", ""),
            ("gone", "HTTP status 404 Not Found"),
            ("closed", "HTTP status 403 Forbidden"),
        ] {
            let lines = format!("service=http\nrequest=\"{request}\"\nreceive=\"Test Page\"");
            assert_eq!(reason(&probe(address, &lines)), expected, "{request}");
        }
        let head = "service=http\nrequest=\"index.html\"\nhttpmethod=HEAD";
        assert_eq!(probe(address, head).detail, "HTTP status 200 OK");
        let report = probe(address, "service=https\nrequest=\"index.html\"");
        assert!(
            reason(&report).contains("TLS handshake failed"),
            "{report:?}"
        );
    }
}

// CHK-16, CHK-17
#[test]
fn pages_are_fetched_over_tls_with_the_name_of_the_server() {
    let mut server = start_tls();
    let lines = |name: &str, receive: &str| {
        format!(
            "service=https\nvirtualhost=\"{name}\"\nrequest=\"index.html\"\nreceive=\"{receive}\""
        )
    };
    Story {
        good: &lines("www.example.com", "Test Page"),
        wrong_credentials: None,
        wrong_content: Some(&lines("www.example.com", "Other Page")),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &lines("www.example.net", "Test Page"));
        let refused = "connected, but the TLS handshake failed: the server sent the alert";
        assert!(reason(&report).starts_with(refused), "{report:?}");
        let report = probe(address, "service=http\nrequest=\"index.html\"");
        assert_eq!(reason(&report), "HTTP status 400 Bad Request");
    }
}

#[test]
fn behind_a_proxy_header_pages_are_fetched_from_a_server_that_wants_one() {
    let mut server = start(|port| {
        format!(
            "server {{
    listen 127.0.0.1:{port} proxy_protocol;
    listen [::1]:{port} proxy_protocol;
    location = /whose {{ return 200 $proxy_protocol_addr; }}
    root html;
  }}"
        )
    });
    let asked = |request: &str, receive: &str| {
        format!("service=http\nrequest=\"{request}\"\nreceive=\"{receive}\"")
    };
    let plain = asked("index.html", "Test Page");
    Story {
        good: &format!("{plain}\nproxyprotocol=1"),
        wrong_credentials: Some(&plain),
        wrong_content: None,
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &format!("{plain}\nproxyprotocol=2"));
        assert_eq!(reason(&report), "");
        let whose = asked("whose", &format!("^{}$", address.ip()));
        let report = probe(address, &format!("{whose}\nproxyprotocol=1"));
        assert_eq!(reason(&report), "");
    }
}
