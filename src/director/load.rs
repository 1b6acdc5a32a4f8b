//! Reading a configuration file: bytes, names, files that it mentions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::check::tls;
use crate::config::directord::{Document, Here};
use crate::config::{
    Accepted, Answer, Config, Diagnostic, LogTarget, Name, Names, Rejected, Severity, directord,
    ldirectord,
};

use super::{alert, monitor, resolve};
use crate::model::{Pem, Reason, Tls, Trust};

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
    /// The services.
    pub config: Config,
    /// What a `directord.yaml` says beyond them; `None` for an `ldirectord.cf` alone.
    pub document: Option<Document>,
    /// What is doubtful in it.
    pub warnings: Vec<Diagnostic>,
    /// What its names stand for.
    pub answers: Arc<Answers>,
    /// How long the system took for each host that it found.
    pub lookups: BTreeMap<Name, Duration>,
    /// Hosts that it did not find.
    pub unresolved: Unresolved,
    /// State of the files when they were read.
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

/// Names of hosts without an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unresolved {
    /// Those that keep the address they had.
    pub kept: BTreeSet<Name>,
    /// Those that never had one: what stands on them is left out.
    pub left_out: BTreeSet<Name>,
}

/// How names are taken.
#[derive(Debug, Clone, Copy, Default)]
struct Ways<'a> {
    known: Option<&'a Answers>,
    /// A name without any answer is a mistake.
    refuses_unknown: bool,
}

/// Why a configuration cannot be taken into force.
#[derive(Debug, Clone)]
pub struct LoadError {
    /// Path of the file.
    pub path: PathBuf,
    /// What is wrong.
    pub cause: LoadErrorCause,
    /// State of the files, if the first could be read.
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

/// What tells changed files from unchanged ones: their times, and their contents when the
/// times differ. The first file is the one that was asked for, others are those it names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fingerprint(Vec<FileState>);

/// A file as it was when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FileState {
    path: PathBuf,
    /// `None` when it was not there.
    modified: Option<SystemTime>,
    content: u64,
}

impl FileState {
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self {
            path: path.to_owned(),
            modified: modified(path),
            content: hasher.finish(),
        }
    }

    fn renewed(self) -> Self {
        let now = modified(&self.path);
        if now.is_none() || now == self.modified {
            return self;
        }
        read(&self.path).map_or_else(|_| self.clone(), |bytes| Self::of(&self.path, &bytes))
    }
}

impl Fingerprint {
    fn add(&mut self, path: &Path, bytes: &[u8]) {
        self.0.push(FileState::of(path, bytes));
    }

    /// The fingerprint now; a content is only read when the time changed. A file that
    /// cannot be read counts as unchanged.
    #[must_use]
    pub fn renewed(self) -> Self {
        Self(self.0.into_iter().map(FileState::renewed).collect())
    }

    /// The files whose content is not what it was, as they are now.
    pub fn changed<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Path> {
        let same = |state: &&FileState| {
            let mut others = before.0.iter();
            others.any(|other| other.path == state.path && other.content == state.content)
        };
        let changed = self.0.iter().filter(move |state| !same(state));
        changed.map(|state| state.path.as_path())
    }

    /// The files.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|state| state.path.as_path())
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).ok()?.modified().ok()
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let file = std::fs::File::open(path)?;
    let size = file.metadata().map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::with_capacity(size.min(MAX_BYTES) as usize + 1);
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other("the file is too large"));
    }
    Ok(bytes)
}

/// Reads, parses and resolves a configuration: an `ldirectord.cf`, or a `directord.yaml` with
/// the `ldirectord.cf` it names. Names that cannot be resolved now keep the answer they had
/// in `known`; what stands on a host that has none is left out with a warning. Blocks for
/// the resolver, within its deadline.
pub fn load(path: &Path, known: Option<&Answers>) -> Result<Loaded, LoadError> {
    load_as(path, known, None)
}

