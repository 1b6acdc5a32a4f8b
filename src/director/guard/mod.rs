//! The guard: a small process that alone adds, refreshes and removes virtual addresses and
//! announces them, so that neither the death nor a stall of the main process leaves them
//! where they are.
//!
//! ```text
//! main process: Guard ── Request ─► seqpacket socket ─► guard process: run ─► Core ─► Host
//!                     ◄─ Report ──                                               (rtnetlink,
//!                                                                              packet sockets)
//! ```
//!
//! - The main process says with each advert that it is alive ([`Guard::beat`]) and what is
//!   to be sent should it fall silent. When it ends or is silent for too long, the guard
//!   deletes what is held, makes sure that it is gone, and only then sends that farewell.
//! - After a stall the instances are fenced: nothing is held again for an epoch from before.
//! - An address that cannot be deleted is no longer refreshed, so that the kernel's lifetime
//!   ends it, and deleting is tried again and again; nothing is said meanwhile.
//! - When the guard itself dies, the main process is told ([`Guard::report`] gives `None`),
//!   and a new one adopts what is held ([`Setup::adopt`]). When both die, the kernel's
//!   lifetime ends the addresses.
//!
//! The guard never touches IPVS.

mod channel;
mod client;
mod core;
mod farewell;
mod host;
mod message;
mod process;

pub use client::{Guard, OWN_PROGRAM, SendError};
pub use farewell::FarewellLink;
pub use message::{FenceReason, Holding, Loopback, Report, Setup, Step};
pub use process::run;

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Time since boot, suspension included: the same in both processes. Addresses and adverts
/// of a host that was suspended are as stale as those of one that was stopped.
fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .map(Duration::from)
        .expect("Linux has had this clock since 2.6.39")
}
