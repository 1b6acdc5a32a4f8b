//! A configuration as an `ldirectord.cf` that reads back as the same configuration.
//!
//! Global settings are all written out; a section has what differs from them. Names stay
//! names. A rule over several checks has no words in this format: it is printed as remarks.
//! Passwords and secrets are in the text: it is a configuration, not a display.

use std::fmt::{self, Display};
use std::time::Duration;

use super::effective::{
    CheckSettings, Config, Fallback, GlobalFallback, Globals, Mail, Phases, RealServer,
    RuleSettings, VirtualService, WrittenStep,
};
use super::ldirectord::reads_back;
use crate::model::{
    DnsKind, Family, HttpMethod, Policy, SchedulerFlags, ServiceKey, Transport, Way,
};

/// Canonical `ldirectord.cf` text.
pub fn to_ldirectord_cf(config: &Config) -> String {
    let mut text = Text::default();
    globals(&mut text, &config.globals);
    for service in &config.services {
        section(&mut text, service, &config.globals);
    }
    text.0
}

/// The text so far.
#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, indentation: &str, name: &str, value: impl Display) {
        self.0.push_str(indentation);
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&value.to_string());
        self.0.push('\n');
    }

    fn global(&mut self, name: &str, value: impl Display) {
        self.line("", name, value);
    }

    fn local(&mut self, name: &str, value: impl Display) {
        self.line("    ", name, value);
    }
}

/// `yes` or `no`.
struct YesNo(bool);

impl Display for YesNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "yes" } else { "no" })
    }
}

/// Text in double quotes. Quotes inside need nothing: the last one on the line closes.
struct Quoted<'a>(&'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// Text of a directive where quotes are optional: without them when that reads back.
fn optionally_quoted(name: &str, value: &str, in_section: bool) -> String {
    if reads_back(name, value, in_section) {
        value.to_owned()
    } else {
        Quoted(value).to_string()
    }
}

/// Text of a directive that loses one pair of quotes round it, but no more: with quotes
/// of its own it was written without others.
fn quoted_once(name: &str, value: &str, in_section: bool) -> String {
    if value.contains('"') {
        value.to_owned()
    } else {
        optionally_quoted(name, value, in_section)
    }
}

fn globals(text: &mut Text, globals: &Globals) {
    text.global("checktimeout", globals.check_timeout.as_secs());
    text.global("negotiatetimeout", globals.negotiate_timeout.as_secs());
    text.global("checkinterval", globals.check_interval.as_secs());
    if globals.ping_attempts != 1 {
        text.global("checkcount", globals.ping_attempts);
    }
    text.global("failurecount", globals.failure_count);
    policy(text, "", &globals.policy, &Policy::default());
    for (name, fallback) in [
        ("fallback", &globals.fallback),
        ("fallback6", &globals.fallback6),
    ] {
        if let Some(fallback) = fallback {
            let word = fallback.forwarding.word();
            text.global(name, format_args!("{} {word}", fallback.written));
        }
    }
    if let Some(command) = &globals.fallback_command {
        text.global(
            "fallbackcommand",
            quoted_once("fallbackcommand", &command.text, false),
        );
    }
    text.global("autoreload", YesNo(globals.autoreload));
    if let Some(callback) = &globals.callback {
        text.global("callback", Quoted(callback));
    }
    text.global("logfile", Quoted(&globals.log.target.to_string()));
    for execute in &globals.execute {
        text.global("execute", &execute.path);
    }
    text.global("fork", YesNo(globals.fork));
    text.global("supervised", YesNo(globals.supervised));
    text.global("quiescent", YesNo(globals.quiescent));
    text.global("readdquiescent", YesNo(globals.readd_quiescent));
    if globals.enforce_weights {
        // ldirectord does not know the word.
        text.global("enforceweights", YesNo(true));
    }
    if !globals.uplink.is_empty() {
        let targets: Vec<String> = globals.uplink.iter().map(ToString::to_string).collect();
        text.global("uplink", targets.join(","));
    }
    text.global("cleanstop", YesNo(globals.clean_stop));
    let none = Mail {
        recipients: None,
        reminder: None,
        phases: Phases::ALL,
        relay: None,
    };
    mail(text, "", &globals.mail, &none);
    if let Some(from) = &globals.mail_from {
        text.global("emailalertfrom", from);
    }
    if let Some(directory) = &globals.maintenance_directory {
        let path = quoted_once("maintenancedir", &directory.path, false);
        text.global("maintenancedir", path);
    }
}

