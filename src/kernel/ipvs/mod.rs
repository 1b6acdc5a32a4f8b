//! IPVS over generic netlink (`include/uapi/linux/ip_vs.h`): the codec and the client.
//!
//! One file per nest of the protocol, each with the only function that turns it into a
//! value of [`crate::model`] and the only one that turns a value into it. Reading
//! normalises: the kernel's internal flag is hidden, the 64-bit statistics are preferred,
//! a family that is not named is that of the service. Unknown attributes are skipped.
//!
//! # Design
//!
//! The codec is written out on plain bytes instead of building on a netlink crate.
//! Batches need control of every byte: many requests in one datagram, sequence numbers
//! that lead back to the operation, an acknowledgement asked of the last one only. Routers
//! of such crates send one message and wait. The family is a few dozen flat attributes
//! whose byte orders differ from one to the next, which reads best where it is written;
//! and the sockets of `nix` need no `unsafe` here.

mod abi;
mod address;
mod batch;
mod client;
mod daemon;
mod destination;
mod exchange;
mod general;
mod service;
mod stats;
#[cfg(test)]
mod tests;

pub use exchange::{Client, Options};
