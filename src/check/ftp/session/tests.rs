//! Recorded sessions, and what servers do wrong.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::model::Pattern;

/// What the server does, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    Control(Vec<u8>),
    Data(Vec<u8>),
    DataEnd,
}

#[derive(Debug, PartialEq, Eq)]
struct Told {
    result: Result<String, String>,
    said: String,
    shown: String,
    port: Option<u16>,
    /// Whether the end of the control connection was needed for the verdict.
    at_end: bool,
}

fn probe(path: &str, receive: Option<&str>) -> FtpProbe {
    FtpProbe {
        login: Some(Login {
            name: "monitor".to_owned(),
            password: Secret::new("hidden"),
        }),
        path: path.to_owned(),
        receive: receive.map(|text| Pattern(text.to_owned())),
    }
}

fn session(probe: &FtpProbe) -> Session {
    Session::new(probe, "director.example.net").unwrap()
}

/// Plays the events, then the end of the control connection. Data wait for a connection.
fn play(session: &mut Session, events: &[Event]) -> Told {
    let (mut said, mut shown) = (Vec::new(), Vec::new());
    let mut events = events.iter();
    let mut port = None;
    let mut step = Step::Listen;
    let (verdict, at_end) = loop {
        step = match step {
            Step::Over(verdict) => break (verdict, false),
            Step::Say(words) => {
                said.extend_from_slice(&words.bytes);
                shown.extend_from_slice(words.shown());
                session.feed(&[])
            }
            Step::Connect(to) => {
                port = Some(to);
                session.opened()
            }
            Step::Listen => match events.next() {
                Some(Event::Control(bytes)) => session.feed(bytes),
                Some(Event::Data(bytes)) => session.data(bytes),
                Some(Event::DataEnd) => session.data_end(),
                None => break (session.end(), true),
            },
        };
        assert!(session.kept() <= FILE_MAX + 64 * 1024);
    };
    for words in [&mut said, &mut shown] {
        words.extend_from_slice(&verdict.goodbye);
    }
    Told {
        result: verdict.result.map_err(|reason| reason.to_string()),
        said: String::from_utf8(said).unwrap(),
        shown: String::from_utf8(shown).unwrap(),
        port,
        at_end,
    }
}

fn control(text: &str) -> Event {
    Event::Control(text.as_bytes().to_vec())
}

const LOGIN: &str = "220 (vsFTPd 3.0.3)\r\n331 Please specify the password.\r\n\
    230 Login successful.\r\n200 Switching to Binary mode.\r\n";
const EPSV: &str = "229 Entering Extended Passive Mode (|||30893|)\r\n";
const BEGIN: &str = "150 Opening BINARY mode data connection for status.txt (12 bytes).\r\n";

fn recording() -> Vec<Event> {
    vec![
        control(LOGIN),
        control(EPSV),
        control(BEGIN),
        Event::Data(b"all is well\n".to_vec()),
        Event::DataEnd,
        control("226 Transfer complete.\r\n"),
    ]
}

fn told(probe: &FtpProbe, replies: &str) -> Told {
    play(&mut session(probe), &[control(replies)])
}

fn reason(probe: &FtpProbe, replies: &str) -> String {
    told(probe, replies).result.unwrap_err()
}

/// Cuts what is said into pieces of at most this many bytes.
fn in_pieces(events: &[Event], size: usize) -> Vec<Event> {
    let cut = |bytes: &[u8], make: fn(Vec<u8>) -> Event| -> Vec<Event> {
        bytes
            .chunks(size)
            .map(|piece| make(piece.to_vec()))
            .collect()
    };
    let pieces = events.iter().map(|event| match event {
        Event::Control(bytes) => cut(bytes, Event::Control),
        Event::Data(bytes) => cut(bytes, Event::Data),
        Event::DataEnd => vec![Event::DataEnd],
    });
    pieces.flatten().collect()
}

#[test]
fn a_recorded_file_is_up_however_it_comes() {
    let probe = probe("status.txt", Some("^all is well$"));
    let whole = play(&mut session(&probe), &recording());
    assert_eq!(whole.result, Ok("/status.txt has 12 bytes".to_owned()));
    assert_eq!(whole.port, Some(30893));
    assert_eq!(
        whole.said,
        "USER monitor\r\nPASS hidden\r\nTYPE I\r\nEPSV\r\nRETR /status.txt\r\nQUIT\r\n"
    );
    assert_eq!(whole.shown, whole.said.replace("hidden", "***"));
    for size in 1..100 {
        let pieces = in_pieces(&recording(), size);
        assert_eq!(play(&mut session(&probe), &pieces), whole, "{size}");
    }
}

