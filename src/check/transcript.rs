//! Recorded dialogues in tests of the text protocols.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::dialogue::{Dialogue, Turn};
use super::rehearsal::play;
use super::reply::LINE_MAX;

/// What became of a conversation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) result: Result<String, String>,
    /// All that was said, goodbye included.
    pub(super) said: String,
    /// The same as a person sees it.
    pub(super) shown: String,
    /// Whether the server's end was needed for the verdict.
    pub(super) at_end: bool,
}

/// Tells a conversation the server's words in these pieces, then the end.
pub(super) fn tell(dialogue: &mut impl Dialogue, pieces: &[&[u8]]) -> Told {
    let heard = play(dialogue, pieces.iter().copied());
    let at_end = heard.verdict.is_none();
    let verdict = heard.verdict.unwrap_or_else(|| dialogue.end());
    let goodbye = || verdict.goodbye.iter().copied();
    let said = heard.said.iter().flat_map(|words| words.bytes.clone());
    let said: Vec<u8> = said.chain(goodbye()).collect();
    let shown = heard.said.iter().flat_map(|words| words.shown().to_vec());
    let shown: Vec<u8> = shown.chain(goodbye()).collect();
    Told {
        result: verdict.result.map_err(|reason| reason.to_string()),
        said: String::from_utf8(said).unwrap(),
        shown: String::from_utf8(shown).unwrap(),
        at_end,
    }
}

/// Tells a good recording whole, byte by byte and split anywhere, which must come to the
/// same, then every beginning of it, which must be down, then with junk in its place,
/// which must end within bounds. Returns what the whole came to.
pub(super) fn hold_through<D: Dialogue>(
    make: impl Fn() -> D,
    kept: impl Fn(&D) -> usize,
    recording: &[u8],
) -> Told {
    let whole = tell(&mut make(), &[recording]);
    assert!(!whole.at_end, "{whole:?}");
    let bytes: Vec<&[u8]> = recording.chunks(1).collect();
    assert_eq!(tell(&mut make(), &bytes), whole);
    let cuts = proptest::collection::vec(0..=recording.len(), 0..8);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100));
    runner
        .run(&cuts, |mut cuts| {
            cuts.sort_unstable();
            cuts.insert(0, 0);
            cuts.push(recording.len());
            let pieces: Vec<&[u8]> = cuts
                .windows(2)
                .map(|cut| &recording[cut[0]..cut[1]])
                .collect();
            prop_assert_eq!(&tell(&mut make(), &pieces), &whole);
            Ok(())
        })
        .unwrap();
    for length in 0..recording.len() {
        let part = tell(&mut make(), &[&recording[..length]]);
        assert!(part.at_end && part.result.is_err(), "{length}: {part:?}");
    }
    for length in 0..recording.len() {
        for junk in [&b"\0\xff"[..], b"x", b"\r", b"\n"] {
            overrun(&mut make(), &kept, &recording[..length], junk);
        }
    }
    whole
}

/// Junk without end after a good beginning: the conversation ends, with little kept.
fn overrun<D: Dialogue>(dialogue: &mut D, kept: impl Fn(&D) -> usize, begin: &[u8], junk: &[u8]) {
    let piece = junk.repeat(2048 / junk.len());
    let mut turn = dialogue.feed(begin);
    for _ in 0..200 {
        assert!(kept(dialogue) <= 2 * LINE_MAX + piece.len());
        if matches!(turn, Turn::Over(_)) {
            return;
        }
        let heard: &[u8] = if turn == Turn::Listen { &piece } else { &[] };
        turn = dialogue.feed(heard);
    }
    panic!("no end to {begin:?} and {junk:?}");
}
