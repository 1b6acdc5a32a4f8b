//! Which of two nodes is the better one.

use std::cmp::{Ordering, Reverse};

use super::advert::{Incarnation, Record};
use crate::model::pair::NodeId;

/// What counts in a contest for an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) eligible: bool,
    /// Mandatory tracks that have failed; unknown ones have not.
    pub(super) failed: u8,
    pub(super) epoch: u64,
    pub(super) priority: u8,
    pub(super) node: NodeId,
    pub(super) incarnation: Incarnation,
}

impl Standing {
    /// What a node says about itself.
    pub(super) fn of(record: &Record, node: NodeId, incarnation: Incarnation) -> Self {
        Self {
            eligible: record.flags.eligible,
            failed: record.total.saturating_sub(record.reachable),
            epoch: record.epoch,
            priority: record.priority,
            node,
            incarnation,
        }
    }

    /// Health alone: eligible before not eligible, then fewer failed tracks.
    pub(super) fn outranks(&self, other: &Self) -> bool {
        self.health() > other.health()
    }

    fn health(&self) -> (bool, Reverse<u8>) {
        (self.eligible, Reverse(self.failed))
    }

    /// The whole order: health, then between two owners the epoch, then priority, the lower
    /// number, and between two nodes of one number the lower incarnation. Total and
    /// antisymmetric, so both nodes come to the same result.
    pub(super) fn beats(&self, other: &Self, owners: bool) -> bool {
        let epochs = if owners {
            self.epoch.cmp(&other.epoch)
        } else {
            Ordering::Equal
        };
        let order = self
            .health()
            .cmp(&other.health())
            .then(epochs)
            .then(self.priority.cmp(&other.priority))
            .then(other.node.cmp(&self.node))
            .then(other.incarnation.cmp(&self.incarnation));
        order == Ordering::Greater
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn standing() -> impl Strategy<Value = Standing> {
        (any::<bool>(), 0..3_u8, 0..3_u64, 1..3_u8, 1..3_u8, 0..2_u8).prop_map(
            |(eligible, failed, epoch, priority, node, incarnation)| Standing {
                eligible,
                failed,
                epoch,
                priority,
                node: NodeId(node),
                incarnation: Incarnation([incarnation; 16]),
            },
        )
    }

    proptest! {
        #[test]
        fn of_two_distinct_nodes_exactly_one_wins(
            a in standing(),
            b in standing(),
            owners in any::<bool>(),
        ) {
            prop_assume!((a.node, a.incarnation) != (b.node, b.incarnation));
            prop_assert_ne!(a.beats(&b, owners), b.beats(&a, owners));
        }

        #[test]
        fn the_order_is_transitive(
            a in standing(),
            b in standing(),
            c in standing(),
            owners in any::<bool>(),
        ) {
            let chain = a.beats(&b, owners) && b.beats(&c, owners);
            prop_assert!(!chain || a.beats(&c, owners));
        }
    }

    #[test]
    fn health_comes_before_epoch_before_priority_before_number() {
        let base = Standing {
            eligible: true,
            failed: 0,
            epoch: 3,
            priority: 100,
            node: NodeId(2),
            incarnation: Incarnation([2; 16]),
        };
        let peer = NodeId(1);
        let ill = Standing {
            eligible: false,
            epoch: 9,
            priority: 254,
            node: peer,
            ..base
        };
        let gateway_lost = Standing { failed: 1, ..ill };
        let gateway_lost = Standing {
            eligible: true,
            ..gateway_lost
        };
        let newer = Standing {
            epoch: 4,
            priority: 1,
            ..base
        };
        let stronger = Standing {
            priority: 101,
            epoch: 2,
            ..base
        };
        let lower = Standing {
            node: peer,
            epoch: 2,
            ..base
        };
        let twin = Standing {
            incarnation: Incarnation([1; 16]),
            epoch: 2,
            ..base
        };

        assert!(base.beats(&ill, true) && base.beats(&gateway_lost, true));
        assert!(
            gateway_lost.beats(&ill, true),
            "no longer eligible is worse"
        );
        assert!(
            newer.beats(&base, true),
            "between owners the newer claim wins"
        );
        assert!(
            base.beats(&newer, false),
            "otherwise the epoch says nothing"
        );
        assert!(stronger.beats(&base, false) && lower.beats(&base, false));
        assert!(
            twin.beats(&base, false),
            "one number twice: the lower incarnation"
        );
        assert!(base.outranks(&ill) && !stronger.outranks(&base));
    }
}
