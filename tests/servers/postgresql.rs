//! PostgreSQL, plain and over TLS.

use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use directord::model::{Outcome, Side};
use nix::unistd::User;
use tempfile::TempDir;

use crate::fixture::{Server, Story, free_port, loopback, probe, program, reason, self_signed};

const PACKAGE: &str = "postgresql-15";
const INITDB: &str = "/usr/lib/postgresql/15/bin/initdb";
const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

/// Accounts and tables, written by the server without a network.
const INIT: &str = "\
CREATE USER monitor PASSWORD 'secret';
CREATE USER open;
SET password_encryption = 'md5';
CREATE USER old PASSWORD 'secret';
CREATE DATABASE site OWNER monitor;
";

/// Who may log in how.
const ACCESS: &str = "\
hostssl all safe all scram-sha-256
host all open all trust
host all old all md5
host all clear all password
host all ident all ident
host site monitor all scram-sha-256
";

fn start(tls: bool) -> Server {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    self_signed(at);
    let user = User::from_name("postgres")
        .unwrap()
        .expect("the package makes the user");
    for path in [
        at.to_owned(),
        at.join("certificate.pem"),
        at.join("key.pem"),
    ] {
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
    }
    std::fs::set_permissions(at.join("key.pem"), PermissionsExt::from_mode(0o600)).unwrap();
    let as_postgres = |mut command: Command| {
        command
            .uid(user.uid.as_raw())
            .gid(user.gid.as_raw())
            .current_dir("/");
        command
    };
    let mut initdb = as_postgres(program(INITDB, PACKAGE));
    initdb
        .args([
            "--no-sync",
            "--no-instructions",
            "--encoding=UTF8",
            "--locale=C",
            "-D",
        ])
        .arg(at.join("data"));
    let done = initdb.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    std::fs::write(at.join("init.sql"), INIT).unwrap();
    let mut single = as_postgres(program(POSTGRES, PACKAGE));
    single
        .args(["--single", "-j", "-D"])
        .arg(at.join("data"))
        .arg("postgres");
    run_statements(single, INIT);
    std::fs::write(at.join("data/pg_hba.conf"), ACCESS).unwrap();
    let port = free_port();
    // Processes of sessions are in groups of their own and outlive a kill for a moment, in
    // which a new server refuses to start.
    let mut shell = as_postgres(Command::new("/bin/sh"));
    let script = "while :; do \"$@\"; sleep 0.1; done";
    shell
        .args(["-c", script, "sh", POSTGRES, "-D"])
        .arg(at.join("data"));
    let mut set = |name: &str, value: &str| {
        shell.arg("-c").arg(format!("{name}={value}"));
    };
    set("port", &port.to_string());
    set("listen_addresses", "127.0.0.1,::1");
    set("unix_socket_directories", "");
    set("fsync", "off");
    set("log_connections", "on");
    // At this level it tells of clients that leave without a goodbye.
    set("log_min_messages", "debug1");
    if tls {
        set("ssl", "on");
        set("ssl_cert_file", &text(&at.join("certificate.pem")));
        set("ssl_key_file", &text(&at.join("key.pem")));
    }
    Server::start(shell, port, directory)
}

/// Gives the single-user server its statements, one in a line.
fn run_statements(mut server: Command, statements: &str) {
    use std::io::Write;
    use std::process::Stdio;
    let mut child = server
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // With -j a statement ends at a semicolon and an empty line.
    input
        .write_all(statements.replace(";\n", ";\n\n").as_bytes())
        .unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Lines of a service that asks a query.
fn lines(user: &str, password: &str, query: &str) -> String {
    format!(
        "service=pgsql\nlogin=\"{user}\"\npasswd=\"{password}\"\ndatabase=\"site\"\nrequest=\"{query}\""
    )
}

const QUERY: &str = "SELECT datname FROM pg_database WHERE datname='site'";
const NOTHING: &str = "SELECT datname FROM pg_database WHERE datname='none'";

fn tell(server: &mut Server) {
    let good = lines("monitor", "secret", QUERY);
    let wrong = lines("monitor", "guess", QUERY);
    let nothing = lines("monitor", "secret", NOTHING);
    let story = Story {
        good: &good,
        wrong_credentials: Some(&wrong),
        wrong_content: Some(&nothing),
    };
    story.tell(server);
}

// CHK-31, CHK-41
#[test]
fn pgsql() {
    let mut server = start(false);
    tell(&mut server);
    let output = server.output();
    assert!(
        !output.contains("unexpected EOF"),
        "a check left without a goodbye: {output}"
    );
    for address in loopback(server.port) {
        let refused = |user, password, query: &str| {
            let report = probe(address, &lines(user, password, query));
            reason(&report).to_owned()
        };
        let wrong = refused("monitor", "guess", QUERY);
        assert!(
            wrong.starts_with("login refused: \"28P01 password auth"),
            "{wrong}"
        );
        assert_eq!(
            refused("monitor", "secret", NOTHING),
            "the query gives no row"
        );
        let failed = refused("monitor", "secret", "SELECT 1 FROM missing");
        assert!(
            failed.starts_with("the query fails: \"42P01 relation"),
            "{failed}"
        );
        let unknown = refused("nobody", "x", QUERY);
        assert!(
            unknown.starts_with("login refused: \"28000 no pg_hba.conf"),
            "{unknown}"
        );
        let copy = refused("monitor", "secret", "COPY (SELECT 1) TO STDOUT");
        assert_eq!(copy, "the query copies instead of giving rows");
        let report = probe(
            address,
            "service=pgsql\nlogin=\"open\"\ndatabase=\"none\"\nrequest=\"SELECT 1\"",
        );
        assert!(
            reason(&report).starts_with("login refused: \"3D000"),
            "{report:?}"
        );
        for lines in [
            lines("old", "secret", "SELECT 1"),
            lines("open", "", "SELECT 1"),
            lines("monitor", "secret", "SELECT repeat('x', 10000000), 2"),
            lines(
                "monitor",
                "secret",
                "SELECT * FROM generate_series(1, 1000000)",
            ),
            lines("monitor", "secret", "SELECT 1 WHERE false; SELECT 1"),
            lines(
                "monitor",
                "secret",
                "CREATE TEMP TABLE t (a int); INSERT INTO t VALUES (1)",
            ),
        ] {
            let report = probe(address, &lines.replace("passwd=\"\"\n", ""));
            assert_eq!(report.outcome, Outcome::Up, "{lines}: {report:?}");
        }
        let report = probe(address, &lines("old", "guess", "SELECT 1"));
        assert!(
            reason(&report).starts_with("login refused: \"28P01"),
            "{report:?}"
        );
        let report = probe(address, "service=pgsql\nrequest=\"SELECT 1\"");
        assert_eq!(reason(&report), "a pgsql check needs login= and request=");
    }
}

#[test]
fn pgsql_over_tls() {
    let mut server = start(true);
    tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &lines("monitor", "secret", QUERY));
        assert_eq!(report.outcome, Outcome::Up);
        assert!(report.phases.tls.is_some(), "{report:?}");
        let said = String::from_utf8_lossy(&report.said_by(Side::Director)).into_owned();
        assert!(
            said.contains(",p=***") && !said.contains("secret"),
            "{said}"
        );
    }
    assert!(
        server.output().contains("SSL enabled"),
        "{}",
        server.output()
    );
}
