//! Virtual services: rows VIR.

use super::*;
use crate::config::CheckType;
use crate::model::{HttpMethod, Netmask, ServiceKey};

fn key(line: &str) -> String {
    service(format!("{line}\n")).key.to_string()
}

// VIR-01
#[test]
fn addresses_names_and_port_names_are_taken() {
    assert_eq!(key("virtual=192.0.2.100:80"), "tcp:192.0.2.100:80");
    assert_eq!(key("virtual=localhost:http"), "tcp:127.0.0.1:80");
    assert_eq!(key("virtual6=localhost:http"), "tcp:[::1]:80");
    refuses(
        "virtual=nowhere:80\n",
        1,
        "invalid address for virtual service",
    );
    refuses(
        "virtual=192.0.2.100:bogus\n",
        1,
        "invalid address for virtual service",
    );
    refuses(
        "virtual=192.0.2.100:65536\n",
        1,
        "invalid address for virtual service",
    );
    refuses(
        "virtual=192.0.2.300:80\n",
        1,
        "invalid address for virtual service",
    );
    refuses(
        "virtual=\"192.0.2.100:80\"\n",
        1,
        "invalid address for virtual server",
    );
    warns("virtual=010.0.0.1:80\n", 1, "is read as 8.0.0.1");
}

// VIR-02
#[test]
fn text_behind_is_ignored_with_a_warning_unless_it_is_a_comment() {
    warns("virtual=192.0.2.100:80 text\n", 1, "the rest is ignored");
    warns("virtual=192.0.2.100:http/x\n", 1, "the rest is ignored");
    clean("virtual=192.0.2.100:80 # web\n");
}

// VIR-03
#[test]
fn a_number_is_a_firewall_mark_without_service_and_port() {
    let text = "virtual=7\n\treal=192.0.2.21 gate\n";
    let config = warns(
        text,
        1,
        "not checked: no service is known for a firewall mark",
    );
    let service = &config.services[0];
    assert_eq!(
        service.key,
        ServiceKey::Mark {
            family: Family::V4,
            mark: 7
        }
    );
    assert_eq!(service.check.service.name(), "none");
    assert_eq!(service.reals[0].destination.key.to_string(), "192.0.2.21:0");
    refuses("virtual=0\n", 1, "invalid firewall mark");
    refuses("virtual=4294967296\n", 1, "invalid firewall mark");
}

// VIR-04
#[test]
fn an_address_without_port_is_a_mark_with_a_warning() {
    let config = warns(
        "virtual=10.0.0.1\n",
        1,
        "has no port and is read as firewall mark 10",
    );
    assert_eq!(config.services[0].key.to_string(), "fwm:10");
    warns("virtual=1abc\n", 1, "read as \"1\"");
}

// REA-16's typing error on the other line: ldirectord makes it a mark
#[test]
fn a_double_colon_is_refused() {
    refuses(
        "virtual=192.0.2.100::80\n",
        1,
        "invalid address for virtual server",
    );
}

// VIR-05
#[test]
fn ipv6_addresses_are_normalised() {
    assert_eq!(key("virtual6=[0:0::0001]:80"), "tcp:[::1]:80");
    refuses("virtual6=[::1]\n", 1, "invalid address for virtual server");
    refuses(
        "virtual6=[::g]:80\n",
        1,
        "invalid address for virtual server",
    );
}

// VIR-06
#[test]
fn a_mark_may_serve_both_families() {
    let config = clean("virtual=7\nvirtual6=7\n");
    let keys: Vec<String> = config
        .services
        .iter()
        .map(|service| service.key.to_string())
        .collect();
    assert_eq!(keys, ["fwm:7", "fwm6:7"]);
}

// VIR-07, REA-18
#[test]
fn families_do_not_mix() {
    refuses("virtual=[::1]:80\n", 1, "virtual6");
    refuses(
        "virtual6=192.0.2.100:80\n",
        1,
        "invalid address for virtual service",
    );
    refuses("virtual6=7\n\treal=192.0.2.21:80 gate\n", 2, "use real6");
    refuses("virtual=7\n\treal6=[::1]:80 gate\n", 2, "use real");
    refuses("virtual6=7\n\tfallback=127.0.0.1\n", 2, "use fallback6");
    refuses(
        "virtual=7\n\treal=[::1]:80 gate\n",
        2,
        "invalid address ([::1])",
    );
}

