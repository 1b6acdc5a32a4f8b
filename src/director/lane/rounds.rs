//! Which probe of a combined check comes next. Pure.

/// Progress of `checktype=N`: after a passed negotiation come N connections, then a
/// negotiation again; a failed probe of either kind makes the next one a negotiation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rounds {
    connects: u32,
    left: u32,
}

/// The two probes of a combined check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The thorough one.
    Negotiate,
    /// The cheap one.
    Connect,
}

/// What a probe's end means for the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// The server is in order.
    Yes,
    /// It is not.
    No,
    /// Nothing was learnt: the same probe again.
    Unknown,
}

impl Rounds {
    /// Begins with a negotiation.
    pub(super) fn new(connects: u32) -> Self {
        Self { connects, left: 0 }
    }

    /// The probe whose turn it is.
    pub(super) fn turn(self) -> Turn {
        if self.left == 0 {
            Turn::Negotiate
        } else {
            Turn::Connect
        }
    }

    /// The probe whose turn it was has ended.
    pub(super) fn handle_end(&mut self, passed: Passed) {
        self.left = match (passed, self.turn()) {
            (Passed::Yes, Turn::Negotiate) => self.connects,
            (Passed::Yes, Turn::Connect) => self.left - 1,
            (Passed::No, _) => 0,
            (Passed::Unknown, _) => self.left,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays results and notes the turns, `N` or `C`.
    fn play(connects: u32, results: &[Passed]) -> String {
        let mut rounds = Rounds::new(connects);
        let mut turns = String::new();
        for result in results {
            turns.push(match rounds.turn() {
                Turn::Negotiate => 'N',
                Turn::Connect => 'C',
            });
            rounds.handle_end(*result);
        }
        turns
    }

    #[test]
    fn n_connections_follow_a_passed_negotiation() {
        assert_eq!(play(2, &[Passed::Yes; 7]), "NCCNCCN");
        assert_eq!(play(0, &[Passed::Yes; 3]), "NNN");
    }

    #[test]
    fn a_failure_of_either_kind_leads_to_a_negotiation() {
        use Passed::{No, Unknown, Yes};
        assert_eq!(play(3, &[No, No, Yes, Yes, No, Yes]), "NNNCCN");
        assert_eq!(play(2, &[Unknown, Yes, Unknown, Yes, Yes, Yes]), "NNCCCN");
    }
}
