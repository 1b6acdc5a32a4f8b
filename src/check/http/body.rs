//! Where the body of an HTTP answer ends, and what is framing in it. Pure.

/// How the end of a body is found (RFC 9112 §6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Framing {
    /// This many bytes are still to come.
    Length(u64),
    /// Chunks, each with its size.
    Chunked(Chunked),
    /// The server closes.
    UntilClose,
}

/// What a piece of the stream did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The body goes on, or the limit was reached.
    More,
    /// The body is complete.
    Complete,
}

/// The chunked coding was violated; says how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadChunk(pub(super) &'static str);

impl Framing {
    /// Appends the body bytes in `input` to `body`, which never exceeds `limit`.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Progress, BadChunk> {
        let room = limit.saturating_sub(body.len());
        match self {
            Self::UntilClose => {
                body.extend_from_slice(&input[..input.len().min(room)]);
                Ok(Progress::More)
            }
            Self::Length(left) => {
                let here = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                body.extend_from_slice(&input[..here.min(room)]);
                *left -= here as u64;
                Ok(if *left == 0 {
                    Progress::Complete
                } else {
                    Progress::More
                })
            }
            Self::Chunked(chunked) => chunked.decode(input, body, limit),
        }
    }
}

/// Bytes of chunk extensions accepted in one body.
const EXTENSIONS_MAX: u32 = 4096;

/// A decoder of the chunked transfer coding (RFC 9112 §7.1). It ends with the size line of
/// the last chunk: trailers are of no interest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunked {
    state: Chunk,
    extensions: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunk {
    /// In the hexadecimal size; `None` before its first digit.
    Size(Option<u64>),
    /// In what follows the size on its line.
    Extension(u64),
    /// The line feed of the size line comes next.
    SizeEnd(u64),
    /// This much of the chunk is to come.
    Data(u64),
    /// The carriage return after the chunk comes next.
    DataReturn,
    /// The line feed after the chunk comes next.
    DataEnd,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self {
            state: Chunk::Size(None),
            extensions: 0,
        }
    }

    fn decode(
        &mut self,
        mut input: &[u8],
        body: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Progress, BadChunk> {
        while let [first, others @ ..] = input {
            if body.len() >= limit {
                break;
            }
            if let Chunk::Data(left) = self.state {
                let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
                let here = here.min(limit - body.len());
                body.extend_from_slice(&input[..here]);
                input = &input[here..];
                let left = left - here as u64;
                self.state = if left == 0 {
                    Chunk::DataReturn
                } else {
                    Chunk::Data(left)
                };
                continue;
            }
            if self.step(*first)? == Progress::Complete {
                return Ok(Progress::Complete);
            }
            input = others;
        }
        Ok(Progress::More)
    }

    /// Takes one byte outside of a chunk's data.
    fn step(&mut self, byte: u8) -> Result<Progress, BadChunk> {
        self.state = match (self.state, byte) {
            (Chunk::Size(size), digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16).map_or(0, u64::from);
                let grown = size.unwrap_or(0).checked_mul(16).map(|size| size + digit);
                Chunk::Size(Some(grown.ok_or(BadChunk("chunk size out of range"))?))
            }
            (Chunk::Size(Some(size)) | Chunk::Extension(size), b'\r') => Chunk::SizeEnd(size),
            (Chunk::Size(Some(size)), b';' | b' ' | b'\t') => Chunk::Extension(size),
            (Chunk::Size(_), _) => return Err(BadChunk("chunk size is not a number")),
            (Chunk::Extension(_), b'\n') => return Err(BadChunk("bare line feed in a chunk line")),
            (Chunk::Extension(size), _) => {
                self.extensions += 1;
                if self.extensions > EXTENSIONS_MAX {
                    return Err(BadChunk("chunk extensions too long"));
                }
                Chunk::Extension(size)
            }
            (Chunk::SizeEnd(0), b'\n') => return Ok(Progress::Complete),
            (Chunk::SizeEnd(size), b'\n') => Chunk::Data(size),
            (Chunk::SizeEnd(_), _) => return Err(BadChunk("chunk line without line feed")),
            (Chunk::DataReturn, b'\r') => Chunk::DataEnd,
            (Chunk::DataEnd, b'\n') => Chunk::Size(None),
            (Chunk::DataReturn | Chunk::DataEnd | Chunk::Data(_), _) => {
                return Err(BadChunk("chunk longer than its size"));
            }
        };
        Ok(Progress::More)
    }
}
