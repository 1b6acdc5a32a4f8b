//! Recorded answers of `FreeRADIUS` 3.2, forged ones, and answers cut and changed.

use proptest::prelude::*;

use super::packet::{MESSAGE_AUTHENTICATOR, REPLY_MESSAGE, access_request};
use super::*;
use crate::model::{Login, Secret};

/// Made by another program, and accepted by the server.
const REQUEST: &[u8] = include_bytes!("../../../fuzz/seeds/radius/request");
const ACCEPT: &[u8] = include_bytes!("../../../fuzz/seeds/radius/accept");
const REJECT: &[u8] = include_bytes!("../../../fuzz/seeds/radius/reject");

/// Of the request that was answered in the recordings.
const RANDOM: [u8; 17] = [7; 17];

fn probe(password: &str, secret: &str) -> RadiusProbe {
    RadiusProbe {
        login: Login {
            name: "monitor".to_owned(),
            password: Secret::new(password),
        },
        secret: Secret::new(secret),
    }
}

fn access() -> Access {
    Access::new(&probe("right", "testing-secret"), RANDOM).unwrap()
}

fn local() -> SocketAddr {
    "127.0.0.1:1".parse().unwrap()
}

fn result(turn: Turn) -> Result<String, String> {
    match turn {
        Turn::Over(verdict) => verdict.result.map_err(|reason| reason.to_string()),
        other => panic!("{other:?}"),
    }
}

/// A response with these attributes and a right Response Authenticator.
fn sealed(code: u8, attributes: &[u8]) -> Vec<u8> {
    use md5::Digest;
    let length = 20 + attributes.len() as u16;
    let head = [&[code, 7][..], &length.to_be_bytes()].concat();
    let text = [&head[..], &[7; 16], attributes, b"testing-secret"].concat();
    let authenticator = md5::Md5::digest(text);
    [&head[..], &authenticator, attributes].concat()
}

/// An attribute with the Message-Authenticator of a response that holds nothing else.
fn message_authenticator(code: u8) -> Vec<u8> {
    use hmac::{KeyInit, Mac};
    let attribute = [&[MESSAGE_AUTHENTICATOR, 18][..], &[0; 16]].concat();
    let packet = [&[code, 7, 0, 38][..], &[7; 16], &attribute].concat();
    let mac = hmac::Hmac::<md5::Md5>::new_from_slice(b"testing-secret").unwrap();
    let tag = mac.chain_update(packet).finalize().into_bytes();
    [&[MESSAGE_AUTHENTICATOR, 18][..], &tag].concat()
}

#[test]
fn the_request_is_the_one_another_program_made() {
    assert_eq!(access().ask(local()).bytes, REQUEST);
}

#[test]
fn ipv6_clients_name_their_address_in_its_own_attribute() {
    let request = access().ask("[2001:db8::1]:1".parse().unwrap()).bytes;
    let attribute = [&[95, 18, 0x20, 0x01, 0x0d, 0xb8][..], &[0; 11], &[1]];
    assert!(request.ends_with(&attribute.concat()));
}

