//! The director's state and every decision about it. No I/O: events come in through the
//! `handle_*` methods with the time at which they happened, effects go out as [`Action`]s.
//!
//! ```text
//! outcomes, maintenance, ─► machines ─► dirty services ─► desired ─► plan ─► Action::Apply
//! drift, reload, stop                                                           │
//!            ▲                            table (what the kernel holds) ◄── handle_applied
//!            └──────────────────────────────── Action::Reread ◄── refusals ─────┘
//! ```
//!
//! - An event never edits the kernel; it marks services dirty. [`Core::poll_action`] plans
//!   all dirty services at once, with one plan in flight at a time, so a burst of outcomes
//!   costs one batch.
//! - `table` is what the kernel is believed to hold of the managed services: read at start,
//!   then followed through what was applied and what was re-read. Other services are never
//!   in it.
//! - An operation that the kernel refused makes its service wait (1 s, doubling to 30 s), be
//!   read again and be planned again. The first refusal is logged, repeats are not.

mod alerts;
mod applied;
mod checks;
mod drift;
mod managed;
mod reload;
mod status;
#[cfg(test)]
mod tests;
mod uplink;
mod weights;

pub use applied::Refused;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, Phase, RealCheck};
use crate::health::Event;
use crate::model::{Advice, Availability, Check, Entry, Operation, Outcome, ServiceKey, Table};
use crate::reconcile::Planner;

use super::alert::Occurrence;
use super::lane::{CheckId, CheckResult, Watch};
use super::notice::Notice;
use super::status::UplinkStatus;
use checks::{Checks, Dependant, Role};
use managed::Managed;
use uplink::{Answered, Uplink};

/// How long a service without a usable server waits for its first check results before the
/// fallback steps in. Long enough for servers that answer, short enough for clients.
const FIRST_CHECKS: Duration = Duration::from_secs(1);

/// Something for the outside to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Begin a check; its outcomes come back under the id.
    StartCheck(CheckId, Arc<Check>),
    /// Look at a check more closely, or as usual again.
    Watch(CheckId, Watch),
    /// End a check.
    StopCheck(CheckId),
    /// Carry out a plan and report it to [`Core::handle_applied`].
    Apply(Vec<Operation>),
    /// Read these services from the kernel and report them to [`Core::handle_observed`].
    Reread(Vec<ServiceKey>),
    /// Run a fallback command.
    Fallback(FallbackCommand),
    /// Tell the operator.
    Notice(Notice),
    /// Mail may tell of it.
    Alert(Occurrence),
    /// A service that no configuration names has left the kernel.
    Gone(ServiceKey),
    /// Ask these hosts for a sign of life, and report to [`Core::handle_uplink`].
    AskUplink(Vec<IpAddr>),
}

/// A fallback command to run: `COMMAND start|stop ADDRESS:PORT PROTOCOL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackCommand {
    /// Program and its first arguments.
    pub words: Vec<String>,
    /// Whether the service lost its last server (`start`) or got one back (`stop`).
    pub start: bool,
    /// The service.
    pub service: ServiceKey,
}

/// A start or a reload is over after this, even if the kernel does not do as asked.
const PHASE_LONGEST: Duration = Duration::from_secs(60);

/// The director's state.
#[derive(Debug)]
pub struct Core {
    config: Arc<Config>,
    phase: Phase,
    phase_since: Instant,
    services: BTreeMap<ServiceKey, Managed>,
    checks: Checks,
    /// What the kernel holds of the services concerned.
    table: Arc<Table>,
    dirty: BTreeSet<ServiceKey>,
    /// Services that no configuration names any more and that are still in `table`.
    unwanted: BTreeSet<ServiceKey>,
    /// Services that the peer serves and that a cold standby keeps out of the kernel.
    passive: BTreeSet<ServiceKey>,
    in_flight: bool,
    /// Counts plans, so that a reading of the kernel from before a plan is recognised.
    generation: u64,
    refusals: BTreeMap<ServiceKey, applied::Refusal>,
    /// Services that are being read from the kernel; they are not planned meanwhile.
    unread: BTreeSet<ServiceKey>,
    /// Whether any configuration so far asked for mail.
    mails: bool,
    uplink: Uplink,
    actions: VecDeque<Action>,
}

impl Core {
    /// A director for a configuration, over what the kernel holds now of its services.
    pub fn new(config: Arc<Config>, observed: Table, now: Instant) -> Self {
        let mut core = Self {
            config: Arc::clone(&config),
            phase: Phase::Starting,
            phase_since: now,
            services: BTreeMap::new(),
            checks: Checks::default(),
            table: Arc::default(),
            dirty: BTreeSet::new(),
            unwanted: BTreeSet::new(),
            passive: BTreeSet::new(),
            in_flight: false,
            generation: 0,
            refusals: BTreeMap::new(),
            unread: BTreeSet::new(),
            mails: false,
            uplink: Uplink::default(),
            actions: VecDeque::new(),
        };
        core.adopt(config, observed, now);
        core
    }

