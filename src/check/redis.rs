//! A Redis server answers a command: `service=redis`
//! (RESP2, <https://redis.io/docs/latest/develop/reference/protocol-spec/>).
//!
//! Without a request PING is sent and PONG expected; with one, such as `INFO replication`,
//! every answer that is no error will do, or one with the expected text. An answer of
//! several elements counts as their lines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use self::answer::{Answer, Answers, Malformed};
use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::fault::{Bytes, excerpt};
use super::pattern::{self, Matcher};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, Login, Outcome, RedisProbe, Report};

mod answer;

/// Bytes of the server's words that are quoted.
const QUOTED_MAX: usize = 200;

pub(super) async fn run(route: Route<'_>, probe: &RedisProbe, timeout: Duration) -> Report {
    match Conversation::new(probe) {
        Ok(conversation) => dialogue::run(route, None, conversation, timeout).await,
        Err(fault) => Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    }
}

/// The conversation.
#[derive(Debug)]
pub struct Conversation {
    login: Option<Login>,
    words: Vec<String>,
    matcher: Option<Arc<Matcher>>,
    answers: Answers,
    awaits: Awaits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Auth,
    Command,
}

impl Conversation {
    /// Logs in, if there is a login, and gives the command.
    ///
    /// # Errors
    ///
    /// The pattern cannot be used.
    pub fn new(probe: &RedisProbe) -> Result<Self, Fault> {
        let mut words: Vec<String> = probe
            .command
            .split_ascii_whitespace()
            .map(str::to_owned)
            .collect();
        if words.is_empty() {
            words.push("PING".to_owned());
        }
        Ok(Self {
            login: probe.login.clone(),
            words,
            matcher: probe.receive.as_ref().map(pattern::compile).transpose()?,
            answers: Answers::default(),
            awaits: Awaits::Command,
        })
    }

    /// Bytes of the server's words that are kept.
    pub fn kept(&self) -> usize {
        self.answers.kept()
    }

    /// The name of the command, for messages.
    fn command(&self) -> &str {
        match self.awaits {
            Awaits::Auth => "AUTH",
            Awaits::Command => &self.words[0],
        }
    }

    fn say_command(&mut self) -> Turn {
        self.awaits = Awaits::Command;
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        Turn::Say(Words::open(command(&words)))
    }

    fn judge(&mut self, answer: &Answer) -> Turn {
        Turn::Over(
            match (self.awaits, answer) {
                (Awaits::Auth, Answer::Error(text)) => {
                    Verdict::down(format!("login refused: {}", self.quote(text)))
                }
                (Awaits::Auth, _) => return self.say_command(),
                (Awaits::Command, Answer::Error(text)) => Verdict::down(format!(
                    "{} is refused: {}",
                    self.command(),
                    self.quote(text)
                )),
                (Awaits::Command, Answer::Text(text)) => self.judge_text(text),
            }
            .saying(command(&["QUIT"])),
        )
    }

    fn judge_text(&self, text: &[u8]) -> Verdict {
        let word = self.command();
        let count = Bytes(text.len() as u64);
        let Some(matcher) = &self.matcher else {
            let is_ping = word.eq_ignore_ascii_case("PING") && self.words.len() == 1;
            if is_ping && text != b"PONG" {
                let quoted = self.quote(text);
                return Verdict::down(format!("the answer to PING is not PONG: {quoted}"));
            }
            return Verdict::up(match text.len() {
                0..=QUOTED_MAX => format!("{word} is answered with {}", self.quote(text)),
                _ => format!("{word} is answered with {count}"),
            });
        };
        match matcher.is_match(text) {
            Ok(true) => Verdict::up(format!("the answer to {word} ({count}) matches")),
            Ok(false) => Verdict::down(format!(
                "the answer to {word} ({count}) does not match \"{}\": {}",
                matcher.source(),
                self.quote(text)
            )),
            Err(too_hard) => Verdict::down(too_hard.to_string()),
        }
    }

    /// In quotation marks, shortened, without the password.
    fn quote(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        let masked = match &self.login {
            Some(login) if !login.password.expose().is_empty() => {
                text.replace(login.password.expose(), "***")
            }
            _ => text.into_owned(),
        };
        format!("\"{}\"", excerpt(masked.as_bytes(), QUOTED_MAX))
    }
}

impl Dialogue for Conversation {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        let Some(login) = &self.login else {
            return self.say_command();
        };
        self.awaits = Awaits::Auth;
        let password = login.password.expose();
        let auth = |password| match login.name.as_str() {
            "" => command(&["AUTH", password]),
            name => command(&["AUTH", name, password]),
        };
        Turn::Say(Words::secret(auth(password), auth("***")))
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.answers.push(bytes);
        match self.answers.next() {
            Ok(None) => Turn::Listen,
            Ok(Some(answer)) => self.judge(&answer),
            Err(Malformed::TooLong) => Turn::Over(Verdict::down(format!(
                "the answer to {} is longer than {}",
                self.command(),
                Bytes(answer::ANSWER_MAX as u64)
            ))),
            Err(Malformed::Strange(line)) => Turn::Over(Verdict::down(format!(
                "the answer to {} is not Redis: {}",
                self.command(),
                self.quote(&line)
            ))),
        }
    }

    fn end(&mut self) -> Verdict {
        let how = if self.answers.kept() == 0 {
            "without"
        } else {
            "in the middle of"
        };
        Verdict::down(format!(
            "the server closed the connection {how} an answer to {}",
            self.command()
        ))
    }

    fn awaited(&self) -> Option<String> {
        Some(format!("answer to {}", self.command()))
    }
}

/// A command as an array of strings.
fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests;
