//! Messages of `grpc.health.v1`
//! (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>) and their framing
//! (<https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>). Pure.

/// Longest answer that is read, in bytes: one number, and room for fields of the future.
pub(super) const ANSWER_MAX: usize = 4096;

/// What a service says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Serving,
    /// It does not.
    NotServing,
    /// Any other number: 0 is `UNKNOWN`, 3 is `SERVICE_UNKNOWN`.
    Other(u64),
}

/// The answer cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// `HealthCheckRequest`, framed: field 1 is the name of the service, of at most 4096 bytes.
pub(super) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::with_capacity(service.len() + 3);
    if !service.is_empty() {
        message.push(1 << 3 | 2);
        let mut length = service.len();
        while length >= 0x80 {
            message.push(length as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let length = message.len() as u32;
    [&[0], &length.to_be_bytes()[..], &message].concat()
}

/// The status in a framed `HealthCheckResponse`: field 1, a number; 0 when it is missing.
///
/// # Errors
///
/// The bytes are not one whole, uncompressed message.
pub fn status(answer: &[u8]) -> Result<Status, Malformed> {
    let (head, message) = answer.split_first_chunk::<5>().ok_or(Malformed)?;
    let [compressed, length @ ..] = *head;
    if compressed != 0 || u32::from_be_bytes(length) as usize != message.len() {
        return Err(Malformed);
    }
    let mut rest = message;
    let mut status = 0;
    while !rest.is_empty() {
        let tag = number(&mut rest)?;
        match (tag >> 3, tag & 7) {
            (1, 0) => status = number(&mut rest)?,
            (_, 0) => drop(number(&mut rest)?),
            (_, 1) => skip(&mut rest, 8)?,
            (_, 2) => {
                let length = number(&mut rest)?;
                skip(&mut rest, length)?;
            }
            (_, 5) => skip(&mut rest, 4)?,
            _ => return Err(Malformed),
        }
    }
    Ok(match status {
        1 => Status::Serving,
        2 => Status::NotServing,
        other => Status::Other(other),
    })
}

/// Reads a base-128 number of at most ten bytes.
fn number(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut number = 0;
    for place in 0..10 {
        let (first, after) = rest.split_first().ok_or(Malformed)?;
        *rest = after;
        number |= u64::from(first & 0x7f) << (7 * place);
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Malformed)
}

fn skip(rest: &mut &[u8], length: u64) -> Result<(), Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    *rest = rest.get(length..).ok_or(Malformed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_name_the_service() {
        assert_eq!(request(""), b"\0\0\0\0\0");
        assert_eq!(request("a.B"), b"\0\0\0\0\x05\x0a\x03a.B");
        let long = request(&"x".repeat(300));
        assert_eq!(&long[..8], b"\0\0\0\x01\x2f\x0a\xac\x02");
        assert_eq!(long.len(), 5 + 3 + 300);
    }

    #[test]
    fn the_status_is_the_first_field() {
        for (answer, expected) in [
            (&b"\0\0\0\0\x02\x08\x01"[..], Ok(Status::Serving)),
            (b"\0\0\0\0\x02\x08\x02", Ok(Status::NotServing)),
            (b"\0\0\0\0\0", Ok(Status::Other(0))),
            (b"\0\0\0\0\x02\x08\x03", Ok(Status::Other(3))),
            // Unknown fields of every kind are passed over.
            (
                b"\0\0\0\0\x17\x10\x96\x01\x19\0\0\0\0\0\0\0\0\x22\x02ab\x08\x01\x2d\0\0\0\0",
                Ok(Status::Serving),
            ),
            // Compressed, cut, too long, endless, of a withdrawn kind.
            (b"\x01\0\0\0\x02\x08\x01", Err(Malformed)),
            (b"\0\0\0\0\x02\x08", Err(Malformed)),
            (b"\0\0\0\0\x01\x08\x01", Err(Malformed)),
            (b"\0\0\0", Err(Malformed)),
            (b"\0\0\0\0\x01\x08", Err(Malformed)),
            (
                b"\0\0\0\0\x0b\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
                Err(Malformed),
            ),
            (b"\0\0\0\0\x03\x12\x05a", Err(Malformed)),
            (b"\0\0\0\0\x01\x0b", Err(Malformed)),
        ] {
            assert_eq!(status(answer), expected, "{answer:?}");
        }
    }
}
