//! The event loop: feeds the [`Core`] with what happens and carries its actions out.

mod alerts;
mod end;
mod files;
mod names;
mod pair;
pub(crate) mod uplink;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::config::Config;
use crate::kernel;
use crate::kernel::worker::Handle as Kernel;
use crate::model::pair::Pair;
use crate::model::{Failure, Operation, ServiceKey, Table};

use super::commands::{Command as Program, Runner};
use super::core::{Action, Core, FallbackCommand, Refused};
use super::lane::{CheckEvent, CheckId, Lane, LastResult};
use super::load::{self, Loaded};
use super::maintenance::{self, Files, ReverseNames};
use super::notify::Notifier;
use super::status::Status;
use super::{Command, children};

/// How often files are looked at: the configuration for changes, the maintenance directory.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// A file that did not change for so long is finished.
const SETTLING: Duration = Duration::from_millis(250);
/// How often the kernel's table is compared with what it should hold, at the most.
const DRIFT_INTERVAL: Duration = Duration::from_secs(1);
/// A comparison may take one part in this many of the time between two.
const DRIFT_SHARE: u32 = 50;
/// How long an orderly end waits for the kernel to take the last changes.
const LAST_CHANGES: Duration = Duration::from_secs(4);
/// How long an orderly end waits for commands that the configuration asked for.
const COMMANDS_AT_END: Duration = Duration::from_secs(10);

/// What a director needs to run.
pub struct Options {
    /// The configuration as it was loaded, see [`load::load`].
    pub loaded: Loaded,
    /// The kernel.
    pub kernel: Kernel,
    /// Requests from the control socket.
    pub commands: mpsc::Receiver<Command>,
    /// Signals, caught since before anybody could know of this process.
    pub signals: Signals,
    /// Called with each configuration that is taken into force.
    pub on_config: Box<dyn FnMut(&Config) + Send>,
    /// Called once, when the kernel holds what it should.
    pub on_ready: Box<dyn FnOnce() + Send>,
    /// The pair that this director is a node of.
    pub pair: Option<Member>,
}

/// A node of a pair.
pub struct Member {
    /// The pair as configured.
    pub pair: Pair,
    /// Its thread.
    pub handle: super::pair::Handle,
    /// What the thread asks for.
    pub wishes: mpsc::UnboundedReceiver<super::pair::Wish>,
}

/// Why a director could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel's table could not be read.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// The thread that runs the checks has ended, which it never should.
    #[error("the checks have ended by themselves; the kernel's table stays as it is")]
    ChecksEnded,
    /// The thread of the pair has ended, which it never should.
    #[error("the pair's thread has ended by itself; the peer takes over")]
    PairEnded,
    /// The system refused a thread, a signal handler or the like.
    #[error("the system refused: {0}")]
    System(#[from] std::io::Error),
}

/// Runs a director until a signal ends it.
pub async fn run(options: Options) -> Result<(), StartError> {
    let mut director = Director::start(options).await?;
    director.serve().await?;
    director.end().await;
    Ok(())
}

/// Something that was going on elsewhere is done.
enum Event {
    Applied(
        Vec<Operation>,
        Result<Vec<Failure<kernel::Error>>, kernel::Error>,
    ),
    Observed(Vec<ServiceKey>, Result<Table, kernel::Error>),
    Drift {
        generation: u64,
        took: Duration,
        result: Result<BTreeSet<ServiceKey>, kernel::Error>,
    },
    Loaded(Result<Loaded, load::LoadError>),
    NewServices(Loaded, Result<Table, kernel::Error>),
    Maintenance(std::io::Result<Files>),
    Name(std::net::IpAddr, Option<String>),
    Names(load::Answers),
    Uplink(bool),
    FileChanged(load::Fingerprint),
}

struct Director {
    core: Core,
    kernel: Kernel,
    lane: Lane,
    rounds: BTreeMap<CheckId, Arc<LastResult>>,
    check_events: mpsc::UnboundedReceiver<CheckEvent>,
    events: mpsc::UnboundedReceiver<Event>,
    sender: mpsc::UnboundedSender<Event>,
    commands: mpsc::Receiver<Command>,
    runner: Runner,
    runner_task: tokio::task::JoinHandle<()>,
    signals: Signals,
    notifier: Notifier,
    on_config: Box<dyn FnMut(&Config) + Send>,
    on_ready: Option<Box<dyn FnOnce() + Send>>,
    file: ConfigFile,
    maintenance: Maintenance,
    names: names::Names,
    drift_due: Instant,
    housekeeping_due: Instant,
    started: Instant,
    kernel_error: Option<String>,
    /// The signal that ends the director.
    stopping: Option<&'static str>,
    /// When the end no longer waits for the kernel; set when the pair has given up.
    stop_limit: Option<Instant>,
    pair: Option<pair::Side>,
    alerts: alerts::Side,
}

