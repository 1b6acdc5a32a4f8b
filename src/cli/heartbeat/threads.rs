//! The kernel's sync threads: `ipvs-m:NETNS:ID` and `ipvs-b:NETNS:ID` (`start_sync_thread` in
//! `ip_vs_sync.c`), seen in the process table of the whole host.

use std::fs;

use crate::model::SyncRole;

/// Most processes looked at.
const PROCESSES: usize = 1 << 20;

/// A thread of a sync daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Thread {
    pub(super) role: SyncRole,
    pub(super) pid: u32,
}

/// The threads, when it is certain that they are those of this network namespace: the names
/// number the namespaces, but nothing tells which number is ours.
pub(super) fn sync_threads() -> Vec<Thread> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.take(PROCESSES).filter_map(|entry| {
        let entry = entry.ok()?;
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        Some((pid, name))
    });
    select(names)
}

fn select(names: impl Iterator<Item = (u32, String)>) -> Vec<Thread> {
    let mut threads = Vec::new();
    let mut namespaces: Vec<String> = Vec::new();
    for (pid, name) in names {
        let mut parts = name.trim_end().splitn(3, ':');
        let role = match parts.next() {
            Some("ipvs-m") => SyncRole::Master,
            Some("ipvs-b") => SyncRole::Backup,
            _ => continue,
        };
        let Some(namespace) = parts.next() else {
            continue;
        };
        if !namespaces.iter().any(|known| known == namespace) {
            namespaces.push(namespace.to_owned());
        }
        threads.push(Thread { role, pid });
    }
    if namespaces.len() > 1 {
        return Vec::new();
    }
    threads.sort_unstable();
    threads
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[(u32, &str)]) -> Vec<(SyncRole, u32)> {
        let names = names.iter().map(|(pid, name)| (*pid, format!("{name}\n")));
        select(names)
            .iter()
            .map(|thread| (thread.role, thread.pid))
            .collect()
    }

    #[test]
    fn threads_are_known_by_their_names() {
        let names = [
            (1, "systemd"),
            (90, "ipvs-b:0:0"),
            (80, "ipvs-m:0:1"),
            (70, "ipvs-m:0:0"),
            (60, "ipvs-maker"),
            (50, "ipvs-m"),
        ];
        assert_eq!(
            found(&names),
            [
                (SyncRole::Master, 70),
                (SyncRole::Master, 80),
                (SyncRole::Backup, 90)
            ]
        );
    }

    #[test]
    fn threads_of_several_namespaces_are_nobodys() {
        assert!(found(&[(70, "ipvs-m:0:0"), (71, "ipvs-m:3:0")]).is_empty());
    }
}
