//! One probe of one server before one deadline.
//!
//! Every exchange is bounded in time by a single absolute deadline and in size by the
//! constants of its protocol; no byte a server sends can make it panic. What the server
//! did wrong is [`Outcome::Down`](crate::model::Outcome::Down), what this host could not do is
//! [`Outcome::Inconclusive`](crate::model::Outcome::Inconclusive); [`fault`] draws the
//! line.
//!
//! This module knows one round only: schedules, repetition and what becomes of the
//! outcome are the director's.
//!
//! # Design
//!
//! Protocols whose exchange can be written as a pure machine are: [`http::Exchange`]
//! takes bytes and gives a verdict, and never sees a socket. The same machine serves
//! [`run`] and the director's check lane, so a plain HTTP check has one meaning however
//! it is carried out.

use std::net::SocketAddr;

use crate::model::{Probe, ProbeKind, Report};

pub mod datagram;
pub mod dialogue;
pub mod dns;
pub mod fault;
pub mod ftp;
pub mod http;
pub mod imap;
pub mod ldap;
pub mod nntp;
pub mod pattern;
pub mod pop;
pub mod radius;
pub mod sip;
pub mod smtp;
pub mod sql;

mod connect;
mod external;
mod lines;
mod path;
mod ping;
mod reply;
mod simpletcp;
mod tls;
mod trace;

pub use connect::CONNECTED;
pub use external::{Program, execute};

/// Carries out one probe and reports what it found, at the latest when the probe's
/// time-out has passed.
///
/// Needs a tokio runtime with time and I/O enabled. Dropping the future gives the probe
/// up: sockets are closed, programs and what they started are killed.
pub async fn run(target: SocketAddr, probe: &Probe) -> Report {
    match &probe.kind {
        ProbeKind::Connect => connect::run(target, probe.timeout).await,
        ProbeKind::Ping { attempts } => ping::run(target.ip(), *attempts, probe.timeout).await,
        ProbeKind::Http(http) => http::run(target, http, probe.timeout).await,
        ProbeKind::SimpleTcp(simple) => simpletcp::run(target, simple, probe.timeout).await,
        ProbeKind::External(external) => external::run(external, probe.timeout).await,
        ProbeKind::Ftp(ftp) => ftp::run(target, ftp, probe.timeout).await,
        ProbeKind::Smtp(_) => smtp::run(target, probe.timeout).await,
        ProbeKind::Pop(pop) => pop::run(target, pop, probe.timeout).await,
        ProbeKind::Imap(imap) => imap::run(target, imap, probe.timeout).await,
        ProbeKind::Nntp => nntp::run(target, probe.timeout).await,
        ProbeKind::Ldap(ldap) => ldap::run(target, ldap, probe.timeout).await,
        ProbeKind::Dns(dns) => dns::run(target, dns, probe.timeout).await,
        ProbeKind::Sql(sql) => sql::run(target, sql, probe.timeout).await,
        ProbeKind::Path(path) => path::run(target, path, probe.timeout).await,
        ProbeKind::Radius(radius) => radius::run(target, radius, probe.timeout).await,
        ProbeKind::Sip(sip) => sip::run(target, sip, probe.timeout).await,
    }
}

#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcript;
