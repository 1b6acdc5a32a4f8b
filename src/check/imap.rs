//! An IMAP server greets and takes the login (RFC 9051, RFC 3501): `service=imap`,
//! `service=imaps`.
//!
//! No mailbox is selected and nothing is expunged. A password is not sent to a server
//! that has said it takes none on this connection (RFC 9051 §6.2.3).

use std::net::SocketAddr;
use std::time::Duration;

use super::dialogue::{self, Dialogue, Turn, Verdict, Words};
use super::reply::Reader;
use super::socket::Route;
use super::trace::Trace;
use crate::model::{Fault, ImapProbe, Login, Outcome, Report};

/// Before closing; every other command has a tag of its own.
const GOODBYE: &str = "z LOGOUT\r\n";

pub(super) async fn run(route: Route<'_>, probe: &ImapProbe, timeout: Duration) -> Report {
    match Imap::new(probe.login.as_ref()) {
        Ok(imap) => dialogue::run(route, probe.tls.as_deref(), imap, timeout).await,
        Err(fault) => Trace::new(timeout).report(Outcome::Inconclusive(fault), ""),
    }
}

/// The conversation.
#[derive(Debug)]
pub struct Imap {
    reader: Reader,
    login: Option<Login>,
    awaits: Awaits,
    /// Parts of LOGIN that wait for the server's leave to be sent, last first.
    parts: Vec<Words>,
    /// The server has said that it takes no LOGIN on this connection.
    login_disabled: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Greeting,
    Capability,
    Login,
}

impl Imap {
    /// Waits for the greeting, and logs in if there is a login.
    ///
    /// # Errors
    ///
    /// The login holds a NUL, which IMAP cannot carry.
    pub fn new(login: Option<&Login>) -> Result<Self, Fault> {
        let texts = login.map(|login| [login.name.as_str(), login.password.expose()]);
        if texts.is_some_and(|texts| texts.iter().any(|text| text.contains('\0'))) {
            return Err(Fault::new("the login holds a NUL, which IMAP cannot carry"));
        }
        Ok(Self {
            reader: Reader::new("IMAP", login.map(|login| login.password.clone())),
            login: login.cloned(),
            awaits: Awaits::Greeting,
            parts: Vec::new(),
            login_disabled: false,
        })
    }

    /// Bytes of the server's words that are kept.
    pub fn kept(&self) -> usize {
        self.reader.kept()
    }

    /// What a line leads to; `None`: to the next one.
    fn hear(&mut self, line: &[u8]) -> Option<Turn> {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let first = words.next().unwrap_or_default();
        let second = words.next().unwrap_or_default();
        let is = |word: &str| second.eq_ignore_ascii_case(word.as_bytes());
        let quoted = self.reader.quote(line);
        if first == b"*" {
            self.note_capabilities(line);
        }
        Some(match (first, self.awaits) {
            (b"*", _) if is("BYE") => {
                Turn::Over(Verdict::down(format!("the server says goodbye: {quoted}")))
            }
            (b"*", Awaits::Greeting) => self.greeted(line, second),
            (b"*", _) => return None,
            (b"a", Awaits::Capability) if is("OK") => self.log_in(),
            (b"a", Awaits::Capability) => down(format!("CAPABILITY refused: {quoted}")),
            (b"+", Awaits::Login) if !self.parts.is_empty() => Turn::Say(self.parts.pop()?),
            (b"b", Awaits::Login) if is("OK") && self.parts.is_empty() => {
                let name = self.login.as_ref().map_or("", |login| &login.name);
                up(format!("logged in as {name}"))
            }
            (b"b", Awaits::Login) if is("NO") || is("BAD") => {
                down(format!("login refused: {quoted}"))
            }
            _ => Turn::Over(self.reader.strange(line)),
        })
    }

    fn greeted(&mut self, line: &[u8], status: &[u8]) -> Turn {
        let quoted = self.reader.quote(line);
        if status.eq_ignore_ascii_case(b"PREAUTH") {
            return up(format!("greeted with {quoted}"));
        }
        if !status.eq_ignore_ascii_case(b"OK") {
            return Turn::Over(self.reader.strange(line));
        }
        if self.login.is_none() {
            return up(format!("greeted with {quoted}"));
        }
        if capabilities(line).is_some() {
            return self.log_in();
        }
        self.awaits = Awaits::Capability;
        self.reader.asked("CAPABILITY");
        Turn::Say(Words::open("a CAPABILITY\r\n"))
    }

    fn note_capabilities(&mut self, line: &[u8]) {
        if let Some(mut names) = capabilities(line) {
            self.login_disabled = names.any(|name| name.eq_ignore_ascii_case(b"LOGINDISABLED"));
        }
    }

