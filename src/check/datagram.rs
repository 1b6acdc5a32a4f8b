//! One question, one answer, over UDP.
//!
//! The question is asked again when no answer comes: a lost datagram is no failed server.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::dialogue::{Verdict, Words};
use super::trace::Trace;
use crate::model::{Outcome, Report};

/// Time before the question is asked again; it doubles each time.
const AGAIN: Duration = Duration::from_secs(1);

/// Longest datagram that is looked at, in bytes; a longer one is cut.
const DATAGRAM_MAX: usize = 8192;

/// One question. Pure, as a [`super::dialogue::Dialogue`].
pub trait Query: Send {
    /// The question, to be sent from this address and port. Asked again it is the same.
    fn ask(&mut self, local: SocketAddr) -> Words;

    /// This came from the server; `None` when it answers something else.
    fn judge(&mut self, datagram: &[u8]) -> Option<Verdict>;
}

/// Asks `target`.
pub(super) async fn run(target: SocketAddr, mut query: impl Query, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let deadline = trace.deadline();
    let exchange = exchange(target, &mut query, timeout, &mut trace);
    let verdict = match timeout_at(deadline, exchange).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => return trace.expire(),
    };
    match verdict.result {
        Ok(detail) => trace.report(Outcome::Up, detail),
        Err(reason) => trace.report(Outcome::Down(reason), ""),
    }
}

async fn exchange(
    target: SocketAddr,
    query: &mut impl Query,
    timeout: Duration,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let any: IpAddr = match target {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(target).await?;
    trace.asking();
    let question = query.ask(socket.local_addr()?);
    // A short time-out has room for a second question, too.
    let mut patience = AGAIN.min(timeout / 3);
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        trace.sent(question.shown());
        socket.send(&question.bytes).await?;
        let until = Instant::now() + patience;
        patience *= 2;
        while let Ok(received) = timeout_at(until, socket.recv(&mut buffer)).await {
            let datagram = &buffer[..received?];
            trace.received(datagram);
            if let Some(verdict) = query.judge(datagram) {
                return Ok(verdict);
            }
        }
    }
}
