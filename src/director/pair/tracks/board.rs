//! The verdicts on all tracks, and what they mean for the instances. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::kind::{describe, judge_available};
use super::machine::{Inertia, Machine, State};
use crate::model::pair::{Effect, Instance, Track, TrackKind};
use crate::model::{InterfaceName, Outcome};

/// Largest sum of weights, either way: more cannot matter between priorities of 1 to 254.
const WEIGHT_MAX: i16 = 253;

/// How long the carrier of an instance's own interface must be back, when no track says.
const CARRIER_RISE: Duration = Duration::from_secs(1);

/// What the tracks of one instance say together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Mandatory tracks ([`Effect::Fault`]) that are good.
    pub reachable: u8,
    /// Mandatory tracks; with more than 255, failed ones are what remains in the counts.
    pub total: u8,
    /// Mandatory tracks of which nothing is known yet; neither good nor failed.
    pub unknown: u8,
    /// Sum of the weights of failed tracks, -253 to 253.
    pub weight: i16,
    /// Why, for each mandatory track that has failed: its name and the reason.
    pub faults: Vec<String>,
    /// Whether every interface that carries an address of the instance has a carrier;
    /// watched without being asked. `None` until it is known.
    pub carrier: Option<bool>,
    /// When a target on the network (ping, HTTP, TCP, but not of this host's loopback) last
    /// answered, be it mandatory or not. `None` before the first answer and without targets.
    pub answered: Option<Instant>,
}

/// A track as status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackStatus {
    /// Whose track it is.
    pub instance: String,
    /// Its name.
    pub name: String,
    /// `interface`, `ping`, `http`, `tcp`, `script`, `process` or `service`.
    pub kind: &'static str,
    /// What is watched.
    pub target: String,
    /// The verdict.
    pub state: State,
    /// Since when.
    pub since: Instant,
    /// What was found last; empty when nothing has been.
    pub last: String,
    /// What its failure does; `None` for the interface of an address, whose failure is
    /// [`Summary::carrier`].
    pub effect: Option<Effect>,
}

/// A change of verdict, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) instance: String,
    pub(super) name: String,
    pub(super) state: State,
    pub(super) detail: String,
}

/// Number of a track. Never given twice, so that late news of a removed one are recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(u64);

/// Everything that is watched.
#[derive(Debug, Default)]
pub(super) struct Board {
    next: u64,
    /// In the order of configuration.
    entries: Vec<Entry>,
    /// Instances, and what was told of each last.
    instances: BTreeMap<String, Option<Summary>>,
    /// Instances of which there may be news.
    dirty: BTreeSet<String>,
    /// Available real servers of services.
    available: BTreeMap<String, u32>,
}

#[derive(Debug)]
struct Entry {
    id: Id,
    instance: String,
    track: Track,
    role: Role,
    machine: Machine,
    /// When it last was good, for a target on the network.
    answered: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Role {
    /// What a failure does, for a configured track.
    effect: Option<Effect>,
    /// Whether it is an interface that carries an address.
    carries: bool,
}

/// What a replacement of the set has changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Replaced {
    pub(super) added: Vec<Id>,
    pub(super) removed: Vec<Id>,
}

impl Board {
    /// Watches what these instances ask for. A track that is asked for as before keeps its
    /// number and its verdict.
    pub(super) fn replace(&mut self, instances: &[Instance], now: Instant) -> Replaced {
        let mut before = std::mem::take(&mut self.entries);
        let mut replaced = Replaced::default();
        for instance in instances {
            for (track, role) in wanted(instance) {
                let kept = before.iter().position(|entry| {
                    entry.instance == instance.name && is_watched_alike(&entry.track, &track)
                });
                let entry = match kept.map(|at| before.remove(at)) {
                    Some(entry) => Entry {
                        track,
                        role,
                        ..entry
                    },
                    None => self.entry(&instance.name, track, role, now),
                };
                if kept.is_none() {
                    replaced.added.push(entry.id);
                }
                self.entries.push(entry);
            }
        }
        replaced.removed = before.into_iter().map(|entry| entry.id).collect();
        let names = instances.iter().map(|instance| instance.name.clone());
        self.dirty = names.collect();
        self.instances.retain(|name, _| self.dirty.contains(name));
        replaced
    }

