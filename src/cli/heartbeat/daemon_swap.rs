//! `LVSSyncDaemonSwap {master|backup} [IFACE [SYNCID]] ACTION`: the actions that ask. Pure.
//!
//! The script looked for the daemon's thread under the names that kernels gave it until 2011;
//! here the kernel itself is asked. `status` ends with 3 when the daemon runs and with 0 when
//! it does not, as the script did: Heartbeat looked at the text only.

use super::Answer;
use super::threads::Thread;
use crate::model::{SyncDaemon, SyncRole};

const USAGE: &str = "\
Usage: LVSSyncDaemonSwap {master|backup} [IFACE [SYNCID]] {status|monitor}
";

/// Exit codes of `status`.
const RUNS: u8 = 3;
const STOPPED: u8 = 0;
/// Nonsense, or refused.
const FAILED: u8 = 1;

/// Role and action of a command line.
fn parse(words: &[String]) -> Option<(SyncRole, &str)> {
    if !(2..=4).contains(&words.len()) {
        return None;
    }
    let role = match words[0].as_str() {
        "master" => SyncRole::Master,
        "backup" => SyncRole::Backup,
        _ => return None,
    };
    let action = words.last()?.as_str();
    let is_known = matches!(action, "start" | "stop" | "status" | "monitor" | "cleanup");
    is_known.then_some((role, action))
}

/// Everything that is answered without asking the kernel: nonsense, and what would change
/// something.
pub(super) fn without_kernel(words: &[String]) -> Option<Answer> {
    let Some((role, action)) = parse(words) else {
        return Some(Answer::complaint(FAILED, USAGE));
    };
    let verb = match (role, action) {
        (_, "status" | "monitor") => return None,
        (SyncRole::Master, "start") | (SyncRole::Backup, "stop") => "takeover",
        _ => "standby",
    };
    let word = role.name();
    Some(Answer::complaint(
        FAILED,
        format!(
            "LVSSyncDaemonSwap: {word} {action} is refused: directord swaps the sync daemon \
             together with the addresses; use `directord failover {verb}`\n"
        ),
    ))
}

/// `status`: whether the kernel runs the daemon of that role, then the threads of any.
pub(super) fn status(words: &[String], daemons: &[SyncDaemon], threads: &[Thread]) -> Answer {
    let Some((role, _)) = parse(words) else {
        return Answer::complaint(FAILED, USAGE);
    };
    let runs = |role| daemons.iter().any(|daemon| daemon.role == role);
    let (state, code) = if runs(role) {
        ("running", RUNS)
    } else {
        ("stopped", STOPPED)
    };
    let mut out = format!("{} {state}\n", role.name());
    for role in [SyncRole::Master, SyncRole::Backup] {
        let own = threads
            .iter()
            .filter(|thread| thread.role == role && runs(role));
        for thread in own {
            out.push_str(&format!("(ipvs_sync{} pid: {})\n", role.name(), thread.pid));
        }
    }
    Answer::new(code, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn ask(line: &str, roles: &[SyncRole]) -> (u8, String) {
        let daemons: Vec<SyncDaemon> = roles
            .iter()
            .map(|role| SyncDaemon {
                role: *role,
                interface: "hb0".to_owned(),
                sync_id: 7,
                max_length: 0,
                group: None,
                port: 0,
                ttl: 0,
            })
            .collect();
        let thread = |role, pid| Thread { role, pid };
        let threads = [
            thread(SyncRole::Backup, 1612),
            thread(SyncRole::Master, 1591),
        ];
        assert_eq!(without_kernel(&words(line)), None);
        let answer = status(&words(line), &daemons, &threads);
        (answer.code, answer.out)
    }

    #[test]
    fn the_active_nodes_answer_and_the_standbys() {
        use SyncRole::{Backup, Master};
        let running = "master running\n(ipvs_syncmaster pid: 1591)\n";
        for line in [
            "master status",
            "master eth1 status",
            "master eth1 7 status",
            "master monitor",
        ] {
            assert_eq!(ask(line, &[Master]), (3, running.to_owned()), "{line}");
        }
        let stopped = "master stopped\n(ipvs_syncbackup pid: 1612)\n";
        assert_eq!(ask("master status", &[Backup]), (0, stopped.to_owned()));
        let backup = "backup running\n(ipvs_syncbackup pid: 1612)\n";
        assert_eq!(ask("backup status", &[Backup]), (3, backup.to_owned()));
        let none = "backup stopped\n";
        assert_eq!(ask("backup status", &[]), (0, none.to_owned()));
        let both = "backup running\n(ipvs_syncmaster pid: 1591)\n(ipvs_syncbackup pid: 1612)\n";
        assert_eq!(
            ask("backup status", &[Backup, Master]),
            (3, both.to_owned())
        );
    }

    #[test]
    fn what_would_change_something_is_refused_with_the_command_that_does() {
        for (line, verb) in [
            ("master start", "takeover"),
            ("backup eth1 7 start", "standby"),
            ("master stop", "standby"),
            ("backup stop", "takeover"),
            ("master cleanup", "standby"),
        ] {
            let answer = without_kernel(&words(line)).unwrap();
            assert_eq!(answer.code, 1, "{line}");
            let wanted = format!("`directord failover {verb}`");
            assert!(answer.err.contains(&wanted), "{line}: {}", answer.err);
        }
    }

    #[test]
    fn nonsense_gets_the_usage() {
        for line in [
            "",
            "master",
            "status",
            "slave status",
            "master restart",
            "master a b c status",
        ] {
            let answer = without_kernel(&words(line)).unwrap();
            assert_eq!((answer.code, answer.err.as_str()), (1, USAGE), "{line}");
        }
    }
}
