//! The kernel's half of the program against a real kernel.
//!
//! Needs root and a kernel with IPVS; each test works in a network namespace of its own.
//! Without them everything here is skipped, loudly. `DIRECTORD_LAB=1` says that they are
//! expected and makes their absence a failure.

#[path = "../src/kernel/suite.rs"]
mod suite;

mod api {
    //! Where the shared suite finds what it tests.
    pub(crate) use directord::{kernel, model};
}

use std::path::Path;
use std::process::Command;
use std::thread;

use directord::kernel::Ipvs;
use directord::kernel::ipvs::Client;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::Uid;

macro_rules! on_the_kernel {
    ($($case:ident)*) => {
        $(
            #[test]
            fn $case() {
                with_client(|client| suite::$case(client));
            }
        )*
    };
}
suite::for_every_case!(on_the_kernel);

/// Runs a test with a client in a fresh network namespace.
fn with_client(test: impl FnOnce(&mut Client) + Send + 'static) {
    in_namespace(|| test(&mut Client::open().unwrap()));
}

/// Runs a test on a thread in a fresh network namespace whose `lo` is up, or says that
/// it cannot.
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    if !lab_is_there() {
        return;
    }
    let body = thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        run("ip", &["link", "set", "lo", "up"]);
        test();
    });
    if let Err(panic) = body.join() {
        std::panic::resume_unwind(panic);
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
fn lab_is_there() -> bool {
    let expected = std::env::var_os("DIRECTORD_LAB").is_some_and(|value| value == "1");
    let root = Uid::effective().is_root();
    // Opening a client loads the module where that can be done at all.
    let missing = if !root {
        Some("needs root".to_owned())
    } else if let Err(error) = Client::open() {
        Some(error.to_string())
    } else if !Path::new("/proc/net/ip_vs").exists() {
        Some("/proc/net/ip_vs is missing".to_owned())
    } else {
        None
    };
    match missing {
        None => true,
        Some(reason) => {
            assert!(!expected, "DIRECTORD_LAB=1 promises a kernel: {reason}");
            eprintln!("SKIPPED, NOT TESTED: {reason}");
            false
        }
    }
}

/// Runs a program in the namespace of the calling thread and returns what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {output:?}"
    );
    String::from_utf8(output.stdout).unwrap()
}
