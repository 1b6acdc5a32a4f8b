//! Random tables and command lines, the same for the same seed.
//!
//! Few addresses, so that lines meet. All numbers of one column lie within half the circle
//! of 32-bit numbers or in two groups: three that surround it have no order in the original.
//! `[1.2.3.4]:80` and `-b ,` are left out; there the programs differ (the original forgets
//! the port, and crashes).

/// A generator of numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from((self.next() >> 33) % limit as u64).unwrap()
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const VIPS: [&str; 4] = ["192.0.2.1", "192.0.2.200", "203.0.113.9", "127.0.0.5"];
const SIX: [&str; 5] = [
    "2001:db8::1",
    "2001:db8::ffff",
    "2001:db8:ffff:eeee:dddd:cccc:bbbb:aaaa",
    "2001:db8:0:1::",
    "::ffff:192.0.2.1",
];
const SERVERS: [&str; 4] = [
    "198.51.100.1",
    "198.51.100.2",
    "198.51.100.77",
    "203.0.113.1",
];
const SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "none",
];
const MARKS: [&str; 5] = ["1", "2", "77", "010", "2147483647"];

/// Options and value of a service.
fn service(random: &mut Random) -> Vec<String> {
    let port = random.pick(&["80", "81", "443", "53", "65535", "1"]);
    let option = random.pick(&["-t", "-t", "-t", "-u", "--sctp-service"]);
    match random.below(10) {
        0..6 => words(&[option, &format!("{}:{port}", random.pick(&VIPS))]),
        6..8 => words(&[option, &format!("[{}]:{port}", random.pick(&SIX))]),
        _ => {
            let mut all = words(&["-f", random.pick(&MARKS)]);
            if random.one_in(2) {
                all.push("-6".to_owned());
            }
            all
        }
    }
}

fn is_six(service: &[String]) -> bool {
    service
        .iter()
        .any(|word| word == "-6" || word.starts_with('['))
}

fn attributes(random: &mut Random, service: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    if !random.one_in(4) {
        let scheduler = random.pick(&SCHEDULERS);
        all.extend(words(&["-s", scheduler]));
        let flags: &[&str] = match scheduler {
            "sh" => &["sh-port", "sh-fallback,sh-port", "flag-3", "flag-1,flag-3"],
            "mh" => &["mh-port", "mh-port,mh-fallback", "flag-3,flag-2"],
            _ => &["flag-1", "flag-2,flag-3"],
        };
        if random.one_in(3) {
            all.extend(words(&["-b", random.pick(flags)]));
        }
    }
    if random.one_in(3) {
        all.push(
            random
                .pick(&["-p", "-p1", "-p30", "-p2678400", "-p=77"])
                .to_owned(),
        );
        if random.one_in(2) {
            let mask = if is_six(service) {
                "64"
            } else {
                "255.255.255.0"
            };
            all.extend(words(&["-M", mask]));
        }
    }
    if random.one_in(10) {
        all.extend(words(&["--pe", "sip"]));
    }
    if random.one_in(6) && (service[0] == "-u" || service[0] == "-f") {
        all.push("-o".to_owned());
    }
    all
}

fn server(random: &mut Random, six: bool) -> Vec<String> {
    let port = random.pick(&["", ":80", ":8080", ":1", ":65535"]);
    // Only a tunnel may cross families.
    let cross = random.one_in(12);
    let address = if six == cross {
        format!("{}{port}", random.pick(&SERVERS))
    } else if port.is_empty() {
        random.pick(&SIX[..4]).to_owned()
    } else {
        format!("[{}]{port}", random.pick(&SIX[..4]))
    };
    let mut all = words(&["-r", &address]);
    let tunnel = [
        "-i",
        "-i --tun-type ipip",
        "-i --tun-type gue --tun-port 6080",
        "-i --tun-type gue --tun-port=65535 --tun-remcsum",
        "-i --tun-type gre --tun-csum",
        "-i --tun-type gre --tun-nocsum",
    ];
    let method = match random.below(8) {
        _ if cross => random.pick(&tunnel),
        0..3 => "-m",
        3 => "-g",
        4 => "",
        _ => random.pick(&tunnel),
    };
    all.extend(method.split_whitespace().map(str::to_owned));
    if !random.one_in(3) {
        all.push(
            random
                .pick(&["-w1", "-w=0", "-w100", "-w2147483647"])
                .to_owned(),
        );
    }
    if random.one_in(3) {
        all.extend(words(&["-x", random.pick(&["0", "10", "2147483647"])]));
        if random.one_in(2) {
            all.extend(words(&["-y", random.pick(&["0", "9", "11"])]));
        }
    }
    all
}

