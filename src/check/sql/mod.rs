//! A query gives at least one row: `service=mysql`, `pgsql` and `oracle`.
//!
//! # Design
//!
//! The client sides of the protocols are written here as pure machines instead of taken
//! from client libraries: a check logs in, asks one question and reads the first byte of the
//! first row, and what a hostile server may make it keep has a bound that is tested.

use std::time::Duration;

use super::dialogue;
use super::fault::excerpt;
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Database, Fault, Login, Outcome, Reason, Report, SqlProbe};

pub mod mysql;
pub mod oracle;
pub mod pgsql;

/// Longest query, user and database name that are sent, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// Bytes of the server's words that a reason shows.
const QUOTED: usize = 300;

pub(super) async fn run(route: Route<'_>, probe: &SqlProbe, timeout: Duration) -> Report {
    let unusable = match probe.database {
        Database::Mysql => match mysql::Conversation::new(probe) {
            Ok(conversation) => return dialogue::run(route, None, conversation, timeout).await,
            Err(reason) => Outcome::Down(reason),
        },
        Database::Pgsql => match nonce().map(|nonce| pgsql::Conversation::new(probe, nonce)) {
            Ok(Ok(conversation)) => {
                return dialogue::run(route, None, conversation, timeout).await;
            }
            Ok(Err(reason)) => Outcome::Down(reason),
            Err(fault) => Outcome::Inconclusive(fault),
        },
        Database::Oracle => match oracle::Conversation::new(probe) {
            Ok(conversation) => return dialogue::run(route, None, conversation, timeout).await,
            Err(reason) => Outcome::Down(reason),
        },
    };
    Trace::new(timeout).report(unusable, "")
}

/// Randomness for one login.
fn nonce() -> Result<[u8; pgsql::NONCE], Fault> {
    let mut nonce = [0; pgsql::NONCE];
    getrandom::fill(&mut nonce).map_err(|error| Fault::new(format!("no randomness: {error}")))?;
    Ok(nonce)
}

/// The login of a probe that has all it needs: MySQL and PostgreSQL are not even contacted
/// without, since a server counts clients that come and go and locks them out.
fn login(probe: &SqlProbe) -> Result<&Login, Reason> {
    let word = probe.database.word();
    let Some(login) = probe.login.as_ref().filter(|_| !probe.query.is_empty()) else {
        return Err(Reason::new(format!(
            "a {word} check needs login= and request="
        )));
    };
    let texts = [
        &login.name,
        login.password.expose(),
        &probe.name,
        &probe.query,
    ];
    if texts
        .iter()
        .any(|text| text.contains('\0') || text.len() > TEXT_MAX)
    {
        let max = TEXT_MAX >> 20;
        return Err(Reason::new(format!(
            "login=, passwd=, database= and request= must not contain NUL or more than {max} MiB"
        )));
    }
    Ok(login)
}

/// Foreign words for a reason.
fn quoted(bytes: &[u8]) -> String {
    format!("\"{}\"", excerpt(bytes, QUOTED))
}

#[cfg(test)]
mod tests;
