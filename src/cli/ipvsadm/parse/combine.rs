//! Options that were read one by one, put together.

use nix::errno::Errno;

use super::super::check::{self, Encapsulation, Name};
use super::super::command::{Command, List, Listed};
use super::super::failure::{Failure, refusal};
use super::super::options::Verb;
use super::{DEFAULT_INTERFACE, DEFAULT_SCHEDULER, Forward, Reading};
use crate::cli::listing::{self, Mode};
use crate::model::{
    Checksum, Destination, DestinationKey, Family, Forwarding, Operation, Persistence, Protocol,
    Scheduler, Service, ServiceKey, SyncDaemon, Tunnel,
};

impl Reading<'_> {
    /// The command that the options make together.
    pub(super) fn command(self) -> Result<Command, Failure> {
        Ok(match self.verb {
            Verb::AddService | Verb::EditService => {
                let key = self.key();
                self.check_service()?;
                let service = self.attributes()?;
                Command::Change(match self.verb {
                    Verb::AddService => Operation::AddService(key, service),
                    _ => Operation::SetService(key, service),
                })
            }
            Verb::DeleteService => Command::Change(Operation::DeleteService(self.key())),
            Verb::AddServer => {
                Command::Change(Operation::AddDestination(self.key(), self.destination()?))
            }
            Verb::EditServer => {
                Command::Change(Operation::SetDestination(self.key(), self.destination()?))
            }
            Verb::DeleteServer => {
                Command::Change(Operation::DeleteDestination(self.key(), self.server))
            }
            Verb::Flush => Command::Clear,
            Verb::Restore => Command::Restore,
            Verb::Save => Command::Save {
                numeric: self.given.has(Name::Numeric),
            },
            Verb::List => Command::List(self.list()),
            Verb::Zero => Command::Zero(self.given.has(Name::Service).then(|| self.key())),
            Verb::Set => Command::SetTimeouts(self.timeouts),
            Verb::StartDaemon => Command::StartDaemon(self.daemon()),
            Verb::StopDaemon => Command::StopDaemon(self.role),
            Verb::Help => Command::Help,
            Verb::Version => Command::Version,
        })
    }

    fn key(&self) -> ServiceKey {
        match (self.mark, self.protocol) {
            (Some(mark), _) => ServiceKey::Mark {
                family: Family::of(self.address),
                mark,
            },
            (None, protocol) => ServiceKey::Address {
                protocol: protocol.unwrap_or(Protocol::Tcp),
                address: self.address,
                port: self.port,
            },
        }
    }

    fn check_service(&self) -> Result<(), Failure> {
        if self.mark.is_none() && self.port == 0 && self.persistence.is_none() {
            return Err(Failure::wrong(
                "Zero port specified for non-persistent service",
            ));
        }
        let one_packet = self.given.has(Name::OnePacket);
        if one_packet && self.mark.is_none() && self.protocol != Some(Protocol::Udp) {
            return Err(Failure::wrong(
                "One-Packet Scheduling is only for UDP virtual services",
            ));
        }
        Ok(())
    }

    fn attributes(&self) -> Result<Service, Failure> {
        let scheduler = match self.scheduler {
            "none" => None,
            name => {
                let name = if name.is_empty() {
                    DEFAULT_SCHEDULER
                } else {
                    name
                };
                let known: Result<Scheduler, _> = name.parse();
                Some(known.map_err(|_| {
                    // No module can have such a name.
                    Failure::refused(refusal(self.verb, Errno::ENOENT), self.verb)
                })?)
            }
        };
        let persistence = self.persistence.map(|timeout| Persistence {
            timeout,
            netmask: self.netmask,
        });
        Ok(Service {
            scheduler,
            flags: self.flags,
            persistence,
            engine: (!self.engine.is_empty()).then(|| self.engine.to_owned()),
            one_packet: self.given.has(Name::OnePacket),
        })
    }

    fn destination(&self) -> Result<Destination, Failure> {
        let is_tunnel = self.forward == Forward::Ipip;
        let own = Family::of(self.server.address);
        if own != Family::of(self.address) && !is_tunnel {
            return Err(Failure::wrong(
                "Different address family is allowed only for tunneling servers",
            ));
        }
        check::tunnel(is_tunnel, self.encapsulation, self.given)?;
        let forwarding = match self.forward {
            Forward::Gateway => Forwarding::DirectRoute,
            Forward::Masquerade => Forwarding::Masquerade,
            Forward::Ipip => Forwarding::Tunnel(self.tunnel()),
        };
        let key = DestinationKey {
            address: self.server.address,
            port: self.key().destination_port(forwarding, self.server.port),
        };
        Ok(Destination {
            key,
            forwarding,
            weight: self.weight,
            upper_threshold: self.upper,
            lower_threshold: self.lower,
        })
    }

    fn tunnel(&self) -> Tunnel {
        let checksum = if self.given.has(Name::TunRemcsum) {
            Checksum::Remote
        } else if self.given.has(Name::TunCsum) {
            Checksum::Full
        } else {
            Checksum::None
        };
        let port = self.tunnel_port;
        match self.encapsulation {
            Encapsulation::Ipip => Tunnel::Ipip,
            Encapsulation::Gue => Tunnel::Gue { port, checksum },
            Encapsulation::Gre => Tunnel::Gre { checksum },
        }
    }

    fn daemon(&self) -> SyncDaemon {
        let interface = match self.interface {
            "" => DEFAULT_INTERFACE,
            name => name,
        };
        SyncDaemon {
            role: self.role,
            interface: interface.to_owned(),
            sync_id: self.sync_id,
            max_length: self.max_length,
            group: self.group,
            port: self.sync_port,
            ttl: self.ttl,
        }
    }

    fn list(&self) -> List {
        let has = |name| self.given.has(name);
        let what = if has(Name::Connection) {
            Listed::Connections {
                engines: has(Name::PersistentConn),
            }
        } else if has(Name::Timeout) {
            Listed::Timeouts
        } else if has(Name::Daemon) {
            Listed::Daemons
        } else {
            // Of several modes the first of these wins.
            let modes = [
                (Name::Stats, Mode::Stats),
                (Name::Rate, Mode::Rate),
                (Name::Thresholds, Mode::Thresholds),
                (Name::PersistentConn, Mode::PersistentConnections),
                (Name::TunInfo, Mode::TunnelInfo),
            ];
            let mode = modes.iter().find(|(name, _)| has(*name));
            Listed::Table {
                service: has(Name::Service).then(|| self.key()),
                options: listing::Options {
                    mode: mode.map_or(Mode::Table, |(_, mode)| *mode),
                    exact: has(Name::Exact),
                    sort: !has(Name::NoSort),
                },
            }
        };
        List {
            what,
            numeric: has(Name::Numeric),
        }
    }
}
