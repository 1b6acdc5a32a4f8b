//! Words of HTTP and TLS checks that ldirectord does not have.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::config::print::to_ldirectord_cf;
use crate::config::{RealCheck, show};
use crate::model::{
    HttpMethod, HttpProbe, HttpVersion, Method, Pem, ProbeKind, Redirects, Tls, TlsName,
    TlsVersion, Trust,
};

/// Reads a text with the files `/a.pem`, `/b.pem` and `/key.pem`.
fn read_with_files(text: &str) -> Result<Accepted, Rejected> {
    let parsed = parse(text.as_bytes(), "test.cf");
    let mut names = Names::ask(parsed.names(), &mut resolver);
    for file in parsed.files() {
        let content = match file.path.as_str() {
            "/missing.pem" => Err("No such file".to_owned()),
            path => Ok(Pem::new(path.as_bytes())),
        };
        names.insert_file(file.path, content);
    }
    parsed.resolve(&names)
}

fn text(service: &str, lines: &str) -> String {
    let mut text =
        format!("virtual=192.0.2.100:80\n\treal=192.0.2.21:80 masq\n\tservice={service}\n");
    for line in lines.lines() {
        text.extend(["    ", line, "\n"]);
    }
    text
}

fn kind(service: &str, lines: &str) -> ProbeKind {
    let text = text(service, lines);
    let config = match read_with_files(&text) {
        Ok(accepted) => {
            assert!(accepted.warnings.is_empty(), "{:?}", accepted.warnings);
            accepted.config
        }
        Err(Rejected(all)) => panic!("{}", render(&all, false)),
    };
    let RealCheck::Probe(check) = &config.services[0].reals[0].check else {
        panic!("{text}");
    };
    let Method::Single(probe) = &check.method else {
        panic!("{text}");
    };
    probe.kind.clone()
}

fn http(lines: &str) -> HttpProbe {
    match kind("http", lines) {
        ProbeKind::Http(http) => http,
        other => panic!("{other:?}"),
    }
}

fn tls(lines: &str) -> Tls {
    kind("https", lines).tls().unwrap().clone()
}

/// Line, column and words of the first error.
fn refused(service: &str, lines: &str) -> (u32, u32, String) {
    let all = match read_with_files(&text(service, lines)) {
        Ok(_) => panic!("accepted: {lines}"),
        Err(Rejected(all)) => Rejected(all),
    };
    let first = all.first_error().unwrap();
    assert!(first.help.is_some(), "{first}");
    (first.line, first.column, first.message.clone())
}

#[test]
fn http_words_become_part_of_the_probe() {
    assert_eq!(
        http("status=200-299,401").statuses.unwrap().to_string(),
        "200-299,401"
    );
    assert_eq!(http("").redirects, Redirects::SameHost);
    assert_eq!(http("redirects=no").redirects, Redirects::No);
    assert_eq!(http("redirects=yes").redirects, Redirects::Yes);
    let own = http("requestheader=\"X-A: 1\"\nrequestheader=\"Host: b.example:81\"");
    let header = |index: usize| {
        let header = &own.headers[index];
        (header.name.as_str(), header.value.expose())
    };
    assert_eq!(
        (header(0), header(1)),
        (("X-A", "1"), ("Host", "b.example:81"))
    );
    let posted = http("httpmethod=post\nrequestbody=\"{\"a\":1}\"");
    assert_eq!(
        (posted.method, posted.body.as_deref()),
        (HttpMethod::Post, Some("{\"a\":1}"))
    );
    let expected = http("expectheader=\"Content-Type: ^text/\"").expected_headers;
    assert_eq!(
        (expected[0].name.as_str(), expected[0].value.0.as_str()),
        ("Content-Type", "^text/")
    );
    for (written, pointer, value) in [
        ("/status = ok", "/status", "\"ok\""),
        ("/status=\"ok\"", "/status", "\"ok\""),
        ("/a~1b/0 = true", "/a~1b/0", "true"),
        (" = {\"b\":1, \"a\":[]}", "", "{\"a\":[],\"b\":1}"),
        ("/n = 1.50", "/n", "1.5"),
        ("/t = a = b", "/t", "\"a = b\""),
    ] {
        let json = http(&format!("json=\"{written}\"")).json;
        assert_eq!(
            (json[0].pointer.as_str(), json[0].value.as_str()),
            (pointer, value),
            "{written}"
        );
    }
    assert!(http("receive=\"x\"\ninvert=yes").invert);
    let login = http("login=\"a\"\npasswd=\"b\"\nhttpauth=basic")
        .login
        .unwrap();
    assert_eq!((login.name.as_str(), login.password.expose()), ("a", "b"));
    assert_eq!(http("login=\"a\"\npasswd=\"b\"").login, None);
    assert_eq!(http("httpversion=2").version, HttpVersion::V2);
}

