//! What one mail tells.

use std::sync::Arc;
use std::time::Instant;

use super::Route;
use crate::config::Phase;

/// What mail says of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// `servicename`.
    pub name: Option<Arc<str>>,
    /// `comment`.
    pub comment: Option<Arc<str>>,
}

/// One change of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The service.
    pub about: About,
    /// The words of the log.
    pub message: String,
    /// Why.
    pub reason: Option<String>,
    /// When.
    pub at: Instant,
    /// What the director was doing.
    pub phase: Phase,
    /// Changes of the same server before this one that no line tells of.
    pub skipped: u32,
    /// Not a change, but a word that nothing has changed.
    pub reminder: bool,
}

/// A mail before it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its way.
    pub route: Arc<Route>,
    /// What it tells, oldest first; at least one line unless something was dropped.
    pub lines: Vec<Line>,
    /// Alerts that were dropped because too many waited.
    pub dropped: u64,
}

impl Letter {
    /// Adds what a later letter on the same way tells. A reminder takes the place of an
    /// earlier one in the same words.
    pub fn merge(&mut self, later: Self) {
        let repeats = |old: &Line| {
            let mut new = later.lines.iter();
            old.reminder && new.any(|line| line.reminder && line.message == old.message)
        };
        self.lines.retain(|old| !repeats(old));
        self.lines.extend(later.lines);
        self.dropped += later.dropped;
    }

    /// Drops the oldest lines until so many are left, and returns how many those were.
    pub fn shorten(&mut self, lines: usize) -> usize {
        let surplus = self.lines.len().saturating_sub(lines);
        self.lines.drain(..surplus);
        self.dropped += surplus as u64;
        surplus
    }
}
