//! `directord failover status` as text. Pure.

use std::fmt::Write as _;

use super::super::status::duration;
use super::next::next;
use super::plain;
use crate::director::pair::report::SyncReport;
use crate::director::pair::status::{InstanceStatus, LinkStatus, PairStatus};

/// Alarms shown.
const ALARMS: usize = 8;

/// The state of the pair.
pub(super) fn text(pair: &PairStatus, sync: &SyncReport) -> String {
    let mut out = Page(String::new());
    out.line(
        0,
        &format!("node {} ({}) of {}", pair.node, pair.node_id, pair.cluster),
    );
    out.line(0, &peer(pair));
    for problem in problems(pair) {
        out.line(0, &problem);
    }
    for instance in &pair.instances {
        show_instance(&mut out, pair, instance);
    }
    let width = pair.links.iter().map(|link| link.name.len()).max();
    for one in &pair.links {
        out.line(0, &link(one, width.unwrap_or(0)));
    }
    for line in synchronised(sync) {
        out.line(0, &line);
    }
    for alarm in pair.alarms.iter().take(ALARMS) {
        let ago = duration(alarm.seconds_ago);
        out.line(0, &format!("alarm {ago} ago: {}", alarm.text));
    }
    out.0
}

/// Lines, each without control characters.
struct Page(String);

impl Page {
    fn line(&mut self, indent: usize, text: &str) {
        let text = plain(text);
        let text = text.trim_end();
        writeln!(self.0, "{:indent$}{text}", "").expect("writing to a string does not fail");
    }

    fn item(&mut self, title: &str, text: &str) {
        self.line(2, &format!("{title:<9} {text}"));
    }
}

fn peer(pair: &PairStatus) -> String {
    let peer = &pair.peer;
    let mut text = format!("peer {} ({}): ", peer.name, peer.node_id);
    text.push_str(match (peer.alive, peer.hears_us) {
        (true, true) => "alive",
        (true, false) => "alive, DOES NOT HEAR THIS NODE",
        (false, _) => "NOT HEARD",
    });
    match peer.heard_seconds_ago {
        Some(ago) => text.push_str(&format!(", last heard {} ago", duration(ago))),
        None => text.push_str(", never heard"),
    }
    if let Some(version) = &peer.version {
        text.push_str(&format!(", directord {version}"));
    }
    if peer.same_config == Some(true) {
        text.push_str(", same configuration");
    }
    text
}

fn problems(pair: &PairStatus) -> Vec<String> {
    let mut found = Vec::new();
    if pair.peer.duplicate_id {
        found.push(format!(
            "ANOTHER NODE USES NUMBER {}: give each node of the file an id of its own",
            pair.node_id
        ));
    }
    if pair.peer.same_config == Some(false) {
        found.push(format!(
            "CONFIGURATIONS DIFFER: nothing is handed over before the file is the same on {}",
            pair.peer.name
        ));
    }
    if pair.frozen != "no" {
        found.push(format!("FROZEN {}", pair.frozen));
    }
    if pair.suspect {
        found.push("THIS PROCESS WAS LATE and looks around first".to_owned());
    }
    let timing = &pair.timing;
    if timing.dead_after_now > timing.dead_after {
        found.push(format!(
            "pauses: {} counts as dead after {:.0} ms, not {:.0} ms: it went on after pauses of \
             two thirds of that, or a node has just started",
            pair.peer.name,
            timing.dead_after_now * 1e3,
            timing.dead_after * 1e3
        ));
    }
    if let Some(problem) = &pair.epochs_problem {
        found.push(format!("EPOCHS ARE NOT KEPT: {problem}"));
    }
    found
}

