//! The kernel's sync daemons, as the roles of the instances want them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::failover::SyncPart;
use crate::kernel::worker::Handle;
use crate::kernel::{Class, Error};
use crate::model::pair::Sync;
use crate::model::{SyncDaemon, SyncRole};

/// Where the kernel keeps the settings of IPVS, of the calling thread's network namespace.
const SYSCTLS: &str = "/proc/sys/net/ipv4/vs";

/// Seconds in which connections are sent again when the kernel's setting does not say.
const REFRESH: u64 = 10;
/// How long an entry waits in the kernel's buffer at most (`ip_vs_sync.c`).
const FLUSH: Duration = Duration::from_secs(2);

/// Settings with which connections are synchronised when they are established, and again
/// while they live; their values after boot; ours. With the kernel's own, a connection is
/// first sent with its third packet, and a slow one expires on the backup.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("sync_refresh_period", "0", "10"),
    ("sync_retries", "0", "2"),
    ("sync_threshold", "3\t50", "3 0"),
];

/// Which part each instance wants.
#[derive(Debug, Default)]
pub(super) struct Parts {
    wishes: BTreeMap<String, (Sync, SyncPart)>,
    /// Putting it right has failed, and it was told.
    complained: bool,
}

impl Parts {
    /// Takes the wish of an instance and makes the kernel run what all of them want. There is
    /// one daemon of a role: of two instances that want the same, the first by name decides
    /// about interface and id.
    pub(super) async fn take(
        &mut self,
        kernel: &Handle,
        instance: &str,
        sync: &Sync,
        part: SyncPart,
    ) -> Result<(), Error> {
        self.wishes
            .insert(instance.to_owned(), (sync.clone(), part));
        self.enforce(kernel).await.map(drop)
    }

    /// Puts right what other hands have stopped or replaced, and tells it once.
    pub(super) async fn keep(&mut self, kernel: &Handle) {
        // Where nothing of ours is to run, what runs is somebody else's.
        if self.wanted(backup_only()).is_empty() {
            return;
        }
        match self.enforce(kernel).await {
            Ok(Changes { stopped, started }) => {
                self.complained = false;
                for role in started.iter().map(|role| role.name()) {
                    tracing::warn!("the {role} sync daemon did not run as wanted: it runs again");
                }
                for role in stopped.iter().filter(|role| !started.contains(role)) {
                    let role = role.name();
                    tracing::warn!("a {role} sync daemon ran that is not wanted: it is stopped");
                }
            }
            Err(error) if !std::mem::replace(&mut self.complained, true) => {
                tracing::error!(%error, "the sync daemon does not run as wanted");
            }
            Err(_) => {}
        }
    }

    /// Makes the kernel run what is wanted. What runs already as wanted is left running, so
    /// this may be repeated at any time.
    async fn enforce(&self, kernel: &Handle) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        let wanted = self.wanted(backup_only());
        let running = kernel.daemons().await?;
        for daemon in &running {
            let stays = wanted
                .iter()
                .any(|(role, sync)| *role == daemon.role && is_same(daemon, sync));
            if !stays {
                stop(kernel, daemon.role).await?;
                changes.stopped.push(daemon.role);
            }
        }
        for (role, sync) in wanted {
            let is_there = running
                .iter()
                .any(|daemon| daemon.role == role && is_same(daemon, sync));
            if !is_there {
                kernel.start_daemon(daemon(sync, role)).await?;
                changes.started.push(role);
            }
        }
        Ok(changes)
    }

    /// What is to run. With `backup_only` the kernel forwards nothing while a backup exists:
    /// then never both.
    fn wanted(&self, backup_only: bool) -> Vec<(SyncRole, &Sync)> {
        let first = |part| self.wishes.values().find(move |(_, p)| *p == part);
        let master = first(SyncPart::Master).map(|(sync, _)| (SyncRole::Master, sync));
        let backup = first(SyncPart::Backup).map(|(sync, _)| (SyncRole::Backup, sync));
        let backup = backup.filter(|_| !(backup_only && master.is_some()));
        master.into_iter().chain(backup).collect()
    }
}

