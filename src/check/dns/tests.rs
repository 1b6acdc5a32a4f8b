//! Recorded messages, wrong ones, and messages cut, split and endless.

use proptest::prelude::*;

use super::message::{Answer, RECORDS_MAX, query, read};
use super::*;
use crate::model::Pattern;

const IDS: [u16; 2] = [0x1234, 0x5678];
const LOCAL: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1053);

/// unbound 1.17 asked for A, AAAA and PTR of `www.example.com` and 192.0.2.80.
const A: &[u8] = include_bytes!("../../../fuzz/seeds/dns/a");
const AAAA: &[u8] = include_bytes!("../../../fuzz/seeds/dns/aaaa");
const PTR: &[u8] = include_bytes!("../../../fuzz/seeds/dns/ptr");
/// Its answer for an alias, with the record of the alias's target behind it.
const CNAME: &[u8] = include_bytes!("../../../fuzz/seeds/dns/cname");
const NXDOMAIN: &[u8] = include_bytes!("../../../fuzz/seeds/dns/nxdomain");

fn lookup(text: &str, receive: &str) -> Lookup {
    let matcher = pattern::compile(&Pattern(receive.to_owned())).unwrap();
    Lookup::new(text, matcher, IDS).unwrap()
}

fn www(receive: &str) -> Lookup {
    lookup("www.example.com", receive)
}

/// The same message with another identifier.
fn with_id(message: &[u8], id: u16) -> Vec<u8> {
    [&id.to_be_bytes(), &message[2..]].concat()
}

/// The result of a verdict as text: what is up, or why not.
fn result(turn: Turn) -> Result<String, String> {
    match turn {
        Turn::Over(verdict) => verdict.result.map_err(|reason| reason.to_string()),
        other => panic!("{other:?}"),
    }
}

fn reason(turn: Turn) -> String {
    result(turn).unwrap_err()
}

/// A response to the question for A records: flags, counts of answers, what follows.
fn response(flags: u16, answers: u16, rest: &[u8]) -> Vec<u8> {
    let name = Name::read("www.example.com").unwrap();
    let mut message = query(IDS[0], &name, Kind::A);
    message[2..4].copy_from_slice(&(0x8180 | flags).to_be_bytes());
    message[6..8].copy_from_slice(&answers.to_be_bytes());
    message.extend_from_slice(rest);
    message
}

/// A record of the name in the question.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = vec![0xc0, 12];
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 60]);
    record.extend((data.len() as u16).to_be_bytes());
    record.extend_from_slice(data);
    record
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes(), message].concat()
}

#[test]
fn the_question_asks_for_recursion_and_nothing_else() {
    let words = www("x").ask(LOCAL);
    let expected = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";
    assert_eq!(words.bytes, expected);
}

#[test]
fn addresses_are_asked_for_their_names() {
    let v4 = lookup("192.0.2.80", "x").ask(LOCAL);
    assert_eq!(
        &v4.bytes[12..],
        b"\x0280\x012\x010\x03192\x07in-addr\x04arpa\0\0\x0c\0\x01"
    );
    let v6 = Name::reverse("2001:db8::1".parse().unwrap());
    assert_eq!(
        v6.to_string(),
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
    );
}

#[test]
fn the_expected_address_is_up() {
    assert_eq!(
        result(www(r"^192\.0\.2\.80$").judge(A)),
        Ok("\"www.example.com\" is 192.0.2.80".to_owned())
    );
    // An alias in front of it, and the last dot of a name, change nothing.
    assert!(result(lookup("alias.example.com.", "2.80").judge(CNAME)).is_ok());
    assert_eq!(
        result(lookup("192.0.2.80", "^www").judge(PTR)),
        Ok("\"192.0.2.80\" is www.example.com".to_owned())
    );
}

#[test]
fn without_the_expected_ipv4_address_the_ipv6_ones_are_asked_for() {
    let mut lookup = www("^2001:db8::80$");
    let Turn::Say(words) = lookup.judge(A) else {
        panic!()
    };
    assert_eq!(words.bytes[..2], IDS[1].to_be_bytes());
    assert!(words.bytes.ends_with(b"\x03com\0\0\x1c\0\x01"));
    // The first answer, come twice, is none to the second question.
    assert_eq!(lookup.judge(A), Turn::Listen);
    assert!(result(lookup.judge(AAAA)).is_ok());

    let mut lookup = www("^203");
    assert!(matches!(lookup.judge(A), Turn::Say(_)));
    let expected = "\"www.example.com\" is 192.0.2.80, which does not match \"^203\"";
    assert_eq!(lookup.doubt().unwrap(), expected);
    assert_eq!(
        reason(lookup.judge(AAAA)),
        "\"www.example.com\" is 192.0.2.80, 2001:db8::80, which does not match \"^203\""
    );
}

