//! Files that belong to this user alone: nobody else can read them, have put them where they
//! are, or turn a write to them into a write elsewhere.
//!
//! Every directory on the way belongs to root or this user and cannot be written by others
//! (a sticky one, such as `/tmp`, may be on the way but not hold the file), so that nothing
//! can change between a look and the act. The last part of the path is never followed.

mod directory;

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{UnlinkatFlags, fsync, linkat, unlinkat};
use zeroize::Zeroizing;

pub(super) use directory::Directory;

/// Why a file is not read or written: the file, and what is wrong in words that end with
/// what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct Refusal {
    /// The file, or the directory on the way to it.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A link could lead anywhere.
    #[error("it is a symbolic link; give the path of the file itself")]
    SymbolicLink,
    /// Neither to be read nor replaced: the word says what it is.
    #[error("it is {0}, not a file")]
    NotAFile(&'static str),
    /// Somebody else can change it at any time.
    #[error("it belongs to user {owner}: run `chown {wanted} {}`", path.display())]
    Owner {
        /// Whose it is.
        owner: u32,
        /// Whose it should be.
        wanted: u32,
        /// The file.
        path: PathBuf,
    },
    /// Permissions for others.
    #[error("others may use it (mode {mode:04o}): run `chmod 600 {}`", path.display())]
    Mode {
        /// Its permissions.
        mode: u32,
        /// The file.
        path: PathBuf,
    },
    /// Others could put another file in its place.
    #[error("others may write in this directory (mode {mode:04o}): run `chmod go-w {}`", path.display())]
    DirectoryMode {
        /// Its permissions.
        mode: u32,
        /// The directory.
        path: PathBuf,
    },
    /// A file that is there already is not overwritten.
    #[error("there is something of this name already, and it is not overwritten")]
    Exists,
    /// No file of this kind is so long.
    #[error("it is longer than {0} bytes")]
    TooLong(usize),
    /// What the system said.
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Refusal {
    fn new(path: &Path, problem: impl Into<Problem>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    fn errno(path: &Path, errno: Errno) -> Self {
        let problem = match errno {
            Errno::ELOOP => Problem::SymbolicLink,
            Errno::EEXIST => Problem::Exists,
            errno => Problem::System(errno.into()),
        };
        Self::new(path, problem)
    }

    /// Whether there is something of this name, and it was to stay.
    pub fn exists(&self) -> bool {
        matches!(self.problem, Problem::Exists)
    }

    /// Whether the file or its directory simply is not there.
    pub fn is_missing(&self) -> bool {
        matches!(&self.problem, Problem::System(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// A moment in the writing of a file at which the program could die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The new file has been created beside the old one.
    Created,
    /// Half of it has been written.
    Half,
    /// All of it has been written.
    Written,
    /// It is on the disk.
    Synced,
    /// It has the name.
    Named,
}

/// Whether a file of this name may be there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// It is replaced, whatever it is, but not a directory.
    Replace,
    /// Nothing is written.
    Keep,
}

/// Reads a whole file that only this user or root can have written and read, up to `longest`
/// bytes. What was read is wiped from memory when it is dropped.
pub(super) fn read(path: &Path, longest: usize) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let directory = Directory::of(path)?;
    // Opening a FIFO for reading waits for its writer without O_NONBLOCK.
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = openat(&directory, directory.name(), flags, Mode::empty())
        .map_err(|errno| Refusal::errno(path, errno))?;
    let mut file = File::from(file);
    inspect(&file, path)?;
    let mut bytes = Zeroizing::new(vec![0; longest + 1]);
    let mut length = 0;
    while length < bytes.len() {
        match file.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Refusal::new(path, error)),
        }
    }
    if length > longest {
        return Err(Refusal::new(path, Problem::TooLong(longest)));
    }
    bytes.truncate(length);
    Ok(bytes)
}

fn inspect(file: &File, path: &Path) -> Result<(), Refusal> {
    let metadata = file.metadata().map_err(|e| Refusal::new(path, e))?;
    let kind = metadata.file_type();
    if !kind.is_file() {
        return Err(Refusal::new(path, Problem::NotAFile(kind_name(kind))));
    }
    directory::owned(&metadata, path)?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        let problem = Problem::Mode {
            mode,
            path: path.to_owned(),
        };
        return Err(Refusal::new(path, problem));
    }
    Ok(())
}