/// What had to be done for the kernel to run what is wanted.
#[derive(Debug, Default)]
struct Changes {
    stopped: Vec<SyncRole>,
    started: Vec<SyncRole>,
}

async fn stop(kernel: &Handle, role: SyncRole) -> Result<(), Error> {
    match kernel.stop_daemon(role).await {
        // It went by itself: as good as stopped.
        Err(error) if error.class() == Class::AbsentDaemon => Ok(()),
        other => other,
    }
}

fn daemon(sync: &Sync, role: SyncRole) -> SyncDaemon {
    SyncDaemon {
        role,
        interface: sync.interface.as_str().to_owned(),
        sync_id: sync.id,
        max_length: sync.max_length,
        group: sync.group,
        port: sync.port,
        ttl: sync.ttl,
    }
}

/// Whether a running daemon is what the configuration asks for; what it leaves to the kernel
/// may be anything.
fn is_same(running: &SyncDaemon, sync: &Sync) -> bool {
    running.interface == sync.interface.as_str()
        && running.sync_id == sync.id
        && (sync.max_length == 0 || running.max_length == sync.max_length)
        && (sync.group.is_none() || running.group == sync.group)
        && (sync.port == 0 || running.port == sync.port)
        && (sync.ttl == 0 || running.ttl == sync.ttl)
}

fn backup_only() -> bool {
    read("backup_only").is_some_and(|value| value.trim() != "0")
}

fn read(name: &str) -> Option<String> {
    fs::read_to_string(Path::new(SYSCTLS).join(name)).ok()
}

/// How long a standby must have received connections until it knows those that were there
/// before: each is sent again within the refresh period, and then waits in the kernel's
/// buffer for two seconds at most. There is no way to ask for all of them at once.
pub(super) fn learning_time() -> Duration {
    let period = read("sync_refresh_period").and_then(|value| value.trim().parse().ok());
    let period = period.filter(|seconds| *seconds > 0).unwrap_or(REFRESH);
    Duration::from_secs(period) + FLUSH
}

/// Sets what is still as the kernel has it after boot; what somebody has set stays.
pub(super) fn tune() {
    for (name, default, ours) in SETTINGS {
        if read(name).is_none_or(|value| value.trim() != default) {
            continue;
        }
        match fs::write(Path::new(SYSCTLS).join(name), ours) {
            Ok(()) => tracing::info!("net.ipv4.vs.{name} is now {ours}, for the sync daemon"),
            Err(error) => tracing::warn!(
                %error,
                "net.ipv4.vs.{name} could not be set to {ours}: young connections are not \
                 synchronised"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(id: u8) -> Sync {
        Sync {
            interface: "hb0".parse().unwrap(),
            id,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        }
    }

    fn parts(list: &[(&str, u8, SyncPart)]) -> Parts {
        let entry =
            |(name, id, part): &(&str, u8, SyncPart)| ((*name).to_owned(), (sync(*id), *part));
        Parts {
            wishes: list.iter().map(entry).collect(),
            complained: false,
        }
    }

    #[test]
    fn backup_only_never_has_both_roles() {
        let both = parts(&[("a", 1, SyncPart::Backup), ("b", 2, SyncPart::Master)]);
        let wanted = both.wanted(true);
        assert_eq!(wanted, [(SyncRole::Master, &sync(2))]);
        assert_eq!(both.wanted(false).len(), 2);
        let backup = parts(&[("a", 1, SyncPart::Backup), ("b", 2, SyncPart::None)]);
        assert_eq!(backup.wanted(true), [(SyncRole::Backup, &sync(1))]);
        assert!(parts(&[("a", 1, SyncPart::None)]).wanted(false).is_empty());
    }

    #[test]
    fn what_the_configuration_leaves_open_may_be_anything() {
        let mut running = daemon(&sync(7), SyncRole::Master);
        running.max_length = 1472;
        running.port = 8848;
        assert!(is_same(&running, &sync(7)));
        assert!(!is_same(&running, &sync(8)));
        let strict = Sync {
            port: 9000,
            ..sync(7)
        };
        assert!(!is_same(&running, &strict));
    }
}
