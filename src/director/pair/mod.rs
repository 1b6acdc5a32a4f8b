//!
//! A thread of its own with its own runtime, real-time priority where that is allowed, so
//! that ten thousand checks cannot delay one advert. [`crate::failover`] decides; this
//! feeds it and carries its actions out:
//!
//! ```text
//! links (UDP) ─► packets ──┐                     ┌─► links: adverts
//! guard ─► held, gone ─────┤                     ├─► guard: hold, announce, release
//! tracks, readiness ───────┼─► failover::Pair ───┼─► sync daemons, epochs on disk
//! probes (ARP, ND) ────────┤   (pure)            ├─► the director: table in or out
//! operator ────────────────┘                     └─► hooks, log
//! ```
//!
//! Nothing here waits: a step that takes time runs beside the loop and comes back as an
//! event.

pub mod epochs;
pub mod handle;
mod hex;
pub mod hooks;
mod introduce;
mod isolation;
mod keeper;
pub mod keys;
mod learning;
pub mod links;
mod minute;
mod node;
pub mod order;
mod perform;
mod plan;
mod private;
mod probes;
pub mod program;
pub mod report;
pub mod status;
mod strangers;
mod sync;
mod thread;
pub mod tracks;
mod writer;

pub use handle::{Answer, Handle, Request, Wish};
pub use plan::{Plan, PlanError};
pub use thread::start;

#[cfg(test)]
pub(crate) mod tests {
    pub(crate) use super::plan::tests::plan;
}
