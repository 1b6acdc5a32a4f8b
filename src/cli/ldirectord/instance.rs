//! Running instances: pid files and the processes they name.
//!
//! An instance runs when `/var/run/ldirectord.INSTANCE.pid` names a process whose
//! command line contains `ldirectord`. Programs around ldirectord look at both.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Text that marks a process as an instance.
const MARK: &[u8] = b"ldirectord";

/// Bytes looked at in a pid file or a command line.
const READ_LIMIT: u64 = 64 * 1024;

/// Time between two looks at a process that is to end.
const LOOK: Duration = Duration::from_millis(20);

/// Longest wait for another process's hold on the pid file. It is held for a few
/// system calls only; who holds it longer means no good and is passed over.
const LOCK_LIMIT: Duration = Duration::from_secs(1);

/// An instance by its name.
#[derive(Debug)]
pub(super) struct Instance {
    pid_file: PathBuf,
    proc: PathBuf,
    /// Processes that are never the instance: a recycled pid may be our own.
    own: Vec<Pid>,
}

/// What the pid file and the process table say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// No pid file, or an empty one.
    Stopped,
    /// The pid file names nobody, or somebody else.
    Stale,
    /// The process is there.
    Running(Pid),
}

/// Why a pid file was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimError {
    #[error("already running with pid {0}")]
    Running(Pid),
    #[error("cannot write pid file {}: {error}", .path.display())]
    File { path: PathBuf, error: io::Error },
}

impl Instance {
    /// The instance `name` with its pid file in `run`. `own` are processes to pass over.
    pub(super) fn new(run: &Path, proc: &Path, name: &str, own: Vec<Pid>) -> Self {
        Self {
            pid_file: run.join(format!("ldirectord.{name}.pid")),
            proc: proc.to_owned(),
            own,
        }
    }

    pub(super) fn pid_file(&self) -> &Path {
        &self.pid_file
    }

    pub(super) fn state(&self) -> State {
        match open(&self.pid_file, OpenOptions::new().read(true)) {
            Ok(file) => self.state_of(&read(file)),
            Err(_) => State::Stopped,
        }
    }

    fn state_of(&self, content: &[u8]) -> State {
        if content.is_empty() {
            return State::Stopped;
        }
        match parse(content) {
            Some(pid) if !self.own.contains(&pid) && self.is_instance(pid) => State::Running(pid),
            _ => State::Stale,
        }
    }

    /// A process that has ended and waits to be reaped has no command line.
    fn is_instance(&self, pid: Pid) -> bool {
        let path = self.proc.join(pid.to_string()).join("cmdline");
        File::open(path).is_ok_and(|file| read(file).windows(MARK.len()).any(|piece| piece == MARK))
    }

