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

use self::socket::Route;
use crate::model::{Probe, ProbeKind, Report};

pub mod agent;
pub mod confine;
pub mod datagram;
pub mod dialogue;
pub mod dns;
pub mod fault;
pub mod ftp;
pub mod grpc;
pub mod http;
pub mod imap;
pub mod ldap;
pub mod lines;
pub mod nntp;
pub mod pattern;
pub mod pop;
pub mod radius;
pub mod redis;
pub mod sip;
pub mod smtp;
pub mod socket;
pub mod sql;
pub mod steps;
pub mod tls;
pub mod udp;

mod connect;
mod external;
mod mask;
mod path;
mod ping;
mod proxy;
mod reply;
mod simpletcp;
mod trace;

pub use connect::CONNECTED;
pub use external::{Program, execute, first_line};

/// Carries out one probe and reports what it found, at the latest when the probe's
/// time-out has passed. Secrets of the probe are masked in the report, even where the
/// server repeats them.
///
/// Needs a tokio runtime with time and I/O enabled. Dropping the future gives the probe
/// up: sockets are closed, programs and what they started are killed.
pub async fn run(target: SocketAddr, probe: &Probe) -> Report {
    let mut report = carry_out(target, probe).await;
    mask::mask(&mut report, &probe.kind.secrets());
    report
}

async fn carry_out(target: SocketAddr, probe: &Probe) -> Report {
    let route = Route::new(target, probe);
    match &probe.kind {
        ProbeKind::Connect => connect::run(route, probe.timeout).await,
        ProbeKind::Ping { attempts } => ping::run(route, *attempts, probe.timeout).await,
        ProbeKind::Http(http) => http::run(route, http, probe.timeout).await,
        ProbeKind::SimpleTcp(simple) => simpletcp::run(route, simple, probe.timeout).await,
        ProbeKind::External(external) => external::run(external, probe.timeout).await,
        ProbeKind::Ftp(ftp) => ftp::run(route, ftp, probe.timeout).await,
        ProbeKind::Smtp(_) => smtp::run(route, probe.timeout).await,
        ProbeKind::Pop(pop) => pop::run(route, pop, probe.timeout).await,
        ProbeKind::Imap(imap) => imap::run(route, imap, probe.timeout).await,
        ProbeKind::Nntp => nntp::run(route, probe.timeout).await,
        ProbeKind::Ldap(ldap) => ldap::run(route, ldap, probe.timeout).await,
        ProbeKind::Dns(dns) => dns::run(route, dns, probe.timeout).await,
        ProbeKind::Sql(sql) => sql::run(route, sql, probe.timeout).await,
        ProbeKind::Path(path) => path::run(target, path, probe.timeout).await,
        ProbeKind::Radius(radius) => radius::run(route, radius, probe.timeout).await,
        ProbeKind::Sip(sip) => sip::run(route, sip, probe.timeout).await,
        ProbeKind::Redis(redis) => redis::run(route, redis, probe.timeout).await,
        ProbeKind::Dialogue(dialogue) => steps::run(route, dialogue, probe.timeout).await,
        ProbeKind::Grpc(grpc) => grpc::run(route, grpc, probe.timeout).await,
        ProbeKind::Udp(udp) => udp::run(route, udp, probe.timeout).await,
        ProbeKind::Agent => agent::run(route, probe.timeout).await,
    }
}

#[cfg(test)]
mod rehearsal;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transcript;
