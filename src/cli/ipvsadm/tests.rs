use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::kernel::fake;
use crate::model::Protocol;

/// The hosts of the transcript and the services that it names.
struct Hosts;

const HOSTS: [(&str, &str); 5] = [
    ("127.0.0.1", "localhost"),
    ("192.0.2.1", "web1.example"),
    (
        "198.51.100.2",
        "a-very-long-host-name-for-testing.example.org",
    ),
    ("198.51.100.3", "nearly-28-characters.example"),
    ("2001:db8::1", "six.example"),
];

const SERVICES: [(Protocol, u16, &str); 3] = [
    (Protocol::Tcp, 80, "http"),
    (Protocol::Tcp, 53, "domain"),
    (Protocol::Udp, 53, "domain"),
];

impl Lookup for Hosts {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        let found = HOSTS.iter().find(|(_, name)| *name == host);
        found.map(|(address, _)| address.parse().unwrap())
    }

    fn port(&self, name: &str, protocol: Protocol) -> Option<u16> {
        let found = SERVICES
            .iter()
            .find(|known| (known.0, known.2) == (protocol, name));
        found.map(|known| known.1)
    }

    fn hosts(&self, addresses: BTreeSet<IpAddr>) -> BTreeMap<IpAddr, String> {
        let all = HOSTS.map(|(address, name)| (address.parse().unwrap(), name.to_owned()));
        let mut all = BTreeMap::from(all);
        all.retain(|address, _| addresses.contains(address));
        all
    }

    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        let found = SERVICES
            .iter()
            .find(|known| (known.0, known.1) == (protocol, port));
        found.map(|known| known.2.to_owned())
    }
}

/// What a command line said: status, standard output, standard error.
type Answer = (u8, String, String);

fn answer(kernel: &mut fake::Table, words: &[&str], input: &str) -> Answer {
    let (mut output, mut error) = (Vec::new(), Vec::new());
    let streams = Streams {
        input: &mut input.as_bytes(),
        output: &mut output,
        error: &mut error,
    };
    let status = Program::new(kernel, &Hosts, streams)
        .run("ipvsadm", words)
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status, text(output), text(error))
}

fn said(kernel: &mut fake::Table, words: &[&str]) -> String {
    let (status, output, error) = answer(kernel, words, "");
    assert_eq!((status, error.as_str()), (0, ""), "{words:?}");
    output
}

fn restored(rules: &str) -> fake::Table {
    let mut kernel = fake::Table::new();
    let (status, output, error) = answer(&mut kernel, &["-R"], rules);
    assert_eq!(
        (status, output.as_str(), error.as_str()),
        (0, "", ""),
        "{rules}"
    );
    kernel
}

