//! The checks that settings lead to.

use super::*;
use crate::config::RealCheck;
use crate::model::{Check, HttpMethod, Interpreter, Method, Probe, ProbeKind};

/// The check of a single real server `REAL` in a service with the lines given.
fn check(address: &str, real: &str, lines: &str) -> RealCheck {
    let lines = lines.replace('\n', "\n\t");
    let mut service = service(format!("virtual={address}\n\treal={real}\n\t{lines}\n"));
    service.reals.remove(0).check
}

fn run(address: &str, real: &str, lines: &str) -> Check {
    match check(address, real, lines) {
        RealCheck::Probe(check) => std::sync::Arc::unwrap_or_clone(check),
        other => panic!("{other:?}"),
    }
}

fn probe(check: Check) -> Probe {
    match check.method {
        Method::Single(probe) => probe,
        other @ Method::Combined { .. } => panic!("{other:?}"),
    }
}

const WEB: &str = "192.0.2.100:80";

// CHK-01, CHK-02
#[test]
fn connect_is_a_ping_for_udp() {
    let tcp = run(
        WEB,
        "192.0.2.21:8080 masq",
        "checktype=connect\nchecktimeout=3",
    );
    assert_eq!(tcp.target.to_string(), "192.0.2.21:8080");
    assert_eq!(tcp.interval.as_secs(), 10);
    let tcp = probe(tcp);
    assert_eq!((tcp.kind, tcp.timeout.as_secs()), (ProbeKind::Connect, 3));
    let udp = run(
        "192.0.2.100:53",
        "192.0.2.21:53 masq",
        "checktype=connect\nchecktimeout=3",
    );
    assert_eq!(udp.target.port(), 0);
    assert_eq!(probe(udp).kind, ProbeKind::Ping { attempts: 1 });
}

// CHK-03
#[test]
fn a_ping_has_the_timeout_for_each_attempt() {
    let ping = probe(run(
        WEB,
        "192.0.2.21:80 gate",
        "checktype=ping\nchecktimeout=3\ncheckcount=4",
    ));
    assert_eq!(ping.kind, ProbeKind::Ping { attempts: 4 });
    assert_eq!(ping.timeout.as_secs(), 12);
}

// CHK-04
#[test]
fn combined_checks_have_both_probes() {
    let both = run(
        WEB,
        "192.0.2.21:80 gate",
        "checktype=3\nchecktimeout=2\nnegotiatetimeout=9",
    );
    let Method::Combined {
        negotiate,
        connect,
        connects,
    } = both.method
    else {
        panic!()
    };
    assert!(matches!(negotiate.kind, ProbeKind::Http(_)));
    assert_eq!(
        (
            negotiate.timeout.as_secs(),
            connect.timeout.as_secs(),
            connects
        ),
        (9, 2, 3)
    );
    assert_eq!(connect.kind, ProbeKind::Connect);
    let always = run(WEB, "192.0.2.21:80 gate", "checktype=0");
    assert!(matches!(probe(always).kind, ProbeKind::Http(_)));
    let bare = run("192.0.2.100:8080", "192.0.2.21:8080 gate", "checktype=3");
    assert_eq!(probe(bare).kind, ProbeKind::Connect);
}

// CHK-05, CHK-08, CHK-09
#[test]
fn external_checks_get_four_arguments() {
    let external = |address: &str, real: &str, lines: &str| {
        let probe = probe(run(address, real, lines));
        assert_eq!(probe.timeout.as_secs(), 5);
        match probe.kind {
            ProbeKind::External(external) => external,
            other => panic!("{other:?}"),
        }
    };
    let script = external(
        WEB,
        "192.0.2.21:8080 masq",
        "checktype=external\ncheckcommand=/bin/x\ncheckport=9",
    );
    assert_eq!(
        (script.command.as_str(), script.interpreter),
        ("/bin/x", Interpreter::None)
    );
    assert_eq!(
        script.arguments,
        ["192.0.2.100", "80", "192.0.2.21", "8080"]
    );
    let mark = external("7", "192.0.2.21 gate", "checktype=external-perl");
    assert_eq!(
        (mark.command.as_str(), mark.interpreter),
        ("/bin/true", Interpreter::Perl)
    );
    assert_eq!(mark.arguments, ["7", "0", "192.0.2.21", "0"]);
    let v6 = service(
        "virtual6=[2001:db8::100]:80\n\tchecktype=external\n\treal6=[2001:db8::21]:81 masq\n",
    );
    let RealCheck::Probe(check) = v6.reals[0].check.clone() else {
        panic!()
    };
    let ProbeKind::External(v6) = probe(std::sync::Arc::unwrap_or_clone(check)).kind else {
        panic!()
    };
    assert_eq!(
        v6.arguments,
        ["[2001:db8::100]", "80", "[2001:db8::21]", "81"]
    );
    warns(
        section("checktype=external\ncheckcommand=/bin/x a").replace("\tchecktype=on\n", ""),
        LINE,
        "one program",
    );
}

