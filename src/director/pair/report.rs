//! The kernel's half of the pair, read when somebody asks: sync daemons, connection entries.

use serde::{Deserialize, Serialize};

use crate::kernel::connections::{self, Connections};
use crate::kernel::worker::Handle;
use crate::model::{SyncDaemon, SyncRole};

/// What the kernel synchronises.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncReport {
    /// The daemons that run.
    pub daemons: Vec<DaemonStatus>,
    /// The connection entries of this node; `None` when they cannot be read.
    pub connections: Option<ConnectionsStatus>,
    /// Seconds since the newest synchronised connection was told of, while this node only
    /// receives. To the second; `None` when no established TCP connection came that way.
    pub newest_seconds_ago: Option<u32>,
    /// Why something is missing above.
    pub problem: Option<String>,
}

/// A sync daemon that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// `master` (sends) or `backup` (receives).
    pub role: String,
    /// Multicast interface.
    pub interface: String,
    /// Sync id.
    pub id: u8,
}

/// Connection entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionsStatus {
    /// All of them, templates of persistent clients included.
    pub entries: u64,
    /// Those that came from the peer.
    pub synchronised: u64,
    /// Whether all were counted: a very long list is left off.
    pub complete: bool,
}

/// Asks the kernel. The list of connections is read beside the runtime, within its bounds.
pub async fn report(kernel: &Handle) -> SyncReport {
    let counting = tokio::task::spawn_blocking(connections::count);
    let mut problem = None;
    let mut note = |text: String| {
        problem.get_or_insert(text);
    };
    let daemons = kernel.daemons().await.unwrap_or_else(|error| {
        note(error.to_string());
        Vec::new()
    });
    let timeout = match kernel.timeouts().await {
        Ok(timeouts) => Some(timeouts.tcp),
        Err(error) => {
            note(error.to_string());
            None
        }
    };
    let counted = match counting.await {
        Ok(Ok(counted)) => Some(counted),
        Ok(Err(error)) => {
            note(format!("the connection entries cannot be read: {error}"));
            None
        }
        Err(_) => None,
    };
    SyncReport {
        newest_seconds_ago: newest(&daemons, counted.as_ref(), timeout),
        daemons: daemons.iter().map(DaemonStatus::of).collect(),
        connections: counted.map(|counted| ConnectionsStatus {
            entries: counted.entries,
            synchronised: counted.synchronised,
            complete: counted.complete,
        }),
        problem,
    }
}

impl DaemonStatus {
    fn of(daemon: &SyncDaemon) -> Self {
        Self {
            role: daemon.role.name().to_owned(),
            interface: daemon.interface.clone(),
            id: daemon.sync_id,
        }
    }
}

/// A message of the peer winds an entry's timer up to the time-out of its state, and on a node
/// that only receives nothing else does.
fn newest(
    daemons: &[SyncDaemon],
    counted: Option<&Connections>,
    timeout: Option<u32>,
) -> Option<u32> {
    let receives = !daemons.is_empty() && daemons.iter().all(|d| d.role == SyncRole::Backup);
    let left = counted?.most_seconds_left.filter(|_| receives)?;
    Some(timeout?.saturating_sub(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(role: SyncRole) -> SyncDaemon {
        SyncDaemon {
            role,
            interface: "hb0".to_owned(),
            sync_id: 7,
            max_length: 0,
            group: None,
            port: 0,
            ttl: 0,
        }
    }

    #[test]
    fn the_newest_message_is_as_old_as_the_fullest_timer_has_run() {
        let counted = Connections {
            entries: 3,
            synchronised: 3,
            most_seconds_left: Some(896),
            complete: true,
        };
        let backup = [daemon(SyncRole::Backup)];
        assert_eq!(newest(&backup, Some(&counted), Some(900)), Some(4));
        assert_eq!(newest(&backup, Some(&counted), Some(60)), Some(0));
        assert_eq!(newest(&backup, Some(&counted), None), None);
        assert_eq!(newest(&backup, None, Some(900)), None);
        // A node that serves winds the timers up itself.
        let both = [daemon(SyncRole::Backup), daemon(SyncRole::Master)];
        assert_eq!(newest(&both, Some(&counted), Some(900)), None);
        assert_eq!(newest(&[], Some(&counted), Some(900)), None);
    }
}
