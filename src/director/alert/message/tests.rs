use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::config::{Mail, Phases};
use crate::director::alert::{About, Origin, Route};

const HOST: &str = "lb1.example.com";

fn line(message: &str) -> Line {
    Line {
        about: About::default(),
        message: message.to_owned(),
        reason: None,
        at: Instant::now(),
        phase: Phase::Running,
        skipped: 0,
        reminder: false,
    }
}

fn letter(recipients: &str, lines: Vec<Line>) -> Letter {
    let mail = Mail {
        recipients: Some(recipients.to_owned()),
        reminder: None,
        phases: Phases::ALL,
        relay: None,
    };
    let origin = Origin {
        user: "root".to_owned(),
        host: HOST.to_owned(),
    };
    Letter {
        route: Arc::new(Route::of(&mail, None, &origin).unwrap()),
        lines,
        dropped: 0,
    }
}

/// Head and text of a letter as it is sent.
fn written(letter: &Letter) -> (Vec<String>, String) {
    let now = Now {
        steady: letter
            .lines
            .first()
            .map_or_else(Instant::now, |line| line.at),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_000_000),
    };
    let message = Message::of(letter, HOST, "1.2.3", now, &TimeZone::UTC).unwrap();
    let text = String::from_utf8(message.bytes).unwrap();
    assert!(text.is_ascii());
    assert!(text.replace("\r\n", "").find(['\r', '\n']).is_none());
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    (
        head.split("\r\n").map(str::to_owned).collect(),
        body.replace("\r\n", "\n"),
    )
}

const DELETED: &str = "Deleted real server: 192.0.2.21:80 (192.0.2.100:80)";

#[test]
fn a_single_change_has_the_layout_of_ldirectord() {
    let mut change = line(DELETED);
    change.about = About {
        name: Some("web".into()),
        comment: Some("room 5".into()),
    };
    let (head, body) = written(&letter(
        "a@example.com, b@example.com",
        vec![change.clone()],
    ));
    let expected = [
        "From: root@lb1.example.com",
        "Subject: [web] Deleted real server: 192.0.2.21:80 (192.0.2.100:80)",
        "Date: Wed, 18 Nov 2026 11:06:40 +0000",
        "Message-ID: <1.2.3@lb1.example.com>",
        "Auto-Submitted: auto-generated",
        "To: a@example.com, b@example.com",
    ];
    for header in expected {
        assert!(head.iter().any(|line| line == header), "{header}: {head:?}");
    }
    assert_eq!(
        body,
        "ldirectord host: lb1.example.com\n\
         Log-Message: [web] Deleted real server: 192.0.2.21:80 (192.0.2.100:80)\n\
         Daemon-Status: running\n\nService name: web\nComment: room 5\n"
    );
    change.about = About::default();
    change.reason = Some("connection refused".to_owned());
    let (_, body) = written(&letter("a@example.com", vec![change]));
    assert!(
        body.ends_with("Daemon-Status: running\n\nReason: connection refused\n"),
        "{body}"
    );
}

#[test]
fn several_changes_are_listed_with_their_times() {
    let mut second =
        line("Quiescent real server: 192.0.2.22:80 (192.0.2.100:80) (Weight set to 0)");
    second.reason = Some("HTTP status 500".to_owned());
    second.skipped = 3;
    second.about.name = Some("web".into());
    let first = line(DELETED);
    second.at = first.at;
    let mut letter = letter("a@example.com", vec![first, second]);
    letter.dropped = 2;
    let (head, body) = written(&letter);
    let subject = format!("Subject: {DELETED} and 6 more");
    assert!(head.contains(&subject), "{head:?}");
    assert!(body.ends_with(
        "\n\n2026-11-18 11:06:40 Deleted real server: 192.0.2.21:80 (192.0.2.100:80)\n\
         2026-11-18 11:06:40 [web] Quiescent real server: 192.0.2.22:80 (192.0.2.100:80) (Weight set to 0)\
         : HTTP status 500 (after 3 changes left out here)\n\
         2 alerts were dropped, more than could wait; see the log\n"
    ), "{body}");
}

#[test]
fn no_text_makes_a_header() {
    for text in [
        "x\r\nBcc: b@example.com",
        "x\nBcc: b@example.com",
        "x\rBcc: b@example.com",
        "x\r\n\r\nBcc: b@example.com",
        "x\0\u{85}\u{2028}Bcc: b@example.com",
        "x\r\n .\r\n.\r\nMAIL FROM:<>",
        "=?utf-8?q?x=0D=0ABcc:_b@example.com?=",
        "é\r\nBcc: b@example.com",
    ] {
        let mut change = line(text);
        change.about = About {
            name: Some(text.into()),
            comment: Some(text.into()),
        };
        change.reason = Some(text.to_owned());
        let (head, _) = written(&letter("a@example.com", vec![change]));
        let mut names: Vec<&str> = head
            .iter()
            .map(|line| line.split(':').next().unwrap())
            .collect();
        names.sort_unstable();
        let expected = [
            "Auto-Submitted",
            "Content-Transfer-Encoding",
            "Content-Type",
            "Date",
            "From",
            "MIME-Version",
            "Message-ID",
            "Subject",
            "To",
        ];
        let names: Vec<&str> = names
            .into_iter()
            .filter(|name| *name != "MIME-Version")
            .collect();
        let expected: Vec<&str> = expected
            .into_iter()
            .filter(|name| *name != "MIME-Version")
            .collect();
        assert_eq!(names, expected, "{text:?}");
    }
}

#[test]
fn a_text_has_an_end() {
    let mut change = line(DELETED);
    change.reason = Some("x".repeat(500));
    let lines = vec![change; 1000];
    let (_, body) = written(&letter("a@example.com", lines));
    assert!(body.len() <= TEXT, "{}", body.len());
    assert!(body.contains("more changes, which are in the log\n"));
}
