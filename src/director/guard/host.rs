//! Carries out in the kernel what [`super::core::Core`] wants.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use super::core::Presence;
use super::message::Loopback;
use crate::kernel::address::{Assigned, Client, Link};
use crate::kernel::host::Error;
use crate::kernel::neighbour::Port;
use crate::kernel::sysctl::Sysctl;
use crate::model::pair::VirtualAddress;
use crate::model::{Family, InterfaceName};

/// Addresses and announcements of this network namespace.
#[derive(Debug)]
pub(super) struct Host {
    client: Client,
}

/// Links and addresses at one moment.
struct View {
    links: Vec<Link>,
    addresses: Vec<Assigned>,
}

impl View {
    fn link(&self, name: &InterfaceName) -> Option<&Link> {
        self.links.iter().find(|link| link.name == *name)
    }

    fn name(&self, address: &Assigned) -> Option<&InterfaceName> {
        let link = self.links.iter().find(|link| link.index == address.link)?;
        Some(&link.name)
    }

    /// Where the kernel has an address that is not a copy on `lo`.
    fn places(&self, wanted: &VirtualAddress) -> Vec<Assigned> {
        let loopback = InterfaceName::loopback();
        let there = self.addresses.iter().filter(|a| {
            let is_copy = self.name(a) == Some(&loopback) && wanted.interface != loopback;
            a.address == wanted.address && !is_copy
        });
        there.copied().collect()
    }

    /// Its copies on `lo`.
    fn copies(&self, wanted: &VirtualAddress) -> Vec<Assigned> {
        let places = self.places(wanted);
        let there = self.addresses.iter();
        let there = there.filter(|a| a.address == wanted.address && !places.contains(a));
        there.copied().collect()
    }

    fn assigned(&self, wanted: &VirtualAddress) -> Result<Assigned, String> {
        let link = self.link(&wanted.interface);
        let link = link.ok_or_else(|| format!("there is no interface {}", wanted.interface))?;
        Ok(Assigned {
            address: wanted.address,
            prefix: wanted.prefix,
            link: link.index,
        })
    }
}

impl Host {
    pub(super) fn open() -> Result<Self, Error> {
        Client::open().map(|client| Self { client })
    }

    async fn view(&self) -> Result<View, String> {
        let links = self.client.links().await.map_err(|e| e.to_string())?;
        let addresses = self.client.addresses().await.map_err(|e| e.to_string())?;
        Ok(View { links, addresses })
    }

    /// Removes addresses of an earlier run, and says which there were.
    pub(super) async fn remove_left_over(
        &self,
        addresses: &[VirtualAddress],
        keep: &[VirtualAddress],
    ) -> Result<Vec<String>, String> {
        let view = self.view().await?;
        let details = self.client.details().await.map_err(|e| e.to_string())?;
        let kept: Vec<Assigned> = keep.iter().flat_map(|kept| view.places(kept)).collect();
        let mut gone: Vec<Assigned> = addresses.iter().flat_map(|a| view.places(a)).collect();
        gone.extend(details.iter().filter(|d| d.own).map(|d| d.assigned));
        gone.sort_unstable();
        gone.dedup();
        gone.retain(|address| !kept.contains(address));
        let mut said = Vec::new();
        for address in &gone {
            self.client
                .remove(address)
                .await
                .map_err(|e| e.to_string())?;
            let on = view.name(address).map_or("?", InterfaceName::as_str);
            said.push(format!("{address} on {on}"));
        }
        let after = self.view().await?;
        match gone.iter().find(|gone| after.addresses.contains(gone)) {
            None => Ok(said),
            Some(stays) => Err(format!("{stays} is still there after its removal")),
        }
    }

    /// Takes copies off `lo` and adds addresses; undoes both when one is refused.
    pub(super) async fn take(
        &self,
        addresses: &[VirtualAddress],
        lifetime: Duration,
    ) -> Result<Vec<Loopback>, String> {
        let view = self.view().await?;
        let wanted = addresses.iter().map(|a| Ok((a, view.assigned(a)?)));
        let wanted: Vec<_> = wanted.collect::<Result<_, String>>()?;
        let mut taken = Vec::new();
        let result = self.exchange(&view, &wanted, &mut taken, lifetime).await;
        let loopback = taken.iter().map(|copy: &Assigned| Loopback {
            address: copy.address,
            prefix: copy.prefix,
        });
        let loopback: Vec<_> = loopback.collect();
        if result.is_err() {
            for (_, address) in &wanted {
                // What cannot be removed is found by the removal that follows a refusal.
                let _ = self.client.remove(address).await;
            }
            self.put_back(&loopback).await?;
        }
        result.map(|()| loopback)
    }

    async fn exchange(
        &self,
        view: &View,
        wanted: &[(&VirtualAddress, Assigned)],
        taken: &mut Vec<Assigned>,
        lifetime: Duration,
    ) -> Result<(), String> {
        for (address, _) in wanted {
            for copy in view.copies(address) {
                self.client.remove(&copy).await.map_err(|e| e.to_string())?;
                taken.push(copy);
            }
        }
        for (address, assigned) in wanted {
            self.lease(address, assigned, lifetime).await?;
        }
        Ok(())
    }

