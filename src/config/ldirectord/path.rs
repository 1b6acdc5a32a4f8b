//! `checkpath`: the check through the virtual address beside a server's own.

use std::net::SocketAddr;
use std::sync::Arc;

use super::lower::{Problem, Target};
use super::section::Section;
use super::service::Resolver;
use crate::config::effective::{CheckSettings, RealCheck, RealRule, RulePart};
use crate::model::{
    Check, Delivery, Forwarding, Method, PathProbe, Probe, ProbeKind, Protocol, Rule, ServiceKey,
};

/// What the check through the virtual address is called in the rule.
const PATH: &str = "path";

impl Resolver<'_> {
    /// Where path checks of a section connect to; `None` when there are none, or after an
    /// error.
    pub(super) fn path(
        &mut self,
        section: &Section,
        key: &ServiceKey,
        settings: &CheckSettings,
    ) -> Option<SocketAddr> {
        let (true, span) = section.options.check_path? else {
            return None;
        };
        let (message, help) = match key {
            ServiceKey::Mark { .. } => (
                "a firewall mark has no address through which the path could be checked",
                "remove checkpath, or write a virtual service with an address",
            ),
            ServiceKey::Address {
                protocol: Protocol::Tcp,
                address,
                port,
            } => match (*port, settings.port) {
                (0, None) => (
                    "there is no port through which the path could be checked",
                    "write checkport=PORT",
                ),
                // What the load balancer delivers there, whatever port is checked otherwise.
                (0, Some(port)) | (port, _) => return Some(SocketAddr::new(*address, port)),
            },
            ServiceKey::Address { .. } => (
                "the path is checked by a TCP connection, and this service is not TCP",
                "remove checkpath",
            ),
        };
        self.cx.error(span, message).help(help);
        None
    }
}

/// A server's check with that of its path: both must pass.
pub(super) fn with_path(
    check: RealCheck,
    service: SocketAddr,
    forwarding: Forwarding,
    target: &Target<'_>,
    settings: &CheckSettings,
) -> Result<RealCheck, Problem> {
    let delivery = match forwarding {
        Forwarding::DirectRoute => Delivery::Direct,
        Forwarding::Tunnel(_) => Delivery::Tunnel,
        _ => {
            return Err(Problem {
                message: "checkpath is for gate and ipip: with masq the server does not have the \
                          virtual address"
                    .to_owned(),
                help: "remove checkpath, or put this server into a service of its own",
            });
        }
    };
    let is_taken = match &check {
        RealCheck::Rule(rule) => rule.parts.iter().any(|part| &*part.name == PATH),
        RealCheck::Probe(_) | RealCheck::Always | RealCheck::Off => false,
    };
    if is_taken {
        return Err(Problem {
            message: format!("the rule has a check {PATH}, as the one of checkpath is called"),
            help: "give the check another name",
        });
    }
    let path = RulePart {
        name: PATH.into(),
        check: Arc::new(Check {
            target: SocketAddr::new(target.address, service.port()),
            method: Method::Single(Probe::new(
                ProbeKind::Path(PathProbe { service, delivery }),
                settings.check_timeout,
            )),
            interval: settings.interval,
        }),
    };
    let (rule, mut parts) = match check {
        RealCheck::Off => return Ok(RealCheck::Off),
        RealCheck::Always => {
            return Err(Problem {
                message: "checkpath goes with a check of the server, and this one has none"
                    .to_owned(),
                help: "write checktype=connect, for example, or remove checkpath",
            });
        }
        RealCheck::Probe(check) => {
            let name = check.method.thorough().kind.word().into();
            (Rule::Part(0), vec![RulePart { name, check }])
        }
        RealCheck::Rule(rule) => (Rule::clone(&rule.rule), rule.parts.clone()),
    };
    let rule = Rule::AtLeast {
        needed: 2,
        of: vec![rule, Rule::Part(parts.len())],
    };
    parts.push(path);
    Ok(RealCheck::Rule(Arc::new(RealRule {
        rule: Arc::new(rule),
        parts,
    })))
}