fn show_instance(out: &mut Page, pair: &PairStatus, instance: &InstanceStatus) {
    let since = duration(instance.since_seconds);
    let reason = instance.reason.as_deref().unwrap_or("just started");
    let state = instance.state.to_uppercase();
    out.line(
        0,
        &format!("{}: {state} here for {since}: {reason}", instance.name),
    );
    out.item("owner", &owner(pair, instance));
    out.item("addresses", &instance.addresses.join(", "));
    let ready = match (instance.obstacles.is_empty(), instance.ready) {
        (true, true) => "ready",
        (true, false) => "not ready",
        (false, _) => "not eligible",
    };
    let here = format!(
        "priority {}, {ready}, {} standby, {} moves lately",
        instance.priority, instance.standby, instance.moves
    );
    out.item("here", &here);
    if let Some(other) = &instance.peer {
        let ready = match (other.eligible, other.ready) {
            (true, true) => "ready",
            (true, false) => "not ready",
            (false, _) => "not eligible",
        };
        let text = format!(
            "{}, priority {}, {ready}, epoch {}",
            other.state, other.priority, other.epoch
        );
        out.item(&pair.peer.name, &text);
    }
    if let Some(step) = &instance.step {
        out.item("step", step);
    }
    for obstacle in &instance.obstacles {
        out.item("obstacle", obstacle);
    }
    if let Some(rest) = instance.pinned_seconds {
        out.item(
            "pinned",
            &format!("for {}: moved too often", duration(rest)),
        );
    }
    for failure in &instance.failures {
        let ago = duration(failure.seconds_ago);
        let text = format!(
            "{} {} times, last {ago} ago: {}",
            failure.step, failure.count, failure.reason
        );
        out.item("failed", &text);
    }
    for track in &instance.tracks {
        let text = format!(
            "{}: {} for {} ({}){}",
            track.name,
            track.state,
            duration(track.since_seconds),
            track.effect,
            if track.last.is_empty() {
                String::new()
            } else {
                format!(", {}", track.last)
            }
        );
        out.item("track", &text);
    }
    out.item("next", &next(pair, instance));
}

fn owner(pair: &PairStatus, instance: &InstanceStatus) -> String {
    match instance.owner.as_str() {
        "local" => format!("{}, epoch {}", pair.node, instance.epoch),
        "peer" => pair.peer.name.clone(),
        "unknown" => format!("UNKNOWN: {} is silent and may serve", pair.peer.name),
        _ => "NOBODY".to_owned(),
    }
}

fn link(link: &LinkStatus, width: usize) -> String {
    let state = match link.state.as_str() {
        "up" => "up".to_owned(),
        "only in" => "ONLY IN (the peer does not hear it)".to_owned(),
        "only out" => "ONLY OUT (the peer is not heard on it)".to_owned(),
        other => other.to_uppercase(),
    };
    let mut text = format!("link {:<width$}  {state}", link.name);
    if let Some(loss) = link.loss_percent {
        text.push_str(&format!(", {loss} % lost"));
    }
    if let Some(rtt) = link.rtt_ms {
        text.push_str(&format!(", round trip under {rtt:.1} ms"));
    }
    match link.heard_seconds_ago {
        Some(ago) => text.push_str(&format!(", heard {} ago", duration(ago))),
        None => text.push_str(", nothing heard"),
    }
    for (reason, count) in &link.refused {
        text.push_str(&format!(", refused {count} ({reason})"));
    }
    if let Some(problem) = &link.problem {
        text.push_str(&format!(": {problem}"));
    }
    text
}

