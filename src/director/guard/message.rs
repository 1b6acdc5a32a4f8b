//! What the two processes say to each other, one message a packet.
//!
//! The message of every advert is packed by hand, all others are JSON, which never starts
//! with [`BEAT`].

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::farewell::FarewellLink;
use crate::kernel::neighbour::Mac;
use crate::model::InterfaceName;
use crate::model::pair::VirtualAddress;

/// Longest packet in bytes; longer ones are refused at both ends.
pub(super) const MAX_PACKET: usize = 64 * 1024;

/// First byte of the message of an advert.
const BEAT: u8 = 1;

/// Addresses in one message, so that a packet stays far below its limit.
const CHUNK: usize = 256;

/// What a guard is started with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// Where farewells are sent; they name their link by its place in here.
    pub links: Vec<FarewellLink>,
    /// Silence of the main process after which everything is given up, until a sign of life
    /// says otherwise.
    pub stall_after: Duration,
    /// How long the kernel keeps an address that nobody refreshes; whole seconds, at least 2.
    pub lifetime: Duration,
    /// Time between announcements after the first few; none when `None`.
    pub announce_again: Option<Duration>,
    /// Every virtual address of this node: those that are there are left over from before
    /// and removed.
    pub addresses: Vec<VirtualAddress>,
    /// What a guard that died held: it stays.
    pub adopt: Vec<Holding>,
}

/// The addresses of an instance that the guard keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Name of the instance.
    pub instance: String,
    /// The claim they are held for.
    pub epoch: u64,
    /// The addresses.
    #[serde(with = "addresses")]
    pub addresses: Vec<VirtualAddress>,
    /// Which of them were taken off `lo`, to be put back.
    pub loopback: Vec<Loopback>,
}

/// An address on `lo`: the director is a real server as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Loopback {
    /// The address.
    pub address: IpAddr,
    /// Length of its prefix.
    pub prefix: u8,
}

/// From the main process to the guard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Some of the node's addresses, before [`Request::Begin`].
    Configure(#[serde(with = "addresses")] Vec<VirtualAddress>),
    /// Something that is held already, before [`Request::Begin`].
    Adopt(Holding),
    /// The rest of the set-up: go.
    Begin {
        links: Vec<FarewellLink>,
        stall_after: Duration,
        lifetime: Duration,
        announce_again: Option<Duration>,
    },
    Hold {
        instance: String,
        epoch: u64,
        #[serde(with = "addresses")]
        addresses: Vec<VirtualAddress>,
        /// When it was asked for, since boot.
        at: Duration,
    },
    Announce {
        instance: String,
        epoch: u64,
    },
    CancelAnnouncements {
        instance: String,
    },
    Release {
        instance: String,
        epoch: u64,
        #[serde(with = "addresses")]
        addresses: Vec<VirtualAddress>,
    },
    /// An advert was sent.
    #[serde(skip)]
    Beat(Beat),
    Forget,
}

/// What goes with each advert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Beat {
    /// When, since boot.
    pub(super) at: Duration,
    /// Silence after it that is a stall.
    pub(super) limit: Duration,
    /// What to send on which link after a death or stall; nothing when nothing is owned.
    pub(super) farewell: Vec<(usize, Vec<u8>)>,
}

/// From the guard to the main process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The set-up is done; these were left over and are gone: `192.0.2.100/24 on eth0`.
    Ready {
        /// What was removed.
        removed: Vec<String>,
    },
    /// All addresses of a hold are there.
    Held(Holding),
    /// The addresses of a release are gone, verified.
    Released {
        /// Whose.
        instance: String,
        /// The claim that was given up.
        epoch: u64,
    },
    /// The kernel refused.
    Failed {
        /// What.
        step: Step,
        /// Whose; none at the start.
        instance: Option<String>,
        /// The claim; 0 at the start.
        epoch: u64,
        /// In words.
        why: String,
    },
    /// Somebody removed an address; it is back and was announced.
    Restored {
        /// Whose.
        instance: String,
        /// Which.
        address: IpAddr,
    },
    /// An address that is held is not there: its interface is gone or down, or somebody
    /// removed it again within ten seconds. A new hold adds it; so does the interface when
    /// it is up again.
    Missing {
        /// Whose.
        instance: String,
        /// Which.
        address: IpAddr,
    },
    /// Another host says that it has an address that is held here. At most one a second and
    /// MAC.
    Foreign {
        /// The address.
        address: IpAddr,
        /// At which MAC.
        #[serde(with = "mac")]
        mac: Mac,
    },
    /// Given up, or refused, without being asked: nothing is held any more for these claims
    /// or older ones.
    Fenced {
        /// Instance and epoch.
        instances: Vec<(String, u64)>,
        /// Why.
        why: FenceReason,
    },
}

