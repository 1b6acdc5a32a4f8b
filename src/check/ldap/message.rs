//! The few messages of LDAP that a check needs (RFC 4511 §4). Pure.

use super::ber::{
    BOOLEAN, Broken, ENUMERATED, Element, Elements, INTEGER, OCTETS, SEQUENCE, element, group,
};

/// Numbers of our three messages.
pub(super) const BIND_ID: u32 = 1;
pub(super) const SEARCH_ID: u32 = 2;
const UNBIND_ID: u32 = 3;

/// Entries that are asked for: one more than there should be.
const SIZE_LIMIT: u8 = 2;

/// `[APPLICATION n]` tags of the operations (§4.2 to §4.5).
mod operation {
    pub(super) const BIND_REQUEST: u8 = 0x60;
    pub(super) const BIND_RESPONSE: u8 = 0x61;
    pub(super) const UNBIND_REQUEST: u8 = 0x42;
    pub(super) const SEARCH_REQUEST: u8 = 0x63;
    pub(super) const SEARCH_ENTRY: u8 = 0x64;
    pub(super) const SEARCH_DONE: u8 = 0x65;
    pub(super) const SEARCH_REFERENCE: u8 = 0x73;
    pub(super) const EXTENDED_RESPONSE: u8 = 0x78;
}

/// `[0]` simple authentication, in a bind.
const SIMPLE: u8 = 0x80;

/// `[7]` presence, a filter.
const PRESENT: u8 = 0x87;

/// `[3]` referral, in a result.
const REFERRAL: u8 = 0xa3;

/// What a server said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// The login is accepted or not.
    BindDone(Done<'a>),
    /// An entry with this DN.
    Entry(&'a [u8]),
    /// Another server has it; its first URL.
    Reference(&'a [u8]),
    /// The search is over.
    SearchDone(Done<'a>),
    /// The server will hang up (§4.4.1).
    Disconnection(Done<'a>),
    /// Nothing that we asked for.
    Other,
}

/// How an operation ended (§4.1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Done<'a> {
    pub(super) code: u32,
    pub(super) diagnostic: &'a [u8],
    /// First URL of a referral.
    pub(super) referral: Option<&'a [u8]>,
}

/// Reads the content of a message.
pub(super) fn read(content: &[u8]) -> Result<Message<'_>, Broken> {
    let mut parts = Elements(content);
    let id = parts.number(INTEGER)?;
    let Element { tag, content } = parts.next()?.ok_or(Broken::Short)?;
    Ok(match (id, tag) {
        (BIND_ID, operation::BIND_RESPONSE) => Message::BindDone(done(content)?),
        (SEARCH_ID, operation::SEARCH_ENTRY) => Message::Entry(Elements(content).expect(OCTETS)?),
        (SEARCH_ID, operation::SEARCH_REFERENCE) => {
            Message::Reference(Elements(content).expect(OCTETS)?)
        }
        (SEARCH_ID, operation::SEARCH_DONE) => Message::SearchDone(done(content)?),
        (0, operation::EXTENDED_RESPONSE) => Message::Disconnection(done(content)?),
        _ => Message::Other,
    })
}

fn done(content: &[u8]) -> Result<Done<'_>, Broken> {
    let mut parts = Elements(content);
    let code = parts.number(ENUMERATED)?;
    let _matched = parts.expect(OCTETS)?;
    let diagnostic = parts.expect(OCTETS)?;
    let referral = match parts.next()? {
        Some(Element {
            tag: REFERRAL,
            content,
        }) => Some(Elements(content).expect(OCTETS)?),
        _ => None,
    };
    Ok(Done {
        code,
        diagnostic,
        referral,
    })
}

fn message(id: u32, operation: Vec<u8>) -> Vec<u8> {
    let id = element(INTEGER, &[id as u8]);
    group(SEQUENCE, &[id, operation])
}

/// Logs in with name and password, both empty for nobody in particular.
pub(super) fn bind(name: &str, password: &str) -> Vec<u8> {
    let version = element(INTEGER, &[3]);
    let name = element(OCTETS, name.as_bytes());
    let password = element(SIMPLE, password.as_bytes());
    message(
        BIND_ID,
        group(operation::BIND_REQUEST, &[version, name, password]),
    )
}

/// Asks for one entry, whatever it is, without its attributes: filter `(objectClass=*)`,
/// attribute `1.1` (§4.5.1.8). An alias is followed, as the library under ldirectord does.
pub(super) fn search(base: &str) -> Vec<u8> {
    let parts = [
        element(OCTETS, base.as_bytes()),
        // baseObject; derefFindingBaseObj.
        element(ENUMERATED, &[0]),
        element(ENUMERATED, &[2]),
        element(INTEGER, &[SIZE_LIMIT]),
        // No limit on time but ours.
        element(INTEGER, &[0]),
        element(BOOLEAN, &[0xff]),
        element(PRESENT, b"objectClass"),
        group(SEQUENCE, &[element(OCTETS, b"1.1")]),
    ];
    message(SEARCH_ID, group(operation::SEARCH_REQUEST, &parts))
}

/// Takes leave.
pub(super) fn unbind() -> Vec<u8> {
    message(UNBIND_ID, element(operation::UNBIND_REQUEST, &[]))
}

/// A result code in words (§4.1.9 and appendix A).
pub(super) fn code_words(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operations error",
        2 => "protocol error",
        3 => "time limit exceeded",
        4 => "size limit exceeded",
        7 => "authentication method not supported",
        8 => "stronger authentication required",
        10 => "referral",
        11 => "administrative limit exceeded",
        12 => "unavailable critical extension",
        13 => "confidentiality required",
        14 => "SASL bind in progress",
        16 => "no such attribute",
        17 => "undefined attribute type",
        18 => "inappropriate matching",
        21 => "invalid attribute syntax",
        32 => "no such object",
        33 => "alias problem",
        34 => "invalid DN syntax",
        36 => "alias dereferencing problem",
        48 => "inappropriate authentication",
        49 => "invalid credentials",
        50 => "insufficient access rights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwilling to perform",
        54 => "loop detected",
        80 => "other error",
        _ => "unknown result",
    }
}
