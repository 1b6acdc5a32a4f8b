//! Lines, comments, quotes, errors: rows SYN.

use super::*;
use crate::config::Severity;

// SYN-01
#[test]
fn names_are_lower_case_only() {
    refuses(
        "CheckInterval=60\n",
        1,
        "Unknown command \"CheckInterval=60\"",
    );
    let all = rejected("CheckInterval=60\n");
    assert_eq!(all[0].help.as_deref(), Some("did you mean checkinterval?"));
}

// SYN-02
#[test]
fn blanks_and_tabs_round_the_equals_sign_are_free() {
    assert_eq!(
        clean("checkinterval \t=  5\n")
            .globals
            .check_interval
            .as_secs(),
        5
    );
}

// SYN-03
#[test]
fn global_directives_start_in_the_first_column() {
    refuses(
        "  checkinterval=5\n",
        1,
        "Unknown command \"  checkinterval=5\"",
    );
}

// SYN-04
#[test]
fn sections_are_indented_by_four_columns_with_tabs_as_four() {
    let with =
        |indent: &str| format!("virtual=192.0.2.100:80\n\tchecktype=on\n{indent}scheduler=rr\n");
    for indent in ["    ", "\t", " \t", "      "] {
        let service = service(with(indent));
        assert_eq!(
            service.service.scheduler.unwrap().name(),
            "rr",
            "{indent:?}"
        );
    }
    refuses(with("   "), 3, "Unknown command");
    refuses(with(""), 3, "Unknown command \"scheduler=rr\"");
    let help = rejected(with("   "))[0].help.clone().unwrap();
    assert!(help.contains("at least four columns"), "{help}");
}

// SYN-05
#[test]
fn comment_lines_stand_anywhere_without_ending_a_section() {
    let text = "# a\nvirtual=192.0.2.100:80\n\tchecktype=on\n# b\n  # c\n\tscheduler=rr\n";
    assert_eq!(service(text).service.scheduler.unwrap().name(), "rr");
}

// SYN-06
#[test]
fn sections_have_comments_in_mid_line() {
    let config = clean(section("scheduler=rr # x\npersistent=5# y"));
    assert_eq!(
        config.services[0]
            .service
            .scheduler
            .as_ref()
            .unwrap()
            .name(),
        "rr"
    );
    assert_eq!(config.services[0].service.persistence.unwrap().timeout, 5);
}

// SYN-07
#[test]
fn global_directives_have_no_comments_in_mid_line() {
    refuses("fallback=127.0.0.9:80 # x\n", 1, "forward method must be");
    refuses(
        "autoreload=yes # x\n",
        1,
        "autoreload must be 'yes' or 'no'",
    );
    let help = rejected("autoreload=yes # x\n")[0].help.clone().unwrap();
    assert!(help.contains("only inside a virtual section"), "{help}");
    let config = warns("maintenancedir=/etc/x #y\n", 1, "part of the name");
    assert_eq!(
        config.globals.maintenance_directory.unwrap().path,
        "/etc/x #y"
    );
}

// SYN-08
#[test]
fn an_empty_line_ends_the_section() {
    let text = "virtual=192.0.2.100:80\n\tchecktype=on\n\n\tscheduler=rr\n\tops=no\n";
    refuses(text, 4, "Unknown command");
    let all = rejected(text);
    assert_eq!(all.len(), 1, "one mistake for the run of lines");
    assert!(all[0].message.contains("so are the lines up to 5"));
    assert!(all[0].help.as_ref().unwrap().contains("empty line 3"));
}

// SYN-09
#[test]
fn a_line_of_at_most_four_blank_columns_ends_the_section() {
    for blank in ["    ", "\t", " "] {
        let text = format!("virtual=192.0.2.100:80\n\tchecktype=on\n{blank}\n\tscheduler=rr\n");
        refuses(text, 4, "Unknown command");
        let text = format!("virtual=192.0.2.100:80\n\tchecktype=on\n{blank}\ncheckinterval=7\n");
        assert_eq!(clean(text).globals.check_interval.as_secs(), 7);
    }
}

// SYN-10: ldirectord takes such a line for a directive and refuses it. Here it is blank
// and does not end the section.
#[test]
fn a_line_of_five_blank_columns_does_not_end_the_section() {
    let text = "virtual=192.0.2.100:80\n\tchecktype=on\n     \n\tscheduler=rr\n";
    assert_eq!(service(text).service.scheduler.unwrap().name(), "rr");
}

