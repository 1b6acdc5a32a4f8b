//! The IPVS table, as wanted and as the kernel reports it.

use std::collections::BTreeMap;

use super::destination::{Destination, DestinationKey};
use super::service::{Service, ServiceKey};

/// A virtual service with its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The service's attributes.
    pub service: Service,
    /// Its destinations by identity.
    pub destinations: BTreeMap<DestinationKey, Destination>,
}

/// A table without statistics: what is compared and planned.
pub type Table = BTreeMap<ServiceKey, Entry>;

/// Statistics of a service or destination (`IPVS_STATS_ATTR_*`), sums of the
/// estimator's last run, which is up to 2 s old.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients; 0 with direct routing and tunnels.
    pub out_packets: u64,
    /// Bytes from clients, IP headers included.
    pub in_bytes: u64,
    /// Bytes to clients.
    pub out_bytes: u64,
    /// Connections per second.
    pub connections_per_second: u64,
    /// Packets per second from clients.
    pub in_packets_per_second: u64,
    /// Packets per second to clients.
    pub out_packets_per_second: u64,
    /// Bytes per second from clients.
    pub in_bytes_per_second: u64,
    /// Bytes per second to clients.
    pub out_bytes_per_second: u64,
}

/// A destination as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedDestination {
    /// What was configured.
    pub destination: Destination,
    /// Connections in an active state, live.
    pub active: u32,
    /// Other connections, live.
    pub inactive: u32,
    /// Persistence templates, live.
    pub persistent: u32,
    /// Statistics; `None` when the reply carried none.
    pub counters: Counters,
}

/// A service as the kernel reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedService {
    /// What was configured.
    pub service: Service,
    /// Statistics of the whole service.
    pub counters: Counters,
    /// Destinations by identity.
    pub destinations: BTreeMap<DestinationKey, ObservedDestination>,
}

impl ObservedService {
    /// The part that is compared: no statistics.
    pub fn to_entry(&self) -> Entry {
        Entry {
            service: self.service.clone(),
            destinations: self
                .destinations
                .iter()
                .map(|(key, observed)| (*key, observed.destination))
                .collect(),
        }
    }
}

/// The kernel's table with statistics.
pub type ObservedTable = BTreeMap<ServiceKey, ObservedService>;

/// Answer to `IPVS_CMD_GET_INFO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// Version as major, minor, patch; 1.2.1 for two decades.
    pub version: (u8, u8, u8),
    /// Buckets of the connection table.
    pub connection_table_size: u32,
}
