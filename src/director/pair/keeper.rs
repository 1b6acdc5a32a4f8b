//! The guard as the pair's thread uses it: started again when it dies, told what it held,
//! and its reports in the state machine's words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::links::FarewellRoute;
use super::plan::Plan;
use crate::director::guard::{self, FarewellLink, Guard, Holding, OWN_PROGRAM, Report, Setup};
use crate::failover::{Event, InstanceId, Step};
use crate::model::pair::Instance;

/// Time between announcements for as long as an address is held: a switch that lost what it
/// had learned, without a carrier ever going, finds the owner again.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(5);

/// Links that come and go within this time give the guard nothing new to know.
const SETTLED: Duration = Duration::from_secs(1);

/// The guard, or the lack of one.
pub(super) struct Keeper {
    program: &'static Path,
    guard: Option<Guard>,
    setup: Setup,
    /// Place in the set-up of each link that is up.
    places: BTreeMap<usize, usize>,
    /// The links that were up when last looked at, and since when they are those.
    routes: (Vec<FarewellRoute>, Instant),
    held: BTreeMap<String, Holding>,
    /// Steps that are with the guard, by instance.
    pending: BTreeMap<String, (u64, Step)>,
    complained: bool,
}

impl Keeper {
    /// Starts a guard.
    pub(super) fn start(plan: &Plan, routes: &[FarewellRoute]) -> Self {
        let mut keeper = Self::new(Path::new(OWN_PROGRAM), plan, routes);
        keeper.revive();
        keeper
    }

    fn new(program: &'static Path, plan: &Plan, routes: &[FarewellRoute]) -> Self {
        let (setup, places) = setup(plan, routes);
        Self {
            program,
            guard: None,
            setup,
            places,
            routes: (routes.to_vec(), Instant::now()),
            held: BTreeMap::new(),
            pending: BTreeMap::new(),
            complained: false,
        }
    }

    /// Links came or went: another guard once they have stayed as they are for a while.
    pub(super) fn follow(&mut self, plan: &Plan, routes: &[FarewellRoute], now: Instant) {
        if self.routes.0 != routes {
            self.routes = (routes.to_vec(), now);
        }
        if now.saturating_duration_since(self.routes.1) >= SETTLED {
            self.renew(plan, routes);
        }
    }

    /// Another set of addresses, links or times: another guard, which adopts what is held.
    pub(super) fn renew(&mut self, plan: &Plan, routes: &[FarewellRoute]) {
        let (setup, places) = setup(plan, routes);
        if (&setup, &places) == (&self.setup, &self.places) && self.guard.is_some() {
            return;
        }
        (self.setup, self.places) = (setup, places);
        if let Some(guard) = self.guard.take() {
            // It ends, and what it holds stays until its lifetime is over.
            let _ = guard.forget();
        }
        self.revive();
        self.ask_again(plan);
    }

    /// What the guard before was asked for and has not answered: its answer is no longer
    /// heard, and doing it twice is doing it once.
    fn ask_again(&mut self, plan: &Plan) {
        for instance in &plan.pair.instances {
            // A guard that cannot be asked is one that is about to be found dead.
            let _ = match self.pending.get(&instance.name).copied() {
                Some((epoch, Step::AddAddresses)) => self.hold(instance, epoch),
                Some((epoch, _)) => self.release(instance, epoch),
                None => Ok(()),
            };
        }
    }

    /// Starts a guard when there is none.
    pub(super) fn revive(&mut self) {
        if self.guard.is_some() {
            return;
        }
        let setup = Setup {
            adopt: self.held.values().cloned().collect(),
            ..self.setup.clone()
        };
        match Guard::start(self.program, &setup) {
            Ok(guard) => {
                self.complained = false;
                self.guard = Some(guard);
            }
            Err(error) if !std::mem::replace(&mut self.complained, true) => {
                tracing::error!(%error, "the guard process cannot be started: no addresses");
            }
            Err(_) => {}
        }
    }

    /// The next report; `None` when the guard has died. Never, without a guard.
    pub(super) async fn report(&self) -> Option<Report> {
        match &self.guard {
            Some(guard) => guard.report().await,
            None => std::future::pending().await,
        }
    }

    /// A report that is there already.
    pub(super) fn try_report(&self) -> Option<Report> {
        self.guard.as_ref()?.try_report()
    }

    pub(super) fn hold(&mut self, instance: &Instance, epoch: u64) -> Result<(), String> {
        self.pending
            .insert(instance.name.clone(), (epoch, Step::AddAddresses));
        self.ask(|guard| guard.hold(&instance.name, epoch, &instance.addresses))
    }

