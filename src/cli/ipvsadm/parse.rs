//! A command line becomes a [`Command`] or the original's complaint. Pure, but for names,
//! which come in through [`Lookup`].
//!
//! The first option must be the command. Each option is checked when it is met, so of
//! several mistakes the first one is told; then the combination is checked.

mod combine;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::check::{self, Encapsulation, Given, Name};
use super::command::Command;
use super::failure::Failure;
use super::names::Lookup;
use super::options::{Flag, Met, Scanner, Verb};
use super::place::{host_v4, leading_number, number, place};
use crate::cli::listing;
use crate::model::{DestinationKey, Family, Netmask, Protocol, SchedulerFlags, SyncRole, Timeouts};

/// Scheduler of services that name none.
const DEFAULT_SCHEDULER: &str = "wlc";
/// Persistence time-out of `-p` alone, in seconds (the manual says 300).
const DEFAULT_PERSISTENCE: u32 = 360;
/// Largest time-out, in seconds: 31 days.
const MAX_TIMEOUT: i64 = 31 * 24 * 3600;
/// Largest weight and threshold.
const MAX_NUMBER: i64 = i32::MAX as i64;
/// Multicast interface of daemons that name none.
const DEFAULT_INTERFACE: &str = "eth0";
/// Longest name of a scheduler, engine or interface in the kernel, in bytes; longer ones are
/// cut.
const MAX_NAME: usize = 15;
/// Largest payload of a sync message: that of a UDP datagram.
const MAX_SYNC_LENGTH: i64 = 65507;

/// Reads a command line without its program name, which is `program`.
pub fn parse(program: &str, words: &[&str], names: &dyn Lookup) -> Result<Command, Failure> {
    let mut scanner = Scanner::new(words);
    let first = scanner.option().ok().flatten();
    let Some(Met {
        flag: Flag::Verb(verb),
        value,
        ..
    }) = first
    else {
        return Err(Failure::no_command(program));
    };
    match verb {
        Verb::Help => return Ok(Command::Help),
        Verb::Version => return Ok(Command::Version),
        _ => {}
    }
    let mut reading = Reading::new(verb, names);
    reading.role = role(verb, value)?;
    while let Some(met) = scanner.option()? {
        reading.option(&met)?;
    }
    if verb == Verb::Set {
        reading.timeouts = timeouts(&mut scanner)?;
    }
    if let Some(word) = scanner.argument() {
        return Err(Failure::wrong(format!("unexpected argument {word}")));
    }
    reading.finish_flags()?;
    check::command(verb, reading.given)?;
    reading.command()
}

fn role(verb: Verb, value: Option<&str>) -> Result<SyncRole, Failure> {
    match (verb, value) {
        (Verb::StartDaemon | Verb::StopDaemon, Some("backup")) => Ok(SyncRole::Backup),
        (Verb::StartDaemon, Some(word)) if word != "master" => {
            Err(Failure::wrong("illegal start-daemon parameter specified"))
        }
        (Verb::StopDaemon, Some(word)) if word != "master" => {
            Err(Failure::wrong("illegal start_daemon specified"))
        }
        _ => Ok(SyncRole::Master),
    }
}

/// The three words of `--set`.
fn timeouts(scanner: &mut Scanner<'_>) -> Result<Timeouts, Failure> {
    let words = [scanner.argument(), scanner.argument(), scanner.argument()];
    let [Some(tcp), Some(tcp_fin), Some(udp)] = words else {
        return Err(Failure::wrong("--set option requires 3 timeout values"));
    };
    Ok(Timeouts {
        tcp: timeout(tcp, 0)?,
        tcp_fin: timeout(tcp_fin, 0)?,
        udp: timeout(udp, 0)?,
    })
}

fn timeout(text: &str, least: i64) -> Result<u32, Failure> {
    bounded(text, least, MAX_TIMEOUT)
        .ok_or_else(|| Failure::wrong(format!("invalid timeout value `{text}' specified")))
}

fn bounded<T: TryFrom<i64>>(text: &str, least: i64, most: i64) -> Option<T> {
    number(text, least, most).and_then(|value| T::try_from(value).ok())
}

fn bounded_or<T: TryFrom<i64>>(
    text: &str,
    least: i64,
    most: i64,
    complaint: &str,
) -> Result<T, Failure> {
    bounded(text, least, most).ok_or_else(|| Failure::wrong(complaint))
}

/// As much of a name as the kernel takes.
fn cut(text: &str) -> &str {
    listing::cut(text, MAX_NAME)
}

