//! One instance on this node.

mod state;

pub use state::{Reason, State};
