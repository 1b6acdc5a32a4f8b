//! Ways on loopback, seen from the other end.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use super::*;
use crate::check;
use crate::model::{Outcome, ProbeKind, ProxyHeader, Report, UdpProbe};

const TIMEOUT: Duration = Duration::from_secs(20);

/// An address of the loopback interface that nothing else uses.
const SOURCE: &str = "127.0.0.77";

fn way(source: Option<&str>, interface: Option<&str>) -> Way {
    Way {
        source: source.map(|source| source.parse().unwrap()),
        interface: interface.map(|interface| interface.parse().unwrap()),
        ..Way::default()
    }
}

async fn probe(target: SocketAddr, kind: ProbeKind, way: Way) -> Report {
    let probe = Probe {
        way: Some(Arc::new(way)),
        ..Probe::new(kind, TIMEOUT)
    };
    check::run(target, &probe).await
}

fn fault(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Inconclusive(fault) => fault.as_str(),
        other => panic!("{other:?}"),
    }
}

fn udp() -> ProbeKind {
    ProbeKind::Udp(UdpProbe {
        send: b"x".to_vec(),
        receive: None,
    })
}

#[tokio::test]
async fn connections_come_from_the_source() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let report = probe(target, ProbeKind::Connect, way(Some(SOURCE), Some("lo"))).await;
    assert_eq!(report.outcome, Outcome::Up);
    let (_stream, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), SOURCE);
    let begun = begin_connect(target, &way(Some(SOURCE), None)).unwrap();
    let (_stream, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), SOURCE);
    assert_eq!(begun.peer_addr().unwrap(), target);
}

#[tokio::test]
async fn datagrams_and_pings_come_from_the_source() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let target = server.local_addr().unwrap();
    let answering = std::thread::spawn(move || {
        let (_, from) = server.recv_from(&mut [0; 9]).unwrap();
        server.send_to(b"y", from).unwrap();
        from
    });
    let report = probe(target, udp(), way(Some(SOURCE), Some("lo"))).await;
    assert_eq!(report.detail, "answered with 1 byte");
    assert_eq!(answering.join().unwrap().ip().to_string(), SOURCE);
    let ping = ProbeKind::Ping { attempts: 1 };
    let report = probe(target, ping, way(Some(SOURCE), Some("lo"))).await;
    assert_eq!(report.outcome, Outcome::Up);
}

#[tokio::test]
async fn what_this_host_lacks_is_not_the_servers_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let ping = ProbeKind::Ping { attempts: 1 };
    for kind in [ProbeKind::Connect, udp(), ping] {
        let report = probe(target, kind.clone(), way(Some("192.0.2.77"), None)).await;
        let expected = "checksource=192.0.2.77: the address is not on this host";
        assert!(fault(&report).ends_with(expected), "{report:?}");
        let report = probe(target, kind, way(None, Some("nowhere0"))).await;
        let expected = "checkinterface=nowhere0: there is no such interface on this host";
        assert!(fault(&report).ends_with(expected), "{report:?}");
    }
    let error = begin_connect(target, &way(None, Some("nowhere0"))).unwrap_err();
    assert!(error.to_string().starts_with("checkinterface=nowhere0: "));
}

#[test]
fn marks_are_set_or_refused_in_words() {
    let target = "127.0.0.1:9".parse().unwrap();
    let way = Way {
        mark: Some(77),
        ..Way::default()
    };
    match opened(target, &way, Type::STREAM) {
        Ok(socket) => assert_eq!(socket.mark().unwrap(), 77),
        Err(error) => assert_eq!(
            error.to_string(),
            "checkmark=77: not permitted: needs CAP_NET_ADMIN, for an interface CAP_NET_RAW"
        ),
    }
}

#[tokio::test]
async fn the_proxy_header_comes_first() {
    use std::io::Read;
    for host in ["127.0.0.1:0", "[::1]:0"] {
        for (version, begin) in [
            (ProxyHeader::V1, &b"PROXY TCP"[..]),
            (ProxyHeader::V2, b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"),
        ] {
            let listener = TcpListener::bind(host).unwrap();
            let target = listener.local_addr().unwrap();
            let way = Way {
                proxy: Some(version),
                ..Way::default()
            };
            let report = probe(target, ProbeKind::Connect, way).await;
            assert_eq!(report.outcome, Outcome::Up);
            let (mut stream, from) = listener.accept().unwrap();
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            assert!(heard.starts_with(begin), "{heard:?}");
            assert_eq!(report.said_by(crate::model::Side::Director), heard);
            if version == ProxyHeader::V1 {
                let line = String::from_utf8(heard).unwrap();
                let end = format!("{} {}\r\n", from.port(), target.port());
                assert!(line.ends_with(&end), "{line}");
            }
        }
    }
}
