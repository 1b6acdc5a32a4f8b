//! What the director and the pair's thread say to each other.

use tokio::sync::{mpsc, oneshot};

use crate::failover::Command;

use super::Plan;
use super::status::PairStatus;

/// Answer to an operator: what was done, or why not.
pub type Answer = Result<String, String>;

/// What the director asks of the pair's thread.
#[derive(Debug)]
pub enum Request {
    /// Whether the kernel holds the table and every check has had a result.
    Ready(bool),
    /// So many real servers of a service are available.
    Available {
        /// The service as the track names it.
        service: String,
        /// How many.
        available: u32,
    },
    /// An operator's wish.
    Command(Command, oneshot::Sender<Answer>),
    /// The state.
    Status(oneshot::Sender<PairStatus>),
    /// A new configuration is in force.
    Reconfigure(Box<Plan>),
    /// Give every instance up and end.
    Stop,
}

/// What the pair's thread asks of the director.
#[derive(Debug)]
pub enum Wish {
    /// The services of an instance are to be in the kernel, or need not be any more.
    Table {
        /// The instance.
        instance: String,
        /// Whether it is about to be served here.
        present: bool,
        /// Answered when the kernel holds it so.
        done: oneshot::Sender<Result<(), String>>,
    },
}

/// A running pair thread. It ends after [`Request::Stop`], or when the handle is dropped.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) requests: mpsc::UnboundedSender<Request>,
}

/// A handle and the other end of its channel.
pub(crate) fn channel() -> (Handle, mpsc::UnboundedReceiver<Request>) {
    let (requests, receiver) = mpsc::unbounded_channel();
    (Handle { requests }, receiver)
}

impl Handle {
    /// Sends a request. A thread that has ended takes none; its end is told by the closed
    /// channel of wishes.
    pub fn send(&self, request: Request) {
        let _ = self.requests.send(request);
    }
}
