//! What other hands did to the table of a managed service.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Destination, DestinationKey, Entry, ServiceKey};

use super::super::notice::Notice;
use super::{Action, Core};

/// From this many on, services that were removed together are told of in one line.
const SUMMARY: usize = 4;

impl Core {
    /// The kernel's table differs from the believed one in these services, as seen when
    /// `generation` plans had been made. They are read in full before anything is done; a
    /// view from before the newest plan is dropped, the next comparison will tell.
    pub fn handle_drift(&mut self, keys: BTreeSet<ServiceKey>, generation: u64) {
        if self.in_flight || generation != self.generation {
            return;
        }
        let services = &self.services;
        let ours = keys.into_iter().filter(|key| services.contains_key(key));
        self.reread(ours.collect());
    }

    /// What the kernel holds of services that [`Action::Reread`] asked for.
    ///
    /// A weight that differs was set by hand: it is kept until the server's next transition,
    /// unless weights are enforced. Everything else is put right.
    pub fn handle_observed(&mut self, readings: Vec<(ServiceKey, Option<Entry>)>) {
        let mut removed = Vec::new();
        let mut table = std::mem::take(&mut self.table);
        let held = Arc::make_mut(&mut table);
        for (key, found) in readings {
            self.unread.remove(&key);
            let believed = held.remove(&key);
            match (&believed, &found) {
                (Some(_), None) => removed.push(key),
                (Some(believed), Some(found)) => self.note_difference(key, believed, found),
                (None, Some(_)) => {
                    let what = "it was added by other hands";
                    self.tell(Notice::drift(key, what));
                }
                (None, None) => {}
            }
            if found.is_none() {
                self.forget_hand_weights(&key);
            }
            if let Some(found) = found {
                held.insert(key, found);
            }
            self.dirty.insert(key);
        }
        self.table = table;
        if removed.len() >= SUMMARY {
            self.tell(Notice::mass_removal(removed.len()));
        } else {
            for key in removed {
                self.tell(Notice::drift(key, "it was removed by other hands"));
            }
        }
    }

    fn tell(&mut self, notice: Notice) {
        self.actions.push_back(Action::Notice(notice));
    }

    fn forget_hand_weights(&mut self, key: &ServiceKey) {
        if let Some(managed) = self.services.get_mut(key) {
            for real in &mut managed.reals {
                real.hand_weight = None;
            }
        }
    }

    fn note_difference(&mut self, key: ServiceKey, believed: &Entry, found: &Entry) {
        let mut changes = Vec::new();
        if believed.service != found.service {
            changes.push("the service's attributes were changed".to_owned());
        }
        for (server, known) in &believed.destinations {
            match found.destinations.get(server) {
                None => {
                    self.note_hand_weight(key, server, None);
                    changes.push(format!("{server} was removed"));
                }
                Some(now) if now == known => {}
                Some(now) => {
                    let only_weight = Destination {
                        weight: known.weight,
                        ..*now
                    } == *known;
                    if !(self.note_hand_weight(key, server, Some((known.weight, now.weight)))
                        && only_weight)
                    {
                        changes.push(format!("{server} was changed"));
                    }
                }
            }
        }
        let strangers = found.destinations.keys();
        changes.extend(
            strangers
                .filter(|server| !believed.destinations.contains_key(server))
                .map(|server| format!("{server} was added")),
        );
        if !changes.is_empty() {
            let shown = changes.len().min(5);
            let mut what = changes[..shown].join(", ");
            if changes.len() > shown {
                what.push_str(&format!(" and {} more", changes.len() - shown));
            }
            self.tell(Notice::drift(key, &format!("{what} by other hands")));
        }
    }

    /// Respects a weight set by hand (from, to), or forgets one. Whether the weight of that
    /// destination is now kept.
    fn note_hand_weight(
        &mut self,
        key: ServiceKey,
        server: &DestinationKey,
        change: Option<(u32, u32)>,
    ) -> bool {
        let enforced = self.config.globals.enforce_weights;
        let Some(managed) = self.services.get_mut(&key) else {
            return false;
        };
        let positions = managed.positions(server);
        let kept = match change {
            Some((from, to)) if from != to && !enforced => Some(to),
            Some((from, to)) if from == to => return false,
            _ => None,
        };
        for position in &positions {
            managed.reals[*position].hand_weight = kept;
        }
        let (Some(weight), false) = (kept, positions.is_empty()) else {
            return false;
        };
        self.tell(Notice::hand_weight(key, *server, weight));
        true
    }
}
