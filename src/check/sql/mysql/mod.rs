//! MySQL and MariaDB: protocol version 10 with the logins `mysql_native_password` and
//! `caching_sha2_password`.
//!
//! TLS is used when the server offers it, as by the client libraries of today; the
//! certificate is not verified. Only then can a password be sent that a server with
//! `caching_sha2_password` has not cached yet: the exchange of RSA keys that serves without
//! TLS is not spoken. That login is proven against a recorded dialogue.

use std::net::SocketAddr;

use self::login::Method;
use self::packet::{Greeting, HEAD, PACKET_MAX, Reader, packet};
use super::quoted;
use crate::check::dialogue::{Dialogue, Turn, Verdict, Words};
use crate::model::{Reason, Secret, SqlProbe};

mod login;
mod packet;

/// Capabilities of client and server.
mod capability {
    pub(super) const LONG_PASSWORD: u32 = 1;
    pub(super) const CONNECT_WITH_DB: u32 = 1 << 3;
    pub(super) const PROTOCOL_41: u32 = 1 << 9;
    pub(super) const SSL: u32 = 1 << 11;
    pub(super) const TRANSACTIONS: u32 = 1 << 13;
    pub(super) const SECURE_CONNECTION: u32 = 1 << 15;
    pub(super) const PLUGIN_AUTH: u32 = 1 << 19;
}

/// Without these a server is older than MySQL 4.1.
const NEEDED: u32 = capability::PROTOCOL_41 | capability::SECURE_CONNECTION;

/// `utf8_general_ci`, known to every server.
const CHARSET: u8 = 33;

/// Longest packet the server may send, as far as it knows.
const SENT_MAX: u32 = 1 << 24;

/// Most bytes of the server's that are kept: an incomplete packet, or its greeting.
pub const KEPT_MAX: usize = PACKET_MAX + HEAD;

/// Columns of a result; MySQL has at most 4096.
const COLUMNS_MAX: u64 = 4096;

/// First bytes of the server's payloads.
const OK: u8 = 0;
const MORE: u8 = 1;
const LOCAL_FILE: u8 = 0xfb;
const END: u8 = 0xfe;
const ERROR: u8 = 0xff;

/// Second bytes of `MORE` in `caching_sha2_password`.
const FAST: u8 = 3;
const FULL: u8 = 4;

/// First bytes of ours.
const QUIT: u8 = 1;
const QUERY: u8 = 3;

/// An end of columns or rows is shorter than this; a row that begins with the same byte is
/// not.
const END_MAX: usize = 9;

/// The conversation with a server.
#[derive(Debug)]
pub struct Conversation {
    user: String,
    password: Secret,
    database: String,
    query: String,
    /// What has come of packets that are not complete.
    buffer: Vec<u8>,
    stage: Stage,
    secured: bool,
}

/// How far it has come.
#[derive(Debug)]
enum Stage {
    Greeting,
    /// TLS was agreed on; then the login goes out.
    Securing(Greeting),
    /// TLS may begin.
    Handshake(Greeting),
    /// The login is out.
    Login {
        method: Method,
        switched: bool,
    },
    /// The query is out.
    Query,
    /// So many descriptions of columns, and their end, are to come.
    Columns(u64),
    Rows,
}

impl Conversation {
    /// Makes one ready.
    ///
    /// # Errors
    ///
    /// The probe lacks login or query, or they cannot be sent.
    pub fn new(probe: &SqlProbe) -> Result<Self, Reason> {
        let login = super::login(probe)?;
        Ok(Self {
            user: login.name.clone(),
            password: login.password.clone(),
            database: probe.name.clone(),
            query: probe.query.clone(),
            buffer: Vec::new(),
            stage: Stage::Greeting,
            secured: false,
        })
    }

    /// Bytes of the server's that are kept at the moment.
    pub fn kept(&self) -> usize {
        let greeting = match &self.stage {
            Stage::Securing(greeting) | Stage::Handshake(greeting) => {
                greeting.version.len() + greeting.challenge.len() + greeting.method.len()
            }
            _ => 0,
        };
        self.buffer.len() + greeting
    }

    /// Goes on without a word from the server, where that is possible.
    fn advance(&mut self) -> Option<Turn> {
        match std::mem::replace(&mut self.stage, Stage::Greeting) {
            Stage::Securing(greeting) => {
                self.stage = Stage::Handshake(greeting);
                Some(if self.buffer.is_empty() {
                    Turn::Secure
                } else {
                    // Nobody knows who put that in before the encryption began.
                    over(Verdict::down("the server speaks before TLS begins"))
                })
            }
            Stage::Handshake(greeting) => {
                self.secured = true;
                Some(self.log_in(&greeting, 2))
            }
            other => {
                self.stage = other;
                None
            }
        }
    }

