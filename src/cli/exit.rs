//! Exit codes, in one place, because scripts depend on them.

use std::process::ExitCode;

/// Exit codes of directord's own commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; nothing to complain of.
    Success,
    /// 1: failed, or the configuration has errors.
    Failure,
    /// 2: the command line makes no sense.
    Usage,
    /// 2: a comparison found a difference (`plan`).
    Difference,
    /// `status --check`: 0 good, 1 warning, 2 critical.
    Verdict(u8),
    /// 4: the daemon that was to answer is not running.
    NotRunning,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage | Self::Difference => 2,
            Self::Verdict(code) => code,
            Self::NotRunning => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Exit codes of the `ldirectord` personality, those of the original. The cluster
/// agents tell running, stopped and broken apart by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LdirectordExit {
    /// 0: done, also when there was nothing to do; `status`: running.
    Done,
    /// 1: the start failed, the configuration was not found, `reload` while stopped,
    /// `status` with a stale pid file, `stop` without end.
    Failed,
    /// 2: the configuration has an error, whatever the action.
    Configuration,
    /// 3: `status`: stopped.
    Stopped,
    /// 255: the command line makes no sense.
    Usage,
}

impl LdirectordExit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Configuration => 2,
            Self::Stopped => 3,
            Self::Usage => 255,
        }
    }
}

impl From<LdirectordExit> for ExitCode {
    fn from(exit: LdirectordExit) -> Self {
        Self::from(exit.code())
    }
}