/// The state of a command line being read.
struct Reading<'a> {
    verb: Verb,
    names: &'a dyn Lookup,
    given: Given,
    /// Of the service; `None` before its option was met.
    protocol: Option<Protocol>,
    address: IpAddr,
    port: u16,
    mark: Option<u32>,
    scheduler: &'a str,
    scheduler_flags: &'a str,
    flags: SchedulerFlags,
    persistence: Option<u32>,
    netmask: Netmask,
    engine: &'a str,
    server: DestinationKey,
    forward: Forward,
    weight: u32,
    upper: u32,
    lower: u32,
    encapsulation: Encapsulation,
    tunnel_port: u16,
    role: SyncRole,
    interface: &'a str,
    sync_id: u8,
    max_length: u16,
    group: Option<IpAddr>,
    sync_port: u16,
    ttl: u8,
    timeouts: Timeouts,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Forward {
    Gateway,
    Ipip,
    Masquerade,
}

impl<'a> Reading<'a> {
    fn new(verb: Verb, names: &'a dyn Lookup) -> Self {
        let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        Self {
            verb,
            names,
            given: Given::default(),
            protocol: None,
            address: nowhere,
            port: 0,
            mark: None,
            scheduler: "",
            scheduler_flags: "",
            flags: SchedulerFlags::default(),
            persistence: None,
            netmask: Netmask::full(Family::V4),
            engine: "",
            server: DestinationKey {
                address: nowhere,
                port: 0,
            },
            forward: Forward::Gateway,
            weight: 1,
            upper: 0,
            lower: 0,
            encapsulation: Encapsulation::Ipip,
            tunnel_port: 0,
            role: SyncRole::Master,
            interface: "",
            sync_id: 0,
            max_length: 0,
            group: None,
            sync_port: 0,
            ttl: 0,
            timeouts: Timeouts::default(),
        }
    }

    fn option(&mut self, met: &Met<'a>) -> Result<(), Failure> {
        if let Some(name) = Name::of(met.flag) {
            self.given.add(name)?;
        }
        let value = met.value.unwrap_or_default();
        match met.flag {
            Flag::Verb(_) => {
                return Err(Failure::wrong(format!("invalid option `{}'", met.word)));
            }
            Flag::Tcp => self.service(Protocol::Tcp, value)?,
            Flag::Udp => self.service(Protocol::Udp, value)?,
            Flag::Sctp => self.service(Protocol::Sctp, value)?,
            Flag::Mark => self.mark(value)?,
            Flag::Ipv6 => self.six()?,
            Flag::Scheduler => self.scheduler = cut(value),
            Flag::SchedFlags => self.scheduler_flags = value,
            Flag::Engine => self.engine = cut(value),
            Flag::Persistent => {
                let seconds = met.value.map(|value| timeout(value, 1)).transpose()?;
                self.persistence = Some(seconds.unwrap_or(DEFAULT_PERSISTENCE));
            }
            Flag::Netmask => self.netmask(value)?,
            Flag::Server => self.server(value)?,
            Flag::Gateway => self.forward = Forward::Gateway,
            Flag::Ipip => self.forward = Forward::Ipip,
            Flag::Masquerade => self.forward = Forward::Masquerade,
            Flag::Weight => {
                self.weight = bounded_or(value, 0, MAX_NUMBER, "illegal weight specified")?;
            }
            Flag::Upper => {
                self.upper = bounded_or(value, 0, MAX_NUMBER, "illegal u_threshold specified")?;
            }
            Flag::Lower => {
                self.lower = bounded_or(value, 0, MAX_NUMBER, "illegal l_threshold specified")?;
            }
            Flag::TunType => {
                self.encapsulation = match value {
                    "ipip" => Encapsulation::Ipip,
                    "gue" => Encapsulation::Gue,
                    "gre" => Encapsulation::Gre,
                    _ => return Err(Failure::wrong("illegal tunnel type specified")),
                };
            }
            Flag::TunPort => {
                self.tunnel_port = bounded_or(value, 1, 65535, "illegal tunnel port specified")?;
            }
            Flag::Interface => self.interface = cut(value),
            Flag::SyncId => self.sync_id = bounded_or(value, 0, 255, "illegal syncid specified")?,
            Flag::MaxLength => {
                let complaint = "illegal sync-maxlen specified";
                self.max_length = bounded_or(value, 1, MAX_SYNC_LENGTH, complaint)?;
            }
            Flag::Group => self.group = Some(group(value)?),
            Flag::Port => {
                self.sync_port = bounded_or(value, 1, 65535, "illegal mcast-port specified")?;
            }
            Flag::Ttl => self.ttl = bounded_or(value, 1, 255, "illegal mcast-ttl specified")?,
            Flag::Timeout
            | Flag::Daemon
            | Flag::Stats
            | Flag::Rate
            | Flag::Thresholds
            | Flag::PersistentConn
            | Flag::TunInfo
            | Flag::NoSort
            | Flag::Sort
            | Flag::Exact
            | Flag::OnePacket
            | Flag::Numeric
            | Flag::Connection
            | Flag::TunNocsum
            | Flag::TunCsum
            | Flag::TunRemcsum => {}
        }
        Ok(())
    }

