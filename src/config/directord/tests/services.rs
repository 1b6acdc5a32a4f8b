//! Services in YAML mean what the same words in an `ldirectord.cf` mean.

use serde_json::Value;

use super::*;
use crate::config::{Accepted, Answer, Name, show};
use crate::model::Family;

/// Every name exists.
fn answer(name: &Name) -> Answer {
    match name {
        Name::Host {
            family: Family::V4, ..
        } => Answer::Address("192.0.2.21".parse().unwrap()),
        Name::Host { .. } => Answer::Address("2001:db8::21".parse().unwrap()),
        Name::Port { .. } => Answer::Port(80),
    }
}

fn resolved(parsed: ldirectord::Parsed) -> Result<Accepted, Rejected> {
    let names = Names::ask(parsed.names(), &mut |name| Some(answer(name)));
    parsed.resolve(&names)
}

/// All that is said, or the configuration.
fn read_services(yaml: &str) -> Result<Accepted, Vec<String>> {
    let mut parsed = parse(yaml.as_bytes(), "x.yaml", here("loadb1"));
    let services = resolved(parsed.take_services().expect("services are in the file"));
    let mut all = match parsed.check(None) {
        Ok(_) => Vec::new(),
        Err(rejected) => rejected.0,
    };
    match services {
        Ok(accepted) if all.is_empty() => return Ok(accepted),
        Ok(accepted) => all.extend(accepted.warnings),
        Err(rejected) => all.extend(rejected.0),
    }
    Err(all.iter().map(ToString::to_string).collect())
}

/// What is shown, without what is told about it only.
fn shown(config: &Config) -> Value {
    let mut value: Value = serde_json::from_str(&show::to_json(config)).unwrap();
    for key in ["execute", "fork", "supervised"] {
        value["globals"].as_object_mut().unwrap().remove(key);
    }
    let drop = |value: &mut Value, keys: &[&str]| {
        if let Some(object) = value.as_object_mut() {
            object.retain(|key, _| !keys.contains(&key.as_str()));
        }
    };
    let of_fallback = ["address", "destination", "line"];
    drop(&mut value["globals"]["fallback"], &of_fallback);
    drop(&mut value["globals"]["fallback6"], &of_fallback);
    for service in value["services"].as_array_mut().unwrap() {
        drop(service, &["line", "host", "port"]);
        drop(&mut service["fallback"], &of_fallback);
        for real in service["reals"].as_array_mut().unwrap() {
            drop(real, &["line", "destination", "check"]);
        }
    }
    value
}

#[test]
fn what_config_show_prints_is_read_back_as_the_same() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("ldirectord.cf.examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read(&path).unwrap();
        let config = resolved(ldirectord::parse(&text, "x.cf")).unwrap().config;
        let wanted = shown(&config);
        let yaml = serde_yaml::to_string(&wanted).unwrap();
        let again = read_services(&yaml).unwrap_or_else(|all| panic!("{path:?} {all:#?}"));
        assert_eq!(shown(&again.config), wanted, "{path:?}");
        // The checks that are run are the same too.
        for (one, other) in config.services.iter().zip(&again.config.services) {
            let checks = |service: &crate::config::VirtualService| {
                let reals = service.reals.iter();
                reals
                    .map(|real| format!("{:?} {:?}", real.check, real.agent))
                    .collect::<Vec<_>>()
            };
            assert_eq!(checks(one), checks(other), "{path:?}");
        }
        count += 1;
    }
    assert!(count > 10);
}

