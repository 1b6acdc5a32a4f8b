//! The keys of a `directord.yaml`: one list for the reader and for the schema.

use schemars::{JsonSchema, Schema};

use super::collection::{List, Named, OneOrMore};
use super::node::{Kind, Node};
use super::read::{Optional, Read, Slot, mapping};
use super::services::{ChecksEntry, GlobalsEntry, ServicesEntry};
use super::time::Time;
use super::value::{
    AbsolutePath, Address, HttpUrl, Interface, Name, Number, Prefixed, Socket, Text,
};
use crate::config::source::Context;

/// Milliseconds of a second, a minute, an hour and a day.
const S: u64 = 1000;
const M: u64 = 60 * S;
const H: u64 = 60 * M;
const DAY: u64 = 24 * H;

/// Longest name of a node, in bytes: that of a host name on Linux.
pub(super) const NODE_NAME: usize = 64;
/// Most instances.
const INSTANCES: usize = 16;
/// Most virtual addresses of an instance.
const ADDRESSES: usize = 64;
/// Most links.
const LINKS: usize = 8;
/// Most tracks of an instance.
const TRACKS: usize = 64;
/// Most programs of one kind of hook.
const HOOKS: usize = 16;

/// One value for each of the two nodes.
pub(super) type PerNode<T> = Named<T, NODE_NAME, 2, 2>;

mapping! {
    /// A directord.yaml: services to balance and, with `nodes`, the active/standby pair that
    /// serves them. The same file on both nodes.
    Top {
        /// Name of the pair; adverts of another one are foreign.
        cluster: Optional<Name<64>>,
        /// Which of the nodes this host is; the host name when missing, full or short.
        node: Optional<Name<NODE_NAME>>,
        /// An ldirectord.cf, beside this file unless absolute; or the services themselves.
        services: Slot<ServicesEntry>,
        /// Settings of the director and defaults, with services that are written here.
        globals: Optional<GlobalsEntry>,
        /// Checks that rules refer to by their names, with services that are written here.
        checks: Optional<ChecksEntry>,
        /// File of the shared keys; /etc/directord/key when missing.
        key_file: Optional<AbsolutePath>,
        /// The two directors, by name.
        nodes: Optional<PerNode<NodeEntry>>,
        /// The ways on which the nodes hear each other; adverts go out on all at once.
        links: Optional<List<LinkEntry, 1, LINKS>>,
        /// What moves between the nodes, when and how fast.
        failover: Optional<FailoverEntry>,
        /// The control socket.
        control: Optional<ControlEntry>,
    }
}

mapping! {
    /// One of the two directors.
    NodeEntry {
        /// Number on the wire, different on the two nodes; the lower one wins when nothing
        /// else decides.
        id: Slot<Number<1, 255>>,
        /// Base priority, more is better; 100 when missing.
        priority: Optional<Number<1, 254>>,
    }
}

mapping! {
    /// One way between the nodes: where it is sent from (`interface`, `address` or `prefix`)
    /// and whom it is sent to (`multicast`, `broadcast` or `unicast`).
    LinkEntry {
        /// Its name in status and logs.
        name: Slot<Name<32>>,
        /// The interface it uses, of the same name on both nodes.
        interface: Optional<Interface>,
        /// An address of each node, to find the interface by.
        address: Optional<PerNode<Address>>,
        /// A subnet in which each node has an address, to find the interface by.
        prefix: Optional<Prefixed>,
        /// The address of each node: adverts go to the other's. `interface` may be given with
        /// it, and must be for IPv6 link-local addresses.
        unicast: Optional<PerNode<Address>>,
        /// The group that adverts go to.
        multicast: Optional<Address>,
        /// Adverts go to the broadcast address of the interface's IPv4 subnet.
        broadcast: Optional<bool>,
        /// UDP port; 7694 when missing.
        port: Optional<Number<1, 65_535>>,
    }
}

mapping! {
    /// What moves between the nodes, when and how fast.
    FailoverEntry {
        /// Time between two adverts, 10ms to 10s; 200ms when missing.
        advert_interval: Optional<Time<10, {10 * S}>>,
        /// Silence on all links after which the peer counts as dead, at least three advert
        /// intervals; five when missing.
        dead_after: Optional<Time<30, {2 * M}>>,
        /// How long an address is asked for before it is claimed, less than `dead_after`;
        /// 180ms or half of `dead_after` when missing, whichever is less.
        probe_window: Optional<Time<10, {10 * S}>>,
        /// How long the kernel keeps an address that nobody refreshes, in whole seconds, 3s to
        /// 60s; 3s when missing.
        address_lifetime: Optional<Time<{2 * S}, M>>,
        /// How long a node that hears nobody waits after its start, at least `dead_after`;
        /// 3s or three times `dead_after` when missing, whichever is more.
        start_wait: Optional<Time<0, {10 * M}>>,
        /// Most moves of an instance in `moves_window`; more pin it where it is; 5 when
        /// missing.
        max_moves: Optional<Number<1, 32>>,
        /// The window of `max_moves`, 1s to 24h; 10m when missing.
        moves_window: Optional<Time<S, DAY>>,
        /// Whether a better node takes over from one that serves; false when missing.
        preempt: Optional<bool>,
        /// How long the better node must have been ready before; 30s when missing.
        preempt_delay: Optional<Time<0, H>>,
        /// What moves as one, by name.
        instances: Slot<Named<InstanceEntry, 32, 1, INSTANCES>>,
    }
}

