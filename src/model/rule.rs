//! How many of several checks must pass.

use std::fmt::Write as _;

/// A rule over checks that are known by their numbers. Whoever makes one keeps within
/// [`Rule::DEPTH_MAX`] and [`Rule::PARTS_MAX`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// The check with this number passes.
    Part(usize),
    /// Enough of several rules hold: all of them, one, or a number between.
    AtLeast {
        /// How many, 1 to the number of `of`.
        needed: usize,
        /// The rules, at least one.
        of: Vec<Self>,
    },
}

impl Rule {
    /// Most rules inside each other, the outermost one included.
    pub const DEPTH_MAX: usize = 4;

    /// Most checks of one rule; one that stands there twice counts twice.
    pub const PARTS_MAX: usize = 64;

    /// The rule on one line: `all of a, b`, `any of a, (2 of b, c, d)`. `name` gives the name
    /// of a check.
    pub fn describe<'a>(&self, name: &dyn Fn(usize) -> &'a str) -> String {
        let (needed, of) = match self {
            Self::Part(part) => return name(*part).to_owned(),
            Self::AtLeast { needed, of } => (*needed, of),
        };
        let mut text = if needed == of.len() {
            "all of ".to_owned()
        } else if needed == 1 {
            "any of ".to_owned()
        } else {
            format!("{needed} of ")
        };
        for (index, rule) in of.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let rule_text = rule.describe(name);
            match rule {
                Self::Part(_) => write!(text, "{comma}{rule_text}"),
                Self::AtLeast { .. } => write!(text, "{comma}({rule_text})"),
            }
            .expect("a string takes everything");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_as_it_was_meant() {
        let names = ["a", "b", "c"];
        let of = |numbers: &[usize]| numbers.iter().map(|n| Rule::Part(*n)).collect::<Vec<_>>();
        let rule = |needed, of| Rule::AtLeast { needed, of };
        let text = |rule: &Rule| rule.describe(&|part| names[part]);
        assert_eq!(text(&rule(2, of(&[0, 1]))), "all of a, b");
        assert_eq!(text(&rule(1, of(&[0, 1]))), "any of a, b");
        let mut parts = of(&[0, 1]);
        parts.push(rule(1, of(&[1, 2])));
        assert_eq!(text(&rule(2, parts)), "2 of a, b, (any of b, c)");
    }
}
