//! Reading a configuration file: bytes, names, files that it mentions.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::{
    Accepted, Answer, Config, Diagnostic, LogTarget, Name, Rejected, Severity, ldirectord,
};

use super::resolve;

/// Longest configuration file read, in bytes.
const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// Answers to the names of a configuration, kept so that a later name server failure does
/// not turn a working name into an error.
pub type Answers = BTreeMap<Name, Answer>;

/// A configuration that can be taken into force.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Path of the file, absolute.
    pub path: PathBuf,
    /// The configuration.
    pub config: Config,
    /// What is doubtful in it.
    pub warnings: Vec<Diagnostic>,
    /// What its names stand for.
    pub answers: Arc<Answers>,
    /// State of the file when it was read.
    pub fingerprint: Fingerprint,
}

impl Loaded {
    /// Logs the warnings as ldirectord wrote them.
    pub fn log_warnings(&self) {
        for warning in &self.warnings {
            tracing::warn!("{}", warning.classic(std::process::id()));
        }
    }
}

/// Why a configuration cannot be taken into force.
#[derive(Debug, Clone)]
pub struct LoadError {
    /// Path of the file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: LoadErrorCause,
    /// State of the file, if it could be read.
    pub fingerprint: Option<Fingerprint>,
}

/// What is wrong with a configuration.
#[derive(Debug, Clone)]
pub enum LoadErrorCause {
    /// It cannot be read.
    Unreadable(String),
    /// It has mistakes.
    Rejected(Rejected),
}

impl LoadError {
    /// One line for each mistake, as ldirectord wrote them.
    pub fn lines(&self) -> Vec<String> {
        match &self.cause {
            LoadErrorCause::Unreadable(_) => vec![self.to_string()],
            LoadErrorCause::Rejected(rejected) => {
                let errors = rejected.0.iter().filter(|d| d.severity == Severity::Error);
                errors.map(|d| d.classic(std::process::id())).collect()
            }
        }
    }
}

/// The first mistake on one line.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            LoadErrorCause::Unreadable(error) => {
                write!(f, "can not open file {}: {error}", self.path.display())
            }
            LoadErrorCause::Rejected(rejected) => match rejected.first_error() {
                Some(error) => error.fmt(f),
                None => write!(f, "{}: refused", self.path.display()),
            },
        }
    }
}

impl std::error::Error for LoadError {}

/// What tells a changed file from an unchanged one: its time, and its content when the time
/// differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    modified: Option<SystemTime>,
    content: u64,
}

impl Fingerprint {
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self {
            modified: modified(path),
            content: hasher.finish(),
        }
    }

    /// The fingerprint now; the content is only read when the time changed. A file that
    /// cannot be read counts as unchanged.
    #[must_use]
    pub fn renewed(self, path: &Path) -> Self {
        let now = modified(path);
        if now.is_none() || now == self.modified {
            return self;
        }
        read(path).map_or(self, |bytes| Self::of(path, &bytes))
    }

    /// Whether the content is the same.
    pub fn same_content(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other("the file is too large"));
    }
    Ok(bytes)
}

/// Reads, parses and resolves a configuration. Names that cannot be resolved now keep the
/// answer they had in `known`. Blocks for the resolver, within its deadline.
pub fn load(path: &Path, known: Option<&Answers>) -> Result<Loaded, LoadError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let bytes = read(&path).map_err(|error| LoadError {
        path: path.clone(),
        cause: LoadErrorCause::Unreadable(error.to_string()),
        fingerprint: None,
    })?;
    let fingerprint = Fingerprint::of(&path, &bytes);
    let parsed = ldirectord::parse(&bytes, &path.display().to_string());
    let mut answers = ask(parsed.names());
    if let Some(known) = known {
        for name in parsed.names() {
            if let (None, Some(answer)) = (answers.get(&name), known.get(&name)) {
                tracing::warn!("{name} cannot be resolved now and keeps its last value");
                answers.insert(name, *answer);
            }
        }
    }
    let names = answers.iter().map(|(name, answer)| (name.clone(), *answer));
    let rejected = |rejected| LoadError {
        path: path.clone(),
        cause: LoadErrorCause::Rejected(rejected),
        fingerprint: Some(fingerprint),
    };
    let Accepted {
        config,
        mut warnings,
    } = parsed.resolve(&names.collect()).map_err(rejected)?;
    let mut findings = look_at_files(&config, &path.display().to_string());
    findings.extend(not_done(&config, &path.display().to_string()));
    let fatal = findings.iter().any(|d| d.severity == Severity::Error);
    warnings.extend(findings);
    if fatal {
        return Err(rejected(Rejected(warnings)));
    }
    Ok(Loaded {
        path: path.clone(),
        config,
        warnings,
        answers: Arc::new(answers),
        fingerprint,
    })
}

fn ask(names: impl IntoIterator<Item = Name>) -> Answers {
    let mut answers = Answers::new();
    let mut hosts = Vec::new();
    let mut services = None;
    for name in names {
        match &name {
            Name::Host { name, family } => hosts.push((name.to_string(), *family)),
            Name::Port {
                name: port,
                protocol,
            } => {
                let services = services.get_or_insert_with(resolve::Services::of_system);
                if let Some(port) = services.port(port, *protocol) {
                    answers.insert(name, Answer::Port(port));
                }
            }
        }
    }
    for ((name, family), address) in resolve::hosts(hosts) {
        let name = Name::Host {
            name: name.into(),
            family,
        };
        answers.insert(name, Answer::Address(address));
    }
    answers
}

/// Files and directories that a configuration mentions and that must be there.
fn look_at_files(config: &Config, path: &str) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if let Some(directory) = &config.globals.maintenance_directory
        && !Path::new(&directory.path).is_dir()
    {
        findings.push(Diagnostic::at_line(
            Severity::Warning,
            path,
            directory.line.0,
            format!("maintenance directory does not exist: {}", directory.path),
        ));
    }
    let log = &config.globals.log;
    if let LogTarget::File(file) = &log.target
        && !has_directory(file)
    {
        findings.push(Diagnostic::at_line(
            Severity::Error,
            path,
            log.line.0,
            format!("unable to open logfile: {file}"),
        ));
    }
    for service in &config.services {
        if let Some(file) = &service.monitor_file
            && !has_directory(&file.path)
        {
            findings.push(Diagnostic::at_line(
                Severity::Error,
                path,
                file.line.0,
                format!(
                    "unable to open monitorfile {}: no such directory",
                    file.path
                ),
            ));
        }
    }
    findings
}

/// Directives that are understood but that this version does not act on: nobody should
/// wait for a mail that never comes.
fn not_done(config: &Config, path: &str) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let warning = |line, what: &str| {
        let message = format!("{what}, which this version does not do");
        Diagnostic::at_line(Severity::Warning, path, line, message)
    };
    let services = &config.services;
    let mails = services
        .iter()
        .find(|service| service.mail.recipients.is_some());
    if let Some(service) = mails {
        findings.push(warning(service.line.0, "emailalert asks for mail"));
    }
    for service in services {
        if let Some(file) = &service.monitor_file {
            let what = "monitorfile asks for a line for each check";
            findings.push(warning(file.line.0, what));
        }
    }
    findings
}

fn has_directory(file: &str) -> bool {
    match Path::new(file).parent() {
        Some(directory) if directory.as_os_str().is_empty() => true,
        Some(directory) => directory.is_dir(),
        None => false,
    }
}
