//! No file makes the reader for `ldirectord.cf` panic, every refusal has a reason, and
//! whatever is accepted reads back the same from its canonical text.
#![no_main]

use std::net::IpAddr;

use directord::config::print::to_ldirectord_cf;
use directord::config::{Accepted, Answer, Name, Names, Rejected, ldirectord, render, show};
use directord::model::Family;
use libfuzzer_sys::fuzz_target;

/// Every name exists.
fn resolver(name: &Name) -> Option<Answer> {
    Some(match name {
        Name::Host {
            family: Family::V4, ..
        } => Answer::Address(IpAddr::from([192, 0, 2, 21])),
        Name::Host {
            family: Family::V6, ..
        } => Answer::Address(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x21])),
        Name::Port { .. } => Answer::Port(80),
    })
}

fn read(text: &[u8]) -> Result<Accepted, Rejected> {
    let parsed = ldirectord::parse(text, "fuzz.cf");
    let names = Names::ask(parsed.names(), &mut resolver);
    parsed.resolve(&names)
}

fuzz_target!(|text: &[u8]| {
    match read(text) {
        Err(rejected) => {
            assert!(rejected.first_error().is_some());
            render(&rejected.0, true);
        }
        Ok(accepted) => {
            render(&accepted.warnings, true);
            show::to_yaml(&accepted.config);
            let printed = to_ldirectord_cf(&accepted.config);
            let again = read(printed.as_bytes()).expect("canonical text is accepted");
            assert_eq!(again.config, accepted.config);
        }
    }
});
