//! The personality `ipvsadm` beside the original, on a real kernel: random tables and random
//! command lines are given to both, each in a network namespace of its own, and everything
//! that can be seen is compared. Addresses are those for documentation.
//!
//! Needs root, a kernel with IPVS and the original; `DIRECTORD_LAB=1` says that they are
//! expected. Ours runs inside the test; the original is started as seldom as can be, since a
//! process is dear in the lab: its `-R` takes command lines of every kind.
//!
//! `IPVSADM_SEED` is the first seed (1), `IPVSADM_SECONDS` repeats everything with further
//! seeds for so long. A failure names its seed and shows what was given.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "ipvsadm/both.rs"]
mod both;
#[path = "ipvsadm/random.rs"]
mod random;

use std::io::Write as _;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use both::{Answer, Both, ours, theirs};
use directord::cli::ipvsadm::{System, parse};
use directord::kernel::ipvs::Client;
use random::Random;

/// Tables compared in one run.
const TABLES: u32 = 2000;
/// Tables for which the original is started once.
const TABLES_AT_ONCE: u32 = 40;
/// Command lines compared in one run.
const LINES: u32 = 5000;
/// Command lines for which the original is started once, at most. The last one may be a
/// mistake that it finds itself, which ends it.
const LINES_AT_ONCE: usize = 32;
/// Command lines with words that a line of `-R` cannot have, each a process of its own.
const AS_ARGUMENTS: u32 = 100;

