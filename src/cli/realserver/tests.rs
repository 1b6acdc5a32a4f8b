use std::net::IpAddr;
use std::path::Path;

use super::arp::{Arp, Setting};
use super::facts::Facts;
use super::record::{Change, Record};
use super::setup::{self, Step};
use super::status::Report;
use super::{has_net_admin, print, virtual_address};
use crate::kernel::address::{Assigned, Link};
use crate::kernel::host::InterfaceName;
use crate::kernel::sysctl::Scope;

const VIP: &str = "192.0.2.100";
const VIP6: &str = "2001:db8::100";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn name(text: &str) -> InterfaceName {
    text.parse().unwrap()
}

fn on(address: &str, prefix: u8, link: u32) -> Assigned {
    Assigned {
        address: ip(address),
        prefix,
        link,
    }
}

fn arp(ignore: i64, announce: i64) -> Arp {
    Arp { ignore, announce }
}

/// A host as it is installed: lo, eth0 with an address, and a bare eth1.
fn host() -> Facts {
    let link = |index, text: &str, asked| Link {
        index,
        name: name(text),
        up: true,
        asked,
        carrier: true,
        mac: None,
    };
    Facts {
        links: vec![
            link(1, "lo", false),
            link(2, "eth0", true),
            link(3, "eth1", true),
            link(4, "dummy0", false),
        ],
        addresses: vec![
            on("127.0.0.1", 8, 1),
            on("::1", 128, 1),
            on("192.0.2.21", 24, 2),
        ],
        all: arp(0, 0),
        arp: vec![(name("eth0"), arp(0, 0)), (name("eth1"), arp(0, 0))],
    }
}

/// The same after `setup`.
fn real_server() -> Facts {
    let mut facts = host();
    facts.addresses.push(on(VIP, 32, 1));
    facts.all = arp(1, 2);
    facts
}

fn change(scope: Scope, setting: Setting, before: i64) -> Change {
    Change {
        scope,
        setting,
        before,
        after: setting.wanted(),
    }
}

fn of(interface: &str) -> Scope {
    Scope::Interface(name(interface))
}

#[test]
fn arp_is_made_quiet_before_the_address_is_there() {
    let steps = setup::setup(&[ip(VIP), ip(VIP6)], &[name("eth0")], &host()).unwrap();
    let set = |scope, setting| Step::Set(change(scope, setting, 0));
    assert_eq!(
        steps,
        [
            set(Scope::All, Setting::Ignore),
            set(Scope::All, Setting::Announce),
            set(of("eth0"), Setting::Ignore),
            set(of("eth0"), Setting::Announce),
            Step::Add(on(VIP, 32, 1)),
            Step::Add(on(VIP6, 128, 1)),
        ]
    );
}

#[test]
fn a_second_setup_has_nothing_to_do() {
    let steps = setup::setup(&[ip(VIP)], &[], &real_server()).unwrap();
    assert_eq!(
        steps,
        [
            Step::Kept(Scope::All, Setting::Ignore, 1),
            Step::Kept(Scope::All, Setting::Announce, 2),
            Step::Present(on(VIP, 32, 1), name("lo")),
        ]
    );
}

#[test]
fn ipv6_needs_no_arp_settings() {
    let steps = setup::setup(&[ip(VIP6)], &[], &host()).unwrap();
    assert_eq!(steps, [Step::Add(on(VIP6, 128, 1))]);
}

#[test]
fn an_interface_that_all_cannot_quieten_is_set_by_itself() {
    let mut facts = host();
    // The larger value counts, and 3 answers for global addresses of lo.
    facts.arp[1].1 = arp(3, 1);
    let steps = setup::setup(&[ip(VIP)], &[], &facts).unwrap();
    assert!(steps.contains(&Step::Set(change(of("eth1"), Setting::Ignore, 3))));
    assert_eq!(steps.len(), 4, "{steps:?}");
}

