//! Settings of the network stack below `/proc/sys/net`, of the calling thread's network
//! namespace.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use nix::errno::Errno;

use super::host::{Error, InterfaceName};
use crate::model::Family;

/// Longest value read, in bytes: a number in decimal.
const MAX_BYTES: u64 = 32;

/// Which interfaces a setting of `net.ipv4.conf` or `net.ipv6.conf` is of. How `all` and
/// the interface's own value combine differs from setting to setting.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// `conf.all`.
    All,
    /// `conf.INTERFACE`.
    Interface(InterfaceName),
}

impl Scope {
    /// `all`, or the interface's name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::All => "all",
            Self::Interface(name) => name.as_str(),
        }
    }
}

/// A setting whose value is one number. Printed as `sysctl` takes it, where the dots of
/// an interface's name are written as slashes: `net.ipv4.conf.eth0/100.arp_ignore`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sysctl {
    /// Below `/proc/sys`, its parts separated by slashes.
    path: String,
}

impl Sysctl {
    /// Whether packets of a family are forwarded: `net.ipv4.ip_forward`,
    /// `net.ipv6.conf.all.forwarding`.
    pub fn forwarding(family: Family) -> Self {
        let path = match family {
            Family::V4 => "net/ipv4/ip_forward",
            Family::V6 => "net/ipv6/conf/all/forwarding",
        };
        Self {
            path: path.to_owned(),
        }
    }

    /// A setting of `net.ipv4.conf.SCOPE`.
    pub fn of_ipv4(scope: &Scope, setting: &'static str) -> Self {
        Self {
            path: format!("net/ipv4/conf/{}/{setting}", scope.as_str()),
        }
    }

    /// Its value now.
    pub fn read(&self) -> Result<i64, Error> {
        let refused = |errno| Error::new(format_args!("read {self}"), errno);
        let mut text = String::new();
        let file = OpenOptions::new().read(true).open(self.file());
        file.and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
            .map_err(|error| refused(errno(&error)))?;
        text.trim().parse().map_err(|_| refused(Errno::EBADMSG))
    }

    /// Gives it a value. Needs `CAP_NET_ADMIN`.
    pub fn write(&self, value: i64) -> Result<(), Error> {
        let file = OpenOptions::new().write(true).open(self.file());
        file.and_then(|mut file| file.write_all(value.to_string().as_bytes()))
            .map_err(|error| Error::new(format_args!("set {self} to {value}"), errno(&error)))
    }

    fn file(&self) -> PathBuf {
        PathBuf::from("/proc/sys").join(&self.path)
    }
}

impl fmt::Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let swapped = self.path.chars().map(|c| match c {
            '/' => '.',
            '.' => '/',
            c => c,
        });
        f.pad(&swapped.collect::<String>())
    }
}

fn errno(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(number), _) => Errno::from_raw(number),
        (None, io::ErrorKind::InvalidData) => Errno::EBADMSG,
        (None, _) => Errno::EIO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(interface: &str) -> Sysctl {
        let scope = Scope::Interface(interface.parse().unwrap());
        Sysctl::of_ipv4(&scope, "arp_ignore")
    }

    #[test]
    fn a_setting_is_printed_as_sysctl_takes_it() {
        let all = Sysctl::of_ipv4(&Scope::All, "arp_announce");
        assert_eq!(all.to_string(), "net.ipv4.conf.all.arp_announce");
        assert_eq!(
            of("eth0.100").to_string(),
            "net.ipv4.conf.eth0/100.arp_ignore"
        );
        assert_eq!(
            of("eth0.100").file(),
            PathBuf::from("/proc/sys/net/ipv4/conf/eth0.100/arp_ignore")
        );
    }

    #[test]
    fn values_are_read_and_what_is_missing_is_named() {
        let value = Sysctl::forwarding(Family::V4).read().unwrap();
        assert!([0, 1].contains(&value), "{value}");
        let error = of("absent0").read().unwrap_err();
        assert_eq!(error.errno, Errno::ENOENT);
        assert!(
            error
                .to_string()
                .starts_with("read net.ipv4.conf.absent0.arp_ignore: this kernel has no"),
            "{error}"
        );
    }
}
