//! Settings of the director as a whole.

use std::net::IpAddr;

use serde::Serialize;

use super::{FallbackView, MailView, PolicyView, path};
use crate::config::effective::{Globals, LogTarget};

#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the format has that many independent switches"
)]
pub(super) struct GlobalView<'a> {
    check_timeout_s: u64,
    negotiate_timeout_s: u64,
    check_interval_s: u64,
    ping_attempts: u32,
    failure_count: u32,
    #[serde(flatten)]
    policy: PolicyView,
    fallback: Option<FallbackView>,
    fallback6: Option<FallbackView>,
    fallback_command: Option<&'a [String]>,
    autoreload: bool,
    callback: Option<&'a str>,
    log: LogView<'a>,
    execute: Vec<&'a str>,
    fork: bool,
    supervised: bool,
    quiescent: bool,
    readd_quiescent: bool,
    enforce_weights: bool,
    uplink: &'a [IpAddr],
    clean_stop: bool,
    mail: MailView<'a>,
    mail_from: Option<&'a str>,
    maintenance_directory: Option<&'a str>,
}

impl<'a> GlobalView<'a> {
    pub(super) fn of(globals: &'a Globals) -> Self {
        Self {
            check_timeout_s: globals.check_timeout.as_secs(),
            negotiate_timeout_s: globals.negotiate_timeout.as_secs(),
            check_interval_s: globals.check_interval.as_secs(),
            ping_attempts: globals.ping_attempts,
            failure_count: globals.failure_count,
            policy: PolicyView::of(&globals.policy),
            fallback: globals.fallback.as_ref().map(FallbackView::global),
            fallback6: globals.fallback6.as_ref().map(FallbackView::global),
            fallback_command: globals
                .fallback_command
                .as_ref()
                .map(|c| c.words.as_slice()),
            autoreload: globals.autoreload,
            callback: globals.callback.as_deref(),
            log: match &globals.log.target {
                LogTarget::File(path) => LogView {
                    file: Some(path),
                    syslog: None,
                },
                LogTarget::Syslog(facility) => LogView {
                    file: None,
                    syslog: Some(facility),
                },
            },
            execute: globals
                .execute
                .iter()
                .map(|file| file.path.as_str())
                .collect(),
            fork: globals.fork,
            supervised: globals.supervised,
            quiescent: globals.quiescent,
            readd_quiescent: globals.readd_quiescent,
            enforce_weights: globals.enforce_weights,
            uplink: &globals.uplink,
            clean_stop: globals.clean_stop,
            mail: MailView::of(&globals.mail),
            mail_from: globals.mail_from.as_deref(),
            maintenance_directory: path(globals.maintenance_directory.as_ref()),
        }
    }
}

#[derive(Serialize)]
struct LogView<'a> {
    file: Option<&'a str>,
    syslog: Option<&'static str>,
}
