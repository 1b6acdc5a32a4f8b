//! The ways between the nodes.

use std::net::IpAddr;

use super::collection::List;
use super::file::LinkEntry;
use super::pair::Nodes;
use super::read::{Marked, OptionalKey as _};
use super::value::Address;
use crate::config::source::{Context, Span, quoted};
use crate::model::pair::{DEFAULT_PORT, Link, LinkSource, LinkTarget};

/// The links that are in order.
pub(super) fn lower<const MAX: usize>(
    cx: &mut Context<'_>,
    entries: &List<LinkEntry, 1, MAX>,
    nodes: Option<&Nodes>,
) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    for entry in entries.given() {
        let Some(link) = link(cx, entry, nodes) else {
            continue;
        };
        let same_name = links.iter().any(|other| other.name == link.name);
        if let (true, Some(name)) = (same_name, entry.value.name.given()) {
            let message = format!("two links are called {}", quoted(&link.name));
            cx.error(name.span, message)
                .help("give each a name of its own");
        }
        let same_way = links.iter().find(|other| {
            (&other.source, other.to, other.port) == (&link.source, link.to, link.port)
        });
        if let Some(other) = same_way {
            let message = format!("the same way as the link {}", quoted(&other.name));
            cx.error(entry.span, message)
                .help("two links should share no cable; change or remove one");
        }
        links.push(link);
    }
    links
}

fn link(cx: &mut Context<'_>, entry: &Marked<LinkEntry>, nodes: Option<&Nodes>) -> Option<Link> {
    let (span, entry) = (entry.span, &entry.value);
    let target = target(cx, entry, span, nodes);
    // A unicast link says which address is this host's.
    let own = target.and_then(|(_, own)| own);
    let source = source(cx, entry, span, nodes, own);
    let ((to, _), source) = (target?, source?);
    families(cx, entry, &source, to, span)?;
    Some(Link {
        name: entry.name.given()?.value.0.clone(),
        source,
        to,
        port: match &entry.port {
            None => DEFAULT_PORT,
            Some(port) => port.given()?.value.u16(),
        },
    })
}

/// Whom the link reaches, and with unicast this host's own address.
fn target(
    cx: &mut Context<'_>,
    entry: &LinkEntry,
    span: Span,
    nodes: Option<&Nodes>,
) -> Option<(LinkTarget, Option<IpAddr>)> {
    let forms = [
        entry.unicast.is_some(),
        entry.multicast.is_some(),
        entry.broadcast.is_some(),
    ];
    if forms.into_iter().filter(|form| *form).count() != 1 {
        let message = "a link has exactly one of multicast, broadcast and unicast";
        cx.error(span, message).help(
            "write multicast: 239.255.77.1, broadcast: true, or unicast: { NODE: ADDRESS, NODE: ADDRESS }",
        );
        return None;
    }
    if let Some(group) = entry.multicast.given() {
        let address = group.value.0;
        if !address.is_multicast() {
            let message = format!("{address} is no multicast address");
            cx.error(group.span, message).help(match address {
                IpAddr::V4(_) => "groups go from 224.0.0.0 to 239.255.255.255: write 239.255.77.1",
                IpAddr::V6(_) => "groups begin with ff: write ff02::7694",
            });
            return None;
        }
        return Some((LinkTarget::Multicast(address), None));
    }
    if let Some(broadcast) = entry.broadcast.given() {
        if !broadcast.value {
            cx.error(broadcast.span, "broadcast: false names nobody")
                .help("remove it and write multicast or unicast, or write broadcast: true");
            return None;
        }
        return Some((LinkTarget::Broadcast, None));
    }
    unicast(cx, entry, nodes?)
}

