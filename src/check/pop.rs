//! Placeholder.

use std::net::SocketAddr;
use std::time::Duration;

use super::trace::Trace;
use crate::model::{Fault, Outcome, PopProbe, Report};

pub(super) async fn run(_target: SocketAddr, _probe: &PopProbe, timeout: Duration) -> Report {
    Trace::new(timeout).report(Outcome::Inconclusive(Fault::new("not written yet")), "")
}
