//! What `setup` and `undo` do, as lists of steps. Pure.

use std::net::IpAddr;

use super::arp::{Setting, of};
use super::facts::Facts;
use super::record::{Change, Record};
use super::status::{loopback_down, misplaced};
use crate::director::preflight::Finding;
use crate::kernel::address::Assigned;
use crate::kernel::host::InterfaceName;
use crate::kernel::sysctl::Scope;

/// One step, or the news that nothing has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Change a setting.
    Set(Change),
    /// A setting is right as it is.
    Kept(Scope, Setting, i64),
    /// Add the address to `lo`.
    Add(Assigned),
    /// The address is where others cannot ask for it already.
    Present(Assigned, InterfaceName),
    /// Remove the address from `lo`.
    Remove(Assigned),
    /// The address is not on `lo`.
    Absent(IpAddr),
    /// Something to know.
    Note(String),
}

/// What to do so that this host can be a real server for `addresses`: ARP first, so that
/// no address is announced. `interfaces` are given the settings by name too; without any,
/// only those that `all` does not make quiet. What stands against it is told instead.
pub(super) fn setup(
    addresses: &[IpAddr],
    interfaces: &[InterfaceName],
    facts: &Facts,
) -> Result<Vec<Step>, Vec<Finding>> {
    let problems = against(addresses, interfaces, facts);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut steps = Vec::new();
    if addresses.iter().any(IpAddr::is_ipv4) {
        steps = silence(interfaces, facts);
    }
    for &address in addresses {
        steps.push(match facts.places(address).next() {
            Some((assigned, link)) => Step::Present(*assigned, link.name.clone()),
            None => Step::Add(Assigned::host(
                address,
                facts.loopback().map_or(0, |l| l.index),
            )),
        });
    }
    Ok(steps)
}

fn silence(interfaces: &[InterfaceName], facts: &Facts) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut all = facts.all;
    for setting in Setting::BOTH {
        let value = all.get(setting);
        steps.push(step(Scope::All, setting, value));
        if !setting.is_quiet(value) {
            all.set(setting, setting.wanted());
        }
    }
    for (name, own) in &facts.arp {
        let named = interfaces.contains(name);
        for setting in Setting::BOTH {
            let loud = !setting.is_quiet(own.in_force(all).get(setting));
            if named || loud {
                steps.push(step(of(name), setting, own.get(setting)));
            }
        }
    }
    steps
}

fn step(scope: Scope, setting: Setting, value: i64) -> Step {
    if setting.is_quiet(value) {
        return Step::Kept(scope, setting, value);
    }
    Step::Set(Change {
        scope,
        setting,
        before: value,
        after: setting.wanted(),
    })
}

fn against(addresses: &[IpAddr], interfaces: &[InterfaceName], facts: &Facts) -> Vec<Finding> {
    let mut problems = Vec::new();
    match facts.loopback() {
        Some(link) if link.up => {}
        Some(_) => problems.push(loopback_down()),
        None => problems.push(Finding::new("this host has no interface lo", None)),
    }
    for name in interfaces {
        let link = facts.links.iter().find(|link| link.name == *name);
        match link {
            None => {
                let text = format!("there is no interface {name}");
                problems.push(Finding::new(text, "ip -br link".to_owned()));
            }
            Some(link) if !link.asked => problems.push(Finding::new(
                format!(
                    "{name} asks and answers no ARP; name the interface that faces the segment"
                ),
                "ip -br link".to_owned(),
            )),
            Some(_) => {}
        }
    }
    for &address in addresses {
        problems.extend(misplaced(address, facts));
    }
    problems
}

/// What to do so that this host is no longer a real server for `addresses`. The ARP
/// settings go back to what `record` says once no other virtual IPv4 address is left.
pub(super) fn undo(addresses: &[IpAddr], facts: &Facts, record: Option<&Record>) -> Vec<Step> {
    let held = facts.virtual_addresses();
    let index = facts.loopback().map_or(0, |link| link.index);
    let mut steps: Vec<Step> = addresses
        .iter()
        .map(|&address| {
            if held.contains(&address) {
                Step::Remove(Assigned::host(address, index))
            } else {
                Step::Absent(address)
            }
        })
        .collect();
    let left = held.iter().find(|a| a.is_ipv4() && !addresses.contains(a));
    match (left, record) {
        (Some(left), _) => {
            let text = format!("the ARP settings stay: {left} is still on lo");
            steps.push(Step::Note(text));
        }
        (None, Some(record)) => steps.extend(restore(facts, record)),
        (None, None) if addresses.iter().any(IpAddr::is_ipv4) => steps.push(unknown_before(facts)),
        (None, None) => {}
    }
    steps
}

fn restore(facts: &Facts, record: &Record) -> impl Iterator<Item = Step> {
    record.changes.iter().rev().map(|change| {
        let Change {
            scope,
            setting,
            before,
            after,
        } = change;
        let sysctl = setting.sysctl(scope);
        let Some(now) = value(facts, scope, *setting) else {
            return Step::Note(format!("{sysctl} is no longer there"));
        };
        if now == *before {
            return Step::Kept(scope.clone(), *setting, now);
        }
        if now != *after {
            let text = format!("{sysctl} stays {now}: setup made it {after}, others changed it");
            return Step::Note(text);
        }
        Step::Set(Change {
            scope: scope.clone(),
            setting: *setting,
            before: now,
            after: *before,
        })
    })
}

fn value(facts: &Facts, scope: &Scope, setting: Setting) -> Option<i64> {
    let arp = match scope {
        Scope::All => facts.all,
        Scope::Interface(name) => facts.arp.iter().find(|(known, _)| known == name)?.1,
    };
    Some(arp.get(setting))
}

fn unknown_before(facts: &Facts) -> Step {
    let all = Setting::BOTH.map(|setting| {
        let sysctl = setting.sysctl(&Scope::All);
        format!("{sysctl} stays {}", facts.all.get(setting))
    });
    Step::Note(format!(
        "there is no record of what the ARP settings were: {}",
        all.join(", ")
    ))
}
