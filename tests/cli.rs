//! The built program's command line where it needs no kernel: exit codes, streams, and the
//! outputs of `config` against files in `tests/golden/config`.
//!
//! `DIRECTORD_GOLDEN=write` makes these files anew; what changed shows in the difference.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "cli/check.rs"]
mod check;
#[path = "cli/confine.rs"]
mod confine;
#[path = "cli/failover.rs"]
mod failover;
#[path = "cli/ipvsadm.rs"]
mod ipvsadm;
#[path = "cli/operator.rs"]
mod operator;
#[path = "cli/parity.rs"]
mod parity;
#[path = "cli/yaml.rs"]
mod yaml;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Exit code, standard output, standard error. Started in the directory of the project, so
/// that outputs name no place of this machine.
fn directord(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_directord"))
        .args(arguments)
        .current_dir(root())
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| {
        let text = String::from_utf8(bytes).unwrap();
        text.replace(&format!("{}/", root().display()), "")
    };
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn code(arguments: &[&str]) -> i32 {
    directord(arguments).0
}

/// Holds an output against a file of `tests/golden/config`.
fn golden(name: &str, actual: &str) {
    let path = root().join("tests/golden/config").join(name);
    if std::env::var_os("DIRECTORD_GOLDEN").is_some_and(|word| word == "write") {
        fs::write(path, actual).unwrap();
        return;
    }
    let wanted = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, wanted, "{name}");
}

/// Files of a directory of the project, as paths from there.
fn files(directory: &str) -> Vec<String> {
    files_of(directory, "cf")
}

fn files_of(directory: &str, extension: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root().join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == extension))
        .map(|name| format!("{directory}/{name}"))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{directory}");
    names
}

