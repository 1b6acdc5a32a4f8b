//! `directord failover keygen` and `key fingerprint`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::directord;

/// Runs `failover` with a file behind the words, and the words after it.
fn failover(words: &[&str], file: &str, more: &[&str]) -> (i32, String, String) {
    directord(&[&["failover"], words, &[file], more].concat())
}

#[test]
fn keys_are_made_shown_and_changed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let file = file.to_str().unwrap();
    let (code, made, _) = failover(&["keygen"], file, &[]);
    assert_eq!(code, 0);
    assert!(
        made.starts_with("1 ") && made.ends_with(" signs\n"),
        "{made}"
    );
    assert_eq!(failover(&["key", "fingerprint"], file, &[]).1, made);
    let (code, added, _) = failover(&["keygen"], file, &["--add"]);
    assert_eq!(code, 0);
    assert!(
        added.starts_with(&made) && added.ends_with(" verifies\n"),
        "{added}"
    );
    let (_, signed, _) = failover(&["keygen"], file, &["--sign", "2"]);
    assert!(signed.starts_with("2 "), "{signed}");
    let (code, _, error) = failover(&["keygen"], file, &["--remove", "2"]);
    assert_eq!(code, 1);
    assert_eq!(
        error,
        "directord: key 2 is the one that signs: sign with another one first\n"
    );
    let (_, left, _) = failover(&["keygen"], file, &["--remove", "1"]);
    assert_eq!(left, signed.lines().next().unwrap().to_owned() + "\n");
    // Not the key itself, anywhere.
    let text = fs::read_to_string(file).unwrap();
    let key = text.lines().find(|line| line.starts_with("2 ")).unwrap();
    assert!(!left.contains(&key[2..10]), "{left}");
}

#[test]
fn a_key_can_be_printed_instead() {
    let (code, out, err) = failover(&["keygen"], "-", &[]);
    assert_eq!((code, err.as_str()), (0, ""));
    let line = out.lines().last().unwrap();
    assert_eq!(line.len(), 2 + 64, "{line}");
    assert_eq!(failover(&["keygen"], "-", &["--add"]).0, 1);
}

#[test]
fn what_is_refused_says_what_to_run() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    let path = file.to_str().unwrap();
    failover(&["keygen"], path, &[]);
    let (code, _, error) = failover(&["keygen"], path, &[]);
    assert_eq!(code, 1);
    assert!(error.contains("not overwritten; use --add"), "{error}");
    fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
    let (code, _, error) = failover(&["key", "fingerprint"], path, &[]);
    assert_eq!(code, 1);
    let expected =
        format!("directord: {path}: others may use it (mode 0640): run `chmod 600 {path}`\n");
    assert_eq!(error, expected);
    let missing = directory.path().join("none/key");
    let (code, _, error) = failover(&["keygen"], missing.to_str().unwrap(), &[]);
    assert_eq!(code, 1);
    assert!(error.contains("install -d -m 700"), "{error}");
    for usage in [
        &["--sign", "0"][..],
        &["--sign", "256"],
        &["--add", "--sign", "1"],
    ] {
        assert_eq!(failover(&["keygen"], path, usage).0, 2, "{usage:?}");
    }
}
