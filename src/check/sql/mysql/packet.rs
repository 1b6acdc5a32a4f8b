//! Packets of MySQL's client/server protocol, and what stands in them. Pure.

/// Longest packet that is read as a whole, in bytes.
pub(super) const PACKET_MAX: usize = 64 * 1024;

/// Bytes before the payload: length (3, little-endian) and sequence number.
pub(super) const HEAD: usize = 4;

/// A packet on the wire.
pub(super) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    // Callers keep below the 16 MiB at which a payload must be split.
    let mut bytes = (payload.len() as u32).to_le_bytes().to_vec();
    bytes[3] = sequence;
    bytes.extend_from_slice(payload);
    bytes
}

/// Length of the payload and sequence number of the packet that begins here.
pub(super) fn head(bytes: &[u8]) -> Option<(usize, u8)> {
    let [a, b, c, sequence, ..] = *bytes else {
        return None;
    };
    Some((u32::from_le_bytes([a, b, c, 0]) as usize, sequence))
}

/// Reads a payload from its beginning; what is not there is `None`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// A number of `count` bytes, at most eight, the lowest first.
    fn little(&mut self, count: usize) -> Option<u64> {
        let add = |number, byte: &u8| number << 8 | u64::from(*byte);
        Some(self.bytes(count)?.iter().rev().fold(0, add))
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        self.little(2).map(|number| number as u16)
    }

    /// A number whose first byte tells its length.
    pub(super) fn number(&mut self) -> Option<u64> {
        match self.byte()? {
            small @ 0..=0xfa => Some(u64::from(small)),
            0xfc => self.little(2),
            0xfd => self.little(3),
            0xfe => self.little(8),
            _ => None,
        }
    }

    /// A text up to a NUL.
    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let text = self.bytes(end)?;
        self.bytes(1)?;
        Some(text)
    }
}

/// What a server says first: the parts of protocol version 10 that a client needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) version: Vec<u8>,
    pub(super) capabilities: u32,
    pub(super) challenge: Vec<u8>,
    /// Login method of the server's default; empty in old servers.
    pub(super) method: Vec<u8>,
}

impl Greeting {
    /// Reads one, behind its version byte.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader(payload);
        let version = reader.text()?.to_vec();
        let _thread = reader.bytes(4)?;
        let mut challenge = reader.bytes(8)?.to_vec();
        let _filler = reader.byte()?;
        let mut capabilities = u32::from(reader.short()?);
        let mut method = &b""[..];
        if !reader.0.is_empty() {
            let _charset = reader.byte()?;
            let _status = reader.short()?;
            capabilities |= u32::from(reader.short()?) << 16;
            let length = usize::from(reader.byte()?);
            let _reserved = reader.bytes(10)?;
            challenge.extend_from_slice(reader.bytes(length.saturating_sub(8).max(13))?);
            // Old servers forget the NUL.
            method = reader.text().unwrap_or(reader.0);
        }
        Some(Self {
            version,
            capabilities,
            challenge,
            method: method.to_vec(),
        })
    }
}

/// An error of the server: its number and text, behind the byte `0xff`. The SQL state is
/// left out, since the number says more.
pub(super) fn error(payload: &[u8]) -> (u16, &[u8]) {
    let mut reader = Reader(payload);
    let code = reader.short().unwrap_or(0);
    if let [b'#', _, _, _, _, _, text @ ..] = reader.0 {
        return (code, text);
    }
    (code, reader.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_to_nine_bytes() {
        for (bytes, number) in [
            (&[250][..], Some(250)),
            (&[0xfc, 1, 2], Some(513)),
            (&[0xfd, 1, 2, 3], Some(197_121)),
            (&[0xfe, 0, 0, 0, 0, 0, 0, 0, 1], Some(1 << 56)),
            (&[0xfb], None),
            (&[0xff], None),
            (&[0xfe, 1], None),
            (&[], None),
        ] {
            assert_eq!(Reader(bytes).number(), number, "{bytes:?}");
        }
    }

    #[test]
    fn packets_carry_their_length_and_place() {
        let bytes = packet(3, &[7; 300]);
        assert_eq!(bytes[..5], [44, 1, 0, 3, 7]);
        assert_eq!(head(&bytes), Some((300, 3)));
        assert_eq!(head(&bytes[..3]), None);
    }

    #[test]
    fn errors_may_lack_the_state() {
        assert_eq!(
            error(b"\x15\x04#28000Access denied"),
            (1045, &b"Access denied"[..])
        );
        assert_eq!(
            error(b"\x10\x04Too many connections"),
            (1040, &b"Too many connections"[..])
        );
        assert_eq!(error(b""), (0, &b""[..]));
    }
}