fn words(text: &[&str]) -> Vec<String> {
    text.iter().map(|word| (*word).to_owned()).collect()
}

/// Rules for a table of a few services, lines that the kernel refuses among them.
pub(crate) fn table(random: &mut Random) -> String {
    let mut text = String::new();
    let mut line = |words: Vec<String>| text += &format!("{}\n", words.join(" "));
    for _ in 0..=random.below(5) {
        let service = service(random);
        let own = attributes(random, &service);
        line([words(&["-A"]), service.clone(), own].concat());
        for _ in 0..random.below(6) {
            let server = server(random, is_six(&service));
            line([words(&["-a"]), service.clone(), server].concat());
        }
        if random.one_in(6) {
            let server = server(random, is_six(&service));
            line([words(&["-e"]), service, server].concat());
        }
    }
    text
}

/// A listing of the whole table that does not depend on the kernel's order.
pub(crate) fn listing(random: &mut Random) -> String {
    let mode = random.pick(&[
        "",
        "--stats",
        "--rate",
        "--thresholds",
        "--persistent-conn",
        "--tun-info",
        "--stats --exact",
        "--tun-info -X",
        "--rate --sort",
        "--thresholds --persistent-conn",
    ]);
    format!("-Ln {mode}\n")
}

/// Words that may stand where a value is expected.
const VALUES: [&str; 34] = [
    "0",
    "1",
    "-1",
    "255",
    "256",
    "65535",
    "65536",
    "65507",
    "65508",
    "2147483647",
    "2147483648",
    "99999999999999999999",
    "+5",
    "0x10",
    "010",
    "x",
    "1x",
    "128",
    "129",
    "255.255.255.0",
    "24",
    "lo",
    "nosuch0",
    "224.0.0.9",
    "ff02::9",
    "192.0.2.1",
    "2001:db8::1",
    "sip",
    "nosuch",
    "master",
    "flag-1,flag-2",
    "sh-port",
    "gue",
    "-",
];
const PLACES: [&str; 18] = [
    "192.0.2.1:80",
    "192.0.2.1",
    "192.0.2.1:http",
    "192.0.2.1:nosuch",
    "192.0.2.1:0",
    "192.0.2.1:65536",
    "192.0.2.1:",
    ":80",
    "[2001:db8::1]:80",
    "[2001:db8::1]",
    "2001:db8::1",
    "2001:db8::1]:80",
    "[2001:db8::1:80",
    "192.0.2:81",
    "0xc0000201:80",
    "0300.0.2.1:80",
    "12345",
    "12345:80",
];
const OPTIONS: [&str; 34] = [
    "-n",
    "-c",
    "-s",
    "--pe",
    "-p",
    "-M",
    "-g",
    "-i",
    "-m",
    "-w",
    "-x",
    "-y",
    "--mcast-interface",
    "--timeout",
    "--daemon",
    "--stats",
    "--rate",
    "--thresholds",
    "--persistent-conn",
    "--syncid",
    "--exact",
    "-o",
    "-b",
    "--sync-maxlen",
    "--mcast-group",
    "--mcast-port",
    "--mcast-ttl",
    "--tun-info",
    "--tun-type",
    "--tun-port",
    "--tun-csum",
    "--tun-remcsum",
    "--tun-nocsum",
    "--sort",
];
const TAKES_VALUE: [&str; 17] = [
    "-s",
    "--pe",
    "-M",
    "-w",
    "-x",
    "-y",
    "--mcast-interface",
    "--syncid",
    "-b",
    "--sync-maxlen",
    "--mcast-group",
    "--mcast-port",
    "--mcast-ttl",
    "--tun-type",
    "--tun-port",
    "-r",
    "-t",
];
const LONG: [(&str, &str); 24] = [
    ("-A", "--add-service"),
    ("-E", "--edit-service"),
    ("-D", "--delete-service"),
    ("-C", "--clear"),
    ("-S", "--save"),
    ("-a", "--add-server"),
    ("-e", "--edit-server"),
    ("-d", "--delete-server"),
    ("-L", "--list"),
    ("-Z", "--zero"),
    ("-t", "--tcp-service"),
    ("-u", "--udp-service"),
    ("-f", "--fwmark-service"),
    ("-6", "--ipv6"),
    ("-s", "--scheduler"),
    ("-M", "--netmask"),
    ("-r", "--real-server"),
    ("-w", "--weight"),
    ("-x", "--u-threshold"),
    ("-n", "--numeric"),
    ("-o", "--ops"),
    ("-b", "--sched-flags"),
    ("-m", "--masquerading"),
    ("-i", "--ipip"),
];

