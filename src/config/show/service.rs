//! Virtual services and their real servers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::probe::ProbeView;
use super::rule::{RuleView, ServiceCheckView};
use super::{FallbackView, MailView, PolicyView, endpoint, path};
use crate::config::effective::{RealCheck, RealServer, VirtualService};
use crate::model::{Check, Method};

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a service has that many independent switches"
)]
pub(super) struct ServiceView<'a> {
    service: String,
    line: u32,
    host: Option<String>,
    port: Option<String>,
    scheduler: Option<&'a str>,
    scheduler_flags: Vec<&'static str>,
    persistence: Option<PersistenceView>,
    one_packet: bool,
    quiescent: bool,
    clean_stop: bool,
    failure_count: u32,
    #[serde(flatten)]
    policy: PolicyView,
    fallback: Option<FallbackView>,
    fallback_command: Option<&'a [String]>,
    monitor_file: Option<&'a str>,
    service_name: Option<&'a str>,
    comment: Option<&'a str>,
    mail: MailView<'a>,
    check: ServiceCheckView<'a>,
    check_path: bool,
    reals: Vec<RealView<'a>>,
}

impl<'a> ServiceView<'a> {
    pub(super) fn of(service: &'a VirtualService) -> Self {
        let (host, port) = service.written.as_ref().map(endpoint).unzip();
        let attributes = &service.service;
        Self {
            service: service.key.to_string(),
            line: service.line.0,
            host,
            port: port.flatten(),
            scheduler: attributes
                .scheduler
                .as_ref()
                .map(crate::model::Scheduler::name),
            scheduler_flags: attributes.flags.names(attributes.scheduler.as_ref()),
            persistence: attributes.persistence.map(|persistence| PersistenceView {
                timeout_s: persistence.timeout,
                netmask: persistence.netmask.to_string(),
            }),
            one_packet: attributes.one_packet,
            quiescent: service.quiescent,
            clean_stop: service.clean_stop,
            failure_count: service.failure_count,
            policy: PolicyView::of(&service.policy),
            fallback: service.fallback.as_ref().map(FallbackView::of),
            fallback_command: service
                .fallback_command
                .as_ref()
                .map(|c| c.words.as_slice()),
            monitor_file: path(service.monitor_file.as_ref()),
            service_name: service.service_name.as_deref(),
            comment: service.comment.as_deref(),
            mail: MailView::of(&service.mail),
            check: ServiceCheckView::of(service),
            check_path: service.check_path,
            reals: service.reals.iter().map(RealView::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct PersistenceView {
    timeout_s: u32,
    netmask: String,
}

#[derive(Serialize)]
struct RealView<'a> {
    destination: String,
    line: u32,
    host: String,
    port: Option<String>,
    forwarding: &'static str,
    weight: u32,
    lower_threshold: u32,
    upper_threshold: u32,
    request: Option<&'a str>,
    receive: Option<&'a str>,
    check: RealCheckView<'a>,
}

impl<'a> RealView<'a> {
    fn of(real: &'a RealServer) -> Self {
        let (host, port) = endpoint(&real.written);
        let destination = &real.destination;
        let exchange = real.exchange.as_deref();
        Self {
            destination: destination.key.to_string(),
            line: real.line.0,
            host,
            port,
            forwarding: destination.forwarding.word(),
            weight: destination.weight,
            lower_threshold: destination.lower_threshold,
            upper_threshold: destination.upper_threshold,
            request: exchange.map(|exchange| exchange.request.as_str()),
            receive: exchange
                .and_then(|exchange| exchange.receive.as_ref())
                .map(|receive| receive.0.as_str()),
            check: RealCheckView::of(&real.check),
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum RealCheckView<'a> {
    /// Not checked, always available.
    Always,
    /// Not checked, never available.
    Off,
    /// Checked.
    Probe {
        target: String,
        interval_s: u64,
        /// Connects between two of the first probe, with two probes.
        #[serde(skip_serializing_if = "Option::is_none")]
        connects: Option<u32>,
        probes: Vec<ProbeView<'a>>,
    },
    /// Checked by a rule.
    Rule {
        rule: RuleView<'a>,
        parts: BTreeMap<&'a str, RealCheckView<'a>>,
    },
}

impl<'a> RealCheckView<'a> {
    fn of(check: &'a RealCheck) -> Self {
        match check {
            RealCheck::Always => Self::Always,
            RealCheck::Off => Self::Off,
            RealCheck::Probe(check) => Self::of_check(check),
            RealCheck::Rule(rule) => Self::Rule {
                rule: RuleView::of(&rule.rule, &|part| &rule.parts[part].name),
                parts: rule
                    .parts
                    .iter()
                    .map(|part| (&*part.name, Self::of_check(&part.check)))
                    .collect(),
            },
        }
    }

    fn of_check(check: &'a Check) -> Self {
        let (connects, probes) = match &check.method {
            Method::Single(probe) => (None, vec![ProbeView::of(probe)]),
            Method::Combined {
                negotiate,
                connect,
                connects,
            } => (
                Some(*connects),
                vec![ProbeView::of(negotiate), ProbeView::of(connect)],
            ),
        };
        Self::Probe {
            target: check.target.to_string(),
            interval_s: check.interval.as_secs(),
            connects,
            probes,
        }
    }
}