#[test]
fn stricter_values_stay() {
    let mut facts = host();
    facts.all = arp(8, 2);
    let steps = setup::setup(&[ip(VIP)], &[name("eth0")], &facts).unwrap();
    assert_eq!(steps[0], Step::Kept(Scope::All, Setting::Ignore, 8));
}

#[test]
fn nothing_is_done_when_something_stands_against_it() {
    let refused = |facts: &Facts, interface: &str| -> Vec<String> {
        let interfaces = [name(interface)];
        let problems = setup::setup(&[ip(VIP)], &interfaces, facts).unwrap_err();
        problems.iter().map(ToString::to_string).collect()
    };
    let mut facts = host();
    assert_eq!(
        refused(&facts, "eth7"),
        ["there is no interface eth7; to mend it: ip -br link"]
    );
    assert!(refused(&facts, "lo")[0].starts_with("lo asks and answers no ARP"));
    facts.addresses.push(on(VIP, 24, 2));
    assert_eq!(
        refused(&facts, "eth0"),
        [
            "192.0.2.100/24 is on eth0, where this host answers ARP for it as a director does; \
          to mend it: ip address delete 192.0.2.100/24 dev eth0"
        ]
    );
    facts.addresses.pop();
    facts.addresses.push(on(VIP, 24, 1));
    assert!(refused(&facts, "eth0")[0].contains("makes its whole subnet local"));
    facts.addresses.pop();
    facts.links[0].up = false;
    assert!(refused(&facts, "eth0")[0].ends_with("ip link set lo up"));
}

#[test]
fn an_address_on_an_interface_that_nobody_can_ask_is_as_good() {
    let mut facts = real_server();
    facts.addresses.pop();
    facts.addresses.push(on(VIP, 32, 4));
    let steps = setup::setup(&[ip(VIP)], &[], &facts).unwrap();
    assert_eq!(steps[2], Step::Present(on(VIP, 32, 4), name("dummy0")));
    assert!(Report::new(&[ip(VIP)], &[], &facts).is_good());
}

#[test]
fn the_values_in_force_decide_who_is_quiet() {
    let quiet = |all: Arp, own: Arp| own.in_force(all).is_quiet();
    assert!(quiet(arp(1, 2), arp(0, 0)));
    assert!(quiet(arp(0, 0), arp(1, 2)));
    assert!(quiet(arp(1, 0), arp(0, 2)));
    assert!(quiet(arp(2, 2), arp(1, 2)));
    assert!(quiet(arp(8, 2), arp(1, 0)));
    assert!(!quiet(arp(0, 2), arp(0, 2)));
    assert!(!quiet(arp(1, 1), arp(1, 0)));
    assert!(!quiet(arp(1, 2), arp(3, 2)));
    assert!(!quiet(arp(1, 2), arp(1, 3)));
    assert!(!quiet(arp(5, 2), arp(8 - 3, 2)));
}

#[test]
fn status_of_a_good_real_server() {
    let report = Report::new(&[], &[], &real_server());
    assert!(report.is_good());
    assert_eq!(
        report.text(),
        "192.0.2.100              on lo/32\n\
         eth0                     arp_ignore 1, arp_announce 2: quiet\n"
    );
    let value = report.json();
    assert_eq!(value["good"], true);
    assert_eq!(value["addresses"][0]["places"][0], "lo/32");
    assert_eq!(value["interfaces"][0]["quiet"], true);
}

#[test]
fn status_names_what_is_wrong_and_what_mends_it() {
    let mut facts = real_server();
    facts.all = arp(0, 2);
    let report = Report::new(&[ip(VIP), ip(VIP6)], &[], &facts);
    assert!(!report.is_good());
    assert_eq!(
        report.text(),
        "192.0.2.100              on lo/32\n\
         2001:db8::100            on nowhere\n\
         eth0                     arp_ignore 0, arp_announce 2: not quiet\n\
         wrong: 2001:db8::100 is not on lo\n       \
         directord realserver setup 2001:db8::100\n\
         wrong: eth0 is not quiet in ARP about addresses of lo (arp_ignore 0, arp_announce 2): \
         clients may reach this server past the director\n       \
         directord realserver setup 192.0.2.100 --interface eth0\n"
    );
    assert_eq!(
        report.json()["problems"][1]["mend"],
        "directord realserver setup 192.0.2.100 --interface eth0"
    );
}

