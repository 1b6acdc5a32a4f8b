//! No file makes the reader for `directord.yaml` panic, every refusal has a reason, and
//! whatever is accepted can be shown.
#![no_main]

use std::path::Path;

use directord::config::directord::{Here, is_directord_yaml, parse};
use directord::config::render;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    is_directord_yaml(Path::new("fuzz"), text);
    let here = Here {
        host_name: "loadb1",
        node: None,
    };
    match parse(text, "fuzz.yaml", here).check(None) {
        Err(rejected) => {
            assert!(rejected.first_error().is_some());
            render(&rejected.0, true);
        }
        Ok(document) => {
            render(&document.warnings, true);
        }
    }
});
