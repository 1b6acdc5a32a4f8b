use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::director::pair::program::sample::{self, script, survivors, until};

fn hook(kind: Kind, epoch: u64) -> Hook {
    Hook {
        instance: "web".to_owned(),
        kind,
        state: "active".to_owned(),
        epoch,
        reason: "test".to_owned(),
    }
}

/// A directory with a program `log` that appends kind and epoch to `lines`, for each kind,
/// after running the text of its kind.
struct Site {
    directory: TempDir,
    configured: Configured,
}

impl Site {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            configured: Configured::default(),
        }
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        script(self.directory.path(), name, text)
    }

    /// A program that notes kind and epoch, then does something else.
    fn note(&self, name: &str, then: &str) -> Vec<PathBuf> {
        let note = "echo $DIRECTORD_HOOK $DIRECTORD_EPOCH >> lines";
        vec![self.program(name, &format!("{note}\n{then}"))]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn lines(&self) -> Vec<String> {
        lines(&self.path("lines"))
    }

    fn start(&self) -> Hooks {
        Hooks::start(&sample::pair(Vec::new(), self.configured.clone()))
    }
}

fn lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn programs_run_one_after_the_other_in_the_order_of_events() {
    let mut site = Site::new();
    site.configured.after_active = site.note("one", "sleep 0.3");
    site.configured.after_active.extend(site.note("two", ""));
    site.configured.after_fault = site.note("fault", "");
    let hooks = site.start();
    hooks.push(hook(Kind::AfterActive, 7));
    hooks.push(hook(Kind::AfterFault, 8));
    hooks.finish(LONG).await;
    let expected = ["after_active 7", "after_active 7", "after_fault 8"];
    assert_eq!(site.lines(), expected);
}

#[tokio::test]
async fn what_is_past_before_its_turn_is_skipped() {
    let mut site = Site::new();
    site.configured.after_active = site.note("active", "while ! [ -e go ]; do sleep 0.01; done");
    site.configured.after_release = site.note("release", "");
    let hooks = site.start();
    hooks.push(hook(Kind::AfterActive, 1));
    until("the first one runs", || !site.lines().is_empty()).await;
    hooks.push(hook(Kind::AfterRelease, 1));
    hooks.push(hook(Kind::AfterActive, 2));
    hooks.push(hook(Kind::AfterRelease, 2));
    hooks.push(hook(Kind::AfterActive, 3));
    assert_eq!(hooks.waiting(), 1);
    fs::write(site.path("go"), "").unwrap();
    hooks.finish(LONG).await;
    assert_eq!(site.lines(), ["after_active 1", "after_active 3"]);
}

