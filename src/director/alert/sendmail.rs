//! One mail through the local mail program, without a shell.

use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Message;
use super::post::{Delivered, Failure, Ways};
use crate::model::Reason;

/// Bytes kept of what it says on standard error.
const WORDS: u64 = 1024;

/// Runs `PROGRAM -i -t` with the message on its standard input: recipients come from the
/// head, a line of a single dot ends nothing. The process group is killed at the deadline.
pub(super) async fn deliver(ways: &Ways, message: &Message) -> Result<Delivered, Failure> {
    let program = &*ways.sendmail;
    let mut command = std::process::Command::new(program);
    command
        .args(["-i", "-t"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| Failure::new(format!("{}: {error}", program.display())))?;
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    // Beside the rest: a program that says a lot is not held up, and one that leaves a child
    // behind with its output holds up nobody.
    let said = tokio::spawn(async move {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            // A help to a person; nothing depends on it.
            let _ = (&mut stderr).take(WORDS).read_to_end(&mut said).await;
            let _ = tokio::io::copy(&mut stderr, &mut tokio::io::sink()).await;
        }
        said
    });
    let exchange = async {
        let write = async {
            if let Some(mut stdin) = stdin {
                stdin.write_all(&message.bytes).await?;
                stdin.shutdown().await?;
            }
            Ok::<(), std::io::Error>(())
        };
        tokio::join!(write, child.wait())
    };
    let ended = tokio::time::timeout(ways.deadline, exchange).await;
    let Ok((written, status)) = ended else {
        said.abort();
        if let Some(group) = group {
            // It may have ended by itself in this very moment.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        return Err(Failure::new(format!(
            "{} did not end within {} s and was killed",
            program.display(),
            ways.deadline.as_secs()
        )));
    };
    let status = status.map_err(|error| Failure::new(error.to_string()))?;
    if status.success() && written.is_ok() {
        said.abort();
        return Ok(Delivered::default());
    }
    let abort = said.abort_handle();
    let said = tokio::time::timeout(Duration::from_secs(1), said).await;
    abort.abort();
    let said = said.ok().and_then(Result::ok).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = Reason::new(said.lines().next().unwrap_or_default());
    Err(Failure::new(format!(
        "{}: {status} {said}",
        program.display()
    )))
}
