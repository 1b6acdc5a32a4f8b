//! `directord status`: the running director's state for a person, a program or a monitor.

use std::fmt::Write as _;

use super::failover;
use crate::director::status::{
    AlertStatus, CertificateStatus, CheckStatus, NameStatus, ServerStatus, ServiceStatus, Status,
};

/// How bad a state is, in the numbers that monitoring systems expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Everything is as configured (0).
    Good,
    /// A server is out, a weight was set by hand, or a reload failed (1).
    Warning,
    /// A service has no real server, or the kernel does not do as asked (2).
    Critical,
}

impl Verdict {
    /// The number.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::Warning => 1,
            Self::Critical => 2,
        }
    }

    /// The word for a monitoring line.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Good => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// The verdict with its first reason.
pub(super) fn verdict(status: &Status) -> (Verdict, String) {
    if let Some(error) = &status.kernel_error {
        return (Verdict::Critical, error.clone());
    }
    let uplink = status.uplink.as_ref();
    if uplink.is_some_and(|uplink| uplink.dead_for_seconds.is_some()) {
        let why = "the uplink is dead, checks that fail do not count";
        return (Verdict::Critical, why.to_owned());
    }
    let services = &status.services;
    let bad = services.iter().filter(|service| !service.passive);
    let bad = bad.clone().find_map(|service| {
        let why = if !service.in_kernel || service.refused_attempts > 0 {
            "is not in the kernel as it should be"
        } else if service.in_service == 0 && service.configured > 0 {
            "has no real server in service"
        } else {
            return None;
        };
        Some((Verdict::Critical, format!("{} {why}", service.service)))
    });
    let floor = || {
        let service = services.iter().find(|service| service.kept_by_floor > 0)?;
        let text = format!(
            "{} keeps {} failed real servers in service: the floor of {} % is reached",
            service.service, service.kept_by_floor, service.floor_percent
        );
        Some((Verdict::Critical, text))
    };
    let out = || {
        services.iter().find_map(|service| {
            let server = service.servers.iter().find(|server| server.state != "up")?;
            let text = format!(
                "{} of {} is {}",
                server.server, service.service, server.state
            );
            Some((Verdict::Warning, text))
        })
    };
    let drift = || {
        services.iter().find_map(|service| {
            let is_by_hand = |server: &&ServerStatus| server.weight_without_hand.is_some();
            let server = service.servers.iter().find(is_by_hand)?;
            let text = format!("the weight of {} was set by hand", server.server);
            Some((Verdict::Warning, text))
        })
    };
    let expiring = || {
        services.iter().find_map(|service| {
            let is_soon = |server: &&ServerStatus| {
                let checks = server.check.iter();
                let mut checks =
                    checks.flat_map(|check| std::iter::once(check).chain(&check.parts));
                checks.any(|check| check.certificate.as_ref().is_some_and(|c| c.expires_soon))
            };
            let server = service.servers.iter().find(is_soon)?;
            let text = format!("the certificate of {} expires soon", server.server);
            Some((Verdict::Warning, text))
        })
    };
    let reload = || {
        let error = status.reload_error.as_ref()?;
        Some((Verdict::Warning, format!("the last reload failed: {error}")))
    };
    let alerts = || {
        let trouble = status.alerts.as_ref()?.troubles.first()?;
        let text = format!("{} fails: {}", trouble.relay, trouble.error);
        Some((Verdict::Warning, text))
    };
    let name = || {
        let name = status.names.unresolved.first()?;
        let text = format!("the name {} cannot be resolved", name.name);
        Some((Verdict::Warning, text))
    };
    let pair = status.pair.as_ref().map(failover::verdict);
    let of_pair = |wanted| pair.clone().filter(|(verdict, _)| *verdict == wanted);
    bad.or_else(floor)
        .or_else(|| of_pair(Verdict::Critical))
        .or_else(reload)
        .or_else(|| of_pair(Verdict::Warning))
        .or_else(out)
        .or_else(drift)
        .or_else(name)
        .or_else(alerts)
        .or_else(expiring)
        .unwrap_or_else(|| (Verdict::Good, "all real servers are in service".to_owned()))
}

