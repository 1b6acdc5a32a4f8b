//! Neighbour discovery (RFC 4861) as a director uses it: unsolicited advertisements
//! (§7.2.6), solicitations as duplicate detection sends them (RFC 4862 §5.4.2) and what
//! others say. Whole Ethernet frames, since the sender's MAC matters.

use std::net::Ipv6Addr;

use super::{Claim, Mac, Said};

/// Ethernet type of IPv6.
pub(super) const ETHERTYPE: u16 = 0x86dd;

const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;

/// Flags of an advertisement, in its first byte after the checksum.
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;

/// Option "target link-layer address".
const TARGET_ADDRESS: u8 = 2;

/// A packet with another hop limit came through a router and is not to be believed
/// (RFC 4861 §7.1).
const HOP_LIMIT: u8 = 255;

const ETHERNET: usize = 14;
const IPV6: usize = 40;
/// Type, code, checksum, flags and target of both messages.
const MESSAGE: usize = 24;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Says to all nodes that an address is at a MAC, whatever they knew. `router` says that
/// this host forwards: without it, nodes that use the address as a router stop to.
pub fn announcement(mac: Mac, address: Ipv6Addr, router: bool) -> Vec<u8> {
    let flags = OVERRIDE | if router { ROUTER } else { 0 };
    let mut message = vec![ADVERTISEMENT, 0, 0, 0, flags, 0, 0, 0];
    message.extend(address.octets());
    message.extend([TARGET_ADDRESS, 1]);
    message.extend(mac.0);
    frame(mac, address, ALL_NODES, &message)
}

/// A question that changes nobody's cache: its sender has no address. The owner answers
/// to all nodes.
pub fn probe(mac: Mac, address: Ipv6Addr) -> Vec<u8> {
    let [.., a, b, c] = address.octets();
    let low = u16::from_be_bytes([b, c]);
    let solicited = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low);
    let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
    message.extend(address.octets());
    frame(mac, Ipv6Addr::UNSPECIFIED, solicited, &message)
}

/// A multicast packet as a frame, with the checksum of the message filled in.
fn frame(mac: Mac, source: Ipv6Addr, group: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let [.., a, b, c, d] = group.octets();
    let length = (message.len() as u16).to_be_bytes();
    let mut frame = vec![0x33, 0x33, a, b, c, d];
    frame.extend(mac.0);
    frame.extend(ETHERTYPE.to_be_bytes());
    frame.extend([0x60, 0, 0, 0, length[0], length[1], ICMPV6, HOP_LIMIT]);
    frame.extend(source.octets());
    frame.extend(group.octets());
    frame.extend(message);
    let sum = checksum(source, group, message).to_be_bytes();
    frame[ETHERNET + IPV6 + 2] = sum[0];
    frame[ETHERNET + IPV6 + 3] = sum[1];
    frame
}

/// The `ICMPv6` checksum (RFC 4443 §2.3) over pseudo header and message; 0 when the message
/// carries a right one.
fn checksum(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> u16 {
    let pseudo = [source.octets(), destination.octets()].concat();
    let words = pseudo.chunks(2).chain(message.chunks(2));
    let sum = words.fold(message.len() as u64 + u64::from(ICMPV6), |sum, word| {
        let low = word.get(1).copied().unwrap_or(0);
        sum + u64::from(u16::from_be_bytes([word[0], low]))
    });
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded >> 16) + (folded & 0xffff);
    }
    !(folded as u16)
}

/// What a frame says about an address; `None` for what is no valid solicitation or
/// advertisement (RFC 4861 §7.1). Padding may follow.
pub fn parse(frame: &[u8]) -> Option<Said> {
    let (ethernet, packet) = frame.split_at_checked(ETHERNET)?;
    let (header, rest) = packet.split_at_checked(IPV6)?;
    if ethernet[12..14] != ETHERTYPE.to_be_bytes()
        || header[0] >> 4 != 6
        || header[6..8] != [ICMPV6, HOP_LIMIT]
    {
        return None;
    }
    let address = |bytes: &[u8]| Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?));
    let (source, destination) = (address(&header[8..24])?, address(&header[24..40])?);
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let message = rest
        .get(..length)
        .filter(|message| message.len() >= MESSAGE)?;
    if message[1] != 0 || checksum(source, destination, message) != 0 {
        return None;
    }
    let sender = Mac(ethernet[6..12].try_into().ok()?);
    let target = address(&message[8..24])?;
    let (address, mac, claim) = match message[0] {
        ADVERTISEMENT => {
            let mac = target_mac(&message[MESSAGE..]).unwrap_or(sender);
            (target, mac, Claim::Owner)
        }
        SOLICITATION if source.is_unspecified() => (target, sender, Claim::Probe),
        SOLICITATION => (source, sender, Claim::Owner),
        _ => return None,
    };
    Some(Said {
        address: address.into(),
        mac,
        claim,
    })
}

