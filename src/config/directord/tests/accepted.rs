use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::model::pair::{
    Effect, LinkSource, LinkTarget, NodeId, Standby, Sync, Timing, TrackKind,
};

/// The file that the manual begins with.
pub(super) const EXAMPLE: &str = r#"cluster: web
node: loadb1                     # default: the host name
services: ldirectord.cf          # beside this file; or services written here in YAML
key_file: /etc/directord/key
nodes: { loadb1: { id: 1, priority: 150 }, loadb2: { id: 2, priority: 100 } }
links:
  - { name: lan, interface: eth0, multicast: 239.255.77.1, port: 7694 }
  - { name: private, unicast: { loadb1: 198.51.100.1, loadb2: 198.51.100.2 } }
failover:
  advert_interval: 200ms         # down to 10ms
  dead_after: 1s
  address_lifetime: 3s
  preempt: false
  preempt_delay: 30s
  instances:
    web:
      prefer: loadb1
      addresses: [ { address: 192.0.2.100/24, interface: eth0 } ]
      sync: { interface: hb0, id: 7 }
      standby: warm              # or cold: table empty on the standby, as Heartbeat pairs had it
      track:
        - { interface: eth0 }
        - { ping: 192.0.2.1, interval: 1s, fall: 3 }
        - { http: "http://127.0.0.1/server-status", interval: 2s, fall: 3 }
        - { script: /usr/local/bin/probe, user: nobody, weight: -50 }
        - { service: "192.0.2.100:80", min_available: 1 }
      hooks: { after_active: [/usr/local/bin/notify] }
control: { socket: /run/directord/control.sock, group: adm }
"#;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_example_is_read_as_it_stands() {
    let document = read(EXAMPLE).unwrap();
    let services = document.services.as_deref();
    assert_eq!(services, Some(Path::new("/etc/directord/ldirectord.cf")));
    let control = &document.control;
    assert_eq!(control.group.as_deref(), Some("adm"));
    let socket = control.socket.as_deref();
    assert_eq!(socket, Some(Path::new("/run/directord/control.sock")));
    // The ping is too slow for the isolation rule, which is said.
    assert_eq!(document.warnings.len(), 1, "{:?}", document.warnings);
    assert_eq!(document.warnings[0].line, 23);
    let pair = document.pair.unwrap();
    assert_eq!((pair.local.id, pair.local.priority), (NodeId(1), 150));
    assert_eq!((pair.peer.id, pair.peer.priority), (NodeId(2), 100));
    assert_eq!(pair.timing, Timing::default());
    assert!(!pair.preempt.enabled);
    let [lan, private] = &pair.links[..] else {
        panic!("{:?}", pair.links)
    };
    assert_eq!(lan.to, LinkTarget::Multicast(ip("239.255.77.1")));
    assert_eq!(lan.source, LinkSource::Interface("eth0".parse().unwrap()));
    assert_eq!(private.to, LinkTarget::Unicast(ip("198.51.100.2")));
    assert_eq!(private.source, LinkSource::Address(ip("198.51.100.1")));
    assert_eq!((lan.port, private.port), (7694, 7694));
    let [web] = &pair.instances[..] else {
        panic!("{:?}", pair.instances)
    };
    assert_eq!((web.prefer, web.standby), (Some(NodeId(1)), Standby::Warm));
    assert_eq!(web.addresses[0].to_string(), "192.0.2.100/24");
    let sync = Sync {
        interface: "hb0".parse().unwrap(),
        id: 7,
        max_length: 0,
        group: None,
        port: 0,
        ttl: 0,
    };
    assert_eq!(web.sync, Some(sync));
    let effects: Vec<Effect> = web.tracks.iter().map(|track| track.effect).collect();
    let mut wanted = [Effect::Fault; 5];
    wanted[3] = Effect::Weight(-50);
    assert_eq!(effects, wanted);
    assert_eq!(web.tracks[1].interval, Duration::from_secs(1));
    assert_eq!(web.tracks[2].interval, Duration::from_secs(2));
    let http = TrackKind::Http {
        host: "127.0.0.1".to_owned(),
        port: 80,
        path: "/server-status".to_owned(),
    };
    assert_eq!(web.tracks[2].kind, http);
    assert_eq!(web.hooks.after_active, [Path::new("/usr/local/bin/notify")]);
}

#[test]
fn the_other_node_sees_the_pair_from_its_side() {
    let text = EXAMPLE.replace("node: loadb1 ", "#");
    let parsed = parse(text.as_bytes(), "x.yaml", here("loadb2.example.com"));
    let pair = parsed.check(None).unwrap().pair.unwrap();
    assert_eq!(pair.local.name, "loadb2");
    assert_eq!(pair.links[1].to, LinkTarget::Unicast(ip("198.51.100.1")));
    let source = LinkSource::Address(ip("198.51.100.2"));
    assert_eq!(pair.links[1].source, source);
    // Who is asked for goes before what is written.
    let asked = Here {
        host_name: "elsewhere",
        node: Some("loadb2"),
    };
    let pair = parse(EXAMPLE.as_bytes(), "x.yaml", asked)
        .check(None)
        .unwrap()
        .pair;
    assert_eq!(pair.unwrap().local.name, "loadb2");
}

#[test]
fn what_is_left_out_has_its_default() {
    let pair = pair(SMALL);
    assert_eq!(pair.key_file, Path::new("/etc/directord/key"));
    assert_eq!((pair.local.priority, pair.peer.priority), (100, 100));
    assert_eq!(pair.timing, Timing::default());
    assert_eq!(pair.preempt, crate::model::pair::Preempt::default());
    let [web] = &pair.instances[..] else {
        panic!("{:?}", pair.instances)
    };
    assert_eq!((web.prefer, web.strict), (None, false));
    assert!(web.sync.is_none() && web.tracks.is_empty());
}
