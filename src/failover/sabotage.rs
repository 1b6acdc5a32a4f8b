//! Deliberate bugs, for the proof that the simulator finds them.
//!
//! Without the feature `sabotage` the switch has no size and every question is answered
//! `false` at compile time.

/// One deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Tags of adverts are not checked.
    SkipMac,
    /// Sequences need not grow.
    IgnoreSequence,
    /// A new incarnation need not prove that it hears us.
    NoIncarnationEcho,
    /// However old an advert is, it counts.
    AcceptStale,
    /// The addresses are added while the sync daemon is still a backup.
    AddressBeforeSync,
    /// An owner that the peer does not hear keeps serving, and does not look for a rival.
    IgnoreOneWay,
    /// A late process goes on as if nothing had been.
    NoLateRule,
    /// Equal priorities: both nodes think that they win.
    EqualPriority,
    /// A claim does not ask whether the addresses are in use.
    NoProbe,
    /// `released` is said before the kernel has confirmed it.
    ReleasedTooEarly,
    /// Announcements are not cancelled at a release.
    AnnounceAfterRelease,
    /// A claim reuses the epoch of the one before.
    SameEpoch,
    /// A frozen pair moves.
    IgnoreFrozen,
    /// A node that is not eligible claims.
    IgnoreEligibility,
    /// Two owners go on serving.
    NoYield,
    /// A removal that failed is taken for one that worked.
    ReleasedWhenBlocked,
    /// The number of moves is not limited.
    NoPin,
    /// One silent link is enough to count the peer as dead.
    OneLinkDecides,
    /// Packets of a life that is over are accepted.
    ForgetRetired,
    /// A node serves whose guard has taken the addresses away.
    IgnoreFence,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::SkipMac,
        Self::IgnoreSequence,
        Self::NoIncarnationEcho,
        Self::AcceptStale,
        Self::AddressBeforeSync,
        Self::IgnoreOneWay,
        Self::NoLateRule,
        Self::EqualPriority,
        Self::NoProbe,
        Self::ReleasedTooEarly,
        Self::AnnounceAfterRelease,
        Self::SameEpoch,
        Self::IgnoreFrozen,
        Self::IgnoreEligibility,
        Self::NoYield,
        Self::ReleasedWhenBlocked,
        Self::NoPin,
        Self::OneLinkDecides,
        Self::ForgetRetired,
        Self::IgnoreFence,
    ];
}

/// Which bug is on, if any.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sabotage {
    #[cfg(feature = "sabotage")]
    bug: Option<Bug>,
}

impl Sabotage {
    /// With a bug.
    #[cfg(feature = "sabotage")]
    pub fn with(bug: Bug) -> Self {
        Self { bug: Some(bug) }
    }

    /// Whether this bug is on.
    #[cfg(feature = "sabotage")]
    pub(super) fn is(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Whether this bug is on: it is not.
    #[cfg(not(feature = "sabotage"))]
    #[expect(
        clippy::unused_self,
        reason = "the same call with and without the feature"
    )]
    pub(super) const fn is(self, _: Bug) -> bool {
        false
    }
}
