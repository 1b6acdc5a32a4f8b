//! A node's clock: monotonic, a little fast or slow, and possibly stopped with its node.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::config::Time;

/// Nanoseconds on a node's own clock.
pub type Local = u64;

/// Where all clocks begin, so that nothing is before it.
const BEGIN: u64 = 3_600_000_000_000;

/// A node's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// A moment of true time and what this clock showed then.
    base: (Time, Local),
    drift: i64,
    stopped: bool,
}

impl Clock {
    /// Runs `drift` millionths faster than true time.
    pub fn new(now: Time, drift: i64) -> Self {
        Self {
            base: (now, BEGIN + now),
            drift,
            stopped: false,
        }
    }

    /// What it shows.
    pub fn local(&self, now: Time) -> Local {
        let since = if self.stopped {
            0
        } else {
            now.saturating_sub(self.base.0)
        };
        self.base.1 + scale(since, self.drift)
    }

    /// When it will show this; never before it does.
    pub fn true_time(&self, local: Local) -> Time {
        let since = i128::from(local.saturating_sub(self.base.1));
        let since = (since * 1_000_000).div_euclid(i128::from(1_000_000 + self.drift));
        // The first nanosecond at which it does, or the one after.
        self.base.0 + u64::try_from(since).unwrap_or(0) + 2
    }

    /// Stands still.
    pub fn stop(&mut self, now: Time) {
        self.base = (now, self.local(now));
        self.stopped = true;
    }

    /// Goes on where it stood.
    pub fn start(&mut self, now: Time) {
        self.base.0 = now;
        self.stopped = false;
    }
}

fn scale(nanos: u64, drift: i64) -> u64 {
    let parts = i128::from(nanos) * i128::from(1_000_000 + drift) / 1_000_000;
    u64::try_from(parts).unwrap_or(0)
}

/// As the state machine gets to see it.
pub fn instant(local: Local) -> Instant {
    begin() + Duration::from_nanos(local)
}

/// Back.
pub fn local(instant: Instant) -> Local {
    instant.saturating_duration_since(begin()).as_nanos() as Local
}

/// The only look at a real clock: an [`Instant`] can be had in no other way. Nothing depends
/// on its value.
fn begin() -> Instant {
    static ONCE: OnceLock<Instant> = OnceLock::new();
    *ONCE.get_or_init(Instant::now)
}
