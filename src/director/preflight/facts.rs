//! What of a host matters to a director.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Needs, Rival, rivals};
use crate::kernel::address::{Assigned, Client};
use crate::kernel::host::{Error, InterfaceName};
use crate::kernel::sysctl::{Scope, Sysctl};
use crate::model::Family;

/// Virtual addresses that are asked for one by one.
const MAX_ASKED: usize = 4096;

/// What of a host matters to a director.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Whether IPv4 and IPv6 packets are forwarded; `None` is not known.
    pub forwarding: [Option<bool>; 2],
    /// Its interfaces.
    pub links: Vec<LinkFacts>,
    /// Its addresses.
    pub addresses: Vec<Assigned>,
    /// Virtual addresses whose packets are not delivered on this host.
    pub not_local: BTreeSet<IpAddr>,
    /// Programs that change the same table.
    pub rivals: Vec<Rival>,
}

/// What of an interface matters.
#[derive(Debug, Clone)]
pub struct LinkFacts {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: InterfaceName,
    /// Whether ICMP redirects are sent on it: the setting of `all` or its own.
    pub redirects: bool,
}

impl Facts {
    /// Reads them. What cannot be read is left out.
    pub(super) async fn gather(needs: &Needs) -> Self {
        let rivals = tokio::task::spawn_blocking(rivals::find);
        let forwards = |family| Some(Sysctl::forwarding(family).read().ok()? != 0);
        let mut facts = Self {
            forwarding: [Family::V4, Family::V6].map(forwards),
            ..Self::default()
        };
        if let Err(error) = facts.ask(needs).await {
            tracing::debug!(%error, "the host's addresses are not known");
        }
        facts.rivals = rivals.await.unwrap_or_default();
        facts
    }

    async fn ask(&mut self, needs: &Needs) -> Result<(), Error> {
        let client = Client::open()?;
        let is_on = |scope: &Scope| redirects(scope).read().is_ok_and(|value| value != 0);
        let all = is_on(&Scope::All);
        let links = client.links().await?.into_iter().filter(|link| link.asked);
        self.addresses = client.addresses().await?;
        self.links = links
            .map(|link| LinkFacts {
                index: link.index,
                redirects: all || is_on(&Scope::Interface(link.name.clone())),
                name: link.name,
            })
            .collect();
        for &address in needs.virtuals.difference(&self.own()).take(MAX_ASKED) {
            // An address of no interface can be reached through a local route.
            if !client.is_local(address).await? {
                self.not_local.insert(address);
            }
        }
        Ok(())
    }

    pub(super) fn forwarding(&self, family: Family) -> Option<bool> {
        match family {
            Family::V4 => self.forwarding[0],
            Family::V6 => self.forwarding[1],
        }
    }

    /// This host's own addresses.
    pub(super) fn own(&self) -> BTreeSet<IpAddr> {
        self.addresses.iter().map(|own| own.address).collect()
    }

    /// What is on the segment of an interface.
    pub(super) fn segment(&self, link: u32) -> Segment<'_> {
        let on_link = self.addresses.iter().filter(|own| own.link == link);
        let (hosts, subnets): (Vec<&Assigned>, _) = on_link.partition(|own| own.is_host());
        Segment {
            hosts: hosts.into_iter().map(|own| own.address).collect(),
            subnets,
        }
    }
}

/// The addresses that can be on the segment of an interface.
pub(super) struct Segment<'a> {
    /// Own ones without a subnet: many, when there are many virtual services.
    hosts: BTreeSet<IpAddr>,
    subnets: Vec<&'a Assigned>,
}

impl Segment<'_> {
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.hosts.contains(&address) || self.subnets.iter().any(|own| own.covers(address))
    }
}

/// Whether redirects are sent: where the setting of `all` or the interface's own is on.
pub(super) fn redirects(scope: &Scope) -> Sysctl {
    Sysctl::of_ipv4(scope, "send_redirects")
}
