//! Heads of SIP responses (RFC 3261 §7), found in a stream or a datagram.

/// Longest head of a response, in bytes.
pub(super) const HEAD_MAX: usize = 16 * 1024;

/// Longest body that is passed over, in bytes.
const BODY_MAX: usize = 64 * 1024;

/// The response to the request was looked for in this.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// 100 to 699; `None` is a request of the server's own.
    pub(super) status: Option<u16>,
    /// The first line.
    pub(super) line: Vec<u8>,
    pub(super) call_id: Option<Vec<u8>>,
    /// Bytes of the head.
    pub(super) length: usize,
    /// Bytes of the body; 0 when the head does not say.
    pub(super) body: usize,
}

/// Why something is no SIP message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// The first line is another protocol's.
    FirstLine(Vec<u8>),
    /// No end after [`HEAD_MAX`].
    Endless,
    /// A body of more than [`BODY_MAX`], or a length that is no number.
    Body,
}

/// Reads the head at the beginning of `bytes`; `None` when its end has not come. Empty
/// lines in front are passed over (RFC 3261 §7.5).
pub(super) fn read(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let blank = blank(bytes);
    let mut lines = Vec::new();
    let mut length = blank;
    for line in bytes[blank..].split_inclusive(|byte| *byte == b'\n') {
        length += line.len();
        if length - blank > HEAD_MAX {
            return Err(Malformed::Endless);
        }
        let is_whole = line.ends_with(b"\n");
        let text = line.trim_ascii_end();
        if lines.is_empty() && !begins_well(text, is_whole) {
            return Err(Malformed::FirstLine(text.to_vec()));
        }
        if !is_whole {
            break;
        }
        if text.is_empty() {
            return head(&lines, length).map(Some);
        }
        lines.push(text);
    }
    Ok(None)
}

/// Length of the empty lines at the beginning.
pub(super) fn blank(bytes: &[u8]) -> usize {
    let is_blank = |byte: &&u8| matches!(byte, b'\r' | b'\n');
    bytes.iter().take_while(is_blank).count()
}

/// Whether a first line, whole or not, can be that of a response or a request.
fn begins_well(line: &[u8], is_whole: bool) -> bool {
    const VERSION: &[u8] = b"SIP/2.0 ";
    let shared = line.len().min(VERSION.len());
    let is_response = line[..shared].eq_ignore_ascii_case(&VERSION[..shared]);
    if is_response {
        return !is_whole || status(line).is_some();
    }
    let method = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let is_method = !method.is_empty() && method.iter().all(u8::is_ascii_uppercase);
    is_method && (!is_whole || line.ends_with(b" SIP/2.0"))
}

/// The code of a status line.
fn status(line: &[u8]) -> Option<u16> {
    let rest = line.get(8..)?;
    let (code, after) = rest.split_at_checked(3)?;
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let is_whole = matches!(after.first(), None | Some(b' '));
    (is_whole && (100..700).contains(&code)).then_some(code)
}

fn head(lines: &[&[u8]], length: usize) -> Result<Head, Malformed> {
    let line = lines.first().copied().unwrap_or_default();
    let is_response = line.len() >= 4 && line[..4].eq_ignore_ascii_case(b"SIP/");
    let body = match header(lines, "content-length", b'l') {
        None => 0,
        Some(text) => std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.parse().ok())
            .filter(|body| *body <= BODY_MAX)
            .ok_or(Malformed::Body)?,
    };
    Ok(Head {
        status: status(line).filter(|_| is_response),
        line: line.to_vec(),
        call_id: header(lines, "call-id", b'i').map(<[u8]>::to_vec),
        length,
        body,
    })
}

/// Value of the first header of this name or of its compact form (RFC 3261 §7.3.3).
fn header<'a>(lines: &[&'a [u8]], name: &str, compact: u8) -> Option<&'a [u8]> {
    lines.iter().skip(1).find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let own = line[..colon].trim_ascii();
        let is_it =
            own.eq_ignore_ascii_case(name.as_bytes()) || own.eq_ignore_ascii_case(&[compact]);
        is_it.then(|| line[colon + 1..].trim_ascii())
    })
}
