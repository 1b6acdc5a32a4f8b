use proptest::prelude::*;

use super::*;
use crate::failover::MAX_LINKS;

fn key(first: u8) -> Key {
    Key::new(std::array::from_fn(|index| first.wrapping_add(index as u8)))
}

fn keys() -> Keys {
    Keys::new(KeyId(5), vec![(KeyId(5), key(0)), (KeyId(6), key(6))]).unwrap()
}

fn expected(link: usize) -> Expected<'static> {
    Expected {
        cluster: "web",
        nodes: [NodeId(1), NodeId(2)],
        link,
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn small() -> Advert {
    Advert {
        newest: 1,
        sender: NodeId(1),
        link: 0,
        ask: false,
        unheard: false,
        incarnation: Incarnation([0x11; 16]),
        sequence: 1,
        echo: None,
        heard: 0,
        interval: Duration::from_millis(200),
        dead_after: Duration::from_secs(1),
        digest: ConfigDigest([0; 8]),
        version: SoftwareVersion {
            major: 0,
            minor: 1,
            patch: 0,
        },
        macs: Bounded::new(),
        records: Bounded::new(),
    }
}

/// Made with another implementation (Python's `hmac`, `hashlib` and `struct`), as are the
/// bytes of [`full`].
const SMALL: &str = "
    4c5653640101007b4b5e57f6eb2f42b901000500111111111111111111111111
    1111111100000000000000010000000000000000000000000000000000000000
    000000000000030d40000f42400000000000000000000100000014d71b123d00
    186c41e93a8001f4026977ce50da7081d34b60b80c20b3fc85bc77";

const FULL: &str = "
    4c565364010100a94b5e57f6eb2f42b902010503a0a1a2a3a4a5a6a7a8a9aaab
    acadaeaf8000000000000123b0b1b2b3b4b5b6b7b8b9babbbcbdbebf00000000
    0000045603000027100000c35001020304050607080102030102140200000000
    0100d8d3f10000000000000007069603ff030402004b5e57f600000000000000
    080364020300000100c2c788b89ec48cd1a0c15b69fc3938690771e45b85e2f5
    092705c5243310cdb2";

fn full() -> Advert {
    let all = Flags {
        eligible: true,
        ready: true,
        frozen: true,
        admin_standby: true,
        claim: true,
        hold: true,
        released: true,
        wants_handover: true,
        takeover: true,
        pinned: true,
    };
    let some = Flags {
        eligible: true,
        ready: true,
        pinned: true,
        ..Flags::default()
    };
    let record = |name, epoch, state, priority, flags, (reachable, total, addresses)| Record {
        instance: InstanceId::of(name),
        epoch,
        state,
        priority,
        flags,
        reachable,
        total,
        addresses,
    };
    Advert {
        sender: NodeId(2),
        link: 1,
        ask: true,
        unheard: true,
        incarnation: Incarnation(std::array::from_fn(|i| 0xa0 + i as u8)),
        sequence: FAREWELL | 0x123,
        echo: Some(Echo {
            incarnation: Incarnation(std::array::from_fn(|i| 0xb0 + i as u8)),
            sequence: 0x456,
        }),
        heard: 3,
        interval: Duration::from_millis(10),
        dead_after: Duration::from_millis(50),
        digest: ConfigDigest([1, 2, 3, 4, 5, 6, 7, 8]),
        version: SoftwareVersion {
            major: 1,
            minor: 2,
            patch: 3,
        },
        macs: [Mac([2, 0, 0, 0, 0, 1])].into_iter().collect(),
        records: [
            record("mail", 7, State::Active, 150, all, (3, 4, 2)),
            record("web", 8, State::Standby, 100, some, (0, 0, 1)),
        ]
        .into_iter()
        .collect(),
        ..small()
    }
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    assert_eq!(encode(&small(), "web", &keys()), hex(SMALL));
    assert_eq!(encode(&full(), "web", &keys()), hex(FULL));
    assert_eq!(decode(&hex(SMALL), &expected(0), &keys()), Ok(small()));
    assert_eq!(decode(&hex(FULL), &expected(1), &keys()), Ok(full()));
}

#[test]
fn the_largest_advert_fits() {
    let record = full().records.iter().next().copied().unwrap();
    let largest = Advert {
        macs: (0..MAX_MACS as u8).map(|n| Mac([n; 6])).collect(),
        records: (0..MAX_INSTANCES as u32)
            .map(|n| Record {
                instance: InstanceId(n),
                ..record
            })
            .collect(),
        ..full()
    };
    let bytes = encode(&largest, "web", &keys());
    assert_eq!(bytes.len(), 491);
    assert_eq!(decode(&bytes, &expected(1), &keys()), Ok(largest));
}

#[test]
fn the_first_check_that_fails_is_named() {
    let keys = keys();
    let good = encode(&full(), "web", &keys);
    let with = |offset: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[offset] = value;
        decode(&bytes, &expected(1), &keys)
    };
    assert_eq!(decode(&[], &expected(1), &keys), Err(Refusal::Length));
    assert_eq!(decode(&[0; 513], &expected(1), &keys), Err(Refusal::Length));
    assert_eq!(with(0, b'X'), Err(Refusal::Magic));
    assert_eq!(with(4, 2), Err(Refusal::Version));
    assert_eq!(with(7, 168), Err(Refusal::Length));
    assert_eq!(with(8, 0), Err(Refusal::Cluster));
    assert_eq!(with(16, 3), Err(Refusal::Sender));
    assert_eq!(with(17, 0), Err(Refusal::Link));
    assert_eq!(with(18, 9), Err(Refusal::Key));
    assert_eq!(with(18, 6), Err(Refusal::Tag), "another of our keys");
    assert_eq!(with(16, 1), Err(Refusal::Tag), "the other direction");
    let mut trailing = good.clone();
    trailing.push(0);
    assert_eq!(decode(&trailing, &expected(1), &keys), Err(Refusal::Length));
}

