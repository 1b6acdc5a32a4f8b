//! What a step of the state machine leaves behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::action::{Action, AlarmKind};
use super::view::HistoryEntry;

/// Least time between two alarms of a kind.
const ALARM_GAP: Duration = Duration::from_secs(60);
/// Transitions that are remembered.
pub(super) const HISTORY: usize = 64;

/// Actions and what outlives them.
#[derive(Debug, Clone)]
pub(super) struct Outbox {
    pub(super) actions: Vec<Action>,
    alarms: [Option<Instant>; AlarmKind::COUNT],
    pub(super) history: VecDeque<HistoryEntry>,
    /// An advert is to leave now.
    pub(super) urgent: bool,
    /// An advert is to leave as soon as the least gap allows.
    pub(super) wanted: bool,
    /// So many more adverts are to follow at the least gap.
    pub(super) burst: u8,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            actions: Vec::new(),
            alarms: [None; AlarmKind::COUNT],
            history: VecDeque::with_capacity(HISTORY),
            urgent: false,
            wanted: false,
            burst: 0,
        }
    }

    pub(super) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// At most one of a kind per minute.
    pub(super) fn alarm(&mut self, now: Instant, kind: AlarmKind, text: impl FnOnce() -> String) {
        let last = &mut self.alarms[kind as usize];
        if last.is_some_and(|at| now.saturating_duration_since(at) < ALARM_GAP) {
            return;
        }
        *last = Some(now);
        self.actions.push(Action::Alarm { kind, text: text() });
    }

    pub(super) fn transition(&mut self, entry: HistoryEntry) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(entry);
        self.actions.push(Action::Transition {
            instance: entry.instance,
            from: entry.from,
            to: entry.to,
            reason: entry.reason,
            epoch: entry.epoch,
        });
    }

    /// An advert now, and two more soon after.
    pub(super) fn insist(&mut self) {
        self.urgent = true;
        self.burst = 2;
    }
}
