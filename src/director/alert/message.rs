//! A letter as it is sent: RFC 5322, written by `lettre`.

use std::time::{Instant, SystemTime};

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use lettre::Address;
use lettre::message::Body;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};

use super::{Letter, Line};
use crate::config::Phase;
use crate::model::Reason;

/// Longest text of a mail, in bytes.
const TEXT: usize = 64 * 1024;
/// Longest line that needs no encoding (RFC 5322 section 2.1.1).
const LINE: usize = 998;
/// Longest subject in characters; servers refuse much longer ones.
const SUBJECT: usize = 400;

/// What goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The subject.
    pub subject: String,
    /// Sender of the envelope.
    pub from: Address,
    /// Recipients of the envelope.
    pub to: Vec<Address>,
    /// Head and text, lines ended by CR LF, all ASCII.
    pub bytes: Vec<u8>,
}

/// A letter could not be written down.
#[derive(Debug, thiserror::Error)]
#[error("mail cannot be written: {0}")]
pub struct Unwritable(#[from] lettre::error::Error);

/// Now, by both clocks.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// The clock of the lines.
    pub steady: Instant,
    /// The clock of the world.
    pub wall: SystemTime,
}

impl Message {
    /// Writes a letter. `host` is the name of this host, `id` unique among its messages.
    pub fn of(
        letter: &Letter,
        host: &str,
        id: &str,
        now: Now,
        zone: &TimeZone,
    ) -> Result<Self, Unwritable> {
        let subject = subject(letter);
        let mut builder = lettre::Message::builder()
            .from(letter.route.from.clone())
            .subject(subject.as_str())
            .date(now.wall)
            .message_id(Some(format!("<{id}@{}>", letter.route.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            // RFC 3834: no answers by holiday programs.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &letter.route.to {
            builder = builder.to(to.clone());
        }
        let text = text(letter, &subject, host, now, zone);
        Ok(Self {
            from: letter.route.from.email.clone(),
            to: letter.route.to.iter().map(|to| to.email.clone()).collect(),
            bytes: builder.body(body(&text))?.formatted(),
            subject,
        })
    }
}

/// As it is where that is allowed, so that a person and a filter can read it in a mailbox
/// (`lettre` encodes lines from 76 characters on); else in an encoding that `lettre` chooses.
fn body(text: &str) -> Body {
    let is_plain = text.is_ascii() && text.lines().all(|line| line.len() <= LINE);
    let text = text.replace('\n', "\r\n");
    if is_plain {
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        Body::new(text)
    }
}

/// `[SERVICENAME] MESSAGE` of the first line that is a change, and how many others there
/// are.
fn subject(letter: &Letter) -> String {
    let Some(line) = letter.lines.first() else {
        return format!("{} alerts were dropped", letter.dropped);
    };
    let mut subject = match &line.about.name {
        Some(name) => format!("[{name}] {}", line.message),
        None => line.message.clone(),
    };
    let skipped: u64 = letter
        .lines
        .iter()
        .map(|line| u64::from(line.skipped))
        .sum();
    let others = letter.lines.len() as u64 - 1 + skipped + letter.dropped;
    // One line of printable characters, whatever the configuration has in it.
    subject = Reason::new(&subject)
        .as_str()
        .chars()
        .take(SUBJECT)
        .collect();
    match others {
        0 => subject,
        1 => subject + " and 1 more",
        others => format!("{subject} and {others} more"),
    }
}

/// ldirectord's layout; a mail of several lines lists them behind it.
fn text(letter: &Letter, subject: &str, host: &str, now: Now, zone: &TimeZone) -> String {
    let last = letter.lines.last();
    let phase = last.map_or(Phase::Running, |line| line.phase).word();
    let mut text =
        format!("ldirectord host: {host}\nLog-Message: {subject}\nDaemon-Status: {phase}\n");
    let first = letter.lines.first();
    let about = first.map(|line| &line.about);
    let about = about.filter(|about| letter.lines.iter().all(|line| line.about == **about));
    if let Some(about) = about.filter(|about| **about != super::About::default()) {
        text.push('\n');
        let fields = [("Service name", &about.name), ("Comment", &about.comment)];
        for (field, value) in fields {
            if let Some(value) = value {
                text += &format!("{field}: {}\n", Reason::new(value));
            }
        }
    }
    if let ([line], 0) = (&*letter.lines, letter.dropped)
        && line.skipped == 0
    {
        if let Some(reason) = &line.reason {
            text += &format!("\nReason: {}\n", Reason::new(reason));
        }
        return text;
    }
    text.push('\n');
    for (told, line) in letter.lines.iter().enumerate() {
        let entry = entry(line, about.is_none(), now, zone);
        if text.len() + entry.len() > TEXT - 200 {
            let left = letter.lines.len() - told;
            text += &format!("and {left} more changes, which are in the log\n");
            break;
        }
        text += &entry;
    }
    if letter.dropped > 0 {
        let dropped = letter.dropped;
        text += &format!("{dropped} alerts were dropped, more than could wait; see the log\n");
    }
    text
}

/// `TIME [NAME] MESSAGE: REASON`.
fn entry(line: &Line, named: bool, now: Now, zone: &TimeZone) -> String {
    let at = now.wall - now.steady.saturating_duration_since(line.at);
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    let at = Zoned::new(at, zone.clone()).strftime("%Y-%m-%d %H:%M:%S");
    let mut entry = format!("{at} ");
    if let Some(name) = line.about.name.as_ref().filter(|_| named) {
        entry += &format!("[{}] ", Reason::new(name));
    }
    entry += Reason::new(&line.message).as_str();
    if let Some(reason) = &line.reason {
        entry += &format!(": {}", Reason::new(reason));
    }
    if line.skipped > 0 {
        entry += &format!(" (after {} changes left out here)", line.skipped);
    }
    entry.push('\n');
    entry
}

#[cfg(test)]
mod tests;
