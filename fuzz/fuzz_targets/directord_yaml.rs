//! No file makes the reader for `directord.yaml` panic, every refusal has a reason, and
//! whatever is accepted can be shown.
#![no_main]

use std::path::Path;

use directord::config::directord::{Here, is_directord_yaml, parse};
use directord::config::{Names, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    is_directord_yaml(Path::new("fuzz"), text);
    let here = Here {
        host_name: "loadb1",
        node: None,
    };
    let mut parsed = parse(text, "fuzz.yaml", here);
    let services = parsed.take_services().and_then(|services| {
        let names = Names::ask(services.names(), &mut |_| None);
        services.resolve(&names).ok()
    });
    let config = services.map(|accepted| accepted.config);
    match parsed.check(config.as_ref()) {
        Err(rejected) => {
            assert!(rejected.first_error().is_some());
            render(&rejected.0, true);
        }
        Ok(document) => {
            render(&document.warnings, true);
            if let Some(config) = &config {
                document.to_yaml(config);
            }
        }
    }
});