#[test]
fn status_without_addresses_is_not_good() {
    let report = Report::new(&[], &[], &host());
    assert!(!report.is_good());
    assert!(report.text().contains("directord realserver setup VIP"));
}

#[test]
fn arp_is_of_no_concern_to_ipv6() {
    let mut facts = host();
    facts.addresses.push(on(VIP6, 128, 1));
    assert!(Report::new(&[], &[], &facts).is_good());
    facts.addresses.push(on(VIP6, 64, 2));
    let report = Report::new(&[], &[], &facts);
    assert!(report.text().contains("answers neighbour discovery for it"));
}

#[test]
fn undo_restores_what_the_record_says_when_the_last_address_goes() {
    let mut record = Record::default();
    for setting in Setting::BOTH {
        record.enter(change(Scope::All, setting, 0));
    }
    let mut facts = real_server();
    let steps = setup::undo(&[ip(VIP)], &facts, Some(&record));
    let back = |setting: Setting| {
        Step::Set(Change {
            scope: Scope::All,
            setting,
            before: setting.wanted(),
            after: 0,
        })
    };
    assert_eq!(
        steps,
        [
            Step::Remove(on(VIP, 32, 1)),
            back(Setting::Announce),
            back(Setting::Ignore)
        ]
    );

    facts.all.announce = 1;
    let steps = setup::undo(&[ip(VIP)], &facts, Some(&record));
    let Step::Note(text) = &steps[1] else {
        panic!("{steps:?}")
    };
    assert_eq!(
        text,
        "net.ipv4.conf.all.arp_announce stays 1: setup made it 2, others changed it"
    );

    facts.addresses.push(on("192.0.2.101", 32, 1));
    let steps = setup::undo(&[ip(VIP)], &facts, Some(&record));
    let kept = "the ARP settings stay: 192.0.2.101 is still on lo".to_owned();
    assert_eq!(steps, [Step::Remove(on(VIP, 32, 1)), Step::Note(kept)]);
}

#[test]
fn undo_without_a_record_says_what_stays() {
    let steps = setup::undo(&[ip(VIP), ip("192.0.2.7")], &real_server(), None);
    let note = "there is no record of what the ARP settings were: net.ipv4.conf.all.arp_ignore \
                stays 1, net.ipv4.conf.all.arp_announce stays 2";
    assert_eq!(
        steps,
        [
            Step::Remove(on(VIP, 32, 1)),
            Step::Absent(ip("192.0.2.7")),
            Step::Note(note.to_owned()),
        ]
    );
    let steps = setup::undo(&[ip(VIP6)], &host(), None);
    assert_eq!(steps, [Step::Absent(ip(VIP6))]);
}

#[test]
fn a_record_keeps_the_first_value_and_survives_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("new/record.json");
    assert_eq!(Record::read(&path).unwrap(), None);
    let mut record = Record::default();
    record.enter(change(Scope::All, Setting::Ignore, 0));
    record.enter(change(of("eth0.100"), Setting::Announce, 1));
    record.enter(change(Scope::All, Setting::Ignore, 3));
    assert_eq!(record.changes.len(), 2);
    assert_eq!(record.changes[0].before, 0);
    record.write(&path).unwrap();
    record.write(&path).unwrap();
    assert_eq!(Record::read(&path).unwrap(), Some(record));
    assert_eq!(mode(&path), 0o600);
    let files = std::fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(files.count(), 1, "nothing is left beside it");
    Record::remove(&path).unwrap();
    Record::remove(&path).unwrap();
    assert_eq!(Record::read(&path).unwrap(), None);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_record_that_others_could_have_made_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (
        directory.path().join("record"),
        directory.path().join("link"),
    );
    Record::default().write(&path).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let refused = |path: &Path| Record::read(path).unwrap_err().to_string();
    assert_eq!(refused(&link), "it is a symbolic link");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(refused(&path).contains("only this user"));
    for text in [
        "",
        "{}",
        r#"{"version":2,"changes":[]}"#,
        r#"{"version":1,"changes":[{"interface":"../../x","setting":"arp_ignore","before":0,"after":1}]}"#,
        r#"{"version":1,"changes":[{"interface":"eth0","setting":"rp_filter","before":0,"after":1}]}"#,
    ] {
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            refused(&path),
            "it is not a record of ARP settings",
            "{text}"
        );
    }
}

