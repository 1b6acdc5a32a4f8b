//! What would happen next to an instance, in a sentence. Pure.

use crate::director::pair::status::{InstanceStatus, PairStatus};

/// What would happen next.
pub(super) fn next(pair: &PairStatus, instance: &InstanceStatus) -> String {
    let peer = &pair.peer.name;
    match instance.state.as_str() {
        "blocked" => "nothing, until its addresses can be removed: remove them by hand".to_owned(),
        "init" => "left-over addresses are removed, then the peer is looked for".to_owned(),
        "wait" => format!(
            "standby when {peer} is heard, or after {} s of silence since the start",
            pair.timing.start_wait
        ),
        "probe" => format!("takes over when nobody answers for the addresses ({peer} may object)"),
        "acquire" => "active when the last step is done".to_owned(),
        "release" => format!("{peer} takes over when the addresses are gone here"),
        "active" => when_active(pair, instance),
        _ => when_standby(pair, instance),
    }
}

fn when_active(pair: &PairStatus, instance: &InstanceStatus) -> String {
    let peer = &pair.peer.name;
    let Some(other) = instance.peer.as_ref().filter(|_| pair.peer.alive) else {
        return format!("stays here; {peer} is not heard: nobody takes over if this node fails");
    };
    if !other.eligible {
        return format!("stays here; {peer} could not serve, not even when this node fails");
    }
    if !other.ready {
        return format!(
            "{peer} takes over when this node fails; it is not ready for a planned switch"
        );
    }
    if pair.frozen != "no" {
        return format!("{peer} takes over when this node is lost, and not otherwise: frozen");
    }
    if instance.pinned_seconds.is_some() {
        return format!(
            "{peer} takes over when this node is lost; it moved too often, so it stays"
        );
    }
    let preferred = instance.preferred.as_deref() == Some(peer.as_str());
    match pair.timing.preempt_delay {
        Some(delay) if preferred || other.priority > instance.priority => {
            format!("{peer} takes over when it has been ready for {delay} s: it is preferred")
        }
        _ => format!("{peer} takes over when this node fails, stops or gives up"),
    }
}

fn when_standby(pair: &PairStatus, instance: &InstanceStatus) -> String {
    let peer = &pair.peer.name;
    if instance.admin_standby {
        return "stays standby, whatever happens, until `failover standby --off`".to_owned();
    }
    if let Some(obstacle) = instance.obstacles.first() {
        return format!("does not take over: {obstacle}");
    }
    let silent = pair.timing.dead_after_now;
    match instance.owner.as_str() {
        "peer" => format!(
            "takes over when {peer} gives up, or is silent on all links for {silent} s and nobody \
             answers for the addresses"
        ),
        "unknown" => "takes over as soon as nobody answers for the addresses".to_owned(),
        _ => "takes over, unless the peer does".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn of(pair: &PairStatus) -> String {
        next(pair, &pair.instances[0])
    }

    #[test]
    fn an_active_node_says_what_its_peer_would_do() {
        let mut pair = sample::active();
        assert_eq!(
            of(&pair),
            "loadb2 takes over when this node fails, stops or gives up"
        );
        pair.frozen = "for 120 s".to_owned();
        assert!(of(&pair).contains("frozen"));
        pair.frozen = "no".to_owned();
        pair.instances[0].pinned_seconds = Some(30.0);
        assert!(of(&pair).contains("too often"));
        pair.instances[0].pinned_seconds = None;
        pair.instances[0].preferred = Some("loadb2".to_owned());
        assert!(!of(&pair).contains("preferred"));
        pair.timing.preempt_delay = Some(30.0);
        assert!(of(&pair).contains("ready for 30 s"));
        let other = pair.instances[0].peer.as_mut().unwrap();
        other.ready = false;
        assert!(of(&pair).contains("not ready"));
        pair.instances[0].peer.as_mut().unwrap().eligible = false;
        assert!(of(&pair).contains("could not serve"));
        pair.peer.alive = false;
        assert!(of(&pair).contains("nobody takes over"));
    }

    #[test]
    fn a_standby_says_when_it_would_serve() {
        let mut pair = sample::standby();
        assert!(of(&pair).contains("silent on all links for 1 s"));
        pair.instances[0].owner = "nobody".to_owned();
        assert!(of(&pair).starts_with("takes over, unless"));
        pair.instances[0].owner = "unknown".to_owned();
        assert!(of(&pair).contains("as soon as nobody answers"));
        pair.instances[0].obstacles = vec!["an interface of its addresses is down".to_owned()];
        assert_eq!(
            of(&pair),
            "does not take over: an interface of its addresses is down"
        );
        pair.instances[0].admin_standby = true;
        assert!(of(&pair).contains("standby --off"));
    }

    #[test]
    fn every_state_on_the_way_has_a_sentence_of_its_own() {
        let mut pair = sample::active();
        let mut seen = std::collections::BTreeSet::new();
        for state in ["blocked", "init", "wait", "probe", "acquire", "release"] {
            pair.instances[0].state = state.to_owned();
            assert!(seen.insert(of(&pair)), "{state}");
        }
    }
}
