//! Follows the interfaces and addresses of the host: a task that looks at all of them when
//! the kernel tells of a change or somebody asks.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::{Handle, MulticastGroup};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::super::minute::OncePerMinute;
use super::place::{Address, Interface, View};

/// How long the kernel may take for one list.
const DEADLINE: Duration = Duration::from_secs(2);
/// Changes come in groups: they are looked at together.
const GROUPED: Duration = Duration::from_millis(5);
/// Messages taken at once; a change whose message is lost is seen in the next look.
const MOST_MESSAGES: usize = 4096;
/// Time until the kernel is asked again after it could not be.
const AGAIN: Duration = Duration::from_secs(1);

/// What is known of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// Nothing yet: the kernel is being asked for the first time.
    Asked,
    /// Nothing, and why.
    Unknown(String),
    /// As the kernel last told it.
    Known(View),
}

type Outlook = watch::Sender<Arc<Sight>>;

/// Starts the task. A notification makes it look at once.
pub(super) fn start(look: Arc<Notify>) -> (watch::Receiver<Arc<Sight>>, JoinHandle<()>) {
    let (outlook, sight) = watch::channel(Arc::new(Sight::Asked));
    (sight, tokio::spawn(follow(outlook, look)))
}

async fn follow(outlook: Outlook, look: Arc<Notify>) {
    let mut minute = OncePerMinute::default();
    loop {
        let Err(reason) = listen(&outlook, &look).await;
        if minute.pass(Instant::now()).is_some() {
            tracing::warn!("the interfaces cannot be followed: {reason}");
        }
        // What was known stays: the sockets may work on.
        outlook.send_if_modified(|sight| match **sight {
            Sight::Known(_) => false,
            Sight::Asked | Sight::Unknown(_) => {
                *sight = Arc::new(Sight::Unknown(format!(
                    "the kernel does not tell: {reason}"
                )));
                true
            }
        });
        tokio::time::sleep(AGAIN).await;
    }
}

/// A connection with the kernel, closed when it is dropped.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn listen(outlook: &Outlook, look: &Notify) -> Result<std::convert::Infallible, String> {
    let groups = [
        MulticastGroup::Link,
        MulticastGroup::Ipv4Ifaddr,
        MulticastGroup::Ipv6Ifaddr,
    ];
    let (connection, handle, mut messages) =
        rtnetlink::new_multicast_connection(&groups).map_err(|error| error.to_string())?;
    let _connection = Connection(tokio::spawn(connection));
    loop {
        // Subscribed first: a change during the look brings another look.
        let view = Sight::Known(view(&handle).await?);
        outlook.send_if_modified(|sight| {
            let changed = **sight != view;
            if changed {
                *sight = Arc::new(view);
            }
            changed
        });
        tokio::select! {
            message = messages.next() => {
                message.ok_or("the conversation has ended")?;
                tokio::time::sleep(GROUPED).await;
            }
            () = look.notified() => {}
        }
        for _ in 0..MOST_MESSAGES {
            match messages.next().now_or_never() {
                None => break,
                Some(None) => return Err("the conversation has ended".to_owned()),
                Some(Some(_)) => {}
            }
        }
    }
}

async fn view(handle: &Handle) -> Result<View, String> {
    let links: Vec<LinkMessage> = ask(handle.link().get().execute().try_collect()).await?;
    let addresses: Vec<AddressMessage> =
        ask(handle.address().get().execute().try_collect()).await?;
    Ok(View {
        interfaces: links.iter().filter_map(interface).collect(),
        addresses: addresses.iter().filter_map(address).collect(),
    })
}

async fn ask<T>(list: impl Future<Output = Result<T, rtnetlink::Error>>) -> Result<T, String> {
    match tokio::time::timeout(DEADLINE, list).await {
        Ok(Ok(list)) => Ok(list),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}

fn interface(message: &LinkMessage) -> Option<Interface> {
    let mut attributes = message.attributes.iter();
    let name = attributes.find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => name.parse().ok(),
        _ => None,
    })?;
    let flags = message.header.flags;
    Some(Interface {
        index: message.header.index,
        name,
        up: flags.contains(LinkFlags::Up),
        // The kernel takes up to a second to make a carrier known; until then IPv6 has no
        // route for groups, and a queue that was closed stays closed.
        carrier: flags.contains(LinkFlags::LowerUp | LinkFlags::Running),
        loopback: flags.contains(LinkFlags::Loopback),
    })
}

/// The own address is `IFA_LOCAL`; on IPv6 interfaces without a peer only `IFA_ADDRESS` is
/// given.
fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut given, mut broadcast): (Option<IpAddr>, _, Option<Ipv4Addr>) =
        (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => given = Some(*address),
            AddressAttribute::Broadcast(address) => broadcast = Some(*address),
            _ => {}
        }
    }
    let flags = message.header.flags;
    // An optimistic address may be used while it is tentative (RFC 4429).
    let waiting = flags.contains(AddressHeaderFlags::Tentative)
        && !flags.contains(AddressHeaderFlags::Optimistic);
    Some(Address {
        ip: local.or(given)?,
        prefix: message.header.prefix_len,
        interface: message.header.index,
        broadcast,
        ready: !waiting && !flags.contains(AddressHeaderFlags::Dadfailed),
        deprecated: flags.contains(AddressHeaderFlags::Deprecated),
        secondary: flags.contains(AddressHeaderFlags::Secondary),
    })
}
