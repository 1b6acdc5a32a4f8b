//! Recorded answers of kamailio 5.6, wrong ones, and answers cut, split and endless.

use proptest::prelude::*;

use super::*;

const OK: &[u8] = include_bytes!("../../../fuzz/seeds/sip/ok");
const OK_TCP: &[u8] = include_bytes!("../../../fuzz/seeds/sip/ok_tcp");
const FORBIDDEN: &[u8] = include_bytes!("../../../fuzz/seeds/sip/forbidden");

/// Of the request that was answered in the recordings.
const RANDOM: [u8; 24] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
];
const CALL_ID: &str = "0c0d0e0f1011121314151617";

fn options(transport: Transport) -> Options {
    Options::new("monitor@example.com", transport, RANDOM)
}

fn response(line: &str, headers: &str) -> Vec<u8> {
    format!("{line}\r\nCall-ID: {CALL_ID}\r\n{headers}\r\n").into_bytes()
}

fn result(turn: Turn) -> Result<String, String> {
    match turn {
        Turn::Over(verdict) => verdict.result.map_err(|reason| reason.to_string()),
        other => panic!("{other:?}"),
    }
}

fn of_datagram(datagram: &[u8]) -> (Turn, Option<String>) {
    let mut options = options(Transport::Udp);
    (options.judge(datagram), options.doubt())
}

fn of_stream(bytes: &[u8]) -> Turn {
    options(Transport::Tcp).feed(bytes)
}

#[test]
fn the_request_names_its_own_transport_address_and_marks() {
    let local = "[2001:db8::1]:40000".parse().unwrap();
    let text = |transport| String::from_utf8(options(transport).ask(local).bytes).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        text(Transport::Udp),
        format!(
            "OPTIONS sip:monitor@example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP [2001:db8::1]:40000;branch=z9hG4bK0001020304050607;rport\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:monitor@example.com>\r\n\
             From: <sip:monitor@example.com>;tag=08090a0b\r\n\
             Call-ID: {CALL_ID}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Contact: <sip:[2001:db8::1]:40000>\r\n\
             Accept: application/sdp\r\n\
             User-Agent: directord/{version}\r\n\
             Content-Length: 0\r\n\r\n"
        )
    );
    let tcp = text(Transport::Tcp);
    assert!(tcp.contains("\r\nVia: SIP/2.0/TCP [2001:db8::1]:40000;"));
    assert!(tcp.contains("\r\nContact: <sip:[2001:db8::1]:40000;transport=tcp>\r\n"));
}

#[test]
fn a_user_cannot_write_headers() {
    let options = Options::new("a\r\nX: <b>@c", Transport::Udp, RANDOM);
    let request = options.request("127.0.0.1:1".parse().unwrap()).bytes;
    assert!(request.starts_with(b"OPTIONS sip:a%0D%0AX:%20%3Cb%3E@c SIP/2.0\r\n"));
}

#[test]
fn ok_is_up_and_everything_else_is_down() {
    let up = Ok("answered \"SIP/2.0 200 OK\"".to_owned());
    assert_eq!(result(of_datagram(OK).0), up);
    assert_eq!(result(of_stream(OK_TCP)), up);
    // The words behind the code are the server's own business.
    assert!(result(of_stream(&response("SIP/2.0 200 Bonjour", ""))).is_ok());
    assert!(result(of_stream(&response("SIP/2.0 200", ""))).is_ok());
    let forbidden = Err("the answer to OPTIONS is \"SIP/2.0 403 Forbidden\"".to_owned());
    assert_eq!(result(of_datagram(FORBIDDEN).0), forbidden);
    for line in ["SIP/2.0 202 Accepted", "SIP/2.0 302 Moved", "SIP/2.0 503 x"] {
        let reason = result(of_stream(&response(line, ""))).unwrap_err();
        assert!(reason.contains(line), "{reason}");
    }
}

#[test]
fn provisional_answers_are_waited_out() {
    let trying = response("SIP/2.0 100 Trying", "l: 4\r\n");
    let (turn, doubt) = of_datagram(&trying);
    assert_eq!(turn, Turn::Listen);
    assert_eq!(
        doubt.unwrap(),
        "only a provisional answer came: \"SIP/2.0 100 Trying\""
    );
    let mut options = options(Transport::Tcp);
    let both = [&trying[..], b"body", OK_TCP].concat();
    assert!(result(options.feed(&both)).is_ok());
    let mut options = self::options(Transport::Tcp);
    assert_eq!(options.feed(&trying), Turn::Listen);
    let reason = options.end().result.unwrap_err().to_string();
    assert!(reason.starts_with("the server closed; only a provisional"));
}

