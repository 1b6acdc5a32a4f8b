//! From real lines to real servers.

use std::net::{IpAddr, Ipv4Addr};

use super::lower::{self, Target};
use super::path;
use super::protocol;
use super::real::RawReal;
use super::rule;
use super::section::Section;
use super::service::Resolver;
use crate::config::effective::{
    CheckSettings, Exchange, Line, RealCheck, RealServer, RuleSettings,
};
use crate::config::names::{Endpoint, Host};
use crate::model::{Destination, DestinationKey, Family, Pattern, ServiceKey};

/// Most real servers in one range.
const RANGE_MAX: u32 = 1 << 16;

/// Most real servers in one file.
const REALS_MAX: usize = 1_000_000;

impl Resolver<'_> {
    /// The real servers of a section.
    pub(super) fn reals(
        &mut self,
        section: &Section,
        key: &ServiceKey,
        settings: &CheckSettings,
        rule: Option<&RuleSettings>,
    ) -> Vec<RealServer> {
        self.destinations.clear();
        let path = self.path(section, key, settings);
        self.has_unknown_reals = false;
        let mut noted = Noted::default();
        let mut reals = Vec::with_capacity(section.reals.len());
        for raw in &section.reals {
            let Some((first, last, port)) = self.real_addresses(raw, section.family) else {
                continue;
            };
            self.note_ports(&mut noted, raw, key, settings, port);
            for named in rule.into_iter().flat_map(|rule| &rule.checks) {
                self.note_ports(&mut noted, raw, key, &named.settings, port);
            }
            let exchange = raw.options.exchange.as_deref().map(|(request, receive)| {
                Box::new(Exchange {
                    request: request.clone(),
                    receive: (!receive.is_empty()).then(|| Pattern(receive.clone())),
                })
            });
            for address in addresses(first, last) {
                let target = Target {
                    key,
                    address,
                    port,
                    exchange: exchange.as_deref(),
                };
                let check = match rule {
                    Some(rule) => rule::check(rule, &target, self.names),
                    None => lower::check(settings, &target, self.names),
                };
                let check = check.and_then(|check| match path {
                    Some(path) => path::with_path(check, path, raw.forwarding, &target, settings),
                    None => Ok(check),
                });
                let check = match check {
                    Ok(check) => check,
                    Err(problem) if self.has_unknown_request(raw, section.family) => {
                        self.has_unknown_reals = true;
                        self.leave_out(raw.span, &problem.message);
                        break;
                    }
                    Err(problem) => {
                        self.cx.error(raw.span, problem.message).help(problem.help);
                        break;
                    }
                };
                self.note_probe(&mut noted, raw, &check);
                let agent = lower::agent(settings, &target, &check);
                let destination = self.destination(raw, key, address, port);
                let host = match &raw.last {
                    Some(_) => Host::Address(address),
                    None => raw.host.clone(),
                };
                reals.push(RealServer {
                    written: Endpoint {
                        host,
                        port: raw.port.clone(),
                    },
                    port,
                    destination,
                    exchange: exchange.clone(),
                    check,
                    agent,
                    line: Line(raw.span.line),
                });
            }
        }
        reals
    }

    /// First and last address and the port of a real line.
    pub(super) fn real_addresses(
        &mut self,
        raw: &RawReal,
        family: Family,
    ) -> Option<(IpAddr, IpAddr, u16)> {
        let first = self.real_address(raw, &raw.host, family, "")?;
        let last = match &raw.last {
            None => first,
            Some(last) => self.real_address(raw, last, family, "end ")?,
        };
        let port = match &raw.port {
            None => 0,
            Some(port) => {
                let Some(number) = self.names.port(port, None) else {
                    self.cx
                        .error(
                            raw.span,
                            format!(
                                "invalid port ({port}) for real server (could not resolve port)"
                            ),
                        )
                        .help("the service name is unknown; write the port's number");
                    return None;
                };
                number
            }
        };
        let count = match (first, last, &raw.last) {
            (_, _, None) => 1,
            (IpAddr::V4(first), IpAddr::V4(last), Some(_)) => {
                self.range_length(raw, first, last)?
            }
            _ => {
                self.cx
                    .error(raw.span, "Address range for IPv6 is not supported yet")
                    .help("write a line for each real server");
                return None;
            }
        };
        self.reals += count as usize;
        if self.reals > REALS_MAX {
            self.cx
                .error(raw.span, format!("more than {REALS_MAX} real servers"));
            return None;
        }
        Some((first, last, port))
    }

    fn real_address(
        &mut self,
        raw: &RawReal,
        host: &Host,
        family: Family,
        which: &str,
    ) -> Option<IpAddr> {
        let address = self.names.address(host, family);
        if address.is_none() {
            let message =
                format!("invalid address ({host}) for real server (could not resolve {which}host)");
            if self.names.leaves_out(host, family) {
                self.has_unknown_reals = true;
                self.leave_out(raw.span, &message);
            } else {
                self.cx.error(raw.span, message).help(format!(
                    "the name has no {family} address; check it, or write the address"
                ));
            }
        }
        address
    }

    /// Whether the request of a real line is a URL whose host is to be left out.
    fn has_unknown_request(&self, raw: &RawReal, family: Family) -> bool {
        let request = raw.options.exchange.as_ref().map(|exchange| &exchange.0);
        let host = request.and_then(|request| lower::url_host(request));
        host.is_some_and(|host| self.names.leaves_out(&host, family))
    }

    fn range_length(&mut self, raw: &RawReal, first: Ipv4Addr, last: Ipv4Addr) -> Option<u32> {
        let Some(length) = u32::from(last).checked_sub(u32::from(first)) else {
            self.cx
                .error(
                    raw.span,
                    format!("Invalid Range: {first}-{last}: the first address is above the last"),
                )
                .help(format!("write {last}->{first}"));
            return None;
        };
        if length >= RANGE_MAX {
            self.cx
                .error(
                    raw.span,
                    format!("Invalid Range: {first}-{last}: more than {RANGE_MAX} real servers"),
                )
                .help("check the first address of the range");
            return None;
        }
        Some(length + 1)
    }

    /// Says, once for a service, where traffic and checks go to other ports than written.
    fn note_ports(
        &mut self,
        noted: &mut Noted,
        raw: &RawReal,
        key: &ServiceKey,
        settings: &CheckSettings,
        port: u16,
    ) {
        let filed = key.destination_port(raw.forwarding, port);
        if port != 0 && filed != port && !std::mem::replace(&mut noted.shifted, true) {
            let word = raw.forwarding.word();
            self.cx
                .warning(
                    raw.span,
                    format!("{word} cannot change the port: traffic goes to port {filed}, only checks to port {port}"),
                )
                .help(format!("write port {filed} here, or masq if the server listens on port {port}"));
        }
        if let Some(note) = lower::port_note(settings, key, port)
            && !std::mem::replace(&mut noted.check_port, true)
        {
            self.cx
                .warning(raw.span, note)
                .help("write the port after the real server, or checkport=PORT");
        }
    }

    /// Says, once for a service, what its check lacks or does not use.
    fn note_probe(&mut self, noted: &mut Noted, raw: &RawReal, check: &RealCheck) {
        for check in check.checks() {
            if let Some((note, help)) = protocol::note(&check.method.thorough().kind)
                && !std::mem::replace(&mut noted.probe, true)
            {
                self.cx.warning(raw.span, note).help(help);
            }
        }
    }

    fn destination(
        &mut self,
        raw: &RawReal,
        key: &ServiceKey,
        address: IpAddr,
        port: u16,
    ) -> Destination {
        let filed = DestinationKey {
            address,
            port: key.destination_port(raw.forwarding, port),
        };
        if !self.destinations.insert(filed) {
            self.cx
                .warning(
                    raw.span,
                    format!("real server {filed} is listed twice in this service"),
                )
                .help(
                    "the kernel has one entry for both, and the last line counts: remove the other",
                );
        }
        Destination {
            upper_threshold: raw.options.upper.unwrap_or(0),
            lower_threshold: raw.options.lower.unwrap_or(0),
            ..Destination::new(filed, raw.forwarding, raw.options.weight.unwrap_or(1))
        }
    }
}

/// What has been said about a service already.
#[derive(Debug, Default)]
struct Noted {
    shifted: bool,
    check_port: bool,
    probe: bool,
}

/// The addresses of a range, ends included; one address without a range.
fn addresses(first: IpAddr, last: IpAddr) -> impl Iterator<Item = IpAddr> {
    let range = match (first, last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some(u32::from(first)..=u32::from(last)),
        _ => None,
    };
    let single = range.is_none().then_some(first);
    let range = range.into_iter().flatten();
    range
        .map(|address| IpAddr::V4(Ipv4Addr::from(address)))
        .chain(single)
}
