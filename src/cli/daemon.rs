//! Starting the director in this process: limits, kernel, control socket, log, runtime.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::mpsc;

use super::logging::{Destination, Logger};
use crate::check::confine;
use crate::config::directord::Control;
use crate::config::{Config, LogTarget};
use crate::control::Server;
use crate::director::guard::OWN_PROGRAM;
use crate::director::load::Loaded;
use crate::director::pair::{self, Plan};
use crate::director::preflight::{self, Needs};
use crate::director::{self, Member, Options, Signals};
use crate::kernel::ipvs::Client;
use crate::kernel::worker;

/// Where a node of a pair keeps what it must not forget, unless told otherwise.
pub(super) const DEFAULT_STATE: &str = "/var/lib/directord";
/// Requests from the control socket that may wait for the director.
const COMMAND_QUEUE: usize = 64;

/// What a director is started with.
pub(super) struct Daemon {
    /// Loads the configuration.
    pub(super) load: Box<dyn FnOnce() -> anyhow::Result<Loaded>>,
    /// The control socket that was asked for, before that of the configuration.
    pub(super) socket: Option<PathBuf>,
    /// The control socket when nobody says which.
    pub(super) default_socket: PathBuf,
    /// Where a node of a pair keeps what it must not forget.
    pub(super) state: PathBuf,
    /// The log.
    pub(super) logger: Logger,
    /// What decides where the log goes.
    pub(super) log: LogChoice,
}

/// What decides where the log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LogChoice {
    /// Where it goes now, whatever the configuration says.
    Fixed,
    /// The configuration's `logfile`, or its default.
    Configured,
    /// The configuration's `logfile` if it has one, else where it goes now.
    ConfiguredIfWritten,
}

/// Runs a director until a signal ends it; `ready` is called when the kernel holds what it
/// should.
pub(super) fn run(daemon: Daemon, ready: Box<dyn FnOnce() + Send>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("the runtime")?;
    // First of all: reading names may take a while, and a reload or an end that is asked for
    // meanwhile must not be the abrupt one that signals are by default.
    let signals = runtime
        .block_on(async { Signals::new() })
        .context("signals")?;
    raise_descriptor_limit();
    let client = Client::open().map_err(|error| with_help(&error))?;
    let kernel = worker::Handle::start(Box::new(client)).context("the kernel thread")?;
    let Daemon {
        load,
        socket,
        default_socket,
        state,
        logger,
        log,
    } = daemon;
    let loaded = load()?;
    loaded.log_warnings();
    let control = loaded.document.as_ref().map(|document| &document.control);
    let Control {
        socket: configured,
        group,
    } = control.cloned().unwrap_or_default();
    let socket = socket.or(configured).unwrap_or(default_socket);
    let plan = Plan::of(&loaded)?;
    let redirect = logger.clone();
    let on_config = Box::new(move |config: &Config| choose_log(&redirect, log, config));
    let config = loaded.config.clone();
    let configured_pair = plan.as_ref().map(|plan| plan.pair.clone());
    let on_ready = Box::new(move || {
        ready();
        // After the start, so as not to hold it up.
        tokio::spawn(async move {
            let needs = Needs::of(&config).without_addresses_of(configured_pair.as_ref());
            drop(config);
            for finding in preflight::look(&needs).await {
                tracing::warn!("{finding}");
            }
        });
    });
    let result = runtime.block_on(async {
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let _server = Server::start(&socket, group.as_deref(), sender).await?;
        // Not for a second director; and before there are other processes.
        confine_programs();
        // Not before: the guard of a second director would take the addresses of the one
        // that serves for left-overs.
        let pair = plan.map(|plan| member(plan, &state)).transpose()?;
        let options = Options {
            loaded,
            kernel,
            commands,
            signals,
            on_config,
            on_ready,
            pair,
        };
        director::run(options).await.map_err(|error| match &error {
            director::StartError::Kernel(kernel) => with_help(kernel),
            director::StartError::System(_)
            | director::StartError::ChecksEnded
            | director::StartError::PairEnded => anyhow::Error::new(error),
        })
    });
    runtime.shutdown_background();
    confine::end();
    result
}

/// Whatever checks and hooks run from here on is confined.
fn confine_programs() {
    if let Err(why) = confine::prepare(Path::new(OWN_PROGRAM)) {
        tracing::info!("programs are confined by resource limits, not by control groups: {why}");
    }
}

/// Starts the thread of the pair. To be called within the runtime.
fn member(plan: Plan, state: &Path) -> anyhow::Result<Member> {
    let pair = plan.pair.clone();
    // A connection of its own: a large table in the making holds up no sync daemon.
    let client = Client::open().map_err(|error| with_help(&error))?;
    let kernel = worker::Handle::start(Box::new(client)).context("the kernel thread")?;
    let runtime = tokio::runtime::Handle::current();
    let (handle, wishes) =
        pair::start(plan, kernel, &state.join("epochs"), runtime).context("the pair's thread")?;
    Ok(Member {
        pair,
        handle,
        wishes,
    })
}

/// The error with the command that mends it, if there is one.
pub(super) fn with_help(error: &crate::kernel::Error) -> anyhow::Error {
    match error.help() {
        Some(help) => anyhow::anyhow!("{error}\n{help}"),
        None => anyhow::anyhow!("{error}"),
    }
}

fn choose_log(logger: &Logger, choice: LogChoice, config: &Config) {
    let log = &config.globals.log;
    let is_written = log.line.0 > 0;
    let follow = match choice {
        LogChoice::Fixed => false,
        LogChoice::Configured => true,
        LogChoice::ConfiguredIfWritten => is_written,
    };
    if !follow {
        return;
    }
    let value = match &log.target {
        LogTarget::File(path) => path.as_str(),
        LogTarget::Syslog(facility) => facility,
    };
    let (destination, unknown) = Destination::of_logfile(value);
    if choice == LogChoice::ConfiguredIfWritten
        && std::io::stderr().is_terminal()
        && logger.destination() != destination
    {
        tracing::info!(
            "the log goes to {value:?} as logfile= says; use --log-stderr to see it here"
        );
    }
    logger.redirect(destination);
    if let Some(unknown) = unknown {
        tracing::warn!("{unknown}");
    }
}

/// Each check needs a descriptor while it runs; the soft limit of 1024 is for programs that
/// use `select`.
fn raise_descriptor_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!(%error, "the descriptor limit could not be raised");
    }
}
