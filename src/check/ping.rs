//! ICMP echo: someone answers.
//!
//! # Design
//!
//! One socket and one receiving thread per family and way serve every ping check of the process:
//! a raw socket hears every echo reply of the host, so one per check would cost the
//! square of their number. A raw socket needs `CAP_NET_RAW`; without it the kernel's
//! datagram ICMP socket is tried, which `net.ipv4.ping_group_range` opens to groups.
//!
//! A reply belongs to a request when address, identifier, sequence number and a 16-byte
//! payload agree, half of which cannot be guessed. (A datagram socket has its identifier
//! rewritten by the kernel, both ways.)

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::fault::{self, Seconds};
use super::socket::{self, Route};
use super::trace::Trace;
use crate::model::{Family, Fault, Outcome, Reason, Report, Way};

/// Bytes of an echo message: 8 of header, 56 of payload, as every `ping` sends.
const MESSAGE: usize = 64;

pub(super) async fn run(route: Route<'_>, attempts: u32, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let target = route.target.ip();
    let echo = match Echo::of(Family::of(target), route.way) {
        Ok(echo) => echo,
        Err(error) => return trace.report(no_icmp(&error), ""),
    };
    let attempts = attempts.max(1);
    let share = timeout / attempts;
    let deadline = trace.deadline();
    let start = deadline - timeout;
    for attempt in 1..=attempts {
        let until = if attempt == attempts {
            deadline
        } else {
            start + share * attempt
        };
        match echo.ask(target, attempt as u16, until, &mut trace).await {
            Ok(true) => return trace.report(Outcome::Up, "echo reply"),
            Ok(false) => {}
            Err(error) => return trace.fail(&error),
        }
    }
    let reason = Reason::new(match attempts {
        1 => format!("no echo reply within {}", Seconds(timeout)),
        _ => format!(
            "no echo reply to {attempts} requests within {}",
            Seconds(timeout)
        ),
    });
    trace.report(Outcome::Down(reason), "")
}

fn no_icmp(error: &io::Error) -> Outcome {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Outcome::Inconclusive(Fault::new(
            "not permitted to send ICMP: needs CAP_NET_RAW, or a group in net.ipv4.ping_group_range",
        ));
    }
    fault::no_socket(error)
}

/// How long a requester with a way of its own stays without use.
const IDLE: Duration = Duration::from_secs(60);

/// What a requester is for.
type Key = (Family, Option<Way>);

/// The requesters that are open.
fn open_requesters() -> MutexGuard<'static, BTreeMap<Key, Arc<Echo>>> {
    static OPEN: Mutex<BTreeMap<Key, Arc<Echo>>> = Mutex::new(BTreeMap::new());
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The process's echo requester of one family and way.
struct Echo {
    socket: UdpSocket,
    family: Family,
    kind: Kind,
    waiting: Mutex<HashMap<[u8; 16], Waiting>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Raw,
    Datagram,
}

/// A request under way.
struct Waiting {
    target: IpAddr,
    sequence: u16,
    done: oneshot::Sender<Vec<u8>>,
}

impl Echo {
    /// The requester of a family and way, opened by the first who needs it. A failure is
    /// not remembered, so that what was missing is found when it comes.
    fn of(family: Family, way: Option<&Way>) -> io::Result<Arc<Self>> {
        let key = (family, way.cloned());
        let mut open = open_requesters();
        if let Some(echo) = open.get(&key) {
            return Ok(Arc::clone(echo));
        }
        let echo = Arc::new(Self::open(family, way)?);
        let receiver = Arc::clone(&echo);
        let own = key.clone();
        std::thread::Builder::new()
            .name("ping".to_owned())
            .spawn(move || receiver.receive(&own))?;
        open.insert(key, Arc::clone(&echo));
        Ok(echo)
    }

    fn open(family: Family, way: Option<&Way>) -> io::Result<Self> {
        let (domain, protocol) = match family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let (socket, kind) = match Socket::new(domain, Type::RAW, Some(protocol)) {
            Ok(socket) => (socket, Kind::Raw),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => (
                Socket::new(domain, Type::DGRAM, Some(protocol))?,
                Kind::Datagram,
            ),
            Err(error) => return Err(error),
        };
        if let Some(way) = way {
            let any = match family {
                Family::V4 => IpAddr::from([0; 4]),
                Family::V6 => IpAddr::from([0; 16]),
            };
            socket::prepare_raw(&socket, way, SocketAddr::new(any, 0))?;
            socket.set_read_timeout(Some(IDLE))?;
        }
        // A full send buffer must not hold a runtime thread.
        socket.set_write_timeout(Some(Duration::from_millis(10)))?;
        Ok(Self {
            socket: socket.into(),
            family,
            kind,
            waiting: Mutex::default(),
        })
    }

