mod node;

use std::net::{Ipv4Addr, UdpSocket};

use super::*;
use crate::model::pair::{LinkSource, LinkTarget};
use node::{Node, possible};

/// Long enough for some thirty packets, and for [`SOME`] on a busy machine.
const A_WHILE: Duration = Duration::from_millis(300);
/// So many show that a link works.
const SOME: usize = 3;

fn link(name: &str, source: LinkSource, to: LinkTarget) -> Link {
    Link {
        name: name.to_owned(),
        source,
        to,
        port: 7694,
    }
}

fn on(interface: &str) -> LinkSource {
    LinkSource::Interface(interface.parse().unwrap())
}

fn unicast(address: &str) -> LinkTarget {
    LinkTarget::Unicast(address.parse().unwrap())
}

fn group(address: &str) -> LinkTarget {
    LinkTarget::Multicast(address.parse().unwrap())
}

fn all_up(status: &[LinkStatus]) -> bool {
    status.iter().all(|link| link.down.is_none())
}

/// The six ways between two nodes over one cable, and a seventh over another.
fn every_kind(peer: u8) -> Vec<Link> {
    let prefix = LinkSource::Prefix {
        network: "198.51.100.0".parse().unwrap(),
        length: 24,
    };
    let own = 3 - peer;
    let own = LinkSource::Address(format!("2001:db8::{own}").parse().unwrap());
    vec![
        link("unicast4", on("eth0"), unicast(&format!("192.0.2.{peer}"))),
        link("multicast4", on("eth0"), group("239.255.77.1")),
        link("broadcast", on("eth0"), LinkTarget::Broadcast),
        link("unicast6", own, unicast(&format!("2001:db8::{peer}"))),
        link("multicast6", on("eth0"), group("ff02::77")),
        link("local6", on("eth0"), unicast(&format!("fe80::{peer}"))),
        link("prefix", prefix, group("239.255.77.1")),
    ]
}

fn joined() -> (Node, Node) {
    let a = Node::start("a", every_kind(2));
    let b = Node::start("b", every_kind(1));
    a.join(
        "eth0",
        &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"],
        &b,
        "eth0",
        &["192.0.2.2/24", "2001:db8::2/64", "fe80::2/64"],
    );
    a.join(
        "hb0",
        &["198.51.100.1/30"],
        &b,
        "other",
        &["198.51.100.2/30"],
    );
    for node in [&a, &b] {
        node.wait("every link up", all_up);
    }
    (a, b)
}

#[test]
fn every_kind_of_link_carries_the_peers_packets_and_no_others() {
    if !possible() {
        return;
    }
    let (a, b) = joined();
    for (node, own, peer) in [(&a, 1, 2), (&b, 2, 1)] {
        let heard = node.heard(7, A_WHILE);
        assert!(
            heard.iter().all(|count| *count >= SOME),
            "{heard:?} {:#?}",
            node.status()
        );
        let name = if peer == 2 { "b" } else { "a" };
        std::thread::sleep(A_WHILE);
        let sources = [
            format!("192.0.2.{peer}"),
            format!("192.0.2.{peer}"),
            format!("192.0.2.{peer}"),
            format!("2001:db8::{peer}"),
            format!("fe80::{peer}"),
            format!("fe80::{peer}"),
            format!("198.51.100.{peer}"),
        ];
        for packet in node.call(|state| state.packets.clone()) {
            let text = String::from_utf8(packet.bytes).unwrap();
            assert_eq!(text, format!("{name} {}", packet.link));
            let from = packet.from.ip().to_string();
            assert_eq!(from, sources[packet.link]);
        }
        let status = node.status();
        // Broadcasts come back to the sender; nothing else does.
        assert!(status[2].counters.own > 0, "{status:#?}");
        for (at, link) in status.iter().enumerate() {
            let counters = link.counters;
            assert!(counters.sent > 0 && counters.received > 0);
            assert!(at == 2 || counters.own == 0, "{}", link.name);
            let dropped = (counters.foreign, counters.misdirected, counters.opened);
            assert_eq!(dropped, (0, 0, 1), "{}: {own}", link.name);
        }
    }
}

