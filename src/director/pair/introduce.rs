//! A planned switch: the connections that the next owner's kernel cannot know.
//!
//! The kernel's sync daemon tells of a connection when it is established, collects such news
//! for up to two seconds, and drops what it has not sent when it stops. So at a switch the
//! youngest connections, and those that are in their handshake just then, would be unknown to
//! the node that takes over, and reset. When the addresses are gone, nothing changes here any
//! more, and the peer's kernel still listens: it is told by us, before it is told to take over.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::node::Node;
use crate::failover::{Event, State, Step};
use crate::kernel::Error;
use crate::kernel::connections::entries::{self, Connection, Source};
use crate::kernel::connections::message::{self, Told};
use crate::model::pair::{Instance, Sync};
use crate::model::{PortAddress, Protocol, ServiceKey, Timeouts};

/// Nobody is served meanwhile, so that it may take only so long. What is not told by then is
/// as it would be without.
pub(super) const LIMIT: Duration = Duration::from_millis(40);
/// For so long entries are read; the kernel needs time for a long list that grows with the
/// square of its length.
const READING: Duration = Duration::from_millis(25);
/// Entries between two looks at the clock.
const LOOK: usize = 64;
/// Longest time that news waits in the kernel, and one second for its rounding.
const YOUNG: u64 = 3;
/// Most connections: what fits into the receive buffer of a backup that does not get to read.
const MOST: usize = 2000;

impl Node {
    /// Before the state machine learns that the addresses of a release are gone, the peer's
    /// kernel learns of our connections. Any other event is given back.
    pub(super) fn introduce_before(&self, event: Event) -> Option<Event> {
        let Event::Done {
            instance: id,
            step: Step::RemoveAddresses,
            result: Ok(()),
            ..
        } = event
        else {
            return Some(event);
        };
        let view = self.core.view(Instant::now());
        let mut released = view.instances.iter();
        let is_release = released.any(|i| i.id == id && i.state == State::Release);
        let instance = self.instance(id).filter(|_| is_release);
        let with_sync = instance.and_then(|i| Some((i.clone(), i.sync.clone()?)));
        let Some((instance, sync)) = with_sync else {
            return Some(event);
        };
        let (kernel, results) = (self.kernel.clone(), self.results.clone());
        let services = Arc::clone(&self.plan.services);
        tokio::spawn(async move {
            let name = instance.name.clone();
            let work = async move {
                let timeouts = kernel.timeouts().await.ok();
                let work = move || introduce(&instance, &sync, &services, timeouts);
                tokio::task::spawn_blocking(work).await
            };
            match tokio::time::timeout(LIMIT, work).await {
                Ok(Ok(Ok(count))) => {
                    tracing::debug!(instance = %name, count, "young connections told to the peer");
                }
                Ok(Ok(Err(error))) => {
                    tracing::warn!(instance = %name, "the peer may not know the youngest connections: {error}");
                }
                Ok(Err(_)) | Err(_) => {
                    tracing::debug!(instance = %name, "young connections: no time to tell of all");
                }
            }
            // The node may have ended meanwhile.
            let _ = results.send(event);
        });
        None
    }
}

/// Tells the backup on the other node of the instance's youngest connections; how many.
/// Blocks for a fraction of [`LIMIT`].
pub(super) fn introduce(
    instance: &Instance,
    sync: &Sync,
    services: &BTreeSet<ServiceKey>,
    timeouts: Option<Timeouts>,
) -> Result<usize, String> {
    let addresses: BTreeSet<IpAddr> = instance.addresses.iter().map(|a| a.address).collect();
    let deadline = Instant::now() + READING;
    let mut told: Vec<Told> = Vec::new();
    let mut seen: usize = 0;
    entries::visit::<Error>(Source::Origin, |entry| {
        seen += 1;
        let wanted = addresses.contains(&entry.virtual_address.0)
            && is_young(entry, timeouts)
            && is_of_an_address(entry, services);
        told.extend(Some(entry).filter(|_| wanted).and_then(Told::of));
        let is_late = seen.is_multiple_of(LOOK) && Instant::now() >= deadline;
        Ok(if is_late || told.len() >= MOST {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        })
    })
    .map_err(|error| error.to_string())?;
    message::send(sync, &message::messages(sync.id, &told)).map_err(|error| error.to_string())?;
    Ok(told.len())
}

