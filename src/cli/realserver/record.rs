//! What the ARP settings were before `setup`: a small file that `undo` reads.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc;
use serde::{Deserialize, Serialize};

use super::arp::Setting;
use crate::kernel::sysctl::Scope;

/// Where the record is. It goes at boot, and the settings with it.
pub(super) const PATH: &str = "/run/directord/realserver.json";
/// Longest file read, in bytes.
const MAX_BYTES: u64 = 1024 * 1024;
/// The form of the file.
const VERSION: u32 = 1;

/// A setting that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Of which interfaces.
    pub(super) scope: Scope,
    /// Which.
    pub(super) setting: Setting,
    /// What it was.
    pub(super) before: i64,
    /// What it was made.
    pub(super) after: i64,
}

/// Every setting that `setup` changed, in that order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// The changes; the first of each setting is kept.
    pub(super) changes: Vec<Change>,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    changes: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    interface: String,
    setting: String,
    before: i64,
    after: i64,
}

impl Record {
    /// Enters a change. What a setting was before the first change of it stays.
    pub(super) fn enter(&mut self, change: Change) {
        let same =
            |known: &&mut Change| known.scope == change.scope && known.setting == change.setting;
        match self.changes.iter_mut().find(same) {
            Some(known) => known.after = change.after,
            None => self.changes.push(change),
        }
    }

    fn to_json(&self) -> String {
        let line = |change: &Change| Line {
            interface: change.scope.as_str().to_owned(),
            setting: change.setting.name().to_owned(),
            before: change.before,
            after: change.after,
        };
        let document = Document {
            version: VERSION,
            changes: self.changes.iter().map(line).collect(),
        };
        serde_json::to_string_pretty(&document).expect("numbers and strings are JSON")
    }

    fn of_json(text: &str) -> Option<Self> {
        let document: Document = serde_json::from_str(text).ok()?;
        let change = |line: Line| {
            let scope = match line.interface.as_str() {
                "all" => Scope::All,
                name => Scope::Interface(name.parse().ok()?),
            };
            let named = |setting: &Setting| setting.name() == line.setting;
            Some(Change {
                scope,
                setting: Setting::BOTH.into_iter().find(named)?,
                before: line.before,
                after: line.after,
            })
        };
        let changes = document.changes.into_iter().map(change);
        (document.version == VERSION)
            .then(|| changes.collect::<Option<_>>())?
            .map(|changes| Self { changes })
    }

    /// Reads it; `None` when there is none. A link, somebody else's file, or one that
    /// others may write is refused.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
                return Err(io::Error::other("it is a symbolic link"));
            }
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        let own = metadata.uid() == nix::unistd::geteuid().as_raw();
        if !metadata.is_file() || !own || metadata.mode() & 0o022 != 0 {
            return Err(io::Error::other(
                "it is not a file that only this user can have written",
            ));
        }
        let mut text = String::new();
        file.take(MAX_BYTES).read_to_string(&mut text)?;
        Self::of_json(&text)
            .map(Some)
            .ok_or_else(|| io::Error::other("it is not a record of ARP settings"))
    }

    /// Writes it beside its place with mode 0600, and renames it into place.
    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let new = path.with_extension(format!("new.{}", std::process::id()));
        let result = create(&new).and_then(|mut file| {
            file.write_all(self.to_json().as_bytes())?;
            fs::rename(&new, path)
        });
        if result.is_err() {
            // Not there, then.
            let _ = fs::remove_file(&new);
        }
        result
    }

    /// Removes it; it may be gone already.
    pub(super) fn remove(path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A new file; what is there already, links included, is refused.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}
