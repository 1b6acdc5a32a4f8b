//! What `ip_vs_genl_set_cmd` and the functions below it check, in their order
//! (`net/netfilter/ipvs/ip_vs_ctl.c`, kernel note 0007).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;

use super::{Table, fresh};
use crate::model::{
    Counters, Destination, Family, Forwarding, ObservedService, Service, ServiceKey, Tunnel,
};

/// The name that asks for no scheduler.
const NO_SCHEDULER: &str = "none";
/// Largest weight: the kernel reads it as a signed number.
const MAX_WEIGHT: u32 = i32::MAX.cast_unsigned();

impl Table {
    pub(super) fn add_service(&mut self, key: &ServiceKey, wanted: &Service) -> Result<(), Errno> {
        if self.services.contains_key(key) {
            return Err(Errno::EEXIST);
        }
        let service = self.accepted(wanted)?;
        let observed = ObservedService {
            service,
            counters: Counters::default(),
            destinations: [].into(),
        };
        self.services.insert(*key, observed);
        Ok(())
    }

    pub(super) fn set_service(&mut self, key: &ServiceKey, wanted: &Service) -> Result<(), Errno> {
        if !self.services.contains_key(key) {
            return Err(Errno::ESRCH);
        }
        let service = self.accepted(wanted)?;
        if let Some(observed) = self.services.get_mut(key) {
            observed.service = service;
        }
        Ok(())
    }

    /// The service as the kernel stores it.
    fn accepted(&self, wanted: &Service) -> Result<Service, Errno> {
        let mut service = wanted.clone();
        service
            .scheduler
            .take_if(|scheduler| scheduler.name() == NO_SCHEDULER);
        service.engine.take_if(|engine| engine.is_empty());
        service.flags.0 &= 7;
        let scheduler_known = service
            .scheduler
            .as_ref()
            .is_none_or(|scheduler| self.schedulers.contains(scheduler.name()));
        let engine_known = service
            .engine
            .as_ref()
            .is_none_or(|engine| self.engines.contains(engine));
        if scheduler_known && engine_known {
            Ok(service)
        } else {
            Err(Errno::ENOENT)
        }
    }

    pub(super) fn add_destination(
        &mut self,
        key: &ServiceKey,
        wanted: &Destination,
    ) -> Result<(), Errno> {
        self.check_destination(key, wanted)?;
        let service = self.services.get_mut(key).ok_or(Errno::ESRCH)?;
        if service.destinations.contains_key(&wanted.key) {
            return Err(Errno::EEXIST);
        }
        if !is_unicast(wanted.key.address) {
            return Err(Errno::EINVAL);
        }
        let stored = fresh(*wanted);
        service.destinations.insert(wanted.key, stored);
        Ok(())
    }

    pub(super) fn set_destination(
        &mut self,
        key: &ServiceKey,
        wanted: &Destination,
    ) -> Result<(), Errno> {
        self.check_destination(key, wanted)?;
        let service = self.services.get_mut(key).ok_or(Errno::ESRCH)?;
        let observed = service.destinations.get_mut(&wanted.key);
        observed.ok_or(Errno::ENOENT)?.destination = *wanted;
        Ok(())
    }

    fn check_destination(&self, key: &ServiceKey, wanted: &Destination) -> Result<(), Errno> {
        if !self.services.contains_key(key) {
            return Err(Errno::ESRCH);
        }
        let tunnel = matches!(wanted.forwarding, Forwarding::Tunnel(_));
        let mixed = is_mixed(key, wanted.key.address);
        if mixed && (!self.daemons.is_empty() || !tunnel) {
            return Err(Errno::EINVAL);
        }
        if wanted.weight > MAX_WEIGHT || wanted.lower_threshold > wanted.upper_threshold {
            return Err(Errno::ERANGE);
        }
        match wanted.forwarding {
            Forwarding::Tunnel(Tunnel::Gue { port: 0, .. }) => Err(Errno::EINVAL),
            _ => Ok(()),
        }
    }

    /// Whether any destination is of another family than its service.
    pub(super) fn has_mixed_families(&self) -> bool {
        self.services.iter().any(|(key, service)| {
            service
                .destinations
                .keys()
                .any(|destination| is_mixed(key, destination.address))
        })
    }
}

fn is_mixed(service: &ServiceKey, destination: IpAddr) -> bool {
    service.family() != Family::of(destination)
}

/// Whether the kernel takes an address for unicast, in a namespace with nothing but `lo`
/// (`inet_addr_type`, `__ipv6_addr_type`, kernel note 0020).
fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let loopback_broadcast = Ipv4Addr::new(127, 255, 255, 255);
            !address.is_unspecified()
                && !address.is_multicast()
                && !address.is_broadcast()
                && address != loopback_broadcast
        }
        IpAddr::V6(address) => {
            address != Ipv6Addr::UNSPECIFIED
                && !address.is_multicast()
                && !address.is_unicast_link_local()
                && address.to_ipv4_mapped().is_none()
        }
    }
}
