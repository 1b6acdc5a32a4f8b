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
