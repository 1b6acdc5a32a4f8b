//! One link: its socket, while it has one, and what is known of it.

use std::sync::Arc;
use std::task::{Context, Poll};

use nix::errno::Errno;

use super::Packet;
use super::place::{self, Place};
use super::socket::{self, Arrival, Socket};
use super::status::{Health, LinkStatus};
use super::watch::Sight;
use crate::model::pair::{Link, LinkTarget};

/// Packets of a link that are dropped in a row before others get their turn.
const DROPS: usize = 64;
/// The same after a stall: more than a receive buffer holds.
const DROPS_AFTER_STALL: usize = 1024;

/// A link of the pair.
#[derive(Debug)]
pub(super) struct Entry {
    link: Link,
    socket: Option<Socket>,
    health: Health,
    sight: Arc<Sight>,
}

impl Entry {
    pub(super) fn new(link: Link, sight: Arc<Sight>) -> Self {
        Self {
            health: Health::new(&link.name),
            link,
            socket: None,
            sight,
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Where it is, while it is open.
    pub(super) fn place(&self) -> Option<&Place> {
        self.socket.as_ref().map(Socket::place)
    }

    pub(super) fn status(&self) -> LinkStatus {
        self.health.status(self.place())
    }

    /// Puts the link where it belongs, as far as the host allows.
    pub(super) fn settle(&mut self, sight: &Arc<Sight>) {
        self.sight = sight.clone();
        let place = match &**sight {
            Sight::Asked => return,
            Sight::Unknown(reason) => Err(reason.clone()),
            Sight::Known(view) => {
                let now = self.place().map(|place| place.source);
                place::find(&self.link, view, now)
            }
        };
        let place = match place {
            Ok(place) => place,
            Err(reason) => return self.close(reason),
        };
        match &mut self.socket {
            Some(socket) if socket.place().is_same(&place) => {}
            socket => {
                // The old one first: it may hold what the new one needs.
                *socket = None;
                match Socket::open(place.clone()) {
                    Ok(new) => *socket = Some(new),
                    Err(reason) => return self.close(reason),
                }
                self.health.counters.opened += 1;
            }
        }
        if place.carrier {
            self.health.up(&place);
        } else {
            self.health
                .down(format!("{} has no carrier", place.interface));
        }
    }

    fn close(&mut self, reason: String) {
        self.socket = None;
        self.health.down(reason);
    }

    /// Sends, or counts what cannot be sent.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        let Some(socket) = &self.socket else {
            self.health.counters.not_sent += 1;
            return;
        };
        match socket.send(bytes) {
            Ok(()) => self.health.counters.sent += 1,
            Err(errno) => {
                self.health.not_sent(errno);
                if socket::is_misplaced(errno) {
                    self.close(socket::reason(errno));
                }
            }
        }
    }

