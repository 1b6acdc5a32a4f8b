//! Protocols of questions and answers over one connection.
//!
//! A [`Dialogue`] is the whole conversation without a socket: it takes what came and gives
//! what to say. [`run`] carries one out, with TLS if asked, before one deadline.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::fault::Bytes;
use super::tls;
use super::trace::Trace;
use crate::model::{Outcome, Reason, Report};

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
}

/// What a conversation wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// More from the server.
    Listen,
    /// This said, then more from the server.
    Say(Words),
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

/// Carries out a conversation with `target`.
pub(super) async fn run(
    target: SocketAddr,
    tls: bool,
    mut dialogue: impl Dialogue,
    timeout: Duration,
) -> Report {
    let mut trace = Trace::new(timeout);
    let deadline = trace.deadline();
    let conversation = converse(target, tls, &mut dialogue, &mut trace);
    let verdict = match timeout_at(deadline, conversation).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => return trace.expire(),
    };
    match verdict.result {
        Ok(detail) => trace.report(Outcome::Up, detail),
        Err(reason) => trace.report(Outcome::Down(reason), ""),
    }
}

async fn converse(
    target: SocketAddr,
    tls: bool,
    dialogue: &mut impl Dialogue,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let stream = TcpStream::connect(target).await?;
    let local = stream.local_addr()?;
    trace.connected(tls);
    if tls {
        let stream = tls::connect(stream, &target.ip().to_string()).await?;
        trace.tls_ready();
        talk(stream, local, dialogue, trace).await
    } else {
        talk(stream, local, dialogue, trace).await
    }
}

/// Talks until there is a verdict, and says goodbye.
async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    local: SocketAddr,
    dialogue: &mut impl Dialogue,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let mut turn = dialogue.begin(local);
    let mut buffer = vec![0; 4096];
    let mut received = 0;
    loop {
        turn = match turn {
            Turn::Over(verdict) => {
                take_leave(stream, &verdict.goodbye, trace).await;
                return Ok(verdict);
            }
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
                        return Ok(Verdict::down(format!(
                            "the answers are longer than {limit}"
                        )));
                    }
                    dialogue.feed(&buffer[..count])
                }
            },
        };
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> io::Result<usize> {
    match stream.read(buffer).await {
        // A TLS peer that closes without saying so; what is missing, the dialogue knows.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        other => other,
    }
}

/// Says goodbye and lets the server close first, so that it sees no reset. Nothing that
/// goes wrong here changes the verdict.
async fn take_leave(
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
