//! What an operator can do to an instance.

use std::time::{Duration, Instant};

use super::{Instance, State};
use crate::failover::context::Context;
use crate::failover::peer::Presence;

/// How long an operator's wish for a takeover lasts.
const TAKEOVER_PATIENCE: Duration = Duration::from_secs(10);

impl Instance {
    /// An operator has cleaned up.
    pub(in crate::failover) fn forget(&mut self, now: Instant) {
        self.failures.clean();
        self.moves.clean();
        self.claim_after = now;
        self.settle_at = self.settle_at.map(|_| now);
        self.repair_at = self.repair_at.map(|_| now);
    }

    /// An operator wants it here.
    pub(in crate::failover) fn ask_takeover(
        &mut self,
        context: &mut Context<'_>,
    ) -> Result<String, String> {
        let name = &context.me.name;
        if self.state == State::Active {
            return Err(format!("{name} is active here already"));
        }
        if let Some(obstacle) = self.obstacles(context).first() {
            return Err(format!("{name}: {obstacle}"));
        }
        self.takeover = Some(context.now + TAKEOVER_PATIENCE);
        context.out.urgent = true;
        Ok(match context.presence {
            Presence::Alive => format!("{name}: asking the peer to hand over"),
            Presence::Unsure | Presence::Silent => {
                format!("{name}: no word from the peer; taking over when nobody answers")
            }
        })
    }

    /// An operator does not want it here.
    pub(in crate::failover) fn set_admin_standby(
        &mut self,
        on: bool,
        context: &mut Context<'_>,
    ) -> String {
        self.admin_standby = on;
        self.takeover = None;
        context.out.urgent = true;
        let name = &context.me.name;
        let able = context.record.is_some_and(|record| record.flags.eligible);
        match (on, self.state) {
            (false, _) => format!("{name}: may be served here again"),
            (true, State::Active | State::Acquire) if able => {
                format!("{name}: handing over to {}", context.settings.peer.name)
            }
            (true, State::Active | State::Acquire) => format!(
                "{name}: stays until {} can serve it",
                context.settings.peer.name
            ),
            (true, _) => format!("{name}: will not be served here"),
        }
    }
}
