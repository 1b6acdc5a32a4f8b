//! The checks of SMTP and submission against Postfix.

use std::fs;

use directord::model::Side;
use tempfile::TempDir;

use super::fixture::{
    Server, Story, free_port, loopback, open_to_all, own_by, probe, program, reason,
};

/// The master process with `smtpd` alone, its queue in the scratch directory.
fn postfix(more: &str) -> Server {
    let directory = TempDir::new().unwrap();
    let port = free_port();
    let path = directory.path().display().to_string();
    for name in [
        "data",
        "queue",
        "queue/pid",
        "queue/private",
        "queue/public",
    ] {
        fs::create_dir(directory.path().join(name)).unwrap();
    }
    for name in ["data", "queue/private", "queue/public"] {
        own_by(&directory.path().join(name), "postfix");
    }
    open_to_all(directory.path());
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {path}/queue\ndata_directory = {path}/data\n\
         daemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\nsetgid_group = postdrop\n\
         myhostname = mail.example.net\nmydestination =\nlocal_recipient_maps =\nalias_maps =\n\
         inet_interfaces = 127.0.0.1, [::1]\nsmtpd_peername_lookup = no\n\
         maillog_file = /dev/stdout\n{more}"
    );
    let master = format!(
        "127.0.0.1:{port} inet n - n - - smtpd\n[::1]:{port} inet n - n - - smtpd\n\
         anvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\n"
    );
    fs::write(directory.path().join("main.cf"), main).unwrap();
    fs::write(directory.path().join("master.cf"), master).unwrap();
    let mut command = program("/usr/lib/postfix/sbin/master", "postfix");
    command.args(["-d", "-c", &path]).env("MAIL_CONFIG", &path);
    Server::start(command, port, directory)
}

#[test]
fn story_of_postfix() {
    let mut server = postfix("");
    Story {
        good: "service=smtp",
        wrong_credentials: None,
        wrong_content: None,
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        for service in ["smtp", "submission"] {
            let report = probe(address, &format!("service={service}"));
            assert_eq!(
                report.detail,
                "greeted with \"220 mail.example.net ESMTP Postfix\", EHLO accepted"
            );
            assert_eq!(
                report.said_by(Side::Director),
                b"EHLO localhost.localdomain\r\nQUIT\r\n"
            );
            let heard = String::from_utf8(report.said_by(Side::Server)).unwrap();
            assert!(heard.ends_with("221 2.0.0 Bye\r\n"), "{heard}");
        }
    }
    // Left in good order: nothing was "lost".
    assert!(
        server.output().contains("ehlo=1 quit=1"),
        "{}",
        server.output()
    );
    assert!(!server.output().contains("lost connection after EHLO"));
}

#[test]
fn postfix_that_refuses_everybody() {
    let server = postfix(
        "smtpd_client_restrictions = reject\nsmtpd_helo_restrictions = reject\nsmtpd_delay_reject = no\n",
    );
    super::fixture::await_port(server.port);
    for address in loopback(server.port) {
        let report = probe(address, "service=smtp");
        assert!(
            reason(&report).starts_with("connected, but the greeting is \"554 5.7.1 "),
            "{report:?}"
        );
    }
}

#[test]
fn postfix_that_refuses_ehlo() {
    let server = postfix(
        "smtpd_discard_ehlo_keywords =\nsmtpd_helo_restrictions = reject\nsmtpd_delay_reject = no\n",
    );
    super::fixture::await_port(server.port);
    for address in loopback(server.port) {
        let report = probe(address, "service=submission");
        let reason = reason(&report);
        assert!(
            reason.starts_with("EHLO and HELO refused: \"554 5.7.1 "),
            "{report:?}"
        );
    }
}
