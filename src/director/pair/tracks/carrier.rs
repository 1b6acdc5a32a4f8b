//! Carriers of interfaces, as the kernel tells them.
//!
//! A request for interfaces does its work inside the send and can wait there for a lock of
//! the kernel, so it must not hold up who sends adverts: this has a thread of its own.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Shared;
use crate::kernel::carrier::{Carrier, Watch};
use crate::model::{Fault, Outcome, Reason};

/// Time between two readings of what the kernel may have told in vain, and between two
/// attempts to open the connection.
const REFRESH: Duration = Duration::from_secs(1);

/// Ends the thread when it is dropped.
pub(super) struct Thread {
    _stop: oneshot::Sender<()>,
}

impl Thread {
    /// Starts it in the calling thread's network namespace.
    pub(super) fn start(shared: Arc<Shared>) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (stop, stopped) = oneshot::channel();
        std::thread::Builder::new()
            .name("carrier".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = watch(&shared) => {}
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self { _stop: stop })
    }
}

/// Keeps the carriers on the board up to date.
async fn watch(shared: &Shared) {
    loop {
        let error = match Watch::open().await {
            Ok(mut watch) => follow(shared, &mut watch).await,
            Err(error) => error,
        };
        tracing::warn!(%error, "interfaces cannot be watched");
        let fault = Outcome::Inconclusive(Fault::new(error.to_string()));
        let interfaces = shared.board().interfaces();
        for (id, _) in interfaces {
            shared.handle_outcome(id, &(fault.clone(), String::new()));
        }
        sleep(REFRESH).await;
    }
}

/// Follows the kernel until that fails.
async fn follow(shared: &Shared, watch: &mut Watch) -> crate::kernel::host::Error {
    let mut refresh = interval(REFRESH);
    refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let interfaces = shared.board().interfaces();
        for (id, name) in interfaces {
            let carrier = watch.carrier(&name);
            let words = carrier.to_string();
            let outcome = match carrier {
                Carrier::Present => Outcome::Up,
                _ => Outcome::Down(Reason::new(&words)),
            };
            shared.handle_outcome(id, &(outcome, words));
        }
        let next = tokio::select! {
            changed = watch.changed() => changed,
            _ = refresh.tick() => watch.refresh().await,
            () = shared.interfaces.notified() => Ok(()),
        };
        if let Err(error) = next {
            return error;
        }
    }
}
