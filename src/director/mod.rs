//! Owns all state; the one place where the pure parts meet the I/O.
pub mod lane;
