//! Hosts and ports as written, and what the names among them stand for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use crate::model::{Family, Pem, PortAddress, Protocol};

/// A host as written in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An address.
    Address(IpAddr),
    /// A name to be resolved.
    Name(Box<str>),
}

/// IPv6 addresses in brackets, as files have them.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A port as written in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// A number.
    Number(u16),
    /// A service name to be resolved, as in `/etc/services`.
    Name(Box<str>),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A host with or without a port, as written in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The host.
    pub host: Host,
    /// The port, if one was written.
    pub port: Option<Port>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.host, &self.port) {
            (Host::Address(address), Some(Port::Number(port))) => {
                PortAddress(*address, *port).fmt(f)
            }
            (host, Some(port)) => write!(f, "{host}:{port}"),
            (host, None) => host.fmt(f),
        }
    }
}

/// A name that has to be resolved before a configuration can be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A host, wanted as an address of one family.
    Host {
        /// The name.
        name: Box<str>,
        /// Family of the address wanted.
        family: Family,
    },
    /// A service, wanted as a port.
    Port {
        /// The name.
        name: Box<str>,
        /// Protocol it is used with; `None` takes any.
        protocol: Option<Protocol>,
    },
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { name, family } => write!(f, "{family} host {name}"),
            Self::Port {
                name,
                protocol: Some(protocol),
            } => write!(f, "{protocol} port {name}"),
            Self::Port {
                name,
                protocol: None,
            } => write!(f, "port {name}"),
        }
    }
}

/// What a [`Name`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Address of a host; one of another family than asked for counts as no answer.
    Address(IpAddr),
    /// Port number of a service.
    Port(u16),
}

/// Resolved names, and files that have been read. A name without an entry could not be
/// resolved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    answers: BTreeMap<Name, Answer>,
    files: BTreeMap<String, Result<Pem, String>>,
    leave_out: bool,
}

impl Names {
    /// Asks for each name in turn; for tests and callers that need no deadline.
    pub fn ask(
        names: impl IntoIterator<Item = Name>,
        resolver: &mut dyn FnMut(&Name) -> Option<Answer>,
    ) -> Self {
        names
            .into_iter()
            .filter_map(|name| resolver(&name).map(|answer| (name, answer)))
            .collect()
    }

    /// Adds an answer.
    pub fn insert(&mut self, name: Name, answer: Answer) {
        self.answers.insert(name, answer);
    }

    /// Adds what came of reading a file: its content, or why it cannot be used.
    pub fn insert_file(&mut self, path: String, read: Result<Pem, String>) {
        self.files.insert(path, read);
    }

    /// What stands on a host name without an answer is left out with a warning, where it
    /// would be refused otherwise.
    pub fn leave_out_unknown_hosts(&mut self) {
        self.leave_out = true;
    }

    /// Whether what stands on this host is to be left out: it is a name without an answer.
    pub(super) fn leaves_out(&self, host: &Host, family: Family) -> bool {
        self.leave_out && matches!(host, Host::Name(_)) && self.address(host, family).is_none()
    }

    /// What came of reading a file.
    pub(super) fn file(&self, path: &str) -> Result<&Pem, &str> {
        match self.files.get(path) {
            Some(Ok(pem)) => Ok(pem),
            Some(Err(why)) => Err(why),
            None => Err("it has not been read"),
        }
    }

    /// Address of a host in a family.
    pub(super) fn address(&self, host: &Host, family: Family) -> Option<IpAddr> {
        let address = match host {
            Host::Address(address) => *address,
            Host::Name(name) => {
                let name = Name::Host {
                    name: name.clone(),
                    family,
                };
                match self.answers.get(&name)? {
                    Answer::Address(address) => *address,
                    Answer::Port(_) => return None,
                }
            }
        };
        (Family::of(address) == family).then_some(address)
    }

    /// Number of a port.
    pub(super) fn port(&self, port: &Port, protocol: Option<Protocol>) -> Option<u16> {
        match port {
            Port::Number(number) => Some(*number),
            Port::Name(name) => {
                let name = Name::Port {
                    name: name.clone(),
                    protocol,
                };
                match self.answers.get(&name)? {
                    Answer::Port(number) => Some(*number),
                    Answer::Address(_) => None,
                }
            }
        }
    }
}

