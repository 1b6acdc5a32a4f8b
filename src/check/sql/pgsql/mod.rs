//! PostgreSQL: protocol version 3 with the logins `scram-sha-256`, `md5`, `password` and
//! `trust`.
//!
//! TLS is asked for and used when the server agrees, as by the library under ldirectord; the
//! certificate is not verified. A login that is refused over TLS is not tried again without.

use std::net::SocketAddr;

use self::login::Scram;
use super::quoted;
use crate::check::dialogue::{Dialogue, Turn, Verdict, Words};
use crate::model::{Reason, Secret, SqlProbe};

mod login;

/// Random bytes of a client's nonce.
pub const NONCE: usize = login::NONCE;

/// Longest message whose words count, in bytes; others are passed over without being kept.
const MESSAGE_MAX: usize = 16 * 1024;

/// Most bytes of the server's that are kept: an incomplete message.
pub const KEPT_MAX: usize = MESSAGE_MAX + HEAD;

/// Bytes of an error that are read: what matters stands in front.
const ERROR_MAX: usize = 4 * 1024;

/// Bytes before the content: type, and length with itself (4).
const HEAD: usize = 5;

/// Magic numbers in the place of a version.
const SSL_REQUEST: u32 = 80_877_103;
const VERSION_3: u32 = 196_608;

/// Types of the server's messages.
mod kind {
    pub(super) const AUTHENTICATION: u8 = b'R';
    pub(super) const ERROR: u8 = b'E';
    pub(super) const ROW: u8 = b'D';
    pub(super) const COMPLETE: u8 = b'C';
    pub(super) const READY: u8 = b'Z';
    pub(super) const COPY_IN: u8 = b'G';
    pub(super) const COPY_OUT: u8 = b'H';
    pub(super) const COPY_BOTH: u8 = b'W';
    /// Parameter status, key data, notice, notification, row description, empty query,
    /// negotiation of minor versions.
    pub(super) const IGNORED: &[u8] = b"SKNATIv";
}

/// The conversation with a server.
#[derive(Debug)]
pub struct Conversation {
    user: String,
    password: Secret,
    database: String,
    query: String,
    scram: Scram,
    /// What has come of a message that is not complete.
    buffer: Vec<u8>,
    /// Bytes to come that nobody wants.
    skip: usize,
    stage: Stage,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// TLS was asked for.
    Asking,
    /// TLS is agreed on.
    Handshake,
    /// The start-up is out.
    Login,
    /// Logged in; the server gets ready.
    Accepted,
    /// The query is out.
    Query,
}

impl Conversation {
    /// Makes one ready with fresh random bytes.
    ///
    /// # Errors
    ///
    /// The probe lacks login or query, or they cannot be sent.
    pub fn new(probe: &SqlProbe, nonce: [u8; NONCE]) -> Result<Self, Reason> {
        let login = super::login(probe)?;
        Ok(Self {
            user: login.name.clone(),
            password: login.password.clone(),
            database: probe.name.clone(),
            query: probe.query.clone(),
            scram: Scram::new(&nonce),
            buffer: Vec::new(),
            skip: 0,
            stage: Stage::Asking,
        })
    }

    /// Bytes of the server's that are kept at the moment.
    pub fn kept(&self) -> usize {
        self.buffer.len()
    }

    /// The one byte that answers the question for TLS.
    fn agree(&mut self) -> Turn {
        let [answer, rest @ ..] = self.buffer.as_slice() else {
            return Turn::Listen;
        };
        match answer {
            b'S' if rest.is_empty() => {
                self.buffer.clear();
                self.stage = Stage::Handshake;
                Turn::Secure
            }
            // Nobody knows who put that in before the encryption began.
            b'S' => Turn::Over(Verdict::down("the server speaks before TLS begins")),
            b'N' => {
                self.buffer.remove(0);
                self.start()
            }
            // Such as "too many connections": an ordinary message.
            &kind::ERROR => {
                self.stage = Stage::Login;
                self.listen()
            }
            _ => {
                let shown = quoted(&self.buffer);
                Turn::Over(Verdict::down(format!(
                    "not an answer of PostgreSQL: {shown}"
                )))
            }
        }
    }

