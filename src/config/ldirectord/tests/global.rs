//! Directives outside sections: rows GLO.

use super::*;
use crate::config::{LogTarget, Phase, Phases};

// GLO-01, GLO-02, GLO-04, GLO-06, GLO-16, GLO-18, GLO-24
#[test]
fn the_defaults_are_those_of_the_program_not_of_its_manual() {
    let globals = clean("").globals;
    assert_eq!(globals.check_timeout.as_secs(), 5);
    assert_eq!(globals.negotiate_timeout.as_secs(), 30);
    assert_eq!(globals.check_interval.as_secs(), 10);
    assert_eq!(globals.ping_attempts, 1);
    assert_eq!(globals.failure_count, 1);
    assert_eq!(
        globals.log.target,
        LogTarget::File("/var/log/ldirectord.log".into())
    );
    assert!(!globals.quiescent && !globals.readd_quiescent && !globals.autoreload);
    assert!(!globals.fork && !globals.supervised && globals.clean_stop);
    assert_eq!(globals.mail.phases, Phases::ALL);
    assert_eq!(
        (
            globals.mail.recipients,
            globals.mail.reminder,
            globals.mail.relay
        ),
        (None, None, None)
    );
}

// GLO-03
#[test]
fn the_two_timeouts_default_to_each_other_level_by_level() {
    let timeouts = |global: &str, local: &str| {
        let check = service(format!("{global}\n{}", section(local))).check;
        (
            check.check_timeout.as_secs(),
            check.negotiate_timeout.as_secs(),
        )
    };
    assert_eq!(timeouts("", ""), (5, 30));
    assert_eq!(timeouts("checktimeout=3", ""), (3, 3));
    assert_eq!(timeouts("negotiatetimeout=4", ""), (4, 4));
    assert_eq!(timeouts("checktimeout=3\nnegotiatetimeout=4", ""), (3, 4));
    assert_eq!(
        timeouts("checktimeout=3\nnegotiatetimeout=4", "checktimeout=7"),
        (7, 7)
    );
    assert_eq!(
        timeouts("checktimeout=3\nnegotiatetimeout=4", "negotiatetimeout=8"),
        (8, 8)
    );
    assert_eq!(
        timeouts("negotiatetimeout=4", "checktimeout=7\nnegotiatetimeout=8"),
        (7, 8)
    );
}

// GLO-05
#[test]
fn checkcount_counts_pings_and_each_use_warns() {
    let accepted = accepted(format!("checkcount=2\n{}", section("checkcount=3")));
    assert_eq!(accepted.config.globals.ping_attempts, 2);
    assert_eq!(accepted.config.services[0].check.ping_attempts, 3);
    assert_eq!(accepted.warnings.len(), 2);
    assert!(
        accepted
            .warnings
            .iter()
            .all(|warning| warning.message.contains("deprecated"))
    );
}

// GLO-08
#[test]
fn fallback_commands_are_cut_into_words() {
    let words = |text: &str| {
        let command = accepted(format!("fallbackcommand={text}\n"))
            .config
            .globals
            .fallback_command;
        command.unwrap().words
    };
    assert_eq!(words("/bin/fb a 'b c'"), ["/bin/fb", "a", "b c"]);
    // F27: the quotes are no part of it, as in sections
    assert_eq!(words("\"/bin/fb a\""), ["/bin/fb", "a"]);
    assert_eq!(words("/bin/fb \"a b\" c"), ["/bin/fb", "a b", "c"]);
    assert_eq!(words("\"/bin/fb\" \"a b\""), ["/bin/fb", "a b"]);
    warns("fallbackcommand=/bin/fb >/dev/null\n", 1, "without a shell");
    refuses("fallbackcommand=\n", 1, "invalid fallback command");
    refuses(
        "fallbackcommand=/bin/fb 'a\n",
        1,
        "invalid fallback command",
    );
}

// GLO-09, GLO-14, GLO-15, GLO-17, GLO-19
#[test]
fn switches_are_read() {
    let text = "autoreload=yes\nfork=yes\nsupervised=yes\nquiescent=yes\nreaddquiescent=yes\ncleanstop=no\n";
    let globals = clean(text).globals;
    assert!(globals.autoreload && globals.fork && globals.supervised);
    assert!(globals.quiescent && globals.readd_quiescent && !globals.clean_stop);
}

// GLO-10
#[test]
fn callback_is_quoted_and_may_be_empty() {
    assert_eq!(
        clean("callback=\"/bin/cb x\"\n")
            .globals
            .callback
            .as_deref(),
        Some("/bin/cb x")
    );
    assert_eq!(clean("callback=\"\"\n").globals.callback, None);
    refuses("callback=/bin/cb\n", 1, "Unknown command");
}

