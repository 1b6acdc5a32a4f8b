//! What is said about packets that are refused for a reason that a person can do something
//! about: another key, another pair on the same port.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::minute::OncePerMinute;
use crate::failover::advert::Refusal;
use crate::failover::view::LinkView;

/// Time between two looks at the counters.
const BETWEEN: Duration = Duration::from_secs(1);

/// Refusals that were seen and said.
#[derive(Debug, Default)]
pub(super) struct Strangers {
    looked: Option<Instant>,
    counts: BTreeMap<(String, usize), u64>,
    said: BTreeMap<usize, OncePerMinute>,
}

impl Strangers {
    /// Whether it is time for [`Strangers::news`].
    pub(super) fn is_due(&self, now: Instant) -> bool {
        let early = |looked| now.saturating_duration_since(looked) < BETWEEN;
        !self.looked.is_some_and(early)
    }

    /// What is to be said about the links' counters: one line a minute and reason, however
    /// many packets there are.
    pub(super) fn news(&mut self, links: &[LinkView], now: Instant) -> Vec<String> {
        self.looked = Some(now);
        let mut said = Vec::new();
        for link in links {
            for (refusal, count) in &link.refused {
                let Some(hint) = hint(*refusal) else { continue };
                let key = (link.name.clone(), *refusal as usize);
                let before = self.counts.insert(key, *count).unwrap_or(0);
                if *count <= before {
                    continue;
                }
                let minute = self.said.entry(*refusal as usize).or_default();
                if minute.pass(now).is_some() {
                    let new = count - before;
                    said.push(format!(
                        "link {}: {new} packets refused: {refusal}; {hint}",
                        link.name
                    ));
                }
            }
        }
        said
    }
}

fn hint(refusal: Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::Key | Refusal::Tag => {
            Some("the key file of both nodes must be the same, see `failover key fingerprint`")
        }
        Refusal::Cluster => Some("another pair uses the same address and port"),
        Refusal::Sender => Some("the sender's number is none of this pair's nodes"),
        Refusal::Link => Some("the links of both nodes must be the same, in the same order"),
        Refusal::Version => Some("the sender's program is too new or too old"),
        Refusal::Length | Refusal::Magic | Refusal::Malformed => {
            Some("something else uses the same address and port")
        }
        Refusal::Own
        | Refusal::Retired
        | Refusal::Unverified
        | Refusal::Replayed
        | Refusal::Stale => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::view::LinkState;

    fn link(refused: Vec<(Refusal, u64)>) -> Vec<LinkView> {
        vec![LinkView {
            name: "lan".to_owned(),
            state: LinkState::Up,
            loss: None,
            rtt: None,
            heard: None,
            accepted: 0,
            refused,
        }]
    }

    #[test]
    fn a_wrong_key_is_said_once_a_minute_and_a_replay_never() {
        let start = Instant::now();
        let mut strangers = Strangers::default();
        assert!(strangers.is_due(start));
        let seen = link(vec![(Refusal::Tag, 3), (Refusal::Replayed, 9)]);
        let lines = strangers.news(&seen, start);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("link lan: 3 packets refused: not authentic; the key file"));
        assert!(!strangers.is_due(start + BETWEEN / 2));
        assert!(strangers.is_due(start + BETWEEN));
        let minute = start + Duration::from_secs(60);
        assert!(strangers.news(&seen, minute).is_empty());
        assert_eq!(
            strangers.news(&link(vec![(Refusal::Tag, 4)]), minute).len(),
            1
        );
        assert!(
            strangers
                .news(&link(vec![(Refusal::Tag, 5)]), minute + BETWEEN)
                .is_empty()
        );
    }
}