fn kind_name(kind: std::fs::FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a directory",
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "something else",
    }
}

/// Writes a file with mode 0600 so that after a crash at any moment the old or the new one
/// is there, whole: a new file beside it, on the disk, then renamed. `at` is called at every
/// step; its error ends the writing.
pub(super) fn write(
    path: &Path,
    bytes: &[u8],
    existing: Existing,
    mut at: impl FnMut(Step) -> io::Result<()>,
) -> Result<(), Refusal> {
    let directory = Directory::of(path)?;
    let temporary = directory.temporary_name();
    // Left behind by a process of this number that died here; a link is not followed.
    let _ = unlinkat(
        &directory,
        temporary.as_os_str(),
        UnlinkatFlags::NoRemoveDir,
    );
    let written = create(&directory, &temporary, bytes, &mut at)
        .and_then(|()| name(&directory, &temporary, existing, path))
        .and_then(|()| at(Step::Named).map_err(|error| Refusal::new(path, error)));
    if written.is_err() || existing == Existing::Keep {
        let _ = unlinkat(
            &directory,
            temporary.as_os_str(),
            UnlinkatFlags::NoRemoveDir,
        );
    }
    written?;
    fsync(directory.as_fd()).map_err(|errno| Refusal::errno(directory.path(), errno))
}

fn create(
    directory: &Directory,
    temporary: &std::ffi::OsStr,
    bytes: &[u8],
    at: &mut impl FnMut(Step) -> io::Result<()>,
) -> Result<(), Refusal> {
    let path = directory.path().join(temporary);
    let failed = |error: io::Error| Refusal::new(&path, error);
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let file = openat(directory, temporary, flags | OFlag::O_CLOEXEC, mode)
        .map_err(|errno| Refusal::errno(&path, errno))?;
    // Whatever the umask took away.
    fchmod(&file, mode).map_err(|errno| Refusal::errno(&path, errno))?;
    let mut file = File::from(file);
    at(Step::Created).map_err(failed)?;
    let (first, second) = bytes.split_at(bytes.len() / 2);
    file.write_all(first).map_err(failed)?;
    at(Step::Half).map_err(failed)?;
    file.write_all(second).map_err(failed)?;
    at(Step::Written).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    at(Step::Synced).map_err(failed)
}

/// Gives the finished file its name. A link that has the name is replaced, not followed.
fn name(
    directory: &Directory,
    temporary: &std::ffi::OsStr,
    existing: Existing,
    path: &Path,
) -> Result<(), Refusal> {
    let name = directory.name();
    let named = match existing {
        Existing::Replace => renameat(directory, temporary, directory, name),
        // Unlike a rename, a link does not replace what is there.
        Existing::Keep => linkat(directory, temporary, directory, name, AtFlags::empty()),
    };
    named.map_err(|errno| match errno {
        Errno::EISDIR => Refusal::new(path, Problem::NotAFile("a directory")),
        errno => Refusal::errno(path, errno),
    })
}

/// Removes what processes that died while they wrote this file left beside it.
pub(super) fn remove_leftovers(path: &Path) -> Result<(), Refusal> {
    let directory = Directory::of(path)?;
    let entries = std::fs::read_dir(directory.path()).map_err(|e| Refusal::new(path, e))?;
    for entry in entries.flatten() {
        if directory.is_temporary(&entry.file_name()) {
            let _ = unlinkat(
                &directory,
                entry.file_name().as_os_str(),
                UnlinkatFlags::NoRemoveDir,
            );
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
