//! The words of a command line as options, the way the original's option library takes them
//! apart.
//!
//! Short options bundle (`-Ln`), a value may be glued on (`-w5`), joined by `=` (`-w=5`,
//! `--weight=5`) or follow as the next word, whatever it looks like; only the value that may
//! be left out must not begin with `-`. Long names are never abbreviated. Words that belong
//! to no option are kept for the end.

use std::collections::VecDeque;

use super::failure::Failure;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    AddService,
    EditService,
    DeleteService,
    Flush,
    Restore,
    Save,
    AddServer,
    EditServer,
    DeleteServer,
    List,
    Zero,
    Set,
    StartDaemon,
    StopDaemon,
    Help,
    Version,
}

impl Verb {
    /// The name in error texts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Flush => "flush",
            Self::Restore => "restore",
            Self::Save => "save",
            Self::AddServer => "add-server",
            Self::EditServer => "edit-server",
            Self::DeleteServer => "delete-server",
            Self::List => "list",
            Self::Zero => "zero",
            Self::Set => "set",
            Self::StartDaemon => "start-daemon",
            Self::StopDaemon => "stop-daemon",
            Self::Help => "help",
            Self::Version => "version",
        }
    }
}

/// An option of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    Verb(Verb),
    Tcp,
    Udp,
    Sctp,
    Mark,
    Ipv6,
    Scheduler,
    Engine,
    Persistent,
    Netmask,
    Server,
    Gateway,
    Ipip,
    Masquerade,
    Weight,
    Upper,
    Lower,
    Interface,
    SyncId,
    MaxLength,
    Group,
    Port,
    Ttl,
    Timeout,
    Daemon,
    Stats,
    Rate,
    Thresholds,
    PersistentConn,
    TunInfo,
    NoSort,
    Sort,
    Exact,
    OnePacket,
    SchedFlags,
    Numeric,
    Connection,
    TunType,
    TunPort,
    TunNocsum,
    TunCsum,
    TunRemcsum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    /// A value that may be left out.
    Perhaps,
}

use Takes::{Nothing, Perhaps, Value};

/// Letter (0: none), long name, meaning, value.
const OPTIONS: [(u8, &str, Flag, Takes); 58] = [
    (b'A', "add-service", Flag::Verb(Verb::AddService), Nothing),
    (b'E', "edit-service", Flag::Verb(Verb::EditService), Nothing),
    (
        b'D',
        "delete-service",
        Flag::Verb(Verb::DeleteService),
        Nothing,
    ),
    (b'C', "clear", Flag::Verb(Verb::Flush), Nothing),
    (b'R', "restore", Flag::Verb(Verb::Restore), Nothing),
    (b'S', "save", Flag::Verb(Verb::Save), Nothing),
    (b'a', "add-server", Flag::Verb(Verb::AddServer), Nothing),
    (b'e', "edit-server", Flag::Verb(Verb::EditServer), Nothing),
    (
        b'd',
        "delete-server",
        Flag::Verb(Verb::DeleteServer),
        Nothing,
    ),
    (b'L', "list", Flag::Verb(Verb::List), Nothing),
    (b'l', "list", Flag::Verb(Verb::List), Nothing),
    (b'Z', "zero", Flag::Verb(Verb::Zero), Nothing),
    (0, "set", Flag::Verb(Verb::Set), Nothing),
    (0, "start-daemon", Flag::Verb(Verb::StartDaemon), Value),
    (0, "stop-daemon", Flag::Verb(Verb::StopDaemon), Value),
    (b'h', "help", Flag::Verb(Verb::Help), Nothing),
    (b'v', "version", Flag::Verb(Verb::Version), Nothing),
    (b't', "tcp-service", Flag::Tcp, Value),
    (b'u', "udp-service", Flag::Udp, Value),
    (0, "sctp-service", Flag::Sctp, Value),
    (b'f', "fwmark-service", Flag::Mark, Value),
    (b'6', "ipv6", Flag::Ipv6, Nothing),
    (b's', "scheduler", Flag::Scheduler, Value),
    (0, "pe", Flag::Engine, Value),
    (b'p', "persistent", Flag::Persistent, Perhaps),
    (b'M', "netmask", Flag::Netmask, Value),
    (b'r', "real-server", Flag::Server, Value),
    (b'g', "gatewaying", Flag::Gateway, Nothing),
    (b'i', "ipip", Flag::Ipip, Nothing),
    (b'm', "masquerading", Flag::Masquerade, Nothing),
    (b'w', "weight", Flag::Weight, Value),
    (b'x', "u-threshold", Flag::Upper, Value),
    (b'y', "l-threshold", Flag::Lower, Value),
    (0, "mcast-interface", Flag::Interface, Value),
    (0, "syncid", Flag::SyncId, Value),
    (0, "sync-maxlen", Flag::MaxLength, Value),
    (0, "mcast-group", Flag::Group, Value),
    (0, "mcast-port", Flag::Port, Value),
    (0, "mcast-ttl", Flag::Ttl, Value),
    (0, "timeout", Flag::Timeout, Nothing),
    (0, "daemon", Flag::Daemon, Nothing),
    (0, "stats", Flag::Stats, Nothing),
    (0, "rate", Flag::Rate, Nothing),
    (0, "thresholds", Flag::Thresholds, Nothing),
    (0, "persistent-conn", Flag::PersistentConn, Nothing),
    (0, "tun-info", Flag::TunInfo, Nothing),
    (0, "nosort", Flag::NoSort, Nothing),
    (0, "sort", Flag::Sort, Nothing),
    (b'X', "exact", Flag::Exact, Nothing),
    (b'o', "ops", Flag::OnePacket, Nothing),
    (b'b', "sched-flags", Flag::SchedFlags, Value),
    (b'n', "numeric", Flag::Numeric, Nothing),
    (b'c', "connection", Flag::Connection, Nothing),
    (0, "tun-type", Flag::TunType, Value),
    (0, "tun-port", Flag::TunPort, Value),
    (0, "tun-nocsum", Flag::TunNocsum, Nothing),
    (0, "tun-csum", Flag::TunCsum, Nothing),
    (0, "tun-remcsum", Flag::TunRemcsum, Nothing),
];

