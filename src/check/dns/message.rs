//! DNS messages (RFC 1035 §4): questions written, answers read.
//!
//! A message is at most 64 KiB; of it, the records of the answer section are read, at most
//! [`RECORDS_MAX`], and nothing is allocated for what is not there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::DnsKind as Kind;

/// Longest name on the wire, in bytes (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;

/// Longest label, in bytes.
const LABEL_MAX: usize = 63;

/// Compression pointers that are followed for one name: more than labels it can have.
const POINTERS_MAX: usize = 128;

/// Records of an answer that are read.
pub(super) const RECORDS_MAX: usize = 1024;

/// The Internet.
const CLASS_IN: u16 = 1;

/// A domain name as on the wire, without compression: labels behind their lengths, the
/// last one empty.
#[derive(Debug, Clone)]
pub(super) struct Name(Vec<u8>);

impl Name {
    /// Reads a name as people write it, with or without the last dot, which alone is the
    /// root. `None`: it is none.
    pub(super) fn read(text: &str) -> Option<Self> {
        if text == "." {
            return Some(Self(vec![0]));
        }
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        for label in text.split('.') {
            if label.is_empty() || label.len() > LABEL_MAX {
                return None;
            }
            wire.push(label.len() as u8);
            wire.extend_from_slice(label.as_bytes());
        }
        wire.push(0);
        (wire.len() <= NAME_MAX).then_some(Self(wire))
    }

    /// The name under which the name of an address is found (RFC 1035 §3.5, RFC 3596 §2.5).
    pub(super) fn reverse(address: IpAddr) -> Self {
        let text = match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let octets = v6.octets();
                let mut text = String::with_capacity(72);
                for nibble in octets.iter().rev().flat_map(|o| [o & 15, o >> 4]) {
                    text += &format!("{nibble:x}.");
                }
                text + "ip6.arpa"
            }
        };
        Self::read(&text).expect("short labels of digits, 72 bytes at most")
    }
}

/// Letters of either case are the same (RFC 1035 §2.3.3); lengths are below all letters.
impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

/// As in zone files (RFC 1035 §5.1), without the last dot unless it is all there is.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == [0] {
            return f.write_str(".");
        }
        let mut rest = &self.0[..];
        let mut is_first = true;
        while let Some((&length, after)) = rest.split_first()
            && length > 0
        {
            let (label, others) = after.split_at(usize::from(length));
            if !is_first {
                f.write_str(".")?;
            }
            is_first = false;
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    byte if byte.is_ascii_graphic() => write!(f, "{}", char::from(byte))?,
                    byte => write!(f, "\\{byte:03}")?,
                }
            }
            rest = others;
        }
        Ok(())
    }
}

/// The type on the wire (RFC 1035 §3.2.2, RFC 3596 §2.1, RFC 2782).
fn number_of(kind: Kind) -> u16 {
    match kind {
        Kind::A => 1,
        Kind::Ns => 2,
        Kind::Cname => 5,
        Kind::Soa => 6,
        Kind::Ptr => 12,
        Kind::Mx => 15,
        Kind::Txt => 16,
        Kind::Aaaa => 28,
        Kind::Srv => 33,
    }
}

/// A standard query that asks for recursion.
pub(super) fn query(id: u16, name: &Name, kind: Kind) -> Vec<u8> {
    const RECURSION_DESIRED: u16 = 0x0100;
    let mut message = Vec::with_capacity(12 + name.0.len() + 4);
    for field in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(field.to_be_bytes());
    }
    message.extend_from_slice(&name.0);
    message.extend(number_of(kind).to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message
}

/// What is looked at of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    /// The answer did not fit.
    pub(super) truncated: bool,
    /// RCODE (RFC 1035 §4.1.1): 0 is no error.
    pub(super) code: u8,
    /// Name, type and class; not there in some errors.
    question: Option<(Name, u16, u16)>,
    /// Records of the type that was asked for, as text.
    pub(super) values: Vec<String>,
}

impl Answer {
    /// Whether this question is answered. An error need not repeat it.
    pub(super) fn is_for(&self, name: &Name, kind: Kind) -> bool {
        match &self.question {
            Some((asked, number, class)) => {
                asked == name && *number == number_of(kind) && *class == CLASS_IN
            }
            None => self.code != 0,
        }
    }
}

/// The bytes are no answer: something is cut off or impossible.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Identifier of a message that is a response.
pub(super) fn response_id(message: &[u8]) -> Option<u16> {
    const RESPONSE: u16 = 0x8000;
    let mut reader = Reader::new(message);
    let id = reader.number().ok()?;
    let flags = reader.number().ok()?;
    (flags & RESPONSE != 0).then_some(id)
}

