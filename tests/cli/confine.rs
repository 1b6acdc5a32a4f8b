//! The helper that stands between the director and the programs it runs, without control
//! groups: those are in `tests/lab/confine.sh`.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// What a program prints, and what the helper says to the director.
fn confined(arguments: &[&str]) -> (String, Vec<u8>) {
    let (mut said, pipe) = std::io::pipe().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command
        .arg0("directord-confine")
        .args(arguments)
        .stdin(pipe)
        .stdout(Stdio::piped());
    let child = command.spawn().unwrap();
    drop(command);
    let mut bytes = Vec::new();
    said.read_to_end(&mut bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), bytes)
}

#[test]
fn a_program_runs_with_limits_and_nothing_of_the_director_s() {
    let script =
        "ulimit -d; ulimit -c; cat /proc/self/oom_score_adj; readlink /proc/self/fd/0; echo \"$@\"";
    let (output, said) = confined(&["", "", "/bin/sh", "-c", script, "sh", "a b", "$(c)"]);
    assert_eq!(said, b"");
    let expected = ["65536", "0", "0", "/dev/null", "a b $(c)"];
    assert_eq!(output.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_process_that_wants_too_much_memory_does_not_get_it() {
    let script = "x=a; while :; do x=$x$x; done";
    let (_, said) = confined(&["", "", "/bin/sh", "-c", script]);
    assert_eq!(said, b"");
}

#[test]
fn the_director_is_told_why_a_program_does_not_run() {
    let absent = 2_i32.to_ne_bytes();
    let (output, said) = confined(&["", "", "/no/such/program"]);
    assert_eq!((output.as_str(), &said[1..]), ("", &absent[..]));
    let (_, other) = confined(&["/no/such/group", "", "/bin/true"]);
    assert_eq!(&other[1..], absent);
    // Who is at fault: the program, or the confinement.
    assert_ne!(said[0], other[0]);
    assert_eq!(confined(&[]).1.len(), 5);
}
