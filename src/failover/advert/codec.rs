//! Adverts to bytes and back.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::auth::{KeyId, Signer, TAG_LENGTH};
use super::{
    Advert, Bounded, Echo, Flags, Incarnation, MAX_INSTANCES, MAX_LENGTH, MAX_MACS, Mac, Record,
    Refusal,
};
use crate::failover::advert::Keys;
use crate::failover::instance::State;
use crate::failover::sabotage::{Bug, Sabotage};
use crate::failover::settings::{ConfigDigest, InstanceId, MAX_LINKS, SoftwareVersion};
use crate::model::pair::NodeId;

const MAGIC: [u8; 4] = *b"LVSd";
/// The format that this program writes, and the newest that it reads.
pub(in crate::failover) const VERSION: u8 = 1;
const FIXED: usize = 91;
const RECORD: usize = 20;
const MAC: usize = 6;
const ASK: u8 = 1;
const UNHEARD: u8 = 2;

/// What a receiver accepts, besides the keys.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// Name of the pair.
    pub cluster: &'a str,
    /// Numbers of its nodes.
    pub nodes: [NodeId; 2],
    /// Index of the link that the packet came on.
    pub link: usize,
}

/// The datagram of an advert, signed with the signing key.
pub fn encode(advert: &Advert, cluster: &str, keys: &Keys) -> Vec<u8> {
    write(advert, cluster_id(cluster), &Signer::new(keys, cluster))
}

/// The advert of a datagram. Nothing of it is used before its tag has been verified, except
/// what decides that it cannot be ours.
pub fn decode(bytes: &[u8], expected: &Expected<'_>, keys: &Keys) -> Result<Advert, Refusal> {
    let signer = Signer::new(keys, expected.cluster);
    let cluster = cluster_id(expected.cluster);
    let frame = Frame {
        cluster,
        nodes: expected.nodes,
        link: expected.link,
        sabotage: Sabotage::default(),
    };
    frame.read(bytes, &signer)
}

/// First 8 bytes of the SHA-256 of its name.
pub(in crate::failover) fn cluster_id(cluster: &str) -> [u8; 8] {
    let digest = <[u8; 32]>::from(Sha256::digest(cluster.as_bytes()));
    *digest.first_chunk().expect("32 bytes have a first eight")
}

pub(in crate::failover) fn write(advert: &Advert, cluster: [u8; 8], signer: &Signer) -> Vec<u8> {
    let macs = advert.macs.len();
    let records = advert.records.len();
    let length = FIXED + macs * MAC + records * RECORD + TAG_LENGTH;
    let mut out = Vec::with_capacity(length);
    out.extend(MAGIC);
    out.extend([VERSION, advert.newest]);
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(cluster);
    let flags = (u8::from(advert.ask) * ASK) | (u8::from(advert.unheard) * UNHEARD);
    out.extend([advert.sender.0, advert.link, signer.key().0, flags]);
    out.extend(advert.incarnation.0);
    out.extend(advert.sequence.to_be_bytes());
    let (incarnation, sequence) = match advert.echo {
        Some(echo) => (echo.incarnation.0, echo.sequence),
        None => ([0; 16], 0),
    };
    out.extend(incarnation);
    out.extend(sequence.to_be_bytes());
    out.push(advert.heard);
    out.extend(micros(advert.interval).to_be_bytes());
    out.extend(micros(advert.dead_after).to_be_bytes());
    out.extend(advert.digest.0);
    let version = advert.version;
    out.extend([version.major, version.minor, version.patch]);
    // Below 9, below 17 and 20.
    out.extend([macs as u8, records as u8, RECORD as u8]);
    for mac in advert.macs.iter() {
        out.extend(mac.0);
    }
    for record in advert.records.iter() {
        write_record(record, &mut out);
    }
    let tag = signer.tag(&out);
    out.extend(tag);
    debug_assert!(out.len() == length && length <= MAX_LENGTH);
    out
}

fn write_record(record: &Record, out: &mut Vec<u8>) {
    out.extend(record.instance.0.to_be_bytes());
    out.extend(record.epoch.to_be_bytes());
    out.extend([record.state.code(), record.priority]);
    out.extend(bits(record.flags).to_be_bytes());
    out.extend([record.reachable, record.total, record.addresses, 0]);
}

/// In 32 bits; the settings keep it below two minutes.
fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn flag_list(flags: &mut Flags) -> [&mut bool; 10] {
    [
        &mut flags.eligible,
        &mut flags.ready,
        &mut flags.frozen,
        &mut flags.admin_standby,
        &mut flags.claim,
        &mut flags.hold,
        &mut flags.released,
        &mut flags.wants_handover,
        &mut flags.takeover,
        &mut flags.pinned,
    ]
}

/// The first flag is bit 0.
fn bits(mut flags: Flags) -> u16 {
    let list = flag_list(&mut flags);
    let set = list.iter().enumerate().filter(|(_, flag)| ***flag);
    set.fold(0, |bits, (index, _)| bits | 1 << index)
}