#[test]
fn what_belongs_to_somebody_else_is_passed_over() {
    let other = String::from_utf8(OK.to_vec())
        .unwrap()
        .replace(CALL_ID, "x");
    let (turn, doubt) = of_datagram(other.as_bytes());
    assert_eq!(turn, Turn::Listen);
    assert_eq!(
        doubt.unwrap(),
        "what came has another Call-ID: \"SIP/2.0 200 OK\""
    );
    let request = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: x\r\n\r\n";
    let (turn, doubt) = of_datagram(request);
    assert_eq!(turn, Turn::Listen);
    assert!(doubt.unwrap().starts_with("the server sent a request"));
    let all = [other.as_bytes(), request, b"\r\n\r\n", OK_TCP].concat();
    assert!(result(of_stream(&all)).is_ok());
    // The compact form is the same header.
    let compact = format!("SIP/2.0 200 OK\ni : {CALL_ID}\n\n");
    assert!(result(of_stream(compact.as_bytes())).is_ok());
}

#[test]
fn bytes_that_are_no_sip_are_told_of() {
    for (bytes, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
            "the answer is not SIP: \"HTTP/1.1 400 Bad Request\"",
        ),
        (b"\x15\x03\x01\0\x02\x02\x16\n", "the answer is not SIP: "),
        (b"\0\0\0\0", "the answer is not SIP: "),
        (b"\xff\xfe\n", "the answer is not SIP: "),
        (b"SIP/2.0 20 OK\r\n\r\n", "the answer is not SIP: "),
        (b"SIP/2.0 2000 OK\r\n\r\n", "the answer is not SIP: "),
        (b"SIP/2.0 099 OK\r\n\r\n", "the answer is not SIP: "),
        (
            &response("SIP/2.0 200 OK", "Content-Length: -1\r\n"),
            "the answer has an impossible Content-Length",
        ),
        (
            &response("SIP/2.0 100 Trying", "l: 99999999999999999999\r\n"),
            "the answer has an impossible Content-Length",
        ),
    ] {
        let reason = result(of_stream(bytes)).unwrap_err();
        assert!(reason.starts_with(expected), "{reason}");
        let (turn, doubt) = of_datagram(bytes);
        assert_eq!(turn, Turn::Listen, "anybody can send a datagram");
        assert!(doubt.unwrap().starts_with(expected));
    }
}

#[test]
fn an_endless_head_ends() {
    for (begin, piece) in [
        ("SIP/2.0 200 OK\r\n", "X: y\r\n"),
        ("SIP/2.0 200 OK\r\nX: ", "one endless header "),
        ("SIP/2.0 200 ", "one endless line "),
    ] {
        let mut options = options(Transport::Tcp);
        assert_eq!(options.feed(begin.as_bytes()), Turn::Listen);
        let mut rounds = 0;
        let turn = loop {
            let turn = options.feed(piece.as_bytes());
            rounds += 1;
            assert!(rounds < HEAD_MAX && options.kept() <= HEAD_MAX + piece.len());
            if turn != Turn::Listen {
                break turn;
            }
        };
        let reason = result(turn).unwrap_err();
        assert!(reason.contains("longer than 16384 bytes"), "{reason}");
    }
}

#[test]
fn blank_lines_without_end_are_not_kept() {
    let mut options = options(Transport::Tcp);
    for _ in 0..100 {
        assert_eq!(options.feed(&b"\r\n".repeat(1000)), Turn::Listen);
    }
    assert!(options.kept() <= 2);
    assert!(result(options.feed(OK_TCP)).is_ok());
}

#[test]
fn a_stream_may_close_at_every_byte() {
    for end in 0..OK_TCP.len() {
        let mut options = options(Transport::Tcp);
        assert_eq!(options.feed(&OK_TCP[..end]), Turn::Listen, "{end}");
        let reason = options.end().result.unwrap_err().to_string();
        assert!(
            reason == format!("answer stopped after {}", Bytes(end as u64))
                || end == 0 && reason.contains("closed without an answer"),
            "{reason}"
        );
        let (turn, doubt) = of_datagram(&OK_TCP[..end]);
        assert_eq!(turn, Turn::Listen);
        assert!(doubt.unwrap().contains("no whole SIP message"));
    }
}

proptest! {
    #[test]
    fn pieces_change_nothing(cuts in prop::collection::vec(0..2000_usize, 0..6)) {
        let stray = b"\r\n\r\nSIP/2.0 200 OK\r\nCall-ID: other\r\nContent-Length: 5\r\n\r\n12345";
        let trying = response("SIP/2.0 180 Ringing", "");
        let whole = [&stray[..], &trying, FORBIDDEN].concat();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % whole.len()).collect();
        cuts.extend([0, whole.len()]);
        cuts.sort_unstable();
        let mut options = options(Transport::Tcp);
        let mut last = Turn::Listen;
        for piece in cuts.windows(2) {
            prop_assert_eq!(last, Turn::Listen);
            last = options.feed(&whole[piece[0]..piece[1]]);
        }
        prop_assert!(result(last).unwrap_err().contains("403"));
    }

    #[test]
    fn any_byte_changed_is_no_panic(at in 0..OK.len(), to: u8) {
        let mut changed = OK.to_vec();
        changed[at] = to;
        of_datagram(&changed);
        of_stream(&changed);
    }
}
