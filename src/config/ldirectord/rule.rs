//! Named checks, and the rules that make one verdict of several. An `ldirectord.cf` has no
//! words for them: they come from a `directord.yaml` through the builder.

use std::sync::Arc;

use super::beyond;
use super::lower::{self, Problem, Target};
use super::section::Section;
use super::service::Resolver;
use crate::config::effective::{
    CheckType, NamedCheck, RealCheck, RealRule, RulePart, RuleSettings, ServiceType,
};
use crate::config::names::Names;
use crate::config::nearest::nearest;
use crate::config::source::{Span, quoted};
use crate::model::{Family, Rule, ServiceKey};

/// A rule as it is written.
#[derive(Debug, Clone)]
pub(in crate::config) enum RawRule {
    /// A check by its name.
    Check(String, Span),
    /// So many of these.
    AtLeast(usize, Vec<RawRule>),
}

/// Named checks as they are resolved.
#[derive(Debug, Default)]
pub(super) struct NamedChecks(Vec<Known>);

#[derive(Debug)]
struct Known {
    check: Arc<NamedCheck>,
    span: Span,
    used: bool,
}

impl Resolver<'_> {
    /// Takes the section of a named check.
    pub(super) fn named_check(&mut self, section: &Section, name: &str) {
        // It belongs to no service: a mark says nothing about protocols and ports.
        let nowhere = ServiceKey::Mark {
            family: Family::V4,
            mark: 0,
        };
        let settings = self.check_settings(section, &nowhere);
        if settings.agent.is_some() {
            self.cx
                .error(
                    section.span,
                    format!("the check {} has an agent", quoted(name)),
                )
                .help("an agent belongs to a service: write agent_port beside its rule");
        }
        let negotiates = matches!(settings.kind, CheckType::Negotiate | CheckType::Combined(_));
        if matches!(settings.kind, CheckType::On | CheckType::Off) {
            let message = format!("the check {} looks at nothing", quoted(name));
            self.cx
                .error(section.span, message)
                .help("remove it, or give it another type");
        } else if negotiates && settings.service == ServiceType::NONE {
            let message = format!("the check {} does not say what it speaks", quoted(name));
            self.cx
                .error(section.span, message)
                .help("write service: http, for example, or type: connect");
        }
        self.checks.0.push(Known {
            check: Arc::new(NamedCheck {
                name: name.into(),
                settings,
            }),
            span: section.span,
            used: false,
        });
    }

    /// The rule of a section; `None` without one or after an error.
    pub(super) fn rule(&mut self, section: &Section) -> Option<RuleSettings> {
        let raw = section.rule.as_ref()?;
        let mut checks = Vec::new();
        let rule = self.lower_rule(raw, &mut checks)?;
        Some(RuleSettings {
            rule: Arc::new(rule),
            checks,
        })
    }

    fn lower_rule(&mut self, raw: &RawRule, checks: &mut Vec<Arc<NamedCheck>>) -> Option<Rule> {
        match raw {
            RawRule::Check(name, span) => {
                let mut known = self.checks.0.iter_mut();
                let Some(known) = known.find(|known| *known.check.name == **name) else {
                    self.unknown_check(name, *span);
                    return None;
                };
                known.used = true;
                let number = checks
                    .iter()
                    .position(|check| check.name == known.check.name);
                Some(Rule::Part(number.unwrap_or_else(|| {
                    checks.push(Arc::clone(&known.check));
                    checks.len() - 1
                })))
            }
            RawRule::AtLeast(needed, of) => {
                // All of them are looked at, so that every mistake is found.
                let rules: Vec<Option<Rule>> =
                    of.iter().map(|raw| self.lower_rule(raw, checks)).collect();
                Some(Rule::AtLeast {
                    needed: *needed,
                    of: rules.into_iter().collect::<Option<_>>()?,
                })
            }
        }
    }

    fn unknown_check(&mut self, name: &str, span: Span) {
        let known = self.checks.0.iter().map(|known| &*known.check.name);
        let help = match nearest(name, known) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("write checks: {{ {name}: {{ … }} }} beside services"),
        };
        let message = format!("there is no check {}", quoted(name));
        self.cx.error(span, message).help(help);
    }

    /// Every named check; those that no rule uses are warned of.
    pub(super) fn finish_checks(&mut self) -> Vec<Arc<NamedCheck>> {
        let known = std::mem::take(&mut self.checks.0).into_iter();
        known
            .map(|known| {
                if !known.used {
                    let message = format!("no rule uses the check {}", quoted(&known.check.name));
                    self.cx
                        .warning(known.span, message)
                        .help("remove it, or name it in the check of a service");
                }
                known.check
            })
            .collect()
    }
}

/// The checks of one real server under a rule.
pub(super) fn check(
    settings: &RuleSettings,
    target: &Target<'_>,
    names: &Names,
) -> Result<RealCheck, Problem> {
    if target.exchange.is_some() {
        return Err(Problem {
            message: "a request of its own needs one check, and this service has a rule".to_owned(),
            help: "put the request into a named check, and this server into a service of its own",
        });
    }
    let parts = settings.checks.iter().map(|named| {
        let of = |message| format!("check {}: {message}", named.name);
        beyond::fits(&named.settings, target).map_err(|problem| Problem {
            message: of(problem.message),
            help: problem.help,
        })?;
        match lower::check(&named.settings, target, names) {
            Ok(RealCheck::Probe(check)) => Ok(RulePart {
                name: Arc::clone(&named.name),
                check,
            }),
            Ok(RealCheck::Always | RealCheck::Off | RealCheck::Rule(_)) => Err(Problem {
                message: of("it looks at nothing".to_owned()),
                help: "give it another type",
            }),
            Err(problem) => Err(Problem {
                message: of(problem.message),
                help: problem.help,
            }),
        }
    });
    Ok(RealCheck::Rule(Arc::new(RealRule {
        rule: Arc::clone(&settings.rule),
        parts: parts.collect::<Result<_, _>>()?,
    })))
}
