//! `directord check`: one verbose round of the health checks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::check;
use crate::config::{Host, Name, RealCheck, RealServer};
use crate::director::lane::CheckId;
use crate::director::load::Loaded;
use crate::model::{CertificateState, Check, Family, Outcome, Report, Side};

/// Probes at a time.
const PARALLEL: usize = 256;

/// A real server of a service, with the report of its check. `None` when the configuration
/// does not check it.
pub(super) struct Line {
    service: String,
    server: String,
    /// `checktype=off` keeps an unchecked server out.
    off: bool,
    target: Option<SocketAddr>,
    kind: &'static str,
    /// Name under which the server was written, and how long looking it up took when the
    /// file was read.
    name: Option<(String, Option<Duration>)>,
    report: Option<Report>,
}

/// Runs the checks of all real servers that `wanted` names (`ADDRESS` or `ADDRESS:PORT`; all
/// when it is empty), each distinct one once.
pub(super) async fn round(loaded: &Loaded, wanted: &[String]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut checks: BTreeMap<Arc<Check>, Vec<usize>> = BTreeMap::new();
    for service in &loaded.config.services {
        for real in &service.reals {
            let server = real.destination.key;
            let names = [server.to_string(), server.address.to_string()];
            if !wanted.is_empty() && !wanted.iter().any(|wanted| names.contains(wanted)) {
                continue;
            }
            let check = match &real.check {
                RealCheck::Probe(check) => Some(Arc::clone(check)),
                RealCheck::Always | RealCheck::Off => None,
            };
            lines.push(Line {
                service: service.key.to_string(),
                server: server.to_string(),
                off: real.check == RealCheck::Off,
                target: check.as_ref().map(|check| check.target),
                kind: check
                    .as_ref()
                    .map_or("none", |check| check.method.thorough().kind.word()),
                name: name(real, loaded),
                report: None,
            });
            if let Some(check) = check {
                checks.entry(check).or_default().push(lines.len() - 1);
            }
        }
    }
    for (indices, report) in probe_all(checks.into_iter().collect()).await {
        for index in indices {
            lines[index].report = Some(report.clone());
        }
    }
    lines
}

/// The name under which a server was written, with the time of its look-up.
fn name(real: &RealServer, loaded: &Loaded) -> Option<(String, Option<Duration>)> {
    let Host::Name(name) = &real.written.host else {
        return None;
    };
    let key = Name::Host {
        name: name.clone(),
        family: Family::of(real.destination.key.address),
    };
    Some((name.to_string(), loaded.lookups.get(&key).copied()))
}

/// Runs checks once, beside each other.
pub(super) async fn outcomes(checks: Vec<(CheckId, Arc<Check>)>) -> Vec<(CheckId, Outcome)> {
    let jobs = checks.into_iter().map(|(id, check)| (check, id));
    let reports = probe_all(jobs.collect()).await;
    reports
        .into_iter()
        .map(|(id, report)| (id, report.outcome))
        .collect()
}

/// Probes every check once, a bounded number at a time.
async fn probe_all<T: Send + 'static>(checks: Vec<(Arc<Check>, T)>) -> Vec<(T, Report)> {
    let places = Arc::new(Semaphore::new(PARALLEL));
    let mut running = JoinSet::new();
    for (check, tag) in checks {
        let places = Arc::clone(&places);
        running.spawn(async move {
            let place = places.acquire_owned().await;
            let report = check::run(check.target, check.method.thorough()).await;
            drop(place);
            (tag, report)
        });
    }
    running.join_all().await
}

impl Line {
    /// Whether the server is in order (or not checked and on).
    pub(super) fn is_up(&self) -> bool {
        match &self.report {
            Some(report) => report.outcome == Outcome::Up,
            None => !self.off,
        }
    }

