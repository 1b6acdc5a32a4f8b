//! Heartbeat's commands that scripts and monitors still call: `cl_status` and the state of
//! `LVSSyncDaemonSwap`. Outputs and exit codes are those of the originals (Heartbeat 3.0.6,
//! `cl_status.c`); what would change something is refused with the command that does it.

mod cl_status;
mod daemon_swap;
mod threads;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::args::SOCKET_VARIABLE;
use super::commands::runtime;
use crate::control::{Client, DEFAULT_SOCKET};
use crate::director::pair::status::PairStatus;
use crate::kernel::ipvs::Client as Kernel;
use crate::kernel::{Class, Ipvs as _};
use crate::model::SyncDaemon;

/// How long `cl_status` waits for an answer, as the original.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a command says and how it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    out: String,
    err: String,
    code: u8,
}

impl Answer {
    fn new(code: u8, out: impl Into<String>) -> Self {
        Self {
            out: out.into(),
            err: String::new(),
            code,
        }
    }

    fn complaint(code: u8, err: impl Into<String>) -> Self {
        Self {
            out: String::new(),
            err: err.into(),
            code,
        }
    }

    /// A closed stream is nobody's failure.
    fn end(self) -> ExitCode {
        let _ = std::io::stdout().write_all(self.out.as_bytes());
        let _ = std::io::stderr().write_all(self.err.as_bytes());
        self.code.into()
    }
}

fn words(arguments: &[OsString]) -> Vec<String> {
    let words = arguments.iter().map(|word| word.to_string_lossy());
    words.map(std::borrow::Cow::into_owned).collect()
}

/// `cl_status …`, without the program's name.
pub(super) fn cl_status(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    if let Some(answer) = cl_status::without_cluster(&words) {
        return answer.end();
    }
    let cluster = ask();
    let cluster = cluster.as_ref().map_err(String::as_str);
    cl_status::answer(&words, cluster).end()
}

/// The pair as the director tells it.
fn ask() -> Result<PairStatus, String> {
    let socket = std::env::var_os(SOCKET_VARIABLE).map(PathBuf::from);
    let client = Client::new(&socket.unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET)));
    let answer = runtime()
        .map_err(|error| error.to_string())?
        .block_on(async { tokio::time::timeout(PATIENCE, client.pair()).await });
    match answer {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// `LVSSyncDaemonSwap …`, without the program's name.
pub(super) fn sync_daemon_swap(arguments: &[OsString]) -> ExitCode {
    let words = words(arguments);
    if let Some(answer) = daemon_swap::without_kernel(&words) {
        return answer.end();
    }
    match daemons() {
        Ok(daemons) => daemon_swap::status(&words, &daemons, &threads::sync_threads()).end(),
        Err(error) => Answer::complaint(1, format!("{error}\n")).end(),
    }
}

/// The sync daemons of this host; a kernel without IPVS runs none.
fn daemons() -> Result<Vec<SyncDaemon>, crate::kernel::Error> {
    let asked = Kernel::open().and_then(|mut kernel| kernel.daemons());
    match asked {
        Err(error) if error.class() == Class::NoModule => Ok(Vec::new()),
        asked => asked,
    }
}
