//! HTTP and HTTPS: a request is answered with 2xx and the expected text.
//!
//! [`Exchange`] is the whole conversation without a socket; `run` carries it out on
//! tokio, with TLS if asked; the director's check lane does so on its own loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout_at;

use super::fault::Stage;
use super::pattern::{self, Matcher};
use super::socket::Route;
use super::tls;
use super::trace::Trace;
use crate::model::{Fault, HttpProbe, Outcome, Reason, Report};

mod body;
mod redirect;
mod response;
mod status;

pub(super) use redirect::split_port;
pub use response::{Response, Verdict};
pub use status::run as status;

/// Redirects that are followed, as in ldirectord.
const REDIRECTS_MAX: u8 = 7;

/// An HTTP probe made ready to be carried out again and again: the request as bytes, the
/// pattern compiled.
#[derive(Debug)]
pub struct Prepared {
    target: SocketAddr,
    probe: HttpProbe,
    request: Box<[u8]>,
    matcher: Option<Arc<Matcher>>,
}

impl Prepared {
    /// Makes a probe ready.
    ///
    /// # Errors
    ///
    /// The pattern cannot be used.
    pub fn new(target: SocketAddr, probe: HttpProbe) -> Result<Self, Fault> {
        let matcher = probe.receive.as_ref().map(pattern::compile).transpose()?;
        Ok(Self {
            target,
            request: request(&probe).into(),
            probe,
            matcher,
        })
    }

    /// Whether judging the answer takes time proportional to its length, so that it can
    /// be done between other work.
    pub fn is_linear(&self) -> bool {
        self.matcher
            .as_ref()
            .is_none_or(|matcher| matcher.is_linear())
    }

    /// Whether the exchange runs over TLS.
    pub fn is_tls(&self) -> bool {
        self.probe.tls
    }
}

/// What an exchange wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// More of the answer.
    Read,
    /// A new connection to the same server, and [`Exchange::request`] sent on it.
    Reconnect,
    /// Nothing: this is the outcome.
    Done(Outcome),
}

/// One HTTP check in progress, redirects included.
#[derive(Debug)]
pub struct Exchange {
    prepared: Arc<Prepared>,
    response: Response,
    redirects: u8,
}

impl Exchange {
    /// A conversation that has not begun.
    pub fn new(prepared: &Arc<Prepared>) -> Self {
        Self {
            response: Response::new(prepared.probe.method, prepared.matcher.clone()),
            prepared: Arc::clone(prepared),
            redirects: 0,
        }
    }

    /// The bytes to send after connecting.
    pub fn request(&self) -> &[u8] {
        &self.prepared.request
    }

    /// These bytes came back.
    pub fn feed(&mut self, bytes: &[u8]) -> Step {
        match self.response.feed(bytes) {
            None => Step::Read,
            Some(verdict) => self.conclude(verdict),
        }
    }

    /// The server has closed its side.
    pub fn end(&mut self) -> Step {
        let verdict = self.response.end();
        self.conclude(verdict)
    }

    /// Whether what has come suffices for up, although the deadline passed or the
    /// connection failed.
    pub fn suffices(&mut self) -> bool {
        self.response.expire() == Some(Verdict::Up)
    }

    /// How much of the answer has come.
    pub fn stage(&self) -> Stage {
        Stage::Waiting(self.response.received())
    }

    /// One line that describes the answer so far.
    pub fn detail(&self) -> String {
        self.response.status_line()
    }

    fn conclude(&mut self, verdict: Verdict) -> Step {
        match verdict {
            Verdict::Up => Step::Done(Outcome::Up),
            Verdict::Down(reason) => Step::Done(Outcome::Down(reason)),
            Verdict::Redirect(location) => match self.redirected(&location) {
                Ok(prepared) => {
                    *self = Self {
                        redirects: self.redirects + 1,
                        ..Self::new(&Arc::new(prepared))
                    };
                    Step::Reconnect
                }
                Err(reason) => Step::Done(Outcome::Down(reason)),
            },
        }
    }