// VIR-08
#[test]
fn port_53_and_domain_mean_udp_unless_said_otherwise() {
    assert_eq!(key("virtual=192.0.2.100:53"), "udp:192.0.2.100:53");
    assert_eq!(key("virtual=192.0.2.100:domain"), "udp:192.0.2.100:53");
    assert_eq!(key("virtual=192.0.2.100:053"), "tcp:192.0.2.100:53");
    assert_eq!(
        key("virtual=192.0.2.100:53\n\tprotocol=tcp"),
        "tcp:192.0.2.100:53"
    );
}

// VIR-09
#[test]
fn protocol_must_fit_the_form() {
    assert_eq!(
        key("virtual=192.0.2.100:80\n\tprotocol=udp"),
        "udp:192.0.2.100:80"
    );
    assert_eq!(key("virtual=7\n\tprotocol=fwm"), "fwm:7");
    refuses(
        "virtual=192.0.2.100:80\n\tprotocol=fwm\n",
        2,
        "protocol must be tcp or udp",
    );
    refuses("virtual=7\n\tprotocol=tcp\n", 2, "protocol must be fwm");
    refuses(
        "virtual=192.0.2.100:80\n\tprotocol=sctp\n",
        2,
        "protocol must be tcp, udp or fwm",
    );
    warns(
        "virtual=192.0.2.100:80\n\tprotocol=udp or so\n",
        2,
        "protocol is read as \"udp\"",
    );
}

// VIR-10
#[test]
fn the_scheduler_is_the_first_run_of_small_letters() {
    let scheduler = |text: &str| service(section(text)).service.scheduler.unwrap();
    assert_eq!(scheduler("").name(), "wrr");
    assert_eq!(scheduler("scheduler=rr").name(), "rr");
    assert_eq!(scheduler("scheduler=Wrr").name(), "rr");
    assert_eq!(scheduler("scheduler=wlc2").name(), "wlc");
    refuses(section("scheduler=WRR"), LINE, "invalid scheduler");
    refuses(section("scheduler="), LINE, "invalid scheduler");
    warns(section("scheduler=wwr"), LINE, "no scheduler \"wwr\"");
}

// VIR-11
#[test]
fn scheduler_flags_are_those_of_the_scheduler() {
    let flags = |text: &str| service(section(text)).service.flags.0;
    assert_eq!(flags("scheduler=sh\nschedflags=sh-fallback,sh-port"), 3);
    assert_eq!(flags("schedflags=flag-3"), 4);
    refuses(
        section("schedflags=sh-port"),
        LINE,
        "scheduler wrr has no flag \"sh-port\"",
    );
}

// VIR-12
#[test]
fn netmask_counts_only_with_persistent() {
    let persistence = |text: &str| service(section(text)).service.persistence;
    assert_eq!(persistence(""), None);
    let full = persistence("persistent=60").unwrap();
    assert_eq!((full.timeout, full.netmask.is_full()), (60, true));
    let masked = persistence("persistent=60\nnetmask=255.255.255.0").unwrap();
    assert_eq!(
        masked.netmask,
        Netmask::V4("255.255.255.0".parse().unwrap())
    );
    warns(
        section("netmask=255.255.255.0"),
        LINE,
        "only together with persistent",
    );
    refuses(section("persistent=0"), LINE, "invalid persistent timeout");
    refuses(
        section("persistent=2678401"),
        LINE,
        "invalid persistent timeout",
    );
}

// VIR-13
#[test]
fn netmasks_have_the_form_of_their_family() {
    refuses(section("netmask=24"), LINE, "dotted quad");
    refuses(section("netmask=255.255.255.0 x"), LINE, "dotted quad");
    refuses("virtual6=7\n\tnetmask=255.255.255.0\n", 2, "prefix length");
    refuses("virtual6=7\n\tnetmask=129\n", 2, "prefix length");
    let service = service("virtual6=7\n\tpersistent=9\n\tnetmask=64\n");
    assert_eq!(
        service.service.persistence.unwrap().netmask,
        Netmask::V6(64)
    );
}

// VIR-14
#[test]
fn one_packet_scheduling_is_for_udp() {
    assert!(service(section("ops=yes\nprotocol=udp")).service.one_packet);
    for text in [
        section("ops=yes"),
        "virtual=7\n\tchecktype=on\n\n".to_owned() + "virtual=8\n\tops=yes\n",
    ] {
        let accepted = accepted(text);
        assert!(
            accepted
                .config
                .services
                .iter()
                .all(|service| !service.service.one_packet)
        );
        assert!(
            accepted.warnings[0]
                .message
                .contains("ops counts only for UDP")
        );
    }
    clean(section("ops=no"));
}

