//! Addresses with an end: the kernel removes one whose lifetime passes without a refresh
//! (kernel note 0040). It is the last line of defence of a director that hangs.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};

use super::{Assigned, Client, ask, assigned};
use crate::kernel::host::Error;

/// The address protocol byte (`IFA_PROTO`, kernel note 0041) of addresses of this program,
/// by which it knows its own again. The kernel uses 1 to 3 itself.
pub const PROTOCOL: u8 = 0xd7;

/// What the kernel reports as the lifetime of an address without end
/// (`INFINITY_LIFE_TIME`, `include/net/addrconf.h`).
const FOREVER: u32 = u32::MAX;

/// An address as the kernel holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// The address.
    pub assigned: Assigned,
    /// Whether it carries [`PROTOCOL`]; never so before Linux 5.18.
    pub own: bool,
    /// Whether it is deprecated: new connections of the host do not start from it.
    pub deprecated: bool,
    /// What is left of its lifetime, in whole seconds; `None` when it has no end.
    pub valid: Option<Duration>,
    /// IPv4 label, when it is not the interface's name alone.
    pub label: Option<String>,
}

impl Client {
    /// Adds an address for so long, or gives the one that is there a new lifetime, whatever
    /// it had before. Deprecated from the start, without a route to its subnet when it has
    /// none (/32, /128), and without duplicate detection.
    ///
    /// `lifetime` counts in whole seconds, at least 1. The label is of IPv4 only and stays
    /// what it was when the address is there. Needs `CAP_NET_ADMIN`.
    pub async fn lease(
        &self,
        address: &Assigned,
        label: Option<&str>,
        lifetime: Duration,
    ) -> Result<(), Error> {
        let addresses = self.handle.address();
        let mut request = addresses
            .add(address.link, address.address, address.prefix)
            .replace();
        describe(request.message_mut(), address, label, lifetime);
        ask(request.execute())
            .await
            .map_err(|errno| Error::new(format_args!("lease address {address}"), errno))
    }

    /// Every address of every interface, with what [`Client::addresses`] leaves out.
    pub async fn details(&self) -> Result<Vec<Detail>, Error> {
        let request = self.handle.address().get().execute();
        let messages: Vec<AddressMessage> = ask(request.try_collect())
            .await
            .map_err(|errno| Error::new("list addresses", errno))?;
        Ok(messages.iter().filter_map(detail).collect())
    }
}

fn describe(
    message: &mut AddressMessage,
    address: &Assigned,
    label: Option<&str>,
    lifetime: Duration,
) {
    let mut flags = AddressFlags::empty();
    if address.is_host() {
        flags |= AddressFlags::Noprefixroute;
    }
    if address.address.is_ipv6() {
        flags |= AddressFlags::Nodad;
    } else if let Some(label) = label {
        let label = AddressAttribute::Label(label.to_owned());
        message.attributes.push(label);
    }
    let mut cache = CacheInfo::default();
    cache.ifa_preferred = 0;
    cache.ifa_valid = u32::try_from(lifetime.as_secs()).map_or(FOREVER - 1, |s| s.max(1));
    let own = AddressProtocol::Other(PROTOCOL);
    message.attributes.extend([
        AddressAttribute::Flags(flags),
        AddressAttribute::CacheInfo(cache),
        AddressAttribute::Protocol(own),
    ]);
}

fn detail(message: &AddressMessage) -> Option<Detail> {
    let mut detail = Detail {
        assigned: assigned(message)?,
        own: false,
        deprecated: false,
        valid: None,
        label: None,
    };
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Protocol(value) => detail.own = u8::from(*value) == PROTOCOL,
            AddressAttribute::Flags(flags) => {
                detail.deprecated = flags.contains(AddressFlags::Deprecated);
            }
            AddressAttribute::CacheInfo(cache) if cache.ifa_valid != FOREVER => {
                detail.valid = Some(Duration::from_secs(cache.ifa_valid.into()));
            }
            AddressAttribute::Label(label) if label.contains(':') => {
                detail.label = Some(label.clone());
            }
            _ => {}
        }
    }
    Some(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(address: &str, prefix: u8, label: Option<&str>) -> AddressMessage {
        let address = Assigned {
            address: address.parse().unwrap(),
            prefix,
            link: 2,
        };
        let mut message = AddressMessage::default();
        message.header.prefix_len = prefix;
        message.header.index = 2;
        let given = AddressAttribute::Local(address.address);
        message.attributes.push(given);
        describe(&mut message, &address, label, Duration::from_millis(3700));
        message
    }

    fn flags(message: &AddressMessage) -> AddressFlags {
        let attributes = message.attributes.iter();
        let mut flags = attributes.filter_map(|attribute| match attribute {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        });
        flags.next().unwrap()
    }

    #[test]
    fn a_lease_is_recognised_when_it_is_read_back() {
        let read = detail(&described("192.0.2.100", 24, Some("eth0:1"))).unwrap();
        assert!(read.own);
        assert_eq!(read.valid, Some(Duration::from_secs(3)));
        assert_eq!(read.label.as_deref(), Some("eth0:1"));
    }

    #[test]
    fn flags_follow_family_and_prefix() {
        let v4 = flags(&described("192.0.2.100", 24, None));
        assert_eq!(v4, AddressFlags::empty());
        let host = flags(&described("192.0.2.100", 32, None));
        assert_eq!(host, AddressFlags::Noprefixroute);
        let v6 = flags(&described("2001:db8::100", 128, Some("eth0:1")));
        assert_eq!(v6, AddressFlags::Noprefixroute | AddressFlags::Nodad);
        // A label is of IPv4 only.
        let read = detail(&described("2001:db8::100", 64, Some("eth0:1"))).unwrap();
        assert_eq!(read.label, None);
    }

    #[test]
    fn an_address_without_an_end_is_told_apart() {
        let mut message = described("192.0.2.100", 24, None);
        message.attributes.retain(|attribute| {
            !matches!(
                attribute,
                AddressAttribute::CacheInfo(_) | AddressAttribute::Protocol(_)
            )
        });
        let mut cache = CacheInfo::default();
        cache.ifa_valid = FOREVER;
        message.attributes.push(AddressAttribute::CacheInfo(cache));
        let read = detail(&message).unwrap();
        assert_eq!((read.valid, read.own), (None, false));
    }
}
