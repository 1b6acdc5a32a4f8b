//! `service=dns` against unbound.

use std::net::SocketAddr;

use directord::model::Outcome;

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
