//! The program under the name of `ipvsadm`: the command line, outputs, streams and exit
//! codes of ipvsadm 1.31. `docs/ipvsadm.md` says where it differs and why.
//!
//! [`parse()`] turns words into a [`Command`] without I/O; [`Program`] carries commands out on
//! any [`kernel::Ipvs`], so that the same code answers a command line, the lines of `-R` and the
//! tests.

mod check;
mod command;
mod connections;
mod failure;
mod help;
mod names;
mod options;
mod parse;
mod place;
mod program;
mod restore;
mod save;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command as Process, ExitCode};

pub use command::{Command, List, Listed};
pub use failure::Failure;
pub use names::{Lookup, System};
pub use parse::parse;
pub use program::Program;

use crate::kernel::{self, Class, Error};
use options::Verb;

/// Exit status when IPVS cannot be had.
const NO_IPVS: u8 = 2;
/// Exit status of a program that SIGPIPE ended, as shells tell it: 128 + 13.
const BROKEN_PIPE: u8 = 141;

/// Where a command line reads and writes.
pub struct Streams<'a> {
    /// Standard input, for `-R`.
    pub input: &'a mut dyn BufRead,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Standard error.
    pub error: &'a mut dyn Write,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}

/// Runs as `ipvsadm`; the first argument is the program's name.
pub(super) fn main(arguments: &[OsString]) -> ExitCode {
    let texts: Vec<_> = arguments
        .iter()
        .map(|word| word.to_string_lossy())
        .collect();
    let words: Vec<&str> = texts.iter().map(|word| &**word).collect();
    let (name, words) = words.split_first().unwrap_or((&"ipvsadm", &[]));
    let names = System::default();
    let streams = Streams {
        input: &mut BufReader::with_capacity(64 * 1024, io::stdin()),
        output: &mut io::stdout(),
        error: &mut io::stderr(),
    };
    // Help needs no kernel; everything else, mistakes too, begins with looking for it.
    if let Ok(Command::Help) = parse(name, words, &names) {
        return finish(streams.output.write_all(help::TEXT.as_bytes()), 0);
    }
    match open() {
        Ok(mut client) => {
            let mut program = Program::new(&mut client, &names, streams);
            let status = program.run(name, words);
            status.map_or_else(|error| finish(Err(error), 1), ExitCode::from)
        }
        Err(error) => {
            let reason = Failure::of_kernel(&error, Verb::Version).text;
            let text = format!(
                "Can't initialize ipvs: {reason}\n\
                 Are you sure that IP Virtual Server is built in the kernel or as module?\n"
            );
            finish(streams.error.write_all(text.as_bytes()), NO_IPVS)
        }
    }
}

/// Where the kernel does not load its module by itself, `modprobe` may.
fn open() -> Result<kernel::ipvs::Client, Error> {
    let answer = kernel::ipvs::Client::open();
    match answer {
        Err(error) if error.class() == Class::NoModule => {
            let loaded = Process::new("/sbin/modprobe")
                .args(["--", "ip_vs"])
                .status();
            if loaded.is_ok_and(|status| status.success()) {
                kernel::ipvs::Client::open()
            } else {
                Err(error)
            }
        }
        answer => answer,
    }
}

fn finish(written: io::Result<()>, status: u8) -> ExitCode {
    match written {
        Ok(()) => ExitCode::from(status),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(BROKEN_PIPE),
        Err(error) => {
            super::commands::complain(&format!("ipvsadm: {error}"));
            ExitCode::FAILURE
        }
    }
}