#[test]
fn routes_say_how_a_farewell_is_sent() {
    if !possible() {
        return;
    }
    let (a, b) = joined();
    let routes = a.call(|state| state.links.routes());
    assert_eq!(routes.len(), 7);
    let shown: Vec<String> = routes
        .iter()
        .map(|route| format!("{} {} {}", route.interface, route.source, route.destination))
        .collect();
    let index = routes[0].index;
    assert_eq!(
        shown,
        [
            "eth0 192.0.2.1 192.0.2.2:7694".to_owned(),
            "eth0 192.0.2.1 239.255.77.1:7694".to_owned(),
            "eth0 192.0.2.1 192.0.2.255:7694".to_owned(),
            "eth0 2001:db8::1 [2001:db8::2]:7694".to_owned(),
            format!("eth0 fe80::1 [ff02::77%{index}]:7694"),
            format!("eth0 fe80::1 [fe80::2%{index}]:7694"),
            "hb0 198.51.100.1 239.255.77.1:7694".to_owned(),
        ]
    );
    // Another process's socket on these routes is heard, whatever its port.
    b.call(|state| state.packets.clear());
    a.call(move |_| {
        let socket = UdpSocket::bind((routes[0].source, 0)).unwrap();
        socket.send_to(b"farewell", routes[0].destination).unwrap();
    });
    std::thread::sleep(A_WHILE);
    let farewells = b.call(|state| {
        let mut packets = state.packets.iter();
        packets
            .find(|packet| packet.bytes == b"farewell")
            .map(|packet| packet.link)
    });
    assert_eq!(farewells, Some(0));
}

#[test]
fn packets_of_others_and_to_other_addresses_are_dropped_and_counted() {
    if !possible() {
        return;
    }
    let (a, b) = joined();
    a.ip("address add 192.0.2.77/24 dev eth0");
    let before: Vec<u64> = b
        .status()
        .iter()
        .map(|link| link.counters.foreign)
        .collect();
    b.call(|state| state.packets.clear());
    a.call(|_| {
        let foreign = UdpSocket::bind("192.0.2.77:0").unwrap();
        for _ in 0..5 {
            foreign.send_to(b"foreign", "192.0.2.2:7694").unwrap();
        }
        // By the other cable to the address of this one.
        let elsewhere = UdpSocket::bind("198.51.100.1:0").unwrap();
        elsewhere
            .send_to(b"elsewhere", "198.51.100.2:7694")
            .unwrap();
        let long = UdpSocket::bind("192.0.2.1:0").unwrap();
        long.send_to(&[b'x'; 512], "192.0.2.2:7694").unwrap();
        long.send_to(&[b'y'; 513], "192.0.2.2:7694").unwrap();
        long.send_to(&[b'z'; 1400], "192.0.2.2:7694").unwrap();
        long.send_to(&[], "192.0.2.2:7694").unwrap();
    });
    std::thread::sleep(A_WHILE);
    let packets = b.call(|state| std::mem::take(&mut state.packets));
    assert!(
        packets
            .iter()
            .all(|p| p.bytes != b"foreign" && p.bytes != b"elsewhere")
    );
    let length = |first: &[u8]| {
        let found = packets
            .iter()
            .find(|packet| packet.bytes.starts_with(first));
        found.map(|packet| packet.bytes.len())
    };
    assert_eq!(
        (length(b"x"), length(b"y"), length(b"z")),
        (Some(512), Some(513), Some(513))
    );
    assert!(packets.iter().any(|packet| packet.bytes.is_empty()));
    assert_eq!(b.status()[0].counters.foreign, before[0] + 5);
}

#[test]
fn an_interface_that_comes_back_with_another_number_works_at_once() {
    if !possible() {
        return;
    }
    let (a, b) = joined();
    let old = a.call(|state| state.links.routes()[0].index);
    a.ip("link delete eth0");
    a.wait("six links down", |status| {
        status[..6].iter().all(|link| link.down.is_some()) && status[6].down.is_none()
    });
    assert_eq!(
        a.status()[0].down.as_deref(),
        Some("there is no interface eth0")
    );
    assert_eq!(
        a.status()[3].down.as_deref(),
        Some("no interface has the address 2001:db8::1")
    );
    // The other cable is not touched.
    let heard = a.heard(7, A_WHILE);
    assert!(
        heard[6] >= SOME && heard[..6].iter().all(|count| *count == 0),
        "{heard:?}"
    );
    assert!(a.status()[0].counters.not_sent > 0);
    let opened = a.status()[6].counters.opened;

    a.join(
        "eth0",
        &["192.0.2.1/24", "2001:db8::1/64", "fe80::1/64"],
        &b,
        "eth0",
        &["192.0.2.2/24", "2001:db8::2/64", "fe80::2/64"],
    );
    for node in [&a, &b] {
        for link in 0..7 {
            let took = node.wait_for_packet(link);
            // The kernel may take a second before IPv6 has a route for groups.
            let longest = if link == 4 { 2 } else { 1 };
            assert!(took < Duration::from_secs(longest), "link {link}: {took:?}");
        }
    }
    assert_ne!(a.call(|state| state.links.routes()[0].index), old);
    assert_eq!(a.status()[6].counters.opened, opened);
}