fn golden(name: &str) -> String {
    let place = format!("{}/tests/golden/ipvsadm/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(place).unwrap()
}

/// What `-S` says as the original would have said it: thresholds are not written.
fn without_thresholds(saved: &str) -> String {
    let mut text = String::new();
    for line in saved.lines() {
        let mut line = line.to_owned();
        for option in [" -x ", " -y "] {
            let Some(start) = line.find(option).filter(|_| line.starts_with("-a ")) else {
                continue;
            };
            let value = start + option.len();
            let end = line[value..]
                .find(' ')
                .map_or(line.len(), |end| value + end);
            line.replace_range(start..end, "");
        }
        text += &line;
        text += "\n";
    }
    text
}

#[test]
fn the_oracles_rules_give_its_outputs() {
    for case in 1..=8 {
        let file = |kind: &str| golden(&format!("{case:02}.{kind}"));
        let mut kernel = fake::Table::new();
        let (status, output, error) = answer(&mut kernel, &["-R"], &file("rules"));
        assert_eq!(status.to_string(), file("rc").trim(), "{case}");
        assert_eq!((output, error), (String::new(), file("err")), "{case}");
        let listings: [(&str, &[&str]); 8] = [
            ("L", &["-Ln"]),
            ("stats", &["-Ln", "--stats"]),
            ("rate", &["-Ln", "--rate"]),
            ("thresholds", &["-Ln", "--thresholds"]),
            ("persist", &["-Ln", "--persistent-conn"]),
            ("tun", &["-Ln", "--tun-info"]),
            ("daemon", &["-L", "--daemon"]),
            ("timeout", &["-L", "--timeout"]),
        ];
        for (kind, words) in listings {
            assert_eq!(said(&mut kernel, words), file(kind), "{case} {words:?}");
        }
        let saved = said(&mut kernel, &["-S", "-n"]);
        assert_eq!(without_thresholds(&saved), file("S"), "{case}");
    }
}

/// `-S` of the transcript differs from ours as documented.
fn as_the_original_saves(line: &str, names: bool) -> String {
    let mut line = line.to_owned();
    if names {
        line = line.replace("[2001:db8::1]", "[six.example]");
    }
    let line = line.replace("-s sh -b flag-3", "-s sh -b ");
    without_thresholds(&line.replace("-f 4294967295", "-f -1"))
}

#[test]
fn every_command_line_of_the_transcript_is_answered_alike() {
    let transcript = golden("transcript");
    let mut kernel = fake::Table::new();
    let mut lines = transcript.lines().filter(|line| !line.starts_with('#'));
    let mut compared = 0;
    while let Some(line) = lines.next() {
        let mut words: Vec<&str> = line.split('\t').collect();
        let kind = words.remove(0);
        let (status, output, error) = answer(&mut kernel, &words, "");
        if kind == "!" {
            continue;
        }
        let output = if words[0] == "-S" {
            as_the_original_saves(&output, !words.contains(&"-n"))
        } else {
            output
        };
        // Connection entries are this machine's own business.
        if words.contains(&"-c") && error.starts_with("cannot open") {
            lines.next();
            continue;
        }
        let text = format!("{error}{output}");
        let ours = format!(
            "{status} {}",
            text.trim_end_matches('\n').replace('\n', "|")
        );
        let theirs = lines.next().unwrap();
        match theirs.strip_suffix('…') {
            Some(beginning) => assert!(ours.starts_with(beginning), "{words:?}: {ours}"),
            // No more than twelve lines of an answer were kept.
            None if theirs.matches('|').count() >= 11 => {
                assert!(ours.starts_with(theirs), "{words:?}: {ours}\n{theirs}");
            }
            None => assert_eq!(ours, theirs, "{words:?}"),
        }
        compared += 1;
    }
    assert!(compared > 750, "{compared}");
}

#[test]
fn without_arguments_the_table_is_listed_with_names() {
    let rules = "-A -t 192.0.2.1:80\n-a -t 192.0.2.1:80 -r 198.51.100.2:53 -m\n\
                 -a -t 192.0.2.1:80 -r 198.51.100.3:80 -m\n-A -t [2001:db8::1]:80\n\
                 -A -t 198.51.100.3:53\n\
                 -A -f 4\n-a -f 4 -r 127.0.0.1:80 -m\n";
    let mut kernel = restored(rules);
    let rows = "\
TCP  web1.example:http wlc
  -> a-very-long-host-name-for-te Masq    1      0          0         
  -> nearly-28-characters.example Masq    1      0          0         
TCP  nearly-28-characters.example wlc
TCP  [six.example]:http wlc
FWM  4 wlc
  -> localhost:80                 Masq    1      0          0         
";
    assert!(said(&mut kernel, &[]).ends_with(rows));
    assert!(said(&mut kernel, &["-L"]).ends_with(rows));
    // Saved names are whole, and can be read back.
    let saved = said(&mut kernel, &["-S"]);
    assert!(saved.contains("-r a-very-long-host-name-for-testing.example.org:domain -m"));
    assert!(saved.contains("-A -t [2001:db8::1]:http -s wlc\n"));
    assert_eq!(restored(&saved).services(), kernel.services());
}

#[test]
fn restoring_ends_at_own_mistakes_and_goes_on_after_the_kernels() {
    let mut kernel = fake::Table::new();
    let rules = "ipvsadm -A -t 192.0.2.1:80\r\n\n \t\n-A -t 192.0.2.1:80\n--foo\n-A -w\n\
                 -A -t 192.0.2.2:80 --foo\n-A -t 192.0.2.3:80\n# comment\n-A -t 192.0.2.4:80\n";
    let (status, output, error) = answer(&mut kernel, &["-R"], rules);
    assert_eq!((status, output.as_str()), (255, ""));
    assert_eq!(
        error,
        "Service already exists\n\
         Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n"
    );
    let mut kernel = fake::Table::new();
    let rules = rules
        .replace("--foo\n-A -w\n", "")
        .replace("-w", "")
        .replace("# comment", "-A");
    let (status, _, error) = answer(&mut kernel, &["-R"], &rules);
    assert_eq!(status, 2);
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(
        error.contains("--foo: unknown option\nYou need to supply"),
        "{error}"
    );
    assert_eq!(kernel.services().len(), 2);
}

#[test]
fn the_status_of_a_restore_is_that_of_its_last_line() {
    let twice = "-A -f 1\n-A -f 1\n";
    let status = |rules: &str| answer(&mut fake::Table::new(), &["-R"], rules).0;
    assert_eq!(status(twice), 255);
    assert_eq!(status(&format!("{twice}-A -f 2")), 0);
    assert_eq!(status("-L -f 1\n"), 1);
    assert_eq!(status("-A -f 1\n-R\n"), 255);
    assert_eq!(status(""), 0);
    // Texts keep the order of their lines.
    let rules = format!("{twice}-L --timeout\n-d -f 1 -r 198.51.100.1\n-A -q\n-D -f 2\n");
    let (_, output, error) = answer(&mut fake::Table::new(), &["-R"], &rules);
    assert_eq!(output, "Timeout (tcp tcpfin udp): 900 120 300\n");
    assert_eq!(
        error,
        "Service already exists\nNo such destination\n-q: unknown option\nNo such service\n"
    );
}

#[test]
fn bracketed_ipv4_keeps_its_port() {
    let rules = "-A -t [192.0.2.1]:81\n-a -t [192.0.2.1]:81 -r [198.51.100.8]:82 -m\n";
    let saved = said(&mut restored(rules), &["-S", "-n"]);
    assert_eq!(
        saved,
        "-A -t 192.0.2.1:81 -s wlc\n-a -t 192.0.2.1:81 -r 198.51.100.8:82 -m -w 1\n"
    );
}

#[test]
fn an_order_that_is_given_stands() {
    let kernel = restored("-A -f 1\n-A -f 2\n-a -f 2 -r 198.51.100.1\n-a -f 2 -r 198.51.100.2\n");
    let services = kernel.services();
    let mut order: Vec<_> = services
        .iter()
        .map(|(key, observed)| {
            let mut keys: Vec<_> = observed.destinations.keys().copied().collect();
            keys.reverse();
            (*key, keys)
        })
        .collect();
    order.reverse();
    let options = crate::cli::listing::Options::default();
    let listing = crate::cli::listing::Listing::new(None, services, options).in_order(&order);
    let text = listing.to_string();
    let names: Vec<_> = text
        .lines()
        .skip(2)
        .map(|line| line.get(..20).unwrap_or(line))
        .collect();
    let server = |last| format!("  -> 198.51.100.{last}:0 ");
    assert_eq!(names[1..3], [server(2), server(1)]);
    assert!(names[0].starts_with("FWM  2") && text.ends_with("FWM  1 wlc\n"));
}

fn service() -> impl Strategy<Value = String> {
    prop_oneof![
        (1_u8..4, 1_u16..4).prop_map(|(host, port)| format!("-t 192.0.2.{host}:{port}")),
        (1_u8..4, 1_u16..4).prop_map(|(host, port)| format!("-u [2001:db8::{host}]:{port}")),
        (1_u16..4).prop_map(|port| format!("--sctp-service 192.0.2.1:{port}")),
        select(vec![1, 2, 0x7fff_ffff, 0x8000_0000, u32::MAX])
            .prop_flat_map(|mark| (Just(mark), select(vec!["", " -6"])))
            .prop_map(|(mark, six)| format!("-f {mark}{six}")),
    ]
}

fn attributes() -> impl Strategy<Value = String> {
    let scheduler = select(vec![
        "rr",
        "none",
        "wlc -b flag-1,flag-3",
        "sh -b sh-port",
        "sh -b flag-3",
        "mh -b flag-1,flag-2,flag-3",
        "mh -b mh-fallback",
    ]);
    let persistence = select(vec!["", " -p", " -p 1", " -p 2678400 -M 60"]);
    let engine = select(vec!["", " --pe sip"]);
    (scheduler, persistence, engine).prop_map(|(scheduler, persistence, engine)| {
        format!(" -s {scheduler}{persistence}{engine}")
    })
}

fn server() -> impl Strategy<Value = String> {
    let method = select(vec![
        "-g",
        "-m",
        "-i",
        "-i --tun-type gue --tun-port 6080 --tun-remcsum",
        "-i --tun-type gue --tun-port 1 --tun-csum",
        "-i --tun-type gre",
        "-i --tun-type gre --tun-csum",
    ]);
    let weight = select(vec![0, 1, i32::MAX]);
    let thresholds = select(vec![
        "",
        " -x 1",
        " -x 2147483647 -y 2147483647",
        " -x 9 -y 3",
    ]);
    (1_u8..9, 1_u16..3, method, weight, thresholds).prop_map(
        |(host, port, method, weight, thresholds)| {
            format!(" -r 198.51.100.{host}:{port} {method} -w {weight}{thresholds}")
        },
    )
}

proptest! {
    /// Thresholds, large marks and nameless flags included.
    #[test]
    fn what_is_saved_restores_the_same_table(
        rules in prop::collection::vec(
            (service(), attributes(), prop::collection::vec(server(), 0..4)),
            1..6,
        ),
    ) {
        let mut kernel = fake::Table::new();
        for (service, attributes, servers) in rules {
            let line = format!("-A {service}{attributes}\n");
            answer(&mut kernel, &["-R"], &line);
            for server in servers {
                answer(&mut kernel, &["-R"], &format!("-a {service}{server}\n"));
            }
        }
        prop_assert!(!kernel.services().is_empty());
        let saved = said(&mut kernel, &["-S", "-n"]);
        let mut again = restored(&saved);
        prop_assert_eq!(kernel.services(), again.services());
        prop_assert_eq!(said(&mut again, &["-Sn"]), saved);
    }

    /// Whatever is on the command line, there is an answer with one of four exit statuses.
    #[test]
    fn no_command_line_breaks_the_program(
        words in prop::collection::vec(
            prop_oneof![
                "\\PC{0,12}",
                select(vec![
                    "-A", "-a", "-L", "-R", "-S", "--set", "-t", "-f", "1", "-6", "-p", "-M", "-b",
                    "-r", "192.0.2.1:80", "[::1]:1", "-i", "--tun-type", "gue", "--", "-", "-e",
                    "--start-daemon", "master", "--mcast-group", "-Lnc", "-w=", "-At", "=", "--=",
                ]).prop_map(str::to_owned),
            ],
            0..8,
        ),
        input in "\\PC{0,40}\n?-A -f 1\n",
    ) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (status, ..) = answer(&mut fake::Table::new(), &words, &input);
        prop_assert!([0, 1, 2, 255].contains(&status));
    }
}
