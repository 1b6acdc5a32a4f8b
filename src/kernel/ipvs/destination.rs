//! The destination nest.

use super::abi::{destination, forwarding, top, tunnel};
use super::{address, stats};
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attribute, Attributes, Writer};
use crate::model::{
    Checksum, Destination, DestinationKey, Family, Forwarding, ObservedDestination, Tunnel,
};

/// Writes a destination nest with what identifies a destination inside its service. The
/// family is always given: without it the kernel assumes that of the service.
pub(super) fn encode_key(message: &mut Writer<'_>, key: &DestinationKey) {
    message.nest(top::DEST, |nest| identity(nest, key));
}

/// Writes a destination nest with everything: the kernel has no partial edit, and an
/// edit without tunnel attributes resets the tunnel (kernel note 0004).
pub(super) fn encode(message: &mut Writer<'_>, wanted: &Destination) {
    message.nest(top::DEST, |nest| {
        identity(nest, &wanted.key);
        nest.u32(destination::FWD_METHOD, method(wanted.forwarding));
        nest.u32(destination::WEIGHT, wanted.weight);
        if let Forwarding::Tunnel(tunnel) = wanted.forwarding {
            let (kind, port, flags) = encapsulation(tunnel);
            nest.u8(destination::TUN_TYPE, kind);
            nest.u16_be(destination::TUN_PORT, port);
            nest.u16(destination::TUN_FLAGS, flags);
        }
        nest.u32(destination::U_THRESH, wanted.upper_threshold);
        nest.u32(destination::L_THRESH, wanted.lower_threshold);
    });
}

fn identity(nest: &mut Writer<'_>, key: &DestinationKey) {
    nest.u16(
        destination::ADDR_FAMILY,
        address::number(Family::of(key.address)),
    );
    nest.bytes(destination::ADDR, &address::encode(key.address));
    nest.u16_be(destination::PORT, key.port);
}

fn method(forwarding: Forwarding) -> u32 {
    match forwarding {
        Forwarding::Masquerade => forwarding::MASQ,
        Forwarding::Local => forwarding::LOCALNODE,
        Forwarding::Tunnel(_) => forwarding::TUNNEL,
        Forwarding::DirectRoute => forwarding::DROUTE,
        Forwarding::Bypass => forwarding::BYPASS,
    }
}

/// Type, port and flags of an encapsulation.
fn encapsulation(tunnel: Tunnel) -> (u8, u16, u16) {
    let flags = |checksum| match checksum {
        Checksum::None => 0,
        Checksum::Full => tunnel::CSUM,
        Checksum::Remote => tunnel::REMCSUM,
    };
    match tunnel {
        Tunnel::Ipip => (tunnel::IPIP, 0, 0),
        Tunnel::Gue { port, checksum } => (tunnel::GUE, port, flags(checksum)),
        Tunnel::Gre { checksum } => (tunnel::GRE, 0, flags(checksum)),
    }
}

/// Reads the destination of an answer, given the family of its service.
pub(super) fn decode(
    message: Attributes<'_>,
    service: Family,
) -> Result<ObservedDestination, Malformed> {
    let nest = message
        .find(top::DEST)?
        .ok_or(Malformed("an answer without a destination"))?;
    Parts::read(nest.nest())?.destination(service)
}

/// The attributes of a destination nest by their meaning.
#[derive(Default)]
struct Parts<'a> {
    address: Option<Attribute<'a>>,
    port: Option<Attribute<'a>>,
    method: Option<Attribute<'a>>,
    weight: Option<Attribute<'a>>,
    upper: Option<Attribute<'a>>,
    lower: Option<Attribute<'a>>,
    active: Option<Attribute<'a>>,
    inactive: Option<Attribute<'a>>,
    persistent: Option<Attribute<'a>>,
    family: Option<Attribute<'a>>,
    stats: Option<Attribute<'a>>,
    stats64: Option<Attribute<'a>>,
    tunnel: Option<Attribute<'a>>,
    tunnel_port: Option<Attribute<'a>>,
    tunnel_flags: Option<Attribute<'a>>,
}

