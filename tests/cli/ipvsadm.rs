//! The personality `ipvsadm`, as far as that goes without a kernel.

use std::os::unix::fs::symlink;
use std::process::Command;

const DIRECTORD: &str = env!("CARGO_BIN_EXE_directord");

#[test]
fn a_link_and_a_subcommand_are_the_same_program() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("ipvsadm");
    symlink(DIRECTORD, &link).unwrap();
    let linked = Command::new(link).arg("-h").output().unwrap();
    let named = Command::new(DIRECTORD)
        .args(["ipvsadm", "-h"])
        .output()
        .unwrap();
    assert_eq!(linked, named);
    assert_eq!(linked.status.code(), Some(0));
    let text = String::from_utf8(linked.stdout).unwrap();
    assert!(
        text.contains("--tun-remcsum") && text.contains("-h, --help"),
        "{text}"
    );
}

/// Where there is no IPVS or no privilege, mistakes are not told: the kernel comes first.
#[test]
fn without_a_kernel_every_command_says_so() {
    let answer = |words: &[&str]| {
        let mut command = Command::new(DIRECTORD);
        command.arg("ipvsadm").args(words).output().unwrap()
    };
    let version = answer(&["-v"]);
    if version.status.success() {
        let text = String::from_utf8(version.stdout).unwrap();
        assert!(text.starts_with("ipvsadm v1.31 2019/12/24 (compiled with popt and IPVS v1."));
        assert_eq!(answer(&["--nonsense"]).status.code(), Some(255));
        return;
    }
    for words in [&["-v"][..], &["--nonsense"], &["-A"], &[]] {
        let answer = answer(words);
        assert_eq!(answer.status.code(), Some(2), "{words:?}");
        let text = String::from_utf8(answer.stderr).unwrap();
        assert!(text.contains("Can't initialize ipvs: P"), "{text}");
        assert!(
            text.ends_with("is built in the kernel or as module?\n"),
            "{text}"
        );
    }
}
