//! Probes of databases.

use std::time::Duration;

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
    let target = "127.0.0.1:1".parse().unwrap();
    for database in [Database::Mysql, Database::Pgsql] {
        let whole = probe(database);
        let no_login = SqlProbe { login: None, ..whole.clone() };
        let no_query = SqlProbe { query: String::new(), ..whole };
        for probe in [no_login, no_query] {
            let report = run(target, &probe, Duration::from_secs(5)).await;
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
