//! The core's part of the status.

use std::time::{Duration, Instant};

use crate::config::RealCheck;
use crate::health::rule;
use crate::model::{
    Availability, CertificateState, Check, DestinationKey, Entry, Outcome, ServiceKey,
};

use super::super::lane::LastRound;
use super::super::status::{
    CertificateStatus, CheckStatus, FallbackStatus, ServerStatus, ServiceStatus,
};
use super::managed::Managed;
use super::{CheckId, Core};

impl Core {
    /// State of every managed service. `last_round` says of a check when it last ran.
    pub fn service_statuses(
        &self,
        now: Instant,
        last_round: &dyn Fn(CheckId) -> LastRound,
    ) -> Vec<ServiceStatus> {
        self.services
            .iter()
            .map(|(key, managed)| self.service_status(key, managed, now, last_round))
            .collect()
    }

    fn service_status(
        &self,
        key: &ServiceKey,
        managed: &Managed,
        now: Instant,
        last_round: &dyn Fn(CheckId) -> LastRound,
    ) -> ServiceStatus {
        let entry = self.table.get(key);
        let virtual_service = &managed.virtual_service;
        let wanted = managed
            .desired(self.config.globals.readd_quiescent, entry, now)
            .entry;
        let is_used = |server: &DestinationKey| {
            entry
                .and_then(|e| e.destinations.get(server))
                .is_some_and(|d| d.weight > 0)
        };
        let passive = self.passive.contains(key);
        let wanted = (!passive).then_some(&wanted);
        let servers: Vec<_> = (0..managed.reals.len())
            .map(|index| self.server_status(managed, index, entry, wanted, now, last_round))
            .collect();
        let fallback = virtual_service
            .fallback
            .as_ref()
            .map(|fallback| FallbackStatus {
                server: fallback.destination.key.to_string(),
                active: is_used(&fallback.destination.key)
                    && managed.is_fallback(&fallback.destination.key),
            });
        ServiceStatus {
            service: key.to_string(),
            name: virtual_service
                .service_name
                .as_ref()
                .or(virtual_service.comment.as_ref())
                .cloned(),
            scheduler: virtual_service
                .service
                .scheduler
                .as_ref()
                .map_or_else(|| "none".to_owned(), ToString::to_string),
            in_kernel: entry.is_some(),
            passive,
            in_service: virtual_service
                .reals
                .iter()
                .filter(|real| is_used(&real.destination.key))
                .count(),
            configured: servers.len(),
            floor_percent: virtual_service.policy.floor,
            kept_by_floor: managed.kept(),
            fallback,
            refused_attempts: self
                .refusals
                .get(key)
                .map_or(0, super::applied::Refusal::attempts),
            servers,
        }
    }

    fn server_status(
        &self,
        managed: &Managed,
        index: usize,
        entry: Option<&Entry>,
        wanted: Option<&Entry>,
        now: Instant,
        last_round: &dyn Fn(CheckId) -> LastRound,
    ) -> ServerStatus {
        let destination = managed.virtual_service.reals[index].destination;
        let real = &managed.reals[index];
        let machine = &real.machine;
        let weight = |entry: &Entry| entry.destinations.get(&destination.key).map(|d| d.weight);
        let is_found = entry.is_some_and(|e| e.destinations.contains_key(&destination.key));
        let without_hand = match real.standing(is_found) {
            Availability::Up | Availability::Unknown => real.destination(destination, now).weight,
            Availability::Down | Availability::Maintenance => 0,
        };
        ServerStatus {
            server: destination.key.to_string(),
            state: real.state().to_owned(),
            since_seconds: now.saturating_duration_since(machine.since()).as_secs_f64(),
            reason: machine.reason().map(ToString::to_string),
            failures: machine.failures(),
            failure_limit: managed.virtual_service.failure_count,
            successes: machine.successes(),
            success_limit: managed.virtual_service.policy.rise,
            weight_configured: destination.weight,
            weight_causes: real.usage.causes(now),
            weight_wanted: wanted.and_then(weight),
            weight_in_kernel: entry.and_then(weight),
            weight_without_hand: real.hand_weight.map(|_| without_hand),
            check: self.checks_status(&managed.virtual_service.reals[index].check, now, last_round),
            agent: managed
                .agent(index)
                .map(|check| self.check_status(check, now, last_round)),
        }
    }

    /// How the check of a server stands, or the checks and their rule.
    fn checks_status(
        &self,
        check: &RealCheck,
        now: Instant,
        last_round: &dyn Fn(CheckId) -> LastRound,
    ) -> Option<CheckStatus> {
        let rule = match check {
            RealCheck::Always | RealCheck::Off => return None,
            RealCheck::Probe(check) => return Some(self.check_status(check, now, last_round)),
            RealCheck::Rule(rule) => rule,
        };
        let parts = rule.parts.iter().map(|part| CheckStatus {
            name: Some(part.name.to_string()),
            ..self.check_status(&part.check, now, last_round)
        });
        Some(CheckStatus {
            what: rule.describe(),
            name: None,
            rounds: 0,
            last_seconds_ago: None,
            latency_ms: None,
            last_result: rule::judge(&rule.rule, &self.checks.parts(rule))
                .map(|(outcome, detail)| result_line(&outcome, &detail)),
            certificate: None,
            parts: parts.collect(),
        })
    }

    fn check_status(
        &self,
        check: &Check,
        now: Instant,
        last_round: &dyn Fn(CheckId) -> LastRound,
    ) -> CheckStatus {
        let last = self.checks.id(check).map(last_round).unwrap_or_default();
        let last_result = self.checks.last(check);
        let last_result = last_result.map(|last| result_line(&last.outcome, &last.detail));
        CheckStatus {
            what: format!("{} {}", check.method.thorough().kind.word(), check.target),
            rounds: last.rounds,
            last_seconds_ago: last
                .at
                .map(|at| now.saturating_duration_since(at).as_secs_f64()),
            latency_ms: last.at.map(|_| last.latency.as_secs_f64() * 1000.0),
            last_result,
            certificate: last
                .certificate
                .map(|(state, at)| certificate(state, now.saturating_duration_since(at))),
            name: None,
            parts: Vec::new(),
        }
    }
}

/// A certificate as it is now, from what was told so long ago.
fn certificate(state: CertificateState, ago: Duration) -> CertificateStatus {
    const DAY: i64 = 24 * 3600;
    let ago = i64::try_from(ago.as_secs()).unwrap_or(i64::MAX);
    CertificateStatus {
        verified: state.verified,
        expires_in_days: state
            .expires_in
            .map(|left| left.saturating_sub(ago).div_euclid(DAY)),
        expires_soon: state.expires_soon,
    }
}

fn result_line(outcome: &Outcome, detail: &str) -> String {
    match outcome {
        Outcome::Up => format!("up: {detail}"),
        Outcome::Down(reason) => reason.to_string(),
        Outcome::Inconclusive(fault) => format!("could not be checked: {fault}"),
    }
}