/// [`load`] as a node of a pair, whatever file and host name say about which one this is.
pub fn load_as(
    path: &Path,
    known: Option<&Answers>,
    node: Option<&str>,
) -> Result<Loaded, LoadError> {
    let ways = Ways {
        known,
        refuses_unknown: false,
    };
    load_in(path, ways, node)
}

/// [`load_as`] for a look at the file: a host without an answer is a mistake in it.
pub fn prove(path: &Path, node: Option<&str>) -> Result<Loaded, LoadError> {
    let ways = Ways {
        known: None,
        refuses_unknown: true,
    };
    load_in(path, ways, node)
}

fn load_in(path: &Path, ways: Ways<'_>, node: Option<&str>) -> Result<Loaded, LoadError> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let bytes = read(&path).map_err(|error| LoadError {
        path: path.clone(),
        cause: LoadErrorCause::Unreadable(error.to_string()),
        fingerprint: None,
    })?;
    let mut fingerprint = Fingerprint::default();
    fingerprint.add(&path, &bytes);
    let result = if directord::is_directord_yaml(&path, &bytes) {
        document(&path, &bytes, ways, node, &mut fingerprint)
    } else {
        services(&path, bytes, ways).map(|services| (None, services))
    };
    match result {
        Ok((document, mut services)) => {
            if services.config.services.is_empty() {
                let text = "there is no virtual service in it: nothing is served";
                let path = path.display().to_string();
                let warning = Diagnostic::at_line(Severity::Warning, path, 0, text);
                services.warnings.push(warning);
            }
            for (path, pem) in &services.files {
                fingerprint.add(path, pem.expose());
            }
            Ok(Loaded {
                path,
                config: services.config,
                document,
                warnings: services.warnings,
                answers: Arc::new(services.answers),
                lookups: services.lookups,
                unresolved: services.unresolved,
                fingerprint,
            })
        }
        Err(rejected) => Err(LoadError {
            path,
            cause: LoadErrorCause::Rejected(rejected),
            fingerprint: Some(fingerprint),
        }),
    }
}

/// Reads a `directord.yaml` and what it names. The warnings are all with the services.
fn document(
    path: &Path,
    bytes: &[u8],
    ways: Ways<'_>,
    node: Option<&str>,
    fingerprint: &mut Fingerprint,
) -> Result<(Option<Document>, Services), Rejected> {
    let host_name = nix::unistd::gethostname().unwrap_or_default();
    let here = Here {
        host_name: &host_name.to_string_lossy(),
        node,
    };
    let mut parsed = directord::parse(bytes, &path.display().to_string(), here);
    let mut result = None;
    if let Some(services) = parsed.take_services() {
        result = Some(resolved(services, &path.display().to_string(), ways));
    } else if let Some(file) = parsed.services_file().map(Path::to_owned) {
        match read(&file) {
            Ok(bytes) => {
                fingerprint.add(&file, &bytes);
                if directord::is_directord_yaml(&file, &bytes) {
                    parsed.services_unreadable("it is a directord.yaml itself");
                } else {
                    result = Some(services(&file, bytes, ways));
                }
            }
            Err(error) => {
                // Watched all the same: it may come.
                fingerprint.add(&file, &[]);
                parsed.services_unreadable(&error.to_string());
            }
        }
    }
    let config = result.as_ref().and_then(|result| result.as_ref().ok());
    let document = parsed.check(config.map(|services| &services.config));
    match (document, result) {
        (Ok(mut document), Some(Ok(mut services))) => {
            let own = std::mem::take(&mut document.warnings);
            services.warnings.splice(0..0, own);
            Ok((Some(document), services))
        }
        (document, result) => {
            let mut all = document.map_or_else(|rejected| rejected.0, |document| document.warnings);
            all.extend(match result {
                Some(Ok(services)) => services.warnings,
                Some(Err(rejected)) => rejected.0,
                None => Vec::new(),
            });
            Err(Rejected(all))
        }
    }
}

