//! An LDAP directory has one entry: `service=ldap` and `ldaps` (RFC 4511).
//!
//! A bind, a search for one entry, an unbind. The entry comes without its attributes: only
//! its DN is looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::message::{Done, Message};
use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::fault::excerpt;
use super::pattern::{self, Matcher};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, LdapProbe, Outcome, Reason, Report};

mod ber;
mod message;

/// Longest message that is read, in bytes.
const MESSAGE_MAX: usize = 64 * 1024;

/// Most bytes of the server's that are kept: an incomplete message and the DN of an entry.
pub const KEPT_MAX: usize = 2 * MESSAGE_MAX + 8;

/// Bytes of the server's words that a reason shows.
const QUOTED: usize = 300;

pub(super) async fn run(route: Route<'_>, probe: &LdapProbe, timeout: Duration) -> Report {
    match Conversation::new(probe) {
        Ok(conversation) => dialogue::run(route, probe.tls.as_deref(), conversation, timeout).await,
        Err(fault) => Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    }
}

/// The conversation with a directory.
#[derive(Debug)]
pub struct Conversation {
    bind: Words,
    search: Vec<u8>,
    matcher: Option<Arc<Matcher>>,
    /// What has come of messages that are not complete.
    buffer: Vec<u8>,
    stage: Stage,
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    Binding,
    Searching {
        /// DN of the entry found.
        entry: Option<Vec<u8>>,
        /// Where the server says the entry is.
        elsewhere: Option<String>,
    },
}

impl Conversation {
    /// Makes one ready.
    ///
    /// # Errors
    ///
    /// The expected text is no usable pattern.
    pub fn new(probe: &LdapProbe) -> Result<Self, Fault> {
        let matcher = probe.receive.as_ref().map(pattern::compile).transpose()?;
        let bind = match &probe.bind {
            Some(login) => Words::secret(
                message::bind(&login.name, login.password.expose()),
                message::bind(&login.name, "***"),
            ),
            None => Words::open(message::bind("", "")),
        };
        Ok(Self {
            bind,
            search: message::search(&probe.base),
            matcher,
            buffer: Vec::new(),
            stage: Stage::Binding,
        })
    }

    /// Bytes of the server's that are kept at the moment.
    pub fn kept(&self) -> usize {
        let entry = match &self.stage {
            Stage::Searching {
                entry: Some(dn), ..
            } => dn.len(),
            _ => 0,
        };
        self.buffer.len() + entry
    }

    fn hear(&mut self, message: Message<'_>) -> Turn {
        match (message, &mut self.stage) {
            (Message::BindDone(Done { code: 0, .. }), Stage::Binding) => {
                self.stage = Stage::Searching {
                    entry: None,
                    elsewhere: None,
                };
                Turn::Say(Words::open(std::mem::take(&mut self.search)))
            }
            (Message::BindDone(done), Stage::Binding) => {
                over(Verdict::down(format!("bind refused: {}", words(&done))))
            }
            (Message::Entry(dn), Stage::Searching { entry, .. }) => {
                if entry.is_some() {
                    return over(Verdict::down("more than one entry"));
                }
                *entry = Some(dn.to_vec());
                Turn::Listen
            }
            (Message::Reference(url), Stage::Searching { elsewhere, .. }) => {
                *elsewhere = Some(excerpt(url, QUOTED));
                Turn::Listen
            }
            (Message::SearchDone(done), Stage::Searching { entry, elsewhere }) => {
                let (entry, elsewhere) = (entry.take(), elsewhere.take());
                over(self.judge(&done, entry, elsewhere))
            }
            (Message::Disconnection(done), _) => over(Verdict::down(format!(
                "the server hangs up: {}",
                words(&done)
            ))),
            // Answers to nothing we asked, and intermediate ones (RFC 4511 §4.13).
            _ => Turn::Listen,
        }
    }

    fn judge(&self, done: &Done<'_>, entry: Option<Vec<u8>>, elsewhere: Option<String>) -> Verdict {
        if done.code != 0 {
            return Verdict::down(format!("search failed: {}", words(done)));
        }
        let Some(dn) = entry else {
            return Verdict::down(match elsewhere {
                Some(url) => format!("no entry: the server refers to \"{url}\""),
                None => "no entry".to_owned(),
            });
        };
        let shown = excerpt(&dn, QUOTED);
        let found = self
            .matcher
            .as_ref()
            .map(|matcher| (matcher, matcher.is_match(&dn)));
        match found {
            Some((_, Err(error))) => Verdict::down(error.to_string()),
            Some((matcher, Ok(false))) => Verdict::down(format!(
                "the entry found is \"{shown}\", which does not match \"{}\"",
                matcher.source()
            )),
            // A reason is a printable line, and so is this.
            _ => Verdict::up(Reason::new(format!("found the entry \"{shown}\"")).to_string()),
        }
    }
}

impl Dialogue for Conversation {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Say(self.bind.clone())
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.buffer.extend_from_slice(bytes);
        // Taken out so that a message in it can be heard.
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        let turn = loop {
            let rest = &buffer[at..];
            if rest.first().is_some_and(|tag| *tag != ber::SEQUENCE) {
                break over(stranger(rest));
            }
            let message = match ber::first(rest, MESSAGE_MAX) {
                Ok(Some((element, whole))) => {
                    at += whole;
                    message::read(element.content)
                }
                Ok(None) => break Turn::Listen,
                Err(broken) => Err(broken),
            };
            let turn = match message {
                Ok(message) => self.hear(message),
                Err(broken) => {
                    break over(Verdict::down(format!("not an LDAP answer: {broken}")));
                }
            };
            if turn != Turn::Listen {
                break turn;
            }
        };
        buffer.drain(..at);
        self.buffer = buffer;
        turn
    }

    fn end(&mut self) -> Verdict {
        let (what, partial) = match &self.stage {
            Stage::Binding => ("the bind", self.buffer.len()),
            Stage::Searching { .. } => ("the search", self.buffer.len()),
        };
        Verdict::down(match partial {
            0 => format!("the server closed without an answer to {what}"),
            _ => format!("the server closed in the middle of its answer to {what}"),
        })
    }
}

/// A server is left with an unbind, however it behaved.
fn over(verdict: Verdict) -> Turn {
    Turn::Over(verdict.saying(message::unbind()))
}

/// Something that does not begin like a message.
fn stranger(bytes: &[u8]) -> Verdict {
    Verdict::down(format!(
        "not an LDAP answer: \"{}\"",
        excerpt(bytes, QUOTED)
    ))
}

/// A result in words, with the server's own.
fn words(done: &Done<'_>) -> String {
    let mut words = format!("{} ({})", message::code_words(done.code), done.code);
    if let Some(url) = done.referral {
        words += &format!(" to \"{}\"", excerpt(url, QUOTED));
    }
    if !done.diagnostic.is_empty() {
        words += &format!(": \"{}\"", excerpt(done.diagnostic, QUOTED));
    }
    words
}

#[cfg(test)]
mod tests;
