//! What the state machine wants done.

use std::fmt;
use std::time::Duration;

use super::instance::{Reason, State};
use super::settings::InstanceId;

/// Something to be done, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send an advert.
    Send {
        /// Index of the link in the settings.
        link: usize,
        /// The datagram, at most [`super::advert::MAX_LENGTH`] bytes.
        bytes: Vec<u8>,
    },
    /// For the guard: it may keep the addresses of these instances for `limit` from now. When
    /// it hears nothing in that time, or this process ends, it removes them, makes sure that
    /// they are gone, and only then sends the farewell, each packet three times.
    Keep {
        /// [`super::Settings::stall_after`].
        limit: Duration,
        /// Whose addresses.
        held: Vec<InstanceId>,
        /// Link and signed packet.
        farewell: Vec<(usize, Vec<u8>)>,
    },
    /// Carry out a step and answer with [`super::Event::Done`]. Steps of one instance are
    /// carried out in the order in which they are asked for. Each can be repeated.
    Do {
        /// Whose step.
        instance: InstanceId,
        /// The claim it belongs to.
        epoch: u64,
        /// What.
        step: Step,
    },
    /// Ask for the addresses of an instance three times per window until
    /// [`Action::StopProbe`]; the first requests at once, answered by
    /// [`super::Event::ProbeStarted`].
    StartProbe {
        /// Whose addresses.
        instance: InstanceId,
        /// P, see [`crate::model::pair::Timing::probe_window_within`].
        window: Duration,
    },
    /// End of it.
    StopProbe {
        /// Whose addresses.
        instance: InstanceId,
    },
    /// This process was late: hand over everything that waits, then [`super::Event::Drained`].
    /// Until then nothing is sent, kept or announced.
    Drain,
    /// Run the programs that want to know, in order, without waiting for them.
    Hook {
        /// Whose programs.
        instance: InstanceId,
        /// Which ones.
        kind: HookKind,
        /// Epoch for their environment.
        epoch: u64,
        /// Reason for their environment.
        reason: Reason,
    },
    /// Tell somebody. At most one of a kind per minute.
    Alarm {
        /// What it is about.
        kind: AlarmKind,
        /// In words.
        text: String,
    },
    /// For the log: an instance has another state.
    Transition {
        /// Whose.
        instance: InstanceId,
        /// Before.
        from: State,
        /// After.
        to: State,
        /// Why.
        reason: Reason,
        /// Epoch of the claim in effect.
        epoch: u64,
    },
    /// Answer to an operator.
    Reply {
        /// Of the command.
        ticket: u64,
        /// What has been done, or why nothing.
        result: Result<String, String>,
    },
    /// Everything is given up: the process may end.
    Exit,
}

/// A step of takeover, release or standby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write the epoch to disk, durably. A failure is alarmed but stops nothing.
    StoreEpoch,
    /// Sysctls, marks, services and real servers as configured.
    PrepareTable,
    /// The sync daemon's part. In a takeover [`SyncPart::None`] comes first: with
    /// `backup_only` the kernel forwards nothing while the backup role exists.
    Sync(SyncPart),
    /// Add or restore all addresses, one batch, with their lifetime.
    AddAddresses,
    /// Announce them: at once, then on the guard's schedule.
    Announce,
    /// Forget all announcements that are still to come.
    CancelAnnouncements,
    /// Programs that run before a release, at most a second.
    BeforeRelease,
    /// Remove all addresses and make sure by reading back that they are gone.
    RemoveAddresses,
    /// The addresses cannot be removed: keep the network from reaching them (filter at the
    /// first attempt, interface down from the second).
    Isolate {
        /// Counts from 1.
        attempt: u8,
    },
    /// Remove the instance's services: a cold standby.
    ClearTable,
}

/// Which role of the sync daemon an instance wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncPart {
    /// Neither.
    None,
    /// Sends connections.
    Master,
    /// Receives connections.
    Backup,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StoreEpoch => "store epoch",
            Self::PrepareTable => "prepare table",
            Self::Sync(SyncPart::None) => "stop sync daemon",
            Self::Sync(SyncPart::Master) => "start sync master",
            Self::Sync(SyncPart::Backup) => "start sync backup",
            Self::AddAddresses => "add addresses",
            Self::Announce => "announce",
            Self::CancelAnnouncements => "cancel announcements",
            Self::BeforeRelease => "programs before release",
            Self::RemoveAddresses => "remove addresses",
            Self::Isolate { .. } => "isolate",
            Self::ClearTable => "clear table",
        })
    }
}

/// Programs of an instance by occasion; those before a release are a [`Step`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum HookKind {
    /// This node serves.
    AfterActive,
    /// This node has given up.
    AfterRelease,
    /// This node has a fault.
    AfterFault,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum AlarmKind {
    /// A link carries nothing, or only one way.
    Link,
    /// Nothing is heard from the peer on any link.
    PeerLost,
    /// The links are dead but the peer serves: its address answered the probe.
    PeerStillServing,
    /// One direction between the nodes is dead.
    OneWay,
    /// Two nodes have the same number.
    DuplicateNode,
    /// The nodes have different configurations.
    ConfigMismatch,
    /// Both nodes served at the same time.
    TwoOwners,
    /// A host outside the pair uses an address of it.
    ForeignOwner,
    /// A step failed or took too long.
    StepFailed,
    /// An address cannot be removed.
    Blocked,
    /// Too many moves.
    Pinned,
    /// This process was late.
    Late,
    /// An address was removed by somebody else.
    AddressMissing,
    /// Packets on a link were refused that nobody of the pair can have sent.
    Refused,
    /// The node is cut off from the peer and from all targets.
    Isolated,
    /// The peer was silent, or late, for so long that the dead interval grows, and went on.
    Pauses,
}

impl AlarmKind {
    /// How many kinds there are.
    pub(super) const COUNT: usize = Self::Pauses as usize + 1;
}
