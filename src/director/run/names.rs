//! Host names that the system does not resolve. They keep the address they had, or what stands
//! on them is left out; either way they are asked for again, away from the event loop.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::{Answer, Name};
use crate::director::load::{self, Answers, Unresolved};
use crate::director::status::{NameStatus, UnresolvedName};

use super::{Director, Event};

/// Time between two looks for names without an answer. Longer than a look-up may hang, so
/// that hanging ones do not pile up.
const AGAIN: Duration = Duration::from_secs(30);

/// Names without an answer.
#[derive(Debug, Default)]
pub(super) struct Names {
    open: BTreeMap<Name, Open>,
    failures: u64,
    due: Option<Instant>,
    looking: bool,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    is_kept: bool,
    since: Instant,
}

/// What a look for names asks for.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Nothing,
    /// The configuration means something else now.
    Reload,
}

impl Names {
    /// A configuration was loaded, and these names had no answer. Each is told of once.
    pub(super) fn take(&mut self, unresolved: &Unresolved, now: Instant) {
        let kept = unresolved.kept.iter().map(|name| (name, true));
        let left_out = unresolved.left_out.iter().map(|name| (name, false));
        let mut before = std::mem::take(&mut self.open);
        for (name, is_kept) in kept.chain(left_out) {
            self.failures += 1;
            let known = before.remove(name);
            if known.is_none() && is_kept {
                tracing::warn!("{name} cannot be resolved and keeps its last address");
            }
            let since = known.map_or(now, |known| known.since);
            self.open.insert(name.clone(), Open { is_kept, since });
        }
        for name in before.keys() {
            tracing::info!("{name} can be resolved, or is not needed any more");
        }
        self.due = (!self.open.is_empty()).then(|| now + AGAIN);
    }

    /// The names to ask for now, if it is time to.
    fn wanted(&mut self, now: Instant) -> Option<Vec<Name>> {
        if self.looking || self.due.is_none_or(|due| due > now) {
            return None;
        }
        self.looking = true;
        Some(self.open.keys().cloned().collect())
    }

    /// The system gave these answers to what was asked for.
    fn note(&mut self, found: &Answers, answers: &Answers, now: Instant) -> Verdict {
        self.looking = false;
        let mut verdict = Verdict::Nothing;
        self.open.retain(|name, open| match found.get(name) {
            None => {
                self.failures += 1;
                true
            }
            Some(answer) if open.is_kept && answers.get(name) == Some(answer) => {
                tracing::info!("{name} can be resolved again");
                false
            }
            Some(_) => {
                verdict = Verdict::Reload;
                true
            }
        });
        self.due = (!self.open.is_empty()).then(|| now + AGAIN);
        verdict
    }

    pub(super) fn status(&self, answers: &Answers, now: Instant) -> NameStatus {
        let unresolved = self.open.iter().filter_map(|(name, open)| {
            let Name::Host { name: host, family } = name else {
                return None;
            };
            let keeps = match answers.get(name) {
                Some(Answer::Address(address)) => Some(address.to_string()),
                Some(Answer::Port(_)) | None => None,
            };
            Some(UnresolvedName {
                name: host.to_string(),
                family: family.to_string(),
                keeps,
                since_seconds: now.saturating_duration_since(open.since).as_secs_f64(),
            })
        });
        NameStatus {
            failures: self.failures,
            unresolved: unresolved.collect(),
        }
    }
}

impl Director {
    /// Asks for names without an answer, when it is time to.
    pub(super) fn look_for_names(&mut self, now: Instant) {
        if self.file.loading {
            return;
        }
        let Some(names) = self.names.wanted(now) else {
            return;
        };
        let (known, sender) = (self.file.answers.clone(), self.sender.clone());
        tokio::task::spawn_blocking(move || {
            // The director may have ended meanwhile.
            let _ = sender.send(Event::Names(load::ask(names, Some(&known)).0));
        });
    }

    pub(super) fn take_names(&mut self, found: &Answers, now: Instant) {
        let verdict = self.names.note(found, &self.file.answers, now);
        // A file that is being changed is for its own reload to take into force.
        let mut changed = self.file.fingerprint.changed(&self.file.in_force);
        if verdict == Verdict::Reload && changed.next().is_none() {
            tracing::info!("names can be resolved: reread the configuration");
            drop(changed);
            self.reload(None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Family;

    fn name(name: &str) -> Name {
        Name::Host {
            name: name.into(),
            family: Family::V4,
        }
    }

    fn answer(last: u8) -> Answer {
        Answer::Address([192, 0, 2, last].into())
    }

    fn names(kept: &[&str], left_out: &[&str]) -> Unresolved {
        let all = |all: &[&str]| all.iter().map(|one| name(one)).collect();
        Unresolved {
            kept: all(kept),
            left_out: all(left_out),
        }
    }

    #[test]
    fn an_answer_asks_for_a_reload_only_when_it_changes_something() {
        let now = Instant::now();
        let mut all = Names::default();
        all.take(&names(&["a", "b"], &["c"]), now);
        let answers = Answers::from([(name("a"), answer(1)), (name("b"), answer(2))]);
        assert_eq!(all.wanted(now), None);
        let later = now + AGAIN;
        let wanted = [name("a"), name("b"), name("c")];
        assert_eq!(all.wanted(later), Some(wanted.to_vec()));
        // One look at a time.
        assert_eq!(all.wanted(later + AGAIN), None);
        let same = Answers::from([(name("a"), answer(1))]);
        assert_eq!(all.note(&same, &answers, later), Verdict::Nothing);
        let status = all.status(&answers, later);
        assert_eq!(status.failures, 5);
        let shown = status.unresolved.iter();
        let shown: Vec<_> = shown
            .map(|one| (one.name.as_str(), one.keeps.as_deref()))
            .collect();
        assert_eq!(shown, [("b", Some("192.0.2.2")), ("c", None)]);
        let other = Answers::from([(name("b"), answer(9))]);
        assert_eq!(all.note(&other, &answers, later), Verdict::Reload);
        let new = Answers::from([(name("c"), answer(3))]);
        assert_eq!(all.note(&new, &answers, later), Verdict::Reload);
    }

    #[test]
    fn a_name_is_open_since_its_first_failure_until_it_has_an_answer() {
        let now = Instant::now();
        let mut all = Names::default();
        all.take(&names(&["a"], &[]), now);
        let later = now + Duration::from_secs(7);
        all.take(&names(&["a"], &[]), later);
        let status = all.status(&Answers::new(), later);
        assert!((status.unresolved[0].since_seconds - 7.0).abs() < 0.01);
        all.take(&names(&[], &[]), later);
        assert_eq!(all.status(&Answers::new(), later).unresolved, []);
        assert_eq!(all.wanted(later + AGAIN), None);
    }
}