    pub(super) fn release(&mut self, instance: &Instance, epoch: u64) -> Result<(), String> {
        self.pending
            .insert(instance.name.clone(), (epoch, Step::RemoveAddresses));
        self.held.remove(&instance.name);
        self.ask(|guard| guard.release(&instance.name, epoch, &instance.addresses))
    }

    pub(super) fn announce(&mut self, instance: &str, epoch: u64) {
        // Its death is noticed by its reports.
        let _ = self.ask(|guard| guard.announce(instance, epoch));
    }

    pub(super) fn cancel_announcements(&mut self, instance: &str) {
        let _ = self.ask(|guard| guard.cancel_announcements(instance));
    }

    /// This process lives; how long a silence of it is a stall, and what to send then.
    pub(super) fn beat(&mut self, limit: Duration, farewell: Vec<(usize, Vec<u8>)>) {
        let places = &self.places;
        let farewell = farewell
            .into_iter()
            .filter_map(|(link, bytes)| Some((*places.get(&link)?, bytes)))
            .collect();
        let _ = self.ask(|guard| guard.beat(limit, farewell));
    }

    /// Ends the guard; nothing is held any more.
    pub(super) fn end(mut self) {
        let _ = self.ask(Guard::forget);
    }

    fn ask(
        &mut self,
        request: impl FnOnce(&Guard) -> Result<(), guard::SendError>,
    ) -> Result<(), String> {
        let guard = self.guard.as_mut().ok_or("there is no guard process")?;
        let result = request(guard);
        if result == Err(guard::SendError::Stuck) {
            // Its successor must not share the addresses with one that wakes up later. That
            // it is dead is noticed by its reports; one that cannot be killed is gone.
            let _ = guard.kill();
        }
        result.map_err(|error| error.to_string())
    }

    /// What a report means, `None` being the guard's death.
    pub(super) fn understand(&mut self, report: Option<Report>) -> Vec<Event> {
        match report {
            None => self.bury(),
            Some(Report::Ready { removed }) => {
                for address in removed {
                    tracing::warn!(
                        "{address} was here although this node does not serve it: removed"
                    );
                }
                Vec::new()
            }
            Some(Report::Held(holding)) => {
                let (name, epoch) = (holding.instance.clone(), holding.epoch);
                self.held.insert(name.clone(), holding);
                self.settle(&name, epoch, Step::AddAddresses, Ok(()))
            }
            Some(Report::Released { instance, epoch }) => {
                self.settle(&instance, epoch, Step::RemoveAddresses, Ok(()))
            }
            Some(Report::Failed {
                step,
                instance,
                epoch,
                why,
            }) => self.note_failure(step, instance, epoch, why),
            Some(Report::Restored { instance, address }) => {
                tracing::warn!(%instance, "{address} was removed by other hands and is back");
                Vec::new()
            }
            Some(Report::Missing { instance, address }) => {
                tracing::warn!(%instance, "{address} is missing");
                let instance = InstanceId::of(&instance);
                vec![Event::AddressMissing { instance }]
            }
            Some(Report::Foreign { address, mac }) => {
                let owners = self
                    .held
                    .values()
                    .filter(|holding| holding.addresses.iter().any(|vip| vip.address == address));
                owners
                    .map(|holding| Event::ForeignClaim {
                        instance: InstanceId::of(&holding.instance),
                        mac,
                    })
                    .collect()
            }
            Some(Report::Fenced { instances, why }) => {
                for (instance, epoch) in &instances {
                    tracing::warn!(%instance, epoch, "the guard has given it up: {why:?}");
                    self.held.remove(instance);
                    self.pending.remove(instance);
                }
                let instances = instances.iter().map(|(name, _)| InstanceId::of(name));
                vec![Event::Fenced {
                    instances: instances.collect(),
                }]
            }
        }
    }

    /// The guard has died. Another one adopts what it held; without one, the kernel's
    /// lifetime ends the addresses, so they count as given up.
    fn bury(&mut self) -> Vec<Event> {
        tracing::error!("the guard process has died; another one is started");
        self.guard = None;
        self.revive();
        let lost = std::mem::take(&mut self.pending);
        let mut events: Vec<Event> = lost
            .into_iter()
            .map(|(name, (epoch, step))| Event::Done {
                instance: InstanceId::of(&name),
                epoch,
                step,
                result: Err("the guard process has died".to_owned()),
            })
            .collect();
        if self.guard.is_none() {
            let held = std::mem::take(&mut self.held);
            let instances = held.into_keys().map(|name| InstanceId::of(&name));
            events.push(Event::Fenced {
                instances: instances.collect(),
            });
        }
        events
    }

