//! What the director tells the operator: one line per event, with fixed field names.
//!
//! The words before the colon are those of the classic ldirectord (`Added real server`,
//! `Quiescent real server`, …), so that log watchers written for it keep working.

use std::time::Duration;

use crate::health::Transition;
use crate::model::{DestinationKey, ServiceKey};

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A transition or another expected event.
    Info,
    /// Degraded, but handled.
    Warning,
    /// An operator has to act.
    Error,
}

/// One event, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How much it matters.
    pub severity: Severity,
    /// The line.
    pub message: String,
    /// The service concerned, as `tcp:192.0.2.1:80`.
    pub service: Option<String>,
    /// The real server or fallback concerned.
    pub server: Option<String>,
    /// Standing before a transition.
    pub from: Option<&'static str>,
    /// Standing after it.
    pub to: Option<&'static str>,
    /// Why.
    pub reason: Option<String>,
}

/// A change that was made to the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The service is new.
    ServiceAdded,
    /// The service's attributes were replaced.
    ServiceChanged,
    /// The service is gone.
    ServicePurged {
        /// Because the director ends, not because of a reload.
        stopping: bool,
    },
    /// A server was entered with a weight.
    ServerAdded(DestinationKey, u32),
    /// A server's entry was changed; the weight it has now.
    ServerRestored(DestinationKey, u32),
    /// A server that is used has another weight or other attributes; the weight it has now.
    ServerWeighed(DestinationKey, u32),
    /// A server has weight 0 now.
    ServerQuiesced(DestinationKey),
    /// A configured server or fallback left.
    ServerDeleted(DestinationKey),
    /// A server that the configuration does not name left.
    ServerPurged(DestinationKey),
}

impl Change {
    /// The server concerned.
    pub fn server(&self) -> Option<DestinationKey> {
        match self {
            Self::ServiceAdded | Self::ServiceChanged | Self::ServicePurged { .. } => None,
            Self::ServerAdded(server, _)
            | Self::ServerRestored(server, _)
            | Self::ServerWeighed(server, _)
            | Self::ServerQuiesced(server)
            | Self::ServerDeleted(server)
            | Self::ServerPurged(server) => Some(*server),
        }
    }
}

impl Notice {
    fn new(severity: Severity, message: String) -> Self {
        Self {
            severity,
            message,
            service: None,
            server: None,
            from: None,
            to: None,
            reason: None,
        }
    }

    fn of(mut self, service: ServiceKey, server: Option<DestinationKey>) -> Self {
        self.service = Some(service.to_string());
        self.server = server.map(|server| server.to_string());
        self
    }

