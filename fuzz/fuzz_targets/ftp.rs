//! Whatever a server says to the check of FTP over its two connections, in whatever
//! pieces, there is a verdict, little is kept, and nothing panics.
//!
//! A byte 0x1E changes from the control to the data connection and, with its end, back.
#![no_main]

#[path = "../conversation.rs"]
#[expect(dead_code, reason = "a session of FTP is no dialogue")]
mod conversation;

#[path = "../patterns.rs"]
mod patterns;

use std::sync::{Arc, LazyLock};

use directord::check::ftp::{Session, Step};
use directord::check::pattern::Matcher;
use directord::model::{FtpProbe, Pattern, Reason};
use libfuzzer_sys::fuzz_target;

/// An unfinished line, the first of a reply, and the file.
const KEPT_MAX: usize = 16 * 1024 + 256 * 1024;

/// What to do in answer to a step, until there is something to listen to.
fn answer(session: &mut Session, mut step: Step, reachable: bool) -> Option<Step> {
    loop {
        step = match step {
            Step::Listen => return None,
            Step::Over(_) => return Some(step),
            Step::Say(_) => session.feed(&[]),
            Step::Connect(port) => {
                assert_ne!(port, 0);
                if reachable {
                    session.opened()
                } else {
                    session.unreachable(&Reason::new("connection refused"))
                }
            }
        };
    }
}

fn play(server: &[u8], receive: Option<&str>, reachable: bool) {
    let probe = FtpProbe {
        login: None,
        path: "status.txt".to_owned(),
        receive: receive.map(|text| Pattern(text.to_owned())),
    };
    let mut session = Session::new(&probe, "director").expect("the probe can be said");
    for (at, part) in server.split(|byte| *byte == 0x1e).enumerate() {
        let is_data = at % 2 == 1;
        for piece in conversation::pieces(part) {
            let step = if is_data {
                session.data(piece)
            } else {
                session.feed(piece)
            };
            assert!(session.kept() <= KEPT_MAX + piece.len());
            session.awaited();
            if answer(&mut session, step, reachable).is_some() {
                return;
            }
        }
        if is_data {
            let step = session.data_end();
            if answer(&mut session, step, reachable).is_some() {
                return;
            }
        }
    }
    assert!(session.end().result.is_err());
}

static KEPT: LazyLock<Vec<Arc<Matcher>>> = LazyLock::new(|| patterns::keep(&["well", "(a+)+\\1b"]));

fuzz_target!(|server: &[u8]| {
    LazyLock::force(&KEPT);
    play(server, None, true);
    play(server, Some("well"), true);
    play(server, Some("(a+)+\\1b"), true);
    play(server, None, false);
});
