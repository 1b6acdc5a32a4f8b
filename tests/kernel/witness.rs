//! `ipvsadm` as an independent witness: what we write it reads, what it writes we read.

use std::collections::BTreeMap;

use directord::kernel::Ipvs;
use directord::model::{
    Checksum, Destination, DestinationKey, Entry, Family, Forwarding, Netmask, Operation,
    Persistence, SchedulerFlags, Service, ServiceKey, SyncDaemon, SyncRole, Table, Tunnel,
};

use crate::lab::{feed, on_a_thread, run, with_client};
use crate::suite::{destination, mark, service, succeed, table, tcp, udp};

/// What the rules below amount to.
fn wanted() -> Table {
    let persistent = |scheduler, timeout, netmask| Service {
        persistence: Some(Persistence { timeout, netmask }),
        ..service(scheduler)
    };
    let v4 = Netmask::V4("255.255.255.0".parse().unwrap());
    let gue = Tunnel::Gue {
        port: 6080,
        checksum: Checksum::Remote,
    };
    let gre = Tunnel::Gre {
        checksum: Checksum::Full,
    };
    let unscheduled = Service {
        scheduler: None,
        ..service("rr")
    };
    let tunnel = Forwarding::Tunnel;
    [
        (
            tcp("192.0.2.1", 80),
            entry(
                persistent("wlc", 300, v4),
                &[
                    destination("198.51.100.1", 8080, Forwarding::Masquerade, 5),
                    destination("198.51.100.2", 80, Forwarding::DirectRoute, 0),
                    destination("198.51.100.3", 80, tunnel(gue), 1),
                    destination("198.51.100.4", 80, tunnel(gre), 1),
                    destination("198.51.100.5", 80, tunnel(Tunnel::Ipip), 2_147_483_647),
                ],
            ),
        ),
        (
            udp("192.0.2.1", 53),
            entry(
                Service {
                    one_packet: true,
                    ..service("rr")
                },
                &[],
            ),
        ),
        (
            udp("192.0.2.1", 5060),
            entry(
                Service {
                    engine: Some("sip".to_owned()),
                    ..persistent("rr", 60, Netmask::full(Family::V4))
                },
                &[],
            ),
        ),
        (
            tcp("2001:db8::1", 80),
            entry(
                Service {
                    flags: SchedulerFlags(2),
                    ..persistent("sh", 60, Netmask::V6(64))
                },
                &[
                    destination("2001:db8::10", 80, Forwarding::DirectRoute, 1),
                    destination("198.51.100.9", 80, tunnel(Tunnel::Ipip), 1),
                ],
            ),
        ),
        (mark(Family::V4, 7), entry(unscheduled, &[])),
        (
            mark(Family::V6, 7),
            entry(
                Service {
                    flags: SchedulerFlags(3),
                    ..service("mh")
                },
                &[],
            ),
        ),
    ]
    .into()
}

/// The same in the words of `ipvsadm --restore`.
const RULES: &str = "\
-A -t 192.0.2.1:80 -s wlc -p 300 -M 255.255.255.0
-a -t 192.0.2.1:80 -r 198.51.100.1:8080 -m -w 5
-a -t 192.0.2.1:80 -r 198.51.100.2:80 -g -w 0
-a -t 192.0.2.1:80 -r 198.51.100.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-remcsum
-a -t 192.0.2.1:80 -r 198.51.100.4:80 -i -w 1 --tun-type gre --tun-csum
-a -t 192.0.2.1:80 -r 198.51.100.5:80 -i -w 2147483647 --tun-type ipip
-A -u 192.0.2.1:53 -s rr -o
-A -u 192.0.2.1:5060 -s rr -p 60 --pe sip
-A -t [2001:db8::1]:80 -s sh -b sh-port -p 60 -M 64
-a -t [2001:db8::1]:80 -r [2001:db8::10]:80 -g -w 1
-a -t [2001:db8::1]:80 -r 198.51.100.9:80 -i -w 1
-A -f 7 -s none
-A -f 7 -6 -s mh -b mh-fallback,mh-port
";

/// How ipvsadm lists them. It compares addresses as signed numbers, which puts
/// 198.51.100.9 before `2001:db8::10`.
const LISTING: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  192.0.2.1:80 wlc persistent 300 mask 255.255.255.0
  -> 198.51.100.1:8080            Masq    5      0          0         
  -> 198.51.100.2:80              Route   0      0          0         
  -> 198.51.100.3:80              Tunnel  1      0          0         
  -> 198.51.100.4:80              Tunnel  1      0          0         
  -> 198.51.100.5:80              Tunnel  2147483647 0          0         
UDP  192.0.2.1:53 rr ops
UDP  192.0.2.1:5060 rr persistent 60 pe sip
TCP  [2001:db8::1]:80 sh (sh-port) persistent 60 mask 64
  -> 198.51.100.9:80              Tunnel  1      0          0         
  -> [2001:db8::10]:80            Route   1      0          0         
FWM  7 none
FWM  7 IPv6 mh (mh-fallback,mh-port)
";

fn entry(service: Service, destinations: &[Destination]) -> Entry {
    let destinations: BTreeMap<DestinationKey, Destination> = destinations
        .iter()
        .map(|destination| (destination.key, *destination))
        .collect();
    Entry {
        service,
        destinations,
    }
}

