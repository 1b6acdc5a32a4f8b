//! Broken configurations, daemons that do not start, foreground modes.

use std::fs;
use std::io::{BufRead as _, BufReader};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{Bench, done};

pub(crate) fn an_error_leaves_the_daemon_alone_except_stop(bench: &Bench) {
    let path = bench.configuration("");
    bench.run(&[&path, "start"]);
    let pid = bench.pid("x.cf").unwrap();
    bench.configuration("bogus");
    let refused = |action: &str| {
        let done = bench.run(&[&path, action]);
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""), "{action}");
        let text = format!(" reading file {path} at line 2: Unknown command bogus\n \n");
        assert!(done.err.starts_with("Error ["), "{}", done.err);
        assert!(done.err.ends_with(&text), "{}", done.err);
    };
    for action in ["start", "restart", "try-restart", "reload", "force-reload", "status"] {
        refused(action);
        assert_eq!(bench.pid("x.cf"), Some(pid));
        assert_eq!(bench.processes(), [pid]);
    }
    assert!(!bench.log().iter().any(|line| line.starts_with("Reloading")));
    refused("stop");
    assert!(bench.processes().is_empty());
    assert!(!bench.has_table());
    assert!(!bench.pid_file("x.cf").exists());
    refused("stop");
    let log = bench.log();
    assert_eq!(
        log.last().unwrap(),
        "Exiting with exit_status 2: config_error: Configuration Error"
    );
}

pub(crate) fn a_vanished_configuration_does_not_prevent_stop(bench: &Bench) {
    let path = bench.configuration("");
    bench.run(&[&path, "start"]);
    fs::remove_file(&path).unwrap();
    let missing = format!("Config file {path} not found\n");
    assert_eq!(bench.run(&[&path, "stop"]), done(1, "", &missing));
    assert!(bench.processes().is_empty());
}

pub(crate) fn a_failed_start_tells_why(bench: &Bench) {
    let path = bench.configuration("odd\nfail");
    let start = bench.run(&[&path, "start"]);
    assert_eq!((start.code, start.out.as_str()), (Some(1), ""));
    assert_eq!(start.err.matches("Warning [").count(), 1);
    assert!(start.err.ends_with("\nldirectord: the kernel has no IPVS\n"));
    assert!(bench.processes().is_empty());
    assert!(!bench.pid_file("x.cf").exists());
    let log = bench.log();
    assert_eq!(
        log.last().unwrap(),
        "Exiting with exit_status 1: Initialisation Error"
    );
    fs::remove_dir(bench.path("run")).unwrap();
    let path = bench.configuration("");
    let start = bench.run(&[&path, "start"]);
    assert_eq!(start.code, Some(1));
    assert!(start.err.starts_with("ldirectord: cannot write pid file "));
}

pub(crate) fn a_start_without_end_is_ended(bench: &Bench) {
    let path = bench.configuration("never");
    let start = bench.run_within(300, &[&path, "start"]);
    let message = "ldirectord: the daemon was not ready after 0 s and has been told to end\n";
    assert_eq!(start, done(1, "", message));
    bench.until("its end", |bench| bench.processes().is_empty());
    assert!(!bench.pid_file("x.cf").exists());
}

/// `-d` and `supervised` stay, write no pid file, and log where they should.
pub(crate) fn foreground_modes(bench: &Bench) {
    let path = bench.configuration("");
    let mut debug = bench.spawn(&["-d", &path, "start"]);
    let pid = Pid::from_raw(debug.id().cast_signed());
    let mut lines = BufReader::new(debug.stderr.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let invoked = format!("Invoking ldirectord invoked as: /usr/sbin/ldirectord {path} start ");
    assert_eq!(next(), invoked);
    assert_eq!(next(), format!("Starting Linux Director v1.186-ha with pid: {pid}"));
    bench.until("the table", Bench::has_table);
    assert!(!bench.pid_file("x.cf").exists());
    kill(pid, Signal::SIGTERM).unwrap();
    assert_eq!(next(), "Linux Director Daemon terminated on signal: TERM");
    assert_eq!(debug.wait().unwrap().code(), Some(0));
    assert!(bench.log().is_empty());

    let path = bench.configuration("supervised");
    let mut supervised = bench.spawn(&[&path, "start"]);
    let pid = Pid::from_raw(supervised.id().cast_signed());
    bench.until("the table", Bench::has_table);
    assert!(!bench.pid_file("x.cf").exists());
    kill(pid, Signal::SIGTERM).unwrap();
    let mut lines = BufReader::new(supervised.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().ends_with(&format!("] {invoked}")));
    let line = next();
    let message = format!("] Starting Linux Director v1.186-ha with pid: {pid}");
    // [Www Mmm dd hh:mm:ss yyyy] is 26 characters wide.
    assert_eq!((&line[..1], &line[25..]), ("[", message.as_str()));
    assert!(next().ends_with("] Linux Director Daemon terminated on signal: TERM"));
    assert_eq!(supervised.wait().unwrap().code(), Some(0));
}
