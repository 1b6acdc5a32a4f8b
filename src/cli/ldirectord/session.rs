//! One action on one instance.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::arguments::{Action, Invocation};
use super::complaint::{for_terminal, one_line};
use super::instance::{ClaimError, Instance, PidFile, State};
use super::launch::{self, Launched, Launcher};
use super::text::VERSION;
use super::{Complaint, Host, Program, Reading, RunOptions, Severity};
use crate::cli::exit::LdirectordExit as Exit;
use crate::cli::logging::{self, Destination, Identity, Logger};

/// How long the last log lines may take.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Reasons logged with an exit code.
const INITIALISATION: &str = "Initialisation Error";
const CONFIGURATION: &str = "config_error: Configuration Error";

/// An invocation with what it needs to act.
pub(super) struct Session<'a> {
    invocation: Invocation,
    /// Name for the daemon in the process table.
    name: &'a OsStr,
    host: &'a Host<'a>,
    logger: Logger,
    instance: Instance,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

/// A configuration that was found and read.
struct Loaded {
    /// As it was found, for messages.
    path: PathBuf,
    reading: Reading,
}

impl<'a> Session<'a> {
    /// Fails when no log can be set up.
    pub(super) fn new(
        invocation: Invocation,
        name: &'a OsStr,
        host: &'a Host<'a>,
        out: &'a mut dyn Write,
        err: &'a mut dyn Write,
    ) -> Result<Self, Exit> {
        let identity = Identity {
            program: "ldirectord".to_owned(),
            instance: one_line(&invocation.instance),
            pid: std::process::id(),
        };
        let destination = if invocation.debug {
            Destination::Stderr
        } else {
            Destination::File(host.paths.log.clone())
        };
        let logger = Logger::new(identity, destination).map_err(|error| {
            let _ = writeln!(err, "ldirectord: cannot start the log: {error}");
            Exit::Failed
        })?;
        let instance = Instance::new(
            &host.paths.run,
            &host.paths.proc,
            &invocation.instance,
            vec![Pid::this()],
        );
        Ok(Self {
            invocation,
            name,
            host,
            logger,
            instance,
            out,
            err,
        })
    }

    /// Does what was asked for. Every exit code but 0 is logged.
    pub(super) fn perform(mut self) -> Exit {
        let exit = self.act();
        self.logger.flush(FLUSH_LIMIT);
        exit
    }

    fn act(&mut self) -> Exit {
        let loaded = match self.load(true) {
            Ok(loaded) => loaded,
            Err(exit) => return self.refuse(exit),
        };
        self.log(&format!("Invoking ldirectord invoked as: {}", self.words()));
        match self.invocation.action {
            Action::Start if self.is_running() => Exit::Done,
            Action::Start => self.start(&loaded),
            Action::Stop => self.stop(&loaded.path),
            Action::TryRestart if !self.is_running() => Exit::Done,
            Action::Restart | Action::TryRestart => match self.stop(&loaded.path) {
                Exit::Done => self.start(&loaded),
                failed => failed,
            },
            Action::Reload | Action::ForceReload => self.reload(&loaded.path),
            Action::Status => self.status(&loaded),
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.instance.state(), State::Running(_))
    }

    /// An unusable configuration stops every action but `stop`.
    fn refuse(&mut self, exit: Exit) -> Exit {
        if self.invocation.action == Action::Stop {
            let named = self.invocation.configuration.clone();
            if self.stop(&named) != Exit::Done {
                return Exit::Failed;
            }
        }
        let reason = match exit {
            Exit::Configuration => CONFIGURATION,
            _ => INITIALISATION,
        };
        self.leave(exit, reason)
    }

    /// Finds and reads the configuration and directs the log where it says. Warnings are
    /// for the one of the two processes of `start` that comes first.
    fn load(&mut self, warn: bool) -> Result<Loaded, Exit> {
        let named = &self.invocation.configuration;
        let Some(path) = find(&self.host.paths.configurations, named) else {
            let message = one_line(&format!("Config file {} not found", named.display()));
            self.complain(&message);
            self.log(&message);
            return Err(Exit::Failed);
        };
        let mut reading = (self.host.read)(&path);
        self.direct_log(&mut reading);
        for warning in reading.warnings.iter().filter(|_| warn) {
            self.tell(Severity::Warning, &path, warning);
        }
        if let Some(error) = &reading.error {
            self.tell(Severity::Error, &path, error);
            return Err(Exit::Configuration);
        }
        Ok(Loaded { path, reading })
    }

