//! Whether interfaces can carry packets: told by the kernel over rtnetlink as it changes.
//!
//! The kernel holds a loss of carrier back for up to a second when another change of
//! carrier came just before (`net/core/link_watch.c`, `linkwatch_urgent_event`); a request
//! is answered with the present state all the same.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use nix::errno::Errno;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};
use tokio::task::JoinHandle;

use super::host::{Error, InterfaceName};

/// How long the kernel may take to list its interfaces.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(5);

/// Changes taken at once, before others have their turn.
const BATCH: usize = 1024;

/// Whether an interface can carry packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// It is up and has a carrier.
    Present,
    /// It is up, and nobody is at the other end.
    Lost,
    /// It is administratively down.
    Down,
    /// There is no interface of this name.
    Missing,
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Present => "up, carrier present",
            Self::Lost => "no carrier",
            Self::Down => "administratively down",
            Self::Missing => "no such interface",
        })
    }
}

type Messages =
    Pin<Box<dyn Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, SocketAddr)> + Send>>;

/// The interfaces of a network namespace, kept up to date.
pub struct Watch {
    handle: Handle,
    messages: Messages,
    connection: JoinHandle<()>,
    links: Links,
}

/// Interfaces by number.
#[derive(Debug, Default)]
struct Links(BTreeMap<u32, (InterfaceName, Carrier)>);

impl Watch {
    /// Subscribes in the calling thread's network namespace and reads what there is. To be
    /// called within a tokio runtime.
    pub async fn open() -> Result<Self, Error> {
        let (connection, handle, messages) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Link]).map_err(|error| {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                Error::new("watch interfaces", errno)
            })?;
        let mut watch = Self {
            handle,
            messages: Box::pin(messages),
            connection: tokio::spawn(connection),
            links: Links::default(),
        };
        // After the subscription, so that no change falls between.
        watch.refresh().await?;
        Ok(watch)
    }

    /// What is known of an interface.
    pub fn carrier(&self, name: &InterfaceName) -> Carrier {
        self.links.carrier(name)
    }

    /// Waits for changes and takes them. The kernel drops news for a reader that is too slow
    /// without a word to it: [`Watch::refresh`] from time to time. Nothing is lost when the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// The connection has ended.
    pub async fn changed(&mut self) -> Result<(), Error> {
        let Some((message, _)) = self.messages.next().await else {
            return Err(Error::new("watch interfaces", Errno::ENOTCONN));
        };
        self.links.take(message.payload);
        for _ in 1..BATCH {
            let next = std::future::poll_fn(|context| {
                std::task::Poll::Ready(self.messages.as_mut().poll_next(context))
            });
            match next.await {
                std::task::Poll::Ready(Some((message, _))) => self.links.take(message.payload),
                _ => break,
            }
        }
        Ok(())
    }

    /// Reads the state of every interface.
    pub async fn refresh(&mut self) -> Result<(), Error> {
        let failed = |errno| Error::new("list interfaces", errno);
        let request = self.handle.link().get().execute();
        let listing = tokio::time::timeout(DEADLINE, request.try_collect::<Vec<_>>()).await;
        let messages = match listing {
            Ok(Ok(messages)) => messages,
            Ok(Err(rtnetlink::Error::NetlinkError(error))) => {
                return Err(failed(Errno::from_raw(error.raw_code().saturating_abs())));
            }
            Ok(Err(_)) => return Err(failed(Errno::EBADMSG)),
            Err(_elapsed) => return Err(failed(Errno::ETIMEDOUT)),
        };
        self.links = Links(messages.iter().filter_map(entry).collect());
        Ok(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Links {
    fn carrier(&self, name: &InterfaceName) -> Carrier {
        let mut links = self.0.values();
        links
            .find(|(known, _)| known == name)
            .map_or(Carrier::Missing, |(_, carrier)| *carrier)
    }

    fn take(&mut self, payload: NetlinkPayload<RouteNetlinkMessage>) {
        let NetlinkPayload::InnerMessage(message) = payload else {
            return;
        };
        match message {
            RouteNetlinkMessage::NewLink(link) => self.0.extend(entry(&link)),
            RouteNetlinkMessage::DelLink(link) if is_whole(&link) => {
                self.0.remove(&link.header.index);
            }
            _ => {}
        }
    }
}

/// Whether a message is about the interface itself. Bridges and others send messages of
/// their own families about their ports; a deletion there is the end of a membership.
fn is_whole(link: &LinkMessage) -> bool {
    link.header.interface_family == AddressFamily::Unspec
}

fn entry(link: &LinkMessage) -> Option<(u32, (InterfaceName, Carrier))> {
    let mut attributes = link.attributes.iter();
    let name = attributes.find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => name.parse().ok(),
        _ => None,
    })?;
    let flags = link.header.flags;
    let carrier = if !flags.contains(LinkFlags::Up) {
        Carrier::Down
    } else if flags.contains(LinkFlags::LowerUp) {
        Carrier::Present
    } else {
        Carrier::Lost
    };
    is_whole(link).then_some((link.header.index, (name, carrier)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(family: AddressFamily, index: u32, name: &str, flags: LinkFlags) -> LinkMessage {
        let mut link = LinkMessage::default();
        link.header.interface_family = family;
        link.header.index = index;
        link.header.flags = flags;
        link.attributes.push(LinkAttribute::IfName(name.to_owned()));
        link
    }

    #[test]
    fn news_of_interfaces_are_taken_and_those_of_memberships_are_not() {
        let mut links = Links::default();
        let eth0: InterfaceName = "eth0".parse().unwrap();
        let whole = AddressFamily::Unspec;
        let cable = LinkFlags::Up | LinkFlags::LowerUp;
        let new = |link| NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link));
        let gone = |link| NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link));
        assert_eq!(links.carrier(&eth0), Carrier::Missing);
        for (flags, carrier) in [
            (cable, Carrier::Present),
            (LinkFlags::Up, Carrier::Lost),
            (LinkFlags::LowerUp, Carrier::Down),
            (LinkFlags::empty(), Carrier::Down),
            (cable | LinkFlags::Promisc, Carrier::Present),
        ] {
            links.take(new(link(whole, 2, "eth0", flags)));
            assert_eq!(links.carrier(&eth0), carrier, "{flags:?}");
        }
        // It has left a bridge.
        links.take(gone(link(AddressFamily::Bridge, 2, "eth0", cable)));
        links.take(new(link(
            AddressFamily::Bridge,
            2,
            "eth0",
            LinkFlags::empty(),
        )));
        assert_eq!(links.carrier(&eth0), Carrier::Present);
        // A name that is none of ours changes nothing of what is known.
        links.take(new(link(whole, 2, "a/b", LinkFlags::empty())));
        links.take(new(link(whole, 3, "eth1", LinkFlags::Up)));
        assert_eq!(links.carrier(&eth0), Carrier::Present);
        links.take(new(link(whole, 2, "lan", cable)));
        assert_eq!(links.carrier(&eth0), Carrier::Missing);
        links.take(gone(link(whole, 2, "lan", cable)));
        assert_eq!(links.carrier(&"lan".parse().unwrap()), Carrier::Missing);
        assert_eq!(links.carrier(&"eth1".parse().unwrap()), Carrier::Lost);
    }
}