/// Runs a round of comparisons for each seed of this run.
fn rounds(round: impl Fn(u64)) {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let first: u64 = number("IPVSADM_SEED").unwrap_or(1);
    let end =
        number("IPVSADM_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
    for seed in first.. {
        round(seed);
        if end.is_none_or(|end| Instant::now() >= end) {
            break;
        }
    }
}

/// Past the test harness, which hides what passing tests print.
fn say(text: &str) {
    std::io::stderr()
        .write_all(format!("{text}\n").as_bytes())
        .unwrap();
}

#[test]
fn random_tables_print_alike() {
    let Some(both) = Both::new() else { return };
    rounds(|seed| {
        let begun = Instant::now();
        let mut random = Random::new(seed);
        let mut printed = 0;
        for _ in 0..TABLES / TABLES_AT_ONCE {
            let mut text = String::new();
            for _ in 0..TABLES_AT_ONCE {
                text += &random::table(&mut random);
                text += "-L --timeout\n-S -n\n";
                text += &random::listing(&mut random);
                text += "-C\n";
            }
            let answer = both.compare(seed, &["-R"], &text);
            printed += answer.output.lines().count();
        }
        say(&format!(
            "seed {seed}: {TABLES} tables, {printed} lines of listings alike, {:.1?}",
            begun.elapsed()
        ));
        assert!(printed > TABLES as usize * 12, "the tables are too small");
    });
}

#[test]
fn random_command_lines_are_answered_alike() {
    let Some(both) = Both::new() else { return };
    rounds(|seed| {
        let begun = Instant::now();
        let mut random = Random::new(seed);
        let (mut compared, mut mistakes, mut starts) = (0, 0, 0);
        while compared < LINES {
            let mut text = String::new();
            if random.one_in(3) {
                text += "-C\n--set 900 120 300\n--stop-daemon master\n--stop-daemon backup\n";
            }
            let (mut left, mut mistake) = (random.below(LINES_AT_ONCE) + 1, None);
            while left > 0 {
                let words = random::command_line(&mut random);
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let line = format!("{}\n", words.join(" "));
                // A daemon that is stopped while it starts leaves the original without an answer,
                // for which it waits for ever.
                if line.contains("stop-daemon") && text.contains("start-daemon") {
                    continue;
                }
                let answer = parse("ipvsadm", &words, &System::default());
                if answer.is_err_and(|failure| failure.fatal) {
                    mistake.get_or_insert(line);
                } else {
                    text += &line;
                    left -= 1;
                    compared += 1;
                }
            }
            text += "-S -n\n-L --daemon\n-L --timeout\n";
            if let Some(line) = mistake.filter(|_| !random.one_in(5)) {
                text += &line;
                mistakes += 1;
                compared += 1;
            }
            starts += 1;
            both.compare(seed, &["-R"], &text);
        }
        both.compare(
            seed,
            &["-R"],
            "-S -n\n-L --daemon\n-L --timeout\n-Ln --thresholds\n-C",
        );
        for _ in 0..AS_ARGUMENTS {
            let words = random::odd_command_line(&mut random);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            both.compare(seed, &words, "");
        }
        say(&format!(
            "seed {seed}: {compared} command lines alike, {mistakes} of them mistakes that end the \
             original; {AS_ARGUMENTS} more as arguments; {starts} starts, {:.1?}",
            begun.elapsed()
        ));
        assert!(mistakes > starts / 2, "too few mistakes: {mistakes}");
    });
}

/// What one program saves, thresholds, large marks and nameless flags included, the other
/// one restores.
#[test]
fn the_original_restores_what_is_saved() {
    let Some(both) = Both::new() else { return };
    let rules = "-A -t 192.0.2.1:80 -s sh -b flag-3\n\
                 -a -t 192.0.2.1:80 -r 198.51.100.1:80 -m -w 3 -x 100 -y 90\n\
                 -a -t 192.0.2.1:80 -r 198.51.100.2:80 -i --tun-type gue --tun-port 6080 -x 5\n\
                 -A -f 4294967295 -p 60\n-A -f 2147483648 -6 -s rr\n";
    let saved = both.ours(&["-R"], &format!("{rules}-S -n\n-C\n")).output;
    let all = "-L -n --thresholds\n-L -n --tun-info\n-L -n --persistent-conn\n";
    let first = both.ours(&["-R"], &format!("{rules}{all}"));
    let restored = both.theirs(&["-R"], &format!("{saved}{all}"));
    assert_eq!(first, restored);
    assert_eq!(both.ours(&["-S", "-n"], "").output, saved);
}

/// Names of this host: those of the hosts file and of services.
#[test]
fn names_are_shown_alike() {
    let Some(both) = Both::new() else { return };
    let rules = "-A -t 127.0.0.1:80\n-a -t 127.0.0.1:80 -r 127.0.0.1:25 -m\n-A -u 127.0.0.1:53\n\
                 -A -t 127.0.0.1:0 -p\n-A --sctp-service 127.0.0.1:80\n-A -f 1\n\
                 -a -f 1 -r 127.0.0.1:80 -m\n";
    both.compare(0, &["-R"], rules);
    for words in [
        &["-L"][..],
        &[],
        &["-L", "--stats"],
        &["-S"],
        &["-L", "-t", "localhost:http"],
    ] {
        both.compare(0, words, "");
    }
}

/// Connection entries, of one namespace, to both.
#[test]
fn connections_are_listed_alike() {
    let Some(_) = Both::new() else { return };
    both::in_namespace(|| {
        let mut client = Client::open().unwrap();
        let rules = "-A -u 127.0.0.1:53 -s rr -p 100\n-a -u 127.0.0.1:53 -r 127.0.0.1:5353 -m\n\
                     -A -u [::1]:5060 -s rr\n-a -u [::1]:5060 -r [::1]:5061 -m\n";
        assert_eq!(ours(&mut client, &["-R"], rules).status, 0);
        for (from, to) in [("127.0.0.1:0", "127.0.0.1:53"), ("[::1]:0", "[::1]:5060")] {
            for _ in 0..3 {
                UdpSocket::bind(from).unwrap().send_to(b"x", to).unwrap();
            }
        }
        for words in [&["-Lnc"][..], &["-Lc"], &["-Lnc", "--persistent-conn"]] {
            // A second may pass between the two.
            let alike = (0..20).find_map(|_| {
                let seen = ours(&mut client, words, "");
                (seen == theirs(words, "")).then_some(seen)
            });
            let seen = alike.unwrap_or_else(|| {
                panic!(
                    "{:?}\n{:?}",
                    ours(&mut client, words, ""),
                    theirs(words, "")
                )
            });
            assert!(seen.output.lines().count() >= 8, "{}", seen.output);
        }
        let none = Answer {
            status: 0,
            output: String::new(),
            error: String::new(),
        };
        assert_eq!(ours(&mut client, &["-C"], ""), none);
    });
}
