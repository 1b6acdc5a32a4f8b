//! The tables of `ipvsadm`.

use std::fmt;
use std::net::IpAddr;

use super::number::Figure;
use super::order;
use super::{Mode, Options};
use crate::model::{
    Checksum, Counters, DestinationKey, Family, Forwarding, Info, ObservedDestination,
    ObservedService, ObservedTable, PortAddress, Protocol, Service, ServiceKey, Tunnel,
};

/// Where host and service names come from, for a listing that shows them.
pub trait Names {
    /// The name of a host.
    fn host(&self, address: IpAddr) -> Option<&str>;
    /// The name of a port; 0 has none.
    fn port(&self, port: u16, protocol: Protocol) -> Option<String>;
}

/// No name for anything: numbers.
struct Numbers;

impl Names for Numbers {
    fn host(&self, _: IpAddr) -> Option<&str> {
        None
    }

    fn port(&self, _: u16, _: Protocol) -> Option<String> {
        None
    }
}

/// Columns that an IPv4 address or host name with its port may take.
const MAX_PLACE: usize = 28;

/// A table that prints itself as `ipvsadm -Ln` would, or `ipvsadm -L` when it knows names.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    info: Option<&'a Info>,
    table: &'a ObservedTable,
    layout: Layout<'a>,
    order: Option<&'a [(ServiceKey, Vec<DestinationKey>)]>,
}

/// How the rows of a listing look.
#[derive(Clone, Copy)]
pub(super) struct Layout<'a> {
    options: Options,
    names: &'a dyn Names,
}

impl fmt::Debug for Layout<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layout")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl<'a> Listing<'a> {
    /// A listing of `table`. Without `info` it has no version line, as when `ipvsadm`
    /// is asked for one service.
    pub fn new(info: Option<&'a Info>, table: &'a ObservedTable, options: Options) -> Self {
        Self {
            info,
            table,
            layout: Layout::numeric(options),
            order: None,
        }
    }

    /// With names where there are any.
    #[must_use]
    pub fn named(self, names: &'a dyn Names) -> Self {
        let options = self.layout.options;
        let layout = Layout { options, names };
        Self { layout, ..self }
    }

    /// In this order, as far as it goes; what it does not name is left out.
    #[must_use]
    pub fn in_order(self, order: &'a [(ServiceKey, Vec<DestinationKey>)]) -> Self {
        let order = Some(order);
        Self { order, ..self }
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layout, table, .. } = self;
        layout.head(f, self.info)?;
        if let Some(order) = self.order {
            for (key, destinations) in order {
                let Some(service) = table.get(key) else {
                    continue;
                };
                let found = |key| service.destinations.get(key);
                let destinations = destinations.iter().filter_map(found);
                layout.service(f, key, service, destinations)?;
            }
            return Ok(());
        }
        let mut services: Vec<_> = table.iter().collect();
        if layout.options.sort {
            sort_services(&mut services);
        }
        services
            .into_iter()
            .try_for_each(|(key, service)| layout.whole(f, key, service))
    }
}