// GLO-11, GLO-12
#[test]
fn logfile_is_a_path_or_a_facility() {
    let target = |text: &str| clean(text).globals.log.target;
    assert_eq!(
        target("logfile=\"/var/log/x\"\n"),
        LogTarget::File("/var/log/x".into())
    );
    assert_eq!(target("logfile=\"local0\"\n"), LogTarget::Syslog("local0"));
    let config = warns(
        "logfile=\"x.log\"\n",
        1,
        "neither an absolute path nor a syslog facility",
    );
    assert_eq!(config.globals.log.target, LogTarget::Syslog("daemon"));
    assert_eq!(config.globals.log.line.0, 1);
    refuses("logfile=local0\n", 1, "Unknown command");
}

// GLO-13
#[test]
fn execute_may_be_repeated() {
    let globals = clean("execute=a.cf\nexecute=b.cf \n").globals;
    let paths: Vec<&str> = globals
        .execute
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(paths, ["a.cf", "b.cf"]);
}

// GLO-20, GLO-21, GLO-22, GLO-25
#[test]
fn mail_settings_are_read() {
    let text = "emailalert=\"a@example.com\"\nemailalertfrom=\"D\" <d@example.com>\nemailalertfreq=60\nsmtp=mail.example.com\n";
    let globals = clean(text).globals;
    assert_eq!(globals.mail.recipients.as_deref(), Some("a@example.com"));
    assert_eq!(globals.mail_from.as_deref(), Some("\"D\" <d@example.com>"));
    assert_eq!(globals.mail.reminder.unwrap().as_secs(), 60);
    assert_eq!(globals.mail.relay.as_deref(), Some("mail.example.com"));
    let plain = clean("emailalert=a@example.com, b@example.com\nemailalertfreq=0\n")
        .globals
        .mail;
    assert_eq!(
        plain.recipients.as_deref(),
        Some("a@example.com, b@example.com")
    );
    assert_eq!(plain.reminder, None);
    for text in ["2001:db8::25", "[2001:db8::25]"] {
        let mail = clean(format!("smtp={text}\n")).globals.mail;
        assert_eq!(mail.relay.as_deref(), Some("2001:db8::25"));
    }
    refuses("emailalert=\n", 1, "no email address specified");
    refuses("emailalert=\"\"\n", 1, "no email address specified");
    refuses("emailalertfrom=\n", 1, "no email from address specified");
    refuses("emailalertfreq=x5\n", 1, "invalid email alert frequency");
    refuses("smtp=\"x\"\n", 1, "invalid SMTP server address");
    warns(
        "smtp=mail.example.com:25\n",
        1,
        "smtp is read as \"mail.example.com\"",
    );
}

// GLO-23
#[test]
fn alert_phases_are_words_all_or_none() {
    let phases = |text: &str| {
        clean(format!("emailalertstatus={text}\n"))
            .globals
            .mail
            .phases
    };
    assert_eq!(phases("all"), Phases::ALL);
    assert_eq!(phases("none"), Phases::NONE);
    assert_eq!(
        phases("running, stopping"),
        Phases::NONE.with(Phase::Running).with(Phase::Stopping)
    );
    assert_eq!(phases("running,"), Phases::NONE.with(Phase::Running));
    assert_eq!(phases("all, running"), Phases::ALL);
    refuses(
        "emailalertstatus=running,none\n",
        1,
        "invalid email alert status: \"running\" specified with \"none\"",
    );
    refuses(
        "emailalertstatus=x\n",
        1,
        "invalid email alert status at: \"x\"",
    );
    refuses(
        "emailalertstatus=,running\n",
        1,
        "invalid email alert status at: \"\"",
    );
}

// GLO-26: whether it exists is seen by whoever opens it
#[test]
fn maintenancedir_is_kept_with_its_line() {
    let directory = clean("\nmaintenancedir=/etc/m\n")
        .globals
        .maintenance_directory
        .unwrap();
    assert_eq!((directory.path.as_str(), directory.line.0), ("/etc/m", 2));
    let config = warns("maintenancedir=\"/etc/m\"\n", 1, "quotes");
    assert_eq!(config.globals.maintenance_directory.unwrap().path, "/etc/m");
    refuses(
        "maintenancedir=\n",
        1,
        "maintenance directory not specified",
    );
}

#[test]
fn uplink_is_a_list_of_addresses() {
    let targets = |value: &str| -> Vec<String> {
        let globals = clean(format!("uplink={value}\n")).globals;
        globals.uplink.iter().map(ToString::to_string).collect()
    };
    assert_eq!(targets("192.0.2.1"), ["192.0.2.1"]);
    let two = ["192.0.2.1", "2001:db8::1"];
    assert_eq!(targets("192.0.2.1, 2001:db8::1,192.0.2.1"), two);
    assert!(clean("").globals.uplink.is_empty());
    let nine: Vec<String> = (1..10).map(|last| format!("192.0.2.{last}")).collect();
    refuses(format!("uplink={}\n", nine.join(",")), 1, "too many hosts");
    for bad in ["", "router.example", "192.0.2.1,", "192.0.2.1:80"] {
        refuses(format!("uplink={bad}\n"), 1, "is no address");
    }
}
