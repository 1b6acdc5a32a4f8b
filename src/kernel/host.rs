//! What [`super::address`] and [`super::sysctl`] share: names of interfaces, and errors.

use std::fmt;
use std::str::FromStr;

use nix::errno::Errno;

/// Longest name of an interface, in bytes (`IFNAMSIZ` without the NUL).
const MAX_NAME: usize = 15;

/// The name of a network interface. It can be part of a path below `/proc/sys` and of a
/// line on a terminal: what the kernel refuses in a name (`net/core/dev.c`,
/// `dev_valid_name`; `net/core/sysctl_net_core.c` for `all` and `default`) and control
/// characters are not in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

/// The text cannot be the name of an interface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be the name of a network interface")]
pub struct NotAnInterface(pub String);

impl InterfaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The loopback interface, which every network namespace has under this name.
    #[must_use]
    pub fn loopback() -> Self {
        Self("lo".to_owned())
    }
}

impl FromStr for InterfaceName {
    type Err = NotAnInterface;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reserved = ["", ".", "..", "all", "default"].contains(&text);
        let refused = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
        if reserved || text.len() > MAX_NAME || text.contains(refused) {
            return Err(NotAnInterface(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

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
    fn a_name_cannot_leave_its_directory_or_confuse_a_terminal() {
        for name in ["eth0", "eth0.100", "bond0", "abcdefghijklmno", "..."] {
            assert_eq!(name.parse::<InterfaceName>().unwrap().as_str(), name);
        }
        let refused = [
            "",
            ".",
            "..",
            "all",
            "default",
            "a/b",
            "../x",
            "lo:0",
            "a b",
            "a\n",
            "\u{1b}[2J",
            "abcdefghijklmnop",
        ];
        for name in refused {
            assert!(name.parse::<InterfaceName>().is_err(), "{name:?}");
        }
    }

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
