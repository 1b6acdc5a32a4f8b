//! The `ldirectord` personality as real processes: this program starts itself under the
//! name `ldirectord` with a daemon that checks nothing and whose kernel table is a file.
//!
//! Run with words to select the tests whose names contain one of them.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "test program")]

mod bench;
mod fake;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use bench::Bench;

/// Name and function.
type Test = (&'static str, fn(&Bench));

macro_rules! tests {
    ($($module:ident: $($name:ident)*;)*) => {
        $(mod $module;)*
        const TESTS: &[Test] = &[
            $($((concat!(stringify!($module), "::", stringify!($name)), $module::$name),)*)*
        ];
    };
}

tests! {
    outputs:
        help_version_and_usage
        status_of_a_stopped_instance
        status_of_a_stale_pid_file
        status_on_the_nodes_of_a_pair
        configuration_lookup
        a_missing_configuration
        stopped_instances_and_the_other_actions
        warnings_and_unknown_facilities
        an_unwritable_log_file;
    lifecycle:
        start_detaches_and_writes_the_pid_file
        start_leaves_a_running_instance_alone
        status_succeeds_right_after_start
        of_many_starts_one_makes_a_daemon
        stop_returns_when_the_table_is_clean
        stop_gives_up_at_its_limit
        restart_replaces_the_process
        reload_of_a_relative_path
        a_killed_daemon_leaves_a_stale_file
        status_asks_the_executed_instances;
    faults:
        an_error_leaves_the_daemon_alone_except_stop
        a_vanished_configuration_does_not_prevent_stop
        a_failed_start_tells_why
        a_start_without_end_is_ended
        foreground_modes;
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if name.is_some_and(|name| name == "ldirectord") {
        return fake::main(&arguments);
    }
    let filters: Vec<String> = arguments[1..]
        .iter()
        .map(|word| word.to_string_lossy().into_owned())
        .filter(|word| !word.starts_with('-'))
        .collect();
    let selected = |name: &str| filters.is_empty() || filters.iter().any(|f| name.contains(f));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| selected(name)) {
        let bench = Bench::new();
        let passed = catch_unwind(AssertUnwindSafe(|| test(&bench))).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
