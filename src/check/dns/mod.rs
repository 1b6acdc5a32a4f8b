//! A name server answers: `service=dns` (RFC 1035).
//!
//! A name is asked for the records of one type; without one for its A records and, when none
//! of them is the expected one, for its AAAA records. An address is asked for its name. An answer that was truncated over UDP is
//! fetched over TCP, as resolvers do. [`Lookup`] is the whole of it without a socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use self::message::{Malformed, Name};
use super::datagram::{self, Query};
use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::fault::{self, Bytes, Stage, excerpt};
use super::pattern::{self, Matcher};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{DnsKind as Kind, DnsProbe, Fault, Outcome, Report, Transport};

mod message;
#[cfg(test)]
mod tests;

/// Bytes of values that a reason quotes.
const QUOTED_MAX: usize = 200;

/// One name or address being asked for. Also the [`Query`] over UDP.
pub struct Lookup {
    text: String,
    name: Name,
    /// `None` is content with any record.
    matcher: Option<Arc<Matcher>>,
    /// What is asked one after the other, with the identifier of each.
    questions: Vec<(Kind, u16)>,
    current: usize,
    /// What earlier questions gave.
    values: Vec<String>,
    truncated: bool,
    doubt: Option<String>,
}

/// What a message means.
enum Judged {
    /// It answers something else.
    Stray,
    /// There is more than fits.
    Truncated,
    /// Now the next question.
    Next,
    Over(Verdict),
}

impl Lookup {
    /// Asks for `text`, a name or an address; `matcher` is searched in the answers. `ids`
    /// are random.
    ///
    /// # Errors
    ///
    /// The text is no name.
    pub fn new(text: &str, matcher: Arc<Matcher>, ids: [u16; 2]) -> Result<Self, Fault> {
        Self::of_kind(text, None, Some(matcher), ids)
    }

    /// As [`Lookup::new`], for one type of records only if one is given, and without a
    /// matcher content with any record.
    ///
    /// # Errors
    ///
    /// The text is no name.
    pub fn of_kind(
        text: &str,
        kind: Option<Kind>,
        matcher: Option<Arc<Matcher>>,
        ids: [u16; 2],
    ) -> Result<Self, Fault> {
        let (name, questions) = match (text.parse::<IpAddr>(), kind) {
            (Ok(address), kind) => (
                Some(Name::reverse(address)),
                vec![(kind.unwrap_or(Kind::Ptr), ids[0])],
            ),
            (Err(_), Some(kind)) => (Name::read(text), vec![(kind, ids[0])]),
            (Err(_), None) => (
                Name::read(text),
                vec![(Kind::A, ids[0]), (Kind::Aaaa, ids[1])],
            ),
        };
        Ok(Self {
            text: text.to_owned(),
            name: name.ok_or_else(|| Fault::new(format!("\"{text}\" is no domain name")))?,
            matcher,
            questions,
            current: 0,
            values: Vec::new(),
            truncated: false,
            doubt: None,
        })
    }

    /// Whether the last answer did not fit into a datagram: ask over TCP.
    pub fn is_truncated(&self) -> bool {
        self.truncated
    }

    fn question(&self) -> Vec<u8> {
        let (kind, id) = self.questions[self.current];
        message::query(id, &self.name, kind)
    }

    fn judge_message(&mut self, bytes: &[u8]) -> Judged {
        let (kind, id) = self.questions[self.current];
        if message::response_id(bytes) != Some(id) {
            self.doubt = Some("what came has another identifier than the question".to_owned());
            return Judged::Stray;
        }
        match message::read(bytes, kind) {
            Err(Malformed) => Judged::Over(Verdict::down("the answer is malformed")),
            Ok(answer) if !answer.is_for(&self.name, kind) => {
                self.doubt = Some("what came answers another question".to_owned());
                Judged::Stray
            }
            Ok(answer) if answer.truncated => Judged::Truncated,
            Ok(answer) => match refusal(answer.code) {
                Some(words) => Judged::Over(Verdict::down(format!("{words} (\"{}\")", self.text))),
                None => self.judge_values(answer.values),
            },
        }
    }

    fn judge_values(&mut self, values: Vec<String>) -> Judged {
        for value in &values {
            let found = match &self.matcher {
                None => Ok(true),
                Some(matcher) => matcher.is_match(value.as_bytes()),
            };
            match found {
                Ok(true) => {
                    let value = excerpt(value.as_bytes(), QUOTED_MAX);
                    let detail = format!("\"{}\" is {value}", self.text);
                    return Judged::Over(Verdict::up(detail));
                }
                Ok(false) => {}
                Err(too_hard) => return Judged::Over(Verdict::down(too_hard.to_string())),
            }
        }
        self.values.extend(values);
        if self.current + 1 < self.questions.len() {
            self.doubt = Some(self.mismatch());
            self.current += 1;
            return Judged::Next;
        }
        Judged::Over(Verdict::down(self.mismatch()))
    }

    /// Why nothing that came so far will do.
    fn mismatch(&self) -> String {
        let asked = &self.questions[..=self.current];
        if self.values.is_empty() {
            let kinds: Vec<&str> = asked.iter().map(|(kind, _)| kind.word()).collect();
            return format!("no {} record for \"{}\"", kinds.join(" or "), self.text);
        }
        let quoted = excerpt(self.values.join(", ").as_bytes(), QUOTED_MAX);
        let pattern = self.matcher.as_ref().map_or("", |matcher| matcher.source());
        format!(
            "\"{}\" is {quoted}, which does not match \"{pattern}\"",
            self.text
        )
    }
}

