//! Announcements, probes and claims between two hosts.

use std::net::IpAddr;
use std::time::Duration;

use directord::kernel::host::InterfaceName;
use directord::kernel::neighbour::{Claim, Listener, Port, Probe, Said, arp, nd};

use crate::lab::{in_namespace, undisturbed};
use crate::segment::{Capture, Neighbour, block_on, ip, mac};

const VIP: &str = "192.0.2.100";
const VIP6: &str = "2001:db8::100";

fn eth0() -> InterfaceName {
    "eth0".parse().unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Asks who has an address; its listener has the life of a runtime.
fn ask(vip: &str) -> Option<Said> {
    block_on(async {
        let probe = Probe::open(&eth0(), [address(vip)]).unwrap().unwrap();
        probe.ask().unwrap();
        let wait = Duration::from_millis(300);
        let answer = tokio::time::timeout(wait, probe.answer()).await;
        answer.ok().map(Result::unwrap)
    })
}

#[test]
fn neighbours_learn_a_new_owner_from_either_form() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        neighbour.there(|| {
            for vip in [VIP, VIP6] {
                ip(&format!(
                    "neighbour replace {vip} lladdr 02:00:00:00:00:99 dev eth0 nud stale"
                ));
            }
        });
        let capture = neighbour.capture();
        let port = Port::open(&eth0()).unwrap().unwrap();
        assert_eq!(port.mac().to_string(), mac("eth0"));
        port.announce(address(VIP), false).unwrap();
        port.announce(address(VIP6), true).unwrap();
        let frames = capture.hear(Duration::from_millis(300));
        let heard = |frame: &[u8]| frames.iter().any(|(_, other)| other == frame);
        let (IpAddr::V4(v4), IpAddr::V6(v6)) = (address(VIP), address(VIP6)) else {
            unreachable!("one of each family")
        };
        assert!(heard(&arp::announcement_request(port.mac(), v4)));
        assert!(heard(&arp::announcement_reply(port.mac(), v4)));
        assert!(heard(&nd::announcement(port.mac(), v6, true)));
        neighbour.there(|| {
            for vip in [VIP, VIP6] {
                let entry = ip(&format!("neighbour show {vip} dev eth0"));
                assert!(entry.contains(&port.mac().to_string()), "{entry}");
            }
        });
    });
}

#[test]
fn an_owner_answers_a_probe() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        for (vip, prefix) in [(VIP, 32), (VIP6, 128)] {
            assert_eq!(ask(vip), None, "nobody has it yet");
            neighbour.there(|| {
                ip(&format!("address add {vip}/{prefix} dev eth0"));
                std::thread::sleep(Duration::from_secs(if prefix == 128 { 3 } else { 0 }));
            });
            let said = ask(vip).unwrap();
            assert_eq!(said.address, address(vip));
            assert_eq!(said.claim, Claim::Owner);
            assert_eq!(said.mac.to_string(), neighbour.mac("eth0"));
        }
    });
}

#[test]
fn a_copy_on_lo_answers_a_probe_only_with_loud_arp() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        let setting = |value: u8| {
            neighbour.there(|| {
                crate::lab::run(
                    "sysctl",
                    &["-qw", &format!("net.ipv4.conf.all.arp_ignore={value}")],
                );
            });
        };
        neighbour.there(|| ip(&format!("address add {VIP}/32 dev lo")));
        setting(0);
        assert!(ask(VIP).is_some());
        for quiet in [1, 2, 8] {
            setting(quiet);
            assert_eq!(ask(VIP), None, "arp_ignore={quiet}");
        }
        // On the interface itself it answers, but with 8.
        neighbour.there(|| {
            ip(&format!("address delete {VIP}/32 dev lo"));
            ip(&format!("address add {VIP}/24 dev eth0"))
        });
        for (value, answers) in [(1, true), (3, true), (8, false)] {
            setting(value);
            assert_eq!(ask(VIP).is_some(), answers, "arp_ignore={value}");
        }
    });
}

#[test]
fn claims_and_questions_of_others_are_heard_and_own_ones_not() {
    undisturbed(|| {
        let neighbour = Neighbour::connect();
        block_on(async {
            let both = [address(VIP), address(VIP6)];
            let listener = Listener::open(&eth0(), both).unwrap().unwrap();
            let port = Port::open(&eth0()).unwrap().unwrap();
            for vip in both {
                port.announce(vip, false).unwrap();
            }
            let there = neighbour.there(|| {
                let port = Port::open(&eth0()).unwrap().unwrap();
                // Our own words, as a switch with a loop sends them back; and what concerns
                // nobody.
                port.announce(address("192.0.2.77"), false).unwrap();
                port.ask(both[0]).unwrap();
                port.announce(both[0], false).unwrap();
                port.ask(both[1]).unwrap();
                port.announce(both[1], false).unwrap();
                port.mac()
            });
            let mut heard = Vec::new();
            let wait = Duration::from_millis(300);
            while let Ok(said) = tokio::time::timeout(wait, listener.heard()).await {
                heard.push(said.unwrap());
            }
            let said = |address, claim| Said {
                address,
                mac: there,
                claim,
            };
            let count = |wanted: Said| heard.iter().filter(|said| **said == wanted).count();
            assert_eq!(heard.len(), 5, "{heard:?}");
            assert_eq!(count(said(both[0], Claim::Probe)), 1);
            assert_eq!(count(said(both[0], Claim::Owner)), 2);
            assert_eq!(count(said(both[1], Claim::Probe)), 1);
            assert_eq!(count(said(both[1], Claim::Owner)), 1);
        });
    });
}

#[test]
fn interfaces_on_interfaces_work_as_well() {
    // Needs modules that go with the lab's kernel.
    in_namespace(|| {
        let neighbour = Neighbour::connect();
        ip("link add link eth0 name eth0.7 type vlan id 7");
        ip("link set eth0.7 up");
        neighbour.there(|| {
            ip("link add link eth0 name eth0.7 type vlan id 7");
            ip("link set eth0.7 up");
            ip(&format!("address add {VIP}/24 dev eth0.7"));
        });
        let tagged = neighbour.there(|| Capture::start("eth0.7"));
        let vlan: InterfaceName = "eth0.7".parse().unwrap();
        let port = Port::open(&vlan).unwrap().unwrap();
        let other = "192.0.2.101".parse().unwrap();
        port.announce(IpAddr::V4(other), false).unwrap();
        let frames = tagged.hear(Duration::from_millis(200));
        let wanted = arp::announcement_reply(port.mac(), other);
        assert!(frames.iter().any(|(_, frame)| *frame == wanted));
        block_on(async {
            let probe = Probe::open(&vlan, [address(VIP)]).unwrap().unwrap();
            probe.ask().unwrap();
            let wait = Duration::from_secs(2);
            let said = tokio::time::timeout(wait, probe.answer()).await.unwrap();
            assert_eq!(said.unwrap().mac.to_string(), neighbour.mac("eth0.7"));
        });
        // Nobody asks on these.
        for kind in ["dummy", "ipip local 192.0.2.11 remote 192.0.2.12"] {
            ip(&format!("link add silent0 type {kind}"));
            assert!(Port::open(&"silent0".parse().unwrap()).unwrap().is_none());
            ip("link delete silent0");
        }
    });
}
