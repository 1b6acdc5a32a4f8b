//! `/proc/net/ip_vs`: the table in one cheap read.
//!
//! The file tells enough to notice that other hands changed the table: services with
//! scheduler, persistence and one-packet mode, destinations with method and weight. It
//! does not tell statistics, thresholds, encapsulations, scheduler flags and engines, the
//! family of a firewall mark, and the one-packet mode of IPv6 services (kernel note 0014).

mod parse;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};

use nix::errno::Errno;

use super::{Error, Request};
use crate::model::{
    Destination, DestinationKey, Family, Forwarding, ObservedTable, Scheduler, Service, ServiceKey,
    Table,
};

/// The table of the calling thread's network namespace.
const PATH: &str = "/proc/thread-self/net/ip_vs";
/// Longest file read, in bytes: some two million destinations.
const MAX_BYTES: u64 = 128 * 1024 * 1024;

/// The table as the file tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sketch {
    /// Services with an address.
    addresses: BTreeMap<ServiceKey, ServiceSketch>,
    /// Services of a firewall mark, sorted: one per family at most, but the file does
    /// not say which is which.
    marks: BTreeMap<u32, Vec<ServiceSketch>>,
}

/// A service as the file tells it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ServiceSketch {
    scheduler: Option<Scheduler>,
    persistent: bool,
    /// Always `false` for an IPv6 address, where the file does not tell.
    one_packet: bool,
    destinations: BTreeMap<DestinationKey, DestinationSketch>,
}

/// A destination as the file tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct DestinationSketch {
    method: Method,
    weight: u32,
}

/// The file's words for forwarding methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    /// Also what the file says for methods without a word of their own.
    Masquerade,
    Local,
    Tunnel,
    Route,
}

impl From<Forwarding> for Method {
    fn from(forwarding: Forwarding) -> Self {
        match forwarding {
            Forwarding::Masquerade | Forwarding::Bypass => Self::Masquerade,
            Forwarding::Local => Self::Local,
            Forwarding::Tunnel(_) => Self::Tunnel,
            Forwarding::DirectRoute => Self::Route,
        }
    }
}

impl Sketch {
    /// What the file would say of a table.
    pub fn of(table: &Table) -> Self {
        let entries = table.iter().map(|(key, entry)| {
            let sketch = sketch(key, &entry.service, entry.destinations.values());
            (*key, sketch)
        });
        entries.collect()
    }

    /// What the file would say of a table as it was read.
    pub fn of_observed(table: &ObservedTable) -> Self {
        let entries = table.iter().map(|(key, observed)| {
            let destinations = observed.destinations.values();
            let destinations = destinations.map(|observed| &observed.destination);
            (*key, sketch(key, &observed.service, destinations))
        });
        entries.collect()
    }

    /// Reads the text of the file.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, as a phrase.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        parse::table(text)
    }

    /// Every service that is not the same here and in a table: different, missing or
    /// not wanted. For a firewall mark both families are named, because the file does
    /// not tell which it is.
    pub fn differing(&self, wanted: &Table) -> BTreeSet<ServiceKey> {
        let wanted = Self::of(wanted);
        let addresses = union(&self.addresses, &wanted.addresses)
            .filter(|key| self.addresses.get(key) != wanted.addresses.get(key));
        let marks = union(&self.marks, &wanted.marks)
            .filter(|mark| self.marks.get(mark) != wanted.marks.get(mark))
            .flat_map(|mark| {
                [Family::V4, Family::V6].map(|family| ServiceKey::Mark { family, mark })
            });
        addresses.chain(marks).collect()
    }
}

impl FromIterator<(ServiceKey, ServiceSketch)> for Sketch {
    fn from_iter<I: IntoIterator<Item = (ServiceKey, ServiceSketch)>>(entries: I) -> Self {
        let mut table = Self::default();
        for (key, sketch) in entries {
            match key {
                ServiceKey::Address { .. } => {
                    table.addresses.insert(key, sketch);
                }
                ServiceKey::Mark { mark, .. } => table.marks.entry(mark).or_default().push(sketch),
            }
        }
        for sketches in table.marks.values_mut() {
            sketches.sort_unstable();
        }
        table
    }
}

fn union<K: Copy + Ord, V>(
    left: &BTreeMap<K, V>,
    right: &BTreeMap<K, V>,
) -> impl Iterator<Item = K> {
    let keys: BTreeSet<K> = left.keys().chain(right.keys()).copied().collect();
    keys.into_iter()
}

fn sketch<'a>(
    key: &ServiceKey,
    service: &Service,
    destinations: impl Iterator<Item = &'a Destination>,
) -> ServiceSketch {
    let untold = matches!(key, ServiceKey::Address { .. }) && key.family() == Family::V6;
    ServiceSketch {
        scheduler: service.scheduler.clone(),
        persistent: service.persistence.is_some(),
        one_packet: service.one_packet && !untold,
        destinations: destinations
            .map(|destination| {
                let sketch = DestinationSketch {
                    method: destination.forwarding.into(),
                    weight: destination.weight,
                };
                (destination.key, sketch)
            })
            .collect(),
    }
}

/// Reads the table of the calling thread's network namespace. Needs no privilege.
pub fn read_table() -> Result<Sketch, Error> {
    let text = read().map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT) => Error::NoModule {
            request: Request::Proc,
        },
        errno => Error::Io {
            request: Request::Proc,
            errno: errno.unwrap_or(Errno::EIO),
        },
    })?;
    Sketch::parse(&text).map_err(|reason| Error::Malformed {
        request: Request::Proc,
        reason,
    })
}

/// The file in large reads: the kernel works out a position anew for each one.
fn read() -> io::Result<String> {
    let mut text = String::with_capacity(64 * 1024);
    let file = File::open(PATH)?;
    if file.take(MAX_BYTES).read_to_string(&mut text)? as u64 == MAX_BYTES {
        return Err(Errno::EFBIG.into());
    }
    Ok(text)
}
