//! One mail to one SMTP server (RFC 5321), in the clear and without a login, as `smtp=` is.
//!
//! The server is not trusted: one deadline for the whole exchange, and so many bytes from it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::Message;
use super::post::{Delivered, Failure, Ways};
use crate::model::Reason;

/// The port of mail (RFC 5321 section 4.5.4.2).
pub(super) const PORT: u16 = 25;
/// Deadline of the farewell: the mail has been taken by then.
const FAREWELL: Duration = Duration::from_secs(2);
/// Bytes taken from a server in one delivery, and more for each recipient. A long answer is
/// read anew with each of its lines: this is also a bound on the work.
const ANSWERS: usize = 16 * 1024;
const ANSWER: usize = 512;

/// Hands a message to a server. `host` is the name of this host.
pub(super) async fn deliver(
    relay: &str,
    ways: &Ways,
    host: &str,
    message: &Message,
) -> Result<Delivered, Failure> {
    let limit = ways.deadline;
    let talk = tokio::time::timeout(limit, talk(relay, ways.port, host, message));
    let ended = talk.await;
    let late = |_| Failure::new(format!("no end within {} s", limit.as_secs()));
    let (mut connection, delivered) = ended.map_err(late)??;
    // Whatever comes of it.
    let _ = tokio::time::timeout(FAREWELL, connection.quit()).await;
    Ok(delivered)
}

async fn talk(
    relay: &str,
    port: u16,
    host: &str,
    message: &Message,
) -> Result<(AsyncSmtpConnection, Delivered), Failure> {
    let stream = connect(relay, port, ANSWERS + ANSWER * message.to.len()).await?;
    let is_word = !host.is_empty() && host.chars().all(|c| c.is_ascii_graphic());
    let name = ClientId::Domain(if is_word { host } else { "localhost" }.to_owned());
    let mut connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &name)
        .await
        .map_err(|error| Failure::new(words(&error)))?;
    connection
        .command(Mail::new(Some(message.from.clone()), Vec::new()))
        .await
        .map_err(|error| Failure::new(words(&error)))?;
    let mut delivered = Delivered::default();
    let mut accepted = 0;
    for address in &message.to {
        match connection
            .command(Rcpt::new(address.clone(), Vec::new()))
            .await
        {
            Ok(_) => accepted += 1,
            Err(error) if error.status().is_some() => {
                note_refusal(&mut delivered, address, &error);
            }
            Err(error) => return Err(Failure::new(words(&error))),
        }
    }
    if accepted == 0 {
        let all = delivered.refused.into_iter().chain(delivered.deferred);
        let why = all.map(|(_, why)| why).next().unwrap_or_default();
        return Err(Failure::new(why));
    }
    let sent = match connection.command(Data).await {
        Ok(_) => connection.message(&message.bytes).await,
        Err(error) => Err(error),
    };
    sent.map_err(|error| Failure::new(words(&error)))?;
    Ok((connection, delivered))
}

fn note_refusal(delivered: &mut Delivered, address: &Address, error: &Error) {
    let refusal = (address.clone(), format!("{address}: {}", words(error)));
    if error.is_permanent() {
        delivered.refused.push(refusal);
    } else {
        delivered.deferred.push(refusal);
    }
}

/// The first address of the server that takes a connection.
async fn connect(relay: &str, port: u16, answers: usize) -> Result<Bounded, Failure> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host((relay, port))
        .await
        .map_err(|error| Failure::new(format!("the name cannot be resolved: {error}")))?
        .collect();
    let mut failure = Failure::new("the name has no address");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                return Ok(Bounded {
                    stream,
                    left: answers,
                });
            }
            Err(error) => failure = Failure::new(error.to_string()),
        }
    }
    Err(failure)
}

/// An error with what the server said, on one line.
fn words(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        source = error.source();
    }
    Reason::new(text).as_str().to_owned()
}

/// A connection that ends when the server has said too much.
#[derive(Debug)]
struct Bounded {
    stream: TcpStream,
    left: usize,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server does not stop talking")));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let read = buffer.filled().len() - before;
        self.left = self.left.saturating_sub(read);
        result
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Bounded {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}