    /// `-d` goes before `supervised`, and that before `logfile`. A log file that cannot
    /// be written is an error of the configuration, unless another stands before it.
    fn direct_log(&mut self, reading: &mut Reading) {
        if self.invocation.debug {
            return;
        }
        if reading.supervised {
            self.logger.redirect(Destination::Stdout);
            return;
        }
        let Some((value, line)) = reading.logfile.clone() else {
            return;
        };
        let (destination, unknown) = Destination::of_logfile(&value);
        reading.warnings.extend(unknown.map(|unknown| Complaint {
            line: Some(line),
            text: unknown.to_string(),
        }));
        if let Destination::File(path) = &destination
            && logging::open_file(path).is_err()
        {
            let text = format!("unable to open logfile: {value}");
            let line = Some(line);
            reading.error = Some(Complaint { line, text });
            return;
        }
        self.logger.redirect(destination);
    }

    fn start(&mut self, loaded: &Loaded) -> Exit {
        if self.invocation.debug || loaded.reading.supervised {
            return self.run_in_foreground(&loaded.path);
        }
        let mut words = Vec::new();
        if self.invocation.named {
            words.push(self.invocation.configuration.clone().into_os_string());
        }
        words.push(OsString::from(Action::Start.word()));
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
        install(&self.logger, self.invocation.debug);
        match (self.host.daemon)(options, Box::new(|| ())) {
            Ok(()) => Exit::Done,
            Err(error) => {
                self.complain(&format!("ldirectord: {error:#}"));
                self.leave(Exit::Failed, INITIALISATION)
            }
        }
    }

    /// Ends the daemon, if there is one, and waits for its end.
    fn stop(&mut self, path: &Path) -> Exit {
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

    fn reload(&mut self, path: &Path) -> Exit {
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

    fn status(&mut self, loaded: &Loaded) -> Exit {
        let path = loaded.path.display();
        let state = self.instance.state();
        if let State::Running(pid) = state {
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

    fn options(&mut self, path: &Path, foreground: bool) -> Result<RunOptions, Exit> {
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

    /// The command line without options, each word followed by a blank.
    fn words(&self) -> String {
        let mut line = format!("{} ", self.name.to_string_lossy());
        for word in &self.invocation.words {
            line.push_str(&word.to_string_lossy());
            line.push(' ');
        }
        line
    }

    fn exiting(&self) -> String {
        format!("Exiting from ldirectord {}", self.invocation.action.word())
    }

    fn leave(&self, exit: Exit, reason: &str) -> Exit {
        self.log(&exit_line(exit, reason));
        exit
    }

    fn tell(&mut self, severity: Severity, path: &Path, complaint: &Complaint) {
        let message = complaint.render(severity, std::process::id(), path);
        self.complain(&message);
    }

    /// Log lines before it come out before it, should they go to the same terminal.
    fn complain(&mut self, message: &str) {
        self.logger.flush(FLUSH_LIMIT);
        let _ = writeln!(self.err, "{}", for_terminal(message));
    }

    fn log(&self, message: &str) {
        self.logger.say(Level::INFO, message);
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
    launcher.detach()?;
    // The kernel would name the process after the file; a missing name hurts nobody.
    let _ = nix::sys::prctl::set_name(c"ldirectord");
    let message = format!("Starting Linux Director {VERSION} as daemon");
    options.logger.say(Level::INFO, &message);
    install(&options.logger, false);
    (host.daemon)(options, launcher.ready())
}

/// Makes the log that of the whole process.
fn install(logger: &Logger, debug: bool) {
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

fn exit_line(exit: Exit, reason: &str) -> String {
    format!("Exiting with exit_status {}: {reason}", exit.code())
}

/// The first regular file of `/etc/ha.d/NAME`, `/etc/ha.d/conf/NAME` and `NAME`.
fn find(configurations: &Path, name: &Path) -> Option<PathBuf> {
    // An absolute name is appended too; joining would replace the directory.
    let below = |directory: &Path| {
        let mut path = directory.as_os_str().to_owned();
        path.push("/");
        path.push(name);
        PathBuf::from(path)
    };
    [
        below(configurations),
        below(&configurations.join("conf")),
        name.to_owned(),
    ]
    .into_iter()
    .find(|path| path.is_file())
}