// CHK-10, CHK-11
#[test]
fn on_off_and_none_check_nothing() {
    assert_eq!(
        check(WEB, "192.0.2.21:80 gate", "checktype=on"),
        RealCheck::Always
    );
    assert_eq!(
        check(WEB, "192.0.2.21:80 gate", "checktype=off"),
        RealCheck::Off
    );
    assert_eq!(
        check(WEB, "192.0.2.21:80 gate", "service=none"),
        RealCheck::Always
    );
    let text = "virtual=192.0.2.100:8000\n\treal=192.0.2.21:8000 gate\n";
    let config = warns(text, 1, "not checked: no service is known for port 8000");
    assert_eq!(config.services[0].reals[0].check, RealCheck::Always);
}

fn http(address: &str, real: &str, lines: &str) -> (Check, crate::model::HttpProbe) {
    let check = run(address, real, lines);
    let ProbeKind::Http(http) = probe(check.clone()).kind else {
        panic!("{check:?}")
    };
    (check, http)
}

// CHK-12, CHK-14, VIR-19, VIR-20, VIR-22
#[test]
fn http_checks_ask_the_real_server_for_the_path() {
    let (check, plain) = http(WEB, "192.0.2.21:8080 masq", "negotiatetimeout=7");
    assert_eq!(check.target.to_string(), "192.0.2.21:8080");
    assert_eq!(probe(check).timeout.as_secs(), 7);
    assert_eq!(
        (plain.path.as_str(), plain.host.as_str(), plain.tls),
        ("/", "192.0.2.21", None)
    );
    assert_eq!((plain.method, plain.receive), (HttpMethod::Get, None));
    let (_, set) = http(
        WEB,
        "192.0.2.21:80 gate",
        "request=\"a b?c#d\"\nreceive=\"x\"\nvirtualhost=www.example.com",
    );
    assert_eq!(
        (set.path.as_str(), set.host.as_str()),
        ("/a%20b?c%23d", "www.example.com")
    );
    assert_eq!(set.receive.unwrap().0, "x");
    let v6 = service("virtual6=[2001:db8::100]:80\n\treal6=[2001:db8::21]:80 gate\n");
    let RealCheck::Probe(check) = v6.reals[0].check.clone() else {
        panic!()
    };
    let ProbeKind::Http(v6) = probe(std::sync::Arc::unwrap_or_clone(check)).kind else {
        panic!()
    };
    assert_eq!(v6.host, "[2001:db8::21]");
}

// CHK-15
#[test]
fn head_with_receive_warns() {
    let text =
        "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 gate\n\thttpmethod=HEAD\n\treceive=\"x\"\n";
    warns(text, 4, "will never match");
}

// CHK-16
#[test]
fn https_runs_over_tls() {
    assert!(
        http("192.0.2.100:443", "192.0.2.21:443 gate", "")
            .1
            .tls
            .is_some()
    );
}

// CHK-18
#[test]
fn proxies_are_asked_for_a_url() {
    let (check, proxy) = http(
        "192.0.2.100:3128",
        "192.0.2.21:3128 masq",
        "request=\"http://www.example.com:81/a b\"\nvirtualhost=ignored",
    );
    assert_eq!(check.target.to_string(), "192.0.2.21:3128");
    assert_eq!(proxy.path, "http://www.example.com:81/a%20b");
    assert_eq!(proxy.host, "www.example.com:81");
    let text = "virtual=192.0.2.100:3128\n\treal=192.0.2.21:3128 masq\n";
    refuses(text, 2, "the request of an http_proxy check must be a URL");
}

// REA-08
#[test]
fn a_real_server_may_be_checked_at_another_url() {
    let (check, own) = http(
        WEB,
        "192.0.2.21:80 gate 1 \"http://192.0.2.23:8081/a\", \"x\"",
        "virtualhost=www.example.com",
    );
    assert_eq!(check.target.to_string(), "192.0.2.23:8081");
    assert_eq!(
        (own.path.as_str(), own.host.as_str()),
        ("/a", "www.example.com")
    );
    let (check, named) = http(
        WEB,
        "192.0.2.21:80 gate 1 \"http://www.example.com\", \"x\"",
        "",
    );
    assert_eq!(check.target.to_string(), "198.51.100.7:80");
    assert_eq!(
        (named.path.as_str(), named.host.as_str()),
        ("/", "192.0.2.21")
    );
    // For the section it is a path, as in ldirectord.
    let (_, section) = http(WEB, "192.0.2.21:80 gate", "request=\"http://192.0.2.23/a\"");
    assert_eq!(section.path, "/http://192.0.2.23/a");
    let text = with_real("192.0.2.21:80 gate 1 \"http://nowhere/\", \"x\"")
        .replace("checktype=on", "checktype=negotiate");
    refuses(text, 2, "could not resolve the host of the request");
}

// REA-06
#[test]
fn a_real_servers_own_pair_replaces_the_sections() {
    let (_, own) = http(
        WEB,
        "192.0.2.21:80 gate 1 \"a\", \"\"",
        "request=\"b\"\nreceive=\"c\"",
    );
    assert_eq!((own.path.as_str(), own.receive), ("/a", None));
}