fn stem(path: &str) -> &str {
    Path::new(path).file_stem().unwrap().to_str().unwrap()
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.cf");
    fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn help_and_version_go_to_standard_output() {
    for arguments in [&["--help"][..], &["run", "--help"], &["config", "--help"]] {
        let (code, out, err) = directord(arguments);
        assert_eq!((code, err.as_str()), (0, ""), "{arguments:?}");
        assert!(out.contains("Usage: directord"), "{out}");
    }
    let (code, out, err) = directord(&["--version"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, concat!("directord ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn every_command_is_explained() {
    let (_, help, _) = directord(&["--help"]);
    for command in [
        "run",
        "list",
        "status",
        "config",
        "plan",
        "check",
        "reload",
        "failover",
        "ldirectord",
        "cl_status",
        "LVSSyncDaemonSwap",
    ] {
        assert!(
            help.contains(&format!("\n  {command} ")),
            "{command}\n{help}"
        );
    }
}

#[test]
fn nonsense_is_a_usage_error_on_standard_error() {
    let cases: [&[&str]; 6] = [
        &[],
        &["frobnicate"],
        &["run", "--bogus"],
        &["config", "check"],
        &["list", "--stats", "--rate"],
        &["plan"],
    ];
    for arguments in cases {
        let (code, out, err) = directord(arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}");
        assert!(err.contains("Usage:"), "{err}");
    }
}

#[test]
fn a_missing_file_fails_and_is_named() {
    for arguments in [
        &["config", "check", "no.cf"][..],
        &["config", "show", "no.cf"],
        &["config", "convert", "no.cf"],
        &["plan", "no.cf"],
        &["check", "no.cf"],
        &["run", "-c", "no.cf", "--socket", "no.sock"],
    ] {
        let (code, out, err) = directord(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.contains("no.cf"), "{arguments:?}: {err}");
    }
}

#[test]
fn commands_for_a_director_that_does_not_run_end_with_4() {
    for arguments in [
        &["status"][..],
        &["status", "--check"],
        &["status", "--json"],
        &["reload"],
    ] {
        let socket = ["--socket", "no.sock"];
        let (code, out, err) = directord(&[arguments, &socket].concat());
        assert_eq!((code, out.as_str()), (4, ""), "{arguments:?}");
        assert!(err.contains("no director answers on no.sock"), "{err}");
    }
}

#[test]
fn the_ldirectord_command_line_is_reached_through_a_subcommand() {
    assert_eq!(code(&["ldirectord", "-v"]), 0);
    assert_eq!(code(&["ldirectord", "--help"]), 0);
    let (code, out, err) = directord(&["ldirectord", "--bogus"]);
    assert_eq!((code, err.as_str()), (255, "Unknown option: bogus\n"));
    assert!(out.contains("ldirectord"), "{out}");
}

#[test]
fn every_example_is_in_order() {
    for file in files("ldirectord.cf.examples") {
        let (code, out, err) = directord(&["config", "check", &file]);
        assert_eq!((code, err.as_str()), (0, ""), "{file}");
        assert!(out.contains(&format!("{file}: 0 errors, ")), "{out}");
        golden(
            &format!("{}.convert", stem(&file)),
            &directord(&["config", "convert", &file]).1,
        );
    }
}

#[test]
fn what_is_converted_means_the_same() {
    // Lines differ, everything else does not.
    let effective = |file: &str| {
        let (code, out, err) = directord(&["config", "show", file]);
        assert_eq!((code, err.as_str()), (0, ""), "{file}");
        let lines = out
            .lines()
            .filter(|line| !line.trim_start().starts_with("line:"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    for file in files("ldirectord.cf.examples") {
        let text = directord(&["config", "convert", &file]).1;
        let (_directory, path) = written(&text);
        assert_eq!(
            effective(path.to_str().unwrap()),
            effective(&file),
            "{file}"
        );
        assert_eq!(
            directord(&["config", "convert", path.to_str().unwrap()]).1,
            text
        );
    }
}

#[test]
fn show_fills_every_default_in() {
    let file = "ldirectord.cf.examples/ultramonkey.cf";
    golden("ultramonkey.yaml", &directord(&["config", "show", file]).1);
    let json = directord(&["config", "show", file, "--json"]).1;
    golden("ultramonkey.json", &json);
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["services"][0]["service"], "tcp:192.0.2.100:80");
}

#[test]
fn broken_files_are_diagnosed_at_once_and_in_full() {
    for file in files("tests/golden/config/broken") {
        let (code, out, err) = directord(&["config", "check", &file]);
        assert_eq!((code, err.as_str()), (1, ""), "{file}");
        golden(&format!("broken/{}.check", stem(&file)), &out);
        let (code, json, _) = directord(&["config", "check", &file, "--json"]);
        assert_eq!(code, 1);
        let found: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        assert!(found.is_sorted_by_key(|one| one["line"].as_u64()), "{file}");
        assert!(
            found
                .iter()
                .all(|one| one["line"].as_u64().is_some_and(|line| line > 0))
        );
        // Everything else refuses the file with the same words, on standard error.
        for arguments in [
            &["config", "show"][..],
            &["plan"],
            &["check"],
            &["run", "-c"],
        ] {
            let (code, out, err) = directord(&[arguments, &[file.as_str()]].concat());
            assert_eq!((code, out.as_str()), (1, ""), "{arguments:?} {file}");
            assert!(err.starts_with("error: "), "{arguments:?} {file}: {err}");
        }
    }
}

#[test]
fn check_probes_once_and_tells_with_its_exit_code() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let open = listener.local_addr().unwrap();
    let closed = {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        other.local_addr().unwrap()
    };
    let service = |server: &str| {
        format!("checktimeout=2\nvirtual=192.0.2.1:80\n\treal={server} masq\n\tchecktype=connect\n")
    };
    let (_kept, good) = written(&service(&open.to_string()));
    let (status, out, _) = directord(&["check", good.to_str().unwrap()]);
    assert_eq!(status, 0, "{out}");
    assert!(out.contains(&format!("{open}: UP connect {open}")), "{out}");
    let (_kept, bad) = written(&service(&closed.to_string()));
    let (status, out, _) = directord(&["check", bad.to_str().unwrap()]);
    assert_eq!(status, 1);
    assert!(
        out.contains("DOWN connect") && out.contains("refused"),
        "{out}"
    );
    assert_eq!(code(&["check", good.to_str().unwrap(), "192.0.2.99"]), 1);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_directord"))
        .args(["config", "show", "ldirectord.cf.examples/many-services.cf"])
        .current_dir(root())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn a_strict_check_refuses_what_ldirectord_does_not_know() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("new.cf");
    fs::write(&file, "enforceweights=yes\nvirtual=192.0.2.1:80\n").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(code(&["config", "check", file]), 0);
    let (status, out, _) = directord(&["config", "check", "--strict-ldirectord", file]);
    assert_eq!(status, 1);
    assert!(
        out.contains("ldirectord does not know enforceweights"),
        "{out}"
    );
    assert!(out.contains(":1:1"), "{out}");
    let section = "virtual=192.0.2.1:80\n    service=http\n    checkpath=yes\n";
    fs::write(file, section).unwrap();
    assert_eq!(code(&["config", "check", file]), 0);
    let (status, out, _) = directord(&["config", "check", "--strict-ldirectord", file]);
    assert_eq!(status, 1);
    assert!(out.contains("ldirectord does not know checkpath"), "{out}");
    assert!(out.contains(":3:5"), "{out}");
    for example in files("ldirectord.cf.examples") {
        assert_eq!(
            code(&["config", "check", "--strict-ldirectord", &example]),
            0,
            "{example}"
        );
    }
}

/// The text between fences of three backticks that holds virtual services, with the name of
/// a file of its format.
fn fenced(text: &str) -> impl Iterator<Item = (&'static str, &str)> {
    let blocks = text.split("\n```").skip(1).step_by(2);
    let bodies = blocks.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
    bodies.filter_map(|body| {
        let has = |beginning: &str| body.lines().any(|line| line.starts_with(beginning));
        let formats = [("virtual", "example.cf"), ("services:", "example.yaml")];
        let found = formats.into_iter().find(|(beginning, _)| has(beginning));
        found.map(|(_, file)| (file, body))
    })
}

#[test]
fn examples_of_the_checks_page_are_accepted_without_a_warning() {
    let page = fs::read_to_string(root().join("docs/checks.md")).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut seen = BTreeMap::new();
    for (name, example) in fenced(&page) {
        let file = directory.path().join(name);
        fs::write(&file, format!("{example}\n")).unwrap();
        let (status, out, _) = directord(&["config", "check", file.to_str().unwrap()]);
        assert_eq!(status, 0, "{example}\n{out}");
        assert!(out.ends_with("0 errors, 0 warnings\n"), "{example}\n{out}");
        *seen.entry(name).or_insert(0) += 1;
    }
    assert!(seen["example.cf"] >= 15, "{seen:?}");
    assert!(seen["example.yaml"] >= 1, "{seen:?}");
}