fn synchronised(sync: &SyncReport) -> Vec<String> {
    let mut lines = Vec::new();
    let daemons: Vec<String> = sync
        .daemons
        .iter()
        .map(|daemon| {
            format!(
                "{} on {} with id {}",
                daemon.role, daemon.interface, daemon.id
            )
        })
        .collect();
    let daemons = match daemons.as_slice() {
        [] => "none runs".to_owned(),
        some => some.join(", "),
    };
    lines.push(format!("sync daemon: {daemons}"));
    if let Some(counted) = &sync.connections {
        let more = if counted.complete { "" } else { "more than " };
        let mut text = format!(
            "connections: {more}{} here, {more}{} of them from the peer",
            counted.entries, counted.synchronised
        );
        if let Some(ago) = sync.newest_seconds_ago {
            text.push_str(&format!(", the newest told {ago} s ago"));
        }
        lines.push(text);
    }
    if let Some(problem) = &sync.problem {
        lines.push(format!("SYNC UNKNOWN: {problem}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::director::pair::report::{ConnectionsStatus, DaemonStatus};

    fn sync() -> SyncReport {
        SyncReport {
            daemons: vec![DaemonStatus {
                role: "master".to_owned(),
                interface: "hb0".to_owned(),
                id: 7,
            }],
            connections: Some(ConnectionsStatus {
                entries: 1843,
                synchronised: 12,
                complete: true,
            }),
            newest_seconds_ago: None,
            problem: None,
        }
    }

    #[test]
    fn a_healthy_active_node_on_one_page() {
        assert_eq!(
            text(&sample::active(), &sync()),
            "node loadb1 (1) of web\n\
             peer loadb2 (2): alive, last heard 0.1s ago, directord 0.1.0, same configuration\n\
             web: ACTIVE here for 3m12s: takeover complete\n\
             \x20 owner     loadb1, epoch 7\n\
             \x20 addresses 192.0.2.100/24 on eth0\n\
             \x20 here      priority 150, ready, warm standby, 1 moves lately\n\
             \x20 loadb2    standby, priority 100, ready, epoch 6\n\
             \x20 track     ping 192.0.2.1: up for 3m10s (fault), 0.3 ms\n\
             \x20 next      loadb2 takes over when this node fails, stops or gives up\n\
             link lan      up, 0 % lost, round trip under 0.4 ms, heard 0.1s ago\n\
             link private  up, 0 % lost, round trip under 0.4 ms, heard 0.1s ago\n\
             sync daemon: master on hb0 with id 7\n\
             connections: 1843 here, 12 of them from the peer\n"
        );
    }

    #[test]
    fn what_is_wrong_is_loud() {
        let mut pair = sample::standby();
        pair.peer.alive = false;
        pair.peer.heard_seconds_ago = None;
        pair.peer.same_config = Some(false);
        pair.peer.duplicate_id = true;
        pair.frozen = "until unfreeze".to_owned();
        pair.suspect = true;
        pair.timing.dead_after = 0.05;
        pair.timing.dead_after_now = 0.34;
        pair.links[1].state = "down".to_owned();
        pair.links[1].problem = Some("there is no interface eth1".to_owned());
        pair.links[0].refused = vec![("bad tag".to_owned(), 17)];
        pair.instances[0].owner = "unknown".to_owned();
        pair.instances[0].pinned_seconds = Some(42.0);
        pair.alarms = (0..40).map(|n| sample::alarm(f64::from(n))).collect();
        let text = text(
            &pair,
            &SyncReport {
                daemons: Vec::new(),
                connections: Some(ConnectionsStatus {
                    entries: 90_000,
                    synchronised: 80_000,
                    complete: false,
                }),
                newest_seconds_ago: Some(2),
                problem: Some("no answer".to_owned()),
            },
        );
        for wanted in [
            "NOT HEARD, never heard",
            "ANOTHER NODE USES NUMBER 1",
            "CONFIGURATIONS DIFFER",
            "FROZEN until unfreeze",
            "THIS PROCESS WAS LATE",
            "pauses: loadb2 counts as dead after 340 ms, not 50 ms",
            "UNKNOWN: loadb2 is silent",
            "pinned    for 42s",
            "DOWN, 0 % lost, round trip under 0.4 ms, heard 0.1s ago: there is no interface eth1",
            "refused 17 (bad tag)",
            "sync daemon: none runs",
            "more than 90000 here, more than 80000 of them from the peer, the newest told 2 s ago",
            "SYNC UNKNOWN: no answer",
        ] {
            assert!(text.contains(wanted), "{wanted}\n{text}");
        }
        assert_eq!(text.matches("\nalarm ").count(), ALARMS);
    }

    #[test]
    fn words_of_others_do_not_reach_the_terminal_raw() {
        let mut pair = sample::active();
        pair.instances[0].tracks[0].last = "\u{1b}[2Jgone\nlink lan up".to_owned();
        let text = text(&pair, &sync());
        assert!(text.contains("?[2Jgone?link lan up\n"), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
