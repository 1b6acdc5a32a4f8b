//! Why a command line is not carried out, in the original's words.

use std::io;

use nix::errno::Errno;

use super::options::Verb;
use crate::kernel::{Class, Error};

/// Exit status for a command line that the program itself finds wrong.
const WRONG: u8 = 2;
/// Exit status for what the option parser or the kernel refused.
const REFUSED: u8 = 255;

/// A line for standard error and the exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The line, without its end.
    pub text: String,
    /// Exit status.
    pub status: u8,
    /// Whether the reading of a file of commands ends here.
    pub fatal: bool,
}

impl Failure {
    /// The command line makes no sense: nothing after it is carried out either.
    pub(super) fn wrong(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            status: WRONG,
            fatal: true,
        }
    }

    /// The option parser did not get through: only this line is lost.
    pub(super) fn option(word: &str, reason: &str) -> Self {
        Self {
            text: format!("{word}: {reason}"),
            status: REFUSED,
            fatal: false,
        }
    }

    /// There is no command, or not as the first option.
    pub(super) fn no_command(program: &str) -> Self {
        Self {
            text: format!("Try `{program} -h' or '{program} --help' for more information."),
            status: REFUSED,
            fatal: true,
        }
    }

    /// The kernel refused, or a reason the kernel would have had.
    pub(super) fn refused(text: impl Into<String>, verb: Verb) -> Self {
        Self {
            text: text.into(),
            status: if verb == Verb::List { 1 } else { REFUSED },
            fatal: false,
        }
    }

    /// What the kernel answered to a command.
    pub(super) fn of_kernel(error: &Error, verb: Verb) -> Self {
        let text = match (error.class(), error.errno()) {
            (Class::NoModule, _) => "Protocol not available".to_owned(),
            (_, Some(errno)) => refusal(verb, errno),
            (_, None) => error.to_string(),
        };
        Self::refused(text, verb)
    }
}

/// The original's text for an error number: first those that belong to a command, then
/// those that always mean the same.
pub(super) fn refusal(verb: Verb, errno: Errno) -> String {
    let text = match (verb, errno) {
        (Verb::AddService, Errno::EEXIST) => "Service already exists",
        (Verb::AddService | Verb::EditService, Errno::ENOENT) => {
            "Scheduler or persistence engine not found"
        }
        (Verb::EditService | Verb::DeleteService | Verb::Zero | Verb::List, Errno::ESRCH) => {
            "No such service"
        }
        (Verb::AddServer | Verb::EditServer | Verb::DeleteServer, Errno::ESRCH) => {
            "Service not defined"
        }
        (Verb::AddServer, Errno::EEXIST) => "Destination already exists",
        (Verb::EditServer | Verb::DeleteServer, Errno::ENOENT) => "No such destination",
        (Verb::StartDaemon, Errno::EEXIST) => "Daemon has already run",
        (Verb::StopDaemon, Errno::ESRCH) => "No daemon is running",
        (_, Errno::EPERM) => "Permission denied (you must be root)",
        (_, Errno::EINVAL) => {
            "Invalid operation.  Possibly wrong module version, address not unicast, ..."
        }
        (_, Errno::ENOPROTOOPT) => "Protocol not available",
        (_, Errno::ENOMEM) => "Memory allocation problem",
        (_, Errno::EOPNOTSUPP) => "Operation not supported with IPv6",
        (_, Errno::EAFNOSUPPORT) => "Operation not supported with specified address family",
        (_, Errno::EMSGSIZE) => "Module is wrong version",
        _ => return system_text(errno),
    };
    text.to_owned()
}

/// The C library's text.
fn system_text(errno: Errno) -> String {
    let text = io::Error::from_raw_os_error(errno as i32).to_string();
    match text.rfind(" (os error") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_read_as_in_the_original() {
        let text = |verb, errno| refusal(verb, errno);
        assert_eq!(
            text(Verb::AddService, Errno::EEXIST),
            "Service already exists"
        );
        assert_eq!(text(Verb::AddServer, Errno::ESRCH), "Service not defined");
        assert_eq!(text(Verb::List, Errno::ESRCH), "No such service");
        assert_eq!(
            text(Verb::AddServer, Errno::ERANGE),
            "Numerical result out of range"
        );
        assert_eq!(text(Verb::StartDaemon, Errno::ENODEV), "No such device");
    }

    #[test]
    fn a_listing_that_fails_ends_with_1_and_everything_else_with_255() {
        assert_eq!(Failure::refused("", Verb::List).status, 1);
        assert_eq!(Failure::refused("", Verb::Zero).status, 255);
    }
}
