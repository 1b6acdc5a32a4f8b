//! Takes events from `tracing`.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::Logger;
use super::line::Text;

/// Hands every event to the log. Spans add nothing to a line.
#[derive(Debug)]
pub(super) struct RecordLayer {
    logger: Logger,
}

impl RecordLayer {
    pub(super) fn new(logger: Logger) -> Self {
        Self { logger }
    }
}

impl<S: Subscriber> Layer<S> for RecordLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        self.logger.submit(*event.metadata().level(), text.finish());
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field.name(), &format!("{value:?}"));
    }
}
