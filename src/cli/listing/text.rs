//! The tables of `ipvsadm`.

use std::fmt;
use std::net::IpAddr;

use super::number::Figure;
use super::order;
use super::{Mode, Options};
use crate::model::{
    Checksum, Counters, Family, Forwarding, Info, ObservedDestination, ObservedService,
    ObservedTable, PortAddress, Service, ServiceKey, Tunnel,
};

/// A table that prints itself as `ipvsadm -Ln` would.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    info: Option<&'a Info>,
    table: &'a ObservedTable,
    options: Options,
}

impl<'a> Listing<'a> {
    /// A listing of `table`. Without `info` it has no version line, as when `ipvsadm`
    /// is asked for one service.
    pub fn new(info: Option<&'a Info>, table: &'a ObservedTable, options: Options) -> Self {
        Self {
            info,
            table,
            options,
        }
    }
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(info) = self.info {
            let (major, minor, patch) = info.version;
            let size = info.connection_table_size;
            writeln!(
                f,
                "IP Virtual Server version {major}.{minor}.{patch} (size={size})"
            )?;
        }
        f.write_str(headers(self.options.mode))?;
        let mut services: Vec<_> = self.table.iter().collect();
        if self.options.sort {
            order::sort(&mut services, |(key, _)| order::service_words(key));
        }
        for (key, service) in services {
            self.service(f, key, service)?;
        }
        Ok(())
    }
}

impl Listing<'_> {
    fn service(
        &self,
        f: &mut fmt::Formatter<'_>,
        key: &ServiceKey,
        observed: &ObservedService,
    ) -> fmt::Result {
        let name = service_name(key);
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
        let mut destinations: Vec<_> = observed.destinations.values().collect();
        if self.options.sort {
            order::sort(&mut destinations, |observed| {
                order::destination_words(&observed.destination.key)
            });
        }
        for destination in destinations {
            self.destination(f, destination)?;
        }
        Ok(())
    }

    fn destination(
        &self,
        f: &mut fmt::Formatter<'_>,
        observed: &ObservedDestination,
    ) -> fmt::Result {
        let ObservedDestination {
            destination,
            active,
            inactive,
            persistent,
            counters,
        } = observed;
        let name = numeric(destination.key.address, destination.key.port);
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

    fn figures<const N: usize>(&self, f: &mut fmt::Formatter<'_>, values: [u64; N]) -> fmt::Result {
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

fn service_name(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address {
            protocol,
            address,
            port,
        } => {
            let protocol = protocol.name().to_ascii_uppercase();
            format!("{protocol:<4} {}", numeric(*address, *port))
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

/// Address and port in the C library's form, which differs from the standard library's
/// for IPv4-compatible addresses: `::192.0.2.1`.
fn numeric(address: IpAddr, port: u16) -> String {
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

/// ` SCHED[ (FLAGS)][ persistent T[ mask M][ pe ENGINE]][ ops]`.
fn attributes(f: &mut fmt::Formatter<'_>, service: &Service) -> fmt::Result {
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
