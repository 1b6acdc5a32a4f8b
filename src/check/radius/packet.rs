//! RADIUS packets (RFC 2865 §3) and the hashes that make them trustworthy.

use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// Code, identifier, length, authenticator.
const HEAD: usize = 20;

/// Longest packet (RFC 2865 §3).
pub(super) const PACKET_MAX: usize = 4096;

/// Longest User-Password (RFC 2865 §5.2).
pub(super) const PASSWORD_MAX: usize = 128;

/// Longest value of an attribute.
pub(super) const VALUE_MAX: usize = 253;

/// Codes of packets.
pub(super) const ACCESS_REQUEST: u8 = 1;
pub(super) const ACCESS_ACCEPT: u8 = 2;
pub(super) const ACCESS_REJECT: u8 = 3;
pub(super) const ACCESS_CHALLENGE: u8 = 11;

/// Types of attributes.
pub(super) const USER_NAME: u8 = 1;
pub(super) const USER_PASSWORD: u8 = 2;
pub(super) const NAS_IP_ADDRESS: u8 = 4;
pub(super) const REPLY_MESSAGE: u8 = 18;
/// RFC 3579 §3.2.
pub(super) const MESSAGE_AUTHENTICATOR: u8 = 80;
/// RFC 3162 §2.1.
pub(super) const NAS_IPV6_ADDRESS: u8 = 95;

/// Request Authenticator: random, new for each request.
pub(super) type Authenticator = [u8; 16];

/// An Access-Request with these attributes behind a Message-Authenticator, which comes
/// first so that nothing can be put in front of it.
pub(super) fn access_request(
    id: u8,
    authenticator: &Authenticator,
    secret: &[u8],
    attributes: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut packet = vec![ACCESS_REQUEST, id, 0, 0];
    packet.extend_from_slice(authenticator);
    let signature = packet.len() + 2;
    packet.extend([MESSAGE_AUTHENTICATOR, 18]);
    packet.extend([0; 16]);
    for (kind, value) in attributes {
        debug_assert!(value.len() <= VALUE_MAX);
        packet.extend([*kind, value.len() as u8 + 2]);
        packet.extend_from_slice(value);
    }
    let length = (packet.len() as u16).to_be_bytes();
    packet[2..4].copy_from_slice(&length);
    let tag = hmac(secret, &packet);
    packet[signature..signature + 16].copy_from_slice(&tag);
    packet
}

/// A password as User-Password (RFC 2865 §5.2).
pub(super) fn hide(password: &[u8], secret: &[u8], authenticator: &Authenticator) -> Vec<u8> {
    let padded = password.len().max(1).next_multiple_of(16);
    let mut hidden = password.to_vec();
    hidden.resize(padded, 0);
    let mut previous = *authenticator;
    for block in hidden.chunks_exact_mut(16) {
        let mask = Md5::new().chain_update(secret).chain_update(previous);
        for (byte, mask) in block.iter_mut().zip(mask.finalize()) {
            *byte ^= mask;
        }
        previous.copy_from_slice(block);
    }
    hidden
}

/// A response that is well formed and was made by someone who knows the secret.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) code: u8,
    /// Reply-Message, all of them in a row.
    pub(super) message: Vec<u8>,
}

/// Why a datagram is no response to the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its lengths are impossible.
    Malformed,
    /// It answers another request.
    Identifier,
    /// Response Authenticator or Message-Authenticator is wrong.
    Authenticator,
}

/// Reads what came for the request with this identifier and authenticator (RFC 2865 §3).
/// Bytes behind the length are padding.
pub(super) fn read(
    datagram: &[u8],
    id: u8,
    authenticator: &Authenticator,
    secret: &[u8],
) -> Result<Response, Unfit> {
    let &[code, its_id, high, low, ..] = datagram else {
        return Err(Unfit::Malformed);
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if !(HEAD..=PACKET_MAX).contains(&length) {
        return Err(Unfit::Malformed);
    }
    let packet = datagram.get(..length).ok_or(Unfit::Malformed)?;
    if its_id != id {
        return Err(Unfit::Identifier);
    }
    let mut hash = Md5::new();
    hash.update(&packet[..4]);
    hash.update(authenticator);
    hash.update(&packet[HEAD..]);
    hash.update(secret);
    if !bool::from(hash.finalize().as_slice().ct_eq(&packet[4..HEAD])) {
        return Err(Unfit::Authenticator);
    }
    let mut message = Vec::new();
    let mut at = HEAD;
    while at < length {
        let [kind, size, ..] = packet[at..] else {
            return Err(Unfit::Malformed);
        };
        let end = at + usize::from(size);
        if size < 2 || end > length {
            return Err(Unfit::Malformed);
        }
        match kind {
            REPLY_MESSAGE => message.extend_from_slice(&packet[at + 2..end]),
            MESSAGE_AUTHENTICATOR => verify(packet, at + 2..end, authenticator, secret)?,
            _ => {}
        }
        at = end;
    }
    Ok(Response { code, message })
}

/// Checks a Message-Authenticator: over the packet with the request's authenticator in its
/// head, and with zeros in its own place (RFC 3579 §3.2).
fn verify(
    packet: &[u8],
    place: std::ops::Range<usize>,
    authenticator: &Authenticator,
    secret: &[u8],
) -> Result<(), Unfit> {
    if place.len() != 16 {
        return Err(Unfit::Malformed);
    }
    let mut signed = packet.to_vec();
    signed[4..HEAD].copy_from_slice(authenticator);
    signed[place.clone()].fill(0);
    let tag = hmac(secret, &signed);
    let is_right: bool = tag.as_slice().ct_eq(&packet[place]).into();
    is_right.then_some(()).ok_or(Unfit::Authenticator)
}

fn hmac(secret: &[u8], packet: &[u8]) -> [u8; 16] {
    let mac = Hmac::<Md5>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.chain_update(packet).finalize().into_bytes().into()
}
