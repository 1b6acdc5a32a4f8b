//! Dialogues with MySQL and MariaDB, most of them hostile. Those with
//! `caching_sha2_password` follow MySQL 8.0's protocol; the rest a real MariaDB plays, too.

use proptest::prelude::*;

use super::*;
use crate::check::rehearsal::{Performance, drown, play, play_and_close, rehearse};
use crate::check::sql::tests::probe;
use crate::model::Database;

const CHALLENGE: &[u8] = b"abcdefghijklmnopqrst";

fn conversation() -> Conversation {
    Conversation::new(&probe(Database::Mysql)).unwrap()
}

fn greeting_with(version: &[u8], capabilities: u32, method: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let parts: [&[u8]; 13] = [
        &[10],
        version,
        &[0, 9, 0, 0, 0],
        &CHALLENGE[..8],
        &[0, a, b],
        &[45, 2, 0],
        &[c, d, 21],
        &[0; 10],
        &CHALLENGE[8..],
        &[0],
        method,
        &[0],
        &[],
    ];
    packet(0, &parts.concat())
}

const MODERN: u32 = 0x00ff_f7ff;

/// As MariaDB 10.11 greets without a certificate.
fn mariadb() -> Vec<u8> {
    greeting_with(b"5.5.5-10.11.6-MariaDB", MODERN, b"mysql_native_password")
}

/// As MySQL 8.0 greets.
fn mysql8(tls: bool) -> Vec<u8> {
    let tls = if tls { capability::SSL } else { 0 };
    greeting_with(b"8.0.36", MODERN | tls, b"caching_sha2_password")
}

fn ok(sequence: u8) -> Vec<u8> {
    packet(sequence, &[0, 0, 0, 2, 0, 0, 0])
}

fn refusal(sequence: u8, code: u16, text: &str) -> Vec<u8> {
    let [low, high] = code.to_le_bytes();
    packet(
        sequence,
        &[&[0xff, low, high], &b"#28000"[..], text.as_bytes()].concat(),
    )
}

/// A result of one column with these rows.
fn result(rows: &[&[u8]]) -> Vec<u8> {
    let end = [0xfe, 0, 0, 2, 0];
    let column =
        b"\x03def\x00\x00\x00\x011\x00\x0c\x3f\x00\x01\x00\x00\x00\x08\x81\x00\x00\x00\x00";
    let mut packets: Vec<&[u8]> = vec![&[1], column, &end];
    packets.extend(rows);
    packets.push(&end);
    let number = |(index, payload): (usize, &&[u8])| packet(index as u8 + 1, payload);
    packets.iter().enumerate().flat_map(number).collect()
}

fn answers(lines: &[Vec<u8>]) -> Performance {
    play(&mut conversation(), lines.iter().map(Vec::as_slice))
}

fn slices(lines: &[Vec<u8>]) -> Vec<&[u8]> {
    lines.iter().map(Vec::as_slice).collect()
}

#[test]
fn a_row_is_up_however_the_words_arrive() {
    let lines = [mariadb(), ok(2), result(&[b"\x011"])];
    let performance = rehearse(conversation, &slices(&lines));
    assert_eq!(performance.detail(), "the query gives a row");
    assert!(!performance.secured);
    let [login, query] = &performance.said[..] else {
        panic!("{performance:?}");
    };
    let answer = Method::Native.answer("secret", CHALLENGE);
    // Behind head, capabilities, size, character set and 23 zeros.
    let expected = [
        b"monitor\0\x14",
        &answer[..],
        b"site\0mysql_native_password\0",
    ]
    .concat();
    assert_eq!(login.bytes[36..], expected[..]);
    assert_eq!(login.bytes[3], 1);
    assert_eq!(query.bytes, [&[9, 0, 0, 0, 3][..], b"SELECT 1"].concat());
    assert_eq!(
        performance.verdict.as_ref().unwrap().goodbye,
        [1, 0, 0, 0, 1]
    );
    let shown = String::from_utf8_lossy(&performance.shown()).into_owned();
    assert!(shown.contains("***"), "{shown}");
    assert!(!login.shown().windows(20).any(|window| window == answer));
}

