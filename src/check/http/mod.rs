//! HTTP and HTTPS: a request is answered with the expected status, headers and body.
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
use super::socket::Route;
use super::tls::{self, Inside};
use super::trace::Trace;
use crate::model::{Fault, HttpMethod, HttpProbe, HttpVersion, Outcome, Reason, Redirects, Report};

mod body;
mod expected;
mod json;
mod redirect;
mod request;
mod response;
mod status;
mod version2;

pub use expected::Expected;
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
    /// The request as a person gets to see it.
    shown: Box<[u8]>,
    expected: Arc<Expected>,
}

impl Prepared {
    /// Makes a probe ready.
    ///
    /// # Errors
    ///
    /// A pattern cannot be used.
    pub fn new(target: SocketAddr, probe: HttpProbe) -> Result<Self, Fault> {
        let expected = Arc::new(Expected::of(&probe)?);
        Ok(Self::expecting(target, probe, expected))
    }

    fn expecting(target: SocketAddr, probe: HttpProbe, expected: Arc<Expected>) -> Self {
        let (request, shown) = request::wire(&probe);
        Self {
            target,
            request: request.into(),
            shown: shown.into(),
            probe,
            expected,
        }
    }

    /// Whether judging the answer takes time proportional to its length, so that it can
    /// be done between other work.
    pub fn is_linear(&self) -> bool {
        self.expected.is_linear()
    }

    /// Whether the exchange runs over TLS.
    pub fn is_tls(&self) -> bool {
        self.probe.tls.is_some()
    }

    /// Whether all there is to it is HTTP/1.1 over TCP to one address and port: then
    /// [`Exchange`] is the whole of it.
    pub fn is_plain(&self) -> bool {
        !self.is_tls()
            && self.probe.version == HttpVersion::V11
            && self.probe.redirects != Redirects::Yes
    }

    /// The request as a person gets to see it.
    fn shown(&self) -> &[u8] {
        &self.shown
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
            response: Response::new(Arc::clone(&prepared.expected)),
            prepared: Arc::clone(prepared),
            redirects: 0,
        }
    }

    /// The bytes to send after connecting.
    pub fn request(&self) -> &[u8] {
        &self.prepared.request
    }

    /// What is being carried out now.
    fn prepared(&self) -> Arc<Prepared> {
        Arc::clone(&self.prepared)
    }

    /// The head of the answer came in other framing than that of HTTP/1.1; the body is fed
    /// as it is.
    pub fn answered(&mut self, code: u16, headers: &[httparse::Header<'_>]) -> Step {
        match self.response.answered(code, headers) {
            None => Step::Read,
            Some(verdict) => self.conclude(verdict),
        }
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
        let prepared = &self.prepared;
        let (target, mut probe) = redirect::follow(prepared.target, &prepared.probe, location)?;
        // RFC 9110 §15.4: only 307 and 308 ask for the same request again.
        if probe.method.takes_body() && !matches!(self.response.code(), Some(307 | 308)) {
            probe.method = HttpMethod::Get;
            probe.body = None;
        }
        let expected = Arc::clone(&prepared.expected);
        Ok(Prepared::expecting(target, probe, expected))
    }

    /// Takes what was read, nothing at the end. A search that may take long does not hold
    /// the runtime.
    async fn advance(&mut self, bytes: Vec<u8>) -> io::Result<Step> {
        let advance = |exchange: &mut Self, bytes: &[u8]| {
            if bytes.is_empty() {
                exchange.end()
            } else {
                exchange.feed(bytes)
            }
        };
        if self.prepared.is_linear() {
            return Ok(advance(self, &bytes));
        }
        let mut away = std::mem::replace(self, Self::new(&self.prepared));
        let (back, step) = tokio::task::spawn_blocking(move || {
            let step = advance(&mut away, &bytes);
            (away, step)
        })
        .await?;
        *self = back;
        Ok(step)
    }
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
    let conversation = converse(route, &mut exchange, &mut trace);
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
    exchange: &mut Exchange,
    trace: &mut Trace,
) -> io::Result<Outcome> {
    loop {
        let prepared = exchange.prepared();
        let target = prepared.target;
        let stream = Route { target, ..route }.connect(trace).await?;
        trace.connected(prepared.is_tls());
        let is_v2 = prepared.probe.version == HttpVersion::V2;
        let step = match &prepared.probe.tls {
            Some(settings) => {
                let inside = if is_v2 {
                    Inside::Http2
                } else {
                    Inside::Anything
                };
                let secured = tls::connect(stream, settings, inside).await?;
                trace.tls_ready(secured.certificate);
                talk(secured.stream, is_v2, exchange, trace).await?
            }
            None => talk(stream, is_v2, exchange, trace).await?,
        };
        match step {
            Step::Done(outcome) => return Ok(outcome),
            Step::Read | Step::Reconnect => trace.reconnecting(),
        }
    }
}

/// One connection: sends the request and reads until the exchange has had enough.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    is_v2: bool,
    exchange: &mut Exchange,
    trace: &mut Trace,
) -> io::Result<Step> {
    if is_v2 {
        return version2::talk(stream, exchange, trace).await;
    }
    trace.sent(exchange.prepared().shown());
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
        trace.received(&buffer[..count]);
        let step = exchange.advance(buffer[..count].to_vec()).await?;
        if step != Step::Read {
            return Ok(step);
        }
    }
}
