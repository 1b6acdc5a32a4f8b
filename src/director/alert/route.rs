//! To whom mail goes, from whom and through what.

use lettre::Address;
use lettre::message::Mailbox;

use crate::config::{Config, Mail};

/// Longest list of recipients of one mail.
const RECIPIENTS: usize = 100;

/// Who this director is in mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The process's owner.
    pub user: String,
    /// Name of this host.
    pub host: String,
}

/// The way of a mail: mails with the same one are folded together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Recipients in the order of the configuration; at least one.
    pub to: Vec<Mailbox>,
    /// Sender.
    pub from: Mailbox,
    /// Host name or address of the mail server; `None` is the local mail program.
    pub relay: Option<String>,
}

impl Route {
    /// The route that a configuration asks for; `None` when it names no usable recipient.
    pub fn of(mail: &Mail, from: Option<&str>, origin: &Origin) -> Option<Self> {
        let mut to: Vec<Mailbox> = Vec::new();
        for word in split(mail.recipients.as_deref()?) {
            if let Some(mailbox) = mailbox(word, origin)
                && !to.iter().any(|known| known.email == mailbox.email)
                && to.len() < RECIPIENTS
            {
                to.push(mailbox);
            }
        }
        if to.is_empty() {
            return None;
        }
        let from = from.and_then(|from| mailbox(from, origin));
        Some(Self {
            to,
            from: from.or_else(|| owner(origin))?,
            relay: mail.relay.clone(),
        })
    }

    /// What is named when delivery fails.
    pub fn relay_name(&self) -> &str {
        self.relay.as_deref().unwrap_or("the local mail program")
    }
}

/// The process's owner at this host, as ldirectord signs.
fn owner(origin: &Origin) -> Option<Mailbox> {
    let at = |host: &str| Address::new(&origin.user, host);
    let address = at(&origin.host).or_else(|_| at("localhost")).ok()?;
    Some(Mailbox::new(None, address))
}

/// `USER@HOST`, `Name <USER@HOST>` or a user of this host. Nothing else becomes a header, so
/// that no header can be added through an address.
fn mailbox(text: &str, origin: &Origin) -> Option<Mailbox> {
    let text = text.trim();
    if text.is_empty() || text.contains(|c: char| c.is_control()) {
        return None;
    }
    if text.contains('@') {
        return text.parse().ok();
    }
    let address = Address::new(text, &origin.host).or_else(|_| Address::new(text, "localhost"));
    Some(Mailbox::new(None, address.ok()?))
}

/// Cuts at commas that stand outside quotes and angle brackets.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    let parts = text.split(move |c| {
        let cut = c == ',' && !quoted;
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = c == '\\' && !escaped;
        cut
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

/// Words in a configuration that should be mail addresses and are not, with the line of the
/// service that uses them; each once. 0 stands for `emailalertfrom`.
pub fn unusable_addresses(config: &Config) -> Vec<(u32, String)> {
    let origin = Origin {
        user: "root".to_owned(),
        host: "localhost".to_owned(),
    };
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut note = |line: u32, word: &str| {
        let bad = mailbox(word, &origin).is_none();
        if bad && !found.iter().any(|(_, known)| known == word) {
            found.push((line, word.to_owned()));
        }
    };
    if let Some(from) = &config.globals.mail_from {
        note(0, from);
    }
    for service in &config.services {
        for word in split(service.mail.recipients.as_deref().unwrap_or_default()) {
            note(service.line.0, word);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Phases;

    fn origin() -> Origin {
        Origin {
            user: "root".to_owned(),
            host: "lb1.example.com".to_owned(),
        }
    }

    fn route(recipients: &str, from: Option<&str>) -> Option<Route> {
        let mail = Mail {
            recipients: Some(recipients.to_owned()),
            reminder: None,
            phases: Phases::ALL,
            relay: None,
        };
        Route::of(&mail, from, &origin())
    }

    fn recipients(text: &str) -> Vec<String> {
        let to = route(text, None).map_or_else(Vec::new, |route| route.to);
        to.iter().map(|to| to.email.to_string()).collect()
    }

    #[test]
    fn recipients_are_cut_at_commas_and_named_once() {
        for (text, expected) in [
            ("a@example.com", &["a@example.com"][..]),
            (
                "a@example.com,b@example.com",
                &["a@example.com", "b@example.com"],
            ),
            (" a@example.com , ,a@example.com", &["a@example.com"]),
            (
                "\"Night, on call\" <n@example.com>, b@example.com",
                &["n@example.com", "b@example.com"],
            ),
            ("root", &["root@lb1.example.com"]),
            ("a@example.com, no address, b@", &["a@example.com"]),
            ("a@b c", &[]),
        ] {
            assert_eq!(recipients(text), expected, "{text}");
        }
    }

    #[test]
    fn nothing_in_an_address_becomes_a_header() {
        for text in [
            "a@example.com\r\nBcc: b@example.com",
            "a@example.com\nX: y",
            "a\r@example.com",
            "a@example.com\0",
            "a@exam\u{85}ple.com",
            "\"a\r\n\" <a@example.com>",
            "a@example.com>\r\nDATA",
            "<a@example.com> b",
            "a b@example.com",
        ] {
            assert_eq!(route(text, None), None, "{text:?}");
            let sender = route("a@example.com", Some(text)).unwrap().from;
            assert_eq!(sender.email.to_string(), "root@lb1.example.com", "{text:?}");
        }
    }

    #[test]
    fn the_sender_is_the_configured_one_or_the_owner() {
        let from = |from| route("a@example.com", from).unwrap().from;
        assert_eq!(from(None).email.to_string(), "root@lb1.example.com");
        let named = from(Some("\"D\" <d@example.com>"));
        assert_eq!(named.email.to_string(), "d@example.com");
        assert_eq!(named.name.as_deref(), Some("D"));
    }
}