const BOTH: [(&str, &str); 7] = [
    (
        "services:
- service: tcp:192.0.2.100:79
  check:
    service: dialogue
    dialogue: [ { send: 'who \\x00 \\\\ \"\\r\\n' }, { expect: '^\\w+' }, { send: q } ]
    source: 192.0.2.1
    interface: eth1
    mark: 7
    proxy_protocol: 2
  reals: [ { host: 192.0.2.21, port: 79, forwarding: masq } ]
- service: udp:192.0.2.100:53
  check: { service: dns, request: example.com, dns_type: MX, dns_transport: tcp, receive: mx1 }
  reals: [ { host: 192.0.2.21, port: 53, forwarding: masq } ]
- service: udp:192.0.2.100:514
  check: { service: udp, request: '/\\x00' }
  reals: [ { host: 192.0.2.21, port: 514, forwarding: masq } ]
- service: tcp:192.0.2.100:6379
  check: { service: redis, password: hidden }
  reals: [ { host: 192.0.2.21, port: 6379, forwarding: masq } ]
",
        "virtual=192.0.2.100:79
    real=192.0.2.21:79 masq
    service=dialogue
    send=\"who \\x00 \\\\ \"\\r\\n\"
    expect=\"^\\w+\"
    send=\"q\"
    checksource=192.0.2.1
    checkinterface=eth1
    checkmark=7
    proxyprotocol=2
virtual=192.0.2.100:53
    real=192.0.2.21:53 masq
    protocol=udp
    service=dns
    request=\"example.com\"
    receive=\"mx1\"
    dnstype=MX
    dnstransport=tcp
virtual=192.0.2.100:514
    real=192.0.2.21:514 masq
    protocol=udp
    service=udp
    request=\"/\\x00\"
virtual=192.0.2.100:6379
    real=192.0.2.21:6379 masq
    service=redis
    passwd=\"hidden\"
",
    ),
    (
        "services:
- service: tcp:www.example.com:http
  scheduler: sh
  scheduler_flags: [sh-port, sh-fallback]
  persistence: { timeout_s: 60, netmask: 255.255.255.0 }
  fallback: { host: 127.0.0.1, port: 8080, forwarding: masq }
  fallback_command: [/bin/x, 'a b', \"it's\"]
  check: { type: 4, service: http, request: '/a \"b\"', receive: 'o\\.k', interval_s: 7, virtual_host: www.example.com }
  reals:
  - { host: web1.example.com, port: http, forwarding: gate, weight: 5, request: x, receive: y }
  - { host: 192.0.2.22, port: 80, forwarding: gate, lower_threshold: 1, upper_threshold: 9 }
",
        "fork=yes
virtual=www.example.com:http
    real=web1.example.com:http gate 5 \"x\", \"y\"
    real=192.0.2.22:80 gate l:1 u:9
    scheduler=sh
    schedflags=sh-port,sh-fallback
    persistent=60
    netmask=255.255.255.0
    fallback=127.0.0.1:8080 masq
    fallbackcommand=/bin/x 'a b' 'it'\\''s'
    checktype=4
    service=http
    request=\"/a \"b\"\"
    receive=\"o\\.k\"
    checkinterval=7
    virtualhost=www.example.com
",
    ),
    (
        "services:
- { service: 'udp:[2001:db8::100]:53', one_packet: true, check: { type: ping, ping_attempts: 3 },
    reals: [ { host: 2001:db8::21, port: 53, forwarding: gate } ] }
",
        "virtual6=[2001:db8::100]:53
    real6=[2001:db8::21]:53 gate
    protocol=udp
    ops=yes
    checktype=ping
    checkcount=3
",
    ),
    (
        "globals: { check_timeout_s: 3, failure_count: 2, quiescent: true, clean_stop: false, log: { syslog: local0 },
  fallback: { host: 127.0.0.1 }, mail: { recipients: root@example.com, phases: [running], reminder_s: 600 } }
services:
- { service: 'fwm:7', check: { type: on }, reals: [ { host: 192.0.2.21, forwarding: ipip, weight: 0 } ] }
- { service: 'fwm6:7', check: { type: off }, mail: { phases: [] } }
",
        "checktimeout=3
failurecount=2
quiescent=yes
cleanstop=no
logfile=\"local0\"
fallback=127.0.0.1
emailalert=\"root@example.com\"
emailalertstatus=running
emailalertfreq=600
virtual=7
    real=192.0.2.21 ipip 0
    checktype=on
virtual6=7
    checktype=off
    emailalertstatus=none
",
    ),
    (
        "globals: { rise: 2, fall: 3, fast_interval_s: 1, slow_start_s: 60, flap_damping: yes, floor_percent: 50 }
services:
- { service: 'fwm:7', rise: 1, failure_count: 2, fast_interval_s: 0, slow_start_s: 0, flap_damping: no, floor_percent: 0,
    check: { type: connect, port: 80, agent_port: 777 }, reals: [ { host: 192.0.2.21, forwarding: gate } ] }
- { service: 'fwm:8', flap_damping: '500,30,2000,100', response_weight: true, external_weight: true,
    check: { type: 'on', agent_port: 777, agent_interval_s: 3 }, reals: [ { host: 192.0.2.21, forwarding: gate } ] }
",
        "rise=2
fall=3
fastinterval=1
slowstart=60
flapdamping=yes
floor=50
virtual=7
    real=192.0.2.21 gate
    rise=1
    fall=2
    fastinterval=0
    slowstart=0
    flapdamping=no
    floor=0
    checktype=connect
    checkport=80
    agentcheck=777
virtual=8
    real=192.0.2.21 gate
    flapdamping=500,30,2000,100
    responseweight=yes
    externalweight=yes
    checktype=on
    agentcheck=777
    agentinterval=3
",
    ),
    (
        "services:
- { service: 'tcp:192.0.2.100:80', check: { type: connect }, check_path: true,
    reals: [ { host: 192.0.2.21, port: 80, forwarding: gate } ] }
",
        "virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    checktype=connect
    checkpath=yes
",
    ),
    ("services: []\n", ""),
];