#[test]
fn every_refusal_has_its_own_reason() {
    assert_eq!(
        reason(lookup("gone.example.com", "x").judge(NXDOMAIN)),
        "NXDOMAIN: the name does not exist (\"gone.example.com\")"
    );
    for (code, expected) in [
        (1, "FORMERR: "),
        (2, "SERVFAIL: "),
        (4, "NOTIMP: "),
        (5, "REFUSED: "),
        (9, "the server answered with the error code 9"),
    ] {
        let found = reason(www("x").judge(&response(code, 0, b"")));
        assert!(found.starts_with(expected), "{found}");
    }
    // An error need not repeat the question.
    let bare = b"\x12\x34\x80\x05\0\0\0\0\0\0\0\0";
    assert!(reason(www("x").judge(bare)).starts_with("REFUSED"));
    let mut nothing = www("x");
    nothing.judge(&response(0, 0, b""));
    assert_eq!(
        nothing.doubt().unwrap(),
        "no A record for \"www.example.com\""
    );
    let none = with_id(&response(0, 0, b""), IDS[1]);
    let mut none_either = none.clone();
    let kind = none.len() - 4;
    none_either[kind..kind + 2].copy_from_slice(&28_u16.to_be_bytes());
    assert_eq!(
        reason(nothing.judge(&none_either)),
        "no A or AAAA record for \"www.example.com\""
    );
}

#[test]
fn what_answers_something_else_is_passed_over_and_told_of() {
    let other_name = with_id(CNAME, IDS[0]);
    let question = query(IDS[0], &Name::read("www.example.com").unwrap(), Kind::A);
    let bare = b"\x12\x34\x80\0\0\0\0\0\0\0\0\0";
    for (message, doubt) in [
        (
            &with_id(A, 7)[..],
            "what came has another identifier than the question",
        ),
        (
            &question,
            "what came has another identifier than the question",
        ),
        (b"", "what came has another identifier than the question"),
        (&other_name, "what came answers another question"),
        (bare, "what came answers another question"),
    ] {
        let mut lookup = www("192");
        assert_eq!(lookup.judge(message), Turn::Listen, "{message:?}");
        assert_eq!(lookup.doubt().unwrap(), doubt);
    }
    // Letters of another case are the same name.
    let loud = [&A[..12], &A[12..29].to_ascii_uppercase(), &A[29..]].concat();
    assert!(result(www("192").judge(&loud)).is_ok());
}

#[test]
fn malformed_answers_are_down() {
    for rest in [
        &record(1, &[192, 0, 2])[..],
        &[0xc0, 0xff, 0, 1, 0, 1],
        // Pointers to themselves, forward, and a label of a kind that does not exist.
        &[0xc0, 33, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0],
        &[0xc0, 40, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0],
        &[0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0],
        b"",
    ] {
        let found = reason(www("x").judge(&response(0, 1, rest)));
        assert_eq!(found, "the answer is malformed", "{rest:?}");
    }
    let two_questions = [&A[..4], &[0, 2], &A[6..]].concat();
    assert_eq!(
        reason(www("x").judge(&two_questions)),
        "the answer is malformed"
    );
}

#[test]
fn names_are_bounded() {
    // 16 labels of 63 bytes, each name pointing to the one before.
    let mut rest = vec![0, 0, 16, 0, 1, 0, 0, 0, 0];
    let mut chain = Vec::new();
    let mut previous = None;
    let begin = response(0, 0, b"").len() + rest.len() + 2;
    for _ in 0..16 {
        let at = begin + chain.len();
        chain.push(63);
        chain.extend([b'a'; 63]);
        match previous {
            None => chain.push(0),
            Some(to) => chain.extend((0xc000 | to as u16).to_be_bytes()),
        }
        previous = Some(at);
    }
    rest.extend((chain.len() as u16).to_be_bytes());
    rest.extend(chain);
    let last = (0xc000 | previous.unwrap() as u16).to_be_bytes();
    rest.extend([&last[..], &[0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 192, 0, 2, 1]].concat());
    assert_eq!(
        reason(www("x").judge(&response(0, 2, &rest))),
        "the answer is malformed"
    );
    for bad in ["", "..", "a..b", &"a".repeat(64), &"a.".repeat(128)] {
        let matcher = pattern::compile(&Pattern("x".to_owned())).unwrap();
        assert!(Lookup::new(bad, matcher, IDS).is_err(), "{bad}");
    }
    assert!(Name::read(&"a.".repeat(127)).is_some());
}

#[test]
fn names_show_no_control_bytes() {
    let data = b"\x05a\x1b[.\\\x03\xffok\0";
    let ptr = lookup("192.0.2.80", "x").ask(LOCAL).bytes;
    let mut message = [&ptr[..2], &[0x81, 0x80, 0, 1, 0, 1], &ptr[8..]].concat();
    message.extend(record(12, data));
    assert_eq!(
        read(&message, Kind::Ptr).unwrap().values,
        [r"a\027[\.\\.\255ok"]
    );
}

#[test]
fn only_so_many_records_are_read() {
    let records = record(1, &[192, 0, 2, 1]).repeat(4000);
    let answer = read(&response(0, 4000, &records), Kind::A).unwrap();
    assert_eq!(answer.values.len(), RECORDS_MAX);
    let found = excerpt_of_mismatch(&answer);
    assert!(found.len() < 400, "{found}");
}

