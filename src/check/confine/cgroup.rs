//! Control groups, version 2 (the kernel's Documentation/admin-guide/cgroup-v2.rst).
//!
//! ```text
//! BASE                        the group this process was started in, or its parent
//! ├─ main                     this process and its own children, unless BASE is the root
//! └─ directord-scripts.PID
//!    ├─ 0                     one run at a time each, used again and again
//!    └─ 1 …
//! ```
//!
//! A group whose controllers are handed on to its children must not hold processes itself
//! (only the root may); so this process moves to a leaf. It does that only when the group
//! holds nothing but this program: the group is then its own, as under systemd with
//! `Delegate=`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{MEMORY_MAX, PROCESSES_MAX};

const MAIN: &str = "main";
const SCRIPTS: &str = "directord-scripts.";
const CONTROLLERS: [&str; 2] = ["memory", "pids"];

/// Most groups of runs; more programs never run at once.
const SLOTS_MAX: usize = 1024;

/// Attempts at removing a group that was just killed, and the pause between two.
const REMOVALS: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

/// The groups of runs.
#[derive(Debug)]
pub(super) struct Pool {
    directory: PathBuf,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    created: usize,
    free: Vec<PathBuf>,
}

/// A group for one run. Dropping it kills what is in it.
#[derive(Debug)]
pub(in crate::check) struct Slot {
    pool: &'static Pool,
    directory: PathBuf,
    /// Processes that the kernel has killed here for want of memory, in earlier runs.
    killed_before: u64,
}

impl Pool {
    /// Makes room for runs. An error is why that is not possible here.
    pub(super) fn open() -> Result<Self, String> {
        let read = |path: &str| std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"));
        let own = own_group(&read("/proc/self/cgroup")?)
            .ok_or("the kernel has no cgroup v2")?
            .to_owned();
        let own = directory_of(&read("/proc/self/mountinfo")?, &own)
            .ok_or("no cgroup v2 file system is mounted")?;
        let base = base_of(&own);
        hand_controllers_on(&base)?;
        remove_left_over(&base);
        let directory = base.join(format!("{SCRIPTS}{}", std::process::id()));
        std::fs::create_dir_all(&directory).map_err(|e| said(&directory, &e))?;
        enable(&directory).map_err(|e| said(&directory, &e))?;
        share_processor(&directory);
        let pool = Self {
            directory,
            slots: Mutex::default(),
        };
        // One at once: what does not work is found out now.
        let first = pool.create().map_err(|e| said(&pool.directory, &e))?;
        pool.slots().free.push(first);
        Ok(pool)
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A group in which nothing runs.
    pub(super) fn take(&'static self) -> io::Result<Slot> {
        let directory = match self.unused() {
            Some(directory) => directory,
            None => self.create()?,
        };
        Ok(Slot {
            pool: self,
            killed_before: memory_kills(&directory),
            directory,
        })
    }

    /// One of the free groups that is empty. What hangs in the kernel dies late.
    fn unused(&self) -> Option<PathBuf> {
        let mut slots = self.slots();
        let place = slots
            .free
            .iter()
            .position(|directory| is_empty(directory))?;
        Some(slots.free.swap_remove(place))
    }

    fn create(&self) -> io::Result<PathBuf> {
        let number = {
            let mut slots = self.slots();
            if slots.created == SLOTS_MAX {
                return Err(io::Error::other("too many programs that cannot be killed"));
            }
            slots.created += 1;
            slots.created - 1
        };
        let directory = self.directory.join(number.to_string());
        std::fs::create_dir(&directory)?;
        write(&directory, "pids.max", &PROCESSES_MAX.to_string())?;
        write(&directory, "memory.max", &MEMORY_MAX.to_string())?;
        // One process of a program cannot do without the others.
        write(&directory, "memory.oom.group", "1")?;
        // Not there without swap.
        let _ = write(&directory, "memory.swap.max", "0");
        Ok(directory)
    }

    /// Kills everything and removes the groups.
    pub(super) fn remove(&self) {
        remove_scripts(&self.directory);
    }
}

impl Slot {
    /// The file that a process writes `0` to in order to be in the group.
    pub(in crate::check) fn entrance(&self) -> PathBuf {
        self.directory.join("cgroup.procs")
    }

