//! What each action does once its configuration is read.

use std::ffi::OsString;
use std::path::Path;

use nix::sys::signal::Signal;

use super::arguments::Action;
use super::complaint::for_terminal;
use super::daemon;
use super::instance::{Instance, State};
use super::launch::{self, Launched};
use super::session::{FLUSH_LIMIT, INITIALISATION, Loaded, Session};
use super::text::VERSION;
use crate::cli::exit::LdirectordExit as Exit;

impl Session<'_> {
    /// Runs the daemon here or launches it.
    pub(super) fn start(&mut self, loaded: &Loaded) -> Exit {
        if self.invocation.debug || loaded.reading.supervised {
            return self.run_in_foreground(&loaded.path);
        }
        let mut words = Vec::new();
        if self.invocation.named {
            words.push(self.invocation.configuration.clone().into_os_string());
        }
        words.push(OsString::from(Action::Start.word()));
        // Our lines before the daemon's.
        self.logger.flush(FLUSH_LIMIT);
        let program = &self.host.paths.program;
        let limit = self.host.limits.start;
        match launch::launch(program, self.name, &words, self.err, limit) {
            Ok(Launched::Ready) => Exit::Done,
            Ok(Launched::Ended(Some(2))) => Exit::Configuration,
            Ok(Launched::Ended(Some(1))) => Exit::Failed,
            Ok(Launched::Ended(_)) => {
                self.complain("ldirectord: the daemon was ended while it started");
                self.leave(Exit::Failed, INITIALISATION)
            }
            Ok(Launched::Late) => {
                let limit = limit.as_secs();
                self.complain(&format!(
                    "ldirectord: the daemon was not ready after {limit} s and has been told to end"
                ));
                self.leave(Exit::Failed, INITIALISATION)
            }
            Err(error) => {
                self.complain(&format!("ldirectord: cannot start the daemon: {error}"));
                self.leave(Exit::Failed, INITIALISATION)
            }
        }
    }

    fn run_in_foreground(&mut self, path: &Path) -> Exit {
        let pid = std::process::id();
        self.log(&format!(
            "Starting Linux Director {VERSION} with pid: {pid}"
        ));
        let options = match self.options(path, true) {
            Ok(options) => options,
            Err(exit) => return exit,
        };
        daemon::install(&self.logger, self.invocation.debug);
        match (self.host.daemon)(options, Box::new(|| ())) {
            Ok(()) => Exit::Done,
            Err(error) => {
                self.complain(&format!("ldirectord: {error:#}"));
                self.leave(Exit::Failed, INITIALISATION)
            }
        }
    }

    /// Ends the daemon, if there is one, and waits for its end.
    pub(super) fn stop(&mut self, path: &Path) -> Exit {
        let State::Running(pid) = self.instance.state() else {
            return Exit::Done;
        };
        if let Err(error) = Instance::signal(pid, Signal::SIGTERM) {
            self.complain(&format!("ldirectord: cannot stop pid {pid}: {error}"));
            return self.leave(Exit::Failed, &self.exiting());
        }
        let limit = self.host.limits.stop;
        if self.instance.wait_gone(pid, limit) {
            return Exit::Done;
        }
        self.complain(&format!(
            "ldirectord for {} with pid {pid} has not ended after {} s",
            path.display(),
            limit.as_secs()
        ));
        self.leave(Exit::Failed, &self.exiting())
    }

    /// The daemon tells in its log what came of it.
    pub(super) fn reload(&mut self, path: &Path) -> Exit {
        let State::Running(pid) = self.instance.state() else {
            self.log(&format!("ldirectord is stopped for {}", path.display()));
            return self.leave(Exit::Failed, &self.exiting());
        };
        match Instance::signal(pid, Signal::SIGHUP) {
            Ok(()) => Exit::Done,
            Err(error) => {
                self.complain(&format!("ldirectord: cannot reload pid {pid}: {error}"));
                self.leave(Exit::Failed, &self.exiting())
            }
        }
    }

    /// Text, stream and exit code are read by cluster agents.
    pub(super) fn status(&mut self, loaded: &Loaded) -> Exit {
        let path = loaded.path.display();
        let state = self.instance.state();
        let served = || {
            let role = (self.host.pair)(&loaded.path).filter(|role| role.active)?;
            Some(role.pid.to_string())
        };
        let running = match state {
            State::Running(pid) => Some(pid.to_string()),
            State::Stopped | State::Stale => served(),
        };
        if let Some(pid) = running {
            let message = format!("ldirectord for {path} is running with pid: {pid}");
            self.complain(&message);
            self.status_of_children(&loaded.reading.execute);
            self.log(&message);
            self.log(&self.exiting());
            return Exit::Done;
        }
        if state == State::Stale {
            let file = self.instance.pid_file().display();
            let message = format!("ldirectord stale pid file {file} for {path}");
            self.complain(&message);
            self.log(&message);
        }
        let message = for_terminal(&format!("ldirectord is stopped for {path}"));
        self.logger.flush(FLUSH_LIMIT);
        let _ = writeln!(self.out, "{message}");
        let exit = if state == State::Stale {
            Exit::Failed
        } else {
            Exit::Stopped
        };
        self.leave(exit, &self.exiting())
    }

    /// Each prints for itself; their exit codes count for nothing.
    fn status_of_children(&self, children: &[String]) {
        for child in children {
            let status = launch::command(&self.host.paths.program, self.name)
                .args([child, Action::Status.word()])
                .status();
            if let Err(error) = status {
                self.log(&format!("cannot ask for the status of {child}: {error}"));
            }
        }
    }
}
