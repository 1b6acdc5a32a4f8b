//! Patterns that stay compiled: a compiled one is shared as long as somebody has it, and
//! compiling takes longer than all that is to be tried.

use std::sync::Arc;

use directord::check::pattern::{self, Matcher};
use directord::model::Pattern;

/// Compiles these and keeps them.
pub fn keep(sources: &[&str]) -> Vec<Arc<Matcher>> {
    let compile = |source: &&str| pattern::compile(&Pattern((*source).to_owned()));
    let kept: Result<_, _> = sources.iter().map(compile).collect();
    kept.expect("patterns that can be used")
}
