//! The pair for monitoring: one line and a number. Pure.

use super::super::status::{Verdict, duration};
use crate::director::pair::status::{InstanceStatus, PairStatus};

/// How long an alarm or a failed step keeps a monitor warning, in seconds.
const RECENT: f64 = 300.0;

/// How the pair stands, with the first reason: critical ones first.
pub(crate) fn verdict(pair: &PairStatus) -> (Verdict, String) {
    if let Some(why) = pair.instances.iter().find_map(critical) {
        return (Verdict::Critical, why);
    }
    let why = node_degraded(pair)
        .or_else(|| pair.instances.iter().find_map(|one| degraded(pair, one)))
        .or_else(|| recent(pair));
    match why {
        Some(why) => (Verdict::Warning, format!("{why}; {}", summary(pair))),
        None => (Verdict::Good, summary(pair)),
    }
}

/// Who serves what: `web active here, mail active on loadb2`.
pub(crate) fn summary(pair: &PairStatus) -> String {
    let peer = &pair.peer.name;
    let one = |instance: &InstanceStatus| {
        let name = &instance.name;
        match instance.owner.as_str() {
            "local" => format!("{name} active here"),
            "peer" => format!("{name} active on {peer}, {} here", instance.state),
            "unknown" => format!("{name} {} here, {peer} may serve it", instance.state),
            _ => format!("{name} {} here, served by nobody", instance.state),
        }
    };
    let parts: Vec<String> = pair.instances.iter().map(one).collect();
    parts.join(", ")
}

fn critical(instance: &InstanceStatus) -> Option<String> {
    let name = &instance.name;
    if instance.state == "blocked" {
        return Some(format!(
            "{name} is blocked: an address cannot be removed here"
        ));
    }
    match (instance.owner.as_str(), instance.state.as_str()) {
        ("nobody", state) => Some(format!("nobody serves {name}, it is {state} here")),
        ("unknown", "fault") => {
            let why = instance.obstacles.first();
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            Some(format!(
                "nobody may serve {name}: the peer is silent and this node has a fault{why}"
            ))
        }
        _ => None,
    }
}

fn node_degraded(pair: &PairStatus) -> Option<String> {
    let peer = &pair.peer;
    if peer.duplicate_id {
        return Some(format!("another node uses number {}", pair.node_id));
    }
    if !peer.alive {
        let ago = peer.heard_seconds_ago.map(duration);
        let ago = ago.map_or_else(
            || "never heard".to_owned(),
            |ago| format!("silent for {ago}"),
        );
        return Some(format!("peer {} is lost, {ago}", peer.name));
    }
    if !peer.hears_us {
        return Some(format!("peer {} does not hear this node", peer.name));
    }
    if peer.same_config == Some(false) {
        return Some(format!("{} has another configuration", peer.name));
    }
    let link = pair.links.iter().find_map(|link| {
        let name = &link.name;
        match &link.problem {
            Some(problem) => Some(format!("link {name}: {problem}")),
            None if link.state != "up" => Some(format!("link {name} is {}", link.state)),
            None => None,
        }
    });
    link.or_else(|| {
        let problem = pair.epochs_problem.as_ref()?;
        Some(format!("epochs: {problem}"))
    })
    .or_else(|| (pair.frozen != "no").then(|| format!("frozen {}", pair.frozen)))
    .or_else(|| pair.suspect.then(|| "this process was late".to_owned()))
}

fn degraded(pair: &PairStatus, instance: &InstanceStatus) -> Option<String> {
    let name = &instance.name;
    if instance.admin_standby {
        return Some(format!("{name} is standby on an operator's order"));
    }
    if let Some(obstacle) = instance.obstacles.first() {
        return Some(format!("{name} cannot be served here: {obstacle}"));
    }
    if instance.pinned_seconds.is_some() {
        return Some(format!("{name} moved too often and is pinned"));
    }
    if instance.owner != "local" {
        return (!instance.ready).then(|| format!("{name} is not ready here"));
    }
    let peer = &pair.peer.name;
    match &instance.peer {
        Some(other) if !other.eligible => Some(format!("{peer} cannot serve {name}")),
        Some(other) if !other.ready => Some(format!("{peer} is not ready for {name}")),
        Some(_) => None,
        None => Some(format!("{peer} says nothing of {name}")),
    }
}

