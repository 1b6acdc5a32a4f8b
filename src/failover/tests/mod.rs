//! Two nodes against each other.

mod claims;
mod loss;
mod pauses;
mod operator;
mod policy;
mod release;
mod replay;
mod simulated;
mod start;
pub(super) mod world;
