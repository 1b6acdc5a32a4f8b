//! The event loop's dealings with the pair: what the role means for the kernel's table, and
//! what the director tells the pair about its real servers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::model::ServiceKey;
use crate::model::pair::{Instance, Pair, Standby, TrackKind};

use super::super::pair::report::{SyncReport, report};
use super::super::pair::status::PairStatus;
use super::super::pair::{Answer, Handle, Plan, Request, Wish};
use super::super::status::Status;
use super::{Director, Loaded, Member, StartError};
use crate::failover::{Command, InstanceId};

/// How long a takeover waits for the kernel to take a table: longer than any table takes
/// that is warm, shorter than a client's patience.
const TABLE_LIMIT: Duration = Duration::from_secs(2);
/// How long an orderly end waits for the pair to give its addresses up.
const RELEASE_LIMIT: Duration = Duration::from_secs(8);

/// What the event loop keeps of the pair.
pub(super) struct Side {
    node: String,
    handle: Handle,
    wishes: mpsc::UnboundedReceiver<Wish>,
    instances: Vec<Instance>,
    /// Services of each instance that a cold standby takes out of the kernel.
    services: BTreeMap<String, BTreeSet<ServiceKey>>,
    /// Instances whose services are in the kernel.
    present: BTreeSet<String>,
    preparing: Vec<Preparing>,
    told_ready: bool,
    told_available: BTreeMap<String, u32>,
    /// When an orderly end no longer waits for the release.
    release_limit: Option<Instant>,
    ended: bool,
}

/// A takeover or a release that waits for the table.
struct Preparing {
    services: BTreeSet<ServiceKey>,
    until: Instant,
    done: oneshot::Sender<Result<(), String>>,
}

impl Side {
    /// A side for a running pair thread.
    pub(super) fn new(config: &Config, member: Member) -> Self {
        let Member {
            pair,
            handle,
            wishes,
        } = member;
        let mut side = Self {
            node: pair.local.name.clone(),
            handle,
            wishes,
            instances: Vec::new(),
            services: BTreeMap::new(),
            present: BTreeSet::new(),
            preparing: Vec::new(),
            told_ready: false,
            told_available: BTreeMap::new(),
            release_limit: None,
            ended: false,
        };
        side.take_config(&pair, config);
        side
    }

    /// This node's name: which one it is does not change with a reload.
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    fn take_config(&mut self, pair: &Pair, config: &Config) {
        self.instances.clone_from(&pair.instances);
        self.services = pair
            .instances
            .iter()
            .map(|instance| {
                let keys = config.services.iter().map(|service| service.key);
                let own = keys.filter(|key| belongs(key, instance, pair));
                (instance.name.clone(), own.collect())
            })
            .collect();
        self.told_ready = false;
        self.told_available.clear();
    }

    /// What to say of a command for an instance that is not there.
    fn unknown_instance(&self, command: &Command) -> Option<String> {
        let (Command::Standby { instance, .. }
        | Command::Takeover { instance }
        | Command::Cleanup { instance }) = command
        else {
            return None;
        };
        let wanted = (*instance)?;
        let names: Vec<&str> = self.instances.iter().map(|i| i.name.as_str()).collect();
        let known = names.iter().any(|name| InstanceId::of(name) == wanted);
        let refusal = || format!("there is no such instance; there are: {}", names.join(", "));
        (!known).then(refusal)
    }

    /// Services that are to be kept out of the kernel.
    fn passive(&self) -> BTreeSet<ServiceKey> {
        let absent = self.instances.iter().filter(|instance| {
            instance.standby == Standby::Cold && !self.present.contains(&instance.name)
        });
        absent
            .filter_map(|instance| self.services.get(&instance.name))
            .flatten()
            .copied()
            .collect()
    }
}

/// Whether a service moves with an instance: its address does, or it is one of a firewall
/// mark and there is no other instance it could belong to.
fn belongs(key: &ServiceKey, instance: &Instance, pair: &Pair) -> bool {
    match key {
        ServiceKey::Address { address, .. } => {
            instance.addresses.iter().any(|vip| vip.address == *address)
        }
        ServiceKey::Mark { .. } => pair.instances.len() == 1,
    }
}

impl Director {
    /// Keeps what a cold standby does not want out of the kernel.
    pub(super) fn keep_standby(&mut self) {
        if let Some(side) = &self.pair {
            self.core.set_passive(side.passive());
        }
    }

