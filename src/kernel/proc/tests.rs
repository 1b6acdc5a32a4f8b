use proptest::prelude::*;

use super::*;
use crate::kernel::fake;
use crate::kernel::suite::{self, destination, mark, service, tcp, udp};
use crate::model::{Entry, Operation, Persistence, Tunnel};

/// `cat /proc/net/ip_vs` on Linux 6.1.176.
const FILE: &str = "\
IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port Forward Weight ActiveConn InActConn
TCP  C0000201:0050 wlc  persistent 30000 FFFFFFFF
  -> C6336404:0050      Tunnel  1      0          0         
  -> C6336402:0050      Route   0      0          0         
  -> C6336401:0050      Masq    5      12         345       
UDP  C0000201:0035 rr ops  
TCP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0050 sh persistent 6000 40000000
  -> [2001:0db8:0000:0000:0000:0000:0000:0010]:0050      Route   1      0          0         
UDP  [2001:0db8:0000:0000:0000:0000:0000:0001]:0035 rr 
FWM  00000007 mh 
FWM  00000007 none 
";

fn entry(service: Service, destinations: &[Destination]) -> Entry {
    Entry {
        service,
        destinations: destinations
            .iter()
            .map(|destination| (destination.key, *destination))
            .collect(),
    }
}

fn file_as_table() -> Table {
    let persistent = |scheduler, netmask| Service {
        persistence: Some(Persistence {
            timeout: 60,
            netmask,
        }),
        ..service(scheduler)
    };
    let one_packet = || Service {
        one_packet: true,
        ..service("rr")
    };
    let tunnel = Forwarding::Tunnel(Tunnel::Ipip);
    let unscheduled = Service {
        scheduler: None,
        ..service("rr")
    };
    [
        (
            tcp("192.0.2.1", 80),
            entry(
                persistent("wlc", crate::model::Netmask::full(Family::V4)),
                &[
                    destination("198.51.100.4", 80, tunnel, 1),
                    destination("198.51.100.2", 80, Forwarding::DirectRoute, 0),
                    destination("198.51.100.1", 80, Forwarding::Masquerade, 5),
                ],
            ),
        ),
        (udp("192.0.2.1", 53), entry(one_packet(), &[])),
        (
            tcp("2001:db8::1", 80),
            entry(
                persistent("sh", crate::model::Netmask::V6(64)),
                &[destination("2001:db8::10", 80, Forwarding::DirectRoute, 1)],
            ),
        ),
        (udp("2001:db8::1", 53), entry(one_packet(), &[])),
        (mark(Family::V4, 7), entry(unscheduled, &[])),
        (mark(Family::V6, 7), entry(service("mh"), &[])),
    ]
    .into()
}

#[test]
fn the_file_is_read() {
    assert_eq!(Sketch::parse(FILE), Ok(Sketch::of(&file_as_table())));
}

#[test]
fn an_unchanged_table_shows_no_difference() {
    let sketch = Sketch::parse(FILE).unwrap();
    assert_eq!(sketch.differing(&file_as_table()), BTreeSet::new());
}

#[test]
fn every_change_that_the_file_tells_is_noticed() {
    let key = tcp("192.0.2.1", 80);
    for (from, to, changed) in [
        ("wlc  persistent 30000 FFFFFFFF", "wlc ", vec![key]),
        ("C0000201:0050 wlc", "C0000201:0050 wrr", vec![key]),
        ("Masq    5", "Masq    6", vec![key]),
        ("Route   0", "Masq    0", vec![key]),
        ("C6336404:0050", "C6336404:0051", vec![key]),
        ("rr ops", "rr", vec![udp("192.0.2.1", 53)]),
        (
            "FWM  00000007 mh",
            "FWM  00000007 sh",
            vec![mark(Family::V4, 7), mark(Family::V6, 7)],
        ),
        (
            "C0000201:0050",
            "C0000202:0050",
            vec![key, tcp("192.0.2.2", 80)],
        ),
    ] {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE);
        let differing = Sketch::parse(&text).unwrap().differing(&file_as_table());
        assert_eq!(differing, changed.into_iter().collect(), "{from}");
    }
}

#[test]
fn connection_counts_are_not_part_of_the_sketch() {
    let busier = FILE.replace("12         345", "99         1");
    assert_eq!(Sketch::parse(&busier), Sketch::parse(FILE));
}

#[test]
fn services_of_protocols_that_are_not_balanced_are_skipped_with_their_destinations() {
    let foreign = "IP_50  C0000201:0050 rr \n  -> C6336409:0050      Masq    1      0      0\n";
    let text = FILE.replace("UDP  C0000201", &format!("{foreign}UDP  C0000201"));
    assert_eq!(Sketch::parse(&text), Sketch::parse(FILE));
}

#[test]
fn what_is_not_understood_is_an_error() {
    for (from, to) in [
        ("C0000201:0050", "C0000201"),
        ("C0000201:0050", "C0000201:10050"),
        ("Masq ", "Magic"),
        ("Masq    5", "Masq    -5"),
        ("FWM  00000007", "FWM  100000007"),
        ("[2001:0db8", "[2001:xdb8"),
    ] {
        let text = FILE.replacen(from, to, 1);
        assert_ne!(text, FILE);
        assert!(Sketch::parse(&text).is_err(), "{to}");
    }
}

#[test]
fn a_table_reads_the_same_wanted_and_observed() {
    let table = file_as_table();
    let mut fake = fake::Table::from(&table);
    let weight = destination("198.51.100.1", 80, Forwarding::Masquerade, 9);
    let sketch = crate::kernel::Ipvs::sketch(&mut fake).unwrap();
    assert_eq!(sketch, Sketch::of(&table));
    suite::succeed(
        &mut fake,
        vec![Operation::SetDestination(tcp("192.0.2.1", 80), weight)],
    );
    let sketch = crate::kernel::Ipvs::sketch(&mut fake).unwrap();
    assert_eq!(sketch.differing(&table), [tcp("192.0.2.1", 80)].into());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "(?s).{0,300}") {
        let _ = Sketch::parse(&text);
    }

    #[test]
    fn no_damaged_file_makes_the_reader_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), 9_u8..127), 1..9),
    ) {
        let mut bytes = FILE.as_bytes().to_vec();
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let _ = Sketch::parse(&String::from_utf8(bytes).unwrap());
    }
}