// SYN-11
#[test]
fn an_unindented_directive_ends_the_section() {
    let config = clean(section("") + "quiescent=yes\n");
    assert!(config.globals.quiescent && config.services[0].quiescent);
}

// SYN-12
#[test]
fn global_directives_after_the_sections_still_apply() {
    let service = service(section("") + "\nfallback=127.0.0.9:80\nfailurecount=3\n");
    assert_eq!(
        service.fallback.unwrap().destination.key.to_string(),
        "127.0.0.9:80"
    );
    assert_eq!(service.failure_count, 3);
}

// SYN-13
#[test]
fn a_virtual_may_be_the_last_line() {
    for text in ["virtual=192.0.2.100:80", "virtual=192.0.2.100:80\n"] {
        assert!(service(text).reals.is_empty());
    }
}

// SYN-14
#[test]
fn the_last_of_several_directives_counts_with_a_warning() {
    let config = warns(section("scheduler=rr\nscheduler=lc"), LINE + 1, "set again");
    assert_eq!(
        config.services[0]
            .service
            .scheduler
            .as_ref()
            .unwrap()
            .name(),
        "lc"
    );
}

// SYN-15
#[test]
fn cr_lf_line_ends_are_read_as_lf_with_one_warning() {
    let text = section("scheduler=rr\nquiescent=yes").replace('\n', "\r\n");
    let config = warns(&text, 1, "CR LF");
    assert_eq!(config, self::config(section("scheduler=rr\nquiescent=yes")));
}

// SYN-16
#[test]
fn the_final_newline_may_be_missing() {
    let text = section("scheduler=rr");
    assert_eq!(clean(text.trim_end()), clean(text));
}

// SYN-17
#[test]
fn digits_are_picked_out_of_text_with_a_warning() {
    for (value, seconds) in [("in 60 seconds", 60), ("2.9", 2), ("-5", 5), ("x4y", 4)] {
        let config = warns(
            format!("checktimeout={value}\n"),
            1,
            "checktimeout is read as",
        );
        assert_eq!(config.globals.check_timeout.as_secs(), seconds);
    }
    for value in ["0", "none", "", "99999999999"] {
        refuses(
            format!("checktimeout={value}\n"),
            1,
            "invalid check timeout value",
        );
    }
}

// SYN-18; F17: blanks after the word are tolerated
#[test]
fn yes_and_no_are_exact_but_for_blanks_behind() {
    for bad in ["Yes", "yes x", "y", "", "1"] {
        refuses(
            format!("autoreload={bad}\n"),
            1,
            "autoreload must be 'yes' or 'no'",
        );
    }
    assert!(
        warns("autoreload=yes \n", 1, "blanks after")
            .globals
            .autoreload
    );
    let config = warns(section("quiescent=yes # x"), LINE, "blanks after");
    assert!(config.services[0].quiescent);
    assert!(clean(section("quiescent=yes#x")).services[0].quiescent);
}

// SYN-19
#[test]
fn quoted_strings_run_to_the_last_quote_and_are_not_empty() {
    let receive = |text: &str| {
        service(section(text))
            .check
            .receive
            .map(|receive| receive.0)
    };
    assert_eq!(
        receive("receive=\"a \"b\" c\"").as_deref(),
        Some("a \"b\" c")
    );
    let config = warns(section("receive=\"a\" x"), LINE, "receive is read as");
    assert_eq!(config.services[0].check.receive.as_ref().unwrap().0, "a");
    refuses(section("receive=\"\""), LINE, "invalid receive string");
    refuses(section("request=\"\""), LINE, "no request string specified");
    refuses(section("receive=a"), LINE, "must be in double quotes");
    refuses(section("receive=\""), LINE, "must be in double quotes");
}

// SYN-20
#[test]
fn a_hash_may_stand_inside_quotes() {
    let service = service(section("request=\"/a#b\" # c\nlogin=\"#1\"\n"));
    assert_eq!(service.check.request, "/a#b");
    assert_eq!(service.check.login.as_deref(), Some("#1"));
}

#[test]
fn tabs_in_sections_become_four_blanks() {
    assert_eq!(
        service(section("receive=\"a\tb\""))
            .check
            .receive
            .unwrap()
            .0,
        "a    b"
    );
}