/// What an `ldirectord.cf` holds.
struct Services {
    config: Config,
    warnings: Vec<Diagnostic>,
    answers: Answers,
    /// Other files it depends on, with what is in them.
    files: Vec<(PathBuf, Pem)>,
    lookups: BTreeMap<Name, Duration>,
    unresolved: Unresolved,
}

fn services(path: &Path, bytes: Vec<u8>, ways: Ways<'_>) -> Result<Services, Rejected> {
    let path = path.display().to_string();
    resolved(ldirectord::parse(bytes, &path), &path, ways)
}

/// Looks the names up and builds the configuration.
fn resolved(parsed: ldirectord::Parsed, path: &str, ways: Ways<'_>) -> Result<Services, Rejected> {
    let (mut answers, lookups) = ask(parsed.names(), ways.known);
    let unresolved = keep_known(&mut answers, &parsed.names(), ways.known);
    let names = answers.iter().map(|(name, answer)| (name.clone(), *answer));
    let mut names: Names = names.collect();
    if !ways.refuses_unknown {
        names.leave_out_unknown_hosts();
    }
    let files = read_files(&parsed, &mut names);
    let Accepted {
        config,
        mut warnings,
    } = parsed.resolve(&names)?;
    // Authorities of this host are read anew, as the files are.
    tls::forget();
    let mut findings = look_at_files(&config, path);
    findings.extend(look_at_mail(&config, path));
    findings.extend(prove_clients(&config, path));
    let fatal = findings.iter().any(|d| d.severity == Severity::Error);
    warnings.extend(findings);
    if fatal {
        return Err(Rejected(warnings));
    }
    Ok(Services {
        config,
        warnings,
        answers,
        files,
        lookups,
        unresolved,
    })
}

/// Fills in what was known before where there is no answer now.
fn keep_known(answers: &mut Answers, names: &[Name], known: Option<&Answers>) -> Unresolved {
    let mut unresolved = Unresolved::default();
    for name in names {
        if answers.contains_key(name) {
            continue;
        }
        let before = known.and_then(|known| known.get(name));
        if let Some(answer) = before {
            answers.insert(name.clone(), *answer);
        }
        if let Name::Host { .. } = name {
            let list = match before {
                Some(_) => &mut unresolved.kept,
                None => &mut unresolved.left_out,
            };
            list.insert(name.clone());
        }
    }
    unresolved
}

/// Reads the files that must be known before a configuration can be built; those that can be
/// used are watched.
fn read_files(parsed: &ldirectord::Parsed, names: &mut Names) -> Vec<(PathBuf, Pem)> {
    let mut files = Vec::new();
    for file in parsed.files() {
        let path = PathBuf::from(&file.path);
        let purpose = if file.is_key {
            tls::files::Use::Key
        } else {
            tls::files::Use::Certificates
        };
        let read = tls::files::read(&path, purpose);
        if let Ok(pem) = &read {
            files.push((path, pem.clone()));
        }
        names.insert_file(file.path, read);
    }
    files
}

/// TLS clients that cannot be made, such as of a key that is not the certificate's.
fn prove_clients(config: &Config, path: &str) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    for service in &config.services {
        let check = &service.check;
        let Some(identity) = check
            .tls_client
            .as_ref()
            .filter(|tls| tls.identity.is_some())
        else {
            continue;
        };
        // Authorities of this host are its own affair, and not this file's.
        let alone = Tls {
            trust: Trust::Any,
            ..(**identity).clone()
        };
        if let Err(fault) = tls::prove(&alone) {
            let line = check
                .tls
                .key
                .as_ref()
                .map_or(service.line.0, |key| key.line.0);
            let message = format!("tlscert and tlskey do not go together: {fault}");
            findings.push(Diagnostic::at_line(Severity::Error, path, line, message));
        }
    }
    findings
}

