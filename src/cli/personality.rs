//! What the `ldirectord` personality is built on here: the configuration reader and the
//! director.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use super::args::SOCKET_VARIABLE;
use super::commands::runtime;
use super::daemon::DEFAULT_STATE;
use super::daemon::{self, Daemon, LogChoice};
use super::ldirectord::{self, Complaint, Host, Limits, Paths, Reading, Ready, Role, RunOptions};
use crate::config::{Diagnostic, LogTarget, Severity};
use crate::control::{Client, DEFAULT_SOCKET};
use crate::director::load::{self, LoadError, LoadErrorCause, Loaded};
use crate::director::status::Status;

/// How long `status` waits for a director that is a node of a pair.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs as `ldirectord`; the first argument is the program's name.
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let host = Host {
        paths: Paths::default(),
        limits: Limits::default(),
        read: &read,
        pair: &role,
        daemon: &run,
    };
    ldirectord::main(arguments, &host)
}

fn read(path: &Path) -> Reading {
    match load::load(path, None) {
        Ok(Loaded {
            config, warnings, ..
        }) => {
            let globals = config.globals;
            let logfile = match globals.log.target {
                LogTarget::File(path) => path,
                LogTarget::Syslog(facility) => facility.to_owned(),
            };
            let is_written = globals.log.line.0 > 0;
            Reading {
                warnings: warnings.iter().map(complaint).collect(),
                error: None,
                logfile: is_written.then_some((logfile, globals.log.line.0 as usize)),
                supervised: globals.supervised,
                execute: globals
                    .execute
                    .into_iter()
                    .map(|child| child.path)
                    .collect(),
            }
        }
        Err(error) => {
            let (warnings, first) = findings(&error);
            Reading {
                warnings,
                error: Some(first),
                ..Reading::default()
            }
        }
    }
}

/// What the director of this host does with a configuration as a node of a pair.
fn role(path: &Path) -> Option<Role> {
    let socket = std::env::var_os(SOCKET_VARIABLE).map(PathBuf::from);
    let client = Client::new(&socket.unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET)));
    let status = runtime().ok()?.block_on(async {
        let answer = tokio::time::timeout(PATIENCE, client.status()).await;
        answer.ok()?.ok()
    })?;
    role_of(&status, path, &|path| path.canonicalize().ok())
}

fn role_of(
    status: &Status,
    path: &Path,
    canonical: &dyn Fn(&Path) -> Option<PathBuf>,
) -> Option<Role> {
    let wanted = canonical(path)?;
    let mut files = status.files.iter().map(Path::new);
    let pair = status.pair.as_ref()?;
    files
        .any(|file| canonical(file).as_ref() == Some(&wanted))
        .then(|| Role {
            pid: status.pid,
            active: pair.instances.iter().any(|one| one.state == "active"),
        })
}

fn findings(error: &LoadError) -> (Vec<Complaint>, Complaint) {
    let whole = || Complaint {
        line: None,
        text: error.to_string(),
    };
    match &error.cause {
        LoadErrorCause::Unreadable(_) => (Vec::new(), whole()),
        LoadErrorCause::Rejected(rejected) => {
            let before = rejected.0.iter();
            let warnings = before.take_while(|d| d.severity == Severity::Warning);
            let first = rejected.first_error().map_or_else(whole, complaint);
            (warnings.map(complaint).collect(), first)
        }
    }
}

fn complaint(diagnostic: &Diagnostic) -> Complaint {
    let text = match &diagnostic.help {
        Some(help) if diagnostic.severity == Severity::Error => {
            format!("{} ({help})", diagnostic.message)
        }
        _ => diagnostic.message.clone(),
    };
    Complaint {
        line: (diagnostic.line > 0).then_some(diagnostic.line as usize),
        text,
    }
}

fn run(options: RunOptions, ready: Ready) -> anyhow::Result<()> {
    let supervised = options.foreground && !options.debug;
    let log = if options.debug || supervised {
        LogChoice::Fixed
    } else {
        LogChoice::Configured
    };
    let config = options.config;
    let daemon = Daemon {
        load: Box::new(move || Ok(load::load(&config, None)?)),
        socket: options.socket,
        default_socket: socket_of(&options.instance),
        state: PathBuf::from(DEFAULT_STATE),
        logger: options.logger,
        log,
    };
    daemon::run(daemon, ready)
}

/// The usual instances have the default socket, others one of their own beside it.
fn socket_of(instance: &str) -> PathBuf {
    let default = Path::new(DEFAULT_SOCKET);
    if matches!(instance, "ldirectord" | "ldirectord.cf") {
        default.to_owned()
    } else {
        default.with_file_name(format!("{instance}.sock"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::failover::sample;
    use super::*;

    #[test]
    fn a_configuration_runs_where_the_pair_serves_it() {
        let mut status = Status {
            version: "1.0".to_owned(),
            pid: 7,
            config: "/etc/directord/directord.yaml".to_owned(),
            files: vec![
                "/etc/directord/directord.yaml".to_owned(),
                "/etc/ha.d/ldirectord.cf".to_owned(),
            ],
            uptime_seconds: 1.0,
            reload_error: None,
            kernel_error: None,
            uplink: None,
            names: crate::director::status::NameStatus::default(),
            alerts: None,
            services: Vec::new(),
            pair: Some(sample::active()),
        };
        let known = |path: &Path| path.is_absolute().then(|| path.to_owned());
        let role = |status: &Status, path: &str| {
            role_of(status, Path::new(path), &known).map(|role| (role.pid, role.active))
        };
        assert_eq!(role(&status, "/etc/ha.d/ldirectord.cf"), Some((7, true)));
        assert_eq!(role(&status, "/etc/ha.d/other.cf"), None);
        assert_eq!(role(&status, "gone.cf"), None);
        status.pair = Some(sample::standby());
        let yaml = "/etc/directord/directord.yaml";
        assert_eq!(role(&status, yaml), Some((7, false)));
        status.pair = None;
        assert_eq!(role(&status, yaml), None);
    }
}
