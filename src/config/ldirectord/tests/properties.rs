//! Properties over random, mutated and generated files.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::super::directives::DIRECTIVES;
use super::examples::EXAMPLES;
use super::*;
use crate::config::print::to_ldirectord_cf;
use crate::config::show;

/// Reads a text, uses everything that comes out, and checks that an accepted
/// configuration is the same after printing.
pub(super) fn survives(text: &[u8]) {
    match read(text) {
        Err(Rejected(all)) => {
            assert!(Rejected(all.clone()).first_error().is_some());
            for diagnostic in &all {
                assert!(!diagnostic.render(true).is_empty());
                let shown = format!("{diagnostic}\n{}", diagnostic.classic(1));
                assert!(
                    shown.chars().all(|c| !c.is_control() || c == '\n'),
                    "{shown:?}"
                );
            }
            assert!(serde_json::to_string(&all).is_ok());
        }
        Ok(Accepted { config, .. }) => {
            let printed = to_ldirectord_cf(&config);
            let again = self::config(&printed);
            assert_eq!(again, config, "{printed}");
            assert_eq!(to_ldirectord_cf(&again), printed);
            assert!(show::to_yaml(&config).len() > 100 && show::to_json(&config).len() > 100);
        }
    }
}

/// Pieces out of which values are put together, fitting and unfitting.
const PIECES: [&str; 64] = [
    "192.0.2.21",
    "192.0.2.21:80",
    "192.0.2.21->192.0.2.23",
    "[2001:db8::21]:80",
    "[::1]",
    "web",
    "web:http",
    "web_1",
    "localhost:http",
    "7",
    "0",
    "53",
    "80",
    "65536",
    "4294967295",
    "gate",
    "masq",
    "ipip",
    " ",
    "  ",
    "\t",
    "\"",
    "\"a\"",
    "\"/a#b\"",
    "\"x\", \"y\"",
    "\"x\" \"y\"",
    "l:1",
    "u:9",
    "#",
    "# c",
    ",",
    ":",
    "::",
    "->",
    "-",
    "=",
    "yes",
    "no",
    "all",
    "none",
    "running",
    "tcp",
    "udp",
    "fwm",
    "rr",
    "sh",
    "sh-port,sh-fallback",
    "flag-3",
    "http",
    "https",
    "simpletcp",
    "http_proxy",
    "connect",
    "ping",
    "on",
    "off",
    "external",
    "3",
    "(",
    "\\",
    "255.255.255.0",
    "/bin/x",
    "“",
    "é",
];

fn value() -> impl Strategy<Value = String> {
    vec(select(&PIECES[..]), 0..6).prop_map(|pieces| pieces.concat())
}