/// Bits of later versions are ignored.
fn flags(bits: u16) -> Flags {
    let mut flags = Flags::default();
    for (index, flag) in flag_list(&mut flags).into_iter().enumerate() {
        *flag = bits & 1 << index != 0;
    }
    flags
}

/// What a packet must say before its tag is looked at.
pub(in crate::failover) struct Frame {
    pub(in crate::failover) cluster: [u8; 8],
    pub(in crate::failover) nodes: [NodeId; 2],
    pub(in crate::failover) link: usize,
    pub(in crate::failover) sabotage: Sabotage,
}

impl Frame {
    pub(in crate::failover) fn read(
        &self,
        bytes: &[u8],
        signer: &Signer,
    ) -> Result<Advert, Refusal> {
        if !(FIXED + TAG_LENGTH..=MAX_LENGTH).contains(&bytes.len()) {
            return Err(Refusal::Length);
        }
        let (text, tag) = bytes.split_at(bytes.len() - TAG_LENGTH);
        let mut reader = Reader(text);
        let malformed = Refusal::Malformed;
        if reader.take::<4>().ok_or(malformed)? != MAGIC {
            return Err(Refusal::Magic);
        }
        let [version, newest] = reader.take().ok_or(malformed)?;
        if version != VERSION {
            return Err(Refusal::Version);
        }
        if usize::from(u16::from_be_bytes(reader.take().ok_or(malformed)?)) != bytes.len() {
            return Err(Refusal::Length);
        }
        if reader.take::<8>().ok_or(malformed)? != self.cluster {
            return Err(Refusal::Cluster);
        }
        let [sender, link, key, flags] = reader.take().ok_or(malformed)?;
        if !self.nodes.contains(&NodeId(sender)) {
            return Err(Refusal::Sender);
        }
        if usize::from(link) != self.link || self.link >= MAX_LINKS {
            return Err(Refusal::Link);
        }
        if !signer.knows(KeyId(key)) {
            return Err(Refusal::Key);
        }
        if !signer.verify(KeyId(key), text, tag) && !self.sabotage.is(Bug::SkipMac) {
            return Err(Refusal::Tag);
        }
        let head = Head {
            newest,
            sender: NodeId(sender),
            link,
            flags,
        };
        head.body(&mut reader).ok_or(malformed)
    }
}

struct Head {
    newest: u8,
    sender: NodeId,
    link: u8,
    flags: u8,
}

impl Head {
    fn body(self, reader: &mut Reader<'_>) -> Option<Advert> {
        let incarnation = Incarnation(reader.take()?);
        let sequence = u64::from_be_bytes(reader.take()?);
        let echo = Echo {
            incarnation: Incarnation(reader.take()?),
            sequence: u64::from_be_bytes(reader.take()?),
        };
        let [heard] = reader.take()?;
        let interval = microseconds(reader.take()?);
        let dead_after = microseconds(reader.take()?);
        let digest = ConfigDigest(reader.take()?);
        let [major, minor, patch] = reader.take()?;
        let [mac_count, record_count, record_length] = reader.take()?;
        let (mac_count, record_count) = (usize::from(mac_count), usize::from(record_count));
        let record_length = usize::from(record_length);
        if mac_count > MAX_MACS || record_count > MAX_INSTANCES || record_length < RECORD {
            return None;
        }
        let mut macs = Bounded::new();
        for _ in 0..mac_count {
            macs.push(Mac(reader.take()?));
        }
        let mut records = Bounded::new();
        for _ in 0..record_count {
            let mut record = Reader(reader.slice(record_length)?);
            records.push(read_record(&mut record)?);
        }
        // What is left belongs to a later version.
        Some(Advert {
            newest: self.newest,
            sender: self.sender,
            link: self.link,
            ask: self.flags & ASK != 0,
            unheard: self.flags & UNHEARD != 0,
            incarnation,
            sequence,
            echo: (echo.incarnation.0 != [0; 16]).then_some(echo),
            heard,
            interval,
            dead_after,
            digest,
            version: SoftwareVersion {
                major,
                minor,
                patch,
            },
            macs,
            records,
        })
    }
}

fn microseconds(bytes: [u8; 4]) -> Duration {
    Duration::from_micros(u32::from_be_bytes(bytes).into())
}

fn read_record(reader: &mut Reader<'_>) -> Option<Record> {
    let instance = InstanceId(u32::from_be_bytes(reader.take()?));
    let epoch = u64::from_be_bytes(reader.take()?);
    let [state, priority] = reader.take()?;
    let flags = flags(u16::from_be_bytes(reader.take()?));
    let [reachable, total, addresses] = reader.take()?;
    if reachable > total || priority == 0 {
        return None;
    }
    Some(Record {
        instance,
        epoch,
        state: State::from_code(state)?,
        priority,
        flags,
        reachable,
        total,
        addresses,
    })
}

/// Takes from the front what is there.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn slice(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
