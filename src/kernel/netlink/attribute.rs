//! Netlink attributes: a length, a type and a payload, padded to four bytes
//! (`include/uapi/linux/netlink.h`, `struct nlattr`).

use super::{Malformed, aligned};

/// Length of an attribute's header in bytes.
const HEADER: usize = 4;
/// The two high bits of a type are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const TYPE_MASK: u16 = 0x3fff;
const NESTED: u16 = 0x8000;

/// One attribute of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attribute<'a> {
    /// Type without the flag bits.
    pub(crate) kind: u16,
    payload: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// The payload as it is.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.payload
    }

    /// The attributes inside a nest. The kernel does not set `NLA_F_NESTED` on
    /// replies, so the flag is not asked for.
    pub(crate) fn nest(&self) -> Attributes<'a> {
        Attributes::new(self.payload)
    }

    /// An 8-bit number.
    pub(crate) fn u8(&self) -> Result<u8, Malformed> {
        self.prefix().map(u8::from_ne_bytes)
    }

    /// A 16-bit number in host order.
    pub(crate) fn u16(&self) -> Result<u16, Malformed> {
        self.prefix().map(u16::from_ne_bytes)
    }

    /// A 16-bit number in network order.
    pub(crate) fn u16_be(&self) -> Result<u16, Malformed> {
        self.prefix().map(u16::from_be_bytes)
    }

    /// A 32-bit number in host order.
    pub(crate) fn u32(&self) -> Result<u32, Malformed> {
        self.prefix().map(u32::from_ne_bytes)
    }

    /// A counter of 32 or 64 bits, whichever the payload holds.
    pub(crate) fn counter(&self) -> Result<u64, Malformed> {
        if self.payload.len() < 8 {
            self.u32().map(u64::from)
        } else {
            self.prefix().map(u64::from_ne_bytes)
        }
    }

    /// Text up to the first NUL.
    pub(crate) fn string(&self) -> Result<&'a str, Malformed> {
        let text = self
            .payload
            .split(|&byte| byte == 0)
            .next()
            .unwrap_or_default();
        std::str::from_utf8(text).map_err(|_| Malformed("text that is not UTF-8"))
    }

    /// The first `N` bytes; a longer payload is accepted as the kernel accepts it.
    pub(crate) fn prefix<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.payload
            .first_chunk()
            .copied()
            .ok_or(Malformed("an attribute shorter than its type"))
    }
}

/// The attributes in a payload, in order. Ends after the first malformed one.
#[derive(Debug, Clone)]
pub(crate) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// The first attribute of a type.
    pub(crate) fn find(mut self, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
        self.find_map(|attribute| match attribute {
            Ok(attribute) if attribute.kind != kind => None,
            other => Some(other),
        })
        .transpose()
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let &[l0, l1, t0, t1, ..] = self.rest else {
            return None;
        };
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let Some(payload) = self.rest.get(HEADER..length) else {
            self.rest = &[];
            return Some(Err(Malformed("an attribute longer than its message")));
        };
        self.rest = self.rest.get(aligned(length)..).unwrap_or_default();
        Some(Ok(Attribute {
            kind: u16::from_ne_bytes([t0, t1]) & TYPE_MASK,
            payload,
        }))
    }
}

/// Appends attributes to a message under construction.
///
/// Payloads are short: whoever writes text has bounded its length before.
#[derive(Debug)]
pub(crate) struct Writer<'a>(pub(crate) &'a mut Vec<u8>);

impl Writer<'_> {
    /// An attribute with this payload.
    pub(crate) fn bytes(&mut self, kind: u16, payload: &[u8]) {
        self.0.extend(length_of(payload.len()).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(payload);
        self.pad();
    }

    /// An 8-bit number.
    pub(crate) fn u8(&mut self, kind: u16, value: u8) {
        self.bytes(kind, &[value]);
    }

    /// A 16-bit number in host order.
    pub(crate) fn u16(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// A 16-bit number in network order.
    pub(crate) fn u16_be(&mut self, kind: u16, value: u16) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// A 32-bit number in host order.
    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_ne_bytes());
    }

    /// Text with the NUL the kernel insists on.
    pub(crate) fn string(&mut self, kind: u16, text: &str) {
        self.0.extend(length_of(text.len() + 1).to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(text.as_bytes());
        self.0.push(0);
        self.pad();
    }

    /// A nest with what `inner` writes.
    pub(crate) fn nest(&mut self, kind: u16, inner: impl FnOnce(&mut Writer<'_>)) {
        let start = self.0.len();
        self.0.extend([0, 0]);
        self.0.extend((kind | NESTED).to_ne_bytes());
        inner(&mut Writer(self.0));
        let length = length_of(self.0.len() - start - HEADER);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
    }

    fn pad(&mut self) {
        self.0.resize(aligned(self.0.len()), 0);
    }
}

/// Length field of an attribute with a payload of this many bytes.
fn length_of(payload: usize) -> u16 {
    u16::try_from(payload + HEADER).expect("payloads are bounded to a few hundred bytes")
}
