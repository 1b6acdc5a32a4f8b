//! Daemons that come and go.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::{Bench, Done, done};

fn link(pid: Pid, name: &str) -> String {
    let target = fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
    target.into_os_string().into_string().unwrap()
}

pub(crate) fn start_detaches_and_writes_the_pid_file(bench: &Bench) {
    let path = bench.configuration("");
    assert_eq!(bench.run(&[&path, "start"]), done(0, "", ""));
    assert!(bench.has_table());
    let pid = bench.pid("x.cf").unwrap();
    assert_eq!(bench.processes(), [pid]);
    let running = format!("ldirectord for {path} is running with pid: {pid}\n");
    assert_eq!(bench.run(&[&path, "status"]), done(0, "", &running));

    let cmdline = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert_eq!(cmdline, format!("/usr/sbin/ldirectord\0{path}\0start\0"));
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(name, "ldirectord\n");
    assert_eq!(nix::unistd::getsid(Some(pid)), Ok(pid));
    assert_eq!(link(pid, "cwd"), "/");
    for fd in ["fd/0", "fd/1", "fd/2"] {
        assert_eq!(link(pid, fd), "/dev/null");
    }
    // The log file is open only while a line is written.
    bench.until("no pipe to the launcher, nothing inherited", |_| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        open == 3
    });
    let names: Vec<_> = fs::read_dir(bench.path("run")).unwrap().collect();
    assert_eq!(names.len(), 1);
    let starting = "Starting Linux Director v1.186-ha as daemon";
    bench.until("the log line", |bench| {
        bench.log().contains(&starting.to_owned())
    });
}

pub(crate) fn start_leaves_a_running_instance_alone(bench: &Bench) {
    let path = bench.configuration("");
    assert_eq!(bench.run(&[&path, "start"]), done(0, "", ""));
    let pid = bench.pid("x.cf").unwrap();
    assert_eq!(bench.run(&[&path, "start"]), done(0, "", ""));
    assert_eq!(bench.processes(), [pid]);
}

pub(crate) fn status_succeeds_right_after_start(bench: &Bench) {
    let path = bench.configuration("");
    for _ in 0..20 {
        assert_eq!(bench.run(&[&path, "start"]), done(0, "", ""));
        assert_eq!(bench.run(&[&path, "status"]).code, Some(0));
        assert!(bench.has_table());
        assert_eq!(bench.run(&[&path, "stop"]), done(0, "", ""));
        assert_eq!(bench.run(&[&path, "status"]).code, Some(3));
    }
}

pub(crate) fn of_many_starts_one_makes_a_daemon(bench: &Bench) {
    let path = bench.configuration("");
    for _ in 0..5 {
        let starts: Vec<_> = (0..8).map(|_| bench.spawn(&[&path, "start"])).collect();
        for start in starts {
            let output = start.wait_with_output().unwrap();
            assert_eq!(Done::from(output), done(0, "", ""));
        }
        bench.until("one daemon only", |bench| bench.processes().len() == 1);
        assert_eq!(bench.processes(), [bench.pid("x.cf").unwrap()]);
        assert_eq!(bench.run(&[&path, "stop"]), done(0, "", ""));
    }
}

pub(crate) fn stop_returns_when_the_table_is_clean(bench: &Bench) {
    let path = bench.configuration("");
    bench.run(&[&path, "start"]);
    assert_eq!(bench.run(&[&path, "stop"]), done(0, "", ""));
    assert!(!bench.has_table());
    assert!(!bench.pid_file("x.cf").exists());
    assert!(bench.processes().is_empty());
    let log = bench.log();
    assert_eq!(
        log.last().unwrap(),
        "Linux Director Daemon terminated on signal: TERM"
    );
}

pub(crate) fn stop_gives_up_at_its_limit(bench: &Bench) {
    let path = bench.configuration("stubborn");
    bench.run(&[&path, "start"]);
    let pid = bench.pid("x.cf").unwrap();
    for action in ["stop", "restart"] {
        let stop = bench.run_within(50, &[&path, action]);
        let message = format!("ldirectord for {path} with pid {pid} has not ended after 0 s\n");
        assert_eq!(stop, done(1, "", &message));
        assert_eq!(bench.processes(), [pid]);
    }
}

pub(crate) fn restart_replaces_the_process(bench: &Bench) {
    let path = bench.configuration("");
    assert_eq!(bench.run(&[&path, "restart"]), done(0, "", ""));
    let mut before = bench.pid("x.cf").unwrap();
    for action in ["restart", "try-restart"] {
        assert_eq!(bench.run(&[&path, action]), done(0, "", ""));
        let after = bench.pid("x.cf").unwrap();
        assert_ne!(before, after);
        assert_eq!(bench.processes(), [after]);
        assert!(bench.has_table());
        before = after;
    }
    let cmdline = fs::read_to_string(format!("/proc/{before}/cmdline")).unwrap();
    assert!(cmdline.ends_with("\0start\0"));
}

pub(crate) fn reload_of_a_relative_path(bench: &Bench) {
    bench.configuration("");
    assert_eq!(bench.run(&["./x.cf", "start"]), done(0, "", ""));
    for action in ["reload", "force-reload"] {
        assert_eq!(bench.run(&["./x.cf", action]), done(0, "", ""));
    }
    bench.until("the reload", |bench| {
        let log = bench.log();
        log.contains(&"Reloading Linux Director Daemon config on signal".to_owned())
            && log.contains(&"reloaded service=tcp:192.0.2.1:80".to_owned())
    });
    assert_eq!(bench.run(&["./x.cf", "status"]).code, Some(0));
}

pub(crate) fn a_killed_daemon_leaves_a_stale_file(bench: &Bench) {
    let path = bench.configuration("");
    bench.run(&[&path, "start"]);
    let pid = bench.pid("x.cf").unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    bench.until("its end", |bench| bench.processes().is_empty());
    assert_eq!(bench.run(&[&path, "status"]).code, Some(1));
    assert_eq!(bench.run(&[&path, "start"]), done(0, "", ""));
    assert_ne!(bench.pid("x.cf"), Some(pid));
    assert_eq!(bench.run(&[&path, "status"]).code, Some(0));
}

pub(crate) fn status_asks_the_executed_instances(bench: &Bench) {
    fs::write(bench.path("ha.d/y.cf"), "").unwrap();
    let path = bench.configuration("execute=y.cf\nexecute=z.cf");
    bench.run(&[&path, "start"]);
    let pid = bench.pid("x.cf").unwrap();
    let y = bench.path("ha.d/y.cf");
    let out = format!("ldirectord is stopped for {}\n", y.display());
    let err = format!(
        "ldirectord for {path} is running with pid: {pid}\nConfig file z.cf not found\n"
    );
    assert_eq!(bench.run(&[&path, "status"]), done(0, &out, &err));
}