fn any_line() -> impl Strategy<Value = String> {
    let name = select(DIRECTIVES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    let indentation = prop_oneof![
        4 => Just("\t"),
        3 => Just(""),
        1 => select(&["   ", "    ", "     ", " \t"][..])
    ];
    let separator = prop_oneof![9 => Just("="), 1 => select(&[" = ", "", "=="][..])];
    let whole = (indentation, name, separator, value()).prop_map(
        |(indentation, name, separator, value)| format!("{indentation}{name}{separator}{value}"),
    );
    prop_oneof![
        12 => whole,
        1 => value(),
        1 => Just("virtual=192.0.2.100:80".to_owned()),
        1 => Just("virtual6=[2001:db8::100]:80".to_owned()),
    ]
}

/// A directive that is accepted wherever it stands.
fn shared_line() -> impl Strategy<Value = String> {
    prop_oneof![
        (1u32..100).prop_map(|n| format!("checktimeout={n}")),
        (1u32..100).prop_map(|n| format!("negotiatetimeout={n}")),
        (1u32..100).prop_map(|n| format!("checkinterval={n}")),
        (1u32..9).prop_map(|n| format!("checkcount={n}")),
        (1u32..9).prop_map(|n| format!("failurecount={n}")),
        (1u32..9).prop_map(|n| format!("rise={n}")),
        (0u32..9, select(&["fastinterval", "slowstart", "floor"][..]))
            .prop_map(|(n, name)| format!("{name}={n}")),
        select(
            &[
                "flapdamping=yes",
                "flapdamping=no",
                "flapdamping=9,60, 20,10",
                "responseweight=yes",
                "responseweight=no",
                "externalweight=yes"
            ][..]
        )
        .prop_map(str::to_owned),
        select(&["yes", "no"][..]).prop_map(|word| format!("quiescent={word}")),
        select(&["yes", "no"][..]).prop_map(|word| format!("cleanstop={word}")),
        select(&["all", "none", "running", "starting, stopping", "reloading,"][..])
            .prop_map(|words| format!("emailalertstatus={words}")),
        select(
            &[
                "a@example.com",
                "\"a@example.com, b@example.com\"",
                "\"a # b\""
            ][..]
        )
        .prop_map(|text| format!("emailalert={text}")),
        (0u32..99).prop_map(|n| format!("emailalertfreq={n}")),
        Just("smtp=mail.example.com".to_owned()),
        select(
            &[
                "/bin/fb",
                "/bin/fb 'a b' \"c\"",
                "\"/bin/fb x\"",
                "/bin/fb \"a\" \"b\""
            ][..]
        )
        .prop_map(|text| format!("fallbackcommand={text}")),
    ]
}

fn global_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => shared_line(),
        1 => select(&["yes", "no"][..]).prop_map(|word| format!("fork={word}")),
        1 => select(&["autoreload", "supervised", "readdquiescent", "enforceweights"][..]).prop_map(|name| format!("{name}=yes")),
        1 => select(&["logfile=\"local0\"", "logfile=\"/var/log/x y\"", "callback=\"/bin/cb\"", "callback=\"\"",
            "execute=a.cf", "execute=b c.cf", "emailalertfrom=\"D\" <d@example.com>",
            "maintenancedir=/etc/m", "maintenancedir=\"/etc/m n\""][..]).prop_map(str::to_owned),
        1 => select(&["fallback=127.0.0.1", "fallback=localhost:domain masq", "fallback=192.0.2.23:8080 masq",
            "fallback6=[::1]:80", "fallback6=web ipip"][..]).prop_map(str::to_owned),
    ]
}

fn service_line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => shared_line(),
        1 => select(&["negotiate", "connect", "ping", "external", "external-perl", "on", "off", "0", "3"][..])
            .prop_map(|kind| format!("checktype={kind}")),
        1 => select(&["http", "https", "simpletcp", "none"][..]).prop_map(|name| format!("service={name}")),
        1 => (1u16..).prop_map(|port| format!("checkport={port}")),
        1 => (1u16.., select(&["agentcheck", "agentinterval"][..])).prop_map(|(n, name)| format!("{name}={n}")),
        1 => "[a-z/?=#& ]{1,12}|[a-z/\"& ]{1,12}".prop_map(|text| format!("request=\"{text}\"")),
        1 => select(&["ok", "a \"b\" c", "x#y", "\\d+ (a|b)", " a "][..]).prop_map(|text| format!("receive=\"{text}\"")),
        1 => select(&["httpmethod=HEAD", "virtualhost=www.example.com", "virtualhost=\"a#b\"", "login=\"l\"",
            "passwd=\"p#\"", "database=\"d\"", "secret=\"s\"", "checkcommand=/bin/x", "checkcommand=\"/bin/x#y\""][..])
            .prop_map(str::to_owned),
        1 => select(&["rr", "wlc", "sh", "mh"][..]).prop_map(|name| format!("scheduler={name}")),
        1 => select(&["flag-1,flag-2", "flag-3"][..]).prop_map(|flags| format!("schedflags={flags}")),
        1 => (1u32..9999).prop_map(|seconds| format!("persistent={seconds}")),
        1 => select(&["ops=yes", "monitorfile=/var/log/m", "monitorfile=\"/m #1\"", "servicename=a b", "comment=é \"#\" x"][..])
            .prop_map(str::to_owned),
    ]
}

fn real_line() -> impl Strategy<Value = String> {
    let method = select(&["gate", "masq", "ipip"][..]);
    let port = prop_oneof![
        Just(String::new()),
        Just(":http".to_owned()),
        (1u16..).prop_map(|port| format!(":{port}"))
    ];
    let weight = proptest::option::of(0u32..=65535);
    let pair = proptest::option::of(select(
        &[
            "\"a\", \"b\"",
            "\"/a#b\" \"c d\"",
            "\"x\",\"\"",
            "\"http://192.0.2.9:81/x\", \"y \"z\"\"",
        ][..],
    ));
    let thresholds = prop_oneof![
        Just(String::new()),
        (0u32..100, 0u32..100).prop_map(|(lower, more)| format!(" l:{lower} u:{}", lower + more)),
        (1u32..100).prop_map(|upper| format!(" u:{upper} l:0")),
    ];
    (port, method, weight, pair, thresholds).prop_map(|(port, method, weight, pair, thresholds)| {
        let weight = weight.map_or(String::new(), |weight| format!(" {weight}"));
        let pair = pair.map_or(String::new(), |pair| format!(" {pair}"));
        format!("{port} {method}{weight}{pair}{thresholds}")
    })
}