#[test]
fn as_commands() {
    assert_eq!(
        print::commands(&[ip(VIP), ip(VIP6)], &[name("eth0.100")]),
        "sysctl -w net.ipv4.conf.all.arp_ignore=1\n\
         sysctl -w net.ipv4.conf.all.arp_announce=2\n\
         sysctl -w net.ipv4.conf.eth0/100.arp_ignore=1\n\
         sysctl -w net.ipv4.conf.eth0/100.arp_announce=2\n\
         ip address replace 192.0.2.100/32 dev lo\n\
         ip address replace 2001:db8::100/128 dev lo nodad\n"
    );
    assert_eq!(
        print::commands(&[ip(VIP6)], &[]),
        "ip address replace 2001:db8::100/128 dev lo nodad\n"
    );
}

#[test]
fn as_stanzas() {
    assert_eq!(
        print::ifupdown(&[ip(VIP), ip("192.0.2.101"), ip(VIP6)], &[]),
        "\
# /etc/network/interfaces.d/realserver
auto lo:0
iface lo:0 inet static
    address 192.0.2.100
    netmask 255.255.255.255
    pre-up sysctl -q -w net.ipv4.conf.all.arp_ignore=1
    pre-up sysctl -q -w net.ipv4.conf.all.arp_announce=2
auto lo:1
iface lo:1 inet static
    address 192.0.2.101
    netmask 255.255.255.255
auto lo
iface lo inet6 loopback
    up ip address replace 2001:db8::100/128 dev lo nodad
    down ip address delete 2001:db8::100/128 dev lo
"
    );
}

#[test]
fn as_files_of_systemd() {
    assert_eq!(
        print::networkd(&[ip(VIP), ip(VIP6)], &[name("eth0")]),
        "\
# /etc/sysctl.d/60-realserver.conf
net.ipv4.conf.all.arp_ignore=1
net.ipv4.conf.all.arp_announce=2
net.ipv4.conf.eth0.arp_ignore=1
net.ipv4.conf.eth0.arp_announce=2

# /etc/systemd/network/60-realserver.network
[Match]
Name=lo

[Address]
Address=192.0.2.100/32

[Address]
Address=2001:db8::100/128
DuplicateAddressDetection=none
"
    );
}

#[test]
fn what_can_be_a_virtual_address() {
    for text in [
        "192.0.2.100",
        "192.0.2.100/32",
        "2001:db8::100",
        "2001:db8::100/128",
    ] {
        assert!(virtual_address(text).is_ok(), "{text}");
    }
    for text in [
        "192.0.2.100/24",
        "2001:db8::100/32",
        "192.0.2.100/128",
        "127.0.0.1",
        "::1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.1.1",
        "fe80::1",
        "ff02::1",
        "::ffff:192.0.2.1",
        "www",
        "",
    ] {
        assert!(virtual_address(text).is_err(), "{text}");
    }
}

#[test]
fn the_capability_is_bit_12() {
    let status = |set: &str| format!("Name:\tx\nCapPrm:\t000001ffffffffff\nCapEff:\t{set}\n");
    assert!(has_net_admin(&status("000001ffffffffff")));
    assert!(has_net_admin(&status("0000000000001000")));
    assert!(!has_net_admin(&status("0000000000000fff")));
    assert!(!has_net_admin(&status("0000000000000000")));
    assert!(!has_net_admin("CapEff:\tnonsense"));
    assert!(!has_net_admin(""));
}
