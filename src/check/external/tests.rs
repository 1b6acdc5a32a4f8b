use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant as Clock;

use tempfile::TempDir;

use super::*;
use crate::model::Side;

const LONG: Duration = Duration::from_secs(20);

/// A script in a directory of its own.
struct Script {
    directory: TempDir,
    interpreter: Interpreter,
}

impl Script {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self {
            directory,
            interpreter: Interpreter::None,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn run(&self, arguments: &[&str], limit: Duration) -> Report {
        let probe = ExternalProbe {
            command: self.path("check").to_string_lossy().into_owned(),
            interpreter: self.interpreter,
            arguments: arguments.iter().map(ToString::to_string).collect(),
        };
        run(&probe, limit).await
    }
}

fn down(report: &Report) -> &str {
    match &report.outcome {
        Outcome::Down(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_exit_status_decides() {
    let report = Script::new("echo; echo fine; exit 0").run(&[], LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    assert_eq!(report.detail, "exit status 0: fine");
    let report = Script::new("echo out of order >&2; exit 3")
        .run(&[], LONG)
        .await;
    assert_eq!(down(&report), "exit status 3: out of order");
    assert_eq!(report.said_by(Side::Server), b"out of order\n");
}

#[tokio::test]
async fn a_program_killed_by_a_signal_is_down() {
    let report = Script::new("kill -KILL $$").run(&[], LONG).await;
    assert_eq!(down(&report), "killed by signal 9 (SIGKILL)");
}

#[tokio::test]
async fn arguments_are_passed_as_they_are_and_never_through_a_shell() {
    let script = Script::new(r#"printf '<%s>' "$@""#);
    let hostile = [
        "192.0.2.1",
        "$(touch hit)",
        "; exit 1",
        "a b",
        "-n",
        "",
        "`id`\n",
    ];
    let report = script.run(&hostile, LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    let expected = "<192.0.2.1><$(touch hit)><; exit 1><a b><-n><><`id`\n>";
    assert_eq!(
        String::from_utf8(report.said_by(Side::Server)).unwrap(),
        expected
    );
}

#[tokio::test]
async fn the_environment_is_fixed_and_standard_input_empty() {
    let report = Script::new("/usr/bin/env; cat").run(&[], LONG).await;
    let output = String::from_utf8(report.said_by(Side::Server)).unwrap();
    let mut names: Vec<_> = output
        .lines()
        .filter_map(|line| Some(line.split_once('=')?.0))
        // What the shell itself adds.
        .filter(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH"], "{output}");
}

#[tokio::test]
async fn what_cannot_be_started_is_our_fault() {
    let script = Script::new("exit 0");
    let inconclusive = |report: &Report| matches!(report.outcome, Outcome::Inconclusive(_));
    fs::set_permissions(script.path("check"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(inconclusive(&script.run(&[], LONG).await));
    fs::remove_file(script.path("check")).unwrap();
    assert!(inconclusive(&script.run(&[], LONG).await));
    let perl = Script {
        interpreter: Interpreter::Perl,
        ..script
    };
    assert!(inconclusive(&perl.run(&[], LONG).await));
}

#[tokio::test]
async fn perl_runs_a_file_that_is_not_executable() {
    let script = Script {
        interpreter: Interpreter::Perl,
        ..Script::new("")
    };
    fs::write(script.path("check"), "print \"@ARGV\\n\"; exit 7").unwrap();
    fs::set_permissions(script.path("check"), fs::Permissions::from_mode(0o644)).unwrap();
    let report = script.run(&["a", "b"], LONG).await;
    assert_eq!(down(&report), "exit status 7: a b");
}

#[tokio::test]
async fn a_program_that_ignores_term_is_killed_at_the_deadline_with_its_children() {
    let script = Script::new(
        "trap '' TERM; cd \"$(dirname \"$0\")\"; echo $$ > pids
         sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 100; done' &
         while :; do sleep 100; done",
    );
    let limit = Duration::from_millis(700);
    let began = Clock::now();
    let report = script.run(&[], limit).await;
    assert_eq!(down(&report), "still running after 0.7 s, killed");
    assert!(began.elapsed() < limit + Duration::from_millis(300));
    assert_eq!(survivors(&script.path("pids"), 2), [0_i32; 0]);
}

#[tokio::test]
async fn a_program_is_asked_to_end_before_it_is_killed() {
    let script = Script::new("trap 'echo cleaned; exit 0' TERM; while :; do sleep 0.02; done");
    let report = script.run(&[], Duration::from_millis(700)).await;
    assert!(down(&report).starts_with("still running after 0.7 s, killed"));
    // The shell may remark on what was ended with it.
    let output = report.said_by(Side::Server);
    let output = String::from_utf8_lossy(&output);
    assert!(output.contains("cleaned"), "{output}");
}

#[tokio::test]
async fn children_that_hold_the_output_open_delay_nothing_and_do_not_survive() {
    let script = Script::new(
        "cd \"$(dirname \"$0\")\"; sh -c 'echo $$ > pids; sleep 100' &
         while ! [ -s pids ]; do sleep 0.01; done; echo done; exit 0",
    );
    let began = Clock::now();
    let report = script.run(&[], LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    assert_eq!(report.detail, "exit status 0: done");
    assert!(began.elapsed() < LONG / 4);
    assert_eq!(survivors(&script.path("pids"), 1), [0_i32; 0]);
}

#[tokio::test]
async fn a_child_of_a_session_of_its_own_is_killed_when_it_keeps_the_output_open() {
    let script = Script::new(
        "cd \"$(dirname \"$0\")\"; setsid sh -c 'echo $$ > pids; sleep 100' &
         while ! [ -s pids ]; do sleep 0.01; done; exit 0",
    );
    let report = script.run(&[], LONG).await;
    assert_eq!(report.outcome, Outcome::Up);
    assert_eq!(survivors(&script.path("pids"), 1), [0_i32; 0]);
}

#[tokio::test]
async fn output_is_drained_and_bounded() {
    let report = Script::new("head -c 1048576 /dev/zero | tr '\\0' x; exit 1")
        .run(&[], LONG)
        .await;
    let expected = format!("exit status 1: {}…", "x".repeat(LINE_MAX));
    assert_eq!(down(&report), expected);
    assert_eq!(report.said_by(Side::Server).len(), OUTPUT_MAX);
}

#[tokio::test]
async fn a_probe_that_is_given_up_leaves_nothing_behind() {
    let script = Script::new(
        "cd \"$(dirname \"$0\")\"; echo $$ > pids
         sh -c 'echo $$ >> pids; sleep 100' & sleep 100",
    );
    let began = Clock::now();
    while fs::read_to_string(script.path("pids")).map_or(0, |pids| pids.lines().count()) < 2 {
        assert!(began.elapsed() < LONG, "the script has not started");
        let _given_up = timeout(Duration::from_millis(300), script.run(&[], LONG)).await;
    }
    assert_eq!(survivors(&script.path("pids"), 2), [0_i32; 0]);
}

/// Processes of a list of at least `count` that are still there a moment later.
fn survivors(list: &Path, count: usize) -> Vec<i32> {
    let pids: Vec<i32> = fs::read_to_string(list)
        .unwrap()
        .lines()
        .map(|pid| pid.parse().unwrap())
        .collect();
    assert!(pids.len() >= count, "the script has not come that far");
    let began = Clock::now();
    loop {
        let alive: Vec<i32> = pids
            .iter()
            .copied()
            .filter(|pid| is_running(*pid))
            .collect();
        if alive.is_empty() || began.elapsed() > Duration::from_secs(2) {
            return alive;
        }
        std::thread::yield_now();
    }
}

/// Each leaves a child behind; all are collected and none stays.
#[tokio::test]
async fn a_thousand_runs_leave_neither_zombies_nor_orphans() {
    let directory = tempfile::tempdir().unwrap();
    let (program, left) = (
        directory.path().join("thousand"),
        directory.path().join("left"),
    );
    let text = "#!/bin/sh\nsleep 600 >/dev/null 2>&1 &\necho $! >>\"$1\"\n";
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let probe = ExternalProbe {
        command: program.to_string_lossy().into_owned(),
        interpreter: Interpreter::None,
        arguments: vec![left.to_string_lossy().into_owned()],
    };
    for _ in 0..20 {
        let mut batch = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let probe = probe.clone();
            batch.spawn(async move { run(&probe, LONG).await });
        }
        for report in batch.join_all().await {
            assert_eq!(report.outcome, Outcome::Up, "{}", report.detail);
        }
    }
    assert_eq!(survivors(&left, 1000), [0_i32; 0]);
    // Those that had another parent are init's to collect.
    let own = format!("(thousand) Z {} ", std::process::id());
    let zombies = fs::read_dir("/proc").unwrap().filter(|entry| {
        let stat = entry.as_ref().map(|entry| entry.path().join("stat"));
        let stat = stat.ok().and_then(|stat| fs::read_to_string(stat).ok());
        stat.is_some_and(|stat| stat.contains(&own))
    });
    assert_eq!(zombies.count(), 0);
}

/// Whether a process exists and is no zombie waiting for its new parent.
fn is_running(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.starts_with(" Z"))
    })
}
