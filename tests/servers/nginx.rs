//! `service=http` and `https` against nginx.

use directord::model::Outcome;

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

/// A server with what this makes of its port, a certificate for `www.example.com` and its
/// key.
pub(super) fn start(servers: impl Fn(u16) -> String) -> Server {
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

/// A server for HTTP/1.1 that tells how it was asked, and one for HTTP/2 in the open.
fn start_telling() -> (Server, Server) {
    let locations = "root html;
    location /moved { return 302 /index.html; }
    location /away { return 302 http://www.example.net/index.html; }
    location /login { auth_basic site; auth_basic_user_file passwords; alias html/; }
    location /health { default_type application/json; return 200 '{\"status\":\"ok\",\"up\":[true]}'; }
    location /told { default_type text/plain; return 200 '$request_method $server_protocol $host $http_x_check $content_length'; }";
    let start = |http2: &str| {
        let server = start(|port| {
            format!(
                "server {{
    listen 127.0.0.1:{port}{http2};
    listen [::1]:{port}{http2};
    {locations}
  }}"
            )
        });
        let passwords = server.directory.path().join("passwords");
        std::fs::write(passwords, "monitor:{PLAIN}letmein\n").unwrap();
        server
    };
    (start(""), start(" http2"))
}

/// Lines of a check and why it is down; empty when it is up.
const TOLD: [(&str, &str); 20] = [
    ("request=\"moved\"\nredirects=no", "HTTP status 302"),
    ("request=\"moved\"\nredirects=no\nstatus=302", ""),
    (
        "request=\"moved\"\nstatus=200-399\nexpectheader=\"Location: /index\\.html$\"",
        "",
    ),
    (
        "request=\"away\"",
        "redirects to http://www.example.net/index.html",
    ),
    ("request=\"away\"\nredirects=yes\nreceive=\"Test Page\"", ""),
    ("request=\"gone\"\nstatus=200-299,404", ""),
    ("request=\"login/index.html\"", "HTTP status 401"),
    ("request=\"login/index.html\"\nstatus=401", ""),
    (
        "request=\"login/index.html\"\nlogin=\"monitor\"\npasswd=\"letmein\"\nhttpauth=basic\nreceive=\"Test Page\"",
        "",
    ),
    (
        "request=\"login/index.html\"\nlogin=\"monitor\"\npasswd=\"wrong\"\nhttpauth=basic",
        "HTTP status 401",
    ),
    (
        "request=\"health\"\njson=\"/status = ok\"\njson=\"/up/0 = true\"",
        "",
    ),
    (
        "request=\"health\"\njson=\"/status = down\"",
        "HTTP 200, but the JSON has \"ok\" at \"/status\", not \"down\"",
    ),
    (
        "request=\"index.html\"\njson=\"/status = ok\"",
        "HTTP 200, but the body is not JSON",
    ),
    ("request=\"index.html\"\nreceive=\"Error\"\ninvert=yes", ""),
    (
        "request=\"index.html\"\nreceive=\"Test\"\ninvert=yes",
        "HTTP 200, but the body matches \"Test\", which it must not",
    ),
    (
        "request=\"index.html\"\nexpectheader=\"content-type: ^text/\"",
        "",
    ),
    (
        "request=\"index.html\"\nexpectheader=\"X-A: b\"",
        "the answer has no header X-A",
    ),
    (
        "request=\"index.html\"\nexpectheader=\"Content-Type: json\"",
        "the header Content-Type is \"text/",
    ),
    (
        "request=\"told\"\nhttpmethod=POST\nrequestbody=\"a=1\"\nrequestheader=\"X-Check: 7\"\nrequestheader=\"Host: b.example\"\nreceive=\"^POST HTTP/[0-9.]+ b\\.example 7 3$\"",
        "",
    ),
    (
        "request=\"told\"\nhttpmethod=OPTIONS\nreceive=\"^OPTIONS \"",
        "",
    ),
];