#[test]
fn tls_words_become_part_of_the_probe() {
    assert_eq!(tls(""), Tls::default());
    let verified = tls("tlsverify=yes");
    assert_eq!(
        (&verified.trust, verified.expiry_days),
        (&Trust::System, Some(14))
    );
    assert_eq!(
        tls("tlsverify=yes\ntlsca=/a.pem").trust,
        Trust::File(Pem::new(*b"/a.pem"))
    );
    let name = |lines: &str| tls(lines).name;
    let given = |name: &str| TlsName::Given(name.to_owned());
    assert_eq!(
        name("virtualhost=www.example.com:8443"),
        given("www.example.com")
    );
    assert_eq!(name("virtualhost=192.0.2.1"), TlsName::Address);
    assert_eq!(name("virtualhost=[2001:db8::1]:443"), TlsName::Address);
    assert_eq!(
        name("virtualhost=www.example.com\ntlsname=none"),
        TlsName::None
    );
    assert_eq!(
        name("virtualhost=a.example\ntlsname=b.example"),
        given("b.example")
    );
    let identity = tls("tlscert=/a.pem\ntlskey=\"/key.pem\"").identity.unwrap();
    assert_eq!(identity.key.expose(), b"/key.pem");
    assert_eq!(tls("tlsmin=1.3").minimum, TlsVersion::V13);
    assert_eq!(tls("tlsexpiry=30").expiry_days, Some(30));
    assert_eq!(tls("tlsverify=yes\ntlsexpiry=0").expiry_days, None);
    for service in ["imaps", "pops", "ldaps", "grpcs"] {
        let tls = kind(service, "tlsverify=yes\nvirtualhost=mail.example.com")
            .tls()
            .unwrap()
            .clone();
        assert_eq!(
            (tls.trust, tls.name),
            (Trust::System, given("mail.example.com"))
        );
    }
    assert_eq!(kind("imap", "").tls(), None);
    assert_eq!(kind("grpc", "").tls(), None);
}

#[test]
fn mistakes_are_told_where_they_are() {
    for (service, lines, column, message) in [
        ("http", "status=2xx", 12, "is no list of status codes"),
        (
            "http",
            "redirects=maybe",
            15,
            "redirects must be yes, no or same-host",
        ),
        ("http", "requestheader=\"X-A\"", 19, "is no header line"),
        ("http", "requestheader=\"X A: 1\"", 19, "is no header line"),
        ("http", "requestheader=\"X-A: \"", 19, "is no header line"),
        (
            "http",
            "requestheader=\"Content-length: 1\"",
            19,
            "cannot be set",
        ),
        (
            "http",
            "requestheader=\"CONNECTION: close\"",
            19,
            "cannot be set",
        ),
        (
            "http",
            "requestheader=\"X-A: é\"",
            19,
            "cannot be sent in X-A",
        ),
        (
            "http",
            "requestheader=\"Host: a/b\"",
            19,
            "cannot be sent in Host",
        ),
        ("http", "requestbody=\"x\"", 5, "only with httpmethod POST"),
        (
            "http",
            "httpmethod=DELETE",
            16,
            "httpmethod must be GET or HEAD",
        ),
        (
            "http",
            "expectheader=\"A: (\"",
            18,
            "not a regular expression",
        ),
        ("http", "json=\"status = ok\"", 10, "is no JSON pointer"),
        ("http", "json=\"/a~2 = ok\"", 10, "is no JSON pointer"),
        ("http", "json=\"/a = {\"", 10, "is no JSON pointer"),
        ("http", "json=\"/a\"", 10, "is no JSON pointer"),
        (
            "http",
            "json=\"/a = 1\"\nhttpmethod=HEAD",
            5,
            "will never match",
        ),
        ("http", "invert=yes", 5, "needs a receive"),
        ("http", "httpauth=digest", 14, "httpauth must be basic"),
        ("http", "httpauth=basic", 5, "needs a login"),
        ("http", "httpauth=basic\nlogin=\"a:b\"", 5, "with a colon"),
        ("http", "httpversion=3", 17, "httpversion must be 1.1 or 2"),
        (
            "http_proxy",
            "httpversion=2\nrequest=\"http://a/\"",
            5,
            "HTTP/1.1 only",
        ),
        (
            "simpletcp",
            "status=200",
            5,
            "status goes with the services http",
        ),
        (
            "imap",
            "httpmethod=POST",
            5,
            "httpmethod goes with the services http",
        ),
        (
            "http",
            "tlsverify=yes",
            5,
            "goes with the services https, imaps",
        ),
        (
            "http",
            "status=200\nchecktype=connect",
            5,
            "no effect with checktype=connect",
        ),
        ("https", "tlsmin=1.1", 12, "tlsmin must be 1.2 or 1.3"),
        ("https", "tlsca=/a.pem", 5, "counts only with tlsverify=yes"),
        ("https", "tlscert=/a.pem", 5, "counts only with tlskey"),
        ("https", "tlskey=/a.pem", 5, "counts only with tlscert"),
        (
            "https",
            "tlsverify=yes\ntlsca=a.pem",
            11,
            "is no absolute path",
        ),
        ("https", "tlsname=a_b.-c", 13, "is no server name"),
        ("https", "tlsname=a.example:443", 13, "is no server name"),
        ("https", "tlsexpiry=4000", 15, "invalid number of days"),
    ] {
        let (line, at, said) = refused(service, lines);
        let wanted = u32::from(lines.contains("tlsca=a.pem"));
        assert_eq!(line, LINE + wanted, "{lines}: {said}");
        assert!(said.contains(message), "{lines}: {said}");
        assert_eq!(at, column, "{lines}: {said}");
    }
    let (line, _, said) = refused("https", "tlsverify=yes\ntlsca=/missing.pem");
    assert_eq!(line, LINE + 1);
    assert_eq!(said, "tlsca: \"/missing.pem\" cannot be used: No such file");
    let many = "requestheader=\"A: b\"\n".repeat(17);
    let (line, _, said) = refused("http", &many);
    assert_eq!(
        (line, said.as_str()),
        (LINE + 16, "more than 16 lines of requestheader")
    );
}

