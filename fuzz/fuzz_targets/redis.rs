//! Whatever a server says to the check of Redis, in whatever pieces, it comes to the same
//! verdict, with little kept and no panic.
#![no_main]

#[path = "../patterns.rs"]
mod patterns;

use std::sync::{Arc, LazyLock};

use directord::check::dialogue::{Dialogue, Turn, Verdict};
use directord::check::pattern::Matcher;
use directord::check::redis::Conversation;
use directord::model::{Login, Pattern, RedisProbe, Secret};
use libfuzzer_sys::fuzz_target;

/// The longest answer.
const KEPT_MAX: usize = 64 * 1024;

fn verdict(probe: &RedisProbe, server: &[u8], size: usize) -> Verdict {
    let mut conversation = Conversation::new(probe).expect("the pattern can be used");
    let mut turn = conversation.begin("[2001:db8::1]:40000".parse().expect("an address"));
    let mut pieces = server.chunks(size);
    loop {
        turn = match turn {
            Turn::Over(verdict) => return verdict,
            Turn::Say(_) | Turn::Secure => conversation.feed(&[]),
            Turn::Listen => match pieces.next() {
                None => return conversation.end(),
                Some(piece) => {
                    let turn = conversation.feed(piece);
                    assert!(conversation.kept() <= 2 * KEPT_MAX + piece.len());
                    turn
                }
            },
        };
    }
}

static KEPT: LazyLock<Vec<Arc<Matcher>>> = LazyLock::new(|| patterns::keep(&["(?m)^role:master"]));

fuzz_target!(|server: &[u8]| {
    LazyLock::force(&KEPT);
    let login = Login {
        name: String::new(),
        password: Secret::new("hidden"),
    };
    let info = RedisProbe {
        login: Some(login),
        command: "INFO replication".to_owned(),
        receive: Some(Pattern("(?m)^role:master".to_owned())),
    };
    let ping = RedisProbe {
        login: None,
        command: String::new(),
        receive: None,
    };
    for probe in [info, ping] {
        // Above the bound on an answer, how much has come when it is noticed may differ.
        if server.len() <= KEPT_MAX {
            let whole = verdict(&probe, server, server.len().max(1));
            assert_eq!(
                verdict(&probe, server, 1).result.is_ok(),
                whole.result.is_ok()
            );
            assert_eq!(
                verdict(&probe, server, 7).result.is_ok(),
                whole.result.is_ok()
            );
        } else {
            verdict(&probe, server, 4096);
        }
    }
});
