//! Alerts by mail: what `emailalert=` and its companions ask for.
//!
//! ```text
//! core: Occurrence ─► Desk ─► Letter ─► Post ─► SMTP relay or local mail program
//!                      │                 │
//!        folds, damps, reminds; pure     queues, tries again; a task of its own
//! ```
//!
//! The [`Desk`] decides which mail is due and never waits; the [`Post`] delivers and never
//! decides. Nothing here can hold up a check or a change of the kernel's table.

mod damping;
mod desk;
mod fold;
mod letter;
mod message;
mod post;
mod route;
mod sendmail;
mod smtp;

pub use desk::Desk;
pub use letter::{About, Letter, Line};
pub use message::{Message, Now, Unwritable};
pub use post::{Post, SENDMAIL, Ways};
pub use route::{Origin, Route, unusable_addresses};

use crate::config::Phase;
use crate::model::{DestinationKey, ServiceKey};

/// What an event means for the server it happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The server is out: reminders begin.
    Failed,
    /// The server is in: reminders end.
    Recovered,
    /// Neither: a fallback, or a server that the configuration does not name.
    Other,
}

/// Something that mail may tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The service.
    pub service: ServiceKey,
    /// The real server or fallback.
    pub server: DestinationKey,
    /// What it means for the server.
    pub kind: Kind,
    /// Whether the kernel's table was changed. A server that is found in order where the
    /// table has it already is no news unless it was said to be out.
    pub applied: bool,
    /// The words of the log.
    pub message: String,
    /// Why.
    pub reason: Option<String>,
    /// What the director was doing.
    pub phase: Phase,
}