#[test]
fn answers_are_judged_as_told_in_both_versions() {
    let (plain, http2) = start_telling();
    super::fixture::await_port(plain.port);
    super::fixture::await_port(http2.port);
    for (server, version) in [(&plain, "1.1"), (&http2, "2")] {
        for address in loopback(server.port) {
            for (lines, wanted) in TOLD {
                let lines = format!("service=http\nhttpversion={version}\n{lines}");
                let report = probe(address, &lines);
                let said = reason(&report);
                if wanted.is_empty() {
                    assert_eq!(report.outcome, Outcome::Up, "{lines}");
                } else {
                    assert!(said.starts_with(wanted), "{lines}: {report:?}");
                }
            }
            let told = format!(
                "service=http\nhttpversion={version}\nrequest=\"told\"\nreceive=\"HTTP/{version}\""
            );
            assert_eq!(reason(&probe(address, &told)), "");
        }
    }
    // One does not speak the other's.
    let lines = "service=http\nrequest=\"index.html\"";
    let report = probe(loopback(plain.port)[0], &format!("{lines}\nhttpversion=2"));
    assert!(reason(&report).contains("HTTP/2"), "{report:?}");
    assert!(!reason(&probe(loopback(http2.port)[0], lines)).is_empty());
}

#[test]
fn secrets_of_a_request_do_not_show() {
    let (server, _http2) = start_telling();
    super::fixture::await_port(server.port);
    let lines = "service=http\nrequest=\"told\"\nlogin=\"monitor\"\npasswd=\"letmein\"\nhttpauth=basic\nrequestheader=\"Cookie: s=letmein\"";
    let report = probe(loopback(server.port)[0], lines);
    let shown = format!("{report:?}");
    let encoded = "bW9uaXRvcjpsZXRtZWlu";
    let said = String::from_utf8(report.said_by(directord::model::Side::Director)).unwrap();
    assert!(said.contains("Authorization: ***\r\n") && said.contains("Cookie: ***\r\n"));
    assert!(
        !said.contains(encoded) && !shown.contains("letmein"),
        "{said}"
    );
}

/// Certificates are verified, names told and clients known: HTTP/1.1 and HTTP/2.
#[test]
fn tls_is_spoken_as_told() {
    let server = start(|port| {
        format!(
            "server {{
    listen 127.0.0.1:{port} ssl http2;
    listen [::1]:{port} ssl http2;
    server_name www.example.com;
    ssl_certificate certificate.pem;
    ssl_certificate_key key.pem;
    ssl_client_certificate certificate.pem;
    ssl_verify_client optional_no_ca;
    ssl_protocols TLSv1.2 TLSv1.3;
    root html;
    location /told {{ default_type text/plain; return 200 '$server_protocol $ssl_protocol $ssl_server_name $ssl_client_s_dn'; }}
  }}"
        )
    });
    super::fixture::await_port(server.port);
    let file = |name: &str| server.directory.path().join(name).display().to_string();
    let (certificate, key) = (file("certificate.pem"), file("key.pem"));
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let good = format!("tlsverify=yes\ntlsca={certificate}\nvirtualhost=www.example.com");
    for address in loopback(server.port) {
        for (lines, wanted) in [
            (
                format!("{good}\nreceive=\"^HTTP/1.1 TLSv1.3 www.example.com \""),
                "",
            ),
            (
                format!("{good}\nhttpversion=2\nreceive=\"^HTTP/2.0 TLSv1.3 www\""),
                "",
            ),
            (format!("{good}\ntlsmin=1.3"), ""),
            (
                format!("{good}\ntlscert={certificate}\ntlskey={key}\nreceive=\"CN=rcgen\""),
                "",
            ),
            (format!("{good}\nreceive=\"CN=\"\ninvert=yes"), ""),
            (
                format!("{good}\ntlsname=www.example.net"),
                "connected, but the TLS handshake failed: the certificate is not for www.example.net",
            ),
            (
                format!("tlsverify=yes\ntlsca={certificate}"),
                "connected, but the TLS handshake failed: the certificate is not for",
            ),
            (
                format!("tlsverify=yes\ntlsca={certificate}\ntlsname=none"),
                "",
            ),
            (
                "tlsverify=yes\nvirtualhost=www.example.com".to_owned(),
                "connected, but the TLS handshake failed: the certificate is of an unknown authority",
            ),
        ] {
            let lines = format!("service=https\nrequest=\"told\"\n{lines}");
            let report = probe(address, &lines);
            assert!(
                !matches!(report.outcome, Outcome::Inconclusive(_)),
                "{lines}: {report:?}"
            );
            let said = reason(&report);
            let fits = said.is_empty() == wanted.is_empty() && said.starts_with(wanted);
            assert!(fits, "{lines}: {report:?}");
        }
    }
}
