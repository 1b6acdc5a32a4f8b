//! The word `checkpath`.

use super::{accepted, read};
use crate::config::print::to_ldirectord_cf;
use crate::config::{RealCheck, RealRule};
use crate::model::{Delivery, Method, PathProbe, ProbeKind};

fn rule(text: &str, real: usize) -> RealRule {
    match &accepted(text).config.services[0].reals[real].check {
        RealCheck::Rule(rule) => RealRule::clone(rule),
        other => panic!("{other:?}"),
    }
}

fn path(rule: &RealRule) -> PathProbe {
    let last = rule.parts.last().unwrap();
    match &last.check.method {
        Method::Single(probe) => match &probe.kind {
            ProbeKind::Path(path) => path.clone(),
            other => panic!("{other:?}"),
        },
        Method::Combined { .. } => panic!("{last:?}"),
    }
}

const WEB: &str = "virtual=192.0.2.100:80
    real=192.0.2.21:80 gate
    real=192.0.2.22:80 ipip
    service=http
    checkport=81
    checktimeout=2
    checkinterval=3
    checkpath=yes
";

#[test]
fn both_the_server_and_its_path_must_pass() {
    let gate = rule(WEB, 0);
    assert_eq!(gate.describe(), "all of http, path");
    assert_eq!(gate.parts[0].check.target.to_string(), "192.0.2.21:81");
    let check = &gate.parts[1].check;
    assert_eq!(check.target.to_string(), "192.0.2.21:80");
    assert_eq!(check.interval.as_secs(), 3);
    assert_eq!(check.method.thorough().timeout.as_secs(), 2);
    let probe = |delivery| PathProbe {
        service: "192.0.2.100:80".parse().unwrap(),
        delivery,
    };
    assert_eq!(path(&gate), probe(Delivery::Direct));
    assert_eq!(path(&rule(WEB, 1)), probe(Delivery::Tunnel));
}

#[test]
fn a_service_on_every_port_is_asked_on_the_port_of_its_check() {
    let text = WEB
        .replace("100:80", "100:0")
        .replace("service=http", "service=http\n    persistent=60");
    assert_eq!(path(&rule(&text, 0)).service.port(), 81);
}

#[test]
fn a_combined_check_keeps_its_rounds_and_a_switched_off_server_stays_off() {
    let combined = rule(&format!("{WEB}    checktype=3\n"), 0);
    assert!(matches!(
        combined.parts[0].check.method,
        Method::Combined { .. }
    ));
    let off = accepted(format!("{WEB}    checktype=off\n"));
    assert_eq!(off.config.services[0].reals[0].check, RealCheck::Off);
}

#[test]
fn it_is_printed_and_read_back() {
    let config = accepted(WEB).config;
    let printed = to_ldirectord_cf(&config);
    assert!(printed.contains("    checkpath=yes\n"), "{printed}");
    assert_eq!(accepted(&printed).config, config);
    let without = accepted(WEB.replace("checkpath=yes", "checkpath=no")).config;
    assert!(!to_ldirectord_cf(&without).contains("checkpath"));
}

#[test]
fn ldirectord_does_not_know_it() {
    let parsed = super::parse(WEB.as_bytes(), "test.cf");
    let beyond: Vec<String> = parsed.beyond().iter().map(ToString::to_string).collect();
    assert_eq!(
        beyond,
        ["test.cf:8:5: error: ldirectord does not know checkpath"]
    );
}

#[test]
fn where_it_makes_no_sense_it_is_an_error() {
    for (text, wanted) in [
        (
            WEB.replace("22:80 ipip", "22:80 masq"),
            "test.cf:3:10: error: checkpath is for gate and ipip",
        ),
        (
            WEB.replace("192.0.2.100:80", "7"),
            "test.cf:8:5: error: a firewall mark has no address",
        ),
        (
            format!("{WEB}    protocol=udp\n"),
            "test.cf:8:5: error: the path is checked by a TCP connection",
        ),
        (
            WEB.replace("100:80", "100:0")
                .replace("checkport=81", "persistent=60"),
            "there is no port through which the path could be checked",
        ),
        (
            format!("{WEB}    checktype=on\n"),
            "checkpath goes with a check of the server",
        ),
        (
            WEB.replace("checkpath=yes", "checkpath=perhaps"),
            "test.cf:8:",
        ),
    ] {
        let all = read(&text).expect_err("an error").to_string();
        assert!(all.contains(wanted), "{text}: {all}");
    }
}
