//! What the state machine has to know about the pair.

use std::fmt;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::advert::Keys;
use crate::model::pair::{Effect, Node, NodeId, Pair, Preempt, Standby, Timing, TrackKind};

/// Most links of a pair: one bit each in an advert.
pub const MAX_LINKS: usize = 8;
/// Most instances of a pair: so many fit into an advert.
pub const MAX_INSTANCES: usize = 16;
/// What the preferred node's priority counts more.
const PREFERENCE: i32 = 100;

/// An instance's name in adverts, events and actions: the first 32 bits of its SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceId(pub u32);

impl InstanceId {
    /// Of a name.
    pub fn of(name: &str) -> Self {
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(name.as_bytes()));
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

/// A digest of the part of the configuration that must be the same on both nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConfigDigest(pub [u8; 8]);

/// Version of the program, shown to the other side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SoftwareVersion {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Patch.
    pub patch: u8,
}

impl fmt::Display for SoftwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The pair as the state machine sees it.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) cluster: String,
    pub(super) local: Node,
    pub(super) peer: Node,
    pub(super) timing: Timing,
    pub(super) preempt: Preempt,
    pub(super) links: Vec<String>,
    pub(super) instances: Vec<InstanceSettings>,
    pub(super) keys: Keys,
    pub(super) digest: ConfigDigest,
    pub(super) version: SoftwareVersion,
}

/// The part of an instance that decides about its role.
#[derive(Debug, Clone)]
pub(super) struct InstanceSettings {
    pub(super) id: InstanceId,
    pub(super) name: String,
    pub(super) prefer: Option<NodeId>,
    pub(super) addresses: u8,
    pub(super) sync: bool,
    pub(super) standby: Standby,
    pub(super) strict: bool,
    pub(super) before_release: bool,
    /// How long all targets on the network must be silent until the node counts as cut off.
    /// `None` when there are no targets: then nothing can be concluded.
    pub(super) isolation: Option<Duration>,
}

/// A pair that the protocol cannot carry. The configuration should have refused it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// 1 to 8 links.
    #[error("a pair has 1 to {MAX_LINKS} links, not {0}")]
    Links(usize),
    /// 1 to 16 instances.
    #[error("a pair has 1 to {MAX_INSTANCES} instances, not {0}")]
    Instances(usize),
    /// Two names with the same [`InstanceId`].
    #[error("rename {0:?} or {1:?}: their short forms in adverts are the same")]
    SameId(String, String),
    /// D below 3·A, or a time out of its range.
    #[error("{0}")]
    Timing(&'static str),
}

/// A shorter silence of the main process is no stall, whatever the dead interval: hosts have
/// hiccups of that length. A peer that claims meanwhile finds the addresses in use.
pub(super) const LEAST_STALL: Duration = Duration::from_millis(250);

impl Settings {
    /// How long the guard waits for a sign of life before it gives the addresses up: half of
    /// the dead interval, so that they are gone before the peer may claim, but not less than
    /// a quarter of a second. Each [`super::Action::Keep`] says how long it is just now.
    pub fn stall_after(&self) -> Duration {
        stall_after(self.timing.dead_after)
    }

    /// From the model, the keys and what is told to the peer.
    pub fn new(
        pair: &Pair,
        keys: Keys,
        digest: ConfigDigest,
        version: SoftwareVersion,
    ) -> Result<Self, SettingsError> {
        if !(1..=MAX_LINKS).contains(&pair.links.len()) {
            return Err(SettingsError::Links(pair.links.len()));
        }
        if !(1..=MAX_INSTANCES).contains(&pair.instances.len()) {
            return Err(SettingsError::Instances(pair.instances.len()));
        }
        check_timing(&pair.timing).map_err(SettingsError::Timing)?;
        let mut instances: Vec<InstanceSettings> = Vec::with_capacity(pair.instances.len());
        for instance in &pair.instances {
            let id = InstanceId::of(&instance.name);
            if let Some(other) = instances.iter().find(|i| i.id == id) {
                let names = (other.name.clone(), instance.name.clone());
                return Err(SettingsError::SameId(names.0, names.1));
            }
            instances.push(InstanceSettings {
                id,
                name: instance.name.clone(),
                prefer: instance.prefer,
                addresses: u8::try_from(instance.addresses.len()).unwrap_or(u8::MAX),
                sync: instance.sync.is_some(),
                standby: instance.standby,
                strict: instance.strict,
                before_release: !instance.hooks.before_release.is_empty(),
                isolation: isolation(instance, pair.timing.dead_after),
            });
        }
        Ok(Self {
            cluster: pair.cluster.clone(),
            local: pair.local.clone(),
            peer: pair.peer.clone(),
            timing: pair.timing,
            preempt: pair.preempt,
            links: pair.links.iter().map(|l| l.name.clone()).collect(),
            instances,
            keys,
            digest,
            version,
        })
    }

    /// Priority of the node for an instance: base, weights, preference, within 1 to 254.
    pub(super) fn priority(&self, instance: &InstanceSettings, weight: i16) -> u8 {
        let preferred = instance.prefer == Some(self.local.id);
        let sum = i32::from(self.local.priority)
            + i32::from(weight)
            + if preferred { PREFERENCE } else { 0 };
        u8::try_from(sum.clamp(1, 254)).expect("clamped to a byte")
    }
}

/// [`Settings::stall_after`] while the peer waits for so long.
pub(super) fn stall_after(dead_after: Duration) -> Duration {
    (dead_after / 2).max(LEAST_STALL)
}

/// The relations that the protocol itself needs.
fn check_timing(timing: &Timing) -> Result<(), &'static str> {
    let milliseconds = |low, high| Duration::from_millis(low)..=Duration::from_millis(high);
    if !milliseconds(10, 10_000).contains(&timing.advert_interval) {
        return Err("the advert interval is 10 ms to 10 s");
    }
    if timing.dead_after < timing.advert_interval * 3 {
        return Err("a peer is dead after at least three advert intervals");
    }
    if timing.dead_after > Duration::from_secs(120) {
        return Err("a peer is dead after at most two minutes");
    }
    if !milliseconds(1, 10_000).contains(&timing.probe_window) {
        return Err("the probe window is 1 ms to 10 s");
    }
    Ok(())
}

/// 0.6·D, so that a node that is cut off gives up before the peer claims; but never before
/// the slowest target had two chances to answer.
fn isolation(instance: &crate::model::pair::Instance, dead_after: Duration) -> Option<Duration> {
    let mandatory = instance.tracks.iter().filter(|t| t.effect == Effect::Fault);
    TrackKind::that_tell_of_the_network(mandatory, |track| &track.kind)
        .into_iter()
        .map(|track| track.interval * 2 + track.timeout)
        .max()
        .map(|slowest| slowest.max(dead_after * 6 / 10))
}
