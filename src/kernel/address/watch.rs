//! What changes about addresses and links, as the kernel tells it.

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use nix::errno::Errno;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::NetlinkPayload;
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::task::JoinHandle;

use super::{Assigned, Link, assigned, link};
use crate::kernel::host::Error;

/// A change of an address or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An address is there: new, or with another lifetime.
    Added(Assigned),
    /// An address is gone.
    Removed(Assigned),
    /// A link is new or different.
    Link(Link),
    /// A link is gone, with its addresses.
    LinkGone(Link),
    /// The kernel had more to tell than there was room for: read everything again.
    Resync,
}

/// A subscription to changes, from the moment it is opened.
pub struct Watch {
    messages: BoxStream<'static, RawMessage>,
    connection: JoinHandle<()>,
}

/// A message of the kernel that nobody asked for.
type RawMessage = NetlinkPayload<RouteNetlinkMessage>;

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Subscribes in the calling thread's network namespace. To be called within a tokio
    /// runtime.
    pub fn open() -> Result<Self, Error> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv6Ifaddr,
        ];
        // The handle goes: nothing is asked on this socket.
        let (connection, _, messages) =
            rtnetlink::new_multicast_connection(&groups).map_err(|error| {
                let errno = Errno::from_raw(error.raw_os_error().unwrap_or(0));
                Error::new("watch addresses and links", errno)
            })?;
        Ok(Self {
            messages: messages.map(|(message, _)| message.payload).boxed(),
            connection: tokio::spawn(connection),
        })
    }

    /// The next change; `None` when the kernel's socket broke, after which a new watch has
    /// to be opened. Loses nothing when it is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            let change = change(&self.messages.next().await?);
            if change == Some(Change::Resync) {
                // A socket that overran drops more, without a word, until it has been read
                // empty (kernel note 0044). What a new one misses is seen by who reads all.
                *self = Self::open().ok()?;
            }
            if change.is_some() {
                return change;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn change(message: &RawMessage) -> Option<Change> {
    match message {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(message)) => {
            assigned(message).map(Change::Added)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(message)) => {
            assigned(message).map(Change::Removed)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(message)) => {
            link(message).map(Change::Link)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(message)) => {
            link(message).map(Change::LinkGone)
        }
        NetlinkPayload::Overrun(_) => Some(Change::Resync),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};

    #[test]
    fn messages_become_changes() {
        let mut address = AddressMessage::default();
        address.header.index = 3;
        address.header.prefix_len = 24;
        let local = AddressAttribute::Local("192.0.2.100".parse().unwrap());
        address.attributes.push(local);
        let gone = RouteNetlinkMessage::DelAddress(address);
        let expected = Assigned {
            address: "192.0.2.100".parse().unwrap(),
            prefix: 24,
            link: 3,
        };
        assert_eq!(
            change(&NetlinkPayload::InnerMessage(gone)),
            Some(Change::Removed(expected))
        );
        assert_eq!(
            change(&NetlinkPayload::Overrun(Vec::new())),
            Some(Change::Resync)
        );
        assert_eq!(change(&NetlinkPayload::Noop), None);
    }
}
