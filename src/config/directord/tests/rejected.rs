//! Mistakes that the golden files of the command line do not have.

use super::*;

/// What is said after a part of the small pair was replaced.
fn patched(part: &str, other: &str) -> Vec<String> {
    assert!(SMALL.contains(part), "{part}");
    said(&SMALL.replace(part, other))
}

/// The only thing said.
fn only(part: &str, other: &str) -> String {
    let all = patched(part, other);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].clone()
}

#[test]
fn a_pair_has_exactly_two_nodes() {
    let nodes = "loadb1: { id: 1 }, loadb2: { id: 2 }";
    assert_eq!(
        only(nodes, "loadb1: { id: 1 }"),
        "3:1: error: 1 entries; there must be exactly 2"
    );
    let three = format!("{nodes}, loadb3: {{ id: 3 }}");
    assert_eq!(
        only(nodes, &three),
        "3:1: error: 3 entries; there must be exactly 2"
    );
}

#[test]
fn what_a_pair_needs_is_asked_for() {
    let all = said("services: a.cf\ncluster: web\n");
    let missing = |key: &str| format!("error: the key {key} is missing");
    assert_eq!(
        all,
        [missing("nodes"), missing("links"), missing("failover")]
    );
    assert_eq!(said("cluster: web\n").len(), 4);
    assert_eq!(
        said(""),
        ["error: nothing stands where keys with values belong"]
    );
    assert_eq!(
        said("services: a.cf\nfailover:\nnodes:\n"),
        Vec::<String>::new(),
        "empty keys are as good as none"
    );
}

#[test]
fn the_host_must_be_one_of_the_nodes() {
    let parsed = parse(SMALL.as_bytes(), "x.yaml", here("db1.example.com"));
    let rejected = parsed.check(None).unwrap_err();
    let text = rejected.to_string();
    assert!(
        text.contains("x.yaml:3:1: error: \"db1.example.com\", this host's name"),
        "{text}"
    );
    let two = SMALL.replace("loadb1", "lb.a").replace("loadb2", "lb.b");
    let parsed = parse(two.as_bytes(), "x.yaml", here("lb"));
    let text = parsed.check(None).unwrap_err().to_string();
    assert!(text.contains("fits both nodes"), "{text}");
}

#[test]
fn links_are_distinct() {
    let link = "  - { name: lan, interface: eth0, multicast: 239.255.77.1 }\n";
    let twice = format!("{link}{link}");
    assert_eq!(
        patched(link, &twice),
        [
            "6:13: error: two links are called \"lan\"",
            "6:5: error: the same way as the link \"lan\""
        ]
    );
    let nine: Vec<String> = (0..9)
        .map(|n| format!("  - {{ name: l{n}, interface: eth{n}, broadcast: true }}\n"))
        .collect();
    let nine = nine.concat();
    assert_eq!(
        only(link, &nine),
        "4:1: error: 9 items; there can be 1 to 8"
    );
    assert_eq!(
        only(link, "  []\n"),
        "4:1: error: 0 items; there can be 1 to 8"
    );
}

#[test]
fn forms_of_links() {
    let link = "{ name: lan, interface: eth0, multicast: 239.255.77.1 }";
    for (form, wanted) in [
        ("{ name: lan, interface: eth0, multicast: 'ff02::1' }", ""),
        (
            "{ name: lan, address: { loadb1: 192.0.2.1, loadb2: 192.0.2.2 }, broadcast: true }",
            "",
        ),
        (
            "{ name: lan, prefix: '2001:db8::/64', multicast: 'ff02::1' }",
            "",
        ),
        (
            "{ name: lan, interface: eth0, unicast: { loadb1: 'fe80::1', loadb2: 'fe80::2' } }",
            "",
        ),
        (
            "{ name: lan, prefix: '2001:db8::/64', multicast: 239.255.77.1 }",
            "one address family to the other",
        ),
        (
            "{ name: lan, unicast: { loadb1: 192.0.2.1, loadb2: 192.0.2.1 } }",
            "both nodes have the same address",
        ),
        (
            "{ name: lan, unicast: { loadb1: 192.0.2.1, loadb2: '2001:db8::1' } }",
            "not of one family",
        ),
        (
            "{ name: lan, unicast: { loadb1: 192.0.2.1, loadb2: 239.1.1.1 } }",
            "not an address of a host",
        ),
        (
            "{ name: lan, unicast: { loadb1: 192.0.2.1, loadb2: 192.0.2.2 }, prefix: 192.0.2.0/24 }",
            "already",
        ),
        (
            "{ name: lan, broadcast: false, interface: eth0 }",
            "names nobody",
        ),
        (
            "{ name: lan, broadcast: true }",
            "exactly one of interface, address and prefix",
        ),
        (
            "{ name: lan, prefix: 192.0.2.0, broadcast: true }",
            "length of the prefix is missing",
        ),
    ] {
        let all = patched(link, form);
        if wanted.is_empty() {
            assert!(all.is_empty(), "{form}: {all:?}");
        } else {
            assert!(all.len() == 1 && all[0].contains(wanted), "{form}: {all:?}");
        }
    }
}

