//! The pair: what one node of it does beside the single director's work.

pub mod hooks;
pub mod program;
pub mod tracks;