/// What an RCODE says of the server; `None` is no error (RFC 1035 §4.1.1).
fn refusal(code: u8) -> Option<String> {
    let words = match code {
        0 => return None,
        1 => "FORMERR: the server did not understand the question",
        2 => "SERVFAIL: the server could not find out",
        3 => "NXDOMAIN: the name does not exist",
        4 => "NOTIMP: the server does not do queries",
        5 => "REFUSED: the server does not answer this host",
        code => return Some(format!("the server answered with the error code {code}")),
    };
    Some(words.to_owned())
}

impl Query for Lookup {
    fn ask(&mut self, _local: SocketAddr) -> Words {
        Words::open(self.question())
    }

    fn judge(&mut self, datagram: &[u8]) -> Turn {
        match self.judge_message(datagram) {
            Judged::Stray => Turn::Listen,
            Judged::Next => Turn::Say(Words::open(self.question())),
            Judged::Over(verdict) => Turn::Over(verdict),
            Judged::Truncated => {
                let doubt = "the answer was truncated over UDP";
                self.truncated = true;
                self.doubt = Some(doubt.to_owned());
                Turn::Over(Verdict::down(doubt))
            }
        }
    }

    fn doubt(&self) -> Option<String> {
        self.doubt.clone()
    }
}

/// A lookup over TCP, where two bytes of length precede each message (RFC 1035 §4.2.2).
pub struct Stream<'a> {
    lookup: &'a mut Lookup,
    /// At most one message and what came together with it.
    buffer: Vec<u8>,
    received: u64,
}

impl<'a> Stream<'a> {
    /// Goes on where the lookup is.
    pub fn new(lookup: &'a mut Lookup) -> Self {
        Self {
            lookup,
            buffer: Vec::new(),
            received: 0,
        }
    }

    /// Bytes that are kept at the moment.
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    fn say(&self) -> Turn {
        let question = self.lookup.question();
        let mut framed = (question.len() as u16).to_be_bytes().to_vec();
        framed.extend(question);
        Turn::Say(Words::open(framed))
    }
}

impl Dialogue for Stream<'_> {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        self.say()
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.received += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        while let [high, low, rest @ ..] = &self.buffer[..] {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            let Some(message) = rest.get(..length) else {
                break;
            };
            let judged = self.lookup.judge_message(message);
            self.buffer.drain(..2 + length);
            match judged {
                Judged::Stray => {}
                Judged::Next => return self.say(),
                Judged::Over(verdict) => return Turn::Over(verdict),
                Judged::Truncated => {
                    return Turn::Over(Verdict::down("the answer is truncated, although over TCP"));
                }
            }
        }
        Turn::Listen
    }

    fn end(&mut self) -> Verdict {
        let closed = match self.received {
            0 => "connected, but the server closed without an answer".to_owned(),
            count => format!(
                "the server closed without a whole answer, after {}",
                Bytes(count)
            ),
        };
        Verdict::down(match self.lookup.doubt() {
            Some(doubt) => format!("{closed}; {doubt}"),
            None => closed,
        })
    }
}

pub(super) async fn run(route: Route<'_>, probe: &DnsProbe, timeout: Duration) -> Report {
    let mut trace = Trace::new(timeout);
    if probe.receive.is_none() && probe.kind.is_none() {
        let reason = "a dns check needs receive=: without it no answer will do";
        return datagram::conclude(Ok(Ok(Verdict::down(reason))), None, trace);
    }
    let mut lookup = match prepare(probe) {
        Ok(lookup) => lookup,
        Err(fault) => return trace.report(Outcome::Inconclusive(fault), ""),
    };
    let deadline = trace.deadline();
    let exchange = exchange(route, probe.transport, &mut lookup, timeout, &mut trace);
    let ended = timeout_at(deadline, exchange).await;
    datagram::conclude(ended, lookup.doubt(), trace)
}

fn prepare(probe: &DnsProbe) -> Result<Lookup, Fault> {
    let matcher = probe.receive.as_ref().map(pattern::compile).transpose()?;
    let [a, b, c, d] = datagram::random()?;
    let ids = [[a, b], [c, d]].map(u16::from_be_bytes);
    Lookup::of_kind(&probe.name, probe.kind, matcher, ids)
}

async fn exchange(
    route: Route<'_>,
    transport: Transport,
    lookup: &mut Lookup,
    timeout: Duration,
    trace: &mut Trace,
) -> io::Result<Verdict> {
    if transport == Transport::Udp {
        let verdict = datagram::exchange(route, lookup, timeout, trace).await?;
        if !lookup.is_truncated() {
            return Ok(verdict);
        }
        trace.reconnecting();
    }
    let ended = dialogue::converse(route, None, &mut Stream::new(lookup), trace).await;
    match ended {
        Err(error) if lookup.is_truncated() => match fault::failed(&error, Stage::Connecting) {
            Outcome::Down(reason) => Ok(Verdict::down(format!(
                "the answer was truncated over UDP, and over TCP: {reason}"
            ))),
            _ => Err(error),
        },
        ended => ended,
    }
}