    fn because(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    fn with_transition(mut self, transition: Option<&Transition>) -> Self {
        if let Some(transition) = transition {
            self.from = Some(transition.from.word());
            self.to = Some(transition.to.word());
            self.reason = Some(transition.reason.as_str().to_owned());
        }
        self
    }

    /// A change was made to the kernel's table; it is due to a transition, or to `cause`.
    pub fn applied(
        service: ServiceKey,
        change: &Change,
        fallback: bool,
        transition: Option<&Transition>,
        cause: Option<&str>,
    ) -> Self {
        let v = service.short();
        let kind = if fallback { "fallback" } else { "real" };
        let message = match change {
            Change::ServiceAdded => format!("Added virtual server: {v}"),
            Change::ServiceChanged => format!("Changed virtual server: {v}"),
            Change::ServicePurged { stopping: true } => {
                format!("Purged virtual server (stop): {v}")
            }
            Change::ServicePurged { stopping: false } => {
                format!("Purged virtual server (start): {v}")
            }
            Change::ServerAdded(server, 0) => {
                format!("Readd Quiescent {kind} server: {server} ({v}) (Weight set to 0)")
            }
            Change::ServerAdded(server, weight) => {
                format!("Added {kind} server: {server} ({v}) (Weight set to {weight})")
            }
            Change::ServerRestored(server, weight) => {
                format!("Restored {kind} server: {server} ({v}) (Weight set to {weight})")
            }
            Change::ServerWeighed(server, weight) => {
                format!("Changed {kind} server: {server} ({v}) (Weight set to {weight})")
            }
            Change::ServerQuiesced(server) => {
                format!("Quiescent {kind} server: {server} ({v}) (Weight set to 0)")
            }
            Change::ServerDeleted(server) => format!("Deleted {kind} server: {server} ({v})"),
            Change::ServerPurged(server) => format!("Purged real server (start): {server} ({v})"),
        };
        let mut notice = Self::new(Severity::Info, message).of(service, change.server());
        notice.reason = cause.map(str::to_owned);
        notice.with_transition(transition)
    }

    /// The uplink of this host was found dead, or is back.
    pub fn uplink(is_dead: bool) -> Self {
        if is_dead {
            let message = "the uplink is dead; checks that fail do not count".to_owned();
            Self::new(Severity::Error, message)
        } else {
            let message = "the uplink is back; checks count again".to_owned();
            Self::new(Severity::Info, message)
        }
    }

    /// Many changes were made at once that are nobody's transition.
    pub fn bulk(count: usize) -> Self {
        let message = format!("Made {count} changes to the kernel's table at once");
        Self::new(Severity::Info, message)
    }

    /// A standing changed without any change to the kernel's table.
    pub fn transition(
        service: ServiceKey,
        server: DestinationKey,
        transition: &Transition,
    ) -> Self {
        let message = format!(
            "Real server {}: {server} ({})",
            transition.to,
            service.short()
        );
        Self::new(Severity::Info, message)
            .of(service, Some(server))
            .with_transition(Some(transition))
    }

    /// A check failed, but not often enough in a row yet.
    pub fn soft_failure(
        service: ServiceKey,
        server: DestinationKey,
        count: u32,
        limit: u32,
        reason: &str,
    ) -> Self {
        let message =
            format!("Soft failure real server: {server} ({service}) failure {count}/{limit}");
        Self::new(Severity::Info, message)
            .of(service, Some(server))
            .because(reason)
    }

    /// A check passed before the failures were enough.
    pub fn soft_recovery(service: ServiceKey, server: DestinationKey) -> Self {
        let message = format!("Resetting soft failure count: {server} ({service})");
        Self::new(Severity::Info, message).of(service, Some(server))
    }

    /// A check of a server that is down passed, but not often enough in a row yet.
    pub fn soft_success(
        service: ServiceKey,
        server: DestinationKey,
        count: u32,
        limit: u32,
    ) -> Self {
        let message =
            format!("Soft success real server: {server} ({service}) success {count}/{limit}");
        Self::new(Severity::Info, message).of(service, Some(server))
    }

    /// A server that fails again and again is kept out for a time; or no longer.
    pub fn damped(service: ServiceKey, server: DestinationKey, time: Option<Duration>) -> Self {
        let v = service.short();
        let (severity, message) = match time {
            Some(time) => {
                let seconds = time.as_secs_f64().ceil();
                let message = format!(
                    "Damping real server: {server} ({v}) (fails again and again, kept out for {seconds} s)"
                );
                (Severity::Warning, message)
            }
            None => (Severity::Info, format!("Damping ended: {server} ({v})")),
        };
        Self::new(severity, message).of(service, Some(server))
    }

    /// The floor keeps failed servers in service; or no longer.
    pub fn floor(service: ServiceKey, percent: u8, kept: usize) -> Self {
        let v = service.short();
        let (severity, message) = if kept > 0 {
            let message = format!(
                "Floor of {percent} % reached: {v} keeps failed real servers in service (now {kept})"
            );
            (Severity::Error, message)
        } else {
            let message = format!("Floor no longer reached: {v}");
            (Severity::Info, message)
        };
        Self::new(severity, message).of(service, None)
    }

    /// The agent of a server does not answer, and why; or answers again.
    pub fn agent(service: ServiceKey, server: DestinationKey, silent: Option<&str>) -> Self {
        let v = service.short();
        let Some(reason) = silent else {
            let message = format!("Agent answers: {server} ({v})");
            return Self::new(Severity::Info, message).of(service, Some(server));
        };
        let message = format!("Agent does not answer: {server} ({v})");
        let notice = Self::new(Severity::Warning, message);
        notice.of(service, Some(server)).because(reason)
    }

    /// A service lost its last usable server, or got one back.
    pub fn abandoned(service: ServiceKey, abandoned: bool) -> Self {
        let v = service.short();
        if abandoned {
            let message = format!("No real server available: {v}");
            Self::new(Severity::Error, message).of(service, None)
        } else {
            let message = format!("Real servers available again: {v}");
            Self::new(Severity::Info, message).of(service, None)
        }
    }

    /// The kernel refused a change; it is tried again.
    pub fn refused(service: ServiceKey, text: &str) -> Self {
        let message = format!("The kernel refused a change, trying again: {text}");
        Self::new(Severity::Error, message).of(service, None)
    }

    /// A change that the kernel refused before has been made.
    pub fn accepted(service: ServiceKey, attempts: u32) -> Self {
        let message = format!(
            "The kernel took the change: {} (refused before: {attempts})",
            service.short()
        );
        Self::new(Severity::Info, message).of(service, None)
    }

    /// Other hands changed the table of a service; it is put right.
    pub fn drift(service: ServiceKey, what: &str) -> Self {
        let message = format!("Putting virtual server right: {}", service.short());
        Self::new(Severity::Warning, message)
            .of(service, None)
            .because(what)
    }

    /// Other hands removed many services at once; they are put back.
    pub fn mass_removal(count: usize) -> Self {
        let message = format!("Putting {count} virtual servers back that other hands removed");
        Self::new(Severity::Warning, message)
    }

    /// Other hands set a weight; it is kept for now.
    pub fn hand_weight(service: ServiceKey, server: DestinationKey, weight: u32) -> Self {
        let message = format!(
            "Weight set by hand, kept until the next transition: {server} ({}) (Weight set to {weight})",
            service.short()
        );
        Self::new(Severity::Warning, message).of(service, Some(server))
    }
}

impl Notice {
    /// Writes it to the log.
    pub fn log(&self) {
        let Self {
            severity,
            message,
            service,
            server,
            from,
            to,
            reason,
        } = self;
        let service = service.as_deref();
        let server = server.as_deref();
        let reason = reason.as_deref();
        match severity {
            Severity::Info => {
                tracing::info!(service, server, from, to, reason, "{message}");
            }
            Severity::Warning => {
                tracing::warn!(service, server, from, to, reason, "{message}");
            }
            Severity::Error => {
                tracing::error!(service, server, from, to, reason, "{message}");
            }
        }
    }
}
