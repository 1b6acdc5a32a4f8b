//! Which options go with which command, and which exclude each other.

use super::failure::Failure;
use super::options::{Flag, Verb};

/// Options by the names that error texts use, in the order in which they are checked. Several
/// options may share a name: a command line has one service, one forwarding method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Numeric,
    Connection,
    Service,
    Scheduler,
    Engine,
    Persistent,
    Netmask,
    Server,
    Forward,
    Weight,
    Upper,
    Lower,
    Interface,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    NoSort,
    SyncId,
    Exact,
    OnePacket,
    SchedFlags,
    MaxLength,
    Group,
    Port,
    Ttl,
    TunInfo,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
}

/// All names in order, with their words.
const NAMES: [(Name, &str); 34] = [
    (Name::Numeric, "numeric"),
    (Name::Connection, "connection"),
    (Name::Service, "service-address"),
    (Name::Scheduler, "scheduler"),
    (Name::Engine, "pe"),
    (Name::Persistent, "persistent"),
    (Name::Netmask, "netmask"),
    (Name::Server, "real-server"),
    (Name::Forward, "forwarding-method"),
    (Name::Weight, "weight"),
    (Name::Upper, "u-threshold"),
    (Name::Lower, "l-threshold"),
    (Name::Interface, "mcast-interface"),
    (Name::Timeout, "timeout"),
    (Name::Daemon, "daemon"),
    (Name::Stats, "stats"),
    (Name::Rate, "rate"),
    (Name::Thresholds, "thresholds"),
    (Name::PersistentConn, "persistent-conn"),
    (Name::NoSort, "nosort"),
    (Name::SyncId, "syncid"),
    (Name::Exact, "exact"),
    (Name::OnePacket, "ops"),
    (Name::SchedFlags, "sched-flags"),
    (Name::MaxLength, "sync-maxlen"),
    (Name::Group, "mcast-group"),
    (Name::Port, "mcast-port"),
    (Name::Ttl, "mcast-ttl"),
    (Name::TunInfo, "tun-info"),
    (Name::TunType, "tun-type"),
    (Name::TunPort, "tun-port"),
    (Name::TunNocsum, "tun-nocsum"),
    (Name::TunCsum, "tun-csum"),
    (Name::TunRemcsum, "tun-remcsum"),
];

impl Name {
    fn word(self) -> &'static str {
        NAMES[self as usize].1
    }

    /// The name that an option is counted under; some are not counted.
    pub(super) fn of(flag: Flag) -> Option<Self> {
        Some(match flag {
            Flag::Verb(_) | Flag::Ipv6 | Flag::Sort => return None,
            Flag::Tcp | Flag::Udp | Flag::Sctp | Flag::Mark => Self::Service,
            Flag::Scheduler => Self::Scheduler,
            Flag::Engine => Self::Engine,
            Flag::Persistent => Self::Persistent,
            Flag::Netmask => Self::Netmask,
            Flag::Server => Self::Server,
            Flag::Gateway | Flag::Ipip | Flag::Masquerade => Self::Forward,
            Flag::Weight => Self::Weight,
            Flag::Upper => Self::Upper,
            Flag::Lower => Self::Lower,
            Flag::Interface => Self::Interface,
            Flag::SyncId => Self::SyncId,
            Flag::MaxLength => Self::MaxLength,
            Flag::Group => Self::Group,
            Flag::Port => Self::Port,
            Flag::Ttl => Self::Ttl,
            Flag::Timeout => Self::Timeout,
            Flag::Daemon => Self::Daemon,
            Flag::Stats => Self::Stats,
            Flag::Rate => Self::Rate,
            Flag::Thresholds => Self::Thresholds,
            Flag::PersistentConn => Self::PersistentConn,
            Flag::TunInfo => Self::TunInfo,
            Flag::NoSort => Self::NoSort,
            Flag::Exact => Self::Exact,
            Flag::OnePacket => Self::OnePacket,
            Flag::SchedFlags => Self::SchedFlags,
            Flag::Numeric => Self::Numeric,
            Flag::Connection => Self::Connection,
            Flag::TunType => Self::TunType,
            Flag::TunPort => Self::TunPort,
            Flag::TunNocsum => Self::TunNocsum,
            Flag::TunCsum => Self::TunCsum,
            Flag::TunRemcsum => Self::TunRemcsum,
        })
    }
}

/// The names that were met on a command line.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given(u64);

impl Given {
    /// Notes a name; each may come once.
    pub(super) fn add(&mut self, name: Name) -> Result<(), Failure> {
        if self.has(name) {
            let text = format!("multiple '{}' options specified", name.word());
            return Err(Failure::wrong(text));
        }
        self.0 |= 1 << name as u64;
        Ok(())
    }