impl FromIterator<(Name, Answer)> for Names {
    fn from_iter<I: IntoIterator<Item = (Name, Answer)>>(answers: I) -> Self {
        Self {
            answers: answers.into_iter().collect(),
            files: BTreeMap::new(),
            leave_out: false,
        }
    }
}

/// Collects what has to be asked for.
#[derive(Debug, Default)]
pub(super) struct Wanted(BTreeSet<Name>);

impl Wanted {
    /// Notes a host, if it is a name.
    pub(super) fn host(&mut self, host: &Host, family: Family) {
        if let Host::Name(name) = host {
            self.0.insert(Name::Host {
                name: name.clone(),
                family,
            });
        }
    }

    /// Notes a port, if it is a name.
    pub(super) fn port(&mut self, port: Option<&Port>, protocol: Option<Protocol>) {
        if let Some(Port::Name(name)) = port {
            self.0.insert(Name::Port {
                name: name.clone(),
                protocol,
            });
        }
    }

    /// Everything noted, once each.
    pub(super) fn finish(self) -> Vec<Name> {
        self.0.into_iter().collect()
    }
}

/// An IPv4 address in any form that `inet_aton(3)` takes: one to four parts, each
/// decimal, octal with a leading 0 or hexadecimal with 0x; the last part fills the
/// remaining bytes.
pub(super) fn inet_aton(text: &str) -> Option<Ipv4Addr> {
    let mut parts = [0u32; 4];
    let mut count = 0;
    for part in text.split('.') {
        if part.contains('+') {
            return None;
        }
        let value = if let Some(hex) = part.strip_prefix("0x").or(part.strip_prefix("0X")) {
            u32::from_str_radix(hex, 16).ok()?
        } else if part.len() > 1 && part.starts_with('0') {
            u32::from_str_radix(part, 8).ok()?
        } else if part.bytes().all(|b| b.is_ascii_digit()) {
            part.parse().ok()?
        } else {
            return None;
        };
        *parts.get_mut(count)? = value;
        count += 1;
    }
    let (last, leading) = parts[..count].split_last()?;
    let mut address = 0u32;
    for (index, part) in leading.iter().enumerate() {
        address |= u32::from(u8::try_from(*part).ok()?) << (24 - 8 * index);
    }
    let room = 32 - 8 * leading.len() as u32;
    if room < 32 && *last >= 1 << room {
        return None;
    }
    Some(Ipv4Addr::from(address | last))
}

/// Whether text must be an IPv4 address rather than a name: its last label is a number.
pub(super) fn ends_in_a_number(text: &str) -> bool {
    let label = text.rsplit('.').next().unwrap_or(text);
    let hex = label.strip_prefix("0x").or(label.strip_prefix("0X"));
    let digits = !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit());
    digits || hex.is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_spellings_of_addresses_are_read_as_the_system_reads_them() {
        let read = |text| inet_aton(text).map(|a| a.to_string());
        assert_eq!(read("192.0.2.1").as_deref(), Some("192.0.2.1"));
        assert_eq!(read("010.0.0.1").as_deref(), Some("8.0.0.1"));
        assert_eq!(read("0x7f.1").as_deref(), Some("127.0.0.1"));
        assert_eq!(read("5").as_deref(), Some("0.0.0.5"));
        assert_eq!(read("127.65535").as_deref(), Some("127.0.255.255"));
        for bad in [
            "",
            ".",
            "1.",
            "256.1.1.1",
            "1.2.3.256",
            "1.2.3.4.5",
            "09",
            "0x",
            "a",
            "+1",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_answer_of_the_wrong_kind_or_family_is_none() {
        let name = Host::Name("www".into());
        let ask = |family, answer| {
            let asked = Name::Host {
                name: "www".into(),
                family,
            };
            Names::from_iter([(asked, answer)]).address(&name, family)
        };
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(ask(Family::V4, Answer::Address(address)), Some(address));
        assert_eq!(ask(Family::V6, Answer::Address(address)), None);
        assert_eq!(ask(Family::V4, Answer::Port(1)), None);
    }
}
