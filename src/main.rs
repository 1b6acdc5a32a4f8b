//! The `directord` program. Everything is in the library; this hands over the
//! command line and returns the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    directord::cli::main(std::env::args_os().collect())
}
