//! Things about the host that keep a director from working, found at its start: settings,
//! addresses and other programs that the configuration cannot tell of.
//!
//! [`warnings`] judges; [`look`] reads what it needs first.

mod facts;
mod rivals;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::config::{Config, RealCheck, VirtualService};
use crate::kernel::sysctl::{Scope, Sysctl};
use crate::model::pair::Pair;
use crate::model::{Family, Forwarding, ServiceKey};

pub use facts::{Facts, LinkFacts};
pub use rivals::Rival;

/// Addresses named in one line; of more, only the number.
const NAMED: usize = 3;

/// Something about a host that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, without a full stop.
    pub text: String,
    /// The command that mends it, or that shows more.
    pub mend: Option<String>,
}

impl Finding {
    /// A finding.
    pub fn new(text: impl Into<String>, mend: impl Into<Option<String>>) -> Self {
        Self {
            text: text.into(),
            mend: mend.into(),
        }
    }
}

/// One line: `TEXT; to mend it: COMMAND`.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.mend {
            Some(mend) => write!(f, "; to mend it: {mend}"),
            None => Ok(()),
        }
    }
}

/// What a configuration asks of the host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// Addresses of the virtual services.
    virtuals: BTreeSet<IpAddr>,
    /// Each virtual service and real server between which addresses are translated.
    masqueraded: BTreeSet<(ServiceKey, IpAddr)>,
}

impl Needs {
    /// What a configuration asks of the host.
    pub fn of(config: &Config) -> Self {
        let mut needs = Self::default();
        for service in &config.services {
            if let ServiceKey::Address { address, .. } = service.key {
                needs.virtuals.insert(address);
            }
            let masqueraded = masqueraded(service).map(|server| (service.key, server));
            needs.masqueraded.extend(masqueraded);
        }
        needs
    }

    /// The same without what the pair takes care of: its addresses come and go.
    #[must_use]
    pub fn without_addresses_of(mut self, pair: Option<&Pair>) -> Self {
        for instance in pair.iter().flat_map(|pair| &pair.instances) {
            for vip in &instance.addresses {
                self.virtuals.remove(&vip.address);
            }
        }
        self
    }
}

fn masqueraded(service: &VirtualService) -> impl Iterator<Item = IpAddr> {
    let reals = service.reals.iter();
    let used = reals.filter(|real| real.check != RealCheck::Off);
    let fallback = service.fallback.iter().map(|f| &f.destination);
    used.map(|real| &real.destination)
        .chain(fallback)
        .filter(|destination| destination.forwarding == Forwarding::Masquerade)
        .map(|destination| destination.key.address)
}

/// Reads what matters of this host and judges it. What cannot be read is taken to be in
/// order. To be called within a tokio runtime.
pub async fn look(needs: &Needs) -> Vec<Finding> {
    warnings(needs, &Facts::gather(needs).await)
}

/// What is wrong with a host for a configuration.
pub fn warnings(needs: &Needs, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(not_forwarding(needs, facts, Family::V4));
    findings.extend(not_forwarding(needs, facts, Family::V6));
    findings.extend(redirects(needs, facts));
    findings.extend(not_local(facts));
    findings.extend(facts.rivals.iter().map(rival));
    findings
}

/// Requests to masqueraded servers pass without forwarding, their answers do not.
fn not_forwarding(needs: &Needs, facts: &Facts, family: Family) -> Option<Finding> {
    if facts.forwarding(family) != Some(false) {
        return None;
    }
    let own = facts.own();
    let elsewhere = |server: &IpAddr| Family::of(*server) == family && !is_own(&own, *server);
    let mut masqueraded = needs.masqueraded.iter();
    let (service, _) = masqueraded.find(|(_, server)| elsewhere(server))?;
    let sysctl = Sysctl::forwarding(family);
    let text = format!("{sysctl} is 0: answers of masq servers ({service}) do not pass this host");
    Some(Finding::new(text, format!("sysctl -w {sysctl}=1")))
}

/// A server on this host itself is reached without forwarding.
fn is_own(own: &BTreeSet<IpAddr>, server: IpAddr) -> bool {
    server.is_loopback() || own.contains(&server)
}

/// A director that forwards answers out of the interface they came in by would tell the
/// real server of a shorter way. Then answers go past it, with the wrong address.
fn redirects(needs: &Needs, facts: &Facts) -> Vec<Finding> {
    let own = facts.own();
    let on_a_stick = |link: &&LinkFacts| {
        let segment = facts.segment(link.index);
        let both_on_it = |(key, server): &(ServiceKey, IpAddr)| match key {
            ServiceKey::Address { address, .. } => {
                segment.has(*server) && segment.has(*address) && !is_own(&own, *server)
            }
            ServiceKey::Mark { .. } => false,
        };
        link.redirects && needs.masqueraded.iter().any(both_on_it)
    };
    let links = facts.links.iter().filter(on_a_stick);
    let finding = |link: &LinkFacts| {
        let name = &link.name;
        let all = facts::redirects(&Scope::All);
        let own = facts::redirects(&Scope::Interface(name.clone()));
        let text = format!(
            "send_redirects is on for {name}, which both clients and masq servers are on: \
             servers are told to answer past this host"
        );
        Finding::new(text, format!("sysctl -w {all}=0 {own}=0"))
    };
    links.map(finding).collect()
}

/// IPVS sees only packets that are to be delivered on this host.
fn not_local(facts: &Facts) -> Option<Finding> {
    let first = facts.not_local.first()?;
    let named: Vec<String> = facts
        .not_local
        .iter()
        .take(NAMED)
        .map(ToString::to_string)
        .collect();
    let mut who = named.join(", ");
    let more = facts.not_local.len() - named.len();
    if more > 0 {
        who += &format!(" and {more} more");
    }
    let one = facts.not_local.len() == 1;
    let what = if one {
        "it is no local address"
    } else {
        "they are no local addresses"
    };
    let width = if first.is_ipv4() { 32 } else { 128 };
    let link = facts.links.iter();
    let mut link = link.filter(|link| facts.segment(link.index).has(*first));
    let device = link.next().map_or("INTERFACE", |link| link.name.as_str());
    Some(Finding::new(
        format!("packets for {who} do not reach IPVS: {what}"),
        format!("ip address add {first}/{width} dev {device}"),
    ))
}

fn rival(rival: &Rival) -> Finding {
    let Rival { program, pid } = rival;
    let text = match *program {
        "keepalived" => format!(
            "keepalived is running (process {pid}): if it has virtual servers, both change the \
             same table"
        ),
        program => {
            format!("{program} is running (process {pid}): both would change the same table")
        }
    };
    Finding::new(text, format!("systemctl disable --now {program}"))
}
