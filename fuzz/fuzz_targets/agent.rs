//! No line of an agent makes its reader panic, and none asks for more than the whole weight.
#![no_main]

use directord::check::agent::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    match parse(line) {
        Ok(advice) => assert!(advice.share() <= 100),
        Err(reason) => assert!(!reason.as_str().is_empty()),
    }
});
