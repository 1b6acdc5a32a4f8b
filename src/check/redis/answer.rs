//! Answers of RESP2, read in pieces of any size.

use std::mem;

/// Longest answer that is read, in bytes, with its framing.
pub(super) const ANSWER_MAX: usize = 64 * 1024;

/// Longest line of framing that is read, in bytes.
const LINE_MAX: usize = 8 * 1024;

/// Arrays within arrays that are followed.
const DEPTH_MAX: usize = 8;

/// One answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Its content, that of arrays one element to a line.
    Text(Vec<u8>),
    /// An error, in the server's words.
    Error(Vec<u8>),
}

/// What is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// More than [`ANSWER_MAX`].
    TooLong,
    /// This line is none of the protocol.
    Strange(Vec<u8>),
}

/// Takes the server's words and gives answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pending: Vec<u8>,
    /// Where in `pending` the next element begins.
    at: usize,
    /// As far as there is no line end.
    searched: usize,
    /// Length of the string that is awaited.
    string: Option<usize>,
    /// Elements that are missing in each open array.
    open: Vec<usize>,
    /// What the elements so far amount to.
    text: Vec<u8>,
    has_elements: bool,
    /// Bytes of this answer so far.
    taken: usize,
}

/// One element has been read, or more is needed.
enum Element {
    Content(Vec<u8>),
    Error(Vec<u8>),
    Array(usize),
}

impl Answers {
    /// Bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.pending.len() + self.text.len()
    }

    /// More from the server.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.at);
        self.searched -= self.at;
        self.at = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// The next answer, if it is whole.
    pub(super) fn next(&mut self) -> Result<Option<Answer>, Malformed> {
        while let Some(element) = self.element()? {
            match element {
                Element::Error(words) if self.open.is_empty() => {
                    return Ok(Some(self.finish(Answer::Error(words))));
                }
                Element::Content(content) | Element::Error(content) => self.add(&content),
                Element::Array(0) => {}
                Element::Array(count) => {
                    if self.open.len() == DEPTH_MAX {
                        return Err(Malformed::TooLong);
                    }
                    self.open.push(count);
                    continue;
                }
            }
            if self.close_arrays() {
                let text = mem::take(&mut self.text);
                return Ok(Some(self.finish(Answer::Text(text))));
            }
        }
        let unread = self.pending.len() - self.at;
        if self.taken + unread > ANSWER_MAX {
            return Err(Malformed::TooLong);
        }
        Ok(None)
    }

    fn add(&mut self, content: &[u8]) {
        if mem::replace(&mut self.has_elements, true) {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(content);
    }

    /// An element is complete; whether the whole answer is.
    fn close_arrays(&mut self) -> bool {
        while let Some(missing) = self.open.last_mut() {
            *missing -= 1;
            if *missing > 0 {
                return false;
            }
            self.open.pop();
        }
        true
    }

    fn finish(&mut self, answer: Answer) -> Answer {
        self.text.clear();
        self.has_elements = false;
        self.taken = 0;
        answer
    }

    fn element(&mut self) -> Result<Option<Element>, Malformed> {
        if let Some(length) = self.string {
            return Ok(self.take_string(length));
        }
        let Some(line) = self.take_line()? else {
            return Ok(None);
        };
        let strange = || Malformed::Strange(line.clone());
        let (kind, rest) = line.split_first().ok_or_else(strange)?;
        let length = || number(rest).ok_or_else(strange);
        match kind {
            b'+' | b':' => Ok(Some(Element::Content(rest.to_vec()))),
            b'-' => Ok(Some(Element::Error(rest.to_vec()))),
            // -1 is no string at all, and no array at all.
            b'$' | b'*' if rest == b"-1" => Ok(Some(Element::Content(Vec::new()))),
            b'$' => {
                let length = length()?;
                if length > ANSWER_MAX {
                    return Err(Malformed::TooLong);
                }
                self.string = Some(length);
                self.element()
            }
            b'*' => Ok(Some(Element::Array(length()?))),
            _ => Err(strange()),
        }
    }

    /// A string and the line end behind it.
    fn take_string(&mut self, length: usize) -> Option<Element> {
        let end = self.at + length;
        let content = self.pending.get(self.at..end + 2)?[..length].to_vec();
        self.string = None;
        self.taken += length + 2;
        self.at = end + 2;
        self.searched = self.at;
        Some(Element::Content(content))
    }

    /// A line without its end.
    fn take_line(&mut self) -> Result<Option<Vec<u8>>, Malformed> {
        let found = self.pending[self.searched..]
            .iter()
            .position(|byte| *byte == b'\n');
        let Some(offset) = found else {
            self.searched = self.pending.len();
            let unfinished = &self.pending[self.at..];
            if unfinished.len() > LINE_MAX {
                return Err(Malformed::Strange(unfinished.to_vec()));
            }
            return Ok(None);
        };
        let end = self.searched + offset;
        let line = &self.pending[self.at..end];
        if line.len() > LINE_MAX {
            return Err(Malformed::Strange(line.to_vec()));
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line).to_vec();
        self.taken += end + 1 - self.at;
        self.at = end + 1;
        self.searched = self.at;
        if self.taken > ANSWER_MAX {
            return Err(Malformed::TooLong);
        }
        Ok(Some(line))
    }
}

/// Digits as a length.
fn number(digits: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(digits).ok()?;
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}
