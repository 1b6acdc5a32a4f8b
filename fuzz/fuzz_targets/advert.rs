//! No bytes make the receiver of adverts panic or lose its place: neither as they come, nor
//! behind a true head and signed with the true key. What is accepted is written the same again.
#![no_main]

use std::time::Instant;

use directord::failover::advert::{Expected, Incarnation, Key, KeyId, Keys, decode, encode};
use directord::failover::{ConfigDigest, Event, Pair, Settings, SoftwareVersion};
use directord::model::pair::{
    Hooks, Instance, Link, LinkSource, LinkTarget, Node, NodeId, Pair as Model, Preempt, Standby,
    Timing,
};
use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};

const CLUSTER: &str = "fuzz";
const KEY: [u8; 32] = [7; 32];
const HEAD: usize = 20;
const TAG: usize = 32;

fn tag(key: &[u8], text: &[&[u8]]) -> [u8; TAG] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    text.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

/// A true head, the given body, a true tag.
fn seal(body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEAD + body.len() + TAG).unwrap_or(u16::MAX);
    let mut bytes = b"LVSd\x01\x01".to_vec();
    bytes.extend(length.to_be_bytes());
    bytes.extend(&Sha256::digest(CLUSTER)[..8]);
    bytes.extend([2, 0, 1, 0]);
    bytes.extend(body);
    let key = tag(&KEY, &[b"directord failover advert 1", CLUSTER.as_bytes()]);
    let tag = tag(&key, &[&bytes]);
    bytes.extend(tag);
    bytes
}

fn model() -> Model {
    let node = |id: u8| Node {
        name: format!("node{id}"),
        id: NodeId(id),
        priority: 100,
    };
    Model {
        cluster: CLUSTER.to_owned(),
        local: node(1),
        peer: node(2),
        key_file: "/key".into(),
        links: vec![Link {
            name: "lan".to_owned(),
            source: LinkSource::Interface("eth0".parse().expect("a name")),
            to: LinkTarget::Broadcast,
            port: 7694,
        }],
        timing: Timing::default(),
        preempt: Preempt::default(),
        instances: vec![Instance {
            name: "web".to_owned(),
            prefer: None,
            addresses: vec![],
            sync: None,
            standby: Standby::Warm,
            strict: false,
            tracks: vec![],
            hooks: Hooks::default(),
        }],
    }
}

fuzz_target!(|bytes: &[u8]| {
    let keys = Keys::new(KeyId(1), vec![(KeyId(1), Key::new(KEY))]).expect("one key, which signs");
    let expected = Expected {
        cluster: CLUSTER,
        nodes: [NodeId(1), NodeId(2)],
        link: 0,
    };
    let now = Instant::now();
    let version = SoftwareVersion::default();
    let settings = Settings::new(&model(), keys.clone(), ConfigDigest::default(), version);
    let settings = settings.expect("a pair that works");
    let mut pair = Pair::new(settings, Incarnation([1; 16]), &[], now);
    pair.step(now, Event::Start);
    for bytes in [bytes.to_vec(), seal(bytes)] {
        if let Ok(advert) = decode(&bytes, &expected, &keys) {
            let again = encode(&advert, CLUSTER, &keys);
            assert_eq!(decode(&again, &expected, &keys), Ok(advert));
        }
        pair.step(now, Event::Packet { link: 0, bytes });
        assert!(pair.next_timer().is_some());
        pair.view(now);
    }
});
