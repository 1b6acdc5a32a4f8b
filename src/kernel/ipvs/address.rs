//! Addresses: 16 bytes, of which an IPv4 address takes the first four.

use std::net::IpAddr;

use super::abi::family;
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::Attribute;
use crate::model::Family;

/// The 16 bytes of an address attribute.
pub(super) fn encode(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// The address of a family in an attribute. What follows an IPv4 address is left over
/// in the kernel and means nothing (kernel note 0002).
pub(super) fn decode(attribute: &Attribute<'_>, family: Family) -> Result<IpAddr, Malformed> {
    Ok(match family {
        Family::V4 => IpAddr::from(attribute.prefix::<4>()?),
        Family::V6 => IpAddr::from(attribute.prefix::<16>()?),
    })
}

/// Number of a family.
pub(super) fn number(family: Family) -> u16 {
    match family {
        Family::V4 => family::INET,
        Family::V6 => family::INET6,
    }
}

/// Family of a number.
pub(super) fn family(number: u16) -> Result<Family, Malformed> {
    match number {
        family::INET => Ok(Family::V4),
        family::INET6 => Ok(Family::V6),
        _ => Err(Malformed("an address family that is neither IPv4 nor IPv6")),
    }
}
