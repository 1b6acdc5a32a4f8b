//! Holding, refreshing, restoring, announcing and giving up the addresses of instances.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    Action, Core, FenceReason, Holding, LISTEN_AFTER, Loopback, Presence, Report, Step,
    VirtualAddress, failed,
};

/// When announcements go out: at once, then five quickly, one after the time in
/// which old kernels refuse to change an entry again, one for who was away.
const ROUNDS: [Duration; 8] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(600),
    Duration::from_millis(800),
    Duration::from_secs(1),
    Duration::from_millis(1200),
    Duration::from_secs(5),
];

/// An address that is removed by others twice in this time is not restored again.
const RESTORE_ONCE_IN: Duration = Duration::from_secs(10);

/// An instance whose addresses are here.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) epoch: u64,
    pub(super) addresses: BTreeMap<VirtualAddress, Kept>,
    pub(super) loopback: Vec<Loopback>,
    /// When the lifetime was last given to all of them.
    refreshed_at: Option<Duration>,
    refresh_at: Option<Duration>,
    /// Whether a refresh failed last time, so that it is said once.
    complained: bool,
    /// Begin of the announcements and how many are done.
    rounds: Option<(Duration, usize)>,
    announce_at: Option<Duration>,
}

/// What is known of an address that is held.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Kept {
    /// It is not there, as was reported.
    missing: Option<Missing>,
    restored_at: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// With its interface, with which it comes back.
    Link,
    /// By others' hands, again and again.
    Contended,
}

impl Held {
    fn new(epoch: u64) -> Self {
        Self {
            epoch,
            addresses: BTreeMap::new(),
            loopback: Vec::new(),
            refreshed_at: None,
            refresh_at: None,
            complained: false,
            rounds: None,
            announce_at: None,
        }
    }

    pub(super) fn next(&self) -> impl Iterator<Item = Duration> {
        self.refresh_at.into_iter().chain(self.announce_at)
    }

    pub(super) fn announce_from(&mut self, now: Duration) {
        self.rounds = Some((now, 0));
        self.announce_at = Some(now);
    }

    pub(super) fn cancel_announcements(&mut self) {
        (self.rounds, self.announce_at) = (None, None);
    }

    fn present(&self) -> Vec<VirtualAddress> {
        let there = self
            .addresses
            .iter()
            .filter(|(_, kept)| kept.missing.is_none());
        there.map(|(address, _)| address.clone()).collect()
    }

    fn lifetime_begins(&mut self, now: Duration, lifetime: Duration) {
        self.refreshed_at = Some(now);
        self.refresh_at = Some(now + lifetime / 3);
    }

    fn holding(&self, instance: &str) -> Holding {
        Holding {
            instance: instance.to_owned(),
            epoch: self.epoch,
            addresses: self.addresses.keys().cloned().collect(),
            loopback: self.loopback.clone(),
        }
    }
}

impl Core {
    fn lifetime(&self) -> Duration {
        let settings = self.settings.as_ref();
        settings.map_or(Duration::from_secs(2), |settings| settings.lifetime)
    }

    /// Addresses are wanted. Refused when the main process was silent too long, or for a
    /// claim that is not newer than what was given up.
    pub(super) fn hold(
        &mut self,
        instance: String,
        epoch: u64,
        addresses: Vec<VirtualAddress>,
        actions: &mut Vec<Action>,
    ) {
        let held = self.held.get(&instance).map(|held| held.epoch);
        let oldest = self.given_up.get(&instance).copied();
        let why = if self.is_fenced() {
            Some(FenceReason::Stalled)
        } else if oldest.is_some_and(|old| epoch <= old) || held.is_some_and(|held| epoch < held) {
            Some(FenceReason::OldEpoch)
        } else {
            None
        };
        if let Some(why) = why {
            if why == FenceReason::Stalled {
                self.never_again(&instance, epoch);
            }
            let instances = vec![(instance, epoch)];
            actions.push(Action::Report(Report::Fenced { instances, why }));
            return;
        }
        let reason = if self.settings.is_none() {
            Some("the guard has not been set up")
        } else if self.leaving.contains_key(&instance) {
            Some("its addresses are still being removed")
        } else {
            None
        };
        if let Some(reason) = reason {
            actions.push(failed(Step::Hold, instance, epoch, reason.to_owned()));
            return;
        }
        let held = self.held.entry(instance.clone());
        let held = held.or_insert_with(|| Held::new(epoch));
        held.epoch = epoch;
        for address in addresses {
            let kept = held.addresses.entry(address).or_default();
            kept.missing = None;
        }
        let addresses = held.addresses.keys().cloned().collect();
        actions.push(Action::Take {
            instance,
            addresses,
            lifetime: self.lifetime(),
        });
    }

    pub(super) fn taken(
        &mut self,
        instance: String,
        result: Result<Vec<Loopback>, String>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let lifetime = self.lifetime();
        let Some(held) = self.held.get_mut(&instance) else {
            return;
        };
        match result {
            Ok(loopback) => {
                held.loopback.extend(loopback);
                held.loopback.sort_unstable();
                held.loopback.dedup();
                held.lifetime_begins(now, lifetime);
                held.complained = false;
                actions.push(Action::Report(Report::Held(held.holding(&instance))));
                self.listen_at = Some(now + LISTEN_AFTER);
            }
            Err(why) => {
                let epoch = held.epoch;
                self.leave(&instance, actions);
                actions.push(failed(Step::Hold, instance, epoch, why));
            }
        }
    }

