//! Both nodes of a pair as one of them sees them.

use std::time::Instant;

use super::action::Action;
use super::advert::Incarnation;
use super::event::Event;
use super::sabotage::Sabotage;
use super::settings::{InstanceId, Settings};
use super::view::View;

/// The state machine of a node.
#[derive(Debug, Clone)]
pub struct Pair {
    settings: Settings,
}

impl Pair {
    /// Of a node that starts. `epochs` are those on disk; a missing one is 0.
    pub fn new(
        settings: Settings,
        incarnation: Incarnation,
        epochs: &[(InstanceId, u64)],
        now: Instant,
    ) -> Self {
        let _ = (incarnation, epochs, now);
        Self { settings }
    }

    /// With a deliberate bug.
    #[cfg(feature = "sabotage")]
    #[must_use]
    pub fn with_sabotage(self, sabotage: Sabotage) -> Self {
        let _ = sabotage;
        self
    }

    /// Something happened: what is to be done, in order.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let _ = (now, event, &self.settings);
        Vec::new()
    }

    /// When [`Event::Timer`] is due at the latest.
    pub fn next_timer(&self) -> Option<Instant> {
        None
    }

    /// What an operator gets to see.
    pub fn view(&self, _now: Instant) -> View {
        unimplemented!("state machine not written yet")
    }
}
