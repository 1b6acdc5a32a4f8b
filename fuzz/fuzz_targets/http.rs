//! No answer of a web server, whole or in pieces, makes the check panic or describe itself
//! without end.
#![no_main]

use std::sync::Arc;

use directord::check::http::{Exchange, Prepared, Step};
use directord::model::{HttpMethod, HttpProbe, Pattern};
use libfuzzer_sys::fuzz_target;

/// What comes of an answer that arrives in pieces of this size, up to the first redirect.
fn judge(prepared: &Arc<Prepared>, answer: &[u8], piece: usize) -> Step {
    let mut exchange = Exchange::new(prepared);
    for piece in answer.chunks(piece) {
        let step = exchange.feed(piece);
        if step != Step::Read {
            return step;
        }
    }
    exchange.suffices();
    assert!(exchange.detail().len() < 4096);
    exchange.end()
}

fuzz_target!(|answer: &[u8]| {
    for method in [HttpMethod::Get, HttpMethod::Head] {
        let probe = HttpProbe {
            method,
            path: "/index.html".to_owned(),
            host: "www.example.com".to_owned(),
            receive: Some(Pattern("Test Page".to_owned())),
            ..HttpProbe::default()
        };
        let target = "192.0.2.80:80".parse().expect("an address");
        let prepared = Arc::new(Prepared::new(target, probe).expect("a pattern"));
        for size in [1, 7, answer.len().max(1)] {
            assert_ne!(judge(&prepared, answer, size), Step::Read);
        }
    }
});