    /// Kills everything that is in it.
    pub(in crate::check) fn kill(&self) {
        kill_all(&self.directory);
    }

    /// Whether the run was killed because it used more memory than it may.
    pub(in crate::check) fn is_out_of_memory(&self) -> bool {
        memory_kills(&self.directory) > self.killed_before
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.kill();
        let directory = std::mem::take(&mut self.directory);
        self.pool.slots().free.push(directory);
    }
}

/// Path of this process's group, from `/proc/self/cgroup` (cgroups(7)).
fn own_group(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Where a group is in the file system, from `/proc/self/mountinfo` (proc(5)).
fn directory_of(mounts: &str, group: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        if after.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = before.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new(group).strip_prefix(root).ok()?;
        Some(Path::new(point).join(below))
    })
}

/// The group that is ours to divide: that of this process, or the one above when a director
/// that is this one's parent has divided that already.
fn base_of(own: &Path) -> PathBuf {
    let above = own.parent().filter(|_| own.ends_with(MAIN));
    let divided = above.filter(|above| has_all(above, "cgroup.subtree_control"));
    divided.unwrap_or(own).to_owned()
}

/// Hands memory and number of processes on to the groups below, and moves this program out
/// of the way if need be.
fn hand_controllers_on(base: &Path) -> Result<(), String> {
    hand_needed_on(base)?;
    // All runs together get no more of a busy processor than this process does.
    share_processor(base);
    Ok(())
}

/// The groups below get equal parts of the processor, however many processes each has. A help
/// where it is to be had, and no need.
fn share_processor(directory: &Path) {
    let _ = write(directory, "cgroup.subtree_control", "+cpu");
}

fn hand_needed_on(base: &Path) -> Result<(), String> {
    if has_all(base, "cgroup.subtree_control") {
        return Ok(());
    }
    if !has_all(base, "cgroup.controllers") {
        let where_ = base.display();
        return Err(format!("{where_} has no control of memory and processes"));
    }
    match enable(base) {
        Err(error) if error.raw_os_error() == Some(Errno::EBUSY as i32) => {}
        other => return other.map_err(|error| said(base, &error)),
    }
    move_to_leaf(base)?;
    enable(base).map_err(|error| said(base, &error))
}