#[test]
fn port_0_needs_persistence() {
    refuses("virtual=192.0.2.100:0\n", 1, "needs persistent");
    clean("virtual=192.0.2.100:0\n\tpersistent=60\n");
}

// VIR-18
#[test]
fn checktype_is_a_word_or_any_digits() {
    let kind = |text: &str| service(section(&format!("checktype={text}"))).check.kind;
    let words = [
        ("negotiate", CheckType::Negotiate),
        ("connect", CheckType::Connect),
        ("ping", CheckType::Ping),
        ("off", CheckType::Off),
        ("on", CheckType::On),
        ("external", CheckType::External),
        ("external-perl", CheckType::ExternalPerl),
        ("3", CheckType::Combined(3)),
        ("0", CheckType::Combined(0)),
        ("connect2", CheckType::Combined(2)),
        ("connect x", CheckType::Connect),
    ];
    for (word, expected) in words {
        assert_eq!(kind(word), expected, "{word}");
    }
    for bad in ["http", "Connect", "externalx", ""] {
        refuses(
            section(&format!("checktype={bad}")),
            LINE,
            "checktype must be",
        );
    }
}

// VIR-15
#[test]
fn services_are_those_of_the_list() {
    refuses(
        section("service=gopher"),
        LINE,
        "service must be dialogue, dns, ftp, grpc, grpcs, http, http_proxy, https",
    );
    refuses(section("service=Http"), LINE, "service must be");
    assert_eq!(
        service(section("service=imaps")).check.service.name(),
        "imaps"
    );
}

// VIR-16
#[test]
fn the_service_follows_from_the_port() {
    let table = [
        (21, "ftp"),
        (25, "smtp"),
        (53, "dns"),
        (80, "http"),
        (110, "pop"),
        (119, "nntp"),
        (143, "imap"),
        (389, "ldap"),
        (443, "https"),
        (587, "submission"),
        (636, "ldaps"),
        (993, "imaps"),
        (995, "pops"),
        (1521, "oracle"),
        (1812, "radius"),
        (3128, "http_proxy"),
        (3306, "mysql"),
        (5060, "sip"),
        (5432, "pgsql"),
        (8080, "none"),
    ];
    for (port, name) in table {
        let service = service(format!("virtual=192.0.2.100:{port}\n"));
        assert_eq!(service.check.service.name(), name);
    }
}

// VIR-19, VIR-20, VIR-21, VIR-22, VIR-23, VIR-25
#[test]
fn check_settings_are_read_with_their_defaults() {
    let plain = service(section("")).check;
    assert_eq!(
        (plain.request.as_str(), plain.receive, plain.http_method),
        ("/", None, HttpMethod::Get)
    );
    assert_eq!(
        (plain.command.as_str(), plain.virtual_host),
        ("/bin/true", None)
    );
    let lines = "request=\"a\"\nreceive=\"b\"\nhttpmethod=head\nvirtualhost=\"h.example.com\"\nlogin=\"l\"\npasswd=\"p\"\ndatabase=\"d\"\nsecret=\"s\"\ncheckcommand=\"/bin/x\"\ncheckport=81";
    let set = service(section(lines)).check;
    assert_eq!(
        (set.request.as_str(), set.receive.unwrap().0.as_str()),
        ("/a", "b")
    );
    assert_eq!(set.http_method, HttpMethod::Head);
    assert_eq!(set.virtual_host.as_deref(), Some("h.example.com"));
    assert_eq!(
        (set.login.as_deref(), set.password.as_deref()),
        (Some("l"), Some("p"))
    );
    assert_eq!(
        (set.database.as_deref(), set.secret.as_deref()),
        (Some("d"), Some("s"))
    );
    assert_eq!((set.command.as_str(), set.port), ("/bin/x", Some(81)));
    let bare = service(section("virtualhost=h.example.com\ncheckcommand=/bin/x")).check;
    assert_eq!(bare.virtual_host.as_deref(), Some("h.example.com"));
    assert_eq!(bare.command, "/bin/x");
    refuses(
        section("httpmethod=DELETE"),
        LINE,
        "httpmethod must be GET or HEAD",
    );
    refuses(section("login=\"\""), LINE, "invalid login string");
    refuses(
        section("checkport=70000"),
        LINE,
        "checkport must be in range",
    );
    refuses(section("checkport=http"), LINE, "invalid port");
    refuses(section("checkcommand="), LINE, "invalid check command");
    warns(section("virtualhost="), LINE, "no virtual host is named");
}

