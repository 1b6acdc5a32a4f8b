//! Words for checks that ldirectord does not know.

use super::properties::survives;
use super::*;
use crate::config::RealCheck;
use crate::model::{
    Check, DialogueStep, DnsKind, Method, Pattern, Probe, ProbeKind, ProxyHeader, Transport, Way,
};

/// A section with one real server and these lines, in any form.
fn text(virtual_line: &str, lines: &str) -> String {
    let six = if virtual_line.starts_with("virtual6") {
        "6"
    } else {
        ""
    };
    let real = if six.is_empty() {
        "192.0.2.21:80"
    } else {
        "[2001:db8::21]:80"
    };
    let mut text = format!("{virtual_line}\n\treal{six}={real} masq\n");
    for line in lines.lines() {
        text.extend(["\t", line.trim(), "\n"]);
    }
    text
}

const TCP: &str = "virtual=192.0.2.100:80";
const UDP: &str = "virtual=192.0.2.100:80\n\tprotocol=udp";

fn check(virtual_line: &str, lines: &str) -> Check {
    let text = text(virtual_line, lines);
    survives(text.as_bytes());
    let mut service = service(text);
    match service.reals.remove(0).check {
        RealCheck::Probe(check) => std::sync::Arc::unwrap_or_clone(check),
        other => panic!("{other:?}"),
    }
}

fn probe(lines: &str) -> Probe {
    match check(TCP, lines).method {
        Method::Single(probe) => probe,
        other @ Method::Combined { .. } => panic!("{other:?}"),
    }
}

#[test]
fn ways_are_part_of_every_probe_that_opens_a_socket() {
    let lines = "checksource=192.0.2.1\ncheckinterface=eth1.7\ncheckmark=4294967295";
    let way = Way {
        source: Some("192.0.2.1".parse().unwrap()),
        interface: Some("eth1.7".parse().unwrap()),
        mark: Some(u32::MAX),
        proxy: None,
    };
    for kind in ["connect", "ping", "negotiate\nservice=http"] {
        let probe = probe(&format!("checktype={kind}\n{lines}"));
        assert_eq!(probe.way.as_deref(), Some(&way));
    }
    let combined = check(
        TCP,
        &format!("checktype=3\nservice=smtp\n{lines}\nproxyprotocol=2"),
    );
    let Method::Combined {
        negotiate, connect, ..
    } = combined.method
    else {
        panic!("{:?}", combined.method)
    };
    let way = Way {
        proxy: Some(ProxyHeader::V2),
        ..way
    };
    assert_eq!(negotiate.way.as_deref(), Some(&way));
    assert_eq!(connect.way.as_deref(), Some(&way));
    // Two ways are two checks.
    assert_ne!(
        check(TCP, "service=http\ncheckmark=1"),
        check(TCP, "service=http\ncheckmark=2")
    );
    assert_eq!(probe("service=http").way, None);
    let six = check(
        "virtual6=[2001:db8::100]:80",
        "service=http\nchecksource=2001:db8::1",
    );
    let source = six.method.thorough().way.as_ref().unwrap().source;
    assert_eq!(source.unwrap().to_string(), "2001:db8::1");
}

#[test]
fn steps_of_a_dialogue_keep_their_order() {
    let probe = probe(
        r#"service=dialogue
        expect="^220 .*"
        send="say \"x\" #1\r\n"
        send="\x00\xff"
        expect="ok""#,
    );
    let ProbeKind::Dialogue(dialogue) = probe.kind else {
        panic!("{probe:?}")
    };
    let expect = |text: &str| DialogueStep::Expect(Pattern(text.to_owned()));
    let expected = [
        expect("^220 .*"),
        DialogueStep::Send(b"say \"x\" #1\r\n".to_vec()),
        DialogueStep::Send(b"\0\xff".to_vec()),
        expect("ok"),
    ];
    assert_eq!(dialogue.steps, expected);
}

#[test]
fn requests_of_our_own_services_are_taken_as_written() {
    for (request, sent) in [("/x", &b"/x"[..]), (r"x\n\x2f\\", b"x\n/\\")] {
        let probe = probe(&format!(
            "service=udp\nrequest=\"{request}\"\nreceive=\"y\""
        ));
        let ProbeKind::Udp(udp) = probe.kind else {
            panic!("{probe:?}")
        };
        assert_eq!(udp.send, sent);
    }
    let ProbeKind::Udp(udp) = probe("service=udp").kind else {
        panic!("another kind")
    };
    assert_eq!((udp.send, udp.receive), (Vec::new(), None));
}

