//! Every check ends at its deadline when somebody listens and says nothing.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use directord::config::ldirectord::parse;

use super::fixture::{is_down, probe, reason};

const TCP: &str = "connected, but no ";
const TLS: &str = "connected, but no TLS handshake within 1 s";
const UDP: &str = "no answer within 1 s";

/// Each value of `service`, what it needs to be complete, and the reason to expect.
/// `none` is not among them: it contacts nobody.
const CHECKS: [(&str, &str, &str); 27] = [
    ("simpletcp", "request=\"PING\"\nreceive=\"PONG\"", TCP),
    ("http", "receive=\"Test Page\"", TCP),
    ("https", "receive=\"Test Page\"", TLS),
    ("http_proxy", "request=\"http://www.example.com/\"", TCP),
    (
        "dns",
        "protocol=udp\nrequest=\"www.example.com\"\nreceive=\".\"",
        UDP,
    ),
    ("dns", "request=\"www.example.com\"\nreceive=\".\"", TCP),
    ("ftp", "request=\"file\"\nreceive=\"text\"", TCP),
    ("imap", LOGIN, TCP),
    ("imaps", LOGIN, TLS),
    ("ldap", "request=\"dc=example\"", TCP),
    ("ldaps", "request=\"dc=example\"", TLS),
    ("mysql", SQL, TCP),
    ("nntp", "", TCP),
    ("oracle", SQL, TCP),
    ("pgsql", SQL, TCP),
    ("pop", LOGIN, TCP),
    ("pops", LOGIN, TLS),
    ("radius", "login=\"a\"\npasswd=\"b\"\nsecret=\"c\"", UDP),
    ("sip", "protocol=udp", UDP),
    ("sip", "", TCP),
    ("smtp", "", TCP),
    ("redis", "", TCP),
    ("dialogue", "expect=\"ready\"", TCP),
    ("grpc", "", TCP),
    ("grpcs", "", TLS),
    (
        "udp",
        "protocol=udp\nrequest=\"ping\"\nreceive=\"pong\"",
        UDP,
    ),
    ("submission", "", TCP),
];

const LOGIN: &str = "login=\"monitor\"\npasswd=\"password\"";
const SQL: &str = "login=\"monitor\"\npasswd=\"password\"\ndatabase=\"d\"\nrequest=\"SELECT 1\"";

/// Somebody who takes datagrams and connections on one port and says nothing.
struct Silent {
    address: SocketAddr,
    _tcp: TcpListener,
    _udp: UdpSocket,
}

impl Silent {
    fn listen(host: &str) -> Self {
        for _ in 0..1000 {
            let tcp = TcpListener::bind((host, 0)).unwrap();
            let address = tcp.local_addr().unwrap();
            if let Ok(udp) = UdpSocket::bind(address) {
                return Self {
                    address,
                    _tcp: tcp,
                    _udp: udp,
                };
            }
        }
        panic!("no port is free for both");
    }
}

/// What the configuration reader knows, in its own words.
fn known_services() -> Vec<String> {
    let text = "virtual=192.0.2.1:9\n\treal=192.0.2.2:9 gate\n\tservice=nothing\n";
    let complaint = format!("{:?}", parse(text.as_bytes(), "services.cf"));
    let (_, list) = complaint.split_once("service must be ").unwrap();
    let list = list.split(", not").next().unwrap().replace(" or ", " ");
    let words = list.split([',', ' ']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

#[test]
fn the_table_has_every_service() {
    let mut known = known_services();
    known.retain(|word| word != "none");
    known.sort();
    let mut listed: Vec<String> = CHECKS.iter().map(|check| check.0.to_owned()).collect();
    listed.sort();
    listed.dedup();
    assert_eq!(listed, known);
    assert_eq!(listed.len(), 25);
}

// CHK-38, CHK-41
#[test]
fn every_check_of_a_silent_server_ends_at_its_deadline() {
    for host in ["127.0.0.1", "::1"] {
        let silent = Silent::listen(host);
        let address = silent.address;
        let checks = CHECKS.map(|(service, lines, expected)| {
            let check = move || {
                let text = format!("service={service}\nnegotiatetimeout=1\n{lines}");
                let started = Instant::now();
                let report = probe(address, text.trim_end());
                (report, started.elapsed())
            };
            (service, expected, thread::spawn(check))
        });
        for (service, expected, check) in checks {
            let (report, took) = check.join().unwrap();
            assert!(is_down(&report), "{service}, {host}: {report:?}");
            let found = reason(&report);
            assert!(found.starts_with(expected), "{service}, {host}: {found}");
            assert!(found.contains("within 1 s"), "{service}, {host}: {found}");
            let deadline = Duration::from_secs(1)..Duration::from_secs(3);
            assert!(deadline.contains(&took), "{service}, {host}: {took:?}");
        }
    }
}
