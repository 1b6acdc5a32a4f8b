//! Monitor files: one line for each result of a check, as `monitorfile=` asks for.
//!
//! A thread of its own writes them, so that a slow or full disk holds up no check. A file is
//! opened for each batch of lines: renaming it is all that log rotation takes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Zoned;
use nix::fcntl::OFlag;

use super::status::MailTrouble;
use crate::config::{CheckType, RealServer, VirtualService};
use crate::model::{Availability, Outcome, Reason, ServiceKey};

/// Lines that may wait for the disk; more are dropped and counted.
const QUEUE: usize = 8192;
/// Lines written at once.
const BATCH: usize = 1024;
/// How long the director's end waits for the last lines.
const AT_END: Duration = Duration::from_secs(2);

/// Writes monitor files.
#[derive(Debug)]
pub struct Monitor {
    jobs: Sender<Job>,
    /// How many jobs wait: a bounded channel would take all its memory at once.
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    troubles: Troubles,
    ended: Receiver<()>,
}

type Troubles = Arc<Mutex<BTreeMap<Arc<Path>, (Instant, String)>>>;

#[derive(Debug)]
enum Job {
    Open(Arc<Path>),
    Line(Arc<Path>, String),
    End,
}

impl Monitor {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// No thread.
    pub fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let dropped = Arc::new(AtomicU64::new(0));
        let troubles = Troubles::default();
        let writer = Writer {
            waiting: Arc::clone(&waiting),
            dropped: Arc::clone(&dropped),
            troubles: Arc::clone(&troubles),
        };
        std::thread::Builder::new()
            .name("monitorfile".to_owned())
            .spawn(move || {
                writer.run(&queue);
                // Nobody waits for it unless the director ends.
                let _ = end.send(());
            })?;
        Ok(Self {
            jobs,
            waiting,
            dropped,
            troubles,
            ended,
        })
    }

    /// The files in use: each is created unless it is there.
    pub fn open(&self, files: BTreeSet<Arc<Path>>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        troubles.retain(|path, _| files.contains(path));
        drop(troubles);
        for file in files {
            self.send(Job::Open(file));
        }
    }

    /// Writes a line, soon. `id` is what [`identity`] gave.
    pub fn write(&self, file: &Arc<Path>, id: &str, up: bool, text: &str) {
        let state = if up { "up" } else { "down" };
        let time = Zoned::now().strftime("%a %b %e %H:%M:%S %Y").to_string();
        let pid = std::process::id();
        let text = escaped(text);
        let line = format!("[{time}] [{pid}] {id} [{state}] {text}\n");
        self.send(Job::Line(Arc::clone(file), line));
    }

    fn send(&self, job: Job) {
        let is_room = self.waiting.fetch_add(1, Ordering::Relaxed) < QUEUE;
        if !is_room || self.jobs.send(job).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            // Told with the next line that gets through.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Files that cannot be written.
    pub fn troubles(&self, now: Instant) -> Vec<MailTrouble> {
        let troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |(path, (since, error)): (&Arc<Path>, &(Instant, String))| MailTrouble {
            relay: format!("monitor file {}", path.display()),
            error: error.clone(),
            since_seconds: now.saturating_duration_since(*since).as_secs_f64(),
        };
        troubles.iter().map(of).collect()
    }

    /// Ends the thread when it has written what waits, or leaves it to itself when it cannot
    /// in time.
    pub fn end(self) {
        self.send(Job::End);
        if self.ended.recv_timeout(AT_END) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("the last lines of the monitor files could not be written in time");
        }
    }
}

struct Writer {
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    troubles: Troubles,
}

impl Writer {
    /// Works until told to end, or until nobody can send any more.
    fn run(&self, jobs: &Receiver<Job>) {
        let mut open = true;
        while open && let Ok(first) = jobs.recv() {
            let mut texts: BTreeMap<Arc<Path>, String> = BTreeMap::new();
            let mut next = Some(first);
            let mut taken = 0;
            while let Some(job) = next {
                match job {
                    Job::Open(path) => drop(texts.entry(path).or_default()),
                    Job::Line(path, line) => texts.entry(path).or_default().push_str(&line),
                    Job::End => open = false,
                }
                taken += 1;
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                next = if taken < BATCH {
                    jobs.try_recv().ok()
                } else {
                    None
                };
            }
            for (path, text) in texts {
                let result = open_file(&path).and_then(|mut file| file.write_all(text.as_bytes()));
                self.note(&path, result);
            }
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                tracing::warn!(
                    dropped,
                    "lines for monitor files were dropped, the disk is too slow"
                );
            }
        }
    }

    /// Complains once, until it works again.
    fn note(&self, path: &Arc<Path>, result: io::Result<()>) {
        let mut troubles = self.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(()) => {
                if troubles.remove(path).is_some() {
                    let file = path.display();
                    tracing::info!("monitor file {file} can be written again");
                }
            }
            Err(error) => {
                let error = error.to_string();
                let before = troubles.get(path);
                if before.is_none_or(|(_, known)| *known != error) {
                    let file = path.display();
                    tracing::warn!("Error writing to monitorfile {file}: {error}");
                }
                let since = before.map_or_else(Instant::now, |(since, _)| *since);
                troubles.insert(Arc::clone(path), (since, error));
            }
        }
    }
}

