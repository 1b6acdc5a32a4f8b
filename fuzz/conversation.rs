//! Carries a conversation out without a socket.

use std::fmt::Debug;
use std::net::SocketAddr;

use directord::check::dialogue::{Dialogue, Turn, Verdict};

/// What protocols of lines keep: an unfinished line, and the first of a reply.
#[allow(dead_code, reason = "others have a bound of their own")]
pub const LINES_MAX: usize = 16 * 1024;

/// Turns a machine may take without hearing anything.
const BREATH: usize = 10_000;

/// Says these bytes in three ways that must come to the same: at once, one by one, and in
/// pieces as long as the bytes themselves say. Beyond what just came, at most `most` bytes
/// are kept.
#[allow(dead_code, reason = "binary protocols do not need it")]
pub fn hold<D: Dialogue>(
    make: impl Fn() -> D,
    kept: impl Fn(&D) -> usize,
    most: usize,
    server: &[u8],
) {
    compare(make, kept, most, (&[], server), |verdict| verdict);
}

/// The same for binary protocols, whose refusals quote what has come of something else. The
/// first `apart` bytes come before the others: what comes with them, where TLS may begin, is
/// refused.
#[allow(dead_code, reason = "protocols of lines do not need it")]
pub fn hold_outcome<D: Dialogue>(
    make: impl Fn() -> D,
    kept: impl Fn(&D) -> usize,
    most: usize,
    apart: usize,
    server: &[u8],
) {
    tell(&mut make(), |_, _| (), &[server]);
    let parts = server.split_at(apart.min(server.len()));
    compare(make, kept, most, parts, |verdict| verdict.result.ok());
}

fn compare<D: Dialogue, T: PartialEq + Debug>(
    make: impl Fn() -> D,
    kept: impl Fn(&D) -> usize,
    most: usize,
    (first, rest): (&[u8], &[u8]),
    view: impl Fn(Verdict) -> T,
) {
    let tell = |pieces: &[&[u8]]| {
        let bounded = |dialogue: &D, piece: usize| assert!(kept(dialogue) <= most + piece);
        let (verdict, said) = tell(&mut make(), bounded, pieces);
        (view(verdict), said)
    };
    let whole: Vec<&[u8]> = [first, rest]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect();
    let whole = tell(&whole);
    let single: Vec<&[u8]> = first.chunks(1).chain(rest.chunks(1)).collect();
    assert_eq!(tell(&single), whole);
    assert_eq!(tell(&[pieces(first), pieces(rest)].concat()), whole);
}

/// Cuts the bytes after lengths that they say themselves.
pub fn pieces(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some(first) = bytes.first() {
        let (piece, rest) = bytes.split_at(bytes.len().min(usize::from(first % 37) + 1));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// The verdict, and all that was said.
fn tell<D: Dialogue>(
    dialogue: &mut D,
    bounded: impl Fn(&D, usize),
    pieces: &[&[u8]],
) -> (Verdict, Vec<u8>) {
    let mut said = Vec::new();
    let mut pieces = pieces.iter();
    let mut breath = 0;
    let mut turn = dialogue.begin(SocketAddr::from(([127, 0, 0, 1], 40000)));
    loop {
        breath += 1;
        assert!(breath < BREATH, "it talks without listening");
        turn = match turn {
            Turn::Over(verdict) => return (verdict, said),
            Turn::Say(words) => {
                assert!(!words.bytes.is_empty(), "nothing is said");
                said.extend_from_slice(&words.bytes);
                dialogue.feed(&[])
            }
            Turn::Secure => dialogue.feed(&[]),
            Turn::Listen => {
                let Some(piece) = pieces.next() else {
                    return (dialogue.end(), said);
                };
                breath = 0;
                let turn = dialogue.feed(piece);
                bounded(dialogue, piece.len());
                turn
            }
        };
    }
}
