//! Names of hosts and services: those on the command line, and those of a listing without
//! `-n`. Lookups run in parallel and with a deadline, so that a name server that does not
//! answer costs seconds, not seconds for each row.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::cli::listing;
use crate::model::Protocol;

/// Longest wait for names: all of a listing together, or one of a command line.
const PATIENCE: Duration = Duration::from_secs(2);
/// Lookups at the same time.
const WORKERS: usize = 64;
/// The names of services.
const SERVICES: &str = "/etc/services";
/// Most of that file that is read, in bytes.
const MAX_SERVICES: u64 = 4 * 1024 * 1024;
/// Longest host name that is shown, in bytes (RFC 1035, section 2.3.4).
const MAX_NAME: usize = 255;

/// Where names come from.
pub trait Lookup {
    /// The first IPv4 address of a host.
    fn address(&self, host: &str) -> Option<Ipv4Addr>;
    /// The port of a service.
    fn port(&self, name: &str, protocol: Protocol) -> Option<u16>;
    /// The names of addresses, as many as are found in time.
    fn hosts(&self, addresses: BTreeSet<IpAddr>) -> BTreeMap<IpAddr, String>;
    /// The name of a port.
    fn service(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// The names of this host: its resolver and `/etc/services`.
#[derive(Debug, Default)]
pub struct System {
    services: OnceLock<Services>,
}

impl System {
    fn services(&self) -> &Services {
        self.services.get_or_init(|| {
            use std::io::Read as _;
            let mut text = Vec::new();
            // Without the file there are no names.
            if let Ok(file) = std::fs::File::open(SERVICES) {
                let _ = file.take(MAX_SERVICES).read_to_end(&mut text);
            }
            Services::read(&String::from_utf8_lossy(&text))
        })
    }
}

impl Lookup for System {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        let host = host.to_owned();
        let found = within(vec![host], PATIENCE, |host: &String| {
            let addresses = (host.as_str(), 0).to_socket_addrs().ok()?;
            addresses
                .into_iter()
                .find_map(|address| match address.ip() {
                    IpAddr::V4(address) => Some(address),
                    IpAddr::V6(_) => None,
                })
        });
        found.into_values().next()
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let key = (protocol, name.to_owned());
        self.services().ports.get(&key).copied()
    }

    fn hosts(&self, addresses: BTreeSet<IpAddr>) -> BTreeMap<IpAddr, String> {
        within(addresses.into_iter().collect(), PATIENCE, |address| {
            dns_lookup::lookup_addr(address)
                .ok()
                .filter(|name| is_printable(name))
        })
    }

    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        self.services().names.get(&(protocol, port)).cloned()
    }
}

/// A name comes from whoever answers: nothing that a terminal or a script could take for
/// something else.
fn is_printable(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Asks `question` of every key on several threads and returns the answers that came in
/// time. A thread that hangs in the resolver is left to itself: it ends with the process.
fn within<K, V>(
    keys: Vec<K>,
    patience: Duration,
    question: impl Fn(&K) -> Option<V> + Send + Sync + 'static,
) -> BTreeMap<K, V>
where
    K: Ord + Send + 'static,
    V: Send + 'static,
{
    let deadline = Instant::now() + patience;
    let workers = keys.len().min(WORKERS);
    let todo = Arc::new(Mutex::new(keys));
    let question = Arc::new(question);
    let (sender, answers) = mpsc::channel();
    for _ in 0..workers {
        let (todo, question, sender) = (todo.clone(), question.clone(), sender.clone());
        // Where no thread can be had, those that are there do the work.
        let _ = thread::Builder::new().spawn(move || {
            let next = || todo.lock().unwrap_or_else(PoisonError::into_inner).pop();
            while let Some(key) = next() {
                if let Some(value) = question(&key)
                    && sender.send((key, value)).is_err()
                {
                    break;
                }
            }
        });
    }
    drop(sender);
    let mut found = BTreeMap::new();
    while let Some(left) = deadline.checked_duration_since(Instant::now()) {
        match answers.recv_timeout(left) {
            Ok((key, value)) => found.insert(key, value),
            Err(_) => break,
        };
    }
    found
}

/// The contents of `/etc/services` (services(5)).
#[derive(Debug, Default)]
struct Services {
    ports: BTreeMap<(Protocol, String), u16>,
    names: BTreeMap<(Protocol, u16), String>,
}

impl Services {
    /// Reads `NAME PORT/PROTOCOL [ALIAS…]` lines; of several entries the first one counts.
    fn read(text: &str) -> Self {
        let mut services = Self::default();
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_ascii_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else {
                continue;
            };
            let Some((port, protocol)) = port.split_once('/') else {
                continue;
            };
            let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
            let known = protocols.iter().find(|known| known.name() == protocol);
            let (Ok(port), Some(protocol)) = (port.parse(), known) else {
                continue;
            };
            for alias in std::iter::once(name).chain(words) {
                let key = (*protocol, alias.to_owned());
                services.ports.entry(key).or_insert(port);
            }
            let key = (*protocol, port);
            services.names.entry(key).or_insert_with(|| name.to_owned());
        }
        services
    }
}

