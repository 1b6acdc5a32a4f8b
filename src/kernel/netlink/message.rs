//! Netlink messages: the 16-byte header, and what a datagram from the kernel holds
//! (`include/uapi/linux/netlink.h`, `struct nlmsghdr`).

use nix::errno::Errno;

use super::attribute::Writer;
use super::{Malformed, aligned};

/// Length of the netlink header in bytes.
const HEADER: usize = 16;
/// Length of the generic netlink header after it: command, version, two reserved bytes.
const GENERIC_HEADER: usize = 4;

/// `NLM_F_REQUEST`.
pub(crate) const REQUEST: u16 = 0x001;
/// `NLM_F_ACK`: answer even when all went well.
pub(crate) const ACK: u16 = 0x004;
/// `NLM_F_DUMP`.
pub(crate) const DUMP: u16 = 0x300;
/// `NLM_F_DUMP_INTR`: what was dumped changed meanwhile.
const DUMP_INTERRUPTED: u16 = 0x010;

const TYPE_NOOP: u16 = 1;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;
const TYPE_OVERRUN: u16 = 4;

/// What identifies a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// Id of the generic netlink family.
    pub(crate) family: u16,
    /// `NLM_F_*`.
    pub(crate) flags: u16,
    /// Repeated in every answer.
    pub(crate) sequence: u32,
    /// Command of the family.
    pub(crate) command: u8,
    /// Version of the family.
    pub(crate) version: u8,
}

/// Appends a generic netlink request to `buffer` and returns where it starts.
pub(crate) fn append(
    buffer: &mut Vec<u8>,
    header: Header,
    attributes: impl FnOnce(&mut Writer<'_>),
) -> usize {
    let start = buffer.len();
    buffer.extend([0; 4]);
    buffer.extend(header.family.to_ne_bytes());
    buffer.extend(header.flags.to_ne_bytes());
    buffer.extend(header.sequence.to_ne_bytes());
    buffer.extend([0; 4]); // port: the kernel fills in the socket's own
    buffer.extend([header.command, header.version, 0, 0]);
    attributes(&mut Writer(buffer));
    let length = u32::try_from(buffer.len() - start).expect("a request is below 64 KiB");
    buffer[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    start
}

/// Adds flags to the request that [`append`] put at `start`.
pub(crate) fn add_flags(buffer: &mut [u8], start: usize, flags: u16) {
    let field = &mut buffer[start + 6..start + 8];
    let all = u16::from_ne_bytes([field[0], field[1]]) | flags;
    field.copy_from_slice(&all.to_ne_bytes());
}

/// Sets the sequence number of the request that [`append`] put at `start`.
pub(crate) fn set_sequence(buffer: &mut [u8], start: usize, sequence: u32) {
    buffer[start + 8..start + 12].copy_from_slice(&sequence.to_ne_bytes());
}

/// An answer of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Message<'a> {
    /// Sequence number of the request.
    pub(crate) sequence: u32,
    /// The kernel noticed that the dumped objects changed meanwhile.
    pub(crate) interrupted: bool,
    /// The rest.
    pub(crate) content: Content<'a>,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// The request was carried out.
    Acknowledged,
    /// The request was refused.
    Refused(Errno),
    /// A dump is complete.
    Done,
    /// Answers were lost.
    Overrun,
    /// Nothing.
    Noop,
    /// Attributes of the family's answer, its command before them.
    Data(u8, &'a [u8]),
}

/// The messages of one datagram, in order. Ends after the first malformed one.
#[derive(Debug, Clone)]
pub(crate) struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(crate) fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let message = self.rest;
        let length = message
            .first_chunk()
            .map_or(0, |bytes| u32::from_ne_bytes(*bytes) as usize);
        let Some((header, payload)) = message
            .get(..length)
            .and_then(|message| message.split_first_chunk::<HEADER>())
        else {
            self.rest = &[];
            return Some(Err(Malformed("a message longer than its datagram")));
        };
        self.rest = message.get(aligned(length)..).unwrap_or_default();
        let &[_, _, _, _, t0, t1, f0, f1, s0, s1, s2, s3, ..] = header;
        let kind = u16::from_ne_bytes([t0, t1]);
        let flags = u16::from_ne_bytes([f0, f1]);
        Some(content(kind, payload).map(|content| Message {
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            interrupted: flags & DUMP_INTERRUPTED != 0,
            content,
        }))
    }
}

fn content(kind: u16, payload: &[u8]) -> Result<Content<'_>, Malformed> {
    let short = Malformed("a message shorter than its type");
    let code = || payload.first_chunk().map(|code| i32::from_ne_bytes(*code));
    Ok(match kind {
        TYPE_NOOP => Content::Noop,
        TYPE_OVERRUN => Content::Overrun,
        TYPE_ERROR => match code().ok_or(short)? {
            0 => Content::Acknowledged,
            code => Content::Refused(errno(code)),
        },
        TYPE_DONE => match code().unwrap_or(0) {
            0 => Content::Done,
            code => Content::Refused(errno(code)),
        },
        _ => {
            let (header, attributes) =
                payload.split_first_chunk::<GENERIC_HEADER>().ok_or(short)?;
            Content::Data(header[0], attributes)
        }
    })
}

/// The kernel sends errors negated.
fn errno(code: i32) -> Errno {
    Errno::from_raw(code.wrapping_neg())
}