#[test]
fn a_password_that_mysql_8_has_cached_is_proven() {
    let lines = [
        mysql8(false),
        packet(2, &[1, 3]),
        ok(3),
        result(&[b"\x011"]),
    ];
    let performance = rehearse(conversation, &slices(&lines));
    let answer = Method::CachingSha2.answer("secret", CHALLENGE);
    assert!(
        performance.said[0]
            .bytes
            .windows(32)
            .any(|window| window == answer)
    );
}

#[test]
fn a_password_that_mysql_8_has_not_cached_goes_over_tls() {
    let lines = [mysql8(true), packet(3, &[1, 4]), ok(5), result(&[b"\x011"])];
    let performance = rehearse(conversation, &slices(&lines));
    assert!(performance.secured);
    let [request, login, password, _query] = &performance.said[..] else {
        panic!("{performance:?}");
    };
    assert_eq!(request.bytes[..4], [32, 0, 0, 1]);
    assert_eq!(login.bytes[3..36], [&[2], &request.bytes[4..]].concat());
    assert_eq!(password.bytes, packet(4, b"secret\0"));
    assert_eq!(password.shown(), packet(4, b"***\0"));

    let lines = [mysql8(false), packet(2, &[1, 4])];
    let performance = answers(&lines);
    assert_eq!(
        performance.reason(),
        "the server wants TLS for this login (caching_sha2_password) but offers none"
    );
    // The login is ended, not left: that would count against the director.
    assert_eq!(performance.verdict.unwrap().goodbye, [0, 0, 0, 3]);
    assert_eq!(performance.said.len(), 1, "the password was sent");
}

#[test]
fn an_account_may_have_another_method_than_the_server() {
    for (greeting, method) in [
        (mysql8(false), Method::Native),
        (mariadb(), Method::CachingSha2),
    ] {
        let other = b"ABCDEFGHIJKLMNOPQRST";
        let switch = [&[0xfe], method.name().as_bytes(), &[0], other, &[0]].concat();
        let lines = [greeting, packet(2, &switch), ok(4), result(&[b"\x011"])];
        let performance = rehearse(conversation, &slices(&lines));
        let answer = method.answer("secret", other);
        assert_eq!(performance.said[1].bytes, packet(3, &answer));
        assert_eq!(performance.said[1].shown(), packet(3, b"***"));
    }
}

#[test]
fn changed_rows_count_like_rows() {
    let changed = |rows: u8| answers(&[mariadb(), ok(2), packet(1, &[0, rows, 0, 2, 0, 0, 0])]);
    assert_eq!(changed(3).detail(), "the query changed rows: 3");
    assert_eq!(changed(0).reason(), "the query gives no row");
}

#[test]
fn wrong_answers_are_down_with_their_reason() {
    let switch = |name: &[u8]| packet(2, &[&[0xfe], name].concat());
    for (lines, expected) in [
        (
            vec![packet(0, b"\xff\x10\x04Too many connections")],
            "the server refuses: \"1040 Too many connections\"",
        ),
        (
            vec![mariadb(), refusal(2, 1045, "Access denied")],
            "login refused: \"1045 Access denied\"",
        ),
        (
            vec![mariadb(), ok(2), refusal(1, 1146, "no table")],
            "the query fails: \"1146 no table\"",
        ),
        (
            vec![mariadb(), ok(2), result(&[])],
            "the query gives no row",
        ),
        (
            vec![mariadb(), ok(2), result(&[b"\xff\x35\x05interrupted"])],
            "the query fails: \"1333 interrupted\"",
        ),
        (
            vec![mariadb(), ok(2), packet(1, b"\xfb/etc/passwd")],
            "the query wants a file of the client",
        ),
        (
            vec![mariadb(), ok(2), packet(1, &[0xfc, 0xff, 0xff])],
            "not an answer of MySQL: an answer with too many columns",
        ),
        (
            vec![mariadb(), switch(b"client_ed25519\0xxxx")],
            "the account has the login method \"client_ed25519\", which is not spoken here",
        ),
        (
            vec![mariadb(), switch(b"")],
            "the account has the login method \"mysql_old_password\", which is not spoken here",
        ),
        (
            vec![
                mariadb(),
                switch(b"mysql_native_password\0x"),
                switch(b"mysql_native_password\0x"),
            ],
            "not an answer of MySQL: a login that does not end",
        ),
        (
            vec![mariadb(), packet(2, &[1, 4])],
            "not an answer of MySQL: a login that does not end",
        ),
        (vec![packet(0, b"\x09old")], "not a MySQL greeting: \"old\""),
        (
            vec![greeting_with(b"3.23", 0, b"")],
            "version \"3.23\" is too old to log in to",
        ),
        (
            vec![packet(0, b"\x0a8.0\0")],
            "not an answer of MySQL: a greeting that is cut short",
        ),
        (
            vec![packet(0, b"")],
            "not an answer of MySQL: an empty packet",
        ),
        (
            vec![b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()],
            "not a MySQL greeting: \"SSH-2.0-OpenSSH_9.2\\r\\n\"",
        ),
        (
            vec![mariadb(), packet(2, &vec![7; 70_000])],
            "not an answer of MySQL: a packet of 70000 bytes",
        ),
        (
            vec![[mysql8(true), ok(2)].concat()],
            "the server speaks before TLS begins",
        ),
    ] {
        assert_eq!(answers(&lines).reason(), expected);
    }
}