/// What differs between two scopes; ldirectord knows none of the words.
fn policy(text: &mut Text, indentation: &str, policy: &Policy, outer: &Policy) {
    let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs());
    if policy.rise != outer.rise {
        text.line(indentation, "rise", policy.rise);
    }
    for (name, time, outer) in [
        ("fastinterval", policy.fast_interval, outer.fast_interval),
        ("slowstart", policy.slow_start, outer.slow_start),
    ] {
        if time != outer {
            text.line(indentation, name, seconds(time));
        }
    }
    if policy.damping != outer.damping {
        text.line(indentation, "flapdamping", damping(policy));
    }
    if policy.floor != outer.floor {
        text.line(indentation, "floor", policy.floor);
    }
    for (name, on, outer) in [
        (
            "responseweight",
            policy.response_weight,
            outer.response_weight,
        ),
        (
            "externalweight",
            policy.external_weight,
            outer.external_weight,
        ),
    ] {
        if on != outer {
            text.line(indentation, name, YesNo(on));
        }
    }
}

/// The damping as it is written.
pub(super) fn damping(policy: &Policy) -> String {
    policy
        .damping
        .map_or_else(|| "no".to_owned(), |damping| damping.to_string())
}

/// What differs between two scopes.
fn mail(text: &mut Text, indentation: &str, mail: &Mail, outer: &Mail) {
    let in_section = !indentation.is_empty();
    if let Some(recipients) = &mail.recipients
        && mail.recipients != outer.recipients
    {
        let recipients = optionally_quoted("emailalert", recipients, in_section);
        text.line(indentation, "emailalert", recipients);
    }
    if mail.reminder != outer.reminder {
        let seconds = mail.reminder.map_or(0, |reminder| reminder.as_secs());
        text.line(indentation, "emailalertfreq", seconds);
    }
    if mail.phases != outer.phases {
        let words: Vec<&str> = mail.phases.iter().map(super::Phase::word).collect();
        let words = match mail.phases {
            Phases::ALL => "all".to_owned(),
            Phases::NONE => "none".to_owned(),
            _ => words.join(","),
        };
        text.line(indentation, "emailalertstatus", words);
    }
    if let Some(relay) = &mail.relay
        && mail.relay != outer.relay
    {
        text.line(indentation, "smtp", relay);
    }
}

fn section(text: &mut Text, service: &VirtualService, globals: &Globals) {
    let suffix = match service.key.family() {
        Family::V4 => "",
        Family::V6 => "6",
    };
    text.0.push('\n');
    let name = format!("virtual{suffix}");
    match (&service.written, service.key) {
        (None, ServiceKey::Mark { mark, .. }) => text.global(&name, mark),
        (Some(written), _) => text.global(&name, written),
        (None, key) => text.global(&name, key.short()),
    }
    let name = format!("real{suffix}");
    for real in &service.reals {
        text.local(&name, real_line(real));
    }
    let global = match service.key.family() {
        Family::V4 => &globals.fallback,
        Family::V6 => &globals.fallback6,
    };
    if let Some(fallback) = &service.fallback
        && !inherits(fallback, global.as_ref())
    {
        let word = fallback.destination.forwarding.word();
        text.local(
            &format!("fallback{suffix}"),
            format_args!("{} {word}", fallback.written),
        );
    }
    if let Some(command) = &service.fallback_command
        && service.fallback_command != globals.fallback_command
    {
        text.local(
            "fallbackcommand",
            quoted_once("fallbackcommand", &command.text, true),
        );
    }
    match &service.rule {
        Some(settings) => {
            rule(text, settings, globals);
            agent(text, &service.check);
        }
        None => check(text, &service.check, globals),
    }
    if service.check_path {
        // ldirectord does not know the word.
        text.local("checkpath", YesNo(true));
    }
    kernel(text, service);
    if service.quiescent != globals.quiescent {
        text.local("quiescent", YesNo(service.quiescent));
    }
    if service.clean_stop != globals.clean_stop {
        text.local("cleanstop", YesNo(service.clean_stop));
    }
    if service.failure_count != globals.failure_count {
        text.local("failurecount", service.failure_count);
    }
    policy(text, "    ", &service.policy, &globals.policy);
    mail(text, "    ", &service.mail, &globals.mail);
    if let Some(file) = &service.monitor_file {
        let path = optionally_quoted("monitorfile", &file.path, true);
        text.local("monitorfile", path);
    }
    if let Some(name) = &service.service_name {
        text.local("servicename", name);
    }
    if let Some(comment) = &service.comment {
        text.local("comment", comment);
    }
}

/// Whether a service's fallback is the global one.
fn inherits(own: &Fallback, global: Option<&GlobalFallback>) -> bool {
    global.is_some_and(|global| {
        own.written == global.written && own.destination.forwarding == global.forwarding
    })
}

fn real_line(real: &RealServer) -> String {
    let destination = &real.destination;
    let mut parts = vec![
        real.written.to_string(),
        destination.forwarding.word().to_owned(),
        destination.weight.to_string(),
    ];
    if let Some(exchange) = &real.exchange {
        let receive = exchange.receive.as_ref().map_or("", |receive| &receive.0);
        parts.push(format!(
            "{}, {}",
            Quoted(&exchange.request),
            Quoted(receive)
        ));
    }
    if destination.lower_threshold > 0 {
        parts.push(format!("l:{}", destination.lower_threshold));
    }
    if destination.upper_threshold > 0 {
        parts.push(format!("u:{}", destination.upper_threshold));
    }
    parts.join(" ")
}