// SYN-21, SYN-23: ldirectord stops at the first error, which stays the first here
#[test]
fn every_mistake_is_found_and_the_first_is_ldirectords() {
    let all =
        rejected("checkinterval=0\nbogus=1\nvirtual=192.0.2.100:80\n\treal=192.0.2.21:80 nat\n");
    let lines: Vec<u32> = all.iter().map(|diagnostic| diagnostic.line).collect();
    assert_eq!(lines, [1, 2, 4]);
    assert_eq!(
        Rejected(all).first_error().unwrap().classic(7),
        "Error [7] reading file test.cf at line 1: invalid check interval value"
    );
}

// SYN-22
#[test]
fn warnings_do_not_stop_the_reading() {
    let accepted = accepted("supervised\n");
    assert!(accepted.config.globals.supervised);
    assert_eq!(accepted.warnings[0].severity, Severity::Warning);
    assert!(
        accepted.warnings[0]
            .classic(7)
            .starts_with("Warning [7] reading file test.cf at line 1: please update your config")
    );
}

// SYN-24
#[test]
fn address_errors_come_in_the_order_fallback_virtual_reals() {
    let text = |host: &str, real: &str, fallback: &str| {
        format!("virtual={host}:80\n\treal={real}:80 gate\n\tfallback={fallback}\n\tchecktype=on\n")
    };
    refuses(
        text("nowhere", "nowhere", "nowhere"),
        3,
        "for fallback server",
    );
    refuses(
        text("nowhere", "nowhere", "127.0.0.1"),
        1,
        "for virtual service",
    );
    refuses(
        text("localhost", "nowhere", "127.0.0.1"),
        2,
        "for real server",
    );
    refuses(
        text("localhost", "nowhere", "nowhere"),
        3,
        "for fallback server",
    );
    assert_eq!(rejected(text("nowhere", "nowhere", "nowhere")).len(), 3);
    let unknown = text("nowhere", "nowhere", "nowhere") + "\tbogus=1\n";
    refuses(unknown, 5, "Unknown command");
}

// SYN-23, SYN-24
#[test]
fn the_first_error_is_the_one_that_ldirectord_stops_at() {
    let first = |text: &str| {
        let first = Rejected(rejected(text)).first_error().cloned().unwrap();
        (first.line, first.message)
    };
    // A section's addresses are looked at when it ends, before the line that ends it ...
    let (line, message) = first("virtual=192.0.2.100:80\n\treal=nowhere:80 gate\nbogus=1\n");
    assert_eq!(line, 2, "{message}");
    // ... and after all its other directives, also at the end of the file,
    let (line, message) =
        first("virtual=192.0.2.100:65536\n\treal=192.0.2.21:80 nat\n\tchecktype=x\n");
    assert_eq!(line, 3, "{message}");
    // the real servers in order, each with form and name.
    let text = "virtual=192.0.2.100:80\n\treal=nowhere:80 gate\n\treal=192.0.2.21:80 nat\n\tchecktype=on\n";
    assert_eq!(first(text).0, 2);
}

// SYN-25
#[test]
fn duplicates_are_found_after_names_are_resolved() {
    let text = "virtual=127.0.0.1:80\n\tchecktype=on\nvirtual=localhost:http\n\tchecktype=on\n";
    refuses(text, 3, "duplicate virtual server");
    clean("virtual=192.0.2.100:80\n\tprotocol=udp\nvirtual=192.0.2.100:80\n");
    clean("virtual=7\nvirtual6=7\n");
    refuses(
        "virtual=7\nvirtual=7\n",
        2,
        "duplicate virtual server: fwm:7 is also at line 1",
    );
}

// SYN-26
#[test]
fn withdrawn_directives_have_errors_of_their_own() {
    refuses(
        "timeout=5\n",
        1,
        "timeout directive deprecated in favour of checktimeout",
    );
    refuses(
        "connecttimeout=5\n",
        1,
        "connecttimeout directive deprecated",
    );
    refuses(
        section("connecttimeout=5"),
        LINE,
        "connecttimeout directive deprecated",
    );
    refuses(section("timeout=5"), LINE, "Unknown command");
}

// SYN-27
#[test]
fn unknown_directives_are_quoted_with_the_nearest_known() {
    refuses("quiecsent=yes\n", 1, "Unknown command \"quiecsent=yes\"");
    let help = |text: &str| rejected(text)[0].help.clone().unwrap();
    assert_eq!(help("quiecsent=yes\n"), "did you mean quiescent?");
    assert_eq!(help("checkinterval 5\n"), "write checkinterval=VALUE");
    assert!(help("scheduler=rr\n").contains("belongs into a virtual section"));
    assert!(help(&section("autoreload=yes")).contains("first column"));
    assert!(help(&section("virtual=192.0.2.101:80")).contains("first column"));
}

