//! The packets of a path check: a TCP connection request and its reset (RFC 9293), and the
//! ARP question whether a server speaks up for the virtual address (RFC 826, RFC 5227).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::model::Mac;

const TCP: u8 = 6;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Length of an IPv4 header without options, and of an IPv6 header.
const IPV4: usize = 20;
const IPV6: usize = 40;
/// Length of a TCP header without options.
const SEGMENT: usize = 20;

/// Hop limit of what is sent to the virtual address: a server that has it takes the packet,
/// one that has not and forwards must not send it on, to the active director for example,
/// which would answer in its place.
const HOPS: u8 = 1;

/// One attempt: who asks for a connection, with what, and how it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Address and port of this host. Same family as `service`.
    pub(super) from: SocketAddr,
    /// Virtual address and port.
    pub(super) service: SocketAddr,
    /// Initial sequence number; an answer must acknowledge it.
    pub(super) sequence: u32,
}

/// What a server says to a connection request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// It takes the connection.
    Accepted,
    /// Nobody listens.
    Refused,
}

impl Attempt {
    /// The connection request as an IP packet.
    pub(super) fn request(&self) -> Vec<u8> {
        // Maximum segment size 1460, as everybody names one.
        self.packet(self.sequence, SYN, &[2, 4, 0x05, 0xb4])
    }

    /// What ends the connection on the server, as an IP packet.
    pub(super) fn reset(&self) -> Vec<u8> {
        self.packet(self.sequence.wrapping_add(1), RST, &[])
    }

    fn packet(&self, sequence: u32, flags: u8, options: &[u8]) -> Vec<u8> {
        let words = ((SEGMENT + options.len()) / 4) as u8;
        let mut segment = Vec::with_capacity(SEGMENT + options.len());
        segment.extend(self.from.port().to_be_bytes());
        segment.extend(self.service.port().to_be_bytes());
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 0, words << 4, flags]);
        // Window; checksum and urgent pointer.
        segment.extend(0xffff_u16.to_be_bytes());
        segment.extend([0, 0, 0, 0]);
        segment.extend(options);
        let sum = segment_checksum(self.from.ip(), self.service.ip(), &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        let mut packet = header(self.from.ip(), self.service.ip(), segment.len() as u16);
        packet.extend(segment);
        packet
    }

    /// What a received IP packet answers; `None` when it is something else.
    pub(super) fn answer(&self, packet: &[u8]) -> Option<Answer> {
        let (source, destination, segment) = open(packet)?;
        let fixed: &[u8; SEGMENT] = segment.first_chunk()?;
        let port = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
        let acknowledged = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
        let is_ours = SocketAddr::new(source, port(0)) == self.service
            && SocketAddr::new(destination, port(2)) == self.from
            && acknowledged == self.sequence.wrapping_add(1);
        match fixed[13] & (SYN | RST | ACK) {
            flags if flags == SYN | ACK && is_ours => Some(Answer::Accepted),
            flags if flags == RST | ACK && is_ours => Some(Answer::Refused),
            _ => None,
        }
    }
}

/// An IP header for a TCP segment of this length.
fn header(from: IpAddr, to: IpAddr, length: u16) -> Vec<u8> {
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (from, to) {
        let mut header = vec![0x45, 0];
        header.extend((length + IPV4 as u16).to_be_bytes());
        // Not to be fragmented; hop limit and protocol; checksum.
        header.extend([0, 0, 0x40, 0, HOPS, TCP, 0, 0]);
        header.extend(from.octets());
        header.extend(to.octets());
        let sum = checksum(&[&header]).to_be_bytes();
        header[10..12].copy_from_slice(&sum);
        return header;
    }
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(length.to_be_bytes());
    header.extend([TCP, HOPS]);
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => header.extend(address.to_ipv6_mapped().octets()),
            IpAddr::V6(address) => header.extend(address.octets()),
        }
    }
    header
}