    /// The plan of a new configuration for the pair that runs; `None` without a pair. A pair
    /// neither begins nor ends with a reload.
    pub(super) fn plan_pair(&self, loaded: &Loaded) -> Result<Option<Plan>, String> {
        let plan = Plan::of(loaded).map_err(|error| error.to_string())?;
        match (&self.pair, plan) {
            (None, Some(_)) => Err("a pair begins with a restart, not with a reload".to_owned()),
            (Some(_), None) => Err("a pair ends with a restart, not with a reload".to_owned()),
            (_, plan) => Ok(plan),
        }
    }

    /// Takes a new configuration of the pair into force.
    pub(super) fn take_plan(&mut self, plan: Option<Plan>, config: &Config) {
        if let (Some(side), Some(plan)) = (&mut self.pair, plan) {
            side.take_config(&plan.pair, config);
            side.handle.send(Request::Ready(false));
            side.handle.send(Request::Reconfigure(Box::new(plan)));
        }
        self.keep_standby();
    }

    /// Answers with everything that is known, the pair's thread asked.
    pub(super) fn answer_status(&self, reply: oneshot::Sender<Status>) {
        let mut status = self.status(Instant::now());
        let answer = self.ask_pair();
        tokio::spawn(async move {
            if let Some(answer) = answer {
                status.pair = answer.await.ok();
            }
            // The client may have gone meanwhile.
            let _ = reply.send(status);
        });
    }

    /// Answers with the state of the pair alone, which costs little however many services
    /// there are.
    pub(super) fn answer_pair_status(&self, reply: oneshot::Sender<Option<PairStatus>>) {
        let answer = self.ask_pair();
        tokio::spawn(async move {
            let status = match answer {
                Some(answer) => answer.await.ok(),
                None => None,
            };
            // The client may have gone meanwhile.
            let _ = reply.send(status);
        });
    }

    /// Answers with what the kernel synchronises.
    pub(super) fn answer_sync(&self, reply: oneshot::Sender<SyncReport>) {
        let kernel = self.kernel.clone();
        tokio::spawn(async move {
            // The client may have gone meanwhile.
            let _ = reply.send(report(&kernel).await);
        });
    }

    fn ask_pair(&self) -> Option<oneshot::Receiver<PairStatus>> {
        let side = self.pair.as_ref().filter(|side| !side.ended)?;
        let (sender, answer) = oneshot::channel();
        side.handle.send(Request::Status(sender));
        Some(answer)
    }

    /// Passes an operator's wish on to the pair.
    pub(super) fn pass_command(&self, command: Command, reply: oneshot::Sender<Answer>) {
        let side = self.pair.as_ref().filter(|side| !side.ended);
        let refusal = match side {
            None => "this director is not a node of a pair".to_owned(),
            Some(side) => match side.unknown_instance(&command) {
                None => return side.handle.send(Request::Command(command, reply)),
                Some(refusal) => refusal,
            },
        };
        // The client may have gone meanwhile.
        let _ = reply.send(Err(refusal));
    }

    /// The next wish of the pair's thread; never, without a pair.
    pub(super) async fn next_wish(side: &mut Option<Side>) -> Option<Wish> {
        match side {
            Some(side) if !side.ended => side.wishes.recv().await,
            _ => std::future::pending().await,
        }
    }

    /// Takes a wish, or notes that the pair's thread has ended. When nobody asked for that,
    /// a restart is better than a director that can never serve again.
    pub(super) fn take_wish(&mut self, wish: Option<Wish>) -> Result<(), StartError> {
        let Some(side) = &mut self.pair else {
            return Ok(());
        };
        match wish {
            Some(Wish::Table {
                instance,
                present,
                done,
            }) => {
                if present {
                    side.present.insert(instance.clone());
                } else {
                    side.present.remove(&instance);
                }
                self.core.set_passive(side.passive());
                side.preparing.push(Preparing {
                    services: side.services.get(&instance).cloned().unwrap_or_default(),
                    until: Instant::now() + TABLE_LIMIT,
                    done,
                });
            }
            None => {
                side.ended = true;
                if self.stopping.is_none() {
                    return Err(StartError::PairEnded);
                }
            }
        }
        Ok(())
    }

