//! A SIP server answers OPTIONS with 200: `service=sip` (RFC 3261 §11).
//!
//! [`Options`] is the request and the judgement of what comes back, over UDP or TCP. What
//! carries another Call-ID belongs to somebody else and is passed over; provisional
//! answers (1xx) are waited out.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use self::message::{HEAD_MAX, Head, Malformed};
use super::datagram::{self, Query};
use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::fault::{Bytes, excerpt};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Outcome, Report, SipProbe, Transport};

mod message;
#[cfg(test)]
mod tests;

/// Bytes of the server's words that a reason quotes.
const QUOTED_MAX: usize = 200;

/// One OPTIONS request. Its [`Query`] is over UDP, its [`Dialogue`] over TCP.
pub struct Options {
    user: String,
    transport: Transport,
    branch: String,
    tag: String,
    call_id: String,
    /// What has come over TCP and is not judged yet.
    buffer: Vec<u8>,
    /// Bytes of a body that are still to be passed over.
    skip: usize,
    received: u64,
    doubt: Option<String>,
}

impl Options {
    /// `user` is `NAME@HOST`, who asks and is asked for; `random` makes the request unique.
    pub fn new(user: &str, transport: Transport, random: [u8; 24]) -> Self {
        Self {
            user: escaped(user),
            transport,
            // The beginning says that the branch is unique (RFC 3261 §8.1.1.7).
            branch: format!("z9hG4bK{}", hex(&random[..8])),
            tag: hex(&random[8..12]),
            call_id: hex(&random[12..]),
            buffer: Vec::new(),
            skip: 0,
            received: 0,
            doubt: None,
        }
    }

    /// Bytes that are kept at the moment.
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    fn request(&self, local: SocketAddr) -> Words {
        let Self {
            user,
            branch,
            tag,
            call_id,
            ..
        } = self;
        let host = match local.ip() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        };
        let here = format!("{host}:{}", local.port());
        let (via, suffix) = match self.transport {
            Transport::Tcp => ("TCP", ";transport=tcp"),
            Transport::Udp => ("UDP", ""),
        };
        Words::open(format!(
            "OPTIONS sip:{user} SIP/2.0\r\n\
             Via: SIP/2.0/{via} {here};branch={branch};rport\r\n\
             Max-Forwards: 70\r\n\
             To: <sip:{user}>\r\n\
             From: <sip:{user}>;tag={tag}\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: 1 OPTIONS\r\n\
             Contact: <sip:{here}{suffix}>\r\n\
             Accept: application/sdp\r\n\
             User-Agent: directord/{}\r\n\
             Content-Length: 0\r\n\r\n",
            env!("CARGO_PKG_VERSION"),
        ))
    }

    /// What a message means; `None` when the answer is still to come.
    fn judge_head(&mut self, head: &Head) -> Option<Verdict> {
        let line = excerpt(&head.line, QUOTED_MAX);
        let Some(status) = head.status else {
            self.doubt = Some(format!("the server sent a request of its own: \"{line}\""));
            return None;
        };
        if head.call_id.as_deref() != Some(self.call_id.as_bytes()) {
            self.doubt = Some(format!("what came has another Call-ID: \"{line}\""));
            return None;
        }
        match status {
            100..200 => {
                self.doubt = Some(format!("only a provisional answer came: \"{line}\""));
                None
            }
            200 => Some(Verdict::up(format!("answered \"{line}\""))),
            _ => Some(Verdict::down(format!(
                "the answer to OPTIONS is \"{line}\""
            ))),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text += &format!("{byte:02x}");
    }
    text
}

/// A user as part of a SIP URI: what cannot stand there is written as `%XX`.
fn escaped(user: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    let escape = |byte: u8| match byte {
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    user.bytes().map(escape).collect()
}

/// What is wrong with bytes that are no SIP.
fn words(malformed: &Malformed) -> String {
    match malformed {
        Malformed::FirstLine(line) => {
            format!("the answer is not SIP: \"{}\"", excerpt(line, QUOTED_MAX))
        }
        Malformed::Endless => format!("the head of the answer is longer than {HEAD_MAX} bytes"),
        Malformed::Body => "the answer has an impossible Content-Length".to_owned(),
    }
}

impl Query for Options {
    fn ask(&mut self, local: SocketAddr) -> Words {
        self.request(local)
    }

    fn judge(&mut self, datagram: &[u8]) -> Turn {
        let verdict = match message::read(datagram) {
            Ok(Some(head)) => self.judge_head(&head),
            Ok(None) => {
                self.doubt = Some("a datagram came that holds no whole SIP message".to_owned());
                None
            }
            Err(malformed) => {
                self.doubt = Some(words(&malformed));
                None
            }
        };
        verdict.map_or(Turn::Listen, Turn::Over)
    }

    fn doubt(&self) -> Option<String> {
        self.doubt.clone()
    }
}

impl Dialogue for Options {
    fn begin(&mut self, local: SocketAddr) -> Turn {
        Turn::Say(self.request(local))
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.received += bytes.len() as u64;
        self.buffer.extend_from_slice(bytes);
        loop {
            let passed = self.skip.min(self.buffer.len());
            self.buffer.drain(..passed);
            self.skip -= passed;
            match message::read(&self.buffer) {
                Ok(None) => {
                    let blank = message::blank(&self.buffer);
                    self.buffer.drain(..blank);
                    return Turn::Listen;
                }
                Err(malformed) => return Turn::Over(Verdict::down(words(&malformed))),
                Ok(Some(head)) => {
                    if let Some(verdict) = self.judge_head(&head) {
                        return Turn::Over(verdict);
                    }
                    self.skip = head.length + head.body;
                }
            }
        }
    }

    fn end(&mut self) -> Verdict {
        Verdict::down(match (&self.doubt, self.received) {
            (Some(doubt), _) => format!("the server closed; {doubt}"),
            (None, 0) => "connected, but the server closed without an answer".to_owned(),
            (None, count) => format!("answer stopped after {}", Bytes(count)),
        })
    }
}

pub(super) async fn run(route: Route<'_>, probe: &SipProbe, timeout: Duration) -> Report {
    let random = match datagram::random() {
        Ok(random) => random,
        Err(fault) => return Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    };
    let user = probe.login.clone().unwrap_or_else(default_user);
    let options = Options::new(&user, probe.transport, random);
    match probe.transport {
        Transport::Udp => datagram::run(route, options, timeout).await,
        Transport::Tcp => dialogue::run(route, None, options, timeout).await,
    }
}

/// As ldirectord names itself.
fn default_user() -> String {
    let host = nix::unistd::gethostname().ok();
    let host = host.and_then(|host| host.into_string().ok());
    format!("ldirectord@{}", host.as_deref().unwrap_or("localhost"))
}
