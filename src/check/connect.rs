//! A TCP connection is accepted; it is closed at once, nothing is sent but a PROXY header
//! if asked.

use std::time::Duration;

use tokio::time::timeout_at;

use super::socket::Route;
use super::trace::Trace;
use crate::model::{Outcome, Report};

pub(super) async fn run(route: Route<'_>, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    let deadline = trace.deadline();
    let outcome = match timeout_at(deadline, route.connect(&mut trace)).await {
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