    /// The configuration in force.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// A check finished with nothing but an outcome. `detail` describes a success.
    pub fn handle_outcome(&mut self, id: CheckId, outcome: &Outcome, detail: &str, now: Instant) {
        let result = CheckResult {
            outcome: outcome.clone(),
            detail: detail.to_owned(),
            advice: Advice::default(),
            latency: Duration::ZERO,
        };
        self.handle_result(id, &result, now);
    }

    /// A check finished.
    pub fn handle_result(&mut self, id: CheckId, result: &CheckResult, now: Instant) {
        let passed = self.uplink.pass(id, result.clone(), now);
        if let Some(result) = passed {
            self.count_result(id, result, now);
        }
        self.ask_uplink(now);
    }

    /// One of the hosts of [`Action::AskUplink`] has answered, or none has.
    pub fn handle_uplink(&mut self, is_alive: bool, now: Instant) {
        let answered = self.uplink.answer(is_alive, now);
        self.take_answered(answered);
        self.ask_uplink(now);
    }

    fn take_answered(&mut self, answered: Answered) {
        let notice = answered.turned.map(Notice::uplink);
        self.actions.extend(notice.map(Action::Notice));
        for (id, result, at) in answered.results {
            self.count_result(id, result, at);
        }
    }

    fn ask_uplink(&mut self, now: Instant) {
        let question = self.uplink.question(now);
        self.actions.extend(question.map(Action::AskUplink));
    }

    /// The guard of the uplink; `None` when there is none.
    pub fn uplink_status(&self, now: Instant) -> Option<UplinkStatus> {
        self.uplink.status(now)
    }

    fn count_result(&mut self, id: CheckId, mut result: CheckResult, now: Instant) {
        let mut concerned = vec![id];
        for dependant in self.checks.record(id, &mut result) {
            match dependant.role {
                Role::Health => {
                    let reported = self.numbers(dependant, id);
                    self.note_health(dependant, &reported, &result);
                    self.judge(dependant, &reported, now);
                    // The others of its rule go on counting with it.
                    concerned.extend(self.check_ids(dependant).filter(|other| *other != id));
                }
                Role::Agent => self.take_advice(dependant, &result, now),
            }
        }
        self.watch_checks(concerned);
    }

    /// Ids of the checks of a real server, in the order of their numbers.
    fn check_ids(&self, dependant: Dependant) -> impl Iterator<Item = CheckId> {
        let managed = self.services.get(&dependant.service).into_iter();
        let checks = managed.flat_map(move |managed| managed.checks(dependant.index));
        checks.filter_map(|check| self.checks.id(check))
    }

    /// Numbers that a check has for a real server: more than one when its rule knows it by
    /// several names.
    fn numbers(&self, dependant: Dependant, id: CheckId) -> Vec<usize> {
        let ids = self.check_ids(dependant).enumerate();
        ids.filter(|(_, other)| *other == id)
            .map(|(number, _)| number)
            .collect()
    }

    /// Takes what a check says beyond its outcome.
    fn note_health(&mut self, dependant: Dependant, reported: &[usize], result: &CheckResult) {
        let (Some(managed), Some(number)) =
            (self.services.get_mut(&dependant.service), reported.first())
        else {
            return;
        };
        if managed.note_health(dependant.index, *number, result) {
            self.dirty.insert(dependant.service);
        }
    }

    /// Checks of a real server have reported, those with these numbers: what that makes of it.
    fn judge(&mut self, dependant: Dependant, reported: &[usize], now: Instant) {
        let Dependant { service, index, .. } = dependant;
        let Some(managed) = self.services.get_mut(&service) else {
            return;
        };
        let virtual_service = Arc::clone(&managed.virtual_service);
        let Some(real) = virtual_service.reals.get(index) else {
            return;
        };
        let event = match &real.check {
            RealCheck::Probe(check) => self
                .checks
                .last(check)
                .and_then(|last| managed.handle_outcome(index, &last.outcome, &last.detail, now)),
            RealCheck::Rule(rule) => {
                let parts = self.checks.parts(rule);
                managed.handle_parts(index, rule, &parts, reported, now)
            }
            RealCheck::Always | RealCheck::Off => None,
        };
        if let Some(event) = event {
            self.note_event(&service, index, event, now);
        }
    }

    /// The agent of a real server was asked.
    fn take_advice(&mut self, dependant: Dependant, result: &CheckResult, now: Instant) {
        let Dependant { service, index, .. } = dependant;
        let Some(managed) = self.services.get_mut(&service) else {
            return;
        };
        let heard = managed.note_agent(index, result);
        let event = managed.handle_advice(index, now);
        self.actions.extend(heard.notice.map(Action::Notice));
        if heard.weights {
            self.dirty.insert(service);
        }
        if let Some(event) = event {
            self.note_event(&service, index, event, now);
        }
    }