/// RFC 2865 §7.1: its example of a hidden password.
#[test]
fn passwords_are_hidden_as_in_the_standard() {
    let authenticator = [
        0x0f, 0x40, 0x3f, 0x94, 0x73, 0x97, 0x80, 0x57, 0xbd, 0x83, 0xd5, 0xcb, 0x98, 0xf4, 0x22,
        0x7a,
    ];
    let hidden = [
        0x0d, 0xbe, 0x70, 0x8d, 0x93, 0xd4, 0x13, 0xce, 0x31, 0x96, 0xe4, 0x3f, 0x78, 0x2a, 0x0a,
        0xee,
    ];
    assert_eq!(
        packet::hide(b"arctangent", b"xyzzy5461", &authenticator),
        hidden
    );
    // Each block hides the next one; this was worked out by another program.
    let long = packet::hide(
        b"a password of more than 32 bytes!",
        b"testing-secret",
        &[7; 16],
    );
    let long = long
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    assert_eq!(
        long,
        "5651582130698b7bdcf4be96de91d2049b226006b918d1a976cb398eb88d862a2f48f1c9ff3ab2381b68e822f2897344"
    );
    for (length, blocks) in [(0, 1), (1, 1), (16, 1), (17, 2), (128, 8)] {
        let hidden = packet::hide(&vec![b'x'; length], b"s", &authenticator);
        assert_eq!(hidden.len(), blocks * 16, "{length}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let mut access = Access::new(&probe("hidden-password", "hidden-secret"), RANDOM).unwrap();
    let words = access.ask(local());
    let shown = String::from_utf8(words.shown().to_vec()).unwrap();
    assert_eq!(
        shown,
        "Access-Request 7: User-Name \"monitor\", User-Password ***, NAS address 127.0.0.1\n"
    );
}

#[test]
fn the_server_accepts_or_refuses() {
    assert_eq!(
        result(access().judge(ACCEPT)),
        Ok("Access-Accept for \"monitor\" \"welcome\"".to_owned())
    );
    assert_eq!(
        result(access().judge(REJECT)),
        Err("login refused: Access-Reject for \"monitor\" \"welcome\"".to_owned())
    );
    let challenge = sealed(11, &[REPLY_MESSAGE, 6, b'c', b'o', b'd', b'e']);
    let reason = result(access().judge(&challenge)).unwrap_err();
    assert!(
        reason.contains("Access-Challenge for \"monitor\" \"code\""),
        "{reason}"
    );
    assert!(result(access().judge(&sealed(2, &[]))).is_ok());
    // Padding behind the length does not count (RFC 2865 §3).
    assert!(result(access().judge(&[ACCEPT, b"padding"].concat())).is_ok());
}

#[test]
fn a_message_authenticator_must_be_right_where_there_is_one() {
    let right = message_authenticator(2);
    assert!(result(access().judge(&sealed(2, &right))).is_ok());
    let mut wrong = right.clone();
    wrong[5] ^= 1;
    let mut access = access();
    assert_eq!(access.judge(&sealed(2, &wrong)), Turn::Listen);
    assert!(access.doubt().unwrap().contains("wrong authenticator"));
    assert_eq!(access.judge(&sealed(2, &right[..17])), Turn::Listen);
}

#[test]
fn what_is_no_answer_is_passed_over_and_told_of() {
    let wrong_secret = Access::new(&probe("right", "other"), RANDOM).unwrap();
    let other_id = [&ACCEPT[..1], &[8], &ACCEPT[2..]].concat();
    for (mut access, datagram, doubt) in [
        (wrong_secret, ACCEPT, "wrong authenticator"),
        (access(), &other_id[..], "answers another request"),
        (access(), b"", "no RADIUS packet"),
        (access(), &[2, 7, 0, 19], "no RADIUS packet"),
        (access(), &[2, 7, 0xff, 0xff], "no RADIUS packet"),
        (access(), &sealed(2, &[18]), "no RADIUS packet"),
        (access(), &sealed(2, &[18, 1]), "no RADIUS packet"),
        (access(), &sealed(2, &[18, 200, 1]), "no RADIUS packet"),
        (access(), &sealed(5, &[]), "the unexpected code 5"),
    ] {
        assert_eq!(access.judge(datagram), Turn::Listen, "{datagram:?}");
        let found = access.doubt().unwrap();
        assert!(found.contains(doubt), "{found}");
    }
}

#[test]
fn names_and_passwords_have_room_or_are_refused() {
    let mut long = probe(&"p".repeat(128), "s");
    long.login.name = "n".repeat(253);
    let request = Access::new(&long, RANDOM).unwrap().ask(local()).bytes;
    assert_eq!(request.len(), 20 + 18 + 255 + 130 + 6);
    long.login.name.push('n');
    assert!(Access::new(&long, RANDOM).is_err());
    assert!(Access::new(&probe(&"p".repeat(129), "s"), RANDOM).is_err());
    // An attribute is never empty.
    long.login.name.clear();
    let request = Access::new(&long, RANDOM).unwrap().ask(local()).bytes;
    assert_eq!(request[38], USER_PASSWORD);
}

#[test]
fn the_message_authenticator_comes_first() {
    let request = access_request(1, &[0; 16], b"s", &[(USER_NAME, vec![b'x'])]);
    assert_eq!(request[20..22], [MESSAGE_AUTHENTICATOR, 18]);
    assert_eq!(request[2..4], [0, 41]);
}

proptest! {
    #[test]
    fn a_changed_or_cut_answer_is_never_accepted(
        at in 0..ACCEPT.len(), to: u8
    ) {
        let mut changed = ACCEPT.to_vec();
        changed[at] = to;
        if changed != ACCEPT {
            prop_assert_eq!(access().judge(&changed), Turn::Listen);
        }
        prop_assert_eq!(access().judge(&ACCEPT[..at]), Turn::Listen);
    }

    #[test]
    fn well_sealed_attributes_are_no_panic(attributes in prop::collection::vec(any::<u8>(), 0..300)) {
        access().judge(&sealed(2, &attributes));
    }
}
