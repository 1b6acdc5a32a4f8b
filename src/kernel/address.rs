//! Addresses and links of the network namespace, over rtnetlink.
//!
//! [`lease`] gives addresses that the kernel takes away by itself when nobody refreshes
//! them; [`watch`] tells what changes.

pub mod lease;
pub mod watch;

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use futures_util::TryStreamExt as _;
use nix::errno::Errno;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourMessage};
use rtnetlink::packet_route::route::RouteType;
use rtnetlink::{AddressMessageBuilder, Handle, RouteMessageBuilder};
use tokio::task::JoinHandle;

use super::host::{Error, InterfaceName};
use super::neighbour::Mac;

/// How long the kernel may take for one exchange.
const DEADLINE: Duration = Duration::from_secs(5);

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number, from 1.
    pub index: u32,
    /// Its name.
    pub name: InterfaceName,
    /// Whether it is administratively up.
    pub up: bool,
    /// Whether others can ask on it for an address, by ARP or neighbour discovery: not
    /// so on loopback, dummy and tunnel interfaces.
    pub asked: bool,
    /// Whether it has a carrier, as far as its driver tells: cable, peer of a veth, one
    /// slave of a bond.
    pub carrier: bool,
    /// Its Ethernet address.
    pub mac: Option<Mac>,
}

/// An address of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Assigned {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix, up to 32 or 128.
    pub prefix: u8,
    /// Number of the interface.
    pub link: u32,
}

impl Assigned {
    /// An address without a subnet: prefix 32 or 128.
    pub fn host(address: IpAddr, link: u32) -> Self {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        Self {
            address,
            prefix,
            link,
        }
    }

    /// Whether it has no subnet.
    pub fn is_host(&self) -> bool {
        *self == Self::host(self.address, self.link)
    }

    /// Whether an address is in its subnet.
    pub fn covers(&self, address: IpAddr) -> bool {
        let (own, other, width) = match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits(), other.to_bits(), 128),
            _ => return false,
        };
        let differing = (own ^ other).checked_shr(width - u32::from(self.prefix).min(width));
        differing.unwrap_or(0) == 0
    }
}

/// `192.0.2.100/32`.
impl fmt::Display for Assigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A conversation with the kernel about addresses.
#[derive(Debug)]
pub struct Client {
    handle: Handle,
    connection: JoinHandle<()>,
}

impl Client {
    /// Opens it in the calling thread's network namespace, where it stays. To be called
    /// within a tokio runtime.
    pub fn open() -> Result<Self, Error> {
        let (connection, handle, _) = rtnetlink::new_connection().map_err(|error| {
            let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
            Error::new("open the connection for addresses", errno)
        })?;
        Ok(Self {
            handle,
            connection: tokio::spawn(connection),
        })
    }

    /// Every interface, by number. One whose name [`InterfaceName`] refuses is left out.
    pub async fn links(&self) -> Result<Vec<Link>, Error> {
        let request = self.handle.link().get().execute();
        let messages: Vec<LinkMessage> = ask(request.try_collect())
            .await
            .map_err(|errno| Error::new("list interfaces", errno))?;
        Ok(messages.iter().filter_map(link).collect())
    }

    /// The number of an interface. An error with `ENODEV` when there is none of that name.
    pub async fn index(&self, name: &InterfaceName) -> Result<u32, Error> {
        let refused = |errno| Error::new(format_args!("look for interface {name}"), errno);
        let request = self.handle.link().get().match_name(name.to_string());
        let request = request.execute();
        let request = async { std::pin::pin!(request).try_next().await };
        let message = ask(request).await.map_err(refused)?;
        message
            .map(|message| message.header.index)
            .ok_or_else(|| refused(Errno::ENODEV))
    }

    /// Every address of every interface.
    pub async fn addresses(&self) -> Result<Vec<Assigned>, Error> {
        let request = self.handle.address().get().execute();
        let messages: Vec<AddressMessage> = ask(request.try_collect())
            .await
            .map_err(|errno| Error::new("list addresses", errno))?;
        Ok(messages.iter().filter_map(assigned).collect())
    }

    /// Whether packets to an address are delivered on this host, be it an address of an
    /// interface or a local route: what the kernel's own routes say.
    pub async fn is_local(&self, address: IpAddr) -> Result<bool, Error> {
        let message = match address {
            IpAddr::V4(address) => RouteMessageBuilder::<Ipv4Addr>::new()
                .destination_prefix(address, 32)
                .build(),
            IpAddr::V6(address) => RouteMessageBuilder::<Ipv6Addr>::new()
                .destination_prefix(address, 128)
                .build(),
        };
        let request = self.handle.route().get(message).execute();
        let request = async { std::pin::pin!(request).try_next().await };
        match ask(request).await {
            Ok(route) => Ok(route.is_some_and(|route| route.header.kind == RouteType::Local)),
            // No route at all, or one that says no: blackhole, prohibit.
            Err(Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EINVAL | Errno::EACCES) => {
                Ok(false)
            }
            Err(errno) => Err(Error::new(
                format_args!("look for a route to {address}"),
                errno,
            )),
        }
    }

    /// Adds an address; `false` when it is there already. An IPv6 address can be used at
    /// once, without asking whether others have it. Needs `CAP_NET_ADMIN`.
    pub async fn add(&self, new: &Assigned) -> Result<bool, Error> {
        let addresses = self.handle.address();
        let mut request = addresses.add(new.link, new.address, new.prefix);
        if new.address.is_ipv6() {
            let flags = AddressAttribute::Flags(AddressFlags::Nodad);
            request.message_mut().attributes.push(flags);
        }
        match ask(request.execute()).await {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(errno) => Err(Error::new(format_args!("add address {new}"), errno)),
        }
    }