/// An option with a value that is often wrong.
fn option(random: &mut Random) -> Vec<String> {
    let option = random.pick(&OPTIONS);
    if option == "-p" && random.one_in(2) || TAKES_VALUE.contains(&option) {
        return words(&[option, random.pick(&VALUES)]);
    }
    words(&[option])
}

/// A command line of words without blanks, right or wrong. It lists nothing that depends on
/// the kernel's order, and always with numbers.
pub(crate) fn command_line(random: &mut Random) -> Vec<String> {
    let service = service(random);
    let six = is_six(&service);
    let mut line = match random.below(20) {
        0..4 => [
            words(&["-A"]),
            service.clone(),
            attributes(random, &service),
        ]
        .concat(),
        4..5 => [
            words(&["-E"]),
            service.clone(),
            attributes(random, &service),
        ]
        .concat(),
        5..9 => [words(&["-a"]), service, server(random, six)].concat(),
        9..11 => [words(&["-e"]), service, server(random, six)].concat(),
        11 => [words(&["-d"]), service, server(random, six)[..2].to_vec()].concat(),
        12 => [words(&["-D"]), service].concat(),
        13 => [words(&["-Z"]), service].concat(),
        14 => [words(&["-Ln", "--nosort"]), service].concat(),
        15 => {
            let times = ["0", "1", "900", "2678400", "2678401", "x"];
            let times = [
                random.pick(&times),
                random.pick(&times),
                random.pick(&times),
            ];
            words(&["--set", times[0], times[1], times[2]])
        }
        16 => words(&[
            "--start-daemon",
            random.pick(&["master", "backup"]),
            "--mcast-interface",
            "lo",
        ]),
        17 => words(&["--stop-daemon", random.pick(&["master", "backup", "both"])]),
        18 => listing(random)
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        _ => words(&[random.pick(&[
            "-Sn", "-Z", "-C", "-L", "--list", "-A", "-a", "--foo", "-AZ",
        ])]),
    };
    match line[0].as_str() {
        // All that it does without -n is to look for names.
        "-L" | "--list" => line.push("-n".to_owned()),
        _ => {}
    }
    for _ in 0..random.pick(&[0, 0, 0, 0, 1, 1, 2]) {
        mutate(random, &mut line);
    }
    if line[0] == "-Ln" || line[0] == "-L" {
        line.retain(|word| word != "-c" && word != "--connection");
    }
    line
}

/// Changes a line a little.
fn mutate(random: &mut Random, line: &mut Vec<String>) {
    let place = random.below(line.len());
    match random.below(9) {
        0..4 => {
            let at = 1 + random.below(line.len());
            line.splice(at..at, option(random));
        }
        4 if line.len() > 1 && place > 0 => drop(line.remove(place)),
        5 if place > 0 => random.pick(&VALUES).clone_into(&mut line[place]),
        6 if place > 0 => random.pick(&PLACES).clone_into(&mut line[place]),
        7 => {
            let long = LONG.iter().find(|(short, _)| *short == line[place]);
            if let Some((_, long)) = long {
                line[place] = (*long).to_owned();
                if place + 1 < line.len() && TAKES_VALUE.contains(&long_of(long)) {
                    let value = line.remove(place + 1);
                    line[place] += &format!("={value}");
                }
            }
        }
        8 if place > 1 && line[place - 1].len() == 2 && line[place - 1].starts_with('-') => {
            let value = line.remove(place);
            line[place - 1] += &value;
        }
        _ => line.push(random.pick(&VALUES).to_owned()),
    }
}

fn long_of(long: &str) -> &'static str {
    LONG.iter()
        .find(|(_, known)| *known == long)
        .map_or("", |(short, _)| short)
}

/// A command line with words that only a real command line can have.
pub(crate) fn odd_command_line(random: &mut Random) -> Vec<String> {
    let mut line = command_line(random);
    let odd = [
        "",
        " ",
        " 5",
        "5 ",
        "\t1",
        "--",
        "=",
        "-w=",
        "--weight=",
        "a b",
        "ü",
        "192.0.2.1 :80",
    ];
    let at = 1 + random.below(line.len());
    if random.one_in(2) && at < line.len() {
        random.pick(&odd).clone_into(&mut line[at]);
    } else {
        line.insert(at, random.pick(&odd).to_owned());
    }
    line
}
