//! What the parts beside IPVS share: errors, and descriptors that are waited for.

pub use crate::model::{InterfaceName, NotAnInterface};

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use tokio::io::unix::AsyncFd;

/// What the kernel said no to, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{request}: {}", explain(*errno))]
pub struct Error {
    /// What was asked, as a phrase: `add 192.0.2.100/32 to lo`.
    pub request: String,
    /// The kernel's answer; `ETIMEDOUT` when there was none, `EBADMSG` when it made no
    /// sense.
    pub errno: Errno,
}

impl Error {
    pub(super) fn new(request: impl fmt::Display, errno: Errno) -> Self {
        Self {
            request: request.to_string(),
            errno,
        }
    }

    /// What the operator can do about it, as one line.
    pub fn help(&self) -> Option<&'static str> {
        match self.errno {
            Errno::EPERM | Errno::EACCES => Some("run as root, or give the process CAP_NET_ADMIN"),
            Errno::EROFS => Some(
                "/proc/sys is read-only here, as in most containers: change it on the host, or \
                 in the container's settings",
            ),
            _ => None,
        }
    }
}

/// A descriptor that can be waited for, non-blocking by its own flags. To be called within a
/// tokio runtime.
#[expect(
    deprecated,
    reason = "meant for types that can close their descriptor unnoticed: an owned one cannot"
)]
pub fn waitable(descriptor: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(descriptor)
}

fn explain(errno: Errno) -> &'static str {
    match errno {
        Errno::EPERM | Errno::EACCES => "permission denied, CAP_NET_ADMIN is needed",
        Errno::ENODEV => "there is no such network interface",
        Errno::ENOENT => "this kernel has no such setting, or there is no such interface",
        Errno::ETIMEDOUT => "no answer from the kernel",
        Errno::EBADMSG => "unintelligible answer",
        errno => errno.desc(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_was_tried_and_what_helps() {
        let error = Error::new("add 192.0.2.100/32 to lo", Errno::EPERM);
        assert_eq!(
            error.to_string(),
            "add 192.0.2.100/32 to lo: permission denied, CAP_NET_ADMIN is needed"
        );
        assert!(error.help().unwrap().starts_with("run as root"));
        assert_eq!(Error::new("x", Errno::ENOMEM).help(), None);
    }
}