fn move_to_leaf(base: &Path) -> Result<(), String> {
    let own = std::fs::read_link("/proc/self/exe").map_err(|e| e.to_string())?;
    let all = processes(base);
    let is_own = |pid: &i32| std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|e| e == own);
    if !all.iter().all(is_own) {
        let where_ = base.display();
        return Err(format!("{where_} is shared with other programs"));
    }
    let leaf = base.join(MAIN);
    std::fs::create_dir_all(&leaf).map_err(|error| said(&leaf, &error))?;
    for pid in all {
        // One that has ended meanwhile need not move.
        match write(&leaf, "cgroup.procs", &pid.to_string()) {
            Err(error) if error.raw_os_error() != Some(Errno::ESRCH as i32) => {
                return Err(said(&leaf, &error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn enable(directory: &Path) -> io::Result<()> {
    write(directory, "cgroup.subtree_control", "+memory +pids")
}

/// Whether a list of controllers has those that are needed.
fn has_all(directory: &Path, list: &str) -> bool {
    let listed = std::fs::read_to_string(directory.join(list)).unwrap_or_default();
    CONTROLLERS
        .iter()
        .all(|wanted| listed.split_whitespace().any(|one| one == *wanted))
}

/// Groups of directors that were killed, with what still runs there.
fn remove_left_over(base: &Path) {
    for directory in groups_below(base) {
        let name = directory.file_name().and_then(|name| name.to_str());
        let owner = name.and_then(|name| name.strip_prefix(SCRIPTS));
        let Some(owner) = owner.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        if owner == std::process::id() || !Path::new(&format!("/proc/{owner}")).exists() {
            remove_scripts(&directory);
        }
    }
}

fn remove_scripts(directory: &Path) {
    let slots: Vec<PathBuf> = groups_below(directory).collect();
    for slot in &slots {
        kill_all(slot);
    }
    for attempt in 0..REMOVALS {
        let removed = slots
            .iter()
            .filter(|slot| slot.exists())
            .all(|slot| std::fs::remove_dir(slot).is_ok());
        if removed && std::fs::remove_dir(directory).is_ok() {
            return;
        }
        if attempt + 1 < REMOVALS {
            std::thread::sleep(REMOVAL_PAUSE);
        }
    }
    // What hangs in the kernel holds its group; the next director tries again.
    tracing::debug!(directory = %directory.display(), "a control group cannot be removed yet");
}

fn groups_below(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

/// Kills all of a group. Before Linux 5.14, which has no `cgroup.kill`, one by one, while none
/// can fork.
fn kill_all(directory: &Path) {
    if write(directory, "cgroup.kill", "1").is_ok() || is_empty(directory) {
        return;
    }
    let forks = write(directory, "pids.max", "0");
    for pid in processes(directory) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    if forks.is_ok() {
        // What could not be given back is seen when the group is used again.
        let _ = write(directory, "pids.max", &PROCESSES_MAX.to_string());
    }
}

fn processes(directory: &Path) -> Vec<i32> {
    let listed = std::fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let pids = listed.lines().filter_map(|pid| pid.parse().ok());
    // 0 is a process of another pid namespace.
    pids.filter(|pid| *pid > 0).collect()
}

fn is_empty(directory: &Path) -> bool {
    let events = std::fs::read_to_string(directory.join("cgroup.events"));
    events.is_ok_and(|events| number(&events, "populated") == Some(0))
}

fn memory_kills(directory: &Path) -> u64 {
    let events = std::fs::read_to_string(directory.join("memory.events")).unwrap_or_default();
    number(&events, "oom_kill").unwrap_or(0)
}

/// A number of a flat keyed file.
fn number(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = lines.find(|(name, _)| *name == key)?;
    value.parse().ok()
}

fn write(directory: &Path, file: &str, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .open(directory.join(file))?;
    io::Write::write_all(&mut file, text.as_bytes())
}

fn said(place: &Path, error: &io::Error) -> String {
    format!("{}: {error}", place.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_where_cgroup_v2_is_mounted() {
        let v2 = "0::/system.slice/directord.service\n";
        let hybrid = "8:pids:/\n4:memory:/a\n0::/x\n";
        assert_eq!(own_group(v2), Some("/system.slice/directord.service"));
        assert_eq!(own_group(hybrid), Some("/x"));
        assert_eq!(own_group("4:memory:/a\n"), None);
        let mounts = "24 23 0:22 / /proc rw - proc proc rw\n\
            30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = |mounts, group| directory_of(mounts, group);
        assert_eq!(
            found(mounts, "/system.slice/a"),
            Some("/sys/fs/cgroup/system.slice/a".into())
        );
        assert_eq!(found(mounts, "/"), Some("/sys/fs/cgroup".into()));
        // A mount of a part of the tree.
        let part = "30 23 0:26 /docker/1 /sys/fs/cgroup rw - cgroup2 cgroup rw\n";
        assert_eq!(found(part, "/docker/1/a"), Some("/sys/fs/cgroup/a".into()));
        assert_eq!(found(part, "/docker/2"), None);
        let old = "31 23 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        assert_eq!(found(old, "/"), None);
    }

    #[test]
    fn numbers_of_keyed_files_are_read_by_their_whole_name() {
        let events = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n";
        assert_eq!(number(events, "oom_kill"), Some(3));
        assert_eq!(number(events, "oom"), Some(2));
        assert_eq!(number("populated x\n", "populated"), None);
        assert_eq!(number("", "populated"), None);
    }

    #[test]
    fn a_group_is_divided_above_the_leaf_of_the_parent_only_when_that_was_done() {
        let base = tempfile::tempdir().unwrap();
        let leaf = base.path().join(MAIN);
        std::fs::create_dir(&leaf).unwrap();
        assert_eq!(base_of(&leaf), leaf);
        let list = base.path().join("cgroup.subtree_control");
        std::fs::write(&list, "memory\n").unwrap();
        assert_eq!(base_of(&leaf), leaf);
        std::fs::write(&list, "cpu memory pids\n").unwrap();
        assert_eq!(base_of(&leaf), base.path());
        assert_eq!(base_of(base.path()), base.path());
    }
}
