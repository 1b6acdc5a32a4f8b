//! The table as commands that make it again (`-S`).
//!
//! Four things differ from the original, whose `-R` reads all of them: thresholds are
//! written, marks are unsigned, the third flag of `sh` and `mh`, which has no name of its own,
//! is `flag-3`, and IPv6 addresses stay numbers, since no program resolves their names back.

use std::net::IpAddr;

use super::names::Names;
use crate::cli::listing;
use crate::model::{
    Checksum, Destination, Family, Forwarding, ObservedTable, Protocol, Scheduler, Service,
    ServiceKey, Tunnel,
};

/// All commands, a line each, in the order of a listing.
pub(super) fn save(table: &ObservedTable, names: &Names<'_>) -> String {
    let mut text = String::new();
    let mut services: Vec<_> = table.iter().collect();
    listing::sort_services(&mut services);
    for (key, observed) in services {
        let name = service_name(key, names);
        text += &format!("-A {name}{}\n", attributes(&observed.service));
        let mut destinations: Vec<_> = observed.destinations.values().collect();
        listing::sort_destinations(&mut destinations);
        for observed in destinations {
            let Destination { key: server, .. } = observed.destination;
            let server = place(names, server.address, server.port, listing::protocol(key));
            let rest = server_attributes(&observed.destination);
            text += &format!("-a {name} -r {server}{rest}\n");
        }
    }
    text
}

fn place(names: &Names<'_>, address: IpAddr, port: u16, protocol: Option<Protocol>) -> String {
    if address.is_ipv6() {
        return listing::place(&names.without_hosts(), address, port, protocol);
    }
    listing::place(names, address, port, protocol)
}

fn service_name(key: &ServiceKey, names: &Names<'_>) -> String {
    match key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            let option = match protocol {
                Protocol::Tcp => "-t",
                Protocol::Udp => "-u",
                Protocol::Sctp => "--sctp-service",
            };
            format!(
                "{option} {}",
                place(names, *address, *port, Some(*protocol))
            )
        }
        ServiceKey::Mark { family, mark } => match family {
            Family::V4 => format!("-f {mark}"),
            Family::V6 => format!("-f {mark} -6"),
        },
    }
}

fn attributes(service: &Service) -> String {
    let scheduler = service.scheduler.as_ref();
    let mut text = format!(" -s {}", scheduler.map_or("none", Scheduler::name));
    if let Some(persistence) = &service.persistence {
        text += &format!(" -p {}", persistence.timeout);
        if !persistence.netmask.is_full() {
            text += &format!(" -M {}", persistence.netmask);
        }
    }
    if let Some(engine) = &service.engine {
        text += &format!(" --pe {engine}");
    }
    if service.one_packet {
        text += " -o";
    }
    let mut flags = service.flags.names(scheduler);
    let nameless = service.flags.0.count_ones() as usize > flags.len();
    flags.extend(nameless.then_some("flag-3"));
    if !flags.is_empty() {
        text += &format!(" -b {}", flags.join(","));
    }
    text
}

fn server_attributes(destination: &Destination) -> String {
    // There is no option for local delivery: the kernel delivers there by itself.
    let method = match destination.forwarding {
        Forwarding::Masquerade => "-m",
        Forwarding::Tunnel(_) => "-i",
        Forwarding::DirectRoute | Forwarding::Local | Forwarding::Bypass => "-g",
    };
    let mut text = format!(" {method} -w {}", destination.weight);
    if destination.upper_threshold != 0 {
        text += &format!(" -x {}", destination.upper_threshold);
    }
    if destination.lower_threshold != 0 {
        text += &format!(" -y {}", destination.lower_threshold);
    }
    let sum = |checksum| match checksum {
        Checksum::None => "nocsum",
        Checksum::Full => "csum",
        Checksum::Remote => "remcsum",
    };
    match destination.forwarding {
        Forwarding::Tunnel(Tunnel::Ipip) => text += " --tun-type ipip",
        Forwarding::Tunnel(Tunnel::Gue { port, checksum }) => {
            let sum = sum(checksum);
            text += &format!(" --tun-type gue --tun-port {port} --tun-{sum}");
        }
        Forwarding::Tunnel(Tunnel::Gre { checksum }) => {
            text += &format!(" --tun-type gre --tun-{}", sum(checksum));
        }
        _ => {}
    }
    text
}