#[test]
fn a_line_of_several_directives_names_them_and_says_where_each_belongs() {
    let line = "checktimeout=10 checkinterval=2 autoreload=no logfile=\"local0\" quiescent=yes virtual=192.0.2.105:80";
    let text = format!("{line}\n\n     real=192.0.2.21:80 gate\n     scheduler=rr\n");
    let all = rejected(text);
    assert_eq!(all.len(), 2);
    assert_eq!(
        all[0].message,
        "several directives on one line: checktimeout=10, checkinterval=2, autoreload=no, logfile=\"local0\", quiescent=yes, virtual=192.0.2.105:80"
    );
    assert_eq!((all[0].line, all[0].column), (1, 1));
    assert_eq!(
        all[0].help.as_deref(),
        Some(
            "each belongs on its own line:\n    checktimeout=10\n    checkinterval=2\n    autoreload=no\n    logfile=\"local0\"\n    quiescent=yes\n    virtual=192.0.2.105:80"
        )
    );
    assert_eq!(all[1].line, 3);
    assert!(all[1].help.as_ref().unwrap().contains("empty line 2"));
    // Without the empty line the section is read.
    let all = rejected(format!(
        "{line}\n     real=192.0.2.21:80 gate\n     bogus=1\n"
    ));
    assert_eq!(all.len(), 2);
    assert!(all[1].message.contains("bogus"));
}

#[test]
fn typographic_characters_are_named_with_their_column() {
    refuses(
        section("receive=“Test Page”"),
        LINE,
        "typographic character \"“\" (U+201C) in column 10",
    );
    refuses(with_real("192.0.2.21–>192.0.2.23:80 gate"), 2, "(U+2013)");
    refuses(
        "virtual=192.0.2.100:80\n\u{a0}\u{a0}\u{a0}\u{a0}checktype=on\n",
        2,
        "(U+00A0)",
    );
    let service = service(section("comment=l’été – “oui”\nreceive=\"‘ok’\""));
    assert_eq!(service.comment.as_deref(), Some("l’été – “oui”"));
    assert_eq!(service.check.receive.unwrap().0, "‘ok’");
}

#[test]
fn files_that_are_not_utf8_are_read_as_western_text_with_a_warning() {
    let mut text = section("").into_bytes();
    text.extend(b"\tcomment=caf\xe9 \x80\n# gar\xe7on\n");
    let accepted = accepted(&text);
    let comment = accepted.config.services[0].comment.as_deref();
    assert_eq!(comment, Some("café €"));
    assert_eq!(accepted.warnings.len(), 2);
    let mut text = section("").into_bytes();
    text.extend(b"\treceive=\"caf\xe9\"\n");
    refuses(text, LINE, "receive is not UTF-8");
    let mut text = section("").into_bytes();
    text.extend(b"\treceive=\x93ok\x94\n");
    refuses(text, LINE, "typographic character \"“\"");
}

#[test]
fn control_characters_are_refused_outside_comments() {
    refuses("callback=\"a\u{1b}[31m\"\n", 1, "(U+001B) in column 12");
    refuses("execute=a\r \n", 1, "(U+000D) in column 10");
    clean(section("scheduler=rr # \u{c}"));
}

#[test]
fn a_byte_order_mark_is_not_part_of_the_first_line() {
    assert_eq!(
        clean("\u{feff}checkinterval=5\n")
            .globals
            .check_interval
            .as_secs(),
        5
    );
}

#[test]
fn names_are_listed_once_with_what_is_wanted_of_them() {
    let text = "fallback=web:smtp\nvirtual=localhost:http\n\treal=web->web2:http gate\n\treal=web:http gate 1 \"http://www.example.com/\", \"x\"\n";
    let names: Vec<String> = parse(text.as_bytes(), "x")
        .names()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "IPv4 host localhost",
            "IPv4 host web",
            "IPv4 host web2",
            "IPv4 host www.example.com",
            "port http",
            "tcp port http",
            "tcp port smtp",
            "udp port smtp"
        ]
    );
    assert!(parse(section("").as_bytes(), "x").names().is_empty());
}
