//! Whatever a server answers to a line, in whatever pieces, it comes to the same verdict
//! and nothing panics.
#![no_main]

#[path = "../conversation.rs"]
#[expect(dead_code, reason = "a search in lines is no dialogue")]
mod conversation;

use directord::check::lines::{Lines, Verdict};
use directord::check::pattern;
use directord::model::Pattern;
use libfuzzer_sys::fuzz_target;

fn judge<'a>(receive: Option<&str>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Verdict {
    let pattern = receive.map(|text| Pattern(text.to_owned()));
    let matcher = pattern.map(|pattern| pattern::compile(&pattern).expect("a pattern"));
    let mut lines = Lines::new(matcher);
    for piece in pieces {
        if let Some(verdict) = lines.feed(piece) {
            return verdict;
        }
    }
    lines.end()
}

fuzz_target!(|answer: &[u8]| {
    for receive in [None, Some("^PONG$"), Some(r"(\w)\1")] {
        let whole = judge(receive, [answer]);
        assert_eq!(judge(receive, answer.chunks(1)), whole);
        assert_eq!(judge(receive, conversation::pieces(answer)), whole);
    }
});
