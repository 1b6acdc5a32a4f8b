//! The service nest.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::abi::{flag, service, top};
use super::{address, stats};
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attribute, Attributes, Writer};
use crate::model::{
    Family, Netmask, ObservedService, Persistence, Protocol, SchedulerFlags, Service, ServiceKey,
};

/// The kernel's name for a service without a scheduler.
const NO_SCHEDULER: &str = "none";
/// Every flag is given with each edit.
const ALL_FLAGS: u32 = u32::MAX;

/// Writes a service nest with what identifies a service.
pub(super) fn encode_key(message: &mut Writer<'_>, key: &ServiceKey) {
    message.nest(top::SERVICE, |nest| identity(nest, key));
}

/// Writes a service nest with everything: the kernel has no partial edit (kernel note 0004).
pub(super) fn encode(message: &mut Writer<'_>, key: &ServiceKey, wanted: &Service) {
    message.nest(top::SERVICE, |nest| {
        identity(nest, key);
        let scheduler = wanted.scheduler.as_ref().map_or(NO_SCHEDULER, |s| s.name());
        nest.string(service::SCHED_NAME, scheduler);
        // Absent on a change removes the engine, so an empty name needs no attribute.
        if let Some(engine) = &wanted.engine {
            nest.string(service::PE_NAME, engine);
        }
        let mut flags = [0; 8];
        flags[..4].copy_from_slice(&flag_bits(wanted).to_ne_bytes());
        flags[4..].copy_from_slice(&ALL_FLAGS.to_ne_bytes());
        nest.bytes(service::FLAGS, &flags);
        let persistence = wanted.persistence.unwrap_or(Persistence {
            timeout: 0,
            netmask: Netmask::full(key.family()),
        });
        nest.u32(service::TIMEOUT, persistence.timeout);
        nest.bytes(service::NETMASK, &netmask_bytes(persistence.netmask));
    });
}

fn identity(nest: &mut Writer<'_>, key: &ServiceKey) {
    nest.u16(service::AF, address::number(key.family()));
    match *key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            nest.u16(service::PROTOCOL, protocol.number());
            nest.bytes(service::ADDR, &address::encode(address));
            nest.u16_be(service::PORT, port);
        }
        ServiceKey::Mark { mark, .. } => nest.u32(service::FWMARK, mark),
    }
}

fn flag_bits(wanted: &Service) -> u32 {
    let mut bits = (u32::from(wanted.flags.0) & flag::SCHED_BITS) << flag::SCHED_SHIFT;
    if wanted.persistence.is_some() {
        bits |= flag::PERSISTENT;
    }
    if wanted.one_packet {
        bits |= flag::ONEPACKET;
    }
    bits
}

/// IPv4 in network order, IPv6 as a prefix length in host order (kernel notes 0002 and 0003).
fn netmask_bytes(netmask: Netmask) -> [u8; 4] {
    match netmask {
        Netmask::V4(mask) => mask.octets(),
        Netmask::V6(prefix) => u32::from(prefix).to_ne_bytes(),
    }
}

fn netmask(attribute: &Attribute<'_>, family: Family) -> Result<Netmask, Malformed> {
    Ok(match family {
        Family::V4 => Netmask::V4(Ipv4Addr::from(attribute.prefix::<4>()?)),
        Family::V6 => Netmask::V6(u8::try_from(attribute.u32()?).unwrap_or(u8::MAX)),
    })
}

/// Reads the service of an answer, without destinations. `None` for one that only
/// another program can have created: of a protocol that IPVS does not balance.
pub(super) fn decode(
    message: Attributes<'_>,
) -> Result<Option<(ServiceKey, ObservedService)>, Malformed> {
    let nest = message
        .find(top::SERVICE)?
        .ok_or(Malformed("an answer without a service"))?;
    let parts = Parts::read(nest.nest())?;
    let family = address::family(required(parts.family)?.u16()?)?;
    let Some(key) = parts.key(family)? else {
        return Ok(None);
    };
    let observed = ObservedService {
        service: parts.service(family)?,
        counters: stats::decode(parts.stats64, parts.stats)?,
        destinations: BTreeMap::new(),
    };
    Ok(Some((key, observed)))
}

/// The attributes of a service nest by their meaning.
#[derive(Default)]
struct Parts<'a> {
    family: Option<Attribute<'a>>,
    protocol: Option<Attribute<'a>>,
    address: Option<Attribute<'a>>,
    port: Option<Attribute<'a>>,
    mark: Option<Attribute<'a>>,
    scheduler: Option<Attribute<'a>>,
    flags: Option<Attribute<'a>>,
    timeout: Option<Attribute<'a>>,
    netmask: Option<Attribute<'a>>,
    engine: Option<Attribute<'a>>,
    stats: Option<Attribute<'a>>,
    stats64: Option<Attribute<'a>>,
}

impl<'a> Parts<'a> {
    fn read(nest: Attributes<'a>) -> Result<Self, Malformed> {
        let mut parts = Self::default();
        for attribute in nest {
            let attribute = attribute?;
            let part = match attribute.kind {
                service::AF => &mut parts.family,
                service::PROTOCOL => &mut parts.protocol,
                service::ADDR => &mut parts.address,
                service::PORT => &mut parts.port,
                service::FWMARK => &mut parts.mark,
                service::SCHED_NAME => &mut parts.scheduler,
                service::FLAGS => &mut parts.flags,
                service::TIMEOUT => &mut parts.timeout,
                service::NETMASK => &mut parts.netmask,
                service::PE_NAME => &mut parts.engine,
                service::STATS => &mut parts.stats,
                service::STATS64 => &mut parts.stats64,
                _ => continue,
            };
            *part = Some(attribute);
        }
        Ok(parts)
    }

    fn key(&self, family: Family) -> Result<Option<ServiceKey>, Malformed> {
        if let Some(mark) = self.mark {
            let mark = mark.u32()?;
            return Ok(Some(ServiceKey::Mark { family, mark }));
        }
        let protocol = Protocol::from_number(required(self.protocol)?.u16()?);
        let address = address::decode(&required(self.address)?, family)?;
        let port = required(self.port)?.u16_be()?;
        Ok(protocol.map(|protocol| ServiceKey::Address {
            protocol,
            address,
            port,
        }))
    }

    fn service(&self, family: Family) -> Result<Service, Malformed> {
        let scheduler = match required(self.scheduler)?.string()? {
            NO_SCHEDULER => None,
            name => Some(
                name.parse()
                    .map_err(|_| Malformed("an impossible scheduler name"))?,
            ),
        };
        // The internal bit IP_VS_SVC_F_HASHED is among these and ignored (kernel note 0001).
        let bits = required(self.flags)?.u32()?;
        let persistence = if bits & flag::PERSISTENT == 0 {
            None
        } else {
            Some(Persistence {
                timeout: required(self.timeout)?.u32()?,
                netmask: netmask(&required(self.netmask)?, family)?,
            })
        };
        let engine = self.engine.map(|engine| engine.string()).transpose()?;
        Ok(Service {
            scheduler,
            flags: SchedulerFlags(((bits >> flag::SCHED_SHIFT) & flag::SCHED_BITS) as u8),
            persistence,
            engine: engine.filter(|name| !name.is_empty()).map(str::to_owned),
            one_packet: bits & flag::ONEPACKET != 0,
        })
    }
}

fn required(part: Option<Attribute<'_>>) -> Result<Attribute<'_>, Malformed> {
    part.ok_or(Malformed("a service without a required attribute"))
}
