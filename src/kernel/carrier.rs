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
    links: BTreeMap<u32, (InterfaceName, Carrier)>,
}

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
            links: BTreeMap::new(),
        };
        // After the subscription, so that no change falls between.
        watch.refresh().await?;
        Ok(watch)
    }

    /// What is known of an interface.
    pub fn carrier(&self, name: &InterfaceName) -> Carrier {
        let mut links = self.links.values();
        links
            .find(|(known, _)| known == name)
            .map_or(Carrier::Missing, |(_, carrier)| *carrier)
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
        self.take(message);
        for _ in 1..BATCH {
            let next = std::future::poll_fn(|context| {
                std::task::Poll::Ready(self.messages.as_mut().poll_next(context))
            });
            match next.await {
                std::task::Poll::Ready(Some((message, _))) => self.take(message),
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
        self.links = messages.iter().filter_map(entry).collect();
        Ok(())
    }

    fn take(&mut self, message: NetlinkMessage<RouteNetlinkMessage>) {
        let NetlinkPayload::InnerMessage(message) = message.payload else {
            return;
        };
        match message {
            RouteNetlinkMessage::NewLink(link) => {
                if let Some((index, state)) = entry(&link) {
                    self.links.insert(index, state);
                }
            }
            RouteNetlinkMessage::DelLink(link) if is_whole(&link) => {
                self.links.remove(&link.header.index);
            }
            _ => {}
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.connection.abort();
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
