//! From directives and resolved names to a configuration.

use std::sync::Arc;

use std::net::IpAddr;

use super::address::{RawFallback, VirtualAddress};
use super::lower;
use super::section::{ProtocolWord, Section};
use super::service::Resolver;
use super::{Parsed, seconds};
use crate::config::effective::{
    Config, Fallback, GlobalFallback, Globals, Line, Log, LogTarget, Mail, Phases,
};
use crate::config::names::{Name, Names, Wanted};
use crate::config::source::{Context, Span};
use crate::config::{Accepted, Rejected};
use crate::model::{Destination, DestinationKey, Family, Policy, Protocol, ServiceKey};

/// Warns of a line that is not there because its name is unknown.
pub(super) fn leave_out(cx: &mut Context<'_>, span: Span, message: &str) {
    cx.warning(span, format!("{message}, left out until the name is found"))
        .help("check the name, or write the address");
}

impl Parsed {
    /// Every name that needs an answer, once each.
    pub fn names(&self) -> Vec<Name> {
        let mut wanted = Wanted::default();
        let fallbacks = [
            (&self.globals.fallback, Family::V4),
            (&self.globals.fallback6, Family::V6),
        ];
        for (fallback, family) in fallbacks {
            if let Some(RawFallback { endpoint, .. }) = fallback {
                wanted.host(&endpoint.host, family);
                for protocol in [Protocol::Tcp, Protocol::Udp] {
                    wanted.port(endpoint.port.as_ref(), Some(protocol));
                }
            }
        }
        for section in &self.sections {
            section_names(section, &mut wanted);
        }
        wanted.finish()
    }

    /// Builds the configuration. `names` answers [`Parsed::names`].
    ///
    /// # Errors
    ///
    /// Every mistake found here and by [`super::parse`], with all warnings.
    pub fn resolve(mut self, names: &Names) -> Result<Accepted, Rejected> {
        // Sections are taken one by one, so that what each was read into makes room for
        // what it becomes.
        let sections = std::mem::take(&mut self.sections);
        let mut cx = Context {
            source: &self.source,
            report: &mut self.report,
        };
        let (globals, fallbacks) = globals(&mut cx, &self.globals, names);
        let mut resolver = Resolver::new(cx, names, &globals, fallbacks);
        let mut services = Vec::with_capacity(sections.len());
        for section in sections {
            if let Some(name) = &section.check_name {
                resolver.named_check(&section, name);
                continue;
            }
            services.extend(resolver.section(&section).map(Arc::new));
        }
        let checks = resolver.finish_checks();
        drop(resolver);
        let has_errors = self.report.has_errors();
        let diagnostics = self.report.finish();
        if has_errors {
            return Err(Rejected(diagnostics));
        }
        Ok(Accepted {
            config: Config {
                globals,
                checks,
                services,
            },
            warnings: diagnostics,
        })
    }
}

fn section_names(section: &Section, wanted: &mut Wanted) {
    let family = section.family;
    let protocol = section.protocol();
    if let Some(VirtualAddress::Endpoint { host, port, .. }) = &section.address {
        wanted.host(host, family);
        wanted.port(Some(port), protocol);
    }
    if let Some(RawFallback { endpoint, .. }) = &section.fallback {
        wanted.host(&endpoint.host, family);
        wanted.port(endpoint.port.as_ref(), protocol);
    }
    for real in &section.reals {
        wanted.host(&real.host, family);
        if let Some(last) = &real.last {
            wanted.host(last, family);
        }
        wanted.port(real.port.as_ref(), None);
        let request = real.options.exchange.as_ref().map(|exchange| &exchange.0);
        if let Some(host) = request.and_then(|request| lower::url_host(request)) {
            wanted.host(&host, family);
        }
    }
}

impl Section {
    /// Protocol of an address service; `None` for a mark.
    pub(super) fn protocol(&self) -> Option<Protocol> {
        match (&self.address, self.options.protocol) {
            (Some(VirtualAddress::Endpoint { .. }), Some((ProtocolWord::Tcp, _))) => {
                Some(Protocol::Tcp)
            }
            (Some(VirtualAddress::Endpoint { .. }), Some((ProtocolWord::Udp, _)))
            | (Some(VirtualAddress::Endpoint { is_dns: true, .. }), _) => Some(Protocol::Udp),
            (Some(VirtualAddress::Endpoint { .. }), _) => Some(Protocol::Tcp),
            (Some(VirtualAddress::Mark(_)) | None, _) => None,
        }
    }
}

/// A global fallback with the port for each protocol; 0 is that of the service.
pub(super) struct ResolvedFallback {
    global: GlobalFallback,
    tcp: Option<u16>,
    udp: Option<u16>,
}