// VIR-24
#[test]
fn load_is_accepted_and_has_no_effect() {
    let config = warns(section("load=\"x\""), LINE, "load has no effect");
    assert_eq!(config, clean(section("")));
    refuses(section("load=x"), LINE, "Unknown command");
    refuses(
        section("load=\"-\""),
        LINE,
        "invalid string for load testing",
    );
}

// VIR-26
#[test]
fn a_section_has_its_own_checkinterval_with_a_warning_unless_fork() {
    let text = section("checkinterval=3");
    let accepted = accepted(&text);
    assert_eq!(accepted.config.services[0].check.interval.as_secs(), 3);
    assert_eq!(accepted.warnings.len(), 1);
    assert_eq!(
        accepted.warnings[0].classic(5),
        "Warning [5]: checkinterval in virtual service tcp:192.0.2.100:80 is honoured although fork=no"
    );
    assert_eq!(
        accepted.warnings[0].line, LINE,
        "people are shown the place"
    );
    clean(text + "fork=yes\n");
}

// VIR-27
#[test]
fn sections_override_global_settings() {
    let global = "checktimeout=1\nnegotiatetimeout=2\nfailurecount=3\nquiescent=yes\ncleanstop=no\nemailalert=a@example.com\nemailalertfreq=10\nemailalertstatus=none\nsmtp=a.example.com\nfallback=127.0.0.1\nfallbackcommand=/bin/a\ncheckinterval=4\nfork=yes\n";
    let own = "checktimeout=11\nnegotiatetimeout=12\nfailurecount=13\nquiescent=no\ncleanstop=yes\nemailalert=b@example.com\nemailalertfreq=0\nemailalertstatus=all\nsmtp=b.example.com\nfallback=127.0.0.2\nfallbackcommand=/bin/b\ncheckinterval=14";
    let text = format!(
        "{global}virtual=192.0.2.101:80\n\tchecktype=on\n{}",
        section(own)
    );
    let config = clean(text);
    let [plain, set] = &config.services[..] else {
        panic!()
    };
    let seen = |service: &VirtualService| {
        (
            service.check.check_timeout.as_secs(),
            service.check.negotiate_timeout.as_secs(),
            service.check.interval.as_secs(),
            service.failure_count,
            service.quiescent,
            service.clean_stop,
        )
    };
    assert_eq!(seen(plain), (1, 2, 4, 3, true, false));
    assert_eq!(seen(set), (11, 12, 14, 13, false, true));
    assert_eq!(plain.mail, config.globals.mail);
    assert_eq!(set.mail.recipients.as_deref(), Some("b@example.com"));
    assert_eq!(
        (set.mail.reminder, set.mail.relay.as_deref()),
        (None, Some("b.example.com"))
    );
    assert_eq!(plain.fallback_command.as_ref().unwrap().words, ["/bin/a"]);
    assert_eq!(set.fallback_command.as_ref().unwrap().words, ["/bin/b"]);
    assert_eq!(
        plain.fallback.as_ref().unwrap().destination.key.to_string(),
        "127.0.0.1:80"
    );
    assert_eq!(
        set.fallback.as_ref().unwrap().destination.key.to_string(),
        "127.0.0.2:80"
    );
}

// VIR-28, VIR-29
#[test]
fn mail_texts_and_monitor_file_are_kept() {
    let service = service(section(
        "servicename=web site\ncomment=\"x\" y\nmonitorfile=\"/var/log/m\"",
    ));
    assert_eq!(service.service_name.as_deref(), Some("web site"));
    assert_eq!(service.comment.as_deref(), Some("\"x\" y"));
    let file = service.monitor_file.unwrap();
    assert_eq!((file.path.as_str(), file.line.0), ("/var/log/m", LINE + 2));
    refuses(section("monitorfile="), LINE, "unable to open monitorfile");
}

// VIR-30
#[test]
fn directives_of_the_whole_director_are_refused_in_sections() {
    for name in [
        "autoreload",
        "callback",
        "logfile",
        "execute",
        "fork",
        "supervised",
        "readdquiescent",
        "emailalertfrom",
        "maintenancedir",
    ] {
        refuses(section(&format!("{name}=\"yes\"")), LINE, "Unknown command");
    }
}

// VIR-31
#[test]
fn a_service_without_real_servers_is_a_service() {
    let config = clean("virtual=192.0.2.100:80\n\t# nothing yet\n");
    assert!(config.services[0].reals.is_empty());
    // and nothing is said about a check that nobody runs
    clean("virtual=192.0.2.100:25\n");
    clean("virtual=192.0.2.100:8080\n");
}