fn check(text: &mut Text, check: &CheckSettings, globals: &Globals) {
    text.local("checktype", check.kind);
    text.local("service", check.service.name());
    let own = [check.check_timeout, check.negotiate_timeout];
    if own != [globals.check_timeout, globals.negotiate_timeout] {
        let [check, negotiate] = own.map(|timeout: Duration| timeout.as_secs());
        text.local("checktimeout", check);
        text.local("negotiatetimeout", negotiate);
    }
    if check.interval != globals.check_interval {
        text.local("checkinterval", check.interval.as_secs());
    }
    if check.ping_attempts != globals.ping_attempts {
        text.local("checkcount", check.ping_attempts);
    }
    if check.command != "/bin/true" {
        let command = optionally_quoted("checkcommand", &check.command, true);
        text.local("checkcommand", command);
    }
    if let Some(port) = check.port {
        text.local("checkport", port);
    }
    agent(text, check);
    if check.request != "/" {
        text.local("request", Quoted(check.written_request()));
    }
    if let Some(receive) = &check.receive {
        text.local("receive", Quoted(&receive.0));
    }
    if check.http_method != HttpMethod::Get {
        text.local("httpmethod", check.http_method.word());
    }
    let http = check.http.directives();
    let tls = check.tls.directives();
    for (name, value) in http.into_iter().chain(tls) {
        text.local(name, value);
    }
    for (name, value) in [
        ("virtualhost", &check.virtual_host),
        ("login", &check.login),
        ("passwd", &check.password),
        ("database", &check.database),
        ("secret", &check.secret),
    ] {
        if let Some(value) = value {
            text.local(name, Quoted(value));
        }
    }
    beyond(text, check);
}

/// What ldirectord has no words for.
fn beyond(text: &mut Text, check: &CheckSettings) {
    let dns_kind = check.dns_kind.map(DnsKind::word);
    let dns_transport = check.dns_transport.map(Transport::word);
    for (name, word) in [("dnstype", dns_kind), ("dnstransport", dns_transport)] {
        if let Some(word) = word {
            text.local(name, word);
        }
    }
    for step in &check.steps {
        match step {
            WrittenStep::Send(bytes) => text.local("send", Quoted(bytes)),
            WrittenStep::Expect(pattern) => text.local("expect", Quoted(&pattern.0)),
        }
    }
    if let Some(way) = &check.way {
        self::way(text, way);
    }
}

fn way(text: &mut Text, way: &Way) {
    if let Some(source) = way.source {
        text.local("checksource", source);
    }
    if let Some(interface) = &way.interface {
        text.local("checkinterface", interface);
    }
    if let Some(mark) = way.mark {
        text.local("checkmark", mark);
    }
    if let Some(proxy) = way.proxy {
        text.local("proxyprotocol", proxy.number());
    }
}

fn agent(text: &mut Text, check: &CheckSettings) {
    if let Some(agent) = check.agent {
        text.local("agentcheck", agent.port);
        if agent.interval != check.interval {
            text.local("agentinterval", agent.interval.as_secs());
        }
    }
}

/// Remarks that name the rule and all that its checks do.
fn rule(text: &mut Text, settings: &RuleSettings, globals: &Globals) {
    text.local("# check", settings.describe());
    for named in &settings.checks {
        let mut own = Text::default();
        check(&mut own, &named.settings, globals);
        for line in own.0.lines() {
            text.local(&format!("# check {}", named.name), line.trim_start());
        }
    }
}

fn kernel(text: &mut Text, service: &VirtualService) {
    let attributes = &service.service;
    if let Some(scheduler) = &attributes.scheduler {
        text.local("scheduler", scheduler);
    }
    if !attributes.flags.is_empty() {
        text.local("schedflags", flag_names(service).join(","));
    }
    if let Some(persistence) = attributes.persistence {
        text.local("persistent", persistence.timeout);
        if !persistence.netmask.is_full() {
            text.local("netmask", persistence.netmask);
        }
    }
    if let ServiceKey::Address { protocol, .. } = service.key {
        text.local("protocol", protocol);
    }
    if attributes.one_packet {
        text.local("ops", YesNo(true));
    }
}

/// Names of the scheduler's flags: its own where it has one, else the generic ones.
fn flag_names(service: &VirtualService) -> Vec<&'static str> {
    ["flag-1", "flag-2", "flag-3"]
        .into_iter()
        .enumerate()
        .filter_map(|(bit, generic)| {
            let flag = SchedulerFlags(service.service.flags.0 & 1 << bit);
            let named = flag.names(service.service.scheduler.as_ref());
            (!flag.is_empty()).then(|| named.first().copied().unwrap_or(generic))
        })
        .collect()
}
