//! Dialogues with PostgreSQL, most of them hostile. The proofs of SCRAM were computed with
//! the hashlib and hmac modules of Python 3.11 for this nonce and two
//! iterations.

use proptest::prelude::*;

use super::*;
use crate::check::rehearsal::{Performance, drown, play, play_and_close, rehearse};
use crate::check::sql::tests::probe;
use crate::model::Database;

const CHALLENGE: &str = "r=AAAAAAAAAAAAAAAAAAAAAAAAserverhalf,s=MDEyMzQ1Njc4OWFiY2RlZg==,i=2";
const ANSWER: &str =
    "c=biws,r=AAAAAAAAAAAAAAAAAAAAAAAAserverhalf,p=xXZrG4otQaCE8+IAdxILOSQ+ChXc9J+CZ/aDcmztc/w=";
const PROOF: &str = "v=/4PUk9tZT/sYxCObCQwe1vAdLbDCNthrdxyUF94vxcw=";

fn conversation() -> Conversation {
    Conversation::new(&probe(Database::Pgsql), [0; NONCE]).unwrap()
}

fn authentication(code: u32, rest: &[u8]) -> Vec<u8> {
    message(b'R', &[&code.to_be_bytes(), rest])
}

fn methods() -> Vec<u8> {
    authentication(10, b"SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0")
}

fn challenge() -> Vec<u8> {
    authentication(11, CHALLENGE.as_bytes())
}

/// What a server says after the proof.
fn accepted() -> Vec<u8> {
    let parts = [
        authentication(12, PROOF.as_bytes()),
        authentication(0, b""),
        ready(),
    ];
    parts.concat()
}

fn ready() -> Vec<u8> {
    let parts = [
        message(b'S', &[b"server_version\x0015.5\0"]),
        message(b'K', &[&[0, 0, 1, 2, 3, 4, 5, 6]]),
        message(b'Z', &[b"I"]),
    ];
    parts.concat()
}

fn result(rows: usize) -> Vec<u8> {
    let mut bytes = message(
        b'T',
        &[b"\0\x01a\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\0"],
    );
    for _ in 0..rows {
        bytes.extend(message(b'D', &[b"\0\x01\0\0\0\x011"]));
    }
    let tag = format!("SELECT {rows}\0");
    bytes.extend(message(b'C', &[tag.as_bytes()]));
    bytes.extend(message(b'Z', &[b"I"]));
    bytes
}

fn error(code: &str, text: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0Rauth_failed\0\0");
    message(b'E', &[fields.as_bytes()])
}

fn answers(lines: &[Vec<u8>]) -> Performance {
    play(&mut conversation(), lines.iter().map(Vec::as_slice))
}

fn slices(lines: &[Vec<u8>]) -> Vec<&[u8]> {
    lines.iter().map(Vec::as_slice).collect()
}

/// Trusted without a password.
fn trusted(answer: Vec<u8>) -> Performance {
    let login = [authentication(0, b""), ready()].concat();
    answers(&[b"N".to_vec(), login, answer])
}

#[test]
fn a_row_is_up_however_the_words_arrive() {
    for (answer, secured) in [(b"S", true), (b"N", false)] {
        let lines = [
            answer.to_vec(),
            methods(),
            challenge(),
            accepted(),
            result(1),
        ];
        let performance = rehearse(conversation, &slices(&lines));
        assert_eq!(performance.detail(), "the query gives a row");
        assert_eq!(performance.secured, secured);
        let [request, start, first, proof, query] = &performance.said[..] else {
            panic!("{performance:?}");
        };
        assert_eq!(request.bytes, [0, 0, 0, 8, 4, 210, 22, 47]);
        let expected = b"\0\x03\0\0user\0monitor\0database\0site\0application_name\0directord\0\0";
        assert_eq!(start.bytes[4..], expected[..]);
        assert_eq!(start.bytes[..4], (expected.len() as u32 + 4).to_be_bytes());
        assert_eq!(first.bytes[..6], *b"p\0\0\x006S");
        assert!(
            first
                .bytes
                .ends_with(b"\0\0\0\x20n,,n=,r=AAAAAAAAAAAAAAAAAAAAAAAA")
        );
        assert_eq!(proof.bytes, message(b'p', &[ANSWER.as_bytes()]));
        assert!(proof.shown().ends_with(b",p=***"));
        assert_eq!(query.bytes, b"Q\0\0\0\x0dSELECT 1\0");
        assert_eq!(performance.verdict.unwrap().goodbye, b"X\0\0\0\x04");
    }
}

#[test]
fn older_logins_are_spoken() {
    let md5 = login::md5("monitor", "secret", &[1, 2, 3, 4]);
    for (asked, answer) in [
        (authentication(3, b""), "secret"),
        (authentication(5, &[1, 2, 3, 4]), &md5),
    ] {
        let login = [authentication(0, b""), ready()].concat();
        let lines = [b"N".to_vec(), asked, login, result(1)];
        let performance = rehearse(conversation, &slices(&lines));
        let password = &performance.said[2];
        assert_eq!(password.bytes, message(b'p', &[answer.as_bytes(), &[0]]));
        assert_eq!(password.shown(), b"p\0\0\0\x08***\0");
    }
}