    fn note_failure(
        &mut self,
        step: guard::Step,
        instance: Option<String>,
        epoch: u64,
        why: String,
    ) -> Vec<Event> {
        tracing::error!(instance, epoch, "{step:?}: {why}");
        let Some(name) = instance else {
            return Vec::new();
        };
        match step {
            guard::Step::Hold => self.settle(&name, epoch, Step::AddAddresses, Err(why)),
            guard::Step::Release => self.settle(&name, epoch, Step::RemoveAddresses, Err(why)),
            guard::Step::Start | guard::Step::Refresh | guard::Step::Announce => Vec::new(),
        }
    }

    fn settle(
        &mut self,
        name: &str,
        epoch: u64,
        step: Step,
        result: Result<(), String>,
    ) -> Vec<Event> {
        if self.pending.get(name) == Some(&(epoch, step)) && result.is_ok() {
            self.pending.remove(name);
        }
        vec![Event::Done {
            instance: InstanceId::of(name),
            epoch,
            step,
            result,
        }]
    }
}

fn setup(plan: &Plan, routes: &[FarewellRoute]) -> (Setup, BTreeMap<usize, usize>) {
    let pair = &plan.pair;
    let links = routes.iter().map(|route| FarewellLink {
        device: Some(route.interface.as_str().to_owned()),
        source: Some(route.source),
        to: route.destination,
    });
    let setup = Setup {
        links: links.collect(),
        stall_after: plan.settings.stall_after(),
        lifetime: pair.timing.address_lifetime,
        announce_again: Some(ANNOUNCE_AGAIN),
        addresses: pair
            .instances
            .iter()
            .flat_map(|instance| instance.addresses.iter().cloned())
            .collect(),
        adopt: Vec::new(),
    };
    let places = routes.iter().enumerate();
    (
        setup,
        places.map(|(place, route)| (route.link, place)).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::director::pair::plan::tests::plan;

    /// A keeper whose guard cannot be started.
    fn keeper() -> Keeper {
        Keeper::new(Path::new("/nonexistent"), &plan(), &[])
    }

    fn held(epoch: u64) -> Report {
        Report::Held(Holding {
            instance: "web".to_owned(),
            epoch,
            addresses: plan().pair.instances[0].addresses.clone(),
            loopback: Vec::new(),
        })
    }

    fn web() -> InstanceId {
        InstanceId::of("web")
    }

    #[test]
    fn what_is_held_is_adopted_until_it_is_released() {
        let mut keeper = keeper();
        let events = keeper.understand(Some(held(3)));
        let [
            Event::Done {
                epoch: 3,
                step: Step::AddAddresses,
                result: Ok(()),
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(keeper.held["web"].epoch, 3);
        let foreign = Report::Foreign {
            address: "192.0.2.100".parse().unwrap(),
            mac: crate::model::Mac([2, 0, 0, 0, 0, 9]),
        };
        let events = keeper.understand(Some(foreign.clone()));
        assert!(
            matches!(&events[..], [Event::ForeignClaim { instance, .. }] if *instance == web())
        );
        assert!(
            keeper.release(&plan().pair.instances[0], 3).is_err(),
            "no guard"
        );
        assert!(keeper.held.is_empty());
        assert!(keeper.understand(Some(foreign)).is_empty());
    }

    #[test]
    fn without_a_guard_what_was_held_counts_as_given_up() {
        let mut keeper = keeper();
        keeper.understand(Some(held(3)));
        let _ = keeper.hold(&plan().pair.instances[0], 3);
        let events = keeper.understand(None);
        let [
            Event::Done { result: Err(_), .. },
            Event::Fenced { instances },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(instances[..], [web()]);
        assert!(keeper.held.is_empty() && keeper.pending.is_empty());
    }

    #[test]
    fn a_refused_address_fails_the_step_and_nothing_else() {
        let mut keeper = keeper();
        let failed = |step| Report::Failed {
            step,
            instance: Some("web".to_owned()),
            epoch: 4,
            why: "no such device".to_owned(),
        };
        let events = keeper.understand(Some(failed(guard::Step::Hold)));
        let [
            Event::Done {
                epoch: 4,
                step: Step::AddAddresses,
                result: Err(why),
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!(why, "no such device");
        assert!(
            keeper
                .understand(Some(failed(guard::Step::Refresh)))
                .is_empty()
        );
    }
}
