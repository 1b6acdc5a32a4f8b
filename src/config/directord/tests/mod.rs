//! What is read, and what is said about mistakes.

mod accepted;
mod digest;
mod properties;
mod rejected;
mod schema;
mod services;
pub(crate) mod validator;

use super::*;
use crate::config::{Config, Names, Severity, ldirectord};

/// A pair with everything that must be there, to be cut and patched.
pub(super) const SMALL: &str = "cluster: web
services: ldirectord.cf
nodes: { loadb1: { id: 1 }, loadb2: { id: 2 } }
links:
  - { name: lan, interface: eth0, multicast: 239.255.77.1 }
failover:
  instances:
    web:
      addresses: [ { address: 192.0.2.100/24, interface: eth0 } ]
";

fn here(host_name: &str) -> Here<'_> {
    Here {
        host_name,
        node: None,
    }
}

/// Reads a file on loadb1 without looking at services.
fn read(text: &str) -> Result<Document, Rejected> {
    parse(
        text.as_bytes(),
        "/etc/directord/directord.yaml",
        here("loadb1"),
    )
    .check(None)
}

/// A file that must be in order, and the pair in it.
fn pair(text: &str) -> Pair {
    match read(text) {
        Ok(document) => document.pair.expect("the file has a pair"),
        Err(rejected) => panic!("{rejected}"),
    }
}

/// All diagnostics of a file as `LINE:COLUMN: error: MESSAGE`.
fn said(text: &str) -> Vec<String> {
    let diagnostics = match read(text) {
        Ok(document) => document.warnings,
        Err(rejected) => rejected.0,
    };
    let line = |diagnostic: &Diagnostic| {
        let text = diagnostic.to_string();
        text.trim_start_matches("/etc/directord/directord.yaml:")
            .trim_start()
            .to_owned()
    };
    diagnostics.iter().map(line).collect()
}

/// The services of an `ldirectord.cf`.
fn services(text: &str) -> Config {
    let parsed = ldirectord::parse(text.as_bytes(), "ldirectord.cf");
    parsed.resolve(&Names::default()).unwrap().config
}
