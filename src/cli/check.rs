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
use crate::config::{Host, Name, RealCheck, RealRule, RealServer};
use crate::director::lane::CheckId;
use crate::director::load::Loaded;
use crate::health::rule::{self, Part};
use crate::model::{CertificateState, Check, Family, Outcome, Report, Said, Side};

/// Probes at a time.
const PARALLEL: usize = 256;

/// A real server of a service, with the reports of its checks: none when the configuration
/// does not check it, several when a rule makes one verdict of them.
pub(super) struct Line {
    service: String,
    server: String,
    /// `checktype=off` keeps an unchecked server out.
    off: bool,
    /// Name under which the server was written, and how long looking it up took when the
    /// file was read.
    name: Option<(String, Option<Duration>)>,
    rule: Option<Arc<RealRule>>,
    checks: Vec<Checked>,
}

/// One check.
struct Checked {
    /// What the rule calls it.
    name: Option<Arc<str>>,
    target: SocketAddr,
    kind: &'static str,
    report: Option<Report>,
}

/// Runs the checks of all real servers that `wanted` names (`ADDRESS` or `ADDRESS:PORT`; all
/// when it is empty), each distinct one once.
pub(super) async fn round(loaded: &Loaded, wanted: &[String]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut checks: BTreeMap<Arc<Check>, Vec<(usize, usize)>> = BTreeMap::new();
    for service in &loaded.config.services {
        for real in &service.reals {
            let server = real.destination.key;
            let names = [server.to_string(), server.address.to_string()];
            if !wanted.is_empty() && !wanted.iter().any(|wanted| names.contains(wanted)) {
                continue;
            }
            for (index, check) in real.check.checks().enumerate() {
                let place = (lines.len(), index);
                checks.entry(Arc::clone(check)).or_default().push(place);
            }
            lines.push(Line {
                service: service.key.to_string(),
                server: server.to_string(),
                off: real.check == RealCheck::Off,
                name: name(real, loaded),
                rule: rule_of(&real.check),
                checks: checked(&real.check),
            });
        }
    }
    for (places, report) in probe_all(checks.into_iter().collect()).await {
        for (line, index) in places {
            lines[line].checks[index].report = Some(report.clone());
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

fn rule_of(check: &RealCheck) -> Option<Arc<RealRule>> {
    match check {
        RealCheck::Rule(rule) => Some(Arc::clone(rule)),
        RealCheck::Probe(_) | RealCheck::Always | RealCheck::Off => None,
    }
}

fn checked(check: &RealCheck) -> Vec<Checked> {
    let rule = rule_of(check);
    let names = rule.iter().flat_map(|rule| &rule.parts);
    let names = names.map(|part| Some(Arc::clone(&part.name)));
    let checks = check.checks().zip(names.chain(std::iter::once(None)));
    checks
        .map(|(check, name)| Checked {
            name,
            target: check.target,
            kind: check.method.thorough().kind.word(),
            report: None,
        })
        .collect()
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
        match self.verdict() {
            Some((outcome, _)) => outcome == Outcome::Up,
            None => !self.off,
        }
    }

    /// What came of it, with the description of a success; `None` when nothing is checked.
    fn verdict(&self) -> Option<(Outcome, String)> {
        if let Some(rule) = &self.rule {
            let parts = rule.parts.iter().zip(&self.checks);
            let parts = parts.map(|(part, checked)| Part {
                name: &part.name,
                last: checked.result(),
            });
            return rule::judge(&rule.rule, &parts.collect::<Vec<_>>());
        }
        let (outcome, detail) = self.checks.first()?.result()?;
        Some((outcome.clone(), detail.to_owned()))
    }

    fn state(&self) -> &'static str {
        match self.verdict() {
            Some((outcome, _)) => state(&outcome),
            None if self.off => "down",
            None => "up",
        }
    }

    fn reason(&self) -> String {
        match self.verdict() {
            None if self.off => "checktype=off".to_owned(),
            None => "not checked".to_owned(),
            Some((outcome, detail)) => reason(&outcome, &detail),
        }
    }

    /// One JSON object.
    pub(super) fn json(&self) -> serde_json::Value {
        let name = self.name.as_ref().map(|(name, _)| name);
        if let Some(rule) = &self.rule {
            let parts = self.checks.iter().map(|checked| self.part_json(checked));
            return json!({
                "service": self.service,
                "server": self.server,
                "name": name,
                "check": "rule",
                "rule": rule.describe(),
                "state": self.state(),
                "reason": self.reason(),
                "parts": parts.collect::<Vec<_>>(),
            });
        }
        let checked = self.checks.first();
        let report = checked.and_then(|checked| checked.report.as_ref());
        json!({
            "service": self.service,
            "server": self.server,
            "name": name,
            "check": checked.map_or("none", |checked| checked.kind),
            "target": checked.map(|checked| checked.target.to_string()),
            "state": self.state(),
            "reason": self.reason(),
            "phases": report.map(|report| self.phases(report)),
            "certificate": report.and_then(certificate),
            "dialogue": report.map(|report| said(&report.dialogue)),
        })
    }

    /// A check of a rule as a JSON object.
    fn part_json(&self, checked: &Checked) -> serde_json::Value {
        let report = checked.report.as_ref();
        let result = checked.result();
        json!({
            "name": checked.name.as_deref(),
            "check": checked.kind,
            "target": checked.target.to_string(),
            "state": result.map(|(outcome, _)| state(outcome)),
            "reason": result.map(|(outcome, detail)| reason(outcome, detail)),
            "phases": report.map(|report| self.phases(report)),
            "certificate": report.and_then(certificate),
            "dialogue": report.map(|report| said(&report.dialogue)),
        })
    }

    fn phases(&self, report: &Report) -> serde_json::Value {
        let ms = |time: Option<Duration>| time.map(milliseconds);
        json!({
            "name_ms": ms(self.name.as_ref().and_then(|(_, took)| *took)),
            "connect_ms": ms(report.phases.connected),
            "tls_ms": ms(report.phases.tls),
            "first_byte_ms": ms(report.phases.first_byte),
            "total_ms": milliseconds(report.phases.total),
        })
    }

    /// What a person wants to see: verdict, times, what was sent, what came back.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let what = match (&self.rule, self.checks.first()) {
            (Some(rule), _) => rule.describe(),
            (None, Some(checked)) => checked.what(),
            (None, None) => "none".to_owned(),
        };
        line(
            &mut out,
            format_args!(
                "{} {}: {} {what}: {}",
                self.service,
                self.server,
                self.state().to_uppercase(),
                self.reason()
            ),
        );
        for checked in &self.checks {
            checked.text(self.looked_up(), &mut out);
        }
        out
    }

    fn looked_up(&self) -> Option<String> {
        let (name, took) = self.name.as_ref()?;
        let took = milliseconds((*took)?);
        Some(format!("name {name} looked up in {took:.2} ms"))
    }
}

