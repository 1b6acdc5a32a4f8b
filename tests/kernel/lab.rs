//! Namespaces on a real kernel.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{OnceLock, PoisonError, RwLock};
use std::thread;

use directord::kernel::ipvs::Client;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;

/// Held for writing by the one test that takes the module away.
static MODULE: RwLock<()> = RwLock::new(());

/// Runs a test with a client in a fresh network namespace.
pub(crate) fn with_client(test: impl FnOnce(&mut Client) + Send + 'static) {
    in_namespace(|| test(&mut Client::open().unwrap()));
}

/// As [`on_a_thread`], where there is a kernel for it, or says that there is none.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let _present = MODULE.read().unwrap_or_else(PoisonError::into_inner);
    if is_there() {
        on_a_thread(test);
    }
}

/// As [`in_namespace`], while no other test uses the module. Only where a lab is
/// promised: nobody wants their own module unloaded.
pub(crate) fn alone(test: impl FnOnce() + Send + 'static) {
    let _alone = MODULE.write().unwrap_or_else(PoisonError::into_inner);
    if is_promised() && is_there() {
        on_a_thread(test);
    } else {
        say("unloading the module is tried with DIRECTORD_LAB=1 only");
    }
}

/// As [`on_a_thread`], while no other test runs that asks for a namespace: times are
/// measured. Needs root only, not IPVS.
pub(crate) fn undisturbed(test: impl FnOnce() + Send + 'static) {
    let _alone = MODULE.write().unwrap_or_else(PoisonError::into_inner);
    if Uid::effective().is_root() {
        on_a_thread(test);
    } else {
        assert!(
            !is_promised(),
            "DIRECTORD_LAB=1 promises a kernel: needs root"
        );
        say("needs root");
    }
}

/// Runs a test on a thread in a fresh network namespace whose `lo` is up.
pub(crate) fn on_a_thread(test: impl FnOnce() + Send + 'static) {
    let body = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        test();
    });
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

fn is_promised() -> bool {
    std::env::var_os("DIRECTORD_LAB").is_some_and(|value| value == "1")
}

fn is_there() -> bool {
    static MISSING: OnceLock<Option<String>> = OnceLock::new();
    match MISSING.get_or_init(missing) {
        None => true,
        Some(reason) => {
            assert!(
                !is_promised(),
                "DIRECTORD_LAB=1 promises a kernel: {reason}"
            );
            say(reason);
            false
        }
    }
}

fn missing() -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("needs root".to_owned());
    }
    // Opening loads the module where that can be done at all.
    match Client::open() {
        Err(error) => Some(error.to_string()),
        Ok(_) if Path::new("/proc/net/ip_vs").exists() => None,
        Ok(_) => Some("there is no /proc/net/ip_vs".to_owned()),
    }
}

/// Past the test harness, which hides what passing tests print.
fn say(reason: &str) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("SKIPPED, NOT TESTED: {name}: {reason}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Runs a program in the namespace of the calling thread and returns what it printed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program with something to read.
pub(crate) fn feed(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success(), "{program} {arguments:?}");
}
