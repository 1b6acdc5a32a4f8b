//! Turns the text of an `ldirectord.cf` into a configuration or into every mistake in
//! it. Pure: the caller reads the file, resolves the names and opens what is named.
//! [`directord`] reads what goes beyond that, a pair above all, from a `directord.yaml`.
//!
//! ```text
//! bytes ─► ldirectord::parse ─► Parsed ──── names() ───► caller resolves ─┐
//!                                 │                                       ▼
//!                                 └──────────────── resolve(&Names) ◄── Names
//!                                                        │
//!                              Accepted { config, warnings } or Rejected(diagnostics)
//! ```
//!
//! [`Config`] has every default filled in and is built from [`crate::model`] types:
//! [`show`] prints it for people and programs, [`mod@print`] as an `ldirectord.cf` that
//! reads back as the same configuration.

pub mod directord;
pub mod ldirectord;
pub mod print;
pub mod show;

mod diagnostic;
mod effective;
mod http;
mod names;
mod nearest;
mod source;
mod tls;

pub use diagnostic::{Diagnostic, Rejected, Severity, by_line, render};
pub use effective::{
    CheckSettings, CheckType, Command, Config, Exchange, Fallback, FileName, GlobalFallback,
    Globals, Line, Log, LogTarget, Mail, NamedCheck, Phase, Phases, RealCheck, RealRule,
    RealServer, RulePart, RuleSettings, ServiceType, VirtualService,
};
pub use http::HttpSettings;
pub use names::{Answer, Endpoint, Host, Name, Names, Port};
pub use tls::{TlsFile, TlsSettings};

/// A usable configuration, and what is doubtful in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The configuration.
    pub config: Config,
    /// Warnings, in the order in which ldirectord would have noticed them.
    pub warnings: Vec<Diagnostic>,
}