#[test]
fn virtual_addresses_are_those_of_hosts() {
    let address = "address: 192.0.2.100/24, interface: eth0";
    for (other, wanted) in [
        ("address: 192.0.2.100, interface: eth0", ""),
        ("address: '2001:db8::100/64', interface: eth0", ""),
        ("address: 192.0.2.0/31, interface: eth0", ""),
        ("address: 192.0.2.100/24, interface: eth0, label: eth0", ""),
        (
            "address: 192.0.2.255/24, interface: eth0",
            "broadcast address of its subnet",
        ),
        (
            "address: 255.255.255.255/32, interface: eth0",
            "is the broadcast address",
        ),
        (
            "address: 0.0.0.0/0, interface: eth0",
            "is no address of a host",
        ),
        ("address: 127.0.0.1/8, interface: eth0", "loopback"),
        ("address: 239.1.1.1/32, interface: eth0", "multicast"),
        (
            "address: '2001:db8::100/64', interface: eth0, label: 'eth0:0'",
            "no label",
        ),
        (
            "address: 192.0.2.100/24, interface: eth0, label: 'eth01'",
            "does not begin",
        ),
        (
            "address: 192.0.2.100/24, interface: eth0, label: 'eth0:123456789012'",
            "1 to 15 bytes",
        ),
    ] {
        let all = patched(address, other);
        if wanted.is_empty() {
            assert!(all.is_empty(), "{other}: {all:?}");
        } else {
            assert!(
                all.len() == 1 && all[0].contains(wanted),
                "{other}: {all:?}"
            );
        }
    }
}

#[test]
fn times_follow_from_each_other_and_hold_their_bounds() {
    let with = |times: &str| SMALL.replace("failover:\n", &format!("failover:\n{times}"));
    let timing = |times: &str| pair(&with(times)).timing;
    let fast = timing("  advert_interval: 10ms\n");
    assert_eq!(
        fast,
        crate::model::pair::Timing::of_interval(std::time::Duration::from_millis(10))
    );
    let slow = timing("  dead_after: 4s\n");
    assert_eq!(slow.start_wait, std::time::Duration::from_secs(12));
    for (times, wanted) in [
        ("  advert_interval: 9ms\n", "not a time from 10ms to 10s"),
        ("  advert_interval: 11s\n", "not a time from 10ms to 10s"),
        ("  advert_interval: -1s\n", "not a time"),
        ("  dead_after: 599ms\n", "less than three times"),
        ("  address_lifetime: 3500ms\n", "whole seconds"),
        ("  address_lifetime: 61s\n", "not a time from 2s to 1m"),
        ("  address_lifetime: 2s\n", "late refresh"),
        ("  probe_window: 1s\n", "not less than dead_after"),
        ("  start_wait: 999ms\n", "less than dead_after"),
        ("  max_moves: 0\n", "1 to 32"),
        ("  max_moves: 99999999999999999999\n", "1 to 32"),
        ("  max_moves: '5'\n", "1 to 32"),
        ("  preempt_delay: 2h\n", "not a time"),
    ] {
        let all = said(&with(times));
        assert!(
            all.len() == 1 && all[0].contains(wanted),
            "{times}: {all:?}"
        );
    }
    // Nothing is concluded from what could not be read.
    let all = said(&with("  advert_interval: often\n  dead_after: 100ms\n"));
    assert_eq!(all.len(), 1, "{all:?}");
}

#[test]
fn one_bad_value_hides_no_other() {
    let text = SMALL
        .replace("id: 1", "id: one")
        .replace("eth0, multicast", "eth/0, multicast")
        .replace("192.0.2.100/24", "192.0.2.0/24");
    let all = said(&text);
    assert_eq!(all.len(), 3, "{all:?}");
}

#[test]
fn the_pair_is_held_against_the_services() {
    let check = |yaml: &str, cf: &str| {
        let parsed = parse(yaml.as_bytes(), "x.yaml", here("loadb1"));
        match parsed.check(Some(&services(cf))) {
            Ok(document) => document.warnings,
            Err(rejected) => rejected.0,
        }
    };
    let own = "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 gate\n\tchecktype=connect\n";
    let other = own.replace("192.0.2.100", "192.0.2.101");
    let mark = own
        .replace("192.0.2.100:80", "7")
        .replace(":80 gate", " gate")
        + "\tcheckport=80\n";
    assert!(check(SMALL, own).is_empty());
    let found = check(SMALL, &other);
    let messages: Vec<&str> = found.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "no instance moves 192.0.2.101, the address of service tcp:192.0.2.101:80",
            "no service uses 192.0.2.100"
        ]
    );
    assert!(
        found
            .iter()
            .all(|d| d.severity == Severity::Warning && d.line > 0)
    );
    assert!(check(SMALL, &mark).is_empty());
    let tracked = format!("{SMALL}      track: [ {{ service: 'tcp:192.0.2.100:80' }} ]\n");
    assert!(check(&tracked, own).is_empty());
    assert_eq!(
        check(&tracked, &mark)[0].message,
        "there is no service \"tcp:192.0.2.100:80\""
    );
}

#[test]
fn the_format_is_known_by_name_or_first_line() {
    let known = |path: &str, text: &str| is_directord_yaml(Path::new(path), text.as_bytes());
    assert!(known("a.yaml", "") && known("a.yml", "x=1"));
    assert!(known("a", "# c\n\nservices: b.cf\n") && known("a", "%YAML 1.2\n---\n"));
    assert!(!known("a.cf", "services: b.cf\n"));
    assert!(!known("a", "checktimeout=3\n") && !known("a", "services = 1") && !known("a", ""));
    assert!(!known("a", "# cluster: web\nvirtual=192.0.2.1:80\n"));
}
