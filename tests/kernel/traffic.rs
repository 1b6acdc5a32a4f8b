//! What packets do to the table.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use directord::kernel::Ipvs;
use directord::kernel::ipvs::Client;
use directord::model::{Forwarding, ObservedDestination, Operation};

use crate::lab::{run, with_client};
use crate::suite::{destination, service, succeed, tcp};

/// A connection through IPVS, both ends of it.
fn connection(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect("192.0.2.1:80").unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

fn say(from: &mut TcpStream, to: &mut TcpStream) {
    from.write_all(b"x").unwrap();
    to.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    to.read_exact(&mut [0]).unwrap();
}

fn only(client: &mut Client) -> ObservedDestination {
    let found = client.dump_service(&tcp("192.0.2.1", 80)).unwrap().unwrap();
    found.destinations.into_values().next().unwrap()
}

#[test]
fn a_destination_that_comes_back_takes_its_connections_back() {
    with_client(|client| {
        run("ip", &["addr", "add", "192.0.2.1/32", "dev", "lo"]);
        let listener = TcpListener::bind("0.0.0.0:80").unwrap();
        let key = tcp("192.0.2.1", 80);
        let server = destination("127.0.0.1", 80, Forwarding::DirectRoute, 1);
        let add = Operation::AddDestination(key, server);
        succeed(
            client,
            vec![Operation::AddService(key, service("rr")), add.clone()],
        );
        let (mut near, mut far) = connection(&listener);
        say(&mut near, &mut far);
        // The number of connections is live.
        assert_eq!(only(client).active, 1);
        succeed(
            client,
            vec![Operation::DeleteDestination(key, server.key), add],
        );
        assert_eq!(only(client).active, 1);
        say(&mut near, &mut far);
    });
}

#[test]
fn counters_follow_within_the_estimators_round() {
    with_client(|client| {
        run("ip", &["addr", "add", "192.0.2.1/32", "dev", "lo"]);
        let listener = TcpListener::bind("0.0.0.0:80").unwrap();
        let key = tcp("192.0.2.1", 80);
        let server = destination("127.0.0.1", 80, Forwarding::DirectRoute, 1);
        succeed(
            client,
            vec![
                Operation::AddService(key, service("rr")),
                Operation::AddDestination(key, server),
            ],
        );
        let _open = connection(&listener);
        let deadline = Instant::now() + Duration::from_secs(10);
        while only(client).counters.connections == 0 {
            assert!(Instant::now() < deadline, "the estimator never ran");
            thread::sleep(Duration::from_millis(100));
        }
        let counted = only(client).counters;
        assert_eq!(counted.connections, 1);
        assert!(counted.in_bytes >= 40 * counted.in_packets);
        client.zero(Some(&key)).unwrap();
        assert_eq!(only(client).counters.connections, 0);
    });
}

#[test]
fn a_namespace_without_any_address_refuses_ipv4_destinations() {
    with_client(|client| {
        run("ip", &["netns", "add", "directord-bare"]);
        let namespace = std::fs::File::open("/run/netns/directord-bare").unwrap();
        let failures = thread::spawn(move || {
            nix::sched::setns(&namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
            let mut bare = Client::open().unwrap();
            let key = tcp("192.0.2.1", 80);
            let server = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
            let v6 = tcp("2001:db8::1", 80);
            let server_v6 = destination("2001:db8::2", 80, Forwarding::Masquerade, 1);
            let operations = [
                Operation::AddService(key, service("rr")),
                Operation::AddDestination(key, server),
                Operation::AddService(v6, service("rr")),
                Operation::AddDestination(v6, server_v6),
            ];
            bare.apply(&operations).unwrap()
        })
        .join()
        .unwrap();
        run("ip", &["netns", "delete", "directord-bare"]);
        let refused: Vec<_> = failures.iter().map(|failure| failure.index).collect();
        assert_eq!(refused, [1]);
        // With `lo` up the same is accepted.
        let key = tcp("192.0.2.1", 80);
        let server = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
        succeed(
            client,
            vec![
                Operation::AddService(key, service("rr")),
                Operation::AddDestination(key, server),
            ],
        );
    });
}
