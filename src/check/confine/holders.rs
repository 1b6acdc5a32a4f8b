//! Without control groups: those who have left a program's process group and still keep its
//! output open.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Kills every process but this one that has the pipe with this inode number open, as far as
/// this process may see it. Blocks for a look at all of `/proc`.
pub(in crate::check) fn kill_holders(inode: u64) {
    let wanted = format!("pipe:[{inode}]");
    let own = std::process::id().cast_signed();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    for pid in pids.filter(|pid| *pid != own) {
        if has_open(pid, &wanted) {
            // It may have ended by itself in this very moment.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

fn has_open(pid: i32, wanted: &str) -> bool {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd"));
    let mut files = files.into_iter().flatten().flatten();
    files.any(|file| std::fs::read_link(file.path()).is_ok_and(|to| to == Path::new(wanted)))
}
