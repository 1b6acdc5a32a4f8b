//! Starting sync daemons (`ip_vs_genl_new_daemon`, `start_sync_thread`).

use std::net::{IpAddr, Ipv4Addr};

use nix::errno::Errno;

use super::Table;
use crate::kernel::refusal;
use crate::model::{Family, SyncDaemon, SyncRole};

/// The kernel's default group.
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
/// The kernel's default UDP port (`IP_VS_SYNC_PORT`).
const PORT: u16 = 8848;
/// MTU a master reckons with, and the least a backup reckons with, in bytes.
const MTU: u16 = 1500;
/// Least payload of a backup, in bytes.
const MIN_BACKUP_LENGTH: u16 = 1024;

impl Table {
    pub(super) fn start(&mut self, wanted: &SyncDaemon) -> Result<(), Errno> {
        if let Some(errno) = refusal::of_daemon(wanted) {
            return Err(errno);
        }
        let group = wanted.group.unwrap_or(GROUP);
        if !group.is_multicast() || self.has_mixed_families() {
            return Err(Errno::EINVAL);
        }
        let mtu = *self
            .interfaces
            .get(&wanted.interface)
            .ok_or(Errno::ENODEV)?;
        if self.daemons.contains_key(&wanted.role) {
            return Err(Errno::EEXIST);
        }
        let daemon = SyncDaemon {
            role: wanted.role,
            interface: wanted.interface.clone(),
            sync_id: wanted.sync_id,
            max_length: max_length(wanted, group, mtu),
            group: Some(group),
            port: if wanted.port == 0 { PORT } else { wanted.port },
            ttl: wanted.ttl.max(1),
        };
        self.daemons.insert(wanted.role, daemon);
        Ok(())
    }
}

/// The payload the kernel settles for.
fn max_length(wanted: &SyncDaemon, group: IpAddr, mtu: u16) -> u16 {
    let headers = match Family::of(group) {
        Family::V4 => 20 + 8,
        Family::V6 => 40 + 8,
    };
    let (least, mtu) = match wanted.role {
        SyncRole::Master => (1, MTU),
        SyncRole::Backup => (MIN_BACKUP_LENGTH, mtu.max(MTU)),
    };
    match wanted.max_length {
        0 => mtu - headers,
        length => length.clamp(least, u16::MAX - headers),
    }
}
