//! Becoming a daemon without forking in place.
//!
//! The launcher starts this program again under the same name and words, so that the
//! process table shows `ldirectord CONFIG start`. Standard output of the daemon to be is
//! a pipe to the launcher: what the daemon writes there before it is ready goes to the
//! user's standard error, a NUL byte says that it is ready. The daemon knows its
//! launcher by an environment variable that holds the launcher's pid: a copy inherited
//! by any other process means nothing, because its parent is another one.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::fd::{AsFd as _, RawFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, chdir, dup2_stdout, getppid, setsid};

use super::Ready;

/// Names the launcher's pid to the daemon.
const LAUNCHER: &str = "DIRECTORD_LAUNCHER";

/// Says that the daemon is ready. Messages never contain it.
const READY: u8 = 0;

/// Most bytes of messages passed on.
const MESSAGE_LIMIT: usize = 64 * 1024;

/// How a launched daemon did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Launched {
    /// It is ready.
    Ready,
    /// It ended before that, with this exit code unless a signal killed it.
    Ended(Option<i32>),
    /// It was not ready in time and has been told to end.
    Late,
}

/// Starts `program` as a daemon, passes on its messages, waits until it is ready.
pub(super) fn launch(
    program: &Path,
    name: &OsStr,
    words: &[OsString],
    messages: &mut dyn Write,
    limit: Duration,
) -> io::Result<Launched> {
    let deadline = Instant::now() + limit;
    let mut child = Command::new(program)
        .arg0(name)
        .args(words)
        .env(LAUNCHER, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let launched = follow(&mut child, messages, deadline);
    if matches!(launched, Ok(Launched::Late)) {
        let pid = Pid::from_raw(child.id().cast_signed());
        // It may have ended just now.
        let _ = kill(pid, Signal::SIGTERM);
    }
    launched
}

fn follow(child: &mut Child, messages: &mut dyn Write, deadline: Instant) -> io::Result<Launched> {
    let Some(mut pipe) = child.stdout.take() else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let mut passed = 0;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wait = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, wait) {
            Ok(0) => return Ok(Launched::Late),
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let mut buffer = [0; 4096];
        let piece = match pipe.read(&mut buffer)? {
            0 => return Ok(Launched::Ended(child.wait()?.code())),
            length => &buffer[..length],
        };
        let end = piece.iter().position(|byte| *byte == READY);
        let text = &piece[..end.unwrap_or(piece.len())];
        let kept = &text[..text.len().min(MESSAGE_LIMIT - passed)];
        passed += kept.len();
        messages.write_all(kept)?;
        if end.is_some() {
            return Ok(Launched::Ready);
        }
    }
}

/// The daemon's end of the pipe to its launcher: messages for the user are written here.
#[derive(Debug)]
pub(super) struct Launcher {
    /// Closed once the launcher has been let go.
    pipe: Arc<Mutex<Option<File>>>,
}

impl Launcher {
    /// The launcher of this process, if it was started by [`launch`]. Takes the pipe
    /// away from standard output, so that no child holds it open, and closes what the
    /// launcher's caller left open: a daemon with the end of somebody's pipe lets him
    /// wait for ever. To be called before this process opens anything itself.
    pub(super) fn of_this_process() -> io::Result<Option<Self>> {
        let named = std::env::var(LAUNCHER).ok();
        if named != Some(getppid().to_string()) {
            return Ok(None);
        }
        close_inherited()?;
        let pipe = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        dup2_stdout(OpenOptions::new().write(true).open("/dev/null")?)?;
        let pipe = Arc::new(Mutex::new(Some(pipe)));
        Ok(Some(Self { pipe }))
    }

    /// Lets the launcher return when called.
    pub(super) fn ready(&self) -> Ready {
        let pipe = Arc::clone(&self.pipe);
        Box::new(move || {
            let pipe = pipe.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(mut pipe) = pipe {
                // A launcher that has gone does not wait for us.
                let _ = pipe.write_all(&[READY]);
            }
        })
    }
}

impl Write for Launcher {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        match &mut *self.pipe.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(pipe) => pipe.write(text),
            None => Ok(text.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Closes every descriptor but the three standard ones.
fn close_inherited() -> io::Result<()> {
    let open: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The one that listed the directory is closed already.
        let _ = nix::unistd::close(fd);
    }
    Ok(())
}

/// Leaves the launcher's session and directory. Relative paths have no meaning from here
/// on.
pub(super) fn detach() -> io::Result<()> {
    setsid()?;
    chdir("/")?;
    Ok(())
}

/// A command that does not take itself for a launched daemon.
pub(super) fn command(program: &Path, name: &OsStr) -> Command {
    let mut command = Command::new(program);
    command.arg0(name).env_remove(LAUNCHER);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Launches a shell script in the daemon's place.
    fn script(text: &str, limit: Duration) -> (Launched, String) {
        let words = [OsString::from("-c"), OsString::from(text)];
        let mut messages = Vec::new();
        let name = OsStr::new("ldirectord");
        let shell = Path::new("/bin/sh");
        let launched = launch(shell, name, &words, &mut messages, limit).unwrap();
        (launched, String::from_utf8(messages).unwrap())
    }

    const LIMIT: Duration = Duration::from_secs(20);

    #[test]
    fn the_launcher_returns_when_the_daemon_is_ready() {
        let (launched, messages) = script("printf 'warning\\n\\0'; exec sleep 0.2", LIMIT);
        assert_eq!(launched, Launched::Ready);
        assert_eq!(messages, "warning\n");
    }

    #[test]
    fn the_exit_code_of_a_failed_start_is_passed_on() {
        let (launched, messages) = script("echo broken; exit 2", LIMIT);
        assert_eq!(launched, Launched::Ended(Some(2)));
        assert_eq!(messages, "broken\n");
        let (launched, _) = script("kill -9 $$", LIMIT);
        assert_eq!(launched, Launched::Ended(None));
    }

    #[test]
    fn messages_are_bounded() {
        let (launched, messages) = script("head -c 200000 /dev/zero | tr '\\0' x; exit 1", LIMIT);
        assert_eq!(launched, Launched::Ended(Some(1)));
        assert_eq!(messages.len(), MESSAGE_LIMIT);
    }

    #[test]
    fn a_daemon_that_is_never_ready_is_told_to_end() {
        let (launched, _) = script("exec sleep 60", Duration::from_millis(50));
        assert_eq!(launched, Launched::Late);
    }

    #[test]
    fn the_launcher_names_itself_in_the_environment() {
        let (_, messages) = script("echo $DIRECTORD_LAUNCHER $PPID", LIMIT);
        let own = std::process::id();
        assert_eq!(messages, format!("{own} {own}\n"));
    }

    #[test]
    fn this_process_was_not_launched() {
        assert!(Launcher::of_this_process().unwrap().is_none());
    }
}
