//! Whatever a server says in a dialogue of several steps, little is kept and nothing
//! panics.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

#[path = "../patterns.rs"]
mod patterns;

use std::sync::{Arc, LazyLock};

use conversation::LINES_MAX;
use directord::check::pattern::Matcher;
use directord::check::steps::Steps;
use directord::model::{DialogueProbe, DialogueStep, Pattern};
use libfuzzer_sys::fuzz_target;

static KEPT: LazyLock<Vec<Arc<Matcher>>> =
    LazyLock::new(|| patterns::keep(&[r"220[^\n]*\n", "250", "x?y"]));

fuzz_target!(|server: &[u8]| {
    LazyLock::force(&KEPT);
    // Patterns that cannot match sooner for what comes later.
    let expect = |text: &str| DialogueStep::Expect(Pattern(text.to_owned()));
    let probe = DialogueProbe {
        steps: vec![
            expect(r"220[^\n]*\n"),
            DialogueStep::Send(b"EHLO a\r\n".to_vec()),
            expect("250"),
            expect("x?y"),
        ],
    };
    let make = || Steps::new(&probe).expect("the patterns can be used");
    conversation::hold(make, Steps::kept, LINES_MAX, server);
});
