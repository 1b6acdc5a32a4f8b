//! Adverts: what the two nodes tell each other, every interval and at every change, as one
//! datagram of at most 512 bytes per link.
//!
//! All numbers are big endian. The fixed part:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `LVSd` |
//! | 4 | 1 | version of the format: 1 |
//! | 5 | 1 | newest version that the sender understands |
//! | 6 | 2 | length of the whole datagram |
//! | 8 | 8 | cluster: first 8 bytes of the SHA-256 of its name |
//! | 16 | 1 | sender's node number, 1–255 |
//! | 17 | 1 | index of the link |
//! | 18 | 1 | key number |
//! | 19 | 1 | flags: 1 = answer soon, 2 = unheard (see [`Advert::unheard`]) |
//! | 20 | 16 | sender's incarnation |
//! | 36 | 8 | sequence; the top bit marks a farewell |
//! | 44 | 16 | incarnation of the receiver as last heard, zero when none |
//! | 60 | 8 | highest sequence heard of it |
//! | 68 | 1 | links on which the receiver is heard, bit *i* for link *i* |
//! | 69 | 4 | advert interval in µs |
//! | 73 | 4 | dead interval in µs |
//! | 77 | 8 | digest of the shared configuration |
//! | 85 | 3 | version of the program |
//! | 88 | 1 | number of hardware addresses, 0–8 |
//! | 89 | 1 | number of records, 0–16 |
//! | 90 | 1 | length of a record, at least 20 |
//!
//! Then 6 bytes per hardware address, the records (one per instance), anything that a later
//! version adds, and the tag of 32 bytes. A record:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | instance: first 4 bytes of the SHA-256 of its name |
//! | 4 | 8 | epoch |
//! | 12 | 1 | state |
//! | 13 | 1 | effective priority |
//! | 14 | 2 | flags, see [`Flags`] |
//! | 16 | 1 | mandatory tracks that work |
//! | 17 | 1 | mandatory tracks |
//! | 18 | 1 | number of addresses |
//! | 19 | 1 | reserved, zero |
//!
//! The tag is HMAC-SHA-256 over everything before it, under a key that is derived from the
//! shared one and the full name of the cluster and that serves no other purpose. So sender,
//! link, both incarnations and the sequence are covered, and a packet of another cluster,
//! link or direction does not verify or is refused by what it says.

mod auth;
mod codec;

use std::time::Duration;

pub(super) use auth::Signer;
pub use auth::{BadKey, Key, KeyId, Keys};
pub use codec::{Expected, decode, encode};
pub(super) use codec::{Frame, VERSION, cluster_id, write};

use super::bounded::Bounded;
use super::event::Mac;
use super::instance::State;
use super::settings::{ConfigDigest, InstanceId, MAX_INSTANCES, SoftwareVersion};
use crate::model::pair::NodeId;

/// Longest advert in bytes.
pub const MAX_LENGTH: usize = 512;
/// Most hardware addresses in an advert.
pub const MAX_MACS: usize = 8;
/// Top bit of the sequence of a farewell: signed beforehand, sent by the guard. The other bits
/// are those of the last advert that went out before.
pub const FAREWELL: u64 = 1 << 63;

/// One life of a node's process: 128 random bits, drawn at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl std::fmt::Display for Incarnation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

/// What the sender has heard last from the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echo {
    /// Which life of it.
    pub incarnation: Incarnation,
    /// Highest sequence, without [`FAREWELL`].
    pub sequence: u64,
}

