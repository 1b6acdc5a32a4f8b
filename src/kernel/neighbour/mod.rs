//! What hosts on an Ethernet say about addresses: ARP for IPv4, neighbour discovery for
//! IPv6. A director tells its neighbours that an address is now here, asks whether
//! somebody has it, and listens for others who claim it.
//!
//! [`arp`] and [`nd`] build and read frames; [`Port`], [`Listener`] and [`Probe`] send and
//! receive them. Interfaces on which nobody asks (loopback, dummy, tunnels) have none.

pub mod arp;
pub mod nd;
mod port;

pub use port::{Listener, Port, Probe, own_macs};

use std::net::IpAddr;

pub use crate::model::Mac;

/// How somebody stands to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// It says that it has it.
    Owner,
    /// It asks who has it, before it takes it itself: a rival (RFC 5227 §2.1.1).
    Probe,
}

/// What somebody said about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// The address.
    pub address: IpAddr,
    /// Whose MAC it is said to be at, or who asks.
    pub mac: Mac,
    /// Which of both.
    pub claim: Claim,
}