#[test]
fn the_two_connections_may_end_in_any_order() {
    let probe = probe("status.txt", Some("well"));
    let early = [
        control(&format!("{LOGIN}{EPSV}{BEGIN}226 Transfer complete.\r\n")),
        Event::Data(b"all is well\n".to_vec()),
        Event::DataEnd,
    ];
    let told = play(&mut session(&probe), &early);
    assert_eq!(told.result, Ok("/status.txt has 12 bytes".to_owned()));
}

#[test]
fn a_close_at_any_byte_is_down() {
    let events = in_pieces(&recording(), 1);
    for length in 0..events.len() {
        let probe = probe("status.txt", None);
        let part = play(&mut session(&probe), &events[..length]);
        assert!(part.at_end && part.result.is_err(), "{length}: {part:?}");
    }
}

#[test]
fn anonymous_is_the_default() {
    let mut probe = probe("", None);
    probe.login = None;
    let told = told(&probe, LOGIN);
    assert_eq!(told.result, Ok("logged in as anonymous".to_owned()));
    assert_eq!(
        told.said,
        "USER anonymous\r\nPASS ldirectord@director.example.net\r\nQUIT\r\n"
    );
}

#[test]
fn without_a_file_the_login_is_enough() {
    let told = told(&probe("", None), "220 a\r\n230 no password needed\r\n");
    assert_eq!(told.result, Ok("logged in as monitor".to_owned()));
    assert_eq!(told.said, "USER monitor\r\nQUIT\r\n");
    assert_eq!(
        reason(&probe("", Some("well")), LOGIN),
        "logged in as monitor, but no file is requested in which to find \"well\""
    );
}

#[test]
fn pasv_is_the_second_try_and_its_address_is_not_used() {
    let probe = probe("status.txt", None);
    for refusal in ["500 what", "229 Entering (|||0|)", "229 no port", "522 (1)"] {
        for (answer, port) in [
            ("227 Entering Passive Mode (198,51,100,7,120,173).", 30893),
            ("227 =203,0,113,9,4,1", 1025),
            ("227 at 2 o'clock: 0,0,0,0,0,21 is it", 21),
        ] {
            let replies = format!("{LOGIN}{refusal}\r\n{answer}\r\n");
            let told = told(&probe, &replies);
            assert_eq!(told.port, Some(port), "{answer}");
            assert!(told.said.ends_with("EPSV\r\nPASV\r\nRETR /status.txt\r\n"));
        }
    }
}

#[test]
fn answers_without_a_usable_port_are_refused() {
    let probe = probe("status.txt", None);
    for answer in [
        "227 (1,2,3,4,5)",
        "227 (1,2,3,4,5,6,7)",
        "227 (1,2,3,4,256,1)",
        "227 (1,2,3,4,0,0)",
        "227 (1,2,3,4,99999999999999999999,1)",
        "227",
        "200 (1,2,3,4,5,",
    ] {
        let reason = reason(&probe, &format!("{LOGIN}500 no\r\n{answer}\r\n"));
        let expected = format!("logged in, but no port in the answer to PASV: \"{answer}\"");
        assert_eq!(reason, expected);
    }
    let refused = reason(&probe, &format!("{LOGIN}500 no\r\n425 none\r\n"));
    assert_eq!(refused, "logged in, but PASV is refused: \"425 none\"");
    for bad in [
        "229 (|||+21|)",
        "229 (|||21",
        "229 (||x|21|)",
        "229 (|||70000|)",
        "229 (",
    ] {
        assert_eq!(
            told(&probe, &format!("{LOGIN}{bad}\r\n")).port,
            None,
            "{bad}"
        );
    }
    assert_eq!(
        told(&probe, &format!("{LOGIN}229 ok (!!!21!)\r\n")).port,
        Some(21)
    );
}

