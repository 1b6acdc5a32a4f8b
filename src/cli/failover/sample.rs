//! A pair as tests want it: `web` with a link of each kind.

use crate::director::pair::status::{
    AlarmStatus, InstanceStatus, LinkStatus, PairStatus, PeerInstanceStatus, PeerStatus,
    SyncStatus, TimingStatus, TrackStatus, TransitionStatus,
};

fn link(name: &str) -> LinkStatus {
    LinkStatus {
        name: name.to_owned(),
        state: "up".to_owned(),
        problem: None,
        loss_percent: Some(0),
        rtt_ms: Some(0.42),
        heard_seconds_ago: Some(0.1),
        accepted: 812,
        refused: Vec::new(),
    }
}

fn transition(seconds_ago: f64, from: &str, to: &str, reason: &str) -> TransitionStatus {
    TransitionStatus {
        seconds_ago,
        instance: "web".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        reason: reason.to_owned(),
        epoch: 7,
    }
}

/// An alarm.
pub(crate) fn alarm(seconds_ago: f64) -> AlarmStatus {
    AlarmStatus {
        seconds_ago,
        kind: "Link".to_owned(),
        text: "link private carries nothing".to_owned(),
    }
}

/// loadb1, active, with a good standby.
pub(crate) fn active() -> PairStatus {
    PairStatus {
        cluster: "web".to_owned(),
        node: "loadb1".to_owned(),
        node_id: 1,
        suspect: false,
        frozen: "no".to_owned(),
        timing: TimingStatus {
            advert_interval: 0.2,
            dead_after: 1.0,
            dead_after_now: 1.0,
            probe_window: 0.18,
            address_lifetime: 3.0,
            start_wait: 3.0,
            preempt_delay: None,
            max_moves: 5,
        },
        peer: PeerStatus {
            name: "loadb2".to_owned(),
            node_id: 2,
            alive: true,
            heard_seconds_ago: Some(0.1),
            hears_us: true,
            version: Some("0.1.0".to_owned()),
            same_config: Some(true),
            duplicate_id: false,
        },
        links: vec![link("lan"), link("private")],
        instances: vec![InstanceStatus {
            name: "web".to_owned(),
            state: "active".to_owned(),
            since_seconds: 192.0,
            reason: Some("takeover complete".to_owned()),
            epoch: 7,
            owner: "local".to_owned(),
            priority: 150,
            preferred: None,
            addresses: vec!["192.0.2.100/24 on eth0".to_owned()],
            standby: "warm".to_owned(),
            obstacles: Vec::new(),
            ready: true,
            admin_standby: false,
            pinned_seconds: None,
            moves: 1,
            step: None,
            failures: Vec::new(),
            peer: Some(PeerInstanceStatus {
                state: "standby".to_owned(),
                epoch: 6,
                priority: 100,
                eligible: true,
                ready: true,
            }),
            tracks: vec![TrackStatus {
                name: "ping 192.0.2.1".to_owned(),
                kind: "ping".to_owned(),
                target: "192.0.2.1".to_owned(),
                state: "up".to_owned(),
                since_seconds: 190.0,
                last: "0.3 ms".to_owned(),
                effect: "fault".to_owned(),
            }],
            sync: Some(SyncStatus {
                interface: "hb0".to_owned(),
                id: 7,
            }),
            explanation: Vec::new(),
        }],
        alarms: Vec::new(),
        history: vec![
            transition(192.2, "standby", "probe", "peer silent on all links"),
            transition(192.1, "probe", "acquire", "nobody answered the probe"),
            transition(192.0, "acquire", "active", "takeover complete"),
        ],
        epochs_problem: None,
    }
}

/// loadb1, standby of a loadb2 that serves.
pub(crate) fn standby() -> PairStatus {
    let mut pair = active();
    let instance = &mut pair.instances[0];
    instance.state = "standby".to_owned();
    instance.owner = "peer".to_owned();
    instance.reason = Some("the peer serves".to_owned());
    if let Some(peer) = &mut instance.peer {
        peer.state = "active".to_owned();
        peer.epoch = 8;
    }
    pair
}
