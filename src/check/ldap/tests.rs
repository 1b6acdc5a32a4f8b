//! Dialogues with directories, most of them hostile.

use proptest::prelude::*;

use super::ber::{ENUMERATED, INTEGER, OCTETS, SEQUENCE, element, group};
use super::*;
use crate::check::rehearsal::{Performance, drown, play, play_and_close, rehearse};
use crate::model::{Login, Pattern, Secret};

const WEB: &str = "ou=web,dc=example,dc=com";

fn probe(receive: Option<&str>) -> LdapProbe {
    LdapProbe {
        tls: None,
        bind: Some(Login {
            name: "cn=monitor".to_owned(),
            password: Secret::new("secret"),
        }),
        base: WEB.to_owned(),
        receive: receive.map(|text| Pattern(text.to_owned())),
    }
}

fn conversation(receive: Option<&str>) -> Conversation {
    Conversation::new(&probe(receive)).unwrap()
}

fn message(id: u8, tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    group(SEQUENCE, &[element(INTEGER, &[id]), group(tag, parts)])
}

fn done(id: u8, tag: u8, code: u8, text: &str) -> Vec<u8> {
    let code = element(ENUMERATED, &[code]);
    message(
        id,
        tag,
        &[code, element(OCTETS, b""), element(OCTETS, text.as_bytes())],
    )
}

fn bound() -> Vec<u8> {
    done(1, 0x61, 0, "")
}

fn entry(dn: &[u8]) -> Vec<u8> {
    message(2, 0x64, &[element(OCTETS, dn), group(SEQUENCE, &[])])
}

fn found() -> Vec<u8> {
    done(2, 0x65, 0, "")
}

fn answers(parts: &[Vec<u8>]) -> Performance {
    play(
        &mut conversation(Some("^ou=web")),
        parts.iter().map(Vec::as_slice),
    )
}

#[test]
fn a_directory_with_the_entry_is_up_however_its_words_arrive() {
    let lines = [bound(), [entry(WEB.as_bytes()), found()].concat()];
    let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
    let performance = rehearse(|| conversation(Some("^ou=web")), &lines);
    assert_eq!(performance.detail(), format!("found the entry \"{WEB}\""));
    // As OpenLDAP's ldapsearch asks, but for names, size limit and attributes.
    let search = b"\x30\x42\x02\x01\x02\x63\x3d\x04\x18ou=web,dc=example,dc=com\
        \x0a\x01\x00\x0a\x01\x02\x02\x01\x02\x02\x01\x00\x01\x01\xff\
        \x87\x0bobjectClass\x30\x05\x04\x031.1";
    let [bind, asked] = &performance.said[..] else {
        panic!("{performance:?}");
    };
    assert_eq!(
        bind.bytes,
        b"\x30\x1c\x02\x01\x01\x60\x17\x02\x01\x03\x04\x0acn=monitor\x80\x06secret"
    );
    assert_eq!(asked.bytes[..], search[..]);
    let goodbye = &performance.verdict.as_ref().unwrap().goodbye;
    assert_eq!(goodbye[..], b"\x30\x05\x02\x01\x03\x42\x00"[..]);
    let shown = String::from_utf8_lossy(&performance.shown()).into_owned();
    assert!(
        shown.contains("***") && !shown.contains("secret"),
        "{shown}"
    );
}

#[test]
fn without_login_nobody_in_particular_binds() {
    let mut probe = probe(None);
    probe.bind = None;
    let mut conversation = Conversation::new(&probe).unwrap();
    let lines = [bound(), entry(WEB.as_bytes()), found()];
    let performance = play(&mut conversation, lines.iter().map(Vec::as_slice));
    assert_eq!(
        performance.said[0].bytes,
        b"\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"
    );
    assert!(performance.detail().contains("ou=web"));
}