    fn entry(&mut self, instance: &str, track: Track, role: Role, now: Instant) -> Entry {
        let id = Id(self.next);
        self.next += 1;
        let mut machine = Machine::new(Inertia::of(&track), now);
        if let TrackKind::Service {
            service,
            min_available,
        } = &track.kind
            && let Some(available) = self.available.get(service)
        {
            let (outcome, detail) = judge_available(*available, *min_available);
            machine.handle_outcome(&outcome, &detail, now);
        }
        Entry {
            id,
            instance: instance.to_owned(),
            track,
            role,
            machine,
            answered: None,
        }
    }

    /// A track and the name of its instance.
    pub(super) fn track(&self, id: Id) -> Option<(&str, &Track)> {
        let entry = self.entries.iter().find(|entry| entry.id == id)?;
        Some((&entry.instance, &entry.track))
    }

    /// Every interface that is watched.
    pub(super) fn interfaces(&self) -> Vec<(Id, InterfaceName)> {
        let interface = |entry: &Entry| match &entry.track.kind {
            TrackKind::Interface(name) => Some((entry.id, name.clone())),
            _ => None,
        };
        self.entries.iter().filter_map(interface).collect()
    }

    /// Every process that is watched.
    pub(super) fn processes(&self) -> BTreeSet<String> {
        let process = |entry: &Entry| match &entry.track.kind {
            TrackKind::Process(name) => Some(name.clone()),
            _ => None,
        };
        self.entries.iter().filter_map(process).collect()
    }

    /// A look at a track has ended, or something was told of it; `detail` describes a
    /// success. Nothing happens when the track is watched no more.
    pub(super) fn handle_outcome(
        &mut self,
        id: Id,
        outcome: &Outcome,
        detail: &str,
        now: Instant,
    ) -> Option<Change> {
        let entry = self.entries.iter_mut().find(|entry| entry.id == id)?;
        if *outcome == Outcome::Up && entry.track.kind.is_on_the_network() {
            entry.answered = Some(now);
            self.dirty.insert(entry.instance.clone());
        }
        let changed = entry.machine.handle_outcome(outcome, detail, now);
        changed.then(|| changed_entry(entry, &mut self.dirty))
    }

    /// A service has so many available real servers now.
    pub(super) fn handle_available(
        &mut self,
        service: &str,
        available: u32,
        now: Instant,
    ) -> Vec<Change> {
        self.available.insert(service.to_owned(), available);
        let mut changes = Vec::new();
        for entry in &mut self.entries {
            let TrackKind::Service {
                service: watched,
                min_available,
            } = &entry.track.kind
            else {
                continue;
            };
            if watched != service {
                continue;
            }
            let (outcome, detail) = judge_available(available, *min_available);
            if entry.machine.handle_outcome(&outcome, &detail, now) {
                changes.push(changed_entry(entry, &mut self.dirty));
            }
        }
        changes
    }