/// Source, destination and segment of an IP packet that carries TCP; no fragments, no IPv6
/// extension headers: an answer to a connection request has neither.
fn open(packet: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    match packet.first()? >> 4 {
        4 => {
            let header: &[u8; IPV4] = packet.first_chunk()?;
            let length = usize::from(header[0] & 15) * 4;
            let is_fragment = header[6] & 0x3f != 0 || header[7] != 0;
            if header[9] != TCP || is_fragment || length < IPV4 {
                return None;
            }
            let address = |at: usize| {
                let bytes: [u8; 4] = header[at..at + 4].try_into().ok()?;
                Some(IpAddr::from(bytes))
            };
            Some((address(12)?, address(16)?, packet.get(length..)?))
        }
        6 => {
            let (header, segment) = packet.split_first_chunk::<IPV6>()?;
            let address = |at: usize| {
                let bytes: [u8; 16] = header[at..at + 16].try_into().ok()?;
                Some(IpAddr::from(bytes))
            };
            (header[6] == TCP).then_some((address(8)?, address(24)?, segment))
        }
        _ => None,
    }
}

/// The TCP checksum over pseudo header and segment (RFC 9293 §3.1, RFC 8200 §8.1).
fn segment_checksum(from: IpAddr, to: IpAddr, segment: &[u8]) -> u16 {
    // The length and protocol add up alike in both forms of the pseudo header.
    let rest = [0, TCP, (segment.len() >> 8) as u8, segment.len() as u8];
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            checksum(&[&from.octets(), &to.octets(), &rest, segment])
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            checksum(&[&from.octets(), &to.octets(), &rest, segment])
        }
        _ => 0,
    }
}

/// The Internet checksum (RFC 1071) over parts, each of which but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let sum = words.fold(0_u64, |sum, word| {
        let low = word.get(1).copied().unwrap_or(0);
        sum + u64::from(u16::from_be_bytes([word[0], low]))
    });
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded >> 16) + (folded & 0xffff);
    }
    !(folded as u16)
}

/// Ethernet types.
pub(super) const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;

/// An IP packet as an Ethernet frame.
pub(super) fn frame(from: Mac, to: Mac, packet: &[u8]) -> Vec<u8> {
    let is_ipv6 = packet.first().is_some_and(|first| first >> 4 == 6);
    let kind = if is_ipv6 {
        ETHERTYPE_IPV6
    } else {
        ETHERTYPE_IPV4
    };
    [&to.0[..], &from.0, &kind.to_be_bytes(), packet].concat()
}

/// Hardware type Ethernet, protocol type IPv4, and their address lengths.
const ETHERNET_IPV4: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Asks one host alone whether it has an address, in nobody's name: no cache changes, and
/// nobody else hears it.
pub(super) fn arp_question(from: Mac, to: Mac, address: Ipv4Addr) -> Vec<u8> {
    [
        &to.0[..],
        &from.0,
        &ETHERTYPE_ARP.to_be_bytes(),
        &ETHERNET_IPV4,
        &[0, 1],
        &from.0,
        &[0; 4],
        &[0; 6],
        &address.octets(),
    ]
    .concat()
}

