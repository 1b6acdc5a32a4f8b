//! Where a link belongs on this host: interface, own address, destination. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};

use crate::model::InterfaceName;
use crate::model::pair::{Link, LinkSource, LinkTarget};

/// The interfaces and addresses of the network namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) interfaces: Vec<Interface>,
    /// In the kernel's order: of each interface, the primary ones first.
    pub(super) addresses: Vec<Address>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) name: InterfaceName,
    pub(super) up: bool,
    pub(super) carrier: bool,
    pub(super) loopback: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) ip: IpAddr,
    pub(super) prefix: u8,
    pub(super) interface: u32,
    /// The broadcast address it was given.
    pub(super) broadcast: Option<Ipv4Addr>,
    /// Duplicate address detection has not found it unusable, and is over.
    pub(super) ready: bool,
    /// Not to be chosen as a source: as the virtual addresses of a director are.
    pub(super) deprecated: bool,
    /// Another one of the same subnet came first (IPv4), or temporary (IPv6).
    pub(super) secondary: bool,
}

impl View {
    /// Whether an address is this host's.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|own| own.ip == address)
    }

    fn interface(&self, index: u32) -> Option<&Interface> {
        self.interfaces.iter().find(|there| there.index == index)
    }

    fn is_loopback(&self, index: u32) -> bool {
        self.interface(index).is_some_and(|there| there.loopback)
    }
}

/// Where a link is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) interface: InterfaceName,
    pub(super) index: u32,
    /// Whether the interface has a carrier, and the kernel knows.
    pub(super) carrier: bool,
    /// Source of what is sent.
    pub(super) source: IpAddr,
    /// What the socket is bound to: what comes to this address is for the link.
    pub(super) local: SocketAddr,
    /// Destination of what is sent.
    pub(super) destination: SocketAddr,
    /// The group that is joined.
    pub(super) group: Option<IpAddr>,
    /// Whether the destination is a broadcast address.
    pub(super) broadcast: bool,
}

impl Place {
    /// Whether a socket of the one serves the other.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let carrier = self.carrier;
        *self
            == Self {
                carrier,
                ..other.clone()
            }
    }
}

/// Finds the place of a link, or says why it has none now. The source it has now is kept
/// while it will do: the peer of a unicast link knows no other.
pub(super) fn find(link: &Link, view: &View, now: Option<IpAddr>) -> Result<Place, String> {
    let (interface, named) = interface_of(link, view, now)?;
    if !interface.up {
        return Err(format!("{} is down", interface.name));
    }
    let source = match named {
        Some(named) if named.ip.is_ipv4() == wants_ipv4(link.to) => named,
        _ => source_on(interface, link.to, view, now)?,
    };
    if let LinkTarget::Unicast(peer) = link.to
        && view.has(peer)
    {
        return Err(format!("{peer} is this host's own address, not the peer's"));
    }
    let at = |address| with_scope(address, link.port, interface.index);
    let own = source.ip;
    let (local, destination, group) = match link.to {
        LinkTarget::Unicast(peer) => (own, peer, None),
        LinkTarget::Multicast(group) => (group, group, Some(group)),
        LinkTarget::Broadcast => {
            let all = broadcast_of(source).ok_or_else(|| {
                let (name, prefix) = (&interface.name, source.prefix);
                format!("{own}/{prefix} on {name} has no broadcast address")
            })?;
            (all, all, None)
        }
    };
    Ok(Place {
        interface: interface.name.clone(),
        index: interface.index,
        carrier: interface.carrier,
        source: own,
        local: at(local),
        destination: at(destination),
        group,
        broadcast: link.to == LinkTarget::Broadcast,
    })
}

fn wants_ipv4(to: LinkTarget) -> bool {
    match to {
        LinkTarget::Unicast(address) | LinkTarget::Multicast(address) => address.is_ipv4(),
        LinkTarget::Broadcast => true,
    }
}

