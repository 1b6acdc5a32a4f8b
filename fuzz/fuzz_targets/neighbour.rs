//! No frame makes the readers of ARP and neighbour discovery panic: neither as it comes, nor
//! as the message of an IPv6 packet with a true head and checksum.
#![no_main]

use std::net::{IpAddr, Ipv6Addr};

use directord::kernel::neighbour::{Claim, arp, nd};
use directord::model::Mac;
use libfuzzer_sys::fuzz_target;

const MAC: Mac = Mac([0x02, 0, 0x5e, 0x10, 0x20, 0x30]);
const VIP: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x64);

/// Ethernet and IPv6 before the message, and what every message has.
const HEAD: usize = 14 + 40;
const MESSAGE_MIN: usize = 24;

/// A packet to all nodes with this message, its checksum put right (RFC 4443 §2.3).
fn sealed(message: &[u8]) -> Vec<u8> {
    let mut frame = nd::announcement(MAC, VIP, false);
    frame.truncate(HEAD);
    frame[18..20].copy_from_slice(&(message.len() as u16).to_be_bytes());
    frame.extend(message);
    if message.len() >= 4 {
        frame[HEAD + 2..HEAD + 4].fill(0);
        let odd = (message.len() % 2 == 1).then_some(0);
        let mut summed = frame[22..].to_vec();
        summed.extend(odd);
        let words = summed.chunks_exact(2);
        let mut sum = words.fold(58 + message.len(), |sum, word| {
            sum + usize::from(u16::from_be_bytes([word[0], word[1]]))
        });
        while sum > 0xffff {
            sum = (sum >> 16) + (sum & 0xffff);
        }
        frame[HEAD + 2..HEAD + 4].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }
    frame
}

fuzz_target!(|bytes: &[u8]| {
    assert!(arp::parse(bytes).is_none_or(|said| said.address.is_ipv4()));
    assert!(nd::parse(bytes).is_none_or(|said| said.address.is_ipv6()));
    let message = &bytes[..bytes.len().min(1500)];
    let said = nd::parse(&sealed(message));
    let is_known =
        message.len() >= MESSAGE_MIN && matches!(message[0], 135 | 136) && message[1] == 0;
    assert_eq!(said.is_some(), is_known);
    if let Some(said) = said
        && message[0] == 136
    {
        let target: [u8; 16] = message[8..24].try_into().expect("16 bytes");
        assert_eq!(said.address, IpAddr::from(target));
        assert_eq!(said.claim, Claim::Owner);
    }
});