    /// A whole packet has come.
    fn hear(&mut self, payload: &[u8], sequence: u8) -> Turn {
        let next = sequence.wrapping_add(1);
        let Some((first, rest)) = payload.split_first() else {
            return broken("an empty packet");
        };
        if *first == ERROR {
            return self.refused(rest);
        }
        match self.stage {
            Stage::Greeting => self.greeted(*first, rest),
            Stage::Login { method, switched } => self.login(*first, rest, method, switched, next),
            Stage::Query => self.answered(payload),
            Stage::Columns(left) => {
                self.stage = match left {
                    0 => Stage::Rows,
                    left => Stage::Columns(left - 1),
                };
                Turn::Listen
            }
            // Rows are judged by their heads; these two wait for nothing.
            Stage::Rows | Stage::Securing(_) | Stage::Handshake(_) => Turn::Listen,
        }
    }

    fn greeted(&mut self, version: u8, rest: &[u8]) -> Turn {
        if version != 10 {
            let shown = quoted(rest);
            return over(Verdict::down(format!("not a MySQL greeting: {shown}")));
        }
        let Some(greeting) = Greeting::read(rest) else {
            return broken("a greeting that is cut short");
        };
        if greeting.capabilities & NEEDED != NEEDED {
            let version = quoted(&greeting.version);
            return over(Verdict::down(format!(
                "version {version} is too old to log in to"
            )));
        }
        if greeting.capabilities & capability::SSL == 0 {
            return self.log_in(&greeting, 1);
        }
        let request = packet(1, &self.opening(&greeting));
        self.stage = Stage::Securing(greeting);
        Turn::Say(Words::open(request))
    }

    /// The common beginning of a request for TLS and of a login.
    fn opening(&self, greeting: &Greeting) -> Vec<u8> {
        let mut wanted = NEEDED
            | capability::LONG_PASSWORD
            | capability::TRANSACTIONS
            | capability::PLUGIN_AUTH
            | capability::SSL;
        if !self.database.is_empty() {
            wanted |= capability::CONNECT_WITH_DB;
        }
        let mut bytes = (wanted & greeting.capabilities).to_le_bytes().to_vec();
        bytes.extend(SENT_MAX.to_le_bytes());
        bytes.push(CHARSET);
        bytes.extend([0; 23]);
        bytes
    }

    fn log_in(&mut self, greeting: &Greeting, sequence: u8) -> Turn {
        // A server switches when the account wants another method than its default.
        let method = Method::find(&greeting.method).unwrap_or(Method::Native);
        let answer = method.answer(self.password.expose(), &greeting.challenge);
        let login = |answer: &[u8]| {
            let mut bytes = self.opening(greeting);
            bytes.extend_from_slice(self.user.as_bytes());
            bytes.extend([0, answer.len() as u8]);
            bytes.extend_from_slice(answer);
            if !self.database.is_empty() {
                bytes.extend_from_slice(self.database.as_bytes());
                bytes.push(0);
            }
            if greeting.capabilities & capability::PLUGIN_AUTH != 0 {
                bytes.extend_from_slice(method.name().as_bytes());
                bytes.push(0);
            }
            packet(sequence, &bytes)
        };
        let words = Words::secret(login(&answer), login(b"***"));
        self.stage = Stage::Login {
            method,
            switched: false,
        };
        Turn::Say(words)
    }

    fn login(&mut self, first: u8, rest: &[u8], method: Method, switched: bool, next: u8) -> Turn {
        match (first, rest) {
            (OK, _) => {
                self.stage = Stage::Query;
                let mut query = vec![QUERY];
                query.extend_from_slice(self.query.as_bytes());
                Turn::Say(Words::open(packet(0, &query)))
            }
            (MORE, [FAST]) if method == Method::CachingSha2 => Turn::Listen,
            (MORE, [FULL]) if method == Method::CachingSha2 => self.full_login(next),
            (END, _) if !switched => self.switch(rest, next),
            _ => broken("a login that does not end"),
        }
    }

    /// The server does not have the password in its cache and wants it itself.
    fn full_login(&self, next: u8) -> Turn {
        if !self.secured {
            return refuse(
                "the server wants TLS for this login (caching_sha2_password) but offers none",
                next,
            );
        }
        let password = [self.password.expose().as_bytes(), &[0]].concat();
        Turn::Say(Words::secret(
            packet(next, &password),
            packet(next, b"***\0"),
        ))
    }

    /// The account has another login method.
    fn switch(&mut self, rest: &[u8], next: u8) -> Turn {
        let mut reader = Reader(rest);
        let name = reader.text().unwrap_or(b"mysql_old_password");
        let Some(method) = Method::find(name) else {
            let reason = format!(
                "the account has the login method {}, which is not spoken here",
                quoted(name)
            );
            return refuse(reason, next);
        };
        self.stage = Stage::Login {
            method,
            switched: true,
        };
        let answer = method.answer(self.password.expose(), reader.0);
        Turn::Say(Words::secret(packet(next, &answer), packet(next, b"***")))
    }

