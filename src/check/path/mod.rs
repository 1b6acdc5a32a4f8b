//! A connection request to the virtual address, delivered to one real server as the
//! kernel's load balancer would: the server must take it, which it does only when it has the
//! address, serves it and, with tunnelling, unpacks it. With direct routing over IPv4 it
//! must not claim the address by ARP either.
//!
//! # Design
//!
//! The director holds the virtual address itself, so its own stack neither connects to it
//! on another host nor takes answers in its name, and its routes are not for a check to
//! change. The request is written by hand, sent past the stack, and reset when it is
//! answered; nothing is configured, so nothing is left over (kernel note 0050).

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Socket, Type};
use tokio::time::{Instant, sleep, timeout, timeout_at};

mod ear;
mod packet;
mod wire;

use super::fault::{self, Seconds};
use super::trace::Trace;
use crate::model::{Delivery, Family, Fault, Outcome, PathProbe, Reason, Report};
use ear::Ear;
use packet::{Answer, Attempt};
use wire::{ArpEar, Door, Kernel, Route};

/// Requests sent before giving up; the time is divided between them.
const ATTEMPTS: u32 = 3;

/// How long a server may take to claim the address after it has taken the connection: both
/// questions were sent at once.
const CLAIM: Duration = Duration::from_millis(50);

/// Time between two looks for a neighbour's Ethernet address.
const LOOK: Duration = Duration::from_millis(50);

/// `target` is the real server's address; its port does not matter.
pub(super) async fn run(target: SocketAddr, probe: &PathProbe, within: Duration) -> Report {
    let trace = Trace::new(within);
    let deadline = trace.deadline();
    match timeout_at(deadline, attempt(target.ip(), probe, deadline, within)).await {
        Ok(Ok(found)) => trace.report(found.outcome, found.detail),
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => {
            let fault = Fault::new("not permitted to send packets of its own: needs CAP_NET_RAW");
            trace.report(Outcome::Inconclusive(fault), "")
        }
        Ok(Err(error)) => {
            let outcome = fault::failed(&error, fault::Stage::Connecting);
            trace.report(outcome, "")
        }
        Err(_elapsed) => {
            let text = format!("no answer to ARP for the server within {}", Seconds(within));
            trace.report(down(&text).outcome, "")
        }
    }
}

struct Found {
    outcome: Outcome,
    detail: String,
}

fn up(detail: String) -> Found {
    Found {
        outcome: Outcome::Up,
        detail,
    }
}

fn down(text: &str) -> Found {
    let text = format!("the path through the virtual address: {text}");
    Found {
        outcome: Outcome::Down(Reason::new(text)),
        detail: String::new(),
    }
}

fn unable(text: &str) -> Found {
    Found {
        outcome: Outcome::Inconclusive(Fault::new(text)),
        detail: String::new(),
    }
}

async fn attempt(
    real: IpAddr,
    probe: &PathProbe,
    deadline: Instant,
    within: Duration,
) -> io::Result<Found> {
    let kernel = Kernel::open()?;
    let (index, source, next) = match kernel.route(real).await? {
        Route::Local => return Ok(up("the server is this host".to_owned())),
        Route::Out {
            index,
            source,
            next,
        } => (index, source, next),
    };
    if source == probe.service.ip() {
        return Ok(unable(
            "this host has no other address than the virtual one",
        ));
    }
    let server = match probe.delivery {
        Delivery::Direct => Some(neighbour(&kernel, index, source, next).await?),
        Delivery::Tunnel => None,
    };
    let Some(door) = Door::open(probe.delivery, real, index, server)? else {
        return Ok(unable("the server is not on an Ethernet"));
    };
    // Held to the end: the port is nobody else's.
    let port = reserve(source)?;
    let Some(from) = port.local_addr()?.as_socket() else {
        return Ok(unable("no port"));
    };
    let request = Attempt {
        from: SocketAddr::new(source, from.port()),
        service: probe.service,
        sequence: RandomState::new().hash_one(from) as u32,
    };
    let claim = match (probe.service.ip(), server) {
        (IpAddr::V4(address), Some(server)) => Some((ArpEar::open()?, server, address)),
        _ => None,
    };
    if let Some((_, _, address)) = &claim {
        door.ask(*address)?;
    }
    let found = exchange(&door, request, deadline, within).await?;
    let Some((ear, server, address)) = claim.filter(|_| found.outcome == Outcome::Up) else {
        return Ok(found);
    };
    match timeout(CLAIM, ear.claimed(server, address)).await {
        Ok(Ok(())) => Ok(down(&format!(
            "the server answers ARP for {address}, so that clients may pass the director by (set arp_ignore=1 and arp_announce=2 there)"
        ))),
        Ok(Err(error)) => Err(error),
        Err(_silence) => Ok(found),
    }
}

/// The Ethernet address of who takes packets to the server.
async fn neighbour(
    kernel: &Kernel,
    index: u32,
    source: IpAddr,
    next: IpAddr,
) -> io::Result<crate::model::Mac> {
    let mut asked = false;
    loop {
        if let Some(mac) = kernel.neighbour(index, next).await? {
            return Ok(mac);
        }
        if !std::mem::replace(&mut asked, true) {
            wire::provoke(next, source)?;
        }
        sleep(LOOK).await;
    }
}

/// A TCP port of this host that nobody else gets meanwhile.
fn reserve(source: IpAddr) -> io::Result<Socket> {
    let domain = match source {
        IpAddr::V4(_) => Domain::IPV4,
        IpAddr::V6(_) => Domain::IPV6,
    };
    let socket = Socket::new(domain, Type::STREAM, None)?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    Ok(socket)
}

async fn exchange(
    door: &Door,
    request: Attempt,
    deadline: Instant,
    within: Duration,
) -> io::Result<Found> {
    let service = request.service;
    let ear = Ear::of(Family::of(service.ip()))?;
    let mut waiting = ear.wait(request)?;
    // Left over for the claim that may follow, and so that the reason is ours.
    let last = deadline - (within / 10).min(CLAIM * 2);
    let share = last.saturating_duration_since(Instant::now()) / ATTEMPTS;
    for _ in 0..ATTEMPTS {
        door.send(&request.request())?;
        match timeout(share, &mut waiting.answer).await {
            Ok(Ok(Answer::Accepted)) => {
                door.send(&request.reset())?;
                return Ok(up(format!("takes connections for {service}")));
            }
            Ok(Ok(Answer::Refused)) => {
                return Ok(down(&format!(
                    "connections to {service} are refused (does the service listen on that address?)"
                )));
            }
            Ok(Err(_gone)) => return Ok(unable("the listener ended")),
            Err(_elapsed) => {}
        }
    }
    Ok(down(match door {
        Door::Direct { .. } => "no answer (is the address on lo there, with arp_ignore=1?)",
        Door::Tunnel { .. } => {
            "no answer (is the address on lo or the tunnel there, the tunnel up, rp_filter off?)"
        }
    }))
}
