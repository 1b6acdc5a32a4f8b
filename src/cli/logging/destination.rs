//! Destinations and the words that choose them.

use std::path::PathBuf;

use nix::sys::stat::fstat;

/// Where log lines go; each has its own layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard error, `MESSAGE`: `ldirectord -d`.
    Stderr,
    /// Standard output, `[TIME] MESSAGE`: `supervised=yes`.
    Stdout,
    /// A file, opened and closed for each line so that renaming it is all that log
    /// rotation takes: `[TIME|INSTANCE|PID] MESSAGE`.
    File(PathBuf),
    /// The system log under a facility, tag `PROGRAM[PID]`: `MESSAGE`.
    Syslog(Facility),
    /// Standard error for a person: time, level, message.
    Terminal,
    /// Standard error connected to the journal: the priority as systemd understands it,
    /// then the message; the journal adds the time.
    Journal,
}

impl Destination {
    /// What ldirectord's `logfile` means: a path that begins with `/`, else the name of
    /// a facility. An unknown one counts as `daemon` and is reported beside.
    pub fn of_logfile(value: &str) -> (Self, Option<UnknownFacility>) {
        if value.starts_with('/') {
            return (Self::File(PathBuf::from(value)), None);
        }
        match Facility::named(value) {
            Some(facility) => (Self::Syslog(facility), None),
            None => (
                Self::Syslog(Facility::DAEMON),
                Some(UnknownFacility(value.to_owned())),
            ),
        }
    }

    /// For a service in the foreground: [`Destination::Journal`] when standard error is
    /// the stream that systemd's `JOURNAL_STREAM` names, else [`Destination::Terminal`].
    pub fn of_foreground() -> Self {
        let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
        match fstat(std::io::stderr()) {
            Ok(stat) if is_stream(&stream, stat.st_dev, stat.st_ino) => Self::Journal,
            _ => Self::Terminal,
        }
    }
}

/// `JOURNAL_STREAM` is inherited by children whose standard error was redirected; only
/// equal device and inode numbers prove the connection.
fn is_stream(value: &str, device: u64, inode: u64) -> bool {
    value
        .split_once(':')
        .is_some_and(|(dev, ino)| dev.parse() == Ok(device) && ino.parse() == Ok(inode))
}

/// A syslog facility, by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(u8);

/// Names and numbers of `<syslog.h>`.
const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];

impl Facility {
    /// System daemons.
    pub const DAEMON: Self = Self(3);

    /// The facility of a name in any case, with or without `LOG_`, as Perl's
    /// `Sys::Syslog` takes it.
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("log_").unwrap_or(&name);
        FACILITIES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, number)| Self(*number))
    }

    /// The number of `<syslog.h>`, 0 to 23.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// A `logfile` that is neither an absolute path nor a facility.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("logfile {0:?} is neither an absolute path nor a syslog facility, using facility daemon")]
pub struct UnknownFacility(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logfile_is_a_path_or_a_facility() {
        let of = |value| Destination::of_logfile(value);
        let file = Destination::File(PathBuf::from("/var/log/x.log"));
        assert_eq!(of("/var/log/x.log"), (file, None));
        let local0 = Destination::Syslog(Facility(16));
        assert_eq!(of("local0"), (local0.clone(), None));
        assert_eq!(of("LOG_LOCAL0"), (local0, None));
    }

    #[test]
    fn unknown_facilities_become_daemon_with_a_warning() {
        for value in ["var/log/x", "", "local8"] {
            let (destination, warning) = Destination::of_logfile(value);
            assert_eq!(destination, Destination::Syslog(Facility::DAEMON));
            assert_eq!(warning, Some(UnknownFacility(value.to_owned())));
        }
    }

    #[test]
    fn the_journal_is_recognised_by_device_and_inode() {
        assert!(is_stream("9:1234", 9, 1234));
        assert!(!is_stream("9:1234", 9, 1235));
        assert!(!is_stream("8:1234", 9, 1234));
        assert!(!is_stream("", 0, 0));
    }
}
