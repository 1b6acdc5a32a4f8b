//! Recorded dialogues, wrong ones and endless ones.

use super::*;
use crate::check::transcript::{Told, hold_through, tell};
use crate::model::{Pattern, Secret};

fn probe(login: Option<(&str, &str)>, command: &str, receive: Option<&str>) -> RedisProbe {
    RedisProbe {
        login: login.map(|(name, password)| Login {
            name: name.to_owned(),
            password: Secret::new(password),
        }),
        command: command.to_owned(),
        receive: receive.map(|text| Pattern(text.to_owned())),
    }
}

fn told(probe: &RedisProbe, server: &str) -> Told {
    tell(&mut Conversation::new(probe).unwrap(), &[server.as_bytes()])
}

const QUIT: &str = "*1\r\n$4\r\nQUIT\r\n";

#[test]
fn ping_is_answered_with_pong() {
    let ping = probe(None, "", None);
    let told = hold_through(
        || Conversation::new(&ping).unwrap(),
        Conversation::kept,
        b"+PONG\r\n",
    );
    assert_eq!(told.result, Ok("PING is answered with \"PONG\"".to_owned()));
    assert_eq!(told.said, format!("*1\r\n$4\r\nPING\r\n{QUIT}"));
}

#[test]
fn a_login_goes_first_and_is_not_shown() {
    let answers = b"+OK\r\n$20\r\n# Replication\r\nrole:\r\n";
    let login = Some(("monitor", "hidden"));
    let info = probe(login, "INFO  replication", Some("(?m)^role:"));
    let told = hold_through(
        || Conversation::new(&info).unwrap(),
        Conversation::kept,
        answers,
    );
    assert_eq!(
        told.result,
        Ok("the answer to INFO (20 bytes) matches".to_owned())
    );
    let info = "*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n";
    let auth = "*3\r\n$4\r\nAUTH\r\n$7\r\nmonitor\r\n";
    assert_eq!(told.said, format!("{auth}$6\r\nhidden\r\n{info}{QUIT}"));
    assert_eq!(told.shown, format!("{auth}$3\r\n***\r\n{info}{QUIT}"));
}

#[test]
fn a_password_alone_is_that_of_the_default_user() {
    let told = told(&probe(Some(("", "hidden")), "", None), "+OK\r\n+PONG\r\n");
    assert!(told.result.is_ok());
    assert!(
        told.said
            .starts_with("*2\r\n$4\r\nAUTH\r\n$6\r\nhidden\r\n*1")
    );
}

#[test]
fn every_kind_of_answer_is_text() {
    for (server, text) in [
        ("+OK\r\n", "OK"),
        (":1000\r\n", "1000"),
        ("$0\r\n\r\n", ""),
        ("$-1\r\n", ""),
        ("*0\r\n", ""),
        ("*-1\r\n", ""),
        ("$4\r\na\r\nb\r\n", "a\r\nb"),
        ("*3\r\n$6\r\nmaster\r\n:7\r\n*0\r\n", "master\n7"),
        ("*2\r\n*2\r\n+a\r\n-b\r\n$1\r\nc\r\n", "a\nb\nc"),
    ] {
        let told = told(&probe(None, "ROLE", None), server);
        let expected = format!("ROLE is answered with \"{text}\"");
        assert_eq!(told.result, Ok(expected), "{server:?}");
        assert!(!told.at_end);
    }
}

#[test]
fn refusals_are_told_in_the_servers_words() {
    let login = Some(("", "hidden"));
    for (login, command, receive, server, reason) in [
        (
            None,
            "",
            None,
            "-NOAUTH Authentication required.\r\n",
            "PING is refused: \"NOAUTH Authentication required.\"",
        ),
        (
            login,
            "",
            None,
            "-WRONGPASS not hidden\r\n",
            "login refused: \"WRONGPASS not ***\"",
        ),
        (
            None,
            "",
            None,
            "+LOADING\r\n",
            "the answer to PING is not PONG: \"LOADING\"",
        ),
        (
            None,
            "GET state",
            Some("^ready$"),
            "$4\r\nbusy\r\n",
            "the answer to GET (4 bytes) does not match \"^ready$\": \"busy\"",
        ),
        (
            None,
            "GET state",
            Some("ready"),
            "$-1\r\n",
            "the answer to GET (0 bytes) does not match \"ready\": \"\"",
        ),
        (
            None,
            "",
            None,
            "HTTP/1.1 400 Bad Request\r\n",
            "the answer to PING is not Redis: \"HTTP/1.1 400 Bad Request\"",
        ),
        (
            None,
            "",
            None,
            "\r\n",
            "the answer to PING is not Redis: \"\"",
        ),
        (
            None,
            "",
            None,
            "$x\r\n",
            "the answer to PING is not Redis: \"$x\"",
        ),
        (
            None,
            "",
            None,
            "$99999999999999999999\r\n",
            "the answer to PING is not Redis: \"$99999999999999999999\"",
        ),
        (
            None,
            "",
            None,
            "$65537\r\n",
            "the answer to PING is longer than 65536 bytes",
        ),
        (
            None,
            "",
            None,
            "",
            "the server closed the connection without an answer to PING",
        ),
        (
            None,
            "",
            None,
            "*2\r\n+a\r\n",
            "the server closed the connection in the middle of an answer to PING",
        ),
    ] {
        let found = told(&probe(login, command, receive), server).result;
        assert_eq!(found, Err(reason.to_owned()), "{server:?}");
    }
}

#[test]
fn a_line_is_too_long_however_it_comes() {
    let ping = probe(None, "ECHO x", None);
    for (length, fits) in [(8 * 1024 - 2, true), (8 * 1024 - 1, false)] {
        let line = format!("+{}\r\n", "x".repeat(length));
        for size in [1, 1000, line.len()] {
            let pieces: Vec<&[u8]> = line.as_bytes().chunks(size).collect();
            let told = tell(&mut Conversation::new(&ping).unwrap(), &pieces);
            assert_eq!(told.result.is_ok(), fits, "{length} in pieces of {size}");
        }
    }
}

#[test]
fn endless_answers_end_with_little_kept() {
    for endless in ["*9999999\r\n", "+x\r\n", "$3\r\nabc\r\n", "x"] {
        let mut conversation = Conversation::new(&probe(None, "KEYS *", None)).unwrap();
        conversation.feed(b"*999999999\r\n");
        let piece = endless.repeat(4096 / endless.len());
        let mut turn = Turn::Listen;
        for _ in 0..64 {
            assert!(conversation.kept() <= answer::ANSWER_MAX + 3 * 4096);
            if turn != Turn::Listen {
                break;
            }
            turn = conversation.feed(piece.as_bytes());
        }
        assert!(matches!(turn, Turn::Over(verdict) if verdict.result.is_err()));
    }
}
