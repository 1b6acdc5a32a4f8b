//! Dialogues with listeners as the Oracle network's packets are described; no listener can
//! be installed here.

use proptest::prelude::*;

use super::*;
use crate::check::rehearsal::{Performance, drown, play, play_and_close, rehearse};
use crate::check::sql::tests::probe;
use crate::model::Database;

fn conversation(name: &str) -> Conversation {
    let mut probe = probe(Database::Oracle);
    probe.name = name.to_owned();
    Conversation::new(&probe).unwrap()
}

fn accept() -> Vec<u8> {
    // Version, options, sizes, byte order, no data.
    let content = b"\x01\x3a\0\0\x08\0\x7f\xff\x01\0\0\0\0\x20\x61\x61\0\0\0\0\0\0\0\0";
    packet(kind::ACCEPT, content)
}

fn refuse(data: &str) -> Vec<u8> {
    let length = (data.len() as u16).to_be_bytes();
    packet(
        kind::REFUSE,
        &[b"\x04\0", &length[..], data.as_bytes()].concat(),
    )
}

const RESEND: &[u8] = b"\0\x08\0\0\x0b\0\0\0";

fn answers(name: &str, bytes: &[u8]) -> Performance {
    play(&mut conversation(name), [bytes])
}

#[test]
fn a_listener_that_accepts_is_up_however_its_words_arrive() {
    let performance = rehearse(|| conversation("ORCL"), &[&accept()]);
    assert_eq!(performance.detail(), "the listener accepts the connection");
    let [connect] = &performance.said[..] else {
        panic!("{performance:?}");
    };
    let data = b"(DESCRIPTION=(CONNECT_DATA=(SID=ORCL)(CID=(PROGRAM=directord)(HOST=director)(USER=directord))))";
    assert_eq!(connect.bytes[58..], data[..]);
    let length = 58 + data.len() as u8;
    let head = [0, length, 0, 0, 1, 0, 0, 0, 1, 58, 1, 44];
    assert_eq!(connect.bytes[..12], head);
    assert_eq!(connect.bytes[24..28], [0, data.len() as u8, 0, 58]);
    let goodbye = performance.verdict.unwrap().goodbye;
    assert_eq!(goodbye, [0, 10, 0, 0, 6, 0, 0, 0, 0, 0x40]);
}

#[test]
fn a_listener_may_ask_again_or_redirect() {
    let performance = rehearse(|| conversation("ORCL"), &[RESEND, &accept()]);
    assert_eq!(performance.said[0], performance.said[1]);
    let performance = answers("ORCL", &RESEND.repeat(4));
    assert_eq!(
        performance.reason(),
        "not an answer of an Oracle listener: the same packet wanted without end"
    );
    assert_eq!(performance.said.len(), 3);
    let redirect = packet(
        kind::REDIRECT,
        b"\0\x2e(ADDRESS=(PROTOCOL=tcp)(HOST=192.0.2.7)(PORT=1))",
    );
    let performance = rehearse(|| conversation("ORCL"), &[&redirect]);
    assert!(performance.detail().contains("(HOST=192.0.2.7)"));
}

#[test]
fn a_listener_without_a_name_is_asked_for_a_sign_of_life() {
    let alive = refuse("(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=0)(ALIAS=LISTENER))");
    let performance = rehearse(|| conversation(""), &[&alive]);
    assert_eq!(performance.detail(), "the listener answers");
    assert!(
        performance.said[0]
            .bytes
            .ends_with(b"(CONNECT_DATA=(COMMAND=ping))")
    );
    assert!(
        answers("ORCL", &alive)
            .reason()
            .starts_with("the listener refuses: ORA-00000")
    );
}

#[test]
fn refusals_are_down_with_their_reason() {
    let text = "(DESCRIPTION=(TMP=)(VSNNUM=318767104)(ERR=12505)(ERROR_STACK=(ERROR=(CODE=12505)(EMFI=4))))";
    assert_eq!(
        answers("ORCL", &refuse(text)).reason(),
        format!("the listener refuses: ORA-12505, SID unknown: \"{text}\"")
    );
    let text = "(ERR=12514)";
    assert_eq!(
        answers("ORCL", &refuse(text)).reason(),
        "the listener refuses: ORA-12514, service unknown: \"(ERR=12514)\""
    );
    for odd in ["", "(ERR=", "(ERR=x)", "(ERR=99999999999)", "\0\u{1b}"] {
        let performance = answers("ORCL", &refuse(odd));
        assert!(
            performance
                .reason()
                .starts_with("the listener refuses: no error code")
        );
    }
    for (bytes, expected) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            "\"HTTP/1.1 400 Bad Request\\r\\n\"",
        ),
        (
            b"\0\x07\0\0\x02\0\0\0",
            "\"\\u{0}\\u{7}\\u{0}\\u{0}\\u{2}\\u{0}\\u{0}\\u{0}\"",
        ),
        (b"\0\x08\0\0\x09\0\0\0", "a packet of type 9"),
    ] {
        let expected = format!("not an answer of an Oracle listener: {expected}");
        assert_eq!(answers("ORCL", bytes).reason(), expected);
    }
}

#[test]
fn names_cannot_change_what_is_asked() {
    let mut probe = probe(Database::Oracle);
    for name in ["a)(b=c", "a b", "a\0", "ä", &"x".repeat(101)] {
        probe.name = name.to_owned();
        assert!(Conversation::new(&probe).is_err(), "{name}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    for endless in [&b"\x1f"[..], b"\0", RESEND] {
        let machine = conversation("ORCL");
        let performance = drown(machine, &[], endless, Conversation::kept, KEPT_MAX + 4096);
        assert!(
            performance
                .verdict
                .is_some_and(|verdict| verdict.result.is_err())
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        kind in 0..13_u8,
        size in 1..50_usize,
    ) {
        let all = packet(kind, &bytes);
        let mut machine = conversation("ORCL");
        play_and_close(&mut machine, all.chunks(size));
        prop_assert!(machine.kept() <= KEPT_MAX);
    }
}