#[tokio::test]
async fn the_environment_is_clean_and_what_came_from_the_peer_is_tamed() {
    let mut site = Site::new();
    site.configured.after_active = vec![site.program("env", "env | sort > environment")];
    let hooks = site.start();
    hooks.push(Hook {
        reason: format!(
            "a\nDIRECTORD_EPOCH=9\0\u{1b}[2J$(touch hit){}",
            "x".repeat(1000)
        ),
        ..hook(Kind::AfterActive, 7)
    });
    hooks.finish(LONG).await;
    let mut found = lines(&site.path("environment"));
    // What the shell itself adds.
    found.retain(|line| {
        !["PWD=", "OLDPWD=", "_=", "SHLVL="]
            .iter()
            .any(|name| line.starts_with(name))
    });
    let reason = format!(
        "DIRECTORD_REASON=aDIRECTORD_EPOCH=9[2J$(touch hit){}",
        "x".repeat(1000)
    );
    let length = "DIRECTORD_REASON=".len() + crate::director::pair::program::VALUE_MAX;
    let expected = [
        "DIRECTORD_CLUSTER=shop",
        "DIRECTORD_EPOCH=7",
        "DIRECTORD_HOOK=after_active",
        "DIRECTORD_INSTANCE=web",
        "DIRECTORD_NODE=loadb1",
        "DIRECTORD_PEER=loadb2",
        &reason[..length],
        "DIRECTORD_STATE=active",
        "LANG=C",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn before_release_is_answered_when_its_programs_have_ended() {
    let mut site = Site::new();
    let hooks = site.start();
    // Nothing is configured.
    let answer = hooks.push_and_report(hook(Kind::BeforeRelease, 1));
    assert_eq!(answer.await, Ok(Answer::Done));
    site.configured.before_release = site.note("before", "exit 1");
    hooks.replace(&sample::pair(Vec::new(), site.configured.clone()));
    let answer = hooks.push_and_report(hook(Kind::BeforeRelease, 2));
    assert_eq!(answer.await, Ok(Answer::Done));
    assert_eq!(site.lines(), ["before_release 2"]);
}

#[tokio::test]
async fn before_release_is_answered_within_a_second_and_its_programs_are_killed() {
    let mut site = Site::new();
    let stubborn = "trap '' TERM; echo $$ > pids; while :; do sleep 100; done";
    site.configured.before_release = site.note("before", stubborn);
    site.configured
        .before_release
        .extend(site.note("second", ""));
    let hooks = site.start();
    let began = Instant::now();
    let answer = hooks.push_and_report(hook(Kind::BeforeRelease, 1)).await;
    let took = began.elapsed();
    assert_eq!(answer, Ok(Answer::Late));
    // The machine may be slow, a program's own limit is ten times that.
    assert!(
        took < RELEASE_LIMIT + Duration::from_millis(300),
        "{took:?}"
    );
    hooks.finish(LONG).await;
    assert_eq!(site.lines(), ["before_release 1"]);
    until("it is gone", || survivors(&site.path("pids")).is_empty()).await;
}

#[tokio::test]
async fn before_release_does_not_wait_for_a_slow_program_of_another_event() {
    let mut site = Site::new();
    site.configured.after_fault = site.note("fault", "while ! [ -e go ]; do sleep 0.01; done");
    site.configured.before_release = site.note("before", "");
    let hooks = site.start();
    hooks.push(hook(Kind::AfterFault, 1));
    until("the first one runs", || !site.lines().is_empty()).await;
    let began = Instant::now();
    let late = hooks.push_and_report(hook(Kind::BeforeRelease, 1)).await;
    let took = began.elapsed();
    assert_eq!(late, Ok(Answer::Late));
    assert!(
        took < RELEASE_LIMIT + Duration::from_millis(300),
        "{took:?}"
    );
    assert_eq!(hooks.waiting(), 0);
    // A newer event answers at once for an older one.
    let skipped = hooks.push_and_report(hook(Kind::BeforeRelease, 1));
    hooks.push(hook(Kind::AfterRelease, 1));
    assert_eq!(skipped.await, Ok(Answer::Skipped));
    fs::write(site.path("go"), "").unwrap();
    hooks.finish(LONG).await;
    assert_eq!(site.lines(), ["after_fault 1"]);
}

#[tokio::test]
async fn a_reload_leaves_what_waits_alone() {
    let mut site = Site::new();
    site.configured.after_active = site.note("active", "while ! [ -e go ]; do sleep 0.01; done");
    site.configured.after_fault = site.note("fault", "");
    let hooks = site.start();
    hooks.push(hook(Kind::AfterActive, 1));
    until("the first one runs", || !site.lines().is_empty()).await;
    hooks.push(hook(Kind::AfterFault, 2));
    hooks.replace(&sample::pair(Vec::new(), Configured::default()));
    hooks.push(hook(Kind::AfterFault, 3));
    hooks.push(Hook {
        instance: "mail".to_owned(),
        ..hook(Kind::AfterActive, 4)
    });
    fs::write(site.path("go"), "").unwrap();
    hooks.finish(LONG).await;
    assert_eq!(site.lines(), ["after_active 1"]);
}
