//! Real servers: rows REA.

use super::*;
use crate::model::{Forwarding, Tunnel};

fn filed(text: &str) -> Vec<String> {
    let service = service(with_real(text));
    service
        .reals
        .iter()
        .map(|real| real.destination.key.to_string())
        .collect()
}

#[track_caller]
fn bad(text: &str, message: &str) {
    refuses(with_real(text), 2, message);
}

// REA-01
#[test]
fn hosts_and_ports_have_several_forms() {
    assert_eq!(filed("192.0.2.21:80 masq"), ["192.0.2.21:80"]);
    assert_eq!(filed("web:http masq"), ["192.0.2.21:80"]);
    assert_eq!(filed("192.0.2.21:0080 masq"), ["192.0.2.21:80"]);
    let v6 = service(
        "virtual6=[2001:db8::100]:80\n\tchecktype=on\n\treal6=[2001:db8:0::21]:80 masq\n\treal6=web:http masq\n",
    );
    let v6: Vec<String> = v6
        .reals
        .iter()
        .map(|real| real.written.to_string())
        .collect();
    assert_eq!(v6, ["[2001:db8::21]:80", "web:http"]);
    let config = warns(with_real("0x7f.1:80 masq"), 2, "is read as 127.0.0.1");
    assert_eq!(
        config.services[0].reals[0].destination.key.to_string(),
        "127.0.0.1:80"
    );
}

// REA-02
#[test]
fn a_missing_port_is_0() {
    assert_eq!(real("192.0.2.21 masq").port, 0);
    assert_eq!(filed("192.0.2.21 masq"), ["192.0.2.21:0"]);
}

// KRN-10
#[test]
fn gate_and_ipip_are_filed_under_the_services_port() {
    assert_eq!(filed("192.0.2.21 gate"), ["192.0.2.21:80"]);
    let config = warns(
        with_real("192.0.2.21:8080 ipip"),
        2,
        "ipip cannot change the port",
    );
    let real = &config.services[0].reals[0];
    assert_eq!((real.port, real.destination.key.port), (8080, 80));
    assert_eq!(filed("192.0.2.21:8080 masq"), ["192.0.2.21:8080"]);
    let mark = service("virtual=7\n\tchecktype=on\n\treal=192.0.2.21:8080 gate\n");
    assert_eq!(mark.reals[0].destination.key.port, 8080);
}

// REA-03
#[test]
fn the_method_is_mandatory() {
    let method = |text: &str| real(text).destination.forwarding;
    assert_eq!(method("192.0.2.21:80 gate"), Forwarding::DirectRoute);
    assert_eq!(method("192.0.2.21:80 masq"), Forwarding::Masquerade);
    assert_eq!(
        method("192.0.2.21:80 ipip"),
        Forwarding::Tunnel(Tunnel::Ipip)
    );
    bad("192.0.2.21:80", "wrong format");
    bad("192.0.2.21:80gate", "wrong format");
    bad("192.0.2.21:80,gate", "wrong format");
    bad("192.0.2.21: gate", "wrong format");
    for wrong in ["nat", "gates", "GATE", "5"] {
        bad(
            &format!("192.0.2.21:80 {wrong}"),
            "forward method must be gate, masq or ipip",
        );
    }
    let help = rejected(with_real("192.0.2.21:80 nat"))[0].help.clone();
    assert_eq!(help.as_deref(), Some("write masq for address translation"));
}

// REA-04
#[test]
fn weights_default_to_1_and_may_be_0() {
    for (text, weight) in [
        ("", 1),
        (" 0", 0),
        (" 7", 7),
        ("  007 ", 7),
        (" 65535", 65535),
    ] {
        assert_eq!(
            real(&format!("192.0.2.21:80 masq{text}"))
                .destination
                .weight,
            weight
        );
    }
}

// REA-05
#[test]
fn weights_above_65535_are_refused() {
    bad("192.0.2.21:80 masq 65536", "invalid weight \"65536\"");
    bad("192.0.2.21:80 masq 99999999999999999999", "invalid weight");
}

