//! Whatever a server answers to a line, in whatever pieces, it comes to the same verdict
//! and nothing panics.
#![no_main]

#[path = "../conversation.rs"]
#[expect(dead_code, reason = "a search in lines is no dialogue")]
mod conversation;

#[path = "../patterns.rs"]
mod patterns;

use std::sync::{Arc, LazyLock};

use directord::check::lines::{Lines, Verdict};
use directord::check::pattern::Matcher;
use libfuzzer_sys::fuzz_target;

static KEPT: LazyLock<Vec<Arc<Matcher>>> = LazyLock::new(|| patterns::keep(&["^PONG$", r"(\w)\1"]));

fn judge<'a>(
    matcher: Option<&Arc<Matcher>>,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Verdict {
    let mut lines = Lines::new(matcher.cloned());
    for piece in pieces {
        if let Some(verdict) = lines.feed(piece) {
            return verdict;
        }
    }
    lines.end()
}

fuzz_target!(|answer: &[u8]| {
    for receive in [None, KEPT.first(), KEPT.last()] {
        let whole = judge(receive, [answer]);
        assert_eq!(judge(receive, answer.chunks(1)), whole);
        assert_eq!(judge(receive, conversation::pieces(answer)), whole);
    }
});