    async fn lease(
        &self,
        address: &VirtualAddress,
        assigned: &Assigned,
        lifetime: Duration,
    ) -> Result<(), String> {
        let label = address.label.as_deref();
        let leased = self.client.lease(assigned, label, lifetime).await;
        leased.map_err(|error| error.to_string())
    }

    /// Gives addresses a new lifetime; the ones for which that failed.
    pub(super) async fn refresh(
        &self,
        addresses: &[VirtualAddress],
        lifetime: Duration,
    ) -> Vec<(VirtualAddress, String)> {
        let mut failed = Vec::new();
        for address in addresses {
            if let Err(why) = self.add(address, lifetime).await {
                failed.push((address.clone(), why));
            }
        }
        failed
    }

    /// Adds an address, or gives it a new lifetime.
    pub(super) async fn add(
        &self,
        address: &VirtualAddress,
        lifetime: Duration,
    ) -> Result<(), String> {
        let index = self.client.index(&address.interface).await;
        let link = index.map_err(|error| error.to_string())?;
        let assigned = Assigned {
            address: address.address,
            prefix: address.prefix,
            link,
        };
        self.lease(address, &assigned, lifetime).await
    }

    /// Removes addresses, reads back that they are gone, puts copies back on `lo`.
    ///
    /// What the kernel remembers of the peer's hardware address from before is forgotten
    /// first: two directors that forward and each believe that the other one has the address
    /// would send the packets of the next milliseconds to and fro (kernel note 0051). Now they
    /// wait for the peer's announcement.
    pub(super) async fn drop(
        &self,
        addresses: &[VirtualAddress],
        loopback: &[Loopback],
    ) -> Result<(), String> {
        let view = self.view().await?;
        let mut refused = None;
        for address in addresses.iter().flat_map(|address| view.places(address)) {
            let _ = self.client.forget_neighbour(&address).await;
            let removed = self.client.remove(&address).await;
            refused = refused.or(removed.err());
        }
        let after = self.view().await?;
        let mut left = addresses.iter().flat_map(|address| after.places(address));
        if let Some(left) = left.next() {
            let why = refused.map_or_else(|| "nobody said why".to_owned(), |e| e.to_string());
            return Err(format!("{left} is still there: {why}"));
        }
        self.put_back(loopback).await
    }

    async fn put_back(&self, loopback: &[Loopback]) -> Result<(), String> {
        if loopback.is_empty() {
            return Ok(());
        }
        let link = self.client.index(&InterfaceName::loopback()).await;
        let link = link.map_err(|error| error.to_string())?;
        for copy in loopback {
            let assigned = Assigned {
                address: copy.address,
                prefix: copy.prefix,
                link,
            };
            let added = self.client.add(&assigned).await;
            added.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Where addresses stand now.
    pub(super) async fn look(
        &self,
        addresses: Vec<VirtualAddress>,
    ) -> Result<Vec<(VirtualAddress, Presence)>, String> {
        let view = self.view().await?;
        let stands = |address: VirtualAddress| {
            let link = view.link(&address.interface).filter(|link| link.up);
            let presence = match link {
                None => Presence::NoLink,
                Some(link) if view.places(&address).iter().any(|a| a.link == link.index) => {
                    Presence::There
                }
                Some(_) => Presence::Absent,
            };
            (address, presence)
        };
        Ok(addresses.into_iter().map(stands).collect())
    }

    /// Whether a change concerns an interface: index, state and MAC of each of these.
    pub(super) async fn links(
        &self,
        of: &BTreeMap<InterfaceName, Vec<IpAddr>>,
    ) -> Result<Vec<Link>, String> {
        let links = self.client.links().await.map_err(|e| e.to_string())?;
        let wanted = links.into_iter().filter(|link| of.contains_key(&link.name));
        Ok(wanted.collect())
    }
}

/// One round of announcements, each interface as it is now.
pub(super) fn announce(addresses: &[VirtualAddress]) -> Result<(), String> {
    let router = Sysctl::forwarding(Family::V6).read() == Ok(1);
    let mut interfaces: BTreeMap<&InterfaceName, Vec<IpAddr>> = BTreeMap::new();
    for address in addresses {
        let on = interfaces.entry(&address.interface).or_default();
        on.push(address.address);
    }
    let mut refused = None;
    for (interface, addresses) in interfaces {
        let sent = Port::open(interface).and_then(|port| {
            let all = port
                .iter()
                .flat_map(|port| addresses.iter().map(move |a| (port, a)));
            // One that fails keeps no other from being announced.
            all.map(|(port, address)| port.announce(*address, router))
                .fold(Ok(()), Result::and)
        });
        refused = refused.or(sent.err());
    }
    refused.map_or(Ok(()), |error| Err(error.to_string()))
}
