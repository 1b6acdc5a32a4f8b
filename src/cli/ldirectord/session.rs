//! One action on one instance.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Pid;
use tracing::Level;

use super::arguments::{Action, Invocation};
use super::complaint::{for_terminal, one_line};
use super::instance::{Instance, State};
use super::{Complaint, Host, Reading, Severity};
use crate::cli::exit::LdirectordExit as Exit;
use crate::cli::logging::{self, Destination, Identity, Logger};

/// How long the last log lines may take.
pub(super) const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Reasons logged with an exit code.
pub(super) const INITIALISATION: &str = "Initialisation Error";
const CONFIGURATION: &str = "config_error: Configuration Error";

/// An invocation with what it needs to act.
pub(super) struct Session<'a> {
    pub(super) invocation: Invocation,
    /// Name for the daemon in the process table.
    pub(super) name: &'a OsStr,
    pub(super) host: &'a Host<'a>,
    pub(super) logger: Logger,
    pub(super) instance: Instance,
    pub(super) out: &'a mut dyn Write,
    pub(super) err: &'a mut dyn Write,
}

/// A configuration that was found and read.
pub(super) struct Loaded {
    /// As it was found, for messages.
    pub(super) path: PathBuf,
    pub(super) reading: Reading,
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
    pub(super) fn refuse(&mut self, exit: Exit) -> Exit {
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
    pub(super) fn load(&mut self, warn: bool) -> Result<Loaded, Exit> {
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

    /// The command line without options, each word followed by a blank.
    fn words(&self) -> String {
        let mut line = format!("{} ", self.name.to_string_lossy());
        for word in &self.invocation.words {
            line.push_str(&word.to_string_lossy());
            line.push(' ');
        }
        line
    }

    pub(super) fn exiting(&self) -> String {
        format!("Exiting from ldirectord {}", self.invocation.action.word())
    }

    pub(super) fn leave(&self, exit: Exit, reason: &str) -> Exit {
        self.log(&exit_line(exit, reason));
        exit
    }

    fn tell(&mut self, severity: Severity, path: &Path, complaint: &Complaint) {
        let message = complaint.render(severity, std::process::id(), path);
        self.complain(&message);
    }

    /// Log lines before it come out before it, should they go to the same terminal.
    pub(super) fn complain(&mut self, message: &str) {
        self.logger.flush(FLUSH_LIMIT);
        let _ = writeln!(self.err, "{}", for_terminal(message));
    }

    pub(super) fn log(&self, message: &str) {
        self.logger.say(Level::INFO, message);
    }
}

pub(super) fn exit_line(exit: Exit, reason: &str) -> String {
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