    /// Called before the loop waits: answers takeovers whose table is there, tells the pair
    /// what changed.
    pub(super) fn serve_pair(&mut self, now: Instant) {
        let Some(side) = &mut self.pair else { return };
        let (core, kernel_error) = (&self.core, &self.kernel_error);
        let waiting = std::mem::take(&mut side.preparing);
        for preparing in waiting {
            if core.is_settled_for(&preparing.services) {
                // The thread may have given up meanwhile.
                let _ = preparing.done.send(Ok(()));
            } else if preparing.until <= now {
                let reason = kernel_error.clone();
                let reason = reason.unwrap_or_else(|| "the kernel is slow".to_owned());
                let _ = preparing.done.send(Err(reason));
            } else {
                side.preparing.push(preparing);
            }
        }
        if !side.told_ready && core.is_settled() && core.is_fresh() {
            side.told_ready = true;
            side.handle.send(Request::Ready(true));
        }
        let tracks = side.instances.iter().flat_map(|instance| &instance.tracks);
        for track in tracks {
            let TrackKind::Service { service, .. } = &track.kind else {
                continue;
            };
            let available = u32::try_from(available(core, service)).unwrap_or(u32::MAX);
            if side.told_available.insert(service.clone(), available) != Some(available) {
                let service = service.clone();
                side.handle.send(Request::Available { service, available });
            }
        }
    }

    /// When [`Self::serve_pair`] has something to do at the latest.
    pub(super) fn pair_due(&self) -> Option<Instant> {
        let side = self.pair.as_ref()?;
        let tables = side.preparing.iter().map(|preparing| preparing.until);
        tables.chain(side.release_limit).min()
    }

    /// Asks the pair to give its instances up; whether there is something to wait for.
    pub(super) fn release_pair(&mut self) -> bool {
        let Some(side) = self.pair.as_mut().filter(|side| !side.ended) else {
            return false;
        };
        side.release_limit = Some(Instant::now() + RELEASE_LIMIT);
        side.handle.send(Request::Stop);
        true
    }

    /// Whether an orderly end still waits for the pair.
    pub(super) fn is_releasing(&self, now: Instant) -> bool {
        let side = self.pair.as_ref();
        side.is_some_and(|side| !side.ended && side.release_limit.is_some_and(|limit| now < limit))
    }
}

/// Available real servers of a service named as in listings, over all that match: `tcp:` may
/// be left out.
fn available(core: &super::Core, service: &str) -> usize {
    let keys = core.config().services.iter().map(|s| s.key);
    let named = keys.filter(|key| key.to_string() == service || key.short() == service);
    named.map(|key| core.available(&key)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Names, ldirectord};
    use crate::director::pair::handle;
    use crate::director::pair::tests::plan;

    const SERVICES: &str = "\
virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
virtual=192.0.2.200:80
    real=192.0.2.21:80 gate
virtual=7
    real=192.0.2.21:80 gate
";

    fn side(standby: Standby, instances: usize) -> Side {
        let parsed = ldirectord::parse(SERVICES.as_bytes(), "test.cf");
        let config = parsed.resolve(&Names::default()).unwrap().config;
        let mut pair = plan().pair;
        pair.instances[0].standby = standby;
        for number in 1..instances {
            let mut other = pair.instances[0].clone();
            other.name = format!("other-{number}");
            other.addresses[0].address = "192.0.2.200".parse().unwrap();
            pair.instances.push(other);
        }
        let (handle, _) = handle::channel();
        let (_, wishes) = mpsc::unbounded_channel();
        let member = Member {
            pair,
            handle,
            wishes,
        };
        Side::new(&config, member)
    }

    fn passive(side: &Side) -> Vec<String> {
        let all = side.passive();
        all.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_cold_standby_keeps_what_moves_with_the_instance_out_of_the_kernel() {
        let mut side = side(Standby::Cold, 1);
        assert_eq!(passive(&side), ["tcp:192.0.2.100:80", "fwm:7"]);
        side.present.insert("web".to_owned());
        assert!(passive(&side).is_empty());
    }

    #[test]
    fn of_two_instances_neither_owns_a_firewall_mark() {
        let mut side = side(Standby::Cold, 2);
        assert_eq!(passive(&side), ["tcp:192.0.2.100:80", "tcp:192.0.2.200:80"]);
        side.present.insert("other-1".to_owned());
        assert_eq!(passive(&side), ["tcp:192.0.2.100:80"]);
    }

    #[test]
    fn a_warm_standby_keeps_nothing_out() {
        assert!(passive(&side(Standby::Warm, 2)).is_empty());
    }
}
