//! The subcommands of `directord`.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, bail};
use tracing::level_filters::LevelFilter;

use super::args::{self, Command, ShowFormat};
use super::daemon::{self, Daemon, LogChoice};
use super::exit::Exit;
use super::logging::{Destination, Identity, Logger};
use super::{check, completions, failover, list, plan, realserver, status};
use crate::config::{self, Diagnostic, Severity, directord, ldirectord, print, show};
use crate::control::{Client, ClientError, DEFAULT_SOCKET};
use crate::director::core::{Action, Core};
use crate::director::load::{self, LoadError, LoadErrorCause, Loaded};
use crate::director::maintenance::{self, Files, ReverseNames};
use crate::director::pair::Plan;
use crate::director::preflight::{self, Needs};
use crate::director::uplink;
use crate::kernel::{self, Ipvs as _};
use crate::model::{Operation, Outcome, Table};

/// Runs a subcommand.
pub(super) fn run(command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(options) => run_director(&options),
        Command::List(options) => list::run(&options),
        Command::Status(options) => status_of(&options),
        Command::Config(args::Config::Check {
            file,
            node,
            json,
            strict_ldirectord,
        }) => config_check(&file, node.as_deref(), json, strict_ldirectord),
        Command::Config(args::Config::Show {
            file,
            node,
            format,
            json,
        }) => {
            let format = if json { ShowFormat::Json } else { format };
            config_show(&file, node.as_deref(), format)
        }
        Command::Config(args::Config::Schema) => {
            print_out(&directord::schema())?;
            Ok(Exit::Success)
        }
        Command::Config(args::Config::Convert { file }) => config_convert(&file),
        Command::Plan(options) => plan_of(&options),
        Command::Check(options) => check_once(&options),
        Command::Realserver(command) => realserver::run(command),
        Command::Failover(command) => failover::run(&command),
        Command::Reload(socket) => reload(&socket.socket),
        Command::Completions { shell } => {
            print_out(&completions::script(shell)?)?;
            Ok(Exit::Success)
        }
        Command::Guard => {
            crate::director::guard::run().context("guard")?;
            Ok(Exit::Success)
        }
        Command::Ldirectord { .. }
        | Command::Ipvsadm { .. }
        | Command::ClStatus { .. }
        | Command::SyncDaemonSwap { .. } => {
            unreachable!("the personalities have mains of their own")
        }
    }
}

/// Prints a line to standard error.
#[expect(clippy::print_stderr, reason = "this is where the program complains")]
pub(super) fn complain(text: &str) {
    eprintln!("{text}");
}

pub(super) fn print_out(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Finds a configuration as ldirectord does, but as given first.
fn find(config: &Path) -> PathBuf {
    let places = [
        config.to_owned(),
        Path::new("/etc/ha.d").join(config),
        Path::new("/etc/ha.d/conf").join(config),
    ];
    let found = places.iter().find(|place| place.is_file());
    found.unwrap_or(&places[0]).clone()
}

/// As the director would, which serves the rest when a name has no address, and says so.
fn load_or_complain(file: &Path) -> Result<Loaded, Exit> {
    let loaded = load::load_as(&find(file), None, None).map_err(|error| refuse(&error))?;
    if !loaded.warnings.is_empty() {
        let styled = std::io::stderr().is_terminal();
        complain(config::render(&loaded.warnings, styled).trim_end());
    }
    Ok(loaded)
}

/// For who writes down what a file means: nothing of it may be missing.
fn prove_or_complain(file: &Path, node: Option<&str>) -> Result<Loaded, Exit> {
    load::prove(&find(file), node).map_err(|error| refuse(&error))
}

fn refuse(error: &LoadError) -> Exit {
    complain(rendered(error).trim_end());
    Exit::Failure
}

fn rendered(error: &LoadError) -> String {
    match &error.cause {
        LoadErrorCause::Unreadable(_) => format!("directord: {error}"),
        LoadErrorCause::Rejected(rejected) => {
            config::render(&rejected.0, std::io::stderr().is_terminal())
        }
    }
}

pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime")
}