    fn log_in(&mut self) -> Turn {
        if self.login_disabled {
            return down(
                "the server takes no login without TLS (LOGINDISABLED): use service=imaps",
            );
        }
        let Some(login) = &self.login else {
            return Turn::Listen;
        };
        self.awaits = Awaits::Login;
        self.reader.asked("LOGIN");
        let mut parts = login_parts(&login.name, login.password.expose());
        parts.reverse();
        self.parts = parts;
        self.parts.pop().map_or(Turn::Listen, Turn::Say)
    }
}

fn up(detail: impl Into<String>) -> Turn {
    Turn::Over(Verdict::up(detail).saying(GOODBYE))
}

fn down(reason: impl AsRef<str>) -> Turn {
    Turn::Over(Verdict::down(reason).saying(GOODBYE))
}

/// The names in `* CAPABILITY …` or in `[CAPABILITY …]` (RFC 9051 §7.1, §7.2.2).
fn capabilities(line: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let mut words = line.split(|byte| b" []".contains(byte));
    words
        .by_ref()
        .take(4)
        .find(|word| word.eq_ignore_ascii_case(b"CAPABILITY"))?;
    Some(words)
}

/// LOGIN in the parts between which the server is waited for: after each literal's length.
fn login_parts(name: &str, password: &str) -> Vec<Words> {
    let mut parts = Vec::new();
    let mut wire = b"b LOGIN".to_vec();
    let mut shown = wire.clone();
    for (text, is_secret) in [(name, false), (password, true)] {
        let masked = |plain: String| if is_secret { "***".to_owned() } else { plain };
        if is_quotable(text) {
            let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
            wire.extend_from_slice(format!(" \"{escaped}\"").as_bytes());
            shown.extend_from_slice(format!(" \"{}\"", masked(escaped)).as_bytes());
        } else {
            let length = text.len().to_string();
            wire.extend_from_slice(format!(" {{{length}}}\r\n").as_bytes());
            shown.extend_from_slice(format!(" {{{}}}\r\n", masked(length)).as_bytes());
            parts.push(Words::secret(wire, shown));
            wire = text.as_bytes().to_vec();
            shown = masked(text.to_owned()).into_bytes();
        }
    }
    wire.extend_from_slice(b"\r\n");
    shown.extend_from_slice(b"\r\n");
    parts.push(Words::secret(wire, shown));
    parts
}

/// Whether a text can be a quoted string (RFC 9051 §9, `QUOTED-CHAR`; in RFC 3501 of
/// seven bits only).
fn is_quotable(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii() && !b"\r\n\0".contains(&byte))
}

