//! From directives and resolved names to a configuration.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::address::{RawFallback, VirtualAddress};
use super::lower::{self, Target};
use super::real::RawReal;
use super::section::{ProtocolWord, Section};
use super::{Parsed, seconds};
use crate::config::diagnostic::Step;
use crate::config::effective::{
    CheckSettings, CheckType, Config, Exchange, Fallback, GlobalFallback, Globals, Line, Log,
    LogTarget, Mail, Phases, RealServer, ServiceType, VirtualService,
};
use crate::config::names::{Endpoint, Host, Name, Names, Wanted};
use crate::config::source::{Context, Span};
use crate::config::{Accepted, Rejected};
use crate::model::{
    Destination, DestinationKey, Family, Netmask, Pattern, Persistence, Protocol, Scheduler,
    SchedulerFlags, Service, ServiceKey,
};

/// Most real servers in one range.
const RANGE_MAX: u32 = 1 << 16;

/// Most real servers in one file.
const REALS_MAX: usize = 1_000_000;

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
        let mut resolver = Resolver {
            cx,
            names,
            globals: &globals,
            fallbacks,
            lines: HashMap::with_capacity(sections.len()),
            destinations: HashSet::new(),
            reals: 0,
        };
        let mut services = Vec::with_capacity(sections.len());
        for section in sections {
            services.extend(resolver.section(&section).map(Arc::new));
        }
        drop(resolver);
        let has_errors = self.report.has_errors();
        let diagnostics = self.report.finish();
        if has_errors {
            return Err(Rejected(diagnostics));
        }
        Ok(Accepted {
            config: Config { globals, services },
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
    fn protocol(&self) -> Option<Protocol> {
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
struct ResolvedFallback {
    global: GlobalFallback,
    tcp: Option<u16>,
    udp: Option<u16>,
}

impl ResolvedFallback {
    /// The fallback of a service without one of its own. A service name that only one
    /// protocol knows serves the other, and marks, as well.
    fn of(&self, key: &ServiceKey) -> Fallback {
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

fn fallback(global: &GlobalFallback, key: &ServiceKey, port: u16) -> Fallback {
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

fn fallback_address(
    cx: &mut Context<'_>,
    raw: &RawFallback,
    family: Family,
    names: &Names,
) -> Option<IpAddr> {
    let address = names.address(&raw.endpoint.host, family);
    if address.is_none() {
        cx.error(
            raw.span,
            format!(
                "invalid {family} address or could not resolve for fallback server: {}",
                raw.endpoint.host
            ),
        )
        .help("check the name, or write the address");
    }
    address
}

/// Turns sections into services.
struct Resolver<'a> {
    cx: Context<'a>,
    names: &'a Names,
    globals: &'a Globals,
    fallbacks: [Option<ResolvedFallback>; 2],
    /// Lines of the services so far.
    lines: HashMap<ServiceKey, u32>,
    /// Destinations of the service at hand.
    destinations: HashSet<DestinationKey>,
    /// Real servers so far.
    reals: usize,
}

impl Resolver<'_> {
    fn section(&mut self, section: &Section) -> Option<VirtualService> {
        self.cx.report.at_end = Some((section.end, Step::Fallback));
        let identity = self.identity(section);
        self.cx.report.at_end = Some((section.end, Step::Fallback));
        let own_fallback = section
            .fallback
            .as_ref()
            .map(|raw| self.own_fallback(raw, section, identity.as_ref().map(|(key, _)| key)));
        let Some((key, written)) = identity else {
            self.cx.report.at_end = Some((section.end, Step::Reals));
            for raw in &section.reals {
                self.real_addresses(raw, section.family);
            }
            self.cx.report.at_end = None;
            return None;
        };
        self.cx.report.at_end = Some((section.end, Step::Virtual));
        let service = self.service(section, &key);
        let check = self.check_settings(section, &key);
        self.cx.report.at_end = Some((section.end, Step::Reals));
        let reals = self.reals(section, &key, &check);
        self.cx.report.at_end = Some((section.end, Step::Duplicate));
        self.note_duplicate(section, &key);
        self.cx.report.at_end = None;
        let fallback = own_fallback.unwrap_or_else(|| {
            let index = usize::from(key.family() == Family::V6);
            self.fallbacks[index].as_ref().map(|global| global.of(&key))
        });
        let shared = &section.options.shared;
        Some(VirtualService {
            fallback_command: shared
                .fallback_command
                .clone()
                .or_else(|| self.globals.fallback_command.clone()),
            quiescent: shared.quiescent.unwrap_or(self.globals.quiescent),
            clean_stop: shared.clean_stop.unwrap_or(self.globals.clean_stop),
            failure_count: shared.failure_count.unwrap_or(self.globals.failure_count),
            mail: shared.mail(&self.globals.mail),
            monitor_file: section.options.monitor_file.clone(),
            service_name: section.options.service_name.clone(),
            comment: section.options.comment.clone(),
            line: Line(section.span.line),
            key,
            written,
            service: service?,
            reals,
            check,
            fallback,
        })
    }

    /// Key of the service, and its address as written.
    fn identity(&mut self, section: &Section) -> Option<(ServiceKey, Option<Endpoint>)> {
        self.cx.report.at_end = Some((section.end, Step::Virtual));
        let family = section.family;
        let word = section.options.protocol;
        let (host, port) = match section.address.as_ref()? {
            VirtualAddress::Mark(mark) => {
                if let Some((ProtocolWord::Tcp | ProtocolWord::Udp, span)) = word {
                    self.cx
                        .error(
                            span,
                            "protocol must be fwm if the virtual service is a fwmark (a number)",
                        )
                        .help("remove the line, or write ADDRESS:PORT after virtual=");
                    return None;
                }
                return Some((
                    ServiceKey::Mark {
                        family,
                        mark: *mark,
                    },
                    None,
                ));
            }
            VirtualAddress::Endpoint { host, port, .. } => (host, port),
        };
        if let Some((ProtocolWord::Mark, span)) = word {
            self.cx
                .error(
                    span,
                    "protocol must be tcp or udp if the virtual service is an address and port",
                )
                .help("remove the line, or write the number of the mark after virtual=");
            return None;
        }
        let protocol = section.protocol()?;
        let address = self.names.address(host, family);
        let number = self.names.port(port, Some(protocol));
        let (Some(address), Some(number)) = (address, number) else {
            let what = if address.is_none() {
                format!("host {host} has no {family} address")
            } else {
                format!("{protocol} port {port} is unknown")
            };
            self.cx
                .error(
                    section.span,
                    format!("invalid address for virtual service: {what}"),
                )
                .help("check the name, or write the number");
            return None;
        };
        let key = ServiceKey::Address {
            protocol,
            address,
            port: number,
        };
        let written = Endpoint {
            host: host.clone(),
            port: Some(port.clone()),
        };
        Some((key, Some(written)))
    }

    fn own_fallback(
        &mut self,
        raw: &RawFallback,
        section: &Section,
        key: Option<&ServiceKey>,
    ) -> Option<Fallback> {
        let address = fallback_address(&mut self.cx, raw, section.family, self.names)?;
        let key = key?;
        let port = match &raw.endpoint.port {
            None => key.port(),
            Some(port) => {
                let Some(port) = self.names.port(port, section.protocol()) else {
                    self.cx
                        .error(raw.span, "invalid port for fallback server")
                        .help("the service name is unknown; write the port's number");
                    return None;
                };
                port
            }
        };
        let global = GlobalFallback {
            written: raw.endpoint.clone(),
            address,
            forwarding: raw.forwarding,
            line: Line(raw.span.line),
        };
        Some(fallback(&global, key, port))
    }

    fn note_duplicate(&mut self, section: &Section, key: &ServiceKey) {
        if let Some(line) = self.lines.insert(*key, section.span.line) {
            self.cx
                .error(
                    section.span,
                    format!("duplicate virtual server: {key} is also at line {line}"),
                )
                .help("put the real servers of both sections into one");
        }
    }

    /// The service's attributes in the kernel.
    fn service(&mut self, section: &Section, key: &ServiceKey) -> Option<Service> {
        let options = &section.options;
        let scheduler = options.scheduler.clone().unwrap_or_else(Scheduler::wrr);
        let flags = match &options.scheduler_flags {
            None => SchedulerFlags::default(),
            Some((text, span)) => self.scheduler_flags(&scheduler, text, *span)?,
        };
        if options.persistent.is_none() && options.netmask.is_some() {
            let span = options.netmask.map(|(_, span)| span).unwrap_or_default();
            self.cx
                .warning(span, "netmask counts only together with persistent")
                .help("add persistent=SECONDS, or remove netmask");
        }
        if options.persistent.is_none() && matches!(key, ServiceKey::Address { port: 0, .. }) {
            self.cx
                .error(
                    section.span,
                    "port 0 stands for every port, which needs persistent",
                )
                .help("add persistent=SECONDS, or write the port");
            return None;
        }
        let is_udp = matches!(
            key,
            ServiceKey::Address {
                protocol: Protocol::Udp,
                ..
            }
        );
        if let Some((true, span)) = options.one_packet
            && !is_udp
        {
            self.cx
                .warning(span, "ops counts only for UDP services")
                .help("remove it, or write protocol=udp");
        }
        let persistence = options.persistent.map(|timeout| Persistence {
            timeout,
            netmask: options
                .netmask
                .map_or_else(|| Netmask::full(key.family()), |(netmask, _)| netmask),
        });
        Some(Service {
            flags,
            persistence,
            one_packet: is_udp && options.one_packet.is_some_and(|(on, _)| on),
            ..Service::new(scheduler)
        })
    }

    fn scheduler_flags(
        &mut self,
        scheduler: &Scheduler,
        text: &str,
        span: Span,
    ) -> Option<SchedulerFlags> {
        let mut flags = SchedulerFlags::default();
        for name in text.split(',').filter(|name| !name.is_empty()) {
            let Some(bit) = SchedulerFlags::bit(scheduler.name(), name) else {
                self.cx
                    .error(span, format!("scheduler {scheduler} has no flag \"{name}\""))
                    .help("sh has sh-fallback and sh-port, mh has mh-fallback and mh-port; flag-1, flag-2 and flag-3 fit every scheduler");
                return None;
            };
            flags = flags.union(bit);
        }
        Some(flags)
    }

    /// The check settings, ldirectord's defaults filled in.
    fn check_settings(&mut self, section: &Section, key: &ServiceKey) -> CheckSettings {
        let options = &section.options;
        let shared = &options.shared;
        let globals = self.globals;
        let own_timeout = |first: Option<u32>, second: Option<u32>, outer| {
            first.or(second).map_or(outer, seconds)
        };
        let (check, negotiate) = (shared.check_timeout, shared.negotiate_timeout);
        let interval = match shared.check_interval {
            None => globals.check_interval,
            Some((interval, span)) => {
                if !globals.fork {
                    self.note_interval(span, key);
                }
                seconds(interval)
            }
        };
        let kind = options.check_type.unwrap_or(CheckType::Negotiate);
        let negotiates = matches!(kind, CheckType::Negotiate | CheckType::Combined(_));
        let service = options
            .service
            .map_or_else(|| ServiceType::of_port(key.port()), |(service, _)| service);
        if negotiates && !section.reals.is_empty() {
            self.note_service(section, service, key);
        }
        let request = options
            .request
            .as_ref()
            .map(|(request, _)| request.as_str());
        let settings = CheckSettings {
            kind,
            service,
            port: options.check_port,
            check_timeout: own_timeout(check, negotiate, globals.check_timeout),
            negotiate_timeout: own_timeout(negotiate, check, globals.negotiate_timeout),
            interval,
            ping_attempts: shared.ping_attempts.unwrap_or(globals.ping_attempts),
            command: options
                .check_command
                .as_ref()
                .map_or_else(|| "/bin/true".to_owned(), |(command, _)| command.clone()),
            request: lower::with_slash(request.unwrap_or("/")),
            receive: options.receive.as_ref().map(|(receive, _)| receive.clone()),
            http_method: options.http_method.unwrap_or_default(),
            virtual_host: options.virtual_host.clone(),
            login: options.login.clone(),
            password: options.password.clone(),
            database: options.database.clone(),
            secret: options.secret.clone(),
        };
        self.note_settings(section, &settings);
        settings
    }

    fn note_interval(&mut self, span: Span, key: &ServiceKey) {
        let diagnostic = self.cx.warning(
            span,
            format!("checkinterval in virtual service {key} is honoured although fork=no"),
        );
        diagnostic.placeless = true;
        diagnostic.noticed.reached = u32::MAX;
        diagnostic.help("ldirectord ignores it when fork=no; remove it if that is what was meant");
    }

    /// Negotiate checks that this version does not have, or that look at nothing.
    fn note_service(&mut self, section: &Section, service: ServiceType, key: &ServiceKey) {
        let named = section.options.service.map(|(_, span)| span);
        if service == ServiceType::NONE {
            if named.is_none() {
                let port = key.port();
                let why = if port == 0 {
                    "a firewall mark".to_owned()
                } else {
                    format!("port {port}")
                };
                self.cx
                    .warning(
                        section.span,
                        format!("real servers are not checked: no service is known for {why}"),
                    )
                    .help("name one with service=, write checktype=connect, or service=none if no check is wanted");
            }
        } else if !lower::speaks(service) {
            self.cx
                .error(
                    named.unwrap_or(section.span),
                    format!(
                        "check for service {} is not available in this version",
                        service.name()
                    ),
                )
                .help("use checktype=connect, ping or external");
        }
    }

    /// Settings that do not go together.
    fn note_settings(&mut self, section: &Section, settings: &CheckSettings) {
        let options = &section.options;
        let is_http = [
            ServiceType::HTTP,
            ServiceType::HTTPS,
            ServiceType::HTTP_PROXY,
        ]
        .contains(&settings.service);
        let negotiates = matches!(settings.kind, CheckType::Negotiate | CheckType::Combined(_));
        if negotiates
            && is_http
            && settings.http_method == crate::model::HttpMethod::Head
            && let Some((_, span)) = options.receive
        {
            self.cx
                .warning(
                    span,
                    "an answer to HEAD has no body: receive will never match",
                )
                .help("write httpmethod=GET, or remove receive");
        }
        let is_external = matches!(settings.kind, CheckType::External | CheckType::ExternalPerl);
        if let Some((command, span)) = &options.check_command
            && is_external
            && command.contains(' ')
        {
            self.cx
                .warning(
                    *span,
                    "the whole of checkcommand is taken as the name of one program",
                )
                .help("put a command with arguments into a script");
        }
    }

    fn reals(
        &mut self,
        section: &Section,
        key: &ServiceKey,
        settings: &CheckSettings,
    ) -> Vec<RealServer> {
        self.destinations.clear();
        let mut noted = Noted::default();
        let mut reals = Vec::with_capacity(section.reals.len());
        for raw in &section.reals {
            let Some((first, last, port)) = self.real_addresses(raw, section.family) else {
                continue;
            };
            self.note_ports(&mut noted, raw, key, settings, port);
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
                let check = match lower::check(settings, &target, self.names) {
                    Ok(check) => check,
                    Err(problem) => {
                        self.cx.error(raw.span, problem.message).help(problem.help);
                        break;
                    }
                };
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
                    line: Line(raw.span.line),
                });
            }
        }
        reals
    }

    /// First and last address and the port of a real line.
    fn real_addresses(&mut self, raw: &RawReal, family: Family) -> Option<(IpAddr, IpAddr, u16)> {
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
            self.cx
                .error(
                    raw.span,
                    format!(
                        "invalid address ({host}) for real server (could not resolve {which}host)"
                    ),
                )
                .help(format!(
                    "the name has no {family} address; check it, or write the address"
                ));
        }
        address
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
