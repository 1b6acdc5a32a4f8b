//! The effective configuration for people and programs, every default filled in.
//!
//! The shape is stable: fields may be added, none changes its meaning. Times carry their
//! unit in the name. `null` means none or off. Passwords and secrets are masked.
//!
//! ```yaml
//! globals:
//!   check_timeout_s: 5            # and the other settings of `Globals`
//!   fallback: {host: 127.0.0.1, port: null, address: 127.0.0.1, forwarding: gate, line: 1}
//!   log: {file: /var/log/ldirectord.log, syslog: null}
//! services:
//! - service: tcp:192.0.2.100:80   # or fwm:7, fwm6:7
//!   line: 3
//!   scheduler: wrr
//!   check: {type: negotiate, service: http, …}
//!   fallback: {host: …, port: …, address: …, forwarding: …, destination: …, line: …}
//!   reals:
//!   - destination: 192.0.2.21:80  # as in the kernel's table
//!     host: 192.0.2.21            # as written
//!     port: '80'
//!     forwarding: gate
//!     weight: 1
//!     check: {state: probe, target: 192.0.2.21:80, interval_s: 10, probes: […]}
//! ```

mod check;
mod global;
mod probe;
mod rule;
mod service;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::effective::{Config, Fallback, FileName, GlobalFallback, Mail};
use super::names::Endpoint;
use crate::model::Policy;
use check::CheckView;
use global::GlobalView;
use service::ServiceView;

/// The effective configuration as YAML.
pub fn to_yaml(config: &Config) -> String {
    serde_yaml::to_string(&Document::of(config)).expect("the document has only string keys")
}

/// The effective configuration as indented JSON with a final newline.
pub fn to_json(config: &Config) -> String {
    let mut text = serde_json::to_string_pretty(&Document::of(config))
        .expect("the document has only string keys");
    text.push('\n');
    text
}

/// Stands for a password or secret.
const MASK: &str = "********";

/// The whole of it.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    globals: GlobalView<'a>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    checks: BTreeMap<&'a str, CheckView<'a>>,
    services: Vec<ServiceView<'a>>,
}

impl<'a> Document<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        Self {
            globals: GlobalView::of(&config.globals),
            checks: config
                .checks
                .iter()
                .map(|named| (&*named.name, CheckView::of(&named.settings)))
                .collect(),
            services: config
                .services
                .iter()
                .map(|service| ServiceView::of(service))
                .collect(),
        }
    }
}

fn path(file: Option<&FileName>) -> Option<&str> {
    file.map(|file| file.path.as_str())
}

#[derive(Serialize)]
struct MailView<'a> {
    recipients: Option<&'a str>,
    reminder_s: Option<u64>,
    phases: Vec<&'static str>,
    relay: Option<&'a str>,
}

