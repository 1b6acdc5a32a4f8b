//! A line is sent, a line is matched: `service=simpletcp`.
//!
//! The sending side is closed after the request, as ldirectord does; servers that answer
//! at end of input rely on it.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use super::lines::{Lines, Verdict};
use super::pattern;
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Outcome, Report, SimpleTcpProbe};

pub(super) async fn run(route: Route<'_>, probe: &SimpleTcpProbe, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let matcher = match probe.receive.as_ref().map(pattern::compile).transpose() {
        Ok(matcher) => matcher,
        Err(fault) => return trace.report(Outcome::Inconclusive(fault), ""),
    };
    let mut lines = Lines::new(matcher);
    let deadline = trace.deadline();
    let exchange = exchange(route, &probe.send, &mut lines, &mut trace);
    let verdict = match timeout_at(deadline, exchange).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => Verdict::Down(trace.timed_out()),
    };
    match verdict {
        Verdict::Up(line) => trace.report(Outcome::Up, format!("answered \"{line}\"")),
        Verdict::Down(reason) => trace.report(Outcome::Down(reason), ""),
    }
}

async fn exchange(
    route: Route<'_>,
    request: &[u8],
    lines: &mut Lines,
    trace: &mut Trace,
) -> std::io::Result<Verdict> {
    let mut stream = route.connect(trace).await?;
    trace.connected(false);
    trace.sent(request);
    stream.write_all(request).await?;
    stream.shutdown().await?;
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(lines.end());
        }
        trace.received(&buffer[..count]);
        if let Some(verdict) = lines.feed(&buffer[..count]) {
            return Ok(verdict);
        }
    }
}
