//! Whatever a program prints, the reason is one printable line of bounded length.
#![no_main]

use directord::check::first_line;
use directord::model::{Reason, is_printable};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|output: &[u8]| {
    let line = first_line(output);
    assert!(line.len() < 1024 && !line.contains('\n'));
    let reason = Reason::new(format!("exit status 1: {line}"));
    assert!(reason.as_str().len() <= Reason::MAX);
    assert!(reason.as_str().chars().all(is_printable));
});
