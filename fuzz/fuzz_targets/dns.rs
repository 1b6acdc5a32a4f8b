//! No answer of a name server, whole or in pieces, makes a lookup panic or keep more than
//! one message.
#![no_main]

#[path = "../patterns.rs"]
mod patterns;

use std::sync::{Arc, LazyLock};

use directord::check::datagram::Query;
use directord::check::dialogue::{Dialogue, Turn};
use directord::check::dns::{Lookup, Stream};
use directord::check::pattern::Matcher;
use directord::model::DnsKind;
use libfuzzer_sys::fuzz_target;

const IDS: [u16; 2] = [0x1234, 0x5678];
const MESSAGE_MAX: usize = 2 + 65_535;

static KEPT: LazyLock<Vec<Arc<Matcher>>> = LazyLock::new(|| patterns::keep(&["nowhere$"]));

fuzz_target!(|bytes: &[u8]| {
    let local = "127.0.0.1:1053".parse().expect("an address");
    let with_id = |id: u16| [&id.to_be_bytes(), bytes.get(2..).unwrap_or_default()].concat();
    // As it comes, and as an answer to what is asked first and second.
    let messages = [bytes.to_vec(), with_id(IDS[0]), with_id(IDS[1])];
    for name in ["www.example.com", "192.0.2.80"] {
        let mut lookup = Lookup::new(name, Arc::clone(&KEPT[0]), IDS).expect("a name");
        lookup.ask(local);
        for message in &messages {
            lookup.judge(message);
            assert!(lookup.doubt().is_none_or(|doubt| doubt.len() < 4096));
        }
        let framed = messages.iter().flat_map(|message| {
            let length = message.len().min(MESSAGE_MAX - 2);
            [&(length as u16).to_be_bytes(), &message[..length]].concat()
        });
        let framed: Vec<u8> = framed.collect();
        for (stream, size) in [(&framed[..], 1), (&framed, 7), (bytes, 3)] {
            let mut lookup = Lookup::new(name, Arc::clone(&KEPT[0]), IDS).expect("a name");
            talk(&mut Stream::new(&mut lookup), stream, size);
        }
    }
    for kind in DnsKind::ALL {
        let asked = Lookup::of_kind("www.example.com", Some(kind), None, IDS);
        let mut lookup = asked.expect("a name");
        lookup.ask(local);
        for message in &messages {
            lookup.judge(message);
        }
    }
});

/// A server that says this, so many bytes at a time.
fn talk(dialogue: &mut Stream<'_>, said: &[u8], size: usize) {
    dialogue.begin("127.0.0.1:1053".parse().expect("an address"));
    for piece in said.chunks(size) {
        let mut turn = dialogue.feed(piece);
        while let Turn::Say(_) = turn {
            turn = dialogue.feed(&[]);
        }
        if let Turn::Over(_) = turn {
            return;
        }
        assert!(dialogue.kept() <= MESSAGE_MAX);
    }
    dialogue.end();
}
