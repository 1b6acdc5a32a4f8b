//! The sync daemon nest.

use std::net::IpAddr;

use super::abi::{daemon, top};
use crate::kernel::netlink::Malformed;
use crate::kernel::netlink::attribute::{Attributes, Writer};
use crate::model::{SyncDaemon, SyncRole};

/// Writes a daemon nest that starts a daemon. Zeros and `None` are left out, which is
/// how the kernel is asked for its defaults.
pub(super) fn encode(message: &mut Writer<'_>, wanted: &SyncDaemon) {
    message.nest(top::DAEMON, |nest| {
        nest.u32(daemon::STATE, state(wanted.role));
        nest.string(daemon::MCAST_IFN, &wanted.interface);
        nest.u32(daemon::SYNC_ID, u32::from(wanted.sync_id));
        if wanted.max_length != 0 {
            nest.u16(daemon::SYNC_MAXLEN, wanted.max_length);
        }
        if wanted.port != 0 {
            // Unlike every other port, in host order (kernel note 0002).
            nest.u16(daemon::MCAST_PORT, wanted.port);
        }
        if wanted.ttl != 0 {
            nest.u8(daemon::MCAST_TTL, wanted.ttl);
        }
        match wanted.group {
            None => {}
            Some(IpAddr::V4(group)) => nest.bytes(daemon::MCAST_GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => nest.bytes(daemon::MCAST_GROUP6, &group.octets()),
        }
    });
}

/// Writes a daemon nest that stops a role.
pub(super) fn encode_stop(message: &mut Writer<'_>, role: SyncRole) {
    message.nest(top::DAEMON, |nest| nest.u32(daemon::STATE, state(role)));
}

fn state(role: SyncRole) -> u32 {
    match role {
        SyncRole::Master => daemon::MASTER,
        SyncRole::Backup => daemon::BACKUP,
    }
}

/// Reads the daemon of an answer.
pub(super) fn decode(message: Attributes<'_>) -> Result<SyncDaemon, Malformed> {
    let missing = Malformed("a sync daemon without a required attribute");
    let nest = message
        .find(top::DAEMON)?
        .ok_or(Malformed("an answer without a sync daemon"))?;
    let (mut role, mut interface, mut sync_id) = (None, None, None);
    let (mut max_length, mut group, mut port, mut ttl) = (0, None, 0, 0);
    for attribute in nest.nest() {
        let attribute = attribute?;
        match attribute.kind {
            daemon::STATE => {
                role = Some(match attribute.u32()? {
                    daemon::MASTER => SyncRole::Master,
                    daemon::BACKUP => SyncRole::Backup,
                    _ => return Err(Malformed("a sync daemon of an unknown role")),
                });
            }
            daemon::MCAST_IFN => interface = Some(attribute.string()?.to_owned()),
            // The kernel stores 32 bits and sends the lowest eight over the network.
            daemon::SYNC_ID => sync_id = Some((attribute.u32()? & 0xff) as u8),
            daemon::SYNC_MAXLEN => max_length = attribute.u16()?,
            daemon::MCAST_GROUP => group = Some(IpAddr::from(attribute.prefix::<4>()?)),
            daemon::MCAST_GROUP6 => group = Some(IpAddr::from(attribute.prefix::<16>()?)),
            daemon::MCAST_PORT => port = attribute.u16()?,
            daemon::MCAST_TTL => ttl = attribute.u8()?,
            _ => {}
        }
    }
    Ok(SyncDaemon {
        role: role.ok_or(missing)?,
        interface: interface.ok_or(missing)?,
        sync_id: sync_id.ok_or(missing)?,
        max_length,
        group,
        port,
        ttl,
    })
}