/// Signed with the right key and still no advert.
#[test]
fn an_authentic_packet_is_checked_as_well() {
    let authority = Signer::new(&keys(), "web");
    let signed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = hex(FULL);
        bytes.truncate(bytes.len() - 32);
        change(&mut bytes);
        let length = (bytes.len() + 32) as u16;
        bytes[6..8].copy_from_slice(&length.to_be_bytes());
        let tag = authority.tag(&bytes);
        bytes.extend(tag);
        decode(&bytes, &expected(1), &keys())
    };
    let set = |offset: usize, value: u8| signed(&|bytes: &mut Vec<u8>| bytes[offset] = value);
    let malformed = Err(Refusal::Malformed);
    let records = 91 + 6;
    assert_eq!(set(88, 9), malformed, "too many hardware addresses");
    assert_eq!(set(89, 17), malformed, "too many records");
    assert_eq!(set(89, 3), malformed, "records that are not there");
    assert_eq!(set(90, 19), malformed, "records too short");
    assert_eq!(set(records + 12, 0), malformed, "no such state");
    assert_eq!(set(records + 12, 10), malformed, "no such state");
    assert_eq!(set(records + 13, 0), malformed, "no priority");
    assert_eq!(
        set(records + 16, 5),
        malformed,
        "more tracks than there are"
    );
    assert_eq!(signed(&|bytes| bytes.truncate(100)), malformed);

    // A later version may add to the end and to each record.
    let longer = signed(&|bytes| bytes.extend([1, 2, 3, 4]));
    assert_eq!(longer, Ok(full()));
    let wider = signed(&|bytes| {
        bytes[90] = 22;
        bytes.splice(records + 20..records + 20, [7, 7]);
        bytes.extend([8, 8]);
    });
    assert_eq!(wider, Ok(full()));
}

/// Packets of one place do not verify in another, whatever is changed to make them look right.
#[test]
fn packets_cannot_be_moved() {
    let names = ["web", "we", "b", "WEB", "web2"];
    let mut accepted = 0;
    for (from, cluster) in names.iter().enumerate() {
        for (to, other) in names.iter().enumerate() {
            for link in 0..MAX_LINKS {
                let advert = Advert { link: 1, ..full() };
                let mut bytes = encode(&advert, cluster, &keys());
                bytes[8..16].copy_from_slice(&cluster_id(other));
                bytes[17] = link as u8;
                let expected = Expected {
                    cluster: other,
                    ..expected(link)
                };
                let result = decode(&bytes, &expected, &keys());
                if from == to && link == 1 {
                    assert_eq!(result, Ok(advert));
                    accepted += 1;
                } else {
                    assert_eq!(result, Err(Refusal::Tag));
                }
            }
        }
    }
    assert_eq!(accepted, names.len());
}

#[test]
fn keys_are_exchanged_one_node_at_a_time() {
    let old = Keys::new(KeyId(1), vec![(KeyId(1), key(1))]).unwrap();
    let both =
        |signing| Keys::new(KeyId(signing), vec![(KeyId(1), key(1)), (KeyId(2), key(2))]).unwrap();
    let new = Keys::new(KeyId(2), vec![(KeyId(2), key(2))]).unwrap();
    let understood = |sender: &Keys, receiver: &Keys| {
        let bytes = encode(&small(), "web", sender);
        decode(&bytes, &expected(0), receiver).is_ok()
    };
    for pair in [
        [&old, &both(1)],
        [&both(1), &both(1)],
        [&both(1), &both(2)],
        [&both(2), &both(2)],
        [&both(2), &new],
    ] {
        assert!(understood(pair[0], pair[1]) && understood(pair[1], pair[0]));
    }
    assert!(!understood(&new, &old));
    let same_number = Keys::new(KeyId(1), vec![(KeyId(1), key(9))]).unwrap();
    assert!(!understood(&same_number, &old));
}

