//! No server makes a mysql check panic or keep more than its bound, and pieces do not
//! change the verdict.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

use directord::check::sql::mysql::{Conversation, KEPT_MAX};
use directord::model::{Database, Login, Secret, SqlProbe};
use libfuzzer_sys::fuzz_target;

/// Length of the first packet.
fn greeting(input: &[u8]) -> usize {
    match input {
        [a, b, c, ..] => 4 + u32::from_le_bytes([*a, *b, *c, 0]) as usize,
        _ => input.len(),
    }
}

fuzz_target!(|input: &[u8]| {
    let probe = SqlProbe {
        database: Database::Mysql,
        login: Some(Login {
            name: "monitor".to_owned(),
            password: Secret::new("secret"),
        }),
        name: "site".to_owned(),
        query: "SELECT 1".to_owned(),
    };
    let make = || Conversation::new(&probe).expect("a whole probe");
    conversation::hold_outcome(make, Conversation::kept, KEPT_MAX, greeting(input), input);
});