/// Answers, and how long each host took. A host with many addresses keeps the one it has in
/// `known`.
pub(super) fn ask(
    names: impl IntoIterator<Item = Name>,
    known: Option<&Answers>,
) -> (Answers, BTreeMap<Name, Duration>) {
    let mut answers = Answers::new();
    let mut lookups = BTreeMap::new();
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
    for ((name, family), found) in resolve::hosts(hosts) {
        let name = Name::Host {
            name: name.into(),
            family,
        };
        let before = match known.and_then(|known| known.get(&name)) {
            Some(Answer::Address(address)) => Some(*address),
            Some(Answer::Port(_)) | None => None,
        };
        if let Some(address) = found.choose(before) {
            lookups.insert(name.clone(), found.took);
            answers.insert(name, Answer::Address(address));
        }
    }
    (answers, lookups)
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
            && let Err(error) = monitor::look_at(Path::new(&file.path))
        {
            // ldirectord would not start. What may only be this user's lack of rights, or mend
            // itself, is no reason for that.
            let severity = match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::IsADirectory => {
                    Severity::Error
                }
                _ => Severity::Warning,
            };
            let message = format!("unable to open monitorfile {}: {error}", file.path);
            findings.push(Diagnostic::at_line(severity, path, file.line.0, message));
        }
    }
    findings
}

/// Words that should be mail addresses and are not: nobody should wait for a mail that never
/// comes.
fn look_at_mail(config: &Config, path: &str) -> Vec<Diagnostic> {
    let unusable = alert::unusable_addresses(config).into_iter();
    let warnings = unusable.map(|(line, word)| {
        let word = Reason::new(&word);
        let consequence = match line {
            0 => "mail is sent in the name of the process's owner",
            _ => "no mail goes there",
        };
        let message = format!("\"{word}\" is no mail address, {consequence}");
        Diagnostic::at_line(Severity::Warning, path, line, message)
    });
    warnings.collect()
}