#[test]
fn both_formats_say_the_same() {
    for (yaml, cf) in BOTH {
        let mut config = resolved(ldirectord::parse(cf.as_bytes(), "x.cf"))
            .unwrap()
            .config;
        let accepted = read_services(yaml).unwrap_or_else(|all| panic!("{all:#?}"));
        // A word for old files, which YAML does not have.
        config.globals.fork = false;
        assert_eq!(accepted.config, config, "{yaml}");
        assert!(accepted.warnings.is_empty(), "{:?}", accepted.warnings);
    }
}

#[test]
fn mistakes_stand_where_they_are() {
    let said = |yaml: &str| read_services(yaml).err().unwrap_or_default();
    for (service, wanted) in [
        (
            "{ service: 192.0.2.100:80 }",
            "x.yaml:2:14: error: \"192.0.2.100:80\" is no service",
        ),
        (
            "{ service: 'fwm:0' }",
            "x.yaml:2:14: error: \"fwm:0\" is no service",
        ),
        ("{ service: 'tcp:192.0.2.100:' }", "is no service"),
        ("{ service: 'tcp:192.0.2.100:70000' }", "is no service"),
        (
            "{ service: 'tcp:192.0.2.100:0', check: { type: off } }",
            "port 0 stands for every port",
        ),
        (
            "{ service: 'fwm:1', check: { type: onn } }",
            "x.yaml:2:38: error: checktype must be",
        ),
        (
            "{ service: 'fwm:1', check: { type: off, receive: '(' } }",
            "x.yaml:2:52: error: invalid receive string",
        ),
        (
            "{ service: 'fwm:1', check: { type: off }, scheduler: RR }",
            "x.yaml:2:56: error: invalid scheduler",
        ),
        (
            "{ service: 'fwm:1', check: { type: off }, sheduler: rr }",
            "x.yaml:2:45: error: unknown key \"sheduler\"",
        ),
        (
            "{ service: 'fwm:1', check: { type: off }, scheduler_flags: [sh-port] }",
            "has no flag",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: 2001:db8::1, forwarding: gate } ] }",
            "x.yaml:2:61: error: 2001:db8::1 is not an IPv4 address",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: a, forwarding: dr } ] }",
            "x.yaml:2:76: error: \"dr\" is not gate, masq or ipip",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: a, forwarding: gate, weight: 65536 } ] }",
            "0 to 65535",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: a, forwarding: gate, lower_threshold: 2, upper_threshold: 1 } ] }",
            "lower threshold",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: a, forwarding: gate, receive: x } ] }",
            "receive goes with request only",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: a, port: a b, forwarding: gate } ] }",
            "is no port",
        ),
        (
            "{ service: 'fwm:1', check: { type: on }, reals: [ { host: a b, forwarding: gate } ] }",
            "is no host",
        ),
        (
            "{ service: 'fwm:1', check: { type: connect }, reals: [ { host: a, forwarding: gate } ] }",
            "there is no port to check",
        ),
    ] {
        let all = said(&format!("services:\n- {service}\n"));
        assert!(
            all.len() == 1 && all[0].contains(wanted),
            "{service}: {all:#?}"
        );
    }
    let twice = "services:\n- { service: 'fwm:1', check: { type: on } }\n- { service: 'fwm:1', check: { type: on } }\n";
    assert!(said(twice)[0].contains("x.yaml:3:14: error: duplicate virtual server"));
    let log = "globals: { log: { file: /a, syslog: daemon } }\nservices: []\n";
    assert!(said(log)[0].contains("exactly one of file and syslog"));
    let with_file = super::said("services: a.cf\nglobals: { quiescent: true }\n");
    assert_eq!(
        with_file,
        ["2:1: error: globals go with services that are written here"]
    );
}