impl<'a> Parts<'a> {
    fn read(nest: Attributes<'a>) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        for attribute in nest {
            let attribute = attribute?;
            let part = match attribute.kind {
                destination::ADDR => &mut parts.address,
                destination::PORT => &mut parts.port,
                destination::FWD_METHOD => &mut parts.method,
                destination::WEIGHT => &mut parts.weight,
                destination::U_THRESH => &mut parts.upper,
                destination::L_THRESH => &mut parts.lower,
                destination::ACTIVE_CONNS => &mut parts.active,
                destination::INACT_CONNS => &mut parts.inactive,
                destination::PERSIST_CONNS => &mut parts.persistent,
                destination::ADDR_FAMILY => &mut parts.family,
                destination::STATS => &mut parts.stats,
                destination::STATS64 => &mut parts.stats64,
                destination::TUN_TYPE => &mut parts.tunnel,
                destination::TUN_PORT => &mut parts.tunnel_port,
                destination::TUN_FLAGS => &mut parts.tunnel_flags,
                _ => continue,
            };
            *part = Some(attribute);
        }
        Ok(parts)
    }

    fn destination(&self, service: Family) -> Result<ObservedDestination, Malformed> {
        // Kernels before 3.18 do not name the family; 0 means that of the service.
        let family = match self.family.map(|family| family.u16()).transpose()? {
            None | Some(0) => service,
            Some(number) => address::family(number)?,
        };
        let key = DestinationKey {
            address: address::decode(&required(self.address)?, family)?,
            port: required(self.port)?.u16_be()?,
        };
        Ok(ObservedDestination {
            destination: Destination {
                key,
                forwarding: self.forwarding()?,
                weight: required(self.weight)?.u32()?,
                upper_threshold: required(self.upper)?.u32()?,
                lower_threshold: required(self.lower)?.u32()?,
            },
            active: number(self.active)?,
            inactive: number(self.inactive)?,
            persistent: number(self.persistent)?,
            counters: stats::decode(self.stats64, self.stats)?,
        })
    }

    /// What no method or encapsulation of this program stands for reads as
    /// [`Forwarding::Bypass`], so that it never compares equal to something wanted.
    fn forwarding(&self) -> Result<Forwarding, Malformed> {
        Ok(match required(self.method)?.u32()? & forwarding::MASK {
            forwarding::MASQ => Forwarding::Masquerade,
            forwarding::LOCALNODE => Forwarding::Local,
            forwarding::DROUTE => Forwarding::DirectRoute,
            forwarding::TUNNEL => self
                .encapsulation()?
                .map_or(Forwarding::Bypass, Forwarding::Tunnel),
            _ => Forwarding::Bypass,
        })
    }

    fn encapsulation(&self) -> Result<Option<Tunnel>, Malformed> {
        let kind = self.tunnel.map_or(Ok(tunnel::IPIP), |kind| kind.u8())?;
        let flags = self.tunnel_flags.map_or(Ok(0), |flags| flags.u16())?;
        let port = self.tunnel_port.map_or(Ok(0), |port| port.u16_be())?;
        let checksum = if flags & tunnel::REMCSUM != 0 {
            Checksum::Remote
        } else if flags & tunnel::CSUM != 0 {
            Checksum::Full
        } else {
            Checksum::None
        };
        Ok(match kind {
            tunnel::IPIP => Some(Tunnel::Ipip),
            tunnel::GUE => Some(Tunnel::Gue { port, checksum }),
            tunnel::GRE => Some(Tunnel::Gre { checksum }),
            _ => None,
        })
    }
}

fn number(part: Option<Attribute<'_>>) -> Result<u32, Malformed> {
    part.map_or(Ok(0), |attribute| attribute.u32())
}

fn required(part: Option<Attribute<'_>>) -> Result<Attribute<'_>, Malformed> {
    part.ok_or(Malformed("a destination without a required attribute"))
}
