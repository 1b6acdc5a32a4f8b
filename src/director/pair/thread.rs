//! The thread of the pair: everything that can fail at a start happens before it runs.

use std::io;
use std::path::Path;

use tokio::sync::mpsc;

use super::epochs::{self, Store};
use super::handle::{self, Handle, Wish};
use super::node::{Node, Parts};
use super::plan::Plan;
use crate::failover::Incarnation;
use crate::kernel::worker::Handle as Kernel;

/// Starts the thread that runs a pair, in the calling thread's network namespace. `kernel`
/// should be one of its own, so that a large table in the making holds up no sync daemon;
/// `epochs` is the file of [`Store`]; tracks and hooks run on the runtime `helpers`.
pub fn start(
    plan: Plan,
    kernel: Kernel,
    epochs: &Path,
    helpers: tokio::runtime::Handle,
) -> io::Result<(Handle, mpsc::UnboundedReceiver<Wish>)> {
    let store = Store::open(epochs)?;
    let isolated = epochs.with_file_name("isolated");
    let incarnation = Incarnation(epochs::incarnation()?.to_be_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (handle, requests) = handle::channel();
    let (wishes, wish_receiver) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name("pair".to_owned())
        .spawn(move || {
            crate::director::realtime::lock_memory();
            crate::director::realtime::prefer_this_thread();
            runtime.block_on(async {
                let parts = Parts {
                    plan,
                    kernel,
                    store,
                    incarnation,
                    isolated,
                    requests,
                    wishes,
                    helpers,
                };
                match Node::start(parts) {
                    Ok(node) => Box::pin(node.run()).await,
                    Err(error) => tracing::error!(%error, "the pair could not be started"),
                }
            });
        })?;
    Ok((handle, wish_receiver))
}
