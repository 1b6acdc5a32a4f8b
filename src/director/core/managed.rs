//! One managed virtual service.

use std::sync::Arc;
use std::time::Instant;

use crate::config::{self, RealCheck, RealRule, VirtualService};
use crate::health::rule::{Part, Rounds};
use crate::health::{Event, Limits, Machine, Transition};
use crate::model::{Advice, Availability, Check, DestinationKey, Entry, Outcome, ServiceKey};
use crate::reconcile::{Desired, RealServer, ServiceState, desired};

use super::super::notice::Notice;
use super::weights::Usage;
use super::{Action, FIRST_CHECKS, FallbackCommand};

/// A virtual service with the state of its real servers.
#[derive(Debug)]
pub(super) struct Managed {
    pub(super) virtual_service: Arc<VirtualService>,
    /// In the order of the configuration.
    pub(super) reals: Vec<Real>,
    /// The fallback waits for first checks until then.
    pub(super) hold_until: Option<Instant>,
    /// When the weights have to be looked at again.
    pub(super) due: Option<Instant>,
    /// How many servers the floor kept when that was last told.
    pub(super) told_kept: usize,
    /// Whether no real server was usable when last planned; `None` before.
    abandoned: Option<bool>,
}

/// State of one real server.
#[derive(Debug)]
pub(super) struct Real {
    pub(super) machine: Machine,
    pub(super) hand_weight: Option<u32>,
    pub(super) usage: Usage,
    /// A transition that no message has told of yet.
    untold: Option<Transition>,
    /// Rounds of its rule, if it has one.
    rounds: Option<Box<Rounds>>,
}

impl Managed {
    /// State for a service of a configuration. What `previous` knows of the same server
    /// under the same check is kept.
    pub(super) fn new(
        virtual_service: Arc<VirtualService>,
        previous: Option<Self>,
        observed: Option<&Entry>,
        now: Instant,
    ) -> Self {
        let abandoned = previous.as_ref().and_then(|previous| previous.abandoned);
        let told_kept = previous.as_ref().map_or(0, |previous| previous.told_kept);
        let before = previous.as_ref().map(|p| Arc::clone(&p.virtual_service));
        let configured = before.iter().flat_map(|service| &service.reals);
        let states = previous.into_iter().flat_map(|previous| previous.reals);
        let mut known: Vec<_> = configured.zip(states).collect();
        let reals = virtual_service
            .reals
            .iter()
            .map(|wanted| {
                let same = known.iter().position(|(before, _)| {
                    before.destination.key == wanted.destination.key && before.check == wanted.check
                });
                match same {
                    Some(position) => {
                        let (before, mut real) = known.swap_remove(position);
                        if before.destination.weight != wanted.destination.weight {
                            real.hand_weight = None;
                        }
                        if before.agent != wanted.agent {
                            real.machine.handle_advice(&Advice::default(), now);
                            real.usage.forget_agent(wanted.agent.is_some());
                        }
                        real
                    }
                    None => Real::new(wanted, observed, now),
                }
            })
            .collect();
        let mut managed = Self {
            virtual_service,
            reals,
            hold_until: None,
            due: None,
            told_kept,
            abandoned,
        };
        if managed.is_waiting_for_first_checks() && abandoned != Some(true) {
            managed.hold_until = Some(now + FIRST_CHECKS);
        }
        managed
    }

    fn is_waiting_for_first_checks(&self) -> bool {
        self.reals
            .iter()
            .any(|real| real.machine.availability() == Availability::Unknown)
    }

    /// The checks that decide whether a real server is available, in the order of their
    /// numbers.
    pub(super) fn checks(&self, index: usize) -> impl Iterator<Item = &Arc<Check>> {
        let real = self.virtual_service.reals.get(index);
        real.into_iter().flat_map(|real| real.check.checks())
    }

    /// The check of its agent, if a real server has one.
    pub(super) fn agent(&self, index: usize) -> Option<&Arc<Check>> {
        self.virtual_service.reals.get(index)?.agent.as_ref()
    }