// REA-06
#[test]
fn request_and_receive_come_as_a_pair() {
    for pair in [
        "\"a\", \"b\"",
        "\"a\",\"b\"",
        "\"a\" \"b\"",
        "\"a\"\t\"b\"",
        "\"a\",   \"b\"",
    ] {
        let exchange = real(&format!("192.0.2.21:80 masq 1 {pair}"))
            .exchange
            .unwrap();
        assert_eq!(
            (
                exchange.request.as_str(),
                exchange.receive.unwrap().0.as_str()
            ),
            ("a", "b"),
            "{pair}"
        );
    }
    let greedy = real("192.0.2.21:80 masq 1 \"a\", \"b\", \"c\"")
        .exchange
        .unwrap();
    assert_eq!(
        (greedy.request.as_str(), greedy.receive.unwrap().0.as_str()),
        ("a\", \"b", "c")
    );
    let open = real("192.0.2.21:80 masq 1 \"a\", \"\"").exchange.unwrap();
    assert_eq!(open.receive, None);
    bad(
        "192.0.2.21:80 masq 1 \"a\"",
        "Invalid real server line, around",
    );
    bad(
        "192.0.2.21:80 masq 1 \"a\" ,\"b\"",
        "Invalid real server line, around",
    );
    bad(
        "192.0.2.21:80 masq 1 \"a\", \"(\"",
        "not a regular expression",
    );
}

// ldirectord 4.12 loses a pair whose request begins with a slash
#[test]
fn a_request_with_a_slash_counts_with_a_warning() {
    let config = warns(with_real("192.0.2.21:80 masq 1 \"/a\", \"b\""), 2, "count");
    assert_eq!(
        config.services[0].reals[0]
            .exchange
            .as_ref()
            .unwrap()
            .request,
        "/a"
    );
}

// REA-07
#[test]
fn digits_inside_strings_are_no_weight() {
    let real = real("192.0.2.21:80 masq \"x\", \"HTTP 200\"");
    assert_eq!(real.destination.weight, 1);
    assert_eq!(real.exchange.unwrap().receive.unwrap().0, "HTTP 200");
}

// REA-09, REA-10
#[test]
fn thresholds_come_in_either_order() {
    let thresholds = |text: &str| {
        let real = real(&format!("192.0.2.21:80 masq {text}"));
        (
            real.destination.lower_threshold,
            real.destination.upper_threshold,
        )
    };
    assert_eq!(thresholds("1 l:5 u:50"), (5, 50));
    assert_eq!(thresholds("u:50"), (0, 50));
    assert_eq!(thresholds("\"a\", \"b\" l:5 u:50"), (5, 50));
    assert_eq!(thresholds("1 u:30 l:3"), (3, 30));
    warns(
        with_real("192.0.2.21:80 masq u:30 l:3"),
        2,
        "both thresholds count",
    );
    bad(
        "192.0.2.21:80 masq l:5",
        "the lower threshold 5 is above the upper threshold 0",
    );
    bad(
        "192.0.2.21:80 masq l:5 u:4294967296",
        "invalid connection threshold",
    );
}

// REA-11
#[test]
fn ranges_include_both_ends() {
    assert_eq!(
        filed("192.0.2.254->192.0.3.1:80 masq"),
        [
            "192.0.2.254:80",
            "192.0.2.255:80",
            "192.0.3.0:80",
            "192.0.3.1:80"
        ]
    );
    assert_eq!(filed("web->web2:80 masq").len(), 3);
    assert_eq!(filed("192.0.2.21->192.0.2.21:80 masq"), ["192.0.2.21:80"]);
    let member = &service(with_real("192.0.2.21->192.0.2.23:80 masq 5")).reals[2];
    assert_eq!(member.written.to_string(), "192.0.2.23:80");
    assert_eq!((member.destination.weight, member.line.0), (5, 2));
}

// REA-12
#[test]
fn ranges_backwards_and_of_ipv6_are_refused() {
    bad(
        "192.0.2.5->192.0.2.2:80 masq",
        "Invalid Range: 192.0.2.5-192.0.2.2",
    );
    let text = "virtual6=7\n\tchecktype=on\n\treal6=[::1]->[::2]:80 gate\n";
    refuses(text, 3, "Address range for IPv6 is not supported yet");
    bad("0.0.0.1->192.0.2.2:80 masq", "more than 65536");
}

