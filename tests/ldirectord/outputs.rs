//! Texts, streams and exit codes, compared with what ldirectord 4.12 printed.

use std::fs;

use crate::bench::{Bench, done, messages};

pub(crate) fn help_version_and_usage(bench: &Bench) {
    let version = bench.run(&["-v"]);
    assert_eq!((version.code, version.err.as_str()), (Some(0), ""));
    assert!(version.out.starts_with("Linux Director v1.186-ha"));
    assert_eq!(version.out.lines().count(), 7);
    for option in ["-h", "-?", "--help"] {
        let help = bench.run(&[option]);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
        assert!(help.out.contains("EXIT STATUS"));
    }
    let usage = bench.run(&[]);
    assert_eq!((usage.code, usage.err.as_str()), (Some(255), ""));
    assert!(usage.out.starts_with("Usage:\n    ldirectord ["));
    assert_eq!(bench.run(&["x.cf", "foo"]), usage);
    assert_eq!(bench.run(&["x.cf", "-d", "start"]), usage);
    let unknown = bench.run(&["--bogus"]);
    assert_eq!(unknown, done(255, &usage.out, "Unknown option: bogus\n"));
}

pub(crate) fn status_of_a_stopped_instance(bench: &Bench) {
    let path = bench.configuration("");
    let stopped = format!("ldirectord is stopped for {path}\n");
    assert_eq!(bench.run(&[&path, "status"]), done(3, &stopped, ""));
    assert_eq!(
        bench.log(),
        [
            format!("Invoking ldirectord invoked as: /usr/sbin/ldirectord {path} status "),
            "Exiting with exit_status 3: Exiting from ldirectord status".to_owned(),
        ]
    );
    let relative = "ldirectord is stopped for ./x.cf\n";
    assert_eq!(bench.run(&["./x.cf", "status", "junk"]), done(3, relative, ""));
    fs::write(bench.pid_file("x.cf"), "").unwrap();
    assert_eq!(bench.run(&["./x.cf", "status"]), done(3, relative, ""));
}

pub(crate) fn status_of_a_stale_pid_file(bench: &Bench) {
    let path = bench.configuration("");
    let file = bench.pid_file("x.cf");
    let stale = format!("ldirectord stale pid file {} for {path}", file.display());
    let stopped = format!("ldirectord is stopped for {path}\n");
    // Process 1 is alive, but no ldirectord.
    for content in ["1\n", "999999999\n", "12x\n"] {
        fs::write(&file, content).unwrap();
        let status = bench.run(&[&path, "status"]);
        assert_eq!(status, done(1, &stopped, &format!("{stale}\n")));
        assert_eq!(fs::read_to_string(&file).unwrap(), content);
    }
    let log = bench.log();
    assert_eq!(
        log[1..3],
        [
            stale,
            "Exiting with exit_status 1: Exiting from ldirectord status".to_owned()
        ]
    );
}

pub(crate) fn status_on_the_nodes_of_a_pair(bench: &Bench) {
    let path = bench.configuration("");
    let stopped = format!("ldirectord is stopped for {path}\n");
    let running = format!("ldirectord for {path} is running with pid: 4711\n");
    fs::write(bench.path("role"), "active 4711").unwrap();
    assert_eq!(bench.run(&[&path, "status"]), done(0, "", &running));
    fs::write(bench.path("role"), "standby 4711").unwrap();
    assert_eq!(bench.run(&[&path, "status"]), done(3, &stopped, ""));
}

pub(crate) fn configuration_lookup(bench: &Bench) {
    let stopped = |place: &str| {
        let path = bench.path(place);
        done(3, &format!("ldirectord is stopped for {}\n", path.display()), "")
    };
    bench.configuration("");
    let here = "ldirectord is stopped for x.cf\n";
    assert_eq!(bench.run(&["x.cf", "status"]), done(3, here, ""));
    fs::write(bench.path("ha.d/conf/x.cf"), "").unwrap();
    assert_eq!(bench.run(&["x.cf", "status"]), stopped("ha.d/conf/x.cf"));
    fs::write(bench.path("ha.d/x.cf"), "").unwrap();
    assert_eq!(bench.run(&["x.cf", "status"]), stopped("ha.d/x.cf"));
    fs::write(bench.path("ha.d/ldirectord.cf"), "").unwrap();
    assert_eq!(bench.run(&["status"]), stopped("ha.d/ldirectord.cf"));
    fs::write(bench.pid_file("ldirectord"), "1\n").unwrap();
    assert_eq!(bench.run(&["status"]).code, Some(1));
    assert_eq!(bench.run(&["ldirectord.cf", "status"]).code, Some(3));
}

pub(crate) fn a_missing_configuration(bench: &Bench) {
    let missing = done(1, "", "Config file nosuch.cf not found\n");
    assert_eq!(bench.run(&["nosuch.cf", "status"]), missing);
    fs::create_dir(bench.path("work/nosuch.cf")).unwrap();
    assert_eq!(bench.run(&["--", "nosuch.cf", "start"]), missing);
    let log = messages(&bench.path("default.log"));
    let lines = [
        "Config file nosuch.cf not found",
        "Exiting with exit_status 1: Initialisation Error",
    ];
    assert_eq!(log, [lines, lines].concat());
}

pub(crate) fn stopped_instances_and_the_other_actions(bench: &Bench) {
    let path = bench.configuration("");
    for action in ["stop", "try-restart"] {
        assert_eq!(bench.run(&[&path, action]), done(0, "", ""));
    }
    for action in ["reload", "force-reload"] {
        assert_eq!(bench.run(&[&path, action]), done(1, "", ""));
    }
    let log = bench.log();
    assert_eq!(
        log[3..5],
        [
            format!("ldirectord is stopped for {path}"),
            "Exiting with exit_status 1: Exiting from ldirectord reload".to_owned(),
        ]
    );
    fs::write(bench.pid_file("x.cf"), "1\n").unwrap();
    assert_eq!(bench.run(&[&path, "stop"]), done(0, "", ""));
    assert!(bench.pid_file("x.cf").exists());
}

pub(crate) fn warnings_and_unknown_facilities(bench: &Bench) {
    fs::write(bench.path("work/x.cf"), "odd\nlogfile=\"local9\"\n").unwrap();
    let status = bench.run(&["x.cf", "status"]);
    assert_eq!(status.code, Some(3));
    let lines: Vec<&str> = status.err.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("Warning [") && lines[0].ends_with("] reading file x.cf at line 1: odd"));
    assert!(lines[1].contains("] reading file x.cf at line 2: logfile \"local9\""));
}

pub(crate) fn an_unwritable_log_file(bench: &Bench) {
    fs::write(bench.path("work/x.cf"), "odd\nlogfile=\"/nonexistent/x\"\n").unwrap();
    let status = bench.run(&["x.cf", "status"]);
    assert_eq!(status.code, Some(2));
    let text = "] reading file x.cf at line 2: unable to open logfile: /nonexistent/x\n";
    assert!(status.err.ends_with(text), "{}", status.err);
    // With -d there is no log file to open.
    assert_eq!(bench.run(&["-d", "x.cf", "status"]).code, Some(3));
}
