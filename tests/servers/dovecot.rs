//! The checks of POP3 and IMAP, plain and over TLS, against Dovecot.

use std::fs;
use std::net::SocketAddr;

use directord::model::Side;
use tempfile::TempDir;

use super::fixture::{
    Server, Story, await_port, free_port, loopback, open_to_all, own_by, probe, program, reason,
};

/// One listener of one protocol; the user `monitor` has an empty mailbox.
fn dovecot(service: &str) -> Server {
    let directory = TempDir::new().unwrap();
    let port = free_port();
    let path = directory.path().display().to_string();
    let names = vec!["mail.example.net".to_owned()];
    let certificate = rcgen::generate_simple_self_signed(names).unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("cert.pem", &certificate.cert.pem());
    write("key.pem", &certificate.signing_key.serialize_pem());
    write("users", "monitor:{PLAIN}hidden wörd::::::\n");
    fs::create_dir(directory.path().join("mail")).unwrap();
    own_by(&directory.path().join("mail"), "nobody");
    open_to_all(directory.path());
    let listener = |login: &str, protocol: &str| {
        let port = if service == protocol { port } else { 0 };
        let ssl = if protocol.ends_with('s') { "yes" } else { "no" };
        let name = protocol.replace("pop", "pop3");
        format!(
            "service {login} {{\n inet_listener {name} {{\n port = {port}\n ssl = {ssl}\n }}\n}}\n"
        )
    };
    let listeners = listener("pop3-login", "pop")
        + &listener("pop3-login", "pops")
        + &listener("imap-login", "imap")
        + &listener("imap-login", "imaps");
    let text = format!(
        "base_dir = {path}/run\nstate_dir = {path}/run\nlog_path = /dev/stderr\n\
         instance_name = directord-test\nprotocols = imap pop3\nlisten = 127.0.0.1, 127.0.0.2, ::1\n\
         ssl = yes\nssl_cert = <{path}/cert.pem\nssl_key = <{path}/key.pem\n\
         auth_failure_delay = 0\n\
         service anvil {{\n unix_listener anvil-auth-penalty {{\n mode = 0\n }}\n}}\nmail_location = maildir:{path}/mail\n\
         passdb {{\n driver = passwd-file\n args = {path}/users\n}}\n\
         userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={path}/mail\n}}\n\
         {listeners}"
    );
    fs::write(directory.path().join("dovecot.conf"), text).unwrap();
    let mut command = program("/usr/sbin/dovecot", "dovecot-core");
    command.args(["-F", "-c", &format!("{path}/dovecot.conf")]);
    Server::start(command, port, directory)
}

/// Tells the story of one service and returns what was said in it.
fn tell(service: &str) -> String {
    let mut server = dovecot(service);
    let with = |passwd: &str| format!("service={service}\nlogin=\"monitor\"\npasswd=\"{passwd}\"");
    Story {
        good: &with("hidden wörd"),
        wrong_credentials: Some(&with("wrong")),
        wrong_content: None,
    }
    .tell(&mut server);
    let mut said = String::new();
    for address in loopback(server.port) {
        let report = probe(address, &with("wrong"));
        assert!(
            reason(&report).starts_with("login refused: \""),
            "{report:?}"
        );
        assert!(reason(&report).contains("AUTH"), "{report:?}");
        let report = probe(address, &format!("service={service}"));
        assert!(
            report.detail.contains("Dovecot (Debian) ready."),
            "{report:?}"
        );
        let report = probe(address, &with("hidden wörd"));
        assert_eq!(report.detail, "logged in as monitor");
        assert_eq!(report.phases.tls.is_some(), service.ends_with('s'));
        assert!(!format!("{report:?}").contains("hidden"), "{report:?}");
        said = String::from_utf8(report.said_by(Side::Director)).unwrap();
    }
    let printed = server.output();
    assert!(printed.contains("Disconnected: Logged out"), "{printed}");
    said
}

#[test]
fn story_of_pop() {
    assert_eq!(tell("pop"), "USER monitor\r\nPASS ***\r\nQUIT\r\n");
}

#[test]
fn story_of_pops() {
    assert_eq!(tell("pops"), "USER monitor\r\nPASS ***\r\nQUIT\r\n");
}

#[test]
fn story_of_imap() {
    // The password is not of seven bits, so it is sent as a literal.
    let said = tell("imap");
    assert_eq!(said, "b LOGIN \"monitor\" {***}\r\n***\r\nz LOGOUT\r\n");
}

#[test]
fn story_of_imaps() {
    let said = tell("imaps");
    assert_eq!(said, "b LOGIN \"monitor\" {***}\r\n***\r\nz LOGOUT\r\n");
}

#[test]
fn imap_that_takes_no_plain_login() {
    let server = dovecot("imap");
    await_port(server.port);
    // A client with the server's own address counts as safe; this one has another.
    let address = SocketAddr::from(([127, 0, 0, 2], server.port));
    let report = probe(
        address,
        "service=imap\nlogin=\"monitor\"\npasswd=\"hidden\"",
    );
    assert_eq!(
        reason(&report),
        "the server takes no login without TLS (LOGINDISABLED): use service=imaps"
    );
    let said = String::from_utf8(report.said_by(Side::Director)).unwrap();
    assert_eq!(said, "z LOGOUT\r\n");
}

#[test]
fn plain_and_tls_mixed_up() {
    let tls = dovecot("imaps");
    let plain = dovecot("pop");
    await_port(tls.port);
    await_port(plain.port);
    for (plain, tls) in loopback(plain.port).into_iter().zip(loopback(tls.port)) {
        let report = probe(tls, "service=imap\nnegotiatetimeout=1");
        assert_eq!(reason(&report), "connected, but no greeting within 1 s");
        let report = probe(plain, "service=pops");
        assert_eq!(
            reason(&report),
            "connected, but the TLS handshake failed: the answer is not TLS"
        );
    }
}
