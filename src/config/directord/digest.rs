//! A fingerprint of what the two nodes of a pair must agree on.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::config::effective::{
    Config, Globals, Line, Log, LogTarget, Mail, Phases, VirtualService,
};
use crate::config::print::to_ldirectord_cf;
use crate::model::pair::{Effect, Instance, LinkTarget, Node, Pair, Standby, TrackKind};

/// The first 8 bytes of SHA-256 over what both nodes share, the same on either node.
///
/// In it are: the cluster's name, both nodes, links (name, port, kind of target, group),
/// times, preemption, instances (name, preferred node, addresses, sync id and group, standby,
/// strictness, tracks with their numbers), and the services with their real servers and
/// checks. Not in it is what may differ: names of interfaces, paths of keys, hooks and
/// scripts, which node is local, the addresses of links, the control socket, logging, mail,
/// maintenance, reloading.
pub fn digest(pair: &Pair, config: &Config) -> [u8; 8] {
    let mut text = String::new();
    write_pair(&mut text, pair);
    text.push_str(&to_ldirectord_cf(&shared(config)));
    let hash = Sha256::digest(text.as_bytes());
    std::array::from_fn(|index| hash[index])
}

/// Writing to a `String` cannot fail.
macro_rules! line {
    ($text:expr, $($argument:tt)*) => {
        writeln!($text, $($argument)*).expect("a string takes everything")
    };
}

fn write_pair(text: &mut String, pair: &Pair) {
    line!(text, "directord pair 1");
    line!(text, "cluster {:?}", pair.cluster);
    let mut nodes = [&pair.local, &pair.peer];
    nodes.sort_by_key(|node| node.id);
    for Node { name, id, priority } in nodes {
        line!(text, "node {name:?} {id} {priority}");
    }
    for link in &pair.links {
        let to = match link.to {
            LinkTarget::Unicast(_) => "unicast".to_owned(),
            LinkTarget::Multicast(group) => group.to_string(),
            LinkTarget::Broadcast => "broadcast".to_owned(),
        };
        line!(text, "link {:?} {to} {}", link.name, link.port);
    }
    let timing = &pair.timing;
    line!(
        text,
        "timing {} {} {} {} {} {} {}",
        timing.advert_interval.as_millis(),
        timing.dead_after.as_millis(),
        timing.probe_window.as_millis(),
        timing.address_lifetime.as_millis(),
        timing.start_wait.as_millis(),
        timing.max_moves,
        timing.moves_window.as_millis()
    );
    let preempt = &pair.preempt;
    line!(
        text,
        "preempt {} {}",
        preempt.enabled,
        preempt.delay.as_millis()
    );
    for instance in &pair.instances {
        write_instance(text, instance);
    }
}

fn write_instance(text: &mut String, instance: &Instance) {
    line!(text, "instance {:?}", instance.name);
    if let Some(prefer) = instance.prefer {
        line!(text, "prefer {prefer}");
    }
    for address in &instance.addresses {
        line!(text, "address {address}");
    }
    if let Some(sync) = &instance.sync {
        let group = sync
            .group
            .map_or_else(String::new, |group| group.to_string());
        let (id, length, port, ttl) = (sync.id, sync.max_length, sync.port, sync.ttl);
        line!(text, "sync {id} {length} {port} {ttl} {group}");
    }
    let standby = match instance.standby {
        Standby::Warm => "warm",
        Standby::Cold => "cold",
    };
    line!(text, "standby {standby} strict {}", instance.strict);
    for track in &instance.tracks {
        let effect = match track.effect {
            Effect::Fault => "fault".to_owned(),
            Effect::Weight(weight) => weight.to_string(),
        };
        line!(
            text,
            "track {} {} {} {} {} {effect}",
            watched(&track.kind),
            track.interval.as_millis(),
            track.timeout.as_millis(),
            track.fall,
            track.rise
        );
    }
}

/// What a track watches, without what may differ between the nodes.
fn watched(kind: &TrackKind) -> String {
    match kind {
        TrackKind::Interface(_) => "interface".to_owned(),
        TrackKind::Ping(address) => format!("ping {address}"),
        TrackKind::Http { host, port, path } => format!("http {host:?} {port} {path:?}"),
        TrackKind::Tcp(socket) => format!("tcp {socket}"),
        TrackKind::Script { .. } => "script".to_owned(),
        TrackKind::Process(name) => format!("process {name:?}"),
        TrackKind::Service {
            service,
            min_available,
        } => format!("service {service:?} {min_available}"),
    }
}

/// The configuration with everything at its default that one node may have otherwise.
fn shared(config: &Config) -> Config {
    let no_mail = || Mail {
        recipients: None,
        reminder: None,
        phases: Phases::ALL,
        relay: None,
    };
    let globals = Globals {
        autoreload: false,
        callback: None,
        log: Log {
            target: LogTarget::File(LogTarget::DEFAULT_FILE.to_owned()),
            line: Line(0),
        },
        execute: Vec::new(),
        fork: false,
        supervised: false,
        mail: no_mail(),
        mail_from: None,
        maintenance_directory: None,
        ..config.globals.clone()
    };
    let services = config.services.iter().map(|service| {
        Arc::new(VirtualService {
            mail: no_mail(),
            monitor_file: None,
            ..VirtualService::clone(service)
        })
    });
    Config {
        globals,
        checks: config.checks.clone(),
        services: services.collect(),
    }
}
