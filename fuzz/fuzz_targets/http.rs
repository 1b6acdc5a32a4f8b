//! No answer of a web server, whole or in pieces, makes the check panic or describe itself
//! without end, and pieces do not change the verdict.
#![no_main]

#[path = "../patterns.rs"]
mod patterns;

use std::sync::{Arc, LazyLock};

use directord::check::http::{Exchange, Prepared, Step};
use directord::check::pattern::Matcher;
use directord::model::{
    ExpectedHeader, ExpectedJson, HttpMethod, HttpProbe, Pattern, Redirects, StatusRanges,
};
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
    assert!(exchange.detail().len() < 4096);
    exchange.end()
}

/// A page that is searched, its head alone, and what a service says of its health.
fn probes() -> [HttpProbe; 3] {
    let page = |method| HttpProbe {
        method,
        path: "/index.html".to_owned(),
        host: "www.example.com".to_owned(),
        receive: Some(Pattern("Test Page".to_owned())),
        ..HttpProbe::default()
    };
    let health = HttpProbe {
        receive: Some(Pattern("down".to_owned())),
        invert: true,
        statuses: StatusRanges::read("200-299,401"),
        redirects: Redirects::Yes,
        expected_headers: vec![ExpectedHeader {
            name: "Content-Type".to_owned(),
            value: Pattern("json$".to_owned()),
        }],
        json: vec![ExpectedJson {
            pointer: "/up/0".to_owned(),
            value: "{\"a\":1}".to_owned(),
        }],
        ..page(HttpMethod::Get)
    };
    [page(HttpMethod::Get), page(HttpMethod::Head), health]
}

static KEPT: LazyLock<Vec<Arc<Matcher>>> =
    LazyLock::new(|| patterns::keep(&["Test Page", "down", "json$"]));

fuzz_target!(|answer: &[u8]| {
    LazyLock::force(&KEPT);
    for probe in probes() {
        let target = "192.0.2.80:80".parse().expect("an address");
        let prepared = Arc::new(Prepared::new(target, probe).expect("a pattern"));
        let whole = judge(&prepared, answer, answer.len().max(1));
        assert_ne!(whole, Step::Read);
        for size in [1, 7] {
            assert_eq!(judge(&prepared, answer, size), whole);
        }
        let mut cut = Exchange::new(&prepared);
        if cut.feed(answer) == Step::Read && cut.suffices() {
            assert!(answer.len() > 12, "a status line at least");
        }
    }
});