/// Reads a response, with the values of one type. Of a truncated one only the head counts.
pub(super) fn read(message: &[u8], kind: Kind) -> Result<Answer, Malformed> {
    const TRUNCATED: u16 = 0x0200;
    let mut reader = Reader::new(message);
    let _id = reader.number()?;
    let flags = reader.number()?;
    let [questions, answers, _authorities, _additional] = [
        reader.number()?,
        reader.number()?,
        reader.number()?,
        reader.number()?,
    ];
    let question = match questions {
        0 => None,
        1 => Some((reader.name()?, reader.number()?, reader.number()?)),
        _ => return Err(Malformed),
    };
    let truncated = flags & TRUNCATED != 0;
    let mut values = Vec::new();
    let looked_at = if truncated { 0 } else { usize::from(answers) };
    for _ in 0..looked_at.min(RECORDS_MAX) {
        values.extend(reader.record(kind)?);
    }
    Ok(Answer {
        truncated,
        code: (flags & 15) as u8,
        question,
        values,
    })
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(count).ok_or(Malformed)?;
        let taken = self.message.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A name with its compression undone (RFC 1035 §4.1.4). Pointers only lead to what
    /// came before, so that no name is endless.
    fn name(&mut self) -> Result<Name, Malformed> {
        let mut wire = Vec::new();
        let mut part = Reader {
            message: self.message,
            at: self.at,
        };
        let mut began = self.at;
        let mut pointers = 0;
        loop {
            let length = part.take(1)?[0];
            match length >> 6 {
                0 => {
                    let label = part.take(usize::from(length))?;
                    if wire.len() + 1 + label.len() > NAME_MAX {
                        return Err(Malformed);
                    }
                    wire.push(length);
                    wire.extend_from_slice(label);
                }
                3 => {
                    let low = part.take(1)?[0];
                    let to = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if pointers == 0 {
                        self.at = part.at;
                    }
                    pointers += 1;
                    if to >= began || pointers > POINTERS_MAX {
                        return Err(Malformed);
                    }
                    part.at = to;
                    began = to;
                    continue;
                }
                _ => return Err(Malformed),
            }
            if length == 0 {
                if pointers == 0 {
                    self.at = part.at;
                }
                return Ok(Name(wire));
            }
        }
    }

    /// One record; its value if it is of this type.
    fn record(&mut self, kind: Kind) -> Result<Option<String>, Malformed> {
        self.name()?;
        let number = self.number()?;
        let class = self.number()?;
        let _time_to_live = self.take(4)?;
        let length = usize::from(self.number()?);
        let begin = self.at;
        self.take(length)?;
        if (number, class) != (number_of(kind), CLASS_IN) {
            return Ok(None);
        }
        let mut data = Reader {
            message: &self.message[..self.at],
            at: begin,
        };
        let value = data.value(kind)?;
        if data.at != self.at {
            return Err(Malformed);
        }
        Ok(Some(value))
    }

    /// The data of a record as in zone files (RFC 1035 §3.3, RFC 2782), texts without
    /// quotation marks.
    fn value(&mut self, kind: Kind) -> Result<String, Malformed> {
        Ok(match kind {
            Kind::A => Ipv4Addr::from(self.octets::<4>()?).to_string(),
            Kind::Aaaa => Ipv6Addr::from(self.octets::<16>()?).to_string(),
            Kind::Cname | Kind::Ns | Kind::Ptr => self.name()?.to_string(),
            Kind::Mx => format!("{} {}", self.number()?, self.name()?),
            Kind::Srv => {
                let [priority, weight, port] = [self.number()?, self.number()?, self.number()?];
                format!("{priority} {weight} {port} {}", self.name()?)
            }
            Kind::Soa => {
                let mut text = format!("{} {}", self.name()?, self.name()?);
                for _ in 0..5 {
                    text += &format!(" {}", u32::from_be_bytes(self.octets()?));
                }
                text
            }
            Kind::Txt => {
                let mut text = String::new();
                while self.at < self.message.len() {
                    let length = usize::from(self.take(1)?[0]);
                    text.extend(self.take(length)?.iter().map(|byte| match byte {
                        b' '..=b'~' => char::from(*byte).to_string(),
                        byte => format!("\\{byte:03}"),
                    }));
                }
                text
            }
        })
    }

    fn octets<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }
}