    fn start(&mut self) -> Turn {
        self.stage = Stage::Login;
        let mut content = VERSION_3.to_be_bytes().to_vec();
        let pairs = [
            ("user", self.user.as_str()),
            ("database", self.database.as_str()),
            ("application_name", "directord"),
        ];
        // Without a name the server opens the one of the user.
        for (name, value) in pairs.into_iter().filter(|(_, value)| !value.is_empty()) {
            for text in [name, value] {
                content.extend_from_slice(text.as_bytes());
                content.push(0);
            }
        }
        content.push(0);
        Turn::Say(Words::open(counted(&content)))
    }

    /// Takes messages as long as they need no answer.
    fn listen(&mut self) -> Turn {
        // Taken out so that a message in it can be heard.
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut at = 0;
        let turn = loop {
            let passed = self.skip.min(buffer.len() - at);
            self.skip -= passed;
            at += passed;
            let [kind, a, b, c, d, content @ ..] = &buffer[at..] else {
                break Turn::Listen;
            };
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            let Some(length) = length.checked_sub(4) else {
                break broken("a message of a length that cannot be");
            };
            let wanted = match wanted(*kind, length) {
                Ok(wanted) => wanted,
                Err(turn) => break turn,
            };
            let Some(content) = content.get(..wanted) else {
                break Turn::Listen;
            };
            at += HEAD + wanted;
            self.skip = length - wanted;
            let turn = self.hear(*kind, content);
            if turn != Turn::Listen {
                break turn;
            }
        };
        buffer.drain(..at);
        self.buffer = buffer;
        turn
    }

    fn hear(&mut self, kind: u8, content: &[u8]) -> Turn {
        match (kind, self.stage) {
            (kind::ERROR, stage) => refused(content, stage),
            (kind::AUTHENTICATION, Stage::Login) => self.log_in(content),
            (kind::READY, Stage::Accepted) => {
                self.stage = Stage::Query;
                Turn::Say(Words::open(message(b'Q', &[self.query.as_bytes(), &[0]])))
            }
            (kind::ROW, Stage::Query) => terminate(Verdict::up("the query gives a row")),
            (kind::COMPLETE, Stage::Query) => match changed(content) {
                // As in ldirectord: rows that a statement changed count like rows it gives.
                Some(rows) if rows > 0 => {
                    terminate(Verdict::up(format!("the query changed rows: {rows}")))
                }
                _ => Turn::Listen,
            },
            (kind::READY, Stage::Query) => terminate(Verdict::down("the query gives no row")),
            (kind::COPY_IN | kind::COPY_OUT | kind::COPY_BOTH, _) => {
                terminate(Verdict::down("the query copies instead of giving rows"))
            }
            (kind::AUTHENTICATION | kind::READY | kind::ROW | kind::COMPLETE, _) => {
                broken(&format!("a message of type {} too early", quoted(&[kind])))
            }
            _ => Turn::Listen,
        }
    }

    /// Does what the server asks for.
    fn log_in(&mut self, content: &[u8]) -> Turn {
        let Some((code, rest)) = content.split_first_chunk() else {
            return broken("a login that is cut short");
        };
        match u32::from_be_bytes(*code) {
            0 => {
                self.stage = Stage::Accepted;
                Turn::Listen
            }
            3 => password(self.password.expose()),
            5 => match rest.first_chunk::<4>() {
                Some(salt) => password(&login::md5(&self.user, self.password.expose(), salt)),
                None => broken("a login that is cut short"),
            },
            10 => self.offered(rest),
            11 => match self.scram.answer(rest, self.password.expose()) {
                Ok((answer, shown)) => Turn::Say(Words::secret(
                    message(b'p', &[answer.as_bytes()]),
                    message(b'p', &[shown.as_bytes()]),
                )),
                Err(odd) => Turn::Over(Verdict::down(format!("login given up: {odd}"))),
            },
            12 => match self.scram.verify(rest) {
                Ok(()) => Turn::Listen,
                Err(odd) => Turn::Over(Verdict::down(format!("login given up: {odd}"))),
            },
            code => {
                let name = match code {
                    2 => "Kerberos V5",
                    7 | 8 => "GSSAPI",
                    9 => "SSPI",
                    _ => "an unknown one",
                };
                Turn::Over(Verdict::down(format!(
                    "the server wants a login method that is not spoken here: {name} ({code})"
                )))
            }
        }
    }

