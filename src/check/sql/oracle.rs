//! Oracle: what the listener says to a TNS connect packet.
//!
//! No free client exists and the login is not published, so nobody logs in and no query
//! runs; `checktype=external` with the vendor's client does that. With `database=`, a SID as in
//! ldirectord, the listener is asked for that instance; without, whether it lives, as
//! `tnsping` asks. The packets are those that Wireshark's `packet-tns.c` describes; it is
//! proven against recorded dialogues.

use std::net::SocketAddr;

use super::quoted;
use crate::check::dialogue::{Dialogue, Turn, Verdict, Words};
use crate::model::{Reason, SqlProbe};

/// Longest packet that is read, in bytes.
const PACKET_MAX: usize = 8 * 1024;

/// Most bytes of the listener's that are kept: an incomplete packet.
pub const KEPT_MAX: usize = PACKET_MAX;

/// Longest SID: connect data of more than 230 bytes would go into a packet of its own.
const NAME_MAX: usize = 100;

/// How often a listener may ask for the connect packet again.
const RESENDS_MAX: u8 = 2;

/// Bytes of a packet's head: length (2), checksum (2), type, flags, checksum (2).
const HEAD: usize = 8;

/// Types of packets.
mod kind {
    pub(super) const CONNECT: u8 = 1;
    pub(super) const ACCEPT: u8 = 2;
    pub(super) const REFUSE: u8 = 4;
    pub(super) const REDIRECT: u8 = 5;
    pub(super) const DATA: u8 = 6;
    pub(super) const RESEND: u8 = 11;
}

/// Protocol version offered, and the oldest that will do: the last one with lengths of two
/// bytes, and Oracle 8.
const VERSION: u16 = 314;
const VERSION_MIN: u16 = 300;

/// Where the connect data begin.
const DATA_OFFSET: u16 = 58;

/// The conversation with a listener.
#[derive(Debug)]
pub struct Conversation {
    connect: Vec<u8>,
    /// Whether it is asked for an instance, not for a sign of life.
    named: bool,
    resends: u8,
    /// What has come of a packet that is not complete.
    buffer: Vec<u8>,
}

impl Conversation {
    /// Makes one ready.
    ///
    /// # Errors
    ///
    /// The name cannot be one of an instance.
    pub fn new(probe: &SqlProbe) -> Result<Self, Reason> {
        let name = &probe.name;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_$#.-".contains(&byte);
        if name.len() > NAME_MAX || !name.bytes().all(plain) {
            return Err(Reason::new(format!("database=\"{name}\" cannot be a SID")));
        }
        Ok(Self {
            connect: connect(name),
            named: !name.is_empty(),
            resends: 0,
            buffer: Vec::new(),
        })
    }

    /// Bytes of the listener's that are kept at the moment.
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    fn hear(&mut self, kind: u8, content: &[u8]) -> Turn {
        match kind {
            kind::ACCEPT => {
                let verdict = Verdict::up("the listener accepts the connection");
                Turn::Over(verdict.saying(end_of_file()))
            }
            // To a handler of the instance, which the listener therefore knows.
            kind::REDIRECT => {
                let data = data(content, 2);
                let shown = Reason::new(format!("the listener redirects to {}", quoted(data)));
                Turn::Over(Verdict::up(shown.as_str()))
            }
            kind::REFUSE => Turn::Over(self.refused(data(content, 4))),
            kind::RESEND if self.resends < RESENDS_MAX => {
                self.resends += 1;
                Turn::Say(Words::open(self.connect.clone()))
            }
            kind::RESEND => stranger("the same packet wanted without end"),
            _ => stranger(&format!("a packet of type {kind}")),
        }
    }

    /// A sign of life is a refusal with the error 0.
    fn refused(&self, data: &[u8]) -> Verdict {
        let words = match code(data) {
            Some(0) if !self.named => return Verdict::up("the listener answers"),
            Some(code) => format!("ORA-{code:05}, {}", code_words(code)),
            None => "no error code".to_owned(),
        };
        Verdict::down(format!("the listener refuses: {words}: {}", quoted(data)))
    }
}

