//! A mail server greets and takes EHLO (RFC 5321): `service=smtp`, `service=submission`.
//!
//! No mail is sent and nobody logs in. Servers that do not know EHLO are greeted with
//! HELO.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::reply::{Manner, Reader, Reply};
use super::socket::Route;
use crate::model::Report;

/// How ldirectord introduces itself.
const NAME: &str = "localhost.localdomain";

/// "Service not available, closing transmission channel" (RFC 5321 §3.8).
const CLOSING: u16 = 421;

pub(super) async fn run(route: Route<'_>, timeout: Duration) -> Report {
    dialogue::run(route, None, Smtp::new(), timeout).await
}

/// The conversation.
#[derive(Debug)]
pub struct Smtp {
    reader: Reader,
    state: State,
}

/// What is awaited.
#[derive(Debug)]
enum State {
    Greeting,
    Ehlo { greeting: String },
    Helo { greeting: String },
}

impl Smtp {
    /// Waits for the greeting.
    #[expect(
        clippy::new_without_default,
        reason = "a conversation is begun, not defaulted"
    )]
    pub fn new() -> Self {
        Self {
            reader: Reader::new("SMTP", None),
            state: State::Greeting,
        }
    }

    /// Bytes of the server's words that are kept.
    pub fn kept(&self) -> usize {
        self.reader.kept()
    }

    fn hear(&mut self, reply: &Reply) -> Turn {
        let quoted = self.reader.quote(&reply.line);
        let accepted = reply.is_positive();
        match std::mem::replace(&mut self.state, State::Greeting) {
            State::Greeting if accepted => {
                self.state = State::Ehlo { greeting: quoted };
                self.say("EHLO")
            }
            State::Greeting => refused(reply, &format!("connected, but the greeting is {quoted}")),
            State::Ehlo { greeting } if accepted => up(&format!("{greeting}, EHLO accepted")),
            State::Ehlo { greeting } if reply.code != CLOSING => {
                self.state = State::Helo { greeting };
                self.say("HELO")
            }
            State::Ehlo { .. } => refused(reply, &format!("EHLO refused: {quoted}")),
            State::Helo { greeting } if accepted => up(&format!("{greeting}, HELO accepted")),
            State::Helo { .. } => refused(reply, &format!("EHLO and HELO refused: {quoted}")),
        }
    }

    fn say(&mut self, command: &'static str) -> Turn {
        self.reader.asked(command);
        Turn::Say(Words::open(format!("{command} {NAME}\r\n")))
    }
}

fn up(detail: &str) -> Turn {
    Turn::Over(Verdict::up(format!("greeted with {detail}")).saying("QUIT\r\n"))
}

/// A server that closes by itself needs no goodbye.
fn refused(reply: &Reply, reason: &str) -> Turn {
    let goodbye = if reply.code == CLOSING {
        ""
    } else {
        "QUIT\r\n"
    };
    Turn::Over(Verdict::down(reason).saying(goodbye))
}

impl Dialogue for Smtp {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Listen
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.reader.push(bytes);
        match self.reader.reply(Manner::Strict) {
            Ok(Some(reply)) => self.hear(&reply),
            Ok(None) => Turn::Listen,
            Err(verdict) => Turn::Over(verdict),
        }
    }

    fn end(&mut self) -> Verdict {
        self.reader.ended()
    }

    fn awaited(&self) -> Option<String> {
        Some(self.reader.awaited())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::transcript::{Told, hold_through, tell};

    const POSTFIX: &[u8] = b"220 mail.example.net ESMTP Postfix (Debian/GNU)\r\n\
        250-mail.example.net\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-STARTTLS\r\n250 CHUNKING\r\n";

    fn told(server: &[u8]) -> Told {
        tell(&mut Smtp::new(), &[server])
    }

    #[test]
    fn a_recorded_greeting_is_up_however_it_comes() {
        let told = hold_through(Smtp::new, Smtp::kept, POSTFIX);
        assert_eq!(
            told.result,
            Ok(
                "greeted with \"220 mail.example.net ESMTP Postfix (Debian/GNU)\", EHLO accepted"
                    .to_owned()
            )
        );
        assert_eq!(told.said, "EHLO localhost.localdomain\r\nQUIT\r\n");
    }

    #[test]
    fn helo_is_the_second_try() {
        let told = told(b"220-old\r\n220 mail\r\n502 5.5.2 no EHLO\r\n250 fine\r\n");
        assert_eq!(
            told.result,
            Ok("greeted with \"220-old\", HELO accepted".to_owned())
        );
        assert_eq!(
            told.said,
            "EHLO localhost.localdomain\r\nHELO localhost.localdomain\r\nQUIT\r\n"
        );
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        for (server, reason, said) in [
            (
                "554 5.7.1 no service for you\r\n",
                "connected, but the greeting is \"554 5.7.1 no service for you\"",
                "QUIT\r\n",
            ),
            (
                "421 too many connections\r\n",
                "connected, but the greeting is \"421 too many connections\"",
                "",
            ),
            (
                "220 x\r\n421 shutting down\r\n",
                "EHLO refused: \"421 shutting down\"",
                "EHLO localhost.localdomain\r\n",
            ),
            (
                "220 x\r\n550 no\r\n501 never\r\n",
                "EHLO and HELO refused: \"501 never\"",
                "EHLO localhost.localdomain\r\nHELO localhost.localdomain\r\nQUIT\r\n",
            ),
            (
                "354 what\r\n",
                "connected, but the greeting is \"354 what\"",
                "QUIT\r\n",
            ),
            (
                "SSH-2.0-OpenSSH_9.2\r\n",
                "connected, but the greeting is not SMTP: \"SSH-2.0-OpenSSH_9.2\"",
                "",
            ),
            (
                "220 x\r\nwhat?\0\r\n",
                "the answer to EHLO is not SMTP: \"what?\\u{0}\"",
                "EHLO localhost.localdomain\r\n",
            ),
            (
                "220 x\r\n",
                "the server closed the connection without an answer to EHLO",
                "EHLO localhost.localdomain\r\n",
            ),
        ] {
            let told = told(server.as_bytes());
            assert_eq!(told.result, Err(reason.to_owned()));
            assert_eq!(told.said, said, "{server}");
        }
    }
}