    /// Checks of a real server with a rule have reported: those with the numbers `reported`.
    pub(super) fn handle_parts(
        &mut self,
        index: usize,
        rule: &RealRule,
        parts: &[Part<'_>],
        reported: &[usize],
        now: Instant,
    ) -> Option<Event> {
        let rounds = &mut self.reals.get_mut(index)?.rounds;
        let rounds = rounds.get_or_insert_default();
        let (outcome, detail) = rounds.handle_results(&rule.rule, parts, reported)?;
        self.handle_outcome(index, &outcome, &detail, now)
    }

    pub(super) fn handle_outcome(
        &mut self,
        index: usize,
        outcome: &Outcome,
        detail: &str,
        now: Instant,
    ) -> Option<Event> {
        let limits = Limits {
            rise: self.virtual_service.policy.rise,
            fall: self.virtual_service.failure_count,
        };
        let real = self.reals.get_mut(index)?;
        let event = real.machine.handle_outcome(outcome, detail, limits, now);
        if self.hold_until.is_some() && !self.is_waiting_for_first_checks() {
            self.hold_until = None;
        }
        event
    }

    pub(super) fn handle_maintenance(
        &mut self,
        index: usize,
        on: bool,
        now: Instant,
    ) -> Option<Event> {
        self.reals
            .get_mut(index)?
            .machine
            .handle_maintenance(on, now)
    }

    /// A transition ends what an operator set by hand, and waits to be told. Once a server
    /// was up, losing it again is no matter of first checks.
    pub(super) fn note_transition(
        &mut self,
        index: usize,
        transition: Transition,
        now: Instant,
    ) -> Option<Notice> {
        if transition.to == Availability::Up {
            self.hold_until = None;
        }
        let (is_told, notice) = self.note_past(index, &transition, now);
        if let Some(real) = self.reals.get_mut(index) {
            real.hand_weight = None;
            real.untold = is_told.then_some(transition);
        }
        notice
    }

    /// How the service should look, by the last weighing.
    pub(super) fn desired(
        &self,
        readd_quiescent: bool,
        observed: Option<&Entry>,
        now: Instant,
    ) -> Desired {
        let configured = &self.virtual_service.reals;
        let is_found = |server: &DestinationKey| {
            observed.is_some_and(|entry| entry.destinations.contains_key(server))
        };
        let reals: Vec<RealServer> = configured
            .iter()
            .zip(&self.reals)
            .map(|(configured, real)| RealServer {
                destination: real.destination(configured.destination, now),
                availability: real.standing(is_found(&configured.destination.key)),
                hand_weight: real.hand_weight,
            })
            .collect();
        desired(&ServiceState {
            service: &self.virtual_service.service,
            quiescent: self.virtual_service.quiescent,
            readd_quiescent,
            reals: &reals,
            keeps_others: self.virtual_service.has_unknown_reals,
            fallback: self
                .virtual_service
                .fallback
                .as_ref()
                .map(|f| f.destination),
            hold_fallback: self.hold_until.is_some(),
            observed,
        })
    }

    /// Whether real servers can carry the service; what follows when that changed.
    pub(super) fn note_abandoned(&mut self, key: ServiceKey, abandoned: bool) -> Vec<Action> {
        let before = self.abandoned.replace(abandoned).unwrap_or(false);
        if before == abandoned {
            return Vec::new();
        }
        let mut actions = vec![Action::Notice(Notice::abandoned(key, abandoned))];
        if let Some(command) = &self.virtual_service.fallback_command {
            actions.push(Action::Fallback(FallbackCommand {
                words: command.words.clone(),
                start: abandoned,
                service: key,
            }));
        }
        actions
    }

    /// The transition of a server, to be told with the operation that carries it out.
    pub(super) fn take_transition(&mut self, server: &DestinationKey) -> Option<Transition> {
        let configured = &self.virtual_service.reals;
        let mut reals = configured.iter().zip(&mut self.reals);
        reals
            .find(|(configured, real)| {
                configured.destination.key == *server && real.untold.is_some()
            })
            .and_then(|(_, real)| real.untold.take())
    }

    /// Transitions that no operation told of.
    pub(super) fn take_transitions(&mut self) -> Vec<(DestinationKey, Transition)> {
        let configured = &self.virtual_service.reals;
        configured
            .iter()
            .zip(&mut self.reals)
            .filter_map(|(configured, real)| {
                Some((configured.destination.key, real.untold.take()?))
            })
            .collect()
    }

    /// Positions of the lines that name a destination; usually one.
    pub(super) fn positions(&self, server: &DestinationKey) -> Vec<usize> {
        let reals = self.virtual_service.reals.iter().enumerate();
        reals
            .filter(|(_, real)| real.destination.key == *server)
            .map(|(position, _)| position)
            .collect()
    }

    /// Whether a destination is the fallback and no real server.
    pub(super) fn is_fallback(&self, server: &DestinationKey) -> bool {
        self.virtual_service
            .fallback
            .as_ref()
            .is_some_and(|fallback| fallback.destination.key == *server)
            && self.positions(server).is_empty()
    }
}

impl Real {
    fn new(configured: &config::RealServer, observed: Option<&Entry>, now: Instant) -> Self {
        let server = &configured.destination.key;
        let found = observed.and_then(|entry| entry.destinations.get(server));
        let machine = match configured.check {
            RealCheck::Always => Machine::always_up(now),
            RealCheck::Off => Machine::off(now),
            RealCheck::Probe(_) | RealCheck::Rule(_) => {
                Machine::unknown(found.is_some_and(|d| d.weight > 0), now)
            }
        };
        Self {
            machine,
            hand_weight: None,
            usage: Usage::found(found.is_some() && configured.agent.is_some()),
            untold: None,
            rounds: None,
        }
    }
}