impl Layout<'_> {
    /// Numbers only.
    pub(super) fn numeric(options: Options) -> Self {
        let names = &Numbers;
        Self { options, names }
    }

    /// The lines before the first service.
    pub(super) fn head(&self, f: &mut dyn fmt::Write, info: Option<&Info>) -> fmt::Result {
        if let Some(info) = info {
            let (major, minor, patch) = info.version;
            let size = info.connection_table_size;
            writeln!(
                f,
                "IP Virtual Server version {major}.{minor}.{patch} (size={size})"
            )?;
        }
        f.write_str(headers(self.options.mode))
    }

    /// A service with all its destinations.
    pub(super) fn whole(
        &self,
        f: &mut dyn fmt::Write,
        key: &ServiceKey,
        observed: &ObservedService,
    ) -> fmt::Result {
        let mut destinations: Vec<_> = observed.destinations.values().collect();
        if self.options.sort {
            sort_destinations(&mut destinations);
        }
        self.service(f, key, observed, destinations.into_iter())
    }

    fn service<'d>(
        &self,
        f: &mut dyn fmt::Write,
        key: &ServiceKey,
        observed: &ObservedService,
        mut destinations: impl Iterator<Item = &'d ObservedDestination>,
    ) -> fmt::Result {
        let name = self.service_name(key);
        match self.options.mode {
            Mode::Stats => {
                write!(f, "{name:<33}")?;
                self.figures(f, sums(&observed.counters))?;
            }
            Mode::Rate => {
                write!(f, "{name:<33}")?;
                self.figures(f, rates(&observed.counters))?;
            }
            Mode::Table | Mode::Thresholds | Mode::PersistentConnections | Mode::TunnelInfo => {
                write!(f, "{name}")?;
                attributes(f, &observed.service)?;
            }
        }
        f.write_str("\n")?;
        // A mark has no protocol that could name the ports of its servers.
        let protocol = protocol(key);
        destinations.try_for_each(|destination| self.destination(f, destination, protocol))
    }

    fn service_name(&self, key: &ServiceKey) -> String {
        match key {
            ServiceKey::Address {
                protocol,
                address,
                port,
            } => {
                let place = self.place(*address, *port, Some(*protocol));
                let protocol = protocol.name().to_ascii_uppercase();
                format!("{protocol:<4} {place}")
            }
            // `ipvsadm` prints the mark as a signed number.
            ServiceKey::Mark { family, mark } => {
                let suffix = match family {
                    Family::V4 => "",
                    Family::V6 => " IPv6",
                };
                format!("FWM  {}{suffix}", mark.cast_signed())
            }
        }
    }

    /// Cut to its column when it is IPv4, as in `ipvsadm`.
    fn place(&self, address: IpAddr, port: u16, protocol: Option<Protocol>) -> String {
        let mut place = place(self.names, address, port, protocol);
        if address.is_ipv4() {
            place.truncate(cut(&place, MAX_PLACE).len());
        }
        place
    }

    fn destination(
        &self,
        f: &mut dyn fmt::Write,
        observed: &ObservedDestination,
        protocol: Option<Protocol>,
    ) -> fmt::Result {
        let ObservedDestination {
            destination,
            active,
            inactive,
            persistent,
            counters,
        } = observed;
        let name = self.place(destination.key.address, destination.key.port, protocol);
        write!(f, "  -> {name:<28}")?;
        match self.options.mode {
            Mode::Table => {
                let forward = forwarding_word(destination.forwarding);
                let weight = destination.weight;
                write!(f, " {forward:<7} {weight:<6} {active:<10} {inactive:<10}")?;
            }
            Mode::TunnelInfo => {
                let forward = forwarding_word(destination.forwarding);
                let tunnel = tunnel_text(destination.forwarding);
                let weight = destination.weight;
                write!(
                    f,
                    " {forward:<7} {tunnel:<13} {weight:<6} {active:<10} {inactive:<10}"
                )?;
            }
            Mode::Stats => self.figures(f, sums(counters))?,
            Mode::Rate => {
                let [connections, packets_in, packets_out, bytes @ ..] = rates(counters);
                write!(f, " {connections:>8} {packets_in:>8} {packets_out:>8}")?;
                self.figures(f, bytes)?;
            }
            Mode::Thresholds => {
                let (upper, lower) = (destination.upper_threshold, destination.lower_threshold);
                write!(f, " {upper:<10} {lower:<10} {active:<10} {inactive:<10}")?;
            }
            Mode::PersistentConnections => {
                let weight = destination.weight;
                write!(
                    f,
                    " {weight:<9} {persistent:<11} {active:<10} {inactive:<10}"
                )?;
            }
        }
        f.write_str("\n")
    }

    fn figures<const N: usize>(&self, f: &mut dyn fmt::Write, values: [u64; N]) -> fmt::Result {
        let exact = self.options.exact;
        values
            .into_iter()
            .try_for_each(|value| write!(f, "{}", Figure { value, exact }))
    }
}

/// The two header lines; their trailing blanks belong to the format.
fn headers(mode: Mode) -> &'static str {
    match mode {
        Mode::Table => concat!(
            "Prot LocalAddress:Port Scheduler Flags\n",
            "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
        ),
        Mode::TunnelInfo => concat!(
            "Prot LocalAddress:Port Scheduler Flags\n",
            "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n",
        ),
        Mode::Stats => concat!(
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n",
            "  -> RemoteAddress:Port\n",
        ),
        Mode::Rate => concat!(
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n",
            "  -> RemoteAddress:Port\n",
        ),
        Mode::Thresholds => concat!(
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n",
            "  -> RemoteAddress:Port\n",
        ),
        Mode::PersistentConnections => concat!(
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n",
            "  -> RemoteAddress:Port\n",
        ),
    }
}

/// As many whole characters as fit into so many bytes.
pub(in crate::cli) fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Services in the order of `ipvsadm`.
pub(in crate::cli) fn sort_services(services: &mut [(&ServiceKey, &ObservedService)]) {
    order::sort(services, |(key, _)| order::service_words(key));
}

