//! What the kernel has and what the director knows of it, side by side. Pure.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::args::{Filter, StateFilter};
use crate::director::status::{ServerStatus, ServiceStatus, Status};
use crate::kernel::statistics::Statistics;
use crate::model::{
    DestinationKey, Family, Info, ObservedDestination, ObservedService, ObservedTable, PortAddress,
    Protocol, ServiceKey, SyncDaemon, Timeouts,
};

/// What was read at one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// Version and size.
    pub(super) info: Info,
    /// The table.
    pub(super) table: ObservedTable,
    /// Time-outs of connections.
    pub(super) timeouts: Timeouts,
    /// Running sync daemons.
    pub(super) daemons: Vec<SyncDaemon>,
    /// Totals by processor; `None` when `/proc` does not tell.
    pub(super) statistics: Option<Statistics>,
    /// The director.
    pub(super) director: Director,
}

/// What the director said.
#[derive(Debug)]
pub(super) enum Director {
    /// Its state.
    Answered(Box<Status>),
    /// Nothing, and why.
    Silent(String),
    /// It was not to be asked.
    NotAsked,
}

impl Director {
    /// Its state, if it answered.
    pub(super) fn status(&self) -> Option<&Status> {
        match self {
            Self::Answered(status) => Some(status),
            Self::Silent(_) | Self::NotAsked => None,
        }
    }
}

/// A virtual service: in the kernel, or known to the director, or both.
#[derive(Debug)]
pub(super) struct ServiceView<'a> {
    pub(super) key: ServiceKey,
    pub(super) observed: Option<&'a ObservedService>,
    pub(super) status: Option<&'a ServiceStatus>,
    pub(super) servers: Vec<ServerView<'a>>,
}

/// A server of a service: in the kernel, or known to the director, or both.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerView<'a> {
    pub(super) key: DestinationKey,
    pub(super) observed: Option<&'a ObservedDestination>,
    pub(super) status: Option<&'a ServerStatus>,
    /// It is the director's fallback, and no configured server.
    pub(super) is_fallback: bool,
}

impl<'a> ServiceView<'a> {
    /// The name that the configuration gives it.
    pub(super) fn name(&self) -> Option<&'a str> {
        self.status.and_then(|status| status.name.as_deref())
    }

    /// Servers with a weight above 0.
    pub(super) fn serving(&self) -> usize {
        let serving = self.servers.iter().filter(|server| server.is_serving());
        serving.count()
    }

    /// The sum of a number of its servers.
    pub(super) fn sum(&self, of: impl Fn(&ObservedDestination) -> u32) -> u64 {
        let observed = self.servers.iter().filter_map(|server| server.observed);
        observed.map(|server| u64::from(of(server))).sum()
    }
}

impl ServerView<'_> {
    /// Weight in the kernel.
    pub(super) fn weight(&self) -> Option<u32> {
        self.observed.map(|observed| observed.destination.weight)
    }

    /// Whether it gets new connections.
    pub(super) fn is_serving(&self) -> bool {
        self.weight().is_some_and(|weight| weight > 0)
    }

    /// One word for what it is: the director's, or else what the weight tells.
    pub(super) fn word(&self) -> &str {
        match (self.status, self.observed) {
            (Some(status), _) => &status.state,
            (None, _) if self.is_fallback => "fallback",
            (None, None) => "absent",
            (None, Some(_)) if self.is_serving() => "serving",
            (None, Some(_)) => "quiescent",
        }
    }

    fn is(&self, state: StateFilter) -> bool {
        let health = |word| self.status.is_some_and(|status| status.state == word);
        match state {
            StateFilter::Up => health("up"),
            StateFilter::Down => health("down"),
            StateFilter::Unknown => health("unknown"),
            StateFilter::Maintenance => health("maintenance"),
            StateFilter::Serving => self.is_serving(),
            StateFilter::Quiescent => self.weight() == Some(0),
            StateFilter::Absent => self.observed.is_none(),
            StateFilter::Fallback => self.is_fallback,
        }
    }
}

/// Every service with its servers, in the order of their keys.
pub(super) fn join(snapshot: &Snapshot) -> Vec<ServiceView<'_>> {
    let known = snapshot
        .director
        .status()
        .map_or(&[][..], |status| &status.services);
    let statuses: BTreeMap<ServiceKey, &ServiceStatus> = known
        .iter()
        .filter_map(|status| Some((service_key(&status.service)?, status)))
        .collect();
    let mut services: BTreeMap<ServiceKey, ServiceView<'_>> = snapshot
        .table
        .iter()
        .map(|(key, observed)| {
            let status = statuses.get(key).copied();
            (*key, service_view(*key, Some(observed), status))
        })
        .collect();
    for (key, status) in statuses {
        services
            .entry(key)
            .or_insert_with(|| service_view(key, None, Some(status)));
    }
    services.into_values().collect()
}

