//! Programs that the configuration asks to be run: fallback commands, the callback of a
//! changed file, child instances.
//!
//! They run in a task of their own, so that none ever holds up a check or a change to the
//! kernel; each has a time limit of a minute. Commands that concern the same thing run one after the
//! other, so that a service's `stop` never overtakes its `start`; others do not wait for
//! them. No shell is involved.
//!
//! The callback is confined, as checks are. The others may start what has to stay: a child
//! instance, a server that serves as fallback.

use std::collections::{BTreeMap, VecDeque};
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::check::{self, Program};
use crate::model::{Outcome, Reason};

/// Longest time a command may take; its whole process group is killed after that.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Commands that may wait for their turn, of all concerns and of one; more are dropped with
/// a log line.
const QUEUE: usize = 4096;
const QUEUE_OF_ONE: usize = 256;

/// Commands that run at once.
const PARALLEL: usize = 32;

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Path or name of the program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Nothing that it starts stays, and what it may use up is limited, see
    /// [`crate::check::confine`].
    pub confined: bool,
}

impl Command {
    /// The first word is the program, the others and `more` are its arguments. `None` when
    /// there is no word.
    pub fn of_words(words: &[String], more: impl IntoIterator<Item = String>) -> Option<Self> {
        let (program, first) = words.split_first()?;
        let arguments = first.iter().cloned().chain(more).collect();
        Some(Self {
            program: program.clone(),
            arguments,
            confined: false,
        })
    }
}

/// Runs commands.
#[derive(Debug, Clone)]
pub struct Runner {
    queue: mpsc::Sender<(String, Command)>,
}

impl Runner {
    /// Starts the task that runs them; it ends when the last runner is dropped and every
    /// command has had its turn.
    pub fn start() -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, commands) = mpsc::channel(QUEUE);
        (Self { queue }, tokio::spawn(run_all(commands)))
    }

    /// Queues a command behind those that have the same concern.
    pub fn run(&self, concern: impl Into<String>, command: Command) {
        if let Err(error) = self.queue.try_send((concern.into(), command)) {
            tracing::error!(%error, "too many commands are waiting, one was dropped");
        }
    }
}

async fn run_all(mut commands: mpsc::Receiver<(String, Command)>) {
    // What waits behind the running command of each concern.
    let mut waiting: BTreeMap<String, VecDeque<Command>> = BTreeMap::new();
    let mut running = JoinSet::new();
    let mut open = true;
    while open || !running.is_empty() {
        tokio::select! {
            next = commands.recv(), if open && running.len() < PARALLEL => match next {
                Some((concern, command)) => match waiting.get_mut(&concern) {
                    Some(queue) if queue.len() < QUEUE_OF_ONE => queue.push_back(command),
                    Some(_) => tracing::error!(concern, "too many commands are waiting, one was dropped"),
                    None => {
                        waiting.insert(concern.clone(), VecDeque::new());
                        running.spawn(run(concern, command));
                    }
                },
                None => open = false,
            },
            Some(ended) = running.join_next() => {
                let Ok(concern) = ended else { continue };
                match waiting.get_mut(&concern).and_then(VecDeque::pop_front) {
                    Some(command) => drop(running.spawn(run(concern, command))),
                    None => drop(waiting.remove(&concern)),
                }
            }
        }
    }
}

/// Runs a command and gives its concern back.
async fn run(concern: String, command: Command) -> String {
    if command.confined {
        execute_confined(&command).await;
    } else {
        execute(&command).await;
    }
    concern
}

async fn execute_confined(command: &Command) {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let program = Program::new(
        &command.program,
        command.arguments.clone(),
        environment.collect(),
        None,
    );
    let outcome = check::execute(&program, TIME_LIMIT).await.outcome;
    let program = command.program.as_str();
    match outcome {
        Outcome::Up => tracing::debug!(program, "command done"),
        Outcome::Down(reason) => tracing::warn!(program, %reason, "command failed"),
        Outcome::Inconclusive(fault) => tracing::error!(program, %fault, "command not run"),
    }
}

async fn execute(command: &Command) {
    let program = command.program.as_str();
    let mut process = std::process::Command::new(program);
    process
        .args(&command.arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0);
    let spawned = tokio::process::Command::from(process).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let error = Reason::new(error.to_string());
            tracing::error!(program, %error, "command could not be started");
            return;
        }
    };
    let group = child.id();
    match tokio::time::timeout(TIME_LIMIT, child.wait()).await {
        Ok(Ok(status)) if status.success() => tracing::debug!(program, "command done"),
        Ok(Ok(status)) => tracing::warn!(program, %status, "command failed"),
        Ok(Err(error)) => tracing::error!(program, %error, "command lost"),
        Err(_) => {
            let limit = TIME_LIMIT.as_secs();
            tracing::error!(program, limit, "command did not end in time and was killed");
            if let Some(group) = group.and_then(|id| i32::try_from(id).ok()) {
                // It may have ended by itself in this very moment.
                let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            }
            let _ = child.wait().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command {
            program: "/bin/sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            confined: false,
        }
    }

    #[tokio::test]
    async fn a_slow_command_holds_up_its_own_concern_only() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let say = |word: &str| format!("echo {word} >>{}", log.display());
        let (runner, task) = Runner::start();
        runner.run("one", shell(&format!("sleep 1; {}", say("start-one"))));
        runner.run("one", shell(&say("stop-one")));
        runner.run("two", shell(&say("start-two")));
        drop(runner);
        task.await.unwrap();
        let lines = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines, ["start-two", "start-one", "stop-one"]);
    }
    #[tokio::test]
    async fn a_confined_command_leaves_nobody_behind() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let script = |confined: bool| Command {
            confined,
            ..shell(&format!(
                "(sleep 0.3; echo {confined} >>{}) &",
                log.display()
            ))
        };
        let (runner, task) = Runner::start();
        runner.run("one", script(true));
        runner.run("two", script(false));
        drop(runner);
        task.await.unwrap();
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "false\n");
    }
}