fn excerpt_of_mismatch(answer: &Answer) -> String {
    let mut lookup = www("nowhere");
    assert!(matches!(
        lookup.judge_values(answer.values.clone()),
        Judged::Next
    ));
    lookup.doubt().unwrap()
}

#[test]
fn a_truncated_answer_is_asked_for_again_over_tcp() {
    let truncated = response(0x0200, 1, b"");
    let mut lookup = www("192");
    assert!(reason(lookup.judge(&truncated)).contains("truncated over UDP"));
    assert!(lookup.is_truncated());
    let mut stream = Stream::new(&mut lookup);
    let Turn::Say(words) = stream.begin(LOCAL) else {
        panic!()
    };
    assert_eq!(usize::from(words.bytes[1]), words.bytes.len() - 2);
    assert!(result(stream.feed(&framed(A))).is_ok());

    let mut lookup = www("192");
    let mut stream = Stream::new(&mut lookup);
    assert_eq!(
        reason(stream.feed(&framed(&truncated))),
        "the answer is truncated, although over TCP"
    );
}

#[test]
fn a_stream_may_close_at_every_byte() {
    let whole = framed(A);
    for end in 0..whole.len() {
        let mut lookup = www("192");
        let mut stream = Stream::new(&mut lookup);
        assert_eq!(stream.feed(&whole[..end]), Turn::Listen);
        let reason = stream.end().result.unwrap_err().to_string();
        assert!(reason.contains("closed without a"), "{reason}");
    }
}

#[test]
fn a_stream_keeps_one_message_at_most() {
    let mut lookup = www("192");
    let mut stream = Stream::new(&mut lookup);
    for _ in 0..100 {
        assert_eq!(stream.feed(&[0xff; 4096]), Turn::Listen);
        assert!(stream.kept() <= 2 + 65535 + 4096);
    }
    assert!(matches!(stream.feed(&framed(A)), Turn::Listen));
}

/// A name server on loopback, over UDP only, that answers what its function says to each
/// question, and its address.
fn serve(host: &str, mut answer: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) -> SocketAddr {
    let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((count, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&answer(&buffer[..count]), from);
        }
    });
    address
}

async fn ask(target: SocketAddr, timeout: Duration) -> Report {
    let probe = DnsProbe {
        transport: Transport::Udp,
        name: "www.example.com".to_owned(),
        kind: None,
        receive: Some(Pattern("^192".to_owned())),
    };
    run(target.into(), &probe, timeout).await
}

fn why(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Down(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lost_question_is_asked_again_with_the_same_identifier() {
    for host in ["127.0.0.1", "::1"] {
        let mut first = None;
        let target = serve(host, move |question| {
            match first.replace(question.to_vec()) {
                // An empty datagram answers nothing.
                None => Vec::new(),
                Some(before) if before == question => with_id(A, message_id(question)),
                Some(_) => with_id(NXDOMAIN, message_id(question)),
            }
        });
        let report = ask(target, Duration::from_secs(10)).await;
        assert_eq!(report.outcome, Outcome::Up);
        assert!(
            report.phases.total >= Duration::from_secs(1),
            "asked again at once"
        );
    }
}

fn message_id(message: &[u8]) -> u16 {
    u16::from_be_bytes([message[0], message[1]])
}

#[tokio::test]
async fn the_deadline_tells_of_answers_that_did_not_count() {
    let target = serve("127.0.0.1", |question| {
        with_id(A, message_id(question).wrapping_add(1))
    });
    let report = ask(target, Duration::from_millis(300)).await;
    assert_eq!(
        why(&report),
        "no answer within 0.3 s; what came has another identifier than the question"
    );
}

#[tokio::test]
async fn a_truncated_answer_without_tcp_says_both() {
    let target = serve("::1", |question| {
        with_id(&response(0x0200, 1, b""), message_id(question))
    });
    let report = ask(target, Duration::from_secs(10)).await;
    assert_eq!(
        why(&report),
        "the answer was truncated over UDP, and over TCP: connection refused"
    );
}

proptest! {
    #[test]
    fn pieces_change_nothing(cuts in prop::collection::vec(0..200_usize, 0..6)) {
        let stray = framed(&with_id(A, 9));
        let whole = [stray, framed(A), framed(AAAA)].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % whole.len()).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let mut lookup = www("^2001");
        let mut stream = Stream::new(&mut lookup);
        stream.begin(LOCAL);
        let mut last = Turn::Listen;
        for piece in cuts.windows(2) {
            last = stream.feed(&whole[piece[0]..piece[1]]);
            if matches!(last, Turn::Say(_)) {
                last = stream.feed(&[]);
            }
        }
        prop_assert!(result(last).is_ok());
    }

    #[test]
    fn a_datagram_cut_anywhere_or_with_any_byte_changed_is_no_panic(
        at in 0..A.len(), to: u8
    ) {
        www("192").judge(&A[..at]);
        let mut changed = A.to_vec();
        changed[at] = to;
        www("192").judge(&changed);
        lookup("192.0.2.80", "x").judge(&changed);
    }
}
