//! Owns all state; the one place where the pure parts meet the I/O.
//!
//! [`core::Core`] holds the state and decides; [`run()`] feeds it with events and carries its
//! actions out. Everything that takes time happens elsewhere and comes back as an event:
//! checks in the [`lane`], the kernel in a thread of its own, name resolution and files in
//! blocking tasks, programs in [`commands`].

pub mod alert;
mod children;
pub mod commands;
pub mod core;
pub mod guard;
pub mod lane;
pub mod load;
pub mod maintenance;
pub mod monitor;
pub mod notice;
pub mod notify;
pub mod pair;
pub mod preflight;
mod realtime;
pub mod resolve;
mod run;
pub mod status;

pub(crate) use run::uplink;
pub use run::{Member, Options, Signals, StartError, run};

use tokio::sync::oneshot;

use crate::failover;

/// A request from outside, answered through its channel.
#[derive(Debug)]
pub enum Command {
    /// The director's state.
    Status(oneshot::Sender<status::Status>),
    /// Read the configuration again. The answer is given when it is in force, or why not.
    Reload(oneshot::Sender<Result<(), String>>),
    /// An operator's wish for the pair: what was done, or why not.
    Pair(failover::Command, oneshot::Sender<pair::Answer>),
    /// The state of the pair alone; `None` when this director is not a node of one.
    PairStatus(oneshot::Sender<Option<pair::status::PairStatus>>),
    /// What the kernel synchronises.
    Sync(oneshot::Sender<pair::report::SyncReport>),
}
