//! Two nodes against each other.

mod start;
pub(super) mod world;
