//! What the programs of a pair are told: scripts of tracks and hooks.
//!
//! Their environment is [`PATH`], `LANG=C` and `DIRECTORD_…` variables, nothing else. A
//! value is one line without control characters, at most [`VALUE_MAX`] bytes long.

use crate::model::is_printable;
use crate::model::pair::Pair;

/// Where programs find others.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Longest value of a variable, in bytes.
pub const VALUE_MAX: usize = 256;

/// The names that every program is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    cluster: String,
    node: String,
    peer: String,
}

impl Names {
    /// The names in a pair.
    pub fn of(pair: &Pair) -> Self {
        Self {
            cluster: pair.cluster.clone(),
            node: pair.local.name.clone(),
            peer: pair.peer.name.clone(),
        }
    }

    /// The environment of a program that works for an instance, with more variables
    /// (`EPOCH` is given as `DIRECTORD_EPOCH`).
    pub fn environment(&self, instance: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let fixed = [("PATH", PATH), ("LANG", "C")];
        let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let own = [
            ("CLUSTER", self.cluster.as_str()),
            ("NODE", &self.node),
            ("PEER", &self.peer),
            ("INSTANCE", instance),
        ];
        let told = own.iter().chain(more);
        let told = told.map(|(name, value)| (format!("DIRECTORD_{name}"), clean(value)));
        fixed.into_iter().chain(told).collect()
    }
}

/// A value that may have come over the network.
fn clean(value: &str) -> String {
    let mut text = String::new();
    for c in value.chars().filter(|c| is_printable(*c)) {
        if text.len() + c.len_utf8() > VALUE_MAX {
            break;
        }
        text.push(c);
    }
    text
}

/// What tests of the pair have in common.
#[cfg(test)]
pub(super) mod sample {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    use crate::model::pair::{
        Hooks, Instance, Node, NodeId, Pair, Preempt, Standby, Timing, Track, VirtualAddress,
    };

    /// A pair with one instance, `web`, whose address is on `lo`.
    pub(in crate::director::pair) fn pair(tracks: Vec<Track>, hooks: Hooks) -> Pair {
        let node = |name: &str, id| Node {
            name: name.to_owned(),
            id: NodeId(id),
            priority: 100,
        };
        let instance = Instance {
            name: "web".to_owned(),
            prefer: None,
            addresses: vec![VirtualAddress {
                address: [192, 0, 2, 100].into(),
                prefix: 24,
                interface: crate::model::InterfaceName::loopback(),
                label: None,
            }],
            sync: None,
            standby: Standby::Warm,
            strict: false,
            tracks,
            hooks,
        };
        Pair {
            cluster: "shop".to_owned(),
            local: node("loadb1", 1),
            peer: node("loadb2", 2),
            key_file: "/etc/directord/key".into(),
            links: Vec::new(),
            timing: Timing::default(),
            preempt: Preempt::default(),
            instances: vec![instance],
        }
    }

    /// A shell script in a directory.
    pub(in crate::director::pair) fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
        let path = directory.join(name);
        let head = "#!/bin/sh\ncd \"$(dirname \"$0\")\"";
        fs::write(&path, format!("{head}\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// Waits until something holds.
    pub(in crate::director::pair) async fn until(what: &str, holds: impl Fn() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Processes of a list that are still there, zombies left out.
    pub(in crate::director::pair) fn survivors(list: &Path) -> Vec<String> {
        let is_running = |pid: &str| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat
                .rsplit(") ")
                .next()
                .and_then(|rest| rest.chars().next());
            state.is_some_and(|state| state != 'Z')
        };
        let pids = fs::read_to_string(list).unwrap();
        let alive = pids.lines().filter(|pid| is_running(pid));
        alive.map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_one_bounded_line() {
        assert_eq!(clean("a\0b\nc\u{1b}[31m\u{202e}d"), "abc[31md");
        let long = clean(&"é".repeat(500));
        assert_eq!(long.len(), VALUE_MAX);
        assert_eq!(clean(&format!("x{}", "é".repeat(500))).len(), VALUE_MAX - 1);
    }

    #[test]
    fn the_environment_is_these_variables() {
        let names = Names {
            cluster: "web".to_owned(),
            node: "loadb1".to_owned(),
            peer: "loadb2".to_owned(),
        };
        let environment = names.environment("www", &[("EPOCH", "7")]);
        let lines: Vec<String> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let expected = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG=C",
            "DIRECTORD_CLUSTER=web",
            "DIRECTORD_NODE=loadb1",
            "DIRECTORD_PEER=loadb2",
            "DIRECTORD_INSTANCE=www",
            "DIRECTORD_EPOCH=7",
        ];
        assert_eq!(lines, expected);
    }
}
