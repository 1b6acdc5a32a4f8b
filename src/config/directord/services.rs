//! Services in YAML, in the shape in which `config show` prints them. They are handed to
//! [`crate::config::ldirectord`], which makes of them what it makes of an `ldirectord.cf`.

pub(super) mod keys;
mod rule;

use super::collection::List;
use super::read::{Marked, OptionalKey as _};
use super::value::{AbsolutePath, Number, Text, Word};
use crate::config::ldirectord::Parsed;
use crate::config::ldirectord::builder::{Builder, Extras, Server, Written};
use crate::config::source::{Context, Span};
use crate::model::Family;

use keys::{
    CheckEntry, FallbackEntry, MailEntry, RealEntry, ServiceCheckEntry, ServiceEntry, TlsEntry,
};
pub(super) use keys::{ChecksEntry, GlobalsEntry, ServicesEntry};

/// The services of a file, to be resolved.
pub(super) fn lower<const MAX: usize>(
    cx: &mut Context<'_>,
    globals: Option<&Marked<GlobalsEntry>>,
    checks: Option<&Marked<ChecksEntry>>,
    services: &List<ServiceEntry, 0, MAX>,
) -> Parsed {
    let mut builder = Builder::default();
    if let Some(globals) = globals {
        set_globals(&mut builder, cx, &globals.value);
    }
    for (name, check) in checks.into_iter().flat_map(|checks| checks.value.given()) {
        builder.named_check(Written {
            text: &name.value,
            span: name.span,
        });
        let mut set = Setter {
            builder: &mut builder,
            cx: &mut *cx,
        };
        set_check(&mut set, &check.value);
    }
    for entry in services.given() {
        let Some(name) = entry.value.service.given() else {
            continue;
        };
        if builder.service(cx, written(name)) {
            set_service(&mut builder, cx, &entry.value);
        }
    }
    builder.finish(cx.source)
}

fn written(text: &Marked<Text>) -> Written<'_> {
    Written {
        text: &text.value.0,
        span: text.span,
    }
}

/// Sets directives from optional keys.
struct Setter<'a, 'b> {
    builder: &'a mut Builder,
    cx: &'a mut Context<'b>,
}

impl Setter<'_, '_> {
    fn put(&mut self, name: &'static str, text: &str, span: Span) {
        self.builder.set(self.cx, name, Written { text, span });
    }

    fn text(&mut self, name: &'static str, key: Option<&Marked<Text>>) {
        if let Some(text) = key {
            self.put(name, &text.value.0, text.span);
        }
    }

    /// For directives whose value is in double quotes.
    fn quoted(&mut self, name: &'static str, key: Option<&Marked<Text>>) {
        if let Some(text) = key {
            self.put(name, &format!("\"{}\"", text.value.0), text.span);
        }
    }

    fn word(&mut self, name: &'static str, key: Option<&Marked<Word>>) {
        if let Some(word) = key {
            self.put(name, &word.value.0, word.span);
        }
    }

    fn number<const MIN: i64, const MAX: i64>(
        &mut self,
        name: &'static str,
        key: Option<&Marked<Number<MIN, MAX>>>,
    ) {
        if let Some(number) = key {
            self.put(name, &number.value.0.to_string(), number.span);
        }
    }

    fn switch(&mut self, name: &'static str, key: Option<&Marked<bool>>) {
        if let Some(on) = key {
            self.put(name, if on.value { "yes" } else { "no" }, on.span);
        }
    }

    /// For directives that may stand several times.
    fn list<const MAX: usize>(&mut self, name: &'static str, key: Option<&List<Text, 0, MAX>>) {
        for text in key.into_iter().flat_map(List::given) {
            self.quoted(name, Some(text));
        }
    }

    fn path(&mut self, name: &'static str, key: Option<&Marked<AbsolutePath>>) {
        if let Some(path) = key {
            let text = format!("\"{}\"", path.value.0.display());
            self.put(name, &text, path.span);
        }
    }

    fn command<const MAX: usize>(&mut self, key: Option<&Marked<List<Text, 1, MAX>>>) {
        if let Some(key) = key {
            let words: Vec<String> = key
                .value
                .given()
                .map(|w| shell_quoted(&w.value.0))
                .collect();
            self.put("fallbackcommand", &words.join(" "), key.span);
        }
    }

    fn mail(&mut self, key: Option<&Marked<MailEntry>>) {
        let Some(mail) = key.map(|key| &key.value) else {
            return;
        };
        self.text("emailalert", mail.recipients.given());
        self.number("emailalertfreq", mail.reminder_s.given());
        if let Some(phases) = mail.phases.given() {
            let words: Vec<&str> = phases
                .value
                .given()
                .map(|word| word.value.0.as_str())
                .collect();
            let text = if words.is_empty() {
                "none".to_owned()
            } else {
                words.join(",")
            };
            self.put("emailalertstatus", &text, phases.span);
        }
        self.text("smtp", mail.relay.given());
    }