/// The names that one listing needs, looked up at once.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    hosts: BTreeMap<IpAddr, String>,
    lookup: Option<&'a dyn Lookup>,
}

impl std::fmt::Debug for dyn Lookup + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lookup")
    }
}

impl<'a> Names<'a> {
    /// Everything stays a number.
    pub(super) fn none() -> Self {
        Self::default()
    }

    /// The names of these addresses.
    pub(super) fn of(addresses: BTreeSet<IpAddr>, lookup: &'a dyn Lookup) -> Self {
        Self {
            hosts: lookup.hosts(addresses),
            lookup: Some(lookup),
        }
    }

    /// The same for ports only.
    pub(super) fn without_hosts(&self) -> Self {
        Self {
            hosts: BTreeMap::new(),
            lookup: self.lookup,
        }
    }
}

impl listing::Names for Names<'_> {
    fn host(&self, address: IpAddr) -> Option<&str> {
        self.hosts.get(&address).map(String::as_str)
    }

    fn port(&self, port: u16, protocol: Protocol) -> Option<String> {
        (port != 0).then(|| self.lookup?.service(port, protocol))?
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A host `web`, a service `http` over TCP, and names for both.
    #[derive(Debug)]
    pub(in crate::cli::ipvsadm) struct Known;

    impl Lookup for Known {
        fn address(&self, host: &str) -> Option<Ipv4Addr> {
            (host == "web").then_some(Ipv4Addr::new(192, 0, 2, 7))
        }

        fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
            (name == "http" && protocol == Protocol::Tcp).then_some(80)
        }

        fn hosts(&self, addresses: BTreeSet<IpAddr>) -> BTreeMap<IpAddr, String> {
            let named = [
                ("192.0.2.7", "web"),
                ("192.0.2.8", "a-very-long-host-name-for-testing.example.org"),
                ("2001:db8::7", "six.example.org"),
            ];
            let named = named.map(|(address, name)| (address.parse().unwrap(), name.to_owned()));
            named
                .into_iter()
                .filter(|(address, _)| addresses.contains(address))
                .collect()
        }

        fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
            (port == 80 && protocol == Protocol::Tcp).then(|| "http".to_owned())
        }
    }

    #[test]
    fn services_are_known_by_name_alias_and_port() {
        let text = "# Services\nhttp\t80/tcp www # web\nhttp 80/udp\nwww2 80/tcp\n\
                    big 70000/tcp\nodd\nodd 7\nddp 1/ddp\nm3ua 2905/sctp\n";
        let services = Services::read(text);
        let port = |name: &str, protocol| services.ports.get(&(protocol, name.to_owned()));
        assert_eq!(port("http", Protocol::Tcp), Some(&80));
        assert_eq!(port("www", Protocol::Tcp), Some(&80));
        assert_eq!(port("www", Protocol::Udp), None);
        assert_eq!(port("m3ua", Protocol::Sctp), Some(&2905));
        assert_eq!(port("big", Protocol::Tcp), None);
        assert_eq!(services.names[&(Protocol::Tcp, 80)], "http");
        assert_eq!(services.names.len(), 3);
    }

    #[test]
    fn hanging_lookups_cost_the_deadline_once() {
        let begun = Instant::now();
        let found = within(
            (0..200).collect(),
            Duration::from_millis(200),
            |key: &u32| {
                if key.is_multiple_of(2) {
                    thread::sleep(Duration::from_secs(60));
                }
                Some(key * 10)
            },
        );
        assert!(begun.elapsed() < Duration::from_secs(10));
        // Every worker has met a hanging one at last; whoever was quick is there.
        assert!(!found.is_empty() && found.len() < 200, "{}", found.len());
        assert!(found.iter().all(|(key, value)| *value == key * 10));
    }

    #[test]
    fn quick_lookups_all_arrive_without_waiting() {
        let begun = Instant::now();
        let found = within((0..1000).collect(), Duration::from_secs(60), |key: &u32| {
            (!key.is_multiple_of(3)).then_some(*key)
        });
        assert!(begun.elapsed() < Duration::from_secs(30));
        assert_eq!(found.len(), 666);
    }

    #[test]
    fn names_that_could_deceive_are_not_shown() {
        assert!(is_printable("www.example.org"));
        for name in [
            "",
            "a b",
            "a\u{1b}[31m",
            "a\n",
            "\u{202e}",
            &"x".repeat(256),
        ] {
            assert!(!is_printable(name), "{name:?}");
        }
    }
}
