//! What the processes named `ldirectord` do: the real personality over a small language
//! of configurations and a daemon that only waits for signals.
//!
//! | line | meaning |
//! |---|---|
//! | `logfile="X"`, `supervised`, `execute=X` | as in ldirectord |
//! | `bogus` | an error |
//! | `odd` | a warning |
//! | `fail` | the daemon fails before it is ready |
//! | `never` | the daemon is never ready |
//! | `stubborn` | the daemon takes no notice of TERM |

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use directord::cli::ldirectord::{
    self, Complaint, Host, Limits, Paths, Reading, Ready, Role, RunOptions,
};
use nix::sys::signal::{SigSet, Signal};

/// Directory with everything a host has.
pub(crate) const ROOT: &str = "LDIRECTORD_TEST_ROOT";

/// Limit of start and stop in milliseconds.
pub(crate) const LIMIT: &str = "LDIRECTORD_TEST_LIMIT";

pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    // Before the first thread, so that every thread leaves signals to the daemon.
    signals().thread_block().unwrap();
    let root = PathBuf::from(std::env::var_os(ROOT).unwrap());
    let limit = std::env::var(LIMIT).map_or(20_000, |limit| limit.parse().unwrap());
    let limit = Duration::from_millis(limit);
    let host = Host {
        paths: Paths {
            configurations: root.join("ha.d"),
            run: root.join("run"),
            log: root.join("default.log"),
            ..Paths::default()
        },
        limits: Limits {
            start: limit,
            stop: limit,
        },
        read: &read,
        pair: &|_| pair(&root),
        daemon: &|options, ready| daemon(&root, &options, ready),
    };
    ldirectord::main(arguments, &host)
}

/// What `role` in the directory of the bench says: `active 4711` or `standby 4711`.
fn pair(root: &Path) -> Option<Role> {
    let text = fs::read_to_string(root.join("role")).ok()?;
    let (word, pid) = text.split_once(' ')?;
    Some(Role {
        pid: pid.parse().unwrap(),
        active: word == "active",
    })
}

fn signals() -> SigSet {
    SigSet::from_iter([Signal::SIGTERM, Signal::SIGHUP])
}

fn read(path: &Path) -> Reading {
    let mut reading = Reading::default();
    let complaint = |line, text: &str| Complaint {
        line: Some(line),
        text: text.to_owned(),
    };
    let text = fs::read_to_string(path).unwrap();
    for (line, text) in (1..).zip(text.lines()) {
        if text == "bogus" {
            reading.error = Some(complaint(line, "Unknown command bogus\n "));
            break;
        } else if text == "odd" {
            reading.warnings.push(complaint(line, "odd"));
        } else if text == "supervised" {
            reading.supervised = true;
        } else if let Some(value) = text.strip_prefix("logfile=") {
            reading.logfile = Some((value.trim_matches('"').to_owned(), line));
        } else if let Some(name) = text.strip_prefix("execute=") {
            reading.execute.push(name.to_owned());
        }
    }
    reading
}

fn daemon(root: &Path, options: &RunOptions, ready: Ready) -> anyhow::Result<()> {
    let text = fs::read_to_string(&options.config)?;
    let has = |word| text.lines().any(|line| line == word);
    let table = root.join(format!("table.{}", options.instance));
    if has("fail") {
        anyhow::bail!("the kernel has no IPVS");
    }
    fs::write(&table, "")?;
    if !has("never") {
        ready();
    }
    loop {
        match signals().wait()? {
            Signal::SIGHUP => {
                tracing::info!(target: "directord", "Reloading Linux Director Daemon config on signal");
                fs::read_to_string(&options.config)?;
                tracing::info!(target: "directord", service = "tcp:192.0.2.1:80", "reloaded");
            }
            _ if has("stubborn") => {}
            _ => break,
        }
    }
    // Long enough for a `stop` that does not wait to be found out.
    std::thread::sleep(Duration::from_millis(100));
    fs::remove_file(&table)?;
    tracing::info!(target: "directord", "Linux Director Daemon terminated on signal: TERM");
    Ok(())
}