/// What failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Removing what was left over. It is tried again.
    Start,
    /// Adding addresses; what had been added is removed again.
    Hold,
    /// Giving addresses a new lifetime. It is tried again.
    Refresh,
    /// Announcing addresses. The next round is tried all the same.
    Announce,
    /// Removing addresses. It is tried again until they are gone.
    Release,
}

/// Why something was fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FenceReason {
    /// The main process was silent for too long.
    Stalled,
    /// The guard was so late itself that the kernel may have taken the addresses away.
    Lapsed,
    /// The claim is not newer than one that was given up.
    OldEpoch,
}

impl Setup {
    /// As messages.
    pub(super) fn requests(&self) -> Vec<Request> {
        let addresses = self.addresses.chunks(CHUNK);
        let configure = addresses.map(|chunk| Request::Configure(chunk.to_vec()));
        let adopt = self.adopt.iter().cloned().map(Request::Adopt);
        let begin = Request::Begin {
            links: self.links.clone(),
            stall_after: self.stall_after,
            lifetime: self.lifetime,
            announce_again: self.announce_again,
        };
        configure.chain(adopt).chain([begin]).collect()
    }
}

impl Request {
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let packet = match self {
            Self::Beat(beat) => beat.encode()?,
            other => serde_json::to_vec(other).ok()?,
        };
        Some(packet).filter(|packet| packet.len() <= MAX_PACKET)
    }

    pub(super) fn decode(packet: &[u8]) -> Option<Self> {
        match packet.split_first()? {
            (&BEAT, rest) => Beat::decode(rest).map(Self::Beat),
            _ => serde_json::from_slice(packet).ok(),
        }
    }
}

impl Report {
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let packet = serde_json::to_vec(self).ok()?;
        Some(packet).filter(|packet| packet.len() <= MAX_PACKET)
    }

    pub(super) fn decode(packet: &[u8]) -> Option<Self> {
        serde_json::from_slice(packet).ok()
    }
}

impl Beat {
    /// Nanoseconds since boot and of the limit, then link, length and bytes of each packet,
    /// little-endian.
    fn encode(&self) -> Option<Vec<u8>> {
        let mut packet = vec![BEAT];
        for time in [self.at, self.limit] {
            let nanoseconds = u64::try_from(time.as_nanos()).ok()?;
            packet.extend(nanoseconds.to_le_bytes());
        }
        for (link, bytes) in &self.farewell {
            packet.push(u8::try_from(*link).ok()?);
            packet.extend(u16::try_from(bytes.len()).ok()?.to_le_bytes());
            packet.extend(bytes);
        }
        Some(packet)
    }

    fn decode(packet: &[u8]) -> Option<Self> {
        let (at, rest) = packet.split_first_chunk()?;
        let (limit, mut rest) = rest.split_first_chunk()?;
        let mut farewell = Vec::new();
        while let Some((&[link, low, high], after)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let (bytes, after) = after.split_at_checked(length)?;
            farewell.push((usize::from(link), bytes.to_vec()));
            rest = after;
        }
        rest.is_empty().then(|| Self {
            at: Duration::from_nanos(u64::from_le_bytes(*at)),
            limit: Duration::from_nanos(u64::from_le_bytes(*limit)),
            farewell,
        })
    }
}

