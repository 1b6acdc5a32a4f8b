//! Whether a standby knows the connections of the node that serves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::failover::{Event, InstanceId, Step, SyncPart};

/// Since when connections are learned from the peer.
#[derive(Debug, Default)]
pub(super) struct Learning {
    since: BTreeMap<InstanceId, Instant>,
    /// Served in this process's life: what came before is known.
    served: BTreeSet<InstanceId>,
}

impl Learning {
    /// Looks at the results of the steps that change the sync daemon's role.
    pub(super) fn note(&mut self, event: &Event, now: Instant) {
        let Event::Done {
            instance,
            step: Step::Sync(part),
            result: Ok(()),
            ..
        } = event
        else {
            return;
        };
        match part {
            SyncPart::Backup => {
                self.since.entry(*instance).or_insert(now);
            }
            SyncPart::Master => {
                self.served.insert(*instance);
            }
            SyncPart::None => {
                self.since.remove(instance);
            }
        }
    }

    /// Whether the backup daemon has run for that time, or need not.
    pub(super) fn is_over(&self, instance: InstanceId, time: Duration, now: Instant) -> bool {
        let long = |since: &Instant| now.saturating_duration_since(*since) >= time;
        self.served.contains(&instance) || self.since.get(&instance).is_some_and(long)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(part: SyncPart, result: Result<(), String>) -> Event {
        Event::Done {
            instance: InstanceId(1),
            epoch: 1,
            step: Step::Sync(part),
            result,
        }
    }

    #[test]
    fn connections_are_known_after_a_while_or_from_having_served() {
        let (id, time) = (InstanceId(1), Duration::from_secs(12));
        let start = Instant::now();
        let mut learning = Learning::default();
        let after = |seconds| start + Duration::from_secs(seconds);
        learning.note(&done(SyncPart::Backup, Err("no".to_owned())), start);
        assert!(!learning.is_over(id, time, after(100)));
        learning.note(&done(SyncPart::Backup, Ok(())), after(1));
        learning.note(&done(SyncPart::Backup, Ok(())), after(9));
        assert!(!learning.is_over(id, time, after(12)));
        assert!(learning.is_over(id, time, after(13)));
        learning.note(&done(SyncPart::None, Ok(())), after(14));
        assert!(!learning.is_over(id, time, after(100)));
        learning.note(&done(SyncPart::Master, Ok(())), after(101));
        assert!(learning.is_over(id, time, after(101)));
    }
}
