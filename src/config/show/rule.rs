//! Rules over named checks, as they are written.

use serde::Serialize;

use super::check::CheckView;
use crate::config::effective::VirtualService;
use crate::model::Rule;

/// The check of a service.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ServiceCheckView<'a> {
    Own(Box<CheckView<'a>>),
    Rule {
        #[serde(flatten)]
        rule: RuleView<'a>,
        agent_port: Option<u16>,
        agent_interval_s: Option<u64>,
    },
}

impl<'a> ServiceCheckView<'a> {
    pub(super) fn of(service: &'a VirtualService) -> Self {
        match &service.rule {
            None => Self::Own(Box::new(CheckView::of(&service.check))),
            Some(settings) => Self::Rule {
                rule: RuleView::of(&settings.rule, &|part| &settings.checks[part].name),
                agent_port: service.check.agent.map(|agent| agent.port),
                agent_interval_s: service.check.agent.map(|agent| agent.interval.as_secs()),
            },
        }
    }
}

/// A rule, or a check in it by its name.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RuleView<'a> {
    Check(&'a str),
    All {
        all: Vec<RuleView<'a>>,
    },
    Any {
        any: Vec<RuleView<'a>>,
    },
    AtLeast {
        at_least: usize,
        of: Vec<RuleView<'a>>,
    },
}

impl<'a> RuleView<'a> {
    /// `name` gives the name of a check.
    pub(super) fn of(rule: &Rule, name: &dyn Fn(usize) -> &'a str) -> Self {
        let (needed, rules) = match rule {
            Rule::Part(part) => return Self::Check(name(*part)),
            Rule::AtLeast { needed, of } => (*needed, of),
        };
        let of: Vec<Self> = rules.iter().map(|rule| Self::of(rule, name)).collect();
        if needed == of.len() {
            Self::All { all: of }
        } else if needed == 1 {
            Self::Any { any: of }
        } else {
            Self::AtLeast {
                at_least: needed,
                of,
            }
        }
    }
}