mod addresses {
    //! Virtual addresses as address, prefix, interface, label.

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    use super::{InterfaceName, IpAddr, VirtualAddress};

    type Row = (IpAddr, u8, String, Option<String>);

    pub(super) fn serialize<S: Serializer>(
        all: &[VirtualAddress],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let row = |a: &VirtualAddress| -> Row {
            let interface = a.interface.as_str().to_owned();
            (a.address, a.prefix, interface, a.label.clone())
        };
        all.iter().map(row).collect::<Vec<_>>().serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<VirtualAddress>, D::Error> {
        let rows = Vec::<Row>::deserialize(from)?.into_iter();
        rows.map(|(address, prefix, interface, label)| {
            let interface: InterfaceName = interface.parse().map_err(D::Error::custom)?;
            Ok(VirtualAddress {
                address,
                prefix,
                interface,
                label,
            })
        })
        .collect()
    }
}

mod mac {
    //! A MAC as its six bytes.

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use super::Mac;

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde calls"
    )]
    pub(super) fn serialize<S: Serializer>(mac: &Mac, to: S) -> Result<S::Ok, S::Error> {
        mac.0.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Mac, D::Error> {
        <[u8; 6]>::deserialize(from).map(Mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(number: u16) -> VirtualAddress {
        VirtualAddress {
            address: std::net::Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, number).into(),
            prefix: 128,
            interface: "a-long-name-abc".parse().unwrap(),
            label: Some("a-long-name:123".to_owned()),
        }
    }

    #[test]
    fn what_is_said_is_understood() {
        let holding = Holding {
            instance: "web".to_owned(),
            epoch: u64::MAX,
            addresses: vec![address(1)],
            loopback: vec![Loopback {
                address: address(1).address,
                prefix: 128,
            }],
        };
        let beat = Beat {
            at: Duration::from_nanos(1_234_567_890_123),
            limit: Duration::from_millis(250),
            farewell: vec![(0, vec![1, 2, 3]), (7, Vec::new()), (1, vec![9; 512])],
        };
        let requests = [
            Request::Adopt(holding.clone()),
            Request::Beat(beat),
            Request::Beat(Beat::default()),
            Request::Forget,
        ];
        for request in requests {
            let packet = request.encode().unwrap();
            assert_eq!(Request::decode(&packet), Some(request));
        }
        let foreign = Report::Foreign {
            address: address(1).address,
            mac: Mac([1, 2, 3, 4, 5, 6]),
        };
        for report in [Report::Held(holding), foreign] {
            let packet = report.encode().unwrap();
            assert_eq!(Report::decode(&packet), Some(report));
        }
    }

    #[test]
    fn the_largest_set_up_fits_into_packets() {
        let setup = Setup {
            links: Vec::new(),
            stall_after: Duration::from_millis(500),
            lifetime: Duration::from_secs(3),
            announce_again: None,
            addresses: (0..1024).map(address).collect(),
            adopt: Vec::new(),
        };
        let requests = setup.requests();
        assert_eq!(requests.len(), 5);
        for request in requests {
            let packet = request.encode().unwrap();
            assert_eq!(Request::decode(&packet), Some(request));
        }
    }

    #[test]
    fn garbage_and_what_is_too_long_is_refused() {
        for packet in [
            &b""[..],
            b"\x01",
            b"\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x",
            b"{}",
            b"[[[[",
        ] {
            assert_eq!(Request::decode(packet), None, "{packet:?}");
        }
        let mut packet = Request::Beat(Beat {
            farewell: vec![(0, vec![1, 2, 3])],
            ..Beat::default()
        })
        .encode()
        .unwrap();
        packet.pop();
        assert_eq!(Request::decode(&packet), None);
        let long = Request::Configure((0..2000).map(address).collect());
        assert_eq!(long.encode(), None);
        // Names of interfaces are checked where they come in.
        let bad = br#"{"Configure":[["192.0.2.1",24,"a/b",null]]}"#;
        assert_eq!(Request::decode(bad), None);
    }
}