#[test]
fn redis_is_asked_with_and_without_a_login() {
    let ProbeKind::Redis(redis) = probe("service=redis\npasswd=\"p\"").kind else {
        panic!("another kind")
    };
    assert_eq!(redis.command, "");
    let login = redis.login.unwrap();
    assert_eq!((login.name.as_str(), login.password.expose()), ("", "p"));
    let lines = "service=redis\nlogin=\"l\"\npasswd=\"p\"\nrequest=\"INFO\"\nreceive=\"role\"";
    let ProbeKind::Redis(redis) = probe(lines).kind else {
        panic!("another kind")
    };
    assert_eq!(redis.login.unwrap().name, "l");
    assert_eq!(
        (redis.command.as_str(), redis.receive.unwrap().0.as_str()),
        ("INFO", "role")
    );
    // The port alone does not make it a Redis check: ldirectord does not know it.
    let none = service("virtual=192.0.2.100:6379\n\treal=192.0.2.21:6379 masq\n");
    assert_eq!(none.reals[0].check, RealCheck::Always);
}

#[test]
fn grpc_services_are_asked_by_name() {
    let lines = "service=grpc\nrequest=\"web.Shop\"\nvirtualhost=\"grpc.example.com\"";
    let ProbeKind::Grpc(grpc) = probe(lines).kind else {
        panic!("another kind")
    };
    assert_eq!(grpc.name, "web.Shop");
    assert_eq!(grpc.authority.as_deref(), Some("grpc.example.com"));
    assert_eq!(grpc.tls, None);
    let ProbeKind::Grpc(secured) = probe(&lines.replace("=grpc\n", "=grpcs\n")).kind else {
        panic!("another kind")
    };
    assert!(secured.tls.is_some());
    assert_eq!(secured.name, grpc.name);
}

#[test]
fn name_servers_are_asked_for_types_over_either_transport() {
    for kind in DnsKind::ALL {
        let lines = format!(
            "service=dns\nrequest=\"example.com\"\ndnstype={}\ndnstransport=tcp",
            kind.word().to_lowercase()
        );
        let check = check(UDP, &lines);
        let ProbeKind::Dns(dns) = &check.method.thorough().kind else {
            panic!("another kind")
        };
        assert_eq!((dns.kind, dns.transport), (Some(kind), Transport::Tcp));
    }
    let address = text(UDP, "service=dns\nrequest=\"192.0.2.1\"\ndnstype=A");
    refuses(address, 3, "an address is asked for its name only");
}

