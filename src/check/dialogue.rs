//! Protocols of questions and answers over one connection.
//!
//! A [`Dialogue`] is the whole conversation without a socket: it takes what came and gives
//! what to say. [`run`] carries one out, with TLS if asked, before one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::fault::Bytes;
use super::socket::Route;
use super::tls::{self, Inside};
use super::trace::Trace;
use crate::model::{Outcome, Reason, Report, Tls};

/// Bytes of all answers together that are read before giving up.
const ANSWERS_MAX: u64 = 1 << 20;

/// How long a server has to close after the goodbye.
const LEAVE: Duration = Duration::from_millis(250);

/// One conversation. Pure: no method blocks, allocates more than what came, or panics,
/// whatever the server says.
pub trait Dialogue: Send {
    /// The connection is there, from this address and port.
    fn begin(&mut self, local: SocketAddr) -> Turn;

    /// These bytes came; after everything that was said it is called once with none, for
    /// what may have come before.
    fn feed(&mut self, bytes: &[u8]) -> Turn;

    /// The server has closed its side.
    fn end(&mut self) -> Verdict;

    /// What is missing when the deadline passes now, as in "no greeting within 30 s".
    fn awaited(&self) -> Option<String> {
        None
    }
}

/// What a conversation wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// More from the server.
    Listen,
    /// This said, then more from the server.
    Say(Words),
    /// TLS from here on, which both sides have agreed on in the open, and once only; then
    /// it is fed nothing, as after something said.
    Secure,
    /// Nothing.
    Over(Verdict),
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// On the wire.
    pub bytes: Vec<u8>,
    /// What a person gets to see instead, when it holds a secret.
    pub shown: Option<Vec<u8>>,
}

impl Words {
    /// Words that anybody may see.
    pub fn open(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            shown: None,
        }
    }

    /// Words with a secret in them, and what is shown for them.
    pub fn secret(bytes: impl Into<Vec<u8>>, shown: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            shown: Some(shown.into()),
        }
    }

    /// What a person gets to see.
    pub fn shown(&self) -> &[u8] {
        self.shown.as_ref().unwrap_or(&self.bytes)
    }
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// One line that describes the success, or why not.
    pub result: Result<String, Reason>,
    /// Said before hanging up, so that the server need not wonder. Empty: nothing.
    pub goodbye: Vec<u8>,
}

impl Verdict {
    /// In order.
    pub fn up(detail: impl Into<String>) -> Self {
        Self {
            result: Ok(detail.into()),
            goodbye: Vec::new(),
        }
    }

    /// Not in order.
    pub fn down(reason: impl AsRef<str>) -> Self {
        Self {
            result: Err(Reason::new(reason)),
            goodbye: Vec::new(),
        }
    }

    /// The same with something said before hanging up.
    #[must_use]
    pub fn saying(self, goodbye: impl Into<Vec<u8>>) -> Self {
        Self {
            goodbye: goodbye.into(),
            ..self
        }
    }
}

/// Carries out a conversation with a server.
pub(super) async fn run(
    route: Route<'_>,
    tls: Option<&Tls>,
    mut dialogue: impl Dialogue,
    timeout: Duration,
) -> Report {
    let mut trace = Trace::new(timeout);
    let deadline = trace.deadline();
    let conversation = converse(route, tls, &mut dialogue, &mut trace);
    let held = timeout_at(deadline, conversation).await;
    match held {
        Ok(Ok(verdict)) => conclude(trace, verdict),
        Ok(Err(error)) => trace.fail(&error),
        Err(_elapsed) => trace.expire_without(dialogue.awaited()),
    }
}

/// The report of a conversation that came to a verdict.
pub(super) fn conclude(trace: Trace, verdict: Verdict) -> Report {
    match verdict.result {
        Ok(detail) => trace.report(Outcome::Up, detail),
        Err(reason) => trace.report(Outcome::Down(reason), ""),
    }
}

/// Connects and talks until there is a verdict.
pub(super) async fn converse(
    route: Route<'_>,
    tls: Option<&Tls>,
    dialogue: &mut impl Dialogue,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let mut stream = route.connect(trace).await?;
    let local = stream.local_addr()?;
    trace.connected(tls.is_some());
    if tls.is_none() {
        let turn = dialogue.begin(local);
        if let Some(verdict) = talk(&mut stream, turn, dialogue, trace).await? {
            return Ok(verdict);
        }
        trace.securing();
    }
    let settings = tls.cloned().unwrap_or_default();
    let secured = tls::connect(stream, &settings, Inside::Anything).await?;
    let stream = secured.stream;
    trace.tls_ready(secured.certificate);
    let turn = if tls.is_some() {
        dialogue.begin(local)
    } else {
        dialogue.feed(&[])
    };
    let verdict = talk(stream, turn, dialogue, trace).await?;
    verdict.ok_or_else(|| io::Error::other("TLS was agreed on inside TLS"))
}

/// Talks from this turn on until there is a verdict, and says goodbye; `None` when TLS is
/// to begin.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut turn: Turn,
    dialogue: &mut impl Dialogue,
    trace: &mut Trace,
) -> io::Result<Option<Verdict>> {
    let mut buffer = vec![0; 4096];
    let mut received = 0;
    loop {
        turn = match turn {
            Turn::Over(verdict) => {
                take_leave(stream, &verdict.goodbye, trace).await;
                return Ok(Some(verdict));
            }
            Turn::Secure => return Ok(None),
            Turn::Say(words) => {
                trace.sent(words.shown());
                stream.write_all(&words.bytes).await?;
                stream.flush().await?;
                dialogue.feed(&[])
            }
            Turn::Listen => match read(&mut stream, &mut buffer).await? {
                0 => Turn::Over(dialogue.end()),
                count => {
                    trace.received(&buffer[..count]);
                    received += count as u64;
                    if received > ANSWERS_MAX {
                        let limit = Bytes(ANSWERS_MAX);
                        let reason = format!("the answers are longer than {limit}");
                        return Ok(Some(Verdict::down(reason)));
                    }
                    dialogue.feed(&buffer[..count])
                }
            },
        };
    }
}

/// Reads what has come; 0 is the end.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut [u8],
) -> io::Result<usize> {
    match stream.read(buffer).await {
        // A TLS peer that closes without saying so; what is missing, the dialogue knows.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        other => other,
    }
}

/// Says goodbye and lets the server close first, so that it sees no reset. Nothing that
/// goes wrong here changes the verdict.
pub(super) async fn take_leave(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    goodbye: &[u8],
    trace: &mut Trace,
) {
    if goodbye.is_empty() {
        return;
    }
    trace.sent(goodbye);
    let farewell = async {
        stream.write_all(goodbye).await?;
        stream.shutdown().await?;
        let mut buffer = [0; 512];
        let mut left: usize = 16;
        while left > 0 {
            match read(&mut stream, &mut buffer).await? {
                0 => break,
                count => trace.received(&buffer[..count]),
            }
            left -= 1;
        }
        io::Result::Ok(())
    };
    let _ = timeout_at(Instant::now() + LEAVE, farewell).await;
}