impl Dialogue for Imap {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Listen
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.reader.push(bytes);
        loop {
            match self.reader.line() {
                Ok(Some(line)) => {
                    if let Some(turn) = self.hear(&line) {
                        return turn;
                    }
                }
                Ok(None) => return Turn::Listen,
                Err(verdict) => return Turn::Over(verdict),
            }
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

    const GREETING: &str =
        "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ AUTH=PLAIN] Dovecot ready.\r\n";

    fn login(name: &str, password: &str) -> Login {
        Login {
            name: name.to_owned(),
            password: Secret::new(password),
        }
    }

    fn told(login: &Login, server: &str) -> Told {
        tell(&mut Imap::new(Some(login)).unwrap(), &[server.as_bytes()])
    }

    #[test]
    fn a_recorded_login_is_up_however_it_comes() {
        let monitor = login("monitor", "hidden");
        let server = format!(
            "{GREETING}* CAPABILITY IMAP4rev1 IDLE\r\nb OK [CAPABILITY IMAP4rev1 IDLE] Logged in\r\n"
        );
        let make = || Imap::new(Some(&monitor)).unwrap();
        let told = hold_through(make, Imap::kept, server.as_bytes());
        assert_eq!(told.result, Ok("logged in as monitor".to_owned()));
        assert_eq!(told.said, "b LOGIN \"monitor\" \"hidden\"\r\nz LOGOUT\r\n");
        assert_eq!(told.shown, "b LOGIN \"monitor\" \"***\"\r\nz LOGOUT\r\n");
    }

    #[test]
    fn capabilities_are_asked_for_when_the_greeting_has_none() {
        let monitor = login("monitor", "hidden");
        let server = "* OK ready\r\n* CAPABILITY IMAP4rev1\r\na OK done\r\nb OK in\r\n";
        let make = || Imap::new(Some(&monitor)).unwrap();
        let told = hold_through(make, Imap::kept, server.as_bytes());
        assert_eq!(told.result, Ok("logged in as monitor".to_owned()));
        assert_eq!(
            told.shown,
            "a CAPABILITY\r\nb LOGIN \"monitor\" \"***\"\r\nz LOGOUT\r\n"
        );
    }

    #[test]
    fn no_password_is_sent_where_none_is_taken() {
        for server in [
            "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n",
            "* OK ready\r\n* CAPABILITY IMAP4rev1 logindisabled\r\na OK done\r\n",
        ] {
            let told = told(&login("monitor", "hidden"), server);
            assert_eq!(
                told.result,
                Err(
                    "the server takes no login without TLS (LOGINDISABLED): use service=imaps"
                        .to_owned()
                )
            );
            assert!(!told.said.contains("hidden"), "{}", told.said);
            assert!(told.said.ends_with("z LOGOUT\r\n"));
        }
    }

    #[test]
    fn without_a_login_the_greeting_is_enough() {
        for server in ["* OK ready\r\n", "* PREAUTH you are root\r\n"] {
            let told = tell(&mut Imap::new(None).unwrap(), &[server.as_bytes()]);
            assert_eq!(
                told.result,
                Ok(format!("greeted with \"{}\"", server.trim_end()))
            );
            assert_eq!(told.said, "z LOGOUT\r\n");
        }
    }

    #[test]
    fn odd_logins_are_quoted_or_sent_as_literals() {
        let odd = login("a\"b\\c d", "p\"w");
        let told_odd = told(&odd, &format!("{GREETING}b OK in\r\n"));
        assert_eq!(
            told_odd.said,
            "b LOGIN \"a\\\"b\\\\c d\" \"p\\\"w\"\r\nz LOGOUT\r\n"
        );
        let eight_bit = login("gr\u{fc}n", "w\u{e4}r\r\nz");
        let server = format!("{GREETING}+ go on\r\n+ \r\nb OK in\r\n");
        let make = || Imap::new(Some(&eight_bit)).unwrap();
        let literal = hold_through(make, Imap::kept, server.as_bytes());
        assert_eq!(
            literal.said,
            "b LOGIN {5}\r\ngr\u{fc}n {7}\r\nw\u{e4}r\r\nz\r\nz LOGOUT\r\n"
        );
        assert_eq!(
            literal.shown,
            "b LOGIN {5}\r\ngr\u{fc}n {***}\r\n***\r\nz LOGOUT\r\n"
        );
        assert!(Imap::new(Some(&login("a\0", "x"))).is_err());
    }

    #[test]
    fn a_name_that_looks_like_a_mask_does_not_show_the_password() {
        let told = told(&login("***", "***"), &format!("{GREETING}b NO no\r\n"));
        assert_eq!(told.shown, "b LOGIN \"***\" \"***\"\r\nz LOGOUT\r\n");
    }

    #[test]
    fn refusals_are_told_in_the_servers_words() {
        let monitor = login("monitor", "hidden");
        for (server, reason) in [
            (
                "* BYE overloaded\r\n",
                "the server says goodbye: \"* BYE overloaded\"",
            ),
            (
                "* NO what\r\n",
                "connected, but the greeting is not IMAP: \"* NO what\"",
            ),
            (
                "+OK pop\r\n",
                "connected, but the greeting is not IMAP: \"+OK pop\"",
            ),
            (
                "b OK in\r\n",
                "connected, but the greeting is not IMAP: \"b OK in\"",
            ),
            ("* OK\r\na NO no\r\n", "CAPABILITY refused: \"a NO no\""),
            (
                &format!("{GREETING}b NO [AUTHENTICATIONFAILED] hidden is wrong\r\n"),
                "login refused: \"b NO [AUTHENTICATIONFAILED] *** is wrong\"",
            ),
            (
                &format!("{GREETING}b BAD what\r\n"),
                "login refused: \"b BAD what\"",
            ),
            (
                &format!("{GREETING}+ more\r\n"),
                "the answer to LOGIN is not IMAP: \"+ more\"",
            ),
            (
                &format!("{GREETING}c OK in\r\n"),
                "the answer to LOGIN is not IMAP: \"c OK in\"",
            ),
            (
                &format!("{GREETING}* BYE [UNAVAILABLE] no\r\n"),
                "the server says goodbye: \"* BYE [UNAVAILABLE] no\"",
            ),
            (
                GREETING,
                "the server closed the connection without an answer to LOGIN",
            ),
        ] {
            assert_eq!(
                told(&monitor, server).result,
                Err(reason.to_owned()),
                "{server}"
            );
        }
        let endless = format!("{GREETING}{}", "* 1 EXISTS\r\n".repeat(6000));
        let endless = told(&monitor, &endless);
        assert_eq!(
            endless.result,
            Err("the answer to LOGIN is longer than 65536 bytes".to_owned())
        );
    }
}