    /// What another guard held goes on as it was.
    pub(super) fn adopt(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let lifetime = self.lifetime();
        for holding in std::mem::take(&mut self.adopted) {
            let mut held = Held::new(holding.epoch);
            held.addresses = holding
                .addresses
                .into_iter()
                .map(|a| (a, Kept::default()))
                .collect();
            held.loopback = holding.loopback;
            held.lifetime_begins(now, lifetime);
            let addresses = held.present();
            self.held.insert(holding.instance.clone(), held);
            actions.push(Action::Take {
                instance: holding.instance,
                addresses,
                lifetime,
            });
        }
    }

    pub(super) fn refresh(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let lifetime = self.lifetime();
        let mut lapsed = Vec::new();
        for (instance, held) in &mut self.held {
            if held.refresh_at.is_none_or(|at| at > now) {
                continue;
            }
            let since = held.refreshed_at.map(|at| now.saturating_sub(at));
            if since.is_some_and(|since| since >= lifetime) {
                // The kernel may have ended it meanwhile, and another node may have it: a
                // refresh would add it again (kernel note 0042).
                lapsed.push((instance.clone(), held.epoch));
                continue;
            }
            held.lifetime_begins(now, lifetime);
            actions.push(Action::Refresh {
                instance: instance.clone(),
                addresses: held.present(),
                lifetime,
            });
        }
        self.fence(lapsed, FenceReason::Lapsed, actions);
    }

    pub(super) fn refreshed(
        &mut self,
        instance: &str,
        failures: Vec<(VirtualAddress, String)>,
        actions: &mut Vec<Action>,
    ) {
        let Some(held) = self.held.get_mut(instance) else {
            return;
        };
        let first = failures.into_iter().next();
        let before = std::mem::replace(&mut held.complained, first.is_some());
        if let Some((_, why)) = first.filter(|_| !before) {
            actions.push(failed(Step::Refresh, instance.to_owned(), held.epoch, why));
        }
    }

    /// Each instance's next round of announcements, when it is due.
    pub(super) fn announce(&mut self, now: Duration, actions: &mut Vec<Action>) {
        let again = self.settings.as_ref().and_then(|s| s.announce_again);
        for (instance, held) in &mut self.held {
            if held.announce_at.is_none_or(|at| at > now) {
                continue;
            }
            let (begun, done) = held.rounds.unwrap_or((now, 0));
            held.rounds = Some((begun, done + 1));
            // A round that is late does not bring the next one closer than it should be.
            held.announce_at = match ROUNDS.get(done + 1) {
                Some(offset) => Some((begun + *offset).max(now + ROUNDS[1] / 2)),
                None => again.map(|again| now + again),
            };
            let addresses = held.present();
            let instance = instance.clone();
            actions.push(Action::Announce {
                instance,
                addresses,
            });
        }
    }

    /// Where the addresses that are held stand after a change that others made.
    pub(super) fn observed(
        &mut self,
        seen: &[(VirtualAddress, Presence)],
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        if self.is_fenced() {
            return;
        }
        let lifetime = self.lifetime();
        for (instance, held) in &mut self.held {
            for (address, kept) in &mut held.addresses {
                let Some((_, presence)) = seen.iter().find(|(other, _)| other == address) else {
                    continue;
                };
                let restored = kept.restored_at.map(|at| now.saturating_sub(at));
                let missing = match (presence, kept.missing) {
                    (Presence::There, _) => {
                        kept.missing = None;
                        continue;
                    }
                    (_, Some(Missing::Contended)) | (Presence::NoLink, Some(Missing::Link)) => {
                        continue;
                    }
                    (Presence::NoLink, None) => Missing::Link,
                    (Presence::Absent, None)
                        if restored.is_some_and(|since| since < RESTORE_ONCE_IN) =>
                    {
                        Missing::Contended
                    }
                    (Presence::Absent, was) => {
                        // What went with its interface is nobody's doing.
                        if was.is_none() {
                            kept.restored_at = Some(now);
                        }
                        actions.push(Action::Restore {
                            instance: instance.clone(),
                            address: address.clone(),
                            lifetime,
                        });
                        continue;
                    }
                };
                kept.missing = Some(missing);
                actions.push(Action::Report(Report::Missing {
                    instance: instance.clone(),
                    address: address.address,
                }));
            }
        }
    }

    pub(super) fn restored(
        &mut self,
        instance: &str,
        address: &VirtualAddress,
        is_back: bool,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        let Some(held) = self.held.get_mut(instance) else {
            return;
        };
        let Some(kept) = held.addresses.get_mut(address) else {
            return;
        };
        let instance = instance.to_owned();
        let address = address.address;
        if is_back {
            kept.missing = None;
            held.announce_from(now);
            actions.push(Action::Report(Report::Restored { instance, address }));
            self.announce(now, actions);
        } else if kept.missing.is_none() {
            kept.missing = Some(Missing::Link);
            actions.push(Action::Report(Report::Missing { instance, address }));
        }
    }
}