mapping! {
    /// What moves between the nodes as one.
    InstanceEntry {
        /// The node that should serve it when both could.
        prefer: Optional<Name<NODE_NAME>>,
        /// Its virtual IP addresses.
        addresses: Slot<List<AddressEntry, 1, ADDRESSES>>,
        /// Connection synchronisation; none when missing.
        sync: Optional<SyncEntry>,
        /// What the node that does not serve keeps in its kernel's table; warm when missing.
        standby: Optional<StandbyWord>,
        /// Whether a failed track takes the instance away even when the peer is no better;
        /// false when missing.
        strict: Optional<bool>,
        /// What must work for a node to serve.
        track: Optional<List<TrackEntry, 0, TRACKS>>,
        /// Programs that are told.
        hooks: Optional<HooksEntry>,
    }
}

mapping! {
    /// A virtual IP address.
    AddressEntry {
        /// The address with the length of its prefix; that of a single address when missing.
        address: Slot<Prefixed>,
        /// The interface it is put on.
        interface: Slot<Interface>,
        /// Label of an IPv4 address, at most 15 bytes, beginning with the interface's name.
        label: Optional<Name<15>>,
    }
}

mapping! {
    /// The kernel's connection synchronisation.
    SyncEntry {
        /// The interface it multicasts on.
        interface: Slot<Interface>,
        /// Sync id: a backup takes only what carries its id.
        id: Slot<Number<1, 255>>,
        /// Largest UDP payload in bytes; the kernel's default when missing.
        max_length: Optional<Number<1, 65_535>>,
        /// Multicast group; 224.0.0.81 when missing.
        group: Optional<Address>,
        /// UDP port; 8848 when missing.
        port: Optional<Number<1, 65_535>>,
        /// Time to live; 1 when missing.
        ttl: Optional<Number<1, 255>>,
    }
}

/// What a standby's kernel holds.
#[derive(Debug, Clone, Copy, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub(super) enum StandbyWord {
    /// Services and real servers, checked and weighted: nothing is left to do at a takeover.
    Warm,
    /// None of the instance's services.
    Cold,
}

impl Read for StandbyWord {
    fn read(cx: &mut Context<'_>, node: &Node) -> Option<Self> {
        if let Kind::Scalar { text, .. } = &node.kind {
            match text.as_str() {
                "warm" => return Some(Self::Warm),
                "cold" => return Some(Self::Cold),
                _ => {}
            }
        }
        let message = format!("{} is neither warm nor cold", node.what());
        cx.error(node.span, message)
            .help("write warm to have the table ready on the standby, cold to have it empty there");
        None
    }
}

mapping! {
    /// Something that is watched: exactly one of `interface`, `ping`, `http`, `tcp`, `script`,
    /// `process` and `service`.
    TrackEntry {
        /// What it is called in status and logs; made of what it watches when missing.
        name: Optional<Text>,
        /// An interface is up and has a carrier.
        interface: Optional<Interface>,
        /// A host answers an ICMP echo request.
        ping: Optional<Address>,
        /// An http:// URL answers with a status of 200 to 399.
        http: Optional<HttpUrl>,
        /// A TCP connection is accepted.
        tcp: Optional<Socket>,
        /// A program ends with status 0: its absolute path, or a list of that and arguments.
        script: Optional<OneOrMore<Text, 64>>,
        /// A process of this name (as in /proc/PID/comm) exists.
        process: Optional<Name<15>>,
        /// A virtual service has at least `min_available` available real servers.
        service: Optional<Text>,
        /// Whom the script runs as; the daemon's own user when missing.
        user: Optional<Name<32>>,
        /// The least number of available real servers; 1 when missing.
        min_available: Optional<Number<1, 65_535>>,
        /// Time between two looks; 1s when missing (ping: at most 0.3 of `dead_after`).
        interval: Optional<Time<10, H>>,
        /// How long one look may take; the interval when missing.
        timeout: Optional<Time<10, {10 * M}>>,
        /// Failures in a row until it counts as failed; 3 when missing.
        fall: Optional<Number<1, 1000>>,
        /// Successes in a row until it counts as good again; 2 when missing.
        rise: Optional<Number<1, 1000>>,
        /// By how much the priority changes while it fails; when missing the node is in fault.
        weight: Optional<Number<-253, 253>>,
    }
}

mapping! {
    /// Programs that are run one after the other, each with its absolute path.
    HooksEntry {
        /// After this node has become active.
        after_active: Optional<OneOrMore<AbsolutePath, HOOKS>>,
        /// Before this node gives up, for at most one second and not in an emergency.
        before_release: Optional<OneOrMore<AbsolutePath, HOOKS>>,
        /// After this node has given up.
        after_release: Optional<OneOrMore<AbsolutePath, HOOKS>>,
        /// After this node has found a fault of its own.
        after_fault: Optional<OneOrMore<AbsolutePath, HOOKS>>,
    }
}

mapping! {
    /// The control socket.
    ControlEntry {
        /// Its path; /run/directord/control.sock when missing.
        socket: Optional<AbsolutePath>,
        /// The group that may use it; the daemon's own when missing.
        group: Optional<Name<32>>,
    }
}

/// The schema of a whole file.
pub(super) fn schema() -> Schema {
    let mut schema = schemars::schema_for!(Top);
    // What only a pair needs goes together.
    let pair = ["cluster", "nodes", "links", "failover"];
    let mut dependent = serde_json::Map::new();
    for key in pair.into_iter().chain(["node", "key_file"]) {
        let others: Vec<&str> = pair.into_iter().filter(|other| *other != key).collect();
        dependent.insert(key.to_owned(), others.into());
    }
    schema.insert("title".to_owned(), "directord.yaml".into());
    schema.insert("dependentRequired".to_owned(), dependent.into());
    schema
}
