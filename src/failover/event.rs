//! What the state machine is told.

use std::time::{Duration, Instant};

use super::action::Step;
use super::settings::{InstanceId, Settings};
pub use crate::model::Mac;

/// Something that happened.
///
/// Events of instances that do not exist (any more), results of steps that nobody waits for
/// and packets on links that do not exist change nothing.
#[derive(Debug, Clone)]
pub enum Event {
    /// The links are open: adverts begin, left-over addresses are removed. Once, first.
    Start,
    /// The time of [`super::Pair::next_timer`] has come. Harmless when it has not. Everything
    /// that waits is to be handed over before: an advert or an answer to a probe that has
    /// arrived but was not read would count as silence.
    Timer,
    /// A datagram arrived on a link.
    Packet {
        /// Index of the link in the settings.
        link: usize,
        /// Its bytes, hostile until proven otherwise.
        bytes: Vec<u8>,
    },
    /// Everything that waited on the links, at the guard and at the kernel's notifications when
    /// [`super::Action::Drain`] asked has been handed over.
    Drained,
    /// What the tracks of an instance say now. Until the first one an instance waits.
    Local {
        /// Whose.
        instance: InstanceId,
        /// What.
        local: Local,
    },
    /// The probe that [`super::Action::StartProbe`] asked for: its first request has left for
    /// every address, or cannot.
    ProbeStarted {
        /// Whose addresses.
        instance: InstanceId,
        /// Why it cannot.
        result: Result<(), String>,
    },
    /// Somebody answered the probe (ARP reply or neighbour advertisement).
    ProbeAnswer {
        /// Whose address.
        instance: InstanceId,
        /// Sender.
        mac: Mac,
    },
    /// While probing: whether an address that is answered for also serves (echo reply, TCP
    /// handshake). Optional; only repeated failures mean anything.
    ProbeReach {
        /// Whose address.
        instance: InstanceId,
        /// Whether it did.
        serves: bool,
    },
    /// While probing: another host probes for the same address.
    RivalProbe {
        /// Whose address.
        instance: InstanceId,
        /// The other one.
        mac: Mac,
        /// The interface on which we probe.
        own: Mac,
    },
    /// Somebody else announced or answered for an address (seen on a packet socket). Claims by
    /// our own interfaces are sorted out by their addresses.
    ForeignClaim {
        /// Whose address.
        instance: InstanceId,
        /// Sender.
        mac: Mac,
    },
    /// Current hardware addresses of the interfaces that carry addresses of the pair.
    OwnMacs(Vec<Mac>),
    /// A step has been carried out.
    Done {
        /// Whose step.
        instance: InstanceId,
        /// Epoch it was asked for.
        epoch: u64,
        /// Which step.
        step: Step,
        /// Why it failed.
        result: Result<(), String>,
    },
    /// An address that should be there is not (any more).
    AddressMissing {
        /// Whose.
        instance: InstanceId,
    },
    /// The guard took the addresses away: this process was too late with
    /// [`super::Action::Keep`], or the guard died and another one took over.
    Fenced {
        /// Whose.
        instances: Vec<InstanceId>,
    },
    /// An operator's command; answered by [`super::Action::Reply`].
    Operator {
        /// Number that comes back with the answer.
        ticket: u64,
        /// What is wanted.
        command: Command,
    },
    /// A new configuration or key file. Roles are kept.
    Reconfigured(Box<Settings>),
    /// Give everything up, then [`super::Action::Exit`].
    Stop,
}

/// The node's own condition for one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// Tracks whose failure is a fault: how many work.
    pub reachable: u8,
    /// How many there are.
    pub total: u8,
    /// How many have no first result yet.
    pub unknown: u8,
    /// Sum of the weights of failed tracks.
    pub weight: i16,
    /// A condition that rules the node out whatever the peer is like (missing interface,
    /// kernel without IPVS, …), in words.
    pub fault: Option<String>,
    /// Table complete, checks have results: a planned switch would lose nothing.
    pub ready: bool,
    /// All interfaces of the addresses are up and have a carrier.
    pub carrier: bool,
    /// When one of the targets on the network (ping, HTTP, TCP) last answered. `None` before
    /// the first answer and when there are no targets.
    pub answered: Option<Instant>,
}

/// What an operator can ask for. No instance means all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// This node is not to serve; ends with `on: false` (and with the process).
    Standby {
        /// Which instance.
        instance: Option<InstanceId>,
        /// Begin or end.
        on: bool,
    },
    /// This node is to serve now, by an orderly hand-over.
    Takeover {
        /// Which instance.
        instance: Option<InstanceId>,
    },
    /// Nothing moves by itself unless a node is lost.
    Freeze {
        /// How long; `None` is until [`Command::Unfreeze`].
        duration: Option<Duration>,
    },
    /// Ends a freeze.
    Unfreeze,
    /// Forgets failures, moves and pins, and decides anew.
    Cleanup {
        /// Which instance.
        instance: Option<InstanceId>,
    },
}
