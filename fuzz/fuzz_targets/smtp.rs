//! Whatever a server says to the check of SMTP, in whatever pieces, it comes to the same
//! verdict, with little kept and no panic.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

use conversation::LINES_MAX;
use directord::check::smtp::Smtp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|server: &[u8]| {
    conversation::hold(Smtp::new, Smtp::kept, LINES_MAX, server);
});