/// Whether an entry is of a service with an address, not of a firewall mark, which the list
/// does not tell: the receiver finds no real server for a connection without its mark.
fn is_of_an_address(entry: &Connection<'_>, services: &BTreeSet<ServiceKey>) -> bool {
    let protocol = match entry.protocol {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        _ => return false,
    };
    let PortAddress(address, port) = entry.virtual_address;
    // Port 0 takes every one.
    [port, 0].into_iter().any(|port| {
        services.contains(&ServiceKey::Address {
            protocol,
            address,
            port,
        })
    })
}

/// Whether the sync daemon may not have told of an entry's last change: it was made on this
/// node, and something came for it within the last seconds. Each packet winds the timer of an
/// entry up to the time-out of its state (`ip_vs_proto_tcp.c`).
fn is_young(entry: &Connection<'_>, timeouts: Option<Timeouts>) -> bool {
    if entry.is_synchronised() {
        return false;
    }
    let whole = match (entry.protocol, entry.state) {
        ("TCP", "ESTABLISHED") => timeouts.map(|timeouts| u64::from(timeouts.tcp)),
        ("TCP", "FIN_WAIT") => timeouts.map(|timeouts| u64::from(timeouts.tcp_fin)),
        ("UDP", _) => timeouts.map(|timeouts| u64::from(timeouts.udp)),
        ("TCP", "CLOSE_WAIT") => Some(60),
        ("TCP", "LAST_ACK") => Some(30),
        _ => None,
    };
    // Of the others there are few, and of templates the time-out is not known here.
    whole.is_none_or(|whole| entry.expires + YOUNG >= whole)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;

    fn entry<'a>(protocol: &'a str, state: &'a str, port: u16) -> Connection<'a> {
        let end = PortAddress("192.0.2.1".parse().unwrap(), port);
        Connection {
            protocol,
            client: end,
            virtual_address: end,
            server: end,
            state,
            expires: 60,
            origin: Some("LOCAL"),
            engine: None,
            engine_data: None,
        }
    }

    #[test]
    fn connections_of_marked_packets_are_not_told() {
        let address = |protocol, port| ServiceKey::Address {
            protocol,
            address: "192.0.2.1".parse().unwrap(),
            port,
        };
        let mark = ServiceKey::Mark {
            family: Family::V4,
            mark: 1,
        };
        let some = BTreeSet::from([address(Protocol::Tcp, 80), mark]);
        let of =
            |protocol, port, services| is_of_an_address(&entry(protocol, "NONE", port), services);
        assert!(of("TCP", 80, &some));
        assert!(!of("TCP", 443, &some) && !of("UDP", 80, &some) && !of("IP", 80, &some));
        let any = BTreeSet::from([address(Protocol::Udp, 0)]);
        assert!(of("UDP", 5060, &any) && !of("TCP", 80, &any));
    }

    #[test]
    fn the_young_are_those_whose_timer_is_full() {
        let timeouts = Some(Timeouts {
            tcp: 900,
            tcp_fin: 120,
            udp: 300,
        });
        let young = |protocol, state, expires, origin| {
            let entry = Connection {
                expires,
                origin: Some(origin),
                ..entry(protocol, state, 80)
            };
            is_young(&entry, timeouts)
        };
        assert!(young("TCP", "ESTABLISHED", 897, "LOCAL"));
        assert!(!young("TCP", "ESTABLISHED", 896, "LOCAL"));
        assert!(!young("TCP", "ESTABLISHED", 900, "SYNC"));
        assert!(young("TCP", "SYN_RECV", 1, "LOCAL"));
        assert!(!young("TCP", "FIN_WAIT", 100, "LOCAL"));
        assert!(!young("UDP", "UDP", 200, "LOCAL"));
    }
}
