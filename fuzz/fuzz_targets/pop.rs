//! Whatever a server says to the check of POP3, with a login and without, in whatever
//! pieces, it comes to the same verdict, with little kept and no panic.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

use conversation::LINES_MAX;
use directord::check::pop::Pop;
use directord::model::{Login, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|server: &[u8]| {
    // One that IMAP sends quoted, and one that it sends as literals.
    for (name, password) in [("monitor", "hid\"den"), ("m\u{f6}nitor", "hidd\u{e9}n")] {
        let login = Login {
            name: name.to_owned(),
            password: Secret::new(password),
        };
        let make = || Pop::new(Some(&login)).expect("the login can be said");
        conversation::hold(make, Pop::kept, LINES_MAX, server);
    }
    let make = || Pop::new(None).expect("there is no login");
    conversation::hold(make, Pop::kept, LINES_MAX, server);
});