#[test]
fn changed_rows_count_like_rows() {
    let completed = |tag: &[u8]| {
        let answer = [message(b'C', &[tag, &[0]]), message(b'Z', &[b"I"])].concat();
        trusted(answer)
    };
    assert_eq!(
        completed(b"INSERT 0 2").detail(),
        "the query changed rows: 2"
    );
    for tag in [&b"UPDATE 0"[..], b"CREATE TABLE", b"", b"\xff 1"] {
        assert_eq!(completed(tag).reason(), "the query gives no row");
    }
    // The second of two statements.
    let answer = [message(b'C', &[b"SET\0"]), result(1)].concat();
    assert_eq!(trusted(answer).detail(), "the query gives a row");
}

#[test]
fn wrong_answers_are_down_with_their_reason() {
    let no = || b"N".to_vec();
    let far = format!("r={}x,s=AAAA,i=2000000000", "A".repeat(24));
    for (lines, expected) in [
        (
            vec![no(), error("28P01", "password authentication failed")],
            "login refused: \"28P01 password authentication failed\"",
        ),
        (
            vec![error("53300", "sorry, too many clients already")],
            "the server refuses: \"53300 sorry, too many clients already\"",
        ),
        (
            vec![no(), error("57P03", "the database system is starting up")],
            "the server refuses: \"57P03 the database system is starting up\"",
        ),
        (
            vec![no(), methods(), challenge(), authentication(12, b"v=AAAA")],
            "login given up: the server does not prove that it knows the password",
        ),
        (
            vec![no(), methods(), authentication(11, far.as_bytes())],
            "login given up: 2000000000 iterations are asked for, more than 100000",
        ),
        (
            vec![no(), methods(), challenge(), challenge()],
            "login given up: a second challenge",
        ),
        (
            vec![no(), authentication(10, b"SCRAM-SHA-512\0\0")],
            "the server wants a login method that is not spoken here: \
             \"SCRAM-SHA-512\\u{0}\\u{0}\"",
        ),
        (
            vec![no(), authentication(7, b"")],
            "the server wants a login method that is not spoken here: GSSAPI (7)",
        ),
        (
            vec![no(), message(b'R', &[b"\0"])],
            "not an answer of PostgreSQL: a login that is cut short",
        ),
        (
            vec![no(), message(b'D', &[b"\0\0"])],
            "not an answer of PostgreSQL: a message of type \"D\" too early",
        ),
        (
            vec![no(), b"R\0\0\0\x03".to_vec()],
            "not an answer of PostgreSQL: a message of a length that cannot be",
        ),
        (
            vec![no(), b"R\x7f\0\0\0".to_vec()],
            "not an answer of PostgreSQL: a message of type \"R\" with 2130706428 bytes",
        ),
        (
            vec![b"HTTP/1.1 400 Bad Request\r\n".to_vec()],
            "not an answer of PostgreSQL: \"HTTP/1.1 400 Bad Request\\r\\n\"",
        ),
        (
            vec![[b"S".to_vec(), methods()].concat()],
            "the server speaks before TLS begins",
        ),
    ] {
        assert_eq!(answers(&lines).reason(), expected);
    }
    assert_eq!(trusted(result(0)).reason(), "the query gives no row");
    let failed = error("42P01", "relation \"x\" does not exist");
    assert_eq!(
        trusted(failed).reason(),
        "the query fails: \"42P01 relation \"x\" does not exist\""
    );
    let copy = message(b'H', &[b"\0\0\0"]);
    assert_eq!(
        trusted(copy).reason(),
        "the query copies instead of giving rows"
    );
}

#[test]
fn the_end_names_its_place() {
    let login = [authentication(0, b""), ready()].concat();
    for (lines, expected) in [
        (vec![], "the server closed without an answer"),
        (vec![b"N".to_vec()], "the server closed during the login"),
        (
            vec![b"N".to_vec(), login],
            "the server closed in the middle of its answer to the query",
        ),
    ] {
        let performance = play_and_close(&mut conversation(), lines.iter().map(Vec::as_slice));
        assert_eq!(performance.reason(), expected);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let kept = Conversation::kept;
    let large = message(b'R', &[&[0; 16_000]]);
    let login = [authentication(0, b""), ready()].concat();
    let notice = b"N\x7f\xff\xff\xff";
    for (opening, endless) in [
        (vec![], &b"N"[..]),
        (vec![&b"N"[..]], b"N\0\0\0\x09xxxx"),
        (vec![b"N", notice], b"x"),
        (vec![b"N"], &large),
        (vec![b"N"], b"E\x7f"),
        (vec![b"N", &login], b"C\0\0\0\x09SELEC"),
    ] {
        let performance = drown(conversation(), &opening, endless, kept, KEPT_MAX);
        assert!(
            performance
                .verdict
                .is_none_or(|verdict| verdict.result.is_err())
        );
    }
    // The head of a row of gigabytes will do, and the beginning of an endless error.
    let huge = trusted(b"D\x7f\xff\xff\xff".to_vec());
    assert_eq!(huge.detail(), "the query gives a row");
    let endless = [&b"E\x7f\xff\xff\xffC28000\0Mno\0"[..], &[b'x'; 5000]].concat();
    let performance = answers(&[b"N".to_vec(), endless]);
    assert_eq!(performance.reason(), "login refused: \"28000 no\"");
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        stage in 0..4_usize,
        size in 1..50_usize,
    ) {
        let login = [authentication(0, b""), ready()].concat();
        let opening = [b"S".to_vec(), login, message(b'T', &[b"\0\0"])];
        let mut all = opening[..stage].to_vec();
        all.extend(bytes.chunks(size).map(<[u8]>::to_vec));
        let mut machine = conversation();
        play_and_close(&mut machine, all.iter().map(Vec::as_slice));
        prop_assert!(machine.kept() <= KEPT_MAX);
    }
}
