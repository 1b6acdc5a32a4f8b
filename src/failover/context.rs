//! What an instance sees of its surroundings when it decides.

use std::time::{Duration, Instant};

use super::advert::{Advert, Incarnation, Record};
use super::event::Mac;
use super::order::Standing;
use super::outbox::Outbox;
use super::peer::{Peer, Presence};
use super::sabotage::Sabotage;
use super::settings::{InstanceSettings, Settings};
use crate::model::pair::NodeId;

/// Surroundings of one instance at one moment.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) settings: &'a Settings,
    pub(super) me: &'a InstanceSettings,
    pub(super) incarnation: Incarnation,
    pub(super) peer: &'a Peer,
    pub(super) own_macs: &'a [Mac],
    /// D: how long this node waits for the peer.
    pub(super) dead_after: Duration,
    /// How long the peer waits for this node, at least.
    pub(super) allowance: Duration,
    /// P: how long an address is asked for.
    pub(super) probe_window: Duration,
    pub(super) presence: Presence,
    /// What the peer says about the instance, when it is alive.
    pub(super) record: Option<Record>,
    pub(super) frozen: bool,
    pub(super) stopping: bool,
    pub(super) suspect: bool,
    pub(super) sabotage: Sabotage,
    pub(super) out: &'a mut Outbox,
}

impl Context<'_> {
    pub(super) fn interval(&self) -> Duration {
        self.settings.timing.advert_interval
    }

    /// The peer's standing in a contest.
    pub(super) fn rival(&self) -> Option<Standing> {
        let advert = self.peer.advert()?;
        Some(Standing::of(
            self.record.as_ref()?,
            advert.sender,
            advert.incarnation,
        ))
    }

    pub(super) fn local_node(&self) -> NodeId {
        self.settings.local.id
    }

    /// How old the word of the peer that it has released may be. For so long it does not
    /// claim again, by its configuration.
    pub(super) fn handover_age(&self) -> Duration {
        let shortest = |advert: &Advert| advert.interval * 3;
        let theirs = self.peer.advert().map_or(Duration::ZERO, shortest);
        if self.same_config() {
            self.settings.timing.dead_after.min(self.allowance)
        } else {
            theirs
        }
    }

    /// Both have the same configuration, as far as is known.
    pub(super) fn same_config(&self) -> bool {
        self.peer
            .advert()
            .is_none_or(|advert| advert.digest == self.settings.digest)
    }

    /// Nothing moves by itself, on this node's or the peer's operator's order.
    pub(super) fn is_frozen(&self) -> bool {
        self.frozen || self.record.is_some_and(|record| record.flags.frozen)
    }
}