/// The configuration file and what is being done about it.
struct ConfigFile {
    path: PathBuf,
    answers: Arc<load::Answers>,
    fingerprint: load::Fingerprint,
    /// The files as they were at the last look, when that showed a change.
    seen: Option<load::Fingerprint>,
    /// The files as they were when they were taken into force.
    in_force: load::Fingerprint,
    loading: bool,
    /// Asked for while one was under way.
    again: bool,
    waiting: Vec<oneshot::Sender<Result<(), String>>>,
    watching: bool,
    error: Option<String>,
}

#[derive(Default)]
struct Maintenance {
    files: Files,
    names: ReverseNames,
    reading: bool,
    looking_up: BTreeSet<std::net::IpAddr>,
    complained: bool,
}

/// The signals that end or reload a director. From their creation on they are caught; what
/// came before [`run`] is served by it.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Director {
    async fn start(options: Options) -> Result<Self, StartError> {
        let now = Instant::now();
        let config = Arc::new(options.loaded.config);
        let observed = options.kernel.dump().await?;
        let managed: BTreeSet<ServiceKey> = config.services.iter().map(|s| s.key).collect();
        let table: Table = observed
            .iter()
            .filter(|(key, _)| managed.contains(key))
            .map(|(key, service)| (*key, service.to_entry()))
            .collect();
        let (check_sender, check_events) = mpsc::unbounded_channel();
        let lane = Lane::start(tokio::runtime::Handle::current(), check_sender)?;
        let (sender, events) = mpsc::unbounded_channel();
        let (runner, runner_task) = Runner::start();
        let mut director = Self {
            core: Core::new(Arc::clone(&config), table, now),
            kernel: options.kernel,
            lane,
            rounds: BTreeMap::new(),
            check_events,
            events,
            sender,
            commands: options.commands,
            runner,
            runner_task,
            signals: options.signals,
            notifier: Notifier::new(std::env::var("NOTIFY_SOCKET").ok().as_deref()),
            on_config: options.on_config,
            on_ready: Some(options.on_ready),
            file: ConfigFile {
                path: options.loaded.path,
                answers: options.loaded.answers,
                in_force: options.loaded.fingerprint.clone(),
                fingerprint: options.loaded.fingerprint,
                seen: None,
                loading: false,
                again: false,
                waiting: Vec::new(),
                watching: false,
                error: None,
            },
            maintenance: Maintenance::default(),
            names: names::Names::default(),
            drift_due: now + DRIFT_INTERVAL,
            housekeeping_due: now,
            started: now,
            kernel_error: None,
            stopping: None,
            stop_limit: None,
            pair: options.pair.map(|member| pair::Side::new(&config, member)),
            alerts: alerts::Side::start(&config)?,
        };
        director.names.take(&options.loaded.unresolved, now);
        director.watch_checks();
        director.keep_standby();
        (director.on_config)(&config);
        if let Some(directory) = &config.globals.maintenance_directory {
            // Servers in maintenance must not enter service for even one check.
            let files = Files::read(directory.path.as_ref());
            director.take_maintenance(files, now);
        }
        Ok(director)
    }

    async fn serve(&mut self) -> Result<(), StartError> {
        loop {
            let now = Instant::now();
            if self.stopping.is_some() && self.stop_limit.is_none() && !self.is_releasing(now) {
                self.leave();
            }
            self.perform(now);
            self.serve_alerts(now);
            self.serve_pair(now);
            if self.core.is_settled() {
                self.tell_ready();
                if self.stop_limit.is_some() {
                    return Ok(());
                }
            }
            if self.stop_limit.is_some_and(|limit| limit <= now) {
                tracing::error!("the kernel did not take the last changes in time");
                return Ok(());
            }
            let wake = self.next_wake();
            tokio::select! {
                event = self.check_events.recv() => match event {
                    Some(event) => self.take_check_events(event),
                    // Better a restart, which adopts the table, than a director that
                    // looks after nobody.
                    None => return Err(StartError::ChecksEnded),
                },
                Some(event) = self.events.recv() => self.take_event(event),
                Some(command) = self.commands.recv() => self.take_command(command),
                wish = Self::next_wish(&mut self.pair) => self.take_wish(wish)?,
                () = tokio::time::sleep_until(wake.into()) => self.take_time(),
                ending = self.signals.next(), if self.stopping.is_none() => if let Some(name) = ending { self.stop(name) } else {
                    tracing::info!("Reloading Linux Director Daemon config on signal");
                    self.reload(None);
                },
            }
        }
    }

    fn next_wake(&self) -> Instant {
        let own = self.drift_due.min(self.housekeeping_due);
        let own = self.stop_limit.map_or(own, |limit| own.min(limit));
        let own = self.pair_due().map_or(own, |due| own.min(due));
        let own = self.alerts.due().map_or(own, |due| own.min(due));
        self.core.poll_timeout().map_or(own, |core| own.min(core))
    }

    fn perform(&mut self, now: Instant) {
        while let Some(action) = self.core.poll_action(now) {
            match action {
                Action::StartCheck(id, check) => {
                    let rounds = self.lane.add(id, check, self.alerts.reports(id));
                    self.rounds.insert(id, rounds);
                }
                Action::Watch(id, watch) => self.lane.watch(id, watch),
                Action::StopCheck(id) => {
                    self.rounds.remove(&id);
                    self.lane.remove(id);
                }
                Action::Apply(operations) => self.apply(operations),
                Action::Reread(keys) => self.reread(keys),
                Action::Fallback(command) => self.run_fallback_command(&command),
                Action::Notice(notice) => notice.log(),
                Action::Alert(occurrence) => self.alerts.take(occurrence, now),
                Action::AskUplink(targets) => self.ask_uplink(targets),
                Action::Gone(service) => self.alerts.forget(&service),
            }
        }
    }

    fn apply(&self, operations: Vec<Operation>) {
        let (kernel, sender) = (self.kernel.clone(), self.sender.clone());
        tokio::spawn(async move {
            let (operations, result) = kernel.apply(operations).await;
            // The director may have ended meanwhile.
            let _ = sender.send(Event::Applied(operations, result));
        });
    }

    fn reread(&self, keys: Vec<ServiceKey>) {
        let (kernel, sender) = (self.kernel.clone(), self.sender.clone());
        tokio::spawn(async move {
            let result = read_services(&kernel, keys.clone()).await;
            let _ = sender.send(Event::Observed(keys, result));
        });
    }

    fn run_fallback_command(&self, command: &FallbackCommand) {
        let (service, protocol) = match command.service {
            key @ ServiceKey::Address { protocol, .. } => (key.short(), protocol.name()),
            ServiceKey::Mark { mark, .. } => (format!("{mark}:0"), "fwm"),
        };
        let word = if command.start { "start" } else { "stop" };
        let arguments = [word.to_owned(), service, protocol.to_owned()];
        if let Some(program) = Program::of_words(&command.words, arguments) {
            self.runner.run(command.service.to_string(), program);
        } else {
            tracing::error!("the fallback command is empty");
        }
    }

    fn tell_ready(&mut self) {
        if let Some(ready) = self.on_ready.take() {
            ready();
            self.notifier.send("READY=1");
            for child in &self.core.config().globals.execute {
                self.runner
                    .run(children::CONCERN, children::start(&child.path));
            }
        }
    }

    /// Takes all outcomes that are there, so that a burst becomes one plan.
    fn take_check_events(&mut self, first: CheckEvent) {
        let mut next = Some(first);
        while let Some(event) = next {
            self.core.handle_result(event.id, &event.report, event.at);
            self.alerts.note_result(&self.core, event.id, &event.report);
            next = self.check_events.try_recv().ok();
        }
    }

    fn take_event(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Applied(operations, result) => {
                self.note_kernel(result.as_ref().err());
                let result = match result {
                    Ok(failures) => Ok(failures.iter().map(refused_operation).collect()),
                    Err(error) => Err(refused(&error)),
                };
                self.core.handle_applied(&operations, result, now);
            }
            Event::Observed(keys, Ok(mut table)) => {
                self.note_kernel(None);
                let readings = keys.into_iter().map(|key| (key, table.remove(&key)));
                self.core.handle_observed(readings.collect());
            }
            Event::Observed(keys, Err(error)) => {
                self.note_kernel(Some(&error));
                self.core.handle_unreadable(&keys, &refused(&error), now);
            }
            Event::Drift {
                generation,
                took,
                result,
            } => {
                self.drift_due = now + DRIFT_INTERVAL.max(took * DRIFT_SHARE);
                self.note_kernel(result.as_ref().err());
                if let Ok(keys) = result {
                    self.core.handle_drift(keys, generation);
                }
            }
            Event::Loaded(result) => self.take_loaded(result),
            Event::NewServices(loaded, result) => self.take_new_services(loaded, result, now),
            Event::Maintenance(files) => {
                self.maintenance.reading = false;
                self.take_maintenance(files, now);
            }
            Event::Name(address, name) => {
                self.maintenance.looking_up.remove(&address);
                self.maintenance.names.insert(address, name);
                self.apply_maintenance(now);
            }
            Event::Uplink(is_alive) => self.core.handle_uplink(is_alive, now),
            Event::Names(found) => self.take_names(&found, now),
            Event::FileChanged(fingerprint) => self.take_file_change(fingerprint),
        }
    }

    fn take_command(&mut self, command: Command) {
        match command {
            Command::Status(reply) => self.answer_status(reply),
            Command::Pair(command, reply) => self.pass_command(command, reply),
            Command::PairStatus(reply) => self.answer_pair_status(reply),
            Command::Sync(reply) => self.answer_sync(reply),
            Command::Reload(reply) => self.reload(Some(reply)),
        }
    }

    fn take_time(&mut self) {
        let now = Instant::now();
        self.core.handle_timeout(now);
        if self.drift_due <= now {
            // Set anew when the answer is there.
            self.drift_due = now + Duration::from_secs(3600);
            self.check_drift(now);
        }
        if self.housekeeping_due <= now {
            self.housekeeping_due = now + HOUSEKEEPING;
            self.keep_house();
        }
    }

    fn check_drift(&mut self, now: Instant) {
        let generation = self.core.generation();
        let Some(table) = self
            .core
            .believed_table()
            .filter(|_| self.stopping.is_none())
        else {
            self.drift_due = now + DRIFT_INTERVAL;
            return;
        };
        let (kernel, sender, table) = (self.kernel.clone(), self.sender.clone(), Arc::clone(table));
        tokio::spawn(async move {
            let result = kernel.drift(table).await;
            let took = now.elapsed();
            let _ = sender.send(Event::Drift {
                generation,
                took,
                result,
            });
        });
    }

    fn note_kernel(&mut self, error: Option<&kernel::Error>) {
        let text = error.map(ToString::to_string);
        if self.kernel_error == text {
            return;
        }
        if let Some(error) = &text {
            tracing::error!(%error, "the kernel cannot be reached");
        } else {
            tracing::info!("the kernel can be reached again");
        }
        self.kernel_error = text;
    }

    fn status(&self, now: Instant) -> Status {
        let last_round = |id: CheckId| {
            let rounds = self.rounds.get(&id);
            rounds.map(|cell| cell.read()).unwrap_or_default()
        };
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            config: self.file.path.display().to_string(),
            files: self
                .file
                .fingerprint
                .files()
                .map(|path| path.display().to_string())
                .collect(),
            uptime_seconds: now.saturating_duration_since(self.started).as_secs_f64(),
            reload_error: self.file.error.clone(),
            kernel_error: self.kernel_error.clone(),
            uplink: self.core.uplink_status(now),
            names: self.names.status(&self.file.answers, now),
            alerts: self.alerts.status(now),
            services: self.core.service_statuses(now, &last_round),
            pair: None,
        }
    }
}