/// Whether an ARP packet (without its Ethernet header) says that `address` is at `mac`.
pub(super) fn claims(packet: &[u8], mac: Mac, address: Ipv4Addr) -> bool {
    packet.get(..6) == Some(&ETHERNET_IPV4)
        && packet.get(6..8) == Some(&[0, 2])
        && packet.get(8..14) == Some(&mac.0)
        && packet.get(14..18) == Some(&address.octets())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ATTEMPT: [(&str, &str); 2] = [
        ("192.0.2.11:40000", "192.0.2.100:80"),
        ("[2001:db8::11]:40000", "[2001:db8::100]:80"),
    ];

    fn attempt((from, service): (&str, &str)) -> Attempt {
        Attempt {
            from: from.parse().unwrap(),
            service: service.parse().unwrap(),
            sequence: 0x0102_0304,
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes
            .iter()
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    /// What a server would say: the same with both ends exchanged.
    fn said(attempt: &Attempt, flags: u8, acknowledged: u32) -> Vec<u8> {
        let server = Attempt {
            from: attempt.service,
            service: attempt.from,
            sequence: 9,
        };
        let mut packet = server.packet(9, flags, &[]);
        let at = packet.len() - SEGMENT + 8;
        packet[at..at + 4].copy_from_slice(&acknowledged.to_be_bytes());
        packet
    }

    /// A packet whose checksums are right adds up to nothing.
    fn adds_up(attempt: &Attempt, packet: &[u8]) -> bool {
        let (source, destination, segment) = open(packet).unwrap();
        let is_ipv4 = packet[0] >> 4 == 4;
        (source, destination) == (attempt.from.ip(), attempt.service.ip())
            && segment_checksum(source, destination, segment) == 0
            && (!is_ipv4 || checksum(&[&packet[..IPV4]]) == 0)
    }

    #[test]
    fn requests_and_resets_are_right() {
        for pair in ATTEMPT {
            let attempt = attempt(pair);
            for packet in [attempt.request(), attempt.reset()] {
                assert!(adds_up(&attempt, &packet), "{}", hex(&packet));
                let mut bad = packet.clone();
                *bad.last_mut().unwrap() ^= 1;
                assert!(!adds_up(&attempt, &bad));
            }
        }
    }

    /// Written by another program from the RFCs.
    #[test]
    fn golden_packets() {
        assert_eq!(
            hex(&attempt(ATTEMPT[0]).request()),
            concat!(
                "4500002c000040000106f55cc000020bc0000264",
                "9c40005001020304000000006002ffff73200000020405b4"
            )
        );
        assert_eq!(
            hex(&attempt(ATTEMPT[1]).reset()),
            concat!(
                "600000000014060120010db800000000000000000000001120010db8000000000000000000000100",
                "9c40005001020305000000005004ffffb2c60000"
            )
        );
    }

    #[test]
    fn only_the_own_answer_counts() {
        for pair in ATTEMPT {
            let attempt = attempt(pair);
            let next = attempt.sequence + 1;
            let verdict = |flags, number| attempt.answer(&said(&attempt, flags, number));
            assert_eq!(verdict(SYN | ACK, next), Some(Answer::Accepted));
            assert_eq!(verdict(RST | ACK, next), Some(Answer::Refused));
            assert_eq!(verdict(SYN | ACK, next + 1), None, "another attempt");
            assert_eq!(verdict(RST, next), None);
            assert_eq!(verdict(ACK, next), None);
            assert_eq!(attempt.answer(&attempt.request()), None, "the own request");
            let good = said(&attempt, SYN | ACK, next);
            for length in 0..good.len() {
                assert_eq!(attempt.answer(&good[..length]), None, "{length}");
            }
            let other = Attempt {
                from: SocketAddr::new(attempt.from.ip(), 40001),
                ..attempt
            };
            assert_eq!(other.answer(&good), None);
        }
    }

    #[test]
    fn a_claim_is_told_from_other_arp_packets() {
        let (own, server) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let address = Ipv4Addr::new(192, 0, 2, 100);
        let question = arp_question(own, server, address);
        assert_eq!(question.len(), 42);
        assert!(!claims(&question[14..], own, address));
        let mut reply = question[14..].to_vec();
        reply[7] = 2;
        reply[8..14].copy_from_slice(&server.0);
        reply[14..18].copy_from_slice(&address.octets());
        assert!(claims(&reply, server, address));
        assert!(!claims(&reply, own, address));
        for length in 0..18 {
            assert!(!claims(&reply[..length], server, address), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = attempt(ATTEMPT[0]).answer(&bytes);
            let _ = attempt(ATTEMPT[1]).answer(&bytes);
        }
    }
}
