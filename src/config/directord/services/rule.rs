//! Rules over named checks: their shape. Which checks there are is seen when they are resolved.

use std::collections::BTreeSet;

use super::Setter;
use super::keys::{RuleEntry, RuleItem};
use crate::config::directord::collection::List;
use crate::config::directord::read::{Marked, OptionalKey as _};
use crate::config::ldirectord::rule::RawRule;
use crate::config::source::{Context, Span, quoted};
use crate::model::Rule;

/// Checks the service at hand by a rule.
pub(super) fn set(set: &mut Setter<'_, '_>, entry: &RuleEntry, span: Span) {
    let mut reader = Reader {
        cx: &mut *set.cx,
        parts: 0,
    };
    let rule = reader.rule(entry, span, 1);
    if reader.parts > Rule::PARTS_MAX {
        let message = format!("{} checks in one rule", reader.parts);
        let help = format!("there can be {} at most", Rule::PARTS_MAX);
        set.cx.error(span, message).help(help);
    }
    // After an error nothing is run; without a rule it would be the default check.
    let rule = rule.unwrap_or(RawRule::AtLeast(1, Vec::new()));
    set.builder.rule(rule);
    set.number("agentcheck", entry.agent_port.given());
    set.number("agentinterval", entry.agent_interval_s.given());
}

struct Reader<'a, 'b> {
    cx: &'a mut Context<'b>,
    /// Checks so far.
    parts: usize,
}

impl Reader<'_, '_> {
    fn rule(&mut self, entry: &RuleEntry, span: Span, depth: usize) -> Option<RawRule> {
        if depth > Rule::DEPTH_MAX {
            let message = format!("rules inside each other more than {} deep", Rule::DEPTH_MAX);
            self.cx.error(span, message);
            return None;
        }
        let (port, interval) = (entry.agent_port.given(), entry.agent_interval_s.given());
        let agent = port.map(|port| port.span);
        if let Some(span) = agent.or(interval.map(|interval| interval.span))
            && depth > 1
        {
            self.cx
                .error(span, "a rule in a rule has no agent of its own")
                .help("write agent_port beside the outermost all, any or at_least");
        }
        let (needed, items) = self.shape(entry, span)?;
        let mut names = BTreeSet::new();
        let mut of = Vec::new();
        let mut sound = items.given().count() == items.0.len();
        for item in items.given() {
            match &item.value {
                RuleItem::Check(name) => {
                    self.parts += 1;
                    if names.insert(&name.0) {
                        of.push(RawRule::Check(name.0.clone(), item.span));
                    } else {
                        let message = format!("{} stands here twice", quoted(&name.0));
                        self.cx.error(item.span, message).help("remove one");
                        sound = false;
                    }
                }
                RuleItem::Rule(inner) => match self.rule(inner, item.span, depth + 1) {
                    Some(rule) => of.push(rule),
                    None => sound = false,
                },
            }
        }
        sound.then_some(RawRule::AtLeast(needed, of))
    }

    /// How many of what.
    fn shape<'e>(&mut self, entry: &'e RuleEntry, span: Span) -> Option<(usize, &'e Items)> {
        let is_bad = entry.all.is_bad()
            || entry.any.is_bad()
            || entry.of.is_bad()
            || entry.at_least.is_bad();
        if is_bad {
            return None;
        }
        let value = |items: Option<&'e Marked<Items>>| items.map(|items| &items.value);
        let (all, any, of) = (
            value(entry.all.given()),
            value(entry.any.given()),
            value(entry.of.given()),
        );
        match (all, any, entry.at_least.given(), of) {
            (Some(items), None, None, None) => Some((items.0.len(), items)),
            (None, Some(items), None, None) => Some((1, items)),
            (None, None, Some(needed), Some(items)) => {
                let number = usize::try_from(needed.value.0).unwrap_or(usize::MAX);
                if number > items.0.len() {
                    let message = format!("{number} of {} can never pass", items.0.len());
                    self.cx
                        .error(needed.span, message)
                        .help("lower at_least, or add checks to of");
                    return None;
                }
                Some((number, items))
            }
            _ => {
                self.cx
                    .error(
                        span,
                        "a rule has exactly one of all, any, and at_least with of",
                    )
                    .help("write all: [a, b], any: [a, b], or at_least: 2 with of: [a, b, c]");
                None
            }
        }
    }
}

type Items = List<RuleItem, 1, { Rule::PARTS_MAX }>;
