//! The directory of a private file, and the way to it.

use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::geteuid;

use super::{Problem, Refusal};

/// An open directory that only this user and root can write in, and the name of a file there.
#[derive(Debug)]
pub(in super::super) struct Directory {
    handle: OwnedFd,
    path: PathBuf,
    name: OsString,
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.as_fd()
    }
}

impl Directory {
    /// The directory of a file.
    pub(super) fn of(file: &Path) -> Result<Self, Refusal> {
        let whole = std::path::absolute(file).map_err(|error| Refusal::new(file, error))?;
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(Refusal::new(file, Problem::NotAFile("a directory")));
        };
        // As it is written, for links that others could bend, and as it really is.
        check_way(parent)?;
        let path = parent
            .canonicalize()
            .map_err(|error| Refusal::new(parent, error))?;
        check_way(&path)?;
        let metadata = path
            .symlink_metadata()
            .map_err(|error| Refusal::new(&path, error))?;
        unwritable(&metadata, &path)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let handle =
            open(&path, flags, Mode::empty()).map_err(|errno| Refusal::errno(&path, errno))?;
        Ok(Self {
            handle,
            path,
            name: name.to_owned(),
        })
    }

    /// Its path, without links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name in it.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// The name under which this process writes the file before it gets its own.
    pub(super) fn temporary_name(&self) -> OsString {
        let mut name = self.temporary_prefix();
        name.push(std::process::id().to_string());
        name
    }

    /// Whether a name is that of such a file, of any process.
    pub(super) fn is_temporary(&self, name: &OsStr) -> bool {
        let rest = name
            .as_bytes()
            .strip_prefix(self.temporary_prefix().as_bytes());
        rest.is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit))
    }

    fn temporary_prefix(&self) -> OsString {
        let mut prefix = OsString::from(".");
        prefix.push(&self.name);
        prefix.push(".new.");
        prefix
    }
}

/// Root's or this user's.
pub(super) fn owned(metadata: &Metadata, path: &Path) -> Result<(), Refusal> {
    let (owner, wanted) = (metadata.uid(), geteuid().as_raw());
    if owner == 0 || owner == wanted {
        return Ok(());
    }
    let problem = Problem::Owner {
        owner,
        wanted,
        path: path.to_owned(),
    };
    Err(Refusal::new(path, problem))
}

fn unwritable(metadata: &Metadata, path: &Path) -> Result<(), Refusal> {
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 == 0 {
        return Ok(());
    }
    let problem = Problem::DirectoryMode {
        mode,
        path: path.to_owned(),
    };
    Err(Refusal::new(path, problem))
}

/// Every directory and link from the root to here.
fn check_way(path: &Path) -> Result<(), Refusal> {
    for part in path.ancestors() {
        let metadata = part
            .symlink_metadata()
            .map_err(|error| Refusal::new(part, error))?;
        owned(&metadata, part)?;
        let sticky = metadata.mode() & 0o1000 != 0;
        if metadata.is_dir() && !sticky {
            unwritable(&metadata, part)?;
        }
    }
    Ok(())
}
