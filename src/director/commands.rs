//! Programs that the configuration asks to be run: fallback commands, the callback of a
//! changed file, child instances.
//!
//! They run one after the other in a task of their own, so that none ever holds up a check
//! or a change to the kernel; each has [`TIME_LIMIT`]. No shell is involved.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::sync::mpsc;

use crate::model::Reason;

/// Longest time a command may take; its whole process group is killed after that.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Commands that may wait for their turn; more are dropped with a log line.
const QUEUE: usize = 256;

/// A program with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Path or name of the program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
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
        })
    }
}

/// Runs commands in order.
#[derive(Debug, Clone)]
pub struct Runner {
    queue: mpsc::Sender<Command>,
}

impl Runner {
    /// Starts the task that runs them; it ends when the last runner is dropped and the queue
    /// is empty.
    pub fn start() -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, mut commands) = mpsc::channel(QUEUE);
        let task = tokio::spawn(async move {
            while let Some(command) = commands.recv().await {
                run(&command).await;
            }
        });
        (Self { queue }, task)
    }

    /// Queues a command.
    pub fn run(&self, command: Command) {
        if let Err(error) = self.queue.try_send(command) {
            tracing::error!(%error, "too many commands are waiting, one was dropped");
        }
    }
}

async fn run(command: &Command) {
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
    use std::time::Instant;

    #[tokio::test]
    async fn callers_do_not_wait_and_commands_run_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("out").display().to_string();
        let script = |text: &str| Command {
            program: "/bin/sh".to_owned(),
            arguments: vec![
                "-c".to_owned(),
                text.to_owned(),
                "sh".to_owned(),
                file.clone(),
            ],
        };
        let (runner, task) = Runner::start();
        let from = Instant::now();
        runner.run(script("sleep 1; echo first >>\"$1\""));
        runner.run(script("echo second >>\"$1\""));
        assert!(from.elapsed() < Duration::from_millis(500));
        drop(runner);
        task.await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "first\nsecond\n");
    }
}
