//! Whatever a server says to the check of NNTP, in whatever pieces, it comes to the same
//! verdict, with little kept and no panic.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

use conversation::LINES_MAX;
use directord::check::nntp::Nntp;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|server: &[u8]| {
    conversation::hold(Nntp::new, Nntp::kept, LINES_MAX, server);
});
