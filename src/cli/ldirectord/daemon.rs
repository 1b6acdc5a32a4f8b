//! The process that `start` leaves behind.

use std::io::Write as _;
use std::path::Path;

use nix::unistd::Pid;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::complaint::for_terminal;
use super::instance::{ClaimError, Instance, PidFile};
use super::launch::{self, Launcher};
use super::session::{FLUSH_LIMIT, INITIALISATION, Session, exit_line};
use super::text::VERSION;
use super::{Host, Program, RunOptions};
use crate::cli::exit::LdirectordExit as Exit;
use crate::cli::logging::Logger;

impl Session<'_> {
    /// The daemon's half of `start`, up to the point where it can be called.
    pub(super) fn prepare_daemon(mut self) -> Result<Prepared, Exit> {
        self.instance = Instance::new(
            &self.host.paths.run,
            &self.host.paths.proc,
            &self.invocation.instance,
            vec![Pid::this(), Pid::parent()],
        );
        let prepared = self.prepare();
        if prepared.is_err() {
            self.logger.flush(FLUSH_LIMIT);
        }
        prepared
    }

    fn prepare(&mut self) -> Result<Prepared, Exit> {
        let loaded = self.load(false).map_err(|exit| self.refuse(exit))?;
        let options = self.options(&loaded.path, false)?;
        match self.instance.claim(Pid::this()) {
            Ok(pid_file) => Ok(Prepared {
                options,
                pid_file: Some(pid_file),
            }),
            Err(ClaimError::Running(_)) => Ok(Prepared {
                options,
                pid_file: None,
            }),
            Err(error) => {
                self.complain(&format!("ldirectord: {error}"));
                Err(self.leave(Exit::Failed, INITIALISATION))
            }
        }
    }

    /// What the daemon is told.
    pub(super) fn options(&mut self, path: &Path, foreground: bool) -> Result<RunOptions, Exit> {
        let config = std::path::absolute(path).map_err(|error| {
            self.complain(&format!("ldirectord: no current directory: {error}"));
            self.leave(Exit::Failed, INITIALISATION)
        })?;
        Ok(RunOptions {
            config,
            instance: self.invocation.instance.clone(),
            program: Program::Ldirectord,
            socket: None,
            foreground,
            debug: self.invocation.debug,
            logger: self.logger.clone(),
        })
    }
}

/// A daemon about to run.
pub(super) struct Prepared {
    options: RunOptions,
    /// Missing when another instance was faster; then there is nothing to do.
    pid_file: Option<PidFile>,
}

impl Prepared {
    /// Runs until the daemon ends.
    pub(super) fn run(self, host: &Host<'_>, mut launcher: Launcher) -> Exit {
        let Some(pid_file) = self.pid_file else {
            launcher.ready()();
            return Exit::Done;
        };
        let logger = self.options.logger.clone();
        let exit = match run_detached(self.options, host, &launcher) {
            Ok(()) => Exit::Done,
            Err(error) => {
                let message = for_terminal(&format!("ldirectord: {error:#}"));
                let _ = writeln!(launcher, "{message}");
                logger.say(Level::ERROR, &message);
                logger.say(Level::INFO, &exit_line(Exit::Failed, INITIALISATION));
                Exit::Failed
            }
        };
        drop(pid_file);
        logger.flush(FLUSH_LIMIT);
        exit
    }
}

fn run_detached(options: RunOptions, host: &Host<'_>, launcher: &Launcher) -> anyhow::Result<()> {
    launch::detach()?;
    // The kernel would name the process after the file; a missing name hurts nobody.
    let _ = nix::sys::prctl::set_name(c"ldirectord");
    let message = format!("Starting Linux Director {VERSION} as daemon");
    options.logger.say(Level::INFO, &message);
    install(&options.logger, false);
    (host.daemon)(options, launcher.ready())
}

/// Makes the log that of the whole process.
pub(super) fn install(logger: &Logger, debug: bool) {
    let level = if debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    if let Err(error) = logger.install(level) {
        logger.say(
            Level::WARN,
            &format!("log of the daemon not installed: {error}"),
        );
    }
}
