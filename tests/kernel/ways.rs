//! How checks leave the host, with the packet filter as witness.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use directord::check;
use directord::model::{Outcome, Probe, ProbeKind, Report, UdpProbe, Way};

use super::lab::{run, undisturbed};

fn probe(target: SocketAddr, kind: ProbeKind, way: Way) -> Report {
    let probe = Probe {
        way: Some(Arc::new(way)),
        ..Probe::new(kind, Duration::from_secs(2))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(check::run(target, &probe))
}

/// Packets that the rule of this place has counted.
fn marked(place: usize) -> u64 {
    let text = run("iptables-legacy", &["-nvxL", "OUTPUT"]);
    // Behind the name of the chain and the names of the columns.
    let rule = text.lines().nth(2 + place).unwrap();
    rule.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn packets_of_checks_carry_the_mark() {
    undisturbed(|| {
        for protocol in ["tcp", "udp", "icmp"] {
            run(
                "iptables-legacy",
                &[
                    "-A", "OUTPUT", "-p", protocol, "-m", "mark", "--mark", "7077",
                ],
            );
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let datagram = UdpProbe {
            send: b"x".to_vec(),
            receive: None,
        };
        for (place, (protocol, target, kind)) in [
            ("tcp", listener.local_addr().unwrap(), ProbeKind::Connect),
            (
                "udp",
                silent.local_addr().unwrap(),
                ProbeKind::Udp(datagram),
            ),
            (
                "icmp",
                "127.0.0.1:0".parse().unwrap(),
                ProbeKind::Ping { attempts: 1 },
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let way = Way {
                mark: Some(7077),
                ..Way::default()
            };
            let before = marked(place);
            let report = probe(target, kind.clone(), Way::default());
            assert_eq!(report.outcome, Outcome::Up, "{report:?}");
            assert_eq!(marked(place), before, "{protocol} without a mark");
            let report = probe(target, kind, way);
            assert_eq!(report.outcome, Outcome::Up, "{report:?}");
            assert!(marked(place) > before, "{protocol}");
        }
    });
}

#[test]
fn checks_leave_by_their_interface_only() {
    undisturbed(|| {
        run(
            "ip",
            &["link", "add", "v0", "type", "veth", "peer", "name", "v1"],
        );
        run("ip", &["address", "add", "192.0.2.1/24", "dev", "v0"]);
        run("ip", &["link", "set", "v0", "up"]);
        run("ip", &["link", "set", "v1", "up"]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let by = |interface: &str| Way {
            interface: Some(interface.parse().unwrap()),
            ..Way::default()
        };
        let report = probe(target, ProbeKind::Connect, by("lo"));
        assert_eq!(report.outcome, Outcome::Up);
        let report = probe(target, ProbeKind::Connect, by("v0"));
        assert!(matches!(report.outcome, Outcome::Down(_)), "{report:?}");
        run("ip", &["link", "delete", "v0"]);
        let report = probe(target, ProbeKind::Connect, by("v0"));
        assert!(
            matches!(report.outcome, Outcome::Inconclusive(_)),
            "{report:?}"
        );
    });
}
