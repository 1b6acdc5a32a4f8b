//! The event loop's orderly end.

use std::time::Instant;

use super::{COMMANDS_AT_END, Director, LAST_CHANGES, children};

impl Director {
    /// A signal asks for the end. A member of a pair gives its addresses up first, with its
    /// table whole: [`Self::leave`] follows. A second signal changes nothing.
    pub(super) fn stop(&mut self, signal: &'static str) {
        tracing::info!("Linux Director Daemon terminating on signal: {signal}");
        self.stopping = Some(signal);
        self.notifier.send("STOPPING=1");
        if !self.release_pair() {
            self.leave();
        }
    }

    /// Checks stop, services with `cleanstop` leave the kernel.
    pub(super) fn leave(&mut self) {
        self.stop_limit = Some(Instant::now() + LAST_CHANGES);
        for child in &self.core.config().globals.execute {
            self.runner
                .run(children::CONCERN, children::stop(&child.path));
        }
        self.core.stop();
    }

    /// Lets commands that were asked for finish, within limits.
    pub(super) async fn end(self) {
        let Self {
            runner,
            runner_task,
            lane,
            stopping,
            alerts,
            ..
        } = self;
        drop(runner);
        drop(lane);
        let alerts = alerts.end(Instant::now());
        let commands = tokio::time::timeout(COMMANDS_AT_END, runner_task);
        let (commands, ()) = tokio::join!(commands, alerts);
        if commands.is_err() {
            tracing::warn!("commands that were still running are left to themselves");
        }
        let signal = stopping.unwrap_or("none");
        tracing::info!("Linux Director Daemon terminated on signal: {signal}");
    }
}