#[test]
fn words_that_make_no_sense_are_refused_where_they_stand() {
    let source = "checksource=192.0.2.1";
    for (virtual_line, lines, message) in [
        (
            TCP,
            "checktype=on\nchecksource=192.0.2.1",
            "checksource has nothing to act on",
        ),
        (
            TCP,
            "checktype=external\ncheckmark=1",
            "an external program opens its own",
        ),
        (
            TCP,
            "service=none\ncheckinterface=lo",
            "checkinterface has nothing to act on",
        ),
        (
            TCP,
            "checktype=ping\nproxyprotocol=1",
            "proxyprotocol goes with checks over TCP",
        ),
        (
            UDP,
            "checktype=connect\nproxyprotocol=1",
            "proxyprotocol goes with",
        ),
        (
            UDP,
            "service=dns\nproxyprotocol=1\nrequest=\"a\"",
            "proxyprotocol goes with",
        ),
        (
            TCP,
            "service=udp\nproxyprotocol=1",
            "proxyprotocol goes with",
        ),
        (
            TCP,
            "service=http\nproxyprotocol=3",
            "invalid version of the PROXY protocol",
        ),
        (TCP, "service=http\ncheckmark=0", "invalid mark"),
        (
            TCP,
            "service=http\nchecksource=2001:db8::1",
            "is not an IPv4 address",
        ),
        (TCP, "service=http\nchecksource=eth0", "is no address"),
        (
            TCP,
            "service=http\nchecksource=0.0.0.0",
            "is no address of a host",
        ),
        (
            TCP,
            "service=http\ncheckinterface=a/b",
            "cannot be an interface",
        ),
        (
            TCP,
            "service=http\nsend=\"a\"",
            "send and expect go with service=dialogue",
        ),
        (
            TCP,
            "checktype=connect\nexpect=\"a\"\nservice=dialogue",
            "send and expect go with",
        ),
        (
            TCP,
            "service=http\ndnstype=A",
            "dnstype goes with service=dns",
        ),
        (
            TCP,
            "service=http\ndnstransport=udp",
            "dnstransport goes with service=dns",
        ),
        (TCP, "service=dns\ndnstype=AXFR", "dnstype must be A, AAAA"),
        (
            TCP,
            "service=dns\ndnstransport=tls",
            "dnstransport must be udp or tcp",
        ),
        (
            TCP,
            "checktype=negotiate\nservice=dialogue",
            "needs at least one step",
        ),
        (
            TCP,
            "service=dialogue\nrequest=\"a\"\nsend=\"a\"",
            "request has no meaning",
        ),
        (
            TCP,
            "service=dialogue\nreceive=\"a\"\nsend=\"a\"",
            "receive has no meaning",
        ),
        (
            TCP,
            "service=dialogue\nsend=\"\\q\"",
            "there is no escape \\q",
        ),
        (
            TCP,
            "service=dialogue\nsend=\"\"",
            "a step of a dialogue must be some text",
        ),
        (
            TCP,
            "service=dialogue\nexpect=\"(\"",
            "not a regular expression",
        ),
        (
            TCP,
            "checktype=negotiate\nservice=udp\nrequest=\"\\x\"",
            "invalid payload",
        ),
        (
            TCP,
            "service=grpc\nreceive=\"a\"",
            "receive has no meaning with service=grpc",
        ),
        (
            TCP,
            "service=grpcs\nreceive=\"a\"",
            "receive has no meaning with service=grpcs",
        ),
        (
            TCP,
            "service=grpc\ntlsverify=yes",
            "tlsverify goes with the services https, imaps, pops, ldaps or grpcs",
        ),
    ] {
        let text = text(virtual_line, lines);
        survives(text.as_bytes());
        let all = rejected(&text);
        let found = all.iter().find(|d| d.message.contains(message));
        let found = found.unwrap_or_else(|| panic!("{text}{}", render(&all, false)));
        let says_how = found.help.is_some() || message.contains(" must be ");
        assert!(found.column > 1 && says_how, "{found}");
        let first = text.lines().count() - lines.lines().count();
        assert!(found.line as usize > first, "{found}");
    }
    let login = text(TCP, &format!("service=redis\nlogin=\"l\"\n{source}"));
    refuses(login, 3, "needs passwd");
    let many = "send=\"a\"\n".repeat(65);
    refuses(
        text(TCP, &format!("service=dialogue\n{many}")),
        3 + 65,
        "at most 64 steps",
    );
}

#[test]
fn an_agent_is_asked_the_same_way_but_without_a_header() {
    let agent = |lines: &str| {
        let text = text(TCP, &format!("agentcheck=7777\n{lines}"));
        let agent = service(text).reals.remove(0).agent.unwrap();
        agent.method.thorough().way.clone()
    };
    let way = Way {
        mark: Some(7),
        ..Way::default()
    };
    let lines = "service=http\ncheckmark=7\nproxyprotocol=1";
    assert_eq!(agent(lines).as_deref(), Some(&way));
    assert_eq!(agent("checktype=on\ncheckmark=7").as_deref(), Some(&way));
    assert_eq!(agent("service=http\nproxyprotocol=1"), None);
    let off = text(TCP, "checktype=off\nagentcheck=7777\ncheckmark=7");
    refuses(off, 5, "checkmark has nothing to act on");
}

#[test]
fn ldirectord_knows_none_of_it() {
    let lines = "service=dialogue\nsend=\"a\"\nexpect=\"b\"\nchecksource=192.0.2.1\n\
        checkinterface=lo\ncheckmark=1\nproxyprotocol=1";
    let parsed = parse(text(TCP, lines).as_bytes(), "test.cf");
    let lines: Vec<u32> = parsed.beyond().iter().map(|d| d.line).collect();
    assert_eq!(lines, [3, 4, 5, 6, 7, 8, 9]);
    let dns = text(
        UDP,
        "service=dns\nrequest=\"a\"\ndnstype=A\ndnstransport=udp",
    );
    assert_eq!(parse(dns.as_bytes(), "test.cf").beyond().len(), 2);
}