/// Destinations in the order of `ipvsadm`.
pub(in crate::cli) fn sort_destinations(destinations: &mut [&ObservedDestination]) {
    order::sort(destinations, |observed| {
        order::destination_words(&observed.destination.key)
    });
}

/// Protocol of a service with an address.
pub(in crate::cli) fn protocol(key: &ServiceKey) -> Option<Protocol> {
    match key {
        ServiceKey::Address { protocol, .. } => Some(*protocol),
        ServiceKey::Mark { .. } => None,
    }
}

/// Address and port by their names, as far as they have some.
pub(in crate::cli) fn place(
    names: &dyn Names,
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
) -> String {
    let service = protocol.and_then(|protocol| names.port(port, protocol));
    let host = names.host(address);
    if host.is_none() && service.is_none() {
        return numeric(address, port);
    }
    let service = service.unwrap_or_else(|| port.to_string());
    match (host, address) {
        (Some(host), IpAddr::V4(_)) => format!("{host}:{service}"),
        (Some(host), IpAddr::V6(_)) => format!("[{host}]:{service}"),
        (None, address) => {
            let mut place = numeric(address, port);
            place.truncate(place.rfind(':').map_or(0, |colon| colon + 1));
            place + &service
        }
    }
}

/// Address and port in the C library's form, which differs from the standard library's
/// for IPv4-compatible addresses: `::192.0.2.1`.
pub(in crate::cli) fn numeric(address: IpAddr, port: u16) -> String {
    if let IpAddr::V6(v6) = address
        && let [0, 0, 0, 0, 0, 0, high, low] = v6.segments()
        && high != 0
    {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        return format!("[::{a}.{b}.{c}.{d}]:{port}");
    }
    PortAddress(address, port).to_string()
}

/// A service as its row has it, behind its name.
pub(in crate::cli) struct Attributes<'a>(pub(in crate::cli) &'a Service);

impl fmt::Display for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        attributes(f, self.0)
    }
}

/// ` SCHED[ (FLAGS)][ persistent T[ mask M][ pe ENGINE]][ ops]`.
fn attributes(f: &mut dyn fmt::Write, service: &Service) -> fmt::Result {
    let scheduler = service.scheduler.as_ref();
    write!(f, " {}", scheduler.map_or("none", |name| name.name()))?;
    // Any bit opens the parentheses, also one that has no name.
    if !service.flags.is_empty() {
        write!(f, " ({})", service.flags.names(scheduler).join(","))?;
    }
    if let Some(persistence) = &service.persistence {
        write!(f, " persistent {}", persistence.timeout)?;
        if !persistence.netmask.is_full() {
            write!(f, " mask {}", persistence.netmask)?;
        }
        // Without persistence `ipvsadm` does not show the engine.
        if let Some(engine) = &service.engine {
            write!(f, " pe {engine}")?;
        }
    }
    if service.one_packet {
        f.write_str(" ops")?;
    }
    Ok(())
}

fn forwarding_word(forwarding: Forwarding) -> &'static str {
    match forwarding {
        Forwarding::Masquerade => "Masq",
        Forwarding::Local => "Local",
        Forwarding::Tunnel(_) => "Tunnel",
        Forwarding::DirectRoute => "Route",
        Forwarding::Bypass => "Bypass",
    }
}

fn tunnel_text(forwarding: Forwarding) -> String {
    let Forwarding::Tunnel(tunnel) = forwarding else {
        return "n/a".to_owned();
    };
    let sign = |checksum| match checksum {
        Checksum::None => "-c",
        Checksum::Full => "+c",
        Checksum::Remote => "r+c",
    };
    match tunnel {
        Tunnel::Ipip => "ipip".to_owned(),
        Tunnel::Gue { port, checksum } => format!("gue:{port}:{}", sign(checksum)),
        Tunnel::Gre { checksum } => format!("gre:{}", sign(checksum)),
    }
}

fn sums(counters: &Counters) -> [u64; 5] {
    [
        counters.connections,
        counters.in_packets,
        counters.out_packets,
        counters.in_bytes,
        counters.out_bytes,
    ]
}

fn rates(counters: &Counters) -> [u64; 5] {
    [
        counters.connections_per_second,
        counters.in_packets_per_second,
        counters.out_packets_per_second,
        counters.in_bytes_per_second,
        counters.out_bytes_per_second,
    ]
}
