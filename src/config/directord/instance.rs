//! What moves between the nodes.

use std::net::IpAddr;

use super::collection::OneOrMore;
use super::file::{AddressEntry, FailoverEntry, HooksEntry, InstanceEntry, SyncEntry};
use super::pair::{Nodes, Places};
use super::read::{Marked, OptionalKey as _};
use super::track;
use super::value::AbsolutePath;
use crate::config::source::{Context, Span};
use crate::model::pair::{Hooks, Instance, Standby, Sync, Timing, VirtualAddress};

use super::file::StandbyWord;

/// The instances that are in order.
pub(super) fn lower(
    cx: &mut Context<'_>,
    failover: &FailoverEntry,
    nodes: Option<&Nodes>,
    timing: Option<Timing>,
    places: &mut Places,
) -> Vec<Instance> {
    let Some(entries) = failover.instances.given() else {
        return Vec::new();
    };
    places.instances = entries.span;
    let mut instances = Vec::new();
    for (name, entry) in entries.value.given() {
        let instance = instance(cx, (&name.value, &entry.value), nodes, timing, places);
        instances.push(instance);
    }
    instances
}

fn instance(
    cx: &mut Context<'_>,
    (name, entry): (&str, &InstanceEntry),
    nodes: Option<&Nodes>,
    timing: Option<Timing>,
    places: &mut Places,
) -> Instance {
    let prefer = match (entry.prefer.given(), nodes) {
        (Some(prefer), Some(nodes)) => nodes.find(cx, &prefer.value.0, prefer.span),
        _ => None,
    };
    let mut addresses = Vec::new();
    if let Some(entries) = entry.addresses.given() {
        for entry in entries.value.given() {
            let Some(address) = address(cx, entry) else {
                continue;
            };
            let span = entry.value.address.given().map_or(entry.span, |a| a.span);
            if let Some((_, first)) = places.addresses.iter().find(|(a, _)| *a == address.address) {
                let line = first.line;
                let message = format!("{} is here twice", address.address);
                cx.error(span, message).help(format!(
                    "it is already on line {line}; an address belongs to one instance"
                ));
                continue;
            }
            places.addresses.push((address.address, span));
            addresses.push(address);
        }
    }
    Instance {
        name: name.to_owned(),
        prefer: prefer.map(|node| node.id),
        addresses,
        sync: entry.sync.given().and_then(|sync| sync_of(cx, &sync.value)),
        standby: match entry.standby.value() {
            Some(StandbyWord::Cold) => Standby::Cold,
            Some(StandbyWord::Warm) | None => Standby::Warm,
        },
        strict: entry.strict.value().copied().unwrap_or(false),
        tracks: entry.track.given().map_or_else(Vec::new, |tracks| {
            track::lower(cx, &tracks.value, timing, places)
        }),
        hooks: entry
            .hooks
            .given()
            .map_or_else(Hooks::default, |hooks| hooks_of(&hooks.value)),
    }
}

fn address(cx: &mut Context<'_>, entry: &Marked<AddressEntry>) -> Option<VirtualAddress> {
    let entry = &entry.value;
    let address = entry.address.given();
    if let Some(address) = address {
        usable(cx, address)?;
    }
    let interface = entry.interface.given();
    if let (Some(address), Some(label)) = (address, entry.label.given())
        && address.value.address.is_ipv6()
    {
        cx.error(label.span, "IPv6 addresses have no label")
            .help("remove it");
        return None;
    }
    if let (Some(interface), Some(label)) = (interface, entry.label.given()) {
        let name = interface.value.0.as_str();
        let rest = label.value.0.strip_prefix(name);
        if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
            let message = format!("the label does not begin with the interface's name {name}");
            cx.error(label.span, message)
                .help(format!("write {name}:0 or the like"));
            return None;
        }
    }
    let (address, interface) = (address?.value, interface?);
    Some(VirtualAddress {
        address: address.address,
        prefix: address.length.unwrap_or(address.width()),
        interface: interface.value.0.clone(),
        label: match &entry.label {
            None => None,
            Some(label) => Some(label.given()?.value.0.clone()),
        },
    })
}

/// A virtual address must be one that a host can have.
fn usable(cx: &mut Context<'_>, address: &Marked<super::value::Prefixed>) -> Option<()> {
    let ip = address.value.address;
    let problem = match ip {
        _ if ip.is_unspecified() => "is no address of a host",
        _ if ip.is_multicast() => "is a multicast address",
        _ if ip.is_loopback() => "is a loopback address, which no client reaches",
        IpAddr::V4(v4) if v4.is_broadcast() => "is the broadcast address",
        IpAddr::V4(v4) => match address.value.length {
            // RFC 3021: with 31 bits both addresses are hosts.
            Some(length @ 0..31) if u32::from(v4) << length == 0 => {
                "is the address of its subnet, not of a host"
            }
            Some(length @ 0..31) if u32::from(v4) | !(u32::MAX >> length) == u32::MAX => {
                "is the broadcast address of its subnet"
            }
            _ => return Some(()),
        },
        IpAddr::V6(_) => return Some(()),
    };
    cx.error(address.span, format!("{ip} {problem}"))
        .help("write the address that clients use, such as 192.0.2.100/24");
    None
}

fn sync_of(cx: &mut Context<'_>, entry: &SyncEntry) -> Option<Sync> {
    let group = entry.group.given();
    if let Some(group) = group
        && !group.value.0.is_multicast()
    {
        let message = format!("{} is no multicast address", group.value.0);
        cx.error(group.span, message)
            .help("write 224.0.0.81, or remove the key");
        return None;
    }
    if entry.group.is_bad() {
        return None;
    }
    Some(Sync {
        interface: entry.interface.given()?.value.0.clone(),
        id: entry.id.given()?.value.u8(),
        max_length: entry.max_length.value().map_or(0, |length| length.u16()),
        group: group.map(|group| group.value.0),
        port: entry.port.value().map_or(0, |port| port.u16()),
        ttl: entry.ttl.value().map_or(0, |ttl| ttl.u8()),
    })
}

fn hooks_of(entry: &HooksEntry) -> Hooks {
    fn paths<const MAX: usize>(
        paths: Option<&OneOrMore<AbsolutePath, MAX>>,
    ) -> Vec<std::path::PathBuf> {
        let paths = paths.into_iter().flat_map(|paths| paths.0.given());
        paths.map(|path| path.value.0.clone()).collect()
    }
    Hooks {
        after_active: paths(entry.after_active.value()),
        before_release: paths(entry.before_release.value()),
        after_release: paths(entry.after_release.value()),
        after_fault: paths(entry.after_fault.value()),
    }
}

/// The interfaces of the virtual addresses of all instances.
pub(super) fn client_interfaces(failover: &FailoverEntry) -> Vec<(&str, Span)> {
    let mut interfaces = Vec::new();
    let Some(instances) = failover.instances.given() else {
        return interfaces;
    };
    for (_, instance) in instances.value.given() {
        let Some(addresses) = instance.value.addresses.given() else {
            continue;
        };
        for address in addresses.value.given() {
            if let Some(interface) = address.value.interface.given() {
                interfaces.push((interface.value.0.as_str(), interface.span));
            }
        }
    }
    interfaces
}