/// Opens a file for appending, creating it if need be. A named pipe without a reader fails
/// instead of blocking.
fn open_file(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).create(true).custom_flags(flags.bits());
    options.open(path)
}

/// Whether a monitor file could be written: without making it.
///
/// # Errors
///
/// Its directory is missing; it is none, or it may not be written.
pub fn look_at(path: &Path) -> io::Result<()> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let mut options = OpenOptions::new();
    options.append(true).custom_flags(flags.bits());
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path
                .parent()
                .filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            if !std::fs::metadata(parent)?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            Ok(nix::unistd::access(parent, nix::unistd::AccessFlags::W_OK)?)
        }
        result => result.map(drop),
    }
}

/// `up` or not, and the text of a result.
pub fn words<'a>(standing: Availability, outcome: &'a Outcome, detail: &'a str) -> (bool, &'a str) {
    match (standing, outcome) {
        (Availability::Maintenance, _) => (false, "Server in maintenance"),
        (_, Outcome::Up) => (true, detail),
        (_, Outcome::Down(reason)) => (false, reason.as_str()),
        (standing, Outcome::Inconclusive(fault)) => (standing == Availability::Up, fault.as_str()),
    }
}

/// `-` for nothing; `%`, `|` and what would begin another line as `%xx`.
fn escaped(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '%' | '|' | '\r' | '\n' => {
                write!(escaped, "%{:02x}", u32::from(c))
                    .expect("writing to a string does not fail");
            }
            _ => escaped.push(c),
        }
    }
    // Other control characters, and the length.
    Reason::new(escaped).as_str().to_owned()
}

/// What identifies a check of a real server: ldirectord's words for it, with blanks for
/// colons and without backslashes.
pub fn identity(service: &VirtualService, real: &RealServer) -> String {
    let settings = &service.check;
    let protocol = settings.service.name();
    let check = match settings.kind {
        CheckType::Negotiate => format!("negotiate:{protocol}"),
        CheckType::Combined(_) => format!("combined:{protocol}"),
        CheckType::External | CheckType::ExternalPerl => {
            format!("{}:{}", settings.kind, settings.command)
        }
        CheckType::Connect | CheckType::Ping | CheckType::On | CheckType::Off => {
            settings.kind.to_string()
        }
    };
    let transport = match service.key {
        ServiceKey::Address { protocol, .. } => protocol.name(),
        ServiceKey::Mark { .. } => "fwm",
    };
    let address = match real.destination.key.address {
        std::net::IpAddr::V6(address) => format!("[{address}]"),
        std::net::IpAddr::V4(address) => address.to_string(),
    };
    let method = real.destination.forwarding.word();
    let exchange = real.exchange.as_deref();
    let request = exchange.map_or(&settings.request, |exchange| &exchange.request);
    // A real server's own is kept as it is written.
    let slash = if request.starts_with('/') { "" } else { "/" };
    let receive = match exchange {
        Some(exchange) => exchange.receive.as_ref(),
        None => settings.receive.as_ref(),
    };
    let port = settings
        .port
        .map_or_else(String::new, |port| port.to_string());
    let id = format!(
        "{check}:{transport}:{address}:{}:{}:{port}:{}:{method}:{slash}{request}:{}",
        real.port,
        settings.virtual_host.as_deref().unwrap_or_default(),
        real.destination.weight,
        receive.map_or("", |receive| receive.0.as_str()),
    );
    mangled(&id)
}

fn mangled(id: &str) -> String {
    let mut mangled = String::with_capacity(id.len());
    let mut after_colon = false;
    for c in id.chars() {
        match c {
            ':' if after_colon => {}
            ':' => mangled.push(' '),
            '\\' => {}
            c if c.is_control() => mangled.push(' '),
            c => mangled.push(c),
        }
        after_colon = c == ':';
    }
    mangled
}

#[cfg(test)]
mod tests;
