//! Netlink on plain bytes: attributes, message headers and the socket.
//!
//! Nothing here knows IPVS. Decoders accept any bytes without panicking and report
//! what is wrong as [`Malformed`]; numbers are in host order unless a name says `be`.

pub(crate) mod attribute;
pub(crate) mod message;
pub(crate) mod socket;

#[cfg(test)]
mod tests;

/// The bytes cannot be what the kernel sends, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Netlink pads messages and attributes to four bytes.
const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}
