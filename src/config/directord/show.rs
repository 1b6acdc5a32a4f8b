//! The effective `directord.yaml` for people and programs, every default filled in, with
//! the services behind it.
//!
//! Keys are those of the file where there is one. `node` is this host's node, `unicast` the
//! peer's address; times carry their unit; `digest` is [`super::digest()`] in hexadecimal,
//! the same on both nodes when they are told the same.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::time::Shown;
use super::track::{authority, is_told};
use super::{Control, Document, digest};
use crate::config::effective::Config;
use crate::config::show;
use crate::model::pair::{
    Effect, Hooks, Instance, Link, LinkSource, LinkTarget, Pair, Standby, Sync, Track, TrackKind,
    VirtualAddress,
};

impl Document {
    /// The effective configuration as YAML.
    pub fn to_yaml(&self, config: &Config) -> String {
        serde_yaml::to_string(&View::of(self, config)).expect("the document has only string keys")
    }

    /// The effective configuration as indented JSON with a final newline.
    pub fn to_json(&self, config: &Config) -> String {
        let view = View::of(self, config);
        let mut text =
            serde_json::to_string_pretty(&view).expect("the document has only string keys");
        text.push('\n');
        text
    }
}

#[derive(Serialize)]
struct View<'a> {
    #[serde(flatten)]
    pair: Option<PairView<'a>>,
    control: ControlView<'a>,
    #[serde(flatten)]
    services: show::Document<'a>,
}

impl<'a> View<'a> {
    fn of(document: &'a Document, config: &'a Config) -> Self {
        let pair = document.pair.as_ref();
        Self {
            pair: pair.map(|pair| PairView::of(pair, config)),
            control: ControlView::of(&document.control),
            services: show::Document::of(config),
        }
    }
}

#[derive(Serialize)]
struct ControlView<'a> {
    socket: Option<&'a Path>,
    group: Option<&'a str>,
}

impl<'a> ControlView<'a> {
    fn of(control: &'a Control) -> Self {
        Self {
            socket: control.socket.as_deref(),
            group: control.group.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct PairView<'a> {
    cluster: &'a str,
    node: &'a str,
    digest: String,
    key_file: &'a Path,
    nodes: BTreeMap<&'a str, NodeView>,
    links: Vec<LinkView<'a>>,
    failover: FailoverView<'a>,
}

impl<'a> PairView<'a> {
    fn of(pair: &'a Pair, config: &Config) -> Self {
        let nodes = [&pair.local, &pair.peer].map(|node| {
            let view = NodeView {
                id: node.id.0,
                priority: node.priority,
            };
            (node.name.as_str(), view)
        });
        let bytes = digest(pair, config);
        Self {
            cluster: &pair.cluster,
            node: &pair.local.name,
            digest: format!("{:016x}", u64::from_be_bytes(bytes)),
            key_file: &pair.key_file,
            nodes: BTreeMap::from(nodes),
            links: pair.links.iter().map(LinkView::of).collect(),
            failover: FailoverView::of(pair),
        }
    }
}

#[derive(Serialize)]
struct NodeView {
    id: u8,
    priority: u8,
}

#[derive(Serialize)]
struct LinkView<'a> {
    name: &'a str,
    #[serde(flatten)]
    source: SourceView<'a>,
    #[serde(flatten)]
    target: TargetView,
    port: u16,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum SourceView<'a> {
    Interface(&'a str),
    Address(String),
    Prefix(String),
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum TargetView {
    Unicast(String),
    Multicast(String),
    Broadcast(bool),
}

impl<'a> LinkView<'a> {
    fn of(link: &'a Link) -> Self {
        Self {
            name: &link.name,
            source: match &link.source {
                LinkSource::Interface(name) => SourceView::Interface(name.as_str()),
                LinkSource::Address(address) => SourceView::Address(address.to_string()),
                LinkSource::Prefix { network, length } => {
                    SourceView::Prefix(format!("{network}/{length}"))
                }
            },
            target: match link.to {
                LinkTarget::Unicast(address) => TargetView::Unicast(address.to_string()),
                LinkTarget::Multicast(group) => TargetView::Multicast(group.to_string()),
                LinkTarget::Broadcast => TargetView::Broadcast(true),
            },
            port: link.port,
        }
    }
}

#[derive(Serialize)]
struct FailoverView<'a> {
    advert_interval: String,
    dead_after: String,
    probe_window: String,
    address_lifetime: String,
    start_wait: String,
    max_moves: u8,
    moves_window: String,
    preempt: bool,
    preempt_delay: String,
    instances: BTreeMap<&'a str, InstanceView<'a>>,
}

impl<'a> FailoverView<'a> {
    fn of(pair: &'a Pair) -> Self {
        let timing = &pair.timing;
        let shown = |time| Shown(time).to_string();
        let instances = pair.instances.iter();
        Self {
            advert_interval: shown(timing.advert_interval),
            dead_after: shown(timing.dead_after),
            probe_window: shown(timing.probe_window),
            address_lifetime: shown(timing.address_lifetime),
            start_wait: shown(timing.start_wait),
            max_moves: timing.max_moves,
            moves_window: shown(timing.moves_window),
            preempt: pair.preempt.enabled,
            preempt_delay: shown(pair.preempt.delay),
            instances: instances
                .map(|instance| (instance.name.as_str(), InstanceView::of(instance, pair)))
                .collect(),
        }
    }
}

#[derive(Serialize)]
struct InstanceView<'a> {
    prefer: Option<&'a str>,
    addresses: Vec<AddressView<'a>>,
    sync: Option<SyncView<'a>>,
    standby: &'static str,
    strict: bool,
    track: Vec<TrackView<'a>>,
    hooks: HooksView<'a>,
}

impl<'a> InstanceView<'a> {
    fn of(instance: &'a Instance, pair: &'a Pair) -> Self {
        let nodes = [&pair.local, &pair.peer];
        let preferred = nodes
            .into_iter()
            .find(|node| Some(node.id) == instance.prefer);
        Self {
            prefer: preferred.map(|node| node.name.as_str()),
            addresses: instance.addresses.iter().map(AddressView::of).collect(),
            sync: instance.sync.as_ref().map(SyncView::of),
            standby: match instance.standby {
                Standby::Warm => "warm",
                Standby::Cold => "cold",
            },
            strict: instance.strict,
            track: instance.tracks.iter().map(TrackView::of).collect(),
            hooks: HooksView::of(&instance.hooks),
        }
    }
}

#[derive(Serialize)]
struct AddressView<'a> {
    address: String,
    interface: &'a str,
    label: Option<&'a str>,
}

