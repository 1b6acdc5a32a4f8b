//! The director's half of a pair that touches the world: sockets, files, programs.

pub mod epochs;
mod hex;
pub mod keys;
pub mod links;
mod minute;
mod private;
