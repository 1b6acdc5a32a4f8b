//! `directord failover explain`: why here, why not here, what would change it. Pure.

use super::super::status::duration;
use super::next::next;
use super::plain;
use crate::director::pair::status::{InstanceStatus, PairStatus};

/// The explanation of one instance.
pub(super) fn text(pair: &PairStatus, instance: &InstanceStatus) -> String {
    let mut lines = vec![head(pair, instance)];
    lines.extend(instance.explanation.iter().cloned());
    if instance.explanation.is_empty() {
        lines.extend(instance.obstacles.iter().cloned());
    }
    let failed = instance.tracks.iter().filter(|track| track.state != "up");
    lines.extend(failed.map(|track| format!("track {} is {}", track.name, track.state)));
    let unready = !instance.ready && instance.obstacles.is_empty();
    if unready {
        lines.push(
            "a planned switch to this node would lose connections now: not every check has had \
             a result, or the kernel's table is not complete"
                .to_owned(),
        );
    }
    lines.push(format!("next: {}", next(pair, instance)));
    lines.extend(remedy(instance).map(|command| format!("to change it: {command}")));
    let mut lines = lines.iter().map(|line| plain(line));
    let first = lines.next().unwrap_or_default();
    let rest: String = lines.map(|line| format!("  {line}\n")).collect();
    format!("{first}\n{rest}")
}

fn head(pair: &PairStatus, instance: &InstanceStatus) -> String {
    let where_ = match instance.owner.as_str() {
        "local" => format!("is served here, on {}", pair.node),
        "peer" => format!("is served by {}, not here", pair.peer.name),
        "unknown" => format!("may be served by {}, which is silent", pair.peer.name),
        _ => "is served by nobody".to_owned(),
    };
    let since = duration(instance.since_seconds);
    let reason = instance.reason.as_deref().unwrap_or("just started");
    format!(
        "{} {where_}: {} here for {since} because {reason}",
        instance.name, instance.state
    )
}

/// The command that changes where it is served.
fn remedy(instance: &InstanceStatus) -> Option<String> {
    let name = &instance.name;
    if instance.state == "blocked" {
        return Some("ip address del the addresses, see what holds them".to_owned());
    }
    if instance.admin_standby {
        return Some(format!("directord failover standby --off {name}"));
    }
    let forgettable = !instance.failures.is_empty() || instance.pinned_seconds.is_some();
    if forgettable {
        return Some(format!("directord failover cleanup {name}"));
    }
    match instance.owner.as_str() {
        "local" => Some(format!("directord failover standby {name}")),
        "peer" if instance.obstacles.is_empty() => {
            Some(format!("directord failover takeover {name}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_standby_says_why_it_does_not_serve_and_what_would_change_that() {
        let mut pair = sample::standby();
        pair.instances[0].ready = false;
        pair.instances[0].tracks[0].state = "down: no answer".to_owned();
        assert_eq!(
            text(&pair, &pair.instances[0]),
            "web is served by loadb2, not here: standby here for 3m12s because the peer serves\n\
             \x20 track ping 192.0.2.1 is down: no answer\n\
             \x20 a planned switch to this node would lose connections now: not every check has had a result, or the kernel's table is not complete\n\
             \x20 next: takes over when loadb2 gives up, or is silent on all links for 1 s and nobody answers for the addresses\n\
             \x20 to change it: directord failover takeover web\n"
        );
    }

    #[test]
    fn the_state_machines_own_words_come_first() {
        let mut pair = sample::active();
        pair.instances[0].explanation = vec!["its priority is higher: 150 to 100".to_owned()];
        let text = text(&pair, &pair.instances[0]);
        assert!(text.starts_with("web is served here, on loadb1: active here"));
        assert!(text.contains("\n  its priority is higher: 150 to 100\n  next: "));
        assert!(text.ends_with("to change it: directord failover standby web\n"));
    }

    #[test]
    fn obstacles_are_named_and_their_remedy() {
        let mut pair = sample::standby();
        let instance = &mut pair.instances[0];
        instance.obstacles = vec!["standby on an operator's order".to_owned()];
        instance.admin_standby = true;
        let first = text(&pair, &pair.instances[0]);
        assert!(first.contains("\n  standby on an operator's order\n"));
        assert!(first.ends_with("standby --off web\n"));
        pair.instances[0].admin_standby = false;
        pair.instances[0].pinned_seconds = Some(3.0);
        assert!(text(&pair, &pair.instances[0]).ends_with("cleanup web\n"));
        pair.instances[0].pinned_seconds = None;
        assert!(!text(&pair, &pair.instances[0]).contains("to change it"));
    }
}
