//! The highest epoch of each instance, kept over a restart.
//!
//! An epoch is stored before an address is added. A disk that fails, hangs or is full does
//! not stop the pair: it is said once a minute, tried again, and the service goes on. A
//! forgotten epoch does no harm as long as the peer knows a higher one.

mod text;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::private::{self, Refusal};
use super::writer::{self, Writer};

/// Where the epochs are when nothing else is said: in systemd's `StateDirectory=directord`.
pub const DEFAULT_PATH: &str = "/var/lib/directord/epochs";
/// How long a takeover waits for the disk.
pub const LONGEST_WAIT: Duration = Duration::from_millis(100);
/// Longest file read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Whether an epoch is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// It is on the disk.
    Durable,
    /// The disk takes longer than [`LONGEST_WAIT`]; the writing goes on.
    Late,
    /// It could not be written; it is tried again every five seconds.
    Failed(String),
}

/// The epochs and the file they are in.
#[derive(Debug)]
pub struct Store {
    known: BTreeMap<String, u64>,
    writer: Writer<BTreeMap<String, u64>>,
    loaded: Option<String>,
}

impl Store {
    /// Reads the file, in a moment of start in which waiting for the disk does no harm. Makes
    /// the directory, not those above it, when it is missing. What is wrong is logged and is
    /// in [`Store::problem`].
    ///
    /// # Errors
    ///
    /// Only when the system gives no thread to write with.
    pub fn open(path: &Path) -> io::Result<Self> {
        let (known, loaded) = match load(path) {
            Ok(known) => (known, None),
            Err(Unread::Missing) => {
                tracing::info!("{}: no epochs are known from before", path.display());
                (BTreeMap::new(), None)
            }
            Err(unread) => {
                let text = format!("{unread}; the epochs of before are not known");
                tracing::warn!("{text}");
                (BTreeMap::new(), Some(text))
            }
        };
        Ok(Self {
            known,
            writer: Writer::start(path.to_owned(), "the epochs", write)?,
            loaded,
        })
    }

    /// The highest epoch stored of an instance; 0 when none is known.
    pub fn highest(&self, instance: &str) -> u64 {
        self.known.get(instance).copied().unwrap_or(0)
    }

    /// Stores an epoch, unless a higher one is known, and waits for the disk no longer than
    /// [`LONGEST_WAIT`]. When the caller stops waiting, the epoch is stored all the same.
    pub async fn store(&mut self, instance: &str, epoch: u64) -> Stored {
        let known = self.known.entry(instance.to_owned()).or_default();
        *known = epoch.max(*known);
        let wanted = self.writer.submit(self.known.clone());
        match timeout(LONGEST_WAIT, self.writer.written(wanted)).await {
            Ok(Ok(())) => {
                self.loaded = None;
                Stored::Durable
            }
            Ok(Err(reason)) => Stored::Failed(reason),
            Err(_) => {
                self.writer.warn_of_waiting();
                Stored::Late
            }
        }
    }

    /// What is wrong with the file, for status.
    pub fn problem(&self) -> Option<String> {
        self.writer.problem().or_else(|| self.loaded.clone())
    }
}

/// Why a file of epochs tells nothing.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("there is none")]
    Missing,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("{}: {error}", path.display())]
    Damaged { path: PathBuf, error: text::Damage },
}

fn write(path: &Path, epochs: &BTreeMap<String, u64>) -> Result<(), Refusal> {
    writer::write(path, &text::print(epochs))
}

fn load(path: &Path) -> Result<BTreeMap<String, u64>, Unread> {
    match private::read(path, LONGEST) {
        Ok(bytes) => text::parse(&bytes).map_err(|error| Unread::Damaged {
            path: path.to_owned(),
            error,
        }),
        Err(refusal) if refusal.is_missing() => Err(Unread::Missing),
        Err(refusal) => Err(refusal.into()),
    }
}

/// A number that no other start of a director has had: 128 bits of the system's randomness,
/// for which it waits at an early boot; never 0.
pub fn incarnation() -> io::Result<u128> {
    let mut bytes = [0; 16];
    loop {
        getrandom::fill(&mut bytes).map_err(io::Error::from)?;
        let number = u128::from_be_bytes(bytes);
        if number != 0 {
            return Ok(number);
        }
    }
}

#[cfg(test)]
mod tests;
