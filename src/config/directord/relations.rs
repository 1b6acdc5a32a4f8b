//! Relations between parts of a file, and between it and the services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::file::Top;
use super::instance::client_interfaces;
use super::pair::Places;
use super::read::OptionalKey as _;
use crate::config::effective::Config;
use crate::config::source::{Context, quoted};
use crate::model::ServiceKey;

/// What concerns several instances or links.
pub(super) fn of_pair(cx: &mut Context<'_>, file: &Top) {
    let Some(failover) = file.failover.given() else {
        return;
    };
    let clients = client_interfaces(&failover.value);
    let Some(instances) = failover.value.instances.given() else {
        return;
    };
    let mut ids = BTreeMap::new();
    for (_, instance) in instances.value.given() {
        let Some(sync) = instance.value.sync.given() else {
            continue;
        };
        let (Some(interface), Some(id)) = (sync.value.interface.given(), sync.value.id.given())
        else {
            continue;
        };
        let name = interface.value.0.as_str();
        if let Some((_, span)) = clients.iter().find(|(client, _)| *client == name) {
            let message = format!(
                "connections are synchronised on {name}, which clients use too (line {})",
                span.line
            );
            cx.warning(interface.span, message)
                .help("the messages carry no authentication: use an interface between the nodes");
        }
        if let Some(line) = ids.insert((name, id.value.0), id.span.line) {
            let message = format!("the sync id {} is used twice on {name}", id.value.0);
            cx.warning(id.span, message).help(format!(
                "it is also on line {line}: with one id each backup takes the connections of both instances"
            ));
        }
    }
    link_addresses(cx, file);
}

/// A link must not depend on an address that moves.
fn link_addresses(cx: &mut Context<'_>, file: &Top) {
    let Some(failover) = file.failover.given() else {
        return;
    };
    let Some(instances) = failover.value.instances.given() else {
        return;
    };
    let mut moved = BTreeSet::new();
    for (_, instance) in instances.value.given() {
        let addresses = instance.value.addresses.given();
        for address in addresses.into_iter().flat_map(|list| list.value.given()) {
            moved.extend(address.value.address.given().map(|a| a.value.address));
        }
    }
    let Some(links) = file.links.given() else {
        return;
    };
    for link in links.value.given() {
        for slot in [&link.value.unicast, &link.value.address] {
            for (_, address) in slot.given().into_iter().flat_map(|map| map.value.given()) {
                if moved.contains(&address.value.0) {
                    let message = format!("{} moves between the nodes", address.value.0);
                    cx.error(address.span, message)
                        .help("a link needs an address that stays on its node");
                }
            }
        }
    }
}

/// Addresses that no service uses, services whose address no instance moves, and tracks of
/// services that are not there.
pub(super) fn with_services(cx: &mut Context<'_>, places: &Places, config: &Config) {
    let keys: Vec<ServiceKey> = config.services.iter().map(|service| service.key).collect();
    let has_marks = keys
        .iter()
        .any(|key| matches!(key, ServiceKey::Mark { .. }));
    let used: BTreeSet<IpAddr> = keys.iter().filter_map(address_of).collect();
    let moved: BTreeSet<IpAddr> = places
        .addresses
        .iter()
        .map(|(address, _)| *address)
        .collect();
    for (address, span) in &places.addresses {
        // A firewall mark may stand for any address.
        if !has_marks && !used.contains(address) {
            cx.warning(*span, format!("no service uses {address}"))
                .help("add a service at this address, or remove it here");
        }
    }
    for address in used.difference(&moved) {
        let services = config.services.iter();
        let first = services
            .filter(|service| address_of(&service.key) == Some(*address))
            .map(|service| service.key.to_string())
            .next()
            .unwrap_or_default();
        let message = format!("no instance moves {address}, the address of service {first}");
        cx.warning(places.instances, message)
            .help("add it to the addresses of an instance, unless both nodes are to serve it");
    }
    for (service, span) in &places.services {
        let is_there = keys
            .iter()
            .any(|key| key.to_string() == *service || key.short() == *service);
        if !is_there {
            cx.error(*span, format!("there is no service {}", quoted(service)))
                .help("write it as `config show` does, such as tcp:192.0.2.100:80 or fwm:1");
        }
    }
}

fn address_of(key: &ServiceKey) -> Option<IpAddr> {
    match key {
        ServiceKey::Address { address, .. } => Some(*address),
        ServiceKey::Mark { .. } => None,
    }
}
