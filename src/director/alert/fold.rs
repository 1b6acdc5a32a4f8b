//! Changes that wait for the next mail on one route.

use std::time::{Duration, Instant};

use super::Line;
use crate::model::{DestinationKey, ServiceKey};

/// A server of a service.
pub(super) type Concern = (ServiceKey, DestinationKey);

/// A mail goes this long after the last change,
const QUIET: Duration = Duration::from_secs(2);
/// or this long after the first, whichever comes first.
const LONGEST: Duration = Duration::from_secs(10);
/// One mail in this time in the long run,
const PACE: Duration = Duration::from_secs(60);
/// but three at once after a quiet time: two of them this much ahead of the pace.
const AHEAD: Duration = Duration::from_secs(120);
/// Servers that one mail tells of; beyond them it only counts.
pub(super) const SERVERS: usize = 1000;

/// The mail that is being gathered for one route.
#[derive(Debug, Default)]
pub(super) struct Fold {
    /// Servers with something to tell, in the order in which that began; each once.
    pub(super) waiting: Vec<Concern>,
    /// Changes left out since too many servers waited.
    pub(super) dropped: u64,
    /// First and last change that may be told at once.
    fresh: Option<(Instant, Instant)>,
    /// When the first damped server may be told of.
    held: Option<Instant>,
    /// When the first reminder wants to be told.
    reminder: Option<Instant>,
    /// When the pace would be kept if one more mail went then.
    paced: Option<Instant>,
    /// No mail but reminders before this.
    open_at: Option<Instant>,
}

/// What one server has to tell.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    pub(super) lines: Vec<Line>,
    pub(super) ready_at: Instant,
}

/// Lines kept of one server: its first and its latest changes.
const LINES: usize = 4;

impl Pending {
    pub(super) fn new(line: Line, ready_at: Instant) -> Self {
        Self {
            lines: vec![line],
            ready_at,
        }
    }

    /// One more change. Of many, the first and the latest are kept.
    pub(super) fn push(&mut self, line: Line) {
        self.lines.retain(|old| !(old.reminder && line.reminder));
        self.lines.push(line);
        if self.lines.len() > LINES {
            let left_out = self.lines.remove(1);
            self.lines[1].skipped = self.lines[1]
                .skipped
                .saturating_add(left_out.skipped)
                .saturating_add(1);
        }
    }
}

impl Fold {
    /// A change that may be told from `ready_at` on.
    pub(super) fn note(&mut self, ready_at: Instant, now: Instant) {
        if ready_at > now {
            self.held = Some(self.held.map_or(ready_at, |held| held.min(ready_at)));
        } else {
            let first = self.fresh.map_or(now, |(first, _)| first);
            self.fresh = Some((first, now));
        }
    }

    /// A reminder is to be told now.
    pub(super) fn note_reminder(&mut self, now: Instant) {
        self.reminder.get_or_insert(now + QUIET);
    }

    /// When the mail is due; `None` while there is nothing to tell.
    pub(super) fn due(&self) -> Option<Instant> {
        let fresh = self
            .fresh
            .map(|(first, last)| (first + LONGEST).min(last + QUIET));
        let changes = fresh.into_iter().chain(self.held).min();
        let changes = changes.map(|due| self.open_at.map_or(due, |open| due.max(open)));
        changes.into_iter().chain(self.reminder).min()
    }

    /// The mail went, with `changes` or with nothing but reminders; `left` says when those
    /// servers may be told of that it did not tell of.
    pub(super) fn sent(&mut self, changes: bool, left: Option<Instant>, now: Instant) {
        self.fresh = None;
        self.reminder = None;
        self.held = left;
        self.dropped = 0;
        if changes {
            let paced = self.paced.map_or(now, |paced| paced.max(now)) + PACE;
            // A reminder may have carried changes ahead of the pace.
            let paced = paced.min(now + AHEAD + PACE);
            self.paced = Some(paced);
            let wait = paced.saturating_duration_since(now).saturating_sub(AHEAD);
            self.open_at = Some(now + wait);
        }
    }

    /// Whether nothing is known that matters.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.waiting.is_empty() && self.dropped == 0 && self.paced.is_none_or(|at| at <= now)
    }
}