/// A section; `number` keeps it apart from the others.
fn good_section(number: usize) -> impl Strategy<Value = String> {
    let form = (0..4u8, any::<bool>());
    (form, vec(real_line(), 0..4), vec(service_line(), 0..10)).prop_map(
        move |((form, udp), reals, lines)| {
            let port = 1000 + number;
            let (address, six, hosts) = match form {
                0 => (
                    format!("virtual=192.0.2.100:{port}"),
                    "",
                    ["192.0.2.21", "192.0.2.21->192.0.2.23", "web"],
                ),
                1 => (
                    format!("virtual=localhost:{port}"),
                    "",
                    ["web_1", "web2", "192.0.2.9"],
                ),
                2 => (
                    format!("virtual={}", port + 1),
                    "",
                    ["192.0.2.21", "web", "0xc0.0.2.7"],
                ),
                _ => (
                    format!("virtual6=[2001:db8::100]:{port}"),
                    "6",
                    ["[2001:db8::21]", "web", "[2001:0db8::22]"],
                ),
            };
            let mut text = format!("{address}\n");
            // Whatever the other lines say, there is a port to check and a service to speak.
            text.push_str("\tcheckport=80\n\tservice=http\n\tpersistent=5\n");
            if form == 3 {
                text.push_str("\tnetmask=64\n\tfallback6=[::1] masq\n");
            } else {
                text.push_str("\tnetmask=255.255.0.0\n");
            }
            if udp && form != 2 {
                text.push_str("\tprotocol=udp\n");
            }
            for (index, real) in reals.iter().enumerate() {
                let host = hosts[index % hosts.len()];
                text.extend(["\treal", six, "=", host, real, "\n"]);
            }
            for line in lines {
                text.extend(["    ", &line, "\n"]);
            }
            text
        },
    )
}

fn good_file() -> impl Strategy<Value = String> {
    let sections = (good_section(0), good_section(1), good_section(2));
    (
        vec(global_line(), 0..12),
        sections,
        vec(global_line(), 0..3),
    )
        .prop_map(|(before, (a, b, c), after)| {
            format!("{}\n{a}\n{b}{c}{}\n", before.join("\n"), after.join("\n"))
        })
}

/// Found by running the reader on millions of spoilt files.
#[test]
fn values_with_odd_quotes_and_blanks_read_back() {
    for line in [
        "maintenancedir=\"a\"   \" httpmethod=GET",
        "maintenancedir=\"\"a\"\"",
        "fallbackcommand=\"x\", \"y\"",
        "fallbackcommand=\" /bin/x\"",
        "emailalert=\"a fork=no\"",
    ] {
        accepted(line);
        survives(line.as_bytes());
        survives(section(line).as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_bytes_panic(bytes in vec(any::<u8>(), 0..400)) {
        survives(&bytes);
    }

    #[test]
    fn no_mutated_example_panics(
        example in select(&EXAMPLES[..]),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..8),
    ) {
        let mut bytes = example.1.as_bytes().to_vec();
        for (at, byte, kind) in changes {
            if bytes.is_empty() {
                    break;
                }
                let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => drop(bytes.remove(at)),
                _ => bytes.truncate(at.max(1)),
            }
        }
        survives(&bytes);
    }

    #[test]
    fn no_mixture_of_directives_panics_or_changes_by_printing(lines in vec(any_line(), 0..12)) {
        survives(lines.join("\n").as_bytes());
    }

    #[test]
    fn good_files_are_accepted_and_read_back(text in good_file()) {
        accepted(&text);
        survives(text.as_bytes());
    }

    #[test]
    fn single_accepted_directives_read_back(
        name in select(DIRECTIVES.iter().map(|(name, _)| *name).collect::<Vec<_>>()),
        value in value(),
    ) {
        survives(format!("{name}={value}\n").as_bytes());
        survives(section(&format!("{name}={value}")).as_bytes());
    }
}
