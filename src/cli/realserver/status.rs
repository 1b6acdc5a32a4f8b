//! What is wrong with a real server, and how it is told.

use std::net::IpAddr;

use serde_json::json;

use super::arp::Arp;
use super::facts::Facts;
use crate::director::preflight::Finding;
use crate::kernel::address::{Assigned, Link};
use crate::kernel::host::InterfaceName;

/// `lo` must be up for its addresses to work.
pub(super) fn loopback_down() -> Finding {
    let mend = "ip link set lo up".to_owned();
    Finding::new("lo is down: its addresses do not work", mend)
}

/// Where an address must not be on a real server.
pub(super) fn misplaced(address: IpAddr, facts: &Facts) -> Vec<Finding> {
    let finding = |(assigned, link): (&Assigned, &Link)| {
        let name = &link.name;
        let mend = format!("ip address delete {assigned} dev {name}");
        if link.asked {
            let asked = if address.is_ipv4() {
                "ARP"
            } else {
                "neighbour discovery"
            };
            let text = format!(
                "{assigned} is on {name}, where this host answers {asked} for it as a director \
                 does"
            );
            return Some(Finding::new(text, mend));
        }
        // IPv4 takes the whole subnet of an address on lo for its own.
        let wide = address.is_ipv4() && !assigned.is_host();
        let text = format!("{assigned} on {name} makes its whole subnet local to this host");
        wide.then(|| Finding::new(text, mend))
    };
    facts.places(address).filter_map(finding).collect()
}

/// The state of a real server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    /// Each virtual address and where it is.
    addresses: Vec<(IpAddr, Vec<String>)>,
    /// The interfaces with the ARP settings in force there.
    interfaces: Vec<(InterfaceName, Arp)>,
    /// What is wrong.
    problems: Vec<Finding>,
}

impl Report {
    /// Judges this host as a real server for `addresses`; without any, for those that are
    /// on `lo`. `interfaces` limits whose ARP settings are looked at.
    pub(super) fn new(addresses: &[IpAddr], interfaces: &[InterfaceName], facts: &Facts) -> Self {
        let found = facts.virtual_addresses();
        let addresses = if addresses.is_empty() {
            &found
        } else {
            addresses
        };
        let mut problems = Vec::new();
        if addresses.is_empty() {
            let mend = "directord realserver setup VIP".to_owned();
            problems.push(Finding::new(
                "there is no virtual address on lo",
                Some(mend),
            ));
        }
        if facts.loopback().is_none_or(|link| !link.up) {
            problems.push(loopback_down());
        }
        for &address in addresses {
            if facts.places(address).next().is_none() {
                let mend = format!("directord realserver setup {address}");
                problems.push(Finding::new(format!("{address} is not on lo"), mend));
            }
            problems.extend(misplaced(address, facts));
        }
        let ipv4: Vec<_> = addresses.iter().filter(|a| a.is_ipv4()).collect();
        let heard: Vec<_> = facts.in_force(interfaces).collect();
        for (name, arp) in heard
            .iter()
            .filter(|(_, arp)| !ipv4.is_empty() && !arp.is_quiet())
        {
            problems.push(loud(name, *arp, &ipv4));
        }
        for name in interfaces
            .iter()
            .filter(|name| !heard.iter().any(|(n, _)| n == name))
        {
            let text = format!("{name} is no interface on which ARP is spoken");
            problems.push(Finding::new(text, "ip -br link".to_owned()));
        }
        let places = |address| {
            let places = facts.places(address);
            places.map(|(assigned, link)| format!("{}/{}", link.name, assigned.prefix))
        };
        Self {
            addresses: addresses
                .iter()
                .map(|a| (*a, places(*a).collect()))
                .collect(),
            interfaces: heard
                .into_iter()
                .map(|(name, arp)| (name.clone(), arp))
                .collect(),
            problems,
        }
    }

    /// Whether nothing is wrong.
    pub(super) fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// One line for each problem.
    pub(super) fn problems(&self) -> impl Iterator<Item = String> {
        self.problems.iter().map(ToString::to_string)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        for (address, places) in &self.addresses {
            let places = if places.is_empty() {
                "nowhere".to_owned()
            } else {
                places.join(", ")
            };
            out += &format!("{address:<24} on {places}\n", address = address.to_string());
        }
        for (name, arp) in &self.interfaces {
            let verdict = if arp.is_quiet() { "quiet" } else { "not quiet" };
            let Arp { ignore, announce } = arp;
            out += &format!("{name:<24} arp_ignore {ignore}, arp_announce {announce}: {verdict}\n");
        }
        for problem in &self.problems {
            out += &format!("wrong: {}\n", problem.text);
            if let Some(mend) = &problem.mend {
                out += &format!("       {mend}\n");
            }
        }
        out
    }

    /// For programs.
    pub(super) fn json(&self) -> serde_json::Value {
        let addresses = self
            .addresses
            .iter()
            .map(|(address, places)| json!({ "address": address, "places": places }));
        let interfaces = self.interfaces.iter().map(|(name, arp)| {
            json!({
                "name": name.as_str(),
                "arp_ignore": arp.ignore,
                "arp_announce": arp.announce,
                "quiet": arp.is_quiet(),
            })
        });
        let problems = self
            .problems
            .iter()
            .map(|problem| json!({ "problem": problem.text, "mend": problem.mend }));
        json!({
            "good": self.is_good(),
            "addresses": addresses.collect::<Vec<_>>(),
            "interfaces": interfaces.collect::<Vec<_>>(),
            "problems": problems.collect::<Vec<_>>(),
        })
    }
}

fn loud(name: &InterfaceName, arp: Arp, addresses: &[&IpAddr]) -> Finding {
    let Arp { ignore, announce } = arp;
    let words: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let text = format!(
        "{name} is not quiet in ARP about addresses of lo (arp_ignore {ignore}, arp_announce \
         {announce}): clients may reach this server past the director"
    );
    let mend = format!(
        "directord realserver setup {} --interface {name}",
        words.join(" ")
    );
    Finding::new(text, mend)
}