#[test]
fn new_words_are_beyond_ldirectord() {
    let lines = "status=200\nhttpmethod=PUT\ntlsverify=no\nhttpmethod=GET";
    let text = text("https", lines);
    let parsed = parse(text.as_bytes(), "test.cf");
    let beyond: Vec<u32> = parsed.beyond().iter().map(|d| d.line).collect();
    assert_eq!(beyond, [LINE, LINE + 1, LINE + 2]);
}

#[test]
fn a_changed_file_is_another_check() {
    let text = text("https", "tlsverify=yes\ntlsca=/a.pem");
    let with = |content: &[u8]| {
        let parsed = parse(text.as_bytes(), "test.cf");
        let mut names = Names::default();
        names.insert_file("/a.pem".to_owned(), Ok(Pem::new(content)));
        let config = parsed.resolve(&names).unwrap().config;
        config.services[0].reals[0].check.clone()
    };
    assert_eq!(with(b"1"), with(b"1"));
    assert_ne!(with(b"1"), with(b"2"));
}

#[test]
fn secrets_are_masked() {
    let lines = "requestheader=\"Authorization: Bearer hidden\"\nrequestheader=\"X-A: seen\"";
    let config = read_with_files(&text("http", lines)).unwrap().config;
    let shown = show::to_yaml(&config);
    assert!(
        shown.contains("X-A: seen") && !shown.contains("hidden"),
        "{shown}"
    );
    assert!(!format!("{config:?}").contains("hidden"));
}

/// Words in an order of no importance, that fit `service=https`.
const WORDS: [&str; 27] = [
    "status=200-299,401",
    "status=\"302\"",
    "redirects=yes",
    "redirects=no",
    "requestheader=\"X-A: 1\"",
    "requestheader=\"Cookie: a=\"b\"; c\"",
    "httpmethod=POST",
    "httpmethod=PUT",
    "expectheader=\"Server: ^nginx$\"",
    "expectheader=\"A: # b\"",
    "json=\"/status = ok\"",
    "json=\"/a/0={\"b\": [1, null]}\"",
    "json=\" = [\"a\"]\"",
    "receive=\"x\"",
    "httpversion=2",
    "httpversion=1.1",
    "login=\"l\"",
    "passwd=\"p\"",
    "tlsverify=yes",
    "tlsname=none",
    "tlsname=www.example.com",
    "tlsname=192.0.2.1",
    "tlscert=/a.pem\n\ttlskey=/key.pem",
    "tlscert=\"/a b.pem\"\n\ttlskey=/key.pem",
    "tlsmin=1.3",
    "tlsexpiry=0",
    "tlsexpiry=30",
];

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn they_read_back_as_they_are_printed(lines in vec(select(&WORDS[..]), 0..14)) {
        let config = read_with_files(&text("https", &lines.join("\n"))).unwrap().config;
        let printed = to_ldirectord_cf(&config);
        let again = read_with_files(&printed).unwrap().config;
        prop_assert_eq!(&again, &config, "{}", printed);
        prop_assert_eq!(to_ldirectord_cf(&again), printed);
        prop_assert!(show::to_json(&config).len() > 100);
    }
}
