//! Recorded dialogues played to the machines of binary protocols.

use std::net::SocketAddr;

use super::dialogue::{Dialogue, Turn, Verdict, Words};

/// Turns a machine may take without hearing anything.
const BREATH: usize = 100;

/// What a machine did with all that was played to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Performance {
    /// What it said.
    pub(super) said: Vec<Words>,
    /// Its verdict; `None` while it would listen on.
    pub(super) verdict: Option<Verdict>,
    /// Bytes it had taken when it gave it.
    pub(super) taken: usize,
    /// Whether it asked for TLS.
    pub(super) secured: bool,
}

impl Performance {
    /// Why the server counts as down.
    pub(super) fn reason(&self) -> &str {
        match &self.verdict {
            Some(Verdict {
                result: Err(reason),
                ..
            }) => reason.as_str(),
            other => panic!("{other:?}"),
        }
    }

    /// What describes the success.
    pub(super) fn detail(&self) -> &str {
        match &self.verdict {
            Some(Verdict {
                result: Ok(detail), ..
            }) => detail,
            other => panic!("{other:?}"),
        }
    }

    /// What a person sees of all that was said, the goodbye too.
    pub(super) fn shown(&self) -> Vec<u8> {
        let said = self.said.iter().flat_map(|words| words.shown().to_vec());
        let goodbye = self
            .verdict
            .iter()
            .flat_map(|verdict| verdict.goodbye.clone());
        said.chain(goodbye).collect()
    }
}

/// Plays what a server said, in these pieces; at their end the server is silent.
pub(super) fn play<'a>(
    machine: &mut impl Dialogue,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Performance {
    let local: SocketAddr = "192.0.2.1:40000".parse().unwrap();
    let mut performance = Performance {
        said: Vec::new(),
        verdict: None,
        taken: 0,
        secured: false,
    };
    let first = machine.begin(local);
    respond(machine, first, &mut performance);
    for piece in pieces {
        if performance.verdict.is_some() {
            break;
        }
        performance.taken += piece.len();
        let turn = machine.feed(piece);
        respond(machine, turn, &mut performance);
    }
    performance
}

/// As [`play`], and then the server closes.
pub(super) fn play_and_close<'a>(
    machine: &mut impl Dialogue,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Performance {
    let mut performance = play(machine, pieces);
    if performance.verdict.is_none() {
        performance.verdict = Some(machine.end());
    }
    performance
}

fn respond(machine: &mut impl Dialogue, mut turn: Turn, performance: &mut Performance) {
    for _ in 0..BREATH {
        match turn {
            Turn::Listen => return,
            Turn::Over(verdict) => {
                performance.verdict = Some(verdict);
                return;
            }
            Turn::Say(words) => {
                assert!(!words.bytes.is_empty());
                performance.said.push(words);
            }
            Turn::Secure => performance.secured = true,
        }
        turn = machine.feed(&[]);
    }
    panic!("it talks without listening");
}

/// A recorded dialogue in which a server is up gives the same whole, byte by byte and with
/// a pause after each of its bytes; cut short it is never up.
pub(super) fn rehearse<M: Dialogue>(
    mut machine: impl FnMut() -> M,
    lines: &[&[u8]],
) -> Performance {
    let whole = play(&mut machine(), lines.iter().copied());
    assert!(
        matches!(&whole.verdict, Some(verdict) if verdict.result.is_ok()),
        "{whole:?}"
    );
    let flat: Vec<u8> = lines.concat();
    let bytewise = play(&mut machine(), flat.chunks(1));
    assert_eq!(
        (&bytewise.said, &bytewise.verdict),
        (&whole.said, &whole.verdict)
    );
    for cut in 0..flat.len() {
        // A server does not speak before it is spoken to: lines are split, not joined.
        let mut pieces = Vec::new();
        let mut begin = 0;
        for line in lines {
            let (head, tail) = line.split_at(cut.clamp(begin, begin + line.len()) - begin);
            pieces.extend([head, tail].into_iter().filter(|piece| !piece.is_empty()));
            begin += line.len();
        }
        let split = play(&mut machine(), pieces);
        assert_eq!(
            (&split.said, &split.verdict),
            (&whole.said, &whole.verdict),
            "at {cut}"
        );
        if cut < bytewise.taken {
            let short = play_and_close(&mut machine(), flat[..cut].chunks(1));
            assert!(!short.reason().is_empty(), "at {cut}");
        }
    }
    whole
}

/// Plays a hostile server's endless repetition, in pieces of 4096 bytes, for a megabyte; what
/// the machine keeps is measured after each.
pub(super) fn drown<M: Dialogue>(
    mut machine: M,
    opening: &[&[u8]],
    endless: &[u8],
    kept: impl Fn(&M) -> usize,
    kept_max: usize,
) -> Performance {
    let mut performance = play(&mut machine, opening.iter().copied());
    let mut stream = endless.iter().copied().cycle();
    for _ in 0..(1 << 20) / 4096 {
        let piece: Vec<u8> = stream.by_ref().take(4096).collect();
        if performance.verdict.is_some() {
            break;
        }
        let turn = machine.feed(&piece);
        respond(&mut machine, turn, &mut performance);
        assert!(
            kept(&machine) <= kept_max,
            "{} bytes are kept",
            kept(&machine)
        );
    }
    performance
}