fn service_view<'a>(
    key: ServiceKey,
    observed: Option<&'a ObservedService>,
    status: Option<&'a ServiceStatus>,
) -> ServiceView<'a> {
    let fallback = status
        .and_then(|status| status.fallback.as_ref())
        .and_then(|fallback| server_key(&fallback.server));
    let mut servers: BTreeMap<DestinationKey, ServerView<'a>> = BTreeMap::new();
    let destinations = observed.iter().flat_map(|observed| &observed.destinations);
    for (key, observed) in destinations {
        let view = ServerView {
            key: *key,
            observed: Some(observed),
            status: None,
            is_fallback: fallback == Some(*key),
        };
        servers.insert(*key, view);
    }
    for status in status.iter().flat_map(|status| &status.servers) {
        let Some(key) = server_key(&status.server) else {
            continue;
        };
        let view = servers.entry(key).or_insert(ServerView {
            key,
            observed: None,
            status: None,
            is_fallback: false,
        });
        view.status = Some(status);
        view.is_fallback = false;
    }
    ServiceView {
        key,
        observed,
        status,
        servers: servers.into_values().collect(),
    }
}

/// `tcp:192.0.2.1:80`, `fwm:7`, `fwm6:7`: what [`ServiceKey`] prints.
fn service_key(text: &str) -> Option<ServiceKey> {
    let (kind, rest) = text.split_once(':')?;
    let family = match kind {
        "fwm" => Some(Family::V4),
        "fwm6" => Some(Family::V6),
        _ => None,
    };
    if let Some(family) = family {
        let mark = rest.parse().ok()?;
        return Some(ServiceKey::Mark { family, mark });
    }
    let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    let protocol = protocols.into_iter().find(|known| known.name() == kind)?;
    let endpoint: SocketAddr = rest.parse().ok()?;
    Some(ServiceKey::Address {
        protocol,
        address: endpoint.ip(),
        port: endpoint.port(),
    })
}

fn server_key(text: &str) -> Option<DestinationKey> {
    let endpoint: SocketAddr = text.parse().ok()?;
    Some(DestinationKey {
        address: endpoint.ip(),
        port: endpoint.port(),
    })
}

/// Leaves what is asked for. A service stays without servers only when no server is asked
/// for.
pub(super) fn filter(services: &mut Vec<ServiceView<'_>>, filter: &Filter) {
    let Filter {
        service: patterns,
        server,
        state,
    } = filter;
    services.retain_mut(|service| {
        let name = service.name();
        let is_wanted = patterns.is_empty()
            || patterns
                .iter()
                .any(|pattern| pattern.fits_service(&service.key, name));
        if !is_wanted {
            return false;
        }
        if server.is_empty() && state.is_empty() {
            return true;
        }
        service.servers.retain(|found| {
            let endpoint = PortAddress(found.key.address, found.key.port);
            let by_name = server.iter().any(|pattern| pattern.fits_endpoint(endpoint));
            let by_state = state.iter().any(|state| found.is(*state));
            (server.is_empty() || by_name) && (state.is_empty() || by_state)
        });
        !service.servers.is_empty()
    });
}

/// Sums of what is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    /// Services.
    pub(super) services: usize,
    /// Servers, each once for each of its services.
    pub(super) servers: usize,
    /// Servers in the kernel with a weight above 0.
    pub(super) serving: usize,
    /// Servers in the kernel with weight 0.
    pub(super) quiescent: usize,
    /// Servers that only the director knows.
    pub(super) absent: usize,
    /// Connections in an active state.
    pub(super) active: u64,
    /// Other connections.
    pub(super) inactive: u64,
    /// Persistence templates.
    pub(super) persistent: u64,
}

impl Totals {
    /// Of these services.
    pub(super) fn of(services: &[ServiceView<'_>]) -> Self {
        let mut totals = Self {
            services: services.len(),
            ..Self::default()
        };
        for service in services {
            totals.servers += service.servers.len();
            totals.serving += service.serving();
            totals.active += service.sum(|server| server.active);
            totals.inactive += service.sum(|server| server.inactive);
            totals.persistent += service.sum(|server| server.persistent);
            for server in &service.servers {
                match server.weight() {
                    None => totals.absent += 1,
                    Some(0) => totals.quiescent += 1,
                    Some(_) => {}
                }
            }
        }
        totals
    }
}
