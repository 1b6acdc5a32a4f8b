//! What negotiate checks of the lesser protocols say and expect.

use std::fmt;
use std::sync::Arc;

use super::check::Pattern;
use super::talk::DnsKind;
use super::tls::Tls;

/// A password or shared secret: shown as `***`, compared and sorted like text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Secret(String);

impl Secret {
    /// Takes a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, to be sent and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who logs in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login {
    /// User name, bind DN or the like.
    pub name: String,
    /// Its password.
    pub password: Secret,
}

/// How datagram and stream protocols travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// `tcp` or `udp`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A file is fetched over FTP (RFC 959).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FtpProbe {
    /// `None` is `anonymous` with the password `ldirectord@HOST` (RFC 1635).
    pub login: Option<Login>,
    /// Path of the file, without the slash before it; empty: log in only.
    pub path: String,
    /// Expected in the file; `None` accepts every file.
    pub receive: Option<Pattern>,
}

/// A mail server greets and takes EHLO (RFC 5321).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SmtpProbe {
    /// The submission service (RFC 6409): another port, the same words.
    pub submission: bool,
}

/// A POP3 server greets and takes the login (RFC 1939).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PopProbe {
    /// TLS from the first byte.
    pub tls: Option<Arc<Tls>>,
    /// `None`: the greeting is enough.
    pub login: Option<Login>,
}

/// An IMAP server greets and takes the login (RFC 9051, RFC 3501).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImapProbe {
    /// TLS from the first byte.
    pub tls: Option<Arc<Tls>>,
    /// `None`: the greeting is enough.
    pub login: Option<Login>,
}

/// An LDAP directory has one entry (RFC 4511).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LdapProbe {
    /// TLS from the first byte.
    pub tls: Option<Arc<Tls>>,
    /// Simple bind; `None` binds anonymously.
    pub bind: Option<Login>,
    /// DN of the entry; empty is the root entry, which every server has.
    pub base: String,
    /// Expected in the DN of the entry found; `None` accepts every one.
    pub receive: Option<Pattern>,
}

/// A name server answers (RFC 1035).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsProbe {
    /// How it is asked.
    pub transport: Transport,
    /// Name that is asked for, or an address whose name is.
    pub name: String,
    /// Type of the records that are asked for; `None` asks a name for its addresses and an
    /// address for its name.
    pub kind: Option<DnsKind>,
    /// Expected in the text of one of the records. Without it and without a type the check
    /// fails, as in ldirectord.
    pub receive: Option<Pattern>,
}

/// The database servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Database {
    /// MySQL and MariaDB.
    Mysql,
    /// PostgreSQL.
    Pgsql,
    /// Oracle: the listener only (no free client exists).
    Oracle,
}

impl Database {
    /// The word of `service=`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Pgsql => "pgsql",
            Self::Oracle => "oracle",
        }
    }
}

/// A query gives at least one row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SqlProbe {
    /// What is spoken.
    pub database: Database,
    /// Needed by MySQL and PostgreSQL: without it the check fails, as in ldirectord. Not
    /// used by Oracle.
    pub login: Option<Login>,
    /// Database, or SID of Oracle, that is opened.
    pub name: String,
    /// The query; as the login. Empty: there is none.
    pub query: String,
}

/// A RADIUS server accepts a user (RFC 2865, PAP).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RadiusProbe {
    /// Who asks for access.
    pub login: Login,
    /// Shared with the server.
    pub secret: Secret,
}

/// A SIP server answers OPTIONS with 200 (RFC 3261).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SipProbe {
    /// UDP, or TCP when the virtual service is TCP.
    pub transport: Transport,
    /// Who asks; `None` is `ldirectord@HOST`.
    pub login: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let login = Login {
            name: "monitor".to_owned(),
            password: Secret::new("hidden"),
        };
        assert!(!format!("{login:?}").contains("hidden"));
        assert_eq!(login.password.expose(), "hidden");
    }
}
