//! No directory makes an ldap check panic or keep more than its bound, and pieces do not
//! change the verdict.
#![no_main]

#[path = "../conversation.rs"]
mod conversation;

use std::sync::LazyLock;

use directord::check::ldap::{Conversation, KEPT_MAX};
use directord::model::{LdapProbe, Login, Pattern, Secret};
use libfuzzer_sys::fuzz_target;

static PROBE: LazyLock<LdapProbe> = LazyLock::new(|| LdapProbe {
    tls: None,
    bind: Some(Login {
        name: "cn=monitor".to_owned(),
        password: Secret::new("secret"),
    }),
    base: "ou=web,dc=example,dc=com".to_owned(),
    receive: Some(Pattern("^ou=".to_owned())),
});

/// Keeps the compiled pattern, which is shared while somebody has it.
static FIRST: LazyLock<Conversation> =
    LazyLock::new(|| Conversation::new(&PROBE).expect("a usable pattern"));

fuzz_target!(|input: &[u8]| {
    assert_eq!(FIRST.kept(), 0);
    let make = || Conversation::new(&PROBE).expect("a usable pattern");
    conversation::hold_outcome(make, Conversation::kept, KEPT_MAX, 0, input);
});