fn state(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Up => "up",
        Outcome::Down(_) => "down",
        Outcome::Inconclusive(_) => "unknown",
    }
}

fn reason(outcome: &Outcome, detail: &str) -> String {
    match outcome {
        Outcome::Up => detail.to_owned(),
        Outcome::Down(reason) => reason.to_string(),
        Outcome::Inconclusive(fault) => format!("could not be checked: {fault}"),
    }
}

impl Checked {
    fn result(&self) -> Option<(&Outcome, &str)> {
        let report = self.report.as_ref()?;
        Some((&report.outcome, &report.detail))
    }

    fn what(&self) -> String {
        format!("{} {}", self.kind, self.target)
    }

    /// A check of a rule is introduced by its own verdict.
    fn text(&self, looked_up: Option<String>, out: &mut String) {
        let Some(report) = &self.report else {
            return;
        };
        if let Some(name) = &self.name {
            let outcome = &report.outcome;
            line(
                out,
                format_args!(
                    "  {name}: {} {}: {}",
                    state(outcome).to_uppercase(),
                    self.what(),
                    reason(outcome, &report.detail)
                ),
            );
        }
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
        let times: Vec<String> = looked_up.into_iter().chain(times).collect();
        line(out, format_args!("    {}", times.join(", ")));
        if let Some(certificate) = &report.certificate {
            line(out, format_args!("    {}", certificate_words(certificate)));
        }
        for said in &report.dialogue {
            let side = match said.by {
                Side::Director => '>',
                Side::Server => '<',
            };
            dialogue(out, side, &said.bytes);
        }
    }
}

fn certificate(report: &Report) -> Option<serde_json::Value> {
    let certificate = report.certificate?;
    Some(json!({
        "verified": certificate.verified,
        "expires_in_days": certificate.expires_in.map(days),
        "expires_soon": certificate.expires_soon,
    }))
}

fn said(dialogue: &[Said]) -> Vec<serde_json::Value> {
    let said = dialogue.iter().map(|said| {
        json!({
            "by": match said.by {
                Side::Director => "director",
                Side::Server => "server",
            },
            "text": said.bytes.escape_ascii().to_string(),
        })
    });
    said.collect()
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