fn recent(pair: &PairStatus) -> Option<String> {
    let failure = pair.instances.iter().find_map(|instance| {
        let failure = instance.failures.iter().find(|f| f.seconds_ago < RECENT)?;
        let ago = duration(failure.seconds_ago);
        Some(format!(
            "{}: {} failed {ago} ago: {}",
            instance.name, failure.step, failure.reason
        ))
    });
    failure.or_else(|| {
        let alarm = pair.alarms.iter().find(|a| a.seconds_ago < RECENT)?;
        Some(format!(
            "alarm {} ago: {}",
            duration(alarm.seconds_ago),
            alarm.text
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::director::pair::status::FailureStatus;

    type Change = fn(&mut PairStatus);

    fn of(pair: PairStatus, change: Change) -> (Verdict, String) {
        let mut pair = pair;
        change(&mut pair);
        verdict(&pair)
    }

    #[test]
    fn a_whole_pair_is_good_on_both_nodes() {
        let good = |text: &str| (Verdict::Good, text.to_owned());
        assert_eq!(verdict(&sample::active()), good("web active here"));
        assert_eq!(
            verdict(&sample::standby()),
            good("web active on loadb2, standby here")
        );
        // Old news.
        let old = of(sample::active(), |p| p.alarms.push(sample::alarm(301.0)));
        assert_eq!(old.0, Verdict::Good);
    }

    #[test]
    fn what_degrades_a_pair_is_a_warning_with_its_reason() {
        let cases: [(Change, &str); 16] = [
            (|p| p.peer.alive = false, "peer loadb2 is lost, silent for"),
            (|p| p.peer.hears_us = false, "does not hear this node"),
            (
                |p| p.peer.same_config = Some(false),
                "another configuration",
            ),
            (|p| p.peer.duplicate_id = true, "uses number 1"),
            (
                |p| p.links[1].state = "only in".to_owned(),
                "link private is only in",
            ),
            (
                |p| p.links[0].problem = Some("no such interface".to_owned()),
                "link lan: no such",
            ),
            (|p| p.frozen = "for 9 s".to_owned(), "frozen for 9 s"),
            (|p| p.suspect = true, "late"),
            (
                |p| p.epochs_problem = Some("disk full".to_owned()),
                "disk full",
            ),
            (|p| p.instances[0].admin_standby = true, "operator's order"),
            (|p| p.instances[0].pinned_seconds = Some(1.0), "pinned"),
            (
                |p| p.instances[0].obstacles.push("1 tracks failed".to_owned()),
                "1 tracks failed",
            ),
            (
                |p| p.instances[0].peer.as_mut().unwrap().eligible = false,
                "loadb2 cannot serve web",
            ),
            (
                |p| p.instances[0].peer.as_mut().unwrap().ready = false,
                "loadb2 is not ready for web",
            ),
            (|p| p.instances[0].peer = None, "says nothing of web"),
            (|p| p.alarms.push(sample::alarm(299.0)), "carries nothing"),
        ];
        for (change, wanted) in cases {
            let (verdict, why) = of(sample::active(), change);
            assert_eq!(verdict, Verdict::Warning, "{wanted}");
            assert!(why.contains(wanted), "{why}");
            assert!(why.ends_with("; web active here"), "{why}");
        }
        let unready = of(sample::standby(), |p| p.instances[0].ready = false);
        assert_eq!(unready.0, Verdict::Warning);
        let failed = of(sample::active(), |p| {
            p.instances[0].failures.push(FailureStatus {
                step: "announce".to_owned(),
                count: 1,
                seconds_ago: 10.0,
                reason: "no buffer".to_owned(),
            });
        });
        assert_eq!(failed.0, Verdict::Warning);
    }

    #[test]
    fn a_service_without_an_owner_is_critical() {
        let cases: [Change; 3] = [
            |p| p.instances[0].owner = "nobody".to_owned(),
            |p| p.instances[0].state = "blocked".to_owned(),
            |p| {
                p.instances[0].owner = "unknown".to_owned();
                p.instances[0].state = "fault".to_owned();
            },
        ];
        for change in cases {
            // Whatever else is wrong.
            let mut pair = sample::standby();
            pair.peer.alive = false;
            assert_eq!(of(pair, change).0, Verdict::Critical);
        }
        // A silent peer may serve as long as this node could claim.
        let probing = of(sample::standby(), |p| {
            p.peer.alive = false;
            p.instances[0].owner = "unknown".to_owned();
            p.instances[0].state = "probe".to_owned();
        });
        assert_eq!(probing.0, Verdict::Warning);
    }
}