pub(super) const RULES: &str = "checks:
  alive: { type: connect, port: 22 }
  page: { type: 3, service: http, request: /health, receive: OK, login: a, interval_s: 2 }
  ping: { type: ping, ping_attempts: 2 }
services:
- service: tcp:192.0.2.100:80
  check: { all: [ page, { at_least: 2, of: [ alive, ping, { any: [ alive, page ] } ] } ] }
  reals:
  - { host: 192.0.2.21, port: 80, forwarding: gate }
  - { host: 192.0.2.22, forwarding: masq }
- service: udp:192.0.2.100:53
  check: { any: [ ping ] }
  reals: [ { host: 192.0.2.21, port: 53, forwarding: gate } ]
";

#[test]
fn a_rule_gives_each_real_server_its_checks() {
    use crate::config::RealCheck;

    let accepted = read_services(RULES).unwrap_or_else(|all| panic!("{all:#?}"));
    let config = accepted.config;
    let rule = |service: usize, real: usize| match &config.services[service].reals[real].check {
        RealCheck::Rule(rule) => rule,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        rule(0, 0).describe(),
        "all of page, (2 of alive, ping, (any of alive, page))"
    );
    let targets = |service, real| -> Vec<String> {
        let parts = rule(service, real).parts.iter();
        parts
            .map(|part| format!("{} {}", part.name, part.check.target))
            .collect()
    };
    assert_eq!(
        targets(0, 0),
        [
            "page 192.0.2.21:80",
            "alive 192.0.2.21:22",
            "ping 192.0.2.21:0"
        ]
    );
    assert_eq!(
        targets(0, 1),
        [
            "page 192.0.2.22:80",
            "alive 192.0.2.22:22",
            "ping 192.0.2.22:0"
        ]
    );
    // The same check of the same host, whatever service asks.
    assert_eq!(rule(0, 0).parts[2].check, rule(1, 0).parts[0].check);
}

#[test]
fn what_config_show_prints_of_rules_is_read_back_as_the_same() {
    let rules = RULES.replace(
        "any: [ ping ]",
        "any: [ ping ], agent_port: 777, agent_interval_s: 3",
    );
    let config = read_services(&rules).unwrap().config;
    let again = read_services(&serde_yaml::to_string(&shown(&config)).unwrap())
        .unwrap_or_else(|all| panic!("{all:#?}"))
        .config;
    assert_eq!(shown(&again), shown(&config));
    assert_eq!(shown(&config)["checks"]["page"]["interval_s"], 2);
    let agent = config.services[1].reals[0].agent.as_ref().unwrap();
    assert_eq!(agent.target.to_string(), "192.0.2.21:777");
    assert_eq!(agent.interval.as_secs(), 3);
    let checks = |config: &Config| {
        let reals = config.services.iter().flat_map(|service| &service.reals);
        reals
            .map(|real| format!("{:?}", real.check))
            .collect::<Vec<_>>()
    };
    assert_eq!(checks(&again), checks(&config));
}

#[test]
fn both_nodes_of_a_pair_must_agree_on_rules() {
    let text = |yaml: &str| {
        let config = read_services(yaml).unwrap().config;
        crate::config::print::to_ldirectord_cf(&config)
    };
    let one = text(RULES);
    assert_eq!(one, text(RULES));
    for (part, other) in [
        ("all: [ page", "any: [ page"),
        ("at_least: 2", "at_least: 3"),
        ("port: 22", "port: 23"),
        ("any: [ ping ]", "any: [ ping ], agent_port: 777"),
        ("request: /health", "request: /other"),
    ] {
        assert_ne!(one, text(&RULES.replace(part, other)), "{other}");
    }
}