#[test]
fn the_end_names_its_place() {
    for (lines, expected) in [
        (vec![], "the server closed without a greeting"),
        (
            vec![vec![1, 0]],
            "the server closed in the middle of its greeting",
        ),
        (vec![mariadb()], "the server closed during the login"),
        (
            vec![mariadb(), ok(2), packet(1, &[1])],
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
    let column = packet(2, &vec![3; 60_000]);
    let many = packet(1, &[0xfc, 0, 0x10]);
    let (mariadb, ok) = (mariadb(), ok(2));
    for (opening, endless) in [
        (vec![], &b"\x00"[..]),
        (vec![], b"x"),
        (vec![&mariadb[..]], b"\xff\xff\x00\x00"),
        (vec![&mariadb, &ok, &many], &column),
        (vec![&mariadb, &ok], b"\xff"),
    ] {
        let performance = drown(conversation(), &opening, endless, kept, KEPT_MAX);
        assert!(
            performance
                .verdict
                .is_none_or(|verdict| verdict.result.is_err())
        );
    }
    // The first byte of a row of gigabytes will do.
    let mut row = result(&[]);
    row.truncate(row.len() - packet(0, &[0xfe, 0, 0, 2, 0]).len());
    row.extend(b"\xff\xff\xff\x04\x01");
    let performance = answers(&[mariadb, ok, row]);
    assert_eq!(performance.detail(), "the query gives a row");
}

/// Found by fuzzing: the verdict was another when a row came in two pieces.
#[test]
fn a_row_is_judged_by_its_own_bytes_only() {
    let opening = [mariadb(), ok(2), result(&[])];
    let mut opening = opening.concat();
    opening.truncate(opening.len() - packet(0, &[0xfe, 0, 0, 2, 0]).len());
    // The head of a row that is too long to be read, and later the first of its bytes.
    let lines = [&opening[..], b"\xff\xff\xff\x04", b"\x01"];
    let performance = play(&mut conversation(), lines);
    assert_eq!(performance.detail(), "the query gives a row");
    // An empty packet, and something that is none of its bytes.
    for lines in [
        vec![&opening[..], b"\0\0\0\x04\xfe"],
        vec![&opening[..], b"\0\0\0\x04"],
    ] {
        let performance = play(&mut conversation(), lines);
        assert_eq!(
            performance.reason(),
            "not an answer of MySQL: an empty packet"
        );
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_survived(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        stage in 0..4_usize,
        size in 1..50_usize,
    ) {
        let opening = [mysql8(true), ok(2), packet(1, &[2])];
        let mut all = opening[..stage.min(3)].to_vec();
        all.extend(bytes.chunks(size).map(<[u8]>::to_vec));
        let mut machine = conversation();
        play_and_close(&mut machine, all.iter().map(Vec::as_slice));
        prop_assert!(machine.kept() <= KEPT_MAX);
    }
}