#[test]
fn a_link_waits_for_its_interface_its_address_and_its_carrier() {
    if !possible() {
        return;
    }
    let a = Node::start("a", every_kind(2));
    let b = Node::start("b", every_kind(1));
    a.wait("the first look", |status| {
        status[0].down.as_deref() == Some("there is no interface eth0")
    });
    a.ip("link add eth0 type veth peer name end0");
    a.wait("down", |status| {
        status[0].down.as_deref() == Some("eth0 is down")
    });
    a.ip("link set eth0 up");
    a.wait("no address", |status| {
        status[0].down.as_deref() == Some("eth0 has no IPv4 address of its own")
    });
    a.ip("link delete eth0");
    a.join("eth0", &["192.0.2.1/24"], &b, "eth0", &["192.0.2.2/24"]);
    a.wait("up", |status| {
        status[..3].iter().all(|link| link.down.is_none())
    });
    a.wait_for_packet(0);
    // The peer's end goes down: nothing was lost on this side, the socket stays.
    let opened = a.status()[0].counters.opened;
    b.ip("link set eth0 down");
    a.wait("no carrier", |status| {
        status[0].down.as_deref() == Some("eth0 has no carrier")
    });
    b.ip("link set eth0 up");
    assert!(a.wait("carrier", |status| status[0].down.is_none()) < Duration::from_secs(1));
    a.wait_for_packet(0);
    a.wait_for_packet(1);
    assert_eq!(a.status()[0].counters.opened, opened);
    // This end down and up, the address gone and back.
    a.ip("link set eth0 down");
    a.wait("down", |status| {
        status[1].down.as_deref() == Some("eth0 is down")
    });
    a.ip("link set eth0 up");
    for link in 0..3 {
        assert!(a.wait_for_packet(link) < Duration::from_secs(1));
    }
    a.ip("address delete 192.0.2.1/24 dev eth0");
    a.wait("no address", |status| status[0].down.is_some());
    a.ip("address add 192.0.2.1/24 brd + dev eth0");
    for link in 0..3 {
        assert!(a.wait_for_packet(link) < Duration::from_secs(1));
    }
}

#[test]
fn a_virtual_address_is_never_the_source() {
    if !possible() {
        return;
    }
    let (a, _b) = joined();
    let sources = |node: &Node| {
        let routes = node.call(|state| state.links.routes());
        routes.iter().map(|route| route.source).collect::<Vec<_>>()
    };
    let before = sources(&a);
    for address in [
        "192.0.2.100/32",
        "192.0.2.100/24",
        "198.51.100.3/32",
        "2001:db8::100/128",
    ] {
        let dev = if address.starts_with("198") {
            "hb0"
        } else {
            "eth0"
        };
        let more = if address.contains(':') { "nodad" } else { "" };
        a.ip(&format!(
            "address add {address} dev {dev} valid_lft 60 preferred_lft 0 {more}"
        ));
    }
    std::thread::sleep(A_WHILE);
    assert_eq!(sources(&a), before);
    assert!(a.status().iter().all(|link| link.counters.opened == 1));
}

#[test]
fn a_reload_replaces_only_what_changed() {
    if !possible() {
        return;
    }
    let (a, _b) = joined();
    let before = a.status();
    let mut links = every_kind(2);
    links.remove(2);
    links[1].port = 7695;
    links.swap(0, 5);
    links.push(link("new", on("eth0"), LinkTarget::Broadcast));
    let expected = links.clone();
    a.call(move |state| state.links.replace(&links));
    a.wait("all up", all_up);
    let after = a.status();
    for (link, now) in expected.iter().zip(&after) {
        assert_eq!(link.name, now.name);
        let old = before.iter().find(|old| old.name == link.name);
        if let Some(old) = old
            && link.name != "multicast4"
        {
            assert!(now.counters.sent >= old.counters.sent, "{}", link.name);
            assert_eq!(now.since, old.since);
        } else {
            let is_new = old.is_none_or(|old| now.since != old.since);
            assert!(is_new, "{}", link.name);
        }
        assert_eq!(now.counters.opened, 1, "{}", link.name);
    }
    // An old link's place can be a new one's.
    a.call(|state| {
        state
            .links
            .replace(&[link("again", on("eth0"), unicast("192.0.2.2"))]);
    });
    // At once, or after a look: a program that is being started has copies of all sockets
    // for a moment.
    a.wait("taken over", all_up);
    // The same place twice: the second says so and works when the first is gone.
    let first = link("again", on("eth0"), unicast("192.0.2.2"));
    let second = link("twice", on("eth0"), unicast("192.0.2.3"));
    let both = [first, second.clone()];
    a.call(move |state| state.links.replace(&both));
    a.wait("one of two", |status| {
        let reason = status[1].down.as_deref().unwrap_or_default();
        status[0].down.is_none() && reason.contains("Address already in use")
    });
    a.call(move |state| state.links.replace(&[second]));
    a.wait("free again", all_up);
}

