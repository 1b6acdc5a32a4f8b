//! Command line, listings, personalities, logging, exit codes.

pub mod exit;
pub mod ldirectord;
pub mod listing;
pub mod logging;

use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the program and returns its exit code.
pub fn main(_arguments: Vec<OsString>) -> ExitCode {
    ExitCode::SUCCESS
}