#[test]
fn refusals_are_told_in_the_servers_words() {
    let probe = probe("status.txt", Some("well"));
    let transfer = format!("{LOGIN}{EPSV}");
    for (replies, expected) in [
        ("530 no\r\n", "connected, but the greeting is \"530 no\""),
        (
            "421 full\r\n",
            "connected, but the greeting is \"421 full\"",
        ),
        (
            "SSH-2.0-x\r\n",
            "connected, but the greeting is not FTP: \"SSH-2.0-x\"",
        ),
        ("220 a\r\n530 not you\r\n", "login refused: \"530 not you\""),
        ("220 a\r\n332 account\r\n", "login refused: \"332 account\""),
        (
            "220 a\r\n331 b\r\n331 more\r\n",
            "login refused: \"331 more\"",
        ),
        (
            "220 a\r\n331 b\r\n530 not hidden\r\n",
            "login refused: \"530 not ***\"",
        ),
        (
            "220 a\r\n331 b\r\n421 bye\r\n",
            "the server closes the connection: \"421 bye\"",
        ),
        (
            &format!("{transfer}550 Failed to open file.\r\n"),
            "/status.txt cannot be fetched: \"550 Failed to open file.\"",
        ),
        (
            &format!("{transfer}{BEGIN}426 broken\r\n"),
            "/status.txt cannot be fetched: \"426 broken\"",
        ),
        (
            "220 a\r\n",
            "the server closed the connection without an answer to USER",
        ),
        (&"120 wait\r\n".repeat(200), "more than 100 replies"),
    ] {
        assert_eq!(reason(&probe, replies), expected);
    }
}

#[test]
fn other_contents_are_down() {
    let probe = probe("status.txt", Some("^all is lost"));
    let told = play(&mut session(&probe), &recording());
    assert_eq!(
        told.result,
        Err("/status.txt has 12 bytes, but they do not match \"^all is lost\"".to_owned())
    );
    assert!(told.said.ends_with("QUIT\r\n"));
}

#[test]
fn endless_files_end() {
    let begin = control(&format!("{LOGIN}{EPSV}{BEGIN}"));
    let events: Vec<Event> = std::iter::once(begin)
        .chain(std::iter::repeat_n(
            Event::Data(vec![b'x'; 16 * 1024]),
            1000,
        ))
        .collect();
    for (receive, expected) in [
        (None, Ok("/big begins with 262144 bytes".to_owned())),
        (Some("xx"), Ok("/big begins with 262144 bytes".to_owned())),
        (
            Some("y"),
            Err("/big begins with 262144 bytes, but they do not match \"y\"".to_owned()),
        ),
        (
            Some("(x)y\\1"),
            Err("/big begins with 32768 bytes, but they do not match \"(x)y\\1\"".to_owned()),
        ),
    ] {
        let told = play(&mut session(&probe("big", receive)), &events);
        assert_eq!(told.result, expected);
    }
}

#[test]
fn an_unreachable_data_port_is_named() {
    let mut session = session(&probe("status.txt", None));
    let mut step = session.feed(format!("{LOGIN}{EPSV}").as_bytes());
    while let Step::Say(_) = step {
        step = session.feed(&[]);
    }
    assert_eq!(step, Step::Connect(30893));
    assert_eq!(session.awaited(), "data connection to port 30893");
    let Step::Over(verdict) = session.unreachable(&Reason::new("connection refused")) else {
        panic!("not over");
    };
    assert_eq!(
        verdict.result.unwrap_err().as_str(),
        "logged in, but no data connection to port 30893: connection refused"
    );
}

#[test]
fn what_is_missing_has_a_name() {
    let mut session = session(&probe("status.txt", None));
    assert_eq!(session.awaited(), "greeting");
    play(&mut session, &[control(&format!("{LOGIN}{EPSV}{BEGIN}"))]);
    assert_eq!(session.awaited(), "answer to RETR");
    session.data(b"all");
    assert_eq!(session.awaited(), "end of the file after 3 bytes");
    session.data_end();
    assert_eq!(session.awaited(), "reply that the file is complete");
}

#[test]
fn what_ftp_cannot_carry_is_not_the_servers_fault() {
    for path in ["a\r\nDELE b", "a\n", "a\0b"] {
        assert!(Session::new(&probe(path, None), "host").is_err());
    }
    assert!(Session::new(&probe("a", Some("(")), "host").is_err());
}

#[test]
fn hostile_bytes_never_panic() {
    let event = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Event::Control),
        "[1-5][0-9][0-9][ -][(|,0-9]{0,30}\r?\n".prop_map(|text| control(&text)),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Event::Data),
        Just(Event::DataEnd),
        Just(control(LOGIN)),
        Just(control(EPSV)),
    ];
    let events = proptest::collection::vec(event, 0..20);
    TestRunner::default()
        .run(&events, |events| {
            play(&mut session(&probe("x", Some("y"))), &events);
            Ok(())
        })
        .unwrap();
}
