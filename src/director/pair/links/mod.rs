//! The sockets of the links: adverts out, packets in, each link by itself.
//!
//! A link whose interface is missing, down, without a fitting address or deleted is down
//! with a reason, and up again by itself once the host has what it needs: [`watch`] follows
//! the host's interfaces, [`place`] finds where a link belongs, [`socket`] is the socket
//! there. Whether a packet is authentic is the business of whoever reads it; here it must
//! have come in on the link's interface, to the link's address, from somebody else.

mod entry;
mod place;
mod socket;
mod status;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use crate::model::InterfaceName;
use crate::model::pair::Link;
use entry::Entry;
pub use status::{Counters, LinkStatus};
use watch::Sight;

/// Longest advert in bytes. A packet of one byte more is handed up too, so that the reader
/// can tell that it was too long.
pub const MAX_ADVERT: usize = 512;
/// Time between two looks while a link is down.
const LOOK: Duration = Duration::from_millis(200);

/// A packet that came in on a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Position of the link.
    pub link: usize,
    /// Who sent it.
    pub from: SocketAddr,
    /// What it holds: at most [`MAX_ADVERT`] + 1 bytes.
    pub bytes: Vec<u8>,
}

/// What another process needs to send a packet over a link by itself: a UDP socket bound to
/// `source` (any port), `interface` and, for a group, time to live 1 and no loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarewellRoute {
    /// Position of the link.
    pub link: usize,
    /// Interface it leaves by.
    pub interface: InterfaceName,
    /// The interface's number.
    pub index: u32,
    /// This host's address on it.
    pub source: IpAddr,
    /// The peer, group or broadcast address, and the port.
    pub destination: SocketAddr,
}

/// Every link of the pair. Positions are those of the list it was opened with.
#[derive(Debug)]
pub struct Links {
    entries: Vec<Entry>,
    sight: tokio::sync::watch::Receiver<Arc<Sight>>,
    look: Arc<Notify>,
    again: Interval,
    next: usize,
    watcher: JoinHandle<()>,
}

impl Links {
    /// Opens the links in the calling thread's network namespace; those that cannot be are
    /// down until they can. To be called within a current-thread tokio runtime: what it
    /// starts stays on this thread.
    pub fn open(links: &[Link]) -> Self {
        let look = Arc::new(Notify::new());
        let (sight, watcher) = watch::start(look.clone());
        let mut again = tokio::time::interval(LOOK);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let unknown = sight.borrow().clone();
        let entry = |link: &Link| Entry::new(link.clone(), unknown.clone());
        Self {
            entries: links.iter().map(entry).collect(),
            sight,
            look,
            again,
            next: 0,
            watcher,
        }
    }

    /// Takes over a new list. Links that are in both stay untouched, with their counters.
    pub fn replace(&mut self, links: &[Link]) {
        let mut old = std::mem::take(&mut self.entries);
        let sight = self.sight.borrow().clone();
        // Closed before anything is opened: a new link may need what an old one holds.
        old.retain(|entry| links.contains(entry.link()));
        for link in links {
            let same = old.iter().position(|entry| entry.link() == link);
            self.entries.push(match same {
                Some(at) => old.swap_remove(at),
                None => Entry::new(link.clone(), sight.clone()),
            });
        }
        drop(old);
        self.next = 0;
        for entry in &mut self.entries {
            entry.settle(&sight);
        }
    }

    /// Sends a packet on a link, without waiting. What the kernel does not take is lost, and
    /// counted; a position that does not exist is ignored.
    pub fn send(&mut self, link: usize, bytes: &[u8]) {
        if let Some(entry) = self.entries.get_mut(link) {
            entry.send(bytes);
        }
    }

    /// The next packet of any link; the links take turns. Looks after the links meanwhile,
    /// so it must be awaited all the time. A call that is given up loses nothing.
    pub async fn recv(&mut self) -> Packet {
        loop {
            let down = self.entries.iter().any(|entry| !entry.is_open());
            let (entries, next) = (&mut self.entries, &mut self.next);
            tokio::select! {
                biased;
                Ok(()) = self.sight.changed() => {
                    let sight = self.sight.borrow_and_update().clone();
                    self.entries.iter_mut().for_each(|entry| entry.settle(&sight));
                }
                _ = self.again.tick(), if down => {
                    self.look.notify_one();
                    let sight = self.sight.borrow().clone();
                    self.entries.iter_mut().for_each(|entry| entry.settle(&sight));
                }
                arrived = std::future::poll_fn(|context| poll(entries, next, context)) => {
                    if let Some(packet) = arrived {
                        return packet;
                    }
                }
            }
        }
    }

    /// The next packet that has arrived already, asked of the kernel itself: after `None`
    /// no socket holds one that may be the peer's. For the moment after a stall, before
    /// anything is decided.
    pub fn try_recv(&mut self) -> Option<Packet> {
        let count = self.entries.len();
        for turn in 0..count {
            let at = (self.next + turn) % count;
            let arrived = self.entries[at].take(at);
            if arrived.is_some() {
                self.next = at + 1;
                return arrived;
            }
        }
        None
    }

    /// State and counters of every link.
    pub fn status(&self) -> Vec<LinkStatus> {
        self.entries.iter().map(Entry::status).collect()
    }

    /// How another process can send over the links that are up.
    pub fn routes(&self) -> Vec<FarewellRoute> {
        let sockets = self.entries.iter().enumerate();
        sockets
            .filter_map(|(link, entry)| {
                let place = entry.place()?;
                Some(FarewellRoute {
                    link,
                    interface: place.interface.clone(),
                    index: place.index,
                    source: place.source,
                    destination: place.destination,
                })
            })
            .collect()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// The next packet of the entries, from the one whose turn it is; `None` when there is
/// none and a link was closed.
fn poll(
    entries: &mut [Entry],
    next: &mut usize,
    context: &mut Context<'_>,
) -> Poll<Option<Packet>> {
    let count = entries.len();
    for turn in 0..count {
        let at = (*next + turn) % count;
        if let Poll::Ready(arrived) = entries[at].poll(at, context) {
            *next = at + 1;
            return Poll::Ready(arrived);
        }
    }
    Poll::Pending
}

#[cfg(test)]
mod tests;
