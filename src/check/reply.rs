//! Lines and numeric replies of the protocols that people can type: FTP (RFC 959 §4.2),
//! SMTP (RFC 5321 §4.2), NNTP (RFC 3977 §3.1), POP3 and IMAP. Pure.
//!
//! A line ends with a line feed; a carriage return before it belongs to the end. At most
//! one unfinished line is kept.

use super::dialogue::Verdict;
use super::fault::excerpt;
use crate::model::{Fault, Secret};

/// Longest line that is taken, in bytes with its end. RFC 5321 §4.5.3.1.5 allows 512; a
/// greeting with capabilities of IMAP may be longer.
pub(super) const LINE_MAX: usize = 8 * 1024;

/// Longest answer to one question, in bytes.
const ANSWER_MAX: usize = 64 * 1024;

/// Bytes of a line that a reason quotes.
const QUOTE_MAX: usize = 200;

/// What may stand between the first and the last line of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Anything (RFC 959 §4.2).
    Free,
    /// Lines of the same code only (RFC 5321 §4.2.1).
    Strict,
}

/// A numeric reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    /// 100–599.
    pub(super) code: u16,
    /// Its first line, with the code.
    pub(super) line: Vec<u8>,
}

impl Reply {
    /// 2xx.
    pub(super) fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 1xx: another reply follows.
    pub(super) fn is_preliminary(&self) -> bool {
        self.code / 100 == 1
    }
}

/// Takes the server's words in pieces of any size and gives lines and replies.
#[derive(Debug)]
pub(super) struct Reader {
    protocol: &'static str,
    pending: Vec<u8>,
    /// Where in `pending` the next line begins.
    at: usize,
    /// Length of the answer to the present question so far.
    taken: usize,
    /// The command that is being answered; `None`: the greeting is awaited.
    question: Option<&'static str>,
    /// First line of a reply whose last line has not come.
    open: Option<Reply>,
    /// Not to be quoted, should the server repeat it.
    secret: Option<Secret>,
}

impl Reader {
    /// Waits for the greeting of a protocol. The secret is masked in quotations.
    pub(super) fn new(protocol: &'static str, secret: Option<Secret>) -> Self {
        Self {
            protocol,
            pending: Vec::new(),
            at: 0,
            taken: 0,
            question: None,
            open: None,
            secret: secret.filter(|secret| !secret.expose().is_empty()),
        }
    }

    /// From now on the answer to this command is awaited.
    pub(super) fn asked(&mut self, question: &'static str) {
        self.question = Some(question);
        self.taken = 0;
    }

    /// What is awaited, as in "no …".
    pub(super) fn awaited(&self) -> String {
        match self.question {
            None => "greeting".to_owned(),
            Some(question) => format!("answer to {question}"),
        }
    }

    /// More from the server.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.at);
        self.at = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// Bytes that are kept.
    pub(super) fn kept(&self) -> usize {
        self.pending.len() + self.open.as_ref().map_or(0, |reply| reply.line.len())
    }

    /// The next line without its end; `None` asks for more.
    pub(super) fn line(&mut self) -> Result<Option<Vec<u8>>, Verdict> {
        let rest = &self.pending[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(rest.len(), |end| end + 1);
        if length > LINE_MAX {
            let begin = self.quote(&rest[..QUOTE_MAX]);
            return Err(Verdict::down(format!(
                "not {}: a line is longer than {LINE_MAX} bytes, it begins {begin}",
                self.protocol
            )));
        }
        let Some(end) = end else {
            return Ok(None);
        };
        let line = rest[..end]
            .strip_suffix(b"\r")
            .unwrap_or(&rest[..end])
            .to_vec();
        self.at += length;
        self.taken += length;
        if self.taken > ANSWER_MAX {
            return Err(Verdict::down(format!(
                "the {} is longer than {ANSWER_MAX} bytes",
                self.awaited()
            )));
        }
        Ok(Some(line))
    }

    /// The next whole reply; `None` asks for more.
    pub(super) fn reply(&mut self, manner: Manner) -> Result<Option<Reply>, Verdict> {
        while let Some(line) = self.line()? {
            let read = code_of(&line);
            match (self.open.take(), read) {
                (None, Some((code, Last::No))) => self.open = Some(Reply { code, line }),
                (None, Some((code, Last::Yes))) => return Ok(Some(Reply { code, line })),
                (Some(first), Some((code, Last::Yes))) if code == first.code => {
                    return Ok(Some(first));
                }
                (Some(first), Some((code, Last::No))) if code == first.code => {
                    self.open = Some(first);
                }
                (Some(first), _) if manner == Manner::Free => self.open = Some(first),
                _ => return Err(self.strange(&line)),
            }
        }
        Ok(None)
    }

    /// The line in quotation marks, shortened, without the secret.
    pub(super) fn quote(&self, line: &[u8]) -> String {
        let text = String::from_utf8_lossy(line);
        let masked = match &self.secret {
            Some(secret) => text.replace(secret.expose(), "***"),
            None => text.into_owned(),
        };
        format!("\"{}\"", excerpt(masked.as_bytes(), QUOTE_MAX))
    }

    /// Verdict on a line that the protocol does not know.
    pub(super) fn strange(&self, line: &[u8]) -> Verdict {
        let quoted = self.quote(line);
        Verdict::down(match self.question {
            None => format!(
                "connected, but the greeting is not {}: {quoted}",
                self.protocol
            ),
            Some(question) => {
                format!(
                    "the answer to {question} is not {}: {quoted}",
                    self.protocol
                )
            }
        })
    }

    /// Verdict on a server that closed before it was through.
    pub(super) fn ended(&self) -> Verdict {
        let rest = &self.pending[self.at..];
        let how = match (&self.open, rest) {
            (None, []) => "without",
            _ => "in the middle of",
        };
        let begin = match &self.open {
            Some(reply) => &reply.line,
            None => rest,
        };
        let begin = if begin.is_empty() {
            String::new()
        } else {
            format!(": {}", self.quote(begin))
        };
        Verdict::down(match self.question {
            None if begin.is_empty() => {
                "connected, but the server closed without a greeting".to_owned()
            }
            None => format!("connected, but the server closed {how} its greeting{begin}"),
            Some(question) => {
                format!("the server closed the connection {how} an answer to {question}{begin}")
            }
        })
    }
}

/// Whether a line is the last one of its reply.
#[derive(Clone, Copy)]
enum Last {
    Yes,
    No,
}

/// Reads `250 text`, `250-text` or a bare `250`.
fn code_of(line: &[u8]) -> Option<(u16, Last)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = digits.iter().try_fold(0, |code: u16, digit| {
        digit
            .is_ascii_digit()
            .then(|| code * 10 + u16::from(digit - b'0'))
    })?;
    if !(100..600).contains(&code) {
        return None;
    }
    match rest.first() {
        None | Some(b' ') => Some((code, Last::Yes)),
        Some(b'-') => Some((code, Last::No)),
        Some(_) => None,
    }
}

