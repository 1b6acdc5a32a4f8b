//! Names of hosts and services, asked of the system in parallel and with a deadline.

use std::collections::BTreeMap;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::model::{Family, Protocol};

/// Longest wait for all names together. A dead name server costs this once.
const DEADLINE: Duration = Duration::from_secs(2);

/// Addresses of one host that are looked at.
const ADDRESSES_MAX: usize = 4096;

/// Look-ups at a time.
const PARALLEL: usize = 64;

/// What a look-up gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Addresses of the host in the family asked for, at least one.
    pub addresses: Vec<IpAddr>,
    /// How long it took.
    pub took: Duration,
}

impl Found {
    /// The address that is used: the one that was used so far, when the name still has it. A
    /// name with many addresses gives them in another order each time.
    pub fn choose(&self, known: Option<IpAddr>) -> Option<IpAddr> {
        let known = known.filter(|known| self.addresses.contains(known));
        known.or_else(|| self.addresses.first().copied())
    }
}

/// Addresses of hosts in the families asked for; hosts that have none, or none in time, are
/// missing.
pub fn hosts(names: Vec<(String, Family)>) -> BTreeMap<(String, Family), Found> {
    let deadline = Instant::now() + DEADLINE;
    let mut found = BTreeMap::new();
    let mut waiting = names.into_iter();
    let (sender, answers) = mpsc::channel();
    let mut running = 0;
    loop {
        while running < PARALLEL {
            let Some(name) = waiting.next() else { break };
            let sender = sender.clone();
            // A look-up that hangs keeps its thread, not the caller.
            let spawned = std::thread::Builder::new()
                .name("resolve".to_owned())
                .stack_size(128 * 1024)
                .spawn(move || {
                    let began = Instant::now();
                    let found = addresses(&name.0, name.1).map(|addresses| Found {
                        addresses,
                        took: began.elapsed(),
                    });
                    // The caller may have stopped waiting.
                    let _ = sender.send((name, found));
                });
            match spawned {
                Ok(_) => running += 1,
                Err(error) => tracing::warn!(%error, "a name could not be looked up"),
            }
        }
        if running == 0 {
            return found;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match answers.recv_timeout(left) {
            Ok((name, answer)) => {
                running -= 1;
                found.extend(answer.map(|answer| (name, answer)));
            }
            Err(_) => return found,
        }
    }
}

fn addresses(host: &str, family: Family) -> Option<Vec<IpAddr>> {
    let addresses = (host, 0).to_socket_addrs().ok()?;
    let addresses: Vec<IpAddr> = addresses
        .map(|address| address.ip())
        .filter(|address| Family::of(*address) == family)
        .take(ADDRESSES_MAX)
        .collect();
    (!addresses.is_empty()).then_some(addresses)
}

/// Ports by service name, as `/etc/services` lists them.
#[derive(Debug, Default)]
pub struct Services(BTreeMap<(String, String), u16>);

impl Services {
    /// Reads `/etc/services`; a system without that file knows no names.
    pub fn of_system() -> Self {
        match std::fs::read_to_string("/etc/services") {
            Ok(text) => Self::parse(&text),
            Err(error) => {
                tracing::debug!(%error, "no /etc/services");
                Self::default()
            }
        }
    }

    fn parse(text: &str) -> Self {
        let mut services = BTreeMap::new();
        for line in text.lines() {
            let mut words = line
                .split('#')
                .next()
                .unwrap_or_default()
                .split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else {
                continue;
            };
            let Some((port, protocol)) = port.split_once('/') else {
                continue;
            };
            let Ok(port) = port.parse() else { continue };
            for name in std::iter::once(name).chain(words) {
                let key = (name.to_owned(), protocol.to_owned());
                services.entry(key).or_insert(port);
            }
        }
        Self(services)
    }

    /// Port of a service; under any protocol when none is given.
    pub fn port(&self, name: &str, protocol: Option<Protocol>) -> Option<u16> {
        match protocol {
            Some(protocol) => {
                let key = (name.to_owned(), protocol.name().to_owned());
                self.0.get(&key).copied()
            }
            None => [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
                .into_iter()
                .find_map(|protocol| self.port(name, Some(protocol))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_names_and_their_aliases_have_ports() {
        let services = Services::parse("http 80/tcp www # web\ndomain\t53/udp\n# comment\nbad\n");
        assert_eq!(services.port("http", Some(Protocol::Tcp)), Some(80));
        assert_eq!(services.port("www", None), Some(80));
        assert_eq!(services.port("http", Some(Protocol::Udp)), None);
        assert_eq!(services.port("domain", None), Some(53));
    }

    #[test]
    fn a_name_with_many_addresses_keeps_the_one_in_use() {
        let address = |last: u16| IpAddr::from([192, 0, (last >> 8) as u8, last as u8]);
        let mut found = Found {
            addresses: (0..1000).map(address).collect(),
            took: Duration::ZERO,
        };
        assert_eq!(found.choose(None), Some(address(0)));
        assert_eq!(found.choose(Some(address(700))), Some(address(700)));
        assert_eq!(found.choose(Some(address(1000))), Some(address(0)));
        found.addresses.rotate_left(300);
        assert_eq!(found.choose(Some(address(0))), Some(address(0)));
    }

    #[test]
    fn hosts_are_looked_up_in_their_family() {
        let wanted = vec![
            ("localhost".to_owned(), Family::V4),
            ("no.such.invalid".to_owned(), Family::V4),
        ];
        let found = hosts(wanted);
        let localhost = found.get(&("localhost".to_owned(), Family::V4)).unwrap();
        assert_eq!(localhost.addresses, [IpAddr::from([127, 0, 0, 1])]);
        assert!(localhost.took > Duration::ZERO);
        assert_eq!(found.len(), 1);
    }
}
