//! A POP3 server greets and takes the login (RFC 1939): `service=pop`, `service=pops`.

use std::net::SocketAddr;
use std::time::Duration;

use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::reply::{Reader, speakable};
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, Login, Outcome, PopProbe, Report};

pub(super) async fn run(route: Route<'_>, probe: &PopProbe, timeout: Duration) -> Report {
    match Pop::new(probe.login.as_ref()) {
        Ok(pop) => dialogue::run(route, probe.tls.as_deref(), pop, timeout).await,
        Err(fault) => Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    }
}

/// The conversation.
#[derive(Debug)]
pub struct Pop {
    reader: Reader,
    login: Option<Login>,
    awaits: Awaits,
}

#[derive(Debug, Clone, Copy)]
enum Awaits {
    Greeting,
    User,
    Pass,
}

impl Pop {
    /// Waits for the greeting, and logs in if there is a login.
    ///
    /// # Errors
    ///
    /// The login cannot be said in POP3.
    pub fn new(login: Option<&Login>) -> Result<Self, Fault> {
        if let Some(login) = login {
            speakable("login", &login.name)?;
            speakable("password", login.password.expose())?;
        }
        Ok(Self {
            reader: Reader::new("POP3", login.map(|login| login.password.clone())),
            login: login.cloned(),
            awaits: Awaits::Greeting,
        })
    }

    /// Bytes of the server's words that are kept.
    pub fn kept(&self) -> usize {
        self.reader.kept()
    }

    fn hear(&mut self, line: &[u8]) -> Turn {
        let quoted = self.reader.quote(line);
        let Some(answer) = Answer::read(line) else {
            return Turn::Over(self.reader.strange(line));
        };
        Turn::Over(
            match (self.awaits, answer, &self.login) {
                (Awaits::Greeting, Answer::Ok, None) => {
                    Verdict::up(format!("greeted with {quoted}"))
                }
                (Awaits::Greeting, Answer::Ok, Some(login)) => {
                    let command = Words::open(format!("USER {}\r\n", login.name));
                    return self.say("USER", Awaits::User, command);
                }
                (Awaits::Greeting, ..) => {
                    Verdict::down(format!("connected, but the greeting is {quoted}"))
                }
                (Awaits::User, Answer::Ok, Some(login)) => {
                    let command = format!("PASS {}\r\n", login.password.expose());
                    let command = Words::secret(command, "PASS ***\r\n");
                    return self.say("PASS", Awaits::Pass, command);
                }
                (Awaits::Pass, Answer::Ok, Some(login)) => {
                    Verdict::up(format!("logged in as {}", login.name))
                }
                (Awaits::Pass, Answer::InUse, Some(login)) => Verdict::up(format!(
                    "logged in as {}, the mailbox is in use",
                    login.name
                )),
                (Awaits::User | Awaits::Pass, ..) => {
                    Verdict::down(format!("login refused: {quoted}"))
                }
            }
            .saying("QUIT\r\n"),
        )
    }

    fn say(&mut self, command: &'static str, awaits: Awaits, words: Words) -> Turn {
        self.reader.asked(command);
        self.awaits = awaits;
        Turn::Say(words)
    }
}

/// First word of an answer, and what matters of the code after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Ok,
    /// The login was right, but another session holds the mailbox, like that of the other
    /// director's check (RFC 2449 §8.1.1).
    InUse,
    Err,
}

impl Answer {
    fn read(line: &[u8]) -> Option<Self> {
        let mut words = line.splitn(2, |byte| *byte == b' ');
        let status = words.next()?;
        let text = words.next().unwrap_or_default();
        if status.eq_ignore_ascii_case(b"+OK") {
            Some(Self::Ok)
        } else if !status.eq_ignore_ascii_case(b"-ERR") {
            None
        } else if text.len() >= 8 && text[..8].eq_ignore_ascii_case(b"[IN-USE]") {
            Some(Self::InUse)
        } else {
            Some(Self::Err)
        }
    }
}

impl Dialogue for Pop {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Listen
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.reader.push(bytes);
        match self.reader.line() {
            Ok(Some(line)) => self.hear(&line),
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
    use crate::model::Secret;

    fn login() -> Login {
        Login {
            name: "monitor".to_owned(),
            password: Secret::new("hid den"),
        }
    }

    fn told(login: Option<&Login>, server: &str) -> Told {
        tell(&mut Pop::new(login).unwrap(), &[server.as_bytes()])
    }

    #[test]
    fn a_recorded_login_is_up_however_it_comes() {
        let dovecot = b"+OK Dovecot (Debian) ready.\r\n+OK\r\n+OK Logged in.\r\n";
        let told = hold_through(|| Pop::new(Some(&login())).unwrap(), Pop::kept, dovecot);
        assert_eq!(told.result, Ok("logged in as monitor".to_owned()));
        assert_eq!(told.said, "USER monitor\r\nPASS hid den\r\nQUIT\r\n");
        assert_eq!(told.shown, "USER monitor\r\nPASS ***\r\nQUIT\r\n");
    }

    #[test]
    fn without_a_login_the_greeting_is_enough() {
        let told = told(None, "+OK <1896.697170952@mail.example.net>\r\n");
        assert_eq!(
            told.result,
            Ok("greeted with \"+OK <1896.697170952@mail.example.net>\"".to_owned())
        );
        assert_eq!(told.said, "QUIT\r\n");
    }

    #[test]
    fn a_mailbox_in_use_is_a_login_that_worked() {
        let told = told(Some(&login()), "+OK\n+OK\n-ERR [in-use] locked\n");
        assert_eq!(
            told.result,
            Ok("logged in as monitor, the mailbox is in use".to_owned())
        );
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        for (server, reason) in [
            (
                "-ERR [SYS/TEMP] later\r\n",
                "connected, but the greeting is \"-ERR [SYS/TEMP] later\"",
            ),
            (
                "-ERR [IN-USE] x\r\n",
                "connected, but the greeting is \"-ERR [IN-USE] x\"",
            ),
            (
                "+OK\r\n-ERR no such user\r\n",
                "login refused: \"-ERR no such user\"",
            ),
            (
                "+OK\r\n-ERR [IN-USE] x\r\n",
                "login refused: \"-ERR [IN-USE] x\"",
            ),
            (
                "+OK\r\n+OK\r\n-ERR [AUTH] not with hid den\r\n",
                "login refused: \"-ERR [AUTH] not with ***\"",
            ),
            (
                "220 smtp\r\n",
                "connected, but the greeting is not POP3: \"220 smtp\"",
            ),
            (
                "+OKAY\r\n",
                "connected, but the greeting is not POP3: \"+OKAY\"",
            ),
            ("+OK\r\n\r\n", "the answer to USER is not POP3: \"\""),
            (
                "+OK\r\n+O",
                "the server closed the connection in the middle of an answer to USER: \"+O\"",
            ),
        ] {
            assert_eq!(told(Some(&login()), server).result, Err(reason.to_owned()));
        }
    }

    #[test]
    fn a_login_that_pop_cannot_carry_is_not_the_servers_fault() {
        for (name, password) in [("a\r\nDELE 1", "x"), ("a", "x\nDELE 1"), ("a\0", "x")] {
            let login = Login {
                name: name.to_owned(),
                password: Secret::new(password),
            };
            assert!(Pop::new(Some(&login)).is_err());
        }
    }
}