/// An option as it was met.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Met<'a> {
    pub(super) flag: Flag,
    pub(super) value: Option<&'a str>,
    /// The whole word that it is in, for error texts.
    pub(super) word: &'a str,
}

/// Goes through the words of a command line.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    words: &'a [&'a str],
    next: usize,
    /// What is left of a bundle of short options, and the word it is in.
    bundle: Option<(&'a str, &'a str)>,
    /// After `--`.
    rest: bool,
    leftover: VecDeque<&'a str>,
}

impl<'a> Scanner<'a> {
    /// Starts before the first word behind the program's name.
    pub(super) fn new(words: &'a [&'a str]) -> Self {
        Self {
            words,
            next: 0,
            bundle: None,
            rest: false,
            leftover: VecDeque::new(),
        }
    }

    /// The next option; `None` at the end. A word that is none fails, but stops nobody from
    /// reading the next line of a file.
    pub(super) fn option(&mut self) -> Result<Option<Met<'a>>, Failure> {
        loop {
            if let Some((letters, word)) = self.bundle.take() {
                return self.short(letters, word).map(Some);
            }
            let Some(word) = self.words.get(self.next).copied() else {
                return Ok(None);
            };
            self.next += 1;
            if self.rest || word == "-" || !word.starts_with('-') {
                self.leftover.push_back(word);
            } else if word == "--" {
                self.rest = true;
            } else if let Some(long) = word.strip_prefix("--") {
                return self.long(long, word).map(Some);
            } else {
                self.bundle = Some((&word[1..], word));
            }
        }
    }

    /// The next of the words that belong to no option. For the time after the last option.
    pub(super) fn argument(&mut self) -> Option<&'a str> {
        self.leftover.pop_front()
    }

    fn long(&mut self, text: &'a str, word: &'a str) -> Result<Met<'a>, Failure> {
        let (name, joined) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let known = OPTIONS.iter().find(|(_, long, ..)| *long == name);
        let Some((_, _, flag, takes)) = known.filter(|_| !name.is_empty()) else {
            return Err(Failure::option(word, "unknown option"));
        };
        self.met(*flag, *takes, joined, word)
    }

    fn short(&mut self, letters: &'a str, word: &'a str) -> Result<Met<'a>, Failure> {
        let letter = letters.as_bytes().first().copied().unwrap_or(0);
        let known = OPTIONS.iter().find(|(short, ..)| *short == letter);
        let Some((_, _, flag, takes)) = known.filter(|_| letter != 0) else {
            return Err(Failure::option(word, "unknown option"));
        };
        // A known letter is one byte long.
        let rest = &letters[1..];
        let joined = match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if *takes != Nothing && !rest.is_empty() => Some(rest),
            None => None,
        };
        if joined.is_none() && !rest.is_empty() {
            self.bundle = Some((rest, word));
        }
        self.met(*flag, *takes, joined, word)
    }

    fn met(
        &mut self,
        flag: Flag,
        takes: Takes,
        joined: Option<&'a str>,
        word: &'a str,
    ) -> Result<Met<'a>, Failure> {
        let following = self.words.get(self.next).copied();
        let value = match (takes, joined) {
            (Nothing, Some(_)) => {
                return Err(Failure::option(word, "option does not take an argument"));
            }
            (Nothing, None) => None,
            (Value | Perhaps, Some(value)) => Some(value),
            (Value, None) => {
                self.next += 1;
                Some(following.ok_or_else(|| Failure::option(word, "missing argument"))?)
            }
            (Perhaps, None) => {
                let value = following.filter(|word| !word.starts_with('-'));
                self.next += usize::from(value.is_some());
                value
            }
        };
        Ok(Met { flag, value, word })
    }
}
