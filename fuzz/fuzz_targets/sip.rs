//! No answer of a SIP server, whole or in pieces, makes the check panic or keep more than
//! a head.
#![no_main]

use directord::check::datagram::Query;
use directord::check::dialogue::{Dialogue, Turn};
use directord::check::sip::Options;
use directord::model::Transport;
use libfuzzer_sys::fuzz_target;

const HEAD_MAX: usize = 16 * 1024;

/// The identifiers of the seeds' request.
fn options(transport: Transport) -> Options {
    let random = std::array::from_fn(|at| at as u8);
    Options::new("monitor@example.com", transport, random)
}

fuzz_target!(|bytes: &[u8]| {
    let mut datagram = options(Transport::Udp);
    datagram.judge(bytes);
    assert!(datagram.doubt().is_none_or(|doubt| doubt.len() < 4096));
    for size in [1, 7, bytes.len().clamp(1, 4096)] {
        let mut stream = options(Transport::Tcp);
        stream.begin("[2001:db8::1]:5060".parse().expect("an address"));
        for piece in bytes.chunks(size) {
            if matches!(stream.feed(piece), Turn::Over(_)) {
                break;
            }
            assert!(stream.kept() <= HEAD_MAX + piece.len());
        }
        Dialogue::end(&mut stream);
    }
});
