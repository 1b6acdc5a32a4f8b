//! A program exits with status 0.
//!
//! The program is executed directly, never through a shell, in a process group of its
//! own and with a fixed environment. Whatever it has left behind is killed when the verdict
//! is in, at the deadline, or when the check is given up: a program cannot outlive its check
//! by forking or by ignoring signals, nor use up the host meanwhile; see
//! [`confine`].
//!
//! Starting happens away from the runtime: it waits until the kernel has read the file,
//! which on a file system that hangs is for ever.

mod advice;

use std::io;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::sys::stat::fstat;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::{Pid, User, geteuid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::confine::{self, MEMORY_MAX, helper, holders};
use super::fault::{self, Seconds, excerpt};
use super::trace::Trace;
use crate::model::{ExternalProbe, Fault, Interpreter, Outcome, Reason, Report};

/// Time between asking the group to end and killing it, at the end of the time-out.
const GRACE: Duration = Duration::from_millis(200);

/// Time for what should happen at once when everything has been killed.
const LEFTOVER: Duration = Duration::from_millis(50);

/// Bytes of output that are kept; the rest is read and dropped.
const OUTPUT_MAX: usize = 4096;

/// Bytes of output that are read as fast as they come; after that, one piece of at most
/// [`PIECE`] bytes each [`PAUSE`]. To drop a flood must not keep this process busy.
const OUTPUT_FREE: usize = 1024 * 1024;
const PIECE: usize = 16 * 1024;
const PAUSE: Duration = Duration::from_millis(20);

/// Bytes of the first line of output in a reason.
const LINE_MAX: usize = 200;

/// A program that can be run again and again.
#[derive(Debug, Clone)]
pub struct Program {
    command: String,
    arguments: Vec<String>,
    /// The whole of it.
    environment: Vec<(String, String)>,
    user: Option<String>,
    /// A file that is opened first: interpreters report a missing script as an exit
    /// status.
    script: Option<String>,
    /// Held while it is being started, by all clones together.
    starting: Arc<Semaphore>,
}

impl Program {
    /// A program, its arguments and the whole of its environment. It runs as `user`, with
    /// the groups of that user's own entry only, or as the user of this process.
    pub fn new(
        command: impl Into<String>,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        user: Option<String>,
    ) -> Self {
        Self {
            command: command.into(),
            arguments,
            environment,
            user,
            script: None,
            starting: Arc::new(Semaphore::new(1)),
        }
    }

    fn of_probe(probe: &ExternalProbe) -> Self {
        let inherited = |name: &str, default: &str| {
            let value = std::env::var(name).unwrap_or_else(|_| default.to_owned());
            (name.to_owned(), value)
        };
        let environment = vec![
            inherited("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            inherited("HOME", "/"),
            ("LANG".to_owned(), "C".to_owned()),
        ];
        match probe.interpreter {
            Interpreter::None => {
                Self::new(&probe.command, probe.arguments.clone(), environment, None)
            }
            Interpreter::Perl => {
                let arguments = [&probe.command].into_iter().chain(&probe.arguments);
                Self {
                    script: Some(probe.command.clone()),
                    ..Self::new("perl", arguments.cloned().collect(), environment, None)
                }
            }
        }
    }

    /// What it is called in a message.
    fn name(&self) -> &str {
        self.script.as_ref().unwrap_or(&self.command)
    }
}

pub(super) async fn run(probe: &ExternalProbe, limit: Duration) -> Report {
    execute(&Program::of_probe(probe), limit).await
}

/// Runs a program once. Up is exit status 0; what cannot be started is inconclusive. The
/// report is there at the latest when `limit` has passed, and with it the beginning of
/// what the program printed, on either stream.
pub async fn execute(program: &Program, limit: Duration) -> Report {
    let mut trace = Trace::new(limit);
    let deadline = trace.deadline();
    let mut running = match Running::start_before(program, deadline).await {
        Ok(running) => running,
        Err(error) => {
            let why = if fault::is_descriptor_exhaustion(&error) {
                fault::words(&error)
            } else {
                error.to_string()
            };
            let fault = Fault::new(format!("cannot run {}: {why}", program.name()));
            return trace.report(Outcome::Inconclusive(fault), "");
        }
    };
    // Half of a very short time-out is still the program's.
    let grace = GRACE.min(limit / 2);
    let status = running.exit_before(deadline - grace, deadline).await;
    let is_out_of_memory = running.is_out_of_memory();
    let output = running.finish().await;
    trace.received(&output);
    let line = first_line(&output);
    let (outcome, detail) = if is_out_of_memory {
        let most = MEMORY_MAX / (1024 * 1024);
        let what = format!("used more than {most} MiB of memory, killed");
        (
            Outcome::Down(Reason::new(with_line(what, &line))),
            String::new(),
        )
    } else {
        judge(status, &line, limit)
    };
    let mut report = trace.report(outcome, detail);
    report.advice = advice::of_output(&output);
    report
}

fn judge(status: io::Result<Option<WaitStatus>>, line: &str, limit: Duration) -> (Outcome, String) {
    let with_line = |what: String| with_line(what, line);
    let down = |what: String| (Outcome::Down(Reason::new(with_line(what))), String::new());
    match status {
        Ok(Some(WaitStatus::Exited(_, 0))) => (Outcome::Up, with_line("exit status 0".to_owned())),
        Ok(Some(WaitStatus::Exited(_, code))) => down(format!("exit status {code}")),
        Ok(Some(WaitStatus::Signaled(_, signal, _))) => {
            down(format!("killed by signal {} ({signal})", signal as i32))
        }
        Ok(_) => down(format!("still running after {}, killed", Seconds(limit))),
        Err(error) => (fault::no_socket(&error), String::new()),
    }
}

fn with_line(what: String, line: &str) -> String {
    if line.is_empty() {
        what
    } else {
        format!("{what}: {line}")
    }
}

/// First non-empty line of a program's output, for a reason: the beginning of it, not yet
/// made printable.
pub fn first_line(output: &[u8]) -> String {
    let line = output
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty())
        .unwrap_or_default();
    excerpt(line, LINE_MAX)
}

/// A program and its process group. The group is killed when this is dropped, while its
/// leader has not been reaped and the number cannot mean another.
struct Running {
    // Dropped first, see above.
    group: Group,
    child: Child,
    output: pipe::Receiver,
    kept: Vec<u8>,
    /// Bytes of output so far.
    read: usize,
    open: bool,
    /// Its control group, where there are any; killed when dropped.
    slot: Option<confine::Slot>,
}

impl Running {
    /// Starts it in a thread that may hang. One that is still starting at the deadline is
    /// killed when it has come that far, and no second one joins it.
    async fn start_before(program: &Program, deadline: Instant) -> io::Result<Self> {
        let Ok(permit) = Arc::clone(&program.starting).try_acquire_owned() else {
            return Err(io::Error::other("an earlier start still hangs"));
        };
        let program = program.clone();
        let start = spawn_blocking(move || {
            let _permit = permit;
            Self::start(&program)
        });
        match timeout_at(deadline, start).await {
            Ok(started) => started.map_err(io::Error::other)?,
            Err(_elapsed) => Err(io::Error::other("it did not start in time")),
        }
    }

    fn start(program: &Program) -> io::Result<Self> {
        if let Some(script) = &program.script {
            std::fs::File::open(script)?;
        }
        let (reader, writer) = io::pipe()?;
        let output = pipe::Receiver::from_owned_fd(reader.into())?;
        let place = confine::place()?;
        let user = program.user.as_deref().map(identity).transpose()?;
        let (mut command, result) = match &place {
            Some(place) => {
                let (command, result) = confined(program, place, user.flatten())?;
                (command, Some(result))
            }
            None => (unconfined(program, user.flatten()), None),
        };
        let child = command
            .args(&program.arguments)
            .env_clear()
            .envs(
                program
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .process_group(0)
            .spawn()?;
        // With it go our ends of the pipes.
        drop(command);
        // The identifier is there until the child is waited for.
        let leader = child.id().ok_or(io::ErrorKind::NotFound)?;
        let running = Self {
            child,
            group: Group(Pid::from_raw(leader.cast_signed())),
            output,
            kept: Vec::new(),
            read: 0,
            open: true,
            slot: place.and_then(|place| place.slot),
        };
        result.map_or(Ok(()), helper::read_result)?;
        Ok(running)
    }

    /// Waits for the leader to end, without reaping it: asks the group to end at `ask`,
    /// gives up at `deadline` with `None`.
    async fn exit_before(
        &mut self,
        ask: Instant,
        deadline: Instant,
    ) -> io::Result<Option<WaitStatus>> {
        if let Ok(status) = timeout_at(ask, self.exit()).await {
            return status.map(Some);
        }
        self.group.signal(Signal::SIGTERM);
        // Ending now is too late to count, but it ends the waiting.
        match timeout_at(deadline, self.exit()).await {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Ok(None),
        }
    }

    /// Waits for the leader to end and drains its output meanwhile.
    async fn exit(&mut self) -> io::Result<WaitStatus> {
        let mut ended = signal(SignalKind::child())?;
        let mut buffer = vec![0; PIECE];
        let mut pause = pin!(sleep(Duration::ZERO));
        loop {
            let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            match waitid(Id::Pid(self.group.0), flags)? {
                WaitStatus::StillAlive => {}
                status => return Ok(status),
            }
            tokio::select! {
                _ = ended.recv() => {}
                () = &mut pause, if !pause.is_elapsed() => {}
                count = self.output.read(&mut buffer), if self.open && pause.is_elapsed() => {
                    self.keep(&buffer[..count.unwrap_or(0)]);
                    if self.read > OUTPUT_FREE {
                        pause.as_mut().reset(Instant::now() + PAUSE);
                    }
                }
            }
        }
    }

    fn is_out_of_memory(&self) -> bool {
        let slot = self.slot.as_ref();
        slot.is_some_and(confine::Slot::is_out_of_memory)
    }

    /// Kills what is left, reaps the leader and returns the output.
    async fn finish(mut self) -> Vec<u8> {
        self.group.signal(Signal::SIGKILL);
        if let Some(slot) = &self.slot {
            slot.kill();
        }
        // The end of the output is there now, unless someone left the group with it.
        if timeout(LEFTOVER, self.drain()).await.is_err() {
            self.kill_holders().await;
        }
        // If even SIGKILL does not end it, the runtime reaps it when it can.
        let _ = timeout(LEFTOVER, self.child.wait()).await;
        self.group.reaped();
        std::mem::take(&mut self.kept)
    }

    /// Kills those who keep the output open, wherever they are. Not waited for when `/proc` is
    /// long.
    async fn kill_holders(&self) {
        let Ok(state) = fstat(&self.output) else {
            return;
        };
        let look = spawn_blocking(move || holders::kill_holders(state.st_ino));
        let _ = timeout(LEFTOVER, look).await;
    }

    /// Reads to the end of the output.
    async fn drain(&mut self) {
        let mut buffer = vec![0; PIECE];
        while self.open {
            let count = self.output.read(&mut buffer).await.unwrap_or(0);
            self.keep(&buffer[..count]);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.open = !bytes.is_empty();
        self.read = self.read.saturating_add(bytes.len());
        let room = OUTPUT_MAX - self.kept.len();
        self.kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

/// The program behind the helper that confines it, and where the helper says whether the
/// program runs.
fn confined(
    program: &Program,
    place: &confine::Place,
    user: Option<helper::Identity>,
) -> io::Result<(Command, io::PipeReader)> {
    let (result, said) = io::pipe()?;
    let entrance = place.slot.as_ref().map(confine::Slot::entrance);
    let mut command = Command::new(place.helper);
    command
        .arg0(helper::NAME)
        .args(helper::arguments(entrance.as_deref(), user))
        .arg(&program.command)
        .stdin(said);
    Ok((command, result))
}

fn unconfined(program: &Program, user: Option<helper::Identity>) -> Command {
    let mut command = Command::new(&program.command);
    command.stdin(Stdio::null());
    if let Some((user, group)) = user {
        // With the user, the standard library also drops the supplementary groups.
        command.uid(user).gid(group);
    }
    command
}

/// User and group that a user's programs run as; `None` when that is who we are: without
/// privilege one can only stay that.
fn identity(name: &str) -> io::Result<Option<helper::Identity>> {
    let user = User::from_name(name)?
        .ok_or_else(|| io::Error::other(format!("there is no user {name}")))?;
    let is_other = user.uid != geteuid();
    Ok(is_other.then(|| (user.uid.as_raw(), user.gid.as_raw())))
}

/// A process group whose leader is our child.
struct Group(Pid);

impl Group {
    fn signal(&self, signal: Signal) {
        if self.0.as_raw() > 0 {
            // Nobody left is as good as killed.
            let _ = killpg(self.0, signal);
        }
    }

    /// From here on the number may be given to others.
    fn reaped(&mut self) {
        self.0 = Pid::from_raw(0);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

#[cfg(test)]
mod tests;