    fn service(&mut self, protocol: Protocol, text: &str) -> Result<(), Failure> {
        let complaint = "illegal virtual server address[:port] specified";
        let found = place(text, Some(protocol), self.names);
        let found = found.ok_or_else(|| Failure::wrong(complaint))?;
        self.protocol = Some(protocol);
        self.address = found.address;
        self.port = found.port.unwrap_or(0);
        // A mask that came before was read as that of an IPv4 service.
        if found.address.is_ipv6() {
            self.netmask = Netmask::full(Family::V6);
        }
        Ok(())
    }

    fn mark(&mut self, text: &str) -> Result<(), Failure> {
        let mark = bounded(text, 1, i64::from(u32::MAX))
            .ok_or_else(|| Failure::wrong(format!("invalid fwmark value `{text}' specified")))?;
        self.mark = Some(mark);
        self.protocol = Some(Protocol::Tcp);
        Ok(())
    }

    fn six(&mut self) -> Result<(), Failure> {
        if self.mark.is_none() {
            return Err(Failure::wrong("-6 used before -f\n"));
        }
        self.address = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        self.netmask = Netmask::full(Family::V6);
        Ok(())
    }

    fn netmask(&mut self, text: &str) -> Result<(), Failure> {
        self.netmask = if self.address.is_ipv6() {
            let prefix = leading_number(text);
            match u8::try_from(prefix) {
                Ok(prefix @ 1..=128) => Netmask::V6(prefix),
                _ => return Err(Failure::wrong("illegal ipv6 netmask specified")),
            }
        } else {
            let complaint = "illegal virtual server persistent mask specified";
            let mask = host_v4(text, self.names);
            Netmask::V4(mask.ok_or_else(|| Failure::wrong(complaint))?)
        };
        Ok(())
    }

    /// Without a port the real server has that of the service, as far as it is known.
    fn server(&mut self, text: &str) -> Result<(), Failure> {
        let complaint = "illegal real server address[:port] specified";
        let found = place(text, self.protocol, self.names);
        let found = found.ok_or_else(|| Failure::wrong(complaint))?;
        self.server = DestinationKey {
            address: found.address,
            port: found.port.unwrap_or(self.port),
        };
        Ok(())
    }

    /// Flags belong to a scheduler, which may be named after them.
    fn finish_flags(&mut self) -> Result<(), Failure> {
        let scheduler = match self.scheduler {
            "" => DEFAULT_SCHEDULER,
            name => name,
        };
        for name in self
            .scheduler_flags
            .split(',')
            .filter(|name| !name.is_empty())
        {
            let complaint = match SchedulerFlags::bit(scheduler, name) {
                Some(bit) => {
                    self.flags = self.flags.union(bit);
                    continue;
                }
                None if ["sh", "mh"]
                    .iter()
                    .any(|owner| SchedulerFlags::bit(owner, name).is_some()) =>
                {
                    "incompatible"
                }
                None => "invalid",
            };
            return Err(Failure::wrong(format!(
                "{complaint} scheduler flag `{name}'"
            )));
        }
        Ok(())
    }
}

/// A multicast group; IPv6 when there is a colon in it.
fn group(text: &str) -> Result<IpAddr, Failure> {
    let (family, address) = if text.contains(':') {
        let six = text.parse::<Ipv6Addr>().ok().filter(Ipv6Addr::is_multicast);
        ("IPv6", six.map(IpAddr::V6))
    } else {
        let four = text.parse::<Ipv4Addr>().ok().filter(Ipv4Addr::is_multicast);
        ("IPv4", four.map(IpAddr::V4))
    };
    address.ok_or_else(|| Failure::wrong(format!("invalid {family} mcast-group `{text}'")))
}
