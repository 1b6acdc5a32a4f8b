//! Two nodes against each other.

mod claims;
mod loss;
mod operator;
mod pauses;
mod policy;
mod release;
mod replay;
mod simulated;
mod start;
pub(super) mod world;
