//! The maintenance directory: a file named after a server takes it out of service.
//!
//! A server is in maintenance while a file with one of these names exists: `ADDRESS:PORT`,
//! `ADDRESS`, `NAME:PORT`, `NAME`, `SHORT:PORT`, `SHORT`. PORT is the real server's, ADDRESS
//! has brackets for IPv6, NAME is what the configuration calls the server or what its
//! address resolves to, SHORT the first label of NAME.
//!
//! # Design
//!
//! The classic program resolved every server's address before every check, so a dead name
//! server stopped it. Here names are only looked up when the directory holds a file that is
//! not an address, in the background, and remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::core::Core;
use crate::config::{Config, Host};
use crate::model::{PortAddress, ServiceKey};

/// More files than this in the directory are not looked at.
const MAX_FILES: usize = 100_000;

/// The files of a maintenance directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeSet<String>);

impl Files {
    /// Reads the directory. One that cannot be read takes nobody out.
    pub fn read(directory: &Path) -> std::io::Result<Self> {
        let entries = std::fs::read_dir(directory)?;
        let names = entries
            .take(MAX_FILES)
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(Self(names.collect()))
    }

    /// Whether any file can only be the name of a host.
    pub fn has_names(&self) -> bool {
        self.0.iter().any(|file| !is_address(file))
    }

    /// Whether a server is in maintenance. `names` are the names it is known by.
    pub fn covers<'a>(
        &self,
        address: IpAddr,
        port: u16,
        names: impl IntoIterator<Item = &'a str>,
    ) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let with_port = PortAddress(address, port).to_string();
        let bare = match address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        if self.0.contains(&with_port) || self.0.contains(&bare) {
            return true;
        }
        names.into_iter().any(|name| {
            let name = name.trim_end_matches('.');
            std::iter::once(name)
                .chain(short(name))
                .any(|form| self.0.contains(form) || self.0.contains(&format!("{form}:{port}")))
        })
    }
}

fn is_address(file: &str) -> bool {
    let unbracketed = |text: &str| {
        text.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|inner| inner.parse::<IpAddr>().is_ok())
            || text.parse::<IpAddr>().is_ok()
    };
    let host = file.rsplit_once(':').map_or(file, |(host, _)| host);
    unbracketed(file) || unbracketed(host)
}

/// First label of a full name, if it has at least two characters.
fn short(name: &str) -> Option<&str> {
    let (label, _) = name.split_once('.')?;
    let usable = label.len() >= 2 && label.starts_with(|c: char| c.is_ascii_lowercase());
    usable.then_some(label)
}

/// Names that addresses resolve to, as far as they were looked up.
#[derive(Debug, Clone, Default)]
pub struct ReverseNames(BTreeMap<IpAddr, Option<String>>);

impl ReverseNames {
    /// The names of all real servers, looked up one after the other.
    pub fn of(config: &Config) -> Self {
        let servers = config.services.iter().flat_map(|service| &service.reals);
        let addresses: BTreeSet<IpAddr> =
            servers.map(|real| real.destination.key.address).collect();
        let name = |address| (address, look_up(address));
        Self(addresses.into_iter().map(name).collect())
    }

    /// Those of `addresses` that were not looked up yet.
    pub fn missing(&self, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<IpAddr> {
        let wanted: BTreeSet<IpAddr> = addresses.into_iter().collect();
        wanted
            .into_iter()
            .filter(|address| !self.0.contains_key(address))
            .collect()
    }

    /// Remembers what a look-up found.
    pub fn insert(&mut self, address: IpAddr, name: Option<String>) {
        self.0.insert(address, name);
    }

    /// The name of an address.
    pub fn name(&self, address: IpAddr) -> Option<&str> {
        self.0.get(&address)?.as_deref()
    }
}

/// Tells the core who is in maintenance: nobody when the configuration has no directory.
pub fn apply(core: &mut Core, files: &Files, names: &ReverseNames, now: Instant) {
    let config = Arc::clone(core.config());
    let by_key: BTreeMap<ServiceKey, _> = config.services.iter().map(|s| (s.key, s)).collect();
    let is_on = config.globals.maintenance_directory.is_some();
    let wanted = |key: &ServiceKey, index: usize| {
        let real = by_key.get(key).and_then(|service| service.reals.get(index));
        is_on
            && real.is_some_and(|real| {
                let address = real.destination.key.address;
                let written = match &real.written.host {
                    Host::Name(name) => Some(&**name),
                    Host::Address(_) => None,
                };
                let known = names.name(address).into_iter().chain(written);
                files.covers(address, real.port, known)
            })
    };
    core.handle_maintenance(wanted, now);
}

/// What the system's resolver calls an address. Blocks for as long as the resolver does.
pub fn look_up(address: IpAddr) -> Option<String> {
    let name = dns_lookup::lookup_addr(&address).ok()?;
    // Without a name the resolver answers with the address itself.
    name.parse::<IpAddr>().is_err().then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Files {
        Files(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn all_six_forms_of_a_name_take_a_server_out() {
        let address: IpAddr = "192.0.2.21".parse().unwrap();
        let name = || ["web1.example.com"];
        for form in [
            "192.0.2.21:80",
            "192.0.2.21",
            "web1.example.com:80",
            "web1.example.com",
            "web1:80",
            "web1",
        ] {
            assert!(files(&[form]).covers(address, 80, name()), "{form}");
        }
        for other in ["192.0.2.21:81", "192.0.2.2", "web1:443", "web"] {
            assert!(!files(&[other]).covers(address, 80, name()), "{other}");
        }
    }

    #[test]
    fn ipv6_addresses_have_brackets() {
        let address: IpAddr = "2001:db8::21".parse().unwrap();
        assert!(files(&["[2001:db8::21]:80"]).covers(address, 80, []));
        assert!(files(&["[2001:db8::21]"]).covers(address, 80, []));
        assert!(!files(&["2001:db8::21"]).covers(address, 80, []));
    }

    #[test]
    fn a_short_name_has_two_characters_and_begins_with_a_letter() {
        assert_eq!(short("web1.example.com"), Some("web1"));
        assert_eq!(short("w.example.com"), None);
        assert_eq!(short("1web.example.com"), None);
        assert_eq!(short("web1"), None);
    }

    #[test]
    fn names_are_only_looked_up_when_a_file_needs_it() {
        assert!(
            !files(&[
                "192.0.2.1",
                "192.0.2.1:80",
                "[2001:db8::1]:80",
                "[2001:db8::1]"
            ])
            .has_names()
        );
        assert!(files(&["web1:80"]).has_names());
    }
}
