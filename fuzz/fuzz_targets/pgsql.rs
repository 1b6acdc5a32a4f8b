//! No server makes a pgsql check panic or keep more than its bound, and pieces do not
//! change the verdict.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

use directord::check::sql::pgsql::{Conversation, KEPT_MAX, NONCE};
use directord::model::{Database, Login, Secret, SqlProbe};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let probe = SqlProbe {
        database: Database::Pgsql,
        login: Some(Login {
            name: "monitor".to_owned(),
            password: Secret::new("secret"),
        }),
        name: "site".to_owned(),
        query: "SELECT 1".to_owned(),
    };
    let make = || Conversation::new(&probe, [0; NONCE]).expect("a whole probe");
    conversation::hold_outcome(make, Conversation::kept, KEPT_MAX, 1, input);
});
