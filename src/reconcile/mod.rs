//! Computes the desired table and the ordered plan that turns the observed one into it. Pure.
//!
//! [`desired()`] says what one virtual service should look like, given its configuration, the
//! standing of its real servers and what the kernel holds now. [`Planner`] compares that with
//! the observed table and orders the changes.
//!
//! # Make before break
//!
//! Within a service, a plan first adds and raises, then edits, then lowers and removes. So at
//! no step does a service have fewer usable servers (weight above 0) than the smaller of
//! before and after; the fallback is in before the last real server goes, and the first real
//! server is in before the fallback goes. Whole services are removed last.
//!
//! # Design
//!
//! There are no hand-kept deltas: the desired entry of a service is computed in full each
//! time something about it changed, and the comparison drops what is already there.

mod desired;
mod plan;

pub use desired::{Desired, RealServer, ServiceState, desired};
pub use plan::Planner;

#[cfg(test)]
mod tests;
