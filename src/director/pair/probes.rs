//! Asking the network whether somebody has the addresses of an instance.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::check;
use crate::failover::{Event, InstanceId, Mac};
use crate::kernel::neighbour::{self, Claim, Said};
use crate::model::pair::Instance;
use crate::model::{InterfaceName, Outcome, Probe, ProbeKind};

/// Questions within one probe window, so that one lost frame decides nothing.
const QUESTIONS: u32 = 3;
/// Least time between two pings while an address is probed.
const REACH_PAUSE: Duration = Duration::from_millis(200);

/// The probes that run. Dropping one ends it.
#[derive(Debug, Default)]
pub(super) struct Probes(BTreeMap<InstanceId, Running>);

#[derive(Debug)]
struct Running(Vec<AbortHandle>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Probes {
    /// Asks for every address of an instance, three times in a window, until
    /// [`Probes::stop`]; what is heard goes to `events`.
    pub(super) fn start(
        &mut self,
        id: InstanceId,
        instance: &Instance,
        window: Duration,
        events: &mpsc::UnboundedSender<Event>,
    ) {
        let mut by_interface: BTreeMap<&InterfaceName, Vec<_>> = BTreeMap::new();
        for vip in &instance.addresses {
            by_interface
                .entry(&vip.interface)
                .or_default()
                .push(vip.address);
        }
        let mut tasks = Vec::new();
        let mut result = Ok(());
        for (interface, addresses) in by_interface {
            match open(interface, addresses) {
                Ok(None) => {}
                Ok(Some((probe, own))) => {
                    let task = tokio::spawn(ask(id, probe, own, window, events.clone()));
                    tasks.push(task.abort_handle());
                }
                Err(error) => result = Err(error.to_string()),
            }
        }
        if let Some(vip) = instance.addresses.first() {
            let task = tokio::spawn(reach(id, vip.address, window, events.clone()));
            tasks.push(task.abort_handle());
        }
        self.0.insert(id, Running(tasks));
        // The thread outlives its probes.
        let _ = events.send(Event::ProbeStarted {
            instance: id,
            result,
        });
    }

    /// Ends the probe of an instance, if one runs.
    pub(super) fn stop(&mut self, id: InstanceId) {
        self.0.remove(&id);
    }
}

/// A probe that has asked once, and the MAC it asks with; `None` where nobody asks.
fn open(
    interface: &InterfaceName,
    addresses: Vec<IpAddr>,
) -> Result<Option<(neighbour::Probe, Mac)>, crate::kernel::host::Error> {
    let Some(port) = neighbour::Port::open(interface)? else {
        return Ok(None);
    };
    let own = port.mac();
    let Some(probe) = neighbour::Probe::open(interface, addresses)? else {
        return Ok(None);
    };
    probe.ask()?;
    Ok(Some((probe, own)))
}

async fn ask(
    id: InstanceId,
    probe: neighbour::Probe,
    own: Mac,
    window: Duration,
    events: mpsc::UnboundedSender<Event>,
) {
    let pause = (window / QUESTIONS).max(Duration::from_millis(1));
    let mut due = Instant::now() + pause;
    loop {
        tokio::select! {
            said = probe.answer() => match said {
                Ok(said) if events.send(heard(id, own, said)).is_ok() => {}
                Ok(_) => return,
                Err(error) => {
                    tracing::debug!(%error, "a probe hears nothing");
                    tokio::time::sleep_until(due.into()).await;
                }
            },
            () = tokio::time::sleep_until(due.into()) => {
                due += pause;
                if let Err(error) = probe.ask() {
                    tracing::debug!(%error, "a question could not be sent");
                }
            }
        }
    }
}

/// Asks whether anything behind the address answers: a switch or router may answer for an
/// owner that is gone. Pings, since a stalled owner's kernel still answers those.
async fn reach(
    instance: InstanceId,
    address: IpAddr,
    window: Duration,
    events: mpsc::UnboundedSender<Event>,
) {
    let pause = window.max(REACH_PAUSE);
    let kind = ProbeKind::Ping { attempts: 1 };
    let ping = Probe::new(kind, pause);
    loop {
        let next = Instant::now() + pause;
        let report = check::run((address, 0).into(), &ping).await;
        let serves = match report.outcome {
            Outcome::Up => Some(true),
            Outcome::Down(_) => Some(false),
            // A fault of this host says nothing about the other one.
            Outcome::Inconclusive(_) => None,
        };
        if let Some(serves) = serves
            && events.send(Event::ProbeReach { instance, serves }).is_err()
        {
            return;
        }
        tokio::time::sleep_until(next.into()).await;
    }
}

fn heard(instance: InstanceId, own: Mac, said: Said) -> Event {
    let mac = said.mac;
    match said.claim {
        Claim::Owner => Event::ProbeAnswer { instance, mac },
        Claim::Probe => Event::RivalProbe { instance, mac, own },
    }
}