    fn state(&self) -> &'static str {
        match &self.report {
            Some(Report {
                outcome: Outcome::Inconclusive(_),
                ..
            }) => "unknown",
            _ if self.is_up() => "up",
            _ => "down",
        }
    }

    fn reason(&self) -> String {
        match &self.report {
            None if self.off => "checktype=off".to_owned(),
            None => "not checked".to_owned(),
            Some(report) => match &report.outcome {
                Outcome::Up => report.detail.clone(),
                Outcome::Down(reason) => reason.to_string(),
                Outcome::Inconclusive(fault) => format!("could not be checked: {fault}"),
            },
        }
    }

    fn certificate(&self) -> Option<CertificateState> {
        self.report.as_ref()?.certificate
    }

    /// One JSON object.
    pub(super) fn json(&self) -> serde_json::Value {
        let phases = self.report.as_ref().map(|report| {
            let ms = |time: Option<Duration>| time.map(milliseconds);
            json!({
                "name_ms": ms(self.name.as_ref().and_then(|(_, took)| *took)),
                "connect_ms": ms(report.phases.connected),
                "tls_ms": ms(report.phases.tls),
                "first_byte_ms": ms(report.phases.first_byte),
                "total_ms": milliseconds(report.phases.total),
            })
        });
        let dialogue = self.report.as_ref().map(|report| {
            let said = report.dialogue.iter().map(|said| {
                json!({
                    "by": match said.by {
                        Side::Director => "director",
                        Side::Server => "server",
                    },
                    "text": said.bytes.escape_ascii().to_string(),
                })
            });
            said.collect::<Vec<_>>()
        });
        json!({
            "service": self.service,
            "server": self.server,
            "name": self.name.as_ref().map(|(name, _)| name),
            "check": self.kind,
            "target": self.target.map(|target| target.to_string()),
            "state": self.state(),
            "reason": self.reason(),
            "phases": phases,
            "certificate": self.certificate().map(|certificate| json!({
                "verified": certificate.verified,
                "expires_in_days": certificate.expires_in.map(days),
                "expires_soon": certificate.expires_soon,
            })),
            "dialogue": dialogue,
        })
    }

    /// What a person wants to see: verdict, times, what was sent, what came back.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let target = self
            .target
            .map_or_else(String::new, |target| format!(" {target}"));
        line(
            &mut out,
            format_args!(
                "{} {}: {} {}{target}: {}",
                self.service,
                self.server,
                self.state().to_uppercase(),
                self.kind,
                self.reason()
            ),
        );
        let Some(report) = &self.report else {
            return out;
        };
        let phases = &report.phases;
        let named = [
            ("connected", phases.connected),
            ("tls", phases.tls),
            ("first byte", phases.first_byte),
            ("done", Some(phases.total)),
        ];
        let times = named
            .iter()
            .filter_map(|(name, time)| Some(format!("{name} {:.2} ms", milliseconds((*time)?))));
        let looked_up = self.name.as_ref().and_then(|(name, took)| {
            let took = milliseconds((*took)?);
            Some(format!("name {name} looked up in {took:.2} ms"))
        });
        let times: Vec<String> = looked_up.into_iter().chain(times).collect();
        line(&mut out, format_args!("    {}", times.join(", ")));
        if let Some(certificate) = &report.certificate {
            line(
                &mut out,
                format_args!("    {}", certificate_words(certificate)),
            );
        }
        for said in &report.dialogue {
            let side = match said.by {
                Side::Director => '>',
                Side::Server => '<',
            };
            dialogue(&mut out, side, &said.bytes);
        }
        out
    }
}

/// Whole days of so many seconds, down.
fn days(seconds: i64) -> i64 {
    seconds.div_euclid(24 * 3600)
}

fn certificate_words(certificate: &CertificateState) -> String {
    let verified = if certificate.verified {
        "certificate verified"
    } else {
        "certificate not verified"
    };
    match certificate.expires_in.map(days) {
        None => verified.to_owned(),
        Some(days @ ..0) => format!("{verified}, expired {} days ago", -days),
        Some(days) => format!("{verified}, expires in {days} days"),
    }
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Lines shown of each side.
const SHOWN: usize = 20;

/// One side of the exchange, line by line; what cannot be printed is escaped.
fn dialogue(out: &mut String, side: char, bytes: &[u8]) {
    let text = bytes.trim_ascii_end();
    if text.is_empty() {
        return;
    }
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for part in lines.iter().take(SHOWN) {
        let part = part.strip_suffix(b"\r").unwrap_or(part);
        line(out, format_args!("    {side} {}", part.escape_ascii()));
    }
    if lines.len() > SHOWN {
        line(
            out,
            format_args!("    {side} … {} more lines", lines.len() - SHOWN),
        );
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string does not fail");
}
