//! From the keys of a file to the pair, as seen from this host.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use super::Here;
use super::file::Top;
use super::read::{Marked, OptionalKey as _, Slot};
use super::{instance, link, relations, timing};
use crate::config::source::{Context, Span, quoted};
use crate::model::pair::{Node, NodeId, Pair, Preempt};

/// Where the shared keys are when the file does not say.
const DEFAULT_KEY_FILE: &str = "/etc/directord/key";
/// Priority of a node when the file does not say.
const DEFAULT_PRIORITY: u8 = 100;
/// Hold time before a better node takes over, when the file does not say.
pub(super) const DEFAULT_PREEMPT_DELAY: std::time::Duration = std::time::Duration::from_secs(30);

/// Where things stand that are only checked later.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    /// Virtual addresses.
    pub(super) addresses: Vec<(IpAddr, Span)>,
    /// Services that tracks name.
    pub(super) services: Vec<(String, Span)>,
    /// The key `instances`.
    pub(super) instances: Span,
}

/// The nodes by name, with what names them.
pub(super) struct Nodes {
    pub(super) local: Node,
    pub(super) peer: Node,
}

impl Nodes {
    /// The node of a name; an error when there is none.
    pub(super) fn find(&self, cx: &mut Context<'_>, name: &str, span: Span) -> Option<&Node> {
        let both = [&self.local, &self.peer];
        let found = both.into_iter().find(|node| node.name == name);
        if found.is_none() {
            cx.error(span, format!("{} is none of the nodes", quoted(name)))
                .help(format!(
                    "the nodes are {} and {}",
                    self.local.name, self.peer.name
                ));
        }
        found
    }

    /// What a mapping has for this node and for the other; an error when one is missing.
    pub(super) fn split<'a, T>(
        &self,
        cx: &mut Context<'_>,
        entries: impl Iterator<Item = (&'a Marked<String>, &'a Slot<T>)>,
        span: Span,
    ) -> Option<(&'a Marked<T>, &'a Marked<T>)>
    where
        T: 'a,
    {
        let mut found = BTreeMap::new();
        for (name, slot) in entries {
            if let Some(node) = self.find(cx, &name.value, name.span) {
                found.insert(node.id, slot);
            }
        }
        for node in [&self.local, &self.peer] {
            if !found.contains_key(&node.id) {
                let message = format!("the node {} is missing", quoted(&node.name));
                cx.error(span, message)
                    .help(format!("add {}: ADDRESS", node.name));
            }
        }
        let local = found.get(&self.local.id)?.given()?;
        let peer = found.get(&self.peer.id)?.given()?;
        Some((local, peer))
    }
}

/// The pair, if the file has one, and where its parts stand; `None` when it is of no use.
pub(super) fn lower(
    cx: &mut Context<'_>,
    file: &Top,
    here: Here<'_>,
) -> Option<(Option<Pair>, Places)> {
    let present = [
        ("cluster", file.cluster.is_some()),
        ("nodes", file.nodes.is_some()),
        ("links", file.links.is_some()),
        ("failover", file.failover.is_some()),
    ];
    let wanted = present.iter().any(|(_, is_there)| *is_there)
        || file.node.is_some()
        || file.key_file.is_some();
    if !wanted {
        return Some((None, Places::default()));
    }
    for (name, is_there) in present {
        if !is_there {
            let message = format!("the key {name} is missing");
            cx.error(Span::default(), message)
                .help("a pair needs cluster, nodes, links and failover");
        }
    }
    let timing = file
        .failover
        .given()
        .map(|failover| timing::lower(cx, &failover.value));
    let nodes = nodes(cx, file, here);
    let mut places = Places::default();
    let (mut links, mut instances) = (Vec::new(), Vec::new());
    if let Some(entries) = file.links.given() {
        links = link::lower(cx, &entries.value, nodes.as_ref());
    }
    if let Some(failover) = file.failover.given() {
        let timing = timing.flatten();
        instances = instance::lower(cx, &failover.value, nodes.as_ref(), timing, &mut places);
    }
    relations::of_pair(cx, file);
    let (nodes, timing) = (nodes?, timing??);
    let failover = &file.failover.given()?.value;
    let pair = Pair {
        cluster: file.cluster.value()?.0.clone(),
        local: nodes.local,
        peer: nodes.peer,
        key_file: match &file.key_file {
            None => PathBuf::from(DEFAULT_KEY_FILE),
            Some(path) => path.given()?.value.0.clone(),
        },
        links,
        timing,
        preempt: Preempt {
            enabled: failover.preempt.value().copied().unwrap_or(false),
            delay: failover
                .preempt_delay
                .value()
                .map_or(DEFAULT_PREEMPT_DELAY, |delay| delay.0),
        },
        instances,
    };
    Some((Some(pair), places))
}

