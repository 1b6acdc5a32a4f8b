//! ARP packets over Ethernet (RFC 826) as a director uses them: announcements (RFC 5944
//! §4.6), probes (RFC 5227 §2.1) and what others say.

use std::net::Ipv4Addr;

use super::{Claim, Mac, Said};

/// Ethernet type of ARP.
pub(super) const ETHERTYPE: u16 = 0x0806;

/// Length of an ARP packet over Ethernet with its header, without padding.
pub(super) const LENGTH: usize = 42;

/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

const REQUEST: u8 = 1;
const REPLY: u8 = 2;

/// A frame to everybody.
fn frame(operation: u8, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> [u8; LENGTH] {
    let mut frame = [0; LENGTH];
    let parts: [&[u8]; 9] = [
        &Mac::BROADCAST.0,
        &sender.0.0,
        &ETHERTYPE.to_be_bytes(),
        &ETHERNET_IPV4,
        &[0, operation],
        &sender.0.0,
        &sender.1.octets(),
        &target.0.0,
        &target.1.octets(),
    ];
    for (byte, from) in frame.iter_mut().zip(parts.concat()) {
        *byte = from;
    }
    frame
}

/// A gratuitous request: "who has this address? tell this address". Some devices take
/// notice of requests only.
pub fn announcement_request(mac: Mac, address: Ipv4Addr) -> [u8; LENGTH] {
    frame(REQUEST, (mac, address), (Mac::ZERO, address))
}

/// A gratuitous reply to everybody. Some devices take notice of replies only.
pub fn announcement_reply(mac: Mac, address: Ipv4Addr) -> [u8; LENGTH] {
    frame(REPLY, (mac, address), (mac, address))
}

/// A question that changes nobody's cache: its sender has no address (RFC 5227 §2.1.1).
pub fn probe(mac: Mac, address: Ipv4Addr) -> [u8; LENGTH] {
    frame(REQUEST, (mac, Ipv4Addr::UNSPECIFIED), (Mac::ZERO, address))
}

/// What a frame says about an address; `None` for what is no ARP packet of IPv4 over
/// Ethernet. Padding may follow.
pub fn parse(frame: &[u8]) -> Option<Said> {
    let packet = frame.get(..LENGTH)?;
    if packet[12..14] != ETHERTYPE.to_be_bytes() || packet[14..20] != ETHERNET_IPV4 {
        return None;
    }
    let address = |at: usize| {
        let bytes: [u8; 4] = packet[at..at + 4].try_into().ok()?;
        Some(Ipv4Addr::from(bytes))
    };
    let mac = Mac(packet[22..28].try_into().ok()?);
    let (sender, target) = (address(28)?, address(38)?);
    let operation = u16::from_be_bytes([packet[20], packet[21]]);
    let (address, claim) = match operation {
        1 if sender.is_unspecified() => (target, Claim::Probe),
        1 | 2 => (sender, Claim::Owner),
        _ => return None,
    };
    Some(Said {
        address: address.into(),
        mac,
        claim,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x02, 0, 0x5e, 0x10, 0x20, 0x30]);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The bytes that `arping -U`, `arping -A` and `arping -D` of iputils send.
    #[test]
    fn the_frames_are_those_of_arping() {
        assert_eq!(
            hex(&announcement_request(MAC, VIP)),
            "ffffffffffff02005e1020300806000108000604000102005e102030c0000264000000000000c0000264"
        );
        assert_eq!(
            hex(&announcement_reply(MAC, VIP)),
            "ffffffffffff02005e1020300806000108000604000202005e102030c000026402005e102030c0000264"
        );
        assert_eq!(
            hex(&probe(MAC, VIP)),
            "ffffffffffff02005e1020300806000108000604000102005e10203000000000000000000000c0000264"
        );
    }

    #[test]
    fn owners_and_rivals_are_told_apart() {
        let said = |claim| Said {
            address: VIP.into(),
            mac: MAC,
            claim,
        };
        let owner = Some(said(Claim::Owner));
        assert_eq!(parse(&announcement_request(MAC, VIP)), owner);
        assert_eq!(parse(&announcement_reply(MAC, VIP)), owner);
        assert_eq!(parse(&probe(MAC, VIP)), Some(said(Claim::Probe)));
        // Switches pad to 60 bytes.
        let mut padded = announcement_reply(MAC, VIP).to_vec();
        padded.resize(60, 0);
        assert_eq!(parse(&padded), owner);
    }

    #[test]
    fn other_frames_say_nothing() {
        let good = announcement_reply(MAC, VIP);
        for length in 0..LENGTH {
            assert_eq!(parse(&good[..length]), None, "{length}");
        }
        // Ethernet type, hardware type, protocol, lengths, operation.
        for at in [12, 13, 14, 15, 16, 17, 18, 19, 20, 21] {
            let mut bad = good;
            bad[at] ^= 0x40;
            assert_eq!(parse(&bad), None, "{at}");
        }
    }
}
