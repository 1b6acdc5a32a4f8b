//! The codec on captured bytes, and the client against a scripted kernel.

#[cfg(target_endian = "little")]
mod captured;
mod peer;
mod properties;

use super::abi;
use crate::kernel::netlink::attribute::{Attributes, Writer};
use crate::kernel::netlink::message::{self, Header};

/// A captured payload, generic netlink header included.
fn capture(name: &str) -> Vec<u8> {
    let hex = include_str!("captures.txt")
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap_or_else(|| panic!("no capture named {name}"));
    bytes(hex)
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

/// A request without its netlink header.
fn encoded(command: u8, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let header = Header {
        family: 28,
        flags: message::REQUEST,
        sequence: 1,
        command,
        version: abi::VERSION,
    };
    let mut bytes = Vec::new();
    message::append(&mut bytes, header, body);
    bytes.split_off(16)
}

/// The attributes after the generic netlink header.
fn attributes(payload: &[u8]) -> Attributes<'_> {
    Attributes::new(&payload[4..])
}