    /// Sends one request; whether the reply came in time.
    async fn ask(
        &self,
        target: IpAddr,
        sequence: u16,
        until: Instant,
        trace: &mut Trace,
    ) -> io::Result<bool> {
        let cookie = cookie();
        let (done, reply) = oneshot::channel();
        let request = request(self.family, sequence, cookie);
        self.waiting().insert(
            cookie,
            Waiting {
                target,
                sequence,
                done,
            },
        );
        let _entry = Entry { echo: self, cookie };
        trace.sent(&request);
        self.socket.send_to(&request, SocketAddr::new(target, 0))?;
        match timeout_at(until, reply).await {
            Ok(Ok(reply)) => {
                trace.received(&reply);
                Ok(true)
            }
            Ok(Err(_)) | Err(_) => Ok(false),
        }
    }

    /// Hands every reply to the one who waits for it: for ever, or as long as a way of its
    /// own is in use.
    fn receive(self: &Arc<Self>, own: &Key) {
        let mut buffer = [0; 2048];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((count, source)) => self.take(&buffer[..count], source.ip()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut open = open_requesters();
                    // The list's and the thread's own; a probe would have a third.
                    if Arc::strong_count(self) == 2 {
                        open.remove(own);
                        return;
                    }
                }
                // Nothing is lost but a reply; do not spin on a lasting error.
                Err(_error) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn take(&self, packet: &[u8], source: IpAddr) {
        let Some(message) = message(self.family, self.kind, packet) else {
            return;
        };
        let Some(reply) = reply(self.family, message) else {
            return;
        };
        if self.kind == Kind::Raw && reply.identifier != identifier() {
            return;
        }
        let mut waiting = self.waiting();
        let expected = waiting
            .get(&reply.cookie)
            .is_some_and(|asked| asked.target == source && asked.sequence == reply.sequence);
        if expected && let Some(asked) = waiting.remove(&reply.cookie) {
            // The one who asked may have given up in this moment.
            let _ = asked.done.send(message.to_vec());
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<[u8; 16], Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a request when its future ends or is dropped.
struct Entry<'e> {
    echo: &'e Echo,
    cookie: [u8; 16],
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.echo.waiting().remove(&self.cookie);
    }
}

/// Payload that marks a request: a number that never repeats and one nobody can guess.
fn cookie() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static SECRET: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut cookie = [0; 16];
    cookie[..8].copy_from_slice(&number.to_be_bytes());
    cookie[8..].copy_from_slice(&SECRET.hash_one(number).to_be_bytes());
    cookie
}

fn identifier() -> u16 {
    std::process::id() as u16
}

/// An echo request (RFC 792, RFC 4443 §4.1).
fn request(family: Family, sequence: u16, cookie: [u8; 16]) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    message[0] = match family {
        Family::V4 => 8,
        Family::V6 => 128,
    };
    message[4..6].copy_from_slice(&identifier().to_be_bytes());
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    message[8..24].copy_from_slice(&cookie);
    if family == Family::V4 {
        // The kernel fills the checksum in for ICMPv6, which covers addresses.
        let checksum = checksum(&message);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
    }
    message
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The ICMP message in what a socket delivers: raw IPv4 sockets prepend the IP header.
fn message(family: Family, kind: Kind, packet: &[u8]) -> Option<&[u8]> {
    if family == Family::V6 || kind == Kind::Datagram {
        return Some(packet);
    }
    let header = usize::from(packet.first()? & 0x0f) * 4;
    packet.get(header..)
}

struct Reply {
    identifier: u16,
    sequence: u16,
    cookie: [u8; 16],
}

/// Reads an echo reply; `None` for every other message.
fn reply(family: Family, message: &[u8]) -> Option<Reply> {
    let kind = match family {
        Family::V4 => 0,
        Family::V6 => 129,
    };
    let head: &[u8; 8] = message.first_chunk()?;
    let cookie: &[u8; 16] = message.get(8..)?.first_chunk()?;
    (head[0] == kind && head[1] == 0).then(|| Reply {
        identifier: u16::from_be_bytes([head[4], head[5]]),
        sequence: u16::from_be_bytes([head[6], head[7]]),
        cookie: *cookie,
    })
}

#[cfg(test)]
mod tests;