    pub(super) fn has(self, name: Name) -> bool {
        self.0 & (1 << name as u64) != 0
    }

    fn any(self, names: &[Name]) -> bool {
        names.iter().any(|name| self.has(*name))
    }
}

/// What a command or tunnel type says to an option.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    Illegal,
    Allowed,
    Required,
    /// At most one of those marked so.
    OneOf,
}

fn rule(verb: Verb, name: Name) -> Rule {
    use Rule::{Allowed, Illegal, OneOf, Required};
    match (verb, name) {
        (Verb::AddService | Verb::EditService | Verb::DeleteService, Name::Service)
        | (Verb::AddServer | Verb::EditServer | Verb::DeleteServer, Name::Service | Name::Server) => {
            Required
        }
        (Verb::List, Name::Connection | Name::Service | Name::Timeout | Name::Daemon) => OneOf,
        (
            Verb::AddService | Verb::EditService,
            Name::Scheduler
            | Name::Engine
            | Name::Persistent
            | Name::Netmask
            | Name::OnePacket
            | Name::SchedFlags,
        )
        | (
            Verb::AddServer | Verb::EditServer,
            Name::Forward
            | Name::Weight
            | Name::Upper
            | Name::Lower
            | Name::TunType
            | Name::TunPort
            | Name::TunNocsum
            | Name::TunCsum
            | Name::TunRemcsum,
        )
        | (
            Verb::List,
            Name::Numeric
            | Name::Stats
            | Name::Rate
            | Name::Thresholds
            | Name::PersistentConn
            | Name::NoSort
            | Name::SyncId
            | Name::Exact
            | Name::TunInfo,
        )
        | (Verb::Save, Name::Numeric)
        | (Verb::Zero, Name::Service)
        | (
            Verb::StartDaemon,
            Name::Interface | Name::SyncId | Name::MaxLength | Name::Group | Name::Port | Name::Ttl,
        )
        | (Verb::StopDaemon, Name::SyncId) => Allowed,
        _ => Illegal,
    }
}

/// Checks the options of a command line against its command.
pub(super) fn command(verb: Verb, given: Given) -> Result<(), Failure> {
    let place = format!("the '{}' command", verb.word());
    check(&NAMES, given, &place, |name| rule(verb, name))?;
    let special = [Name::Connection, Name::Timeout, Name::Daemon];
    let mut modes = vec![Name::Stats, Name::Rate, Name::Thresholds];
    if !given.has(Name::Connection) {
        modes.push(Name::PersistentConn);
    }
    if verb == Verb::List && given.any(&special) && given.any(&modes) {
        return Err(Failure::wrong("options conflicts in the list command"));
    }
    Ok(())
}

/// Encapsulations by their names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Encapsulation {
    #[default]
    Ipip,
    Gue,
    Gre,
}

/// Checks the options of a tunnel.
pub(super) fn tunnel(
    is_tunnel: bool,
    encapsulation: Encapsulation,
    given: Given,
) -> Result<(), Failure> {
    use Rule::{Allowed, Illegal, OneOf, Required};
    let options = &NAMES[Name::TunType as usize..];
    if !is_tunnel {
        let conflict = options.iter().any(|(name, _)| given.has(*name));
        let failure = Failure::wrong("Tunnel options conflict with forward method");
        return if conflict { Err(failure) } else { Ok(()) };
    }
    let word = match encapsulation {
        Encapsulation::Ipip => "ipip",
        Encapsulation::Gue => "gue",
        Encapsulation::Gre => "gre",
    };
    let place = format!("the '{word}' tunnel type");
    check(options, given, &place, |name| match (encapsulation, name) {
        (_, Name::TunType) => Allowed,
        (Encapsulation::Gue, Name::TunPort) => Required,
        (Encapsulation::Gue, _) | (Encapsulation::Gre, Name::TunNocsum | Name::TunCsum) => OneOf,
        _ => Illegal,
    })
}

fn check(
    names: &[(Name, &str)],
    given: Given,
    place: &str,
    rule: impl Fn(Name) -> Rule,
) -> Result<(), Failure> {
    let mut last = None;
    for (name, word) in names {
        let text = match (given.has(*name), rule(*name)) {
            (false, Rule::Required) => {
                format!("You need to supply the '{word}' option for {place}")
            }
            (true, Rule::Illegal) => format!("Illegal '{word}' option with {place}"),
            (true, Rule::OneOf) => match last.replace(word) {
                Some(other) => {
                    format!("The option '{word}' conflicts with the '{other}' option in {place}")
                }
                None => continue,
            },
            _ => continue,
        };
        return Err(Failure::wrong(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_their_own_order() {
        for (index, (name, _)) in NAMES.iter().enumerate() {
            assert_eq!(*name as usize, index);
        }
    }
}