    /// The server names its methods of SASL.
    fn offered(&self, methods: &[u8]) -> Turn {
        const METHOD: &[u8] = b"SCRAM-SHA-256";
        if !methods
            .split(|byte| *byte == 0)
            .any(|method| method == METHOD)
        {
            let shown = quoted(methods);
            return Turn::Over(Verdict::down(format!(
                "the server wants a login method that is not spoken here: {shown}"
            )));
        }
        let first = self.scram.first();
        let length = (first.len() as u32).to_be_bytes();
        let parts = [METHOD, &[0], &length, first.as_bytes()];
        Turn::Say(Words::open(message(b'p', &parts)))
    }
}

impl Dialogue for Conversation {
    fn begin(&mut self, _local: SocketAddr) -> Turn {
        Turn::Say(Words::open(counted(&SSL_REQUEST.to_be_bytes())))
    }

    fn feed(&mut self, bytes: &[u8]) -> Turn {
        self.buffer.extend_from_slice(bytes);
        match self.stage {
            Stage::Asking => self.agree(),
            Stage::Handshake => self.start(),
            Stage::Login | Stage::Accepted | Stage::Query => self.listen(),
        }
    }

    fn end(&mut self) -> Verdict {
        Verdict::down(match self.stage {
            Stage::Asking => "the server closed without an answer",
            Stage::Handshake | Stage::Login | Stage::Accepted => {
                "the server closed during the login"
            }
            Stage::Query => "the server closed in the middle of its answer to the query",
        })
    }
}

/// How much of a message is needed.
fn wanted(kind: u8, length: usize) -> Result<usize, Turn> {
    match kind {
        kind::ERROR => Ok(length.min(ERROR_MAX)),
        kind::AUTHENTICATION | kind::COMPLETE | kind::READY if length <= MESSAGE_MAX => Ok(length),
        kind::ROW | kind::COPY_IN | kind::COPY_OUT | kind::COPY_BOTH => Ok(0),
        _ if kind::IGNORED.contains(&kind) => Ok(0),
        _ => Err(broken(&format!(
            "a message of type {} with {length} bytes",
            quoted(&[kind])
        ))),
    }
}

/// Content behind its length, which counts itself.
fn counted(content: &[u8]) -> Vec<u8> {
    // Texts are bounded by the constructor.
    let mut bytes = (content.len() as u32 + 4).to_be_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes
}

fn message(kind: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(counted(&parts.concat()));
    bytes
}

fn password(text: &str) -> Turn {
    Turn::Say(Words::secret(
        message(b'p', &[text.as_bytes(), &[0]]),
        message(b'p', &[b"***\0"]),
    ))
}

/// Rows that a statement changed: the last word of what it is completed with.
fn changed(tag: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(tag).ok()?.trim_end_matches('\0');
    text.rsplit(' ').next()?.parse().ok()
}

/// An error: fields of one letter and a text up to a NUL.
fn refused(content: &[u8], stage: Stage) -> Turn {
    let field = |letter| {
        let fields = content.split(|byte| *byte == 0);
        let mut found = fields.filter_map(|field| field.split_first());
        found
            .find(|(name, _)| **name == letter)
            .map_or(&b""[..], |(_, text)| text)
    };
    let (code, text) = (field(b'C'), field(b'M'));
    let words = [code, b" ", text].concat();
    let who = match stage {
        Stage::Query => "the query fails",
        // Classes: invalid authorization, invalid catalog (database) name.
        _ if code.starts_with(b"28") || code.starts_with(b"3D") => "login refused",
        _ => "the server refuses",
    };
    let verdict = Verdict::down(format!("{who}: {}", quoted(&words)));
    match stage {
        Stage::Query => terminate(verdict),
        _ => Turn::Over(verdict),
    }
}

/// The end of a conversation after the login.
fn terminate(verdict: Verdict) -> Turn {
    Turn::Over(verdict.saying(message(b'X', &[])))
}

/// The server does not keep to the protocol.
fn broken(what: &str) -> Turn {
    Turn::Over(Verdict::down(format!(
        "not an answer of PostgreSQL: {what}"
    )))
}

#[cfg(test)]
mod tests;