fn name_lines(out: &mut String, names: &NameStatus) {
    for name in &names.unresolved {
        let since = duration(name.since_seconds);
        let what = match &name.keeps {
            Some(address) => format!("keeps {address}"),
            None => "is left out".to_owned(),
        };
        let (host, family) = (&name.name, &name.family);
        line(
            out,
            format_args!("NAME WITHOUT AN ANSWER for {since}: {host} ({family}) {what}"),
        );
    }
}

/// The state as text: one line a service, one line a server.
pub(super) fn text(status: &Status) -> String {
    let mut out = String::new();
    let uptime = duration(status.uptime_seconds);
    line(
        &mut out,
        format_args!(
            "directord {} (pid {}), up {uptime}, {}",
            status.version, status.pid, status.config
        ),
    );
    if let Some(error) = &status.kernel_error {
        line(&mut out, format_args!("KERNEL: {error}"));
    }
    if let Some(error) = &status.reload_error {
        line(
            &mut out,
            format_args!("LAST RELOAD FAILED, the configuration before it is in force: {error}"),
        );
    }
    if let Some(uplink) = &status.uplink
        && let Some(time) = uplink.dead_for_seconds
    {
        let (time, targets) = (duration(time), uplink.targets.join(", "));
        line(
            &mut out,
            format_args!(
                "UPLINK DEAD for {time}, checks that fail do not count: no answer from {targets}"
            ),
        );
    }
    name_lines(&mut out, &status.names);
    if let Some(alerts) = &status.alerts {
        alert_lines(&mut out, alerts);
    }
    if let Some(pair) = &status.pair {
        let (verdict, why) = failover::verdict(pair);
        let word = match verdict {
            Verdict::Good => "pair",
            Verdict::Warning | Verdict::Critical => "PAIR",
        };
        let why = failover::plain(&why);
        line(
            &mut out,
            format_args!("{word} {} (node {}): {why}", pair.cluster, pair.node),
        );
    }
    let width = status
        .services
        .iter()
        .flat_map(|service| &service.servers)
        .map(|server| server.server.len())
        .max()
        .unwrap_or(0);
    for service in &status.services {
        line(&mut out, format_args!("{}", service_line(service)));
        for server in &service.servers {
            line(&mut out, format_args!("{}", server_line(server, width)));
            for part in server.check.iter().flat_map(|check| &check.parts) {
                line(&mut out, format_args!("      {}", check_text(part)));
            }
        }
    }
    out
}

fn alert_lines(out: &mut String, alerts: &AlertStatus) {
    if alerts.waiting > 0 || alerts.dropped > 0 {
        let (waiting, dropped) = (alerts.waiting, alerts.dropped);
        let dropped = match dropped {
            0 => String::new(),
            dropped => format!(", {dropped} dropped since the start"),
        };
        line(out, format_args!("alerts: {waiting} to be mailed{dropped}"));
    }
    for trouble in &alerts.troubles {
        let since = duration(trouble.since_seconds);
        let (relay, error) = (&trouble.relay, &trouble.error);
        line(
            out,
            format_args!("ALERTS: {relay} fails for {since}: {error}"),
        );
    }
}

fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string does not fail");
}

fn service_line(service: &ServiceStatus) -> String {
    let mut text = format!(
        "{}  {}  {} of {} in service",
        service.service, service.scheduler, service.in_service, service.configured
    );
    if let Some(fallback) = &service.fallback {
        let word = if fallback.active { "SERVING" } else { "ready" };
        text.push_str(&format!(", fallback {} {word}", fallback.server));
    }
    if service.kept_by_floor > 0 {
        text.push_str(&format!(
            ", FLOOR OF {} % REACHED, {} failed kept",
            service.floor_percent, service.kept_by_floor
        ));
    }
    if service.passive {
        text.push_str(", cold standby");
        if service.in_kernel {
            text.push_str(", still in the kernel");
        }
    } else if !service.in_kernel {
        text.push_str(", NOT IN THE KERNEL");
    }
    if service.refused_attempts > 0 {
        text.push_str(&format!(
            ", kernel refused {} times",
            service.refused_attempts
        ));
    }
    text
}