/// A setting that becomes part of a command.
///
/// # Errors
///
/// It holds a line end or a NUL, which no command line can carry.
pub(super) fn speakable<'a>(what: &str, text: &'a str) -> Result<&'a str, Fault> {
    if text.contains(['\r', '\n', '\0']) {
        return Err(Fault::new(format!(
            "the {what} holds a line end or a NUL, which the protocol cannot carry"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies(manner: Manner, text: &[u8], piece: usize) -> Result<Vec<(u16, String)>, String> {
        let mut reader = Reader::new("SMTP", Some(Secret::new("hidden")));
        let mut replies = Vec::new();
        for bytes in text.chunks(piece) {
            reader.push(bytes);
            while let Some(reply) = reader.reply(manner).map_err(|verdict| reason(&verdict))? {
                replies.push((reply.code, reader.quote(&reply.line)));
            }
            assert!(reader.kept() <= 2 * LINE_MAX + piece);
        }
        Ok(replies)
    }

    fn reason(verdict: &Verdict) -> String {
        verdict.result.as_ref().unwrap_err().to_string()
    }

    #[test]
    fn replies_are_read_in_pieces_of_any_size() {
        let text = b"220-a\r\n220-\r\n220 b\r\n250\n354 go on\r\n";
        let expected = vec![
            (220, "\"220-a\"".to_owned()),
            (250, "\"250\"".to_owned()),
            (354, "\"354 go on\"".to_owned()),
        ];
        for piece in 1..=text.len() {
            for manner in [Manner::Free, Manner::Strict] {
                assert_eq!(replies(manner, text, piece), Ok(expected.clone()));
            }
        }
    }

    #[test]
    fn text_between_the_lines_of_a_reply_is_for_ftp_only() {
        let text = b"230-Welcome\r\n 230 not yet\r\n331 nor here\r\n230 in\r\n";
        let read = replies(Manner::Free, text, 3);
        assert_eq!(read, Ok(vec![(230, "\"230-Welcome\"".to_owned())]));
        let refused = replies(Manner::Strict, text, 3).unwrap_err();
        assert!(refused.ends_with("not SMTP: \" 230 not yet\""), "{refused}");
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for text in [
            "22\r\n",
            "\r\n",
            "2200 x\r\n",
            "022 x\r\n",
            "999 x\r\n",
            "abc\n",
            "+OK\r\n",
            "22\u{e9}\n",
        ] {
            let refused = replies(Manner::Free, text.as_bytes(), 1).unwrap_err();
            assert!(
                refused.starts_with("connected, but the greeting is not SMTP"),
                "{refused}"
            );
        }
    }

    #[test]
    fn endless_lines_and_replies_end() {
        let refused = replies(Manner::Free, &[b'2'; LINE_MAX + 1], 100).unwrap_err();
        assert!(
            refused.starts_with("not SMTP: a line is longer than 8192 bytes"),
            "{refused}"
        );
        let refused = replies(Manner::Free, &b"220-x\r\n".repeat(ANSWER_MAX), 100).unwrap_err();
        assert_eq!(refused, "the greeting is longer than 65536 bytes");
    }

    #[test]
    fn a_secret_that_comes_back_is_not_quoted() {
        let read = replies(Manner::Free, b"500 PASS hidden?\n", 99).unwrap();
        assert_eq!(read[0].1, "\"500 PASS ***?\"");
    }

    #[test]
    fn an_end_says_where() {
        let mut reader = Reader::new("SMTP", None);
        assert_eq!(
            reason(&reader.ended()),
            "connected, but the server closed without a greeting"
        );
        reader.push(b"22");
        assert_eq!(
            reason(&reader.ended()),
            "connected, but the server closed in the middle of its greeting: \"22\""
        );
        reader.push(b"0-x\n");
        assert_eq!(reader.reply(Manner::Strict), Ok(None));
        assert!(reason(&reader.ended()).ends_with("in the middle of its greeting: \"220-x\""));
        reader.push(b"220 y\n");
        reader.reply(Manner::Strict).unwrap().unwrap();
        reader.asked("EHLO");
        assert_eq!(
            reason(&reader.ended()),
            "the server closed the connection without an answer to EHLO"
        );
    }
}
