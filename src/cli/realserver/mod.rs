//! `directord realserver`: the real server's half of direct routing.
//!
//! A real server accepts packets for the virtual address, which the director leaves as
//! they are, but must not be asked for it: the address is on `lo`, and the interfaces
//! neither answer ARP for addresses of others (`arp_ignore`) nor show them in questions
//! of their own (`arp_announce`). IPv6 needs no settings: neighbour discovery answers for
//! addresses of the interface that was asked only.

mod arp;
mod facts;
mod print;
mod record;
mod setup;
mod status;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::path::Path;

use anyhow::Context as _;

use super::args::{
    Realserver, RealserverFormat, RealserverSetup, RealserverStatus, RealserverUndo,
};
use super::commands::{complain, print_out, runtime};
use super::exit::Exit;
use crate::kernel::address::Client;
use crate::kernel::host::{Error, InterfaceName};
use facts::Facts;
use record::{Change, Record};
use setup::Step;
use status::Report;

/// Runs it.
pub(super) fn run(command: Realserver) -> anyhow::Result<Exit> {
    match command {
        Realserver::Setup(options) => set_up(&options),
        Realserver::Status(options) => show(&options),
        Realserver::Undo(options) => undo(&options),
    }
}

/// A virtual address as an argument.
pub(super) fn virtual_address(text: &str) -> Result<IpAddr, String> {
    let host = match text.split_once('/') {
        Some((address, "32")) if !address.contains(':') => address,
        Some((address, "128")) if address.contains(':') => address,
        Some(_) => return Err("a virtual address has no subnet here: leave the prefix out".into()),
        None => text,
    };
    let address: IpAddr = host
        .parse()
        .map_err(|_| "it is not an IPv4 or IPv6 address".to_owned())?;
    let unusable = match address {
        IpAddr::V4(address) => address.is_broadcast() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.to_ipv4_mapped().is_some() || address.is_unicast_link_local()
        }
    };
    if unusable || address.is_unspecified() || address.is_loopback() || address.is_multicast() {
        return Err("it cannot be a virtual address".into());
    }
    Ok(address)
}

fn set_up(options: &RealserverSetup) -> anyhow::Result<Exit> {
    let (addresses, interfaces) = (unique(&options.vips), unique(&options.interface));
    if let Some(format) = options.print {
        print_out(&match format {
            RealserverFormat::Ip => print::commands(&addresses, &interfaces),
            RealserverFormat::Ifupdown => print::ifupdown(&addresses, &interfaces),
            RealserverFormat::Networkd => print::networkd(&addresses, &interfaces),
        })?;
        return Ok(Exit::Success);
    }
    privileged("setup")?;
    runtime()?.block_on(async {
        let client = Client::open().map_err(with_help)?;
        let facts = Facts::gather(&client).await.map_err(with_help)?;
        let steps = match setup::setup(&addresses, &interfaces, &facts) {
            Ok(steps) => steps,
            Err(problems) => {
                for problem in problems {
                    complain(&format!("directord: {problem}"));
                }
                complain("directord: nothing was changed");
                return Ok(Exit::Failure);
            }
        };
        remember(&steps)?;
        perform(&client, &steps).await?;
        print_out("This lasts until the next boot; --print shows how to make it last.\n")?;
        verdict(&client, &addresses, &interfaces).await
    })
}

/// Looks again: other hands and odd settings are not to be found out by clients.
async fn verdict(
    client: &Client,
    addresses: &[IpAddr],
    interfaces: &[InterfaceName],
) -> anyhow::Result<Exit> {
    let facts = Facts::gather(client).await.map_err(with_help)?;
    let report = Report::new(addresses, interfaces, &facts);
    for problem in report.problems() {
        complain(&format!("directord: {problem}"));
    }
    Ok(exit(&report))
}

fn show(options: &RealserverStatus) -> anyhow::Result<Exit> {
    let (addresses, interfaces) = (unique(&options.vips), unique(&options.interface));
    runtime()?.block_on(async {
        let client = Client::open().map_err(with_help)?;
        let facts = Facts::gather(&client).await.map_err(with_help)?;
        let report = Report::new(&addresses, &interfaces, &facts);
        print_out(&if options.json {
            format!("{}\n", serde_json::to_string_pretty(&report.json())?)
        } else {
            report.text()
        })?;
        Ok(exit(&report))
    })
}

