//! What a command line asks for.

use crate::cli::listing;
use crate::model::{Operation, ServiceKey, SyncDaemon, SyncRole, Timeouts};

/// One command, checked as far as that can be done without the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `-A -E -D -a -e -d`: one change to the table.
    Change(Operation),
    /// `-C`: remove every service.
    Clear,
    /// `-R`: carry out the commands of standard input.
    Restore,
    /// `-S`: print the table as commands.
    Save {
        /// `-n`: addresses and ports as numbers.
        numeric: bool,
    },
    /// `-L`.
    List(List),
    /// `-Z`: statistics to zero, of all services when `None`.
    Zero(Option<ServiceKey>),
    /// `--set`.
    SetTimeouts(Timeouts),
    /// `--start-daemon`.
    StartDaemon(SyncDaemon),
    /// `--stop-daemon`.
    StopDaemon(SyncRole),
    /// `-h`.
    Help,
    /// `-v`.
    Version,
}

/// A listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct List {
    /// What is listed.
    pub what: Listed,
    /// `-n`: addresses and ports as numbers.
    pub numeric: bool,
}

/// What a listing is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// The table, or one service of it.
    Table {
        /// The service.
        service: Option<ServiceKey>,
        /// Columns and order.
        options: listing::Options,
    },
    /// `-c`: connection entries.
    Connections {
        /// `--persistent-conn`: what persistence engines know of them.
        engines: bool,
    },
    /// `--timeout`.
    Timeouts,
    /// `--daemon`.
    Daemons,
}

impl Default for List {
    /// What the program does without any argument.
    fn default() -> Self {
        Self {
            what: Listed::Table {
                service: None,
                options: listing::Options::default(),
            },
            numeric: false,
        }
    }
}
