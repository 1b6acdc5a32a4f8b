//! The connection synchronisation daemon and the protocol time-outs.

use std::net::IpAddr;

/// Role of a sync daemon; both may run at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SyncRole {
    /// Sends connection entries.
    Master,
    /// Receives them.
    Backup,
}

impl SyncRole {
    /// What `ipvsadm` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Backup => "backup",
        }
    }
}

/// A sync daemon (`IPVS_DAEMON_ATTR_*`). Zero and `None` mean the kernel's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncDaemon {
    /// Role.
    pub role: SyncRole,
    /// Multicast interface, at most 15 bytes.
    pub interface: String,
    /// Sync id, 0 to 255; a backup with id 0 takes every id.
    pub sync_id: u8,
    /// Largest UDP payload in bytes; 0 is the default.
    pub max_length: u16,
    /// Multicast group; `None` is 224.0.0.81.
    pub group: Option<IpAddr>,
    /// UDP port; 0 is 8848.
    pub port: u16,
    /// Time to live; 0 is 1.
    pub ttl: u8,
}

/// The three adjustable time-outs, in seconds. 0 keeps a value when setting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// Established TCP connections; 900 by default.
    pub tcp: u32,
    /// TCP after FIN; 120 by default.
    pub tcp_fin: u32,
    /// UDP; 300 by default.
    pub udp: u32,
}
