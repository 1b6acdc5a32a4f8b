//! The kernel's table as text: `ipvsadm -Ln` byte for byte. Pure.
//!
//! The formats are those of `ipvsadm` 1.31, taken from its output; the files under
//! `tests/golden/ipvsadm` are the witnesses. It differs in three points, on purpose:
//!
//! - destination counters are 64 bits wide, where `ipvsadm` wraps connections, packets
//!   and rates at 2³²;
//! - addresses whose comparison goes round in a circle are sorted as unsigned numbers,
//!   where `ipvsadm` leaves them in an order that depends on the kernel's hash table;
//! - the cache bypass, which no tool can configure, is shown as `Bypass`.

mod number;
mod order;
mod stream;
mod text;

pub(super) use stream::{Failed, stream};
pub(super) use text::{Attributes, cut, place, protocol, sort_destinations, sort_services};
pub use text::{Listing, Names};

/// What a listing shows of each service and destination.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Scheduler, forwarding method, weight, live connections.
    #[default]
    Table,
    /// `--stats`: sums since the entry was made.
    Stats,
    /// `--rate`: per second.
    Rate,
    /// `--thresholds`: connection limits.
    Thresholds,
    /// `--persistent-conn`: persistence templates.
    PersistentConnections,
    /// `--tun-info`: encapsulation of tunnelled destinations.
    TunnelInfo,
}

/// How a listing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// What is shown.
    pub mode: Mode,
    /// `--exact`: counters in full, without `K`, `M`, `G`, `T`.
    pub exact: bool,
    /// Sorted as `ipvsadm` does; otherwise in the order of the table given.
    pub sort: bool,
}

impl Default for Options {
    /// What `ipvsadm -Ln` does.
    fn default() -> Self {
        Self {
            mode: Mode::Table,
            exact: false,
            sort: true,
        }
    }
}

#[cfg(test)]
mod tests;
