//! Connections that a program tells a backup.

use std::ops::ControlFlow;
use std::time::Duration;

use directord::kernel::connections::entries::{Connection, Source, visit};
use directord::kernel::connections::message::{self, Told};
use directord::kernel::ipvs::Client;
use directord::kernel::{Error, Ipvs};
use directord::model::pair::Sync;
use directord::model::{Forwarding, Operation, PortAddress, SyncDaemon, SyncRole};

use crate::lab::{in_namespace, run};
use crate::segment::{Neighbour, until};
use crate::suite::{destination, service, succeed, tcp};

const ID: u8 = 7;

fn at(address: &str, port: u16) -> PortAddress {
    PortAddress(address.parse().unwrap(), port)
}

fn told(client: &str, vip: &str, server: &str, port: u16, state: &str) -> Told {
    Told::of(&Connection {
        protocol: "TCP",
        client: at(client, port),
        virtual_address: at(vip, 80),
        server: at(server, 80),
        state,
        expires: 60,
        origin: Some("LOCAL"),
        engine: None,
        engine_data: None,
    })
    .unwrap()
}

/// How many entries a sync daemon has made.
fn synchronised() -> usize {
    let mut count = 0;
    visit::<Error>(Source::Origin, |entry| {
        count += usize::from(entry.is_synchronised());
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
    count
}

#[test]
fn a_backup_learns_connections_from_a_program() {
    in_namespace(|| {
        let neighbour = Neighbour::connect();
        neighbour.there(|| {
            let mut client = Client::open().unwrap();
            let mut table = Vec::new();
            for (vip, server) in [
                ("192.0.2.100", "192.0.2.21"),
                ("2001:db8::100", "2001:db8::21"),
            ] {
                let key = tcp(vip, 80);
                let real = destination(server, 80, Forwarding::DirectRoute, 1);
                table.push(Operation::AddService(key, service("rr")));
                table.push(Operation::AddDestination(key, real));
            }
            succeed(&mut client, table);
            let backup = SyncDaemon {
                role: SyncRole::Backup,
                interface: "eth0".to_owned(),
                sync_id: ID,
                max_length: 0,
                group: None,
                port: 0,
                ttl: 0,
            };
            client.start_daemon(&backup).unwrap();
        });
        let mut connections = vec![
            told(
                "198.51.100.1",
                "192.0.2.100",
                "192.0.2.21",
                43_010,
                "SYN_RECV",
            ),
            told(
                "2001:db8::9",
                "2001:db8::100",
                "2001:db8::21",
                43_011,
                "ESTABLISHED",
            ),
        ];
        let many = (1..=200).map(|port| {
            told(
                "198.51.100.2",
                "192.0.2.100",
                "192.0.2.21",
                port,
                "ESTABLISHED",
            )
        });
        connections.extend(many);
        let sync = Sync {
            interface: "eth0".parse().unwrap(),
            id: ID,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        };
        // Of another pair: not for this backup.
        let foreign = told(
            "198.51.100.3",
            "192.0.2.100",
            "192.0.2.21",
            1,
            "ESTABLISHED",
        );
        message::send(&sync, &message::messages(ID + 1, &[foreign])).unwrap();
        message::send(&sync, &message::messages(ID, &connections)).unwrap();
        neighbour.there(|| {
            until(Duration::from_secs(5), || synchronised() >= 202);
            let listed = run("ipvsadm", &["-Lnc"]);
            let has = |words: &[&str]| {
                listed.lines().any(|line| {
                    let line: Vec<&str> = line.split_whitespace().collect();
                    // The time that is left comes second.
                    line.len() == 6 && [&line[..1], &line[2..]].concat() == words
                })
            };
            assert!(has(&[
                "TCP",
                "SYN_RECV",
                "198.51.100.1:43010",
                "192.0.2.100:80",
                "192.0.2.21:80"
            ]));
            assert!(has(&[
                "TCP",
                "ESTABLISHED",
                "198.51.100.2:200",
                "192.0.2.100:80",
                "192.0.2.21:80"
            ]));
            let six = [
                "[2001:db8::9]:43011",
                "[2001:db8::100]:80",
                "[2001:db8::21]:80",
            ];
            assert!(
                has(&[&["TCP", "ESTABLISHED"][..], &six].concat()),
                "{listed}"
            );
            assert_eq!(synchronised(), 202, "{listed}");
            // They count where they belong, as active ones only when they are established.
            let mut client = Client::open().unwrap();
            let found = client
                .dump_service(&tcp("192.0.2.100", 80))
                .unwrap()
                .unwrap();
            let server = found.destinations.values().next().unwrap();
            assert_eq!((server.active, server.inactive), (200, 1));
        });
    });
}
