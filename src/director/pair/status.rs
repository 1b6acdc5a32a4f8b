//! What the pair knows, in the form that is handed out: as JSON by the control socket, as
//! text by `directord failover status`.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::node::Node;
use super::tracks;
use crate::failover::view::{Freeze, InstanceView, LinkState, LinkView, Owner, View};
use crate::failover::{AlarmKind, InstanceId};
use crate::model::pair::{Effect, NodeId, Pair, Standby};

/// State of a node of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairStatus {
    /// Name of the pair.
    pub cluster: String,
    /// This node's name.
    pub node: String,
    /// This node's number.
    pub node_id: u8,
    /// This process was late and looks around before it does anything else.
    pub suspect: bool,
    /// Nothing moves by itself on this node unless a node is lost: `no`, `for 120 s` or `until unfreeze`.
    pub frozen: String,
    /// Times and limits of the protocol.
    pub timing: TimingStatus,
    /// The other node.
    pub peer: PeerStatus,
    /// In the order of the configuration.
    pub links: Vec<LinkStatus>,
    /// In the order of the configuration.
    pub instances: Vec<InstanceStatus>,
    /// Alarms of this process's life, newest first, at most 32.
    pub alarms: Vec<AlarmStatus>,
    /// The last transitions, oldest first, at most 64.
    pub history: Vec<TransitionStatus>,
    /// What is wrong with the file of epochs.
    pub epochs_problem: Option<String>,
}

/// Times of the protocol, in seconds, and its limit of moves.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TimingStatus {
    /// Between two adverts.
    pub advert_interval: f64,
    /// Silence on all links after which the peer counts as dead, as configured.
    pub dead_after: f64,
    /// The same as it is now: longer while the peer makes pauses that end by themselves.
    pub dead_after_now: f64,
    /// How long an address is asked for before it is claimed.
    pub probe_window: f64,
    /// How long the kernel keeps an address that nobody refreshes.
    pub address_lifetime: f64,
    /// How long a node that hears nobody waits after its start.
    pub start_wait: f64,
    /// How long a better node has to be ready until it takes over; `None` when it never does
    /// by itself.
    pub preempt_delay: Option<f64>,
    /// Moves of an instance in a while that pin it when there are more.
    pub max_moves: u8,
}

/// The other node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// Its number.
    pub node_id: u8,
    /// Whether something authentic and fresh came within the dead interval.
    pub alive: bool,
    /// Seconds since something fresh came.
    pub heard_seconds_ago: Option<f64>,
    /// Whether it says that it hears this node.
    pub hears_us: bool,
    /// Version of its program.
    pub version: Option<String>,
    /// Whether it has the same configuration.
    pub same_config: Option<bool>,
    /// Whether it uses this node's number.
    pub duplicate_id: bool,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkStatus {
    /// Its name.
    pub name: String,
    /// `up`, `only in`, `only out` or `down`.
    pub state: String,
    /// Why there is no socket, if there is none.
    pub problem: Option<String>,
    /// Adverts lost of the last 64, in percent.
    pub loss_percent: Option<u8>,
    /// Shortest round trip of the last ones, the peer's thinking time included.
    pub rtt_ms: Option<f64>,
    /// Seconds since something authentic came.
    pub heard_seconds_ago: Option<f64>,
    /// Adverts taken.
    pub accepted: u64,
    /// Packets refused, by reason.
    pub refused: Vec<(String, u64)>,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// Its name.
    pub name: String,
    /// `active`, `standby`, `probe`, …
    pub state: String,
    /// Seconds since the state began.
    pub since_seconds: f64,
    /// Why the state is what it is.
    pub reason: Option<String>,
    /// Epoch of this node's last claim.
    pub epoch: u64,
    /// Who serves: `local`, `peer`, `nobody` or `unknown`.
    pub owner: String,
    /// Priority, weights and preference included.
    pub priority: u8,
    /// The node that should serve when both could.
    pub preferred: Option<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// `warm` or `cold`.
    pub standby: String,
    /// What rules this node out.
    pub obstacles: Vec<String>,
    /// Whether a planned switch would lose nothing.
    pub ready: bool,
    /// An operator does not want it here.
    pub admin_standby: bool,
    /// Moved too often: stays where it is for so many seconds.
    pub pinned_seconds: Option<f64>,
    /// Moves in the window.
    pub moves: u8,
    /// The step that is being carried out.
    pub step: Option<String>,
    /// Steps that failed: step, how often, why.
    pub failures: Vec<FailureStatus>,
    /// What the peer says about it.
    pub peer: Option<PeerInstanceStatus>,
    /// What is watched.
    pub tracks: Vec<TrackStatus>,
    /// The sync daemon, if it has one.
    pub sync: Option<SyncStatus>,
    /// Why this node serves or does not, and what would change that.
    pub explanation: Vec<String>,
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailureStatus {
    /// Which.
    pub step: String,
    /// How often since the last clean-up.
    pub count: u32,
    /// Seconds since the last time.
    pub seconds_ago: f64,
    /// Why.
    pub reason: String,
}

/// What the peer says about an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerInstanceStatus {
    /// State.
    pub state: String,
    /// Epoch.
    pub epoch: u64,
    /// Priority.
    pub priority: u8,
    /// Whether it may serve.
    pub eligible: bool,
    /// Whether a planned switch to it would lose nothing.
    pub ready: bool,
}