async fn read_services(kernel: &Kernel, keys: Vec<ServiceKey>) -> Result<Table, kernel::Error> {
    let observed = kernel.dump_services(keys).await?;
    Ok(observed
        .into_iter()
        .filter_map(|(key, service)| Some((key, service?.to_entry())))
        .collect())
}

fn refused(error: &kernel::Error) -> Refused {
    let text = match error.help() {
        Some(help) => format!("{error}; {help}"),
        None => error.to_string(),
    };
    Refused {
        text,
        stale: matches!(
            error.class(),
            kernel::Class::Exists | kernel::Class::AbsentService | kernel::Class::AbsentDestination
        ),
    }
}

fn refused_operation(failure: &Failure<kernel::Error>) -> Failure<Refused> {
    Failure {
        index: failure.index,
        error: refused(&failure.error),
    }
}

impl Signals {
    /// Catches them. To be called within a runtime.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    /// The name of a signal that ends the director, or `None` for one that reloads it.
    async fn next(&mut self) -> Option<&'static str> {
        tokio::select! {
            _ = self.hangup.recv() => None,
            _ = self.terminate.recv() => Some("TERM"),
            _ = self.interrupt.recv() => Some("INT"),
            _ = self.quit.recv() => Some("QUIT"),
        }
    }
}