    fn redirected(&self, location: &str) -> Result<Prepared, Reason> {
        if self.redirects == REDIRECTS_MAX {
            return Err(Reason::new(format!(
                "redirects more than {REDIRECTS_MAX} times"
            )));
        }
        let target = self.prepared.target;
        let probe = redirect::follow(target, &self.prepared.probe, location)?;
        Ok(Prepared {
            target,
            request: request(&probe).into(),
            probe,
            matcher: self.prepared.matcher.clone(),
        })
    }
}

/// The request on the wire.
fn request(probe: &HttpProbe) -> Vec<u8> {
    format!(
        "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: directord/{}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        probe.method.word(),
        escaped(&probe.path),
        escaped(&probe.host),
        env!("CARGO_PKG_VERSION"),
    )
    .into_bytes()
}

/// Percent-encodes what cannot stand in a request line: controls, spaces, quotes, angle
/// brackets and everything beyond ASCII.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

/// Carries out one HTTP or HTTPS probe.
pub(super) async fn run(route: Route<'_>, probe: &HttpProbe, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let prepared = match Prepared::new(route.target, probe.clone()) {
        Ok(prepared) => Arc::new(prepared),
        Err(fault) => return trace.report(Outcome::Inconclusive(fault), ""),
    };
    let mut exchange = Exchange::new(&prepared);
    let deadline = trace.deadline();
    let conversation = converse(route, &prepared, &mut exchange, &mut trace);
    let ended = timeout_at(deadline, conversation).await;
    let detail = exchange.detail();
    let outcome = match ended {
        Ok(Ok(outcome)) => outcome,
        _ if exchange.suffices() => Outcome::Up,
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => Outcome::Down(trace.timed_out()),
    };
    trace.report(outcome, detail)
}

/// Talks until there is an outcome.
async fn converse(
    route: Route<'_>,
    prepared: &Arc<Prepared>,
    exchange: &mut Exchange,
    trace: &mut Trace,
) -> io::Result<Outcome> {
    loop {
        let stream = route.connect(trace).await?;
        trace.connected(prepared.is_tls());
        let step = if prepared.is_tls() {
            let stream = tls::connect(stream, &prepared.probe.host).await?;
            trace.tls_ready();
            talk(stream, prepared, exchange, trace).await?
        } else {
            talk(stream, prepared, exchange, trace).await?
        };
        match step {
            Step::Done(outcome) => return Ok(outcome),
            Step::Read | Step::Reconnect => trace.reconnecting(),
        }
    }
}

/// One connection: sends the request and reads until the exchange has had enough.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    prepared: &Arc<Prepared>,
    exchange: &mut Exchange,
    trace: &mut Trace,
) -> io::Result<Step> {
    trace.sent(exchange.request());
    stream.write_all(exchange.request()).await?;
    stream.flush().await?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = match stream.read(&mut buffer).await {
            // A TLS peer that closes without saying so; the framing of HTTP tells
            // whether something is missing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        let bytes = &buffer[..count];
        trace.received(bytes);
        let step = if prepared.is_linear() {
            advance(exchange, bytes)
        } else {
            // A search that may take long must not hold the runtime.
            let mut away = std::mem::replace(exchange, Exchange::new(prepared));
            let bytes = bytes.to_vec();
            let (back, step) = tokio::task::spawn_blocking(move || {
                let step = advance(&mut away, &bytes);
                (away, step)
            })
            .await?;
            *exchange = back;
            step
        };
        if step != Step::Read {
            return Ok(step);
        }
    }
}

/// Feeds what was read; nothing means that the server has closed.
fn advance(exchange: &mut Exchange, bytes: &[u8]) -> Step {
    if bytes.is_empty() {
        exchange.end()
    } else {
        exchange.feed(bytes)
    }
}
