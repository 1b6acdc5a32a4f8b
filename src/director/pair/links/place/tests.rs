use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn interface(index: u32, name: &str) -> Interface {
    Interface {
        index,
        name: name.parse().unwrap(),
        up: true,
        carrier: true,
        loopback: name == "lo",
    }
}

fn address(interface: u32, cidr: &str) -> Address {
    let (address, prefix) = cidr.split_once('/').unwrap();
    Address {
        ip: ip(address),
        prefix: prefix.parse().unwrap(),
        interface,
        broadcast: None,
        ready: true,
        deprecated: false,
        secondary: false,
    }
}

/// A director that is also a real server, with a virtual address on `eth0` and `lo`.
fn host() -> View {
    let vip = |interface| Address {
        deprecated: interface != 1,
        ..address(interface, "192.0.2.100/32")
    };
    let secondary = Address {
        secondary: true,
        ..address(2, "192.0.2.12/24")
    };
    View {
        interfaces: vec![
            interface(1, "lo"),
            interface(2, "eth0"),
            interface(3, "hb0"),
        ],
        addresses: vec![
            address(1, "127.0.0.1/8"),
            vip(1),
            vip(2),
            address(2, "192.0.2.11/24"),
            secondary,
            address(3, "198.51.100.1/30"),
            address(1, "::1/128"),
            address(2, "2001:db8::11/64"),
            address(2, "fe80::2/64"),
            address(3, "fe80::3/64"),
        ],
    }
}

fn link(source: LinkSource, to: LinkTarget) -> Link {
    Link {
        name: "lan".to_owned(),
        source,
        to,
        port: 7694,
    }
}

fn on(name: &str) -> LinkSource {
    LinkSource::Interface(name.parse().unwrap())
}

fn prefix(text: &str) -> LinkSource {
    let (network, length) = text.split_once('/').unwrap();
    LinkSource::Prefix {
        network: ip(network),
        length: length.parse().unwrap(),
    }
}

fn unicast(peer: &str) -> LinkTarget {
    LinkTarget::Unicast(ip(peer))
}

fn group(group: &str) -> LinkTarget {
    LinkTarget::Multicast(ip(group))
}

/// `INTERFACE SOURCE LOCAL DESTINATION`, or the reason.
fn found(source: LinkSource, to: LinkTarget, view: &View) -> String {
    match find(&link(source, to), view, None) {
        Ok(place) => {
            let Place {
                interface,
                source,
                local,
                destination,
                ..
            } = place;
            format!("{interface} {source} {local} {destination}")
        }
        Err(reason) => reason,
    }
}

#[test]
fn a_link_is_found_by_name_address_and_prefix() {
    let cases = [
        (
            on("eth0"),
            unicast("192.0.2.21"),
            "eth0 192.0.2.11 192.0.2.11:7694 192.0.2.21:7694",
        ),
        (
            on("eth0"),
            group("239.255.77.1"),
            "eth0 192.0.2.11 239.255.77.1:7694 239.255.77.1:7694",
        ),
        (
            on("eth0"),
            LinkTarget::Broadcast,
            "eth0 192.0.2.11 192.0.2.255:7694 192.0.2.255:7694",
        ),
        (
            on("hb0"),
            LinkTarget::Broadcast,
            "hb0 198.51.100.1 198.51.100.3:7694 198.51.100.3:7694",
        ),
        (
            on("eth0"),
            unicast("2001:db8::21"),
            "eth0 2001:db8::11 [2001:db8::11]:7694 [2001:db8::21]:7694",
        ),
        (
            on("hb0"),
            unicast("fe80::9"),
            "hb0 fe80::3 [fe80::3%3]:7694 [fe80::9%3]:7694",
        ),
        (
            on("eth0"),
            unicast("fe80::9"),
            "eth0 fe80::2 [fe80::2%2]:7694 [fe80::9%2]:7694",
        ),
        (
            on("eth0"),
            group("ff02::77"),
            "eth0 fe80::2 [ff02::77%2]:7694 [ff02::77%2]:7694",
        ),
        (
            LinkSource::Address(ip("192.0.2.12")),
            unicast("192.0.2.21"),
            "eth0 192.0.2.12 192.0.2.12:7694 192.0.2.21:7694",
        ),
        (
            LinkSource::Address(ip("198.51.100.1")),
            group("ff02::77"),
            "hb0 fe80::3 [ff02::77%3]:7694 [ff02::77%3]:7694",
        ),
        (
            prefix("198.51.100.0/24"),
            unicast("198.51.100.2"),
            "hb0 198.51.100.1 198.51.100.1:7694 198.51.100.2:7694",
        ),
        (
            prefix("192.0.2.0/24"),
            group("239.255.77.1"),
            "eth0 192.0.2.11 239.255.77.1:7694 239.255.77.1:7694",
        ),
        (
            prefix("2001:db8::/32"),
            unicast("2001:db8::21"),
            "eth0 2001:db8::11 [2001:db8::11]:7694 [2001:db8::21]:7694",
        ),
        (
            prefix("0.0.0.0/0"),
            unicast("203.0.113.9"),
            "eth0 192.0.2.11 192.0.2.11:7694 203.0.113.9:7694",
        ),
    ];
    let host = host();
    for (source, to, expected) in cases {
        assert_eq!(
            found(source.clone(), to, &host),
            expected,
            "{source:?} {to:?}"
        );
    }
}