#[test]
fn keys_that_cannot_work_are_refused() {
    let list = |ids: &[u8]| {
        ids.iter()
            .map(|id| (KeyId(*id), key(*id)))
            .collect::<Vec<_>>()
    };
    assert_eq!(Keys::new(KeyId(1), vec![]).unwrap_err(), BadKey::Count(0));
    let many: Vec<u8> = (0..17).collect();
    assert_eq!(
        Keys::new(KeyId(1), list(&many)).unwrap_err(),
        BadKey::Count(17)
    );
    assert_eq!(
        Keys::new(KeyId(1), list(&[1, 2, 1])).unwrap_err(),
        BadKey::Twice(KeyId(1))
    );
    assert_eq!(
        Keys::new(KeyId(3), list(&[1, 2])).unwrap_err(),
        BadKey::NoSuchKey(KeyId(3))
    );
}

#[test]
fn no_key_is_shown() {
    let keys = Keys::new(
        KeyId(1),
        vec![(KeyId(1), Key::new(*b"0123456789abcdef0123456789abcdef"))],
    );
    let keys = keys.unwrap();
    let text = format!("{keys:?} {:?}", Signer::new(&keys, "web"));
    assert!(
        !text.contains("48") && !text.contains("30, 31") && !text.contains("0123"),
        "{text}"
    );
}

fn any_advert() -> impl Strategy<Value = Advert> {
    let first = (any::<u8>(), 1..3_u8, 0..8_u8, any::<bool>(), any::<bool>());
    let lives = (
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<[u8; 16]>(),
        any::<u64>(),
    );
    let rest = (
        any::<u8>(),
        any::<u32>(),
        any::<u32>(),
        any::<[u8; 8]>(),
        any::<[u8; 3]>(),
    );
    let macs = proptest::collection::vec(any::<[u8; 6]>(), 0..=MAX_MACS);
    let records = proptest::collection::vec(any_record(), 0..=MAX_INSTANCES);
    (first, lives, rest, macs, records).prop_map(|(first, lives, rest, macs, records)| {
        let (newest, sender, link, ask, unheard) = first;
        let (incarnation, sequence, echo, echoed) = lives;
        let (heard, interval, dead_after, digest, [major, minor, patch]) = rest;
        Advert {
            newest,
            sender: NodeId(sender),
            link,
            ask,
            unheard,
            incarnation: Incarnation(incarnation),
            sequence,
            echo: (echo != [0; 16]).then_some(Echo {
                incarnation: Incarnation(echo),
                sequence: echoed,
            }),
            heard,
            interval: Duration::from_micros(interval.into()),
            dead_after: Duration::from_micros(dead_after.into()),
            digest: ConfigDigest(digest),
            version: SoftwareVersion {
                major,
                minor,
                patch,
            },
            macs: macs.into_iter().map(Mac).collect(),
            records: records.into_iter().collect(),
        }
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let numbers = (
        any::<u32>(),
        any::<u64>(),
        1..=9_u8,
        1..=255_u8,
        any::<u8>(),
    );
    (numbers, any::<[bool; 10]>(), any::<u8>(), any::<u8>()).prop_map(|(numbers, set, a, b)| {
        let (instance, epoch, state, priority, addresses) = numbers;
        let [
            eligible,
            ready,
            frozen,
            admin_standby,
            claim,
            hold,
            released,
            wants_handover,
            takeover,
            pinned,
        ] = set;
        Record {
            instance: InstanceId(instance),
            epoch,
            state: State::from_code(state).unwrap(),
            priority,
            flags: Flags {
                eligible,
                ready,
                frozen,
                admin_standby,
                claim,
                hold,
                released,
                wants_handover,
                takeover,
                pinned,
            },
            reachable: a.min(b),
            total: a.max(b),
            addresses,
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(advert in any_advert()) {
        let bytes = encode(&advert, "web", &keys());
        prop_assert!(bytes.len() <= MAX_LENGTH);
        let read = decode(&bytes, &expected(advert.link.into()), &keys());
        prop_assert_eq!(read, Ok(advert));
    }

    #[test]
    fn a_changed_bit_or_a_missing_end_is_refused(
        advert in any_advert(),
        bit in any::<prop::sample::Index>(),
        end in any::<prop::sample::Index>(),
    ) {
        let bytes = encode(&advert, "web", &keys());
        let mut changed = bytes.clone();
        let bit = bit.index(bytes.len() * 8);
        changed[bit / 8] ^= 1 << (bit % 8);
        for bytes in [&changed[..], &bytes[..end.index(bytes.len())]] {
            prop_assert!(decode(bytes, &expected(advert.link.into()), &keys()).is_err());
        }
    }

    #[test]
    fn nothing_makes_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut signed = bytes.clone();
        signed.truncate(480);
        if signed.len() >= 91 {
            let good = encode(&small(), "web", &keys());
            signed[..20].copy_from_slice(&good[..20]);
            let length = (signed.len() + 32) as u16;
            signed[6..8].copy_from_slice(&length.to_be_bytes());
            let tag = Signer::new(&keys(), "web").tag(&signed);
            signed.extend(tag);
            let read = decode(&signed, &expected(0), &keys());
            prop_assert!(matches!(read, Ok(_) | Err(Refusal::Malformed)));
        }
        prop_assert!(decode(&bytes, &expected(0), &keys()).is_err());
    }
}
