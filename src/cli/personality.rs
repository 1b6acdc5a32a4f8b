//! What the `ldirectord` personality is built on here: the configuration reader and the
//! director.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::daemon::DEFAULT_STATE;
use super::daemon::{self, Daemon, LogChoice};
use super::ldirectord::{self, Complaint, Host, Limits, Paths, Reading, Ready, RunOptions};
use crate::config::{Diagnostic, LogTarget, Severity};
use crate::control::DEFAULT_SOCKET;
use crate::director::load::{self, LoadError, LoadErrorCause, Loaded};

/// Runs as `ldirectord`; the first argument is the program's name.
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let host = Host {
        paths: Paths::default(),
        limits: Limits::default(),
        read: &read,
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