fn server_line(server: &ServerStatus, width: usize) -> String {
    let since = duration(server.since_seconds);
    let mut text = format!(
        "  {:<width$}  {:<11} {since:>7}  {:<10}",
        server.server,
        server.state,
        weight(server),
    );
    if server.failures > 0 {
        text.push_str(&format!(
            "  failing {}/{}",
            server.failures, server.failure_limit
        ));
    }
    if server.successes > 0 {
        text.push_str(&format!(
            "  recovering {}/{}",
            server.successes, server.success_limit
        ));
    }
    if let Some(check) = &server.check {
        text.push_str(&format!("  {}", round_text(check)));
    }
    if let Some(reason) = &server.reason {
        text.push_str(&format!(": {reason}"));
    }
    text
}

/// What an operator should know of a certificate; nothing of one that is in order.
fn certificate_words(certificate: &CertificateStatus) -> String {
    let mut text = String::new();
    if !certificate.verified {
        text.push_str(", certificate not verified");
    }
    if let Some(days) = certificate
        .expires_in_days
        .filter(|_| certificate.expires_soon)
    {
        text.push_str(&match days {
            ..0 => format!(", CERTIFICATE EXPIRED {} days ago", -days),
            _ => format!(", CERTIFICATE EXPIRES in {days} days"),
        });
    }
    text
}

/// What is checked and how long ago, with what its certificate needs.
fn round_text(check: &CheckStatus) -> String {
    let mut text = check.what.clone();
    if let (Some(latency), Some(ago)) = (check.latency_ms, check.last_seconds_ago) {
        text.push_str(&format!(" {latency:.1} ms, {} ago", duration(ago)));
    }
    if let Some(certificate) = &check.certificate {
        text.push_str(&certificate_words(certificate));
    }
    text
}

/// A check of a rule: `page  http 192.0.2.21:80 1.3 ms, 0.4s ago: up: HTTP 200`.
fn check_text(check: &CheckStatus) -> String {
    let name = check.name.as_deref().unwrap_or_default();
    let result = check.last_result.as_deref().unwrap_or("no result yet");
    format!("{name}  {}: {result}", round_text(check))
}

fn weight(server: &ServerStatus) -> String {
    let number =
        |weight: Option<u32>| weight.map_or_else(|| "out".to_owned(), |w| format!("weight {w}"));
    let now = number(server.weight_in_kernel);
    if let Some(configured) = server.weight_without_hand {
        return format!("{now} (by hand, {configured} otherwise)");
    }
    let mut why = server.weight_causes.clone();
    if server.weight_in_kernel != server.weight_wanted {
        why.insert(0, format!("wanted: {}", number(server.weight_wanted)));
    }
    if !server.weight_causes.is_empty() && server.weight_configured > 0 {
        why.insert(0, format!("of {}", server.weight_configured));
    }
    if why.is_empty() {
        return now;
    }
    format!("{now} ({})", why.join(", "))
}

