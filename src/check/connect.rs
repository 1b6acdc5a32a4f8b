//! A TCP connection is accepted; it is closed at once, nothing is sent.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::trace::Trace;
use crate::model::{Outcome, Report};

pub(super) async fn run(target: SocketAddr, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let outcome = match timeout_at(trace.deadline(), TcpStream::connect(target)).await {
        Ok(Ok(_connection)) => {
            trace.connected(false);
            Outcome::Up
        }
        Ok(Err(error)) => return trace.fail(&error),
        Err(_elapsed) => Outcome::Down(trace.timed_out()),
    };
    trace.report(outcome, CONNECTED)
}

/// Detail of a connection that was accepted.
pub const CONNECTED: &str = "connected";
