//! No directory makes an ldap check panic or keep more than its bound.
#![no_main]

mod conversation;

use directord::check::ldap::{Conversation, KEPT_MAX};
use directord::model::{LdapProbe, Login, Pattern, Secret};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let probe = LdapProbe {
        tls: false,
        bind: Some(Login {
            name: "cn=monitor".to_owned(),
            password: Secret::new("secret"),
        }),
        base: "ou=web,dc=example,dc=com".to_owned(),
        receive: Some(Pattern("^ou=".to_owned())),
    };
    let mut machine = Conversation::new(&probe).expect("a usable pattern");
    conversation::hold(&mut machine, input, |machine| {
        assert!(machine.kept() <= KEPT_MAX);
    });
});