/// `0.4s`, `12s`, `3m05s`, `2h10m`, `5d03h`.
pub(super) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    let (days, hours, minutes) = (whole / 86_400, whole / 3600 % 24, whole / 60 % 60);
    match whole {
        0..10 => format!("{:.1}s", seconds.max(0.0)),
        10..60 => format!("{whole}s"),
        60..3600 => format!("{minutes}m{:02}s", whole % 60),
        3600..86_400 => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::director::status::{FallbackStatus, MailTrouble};

    fn status() -> Status {
        let server = |address: &str, state: &str, weight| ServerStatus {
            server: address.to_owned(),
            state: state.to_owned(),
            since_seconds: 192.0,
            reason: Some("HTTP status 404 Not Found".to_owned()),
            failures: 0,
            failure_limit: 1,
            successes: 0,
            success_limit: 1,
            weight_configured: 1,
            weight_causes: Vec::new(),
            weight_wanted: weight,
            weight_in_kernel: weight,
            weight_without_hand: None,
            check: Some(CheckStatus {
                what: format!("http {address}"),
                rounds: 3,
                last_seconds_ago: Some(0.44),
                latency_ms: Some(1.26),
                last_result: None,
                certificate: None,
                name: None,
                parts: Vec::new(),
            }),
            agent: None,
        };
        Status {
            version: "1.0".to_owned(),
            pid: 7,
            config: "/etc/ha.d/ldirectord.cf".to_owned(),
            files: vec!["/etc/ha.d/ldirectord.cf".to_owned()],
            uptime_seconds: 4000.0,
            reload_error: None,
            kernel_error: None,
            uplink: None,
            names: NameStatus::default(),
            pair: None,
            alerts: None,
            services: vec![ServiceStatus {
                service: "tcp:192.0.2.100:80".to_owned(),
                name: None,
                scheduler: "rr".to_owned(),
                in_kernel: true,
                passive: false,
                in_service: 1,
                configured: 2,
                floor_percent: 0,
                kept_by_floor: 0,
                fallback: Some(FallbackStatus {
                    server: "127.0.0.1:80".to_owned(),
                    active: false,
                }),
                refused_attempts: 0,
                servers: vec![
                    server("192.0.2.21:80", "up", Some(1)),
                    server("192.0.2.122:80", "down", Some(0)),
                ],
            }],
        }
    }

    #[test]
    fn the_text_names_every_server_with_state_weight_check_and_reason() {
        assert_eq!(
            text(&status()),
            "directord 1.0 (pid 7), up 1h06m, /etc/ha.d/ldirectord.cf\n\
             tcp:192.0.2.100:80  rr  1 of 2 in service, fallback 127.0.0.1:80 ready\n\
             \x20 192.0.2.21:80   up            3m12s  weight 1    http 192.0.2.21:80 1.3 ms, 0.4s ago: HTTP status 404 Not Found\n\
             \x20 192.0.2.122:80  down          3m12s  weight 0    http 192.0.2.122:80 1.3 ms, 0.4s ago: HTTP status 404 Not Found\n"
        );
    }

    #[test]
    fn certificates_that_need_care_are_named() {
        let words = |verified, days, soon| {
            certificate_words(&CertificateStatus {
                verified,
                expires_in_days: days,
                expires_soon: soon,
            })
        };
        assert_eq!(words(true, Some(3), false), "");
        assert_eq!(words(true, None, false), "");
        assert_eq!(
            words(true, Some(3), true),
            ", CERTIFICATE EXPIRES in 3 days"
        );
        assert_eq!(
            words(false, Some(-2), true),
            ", certificate not verified, CERTIFICATE EXPIRED 2 days ago"
        );
        let mut state = status();
        let check = state.services[0].servers[0].check.as_mut().unwrap();
        check.certificate = Some(CertificateStatus {
            verified: false,
            expires_in_days: None,
            expires_soon: false,
        });
        let shown = text(&state);
        assert!(
            shown.contains("0.4s ago, certificate not verified: HTTP status"),
            "{shown}"
        );
    }

    #[test]
    fn the_checks_of_a_rule_have_a_line_each() {
        let mut state = status();
        let check = state.services[0].servers[1].check.as_mut().unwrap();
        let part = CheckStatus {
            name: Some("page".to_owned()),
            last_result: Some("connection refused".to_owned()),
            ..check.clone()
        };
        check.parts.push(part);
        assert!(
            text(&state).ends_with(
                "Found\n      page  http 192.0.2.122:80 1.3 ms, 0.4s ago: connection refused\n"
            ),
            "{}",
            text(&state)
        );
    }

    #[test]
    fn a_certificate_that_expires_is_seen_in_a_rule_too() {
        let mut state = status();
        let servers = &mut state.services[0].servers;
        servers.retain(|server| server.state == "up");
        let check = servers[0].check.as_mut().unwrap();
        let certificate = CertificateStatus {
            verified: true,
            expires_in_days: Some(3),
            expires_soon: true,
        };
        let part = CheckStatus {
            certificate: Some(certificate),
            ..check.clone()
        };
        check.parts.push(part);
        let (level, why) = verdict(&state);
        assert_eq!(level, Verdict::Warning);
        assert!(why.contains("expires soon"), "{why}");
    }

    #[test]
    fn verdicts_grow_with_the_trouble() {
        let mut state = status();
        assert_eq!(verdict(&state).0, Verdict::Warning);
        state.services[0].servers.remove(1);
        assert_eq!(verdict(&state).0, Verdict::Good);
        state.services[0].servers[0].weight_without_hand = Some(1);
        assert_eq!(verdict(&state).0, Verdict::Warning);
        state.services[0].in_service = 0;
        assert_eq!(verdict(&state).0, Verdict::Critical);
    }

    #[test]
    fn the_services_of_a_cold_standby_are_not_faulty() {
        let mut state = status();
        let service = &mut state.services[0];
        service.servers.remove(1);
        service.passive = true;
        service.in_kernel = false;
        service.in_service = 0;
        service.servers[0].weight_in_kernel = None;
        service.servers[0].weight_wanted = None;
        assert_eq!(verdict(&state).0, Verdict::Good);
        let shown = text(&state);
        assert!(
            shown.contains("fallback 127.0.0.1:80 ready, cold standby\n"),
            "{shown}"
        );
        assert!(
            shown.contains("192.0.2.21:80  up            3m12s  out "),
            "{shown}"
        );
        state.services[0].passive = false;
        assert_eq!(verdict(&state).0, Verdict::Critical);
    }

    #[test]
    fn mail_that_does_not_go_is_shown_and_no_more_than_a_warning() {
        let mut state = status();
        state.services[0].servers.remove(1);
        state.alerts = Some(AlertStatus {
            waiting: 3,
            dropped: 0,
            troubles: Vec::new(),
        });
        assert_eq!(verdict(&state).0, Verdict::Good);
        assert!(text(&state).contains("\nalerts: 3 to be mailed\n"));
        state.alerts = Some(AlertStatus {
            waiting: 3,
            dropped: 7,
            troubles: vec![MailTrouble {
                relay: "192.0.2.25".to_owned(),
                error: "Connection refused".to_owned(),
                since_seconds: 61.0,
            }],
        });
        let shown = text(&state);
        let lines = "\nalerts: 3 to be mailed, 7 dropped since the start\n\
                     ALERTS: 192.0.2.25 fails for 1m01s: Connection refused\n";
        assert!(shown.contains(lines), "{shown}");
        assert_eq!(verdict(&state).0, Verdict::Warning);
        state.services[0].in_service = 0;
        assert_eq!(verdict(&state).0, Verdict::Critical);
    }

    #[test]
    fn the_pair_has_a_line_and_a_say() {
        let mut state = status();
        state.services[0].servers.remove(1);
        let mut pair = failover::sample::active();
        state.pair = Some(pair.clone());
        assert_eq!(verdict(&state).0, Verdict::Good);
        let line = "\npair web (node loadb1): web active here\n";
        assert!(text(&state).contains(line), "{}", text(&state));
        pair.peer.alive = false;
        state.pair = Some(pair.clone());
        assert_eq!(verdict(&state).0, Verdict::Warning);
        assert!(text(&state).contains("\nPAIR web (node loadb1): peer loadb2 is lost"));
        pair.instances[0].owner = "nobody".to_owned();
        state.pair = Some(pair);
        assert_eq!(verdict(&state).0, Verdict::Critical);
    }
}
