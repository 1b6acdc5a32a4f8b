use super::*;
use crate::config::{Accepted, Names, ldirectord};
use crate::kernel::address::Assigned;

fn needs(text: &str) -> Needs {
    let parsed = ldirectord::parse(text.as_bytes(), "test.cf");
    let Accepted { config, .. } = parsed.resolve(&Names::default()).unwrap();
    Needs::of(&config)
}

fn service(virtual_address: &str, real: &str) -> Needs {
    let six = if virtual_address.starts_with('[') {
        "6"
    } else {
        ""
    };
    needs(&format!(
        "virtual{six}={virtual_address}\n    real{six}={real}\n    checktype=connect\n    \
         protocol=tcp\n"
    ))
}

fn assigned(address: &str, prefix: u8, link: u32) -> Assigned {
    Assigned {
        address: address.parse().unwrap(),
        prefix,
        link,
    }
}

fn link(index: u32, name: &str, redirects: bool) -> LinkFacts {
    LinkFacts {
        index,
        name: name.parse().unwrap(),
        redirects,
    }
}

/// A host with one leg in 192.0.2.0/24 and one in 198.51.100.0/24, all in order.
fn good() -> Facts {
    Facts {
        forwarding: [Some(true), Some(true)],
        links: vec![link(2, "eth0", false), link(3, "eth1", false)],
        addresses: vec![
            assigned("127.0.0.1", 8, 1),
            assigned("192.0.2.11", 24, 2),
            assigned("192.0.2.100", 32, 2),
            assigned("2001:db8::11", 64, 2),
            assigned("198.51.100.1", 24, 3),
        ],
        ..Facts::default()
    }
}

fn lines(needs: &Needs, facts: &Facts) -> Vec<String> {
    let findings = warnings(needs, facts);
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn masquerading_needs_forwarding_of_its_family() {
    let masq = service("192.0.2.100:80", "192.0.2.21:80 masq");
    let masq6 = service("[2001:db8::100]:80", "[2001:db8::21]:80 masq");
    let mut facts = good();
    assert!(lines(&masq, &facts).is_empty());
    facts.forwarding = [Some(false), Some(true)];
    assert_eq!(
        lines(&masq, &facts),
        [
            "net.ipv4.ip_forward is 0: answers of masq servers (tcp:192.0.2.100:80) do not pass \
          this host; to mend it: sysctl -w net.ipv4.ip_forward=1"
        ]
    );
    assert!(lines(&masq6, &facts).is_empty());
    facts.forwarding = [Some(true), Some(false)];
    assert!(lines(&masq, &facts).is_empty());
    assert_eq!(
        warnings(&masq6, &facts)[0].mend.as_deref(),
        Some("sysctl -w net.ipv6.conf.all.forwarding=1")
    );
    facts.forwarding = [None, None];
    assert!(lines(&masq, &facts).is_empty());
}

#[test]
fn what_is_not_forwarded_needs_no_forwarding() {
    let mut facts = good();
    facts.forwarding = [Some(false), Some(false)];
    for real in [
        "192.0.2.21:80 gate",
        "192.0.2.21:80 ipip",
        "127.0.0.1:80 masq",
        "192.0.2.11:80 masq",
    ] {
        let needs = service("192.0.2.100:80", real);
        assert_eq!(lines(&needs, &facts), [""; 0], "{real}");
    }
    let off = "virtual=192.0.2.100:80\n    real=192.0.2.21:80 masq\n    checktype=off\n";
    assert!(lines(&needs(off), &facts).is_empty());
    let fallback = "virtual=192.0.2.100:80\n    real=192.0.2.21:80 gate\n    \
                    fallback=192.0.2.22:80 masq\n    checktype=connect\n";
    assert_eq!(lines(&needs(fallback), &facts).len(), 1);
}

#[test]
fn redirects_matter_where_clients_and_masqueraded_servers_share_an_interface() {
    let mut facts = good();
    facts.links[0].redirects = true;
    let stick = service("192.0.2.100:80", "192.0.2.21:80 masq");
    assert_eq!(
        lines(&stick, &facts),
        [
            "send_redirects is on for eth0, which both clients and masq servers are on: servers are \
          told to answer past this host; to mend it: sysctl -w net.ipv4.conf.all.send_redirects=0 \
          net.ipv4.conf.eth0.send_redirects=0"
        ]
    );
    let two_legs = service("192.0.2.100:80", "198.51.100.21:80 masq");
    assert!(lines(&two_legs, &facts).is_empty());
    let direct = service("192.0.2.100:80", "192.0.2.21:80 gate");
    assert!(lines(&direct, &facts).is_empty());
    facts.links[0].redirects = false;
    facts.links[1].redirects = true;
    assert!(lines(&stick, &facts).is_empty());
}

#[test]
fn virtual_addresses_that_are_not_local_are_named_in_one_line() {
    let needs = service("192.0.2.100:80", "192.0.2.21:80 gate");
    let mut facts = good();
    facts.not_local = ["192.0.2.101".parse().unwrap()].into();
    assert_eq!(
        lines(&needs, &facts),
        [
            "packets for 192.0.2.101 do not reach IPVS: it is no local address; to mend it: \
          ip address add 192.0.2.101/32 dev eth0"
        ]
    );
    facts.not_local = (1..=9).map(|last| [203, 0, 113, last].into()).collect();
    assert_eq!(
        lines(&needs, &facts),
        [
            "packets for 203.0.113.1, 203.0.113.2, 203.0.113.3 and 6 more do not reach IPVS: they \
          are no local addresses; to mend it: ip address add 203.0.113.1/32 dev INTERFACE"
        ]
    );
    facts.not_local = ["2001:db8::100".parse().unwrap()].into();
    let mend = warnings(&needs, &facts)[0].mend.clone();
    assert_eq!(
        mend.as_deref(),
        Some("ip address add 2001:db8::100/128 dev eth0")
    );
}

#[test]
fn other_daemons_are_named_with_their_process() {
    let rivals = vec![
        Rival {
            program: "keepalived",
            pid: 7,
        },
        Rival {
            program: "ldirectord",
            pid: 9,
        },
    ];
    let facts = Facts { rivals, ..good() };
    let lines = lines(&Needs::default(), &facts);
    assert!(lines[0].starts_with("keepalived is running (process 7): if it has virtual servers"));
    assert_eq!(
        lines[1],
        "ldirectord is running (process 9): both would change the same table; to mend it: \
         systemctl disable --now ldirectord"
    );
}

#[test]
fn only_services_with_an_address_have_one_that_must_be_local() {
    let mark =
        needs("virtual=7\n    real=192.0.2.21:80 masq\n    checktype=connect\n    checkport=80\n");
    assert!(mark.virtuals.is_empty());
    assert_eq!(mark.masqueraded.len(), 1);
    let address = service("192.0.2.100:80", "192.0.2.21:80 gate");
    assert_eq!(address.virtuals.len(), 1);
    assert!(address.masqueraded.is_empty());
}