    fn answered(&mut self, payload: &[u8]) -> Turn {
        let mut reader = Reader(payload);
        match payload[0] {
            OK => {
                reader.0 = &payload[1..];
                // As in ldirectord: rows that a statement changed count like rows it gives.
                match reader.number() {
                    Some(0) => quit(Verdict::down("the query gives no row")),
                    Some(rows) => quit(Verdict::up(format!("the query changed rows: {rows}"))),
                    None => broken("an answer that is cut short"),
                }
            }
            LOCAL_FILE => quit(Verdict::down("the query wants a file of the client")),
            _ => match reader.number() {
                Some(columns @ 1..=COLUMNS_MAX) => {
                    self.stage = Stage::Columns(columns);
                    Turn::Listen
                }
                _ => broken("an answer with too many columns"),
            },
        }
    }

    fn refused(&self, rest: &[u8]) -> Turn {
        let (code, text) = packet::error(rest);
        let who = match self.stage {
            Stage::Query | Stage::Columns(_) | Stage::Rows => "the query fails",
            // ER_DBACCESS_DENIED_ERROR, ER_ACCESS_DENIED_ERROR, ER_BAD_DB_ERROR,
            // ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
            _ if [1044, 1045, 1049, 1698].contains(&code) => "login refused",
            _ => "the server refuses",
        };
        let words = format!("{code} {}", String::from_utf8_lossy(text));
        let verdict = Verdict::down(format!("{who}: {}", quoted(words.as_bytes())));
        match self.stage {
            Stage::Query | Stage::Columns(_) | Stage::Rows => quit(verdict),
            _ => over(verdict),
        }
    }
}

impl Dialogue for Conversation {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Listen
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.buffer.extend_from_slice(bytes);
        if let Some(turn) = self.advance() {
            return turn;
        }
        // Taken out so that a packet in it can be heard.
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        let turn = loop {
            let rest = &buffer[at..];
            let Some((length, sequence)) = packet::head(rest) else {
                break Turn::Listen;
            };
            if matches!(self.stage, Stage::Rows) && length > 0 {
                let Some(first) = rest.get(HEAD) else {
                    break Turn::Listen;
                };
                if let Some(turn) = row(length, *first) {
                    break turn;
                }
            }
            if length > PACKET_MAX && matches!(self.stage, Stage::Greeting) {
                break over(Verdict::down(format!(
                    "not a MySQL greeting: {}",
                    quoted(rest)
                )));
            }
            if length > PACKET_MAX {
                break broken(&format!("a packet of {length} bytes"));
            }
            let Some(payload) = rest.get(HEAD..HEAD + length) else {
                break Turn::Listen;
            };
            at += HEAD + length;
            let turn = self.hear(payload, sequence);
            if turn != Turn::Listen {
                break turn;
            }
        };
        buffer.drain(..at);
        self.buffer = buffer;
        turn
    }

    fn end(&mut self) -> Verdict {
        Verdict::down(match self.stage {
            Stage::Greeting if self.buffer.is_empty() => "the server closed without a greeting",
            Stage::Greeting => "the server closed in the middle of its greeting",
            Stage::Securing(_) | Stage::Handshake(_) | Stage::Login { .. } => {
                "the server closed during the login"
            }
            Stage::Query | Stage::Columns(_) | Stage::Rows => {
                "the server closed in the middle of its answer to the query"
            }
        })
    }
}

/// Judges a row, or the end of rows, of which the head and the first byte are there.
fn row(length: usize, first: u8) -> Option<Turn> {
    match first {
        END if length < END_MAX => Some(quit(Verdict::down("the query gives no row"))),
        // Its text is worth waiting for.
        ERROR => None,
        _ => Some(quit(Verdict::up("the query gives a row"))),
    }
}

fn over(verdict: Verdict) -> Turn {
    Turn::Over(verdict)
}

/// The end of a conversation after the login.
fn quit(verdict: Verdict) -> Turn {
    Turn::Over(verdict.saying(packet(0, &[QUIT])))
}

/// Gives a login up with an empty answer, so that the server ends it itself: a client that
/// just leaves counts for `max_connect_errors`, which locks its address out.
fn refuse(reason: impl AsRef<str>, next: u8) -> Turn {
    Turn::Over(Verdict::down(reason).saying(packet(next, &[])))
}

/// The server does not keep to the protocol.
fn broken(what: &str) -> Turn {
    over(Verdict::down(format!("not an answer of MySQL: {what}")))
}

#[cfg(test)]
mod tests;