fn undo(options: &RealserverUndo) -> anyhow::Result<Exit> {
    privileged("undo")?;
    let path = Path::new(record::PATH);
    runtime()?.block_on(async {
        let client = Client::open().map_err(with_help)?;
        let facts = Facts::gather(&client).await.map_err(with_help)?;
        let record = Record::read(path).with_context(|| path.display().to_string())?;
        let steps = setup::undo(&unique(&options.vips), &facts, record.as_ref());
        perform(&client, &steps).await?;
        let others = facts.virtual_addresses();
        if !others
            .iter()
            .any(|a| a.is_ipv4() && !options.vips.contains(a))
        {
            Record::remove(path).with_context(|| path.display().to_string())?;
        }
        Ok(Exit::Success)
    })
}

fn exit(report: &Report) -> Exit {
    if report.is_good() {
        Exit::Success
    } else {
        Exit::Failure
    }
}

/// Notes what the settings are before they are changed.
fn remember(steps: &[Step]) -> anyhow::Result<()> {
    let changes: Vec<&Change> = steps
        .iter()
        .filter_map(|step| match step {
            Step::Set(change) => Some(change),
            _ => None,
        })
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let path = Path::new(record::PATH);
    let kept = Record::read(path).and_then(|record| {
        let mut record = record.unwrap_or_default();
        for change in changes {
            record.enter(change.clone());
        }
        record.write(path)
    });
    kept.with_context(|| {
        let path = path.display();
        format!("nothing was changed: {path}, which keeps what the settings were")
    })
}

async fn perform(client: &Client, steps: &[Step]) -> anyhow::Result<()> {
    for step in steps {
        let told = match step {
            Step::Set(change) => {
                let sysctl = change.setting.sysctl(&change.scope);
                sysctl.write(change.after).map_err(with_help)?;
                format!("{sysctl} = {} (was {})", change.after, change.before)
            }
            Step::Kept(scope, setting, value) => {
                format!("{} = {value} (as it was)", setting.sysctl(scope))
            }
            Step::Add(address) => {
                let is_new = client.add(address).await.map_err(with_help)?;
                let how = if is_new {
                    "added to lo"
                } else {
                    "is on lo already"
                };
                format!("{address} {how}")
            }
            Step::Present(address, link) => format!("{address} is on {link} already"),
            Step::Remove(address) => {
                let was_there = client.remove(address).await.map_err(with_help)?;
                let how = if was_there {
                    "removed from lo"
                } else {
                    "is not on lo"
                };
                format!("{address} {how}")
            }
            Step::Absent(address) => format!("{address} is not on lo"),
            Step::Note(text) => text.clone(),
        };
        print_out(&format!("{told}\n"))?;
    }
    Ok(())
}

fn unique<T: Clone + PartialEq>(given: &[T]) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for one in given {
        if !kept.contains(one) {
            kept.push(one.clone());
        }
    }
    kept
}

fn with_help(error: Error) -> anyhow::Error {
    match error.help() {
        Some(help) => anyhow::anyhow!("{error}\n{help}"),
        None => error.into(),
    }
}

/// Refuses before anything is done, not halfway.
fn privileged(action: &str) -> anyhow::Result<()> {
    let status = std::fs::read_to_string("/proc/self/status").context("/proc/self/status")?;
    anyhow::ensure!(
        has_net_admin(&status),
        "realserver {action}: permission denied, CAP_NET_ADMIN is needed\n\
         run as root: sudo directord realserver {action} …, or see what it would do: \
         directord realserver setup --print ip …"
    );
    Ok(())
}

/// Whether a process with this `/proc/PID/status` has `CAP_NET_ADMIN` (12) in force.
fn has_net_admin(status: &str) -> bool {
    let set = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let set = set.and_then(|text| u64::from_str_radix(text.trim(), 16).ok());
    set.is_some_and(|set| set & 1 << 12 != 0)
}