    fn fallback(&mut self, family: Family, key: Option<&Marked<FallbackEntry>>) {
        if let Some(entry) = key.map(|key| &key.value)
            && let Some(host) = entry.host.given()
        {
            let span = host.span;
            let forwarding = match entry.forwarding.given() {
                Some(word) => written(word),
                None => Written { text: "gate", span },
            };
            let server = Server {
                host: written(host),
                port: entry.port.given().map(port),
                forwarding,
            };
            self.builder.fallback(self.cx, family, server);
        }
    }
}

fn port(word: &Marked<Word>) -> Written<'_> {
    Written {
        text: &word.value.0,
        span: word.span,
    }
}

/// Sets what globals and services have in common about standing and weight: the keys of
/// both entries are the same, their types are not.
macro_rules! set_policy {
    ($set:ident, $entry:ident) => {
        $set.number("fall", $entry.fall.given());
        $set.number("rise", $entry.rise.given());
        $set.number("fastinterval", $entry.fast_interval_s.given());
        $set.number("slowstart", $entry.slow_start_s.given());
        $set.word("flapdamping", $entry.flap_damping.given());
        $set.number("floor", $entry.floor_percent.given());
        $set.switch("responseweight", $entry.response_weight.given());
        $set.switch("externalweight", $entry.external_weight.given());
    };
}

fn set_globals(builder: &mut Builder, cx: &mut Context<'_>, entry: &GlobalsEntry) {
    let mut set = Setter { builder, cx };
    set.number("checktimeout", entry.check_timeout_s.given());
    set.number("negotiatetimeout", entry.negotiate_timeout_s.given());
    set.number("checkinterval", entry.check_interval_s.given());
    if let Some(attempts) = entry.ping_attempts.value() {
        set.builder.ping_attempts(attempts.u32());
    }
    set.number("failurecount", entry.failure_count.given());
    set_policy!(set, entry);
    set.fallback(Family::V4, entry.fallback.given());
    set.fallback(Family::V6, entry.fallback6.given());
    set.command(entry.fallback_command.given());
    set.switch("autoreload", entry.autoreload.given());
    set.path("callback", entry.callback.given());
    if let Some(log) = entry.log.given() {
        if log.value.file.is_some() == log.value.syslog.is_some() {
            set.cx
                .error(log.span, "a log has exactly one of file and syslog")
                .help("write file: /var/log/directord.log or syslog: local0");
        }
        if let Some(path) = log.value.file.given() {
            let text = format!("\"{}\"", path.value.0.display());
            set.put("logfile", &text, path.span);
        }
        set.quoted("logfile", log.value.syslog.given());
    }
    set.switch("quiescent", entry.quiescent.given());
    set.switch("readdquiescent", entry.readd_quiescent.given());
    set.switch("enforceweights", entry.enforce_weights.given());
    if let Some(targets) = entry.uplink.given() {
        let addresses = targets.value.given();
        let words: Vec<String> = addresses.map(|one| one.value.0.to_string()).collect();
        if !words.is_empty() {
            set.put("uplink", &words.join(","), targets.span);
        }
    }
    set.switch("cleanstop", entry.clean_stop.given());
    set.mail(entry.mail.given());
    set.text("emailalertfrom", entry.mail_from.given());
    set.text("maintenancedir", entry.maintenance_directory.given());
}

fn set_service(builder: &mut Builder, cx: &mut Context<'_>, entry: &ServiceEntry) {
    let mut set = Setter { builder, cx };
    set.text("scheduler", entry.scheduler.given());
    if let Some(flags) = entry.scheduler_flags.given() {
        let words: Vec<&str> = flags
            .value
            .given()
            .map(|flag| flag.value.0.as_str())
            .collect();
        if !words.is_empty() {
            set.put("schedflags", &words.join(","), flags.span);
        }
    }
    if let Some(persistence) = entry.persistence.value() {
        if let Some(timeout) = persistence.timeout_s.given() {
            set.put("persistent", &timeout.value.0.to_string(), timeout.span);
        }
        set.word("netmask", persistence.netmask.given());
    }
    set.switch("ops", entry.one_packet.given());
    set.switch("quiescent", entry.quiescent.given());
    set.switch("cleanstop", entry.clean_stop.given());
    set.number("failurecount", entry.failure_count.given());
    set_policy!(set, entry);
    set.fallback(Family::V4, entry.fallback.given());
    set.command(entry.fallback_command.given());
    set.quoted("monitorfile", entry.monitor_file.given());
    set.text("servicename", entry.service_name.given());
    set.text("comment", entry.comment.given());
    set.mail(entry.mail.given());
    match entry.check.given() {
        Some(Marked {
            value: ServiceCheckEntry::Own(check),
            ..
        }) => set_check(&mut set, check),
        Some(Marked {
            value: ServiceCheckEntry::Rule(rule),
            span,
        }) => rule::set(&mut set, rule, *span),
        None => {}
    }
    set.switch("checkpath", entry.check_path.given());
    let reals = entry.reals.value().into_iter().flat_map(List::given);
    for real in reals {
        set_real(&mut set, &real.value);
    }
}