// CHK-36
#[test]
fn simpletcp_sends_the_request_without_slash_and_with_newlines() {
    let probe = probe(run(
        "192.0.2.100:7000",
        "192.0.2.21:7000 masq",
        "service=simpletcp\nrequest=\"PING\\n\"\nreceive=\"^PONG\"",
    ));
    assert_eq!(probe.timeout.as_secs(), 30);
    let ProbeKind::SimpleTcp(exchange) = probe.kind else {
        panic!()
    };
    assert_eq!(exchange.send, b"PING\n");
    assert_eq!(exchange.receive.unwrap().0, "^PONG");
}

// VIR-17
#[test]
fn the_port_is_checkport_the_real_servers_or_the_services() {
    let port = |address: &str, real: &str, lines: &str| run(address, real, lines).target.port();
    assert_eq!(port(WEB, "192.0.2.21:81 masq", "checkport=82"), 82);
    assert_eq!(port(WEB, "192.0.2.21:81 masq", ""), 81);
    assert_eq!(port(WEB, "192.0.2.21 masq", ""), 80);
    assert_eq!(port("7", "192.0.2.21 gate", "service=http"), 80);
    let text = "virtual=192.0.2.100:8080\n\treal=192.0.2.21 gate\n\tservice=http\n";
    let config = warns(
        text,
        2,
        "checked on port 80, the usual one of http, while traffic goes to port 8080",
    );
    assert_eq!(
        config.services[0].checks().next().unwrap().target.port(),
        80
    );
    // ldirectord tries port 0 here and never finds anything up
    let text = "virtual=192.0.2.100:8080\n\treal=192.0.2.21 gate\n\tchecktype=connect\n";
    let config = warns(text, 2, "checked on port 8080");
    assert_eq!(
        config.services[0].checks().next().unwrap().target.port(),
        8080
    );
    refuses(
        "virtual=7\n\treal=192.0.2.21 gate\n\tchecktype=connect\n",
        2,
        "no port to check",
    );
}

// CHK-37
#[test]
fn expected_texts_must_be_regular_expressions() {
    refuses(
        section("receive=\"(\""),
        LINE,
        "invalid receive string: not a regular expression",
    );
    refuses(
        section("receive=\"(a{1000}){1000}\""),
        LINE,
        "not a regular expression",
    );
    clean(section("receive=\"(?<!x)ok\\s+(\\w+) \\1\""));
}

// CHK-45
#[test]
fn services_with_the_same_check_share_it() {
    let text = format!("{}\n{}", section(""), section("").replace("100", "101"))
        .replace("\tchecktype=on\n", "");
    let config = clean(text);
    let checks: Vec<&Check> = config
        .services
        .iter()
        .flat_map(|service| service.checks())
        .collect();
    assert_eq!(checks.len(), 2);
    assert_eq!(checks[0], checks[1]);
}

// CHK-32, CHK-33
#[test]
fn database_checks_without_login_or_query_warn_once() {
    let text = |lines: &str| {
        format!(
            "virtual=192.0.2.100:3306\n\treal=192.0.2.21->192.0.2.23:3306 masq\n\
             \treal=192.0.2.31:3306 masq\n\t{}\n",
            lines.replace('\n', "\n\t")
        )
    };
    for service in ["mysql", "pgsql"] {
        let needs = format!("a {service} check without login= and request= always fails");
        let service = format!("service={service}");
        warns(text(&service), 2, &needs);
        warns(text(&format!("{service}\nlogin=\"monitor\"")), 2, &needs);
        warns(text(&format!("{service}\nrequest=\"SELECT 1\"")), 2, &needs);
        let whole = format!("{service}\nlogin=\"monitor\"\nrequest=\"SELECT 1\"");
        clean(text(&whole));
        clean(text(&format!("{service}\nchecktype=connect")));
    }
    let asks = "an oracle check asks the listener only";
    warns(text("service=oracle\nlogin=\"monitor\""), 2, asks);
    warns(text("service=oracle\nrequest=\"SELECT 1\""), 2, asks);
    clean(text("service=oracle\ndatabase=\"ORCL\""));
}

// CHK-47
#[test]
fn other_credentials_are_another_check() {
    let sql = |lines: &str| run("192.0.2.100:3306", "192.0.2.21:3306 masq", lines);
    let one = sql("login=\"monitor\"\npasswd=\"a\"\nrequest=\"SELECT 1\"");
    assert_eq!(
        one,
        sql("login=\"monitor\"\npasswd=\"a\"\nrequest=\"SELECT 1\"")
    );
    for other in [
        "login=\"other\"\npasswd=\"a\"\nrequest=\"SELECT 1\"",
        "login=\"monitor\"\npasswd=\"b\"\nrequest=\"SELECT 1\"",
        "login=\"monitor\"\npasswd=\"a\"\nrequest=\"SELECT 1\"\ndatabase=\"site\"",
    ] {
        assert_ne!(one, sql(other), "{other}");
    }
}
