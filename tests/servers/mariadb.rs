//! MariaDB, plain and over TLS.

use std::path::Path;

use directord::model::{Outcome, Side};
use tempfile::TempDir;

use crate::fixture::{Server, Story, free_port, loopback, probe, program, reason, self_signed};

/// Accounts and tables, made at every start.
const INIT: &str = "\
CREATE DATABASE IF NOT EXISTS site;
CREATE OR REPLACE TABLE site.servers (name TEXT, enabled INT);
INSERT INTO site.servers VALUES ('web', 1);
CREATE OR REPLACE USER monitor@'%' IDENTIFIED BY 'secret';
GRANT ALL ON site.* TO monitor@'%';
CREATE OR REPLACE USER open@'%';
CREATE OR REPLACE USER local@'%' IDENTIFIED VIA unix_socket;
CREATE OR REPLACE USER safe@'%' IDENTIFIED BY 'secret' REQUIRE SSL;
";

fn start(tls: bool) -> Server {
    let directory = TempDir::new().unwrap();
    let at = directory.path();
    // A server removes every temporary table it finds in its directory when
    // it starts, those of a neighbour in /tmp, too.
    let temporary = at.join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let small = ["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M"];
    let installed = program("/usr/bin/mariadb-install-db", "mariadb-server-core")
        .args(["--no-defaults", "--skip-test-db", "--user=root"])
        .arg(option("datadir", &at.join("data")))
        .arg(option("tmpdir", &temporary))
        .args(small)
        .output()
        .unwrap();
    assert!(installed.status.success(), "{installed:?}");
    std::fs::write(at.join("init.sql"), INIT).unwrap();
    self_signed(at);
    let port = free_port();
    let mut mariadbd = program("/usr/sbin/mariadbd", "mariadb-server-core");
    mariadbd
        .args([
            "--no-defaults",
            "--user=root",
            "--bind-address=127.0.0.1,::1",
        ])
        .arg(format!("--port={port}"))
        .arg(option("datadir", &at.join("data")))
        .arg(option("socket", &at.join("socket")))
        .arg(option("pid-file", &at.join("pid")))
        .arg(option("init-file", &at.join("init.sql")))
        .arg(option("tmpdir", &temporary))
        .args(small);
    if tls {
        mariadbd
            .arg(option("ssl-cert", &at.join("certificate.pem")))
            .arg(option("ssl-key", &at.join("key.pem")));
    }
    Server::start(mariadbd, port, directory)
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

/// Lines of a service that asks a query.
fn lines(user: &str, password: &str, query: &str) -> String {
    format!(
        "service=mysql\nlogin=\"{user}\"\npasswd=\"{password}\"\ndatabase=\"site\"\nrequest=\"{query}\""
    )
}

const QUERY: &str = "SELECT name FROM servers WHERE enabled=1";
const NOTHING: &str = "SELECT name FROM servers WHERE enabled=2";

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
fn mysql() {
    let mut server = start(false);
    tell(&mut server);
    let report = probe(
        loopback(server.port)[0],
        &lines(
            "monitor",
            "secret",
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME='Aborted_clients' AND VARIABLE_VALUE=0",
        ),
    );
    let said = String::from_utf8_lossy(&report.said_by(Side::Server)).into_owned();
    assert_eq!(
        report.outcome,
        Outcome::Up,
        "a check left without a goodbye: {said}"
    );
    for address in loopback(server.port) {
        let refused = |user, password, query: &str| {
            let report = probe(address, &lines(user, password, query));
            reason(&report).to_owned()
        };
        let wrong = refused("monitor", "guess", QUERY);
        assert!(
            wrong.starts_with("login refused: \"1045 Access denied"),
            "{wrong}"
        );
        assert_eq!(
            refused("monitor", "secret", NOTHING),
            "the query gives no row"
        );
        let failed = refused("monitor", "secret", "SELECT 1 FROM missing");
        assert!(
            failed.starts_with("the query fails: \"1146 Table"),
            "{failed}"
        );
        let failed = refused("monitor", "secret", "NONSENSE");
        assert!(
            failed.starts_with("the query fails: \"1064 You"),
            "{failed}"
        );
        let foreign = refused("local", "x", QUERY);
        assert!(foreign.contains("login"), "{foreign}");
        let safe = refused("safe", "secret", QUERY);
        assert!(safe.starts_with("login refused: \"1045"), "{safe}");
        let file = refused(
            "monitor",
            "secret",
            "LOAD DATA LOCAL INFILE '/dev/null' INTO TABLE servers",
        );
        assert!(file.starts_with("the query"), "{file}");
        let report = probe(
            address,
            "service=mysql\nlogin=\"monitor\"\npasswd=\"secret\"\ndatabase=\"none\"\nrequest=\"SELECT 1\"",
        );
        assert!(
            reason(&report).starts_with("login refused: \"1044"),
            "{report:?}"
        );
        for lines in [
            "service=mysql\nlogin=\"open\"\nrequest=\"SELECT 1\"".to_owned(),
            lines(
                "monitor",
                "secret",
                "SELECT REPEAT('x', 10000000), 2, 3 FROM servers",
            ),
            lines("monitor", "secret", "SELECT seq FROM seq_1_to_1000000"),
            lines(
                "monitor",
                "secret",
                "UPDATE servers SET enabled=1-enabled WHERE name='unknown' OR enabled>=0",
            ),
            lines("monitor", "secret", "UPDATE servers SET enabled=1-enabled"),
        ] {
            let report = probe(address, &lines);
            assert_eq!(report.outcome, Outcome::Up, "{lines}: {report:?}");
        }
        let report = probe(
            address,
            &lines("monitor", "secret", "DELETE FROM servers WHERE enabled=9"),
        );
        assert_eq!(reason(&report), "the query gives no row");
        let report = probe(address, "service=mysql\nlogin=\"monitor\"");
        assert_eq!(reason(&report), "a mysql check needs login= and request=");
        assert!(report.dialogue.is_empty() && report.phases.connected.is_none());
    }
}

#[test]
fn mysql_over_tls() {
    let mut server = start(true);
    tell(&mut server);
    for address in loopback(server.port) {
        let report = probe(address, &lines("safe", "secret", "SELECT 1"));
        // The account has no right to the database, but it may log in.
        assert!(report.phases.tls.is_some());
        assert!(
            reason(&report).starts_with("login refused: \"1044"),
            "{report:?}"
        );
        let report = probe(
            address,
            "service=mysql\nlogin=\"safe\"\npasswd=\"secret\"\nrequest=\"SELECT 1\"",
        );
        assert_eq!(report.outcome, Outcome::Up, "{report:?}");
        let said = String::from_utf8_lossy(&report.said_by(Side::Director)).into_owned();
        assert!(said.contains("***") && said.contains("SELECT 1"), "{said}");
    }
}
