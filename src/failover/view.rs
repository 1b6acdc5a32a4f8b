//! What an operator gets to see.

use std::time::{Duration, Instant};

use super::advert::{Incarnation, Refusal};
use super::instance::{Reason, State};
use super::settings::{InstanceId, SoftwareVersion};
use crate::model::pair::NodeId;

/// The whole of it, at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Name of the pair.
    pub cluster: String,
    /// This node's name.
    pub node: String,
    /// This node's number.
    pub node_id: NodeId,
    /// This process's life.
    pub incarnation: Incarnation,
    /// Whether this process was late and has not looked around yet.
    pub suspect: bool,
    /// Whether it is about to end.
    pub stopping: bool,
    /// Until when nothing moves on this node.
    pub frozen: Freeze,
    /// Silence on all links after which the peer counts as dead just now.
    pub dead_after: Duration,
    /// The other node.
    pub peer: PeerView,
    /// In the order of the configuration.
    pub links: Vec<LinkView>,
    /// In the order of the configuration.
    pub instances: Vec<InstanceView>,
    /// The last 64 transitions, oldest first.
    pub history: Vec<HistoryEntry>,
}

/// Whether nothing moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freeze {
    /// Things move.
    No,
    /// Until then.
    Until(Instant),
    /// Until an operator ends it.
    Forever,
}

/// The other node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerView {
    /// Its name in our configuration.
    pub name: String,
    /// Its number in our configuration.
    pub node_id: NodeId,
    /// Its life, when it has proven that it hears ours.
    pub incarnation: Option<Incarnation>,
    /// Whether something fresh came within the dead interval.
    pub alive: bool,
    /// How long ago something fresh came.
    pub heard: Option<Duration>,
    /// Whether it says that it hears us.
    pub hears_us: bool,
    /// Its program.
    pub version: Option<SoftwareVersion>,
    /// Newest format of adverts that it understands.
    pub newest_format: Option<u8>,
    /// Whether it has the same configuration.
    pub same_config: Option<bool>,
    /// Whether it uses our number.
    pub duplicate_id: bool,
    /// Its lives that are over.
    pub retired: usize,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// Its name.
    pub name: String,
    /// What it carries.
    pub state: LinkState,
    /// Lost adverts of the last 64, in percent; `None` before the first.
    pub loss: Option<u8>,
    /// Shortest round trip of the last ones, the peer's thinking time included.
    pub rtt: Option<Duration>,
    /// How long ago something authentic of the peer came.
    pub heard: Option<Duration>,
    /// Adverts taken.
    pub accepted: u64,
    /// Packets refused, by reason; only reasons that occurred.
    pub refused: Vec<(Refusal, u64)>,
}

/// What a link carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Both ways.
    Up,
    /// Only from the peer to us.
    OnlyIn,
    /// Only from us to the peer.
    OnlyOut,
    /// Nothing.
    Down,
}

/// An instance on this node and what is known of it on the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceView {
    /// Its short form.
    pub id: InstanceId,
    /// Its name.
    pub name: String,
    /// State here.
    pub state: State,
    /// How long it has had it.
    pub since: Duration,
    /// Why it has it.
    pub reason: Option<Reason>,
    /// Epoch of the last claim of this node.
    pub epoch: u64,
    /// Who serves, as far as this node knows.
    pub owner: Owner,
    /// Effective priority.
    pub priority: u8,
    /// Mandatory tracks that work, and all of them.
    pub tracks: (u8, u8),
    /// What rules this node out; empty when it is eligible.
    pub obstacles: Vec<Obstacle>,
    /// Whether a planned switch would lose nothing.
    pub ready: bool,
    /// An operator does not want it here.
    pub admin_standby: bool,
    /// Too many moves: until then it stays where it is.
    pub pinned: Option<Duration>,
    /// Moves in the window.
    pub moves: u8,
    /// The step that is being carried out, and for how long.
    pub step: Option<(super::action::Step, Duration)>,
    /// Steps that failed.
    pub failures: Vec<FailureView>,
    /// The peer's state, as it says.
    pub peer: Option<PeerInstance>,
    /// Why this node serves or does not, and what would change that.
    pub explanation: Vec<String>,
}

/// What the peer says about an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerInstance {
    /// State.
    pub state: State,
    /// Epoch.
    pub epoch: u64,
    /// Effective priority.
    pub priority: u8,
    /// Whether it may serve.
    pub eligible: bool,
    /// Whether a planned switch to it would lose nothing.
    pub ready: bool,
    /// Mandatory tracks that work, and all of them.
    pub tracks: (u8, u8),
}

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This node.
    Local,
    /// The peer: it says so, or answered the probe.
    Peer,
    /// Nobody.
    Nobody,
    /// The peer is silent; it may.
    Unknown,
}

/// What rules a node out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// Some tracks have no result yet.
    #[error("{0} tracks have no result yet")]
    Unknown(u8),
    /// No word about the tracks yet.
    #[error("nothing is known about the tracks yet")]
    NoTracks,
    /// A fault of the host.
    #[error("{0}")]
    Fault(String),
    /// Failed tracks, and the instance is strict.
    #[error("{0} tracks failed, and the instance is strict")]
    Strict(u8),
    /// An operator's word.
    #[error("standby on an operator's order")]
    AdminStandby,
    /// An interface is down.
    #[error("an interface of its addresses is down")]
    Carrier,
    /// Steps failed too often.
    #[error("{count} steps failed lately")]
    Failures {
        /// How many.
        count: u8,
        /// Until they are forgotten.
        remaining: Duration,
    },
    /// The process ends.
    #[error("this node stops")]
    Stopping,
}

/// Failures of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureView {
    /// Which.
    pub step: super::action::Step,
    /// How often since the last clean-up.
    pub count: u32,
    /// How long ago the last one was.
    pub ago: Duration,
    /// Why it failed.
    pub reason: String,
}

/// A transition of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryEntry {
    /// When.
    pub at: Instant,
    /// Whose.
    pub instance: InstanceId,
    /// Before.
    pub from: State,
    /// After.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// Epoch in effect.
    pub epoch: u64,
}
