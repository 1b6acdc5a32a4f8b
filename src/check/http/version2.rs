//! HTTP/2 (RFC 9113) for one request: the answer is judged by the same [`Exchange`].
//!
//! The server may not push, its header lists and frames are bounded, and so is everything it
//! sends together.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper::body::Bytes;
use hyper::http;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Exchange, Step, request};
use crate::check::fault;
use crate::check::trace::Trace;
use crate::model::{Fault, HttpProbe};

/// Longest list of header fields, in bytes as RFC 9113 §6.5.2 counts them.
const HEADERS_MAX: u32 = 16 * 1024;

/// What the server may send before it is told that more is wanted; at least what is looked
/// at of a body.
const WINDOW: u32 = 512 * 1024;

/// Longest frame: the least that RFC 9113 §6.5.2 allows.
const FRAME_MAX: u32 = 16 * 1024;

/// Bytes of all frames together.
const ANSWER_MAX: u64 = 2 << 20;

/// One connection: sends the request and reads until the exchange has had enough.
pub(super) async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    exchange: &mut Exchange,
    trace: &mut Trace,
) -> io::Result<Step> {
    let stream = Bounded {
        stream,
        left: ANSWER_MAX,
    };
    let (sender, mut connection) = h2::client::Builder::new()
        .enable_push(false)
        .max_header_list_size(HEADERS_MAX)
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME_MAX)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(explained)?;
    let mut asking = std::pin::pin!(ask(sender, exchange, trace));
    let ended = tokio::select! {
        biased;
        step = &mut asking => return step,
        ended = &mut connection => ended,
    };
    // What had come before the end is still there.
    match (asking.await, ended) {
        (Err(_), Err(error)) => Err(explained(error)),
        (answered, _) => answered,
    }
}

async fn ask(
    sender: h2::client::SendRequest<Bytes>,
    exchange: &mut Exchange,
    trace: &mut Trace,
) -> io::Result<Step> {
    let prepared = exchange.prepared();
    let asked = asked(&prepared.probe, prepared.is_tls()).map_err(fault::own)?;
    let body = prepared.probe.body.clone().unwrap_or_default();
    trace.sent(prepared.shown());
    let mut sender = sender.ready().await.map_err(explained)?;
    let (answer, mut sending) = sender
        .send_request(asked, body.is_empty())
        .map_err(explained)?;
    if !body.is_empty() {
        sending
            .send_data(Bytes::from(body), true)
            .map_err(explained)?;
    }
    let (head, mut body) = answer.await.map_err(explained)?.into_parts();
    let fields: Vec<httparse::Header<'_>> = head
        .headers
        .iter()
        .map(|(name, value)| httparse::Header {
            name: name.as_str(),
            value: value.as_bytes(),
        })
        .collect();
    trace.received(&shown(head.status.as_u16(), &fields));
    let mut step = exchange.answered(head.status.as_u16(), &fields);
    while step == Step::Read {
        let Some(data) = body.data().await.transpose().map_err(explained)? else {
            trace.received(&[]);
            return exchange.advance(Vec::new()).await;
        };
        trace.received(&data);
        // The window is of this stream's and of this connection's making.
        let _ = body.flow_control().release_capacity(data.len());
        if !data.is_empty() {
            step = exchange.advance(data.to_vec()).await?;
        }
    }
    Ok(step)
}

/// The request in the words of the library.
fn asked(probe: &HttpProbe, is_tls: bool) -> Result<http::Request<()>, Fault> {
    let unusable = |error: http::Error| Fault::new(format!("unusable request: {error}"));
    let uri = http::Uri::builder()
        .scheme(if is_tls { "https" } else { "http" })
        .authority(request::host(probe))
        .path_and_query(request::escaped(&probe.path))
        .build()
        .map_err(unusable)?;
    let mut asked = http::Request::builder()
        .method(probe.method.word())
        .version(http::Version::HTTP_2)
        .uri(uri);
    for line in request::lines(probe) {
        asked = asked.header(line.name, line.value.expose());
    }
    asked.body(()).map_err(unusable)
}

/// The head of an answer as a person gets to see it.
fn shown(code: u16, fields: &[httparse::Header<'_>]) -> Vec<u8> {
    let mut text = format!("HTTP/2 {code}\r\n").into_bytes();
    for field in fields {
        text.extend_from_slice(field.name.as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(field.value);
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text
}

/// An error of the library as one of the system where it is one.
fn explained(error: h2::Error) -> io::Error {
    let whose = if error.is_remote() {
        "the server ended HTTP/2"
    } else {
        "not an HTTP/2 answer"
    };
    match error.reason() {
        Some(reason) => io::Error::other(format!("{whose}: {}", reason.description())),
        None if error.is_io() => error
            .into_io()
            .unwrap_or_else(|| io::Error::other("not an HTTP/2 answer")),
        None => io::Error::other(format!("{whose}: {error}")),
    }
}

/// A stream of which only so much is read.
struct Bounded<S> {
    stream: S,
    left: u64,
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let count = (buffer.filled().len() - before) as u64;
        let Some(left) = self.left.checked_sub(count) else {
            let error = format!("the answer is longer than {ANSWER_MAX} bytes");
            return Poll::Ready(Err(io::Error::other(error)));
        };
        self.left = left;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
