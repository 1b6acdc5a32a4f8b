//! Fallback servers: rows FAL.

use super::*;

fn own(value: &str) -> String {
    let fallback = service(section(&format!("fallback={value}")))
        .fallback
        .unwrap();
    assert_eq!(fallback.destination.weight, 1);
    format!(
        "{} {}",
        fallback.destination.key,
        fallback.destination.forwarding.word()
    )
}

// FAL-01
#[test]
fn host_port_and_method_are_optional_but_for_the_host() {
    assert_eq!(own("127.0.0.9:90 masq"), "127.0.0.9:90 masq");
    assert_eq!(own("127.0.0.9"), "127.0.0.9:80 gate");
    assert_eq!(own("127.0.0.9 masq"), "127.0.0.9:80 masq");
    assert_eq!(own("localhost:smtp masq # c"), "127.0.0.1:25 masq");
    assert_eq!(own("[127.0.0.9]:90 masq"), "127.0.0.9:90 masq");
    assert_eq!(own("127.0.0.9:0 masq"), "127.0.0.9:0 masq");
    // gate ends on the service's port whatever is written
    assert_eq!(own("127.0.0.9:90 gate"), "127.0.0.9:80 gate");
    for bad in [
        "nowhere",
        "127.0.0.9:90:91 masq",
        "127.0.0.9:",
        "\"127.0.0.9\"",
        "gate",
        "127.0.0.9:90,masq",
    ] {
        refuses(
            section(&format!("fallback={bad}")),
            LINE,
            "for fallback server",
        );
    }
    refuses(
        section("fallback=127.0.0.9:70000"),
        LINE,
        "invalid port for fallback server",
    );
    refuses(
        section("fallback=127.0.0.9:bogus"),
        LINE,
        "invalid port for fallback server",
    );
    refuses(
        section("fallback=127.0.0.9:90 MASQ"),
        LINE,
        "forward method must be",
    );
    warns(section("fallback="), LINE, "no fallback server is named");
}

#[test]
fn only_the_last_two_words_count_with_a_warning() {
    let config = warns(
        section("fallback=junk 127.0.0.9:80 masq"),
        LINE,
        "the rest is ignored",
    );
    assert_eq!(
        config.services[0]
            .fallback
            .as_ref()
            .unwrap()
            .destination
            .key
            .to_string(),
        "127.0.0.9:80"
    );
}

// FAL-02
#[test]
fn the_port_is_inherited_from_the_virtual_service() {
    let service = service("virtual=localhost:http\n\tfallback=127.0.0.9 masq\n");
    assert_eq!(
        service.fallback.unwrap().destination.key.to_string(),
        "127.0.0.9:80"
    );
}

// FAL-03
#[test]
fn a_global_fallback_serves_tcp_and_udp() {
    let text = "fallback=127.0.0.9 masq\nvirtual=192.0.2.100:80\nvirtual=192.0.2.100:53\nvirtual6=[::5]:80\n";
    let fallbacks: Vec<Option<String>> = clean(text)
        .services
        .iter()
        .map(|service| {
            service
                .fallback
                .as_ref()
                .map(|f| f.destination.key.to_string())
        })
        .collect();
    assert_eq!(
        fallbacks,
        [
            Some("127.0.0.9:80".into()),
            Some("127.0.0.9:53".into()),
            None
        ]
    );
    let text = "fallback6=[::9]:81 masq\nvirtual6=[::5]:80\n";
    assert_eq!(
        service(text).fallback.unwrap().destination.key.to_string(),
        "[::9]:81"
    );
    let globals = clean("fallback=localhost:domain masq\n").globals;
    assert_eq!(
        globals.fallback.unwrap().written.to_string(),
        "localhost:domain"
    );
    refuses(
        "fallback=127.0.0.9:bogus\n",
        1,
        "invalid port for fallback server",
    );
    refuses(
        "fallback6=127.0.0.1\n",
        1,
        "invalid IPv6 address or could not resolve for fallback server",
    );
}

// FAL-04
#[test]
fn the_sections_fallback_beats_the_global_one() {
    let service = service("fallback=127.0.0.8\n".to_owned() + &section("fallback=127.0.0.9"));
    assert_eq!(
        service.fallback.unwrap().destination.key.to_string(),
        "127.0.0.9:80"
    );
}

// FAL-05
#[test]
fn a_global_fallback_serves_marks() {
    for (fallback, filed) in [
        ("127.0.0.9", "127.0.0.9:0"),
        ("127.0.0.9:smtp gate", "127.0.0.9:25"),
    ] {
        let text = format!("fallback={fallback}\nvirtual=7\n\tchecktype=on\n");
        assert_eq!(
            service(text).fallback.unwrap().destination.key.to_string(),
            filed
        );
    }
}

#[test]
fn fallbacks_keep_their_line() {
    let service = service(section("scheduler=rr\nfallback=127.0.0.9"));
    assert_eq!(service.fallback.unwrap().line.0, LINE + 1);
}