    /// When [`Board::handle_time`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        self.entries.iter().filter_map(|e| e.machine.due()).min()
    }

    /// Time has passed.
    pub(super) fn handle_time(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        for entry in &mut self.entries {
            if entry.machine.handle_time(now) {
                changes.push(changed_entry(entry, &mut self.dirty));
            }
        }
        changes
    }

    /// Whether [`Board::next_news`] may have something.
    pub(super) fn has_news(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// An instance whose summary differs from what was last taken here.
    pub(super) fn next_news(&mut self) -> Option<(String, Summary)> {
        while let Some(name) = self.dirty.pop_first() {
            let summary = self.summary(&name);
            let told = self.instances.entry(name.clone()).or_default();
            if told.as_ref() != Some(&summary) {
                *told = Some(summary.clone());
                return Some((name, summary));
            }
        }
        None
    }

    /// What the tracks of an instance say together.
    pub(super) fn summary(&self, instance: &str) -> Summary {
        let own = || self.entries.iter().filter(|e| e.instance == instance);
        let (mut total, mut unknown, mut weight) = (0_usize, 0_usize, 0_i32);
        let mut faults = Vec::new();
        for entry in own() {
            let state = entry.machine.state();
            match (entry.role.effect, state) {
                (Some(Effect::Fault), state) => {
                    total += 1;
                    match state {
                        State::Up => {}
                        State::Unknown => unknown += 1,
                        State::Down(reason) => {
                            faults.push(format!("{}: {reason}", entry.track.name));
                        }
                    }
                }
                (Some(Effect::Weight(change)), State::Down(_)) => weight += i32::from(change),
                _ => {}
            }
        }
        let limit = i32::from(WEIGHT_MAX);
        let counted = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        let total = counted(total);
        Summary {
            reachable: total.saturating_sub(counted(unknown + faults.len())),
            total,
            unknown: counted(unknown),
            weight: weight.clamp(-limit, limit) as i16,
            faults,
            carrier: carrier(own().filter(|entry| entry.role.carries)),
            answered: TrackKind::that_tell_of_the_network(own(), |entry| &entry.track.kind)
                .into_iter()
                .filter_map(|entry| entry.answered)
                .max(),
        }
    }

    /// Every track, in the order of configuration.
    pub(super) fn status(&self) -> Vec<TrackStatus> {
        let status = |entry: &Entry| {
            let (kind, target) = describe(&entry.track.kind);
            TrackStatus {
                instance: entry.instance.clone(),
                name: entry.track.name.clone(),
                kind,
                target,
                state: entry.machine.state().clone(),
                since: entry.machine.since(),
                last: entry.machine.last().to_owned(),
                effect: entry.role.effect,
            }
        };
        self.entries.iter().map(status).collect()
    }
}

/// Notes the change of an entry.
fn changed_entry(entry: &Entry, dirty: &mut BTreeSet<String>) -> Change {
    dirty.insert(entry.instance.clone());
    Change {
        instance: entry.instance.clone(),
        name: entry.track.name.clone(),
        state: entry.machine.state().clone(),
        detail: entry.machine.last().to_owned(),
    }
}

/// One without a carrier is enough to be without; all must be known to be with.
fn carrier<'e>(entries: impl Iterator<Item = &'e Entry>) -> Option<bool> {
    let mut all = None;
    let mut known = true;
    for entry in entries {
        match entry.machine.state() {
            State::Down(_) => return Some(false),
            State::Unknown => known = false,
            State::Up => all = Some(true),
        }
    }
    all.filter(|_| known)
}

/// The tracks of an instance, and the interfaces of its addresses that none of them names.
fn wanted(instance: &Instance) -> Vec<(Track, Role)> {
    let addresses = instance.addresses.iter();
    let mut carrying: BTreeSet<_> = addresses.map(|address| &address.interface).collect();
    let mut wanted = Vec::new();
    for track in &instance.tracks {
        let role = Role {
            effect: Some(track.effect),
            carries: matches!(&track.kind, TrackKind::Interface(name) if carrying.remove(name)),
        };
        wanted.push((track.clone(), role));
    }
    for interface in carrying {
        let role = Role {
            effect: None,
            carries: true,
        };
        wanted.push((carrier_track(interface), role));
    }
    wanted
}

fn carrier_track(interface: &InterfaceName) -> Track {
    Track {
        name: format!("carrier of {interface}"),
        kind: TrackKind::Interface(interface.clone()),
        interval: CARRIER_RISE,
        timeout: CARRIER_RISE,
        fall: 1,
        rise: 1,
        effect: Effect::Fault,
    }
}

/// Whether two tracks are the same but for what a failure does.
fn is_watched_alike(a: &Track, b: &Track) -> bool {
    let a = Track {
        effect: b.effect,
        ..a.clone()
    };
    a == *b
}

#[cfg(test)]
mod tests;
