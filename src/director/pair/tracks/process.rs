//! Which processes exist: one reading of `/proc` serves all tracks.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

/// Reads `/proc` when somebody needs it.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    wanted: StdMutex<Arc<BTreeSet<String>>>,
    last: Mutex<Option<Scan>>,
}

#[derive(Debug)]
struct Scan {
    at: Instant,
    wanted: Arc<BTreeSet<String>>,
    found: BTreeSet<String>,
}

impl Scanner {
    /// These are the names that will be asked for.
    pub(super) fn want(&self, names: BTreeSet<String>) {
        *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(names);
    }

    fn wanted(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.wanted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether a process of this name exists that has not ended; the answer is not older
    /// than `age`.
    pub(super) async fn exists(&self, name: &str, age: Duration) -> std::io::Result<bool> {
        let mut last = self.last.lock().await;
        if let Some(scan) = &*last
            && scan.at.elapsed() <= age
            && scan.wanted.contains(name)
        {
            return Ok(scan.found.contains(name));
        }
        let wanted = self.wanted();
        let at = Instant::now();
        let names = Arc::clone(&wanted);
        let scan = spawn_blocking(move || scan(&names));
        let found = scan.await.map_err(std::io::Error::other)??;
        let exists = found.contains(name);
        *last = Some(Scan { at, wanted, found });
        Ok(exists)
    }
}

/// Those of the names that a process has which has not ended.
fn scan(names: &BTreeSet<String>) -> std::io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        let number = entry.file_name();
        let Some(number) = number.to_str().filter(|name| is_number(name)) else {
            continue;
        };
        // It may end at any moment.
        let Ok(name) = std::fs::read(format!("/proc/{number}/comm")) else {
            continue;
        };
        let name = name.strip_suffix(b"\n").unwrap_or(&name);
        let Some(name) = names.iter().find(|wanted| wanted.as_bytes() == name) else {
            continue;
        };
        if !found.contains(name)
            && std::fs::read(format!("/proc/{number}/stat")).is_ok_and(|stat| is_alive(&stat))
        {
            found.insert(name.clone());
        }
    }
    Ok(found)
}

fn is_number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a `/proc/PID/stat` (proc(5)) is of a process that has not ended. The name, in
/// parentheses before the state, can have parentheses itself.
fn is_alive(stat: &[u8]) -> bool {
    let after = stat.iter().rposition(|byte| *byte == b')');
    let state = after.and_then(|at| stat.get(at + 2));
    state.is_some_and(|state| !b"ZXx".contains(state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zombie_has_ended() {
        assert!(is_alive(b"7 (nginx) S 1 7"));
        assert!(is_alive(b"7 (a) Z b)) R 1 7"));
        assert!(!is_alive(b"7 (nginx) Z 1 7"));
        assert!(!is_alive(b"7 (nginx"));
        assert!(!is_alive(b"7 (nginx)"));
    }

    #[tokio::test]
    async fn one_reading_serves_everybody_for_a_while() {
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        let own = own.trim_end().to_owned();
        let scanner = Scanner::default();
        let nobody = "no such process".to_owned();
        scanner.want(BTreeSet::from([own.clone(), nobody.clone()]));
        let hour = Duration::from_secs(3600);
        assert!(scanner.exists(&own, hour).await.unwrap());
        let first = scanner.last.lock().await.as_ref().unwrap().at;
        assert!(!scanner.exists(&nobody, hour).await.unwrap());
        assert_eq!(scanner.last.lock().await.as_ref().unwrap().at, first);
        assert!(scanner.exists(&own, Duration::ZERO).await.unwrap());
        assert_ne!(scanner.last.lock().await.as_ref().unwrap().at, first);
    }
}
