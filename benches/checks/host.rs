//! What this process is given, and what it has taken.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// Lets this process, with all threads that it will have, run on one processor only, if
/// there is one of this number; and have all descriptors that it may.
pub(crate) fn settle(processor: usize) -> anyhow::Result<()> {
    if processor < std::thread::available_parallelism()?.get() {
        let mut processors = CpuSet::new();
        processors.set(processor)?;
        sched_setaffinity(Pid::from_raw(0), &processors)?;
    }
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    Ok(())
}

/// Processor time that the thread of this name has had.
pub(crate) fn processor_time(name: &str) -> anyhow::Result<Duration> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == name {
            let figures = fs::read_to_string(task.join("schedstat"))?;
            let running = figures.split_whitespace().next().context("no schedstat")?;
            return Ok(Duration::from_nanos(running.parse()?));
        }
    }
    anyhow::bail!("there is no thread {name}")
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