#[test]
fn mistakes_in_rules_stand_where_they_are() {
    const A: &str = "a: { type: connect }";
    for (checks, check, wanted) in [
        (
            A,
            "{ all: [ b ] }",
            "x.yaml:3:52: error: there is no check \"b\"",
        ),
        (
            A,
            "{ all: [ a, a ] }",
            "x.yaml:3:55: error: \"a\" stands here twice",
        ),
        (A, "{ all: [ ] }", "0 items; there can be 1 to 64"),
        (A, "{ at_least: 2, of: [ a ] }", "2 of 1 can never pass"),
        (
            A,
            "{ at_least: 1 }",
            "exactly one of all, any, and at_least with of",
        ),
        (A, "{ all: [ a ], any: [ a ] }", "exactly one of"),
        (A, "{ all: [ a ], of: [ a ] }", "exactly one of"),
        (A, "{ all: [ a ], type: connect }", "unknown key \"type\""),
        (A, "{ all: [ [ a ] ] }", "a list"),
        (
            A,
            "{ all: [ { all: [ { all: [ { all: [ { all: [ a ] } ] } ] } ] } ] }",
            "more than 4 deep",
        ),
        (
            "a: { type: on }",
            "{ all: [ a ] }",
            "the check \"a\" looks at nothing",
        ),
        (
            "a: { type: negotiate }",
            "{ all: [ a ] }",
            "does not say what it speaks",
        ),
        ("a: { type: conect }", "{ all: [ a ] }", "checktype must be"),
        ("a: { all: [ a ] }", "{ all: [ a ] }", "unknown key \"all\""),
        (A, "{ type: ping }", "no rule uses the check \"a\""),
        (
            "a: { type: connect, agent_port: 777 }",
            "{ all: [ a ] }",
            "the check \"a\" has an agent",
        ),
        (
            A,
            "{ all: [ { any: [ a ], agent_port: 777 } ] }",
            "x.yaml:3:78: error: a rule in a rule has no agent of its own",
        ),
        (
            "a: { type: connect, source: '2001:db8::1' }",
            "{ all: [ a ] }",
            "check a: its source 2001:db8::1 is not an IPv4 address",
        ),
        (
            "a: { type: ping, source: '::' }",
            "{ all: [ a ] }",
            "checksource :: is no address of a host",
        ),
        (
            "path: { type: connect }",
            "{ all: [ path ] }, check_path: true",
            "the rule has a check path, as the one of checkpath",
        ),
    ] {
        let yaml = format!(
            "checks: {{ {checks} }}\nservices:\n- {{ service: 'tcp:192.0.2.100:80', check: {check}, \
             reals: [ {{ host: 192.0.2.21, port: 80, forwarding: gate }} ] }}\n"
        );
        let all = match read_services(&yaml) {
            Ok(accepted) => accepted.warnings.iter().map(ToString::to_string).collect(),
            Err(all) => all,
        };
        assert!(
            all.iter().any(|said| said.contains(wanted)),
            "{check}: {all:#?}"
        );
    }
    let own = RULES.replace(
        "port: 80, forwarding: gate",
        "port: 80, forwarding: gate, request: x",
    );
    let all = read_services(&own).unwrap_err();
    assert!(
        all[0].contains("a request of its own needs one check"),
        "{all:#?}"
    );
    let many: Vec<String> = (0..33)
        .map(|n| format!("c{n}: {{ type: connect }}"))
        .collect();
    let names: Vec<String> = (0..33).map(|n| format!("c{n}")).collect();
    let names = names.join(", ");
    let yaml = format!(
        "checks: {{ {} }}\nservices:\n- {{ service: 'fwm:1', check: {{ all: [ {{ any: [ {names} ] }}, {{ any: [ {names} ] }} ] }} }}\n",
        many.join(", ")
    );
    let all = read_services(&yaml).unwrap_err();
    assert!(
        all.iter()
            .any(|said| said.contains("66 checks in one rule")),
        "{all:#?}"
    );
    let file = said("services: a.cf\nchecks: { a: { type: connect } }\n");
    assert_eq!(
        file,
        ["2:1: error: checks go with services that are written here"]
    );
}