/// The sync daemon of an instance as configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// Interface.
    pub interface: String,
    /// Sync id.
    pub id: u8,
}

/// A track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackStatus {
    /// Its name.
    pub name: String,
    /// `ping`, `http`, …
    pub kind: String,
    /// What is watched.
    pub target: String,
    /// `up`, `down` or `unknown`, with the reason.
    pub state: String,
    /// Seconds since the verdict.
    pub since_seconds: f64,
    /// What was found last.
    pub last: String,
    /// What its failure does: `fault` or a weight.
    pub effect: String,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlarmStatus {
    /// Seconds since it was raised.
    pub seconds_ago: f64,
    /// What it is about: `PeerLost`, …
    pub kind: String,
    /// In words.
    pub text: String,
}

/// A transition of the past.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransitionStatus {
    /// Seconds since.
    pub seconds_ago: f64,
    /// Whose.
    pub instance: String,
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Epoch in effect.
    pub epoch: u64,
}

/// An alarm as the node keeps it.
#[derive(Debug, Clone)]
pub(super) struct Alarm {
    pub(super) at: Instant,
    pub(super) kind: AlarmKind,
    pub(super) text: String,
}

impl Node {
    /// Everything that is known now.
    pub(super) fn status(&self) -> PairStatus {
        let now = Instant::now();
        let view = self.core.view(now);
        let ago = |at: Instant| now.saturating_duration_since(at).as_secs_f64();
        let tracks = self.tracks.status();
        let sockets = self.links.status();
        let link = |(view, socket): (&LinkView, &super::links::LinkStatus)| link(view, socket);
        PairStatus {
            cluster: view.cluster.clone(),
            node: view.node.clone(),
            node_id: view.node_id.0,
            suspect: view.suspect,
            frozen: frozen(view.frozen, now),
            timing: timing(&self.plan.pair, view.dead_after),
            peer: peer(&view),
            links: view.links.iter().zip(&sockets).map(link).collect(),
            instances: view
                .instances
                .iter()
                .map(|instance| self.instance_status(instance, &tracks, now))
                .collect(),
            alarms: self
                .alarms
                .iter()
                .map(|alarm| AlarmStatus {
                    seconds_ago: ago(alarm.at),
                    kind: format!("{:?}", alarm.kind),
                    text: alarm.text.clone(),
                })
                .collect(),
            history: view
                .history
                .iter()
                .map(|entry| TransitionStatus {
                    seconds_ago: ago(entry.at),
                    instance: self.name_of(entry.instance),
                    from: entry.from.to_string(),
                    to: entry.to.to_string(),
                    reason: entry.reason.to_string(),
                    epoch: entry.epoch,
                })
                .collect(),
            // A takeover that is being written has it: it is fine then.
            epochs_problem: self.store.try_lock().ok().and_then(|store| store.problem()),
        }
    }

    pub(super) fn name_of(&self, id: InstanceId) -> String {
        let known = self.instance(id).map(|instance| instance.name.clone());
        known.unwrap_or_else(|| format!("{:08x}", id.0))
    }

