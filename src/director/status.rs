//! What the director knows, in the form that is handed out: by the control socket as JSON,
//! by `directord status` as text.

use serde::{Deserialize, Serialize};

use super::pair::status::PairStatus;

/// State of a director.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Version of the running program.
    pub version: String,
    /// Process id.
    pub pid: u32,
    /// The configuration in force.
    pub config: String,
    /// Every file it was read from, that one first.
    #[serde(default)]
    pub files: Vec<String>,
    /// Seconds since the director started.
    pub uptime_seconds: f64,
    /// Why the newest configuration file could not be taken into force, if so.
    pub reload_error: Option<String>,
    /// Why the kernel could not be reached at the last attempt, if so.
    pub kernel_error: Option<String>,
    /// The guard of this host's own uplink, if one is configured.
    #[serde(default)]
    pub uplink: Option<UplinkStatus>,
    /// Host names that cannot be resolved.
    #[serde(default)]
    pub names: NameStatus,
    /// Alerts that wait or cannot be delivered, if so.
    #[serde(default)]
    pub alerts: Option<AlertStatus>,
    /// Every managed virtual service, in the order of `ipvsadm -L`.
    pub services: Vec<ServiceStatus>,
    /// The pair, if this director is a node of one.
    pub pair: Option<PairStatus>,
}

/// State of the guard of this host's own uplink.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UplinkStatus {
    /// Addresses of which one has to answer.
    pub targets: Vec<String>,
    /// Seconds since none answers; `None` while the uplink is not known to be dead.
    pub dead_for_seconds: Option<f64>,
    /// Failed checks that did not count since the start.
    pub ignored_failures: u64,
}

/// Host names of the configuration that the system does not resolve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NameStatus {
    /// Look-ups without an answer since the start.
    pub failures: u64,
    /// Those without an answer at the last look.
    pub unresolved: Vec<UnresolvedName>,
}

/// A host name without an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnresolvedName {
    /// The name.
    pub name: String,
    /// `IPv4` or `IPv6`.
    pub family: String,
    /// The address that it keeps; `None` when it never had one and what stands on it is left
    /// out.
    pub keeps: Option<String>,
    /// Seconds since it has had no answer.
    pub since_seconds: f64,
}

/// State of the alerts by mail and of the monitor files.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertStatus {
    /// Alerts that have not been mailed yet.
    pub waiting: usize,
    /// Alerts that were dropped since the start, because too many waited.
    pub dropped: u64,
    /// What does not take what it should.
    pub troubles: Vec<MailTrouble>,
}

/// A mail server, mail program or monitor file that does not take what it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MailTrouble {
    /// Its name.
    pub relay: String,
    /// Why not.
    pub error: String,
    /// Seconds since it began.
    pub since_seconds: f64,
}

/// State of a virtual service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// `tcp:192.0.2.1:80` or `fwm:7`.
    pub service: String,
    /// What the configuration calls it: `servicename`, or else `comment`.
    #[serde(default)]
    pub name: Option<String>,
    /// Scheduler.
    pub scheduler: String,
    /// Whether the kernel holds the service.
    pub in_kernel: bool,
    /// The service is kept out of the kernel: its instance is a cold standby here.
    #[serde(default)]
    pub passive: bool,
    /// Real servers with connections coming in: weight above 0 in the kernel.
    pub in_service: usize,
    /// Configured real servers.
    pub configured: usize,
    /// Percentage of the servers that failed checks never go below; 0 is off.
    #[serde(default)]
    pub floor_percent: u8,
    /// Failed servers that are kept in service for the sake of that.
    #[serde(default)]
    pub kept_by_floor: usize,
    /// The fallback, if one is configured.
    pub fallback: Option<FallbackStatus>,
    /// Last refusal of the kernel that is not overcome, by attempts so far.
    pub refused_attempts: u32,
    /// The real servers, in the order of the configuration.
    pub servers: Vec<ServerStatus>,
}

/// State of a fallback.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FallbackStatus {
    /// Address and port.
    pub server: String,
    /// Whether it serves now.
    pub active: bool,
}

/// State of a real server in one virtual service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerStatus {
    /// Address and port, as the kernel files it.
    pub server: String,
    /// `up`, `down`, `unknown`, `maintenance`, `draining` (up, but with weight 0 by its own
    /// or its check's word) or `damped` (up, but kept out for failing again and again).
    pub state: String,
    /// Seconds since the state began.
    pub since_seconds: f64,
    /// Why the state is what it is.
    pub reason: Option<String>,
    /// Failed checks in a row that did not change the state yet.
    pub failures: u32,
    /// Failed checks in a row that take the server out.
    pub failure_limit: u32,
    /// Passed checks in a row that did not change the state yet.
    #[serde(default)]
    pub successes: u32,
    /// Passed checks in a row that bring a failed server up.
    #[serde(default)]
    pub success_limit: u32,
    /// Weight in the configuration.
    #[serde(default)]
    pub weight_configured: u32,
    /// What else the weight and the state are due to: `agent 50 %`, `slow start 30 %`,
    /// `damped for 12 s`, `kept by the floor`, …
    #[serde(default)]
    pub weight_causes: Vec<String>,
    /// Weight that the director wants; `None` when the server should not be in the table.
    pub weight_wanted: Option<u32>,
    /// Weight in the kernel; `None` when it is not in the table.
    pub weight_in_kernel: Option<u32>,
    /// The weight was set by hand and is kept until the next transition; this is the weight
    /// that the configuration and the checks would give.
    pub weight_without_hand: Option<u32>,
    /// The check; `None` when the server is not checked.
    pub check: Option<CheckStatus>,
    /// The check of its agent, if it has one.
    #[serde(default)]
    pub agent: Option<CheckStatus>,
}

/// A check's last round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckStatus {
    /// What is checked: `http 192.0.2.21:80`; of several checks their rule, `all of a, b`.
    pub what: String,
    /// What the rule calls it, if it is one of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Rounds so far; 0 of a rule, like the other figures of a round.
    pub rounds: u64,
    /// Seconds since the last round ended; `None` before the first.
    pub last_seconds_ago: Option<f64>,
    /// Milliseconds that the last round took.
    pub latency_ms: Option<f64>,
    /// Outcome of the last round that was told: `up`, or why not.
    pub last_result: Option<String>,
    /// The server's certificate, with checks over TLS that have got so far.
    #[serde(default)]
    pub certificate: Option<CertificateStatus>,
    /// The checks of a rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<CheckStatus>,
}

/// The certificate of a real server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Whether it is verified (`tlsverify`).
    pub verified: bool,
    /// Whole days until it expires, negative when it has; `None` when it does not say.
    pub expires_in_days: Option<i64>,
    /// Whether that is less than `tlsexpiry`.
    pub expires_soon: bool,
}
