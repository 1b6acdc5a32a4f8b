//! A gRPC server says that a service works: `service=grpc`, with HTTP/2 from the first byte,
//! and `service=grpcs`, with HTTP/2 over TLS.

use std::io;
use std::time::Duration;

use h2::client::{Builder, ResponseFuture};
use h2::{RecvStream, SendStream};
use hyper::body::Bytes;
use hyper::http::{HeaderMap, Method, Request};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout_at;

use self::message::{ANSWER_MAX, Status};
use super::dialogue::{self, Verdict};
use super::fault::excerpt;
use super::socket::Route;
use super::tls::{self, Inside};
use super::trace::Trace;
use crate::model::{Fault, GrpcProbe, Outcome, Report};

pub mod message;

/// Bytes of all headers of an answer, and of its trailers.
const HEADERS_MAX: u32 = 16 * 1024;

/// Header, usually in the trailers, that says how a call ended.
const STATUS: &str = "grpc-status";

/// Bytes of a server's words that are quoted.
const QUOTED_MAX: usize = 200;

pub(super) async fn run(route: Route<'_>, probe: &GrpcProbe, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let contacted = || route.target.to_string();
    let authority = probe.authority.clone().unwrap_or_else(contacted);
    let request = match request(&authority, probe.tls.is_some()) {
        Ok(request) => request,
        Err(fault) => return trace.report(Outcome::Inconclusive(fault), ""),
    };
    let deadline = trace.deadline();
    let exchange = exchange(route, request, probe, &mut trace);
    match timeout_at(deadline, exchange).await {
        Ok(Ok(verdict)) => dialogue::conclude(trace, verdict),
        Ok(Err(error)) => trace.fail(&error),
        Err(_elapsed) => trace.expire(),
    }
}

/// The head of the call (PROTOCOL-HTTP2.md, "Requests").
fn request(authority: &str, is_tls: bool) -> Result<Request<()>, Fault> {
    let scheme = if is_tls { "https" } else { "http" };
    Request::builder()
        .method(Method::POST)
        .uri(format!(
            "{scheme}://{authority}/grpc.health.v1.Health/Check"
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header(
            "user-agent",
            concat!("directord/", env!("CARGO_PKG_VERSION")),
        )
        .body(())
        .map_err(|_| Fault::new(format!("\"{authority}\" cannot be the name of a host")))
}

async fn exchange(
    route: Route<'_>,
    request: Request<()>,
    probe: &GrpcProbe,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let stream = route.connect(trace).await?;
    trace.connected(probe.tls.is_some());
    match &probe.tls {
        Some(settings) => {
            let secured = tls::connect(stream, settings, Inside::Http2).await?;
            trace.tls_ready(secured.certificate);
            call(secured.stream, request, &probe.name, trace).await
        }
        None => call(stream, request, &probe.name, trace).await,
    }
}

/// One call over a connection of its own.
async fn call(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    request: Request<()>,
    name: &str,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .max_header_list_size(HEADERS_MAX)
        .max_concurrent_reset_streams(1)
        .initial_window_size(u32::from(u16::MAX));
    let (sender, connection) = match builder.handshake::<_, Bytes>(stream).await {
        Ok(parts) => parts,
        Err(error) => return judge_error(error),
    };
    let call = async {
        let mut sender = sender.ready().await?;
        let (response, body) = sender.send_request(request, false)?;
        answer(response, body, name, trace).await
    };
    // The connection moves only while it is polled, and dies with this future.
    tokio::select! {
        biased;
        verdict = call => verdict.or_else(judge_error),
        ended = connection => match ended {
            Ok(()) => Ok(Verdict::down("the server closed the connection without an answer")),
            Err(error) => judge_error(error),
        },
    }
}

/// Asks, and reads one message and the trailers.
async fn answer(
    response: ResponseFuture,
    mut sending: SendStream<Bytes>,
    name: &str,
    trace: &mut Trace,
) -> Result<Verdict, h2::Error> {
    let question = message::request(name);
    trace.sent(&question);
    sending.send_data(Bytes::from(question), true)?;
    let response = response.await?;
    let (head, mut body) = response.into_parts();
    if head.status != 200 {
        return Ok(Verdict::down(format!("HTTP status {}", head.status)));
    }
    if let Some(refusal) = refusal(&head.headers) {
        return Ok(Verdict::down(refusal));
    }
    let Some(bytes) = read(&mut body, trace).await? else {
        return Ok(Verdict::down(format!(
            "the answer is longer than {ANSWER_MAX} bytes"
        )));
    };
    let trailers = body.trailers().await?.unwrap_or_default();
    if let Some(refusal) = refusal(&trailers) {
        return Ok(Verdict::down(refusal));
    }
    if !trailers.contains_key(STATUS) && !head.headers.contains_key(STATUS) {
        return Ok(Verdict::down("the call ended without a gRPC status"));
    }
    Ok(judge(&bytes, name))
}

/// The message; `None` when it is too long.
async fn read(body: &mut RecvStream, trace: &mut Trace) -> Result<Option<Vec<u8>>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        trace.received(&piece);
        if bytes.len() + piece.len() > ANSWER_MAX {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
        body.flow_control().release_capacity(piece.len())?;
    }
    Ok(Some(bytes))
}

fn judge(bytes: &[u8], name: &str) -> Verdict {
    let what = if name.is_empty() {
        "the server".to_owned()
    } else {
        format!("\"{name}\"")
    };
    match message::status(bytes) {
        Ok(Status::Serving) => Verdict::up(format!("{what} is SERVING")),
        Ok(Status::NotServing) => Verdict::down(format!("{what} is NOT_SERVING")),
        Ok(Status::Other(0)) => Verdict::down(format!("the state of {what} is UNKNOWN")),
        Ok(Status::Other(3)) => Verdict::down(format!("{what} is SERVICE_UNKNOWN")),
        Ok(Status::Other(number)) => Verdict::down(format!("{what} is in the state {number}")),
        Err(message::Malformed) => Verdict::down("the answer is malformed"),
    }
}

/// Why the call failed, in headers or trailers (PROTOCOL-HTTP2.md, "Responses").
fn refusal(headers: &HeaderMap) -> Option<String> {
    let code = headers.get(STATUS)?;
    if code.as_bytes() == b"0" {
        return None;
    }
    let code = excerpt(code.as_bytes(), 20);
    let name = match code.as_str() {
        "5" => " NOT_FOUND: the server does not know this service",
        "7" => " PERMISSION_DENIED",
        "12" => " UNIMPLEMENTED: the server has no health service",
        "14" => " UNAVAILABLE",
        "16" => " UNAUTHENTICATED",
        _ => "",
    };
    let said = headers
        .get("grpc-message")
        .map(|text| format!(" (\"{}\")", excerpt(text.as_bytes(), QUOTED_MAX)));
    Some(format!(
        "gRPC status {code}{name}{}",
        said.unwrap_or_default()
    ))
}

/// What the system says is the driver's to judge; all else is how the server speaks.
fn judge_error(error: h2::Error) -> io::Result<Verdict> {
    let words = error.to_string();
    match error.into_io() {
        Some(error) => Err(error),
        None => Ok(Verdict::down(format!(
            "not HTTP/2 as it should be: {words}"
        ))),
    }
}

#[cfg(test)]
mod tests;