/// The interface, and the address it was found by.
fn interface_of<'v>(
    link: &Link,
    view: &'v View,
    now: Option<IpAddr>,
) -> Result<(&'v Interface, Option<&'v Address>), String> {
    let found = match &link.source {
        LinkSource::Interface(name) => {
            let found = view.interfaces.iter().find(|there| there.name == *name);
            let found = found.ok_or_else(|| format!("there is no interface {name}"))?;
            return Ok((found, None));
        }
        LinkSource::Address(wanted) => {
            let named = |own: &Address| own.ip == *wanted;
            best(view, now, named)
                .ok_or_else(|| format!("no interface has the address {wanted}"))?
        }
        LinkSource::Prefix { network, length } => {
            // Virtual addresses are in the subnet too: here with a preferred lifetime of 0,
            // on the loopback interface of a director that is also a real server without.
            let inside = |own: &Address| {
                let virtual_one = view.is_loopback(own.interface) && !own.ip.is_loopback();
                !own.deprecated && !virtual_one && is_inside(own.ip, *network, *length)
            };
            best(view, now, inside)
                .ok_or_else(|| format!("no interface has an address in {network}/{length}"))?
        }
    };
    if !found.ready {
        return Err(unready(found));
    }
    let interface = view.interface(found.interface);
    let interface = interface.ok_or_else(|| format!("{} is on no interface", found.ip))?;
    Ok((interface, Some(found)))
}

fn unready(address: &Address) -> String {
    format!(
        "{} waits for duplicate address detection, or failed it",
        address.ip
    )
}

/// Of the addresses that fit, the first that can be used, rather not one of loopback: a
/// director that is also a real server has virtual addresses there.
fn best(view: &View, now: Option<IpAddr>, fits: impl Fn(&Address) -> bool) -> Option<&Address> {
    let fitting = view.addresses.iter().filter(|own| fits(own));
    fitting.min_by_key(|own| {
        let loopback = view.is_loopback(own.interface);
        (!own.ready, now != Some(own.ip), loopback, own.secondary)
    })
}

/// The address to send from when only the interface is known.
fn source_on<'v>(
    interface: &Interface,
    to: LinkTarget,
    view: &'v View,
    now: Option<IpAddr>,
) -> Result<&'v Address, String> {
    let ipv4 = wants_ipv4(to);
    let here = |own: &&Address| {
        own.interface == interface.index && own.ip.is_ipv4() == ipv4 && !own.deprecated
    };
    let candidates = view.addresses.iter().filter(here);
    let chosen = candidates.min_by_key(|own| {
        let (scope, subnet) = match to {
            LinkTarget::Unicast(peer) => (
                is_link_local(peer) != is_link_local(own.ip),
                !is_inside(peer, own.ip, own.prefix),
            ),
            // Every interface has a link-local one, and it stays.
            LinkTarget::Multicast(_) => (!ipv4 && !is_link_local(own.ip), false),
            LinkTarget::Broadcast => (false, own.prefix > 30),
        };
        (
            !own.ready,
            now != Some(own.ip),
            scope,
            subnet,
            own.secondary,
        )
    });
    match chosen {
        Some(own) if own.ready => Ok(own),
        Some(own) => Err(unready(own)),
        None => {
            let family = if ipv4 { "IPv4" } else { "IPv6" };
            Err(format!(
                "{} has no {family} address of its own",
                interface.name
            ))
        }
    }
}

/// The broadcast address that belongs to an address: as given, or the last of its subnet.
fn broadcast_of(own: &Address) -> Option<IpAddr> {
    let IpAddr::V4(address) = own.ip else {
        return None;
    };
    let hosts = u32::MAX.checked_shr(u32::from(own.prefix)).unwrap_or(0);
    let computed = (own.prefix <= 30).then(|| Ipv4Addr::from_bits(address.to_bits() | hosts));
    let given = own.broadcast.filter(|given| !given.is_unspecified());
    given.or(computed).map(IpAddr::V4)
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Whether an address is in the subnet of another.
fn is_inside(address: IpAddr, network: IpAddr, length: u8) -> bool {
    let differ = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let differ = a.to_bits() ^ b.to_bits();
            differ
                .checked_shr(32_u32.saturating_sub(length.into()))
                .unwrap_or(0)
                != 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let differ = a.to_bits() ^ b.to_bits();
            differ
                .checked_shr(128_u32.saturating_sub(length.into()))
                .unwrap_or(0)
                != 0
        }
        _ => true,
    };
    !differ
}

/// Link-local addresses and groups mean something on an interface only.
fn with_scope(address: IpAddr, port: u16, index: u32) -> SocketAddr {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_multicast() => {
            SocketAddrV6::new(v6, port, 0, index).into()
        }
        address => SocketAddr::new(address, port),
    }
}

#[cfg(test)]
mod tests;
