//! Asking the targets of the uplink's guard.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;

use super::{Director, Event};
use crate::check;
use crate::model::{Outcome, Probe, ProbeKind};

/// Time for one of the targets to answer, and echo requests to each meanwhile.
const LIMIT: Duration = Duration::from_millis(500);
const ATTEMPTS: u32 = 2;

impl Director {
    /// Asks all of them at once; the first answer decides.
    pub(super) fn ask_uplink(&self, targets: Vec<IpAddr>) {
        let sender = self.sender.clone();
        tokio::spawn(async move {
            // The director may have ended meanwhile.
            let _ = sender.send(Event::Uplink(is_alive(targets).await));
        });
    }
}

/// Whether one of them answers an echo request.
pub(crate) async fn is_alive(targets: Vec<IpAddr>) -> bool {
    let mut asked = JoinSet::new();
    for target in targets {
        let kind = ProbeKind::Ping { attempts: ATTEMPTS };
        let ping = Probe::new(kind, LIMIT);
        asked.spawn(async move { check::run(SocketAddr::new(target, 0), &ping).await.outcome });
    }
    let mut silent = true;
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Outcome::Up) => return true,
            Ok(Outcome::Down(_)) => {}
            // A host that cannot even ask knows nothing, and must not hold on to dead servers
            // for that.
            Ok(Outcome::Inconclusive(fault)) => {
                tracing::warn!("the uplink cannot be asked: {fault}");
                silent = false;
            }
            Err(_) => silent = false,
        }
    }
    !silent
}