    /// Looks more closely at checks while their results are being counted, and as usual
    /// otherwise.
    fn watch_checks(&mut self, ids: Vec<CheckId>) {
        for id in ids {
            let Some((dependants, interval)) = self.checks.dependants(id) else {
                continue;
            };
            let mut watch = Watch::default();
            for dependant in dependants.iter().filter(|d| d.role == Role::Health) {
                if let Some(managed) = self.services.get(&dependant.service) {
                    managed.watch(dependant.index, interval, &mut watch);
                }
            }
            let changed = self.checks.watch(id, watch);
            self.actions
                .extend(changed.map(|watch| Action::Watch(id, watch)));
        }
    }

    /// The operator's maintenance wishes: `wanted` says of a service and the position of one
    /// of its real servers whether it is in maintenance.
    pub fn handle_maintenance(
        &mut self,
        wanted: impl Fn(&ServiceKey, usize) -> bool,
        now: Instant,
    ) {
        let mut events = Vec::new();
        for (key, managed) in &mut self.services {
            for index in 0..managed.reals.len() {
                let event = managed.handle_maintenance(index, wanted(key, index), now);
                events.extend(event.map(|event| (*key, index, event)));
            }
        }
        for (key, index, event) in events {
            self.note_event(&key, index, event, now);
        }
    }

    /// The checks that run.
    pub fn running_checks(&self) -> Vec<(CheckId, Arc<Check>)> {
        self.checks.all()
    }

    /// The check that a configuration's check is carried out as.
    pub fn check_id(&self, check: &Check) -> Option<CheckId> {
        self.checks.id(check)
    }

    /// Standing of one real server of a service.
    pub fn standing(&self, key: &ServiceKey, index: usize) -> Option<Availability> {
        let real = self.services.get(key)?.reals.get(index)?;
        Some(real.machine.availability())
    }