fn run_director(options: &args::Run) -> anyhow::Result<Exit> {
    let node = options.node.as_deref();
    let loaded = load::load_as(&find(&options.config), None, node);
    let loaded = match loaded.map_err(|error| refuse(&error)) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let level = if options.debug {
        LevelFilter::DEBUG
    } else {
        LevelFilter::INFO
    };
    let identity = Identity {
        program: "directord".to_owned(),
        instance: instance_of(&loaded.path),
        pid: std::process::id(),
    };
    let logger = Logger::new(identity, Destination::of_foreground())?;
    logger.install(level)?;
    let log = if options.log_stderr || options.debug {
        LogChoice::Fixed
    } else {
        LogChoice::ConfiguredIfWritten
    };
    let daemon = Daemon {
        load: Box::new(|| Ok(loaded)),
        socket: options.socket.clone(),
        default_socket: PathBuf::from(DEFAULT_SOCKET),
        state: options.state.clone(),
        logger: logger.clone(),
        log,
    };
    let result = daemon::run(daemon, Box::new(|| tracing::debug!("ready")));
    logger.flush(std::time::Duration::from_secs(1));
    result.map(|()| Exit::Success)
}

/// Last part of a path: how log files name the instance.
fn instance_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn open_kernel() -> anyhow::Result<kernel::ipvs::Client> {
    kernel::ipvs::Client::open().map_err(|error| daemon::with_help(&error))
}

fn status_of(options: &args::Status) -> anyhow::Result<Exit> {
    let client = Client::new(&options.socket.socket);
    let state = match runtime()?.block_on(client.status()) {
        Ok(state) => state,
        Err(error) => return not_answered(error),
    };
    let (verdict, why) = status::verdict(&state);
    if options.json {
        print_out(&format!("{}\n", serde_json::to_string_pretty(&state)?))?;
    } else if options.check {
        print_out(&format!("{}: {why}\n", verdict.word()))?;
    } else {
        print_out(&status::text(&state))?;
    }
    if options.check {
        return Ok(Exit::Verdict(verdict.code()));
    }
    Ok(Exit::Success)
}

pub(super) fn not_answered(error: ClientError) -> anyhow::Result<Exit> {
    match error {
        ClientError::NotRunning { .. } => {
            complain(&format!("directord: {error}"));
            Ok(Exit::NotRunning)
        }
        error @ (ClientError::Forbidden { .. }
        | ClientError::Protocol(_)
        | ClientError::Refused(_)) => Err(error.into()),
    }
}

fn reload(socket: &Path) -> anyhow::Result<Exit> {
    match runtime()?.block_on(Client::new(socket).reload()) {
        Ok(()) => Ok(Exit::Success),
        Err(error) => not_answered(error),
    }
}

fn config_check(file: &Path, node: Option<&str>, json: bool, strict: bool) -> anyhow::Result<Exit> {
    let (mut diagnostics, mut failed) = match load::prove(&find(file), node) {
        Ok(mut loaded) => {
            loaded.warnings.extend(unfit_keys(&loaded));
            (loaded.warnings, false)
        }
        Err(LoadError {
            cause: LoadErrorCause::Rejected(rejected),
            ..
        }) => (rejected.0, true),
        Err(error) => return Err(error.into()),
    };
    if strict {
        let path = find(file);
        let text = std::fs::read(&path).with_context(|| path.display().to_string())?;
        if directord::is_directord_yaml(&path, &text) {
            bail!("--strict-ldirectord is for an ldirectord.cf, and this is a directord.yaml");
        }
        let parsed = ldirectord::parse(&text, &path.display().to_string());
        failed |= !parsed.beyond().is_empty();
        diagnostics.extend_from_slice(parsed.beyond());
    }
    if json {
        print_out(&format!(
            "{}\n",
            serde_json::to_string_pretty(&config::by_line(&diagnostics))?
        ))?;
    } else {
        print_out(&config::render(
            &diagnostics,
            std::io::stdout().is_terminal(),
        ))?;
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error);
        let errors = errors.count();
        let warnings = diagnostics.len() - errors;
        let many = |count: usize, noun: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {noun}{plural}")
        };
        print_out(&format!(
            "{}: {}, {}\n",
            file.display(),
            many(errors, "error"),
            many(warnings, "warning"),
        ))?;
    }
    Ok(if failed { Exit::Failure } else { Exit::Success })
}

/// What this host has at `key_file:` and the director would not start with. The file may be
/// missing: a configuration is looked at elsewhere, too.
fn unfit_keys(loaded: &Loaded) -> Option<Diagnostic> {
    let pair = loaded.document.as_ref()?.pair.as_ref()?;
    if !pair.key_file.exists() {
        return None;
    }
    let error = Plan::of(loaded).err()?;
    let path = loaded.path.display().to_string();
    let message = format!("the director does not start with these keys: {error}");
    Some(Diagnostic::at_line(Severity::Warning, path, 0, message))
}

