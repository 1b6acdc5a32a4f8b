//! The checks of FTP, SMTP, POP3, IMAP and NNTP that settings lead to.

use super::*;
use crate::config::RealCheck;
use crate::model::{Check, FtpProbe, Login, ProbeKind, Secret};

fn check(lines: &str) -> Check {
    let lines = lines.replace('\n', "\n\t");
    let mut service = service(format!(
        "virtual=192.0.2.100:9\n\treal=192.0.2.21 masq\n\t{lines}\n"
    ));
    match service.reals.remove(0).check {
        RealCheck::Probe(check) => std::sync::Arc::unwrap_or_clone(check),
        other => panic!("{other:?}"),
    }
}

fn kind(lines: &str) -> ProbeKind {
    check(lines).method.thorough().kind.clone()
}

fn login(name: &str, password: &str) -> Login {
    Login {
        name: name.to_owned(),
        password: Secret::new(password),
    }
}

#[test]
fn ports_are_the_usual_ones_where_none_is_written() {
    for (service, port) in [
        ("ftp", 21),
        ("smtp", 25),
        ("submission", 587),
        ("pop", 110),
        ("pops", 995),
        ("imap", 143),
        ("imaps", 993),
        ("nntp", 119),
    ] {
        let check = check(&format!("service={service}"));
        assert_eq!(check.target.port(), port, "{service}");
        assert_eq!(check.method.thorough().kind.word(), service);
        assert_eq!(check.method.thorough().timeout.as_secs(), 30);
    }
}

#[test]
fn ftp_fetches_the_request_as_the_login_or_anonymous() {
    let ftp = |lines: &str| match kind(&format!("service=ftp\n{lines}")) {
        ProbeKind::Ftp(probe) => probe,
        other => panic!("{other:?}"),
    };
    let probe = ftp("request=\"/pub/status.txt\"\nreceive=\"well\"");
    assert_eq!(probe.login, None);
    assert_eq!(probe.path, "pub/status.txt");
    assert_eq!(probe.receive.unwrap().0, "well");
    let FtpProbe {
        login: own,
        path,
        receive,
    } = ftp("login=\"monitor\"\npasswd=\"hidden\"");
    assert_eq!(
        (own, path, receive),
        (Some(login("monitor", "hidden")), String::new(), None)
    );
    assert_eq!(
        ftp("passwd=\"me@example.org\"").login,
        Some(login("anonymous", "me@example.org"))
    );
}

#[test]
fn mailboxes_are_opened_only_with_a_login() {
    for service in ["pop", "imap"] {
        for (lines, expected) in [
            ("", None),
            ("\npasswd=\"hidden\"", None),
            ("\nlogin=\"monitor\"", Some(login("monitor", ""))),
            (
                "\nlogin=\"monitor\"\npasswd=\"hidden\"",
                Some(login("monitor", "hidden")),
            ),
        ] {
            let found = match kind(&format!("service={service}{lines}")) {
                ProbeKind::Pop(probe) => probe.login,
                ProbeKind::Imap(probe) => probe.login,
                other => panic!("{other:?}"),
            };
            assert_eq!(found, expected, "{service}{lines}");
        }
    }
}

#[test]
fn different_credentials_are_different_checks() {
    let with = |passwd: &str| {
        check(&format!(
            "service=imap\nlogin=\"monitor\"\npasswd=\"{passwd}\""
        ))
    };
    assert_eq!(with("one"), with("one"));
    assert_ne!(with("one"), with("two"));
}