    /// Time passed: see [`Core::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Instant) {
        for (key, managed) in &mut self.services {
            if managed.hold_until.is_some_and(|until| until <= now) {
                managed.hold_until = None;
                self.dirty.insert(*key);
            }
            if managed.due.is_some_and(|due| due <= now) {
                // Set anew when the service is planned.
                managed.due = None;
                self.dirty.insert(*key);
            }
        }
        self.retry_refused(now);
        self.ask_uplink(now);
    }

    /// When [`Core::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let services = self.services.values();
        let holds = services.flat_map(|m| [m.hold_until, m.due]).flatten();
        let retries = self.refusals.values().filter_map(applied::Refusal::due);
        holds.chain(retries).chain(self.uplink.due()).min()
    }

    /// The next thing to do, if any.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if self.actions.is_empty() && !self.in_flight {
            self.plan_dirty(now);
        }
        let action = self.actions.pop_front();
        if action.is_none() {
            self.note_rest(now);
        }
        action
    }

    /// What the director is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Start and reload last until everything is in the kernel and was checked once.
    fn note_rest(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Starting | Phase::Reloading)
            && (now >= self.phase_since + PHASE_LONGEST || self.is_settled() && self.is_fresh())
        {
            self.phase = Phase::Running;
        }
    }

    /// The director is to end: services with `cleanstop` leave the kernel, the others stay
    /// exactly as they are. Checks end.
    pub fn stop(&mut self) {
        self.phase = Phase::Stopping;
        self.dirty.clear();
        self.refusals.clear();
        self.unread.clear();
        let ended = self.checks.replace(BTreeMap::new()).ended;
        self.actions
            .extend(ended.into_iter().map(Action::StopCheck));
        let gone: Vec<ServiceKey> = self
            .services
            .iter()
            .filter(|(_, managed)| managed.virtual_service.clean_stop)
            .map(|(key, _)| *key)
            .collect();
        self.services.clear();
        for key in gone {
            self.unwanted.insert(key);
            self.dirty.insert(key);
        }
    }

    /// Whether everything that was decided has been carried out.
    pub fn is_settled(&self) -> bool {
        !self.in_flight && self.dirty.is_empty() && self.actions.is_empty()
    }

    /// How many plans were made; see [`Core::handle_drift`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What the kernel should hold of the managed services, as far as it is known: the basis
    /// of a drift check. `None` while a plan is under way, when the answer would be stale.
    pub fn believed_table(&self) -> Option<&Arc<Table>> {
        (!self.in_flight).then_some(&self.table)
    }

    fn note_event(&mut self, key: &ServiceKey, index: usize, event: Event, now: Instant) {
        let Some(managed) = self.services.get_mut(key) else {
            return;
        };
        let server = managed.virtual_service.reals[index].destination.key;
        match event {
            Event::Transition(transition) => {
                let notice = managed.note_transition(index, transition, now);
                self.actions.extend(notice.map(Action::Notice));
                self.dirty.insert(*key);
            }
            Event::SoftFailure {
                count,
                limit,
                reason,
            } => {
                let notice = Notice::soft_failure(*key, server, count, limit, reason.as_str());
                self.actions.push_back(Action::Notice(notice));
            }
            Event::SoftRecovery => {
                let notice = Notice::soft_recovery(*key, server);
                self.actions.push_back(Action::Notice(notice));
            }
            Event::SoftSuccess { count, limit } => {
                let notice = Notice::soft_success(*key, server, count, limit);
                self.actions.push_back(Action::Notice(notice));
            }
        }
    }

    fn plan_dirty(&mut self, now: Instant) {
        let due: Vec<ServiceKey> = self
            .dirty
            .iter()
            .filter(|key| !self.is_waiting(key, now))
            .copied()
            .collect();
        // All of them are new at a start, when growing step by step would cost most.
        let size = |key| self.services.get(key).map_or(1, |m| m.reals.len() + 1);
        let mut planner = Planner::with_capacity(due.iter().map(size).sum());
        let mut as_wanted = Vec::new();
        for key in due {
            self.dirty.remove(&key);
            if !self.unwanted.contains(&key) && !self.services.contains_key(&key) {
                continue;
            }
            let wanted = self.wanted(key, now);
            if !planner.want(key, wanted, self.table.get(&key)) {
                as_wanted.push(key);
            }
        }
        for key in &as_wanted {
            self.settle(key);
        }
        let operations = planner.finish();
        if !operations.is_empty() {
            self.in_flight = true;
            self.generation += 1;
            self.actions.push_back(Action::Apply(operations));
        }
    }

    /// How a service should look; `None` if it should not be there.
    fn wanted(&mut self, key: ServiceKey, now: Instant) -> Option<Entry> {
        if self.unwanted.contains(&key) {
            return None;
        }
        let managed = self.services.get_mut(&key)?;
        let notices = managed.weigh(now);
        self.actions.extend(notices.into_iter().map(Action::Notice));
        if self.passive.contains(&key) {
            return None;
        }
        let readd = self.config.globals.readd_quiescent;
        let desired = managed.desired(readd, self.table.get(&key), now);
        let follow_up = managed.note_abandoned(key, desired.abandoned);
        self.actions.extend(follow_up);
        Some(desired.entry)
    }

    /// The kernel took what was asked of it for a service. Unless more has happened since,
    /// transitions that no operation told of are told now.
    fn settle(&mut self, key: &ServiceKey) {
        if let Some(refusal) = self.refusals.remove(key) {
            let notice = Notice::accepted(*key, refusal.attempts());
            self.actions.push_back(Action::Notice(notice));
        }
        if self.unwanted.contains(key) && !self.table.contains_key(key) {
            self.unwanted.remove(key);
        }
        if self.dirty.contains(key) {
            return;
        }
        if let Some(managed) = self.services.get_mut(key) {
            let mails = managed.virtual_service.mail.recipients.is_some();
            for (server, transition) in managed.take_transitions() {
                let notice = Notice::transition(*key, server, &transition);
                if mails {
                    let words = &notice.message;
                    let occurrence = alerts::standing(*key, server, &transition, words, self.phase);
                    self.actions.push_back(Action::Alert(occurrence));
                }
                self.actions.push_back(Action::Notice(notice));
            }
        }
    }

    /// Keeps exactly these services out of the kernel: those of a pair's cold standby. They
    /// are checked like the others, so that a takeover finds verdicts.
    pub fn set_passive(&mut self, services: BTreeSet<ServiceKey>) {
        let changed = self.passive.symmetric_difference(&services).copied();
        self.dirty.extend(changed);
        self.passive = services;
    }

    /// Whether these services are in the kernel as wanted.
    pub fn is_settled_for(&self, services: &BTreeSet<ServiceKey>) -> bool {
        !self.in_flight && self.dirty.is_disjoint(services)
    }

    /// Real servers of a service whose checks pass.
    pub fn available(&self, key: &ServiceKey) -> usize {
        let standings = self.standings(key).into_iter();
        standings.filter(|s| matches!(s, Availability::Up)).count()
    }

    /// Whether every check has had a first result, be it that it could not be checked.
    pub fn is_fresh(&self) -> bool {
        self.checks.have_all_ended_once()
    }

    /// Standing of each real server of a service, in the order of the configuration.
    pub fn standings(&self, key: &ServiceKey) -> Vec<Availability> {
        self.services.get(key).map_or_else(Vec::new, |managed| {
            managed
                .reals
                .iter()
                .map(|r| r.machine.availability())
                .collect()
        })
    }
}
