//! A URL answers with a status of 200 to 399. Only the head of the answer is read;
//! redirects are not followed, they are an answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::expected::Expected;
use super::response::{Response, Verdict};
use crate::check::trace::Trace;
use crate::model::{HttpMethod, HttpProbe, Outcome, Reason, Report};

/// Asks `target` for `path` with this `Host` header, and reports at the latest when
/// `timeout` has passed.
pub async fn run(target: SocketAddr, host: &str, path: &str, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let (request, _shown) = super::request::wire(&HttpProbe {
        path: path.to_owned(),
        host: host.to_owned(),
        ..HttpProbe::default()
    });
    let expected = Arc::new(Expected::plain(HttpMethod::Get, None));
    let mut response = Response::new(expected);
    let deadline = trace.deadline();
    let conversation = converse(target, &request, &mut response, &mut trace);
    let ended = timeout_at(deadline, conversation).await;
    let outcome = match ended {
        Ok(Ok(verdict)) => judge(response.code(), verdict),
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => Outcome::Down(trace.timed_out()),
    };
    trace.report(outcome, response.status_line())
}

/// Reads until the head is complete, which is when there is a verdict: nothing is expected
/// of the body.
async fn converse(
    target: SocketAddr,
    request: &[u8],
    response: &mut Response,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    let mut stream = TcpStream::connect(target).await?;
    trace.connected(false);
    trace.sent(request);
    stream.write_all(request).await?;
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(response.end());
        }
        trace.received(&buffer[..count]);
        if let Some(verdict) = response.feed(&buffer[..count]) {
            return Ok(verdict);
        }
    }
}

fn judge(code: Option<u16>, verdict: Verdict) -> Outcome {
    match verdict {
        _ if code.is_some_and(|code| (200..400).contains(&code)) => Outcome::Up,
        Verdict::Down(reason) => Outcome::Down(reason),
        // Neither comes without a status code of 200 to 399.
        Verdict::Up | Verdict::Redirect(_) => Outcome::Down(Reason::new("no HTTP status")),
    }
}
