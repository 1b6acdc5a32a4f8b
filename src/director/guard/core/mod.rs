//! What the guard does at which time, given messages and what the kernel says. Pure: time
//! since boot comes in, actions go out; each is carried out, and its outcome handed in,
//! before anything else.
//!
//! Whoever drives it shows all messages that wait at once ([`Core::hear`]) before it hands
//! them over one by one: a guard that was late itself must not take messages that it has not
//! read for silence.

mod farewell;
mod holding;
mod leaving;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::message::{Beat, FenceReason, Holding, Loopback, Report, Request, Step};
use crate::kernel::neighbour::Mac;
use crate::model::InterfaceName;
use crate::model::pair::VirtualAddress;
use farewell::Farewell;
use holding::Held;
use leaving::Leaving;

pub(super) use super::farewell::FarewellLink;

/// Time between two reports of the same foreign claim.
const FOREIGN_AGAIN: Duration = Duration::from_secs(1);
/// Foreign claims that are remembered, so that a flood of made-up MACs costs nothing.
const FOREIGN_LIMIT: usize = 64;
/// After a change of what is held, listening waits until the first announcements are out.
const LISTEN_AFTER: Duration = Duration::from_millis(100);
/// Time between attempts to remove what was left over.
const START_AGAIN: Duration = Duration::from_secs(1);
/// Time between two removals of what other hands add: who adds it again and again is not
/// to keep this process busy.
const STRAY_AGAIN: Duration = Duration::from_millis(200);

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The main process is gone.
    Gone,
    /// An outcome of [`Action::RemoveLeftOver`].
    Cleaned(Result<Vec<String>, String>),
    /// An outcome of [`Action::Take`].
    Taken {
        instance: String,
        result: Result<Vec<Loopback>, String>,
    },
    /// An outcome of [`Action::Refresh`]: what could not be refreshed.
    Refreshed {
        instance: String,
        failed: Vec<(VirtualAddress, String)>,
    },
    /// An outcome of [`Action::Drop`].
    Dropped {
        instance: String,
        result: Result<(), String>,
    },
    /// An outcome of [`Action::Restore`].
    Restored {
        instance: String,
        address: VirtualAddress,
        is_back: bool,
    },
    /// An announcement that could not be sent.
    NotAnnounced { instance: String, why: String },
    /// Addresses or links changed; this is where each address that is held stands now.
    Observed(Vec<(VirtualAddress, Presence)>),
    /// An address is on this host that was not there before, or has another lifetime.
    Appeared(IpAddr),
    /// Somebody else says that it has an address.
    Foreign { address: IpAddr, mac: Mac },
}

/// Where an address stands in the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// On its interface.
    There,
    /// Not there, though its interface is up.
    Absent,
    /// Not there, and neither is its interface, or it is down.
    NoLink,
}

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Remove these wherever they are but on `lo`, and everything of an earlier
    /// configuration of this program, except what is kept.
    RemoveLeftOver {
        addresses: Vec<VirtualAddress>,
        keep: Vec<VirtualAddress>,
    },
    /// Take the copies off `lo` and add all addresses; undo both when one is refused.
    Take {
        instance: String,
        addresses: Vec<VirtualAddress>,
        lifetime: Duration,
    },
    /// Give addresses that are there a new lifetime.
    Refresh {
        instance: String,
        addresses: Vec<VirtualAddress>,
        lifetime: Duration,
    },
    /// Remove addresses, read back that they are gone, put the copies back on `lo`.
    Drop {
        instance: String,
        addresses: Vec<VirtualAddress>,
        loopback: Vec<Loopback>,
    },
    /// Add one address again.
    Restore {
        instance: String,
        address: VirtualAddress,
        lifetime: Duration,
    },
    /// One round of announcements.
    Announce {
        instance: String,
        addresses: Vec<VirtualAddress>,
    },
    /// Send each packet once on its link.
    Farewell(Vec<(FarewellLink, Vec<u8>)>),
    /// Tell the main process.
    Report(Report),
    /// Listen for others that claim these; for nothing else.
    Listen(BTreeMap<InterfaceName, Vec<IpAddr>>),
    /// End the process.
    Exit,
}

/// The guard's state.
#[derive(Debug, Default)]
pub(super) struct Core {
    configured: Vec<VirtualAddress>,
    adopted: Vec<Holding>,
    settings: Option<Settings>,
    /// When the main process last was known to be alive.
    alive_at: Duration,
    /// From a stall on until the main process speaks again.
    stalled: bool,
    gone: bool,
    held: BTreeMap<String, Held>,
    leaving: BTreeMap<String, Leaving>,
    /// The newest epoch of each instance that was given up.
    given_up: BTreeMap<String, u64>,
    farewell: Farewell,
    foreign: BTreeMap<(IpAddr, Mac), Duration>,
    listen_at: Option<Duration>,
    clean_at: Option<Duration>,
    cleaned_at: Duration,
}

