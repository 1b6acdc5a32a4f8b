//! What is known of a real server.

use std::fmt;

/// Standing of a real server in one virtual service: all that checks and the operator
/// say about it, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Availability {
    /// No check has finished yet.
    Unknown,
    /// The last word of its check is that it is in order, or it is not checked at all.
    Up,
    /// Its check failed as often as `failurecount` asks, or it is configured `off`.
    Down,
    /// An operator took it out; the checks' word does not count.
    Maintenance,
}

impl Availability {
    /// Lower-case word for logs, status and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
            Self::Maintenance => "maintenance",
        }
    }
}

impl fmt::Display for Availability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