#[test]
fn wrong_answers_are_down_with_their_reason() {
    let web = || entry(WEB.as_bytes());
    let referral = {
        let urls = group(0xa3, &[element(OCTETS, b"ldap://192.0.2.9/")]);
        let parts = [
            element(ENUMERATED, &[10]),
            element(OCTETS, b""),
            element(OCTETS, b""),
            urls,
        ];
        message(2, 0x65, &parts)
    };
    let reference = message(2, 0x73, &[element(OCTETS, b"ldap://192.0.2.8/")]);
    for (parts, expected) in [
        (
            vec![done(1, 0x61, 49, "go away")],
            "bind refused: invalid credentials (49): \"go away\"",
        ),
        (
            vec![done(1, 0x61, 99, "")],
            "bind refused: unknown result (99)",
        ),
        (vec![bound(), found()], "no entry"),
        (vec![bound(), web(), web(), found()], "more than one entry"),
        (
            vec![bound(), done(2, 0x65, 32, "")],
            "search failed: no such object (32)",
        ),
        (
            vec![bound(), web(), done(2, 0x65, 4, "")],
            "search failed: size limit exceeded (4)",
        ),
        (
            vec![bound(), entry(b"ou=mail"), found()],
            "the entry found is \"ou=mail\", which does not match \"^ou=web\"",
        ),
        (
            vec![bound(), entry(b"\xff\0\n"), found()],
            "the entry found is \"\u{fffd}\\u{0}\\n\", which does not match \"^ou=web\"",
        ),
        (
            vec![bound(), referral],
            "search failed: referral (10) to \"ldap://192.0.2.9/\"",
        ),
        (
            vec![bound(), reference, found()],
            "no entry: the server refers to \"ldap://192.0.2.8/\"",
        ),
        (
            vec![message(
                0,
                0x78,
                &[
                    element(ENUMERATED, &[52]),
                    element(OCTETS, b""),
                    element(OCTETS, b"shutting down"),
                ],
            )],
            "the server hangs up: unavailable (52): \"shutting down\"",
        ),
        (
            vec![b"\x15\x03\x01\0\x02\x02\x32".to_vec()],
            "not an LDAP answer: \"\\u{15}\\u{3}\\u{1}\\u{0}\\u{2}\\u{2}2\"",
        ),
        (
            vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()],
            "not an LDAP answer: \"HTTP/1.1 400 Bad Request\\r\\n\"",
        ),
        (
            vec![b"\x30\x84\x7f\xff\xff\xff".to_vec()],
            "not an LDAP answer: an element of 2147483647 bytes",
        ),
        (
            vec![b"\x30\x80".to_vec()],
            "not an LDAP answer: a length of a form that LDAP forbids",
        ),
        (
            vec![b"\x30\x03\x02\x01\x01".to_vec()],
            "not an LDAP answer: an element that is cut short",
        ),
        (
            vec![b"\x30\x03\x04\x01\x01".to_vec()],
            "not an LDAP answer: an element of another kind than expected",
        ),
    ] {
        assert_eq!(answers(&parts).reason(), expected);
    }
}

#[test]
fn answers_to_nothing_are_passed_over() {
    // An intermediate response, a result of a search that was not asked for yet, one of
    // another number.
    let noise = [
        message(2, 0x79, &[]),
        done(2, 0x65, 0, ""),
        done(9, 0x61, 49, ""),
    ]
    .concat();
    let lines = [
        noise.clone(),
        bound(),
        noise,
        entry(WEB.as_bytes()),
        found(),
    ];
    // The search result in the noise comes while a search runs: no entry yet.
    assert_eq!(answers(&lines).reason(), "no entry");
    let noise = [message(2, 0x79, &[]), done(9, 0x61, 49, "")].concat();
    let lines = [
        noise.clone(),
        bound(),
        noise,
        entry(WEB.as_bytes()),
        found(),
    ];
    assert!(answers(&lines).detail().contains("ou=web"));
}

#[test]
fn what_is_kept_is_bounded() {
    let large = message(7, 0x61, &[element(OCTETS, &vec![b'x'; 60_000])]);
    let kept = Conversation::kept;
    for endless in [&large[..], b"\x30\x83\x00\xff\xff", b"\x30"] {
        let machine = conversation(None);
        let performance = drown(machine, &[], endless, kept, KEPT_MAX);
        assert!(
            performance
                .verdict
                .is_none_or(|verdict| verdict.result.is_err())
        );
    }
    let dn = entry(&vec![b'x'; 60_000]);
    let performance = drown(conversation(None), &[&bound()], &dn, kept, KEPT_MAX);
    assert_eq!(performance.reason(), "more than one entry");
}

#[test]
fn a_pattern_that_takes_too_long_is_given_up() {
    let mut conversation = conversation(Some(r"(x*)*\1y"));
    let lines = [bound(), entry(&[b'x'; 3000]), found()];
    let performance = play(&mut conversation, lines.iter().map(Vec::as_slice));
    assert!(performance.reason().contains("backtracking"));
    assert!(Conversation::new(&probe(Some("("))).is_err());
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        bound_first in any::<bool>(),
        size in 1..50_usize,
    ) {
        let opening = if bound_first { bound() } else { Vec::new() };
        let all = [opening, bytes].concat();
        let mut machine = conversation(None);
        play_and_close(&mut machine, all.chunks(size));
        prop_assert!(machine.kept() <= KEPT_MAX);
    }
}