fn additions(table: &Table) -> Vec<Operation> {
    let of_service = |(key, entry): (&ServiceKey, &Entry)| {
        let key = *key;
        let service = Operation::AddService(key, entry.service.clone());
        let destinations = entry.destinations.values();
        let destinations = destinations.map(move |wanted| Operation::AddDestination(key, *wanted));
        std::iter::once(service)
            .chain(destinations)
            .collect::<Vec<_>>()
    };
    table.iter().flat_map(of_service).collect()
}

#[test]
fn ipvsadm_lists_what_was_written() {
    with_client(|client| {
        succeed(client, additions(&wanted()));
        let listed = run("ipvsadm", &["-Ln"]);
        assert_eq!(
            listed.lines().collect::<Vec<_>>(),
            LISTING.lines().collect::<Vec<_>>()
        );
        // The encapsulations, which that listing does not show.
        let tunnels = run("ipvsadm", &["-Ln", "--tun-info"]);
        for line in [
            "-> 198.51.100.3:80 Tunnel gue:6080:r+c 1 0 0",
            "-> 198.51.100.4:80 Tunnel gre:+c 1 0 0",
            "-> 198.51.100.5:80 Tunnel ipip 2147483647 0 0",
        ] {
            let mut lines = tunnels.lines().map(words);
            assert!(lines.any(|listed| listed == line), "{line} in {tunnels}");
        }
    });
}

/// A line with single blanks.
fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_ipvsadm_wrote_is_read() {
    with_client(|client| {
        feed("ipvsadm", &["-R"], RULES);
        assert_eq!(table(client), wanted());
        let sketch = client.sketch().unwrap();
        assert!(sketch.differing(&wanted()).is_empty());
    });
}

#[test]
fn ipvsadm_and_we_write_the_same() {
    with_client(|client| {
        succeed(client, additions(&wanted()));
        let ours = run("ipvsadm", &["-Sn"]);
        client.flush().unwrap();
        feed("ipvsadm", &["-R"], RULES);
        assert_eq!(ours, run("ipvsadm", &["-Sn"]));
    });
}

#[test]
fn ipvsadm_sees_thresholds_time_outs_and_daemons() {
    with_client(|client| {
        let key = tcp("192.0.2.1", 80);
        let mut limited = destination("198.51.100.1", 80, Forwarding::Masquerade, 1);
        limited.upper_threshold = 100;
        limited.lower_threshold = 50;
        succeed(
            client,
            vec![
                Operation::AddService(key, service("rr")),
                Operation::AddDestination(key, limited),
            ],
        );
        let thresholds = run("ipvsadm", &["-Ln", "--thresholds"]);
        let line = thresholds.lines().last().unwrap();
        assert_eq!(words(line), "-> 198.51.100.1:80 100 50 0 0");
        let timeouts = directord::model::Timeouts {
            tcp: 1,
            tcp_fin: 2,
            udp: 3,
        };
        client.set_timeouts(&timeouts).unwrap();
        let listed = run("ipvsadm", &["-L", "--timeout"]);
        assert_eq!(listed, "Timeout (tcp tcpfin udp): 1 2 3\n");
        let daemon = SyncDaemon {
            role: SyncRole::Backup,
            interface: "lo".to_owned(),
            sync_id: 6,
            max_length: 2000,
            group: Some("ff05::51".parse().unwrap()),
            port: 8849,
            ttl: 3,
        };
        client.start_daemon(&daemon).unwrap();
        assert_eq!(
            run("ipvsadm", &["-L", "--daemon"]),
            "backup sync daemon (mcast=lo, syncid=6, maxlen=2000, group=ff05::51, \
             port=8849, ttl=3)\n"
        );
    });
}

#[test]
fn two_namespaces_do_not_mix() {
    with_client(|client| {
        succeed(
            client,
            vec![Operation::AddService(tcp("192.0.2.1", 80), service("rr"))],
        );
        on_a_thread(|| assert_eq!(run("ipvsadm", &["-Sn"]), ""));
        assert_eq!(run("ipvsadm", &["-Sn"]), "-A -t 192.0.2.1:80 -s rr\n");
    });
}

#[test]
fn a_master_reckons_with_an_ethernet_whatever_the_interface() {
    with_client(|client| {
        run(
            "ip",
            &["link", "add", "dummy0", "mtu", "9000", "type", "dummy"],
        );
        run(
            "ip",
            &["addr", "add", "2001:db8::2/64", "dev", "dummy0", "nodad"],
        );
        run("ip", &["link", "set", "dummy0", "up"]);
        let daemon = |role, group: &str| SyncDaemon {
            role,
            interface: "dummy0".to_owned(),
            sync_id: 1,
            max_length: 0,
            group: Some(group.parse().unwrap()),
            port: 0,
            ttl: 0,
        };
        let mut fake = directord::kernel::fake::Table::new();
        fake.add_interface("dummy0", 9000);
        for group in ["224.0.0.81", "ff05::51"] {
            for role in [SyncRole::Master, SyncRole::Backup] {
                client.start_daemon(&daemon(role, group)).unwrap();
                fake.start_daemon(&daemon(role, group)).unwrap();
            }
            assert_eq!(client.daemons().unwrap(), fake.daemons().unwrap());
            for role in [SyncRole::Master, SyncRole::Backup] {
                client.stop_daemon(role).unwrap();
                fake.stop_daemon(role).unwrap();
            }
        }
    });
}