fn set_check(set: &mut Setter<'_, '_>, check: &CheckEntry) {
    set.word("checktype", check.r#type.given());
    set.text("service", check.service.given());
    set.number("checkport", check.port.given());
    set.number("agentcheck", check.agent_port.given());
    set.number("agentinterval", check.agent_interval_s.given());
    set.number("checktimeout", check.check_timeout_s.given());
    set.number("negotiatetimeout", check.negotiate_timeout_s.given());
    if let Some(interval) = check.interval_s.value() {
        set.builder.interval(interval.u32());
    }
    if let Some(attempts) = check.ping_attempts.value() {
        set.builder.ping_attempts(attempts.u32());
    }
    set.quoted("checkcommand", check.command.given());
    set.quoted("request", check.request.given());
    set.quoted("receive", check.receive.given());
    set.text("httpmethod", check.http_method.given());
    set_http(set, check);
    if let Some(tls) = check.tls.value() {
        set_tls(set, tls);
    }
    set.text("virtualhost", check.virtual_host.given());
    set.quoted("login", check.login.given());
    set.quoted("passwd", check.password.given());
    set.quoted("database", check.database.given());
    set.quoted("secret", check.secret.given());
    set.text("dnstype", check.dns_type.given());
    set.text("dnstransport", check.dns_transport.given());
    for step in check.dialogue.value().into_iter().flat_map(List::given) {
        let (send, expect) = (step.value.send.given(), step.value.expect.given());
        if send.is_some() == expect.is_some() {
            set.cx
                .error(step.span, "a step has exactly one of send and expect")
                .help("write - send: TEXT and - expect: REGEX in their order");
        }
        set.quoted("send", send);
        set.quoted("expect", expect);
    }
    set.text("checksource", check.source.given());
    set.text("checkinterface", check.interface.given());
    set.number("checkmark", check.mark.given());
    set.number("proxyprotocol", check.proxy_protocol.given());
}

fn set_http(set: &mut Setter<'_, '_>, check: &CheckEntry) {
    set.word("status", check.status.given());
    set.text("redirects", check.redirects.given());
    set.list("requestheader", check.request_headers.value());
    set.quoted("requestbody", check.request_body.given());
    set.list("expectheader", check.expect_headers.value());
    set.list("json", check.json.value());
    set.switch("invert", check.invert.given());
    set.text("httpauth", check.http_auth.given());
    set.word("httpversion", check.http_version.given());
}

fn set_tls(set: &mut Setter<'_, '_>, tls: &TlsEntry) {
    set.switch("tlsverify", tls.verify.given());
    set.path("tlsca", tls.ca.given());
    set.text("tlsname", tls.name.given());
    set.path("tlscert", tls.certificate.given());
    set.path("tlskey", tls.key.given());
    set.word("tlsmin", tls.min_version.given());
    set.number("tlsexpiry", tls.expiry_days.given());
}

fn set_real(set: &mut Setter<'_, '_>, real: &RealEntry) {
    if let (None, Some(receive)) = (&real.request, real.receive.given()) {
        set.cx
            .error(receive.span, "receive goes with request only")
            .help("add request, or write receive in the service's check");
    }
    let (Some(host), Some(forwarding)) = (real.host.given(), real.forwarding.given()) else {
        return;
    };
    let count = |key: Option<i64>| key.and_then(|number| u32::try_from(number).ok());
    let extras = Extras {
        weight: count(real.weight.value().map(|weight| weight.0)),
        lower: count(real.lower_threshold.value().map(|lower| lower.0)),
        upper: count(real.upper_threshold.value().map(|upper| upper.0)),
        exchange: real
            .request
            .given()
            .map(|request| (written(request), real.receive.given().map(written))),
    };
    let server = Server {
        host: written(host),
        port: real.port.given().map(port),
        forwarding: written(forwarding),
    };
    set.builder.real(set.cx, server, extras);
}

/// A word of a command line as a shell reads it back.
fn shell_quoted(word: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&b);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