impl<'a> AddressView<'a> {
    fn of(address: &'a VirtualAddress) -> Self {
        Self {
            address: address.to_string(),
            interface: address.interface.as_str(),
            label: address.label.as_deref(),
        }
    }
}

/// `null` is the kernel's default.
#[derive(Serialize)]
struct SyncView<'a> {
    interface: &'a str,
    id: u8,
    max_length: Option<u16>,
    group: Option<String>,
    port: Option<u16>,
    ttl: Option<u8>,
}

impl<'a> SyncView<'a> {
    fn of(sync: &'a Sync) -> Self {
        Self {
            interface: sync.interface.as_str(),
            id: sync.id,
            max_length: (sync.max_length > 0).then_some(sync.max_length),
            group: sync.group.map(|group| group.to_string()),
            port: (sync.port > 0).then_some(sync.port),
            ttl: (sync.ttl > 0).then_some(sync.ttl),
        }
    }
}

#[derive(Serialize)]
struct TrackView<'a> {
    name: &'a str,
    #[serde(flatten)]
    kind: KindView<'a>,
    /// What is told when it changes is not looked at.
    #[serde(flatten)]
    pace: Option<PaceView>,
    weight: Option<i16>,
}

#[derive(Serialize)]
struct PaceView {
    interval: String,
    timeout: String,
    fall: u32,
    rise: u32,
}

#[derive(Serialize)]
#[serde(untagged)]
enum KindView<'a> {
    Interface {
        interface: &'a str,
    },
    Ping {
        ping: String,
    },
    Http {
        http: String,
    },
    Tcp {
        tcp: String,
    },
    Script {
        script: &'a [String],
        user: Option<&'a str>,
    },
    Process {
        process: &'a str,
    },
    Service {
        service: &'a str,
        min_available: u32,
    },
}

impl<'a> TrackView<'a> {
    fn of(track: &'a Track) -> Self {
        let pace = PaceView {
            interval: Shown(track.interval).to_string(),
            timeout: Shown(track.timeout).to_string(),
            fall: track.fall,
            rise: track.rise,
        };
        Self {
            name: &track.name,
            kind: KindView::of(&track.kind),
            pace: (!is_told(&track.kind)).then_some(pace),
            weight: match track.effect {
                Effect::Fault => None,
                Effect::Weight(weight) => Some(weight),
            },
        }
    }
}

impl<'a> KindView<'a> {
    fn of(kind: &'a TrackKind) -> Self {
        match kind {
            TrackKind::Interface(interface) => Self::Interface {
                interface: interface.as_str(),
            },
            TrackKind::Ping(address) => Self::Ping {
                ping: address.to_string(),
            },
            TrackKind::Http { host, port, path } => Self::Http {
                http: format!("http://{}{path}", authority(host, *port)),
            },
            TrackKind::Tcp(socket) => Self::Tcp {
                tcp: socket.to_string(),
            },
            TrackKind::Script { command, user } => Self::Script {
                script: command,
                user: user.as_deref(),
            },
            TrackKind::Process(process) => Self::Process { process },
            TrackKind::Service {
                service,
                min_available,
            } => Self::Service {
                service,
                min_available: *min_available,
            },
        }
    }
}

#[derive(Serialize)]
struct HooksView<'a> {
    after_active: &'a [std::path::PathBuf],
    before_release: &'a [std::path::PathBuf],
    after_release: &'a [std::path::PathBuf],
    after_fault: &'a [std::path::PathBuf],
}

impl<'a> HooksView<'a> {
    fn of(hooks: &'a Hooks) -> Self {
        Self {
            after_active: &hooks.after_active,
            before_release: &hooks.before_release,
            after_release: &hooks.after_release,
            after_fault: &hooks.after_fault,
        }
    }
}
