//! A conversation with a server that says anything.

use directord::check::dialogue::{Dialogue, Turn};

/// Turns a machine may take without hearing anything.
const BREATH: usize = 10_000;

/// Feeds the input in pieces whose size is its first byte (0 is: all at once) and then
/// closes. After each piece `bounded` may look at what is kept.
pub fn hold<M: Dialogue>(machine: &mut M, input: &[u8], bounded: impl Fn(&M)) {
    let Some((size, said)) = input.split_first() else {
        return;
    };
    let size = match usize::from(*size) {
        0 => said.len().max(1),
        size => size,
    };
    let local = "192.0.2.1:40000".parse().expect("an address");
    let first = machine.begin(local);
    if is_over(machine, first) {
        return;
    }
    for piece in said.chunks(size) {
        let turn = machine.feed(piece);
        if is_over(machine, turn) {
            return;
        }
        bounded(machine);
    }
    machine.end();
}

/// Lets the machine speak until it listens.
fn is_over(machine: &mut impl Dialogue, mut turn: Turn) -> bool {
    for _ in 0..BREATH {
        match turn {
            Turn::Listen => return false,
            Turn::Over(_) => return true,
            Turn::Say(words) => assert!(!words.bytes.is_empty(), "nothing is said"),
            Turn::Secure => {}
        }
        turn = machine.feed(&[]);
    }
    panic!("it talks without listening");
}
