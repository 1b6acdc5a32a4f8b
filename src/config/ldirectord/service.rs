//! From a section to a virtual service.

use std::collections::{HashMap, HashSet};

use super::address::{RawFallback, VirtualAddress};
use super::demands;
use super::resolve::{self, ResolvedFallback, fallback, fallback_address};
use super::rule::NamedChecks;
use super::seconds;
use super::section::{ProtocolWord, Section};
use super::{beyond, lower};
use crate::config::diagnostic::Step;
use crate::config::effective::{
    Agent, CheckSettings, CheckType, Fallback, GlobalFallback, Globals, Line, ServiceType,
    VirtualService,
};
use crate::config::names::{Endpoint, Names};
use crate::config::source::{Context, Span};
use crate::model::{
    DestinationKey, Family, HttpMethod, Netmask, Persistence, Protocol, Scheduler, SchedulerFlags,
    Service, ServiceKey,
};

/// Turns sections into services.
pub(super) struct Resolver<'a> {
    pub(super) cx: Context<'a>,
    pub(super) names: &'a Names,
    globals: &'a Globals,
    fallbacks: [Option<ResolvedFallback>; 2],
    /// Lines of the services so far.
    lines: HashMap<ServiceKey, u32>,
    /// Destinations of the service at hand.
    pub(super) destinations: HashSet<DestinationKey>,
    /// Real servers so far.
    pub(super) reals: usize,
    pub(super) checks: NamedChecks,
    /// The service at hand has real servers whose names are unknown.
    pub(super) has_unknown_reals: bool,
}

impl<'a> Resolver<'a> {
    /// Begins with the first section.
    pub(super) fn new(
        cx: Context<'a>,
        names: &'a Names,
        globals: &'a Globals,
        fallbacks: [Option<ResolvedFallback>; 2],
    ) -> Self {
        Self {
            cx,
            names,
            globals,
            fallbacks,
            lines: HashMap::new(),
            destinations: HashSet::new(),
            reals: 0,
            checks: NamedChecks::default(),
            has_unknown_reals: false,
        }
    }

    /// The virtual service of a section; `None` after an error.
    pub(super) fn section(&mut self, section: &Section) -> Option<VirtualService> {
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
        let rule = self.rule(section);
        let reals = self.reals(section, &key, &check, rule.as_ref());
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
            policy: shared.policy.or(&self.globals.policy),
            mail: shared.mail(&self.globals.mail),
            monitor_file: section.options.monitor_file.clone(),
            service_name: section.options.service_name.clone(),
            comment: section.options.comment.clone(),
            line: Line(section.span.line),
            key,
            written,
            service: service?,
            reals,
            has_unknown_reals: self.has_unknown_reals,
            check,
            rule,
            check_path: section.options.check_path.is_some_and(|(on, _)| on),
            fallback,
        })
    }

    /// Warns of what is not there because its name is unknown.
    pub(super) fn leave_out(&mut self, span: Span, message: &str) {
        resolve::leave_out(&mut self.cx, span, message);
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
            let message = format!("invalid address for virtual service: {what}");
            if self.names.leaves_out(host, family) && number.is_some() {
                self.leave_out(section.span, &message);
            } else {
                self.cx
                    .error(section.span, message)
                    .help("check the name, or write the number");
            }
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
    pub(super) fn check_settings(&mut self, section: &Section, key: &ServiceKey) -> CheckSettings {
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
                // Without a place it was not written for ldirectord.
                if !globals.fork && span.line > 0 {
                    self.note_interval(span, key);
                }
                seconds(interval)
            }
        };
        let kind = options.check_type.unwrap_or(CheckType::Negotiate);
        let negotiates = kind.negotiates();
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
        let tls_client = (negotiates && service.is_tls()).then(|| {
            let virtual_host = options.virtual_host.as_deref();
            options.tls.client(&mut self.cx, self.names, virtual_host)
        });
        let settings = CheckSettings {
            kind,
            service,
            port: options.check_port,
            agent: options.agent_port.map(|port| Agent {
                port,
                interval: options
                    .agent_interval
                    .map_or(interval, |(interval, _)| seconds(interval)),
            }),
            check_timeout: own_timeout(check, negotiate, globals.check_timeout),
            negotiate_timeout: own_timeout(negotiate, check, globals.negotiate_timeout),
            interval,
            ping_attempts: shared.ping_attempts.unwrap_or(globals.ping_attempts),
            command: options
                .check_command
                .as_ref()
                .map_or_else(|| "/bin/true".to_owned(), |(command, _)| command.clone()),
            request: lower::kept_request(service, request.unwrap_or_default()),
            receive: options.receive.as_ref().map(|(receive, _)| receive.clone()),
            http_method: options
                .http_method
                .map_or_else(HttpMethod::default, |(m, _)| m),
            http: options.http.settings.clone(),
            tls: options.tls.settings.clone(),
            tls_client,
            virtual_host: options.virtual_host.clone(),
            login: options.login.clone(),
            password: options.password.clone(),
            database: options.database.clone(),
            secret: options.secret.clone(),
            way: options.beyond.way(),
            dns_kind: options.beyond.dns_kind.map(|(kind, _)| kind),
            dns_transport: options.beyond.dns_transport.map(|(transport, _)| transport),
            steps: options.beyond.steps(),
        };
        self.note_settings(section, &settings);
        beyond::refuse(&mut self.cx, options, &settings, key);
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

    /// Negotiate checks that look at nothing.
    fn note_service(&mut self, section: &Section, service: ServiceType, key: &ServiceKey) {
        let named = section.options.service.map(|(_, span)| span);
        if service != ServiceType::NONE || named.is_some() {
            return;
        }
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

    /// Settings that do not go together.
    fn note_settings(&mut self, section: &Section, settings: &CheckSettings) {
        let options = &section.options;
        let is_http = settings.service.is_http();
        let negotiates = settings.kind.negotiates();
        demands::note(&mut self.cx, section, settings);
        if negotiates
            && is_http
            && settings.http_method == HttpMethod::Head
            && let Some((_, span)) = options.receive
        {
            self.cx
                .warning(
                    span,
                    "an answer to HEAD has no body: receive will never match",
                )
                .help("write httpmethod=GET, or remove receive");
        }
        if let Some((_, span)) = options.agent_interval
            && settings.agent.is_none()
        {
            self.cx
                .warning(span, "agentinterval counts only together with agentcheck")
                .help("add agentcheck=PORT, or remove agentinterval");
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
}
