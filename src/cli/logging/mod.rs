//! Where log lines go and what they look like.
//!
//! Events are [`tracing`] events. A layer of ours turns each into one bounded line and
//! puts it into a bounded queue; a thread of its own writes the queue to the
//! [`Destination`], which can change while the program runs. So a pipe nobody reads, a
//! stopped journal or a full disk never holds up the director: lines are dropped,
//! counted, and the count is logged as soon as the destination takes lines again.
//!
//! Messages of ldirectord keep that program's words, because scripts look for them:
//!
//! ```text
//! Deleted real server: 192.0.2.10:80 (192.0.2.1:80) service=tcp:192.0.2.1:80 reason="connection refused"
//! ```
//!
//! The event's message comes first, its other fields follow as `name=value`.

mod destination;
mod layer;
mod line;
mod queue;
mod writer;

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};

pub use destination::{Destination, Facility, UnknownFacility};
pub use line::Identity;
pub use writer::open_file;

use layer::RecordLayer;
use line::{Record, Text};
use queue::Queue;
use writer::{Outputs, Writer};

/// The program's log: a handle to redirect and flush it. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Logger {
    shared: Arc<Shared>,
}

/// Lets the writing thread end once no handle and no layer is left.
#[derive(Debug)]
struct Shared {
    queue: Arc<Queue>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Logger {
    /// Starts the writing thread. Fails when no thread can be started.
    pub fn new(identity: Identity, destination: Destination) -> io::Result<Self> {
        Self::with_outputs(identity, destination, Outputs::default())
    }

    fn with_outputs(
        identity: Identity,
        destination: Destination,
        outputs: Outputs,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(destination));
        let writer = Writer::new(identity, outputs, Arc::clone(&queue));
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        let shared = Arc::new(Shared { queue });
        Ok(Self { shared })
    }

    /// Makes this the log of the whole process: events of this program from `level` up,
    /// events of other crates from `warn` up.
    pub fn install(&self, level: LevelFilter) -> Result<(), SetGlobalDefaultError> {
        let targets = Targets::new()
            .with_default(level.min(LevelFilter::WARN))
            .with_target("directord", level);
        let layer = RecordLayer::new(self.clone()).with_filter(targets);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))
    }

    /// Sends what is logged from now on to another destination. Lines before it still
    /// go to the old one, unless that is blocked.
    pub fn redirect(&self, destination: Destination) {
        self.shared.queue.redirect(destination);
    }

    /// Where lines go at present.
    pub fn destination(&self) -> Destination {
        Destination::clone(&self.shared.queue.destination())
    }

    /// Waits until everything logged so far has been written or given up; `false` when
    /// that took longer than `limit`. To be called before the process ends.
    pub fn flush(&self, limit: Duration) -> bool {
        self.shared.queue.wait_empty(limit)
    }

    /// Lines lost since the start because a destination was blocked or unwritable.
    pub fn lost(&self) -> u64 {
        self.shared.queue.lost()
    }

    /// Logs a message without fields and without `tracing`: for commands that end before
    /// there is a daemon to install a log for.
    pub fn say(&self, level: Level, message: &str) {
        let mut text = Text::default();
        text.add("message", message);
        self.submit(level, text.finish());
    }

    fn submit(&self, level: Level, text: String) {
        self.shared.queue.push(Record {
            time: SystemTime::now(),
            level,
            text,
        });
    }
}

#[cfg(test)]
mod tests;