impl Dialogue for Conversation {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Say(Words::open(self.connect.clone()))
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.buffer.extend_from_slice(bytes);
        let [high, low, _, _, kind, _, _, _, ..] = *self.buffer else {
            return Turn::Listen;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if !(HEAD..=PACKET_MAX).contains(&length) {
            let shown = quoted(&self.buffer);
            return stranger(&shown);
        }
        if self.buffer.len() < length {
            return Turn::Listen;
        }
        let packet: Vec<u8> = self.buffer.drain(..length).collect();
        self.hear(kind, &packet[HEAD..])
    }

    fn end(&mut self) -> Verdict {
        Verdict::down(if self.buffer.is_empty() {
            "the listener closed without an answer"
        } else {
            "the listener closed in the middle of its answer"
        })
    }
}

fn packet(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = (HEAD + content.len()) as u16;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend([0, 0, kind, 0, 0, 0]);
    bytes.extend_from_slice(content);
    bytes
}

/// The connect packet: who is wanted, behind numbers of which only the versions, the
/// place of that text and its length matter here.
fn connect(name: &str) -> Vec<u8> {
    let wanted = if name.is_empty() {
        "(CONNECT_DATA=(COMMAND=ping))".to_owned()
    } else {
        format!(
            "(DESCRIPTION=(CONNECT_DATA=(SID={name})\
             (CID=(PROGRAM=directord)(HOST=director)(USER=directord))))"
        )
    };
    let numbers = [
        VERSION,
        VERSION_MIN,
        // Service options; sizes of session and transport data unit.
        0,
        2048,
        32_767,
        // Protocol characteristics; line turnaround; the number 1 in our byte order.
        0x7f08,
        0,
        1,
        wanted.len() as u16,
        DATA_OFFSET,
    ];
    let mut content: Vec<u8> = numbers.into_iter().flat_map(u16::to_be_bytes).collect();
    // Connect data that may come back, flags, traces: none.
    content.resize(usize::from(DATA_OFFSET) - HEAD, 0);
    content.extend_from_slice(wanted.as_bytes());
    packet(kind::CONNECT, &content)
}

/// The goodbye of an accepted connection: data with the flag "end of file".
fn end_of_file() -> Vec<u8> {
    packet(kind::DATA, &[0, 0x40])
}

/// The data of a packet, behind reasons and their length. They reach to its end.
fn data(content: &[u8], at: usize) -> &[u8] {
    content.get(at..).unwrap_or_default()
}

/// The number behind `(CODE=` or else `(ERR=`.
fn code(data: &[u8]) -> Option<u32> {
    [&b"(CODE="[..], b"(ERR="].into_iter().find_map(|key| {
        let at = data.windows(key.len()).position(|window| window == key)?;
        let digits = data[at + key.len()..].split(|byte| *byte == b')').next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

/// The errors of listeners in words.
fn code_words(code: u32) -> &'static str {
    match code {
        1153 => "connect packet not understood",
        1169 => "the client is not allowed",
        12500 => "the listener could not start a server process",
        12504 => "no service named",
        12505 => "SID unknown",
        12514 => "service unknown",
        12516 | 12519 => "no handler free",
        12518 => "the listener could not hand the client over",
        12520 => "no handler of the kind",
        12521 => "instance unknown",
        12523 => "no instance that serves",
        12525 => "the request came too late",
        12526 => "all instances are restricted",
        12527 => "all instances are restricted or blocked",
        12528 => "all instances are blocked",
        12529 => "no connection by rule",
        12537 => "connection closed",
        12547 => "connection lost",
        _ => "error of the listener",
    }
}

fn stranger(what: &str) -> Turn {
    Turn::Over(Verdict::down(format!(
        "not an answer of an Oracle listener: {what}"
    )))
}

#[cfg(test)]
mod tests;
