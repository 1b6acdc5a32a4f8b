//! `service=dns` against unbound.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use directord::model::{Outcome, Report};

use super::fixture::{Server, Story, free_port, loopback, probe, program, reason};

fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let path = directory.path().display();
    // An answer of 100 addresses is larger than 512 bytes: truncated over UDP.
    let many = (0..100).fold(String::new(), |text, n| {
        text + &format!("  local-data: \"many.example.com. A 198.51.100.{n}\"\n")
    });
    let configuration = format!(
        "server:
  directory: \"{path}\"
  chroot: \"\"
  username: \"\"
  pidfile: \"\"
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  interface: 127.0.0.1
  interface: ::1
  port: {port}
  module-config: \"iterator\"
  access-control: 127.0.0.0/8 allow
  access-control: ::1 allow
  local-zone: \"example.com.\" static
  local-data: \"www.example.com. A 192.0.2.80\"
  local-data: \"www.example.com. AAAA 2001:db8::80\"
  local-data: \"only6.example.com. AAAA 2001:db8::81\"
  local-data: \"text.example.com. TXT words\"
  local-data: \"mail.example.com. MX 10 mx1.example.com.\"
  local-data: \"alias.example.com. CNAME www.example.com.\"
  local-data: \"_sip._udp.example.com. SRV 1 2 5060 sip.example.com.\"
  local-data: \"zone.example.com. NS ns1.example.com.\"
  local-data: \"zone.example.com. SOA ns1.example.com. admin.example.com. 7 3600 600 86400 60\"
  local-zone: \"closed.example.net.\" refuse
  local-data-ptr: \"192.0.2.80 www.example.com\"
  local-data-ptr: \"2001:db8::80 www.example.com\"
{many}remote-control:
  control-enable: no
"
    );
    let file = directory.path().join("unbound.conf");
    std::fs::write(&file, configuration).unwrap();
    let mut command = program("/usr/sbin/unbound", "unbound");
    command.arg("-d").arg("-c").arg(file);
    Server::start(command, port, directory)
}

/// The story of names that are asked for over `protocol`.
fn story(protocol: &str) {
    let mut server = start();
    let lines = |request: &str, receive: &str| {
        format!("service=dns\nprotocol={protocol}\nrequest=\"{request}\"\nreceive=\"{receive}\"")
    };
    let good = lines("www.example.com", r"^192\.0\.2\.80$");
    let other = lines("www.example.com", r"^203\.0\.113\.1$");
    Story {
        good: &good,
        wrong_credentials: None,
        wrong_content: Some(&other),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        judge(address, &lines);
    }
}

/// What is up, and why others are not.
fn judge(address: SocketAddr, lines: &dyn Fn(&str, &str) -> String) {
    for (request, receive, expected) in [
        ("www.example.com", "^2001:db8::80$", ""),
        ("only6.example.com", "2001:db8::81", ""),
        ("192.0.2.80", r"^www\.example\.com$", ""),
        ("2001:db8::80", r"^www\.example\.com$", ""),
        ("many.example.com", r"^198\.51\.100\.7$", ""),
        (
            "www.example.com",
            "203",
            "\"www.example.com\" is 192.0.2.80, 2001:db8::80, which does not match \"203\"",
        ),
        (
            "gone.example.com",
            ".",
            "NXDOMAIN: the name does not exist (\"gone.example.com\")",
        ),
        (
            "text.example.com",
            ".",
            "no A or AAAA record for \"text.example.com\"",
        ),
        (
            "closed.example.net",
            ".",
            "REFUSED: the server does not answer this host (\"closed.example.net\")",
        ),
    ] {
        let report = probe(address, &lines(request, receive));
        assert_eq!(reason(&report), expected, "{address}, {request}");
        assert_eq!(report.outcome == Outcome::Up, expected.is_empty());
    }
}

// CHK-28
#[test]
fn names_and_addresses_are_asked_for_over_udp() {
    story("udp");
}

// CHK-28
#[test]
fn names_and_addresses_are_asked_for_over_tcp() {
    story("tcp");
}

// CHK-29
#[test]
fn without_receive_the_check_is_down() {
    let server = start();
    for address in loopback(server.port) {
        let report = probe(
            address,
            "service=dns\nprotocol=udp\nrequest=\"www.example.com\"",
        );
        assert!(reason(&report).contains("needs receive="), "{report:?}");
    }
}

#[test]
fn every_type_of_record_is_asked_for_over_either_transport() {
    let server = start();
    for address in loopback(server.port) {
        for (kind, name, text) in [
            ("A", "www.example.com", "192.0.2.80"),
            ("AAAA", "www.example.com", "2001:db8::80"),
            ("CNAME", "alias.example.com", "www.example.com"),
            ("MX", "mail.example.com", "10 mx1.example.com"),
            ("NS", "zone.example.com", "ns1.example.com"),
            ("PTR", "192.0.2.80", "www.example.com"),
            ("PTR", "80.2.0.192.in-addr.arpa", "www.example.com"),
            (
                "SOA",
                "zone.example.com",
                "ns1.example.com admin.example.com 7 3600 600 86400 60",
            ),
            ("SRV", "_sip._udp.example.com", "1 2 5060 sip.example.com"),
            ("TXT", "text.example.com", "words"),
        ] {
            for transport in ["udp", "tcp"] {
                let asked = format!(
                    "service=dns\nrequest=\"{name}\"\ndnstype={kind}\ndnstransport={transport}"
                );
                let report = await_answer(address, &asked);
                assert_eq!(reason(&report), "", "{kind} over {transport}");
                assert_eq!(report.detail, format!("\"{name}\" is {text}"));
                let report = probe(address, &format!("{asked}\nreceive=\"^{text}$\""));
                assert_eq!(report.outcome, Outcome::Up, "{report:?}");
                let report = probe(address, &format!("{asked}\nreceive=\"^other$\""));
                let expected = format!("\"{name}\" is {text}, which does not match \"^other$\"");
                assert_eq!(reason(&report), expected);
            }
        }
        let missing = "service=dns\nrequest=\"www.example.com\"\ndnstype=MX\ndnstransport=udp";
        let report = probe(address, missing);
        assert_eq!(reason(&report), "no MX record for \"www.example.com\"");
    }
}

#[test]
fn a_payload_is_answered_over_udp() {
    let server = start();
    let question = r"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www\x07example\x03com\x00\x00\x01\x00\x01";
    let asked = format!("service=udp\nrequest=\"{question}\"");
    let address = r"(?s)^\x12\x34.*\xc0\x00\x02\x50";
    for target in loopback(server.port) {
        let report = await_answer(target, &format!("{asked}\nreceive=\"{address}\""));
        assert_eq!(report.outcome, Outcome::Up, "{report:?}");
        assert_eq!(probe(target, &asked).outcome, Outcome::Up);
        let report = probe(target, &format!("{asked}\nreceive=\"^never\""));
        assert!(reason(&report).contains("does not match"), "{report:?}");
    }
}

/// The report on a server that may still be starting.
fn await_answer(address: SocketAddr, lines: &str) -> Report {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let report = probe(address, lines);
        if report.outcome == Outcome::Up || Instant::now() > until {
            return report;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
