//! One verdict from several checks of a server.
//!
//! The logic has three values: a part that could not be checked, or has not been yet, may
//! turn out either way. A rule that holds whatever those parts would say is up, one that
//! cannot hold any more is down, and all else is open.
//!
//! `rise` and `fall` count rounds of the rule. Its parts have rounds of their own;
//! [`Rounds`] makes rounds of the rule from those.

use crate::model::{Fault, Outcome, Reason, Rule};

/// A part of a rule with what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// What the configuration calls it.
    pub name: &'a str,
    /// Its last outcome with the description of a success; `None` before the first.
    pub last: Option<(&'a Outcome, &'a str)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Up,
    Down,
    Open,
}

/// The verdict of a rule, with a description of a success. `None` while it depends on a part
/// without any outcome; [`Outcome::Inconclusive`] while it depends on one that could not be
/// checked. A number in the rule for which there is no part stays open.
pub fn judge(rule: &Rule, parts: &[Part<'_>]) -> Option<(Outcome, String)> {
    let text = || explain(rule, parts);
    match truth(rule, parts) {
        Truth::Up => Some((Outcome::Up, text())),
        Truth::Down => Some((Outcome::Down(Reason::new(text())), String::new())),
        Truth::Open if parts.iter().any(|part| part.last.is_none()) => None,
        Truth::Open => Some((Outcome::Inconclusive(Fault::new(text())), String::new())),
    }
}

fn truth(rule: &Rule, parts: &[Part<'_>]) -> Truth {
    match rule {
        Rule::Part(number) => match parts.get(*number).and_then(|part| part.last) {
            Some((Outcome::Up, _)) => Truth::Up,
            Some((Outcome::Down(_), _)) => Truth::Down,
            Some((Outcome::Inconclusive(_), _)) | None => Truth::Open,
        },
        Rule::AtLeast { needed, of } => {
            let count = |wanted| of.iter().filter(|r| truth(r, parts) == wanted).count();
            if count(Truth::Up) >= *needed {
                Truth::Up
            } else if of.len() - count(Truth::Down) < *needed {
                Truth::Down
            } else {
                Truth::Open
            }
        }
    }
}

/// `2 of 3 needed, up: a; down: b (connection refused); not known: c (no result yet)`.
fn explain(rule: &Rule, parts: &[Part<'_>]) -> String {
    let Rule::AtLeast { needed, of } = rule else {
        return element(rule, parts);
    };
    let mut text = format!("{needed} of {} needed", of.len());
    let mut mark = ',';
    for (wanted, word) in [
        (Truth::Up, "up"),
        (Truth::Down, "down"),
        (Truth::Open, "not known"),
    ] {
        let these = of.iter().filter(|rule| truth(rule, parts) == wanted);
        let names: Vec<String> = these.map(|rule| element(rule, parts)).collect();
        if !names.is_empty() {
            text.push_str(&format!("{mark} {word}: {}", names.join(", ")));
            mark = ';';
        }
    }
    text
}

fn element(rule: &Rule, parts: &[Part<'_>]) -> String {
    let Rule::Part(number) = rule else {
        return format!("({})", explain(rule, parts));
    };
    let Some(part) = parts.get(*number) else {
        return format!("check {number}");
    };
    let name = part.name;
    match part.last {
        Some((Outcome::Up, _)) => name.to_owned(),
        Some((Outcome::Down(reason), _)) => format!("{name} ({reason})"),
        Some((Outcome::Inconclusive(fault), _)) => format!("{name} ({fault})"),
        None => format!("{name} (no result yet)"),
    }
}

/// Makes rounds of a rule from the rounds of its checks: a round ends when the verdict
/// changes, and otherwise when the results since the end of the last one are enough for the
/// verdict without any older one. So nothing is counted twice: where one failing check is
/// enough, each of its rounds is one of the rule; where two have to fail, the slower of them
/// sets the pace. Verdicts that say nothing of the server end no round.
#[derive(Debug, Clone, Default)]
pub struct Rounds {
    last: Option<Truth>,
    /// Numbers of the parts that have reported in this round.
    heard: Vec<usize>,
}

impl Rounds {
    /// Parts of the rule have reported, those with these numbers; `parts` has their results.
    /// The verdict, with a description of a success, if a round ends with it.
    pub fn handle_results(
        &mut self,
        rule: &Rule,
        parts: &[Part<'_>],
        reported: &[usize],
    ) -> Option<(Outcome, String)> {
        for number in reported {
            if !self.heard.contains(number) {
                self.heard.push(*number);
            }
        }
        let truth = truth(rule, parts);
        let is_over =
            truth != Truth::Open && (self.last != Some(truth) || self.is_enough(rule, parts));
        if !is_over {
            return None;
        }
        self.last = Some(truth);
        self.heard.clear();
        judge(rule, parts)
    }

    fn is_enough(&self, rule: &Rule, parts: &[Part<'_>]) -> bool {
        let numbered = parts.iter().enumerate();
        let heard: Vec<Part<'_>> = numbered
            .map(|(number, part)| Part {
                last: part.last.filter(|_| self.heard.contains(&number)),
                ..*part
            })
            .collect();
        truth(rule, &heard) != Truth::Open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn down(text: &str) -> Outcome {
        Outcome::Down(Reason::new(text))
    }

    fn at_least(needed: usize, of: impl IntoIterator<Item = Rule>) -> Rule {
        let of = of.into_iter().collect();
        Rule::AtLeast { needed, of }
    }

    fn judged(rule: &Rule, outcomes: &[Option<Outcome>]) -> Option<(Outcome, String)> {
        let parts: Vec<Part<'_>> = outcomes
            .iter()
            .zip(["a", "b", "c", "d"])
            .map(|(outcome, name)| Part {
                name,
                last: outcome.as_ref().map(|outcome| (outcome, "fine")),
            })
            .collect();
        judge(rule, &parts)
    }

    #[test]
    fn reasons_name_the_parts() {
        let rule = at_least(2, (0..3).map(Rule::Part));
        let (down_b, down_c) = (down("connection refused"), down("HTTP status 500"));
        let outcomes = [Some(Outcome::Up), Some(down_b.clone()), Some(down_c)];
        let (verdict, _) = judged(&rule, &outcomes).unwrap();
        assert_eq!(
            verdict,
            down("2 of 3 needed, up: a; down: b (connection refused), c (HTTP status 500)")
        );
        let nested = at_least(
            2,
            [Rule::Part(0), at_least(1, [Rule::Part(1), Rule::Part(2)])],
        );
        let up = [Some(Outcome::Up), Some(down_b), Some(Outcome::Up)];
        assert_eq!(
            judged(&nested, &up).unwrap(),
            (
                Outcome::Up,
                "2 of 2 needed, up: a, (1 of 2 needed, up: c; down: b (connection refused))"
                    .to_owned()
            )
        );
    }

    #[test]
    fn what_is_not_known_decides_only_when_it_cannot_matter() {
        let fault = Outcome::Inconclusive(Fault::new("no memory"));
        let (all, any) = (
            at_least(2, [Rule::Part(0), Rule::Part(1)]),
            at_least(1, [Rule::Part(0), Rule::Part(1)]),
        );
        let verdict = |rule: &Rule, outcomes: [Option<Outcome>; 2]| {
            judged(rule, &outcomes).map(|(outcome, _)| outcome)
        };
        let is_down = |outcome: Option<Outcome>| matches!(outcome, Some(Outcome::Down(_)));
        assert!(is_down(verdict(&all, [Some(down("x")), None])));
        assert!(is_down(verdict(
            &all,
            [Some(down("x")), Some(fault.clone())]
        )));
        assert_eq!(verdict(&any, [Some(Outcome::Up), None]), Some(Outcome::Up));
        assert_eq!(verdict(&all, [Some(Outcome::Up), None]), None);
        assert_eq!(verdict(&any, [Some(down("x")), None]), None);
        assert_eq!(
            verdict(&all, [Some(Outcome::Up), Some(fault)]),
            Some(Outcome::Inconclusive(Fault::new(
                "2 of 2 needed, up: a; not known: b (no memory)"
            )))
        );
    }

    /// Which of the reports of these parts, up or down, end a round.
    fn ends(rule: &Rule, reports: &[(usize, bool)]) -> Vec<bool> {
        let mut rounds = Rounds::default();
        let mut outcomes = [None, None, None];
        let mut ends = Vec::new();
        for (number, up) in reports {
            outcomes[*number] = Some(if *up { Outcome::Up } else { down("x") });
            let parts = outcomes.iter().zip(["a", "b", "c"]);
            let parts: Vec<Part<'_>> = parts
                .map(|(outcome, name)| Part {
                    name,
                    last: outcome.as_ref().map(|outcome| (outcome, "fine")),
                })
                .collect();
            ends.push(rounds.handle_results(rule, &parts, &[*number]).is_some());
        }
        ends
    }

    #[test]
    fn each_failure_that_is_enough_alone_is_a_round() {
        let all = at_least(2, [Rule::Part(0), Rule::Part(1)]);
        let reports = [(0, false), (0, false), (1, true), (1, true), (0, false)];
        assert_eq!(ends(&all, &reports), [true, true, false, false, true]);
        let reports = [
            (0, true),
            (1, true),
            (0, true),
            (1, true),
            (1, true),
            (0, true),
        ];
        assert_eq!(
            ends(&all, &reports),
            [false, true, false, true, false, true]
        );
    }

    #[test]
    fn the_slower_of_two_that_must_fail_sets_the_pace() {
        let any = at_least(1, [Rule::Part(0), Rule::Part(1)]);
        let reports = [
            (0, false),
            (0, false),
            (1, false),
            (0, false),
            (0, false),
            (1, false),
        ];
        assert_eq!(
            ends(&any, &reports),
            [false, false, true, false, false, true]
        );
        let reports = [
            (0, false),
            (1, false),
            (0, true),
            (1, false),
            (0, true),
            (0, false),
        ];
        assert_eq!(ends(&any, &reports), [false, true, true, false, true, true]);
    }

    #[test]
    fn what_could_not_be_checked_ends_no_round() {
        let rule = at_least(1, [Rule::Part(0)]);
        let fault = Outcome::Inconclusive(Fault::new("no memory"));
        let failed = down("x");
        let mut rounds = Rounds::default();
        for (outcome, ends) in [(&failed, true), (&fault, false), (&failed, true)] {
            let parts = [Part {
                name: "a",
                last: Some((outcome, "")),
            }];
            assert_eq!(rounds.handle_results(&rule, &parts, &[0]).is_some(), ends);
        }
    }

    fn rules() -> impl Strategy<Value = Rule> {
        let leaf = (0..4_usize).prop_map(Rule::Part);
        leaf.prop_recursive(3, 16, 4, |inner| {
            (proptest::collection::vec(inner, 1..4), 0..4_usize)
                .prop_map(|(of, pick)| at_least(1 + pick % of.len(), of))
        })
    }

    /// Up and down as true and false, without any third value.
    fn holds(rule: &Rule, values: &[bool]) -> bool {
        match rule {
            Rule::Part(number) => values[*number],
            Rule::AtLeast { needed, of } => {
                of.iter().filter(|rule| holds(rule, values)).count() >= *needed
            }
        }
    }

    proptest! {
        /// A verdict is given only when it is right whatever the open parts turn out to be.
        #[test]
        fn no_open_part_could_change_a_verdict(
            rule in rules(),
            known in proptest::collection::vec(proptest::option::of(any::<bool>()), 4),
        ) {
            let outcomes: Vec<Option<Outcome>> = known
                .iter()
                .map(|known| known.map(|up| if up { Outcome::Up } else { down("x") }))
                .collect();
            let verdict = judged(&rule, &outcomes).map(|(outcome, _)| outcome == Outcome::Up);
            for guess in 0..16_usize {
                let values: Vec<bool> = known
                    .iter()
                    .enumerate()
                    .map(|(bit, known)| known.unwrap_or(guess >> bit & 1 == 1))
                    .collect();
                if let Some(verdict) = verdict {
                    prop_assert_eq!(holds(&rule, &values), verdict);
                } else {
                    prop_assert!(known.contains(&None));
                }
            }
        }
    }
}
