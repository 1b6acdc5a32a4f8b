//! Carries a conversation out without a socket.

use std::net::SocketAddr;

use directord::check::dialogue::{Dialogue, Turn, Verdict};

/// What is kept beyond what just came: an unfinished line, and the first of a reply.
const KEPT_MAX: usize = 16 * 1024;

/// Says these bytes in three ways that must come to the same: at once, one by one, and in
/// pieces as long as the bytes themselves say.
pub fn hold<D: Dialogue>(make: impl Fn() -> D, kept: impl Fn(&D) -> usize, server: &[u8]) {
    let whole = tell(&mut make(), &kept, &[server]);
    let single: Vec<&[u8]> = server.chunks(1).collect();
    assert_eq!(tell(&mut make(), &kept, &single), whole);
    assert_eq!(tell(&mut make(), &kept, &pieces(server)), whole);
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
    kept: impl Fn(&D) -> usize,
    pieces: &[&[u8]],
) -> (Verdict, Vec<u8>) {
    let mut said = Vec::new();
    let mut pieces = pieces.iter();
    let mut turn = dialogue.begin(SocketAddr::from(([127, 0, 0, 1], 40000)));
    loop {
        turn = if let Turn::Over(verdict) = turn {
            return (verdict, said);
        } else if let Turn::Say(words) = turn {
            said.extend_from_slice(&words.bytes);
            dialogue.feed(&[])
        } else if let Some(piece) = pieces.next() {
            let turn = dialogue.feed(piece);
            assert!(kept(dialogue) <= KEPT_MAX + piece.len());
            turn
        } else {
            return (dialogue.end(), said);
        };
    }
}