    fn instance_status(
        &self,
        view: &InstanceView,
        tracks: &[tracks::TrackStatus],
        now: Instant,
    ) -> InstanceStatus {
        let configured = self.instance(view.id);
        let cold = configured.is_some_and(|instance| instance.standby == Standby::Cold);
        let own = tracks.iter().filter(|track| track.instance == view.name);
        InstanceStatus {
            name: view.name.clone(),
            state: view.state.to_string(),
            since_seconds: view.since.as_secs_f64(),
            reason: view.reason.as_ref().map(ToString::to_string),
            epoch: view.epoch,
            owner: owner(view.owner).to_owned(),
            priority: view.priority,
            preferred: configured
                .and_then(|instance| instance.prefer)
                .map(|id| name_of_node(&self.plan.pair, id)),
            addresses: configured
                .iter()
                .flat_map(|instance| &instance.addresses)
                .map(|vip| format!("{vip} on {}", vip.interface))
                .collect(),
            standby: if cold { "cold" } else { "warm" }.to_owned(),
            obstacles: view.obstacles.iter().map(ToString::to_string).collect(),
            ready: view.ready,
            admin_standby: view.admin_standby,
            pinned_seconds: view.pinned.map(|time| time.as_secs_f64()),
            moves: view.moves,
            step: view
                .step
                .map(|(step, time)| format!("{step}, for {:.1} s", time.as_secs_f64())),
            failures: view
                .failures
                .iter()
                .map(|failure| FailureStatus {
                    step: failure.step.to_string(),
                    count: failure.count,
                    seconds_ago: failure.ago.as_secs_f64(),
                    reason: failure.reason.clone(),
                })
                .collect(),
            peer: view.peer.map(|peer| PeerInstanceStatus {
                state: peer.state.to_string(),
                epoch: peer.epoch,
                priority: peer.priority,
                eligible: peer.eligible,
                ready: peer.ready,
            }),
            tracks: own.map(|status| track(status, now)).collect(),
            sync: configured
                .and_then(|instance| instance.sync.as_ref())
                .map(|sync| SyncStatus {
                    interface: sync.interface.to_string(),
                    id: sync.id,
                }),
            explanation: view.explanation.clone(),
        }
    }
}

fn timing(pair: &Pair, dead_after_now: Duration) -> TimingStatus {
    let (timing, preempt) = (&pair.timing, &pair.preempt);
    TimingStatus {
        advert_interval: timing.advert_interval.as_secs_f64(),
        dead_after: timing.dead_after.as_secs_f64(),
        dead_after_now: dead_after_now.as_secs_f64(),
        probe_window: timing.probe_window.as_secs_f64(),
        address_lifetime: timing.address_lifetime.as_secs_f64(),
        start_wait: timing.start_wait.as_secs_f64(),
        preempt_delay: preempt.enabled.then_some(preempt.delay.as_secs_f64()),
        max_moves: timing.max_moves,
    }
}

fn name_of_node(pair: &Pair, id: NodeId) -> String {
    let node = if pair.peer.id == id {
        &pair.peer
    } else {
        &pair.local
    };
    node.name.clone()
}

fn frozen(freeze: Freeze, now: Instant) -> String {
    match freeze {
        Freeze::No => "no".to_owned(),
        Freeze::Until(at) => {
            let rest = at.saturating_duration_since(now).as_secs_f64();
            format!("for {rest:.0} s")
        }
        Freeze::Forever => "until unfreeze".to_owned(),
    }
}

fn peer(view: &View) -> PeerStatus {
    PeerStatus {
        name: view.peer.name.clone(),
        node_id: view.peer.node_id.0,
        alive: view.peer.alive,
        heard_seconds_ago: view.peer.heard.map(|time| time.as_secs_f64()),
        hears_us: view.peer.hears_us,
        version: view.peer.version.map(|version| version.to_string()),
        same_config: view.peer.same_config,
        duplicate_id: view.peer.duplicate_id,
    }
}

fn link(view: &LinkView, socket: &super::links::LinkStatus) -> LinkStatus {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    LinkStatus {
        name: view.name.clone(),
        state: match view.state {
            LinkState::Up => "up",
            LinkState::OnlyIn => "only in",
            LinkState::OnlyOut => "only out",
            LinkState::Down => "down",
        }
        .to_owned(),
        problem: socket.down.clone(),
        loss_percent: view.loss,
        rtt_ms: view.rtt.map(milliseconds),
        heard_seconds_ago: view.heard.map(|time| time.as_secs_f64()),
        accepted: view.accepted,
        refused: view
            .refused
            .iter()
            .map(|(reason, count)| (reason.to_string(), *count))
            .collect(),
    }
}

fn owner(owner: Owner) -> &'static str {
    match owner {
        Owner::Local => "local",
        Owner::Peer => "peer",
        Owner::Nobody => "nobody",
        Owner::Unknown => "unknown",
    }
}

fn track(status: &tracks::TrackStatus, now: Instant) -> TrackStatus {
    TrackStatus {
        name: status.name.clone(),
        kind: status.kind.to_owned(),
        target: status.target.clone(),
        state: match &status.state {
            tracks::State::Down(reason) => format!("down: {reason}"),
            other => other.word().to_owned(),
        },
        since_seconds: now.saturating_duration_since(status.since).as_secs_f64(),
        last: status.last.clone(),
        effect: match status.effect {
            Some(Effect::Fault) => "fault".to_owned(),
            Some(Effect::Weight(weight)) => format!("{weight:+}"),
            None => "carrier".to_owned(),
        },
    }
}
