//! The checks of FTP against vsftpd.

use std::fs;
use std::process::Command;

use directord::model::{Outcome, Side};
use tempfile::TempDir;

use super::fixture::{Server, Story, free_port, loopback, probe, program, reason};

/// One process for each family; anonymous users are let in by their password.
fn vsftpd(more: &str) -> Server {
    let directory = TempDir::new().unwrap();
    let port = free_port();
    let path = directory.path().display().to_string();
    fs::create_dir(directory.path().join("root")).unwrap();
    fs::write(directory.path().join("root/status.txt"), "all is well\r\n").unwrap();
    fs::write(directory.path().join("emails"), "monitor@example.org\n").unwrap();
    super::fixture::open_to_all(directory.path());
    for (name, listen, listen_ipv6) in [("4.conf", "YES", "NO"), ("6.conf", "NO", "YES")] {
        let text = format!(
            "background=NO\nlisten={listen}\nlisten_ipv6={listen_ipv6}\n\
             listen_address=127.0.0.1\nlisten_address6=::1\nlisten_port={port}\n\
             anonymous_enable=YES\nlocal_enable=NO\nanon_root={path}/root\n\
             ftp_username=daemon\nsecure_email_list_enable=YES\nemail_password_file={path}/emails\n\
             secure_chroot_dir={path}/root\nxferlog_enable=NO\nvsftpd_log_file={path}/log\n\
             seccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\n{more}"
        );
        fs::write(directory.path().join(name), text).unwrap();
    }
    let _installed = program("/usr/sbin/vsftpd", "vsftpd");
    let mut command = Command::new("/bin/sh");
    command.current_dir(directory.path()).args([
        "-c",
        "/usr/sbin/vsftpd 4.conf & /usr/sbin/vsftpd 6.conf & wait",
    ]);
    Server::start(command, port, directory)
}

const LOGIN: &str = "service=ftp\nlogin=\"anonymous\"\npasswd=\"monitor@example.org\"";

#[test]
fn story_of_vsftpd() {
    let good = format!("{LOGIN}\nrequest=\"status.txt\"\nreceive=\"^all is well\"");
    let mut server = vsftpd("");
    Story {
        good: &good,
        wrong_credentials: Some(
            "service=ftp\nlogin=\"anonymous\"\npasswd=\"wrong\"\nrequest=\"status.txt\"",
        ),
        wrong_content: Some(&good.replace("well", "lost")),
    }
    .tell(&mut server);
    for address in loopback(server.port) {
        let told = |lines: &str| {
            let report = probe(address, &format!("{LOGIN}\n{lines}"));
            let shown = String::from_utf8(report.said_by(Side::Director)).unwrap();
            assert!(!shown.contains("monitor@example.org"), "{shown}");
            (reason(&report).to_owned(), report.detail.clone(), shown)
        };
        let (_, detail, shown) = told("request=\"status.txt\"\nreceive=\"well\"");
        assert_eq!(detail, "/status.txt has 13 bytes");
        assert_eq!(
            shown,
            "USER anonymous\r\nPASS ***\r\nTYPE I\r\nEPSV\r\nRETR /status.txt\r\nQUIT\r\n"
        );
        let (missing, _, _) = told("request=\"missing.txt\"");
        assert_eq!(
            missing,
            "/missing.txt cannot be fetched: \"550 Failed to open file.\""
        );
        let (_, detail, _) = told("");
        assert_eq!(detail, "logged in as anonymous");
        // The password of ldirectord for anonymous users is not in the list.
        let report = probe(address, "service=ftp\nrequest=\"status.txt\"");
        assert_eq!(reason(&report), "login refused: \"530 Login incorrect.\"");
        let report = probe(address, "service=ftp\nlogin=\"root\"\npasswd=\"secret\"");
        assert!(
            reason(&report).starts_with("login refused: \"530 "),
            "{report:?}"
        );
    }
}

#[test]
fn vsftpd_without_epsv() {
    let server = vsftpd("cmds_denied=EPSV\npasv_address=198.51.100.7\n");
    super::fixture::await_port(server.port);
    // PASV names another address, which is not contacted.
    let report = probe(
        loopback(server.port)[0],
        &format!("{LOGIN}\nrequest=\"status.txt\"\nreceive=\"well\""),
    );
    assert_eq!(report.outcome, Outcome::Up, "{report:?}");
    let heard = String::from_utf8(report.said_by(Side::Server)).unwrap();
    assert!(heard.contains("(198,51,100,7,"), "{heard}");
}
