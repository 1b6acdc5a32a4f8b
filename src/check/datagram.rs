//! Questions and answers over UDP.
//!
//! A question is asked again when no answer comes: a lost datagram is no failed server.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, error::Elapsed, timeout_at};

use super::dialogue::{Turn, Verdict, Words};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, Outcome, Reason, Report};

/// Time before a question is asked again; it doubles each time.
const AGAIN: Duration = Duration::from_secs(1);

/// Longest datagram that is looked at, in bytes; a longer one is cut.
const DATAGRAM_MAX: usize = 8192;

/// One question, or some one after the other. Pure, as a [`super::dialogue::Dialogue`].
pub trait Query: Send {
    /// The first question, to be sent from this address and port.
    fn ask(&mut self, local: SocketAddr) -> Words;

    /// This came from the server: [`Turn::Listen`] when it answers something else,
    /// [`Turn::Say`] when there is another question. Goodbyes are not said.
    fn judge(&mut self, datagram: &[u8]) -> Turn;

    /// What was odd about that which came and decided nothing, for the person who reads
    /// that the deadline passed.
    fn doubt(&self) -> Option<String>;
}

/// Asks a server.
pub(super) async fn run(route: Route<'_>, mut query: impl Query, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let deadline = trace.deadline();
    let exchange = exchange(route, &mut query, timeout, &mut trace);
    let ended = timeout_at(deadline, exchange).await;
    conclude(ended, query.doubt(), trace)
}

/// The report of an exchange that ended like this.
pub(super) fn conclude(
    ended: Result<io::Result<Verdict>, Elapsed>,
    doubt: Option<String>,
    trace: Trace,
) -> Report {
    let result = match ended {
        Ok(Ok(verdict)) => verdict.result,
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => Err(match doubt {
            Some(doubt) => Reason::new(format!("{}; {doubt}", trace.timed_out())),
            None => trace.timed_out(),
        }),
    };
    match result {
        Ok(detail) => trace.report(Outcome::Up, detail),
        Err(reason) => trace.report(Outcome::Down(reason), ""),
    }
}

/// Asks until there is a verdict.
pub(super) async fn exchange(
    route: Route<'_>,
    query: &mut impl Query,
    timeout: Duration,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let socket = route.datagrams()?;
    trace.asking();
    let mut question = query.ask(socket.local_addr()?);
    // A short time-out has room for a second attempt, too.
    let short = AGAIN.min(timeout / 3);
    let mut patience = short;
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        trace.sent(question.shown());
        socket.send(&question.bytes).await?;
        let until = Instant::now() + patience;
        patience *= 2;
        while let Ok(received) = timeout_at(until, socket.recv(&mut buffer)).await {
            let datagram = &buffer[..received?];
            trace.received(datagram);
            match query.judge(datagram) {
                // There is no TLS over datagrams here.
                Turn::Listen | Turn::Secure => {}
                Turn::Over(verdict) => return Ok(verdict),
                Turn::Say(next) => {
                    question = next;
                    patience = short;
                    break;
                }
            }
        }
    }
}

/// Random bytes, for identifiers that nobody off the path can guess.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Fault::new(format!("no random number: {error}")))?;
    Ok(bytes)
}
