//! Command line, listings, personalities, logging, exit codes.

mod args;
mod check;
mod commands;
mod completions;
mod daemon;
pub mod exit;
mod failover;
mod heartbeat;
pub mod ipvsadm;
pub mod ldirectord;
mod list;
pub mod listing;
pub mod logging;
#[cfg(test)]
mod man;
mod personality;
mod plan;
mod realserver;
mod status;

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::check::confine::helper;
use args::{Arguments, Command};
use exit::Exit;

/// Runs the program and returns its exit code. The first argument's file name decides
/// whether it is `directord` or answers as `ldirectord`, `ipvsadm`, `cl_status` or `LVSSyncDaemonSwap`.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    let called = arguments.first().map(Path::new).and_then(Path::file_name);
    match called.and_then(OsStr::to_str) {
        Some("ldirectord") => return personality::main(&arguments),
        Some("ipvsadm") => return ipvsadm::main(&arguments),
        Some("cl_status") => return heartbeat::cl_status(&arguments[1..]),
        // Many times a second: before everything that takes time.
        Some(helper::NAME) => return helper::main(&arguments[1..]),
        Some("LVSSyncDaemonSwap") => return heartbeat::sync_daemon_swap(&arguments[1..]),
        _ => {}
    }
    if let Some(shell) = std::env::var_os(completions::VARIABLE) {
        return completions::answer(&shell, arguments);
    }
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let usage = error.use_stderr();
            // A closed terminal is no reason for another message.
            let _ = error.print();
            return if usage { Exit::Usage } else { Exit::Success }.into();
        }
    };
    let command = match arguments.command {
        Command::Ldirectord { arguments } => {
            let name = OsString::from("ldirectord");
            let arguments: Vec<OsString> = std::iter::once(name).chain(arguments).collect();
            return personality::main(&arguments);
        }
        Command::Ipvsadm { arguments } => {
            let name = OsString::from("ipvsadm");
            let arguments: Vec<OsString> = std::iter::once(name).chain(arguments).collect();
            return ipvsadm::main(&arguments);
        }
        Command::ClStatus { arguments } => return heartbeat::cl_status(&arguments),
        Command::SyncDaemonSwap { arguments } => return heartbeat::sync_daemon_swap(&arguments),
        command => command,
    };
    match commands::run(command) {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Success.into(),
        Err(error) => {
            commands::complain(&format!("directord: {error:#}"));
            Exit::Failure.into()
        }
    }
}

/// A reader that has seen enough (`directord list | head`) is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
