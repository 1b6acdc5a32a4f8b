//! The program under the name of `ldirectord`: its command line, outputs, streams, exit
//! codes and pid files, as observed on ldirectord 4.12.
//!
//! Kept, because cluster agents, init scripts and logrotate depend on them: where the
//! configuration is looked for, the instance names, the pid file, how a running instance
//! is recognised, every text and the stream it goes to. Mended:
//!
//! - a configuration with an error never touches the running daemon or its pid file:
//!   the action ends with exit code 2, and `stop` stops the daemon before it does;
//! - `start` returns when the daemon is ready, its pid file included, and of two at the
//!   same time one starts a daemon;
//! - `stop`, `restart` and `try-restart` wait until the daemon has ended, with a limit;
//! - `restart` and `reload` refuse a broken configuration before the daemon is touched;
//! - a relative path is made absolute before the daemon leaves the directory;
//! - no kernel tool has to be installed, so `-d` looks for none.

mod actions;
mod arguments;
mod complaint;
mod daemon;
mod instance;
mod launch;
mod session;
mod text;

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

pub use complaint::{Complaint, Severity};

use super::exit::LdirectordExit;
use super::logging::Logger;
use arguments::Request;
use launch::Launcher;
use session::Session;

/// Which program the daemon is, in its log lines and process name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `directord run`.
    Directord,
    /// `ldirectord … start`.
    Ldirectord,
}

/// What the daemon is to do.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// Absolute path of the configuration.
    pub config: PathBuf,
    /// Instance name, as in the pid file and the log.
    pub instance: String,
    /// Whose manners it has.
    pub program: Program,
    /// Control socket, where one was named.
    pub socket: Option<PathBuf>,
    /// Attached to a terminal or a supervisor; otherwise the process has left both.
    pub foreground: bool,
    /// `-d`: log everything to standard error whatever the configuration says.
    pub debug: bool,
    /// The log, for redirection after a reload.
    pub logger: Logger,
}

/// To be called once the kernel's table is set up.
pub type Ready = Box<dyn FnOnce() + Send>;

/// What the command line needs to know of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Warnings up to the error or the end.
    pub warnings: Vec<Complaint>,
    /// The first error.
    pub error: Option<Complaint>,
    /// Value and line of `logfile`, if it stands before the error.
    pub logfile: Option<(String, usize)>,
    /// `supervised`: stay in the foreground, log to standard output.
    pub supervised: bool,
    /// Values of `execute`: other configurations to look after.
    pub execute: Vec<String>,
}

/// Where things are on this host.
#[derive(Debug, Clone)]
pub struct Paths {
    /// `/etc/ha.d`.
    pub configurations: PathBuf,
    /// `/var/run`.
    pub run: PathBuf,
    /// `/proc`.
    pub proc: PathBuf,
    /// Log file of configurations that name none.
    pub log: PathBuf,
    /// This program, for the daemon and for `execute`.
    pub program: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            configurations: PathBuf::from("/etc/ha.d"),
            run: PathBuf::from("/var/run"),
            proc: PathBuf::from("/proc"),
            log: PathBuf::from("/var/log/ldirectord.log"),
            program: PathBuf::from("/proc/self/exe"),
        }
    }
}

/// What a node of a pair does with a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The director's process.
    pub pid: u32,
    /// Whether it serves some of it. Under Heartbeat ldirectord ran on such a node only.
    pub active: bool,
}

/// How long actions wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For a daemon to set up the kernel's table.
    pub start: Duration,
    /// For a daemon to remove its services and end.
    pub stop: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            start: Duration::from_secs(60),
            stop: Duration::from_secs(30),
        }
    }
}

/// What the personality is built on.
pub struct Host<'a> {
    /// Where things are.
    pub paths: Paths,
    /// How long actions wait.
    pub limits: Limits,
    /// Reads a configuration.
    pub read: &'a dyn Fn(&Path) -> Reading,
    /// Who serves what a configuration describes, where `directord run` looks after it as a
    /// node of a pair; asked when no instance with a pid file does.
    pub pair: &'a dyn Fn(&Path) -> Option<Role>,
    /// Runs the daemon until it is told to end.
    pub daemon: &'a dyn Fn(RunOptions, Ready) -> anyhow::Result<()>,
}

/// Runs `ldirectord` with its arguments, the program's name first, on the process's own
/// streams.
pub fn main(arguments: &[OsString], host: &Host<'_>) -> ExitCode {
    let exit = match Launcher::of_this_process() {
        Ok(None) => perform(arguments, host, &mut io::stdout(), &mut io::stderr()),
        Ok(Some(launcher)) => be_daemon(arguments, host, launcher),
        Err(error) => {
            // The launcher passes on what comes through its pipe, standard output.
            let _ = writeln!(
                io::stdout(),
                "ldirectord: cannot leave the terminal: {error}"
            );
            LdirectordExit::Failed
        }
    };
    exit.into()
}

/// Everything but the daemon's half of `start`. Failures to write are not failures of
/// the action: who closed the stream does not want to know.
fn perform(
    arguments: &[OsString],
    host: &Host<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> LdirectordExit {
    let (name, words) = split(arguments);
    match arguments::parse(words) {
        Request::Usage(complaints) => {
            for complaint in complaints {
                let _ = writeln!(err, "{}", complaint::one_line(&complaint));
            }
            let _ = out.write_all(text::USAGE.as_bytes());
            LdirectordExit::Usage
        }
        Request::Help => {
            let _ = out.write_all(text::MANUAL.as_bytes());
            LdirectordExit::Done
        }
        Request::Version => {
            let _ = out.write_all(text::ABOUT.as_bytes());
            LdirectordExit::Done
        }
        Request::Run(invocation) => match Session::new(invocation, name, host, out, err) {
            Ok(session) => session.perform(),
            Err(exit) => exit,
        },
    }
}

/// The daemon's half: the launcher has checked the command line and the configuration.
fn be_daemon(arguments: &[OsString], host: &Host<'_>, mut launcher: Launcher) -> LdirectordExit {
    let (name, words) = split(arguments);
    let Request::Run(invocation) = arguments::parse(words) else {
        return LdirectordExit::Usage;
    };
    let prepared = Session::new(invocation, name, host, &mut io::sink(), &mut launcher)
        .and_then(Session::prepare_daemon);
    match prepared {
        Ok(prepared) => prepared.run(host, launcher),
        Err(exit) => exit,
    }
}

/// Name and words. The name is what the process table will show: as typed, if it is
/// ldirectord's.
fn split(arguments: &[OsString]) -> (&OsStr, &[OsString]) {
    let own = OsStr::new("ldirectord");
    match arguments.split_first() {
        Some((name, words)) if Path::new(name).file_name() == Some(own) => (name, words),
        Some((_, words)) => (own, words),
        None => (own, &[]),
    }
}