/// A decoded advert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Newest format that the sender understands.
    pub newest: u8,
    /// Who sent it.
    pub sender: NodeId,
    /// Index of the link it was sent on.
    pub link: u8,
    /// The sender would like to hear something soon.
    pub ask: bool,
    /// The sender has heard nothing for four fifths of the dead interval and is about to
    /// count the receiver as dead.
    pub unheard: bool,
    /// Life of the sender.
    pub incarnation: Incarnation,
    /// Grows with every round of adverts; the copies of a round on several links share it.
    pub sequence: u64,
    /// What the sender has heard.
    pub echo: Option<Echo>,
    /// On which links it hears the receiver, one bit each.
    pub heard: u8,
    /// The sender's advert interval.
    pub interval: Duration,
    /// The silence after which the sender wants to be counted as dead.
    pub dead_after: Duration,
    /// Digest of its configuration.
    pub digest: ConfigDigest,
    /// Version of its program.
    pub version: SoftwareVersion,
    /// Hardware addresses of the interfaces that carry addresses of the pair.
    pub macs: Bounded<Mac, MAX_MACS>,
    /// One per instance.
    pub records: Bounded<Record, MAX_INSTANCES>,
}

impl Advert {
    /// Whether the guard sent it for a node that no longer could.
    pub fn is_farewell(&self) -> bool {
        self.sequence & FAREWELL != 0
    }

    /// What it says about an instance.
    pub fn record(&self, id: InstanceId) -> Option<&Record> {
        self.records.iter().find(|r| r.instance == id)
    }
}

/// What a node says about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Which.
    pub instance: InstanceId,
    /// Epoch of the node's last claim.
    pub epoch: u64,
    /// State.
    pub state: State,
    /// Effective priority, 1–254.
    pub priority: u8,
    /// The rest of it.
    pub flags: Flags,
    /// Mandatory tracks that have not failed.
    pub reachable: u8,
    /// Mandatory tracks.
    pub total: u8,
    /// Number of addresses.
    pub addresses: u8,
}

/// Yes or no about an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent bits of the format, not a state machine"
)]
pub struct Flags {
    /// The node may serve.
    pub eligible: bool,
    /// It could take over without loss.
    pub ready: bool,
    /// Nothing is to move.
    pub frozen: bool,
    /// An operator does not want it to serve.
    pub admin_standby: bool,
    /// It is about to take over.
    pub claim: bool,
    /// It serves and objects to the receiver's claim.
    pub hold: bool,
    /// Its addresses of the record's epoch are gone, confirmed by its kernel.
    pub released: bool,
    /// It is better and asks for an orderly hand-over.
    pub wants_handover: bool,
    /// An operator asks for it.
    pub takeover: bool,
    /// Too many moves.
    pub pinned: bool,
}

/// Why a packet was refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[repr(u8)]
pub enum Refusal {
    /// Too short, too long, or not as long as it says.
    #[error("wrong length")]
    Length,
    /// Something else.
    #[error("not an advert")]
    Magic,
    /// A format that this program does not know.
    #[error("unknown version")]
    Version,
    /// Another pair's.
    #[error("another cluster")]
    Cluster,
    /// From a node that is not in the pair.
    #[error("unknown sender")]
    Sender,
    /// Sent on another link.
    #[error("wrong link")]
    Link,
    /// Signed with a key that we do not have.
    #[error("unknown key")]
    Key,
    /// Not signed with the key that it names.
    #[error("not authentic")]
    Tag,
    /// Authentic but makes no sense.
    #[error("malformed")]
    Malformed,
    /// Our own, sent back by the network.
    #[error("own packet")]
    Own,
    /// Of a life of the peer that is over.
    #[error("retired incarnation")]
    Retired,
    /// Does not prove that its sender hears us in this life.
    #[error("unverified incarnation")]
    Unverified,
    /// Seen before, or older than what was seen.
    #[error("replayed")]
    Replayed,
    /// The sender had not heard us for the dead interval when it sent this.
    #[error("stale")]
    Stale,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Length,
        Self::Magic,
        Self::Version,
        Self::Cluster,
        Self::Sender,
        Self::Link,
        Self::Key,
        Self::Tag,
        Self::Malformed,
        Self::Own,
        Self::Retired,
        Self::Unverified,
        Self::Replayed,
        Self::Stale,
    ];
}

#[cfg(test)]
mod tests;