    /// The next packet that may be the peer's, without waiting.
    pub(super) fn take(&mut self, at: usize) -> Option<Packet> {
        for _ in 0..DROPS_AFTER_STALL {
            match self.socket.as_ref()?.receive() {
                Ok(arrival) => {
                    if let Some(packet) = self.judge(arrival, at) {
                        return Some(packet);
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return None,
                Err(errno) => {
                    self.close(socket::reason(errno));
                    return None;
                }
            }
        }
        None
    }

    /// As [`Entry::take`], to be woken when there is one; `None` when the link was closed.
    pub(super) fn poll(&mut self, at: usize, context: &mut Context<'_>) -> Poll<Option<Packet>> {
        for _ in 0..DROPS {
            let Some(socket) = &self.socket else {
                return Poll::Pending;
            };
            match std::task::ready!(socket.poll_receive(context)) {
                Ok(arrival) => {
                    if let Some(packet) = self.judge(arrival, at) {
                        return Poll::Ready(Some(packet));
                    }
                }
                Err(Errno::EINTR) => {}
                Err(errno) => {
                    self.close(socket::reason(errno));
                    return Poll::Ready(None);
                }
            }
        }
        // There may be more, after the others' turn.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Lets a packet through that came where the link is and is not one of this host's own.
    fn judge(&mut self, arrival: Arrival, link: usize) -> Option<Packet> {
        let place = self.socket.as_ref()?.place();
        let counters = &mut self.health.counters;
        if let Some(overflowed) = arrival.overflowed {
            counters.overflowed = overflowed;
        }
        let sender = arrival.from.ip();
        let own = match &*self.sight {
            Sight::Known(view) => view.has(sender),
            Sight::Asked | Sight::Unknown(_) => sender == place.source,
        };
        let foreign = matches!(self.link.to, LinkTarget::Unicast(peer) if peer != sender);
        if arrival.interface != Some(place.index) || arrival.to != Some(place.local.ip()) {
            counters.misdirected += 1;
        } else if own {
            counters.own += 1;
        } else if foreign {
            counters.foreign += 1;
        } else {
            self.health.received();
            return Some(Packet {
                link,
                from: arrival.from,
                bytes: arrival.bytes,
            });
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::place::{Address, Interface, View};
    use super::*;
    use crate::model::pair::LinkSource;

    fn loopback() -> Arc<Sight> {
        let own = |ip: &str, prefix| Address {
            ip: ip.parse().unwrap(),
            prefix,
            interface: 1,
            broadcast: None,
            ready: true,
            deprecated: false,
            secondary: false,
        };
        Arc::new(Sight::Known(View {
            interfaces: vec![Interface {
                index: 1,
                name: "lo".parse().unwrap(),
                up: true,
                carrier: true,
                loopback: true,
            }],
            addresses: vec![own("127.0.0.1", 8), own("192.0.2.100", 32)],
        }))
    }

    fn entry() -> Entry {
        let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        entry_at(port)
    }

    fn entry_at(port: u16) -> Entry {
        let link = Link {
            name: "a".to_owned(),
            source: LinkSource::Interface("lo".parse().unwrap()),
            to: LinkTarget::Unicast("127.0.0.9".parse().unwrap()),
            port,
        };
        let mut entry = Entry::new(link, loopback());
        entry.settle(&loopback());
        assert!(entry.is_open(), "{:?}", entry.status());
        entry
    }

    #[tokio::test]
    async fn only_what_came_where_the_link_is_and_from_the_peer_is_let_through() {
        let mut entry = entry();
        let mut judge = |from: &str, to: Option<&str>, interface| {
            let arrival = Arrival {
                from: from.parse().unwrap(),
                to: to.map(|to| to.parse::<IpAddr>().unwrap()),
                interface,
                overflowed: Some(3),
                bytes: vec![1],
            };
            entry.judge(arrival, 5).map(|packet| packet.link)
        };
        let here = Some("127.0.0.1");
        assert_eq!(judge("127.0.0.9:1", here, Some(1)), Some(5));
        for (to, interface) in [
            (here, Some(2)),
            (here, None),
            (Some("127.0.0.2"), Some(1)),
            (Some("192.0.2.100"), Some(1)),
            (None, Some(1)),
        ] {
            assert_eq!(judge("127.0.0.9:1", to, interface), None);
        }
        for own in ["127.0.0.1:1", "192.0.2.100:1"] {
            assert_eq!(judge(own, here, Some(1)), None);
        }
        assert_eq!(judge("127.0.0.8:1", here, Some(1)), None);
        let counters = entry.status().counters;
        assert_eq!(
            (
                counters.received,
                counters.misdirected,
                counters.own,
                counters.foreign
            ),
            (1, 5, 2, 1)
        );
        assert_eq!(counters.overflowed, 3);
    }

    #[tokio::test]
    async fn a_link_that_is_closed_says_why_and_counts_on() {
        let mut entry = entry();
        entry.send(b"x");
        entry.settle(&Arc::new(Sight::Known(View::default())));
        assert!(!entry.is_open());
        entry.send(b"x");
        let status = entry.status();
        assert_eq!(status.down.as_deref(), Some("there is no interface lo"));
        assert_eq!((status.counters.sent, status.counters.not_sent), (1, 1));
        assert_eq!((status.interface, status.source), (None, None));
        assert!(entry.take(0).is_none());
        entry.settle(&loopback());
        assert_eq!(entry.status().down, None);
        assert_eq!(entry.status().counters.opened, 2);
    }

    #[tokio::test]
    async fn a_socket_whose_place_is_gone_is_closed_and_opened_again() {
        // Nothing can be sent to port 0: the kernel says what it says of a source address
        // that is gone.
        let mut entry = entry_at(0);
        entry.send(b"x");
        let status = entry.status();
        assert_eq!(status.down.as_deref(), Some("the address is gone"));
        assert_eq!((status.counters.sent, status.counters.not_sent), (0, 1));
        assert!(!entry.is_open());
        entry.settle(&loopback());
        assert!(entry.is_open() && entry.status().down.is_none());
    }
}
