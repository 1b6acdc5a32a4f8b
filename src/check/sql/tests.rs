//! Probes of databases.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::model::Secret;

/// One with all that is needed.
pub(super) fn probe(database: Database) -> SqlProbe {
    SqlProbe {
        database,
        login: Some(Login {
            name: "monitor".to_owned(),
            password: Secret::new("secret"),
        }),
        name: "site".to_owned(),
        query: "SELECT 1".to_owned(),
    }
}

// CHK-32
#[tokio::test]
async fn without_login_or_query_nobody_is_contacted() {
    let target: SocketAddr = "127.0.0.1:1".parse().unwrap();
    for database in [Database::Mysql, Database::Pgsql] {
        let whole = probe(database);
        let no_login = SqlProbe {
            login: None,
            ..whole.clone()
        };
        let no_query = SqlProbe {
            query: String::new(),
            ..whole
        };
        for probe in [no_login, no_query] {
            let report = run(target.into(), &probe, Duration::from_secs(5)).await;
            let word = database.word();
            let expected = format!("a {word} check needs login= and request=");
            assert_eq!(report.outcome, Outcome::Down(Reason::new(expected)));
        }
    }
    let mut odd = probe(Database::Mysql);
    odd.query = "SELECT\0".to_owned();
    assert!(login(&odd).unwrap_err().as_str().contains("NUL"));
    odd.query = "x".repeat(TEXT_MAX + 1);
    assert!(login(&odd).is_err());
}

/// A server that answers the question for TLS with yes and goes on as told.
async fn agreeing(then: &'static [u8], silent: bool) -> SocketAddr {
    let listener = TcpListener::bind("[::1]:0").await.unwrap();
    let target = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut question = [0; 8];
        stream.read_exact(&mut question).await.unwrap();
        stream.write_all(b"S").await.unwrap();
        let mut hello = [0; 1];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(then).await.unwrap();
        if !silent {
            stream.shutdown().await.unwrap();
        }
        // Until the other side is gone, so that nothing is lost to a reset.
        let _ = stream.read_to_end(&mut Vec::new()).await;
    });
    target
}

#[tokio::test]
async fn tls_that_was_agreed_on_must_come() {
    let sql = probe(Database::Pgsql);
    let patience = Duration::from_secs(20);
    for (then, expected) in [
        (&b"N\0\0\0\x05"[..], "the answer is not TLS"),
        (b"", "the server closed the connection"),
        (
            b"\x15\x03\x03\0\x02\x02\x28",
            "the server sent the alert HandshakeFailure",
        ),
    ] {
        let report = run(agreeing(then, false).await.into(), &sql, patience).await;
        let expected = format!("connected, but the TLS handshake failed: {expected}");
        assert_eq!(report.outcome, Outcome::Down(Reason::new(expected)));
        assert!(report.phases.connected.is_some() && report.phases.tls.is_none());
    }
    let short = Duration::from_millis(300);
    let report = run(agreeing(b"", true).await.into(), &sql, short).await;
    let expected = Reason::new("connected, but no TLS handshake within 0.3 s");
    assert_eq!(report.outcome, Outcome::Down(expected));
}
