//! The codec on captured bytes, and the client against a scripted kernel.

mod codec;
mod peer;

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