fn config_show(file: &Path, node: Option<&str>, format: ShowFormat) -> anyhow::Result<Exit> {
    let loaded = match prove_or_complain(file, node) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    print_out(&match (format, &loaded.document) {
        (ShowFormat::Yaml, None) => show::to_yaml(&loaded.config),
        (ShowFormat::Json, None) => show::to_json(&loaded.config),
        (ShowFormat::Yaml, Some(document)) => document.to_yaml(&loaded.config),
        (ShowFormat::Json, Some(document)) => document.to_json(&loaded.config),
    })?;
    Ok(Exit::Success)
}

fn config_convert(file: &Path) -> anyhow::Result<Exit> {
    match prove_or_complain(file, None) {
        Ok(loaded) => {
            let mut services = loaded.config.services.iter();
            if let Some(service) = services.find(|service| service.rule.is_some()) {
                anyhow::bail!(
                    "an ldirectord.cf has no words for the rule that checks {}",
                    service.key
                );
            }
            print_out(&print::to_ldirectord_cf(&loaded.config))?;
            Ok(Exit::Success)
        }
        Err(exit) => Ok(exit),
    }
}

fn check_once(options: &args::Check) -> anyhow::Result<Exit> {
    let loaded = match load_or_complain(&options.file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let lines = runtime()?.block_on(check::round(&loaded, &options.servers));
    anyhow::ensure!(
        !lines.is_empty() || options.servers.is_empty(),
        "no real server of {} is called {}",
        options.file.display(),
        options.servers.join(" or ")
    );
    if options.json {
        let values: Vec<_> = lines.iter().map(check::Line::json).collect();
        print_out(&format!("{}\n", serde_json::to_string_pretty(&values)?))?;
    } else {
        for line in &lines {
            print_out(&line.text())?;
        }
    }
    let all_up = lines.iter().all(check::Line::is_up);
    Ok(if all_up { Exit::Success } else { Exit::Failure })
}

fn plan_of(options: &args::Plan) -> anyhow::Result<Exit> {
    let loaded = match load_or_complain(&options.file) {
        Ok(loaded) => loaded,
        Err(exit) => return Ok(exit),
    };
    let observed = open_kernel()?.dump()?;
    let pair = loaded.document.as_ref().and_then(|d| d.pair.as_ref());
    let needs = Needs::of(&loaded.config).without_addresses_of(pair);
    let config = Arc::new(loaded.config);
    for finding in runtime()?.block_on(preflight::look(&needs)) {
        complain(&format!("directord: warning: {finding}"));
    }
    let before: Table = config
        .services
        .iter()
        .filter_map(|service| Some((service.key, observed.get(&service.key)?.to_entry())))
        .collect();
    let now = Instant::now();
    let mut core = Core::new(config, before.clone(), now);
    let checks = core.running_checks();
    let outcomes = if options.assume_up {
        checks
            .into_iter()
            .map(|(id, _)| (id, Outcome::Up))
            .collect()
    } else {
        runtime()?.block_on(check::outcomes(checks))
    };
    if let Some(directory) = core.config().globals.maintenance_directory.clone() {
        // One that cannot be read takes nobody out.
        if let Ok(files) = Files::read(directory.path.as_ref()) {
            let names = if files.has_names() {
                ReverseNames::of(core.config())
            } else {
                ReverseNames::default()
            };
            maintenance::apply(&mut core, &files, &names, now);
        }
    }
    for (id, outcome) in outcomes {
        core.handle_outcome(id, &outcome, "", now);
    }
    let operations = first_plan(&mut core, now)?;
    if options.json {
        print_out(&format!(
            "{}\n",
            serde_json::to_string_pretty(&plan::json(&operations))?
        ))?;
    } else {
        print_out(&plan::text(&operations, &before))?;
    }
    Ok(if operations.is_empty() {
        Exit::Success
    } else {
        Exit::Difference
    })
}

/// What the director would do first, with the outcomes it has.
fn first_plan(core: &mut Core, now: Instant) -> anyhow::Result<Vec<Operation>> {
    while let Some(action) = core.poll_action(now) {
        match action {
            Action::Apply(operations) => return Ok(operations),
            Action::AskUplink(targets) => {
                let is_alive = runtime()?.block_on(uplink::is_alive(targets));
                core.handle_uplink(is_alive, now);
            }
            _ => {}
        }
    }
    Ok(Vec::new())
}