#[test]
fn a_link_without_a_place_says_why() {
    let mut host = host();
    let cases = [
        (
            on("eth9"),
            unicast("192.0.2.21"),
            "there is no interface eth9",
        ),
        (
            LinkSource::Address(ip("192.0.2.99")),
            unicast("192.0.2.21"),
            "no interface has the address 192.0.2.99",
        ),
        (
            prefix("203.0.113.0/24"),
            unicast("192.0.2.21"),
            "no interface has an address in 203.0.113.0/24",
        ),
        (
            on("eth0"),
            unicast("192.0.2.12"),
            "192.0.2.12 is this host's own address, not the peer's",
        ),
        // Virtual addresses come and go with the role.
        (
            prefix("192.0.2.100/32"),
            LinkTarget::Broadcast,
            "no interface has an address in 192.0.2.100/32",
        ),
    ];
    for (source, to, expected) in cases {
        let said = found(source, to, &host);
        assert_eq!(said, expected);
    }
    host.addresses
        .retain(|own| own.interface != 2 || own.deprecated);
    assert_eq!(
        found(on("eth0"), group("239.255.77.1"), &host),
        "eth0 has no IPv4 address of its own"
    );
    assert_eq!(
        found(on("eth0"), group("ff02::77"), &host),
        "eth0 has no IPv6 address of its own"
    );
    host.interfaces[2].up = false;
    assert_eq!(
        found(on("hb0"), unicast("198.51.100.2"), &host),
        "hb0 is down"
    );
}

#[test]
fn an_address_is_used_when_duplicate_detection_is_over() {
    let mut host = host();
    let tentative = |own: &mut Address| own.ready = !own.ip.is_ipv6();
    host.addresses.iter_mut().for_each(tentative);
    for source in [
        on("eth0"),
        prefix("2001:db8::/64"),
        LinkSource::Address(ip("2001:db8::11")),
    ] {
        assert_eq!(
            found(source, unicast("2001:db8::21"), &host),
            "2001:db8::11 waits for duplicate address detection, or failed it"
        );
    }
    // Another one that is ready will do.
    host.addresses.push(address(2, "2001:db8::12/64"));
    assert!(found(on("eth0"), unicast("2001:db8::21"), &host).starts_with("eth0 2001:db8::12 "));
}

#[test]
fn a_broadcast_address_as_given_or_as_computed() {
    let given = |prefix: &str, broadcast: Option<&str>| {
        let mut own = address(1, prefix);
        own.broadcast = broadcast.map(|text| text.parse().unwrap());
        broadcast_of(&own).map(|ip| ip.to_string())
    };
    assert_eq!(given("192.0.2.1/24", None).as_deref(), Some("192.0.2.255"));
    assert_eq!(given("192.0.2.1/30", None).as_deref(), Some("192.0.2.3"));
    assert_eq!(
        given("192.0.2.1/24", Some("192.0.2.0")).as_deref(),
        Some("192.0.2.0")
    );
    assert_eq!(
        given("192.0.2.1/24", Some("0.0.0.0")).as_deref(),
        Some("192.0.2.255")
    );
    assert_eq!(
        given("192.0.2.1/0", None).as_deref(),
        Some("255.255.255.255")
    );
    for none in [
        "192.0.2.1/31",
        "192.0.2.1/32",
        "192.0.2.1/200",
        "2001:db8::1/64",
    ] {
        assert_eq!(given(none, None), None);
    }
}

#[test]
fn an_address_on_an_interface_is_preferred_to_its_copy_on_loopback() {
    let host = host();
    let source = LinkSource::Address(ip("192.0.2.100"));
    assert!(found(source, unicast("192.0.2.21"), &host).starts_with("eth0 192.0.2.100 "));
}

#[test]
fn only_the_carrier_may_change_under_a_socket() {
    let host = host();
    let place = find(&link(on("eth0"), LinkTarget::Broadcast), &host, None).unwrap();
    let without = Place {
        carrier: false,
        ..place.clone()
    };
    assert!(place.is_same(&without));
    let recreated = Place {
        index: 9,
        ..place.clone()
    };
    assert!(!place.is_same(&recreated));
}

#[test]
fn a_source_is_kept_while_it_will_do() {
    let mut host = host();
    let to = unicast("192.0.2.21");
    let source = |host: &View, source: LinkSource, now: &str| {
        let place = find(&link(source, to), host, Some(ip(now))).unwrap();
        place.source.to_string()
    };
    for by in [on("eth0"), prefix("192.0.2.0/24")] {
        assert_eq!(source(&host, by.clone(), "192.0.2.12"), "192.0.2.12");
        assert_eq!(source(&host, by.clone(), "198.51.100.1"), "192.0.2.11");
        // Not a virtual address, and not one that is being taken away.
        assert_eq!(source(&host, by, "192.0.2.100"), "192.0.2.11");
    }
    host.addresses[4].ready = false;
    assert_eq!(source(&host, on("eth0"), "192.0.2.12"), "192.0.2.11");
}