// REA-13
#[test]
fn ranges_are_numeric_at_every_border() {
    assert_eq!(filed("5.245.224.254->5.245.225.1:80 masq").len(), 4);
    assert_eq!(filed("59.154.201.254->59.154.202.1:80 masq").len(), 4);
}

// REA-14
#[test]
fn left_over_text_is_an_error() {
    for (rest, quoted) in [
        ("-1", "\"-1\""),
        ("2 extra", "\"extra\""),
        ("1 2", "\"2\""),
        ("2.5", "\"2.5\""),
        ("1 x\"y", "\"x\"y\""),
    ] {
        bad(
            &format!("192.0.2.21:80 masq {rest}"),
            &format!("Invalid real server line, around {quoted}"),
        );
    }
    bad("192.0.2.21:80 gate;", "around \";\"");
    bad("192.0.2.21:80 gate,5", "around \",5\"");
}

#[test]
fn junk_between_the_parts_is_ignored_with_a_warning() {
    let config = warns(
        with_real("192.0.2.21:80 masq weight 12"),
        2,
        "\"weight\" is ignored",
    );
    assert_eq!(config.services[0].reals[0].destination.weight, 12);
    let accepted = accepted(with_real("192.0.2.21:80 masq 3 junk l:4 more u:8"));
    let destination = accepted.config.services[0].reals[0].destination;
    assert_eq!(
        (
            destination.weight,
            destination.lower_threshold,
            destination.upper_threshold
        ),
        (3, 4, 8)
    );
    assert_eq!(accepted.warnings.len(), 2);
    warns(
        with_real("192.0.2.21:80 masq 1 xu:9"),
        2,
        "\"xu:9\" is read as \"u:9\"",
    );
}

// REA-15
#[test]
fn unknown_hosts_and_ports_are_named() {
    bad(
        "nowhere:80 masq",
        "invalid address (nowhere) for real server (could not resolve host)",
    );
    bad(
        "web->nowhere:80 masq",
        "invalid address (nowhere) for real server (could not resolve end host)",
    );
    bad(
        "web:bogus masq",
        "invalid port (bogus) for real server (could not resolve port)",
    );
    bad(
        "web:65536 masq",
        "invalid port (65536) for real server (could not resolve port)",
    );
    bad("192.0.2.300:80 masq", "invalid address (192.0.2.300)");
}

// REA-16
#[test]
fn a_double_colon_is_refused_with_its_reason() {
    bad("192.0.2.21::80 gate", "wrong format");
    let help = rejected(with_real("192.0.2.21::80 gate"))[0]
        .help
        .clone()
        .unwrap();
    assert!(help.contains("two colons"), "{help}");
    bad("::1:80 gate", "wrong format");
}

// F16: ldirectord would take 80, 0.0.0.80 or 8 for the host
#[test]
fn addresses_that_would_be_cut_are_refused() {
    for text in [
        "[192.0.2.21]:80 gate",
        "192.0.2.21/8:80 gate",
        "192.0.2.21:80->192.0.2.23:80 gate",
        "a b:80 gate",
    ] {
        assert!(!rejected(with_real(text)).is_empty(), "{text}");
    }
    warns(
        with_real("http://192.0.2.21:80 gate"),
        2,
        "\"http://\" before the address is ignored",
    );
    warns(
        with_real("@192.0.2.21:80 gate"),
        2,
        "\"@\" before the address is ignored",
    );
}

// REA-17
#[test]
fn an_underscore_is_part_of_the_name_with_a_warning() {
    let config = warns(
        with_real("web_1:80 gate"),
        2,
        "\"web_1\" is looked up as a host name",
    );
    assert_eq!(
        config.services[0].reals[0].destination.key.to_string(),
        "192.0.2.21:80"
    );
}

// KRN-12
#[test]
fn the_same_destination_twice_warns() {
    let text = with_real("192.0.2.21:80 masq") + "\treal=web:http masq 3\n";
    let config = warns(text, 4, "192.0.2.21:80 is listed twice");
    assert_eq!(config.services[0].reals.len(), 2);
}
