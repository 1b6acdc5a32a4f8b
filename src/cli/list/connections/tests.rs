use serde_json::Value;

use super::*;
use crate::cli::args::{Arguments, Command};
use crate::cli::list::args::{List, What};
use clap::Parser as _;

fn options(words: &[&str]) -> Connections {
    let words = ["directord", "list", "connections"].iter().chain(words);
    match Arguments::try_parse_from(words).unwrap().command {
        Command::List(options) => match *options {
            List {
                what: Some(What::Connections(options)),
                ..
            } => options,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn at(address: &str, port: u16) -> PortAddress {
    PortAddress(address.parse().unwrap(), port)
}

fn entries() -> Vec<Connection<'static>> {
    let entry = Connection {
        protocol: "TCP",
        client: at("198.51.100.7", 43010),
        virtual_address: at("192.0.2.100", 80),
        server: at("192.0.2.21", 80),
        state: "ESTABLISHED",
        expires: 891,
        origin: Some("LOCAL"),
        engine: None,
        engine_data: None,
    };
    vec![
        entry,
        Connection {
            client: at("198.51.100.8", 0),
            state: "NONE",
            expires: 59,
            ..entry
        },
        Connection {
            client: at("203.0.113.9", 43011),
            server: at("192.0.2.22", 80),
            state: "FIN_WAIT",
            origin: Some("SYNC"),
            ..entry
        },
        Connection {
            protocol: "UDP",
            client: at("2001:db8::9", 5060),
            virtual_address: at("2001:db8::100", 5060),
            server: at("2001:db8::21", 5060),
            state: "UDP",
            ..entry
        },
    ]
}

fn printed(words: &[&str], entries: &[Connection<'_>]) -> String {
    let options = options(words);
    let mut out = Vec::new();
    let mut printer = Printer::new(&mut out, &options, false).unwrap();
    for entry in entries {
        assert!(printer.entry(entry).unwrap().is_continue());
    }
    printer.end().unwrap();
    String::from_utf8(out).unwrap()
}

/// How many are shown.
fn shown(words: &[&str]) -> u64 {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    let value: Value = serde_json::from_str(&printed(&words, &entries())).unwrap();
    assert_eq!(value["seen"], 4);
    assert_eq!(
        value["connections"].as_array().unwrap().len() as u64,
        value["shown"].as_u64().unwrap()
    );
    value["shown"].as_u64().unwrap()
}

#[test]
fn entries_are_picked() {
    for (words, count) in [
        (&[][..], 4),
        (&["--client", "198.51.100.7"], 1),
        (&["--client", "198.51.100.0/24"], 2),
        (
            &[
                "--client",
                "198.51.100.0/24",
                "--client",
                "203.0.113.9:43011",
            ],
            3,
        ),
        (&["--service", "192.0.2.100:80"], 3),
        (&["--service", "tcp:192.0.2.100:80"], 3),
        (&["--service", "udp:192.0.2.100:80"], 0),
        (&["--service", "udp:[2001:db8:0::100]:5060"], 1),
        (&["--server", "192.0.2.22"], 1),
        (&["--state", "established"], 1),
        (&["--state", "ESTABLISHED,FIN_WAIT"], 2),
        (&["--server", "192.0.2.21", "--state", "FIN_WAIT"], 0),
    ] {
        assert_eq!(shown(words), count, "{words:?}");
    }
}

#[test]
fn people_and_programs_see_the_same() {
    let text = "\
PROTO  EXPIRES  STATE        CLIENT              SERVICE               SERVER               ORIGIN
TCP      14:51  ESTABLISHED  198.51.100.7:43010  192.0.2.100:80        192.0.2.21:80        local
TCP       0:59  NONE         198.51.100.8:0      192.0.2.100:80        192.0.2.21:80        local
TCP      14:51  FIN_WAIT     203.0.113.9:43011   192.0.2.100:80        192.0.2.22:80        sync
UDP      14:51  UDP          [2001:db8::9]:5060  [2001:db8::100]:5060  [2001:db8::21]:5060  local
4 of 4 entries
";
    assert_eq!(printed(&[], &entries()), text);
    let lines = printed(&["--csv", "--client", "198.51.100.8"], &entries());
    assert_eq!(
        lines.lines().nth(1),
        Some("TCP,198.51.100.8,0,192.0.2.100,80,192.0.2.21,80,NONE,59,true,local,,")
    );
    let mut sip = entries()[3];
    (sip.origin, sip.engine, sip.engine_data) = (None, Some("sip"), Some(&b"call\x1b-\xff"[..]));
    let with_engine = printed(&["--engine"], &[sip]);
    assert!(
        with_engine.contains("sip     call?-\u{fffd}\n"),
        "{with_engine}"
    );
}

#[test]
fn entries_are_counted() {
    let text = "\
SERVER               STATE        CONNECTIONS  TEMPLATES
192.0.2.21:80        ESTABLISHED            1          0
192.0.2.21:80        NONE                   0          1
192.0.2.22:80        FIN_WAIT               1          0
[2001:db8::21]:5060  UDP                    1          0
4 of 4 entries
";
    assert_eq!(printed(&["--count", "server,state"], &entries()), text);
    let lines = printed(&["--count", "service", "--csv"], &entries());
    assert_eq!(
        lines,
        "service,connections,templates\ntcp:192.0.2.100:80,2,1\nudp:[2001:db8::100]:5060,1,0\n"
    );
}

#[test]
fn documents_fit_the_schema() {
    let schema: Value = serde_json::from_str(&super::super::document::schema()).unwrap();
    let fits = |text: &str| {
        let value = serde_json::from_str(text).unwrap();
        super::super::tests::fits(&schema, &value)
    };
    let text = printed(&["--json"], &entries());
    assert!(fits(&text));
    assert!(!fits(&text.replace("\"origin\":\"sync\"", "\"origin\":7")));
    assert!(fits(&printed(&["--json"], &[])));
    let text = printed(&["--json", "--count", "state,origin"], &entries());
    assert!(fits(&text), "{text}");
    assert!(!fits(
        &text.replace("\"templates\": 1", "\"templates\": \"1\"")
    ));
}

/// What a hundred thousand entries leave behind is what some hundreds do.
#[test]
fn a_long_list_is_written_as_it_comes() {
    struct Counting(usize);
    impl Write for Counting {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for words in [&[][..], &["--json"], &["--csv"]] {
        let options = options(words);
        let mut out = Counting(0);
        let mut printer = Printer::new(&mut out, &options, false).unwrap();
        for _ in 0..5_000 {
            for entry in &entries() {
                let _ = printer.entry(entry).unwrap();
            }
            assert!(printer.grid.len() <= AHEAD && printer.groups.is_empty());
        }
        printer.end().unwrap();
        assert!(out.0 > 1_000_000, "{}", out.0);
    }
}
