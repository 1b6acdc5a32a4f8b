//! No answer of a name server, whole or in pieces, makes a lookup panic or keep more than
//! one message.
#![no_main]

use std::sync::Arc;

use directord::check::datagram::Query;
use directord::check::dialogue::{Dialogue, Turn};
use directord::check::dns::{Lookup, Stream};
use directord::check::pattern;
use directord::model::Pattern;
use libfuzzer_sys::fuzz_target;

const IDS: [u16; 2] = [0x1234, 0x5678];
const MESSAGE_MAX: usize = 2 + 65_535;

fuzz_target!(|input: &[u8]| {
    let Some((&size, bytes)) = input.split_first() else {
        return;
    };
    let piece = usize::from(size).max(1);
    let matcher = pattern::compile(&Pattern("nowhere$".to_owned())).expect("a pattern");
    let local = "127.0.0.1:1053".parse().expect("an address");
    for name in ["www.example.com", "192.0.2.80"] {
        let mut lookup = Lookup::new(name, Arc::clone(&matcher), IDS).expect("a name");
        lookup.ask(local);
        // As it comes, and behind the identifier that is asked with.
        lookup.judge(bytes);
        lookup.judge(&[&IDS[0].to_be_bytes(), bytes].concat());
        lookup.judge(&[&IDS[1].to_be_bytes(), bytes].concat());
        assert!(lookup.doubt().is_none_or(|doubt| doubt.len() < 4096));
        let mut lookup = Lookup::new(name, Arc::clone(&matcher), IDS).expect("a name");
        let mut stream = Stream::new(&mut lookup);
        stream.begin(local);
        for piece in bytes.chunks(piece) {
            if matches!(stream.feed(piece), Turn::Over(_)) {
                break;
            }
            assert!(stream.kept() <= MESSAGE_MAX);
        }
        stream.end();
    }
});