impl<'a> MailView<'a> {
    fn of(mail: &'a Mail) -> Self {
        Self {
            recipients: mail.recipients.as_deref(),
            reminder_s: mail.reminder.map(|reminder| reminder.as_secs()),
            phases: mail.phases.iter().map(super::Phase::word).collect(),
            relay: mail.relay.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct FallbackView {
    host: String,
    port: Option<String>,
    address: String,
    forwarding: &'static str,
    /// As in the kernel's table; a global fallback has none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<String>,
    line: u32,
}

impl FallbackView {
    fn global(fallback: &GlobalFallback) -> Self {
        let (host, port) = endpoint(&fallback.written);
        Self {
            host,
            port,
            address: fallback.address.to_string(),
            forwarding: fallback.forwarding.word(),
            destination: None,
            line: fallback.line.0,
        }
    }

    fn of(fallback: &Fallback) -> Self {
        let (host, port) = endpoint(&fallback.written);
        Self {
            host,
            port,
            address: fallback.destination.key.address.to_string(),
            forwarding: fallback.destination.forwarding.word(),
            destination: Some(fallback.destination.key.to_string()),
            line: fallback.line.0,
        }
    }
}

fn endpoint(written: &Endpoint) -> (String, Option<String>) {
    let port = written.port.as_ref().map(ToString::to_string);
    (written.host.to_string(), port)
}

#[derive(Serialize)]
struct PolicyView {
    rise: u32,
    fast_interval_s: u64,
    slow_start_s: u64,
    flap_damping: String,
    floor_percent: u8,
    response_weight: bool,
    external_weight: bool,
}

impl PolicyView {
    fn of(policy: &Policy) -> Self {
        let seconds = |time: Option<Duration>| time.map_or(0, |time| time.as_secs());
        Self {
            rise: policy.rise,
            fast_interval_s: seconds(policy.fast_interval),
            slow_start_s: seconds(policy.slow_start),
            flap_damping: super::print::damping(policy),
            floor_percent: policy.floor,
            response_weight: policy.response_weight,
            external_weight: policy.external_weight,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Names, ldirectord};

    const TEXT: &str = "fallback=127.0.0.1 masq
virtual=192.0.2.100:80
    real=192.0.2.21:8080 masq 2 \"a\", \"b\" l:1 u:9
    real=192.0.2.22:80 masq
    checktype=2
    passwd=\"hidden\"
    secret=\"hidden\"
    scheduler=sh
    schedflags=sh-port
    persistent=60
virtual6=7
    real6=[2001:db8::21] gate
    checktype=ping
";

    fn config(text: &str) -> Config {
        let parsed = ldirectord::parse(text.as_bytes(), "test.cf");
        parsed.resolve(&Names::default()).unwrap().config
    }

    #[test]
    fn every_default_is_filled_in() {
        let shown: serde_json::Value = serde_json::from_str(&to_json(&config(TEXT))).unwrap();
        let globals = &shown["globals"];
        assert_eq!(globals["check_interval_s"], 10);
        assert_eq!(globals["fallback"]["forwarding"], "masq");
        assert_eq!(globals["fallback"]["port"], serde_json::Value::Null);
        assert_eq!(globals["log"]["file"], "/var/log/ldirectord.log");
        let service = &shown["services"][0];
        assert_eq!(service["service"], "tcp:192.0.2.100:80");
        assert_eq!(service["line"], 2);
        assert_eq!(service["scheduler_flags"][0], "sh-port");
        assert_eq!(service["persistence"]["netmask"], "255.255.255.255");
        assert_eq!(service["fallback"]["destination"], "127.0.0.1:80");
        let real = &service["reals"][0];
        assert_eq!(real["destination"], "192.0.2.21:8080");
        assert_eq!(
            (&real["request"], &real["receive"]),
            (&"a".into(), &"b".into())
        );
        assert_eq!(
            (&real["lower_threshold"], &real["upper_threshold"]),
            (&1.into(), &9.into())
        );
        let check = &real["check"];
        assert_eq!(
            (&check["state"], &check["connects"]),
            (&"probe".into(), &2.into())
        );
        assert_eq!(check["probes"][0]["kind"], "http");
        assert_eq!(check["probes"][0]["path"], "/a");
        assert_eq!(check["probes"][1]["kind"], "connect");
        let mark = &shown["services"][1];
        assert_eq!(mark["service"], "fwm6:7");
        assert_eq!(mark["reals"][0]["check"]["probes"][0]["attempts"], 1);
    }

    #[test]
    fn passwords_and_secrets_are_masked() {
        let config = config(TEXT);
        for text in [to_yaml(&config), to_json(&config)] {
            assert!(!text.contains("hidden"));
            assert_eq!(text.matches(MASK).count(), 2, "{text}");
        }
    }

    #[test]
    fn both_formats_have_the_same_content() {
        let config = config(TEXT);
        let yaml: serde_json::Value = serde_yaml::from_str(&to_yaml(&config)).unwrap();
        let json: serde_json::Value = serde_json::from_str(&to_json(&config)).unwrap();
        assert_eq!(yaml, json);
    }
}