fn unicast(
    cx: &mut Context<'_>,
    entry: &LinkEntry,
    nodes: &Nodes,
) -> Option<(LinkTarget, Option<IpAddr>)> {
    let unicast = entry.unicast.given()?;
    let entries = unicast.value.0.iter().map(|(name, slot)| (name, slot));
    let (local, peer) = nodes.split(cx, entries, unicast.span)?;
    let (own, other) = (host(cx, local)?, host(cx, peer)?);
    if own == other {
        cx.error(peer.span, "both nodes have the same address");
        return None;
    }
    if own.is_ipv4() != other.is_ipv4() {
        cx.error(
            peer.span,
            "the addresses of the nodes are not of one family",
        );
        return None;
    }
    if is_link_local(own) || is_link_local(other) {
        let with_interface = entry.interface.is_some();
        if !with_interface {
            cx.error(
                unicast.span,
                "link-local addresses mean nothing without an interface",
            )
            .help("add interface: NAME");
            return None;
        }
    }
    Some((LinkTarget::Unicast(other), Some(own)))
}

/// An address that a host can have.
fn host(cx: &mut Context<'_>, address: &Marked<Address>) -> Option<IpAddr> {
    let ip = address.value.0;
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        cx.error(address.span, format!("{ip} is not an address of a host"));
        return None;
    }
    Some(ip)
}

/// How the link finds its interface; `own` is what a unicast target says about it.
fn source(
    cx: &mut Context<'_>,
    entry: &LinkEntry,
    span: Span,
    nodes: Option<&Nodes>,
    own: Option<IpAddr>,
) -> Option<LinkSource> {
    let forms = [
        ("interface", entry.interface.is_some()),
        ("address", entry.address.is_some()),
        ("prefix", entry.prefix.is_some()),
    ];
    let count = forms.iter().filter(|(_, is_there)| *is_there).count();
    let is_unicast = entry.unicast.is_some();
    if is_unicast && (entry.address.is_some() || entry.prefix.is_some()) {
        cx.error(span, "unicast names this host's address already")
            .help("remove address and prefix");
        return None;
    }
    if count > 1 || (count == 0 && !is_unicast) {
        let message = "a link has exactly one of interface, address and prefix";
        cx.error(span, message).help(
            "write interface: eth0, prefix: 198.51.100.0/24, or address: { NODE: ADDRESS, NODE: ADDRESS }",
        );
        return None;
    }
    if entry.interface.is_bad() || entry.address.is_bad() || entry.prefix.is_bad() {
        return None;
    }
    if let Some(interface) = entry.interface.value() {
        return Some(LinkSource::Interface(interface.0.clone()));
    }
    if let Some(address) = entry.address.given() {
        let entries = address.value.0.iter().map(|(name, slot)| (name, slot));
        let (local, peer) = nodes?.split(cx, entries, address.span)?;
        host(cx, peer)?;
        return Some(LinkSource::Address(host(cx, local)?));
    }
    let Some(prefix) = entry.prefix.given() else {
        return own.map(LinkSource::Address);
    };
    let Some((length, network)) = prefix.value.length.zip(prefix.value.network()) else {
        cx.error(prefix.span, "the length of the prefix is missing")
            .help(format!("write {}/24 or the like", prefix.value.address));
        return None;
    };
    if network != prefix.value.address {
        let message = format!("{} is not the address of a subnet", prefix.value.address);
        cx.error(prefix.span, message)
            .help(format!("write {network}/{length}"));
        return None;
    }
    Some(LinkSource::Prefix { network, length })
}

/// Source and target must be of one family.
fn families(
    cx: &mut Context<'_>,
    entry: &LinkEntry,
    source: &LinkSource,
    to: LinkTarget,
    span: Span,
) -> Option<()> {
    let of_source = match source {
        LinkSource::Interface(_) => return Some(()),
        LinkSource::Address(address)
        | LinkSource::Prefix {
            network: address, ..
        } => *address,
    };
    let wants_ipv4 = match to {
        LinkTarget::Unicast(address) | LinkTarget::Multicast(address) => address.is_ipv4(),
        LinkTarget::Broadcast => true,
    };
    if of_source.is_ipv4() == wants_ipv4 {
        return Some(());
    }
    let span = entry.multicast.given().map_or(span, |group| group.span);
    let message = match to {
        LinkTarget::Broadcast => "IPv6 has no broadcast",
        LinkTarget::Unicast(_) | LinkTarget::Multicast(_) => {
            "the link is sent from one address family to the other"
        }
    };
    cx.error(span, message)
        .help("use addresses of one family, or name the interface");
    None
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}