    /// Forgets at which hardware address another host has this address; `false` when that was
    /// not known. Needs `CAP_NET_ADMIN`.
    pub async fn forget_neighbour(&self, known: &Assigned) -> Result<bool, Error> {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = known.link;
        message.header.family = match known.address {
            IpAddr::V4(_) => AddressFamily::Inet,
            IpAddr::V6(_) => AddressFamily::Inet6,
        };
        let destination = NeighbourAttribute::Destination(known.address.into());
        message.attributes.push(destination);
        match ask(self.handle.neighbours().del(message).execute()).await {
            Ok(()) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(Error::new(
                format_args!("forget the neighbour {}", known.address),
                errno,
            )),
        }
    }

    /// Removes an address; `false` when it is not there. Needs `CAP_NET_ADMIN`.
    pub async fn remove(&self, old: &Assigned) -> Result<bool, Error> {
        let message = match old.address {
            IpAddr::V4(address) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(old.link)
                .address(address, old.prefix)
                .build(),
            IpAddr::V6(address) => AddressMessageBuilder::<Ipv6Addr>::new()
                .index(old.link)
                .address(address, old.prefix)
                .build(),
        };
        let request = self.handle.address().del(message).execute();
        match ask(request).await {
            Ok(()) => Ok(true),
            Err(Errno::EADDRNOTAVAIL) => Ok(false),
            Err(errno) => Err(Error::new(format_args!("remove address {old}"), errno)),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// One exchange, within its deadline.
async fn ask<T>(exchange: impl Future<Output = Result<T, rtnetlink::Error>>) -> Result<T, Errno> {
    Err(match tokio::time::timeout(DEADLINE, exchange).await {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(rtnetlink::Error::NetlinkError(error))) => {
            Errno::from_raw(error.raw_code().saturating_abs())
        }
        Ok(Err(rtnetlink::Error::RequestFailed)) => Errno::EIO,
        Ok(Err(_)) => Errno::EBADMSG,
        Err(_) => Errno::ETIMEDOUT,
    })
}

fn link(message: &LinkMessage) -> Option<Link> {
    let name = message
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => name.parse().ok(),
            _ => None,
        })?;
    let flags = message.header.flags;
    Some(Link {
        index: message.header.index,
        name,
        up: flags.contains(LinkFlags::Up),
        asked: !flags.intersects(LinkFlags::Loopback | LinkFlags::Noarp),
        carrier: flags.contains(LinkFlags::LowerUp),
        mac: mac(message),
    })
}

fn mac(message: &LinkMessage) -> Option<Mac> {
    let attributes = message.attributes.iter();
    let mut bytes = attributes.filter_map(|attribute| match attribute {
        LinkAttribute::Address(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
        _ => None,
    });
    bytes.next().map(Mac)
}

/// The own address is `IFA_LOCAL`; on IPv6 interfaces without a peer only `IFA_ADDRESS`
/// is given.
fn assigned(message: &AddressMessage) -> Option<Assigned> {
    let attributes = &message.attributes;
    let local = attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let given = attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Address(address) => Some(*address),
        _ => None,
    });
    Some(Assigned {
        address: local.or(given)?,
        prefix: message.header.prefix_len,
        link: message.header.index,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(address: &str, prefix: u8) -> Assigned {
        Assigned {
            address: address.parse().unwrap(),
            prefix,
            link: 1,
        }
    }

    #[test]
    fn a_subnet_covers_its_own_addresses_only() {
        let covers =
            |own: &str, prefix, other: &str| assigned(own, prefix).covers(other.parse().unwrap());
        assert!(covers("192.0.2.11", 24, "192.0.2.100"));
        assert!(!covers("192.0.2.11", 25, "192.0.2.200"));
        assert!(!covers("192.0.2.11", 32, "192.0.2.10"));
        assert!(covers("192.0.2.11", 32, "192.0.2.11"));
        assert!(covers("192.0.2.11", 0, "203.0.113.1"));
        assert!(covers("2001:db8::1", 64, "2001:db8::2"));
        assert!(!covers("2001:db8::1", 64, "2001:db8:0:1::1"));
        assert!(covers("2001:db8::1", 0, "2001:db8:0:1::1"));
        assert!(!covers("2001:db8::1", 128, "2001:db8::"));
        assert!(!covers("0.0.0.0", 0, "::"));
        // A prefix that cannot be is no reason to panic.
        assert!(!covers("192.0.2.1", 200, "192.0.2.2"));
    }

    #[test]
    fn an_address_without_a_subnet() {
        assert!(assigned("192.0.2.100", 32).is_host());
        assert!(!assigned("192.0.2.100", 24).is_host());
        assert!(!assigned("2001:db8::100", 32).is_host());
        assert_eq!(
            assigned("2001:db8::100", 128).to_string(),
            "2001:db8::100/128"
        );
    }

    #[tokio::test]
    async fn the_kernel_lists_loopback_and_its_address() {
        let client = Client::open().unwrap();
        let links = client.links().await.unwrap();
        let loopback = links
            .iter()
            .find(|link| link.name.as_str() == "lo")
            .unwrap();
        assert!(!loopback.asked);
        let addresses = client.addresses().await.unwrap();
        let home = addresses.iter().find(|a| a.address == Ipv4Addr::LOCALHOST);
        assert_eq!(home.unwrap().link, loopback.index);
        assert!(client.is_local(Ipv4Addr::LOCALHOST.into()).await.unwrap());
        let elsewhere = Ipv4Addr::new(203, 0, 113, 1).into();
        assert!(!client.is_local(elsewhere).await.unwrap());
    }
}