fn has_directory(file: &str) -> bool {
    match Path::new(file).parent() {
        Some(directory) if directory.as_os_str().is_empty() => true,
        Some(directory) => directory.is_dir(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CF: &str = "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 gate\n\tchecktype=connect\n";
    const YAML: &str = "services: b.cf\ncontrol: { socket: /run/x.sock, group: adm }\n";

    fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    /// Writes a file with a time of its own, whatever the clock's steps.
    fn rewrite(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        let later = SystemTime::now() + Duration::from_secs(10);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(later).unwrap();
    }

    #[test]
    fn both_formats_give_the_same_services() {
        let files = directory(&[("a.yaml", YAML), ("b.cf", CF)]);
        let both = load(&files.path().join("a.yaml"), None).unwrap();
        let alone = load(&files.path().join("b.cf"), None).unwrap();
        assert_eq!(both.config, alone.config);
        assert_eq!(alone.document, None);
        let document = both.document.unwrap();
        assert_eq!(document.control.group.as_deref(), Some("adm"));
        assert_eq!(document.services, Some(files.path().join("b.cf")));
    }

    // VIR-29
    #[test]
    fn a_monitor_file_needs_a_directory_and_mail_an_address() {
        let files = directory(&[]);
        let base = files.path().display();
        let said = |lines: &str| {
            let path = files.path().join("a.cf");
            std::fs::write(&path, format!("{CF}{lines}")).unwrap();
            match load(&path, None) {
                Ok(loaded) => loaded.warnings.iter().map(ToString::to_string).collect(),
                Err(error) => vec![format!("error: {error}")],
            }
        };
        assert_eq!(said(&format!("\tmonitorfile={base}/m\n")), [""; 0]);
        let missing = said(&format!("\tmonitorfile={base}/missing/m\n"));
        let words = format!("unable to open monitorfile {base}/missing/m: No such file");
        assert!(
            missing[0].starts_with("error: ") && missing[0].contains(&words),
            "{missing:?}"
        );
        assert!(
            missing[0].contains("line 4") || missing[0].contains(":4"),
            "{missing:?}"
        );
        assert_eq!(said("\temailalert=a@example.com, root\n"), [""; 0]);
        let bad = said("\temailalert=a@example.com, b@c d\n");
        assert_eq!(bad.len(), 1);
        assert!(bad[0].contains("\"b@c d\" is no mail address"), "{bad:?}");
    }

    #[test]
    fn a_name_without_an_answer_keeps_what_it_had_or_is_left_out_alone() {
        let text = "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 gate\n\treal=b.invalid:80 gate\n\
            \treal=c.invalid:80 gate\n\tchecktype=connect\n\
            virtual=d.invalid:80\n\treal=192.0.2.21:80 gate\n\tchecktype=connect\n";
        let files = directory(&[("a.cf", text)]);
        let path = files.path().join("a.cf");
        let name = |name: &str| Name::Host {
            name: name.into(),
            family: crate::model::Family::V4,
        };
        let address = Answer::Address([192, 0, 2, 22].into());
        let known = Answers::from([(name("b.invalid"), address)]);
        let loaded = load(&path, Some(&known)).unwrap();
        assert_eq!(loaded.unresolved.kept, [name("b.invalid")].into());
        let left_out = [name("c.invalid"), name("d.invalid")];
        assert_eq!(loaded.unresolved.left_out, left_out.into());
        assert_eq!(loaded.answers.get(&name("b.invalid")), Some(&address));
        let [service] = &loaded.config.services[..] else {
            panic!("one service");
        };
        let reals = service
            .reals
            .iter()
            .map(|real| real.destination.key.address.to_string());
        assert_eq!(reals.collect::<Vec<_>>(), ["192.0.2.21", "192.0.2.22"]);
        assert!(service.has_unknown_reals);
        let warned = |text: &str| loaded.warnings.iter().any(|w| w.to_string().contains(text));
        assert!(warned("invalid address (c.invalid) for real server"));
        assert!(warned(
            "invalid address for virtual service: host d.invalid"
        ));
        assert!(!warned("b.invalid"));
        let refused = prove(&path, None).unwrap_err().lines();
        assert_eq!(refused.len(), 3, "{refused:?}");
    }

    #[test]
    fn both_files_are_watched() {
        let files = directory(&[("a.yaml", YAML), ("b.cf", CF)]);
        let (yaml, cf) = (files.path().join("a.yaml"), files.path().join("b.cf"));
        let first = load(&yaml, None).unwrap().fingerprint;
        let watched: Vec<&Path> = first.files().collect();
        assert_eq!(watched, [&*yaml, &*cf]);
        let changed = |after: &Fingerprint, before: &Fingerprint| {
            let paths = after.changed(before);
            paths.map(Path::to_owned).collect::<Vec<_>>()
        };
        rewrite(&cf, CF);
        let touched = first.clone().renewed();
        assert!(touched != first && changed(&touched, &first).is_empty());
        rewrite(&cf, &CF.replace("gate", "masq"));
        let second = first.clone().renewed();
        assert_eq!(changed(&second, &first), std::slice::from_ref(&cf));
        std::fs::remove_file(&cf).unwrap();
        assert_eq!(second.clone().renewed(), second);
    }

    #[test]
    fn services_that_are_not_there_yet_are_watched_too() {
        let files = directory(&[("a.yaml", YAML)]);
        let error = load(&files.path().join("a.yaml"), None).unwrap_err();
        assert!(error.to_string().contains("b.cf cannot be read"), "{error}");
        let before = error.fingerprint.unwrap();
        std::fs::write(files.path().join("b.cf"), CF).unwrap();
        let after = before.clone().renewed();
        let changed: Vec<&Path> = after.changed(&before).collect();
        assert_eq!(changed, [files.path().join("b.cf")]);
    }
}
