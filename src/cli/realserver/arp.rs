//! The two ARP settings of a real server, and which values are quiet.

use crate::kernel::host::InterfaceName;
use crate::kernel::sysctl::{Scope, Sysctl};

/// A setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Setting {
    /// `arp_ignore`: for which addresses questions are answered.
    Ignore,
    /// `arp_announce`: which source address own questions carry.
    Announce,
}

impl Setting {
    pub(super) const BOTH: [Self; 2] = [Self::Ignore, Self::Announce];

    /// Its name below `net.ipv4.conf.SCOPE`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ignore => "arp_ignore",
            Self::Announce => "arp_announce",
        }
    }

    /// The value that `setup` gives it.
    pub(super) fn wanted(self) -> i64 {
        match self {
            Self::Ignore => 1,
            Self::Announce => 2,
        }
    }

    /// Whether an interface with this effective value keeps quiet about addresses of
    /// `lo`. More is not always quieter (kernel note 0022).
    pub(super) fn is_quiet(self, value: i64) -> bool {
        match self {
            Self::Ignore => [1, 2, 8].contains(&value),
            Self::Announce => value == 2,
        }
    }

    pub(super) fn sysctl(self, scope: &Scope) -> Sysctl {
        Sysctl::of_ipv4(scope, self.name())
    }
}

/// The values of both settings in one scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arp {
    pub(super) ignore: i64,
    pub(super) announce: i64,
}

impl Arp {
    pub(super) fn get(self, setting: Setting) -> i64 {
        match setting {
            Setting::Ignore => self.ignore,
            Setting::Announce => self.announce,
        }
    }

    pub(super) fn set(&mut self, setting: Setting, value: i64) {
        match setting {
            Setting::Ignore => self.ignore = value,
            Setting::Announce => self.announce = value,
        }
    }

    /// What is in force on an interface: the larger of its own value and that of `all`
    /// (kernel note 0022).
    pub(super) fn in_force(self, all: Self) -> Self {
        Self {
            ignore: self.ignore.max(all.ignore),
            announce: self.announce.max(all.announce),
        }
    }

    pub(super) fn is_quiet(self) -> bool {
        Setting::BOTH
            .into_iter()
            .all(|setting| setting.is_quiet(self.get(setting)))
    }
}

/// Scope of an interface.
pub(super) fn of(interface: &InterfaceName) -> Scope {
    Scope::Interface(interface.clone())
}
