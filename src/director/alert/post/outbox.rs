//! What goes one way: the mail under way, what is gathered meanwhile, and what went wrong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::{Letter, Message, Route};
use super::Delivered;

/// First and longest wait before a delivery is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(1);
pub(super) const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Times that recipients are tried which the server puts off while it takes the mail for
/// others.
const ATTEMPTS_AT_REST: u32 = 10;

/// One route's mail.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What is gathered meanwhile.
    pub(super) waiting: Option<Letter>,
    /// The mail whose turn it is.
    pub(super) current: Option<Current>,
    /// A mail that has reached somebody and waits for others, while there is news.
    aside: Option<Current>,
    /// Not before this.
    pub(super) retry_at: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// The failure that was logged last.
    told: Option<String>,
    /// Refusals of single recipients that were logged last.
    told_refusals: Vec<String>,
}

/// A mail that was written down.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) message: Arc<Message>,
    /// Alerts in it that have reached nobody yet.
    pub(super) alerts: usize,
    /// A delivery runs.
    pub(super) under_way: bool,
    /// Attempts since it has reached somebody: what is left are recipients who were put off.
    pub(super) at_rest: u32,
}

impl Outbox {
    /// Whether something is to be sent now.
    pub(super) fn wants(&self, now: Instant) -> bool {
        let idle = self
            .current
            .as_ref()
            .is_none_or(|current| !current.under_way);
        let has = self.current.is_some() || self.waiting.is_some();
        idle && has && self.retry_at.is_none_or(|at| at <= now)
    }

    /// News does not wait for recipients who were put off.
    pub(super) fn make_way(&mut self) {
        let resting = |current: &mut Current| current.at_rest > 0 && !current.under_way;
        if let Some(current) = self.current.take_if(resting) {
            self.retry_at = None;
            self.put_aside(current);
        }
    }

    fn put_aside(&mut self, current: Current) {
        if let Some(before) = self.aside.replace(current) {
            let recipients = before.message.to.iter().map(ToString::to_string);
            let recipients = recipients.collect::<Vec<_>>().join(", ");
            tracing::error!("a mail is given up for recipients who were put off: {recipients}");
        }
    }

    pub(super) fn note_success(&mut self, route: &Route) {
        self.failures = 0;
        self.retry_at = None;
        if self.told.take().is_some() {
            tracing::info!(relay = route.relay_name(), "mail is taken again");
        }
    }

    /// The mail has reached somebody; those who were put off are tried again.
    pub(super) fn note_delivered(&mut self, delivered: Delivered) {
        let Delivered { refused, deferred } = delivered;
        let refusals: Vec<String> = refused.into_iter().map(|(_, why)| why).collect();
        for refusal in &refusals {
            if !self.told_refusals.contains(refusal) {
                tracing::error!("a recipient of alerts is refused: {refusal}");
            }
        }
        self.told_refusals = refusals;
        let Some(mut current) = self.current.take() else {
            return;
        };
        current.at_rest += 1;
        if deferred.is_empty() || current.at_rest > ATTEMPTS_AT_REST {
            for (_, why) in deferred {
                tracing::error!("a recipient of alerts was put off too often: {why}");
            }
            if self.waiting.is_none() {
                self.current = self.aside.take();
            }
            return;
        }
        let mut message = Message::clone(&current.message);
        message.to = deferred.into_iter().map(|(address, _)| address).collect();
        let rest = Current {
            message: Arc::new(message),
            alerts: 0,
            under_way: false,
            at_rest: current.at_rest,
        };
        if self.waiting.is_some() {
            self.put_aside(rest);
        } else {
            self.retry_at = Some(Instant::now() + backoff(current.at_rest));
            self.current = Some(rest);
        }
    }

    pub(super) fn note_failure(&mut self, route: &Route, failure: &str) {
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(Instant::now() + backoff(self.failures));
        if let Some(current) = &mut self.current {
            current.under_way = false;
            if current.at_rest > 0 {
                current.at_rest += 1;
            }
        }
        if self
            .current
            .as_ref()
            .is_some_and(|c| c.at_rest > ATTEMPTS_AT_REST)
        {
            self.current = None;
        }
        if self.told.as_deref() != Some(failure) {
            let what = match &route.relay {
                Some(_) => "failed to send SMTP email message",
                None => "failed to send email message",
            };
            tracing::error!(
                "{what} by {}, it is tried again: {failure}",
                route.relay_name()
            );
            self.told = Some(failure.to_owned());
        }
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(8));
    doubled.min(RETRY_LONGEST)
}