    /// Sends a signal to the instance's process; one that has just ended is no error.
    pub(super) fn signal(pid: Pid, signal: Signal) -> io::Result<()> {
        match kill(pid, signal) {
            Ok(()) | Err(Errno::ESRCH) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until the process has ended; `false` when it has not within `limit`.
    pub(super) fn wait_gone(&self, pid: Pid, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let begun = self.begun(pid);
        while self.is_instance(pid) && self.begun(pid) == begun {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// When a process was started, in clock ticks since boot: tells it from a later one
    /// under the same pid. Field 22 of `/proc/PID/stat`, counted behind the command's
    /// closing parenthesis.
    fn begun(&self, pid: Pid) -> Option<u64> {
        let path = self.proc.join(pid.to_string()).join("stat");
        let stat = fs::read_to_string(path).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        fields.split_whitespace().nth(19)?.parse().ok()
    }

    /// Writes `pid` into the pid file, unless a running instance owns it. Of two that
    /// try at once, one succeeds.
    pub(super) fn claim(&self, pid: Pid) -> Result<PidFile, ClaimError> {
        let failed = |error| ClaimError::File {
            path: self.pid_file.clone(),
            error,
        };
        let lock = lock(&self.pid_file, true).map_err(failed)?;
        if let State::Running(other) = self.state() {
            return Err(ClaimError::Running(other));
        }
        write(&self.pid_file, pid).map_err(failed)?;
        drop(lock);
        Ok(PidFile {
            path: self.pid_file.clone(),
            pid,
        })
    }
}

/// A pid file of ours, removed when dropped, if it still is ours.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    pid: Pid,
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let Ok(lock) = lock(&self.path, false) else {
            return;
        };
        if parse(&read(&lock)) == Some(self.pid) {
            // Whoever removed it before us has done our work.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens the pid file and locks it against others of our kind. The file may have been
/// replaced while we waited; then the lock is on a file that nobody sees any more.
fn lock(path: &Path, create: bool) -> io::Result<File> {
    let deadline = Instant::now() + LOCK_LIMIT;
    loop {
        let file = open(
            path,
            OpenOptions::new()
                .read(true)
                .write(true)
                .create(create)
                .truncate(false),
        )?;
        let locked = match file.try_lock() {
            Ok(()) => is_at(&file, path),
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        if locked || Instant::now() >= deadline {
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

/// Opens without following a link in the last place and without waiting for anybody.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    options.custom_flags(flags.bits()).open(path)
}

/// Replaces the file in one step, so that no reader sees half a number.
fn write(path: &Path, pid: Pid) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{pid}"));
    let temporary = PathBuf::from(name);
    // Left over by a process of the same pid that was killed between two lines.
    let _ = fs::remove_file(&temporary);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&temporary)?;
    file.write_all(format!("{pid}\n").as_bytes())
        .and_then(|()| fs::rename(&temporary, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
}

/// The beginning of a file; what cannot be read counts as empty.
fn read(file: impl io::Read) -> Vec<u8> {
    let mut content = Vec::new();
    // An error leaves what was read before it.
    let _ = file.take(READ_LIMIT).read_to_end(&mut content);
    content
}

/// One decimal number, alone but for white space.
fn parse(content: &[u8]) -> Option<Pid> {
    let text = std::str::from_utf8(content).ok()?;
    let number: i32 = text.trim().parse().ok()?;
    (number > 0).then(|| Pid::from_raw(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with a process table of our own making.
    struct Bench {
        directory: tempfile::TempDir,
        instance: Instance,
    }

    fn bench() -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let own = vec![Pid::from_raw(77)];
        let instance = Instance::new(
            directory.path(),
            &directory.path().join("proc"),
            "x.cf",
            own,
        );
        Bench {
            directory,
            instance,
        }
    }

    impl Bench {
        fn process(&self, pid: i32, cmdline: &str, begun: u64) {
            let path = self.directory.path().join("proc").join(pid.to_string());
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("cmdline"), cmdline).unwrap();
            let stat = format!("{pid} (a) b) S {} {begun} 0", "0 ".repeat(18).trim());
            fs::write(path.join("stat"), stat).unwrap();
        }

        fn state_with(&self, content: &str) -> State {
            fs::write(self.instance.pid_file(), content).unwrap();
            self.instance.state()
        }

        /// Names in the directory, without the process table.
        fn files(&self) -> Vec<String> {
            let entries = fs::read_dir(self.directory.path()).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "proc")
                .collect()
        }
    }

    #[test]
    fn running_is_a_pid_file_that_names_an_ldirectord() {
        let bench = bench();
        assert_eq!(bench.instance.state(), State::Stopped);
        bench.process(
            12,
            "/usr/bin/perl\0-w\0/usr/sbin/ldirectord\0x.cf\0start\0",
            1,
        );
        bench.process(13, "/usr/bin/sleep\0inf\0", 1);
        bench.process(14, "", 1);
        bench.process(77, "ldirectord\0x.cf\0start\0", 1);
        let running = State::Running(Pid::from_raw(12));
        assert_eq!(bench.state_with("12\n"), running);
        assert_eq!(bench.state_with("12"), running);
        assert_eq!(bench.state_with(""), State::Stopped);
        for stale in [
            "13\n",
            "14\n",
            "15\n",
            "77\n",
            "12x\n",
            "garbage",
            "-12",
            "0",
            "99999999999",
        ] {
            assert_eq!(bench.state_with(stale), State::Stale, "{stale}");
        }
    }

    #[test]
    fn claiming_writes_one_number_and_leaves_no_other_file() {
        let bench = bench();
        let held = bench.instance.claim(Pid::from_raw(12)).unwrap();
        let content = fs::read_to_string(bench.instance.pid_file()).unwrap();
        assert_eq!(content, "12\n");
        assert_eq!(bench.files(), ["ldirectord.x.cf.pid"]);
        drop(held);
        assert!(bench.files().is_empty());
    }

    #[test]
    fn a_running_instance_keeps_its_pid_file_and_a_stale_one_does_not() {
        let bench = bench();
        bench.process(12, "ldirectord\0start\0", 1);
        fs::write(bench.instance.pid_file(), "12\n").unwrap();
        let refused = bench.instance.claim(Pid::from_raw(13));
        assert!(matches!(refused, Err(ClaimError::Running(pid)) if pid.as_raw() == 12));
        fs::write(bench.instance.pid_file(), "14\n").unwrap();
        let held = bench.instance.claim(Pid::from_raw(13)).unwrap();
        assert_eq!(
            fs::read_to_string(bench.instance.pid_file()).unwrap(),
            "13\n"
        );
        drop(held);
    }

    #[test]
    fn a_pid_file_taken_over_by_another_is_not_removed() {
        let bench = bench();
        let held = bench.instance.claim(Pid::from_raw(12)).unwrap();
        fs::write(bench.instance.pid_file(), "13\n").unwrap();
        drop(held);
        assert_eq!(bench.files(), ["ldirectord.x.cf.pid"]);
    }

    #[test]
    fn of_many_that_claim_at_once_one_succeeds() {
        let bench = bench();
        for pid in 100..108 {
            bench.process(pid, "ldirectord\0start\0", 1);
        }
        let results: Vec<_> = std::thread::scope(|scope| {
            let claim = |pid| bench.instance.claim(Pid::from_raw(pid));
            let threads: Vec<_> = (100..108)
                .map(|pid| scope.spawn(move || claim(pid)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    }

    #[test]
    fn links_are_not_followed() {
        let bench = bench();
        let target = bench.directory.path().join("target");
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, bench.instance.pid_file()).unwrap();
        assert!(bench.instance.claim(Pid::from_raw(12)).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn waiting_ends_with_the_process_or_at_the_limit() {
        let bench = bench();
        bench.process(12, "ldirectord\0start\0", 500);
        let pid = Pid::from_raw(12);
        assert_eq!(bench.instance.begun(pid), Some(500));
        assert!(!bench.instance.wait_gone(pid, Duration::ZERO));
        bench.process(12, "", 500);
        assert!(bench.instance.wait_gone(pid, Duration::ZERO));
        assert!(bench.instance.wait_gone(Pid::from_raw(13), Duration::ZERO));
    }
}
