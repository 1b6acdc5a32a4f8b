//! What the kinds of tracks differ in, in words and facts. Pure.

use crate::model::pair::TrackKind;
use crate::model::{Outcome, Reason};

/// Whether so many real servers are enough, in words too.
pub(super) fn judge_available(available: u32, least: u32) -> (Outcome, String) {
    let words = format!("{available} available, at least {least} wanted");
    if available >= least {
        (Outcome::Up, words)
    } else {
        (Outcome::Down(Reason::new(&words)), words)
    }
}

/// The kind of a track in a word, and what is watched.
pub(super) fn describe(kind: &TrackKind) -> (&'static str, String) {
    match kind {
        TrackKind::Interface(name) => ("interface", name.to_string()),
        TrackKind::Ping(address) => ("ping", address.to_string()),
        TrackKind::Http { host, port, path } => {
            ("http", format!("http://{}{path}", authority(host, *port)))
        }
        TrackKind::Tcp(address) => ("tcp", address.to_string()),
        TrackKind::Script { command, .. } => ("script", command.join(" ")),
        TrackKind::Process(name) => ("process", name.clone()),
        TrackKind::Service {
            service,
            min_available,
        } => ("service", format!("{service}, at least {min_available}")),
    }
}

/// Host and port as a URL and a `Host` header have them.
pub(super) fn authority(host: &str, port: u16) -> String {
    let bare = host.contains(':') && !host.starts_with('[');
    let host = if bare {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    match port {
        80 => host,
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn hosts_and_ports_are_written_as_in_urls() {
        assert_eq!(authority("127.0.0.1", 80), "127.0.0.1");
        assert_eq!(authority("www.example.com", 8080), "www.example.com:8080");
        assert_eq!(authority("2001:db8::1", 80), "[2001:db8::1]");
        assert_eq!(authority("[2001:db8::1]", 81), "[2001:db8::1]:81");
    }
}