#[derive(Debug)]
struct Settings {
    stall_after: Duration,
    lifetime: Duration,
    announce_again: Option<Duration>,
}

impl Core {
    /// Every message that waits, in order, before they are handed over: signs of life count
    /// as they were sent, so that a gap between them is a stall, however late they are read.
    pub(super) fn hear(&mut self, requests: &[Request], now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        for request in requests {
            if let Request::Beat(beat) = request {
                let at = beat.at.min(now);
                self.look_for_stall(at, now, &mut actions);
                self.alive_at = self.alive_at.max(at);
                if let Some(settings) = &mut self.settings {
                    settings.stall_after = beat.limit;
                }
            }
        }
        actions.extend(self.tick(now));
        actions
    }

    /// One message.
    pub(super) fn receive(&mut self, request: Request, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.request(request, now, &mut actions);
        actions
    }

    /// Anything but messages.
    pub(super) fn event(&mut self, event: Event, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Gone => self.main_is_gone(now, &mut actions),
            Event::Cleaned(result) => self.cleaned(result, now, &mut actions),
            Event::Taken { instance, result } => self.taken(instance, result, now, &mut actions),
            Event::Refreshed { instance, failed } => {
                self.refreshed(&instance, failed, &mut actions);
            }
            Event::Dropped { instance, result } => {
                self.dropped(&instance, result, now, &mut actions);
            }
            Event::Restored {
                instance,
                address,
                is_back,
            } => self.restored(&instance, &address, is_back, now, &mut actions),
            Event::NotAnnounced { instance, why } => {
                let epoch = self.held.get(&instance).map(|held| held.epoch);
                actions.extend(epoch.map(|epoch| failed(Step::Announce, instance, epoch, why)));
            }
            Event::Observed(seen) => {
                actions.extend(self.tick(now));
                self.observed(&seen, now, &mut actions);
            }
            Event::Appeared(address) => self.appeared(address, now),
            Event::Foreign { address, mac } => self.foreign(address, mac, now, &mut actions),
        }
        self.end(now, &mut actions);
        actions
    }

    /// What has become due.
    pub(super) fn tick(&mut self, now: Duration) -> Vec<Action> {
        let mut actions = Vec::new();
        self.look_for_stall(now, now, &mut actions);
        self.refresh(now, &mut actions);
        self.announce(now, &mut actions);
        self.drop_again(now, &mut actions);
        if self.clean_at.is_some_and(|at| at <= now) {
            self.clean_at = None;
            self.cleaned_at = now;
            actions.push(self.clean());
        }
        if self.listen_at.is_some_and(|at| at <= now) {
            self.listen_at = None;
            actions.push(self.listen());
        }
        self.end(now, &mut actions);
        actions
    }

    /// When [`Core::tick`] is due next.
    pub(super) fn next(&self) -> Option<Duration> {
        let stall = self
            .settings
            .as_ref()
            .filter(|_| !self.stalled && !self.gone);
        let held = self.held.values().flat_map(Held::next);
        held.chain(self.leaving.values().filter_map(Leaving::next))
            .chain(stall.map(|settings| self.alive_at + settings.stall_after))
            .chain(self.farewell.next().filter(|_| self.holds_nothing()))
            .chain(self.listen_at)
            .chain(self.clean_at)
            .min()
    }

    /// Every address that is held.
    pub(super) fn addresses(&self) -> Vec<VirtualAddress> {
        let held = self.held.values();
        held.flat_map(|held| held.addresses.keys().cloned())
            .collect()
    }

    /// Every address that may be held and is not.
    pub(super) fn absent(&self) -> impl Iterator<Item = IpAddr> {
        let configured = self.configured.iter().map(|vip| vip.address);
        configured.filter(|address| !self.has(*address))
    }

    fn has(&self, address: IpAddr) -> bool {
        let mut held = self.held.values().flat_map(|held| held.addresses.keys());
        held.any(|held| held.address == address)
    }

    fn holds_nothing(&self) -> bool {
        self.held.is_empty() && self.leaving.is_empty()
    }

    /// Whether the guard is past giving up: nothing may be added any more.
    fn is_fenced(&self) -> bool {
        self.stalled || self.gone
    }

    fn request(&mut self, request: Request, now: Duration, actions: &mut Vec<Action>) {
        match request {
            Request::Configure(addresses) => self.configured.extend(addresses),
            Request::Adopt(holding) => self.adopted.push(holding),
            Request::Begin {
                links,
                stall_after,
                lifetime,
                announce_again,
            } => {
                self.farewell.links = links;
                self.settings = Some(Settings {
                    stall_after,
                    lifetime: lifetime.max(Duration::from_secs(2)),
                    announce_again,
                });
                self.alive_at = now;
                actions.push(self.clean());
                self.adopt(now, actions);
            }
            Request::Hold {
                instance,
                epoch,
                addresses,
                at,
            } => {
                let limit = self.settings.as_ref().map(|settings| settings.stall_after);
                if limit.is_some_and(|limit| now.saturating_sub(at) >= limit) {
                    // This process stood still meanwhile; the peer may have claimed.
                    let why = "it waited too long for the guard process".to_owned();
                    actions.push(failed(Step::Hold, instance, epoch, why));
                    return;
                }
                if !self.is_fenced() {
                    self.farewell.cancel();
                }
                self.hold(instance, epoch, addresses, actions);
            }
            Request::Announce { instance, epoch } => {
                if let Some(held) = self.held.get_mut(&instance).filter(|h| h.epoch == epoch) {
                    held.announce_from(now);
                    self.announce(now, actions);
                }
            }
            Request::CancelAnnouncements { instance } => {
                if let Some(held) = self.held.get_mut(&instance) {
                    held.cancel_announcements();
                }
            }
            Request::Release {
                instance,
                epoch,
                addresses,
            } => self.release(instance, epoch, addresses, actions),
            Request::Beat(Beat { farewell, .. }) => {
                self.stalled = false;
                self.farewell.packets = farewell;
            }
            Request::Forget => {
                self.held.clear();
                self.leaving.clear();
                actions.push(Action::Exit);
            }
        }
    }

    fn main_is_gone(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if !std::mem::replace(&mut self.gone, true) {
            self.give_up(FenceReason::Stalled, actions);
            self.farewell.begin(now);
        }
    }

    /// A silence of the main process up to `at`, seen now.
    fn look_for_stall(&mut self, at: Duration, now: Duration, actions: &mut Vec<Action>) {
        let Some(settings) = &self.settings else {
            return;
        };
        let silence = at.saturating_sub(self.alive_at);
        if silence >= settings.stall_after && !self.is_fenced() {
            self.stalled = true;
            self.give_up(FenceReason::Stalled, actions);
            self.farewell.begin(now);
        }
    }

    /// The farewell once nothing is in its way, and the end when nobody is left to serve.
    fn end(&mut self, now: Duration, actions: &mut Vec<Action>) {
        if !self.holds_nothing() {
            return;
        }
        actions.extend(self.farewell.due(now).map(Action::Farewell));
        if self.gone && self.farewell.next().is_none() {
            actions.push(Action::Exit);
        }
    }

    fn clean(&self) -> Action {
        let kept = self.adopted.iter().flat_map(|a| a.addresses.iter());
        Action::RemoveLeftOver {
            addresses: self.configured.clone(),
            keep: kept.cloned().chain(self.addresses()).collect(),
        }
    }

    fn cleaned(
        &mut self,
        result: Result<Vec<String>, String>,
        now: Duration,
        actions: &mut Vec<Action>,
    ) {
        actions.push(match result {
            Ok(removed) => Action::Report(Report::Ready { removed }),
            Err(why) => {
                self.clean_at = Some(now + START_AGAIN);
                Action::Report(Report::Failed {
                    step: Step::Start,
                    instance: None,
                    epoch: 0,
                    why,
                })
            }
        });
    }

    /// What is not held must not be here: the peer may serve it.
    fn appeared(&mut self, address: IpAddr, now: Duration) {
        if self.absent().any(|absent| absent == address) {
            let at = now.max(self.cleaned_at + STRAY_AGAIN);
            self.clean_at = Some(self.clean_at.map_or(at, |clean| clean.min(at)));
        }
    }

    fn foreign(&mut self, address: IpAddr, mac: Mac, now: Duration, actions: &mut Vec<Action>) {
        if !self.has(address) {
            return;
        }
        self.foreign
            .retain(|_, at| now.saturating_sub(*at) < FOREIGN_AGAIN);
        if self.foreign.len() < FOREIGN_LIMIT && !self.foreign.contains_key(&(address, mac)) {
            self.foreign.insert((address, mac), now);
            actions.push(Action::Report(Report::Foreign { address, mac }));
        }
    }

    fn listen(&self) -> Action {
        let mut interfaces: BTreeMap<InterfaceName, Vec<IpAddr>> = BTreeMap::new();
        for address in self.addresses() {
            let on = interfaces.entry(address.interface).or_default();
            on.push(address.address);
        }
        Action::Listen(interfaces)
    }
}

fn failed(step: Step, instance: String, epoch: u64, why: String) -> Action {
    Action::Report(Report::Failed {
        step,
        instance: Some(instance),
        epoch,
        why,
    })
}

#[cfg(test)]
mod tests;