/// Which node is this host's, and which the other.
fn nodes(cx: &mut Context<'_>, file: &Top, here: Here<'_>) -> Option<Nodes> {
    let entries = file.nodes.given()?;
    let mut all = Vec::new();
    for (name, entry) in entries.value.given() {
        let Some(id) = entry.value.id.given() else {
            continue;
        };
        all.push((
            name,
            id.span,
            Node {
                name: name.value.clone(),
                id: NodeId(id.value.u8()),
                priority: entry
                    .value
                    .priority
                    .value()
                    .map_or(DEFAULT_PRIORITY, |priority| priority.u8()),
            },
        ));
    }
    let names: Vec<&str> = entries
        .value
        .0
        .iter()
        .map(|(name, _)| name.value.as_str())
        .collect();
    let local = local(cx, file, here, &names, entries.span);
    let [(_, _, first), (_, second_span, second)] = &all[..] else {
        return None;
    };
    if first.id == second.id {
        let message = format!("both nodes have the id {}", first.id);
        cx.error(*second_span, message)
            .help("give each node a number of its own");
        return None;
    }
    let local = local?;
    let (local, peer) = if local == first.name {
        (first, second)
    } else {
        (second, first)
    };
    Some(Nodes {
        local: local.clone(),
        peer: peer.clone(),
    })
}

/// The name of the node that this host is.
fn local<'a>(
    cx: &mut Context<'_>,
    file: &Top,
    here: Here<'_>,
    names: &[&'a str],
    span: Span,
) -> Option<&'a str> {
    if file.node.is_bad() && here.node.is_none() {
        return None;
    }
    let written = file.node.given();
    let (name, origin) = match (here.node, written) {
        (Some(name), _) => (name, "asked for"),
        (None, Some(node)) => (node.value.0.as_str(), "named here"),
        (None, None) => (here.host_name, "this host's name"),
    };
    let found = matching(name, names);
    if let [only] = found[..] {
        return Some(only);
    }
    let span = match (here.node, written) {
        (None, Some(node)) => node.span,
        _ => span,
    };
    if found.is_empty() {
        let message = format!("{}, {origin}, is none of the nodes", quoted(name));
        let list = names.join(" or ");
        let help = if written.is_none() && here.node.is_none() {
            format!("call the node by the host name, or write node: {list}")
        } else {
            format!("write {list}")
        };
        cx.error(span, message).help(help);
    } else {
        let message = format!("{}, {origin}, fits both nodes", quoted(name));
        cx.error(span, message)
            .help("write the full name after node:");
    }
    None
}

/// The nodes that a host name, full or short, can mean: those of exactly this name, or else
/// those that differ from it only in that one is short.
fn matching<'a>(host: &str, names: &[&'a str]) -> Vec<&'a str> {
    let short = |name: &'a str| name.split('.').next().unwrap_or(name);
    let host_short = host.split('.').next().unwrap_or(host);
    let exact = names
        .iter()
        .copied()
        .filter(|name| name.eq_ignore_ascii_case(host));
    let exact: Vec<&str> = exact.collect();
    if !exact.is_empty() {
        return exact;
    }
    let fits = |name: &&'a str| {
        let one_is_short = !name.contains('.') || !host.contains('.');
        one_is_short && !host_short.is_empty() && short(name).eq_ignore_ascii_case(host_short)
    };
    names.iter().copied().filter(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_match_full_and_short() {
        let both = ["loadb1", "loadb2.example.com"];
        assert_eq!(matching("loadb1", &both), ["loadb1"]);
        assert_eq!(matching("LoadB1.example.com", &both), ["loadb1"]);
        assert_eq!(matching("loadb2", &both), ["loadb2.example.com"]);
        assert_eq!(
            matching("loadb2.example.com", &both),
            ["loadb2.example.com"]
        );
        assert!(matching("loadb2.example.org", &both).is_empty());
        assert!(matching("loadb", &both).is_empty());
        assert!(matching("", &both).is_empty());
        assert_eq!(matching("a", &["a.x", "a.y"]).len(), 2);
        assert_eq!(matching("a.x", &["a.x", "a.y"]), ["a.x"]);
    }
}