/// The MAC in an advertisement's options. One of length 0 ends the search.
fn target_mac(mut options: &[u8]) -> Option<Mac> {
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units) * 8)?;
        if kind == TARGET_ADDRESS {
            return Some(Mac(option.get(2..8)?.try_into().ok()?));
        }
        if option.is_empty() {
            return None;
        }
        options = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: Mac = Mac([0x02, 0, 0x5e, 0x10, 0x20, 0x30]);
    const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// The checksums were computed by another program; `tcpdump -vv` says "icmp6 sum ok".
    #[test]
    fn golden_frames() {
        assert_eq!(
            hex(&announcement(MAC, VIP, false)),
            concat!(
                "33330000000102005e10203086dd",
                "6000000000203aff",
                "20010db8000000000000000000123456",
                "ff020000000000000000000000000001",
                "8800121d",
                "20000000",
                "20010db8000000000000000000123456",
                "020102005e102030"
            )
        );
        assert_eq!(
            hex(&probe(MAC, VIP)),
            concat!(
                "3333ff12345602005e10203086dd",
                "6000000000183aff",
                "00000000000000000000000000000000",
                "ff0200000000000000000001ff123456",
                "8700e41e",
                "00000000",
                "20010db8000000000000000000123456"
            )
        );
        assert_eq!(announcement(MAC, VIP, true)[ETHERNET + IPV6 + 4], 0xa0);
    }

    fn said(claim: Claim) -> Said {
        Said {
            address: VIP.into(),
            mac: MAC,
            claim,
        }
    }

    #[test]
    fn owners_and_rivals_are_told_apart() {
        assert_eq!(
            parse(&announcement(MAC, VIP, true)),
            Some(said(Claim::Owner))
        );
        assert_eq!(parse(&probe(MAC, VIP)), Some(said(Claim::Probe)));
        let mut padded = announcement(MAC, VIP, false);
        padded.extend([0; 20]);
        assert_eq!(parse(&padded), Some(said(Claim::Owner)));
        // Somebody who resolves a neighbour in the name of the address.
        let mut message = vec![SOLICITATION, 0, 0, 0, 0, 0, 0, 0];
        message.extend(Ipv6Addr::LOCALHOST.octets());
        assert_eq!(
            parse(&frame(MAC, VIP, ALL_NODES, &message)),
            Some(said(Claim::Owner))
        );
    }

    #[test]
    fn the_mac_of_the_option_counts() {
        let other = Mac([2, 0, 0, 0, 0, 9]);
        let mut message = vec![ADVERTISEMENT, 0, 0, 0, 0, 0, 0, 0];
        message.extend(VIP.octets());
        let bare = frame(MAC, VIP, ALL_NODES, &message);
        assert_eq!(parse(&bare), Some(said(Claim::Owner)));
        message.extend([14, 1, 0, 0, 0, 0, 0, 0, TARGET_ADDRESS, 1]);
        message.extend(other.0);
        let heard = parse(&frame(MAC, VIP, ALL_NODES, &message)).unwrap();
        assert_eq!(heard.mac, other);
    }

    #[test]
    fn other_frames_say_nothing() {
        let good = announcement(MAC, VIP, false);
        for length in 0..good.len() {
            assert_eq!(parse(&good[..length]), None, "{length}");
        }
        // Any bit but those of the Ethernet header, traffic class and flow label.
        for at in (12..good.len()).filter(|at| !(15..18).contains(at)) {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                // The low half of the version byte is traffic class as well.
                if at == ETHERNET && bit < 4 {
                    continue;
                }
                assert_eq!(parse(&bad), None, "{at} {bit}");
            }
        }
        // Options that do not add up.
        for options in [
            &[TARGET_ADDRESS, 0][..],
            &[2, 9, 1, 1, 1, 1, 1, 1],
            &[14],
            &[14, 0],
        ] {
            assert_eq!(target_mac(options), None);
        }
    }
}