impl ResolvedFallback {
    /// The fallback of a service without one of its own. A service name that only one
    /// protocol knows serves the other, and marks, as well.
    pub(super) fn of(&self, key: &ServiceKey) -> Fallback {
        let is_udp = matches!(
            key,
            ServiceKey::Address {
                protocol: Protocol::Udp,
                ..
            }
        );
        let port = if is_udp {
            self.udp.or(self.tcp)
        } else {
            self.tcp.or(self.udp)
        };
        let port = port.unwrap_or(key.port());
        fallback(&self.global, key, port)
    }
}

/// The fallback of a service, filed as the kernel files it.
pub(super) fn fallback(global: &GlobalFallback, key: &ServiceKey, port: u16) -> Fallback {
    let destination = DestinationKey {
        address: global.address,
        port: key.destination_port(global.forwarding, port),
    };
    Fallback {
        written: global.written.clone(),
        destination: Destination::new(destination, global.forwarding, 1),
        line: global.line,
    }
}

/// Fills in the defaults of ldirectord 4.12.
fn globals(
    cx: &mut Context<'_>,
    options: &super::GlobalOptions,
    names: &Names,
) -> (Globals, [Option<ResolvedFallback>; 2]) {
    let shared = &options.shared;
    let fallbacks = [
        global_fallback(cx, options.fallback.as_ref(), Family::V4, names),
        global_fallback(cx, options.fallback6.as_ref(), Family::V6, names),
    ];
    let no_mail = Mail {
        recipients: None,
        reminder: None,
        phases: Phases::ALL,
        relay: None,
    };
    let check_timeout = shared
        .check_timeout
        .or(shared.negotiate_timeout)
        .unwrap_or(5);
    let negotiate_timeout = shared
        .negotiate_timeout
        .or(shared.check_timeout)
        .unwrap_or(30);
    let globals = Globals {
        check_timeout: seconds(check_timeout),
        negotiate_timeout: seconds(negotiate_timeout),
        check_interval: seconds(shared.check_interval.map_or(10, |(seconds, _)| seconds)),
        ping_attempts: shared.ping_attempts.unwrap_or(1),
        failure_count: shared.failure_count.unwrap_or(1),
        policy: shared.policy.or(&Policy::default()),
        fallback: fallbacks[0].as_ref().map(|f| f.global.clone()),
        fallback6: fallbacks[1].as_ref().map(|f| f.global.clone()),
        fallback_command: shared.fallback_command.clone(),
        autoreload: options.autoreload.unwrap_or(false),
        callback: options
            .callback
            .clone()
            .filter(|callback| !callback.is_empty()),
        log: options.log.clone().unwrap_or_else(|| Log {
            target: LogTarget::File(LogTarget::DEFAULT_FILE.to_owned()),
            line: Line(0),
        }),
        execute: options.execute.clone(),
        fork: options.fork.unwrap_or(false),
        supervised: options.supervised.unwrap_or(false),
        quiescent: shared.quiescent.unwrap_or(false),
        readd_quiescent: options.readd_quiescent.unwrap_or(false),
        enforce_weights: options.enforce_weights.unwrap_or(false),
        uplink: options.uplink.clone().unwrap_or_default(),
        clean_stop: shared.clean_stop.unwrap_or(true),
        mail: shared.mail(&no_mail),
        mail_from: options.mail_from.clone(),
        maintenance_directory: options.maintenance_directory.clone(),
    };
    (globals, fallbacks)
}

fn global_fallback(
    cx: &mut Context<'_>,
    raw: Option<&RawFallback>,
    family: Family,
    names: &Names,
) -> Option<ResolvedFallback> {
    let raw = raw?;
    let address = fallback_address(cx, raw, family, names)?;
    let port = |protocol| {
        let port = raw.endpoint.port.as_ref()?;
        names.port(port, Some(protocol))
    };
    let (tcp, udp) = (port(Protocol::Tcp), port(Protocol::Udp));
    if raw.endpoint.port.is_some() && tcp.or(udp).is_none() {
        cx.error(raw.span, "invalid port for fallback server")
            .help("the service name is unknown; write the port's number");
        return None;
    }
    let global = GlobalFallback {
        written: raw.endpoint.clone(),
        address,
        forwarding: raw.forwarding,
        line: Line(raw.span.line),
    };
    Some(ResolvedFallback { global, tcp, udp })
}

/// Address of a fallback server.
pub(super) fn fallback_address(
    cx: &mut Context<'_>,
    raw: &RawFallback,
    family: Family,
    names: &Names,
) -> Option<IpAddr> {
    let address = names.address(&raw.endpoint.host, family);
    if address.is_none() {
        let message = format!(
            "invalid {family} address or could not resolve for fallback server: {}",
            raw.endpoint.host
        );
        if names.leaves_out(&raw.endpoint.host, family) {
            leave_out(cx, raw.span, &message);
        } else {
            cx.error(raw.span, message)
                .help("check the name, or write the address");
        }
    }
    address
}
