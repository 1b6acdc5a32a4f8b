//! The exchange over the control and the data connection (RFC 959, RFC 2428). Pure.

use std::sync::Arc;

use super::super::dialogue::{Verdict, Words};
use super::super::fault::Bytes;
use super::super::pattern::{self, Matcher, TooHard};
use super::super::reply::{Manner, Reader, Reply, speakable};
use crate::model::{Fault, FtpProbe, Login, Reason, Secret};

/// Bytes of a file that are fetched and searched.
const FILE_MAX: usize = 256 * 1024;

/// The same for an expression that may backtrack, whose searches are dear.
const FILE_MAX_BACKTRACKING: usize = 32 * 1024;

/// Replies of one session; a good one has nine.
const REPLIES_MAX: u32 = 100;

const GOODBYE: &str = "QUIT\r\n";

/// "Service not available, closing control connection" (RFC 959 §4.2.1).
const CLOSING: u16 = 421;

/// What a session wants next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// More from the server, over either connection.
    Listen,
    /// This said over the control connection, then [`Session::feed`] with nothing.
    Say(Words),
    /// A data connection to this port of the server, then [`Session::opened`] or
    /// [`Session::unreachable`].
    Connect(u16),
    /// Nothing.
    Over(Verdict),
}

/// One file fetched in passive mode.
///
/// No method blocks or panics, whatever the server says; of a file, at most 256 KiB are
/// kept.
#[derive(Debug)]
pub struct Session {
    reader: Reader,
    login: Login,
    /// As sent; empty: nothing is fetched.
    path: String,
    matcher: Option<Arc<Matcher>>,
    state: State,
    replies: u32,
    file: Vec<u8>,
    data_ended: bool,
    completed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    User,
    Pass,
    Type,
    Epsv,
    Pasv,
    Opening(u16),
    Retr,
}

impl Session {
    /// Waits for the greeting. `host` is this host's name, for the password of anonymous
    /// users.
    ///
    /// # Errors
    ///
    /// The pattern is unusable, or login or path cannot be said in FTP.
    pub fn new(probe: &FtpProbe, host: &str) -> Result<Self, Fault> {
        let mut login = probe.login.clone().unwrap_or_else(|| Login {
            name: "anonymous".to_owned(),
            password: Secret::new(""),
        });
        let has_password = !login.password.expose().is_empty();
        let secret = has_password.then(|| login.password.clone());
        if !has_password {
            login.password = Secret::new(format!("ldirectord@{host}"));
        }
        speakable("login", &login.name)?;
        speakable("password", login.password.expose())?;
        let path = speakable("request", &probe.path)?;
        let path = if path.is_empty() {
            String::new()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            reader: Reader::new("FTP", secret),
            login,
            path,
            matcher: probe.receive.as_ref().map(pattern::compile).transpose()?,
            state: State::Greeting,
            replies: 0,
            file: Vec::new(),
            data_ended: false,
            completed: false,
        })
    }

    /// These bytes came over the control connection; none, for what may have come before.
    pub fn feed(&mut self, bytes: &[u8]) -> Step {
        self.reader.push(bytes);
        loop {
            // What comes before the data connection is there belongs after it.
            if matches!(self.state, State::Opening(_)) {
                return Step::Listen;
            }
            match self.reader.reply(Manner::Free) {
                Ok(Some(reply)) => {
                    if let Some(step) = self.hear(&reply) {
                        return step;
                    }
                }
                Ok(None) => return Step::Listen,
                Err(verdict) => return Step::Over(verdict),
            }
        }
    }

    /// The data connection is there.
    pub fn opened(&mut self) -> Step {
        self.state = State::Retr;
        let command = format!("RETR {}\r\n", self.path);
        self.say("RETR", command)
    }

    /// The data connection cannot be made.
    pub fn unreachable(&self, reason: &Reason) -> Step {
        let State::Opening(port) = self.state else {
            return Step::Listen;
        };
        down(format!(
            "logged in, but no data connection to port {port}: {reason}"
        ))
    }

    /// These bytes came over the data connection.
    pub fn data(&mut self, bytes: &[u8]) -> Step {
        let room = self.file_max() - self.file.len();
        if bytes.len() < room {
            self.file.extend_from_slice(bytes);
            return Step::Listen;
        }
        self.file.extend_from_slice(&bytes[..room]);
        Step::Over(self.judge())
    }

    /// The server has closed the data connection.
    pub fn data_end(&mut self) -> Step {
        self.data_ended = true;
        self.delivered()
    }

    /// The server has closed the control connection.
    pub fn end(&self) -> Verdict {
        self.reader.ended()
    }

    /// What is missing, as in "no …".
    pub fn awaited(&self) -> String {
        match self.state {
            State::Opening(port) => format!("data connection to port {port}"),
            State::Retr if self.completed => "end of the data connection".to_owned(),
            State::Retr if self.data_ended => "reply that the file is complete".to_owned(),
            State::Retr if !self.file.is_empty() => {
                format!("end of the file after {}", Bytes(self.file.len() as u64))
            }
            _ => self.reader.awaited(),
        }
    }

    /// Bytes of the server's words, and of the file, that are kept.
    pub fn kept(&self) -> usize {
        self.reader.kept() + self.file.len()
    }

    /// What a reply leads to; `None`: to the next one.
    fn hear(&mut self, reply: &Reply) -> Option<Step> {
        self.replies += 1;
        if self.replies > REPLIES_MAX {
            return Some(down(format!("more than {REPLIES_MAX} replies")));
        }
        if reply.is_preliminary() {
            // "Ready in n minutes", or the transfer begins.
            return None;
        }
        let quoted = self.reader.quote(&reply.line);
        if reply.code == CLOSING {
            let reason = match self.state {
                State::Greeting => format!("connected, but the greeting is {quoted}"),
                _ => format!("the server closes the connection: {quoted}"),
            };
            return Some(Step::Over(Verdict::down(reason)));
        }
        let accepted = reply.is_positive();
        Some(match self.state {
            State::Greeting if accepted => {
                self.state = State::User;
                let command = format!("USER {}\r\n", self.login.name);
                self.say("USER", command)
            }
            State::Greeting => down(format!("connected, but the greeting is {quoted}")),
            State::User if reply.code == 331 => {
                self.state = State::Pass;
                self.reader.asked("PASS");
                let command = format!("PASS {}\r\n", self.login.password.expose());
                Step::Say(Words::secret(command, "PASS ***\r\n"))
            }
            State::User | State::Pass if accepted => self.logged_in(),
            State::User | State::Pass => down(format!("login refused: {quoted}")),
            // A server without types has but one.
            State::Type => {
                self.state = State::Epsv;
                self.say("EPSV", "EPSV\r\n")
            }
            State::Epsv => {
                if let Some(port) = extended_port(reply) {
                    self.open(port)
                } else {
                    self.state = State::Pasv;
                    self.say("PASV", "PASV\r\n")
                }
            }
            State::Pasv if !accepted => down(format!("logged in, but PASV is refused: {quoted}")),
            State::Pasv => match passive_port(reply) {
                Some(port) => self.open(port),
                None => down(format!(
                    "logged in, but no port in the answer to PASV: {quoted}"
                )),
            },
            State::Retr if accepted => {
                self.completed = true;
                self.delivered()
            }
            State::Retr => down(format!("{} cannot be fetched: {quoted}", self.path)),
            State::Opening(_) => return None,
        })
    }

    fn logged_in(&mut self) -> Step {
        if self.path.is_empty() {
            return Step::Over(self.judge());
        }
        self.state = State::Type;
        self.say("TYPE", "TYPE I\r\n")
    }

    fn open(&mut self, port: u16) -> Step {
        self.state = State::Opening(port);
        Step::Connect(port)
    }

    fn say(&mut self, question: &'static str, command: impl Into<Vec<u8>>) -> Step {
        self.reader.asked(question);
        Step::Say(Words::open(command))
    }

    /// Judges the file when both connections have said that it is whole.
    fn delivered(&self) -> Step {
        if self.completed && self.data_ended {
            Step::Over(self.judge())
        } else {
            Step::Listen
        }
    }

    fn file_max(&self) -> usize {
        match &self.matcher {
            Some(matcher) if !matcher.is_linear() => FILE_MAX_BACKTRACKING,
            _ => FILE_MAX,
        }
    }

    fn judge(&self) -> Verdict {
        let length = Bytes(self.file.len() as u64);
        let what = match self.path.as_str() {
            "" => format!("logged in as {}", self.login.name),
            path if self.file.len() >= self.file_max() => format!("{path} begins with {length}"),
            path => format!("{path} has {length}"),
        };
        let found = match &self.matcher {
            None => Ok(true),
            Some(matcher) => matcher.is_match(&self.file),
        };
        let verdict = match (found, &self.matcher) {
            (Ok(true), _) => Verdict::up(what),
            (Err(error @ TooHard), _) => Verdict::down(error.to_string()),
            (Ok(false), matcher) => {
                let expected = matcher.as_ref().map_or("", |matcher| matcher.source());
                Verdict::down(if self.path.is_empty() {
                    format!("{what}, but no file is requested in which to find \"{expected}\"")
                } else {
                    format!("{what}, but they do not match \"{expected}\"")
                })
            }
        };
        verdict.saying(GOODBYE)
    }
}

