//! What is known of a link: for status, and said in the log when it changes.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use nix::errno::Errno;

use super::super::minute::OncePerMinute;
use super::place::Place;
use crate::model::InterfaceName;

/// What a link has done since it was configured. Every number counts packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Taken by the kernel.
    pub sent: u64,
    /// Not taken by the kernel, or asked for while the link was closed.
    pub not_sent: u64,
    /// Handed up.
    pub received: u64,
    /// Dropped: this host's own, come back.
    pub own: u64,
    /// Dropped: not from the peer's address, on a unicast link.
    pub foreign: u64,
    /// Dropped: came in on another interface, or to another address.
    pub misdirected: u64,
    /// Lost because nobody read them in time, since the socket was opened.
    pub overflowed: u32,
    /// Times the socket was opened.
    pub opened: u64,
}

/// A link, as status shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// Why it is down; `None` when it is up.
    pub down: Option<String>,
    /// Since when it is up or down.
    pub since: Instant,
    /// Interface, while it is open.
    pub interface: Option<InterfaceName>,
    /// This host's address, while it is open.
    pub source: Option<IpAddr>,
    /// Where it sends to, while it is open.
    pub destination: Option<SocketAddr>,
    /// When a packet was last handed up.
    pub last_received: Option<Instant>,
    /// What the kernel last said when it did not take a packet.
    pub last_error: Option<String>,
    /// Its counters.
    pub counters: Counters,
}

/// The health of a link.
#[derive(Debug)]
pub(super) struct Health {
    name: String,
    down: Option<String>,
    since: Instant,
    said: Option<bool>,
    last_received: Option<Instant>,
    last_error: Option<Errno>,
    pub(super) counters: Counters,
    downs: OncePerMinute,
    losses: OncePerMinute,
}

impl Health {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            down: Some("it is being opened".to_owned()),
            since: Instant::now(),
            said: None,
            last_received: None,
            last_error: None,
            counters: Counters::default(),
            downs: OncePerMinute::default(),
            losses: OncePerMinute::default(),
        }
    }

    /// The link works, as far as this host can tell.
    pub(super) fn up(&mut self, place: &Place) {
        if self.down.take().is_none() {
            return;
        }
        self.since = Instant::now();
        // A link that was said to be down is said to be up; one that flaps fills no log.
        if self.said.replace(true) != Some(true) {
            let Self { name, .. } = self;
            let Place {
                interface,
                source,
                destination,
                ..
            } = place;
            tracing::info!("link {name} is up: {source} on {interface} to {destination}");
        }
    }

    /// The link does not work, and this is why.
    pub(super) fn down(&mut self, reason: String) {
        if self.down.is_none() {
            self.since = Instant::now();
        }
        let news = self.down.as_ref() != Some(&reason);
        if news && let Some(held) = self.downs.pass(self.since.max(Instant::now())) {
            self.said = Some(false);
            let more = match held {
                0 => String::new(),
                held => format!(" ({held} more times in the last minute)"),
            };
            tracing::warn!("link {} is down: {reason}{more}", self.name);
        }
        self.down = Some(reason);
    }

    /// The kernel did not take a packet.
    pub(super) fn not_sent(&mut self, errno: Errno) {
        self.counters.not_sent += 1;
        self.last_error = Some(errno);
        if let Some(held) = self.losses.pass(Instant::now()) {
            let count = held + 1;
            tracing::warn!(
                "link {}: {count} packets not sent: {}",
                self.name,
                words(errno)
            );
        }
    }

    /// A packet was handed up.
    pub(super) fn received(&mut self) {
        self.counters.received += 1;
        self.last_received = Some(Instant::now());
    }

    pub(super) fn status(&self, place: Option<&Place>) -> LinkStatus {
        LinkStatus {
            name: self.name.clone(),
            down: self.down.clone(),
            since: self.since,
            interface: place.map(|place| place.interface.clone()),
            source: place.map(|place| place.source),
            destination: place.map(|place| place.destination),
            last_received: self.last_received,
            last_error: self.last_error.map(words),
            counters: self.counters,
        }
    }
}

/// What the kernel meant.
fn words(errno: Errno) -> String {
    match errno {
        Errno::EPERM => "a firewall rule refuses them".to_owned(),
        Errno::EAGAIN | Errno::ENOBUFS => "the interface's queue is full".to_owned(),
        errno => errno.desc().to_lowercase(),
    }
}
