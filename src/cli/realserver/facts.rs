//! What of this host matters to a real server.

use std::net::IpAddr;

use super::arp::{Arp, Setting, of};
use crate::kernel::address::{Assigned, Client, Link};
use crate::kernel::host::{Error, InterfaceName};
use crate::kernel::sysctl::Scope;

/// What of this host matters to a real server.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Every interface.
    pub(super) links: Vec<Link>,
    /// Every address.
    pub(super) addresses: Vec<Assigned>,
    /// The ARP settings of `all`.
    pub(super) all: Arp,
    /// Those of each interface on which others can ask.
    pub(super) arp: Vec<(InterfaceName, Arp)>,
}

impl Facts {
    /// Reads them.
    pub(super) async fn gather(client: &Client) -> Result<Self, Error> {
        let links = client.links().await?;
        let addresses = client.addresses().await?;
        let mut arp = Vec::new();
        for link in links.iter().filter(|link| link.asked) {
            match read(&of(&link.name)) {
                Ok(values) => arp.push((link.name.clone(), values)),
                // It went between two questions, or does not speak IPv4.
                Err(error) if error.errno == nix::errno::Errno::ENOENT => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            all: read(&Scope::All)?,
            links,
            addresses,
            arp,
        })
    }

    /// The loopback interface.
    pub(super) fn loopback(&self) -> Option<&Link> {
        let name = InterfaceName::loopback();
        self.links.iter().find(|link| link.name == name)
    }

    /// The interface of a number.
    pub(super) fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// Everywhere an address is.
    pub(super) fn places(&self, address: IpAddr) -> impl Iterator<Item = (&Assigned, &Link)> {
        let found = self.addresses.iter();
        let found = found.filter(move |assigned| assigned.address == address);
        found.filter_map(|assigned| Some((assigned, self.link(assigned.link)?)))
    }

    /// What looks like a virtual address: an address without a subnet on `lo`.
    pub(super) fn virtual_addresses(&self) -> Vec<IpAddr> {
        let index = self.loopback().map(|link| link.index);
        let on_loopback = self.addresses.iter().filter(|a| Some(a.link) == index);
        on_loopback
            .filter(|assigned| assigned.is_host() && !assigned.address.is_loopback())
            .map(|assigned| assigned.address)
            .collect()
    }

    /// The ARP settings in force on the interfaces that speak IPv4: those with an
    /// address and `named` ones.
    pub(super) fn in_force(
        &self,
        named: &[InterfaceName],
    ) -> impl Iterator<Item = (&InterfaceName, Arp)> {
        let relevant = self.arp.iter().filter(move |(name, _)| {
            let link = self.links.iter().find(|link| link.name == *name);
            let speaks = link.is_some_and(|link| {
                let mut own = self.addresses.iter().filter(|a| a.link == link.index);
                link.up && own.any(|assigned| assigned.address.is_ipv4())
            });
            named.contains(name) || named.is_empty() && speaks
        });
        relevant.map(|(name, own)| (name, own.in_force(self.all)))
    }
}

fn read(scope: &Scope) -> Result<Arp, Error> {
    Ok(Arp {
        ignore: Setting::Ignore.sysctl(scope).read()?,
        announce: Setting::Announce.sysctl(scope).read()?,
    })
}
