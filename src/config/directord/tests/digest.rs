//! The digest is the same on both nodes and tells differences that matter.

use super::accepted::EXAMPLE;
use super::*;

const CF: &str = "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 gate\n\tchecktype=connect\n";

fn digest_of(yaml: &str, cf: &str, node: &str) -> [u8; 8] {
    let here = Here {
        host_name: "",
        node: Some(node),
    };
    let document = parse(yaml.as_bytes(), "x.yaml", here).check(None).unwrap();
    digest(&document.pair.unwrap(), &services(cf))
}

#[test]
fn both_nodes_have_the_same() {
    let one = digest_of(EXAMPLE, CF, "loadb1");
    assert_eq!(one, digest_of(EXAMPLE, CF, "loadb2"));
    // Pinned: a change here means that an upgrade of one node reads as a difference.
    assert_eq!(one, [160, 233, 125, 221, 208, 149, 175, 135]);
}

#[test]
fn what_may_differ_between_the_nodes_is_not_in_it() {
    let one = digest_of(EXAMPLE, CF, "loadb1");
    for (part, other) in [
        ("interface: eth0", "interface: ens1"),
        ("interface: hb0", "interface: ens2"),
        ("/etc/directord/key", "/root/key"),
        ("/usr/local/bin/notify", "/bin/true"),
        ("/usr/local/bin/probe", "/bin/probe"),
        ("node: loadb1", "#"),
        ("group: adm", "group: wheel"),
        ("services: ldirectord.cf", "services: /etc/ha.d/x.cf"),
    ] {
        assert!(EXAMPLE.contains(part), "{part}");
        let text = EXAMPLE.replace(part, other);
        assert_eq!(one, digest_of(&text, CF, "loadb1"), "{other}");
    }
    let local = format!("logfile=\"local0\"\nautoreload=yes\nmaintenancedir=/tmp\n{CF}");
    assert_eq!(one, digest_of(EXAMPLE, &local, "loadb1"));
}

#[test]
fn every_shared_setting_changes_it() {
    let one = digest_of(EXAMPLE, CF, "loadb1");
    for (part, other) in [
        ("cluster: web", "cluster: mail"),
        ("priority: 150", "priority: 151"),
        ("id: 2", "id: 3"),
        ("239.255.77.1", "239.255.77.2"),
        ("7694", "7695"),
        ("name: private", "name: other"),
        ("advert_interval: 200ms", "advert_interval: 100ms"),
        ("dead_after: 1s", "dead_after: 2s"),
        ("address_lifetime: 3s", "address_lifetime: 4s"),
        ("preempt: false", "preempt: true"),
        ("preempt_delay: 30s", "preempt_delay: 31s"),
        ("    web:\n", "    www:\n"),
        ("prefer: loadb1", "prefer: loadb2"),
        ("192.0.2.100/24", "192.0.2.100/25"),
        ("id: 7", "id: 8"),
        ("standby: warm", "standby: cold"),
        ("192.0.2.1,", "192.0.2.2,"),
        ("interval: 2s", "interval: 3s"),
        ("weight: -50", "weight: -51"),
        ("min_available: 1", "min_available: 2"),
        ("server-status", "status"),
    ] {
        assert!(EXAMPLE.contains(part), "{part}");
        let text = EXAMPLE.replacen(part, other, 1);
        assert_ne!(one, digest_of(&text, CF, "loadb1"), "{other}");
    }
    for cf in [
        CF.replace("192.0.2.21", "192.0.2.22"),
        CF.replace("gate", "gate 2"),
        CF.replace("connect", "ping"),
        format!("quiescent=yes\n{CF}"),
    ] {
        assert_ne!(one, digest_of(EXAMPLE, &cf, "loadb1"), "{cf}");
    }
}