fn down(reason: impl AsRef<str>) -> Step {
    Step::Over(Verdict::down(reason).saying(GOODBYE))
}

/// Port in `229 Entering Extended Passive Mode (|||6446|)` (RFC 2428 §3).
fn extended_port(reply: &Reply) -> Option<u16> {
    if reply.code != 229 {
        return None;
    }
    let open = reply.line.iter().position(|byte| *byte == b'(')?;
    let inner = &reply.line[open + 1..];
    let (delimiter, _) = inner.split_first()?;
    let mut parts = inner.split(|byte| byte == delimiter);
    let empty = parts.by_ref().take(3).all(<[u8]>::is_empty);
    let port = number(parts.next()?)?;
    // Something must follow the last delimiter, and there is no port 0.
    (empty && parts.next().is_some() && port > 0).then_some(port)
}

/// Port in `227 Entering Passive Mode (h1,h2,h3,h4,p1,p2)`. Servers differ in what stands
/// around the six numbers (RFC 1123 §4.1.2.6); the address they name is not used.
fn passive_port(reply: &Reply) -> Option<u16> {
    let text = reply.line.get(3..)?;
    let numbers = text.split(|byte| !byte.is_ascii_digit() && *byte != b',');
    let six = numbers
        .map(|run| run.split(|byte| *byte == b','))
        .find_map(|run| {
            let run: Vec<_> = run.take(7).map(number).collect();
            match run[..] {
                [Some(_), Some(_), Some(_), Some(_), Some(high), Some(low)] => Some((high, low)),
                _ => None,
            }
        });
    let (high, low) = six?;
    let port = u8::try_from(high).ok().zip(u8::try_from(low).ok());
    port.map(|(high, low)| u16::from_be_bytes([high, low]))
        .filter(|port| *port > 0)
}

fn number(digits: &[u8]) -> Option<u16> {
    // `parse` alone would take a sign.
    let plain = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| plain)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;
