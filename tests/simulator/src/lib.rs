//! A simulator of the pair.

#[path = "../../../src/failover/mod.rs"]
pub mod failover;
#[path = "../../../src/model/mod.rs"]
pub mod model;

mod apply;
pub mod attacker;
pub mod checks;
pub mod clock;
pub mod config;
pub mod fault;
pub mod guard;
mod guarding;
pub mod kernel;
pub mod node;
pub mod packet;
mod process;
pub mod rng;
pub mod run;
pub mod segment;
pub mod world;