#[test]
fn a_port_that_becomes_free_is_taken_without_any_event() {
    if !possible() {
        return;
    }
    let (a, _b) = joined();
    let other = link("other", on("hb0"), unicast("198.51.100.2"));
    let taken = a.call(move |state| {
        let taken = UdpSocket::bind("198.51.100.1:7694").unwrap();
        state.links.replace(&[other]);
        taken
    });
    std::thread::sleep(A_WHILE);
    let reason = a.status()[0].down.clone().unwrap();
    assert!(reason.contains("Address already in use"), "{reason}");
    drop(taken);
    let took = a.wait("free", all_up);
    assert!(took < Duration::from_millis(500), "{took:?}");
}

#[test]
fn a_refused_packet_is_counted_and_nothing_waits() {
    if !possible() {
        return;
    }
    let (a, _b) = joined();
    let before = a.status()[0].counters.not_sent;
    // Too long for any UDP packet: refused by the kernel itself.
    let took = a.call(|state| {
        let start = std::time::Instant::now();
        for _ in 0..10 {
            state.links.send(0, &vec![0; 70_000]);
        }
        state.links.send(99, b"no such link");
        start.elapsed()
    });
    assert!(took < Duration::from_millis(100), "{took:?}");
    let status = a.status();
    assert_eq!(status[0].counters.not_sent, before + 10);
    assert_eq!(status[0].last_error.as_deref(), Some("message too long"));
    assert!(status[0].down.is_none());
}

#[test]
fn a_flooded_link_starves_no_other_and_is_bounded() {
    if !possible() {
        return;
    }
    let (a, b) = joined();
    // While the reader is away, more comes in than a buffer holds.
    let drained = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            b.call(|state| {
                std::thread::sleep(Duration::from_millis(600));
                let mut drained = [0; 7];
                while let Some(packet) = state.links.try_recv() {
                    drained[packet.link] += 1;
                }
                drained
            })
        });
        std::thread::sleep(Duration::from_millis(50));
        a.call(|_| {
            let flood = UdpSocket::bind("192.0.2.1:0").unwrap();
            for _ in 0..5_000 {
                let _ = flood.send_to(&[7; 512], "192.0.2.2:7694");
            }
        });
        reader.join().unwrap()
    });
    // The flooded link is bounded, and the others kept theirs.
    assert!(drained[0] < 400, "{drained:?}");
    assert!(drained.iter().all(|count| *count >= 10), "{drained:?}");
    let heard = b.heard(7, A_WHILE);
    assert!(heard.iter().all(|count| *count >= SOME), "{heard:?}");
    let overflowed: Vec<_> = b
        .status()
        .iter()
        .map(|link| link.counters.overflowed)
        .collect();
    assert!(
        overflowed[0] > 4_000 && overflowed[1..] == [0; 6],
        "{overflowed:?}"
    );
}

#[test]
fn packets_are_marked_as_network_control() {
    if !possible() {
        return;
    }
    let (_a, b) = joined();
    let marks = b.call(|_| {
        let socket = socket2::Socket::new(
            socket2::Domain::IPV4,
            socket2::Type::RAW,
            Some(socket2::Protocol::UDP),
        )
        .unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(1)))
            .unwrap();
        let mut marks = std::collections::BTreeSet::new();
        for _ in 0..40 {
            let mut packet = [0; 600];
            let length = std::io::Read::read(&mut &socket, &mut packet).unwrap();
            assert!(length >= 28);
            let to = Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19]);
            // Type of service, and time to live where it is a group's.
            marks.insert((packet[1], to.is_multicast().then_some(packet[8])));
        }
        marks
    });
    let expected: std::collections::BTreeSet<_> = [(0xc0, None), (0xc0, Some(1))].into();
    assert_eq!(marks, expected);
}
