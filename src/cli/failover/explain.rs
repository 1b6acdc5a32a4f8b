//! `directord failover explain`: why here, why not here, what would change it. Pure.

use super::super::status::duration;
use super::next::next;
use super::plain;
use crate::director::pair::status::{InstanceStatus, PairStatus};

/// The explanation of one instance.
pub(super) fn text(pair: &PairStatus, instance: &InstanceStatus) -> String {
    let mut lines = vec![head(pair, instance)];
    // The head has said so.
    let known = format!("{} because: ", instance.state);
    let own = instance.explanation.iter();
    lines.extend(own.filter(|line| !line.starts_with(&known)).cloned());
    let failed = instance.tracks.iter().filter(|track| track.state != "up");
    lines.extend(failed.map(|track| format!("track {} is {}", track.name, track.state)));
    let unready = !instance.ready && instance.obstacles.is_empty();
    if unready {
        lines.push(
            "a planned switch to this node would lose connections now: not every check has had \
             a result, the kernel's table is not complete, or it is still learning connections"
                .to_owned(),
        );
    }
    lines.push(format!("next: {}", next(pair, instance)));
    lines.extend(remedy(instance).map(|command| format!("to change it: {command}")));
    let lines: Vec<String> = lines.iter().map(|line| plain(line)).collect();
    format!("{}\n", lines.join("\n  "))
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
    let failed = !instance.failures.is_empty() && !instance.obstacles.is_empty();
    if failed || instance.pinned_seconds.is_some() {
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

    fn standby() -> PairStatus {
        let mut pair = sample::standby();
        pair.instances[0].explanation = vec![
            "standby because: the peer serves".to_owned(),
            "loadb2 serves and is better; takes over when it fails".to_owned(),
        ];
        pair
    }

    #[test]
    fn a_standby_says_why_it_does_not_serve_and_what_would_change_that() {
        let mut pair = standby();
        pair.instances[0].ready = false;
        pair.instances[0].tracks[0].state = "down: no answer".to_owned();
        assert_eq!(
            text(&pair, &pair.instances[0]),
            "web is served by loadb2, not here: standby here for 3m12s because the peer serves\n\
             \x20 loadb2 serves and is better; takes over when it fails\n\
             \x20 track ping 192.0.2.1 is down: no answer\n\
             \x20 a planned switch to this node would lose connections now: not every check has had a result, the kernel's table is not complete, or it is still learning connections\n\
             \x20 next: takes over when loadb2 gives up, or is silent on all links for 1 s and nobody answers for the addresses\n\
             \x20 to change it: directord failover takeover web\n"
        );
    }

    #[test]
    fn the_remedy_goes_with_the_trouble() {
        type Change = fn(&mut InstanceStatus);
        let remedy_of = |change: Change| {
            let mut pair = standby();
            change(&mut pair.instances[0]);
            let text = text(&pair, &pair.instances[0]);
            let (_, remedy) = text.split_once("to change it: ").unwrap_or_default();
            remedy.trim_end().to_owned()
        };
        let cases: [(Change, &str); 6] = [
            (|_| (), "directord failover takeover web"),
            (
                |i| i.owner = "local".to_owned(),
                "directord failover standby web",
            ),
            (
                |i| i.admin_standby = true,
                "directord failover standby --off web",
            ),
            (
                |i| i.pinned_seconds = Some(3.0),
                "directord failover cleanup web",
            ),
            (
                |i| i.state = "blocked".to_owned(),
                "ip address del the addresses, see what holds them",
            ),
            (|i| i.obstacles.push("no carrier".to_owned()), ""),
        ];
        for (change, wanted) in cases {
            assert_eq!(remedy_of(change), wanted);
        }
    }
}
