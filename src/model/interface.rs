//! Names and hardware addresses of network interfaces.

use std::fmt;
use std::str::FromStr;

/// Longest name of an interface, in bytes (`IFNAMSIZ` without the NUL).
const MAX_NAME: usize = 15;

/// The name of a network interface. It can be part of a path below `/proc/sys` and of a
/// line on a terminal: what the kernel refuses in a name (`net/core/dev.c`,
/// `dev_valid_name`; `net/core/sysctl_net_core.c` for `all` and `default`) and control
/// characters are not in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(String);

/// The text cannot be the name of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAnInterface(pub String);

impl fmt::Display for NotAnInterface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} cannot be the name of a network interface", self.0)
    }
}

impl std::error::Error for NotAnInterface {}

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

/// An Ethernet address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Everybody.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// Nobody in particular.
    pub const ZERO: Self = Self([0; 6]);
}

/// `02:00:5e:10:20:30`.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
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
}
