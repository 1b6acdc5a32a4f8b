//! The states of an instance and the reasons for leaving them.

use std::fmt;

use crate::failover::action::Step;
use crate::failover::event::Mac;

/// Where an instance stands on this node.
///
/// ```text
///            left-overs gone        peer found, or W over
///    Init ───────────────────► Wait ─────────────────────► Standby ◄────────────────┐
///                                                          │  ▲ │                    │
///                             no owner, or peer silent     │  │ │ peer has released  │
///                        ┌─────────────────────────────────┘  │ │                    │
///                        ▼     hold, rival, peer serves       │ │                    │
///                      Probe ─────────────────────────────────┘ │                    │
///                        │ nobody answered for P                ▼                    │
///                        └─────────────────────────────────► Acquire                 │
///                                                     steps done │ │ step failed,    │
///                                                                ▼ │ peer serves     │
///                                                           Active │                 │
///               handed over, beaten, late, cut off, carrier, stop │ ▼                │
///                                                                └► Release ─────────┤
///                                                                      │  addresses  │
///                                                     cannot be removed│  are gone   │
///                                                                      ▼             │
///                                                                   Blocked ─────────┘
/// ```
///
/// `Fault` is a standby that is not eligible. Only `Acquire`, `Active`, `Release` and `Blocked`
/// may have an address in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum State {
    /// Addresses left over from an earlier life are being removed.
    Init = 1,
    /// Looks whether there is a peer.
    Wait = 2,
    /// Does not serve and could.
    Standby = 3,
    /// Claims, and asks the network whether the addresses are in use.
    Probe = 4,
    /// Carries out the steps of a takeover.
    Acquire = 5,
    /// Serves.
    Active = 6,
    /// Carries out the steps of a release.
    Release = 7,
    /// Does not serve and could not.
    Fault = 8,
    /// Should not serve, but an address cannot be removed.
    Blocked = 9,
}

impl State {
    const ALL: [Self; 9] = [
        Self::Init,
        Self::Wait,
        Self::Standby,
        Self::Probe,
        Self::Acquire,
        Self::Active,
        Self::Release,
        Self::Fault,
        Self::Blocked,
    ];

    pub(in crate::failover) fn code(self) -> u8 {
        self as u8
    }

    pub(in crate::failover) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.code() == code)
    }

    /// Whether a node in this state certainly has no address of the instance.
    pub fn is_passive(self) -> bool {
        matches!(self, Self::Wait | Self::Standby | Self::Probe | Self::Fault)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Init => "init",
            Self::Wait => "wait",
            Self::Standby => "standby",
            Self::Probe => "probe",
            Self::Acquire => "acquire",
            Self::Active => "active",
            Self::Release => "release",
            Self::Fault => "fault",
            Self::Blocked => "blocked",
        })
    }
}

/// Why an instance changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// Init → Wait.
    #[error("left-over addresses are gone")]
    Started,
    /// Wait → Standby.
    #[error("the peer serves")]
    PeerActive,
    /// Wait → Standby.
    #[error("the peer is there")]
    PeerFound,
    /// Wait → Standby.
    #[error("no peer heard")]
    WaitOver,
    /// Standby → Probe.
    #[error("nobody serves")]
    NoOwner,
    /// Standby → Probe.
    #[error("peer silent on all links")]
    PeerSilent,
    /// Standby → Acquire.
    #[error("the peer has released")]
    PeerReleased,
    /// Probe → Acquire.
    #[error("nobody answered the probe")]
    ProbeQuiet,
    /// Probe → Acquire.
    #[error("the probe is answered, but not by anything that serves")]
    NothingServes,
    /// Probe → Standby.
    #[error("the peer objected")]
    Hold,
    /// Probe → Standby.
    #[error("the peer claims too and is better")]
    RivalClaim,
    /// Probe → Standby.
    #[error("{0} uses an address")]
    Conflict(Mac),
    /// Probe → Standby.
    #[error("the probe could not be sent")]
    ProbeFailed,
    /// Probe → Standby.
    #[error("no longer eligible")]
    NotEligible,
    /// Acquire → Active.
    #[error("takeover complete")]
    Acquired,
    /// Acquire → Release.
    #[error("{0} failed")]
    StepFailed(Step),
    /// Acquire → Release.
    #[error("the peer serves after all")]
    PeerStillActive,
    /// Active → Release: two owners, and the peer is better.
    #[error("the peer serves too and is better")]
    Beaten,
    /// Active → Release.
    #[error("the peer does not hear this node")]
    NotHeard,
    /// Active → Release.
    #[error("handed over to the better node")]
    HandedOver,
    /// Active → Release.
    #[error("handed over on an operator's order")]
    Operator,
    /// Active → Release.
    #[error("fault, and the peer can serve")]
    Fault,
    /// Active → Release.
    #[error("cut off from peer and targets")]
    Isolated,
    /// Active → Release.
    #[error("interface down")]
    CarrierLost,
    /// Active → Release.
    #[error("this process was stalled")]
    Stalled,
    /// Active → Release.
    #[error("the guard has removed the addresses")]
    Fenced,
    /// Any → Release.
    #[error("stop")]
    Stop,
    /// Any → Release: not in the configuration any more.
    #[error("removed from the configuration")]
    Removed,
    /// Release → Standby or Fault.
    #[error("addresses are gone")]
    Released,
    /// Release → Blocked.
    #[error("an address cannot be removed")]
    NotRemoved,
    /// Standby → Fault.
    #[error("not eligible")]
    Faulty,
    /// Fault → Standby.
    #[error("eligible again")]
    Recovered,
}
