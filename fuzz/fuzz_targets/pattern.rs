//! No pattern makes the compiler panic, and none that it takes searches without end: what
//! follows the first NUL is searched.
#![no_main]

use directord::check::pattern;
use directord::model::Pattern;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let end = input.iter().position(|byte| *byte == 0);
    let (source, text) = input.split_at(end.unwrap_or(input.len()));
    let Ok(source) = std::str::from_utf8(source) else {
        return;
    };
    if let Ok(matcher) = pattern::compile(&Pattern(source.to_owned())) {
        assert_eq!(matcher.source(), source);
        let found = matcher.is_match(text);
        // One that does not backtrack gives an answer to everything.
        assert!(found.is_ok() || !matcher.is_linear());
        assert_eq!(matcher.is_match(text), found);
    }
});
