use proptest::prelude::*;

use super::*;
use crate::check::http::expected::BODY_MAX;
use crate::check::pattern;
use crate::model::{ExpectedHeader, ExpectedJson, HttpProbe, Pattern, Redirects, StatusRanges};

fn response(method: HttpMethod, receive: Option<&str>) -> Response {
    let matcher = receive.map(|text| pattern::compile(&Pattern(text.to_owned())).unwrap());
    Response::new(Arc::new(Expected::plain(method, matcher)))
}

/// Feeds pieces and then closes; the verdict, and whether it came before the close.
fn judge_pieces<'b>(
    mut response: Response,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> (Verdict, bool) {
    for piece in pieces {
        if let Some(verdict) = response.feed(piece) {
            return (verdict, true);
        }
    }
    (response.end(), false)
}

fn judge(receive: Option<&str>, answer: &[u8]) -> Verdict {
    judge_pieces(response(HttpMethod::Get, receive), [answer]).0
}

fn reason(verdict: Verdict) -> String {
    match verdict {
        Verdict::Down(reason) => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Answers of every kind, with the reason if they are down.
const ANSWERS: &[(Option<&str>, &[u8], Option<&str>)] = &[
    (None, b"HTTP/1.1 200 OK\r\n\r\n", None),
    (None, b"HTTP/1.0 204 No Content\r\n\r\n", None),
    (None, b"\r\n\r\nHTTP/1.1 200\r\n\r\n", None),
    (None, b"HTTP/1.1 200 OK\nServer: x\n\nbody", None),
    (Some("Page"), b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTest Page", None),
    (Some("Page$"), b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nTest Page\n", None),
    (Some("^Test Page$"), b"HTTP/1.1 200 OK\r\n\r\nTest Page", None),
    (Some("(?<=Test )Page"), b"HTTP/1.1 200 OK\r\n\r\nTest Page", None),
    (
        Some("^Test Page$"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n4;x=y\r\nTest\r\n05\r\n Page\r\n0\r\nTrailer: x\r\n\r\n",
        None,
    ),
    (
        Some("ok"),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nok",
        None,
    ),
    (
        Some("Test"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nTest",
        Some("HTTP 200, but the body does not match \"Test\""),
    ),
    (
        Some("Test Page"),
        b"HTTP/1.1 200 OK\r\n\r\nTest\0Page",
        Some("HTTP 200, but the body does not match \"Test Page\""),
    ),
    (
        Some("Page$"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nTest Page",
        Some("answer stopped after 48 bytes"),
    ),
    (
        None,
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 5\r\n\r\n",
        Some("HTTP status 503 Service Unavailable"),
    ),
    (None, b"HTTP/1.1 101 Switching Protocols\r\n\r\n", Some("HTTP status 101 Switching Protocols")),
    (None, b"HTTP/1.1 302 Found\r\n\r\n", Some("HTTP status 302 Found")),
    (None, b"HTTP/1.1 304\r\nLocation: /\r\n\r\n", Some("HTTP status 304")),
    (None, b"", Some("connected, but the server closed without an answer")),
    (None, b"HTTP/1.1 200 OK\r\nServer", Some("answer stopped after 23 bytes")),
    (None, b"HTTP/1.1 100 Continue\r\n\r\n", Some("answer stopped after 25 bytes")),
    (None, b"SSH-2.0-OpenSSH_9.2\r\n", Some("not an HTTP answer: SSH-2.0-OpenSSH_9.2")),
    (None, b"HTTP/2.0 200 OK\r\n\r\n", Some("not an HTTP answer: HTTP/2.0 200 OK")),
    (None, b"HTTP/1.1 2xx OK\r\n\r\n", Some("not an HTTP answer: HTTP/1.1 2xx OK")),
    (None, b"\x16\x03\x01\0\0", Some("not an HTTP answer: \\u{16}\\u{3}\\u{1}\\u{0}\\u{0}")),
    (None, b"HTTP/1.1 200 OK\r\nA\0: b\r\n\r\n", Some("malformed HTTP head: invalid header name")),
    (None, b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n", Some("malformed HTTP head: invalid header value")),
    (None, b"HTTP/1.1 200 OK\r\n: x\r\n\r\n", Some("malformed HTTP head: invalid header name")),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        Some("unusable Content-Length \"-1\""),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n",
        Some("unusable Content-Length \"18446744073709551616\""),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        Some("two different Content-Length headers"),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        Some("not a valid HTTP body: chunk size is not a number"),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
        Some("not a valid HTTP body: chunk size out of range"),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc",
        Some("answer stopped after 68 bytes"),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n",
        Some("not a valid HTTP body: chunk longer than its size"),
    ),
    (
        Some("x"),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc",
        Some("not a valid HTTP body: chunk size is not a number"),
    ),
    // The expected text before a violation counts, wherever the pieces were cut.
    (Some("ab"), b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", None),
    (Some("Test"), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nTest Page", None),
];

#[test]
fn every_split_gives_the_same_verdict() {
    for (receive, answer, expected) in ANSWERS {
        let fresh = || response(HttpMethod::Get, *receive);
        let whole = judge_pieces(fresh(), [*answer]).0;
        let shown = String::from_utf8_lossy(answer);
        match expected {
            None => assert_eq!(whole, Verdict::Up, "{shown}"),
            Some(expected) => assert_eq!(reason(whole.clone()), *expected, "{shown}"),
        }
        for cut in 0..=answer.len() {
            let (one, two) = answer.split_at(cut);
            let split = judge_pieces(fresh(), [one, two]).0;
            assert_eq!(kind(&split), kind(&whole), "{shown} cut at {cut}");
        }
        let bytes = judge_pieces(fresh(), answer.chunks(1)).0;
        assert_eq!(kind(&bytes), kind(&whole), "{shown} byte by byte");
    }
}

/// The verdict without counts of bytes, which tell how far one has read.
fn kind(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Down(reason) => {
            let text = reason.as_str();
            text.split(" after ").next().unwrap_or(text).to_owned()
        }
        other => format!("{other:?}"),
    }
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_splits_never_matter(
        head in prop::sample::select(vec![
            "", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 ",
            "HTTP/1.1 100 x\r\n\r\n",
        ]),
        tail in prop::collection::vec(
            prop_oneof![
                prop::sample::select(b"\r\n0123456789abcdef;: \t/HTP\0\xff".to_vec()), any::<u8>()
            ],
            0..80,
        ),
        receive in prop::sample::select(vec![
            None, Some("ab"), Some("a|0$"), Some("(?!a)b"), Some("^$"),
        ]),
        cuts in prop::collection::vec(1_usize..9, 1..60),
    ) {
        let answer = [head.as_bytes(), &tail].concat();
        let whole = judge_pieces(response(HttpMethod::Get, receive), [&answer[..]]).0;
        let mut rest = &answer[..];
        let mut pieces = Vec::new();
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        let split = judge_pieces(response(HttpMethod::Get, receive), pieces).0;
        prop_assert_eq!(kind(&split), kind(&whole));
    }
}

#[test]
fn a_verdict_is_given_as_soon_as_it_is_certain() {
    let early = |receive, answer: &[u8]| {
        let fresh = response(HttpMethod::Get, receive);
        judge_pieces(fresh, [answer]).1
    };
    assert!(early(None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"));
    assert!(early(Some("x"), b"HTTP/1.1 404 Not Found\r\n\r\n"));
    assert!(early(Some("Test"), b"HTTP/1.1 200 OK\r\n\r\nTest"));
    assert!(early(
        Some("x"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nTest"
    ));
    assert!(early(None, b"220 mail.example.com ESMTP\r\n"));
    // What follows could still undo these.
    assert!(!early(Some("Test$"), b"HTTP/1.1 200 OK\r\n\r\nTest"));
    assert!(!early(Some("(?!Test)T"), b"HTTP/1.1 200 OK\r\n\r\nT"));
}

#[test]
fn an_answer_to_head_has_no_body() {
    let head = |receive| {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
        judge_pieces(response(HttpMethod::Head, receive), [&answer[..]])
    };
    assert_eq!(head(None), (Verdict::Up, true));
    assert!(matches!(head(Some("x")), (Verdict::Down(_), true)));
}

#[test]
fn heads_are_bounded_in_bytes_and_lines() {
    let endless = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'a'; 10_000_000]].concat();
    let mut fed = response(HttpMethod::Get, None);
    let mut pieces = endless.chunks(1000);
    let verdict = pieces.find_map(|piece| fed.feed(piece)).unwrap();
    assert_eq!(
        reason(verdict),
        "the head of the answer is longer than 16384 bytes"
    );
    assert!(fed.received() <= 17_000);
    assert!(fed.buffer.capacity() <= 2 * HEAD_MAX);

    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HEADERS_MAX));
    assert_eq!(judge(None, many.as_bytes()), Verdict::Up);
    let more = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "A: b\r\n".repeat(HEADERS_MAX + 1)
    );
    assert_eq!(
        reason(judge(None, more.as_bytes())),
        "more than 100 header lines"
    );
    let interim = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
    let blank = b"\r\n".repeat(10_000);
    for endless in [interim, blank] {
        assert_eq!(
            reason(judge(None, &endless)),
            "the head of the answer is longer than 16384 bytes"
        );
    }
}

#[test]
fn bodies_are_bounded_whatever_their_framing() {
    for framing in [
        "",
        "Content-Length: 9999999999\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let head = format!("HTTP/1.1 200 OK\r\n{framing}\r\n");
        let piece = if framing.contains("chunked") {
            format!("800\r\n{}\r\n", "a".repeat(2048))
        } else {
            "a".repeat(2048)
        };
        let mut fed = response(HttpMethod::Get, Some("nowhere"));
        assert_eq!(fed.feed(head.as_bytes()), None);
        let verdict = (0..1000).find_map(|_| fed.feed(piece.as_bytes())).unwrap();
        let expected =
            "HTTP 200, but the body does not match \"nowhere\" in its first 262144 bytes";
        assert_eq!(reason(verdict), expected);
        assert!(fed.received() < 2 * BODY_MAX as u64);
    }
}

#[test]
fn the_expected_text_is_found_across_pieces_at_any_place() {
    // In the part that is searched eagerly, beyond it, and just inside of the limit.
    for place in [0, 4090, 70_000, BODY_MAX - 4] {
        let mut body = vec![b'.'; BODY_MAX];
        body[place..place + 4].copy_from_slice(b"here");
        let head = b"HTTP/1.1 200 OK\r\n\r\n";
        let answer = [&head[..], &body].concat();
        for size in [1, 7, 1460, answer.len()] {
            let fresh = response(HttpMethod::Get, Some("here"));
            let verdict = judge_pieces(fresh, answer.chunks(size)).0;
            assert_eq!(verdict, Verdict::Up, "{place} in pieces of {size}");
        }
    }
    let beyond = [
        b"HTTP/1.1 200 OK\r\n\r\n",
        &vec![b'.'; BODY_MAX - 3][..],
        b"here",
    ]
    .concat();
    assert!(matches!(judge(Some("here"), &beyond), Verdict::Down(_)));
}

#[test]
fn what_has_come_by_the_deadline_is_searched() {
    let mut fed = response(HttpMethod::Get, Some("here"));
    fed.feed(b"HTTP/1.1 200 OK\r\n\r\n");
    fed.feed(&vec![b'.'; 8000]);
    assert_eq!(fed.feed(b"here"), None, "too little growth to look again");
    assert_eq!(fed.expire(), Some(Verdict::Up));
}

#[test]
fn redirects_need_a_usable_location() {
    let location = |value: &[u8]| {
        let answer = [b"HTTP/1.1 301 Moved\r\nLocation: ", value, b"\r\n\r\n"].concat();
        judge(Some("x"), &answer)
    };
    assert_eq!(location(b"/x"), Verdict::Redirect("/x".to_owned()));
    assert!(matches!(location(b"/a b"), Verdict::Down(_)));
    assert!(matches!(location(b"/\xff"), Verdict::Down(_)));
    assert!(matches!(location(&[b'a'; 3000]), Verdict::Down(_)));
}

/// What a probe says of an answer in one piece and byte by byte; the closing counts.
fn judged(probe: &HttpProbe, answer: &[u8]) -> Verdict {
    let expected = Arc::new(Expected::of(probe).unwrap());
    let fresh = || Response::new(Arc::clone(&expected));
    let whole = judge_pieces(fresh(), [answer]).0;
    assert_eq!(judge_pieces(fresh(), answer.chunks(1)).0, whole);
    whole
}

#[test]
fn statuses_headers_and_redirects_are_judged_as_told() {
    const FOUND: &[u8] = b"HTTP/1.1 302 Found\r\nLocation: /x\r\nX-A: 1\r\nX-A: 2\r\n\r\n";
    let statuses = |text| HttpProbe {
        statuses: StatusRanges::read(text),
        ..HttpProbe::default()
    };
    let redirects = |redirects| HttpProbe {
        redirects,
        ..HttpProbe::default()
    };
    let header = |name: &str, value: &str| HttpProbe {
        expected_headers: vec![ExpectedHeader {
            name: name.to_owned(),
            value: Pattern(value.to_owned()),
        }],
        ..statuses("302")
    };
    let to = Verdict::Redirect("/x".to_owned());
    assert_eq!(judged(&HttpProbe::default(), FOUND), to);
    assert_eq!(judged(&redirects(Redirects::Yes), FOUND), to);
    assert_eq!(
        reason(judged(&redirects(Redirects::No), FOUND)),
        "HTTP status 302 Found"
    );
    assert_eq!(judged(&statuses("200-299,302"), FOUND), Verdict::Up);
    assert_eq!(
        judged(&statuses("302"), b"HTTP/1.1 304 Not Modified\r\n\r\n"),
        down("HTTP status 304 Not Modified")
    );
    assert_eq!(
        reason(judged(&statuses("401"), b"HTTP/1.1 200 OK\r\n\r\n")),
        "HTTP status 200 OK"
    );
    assert_eq!(judged(&header("x-a", "^2$"), FOUND), Verdict::Up);
    assert_eq!(
        reason(judged(&header("x-a", "3"), FOUND)),
        "the header x-a is \"2\", which does not match \"3\""
    );
    assert_eq!(
        reason(judged(&header("x-b", "3"), FOUND)),
        "the answer has no header x-b"
    );
    // An answer that has no body by its status does not wait for one.
    let unmodified = HttpProbe {
        receive: Some(Pattern("^$".to_owned())),
        ..statuses("304")
    };
    let expected = Arc::new(Expected::of(&unmodified).unwrap());
    let answer = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n";
    assert_eq!(Response::new(expected).feed(answer), Some(Verdict::Up));
}

#[test]
fn bodies_are_judged_as_told() {
    let inverted = |receive: &str| HttpProbe {
        receive: Some(Pattern(receive.to_owned())),
        invert: true,
        ..HttpProbe::default()
    };
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nTest Page";
    assert_eq!(judged(&inverted("Error"), answer), Verdict::Up);
    assert_eq!(
        reason(judged(&inverted("Test"), answer)),
        "HTTP 200, but the body matches \"Test\", which it must not"
    );
    assert_eq!(
        reason(judged(&inverted("e$"), answer)),
        "HTTP 200, but the body matches \"e$\", which it must not"
    );
    // What is missing may match: nobody knows.
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\nTest Page";
    assert!(reason(judged(&inverted("Error"), cut)).starts_with("answer stopped"));
    let json = |receive: Option<&str>| HttpProbe {
        json: vec![ExpectedJson {
            pointer: "/a".to_owned(),
            value: "1".to_owned(),
        }],
        receive: receive.map(|text| Pattern(text.to_owned())),
        ..HttpProbe::default()
    };
    let answer = b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1,\"b\":\"Test\"}";
    assert_eq!(judged(&json(None), answer), Verdict::Up);
    assert_eq!(judged(&json(Some("Test")), answer), Verdict::Up);
    assert!(reason(judged(&json(Some("Page")), answer)).contains("does not match"));
    // A match in the beginning says nothing of the JSON.
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"b\":\"Test\"";
    assert!(reason(judged(&json(Some("Test")), cut)).starts_with("answer stopped"));
    let mut long = b"HTTP/1.1 200 OK\r\n\r\n{\"a\":1,\"b\":\"".to_vec();
    long.resize(300 * 1024, b'x');
    let expected = Arc::new(Expected::of(&json(None)).unwrap());
    assert_eq!(
        reason(judge_pieces(Response::new(expected), [&long[..]]).0),
        "HTTP 200, but the JSON is longer than 262144 bytes"
    );
}
