use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::private::{self, Existing};
use super::*;

/// Two keys that are no secret.
const FIRST: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const SECOND: &str = "F0E1D2C3B4A5968778695A4B3C2D1E0F00112233445566778899aabbccddeeff";

fn written(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    private::write(&path, text.as_bytes(), Existing::Keep, |_| Ok(())).unwrap();
    (directory, path)
}

fn ids(keys: &Keys) -> Vec<u8> {
    keys.iter().map(|key| key.id().0).collect()
}

fn refusal(text: &str) -> String {
    let (_directory, path) = written(text);
    let error = read(&path).unwrap_err().to_string();
    error.split_once("/key: ").unwrap().1.to_owned()
}

#[test]
fn the_first_line_signs_and_all_verify() {
    let text = format!("# comment\n\n  7\t{FIRST}  # the new one\n255 {SECOND}\n#1 {FIRST}");
    let (_directory, path) = written(&text);
    let keys = read(&path).unwrap();
    assert_eq!(ids(&keys), [7, 255]);
    assert_eq!(keys.signing().id(), KeyId(7));
    assert_eq!(keys.signing().secret()[31], 0x1f);
    assert_eq!(keys.get(KeyId(255)).unwrap().secret()[0], 0xf0);
    assert!(keys.get(KeyId(1)).is_none());
}

#[test]
fn what_is_wrong_with_a_file_is_said_without_saying_the_key() {
    let short = &FIRST[..62];
    let zeros = "0".repeat(64);
    let wrong = FIRST.replace('f', "g");
    let cases = [
        (
            String::new(),
            "there is no key in it: `directord failover keygen` makes one",
        ),
        (
            "# nothing\n".to_owned(),
            "there is no key in it: `directord failover keygen` makes one",
        ),
        (
            FIRST.to_owned(),
            "line 1: `ID KEY` is expected, a number and 64 hexadecimal digits",
        ),
        (
            format!("a {FIRST}"),
            "line 1: `ID KEY` is expected, a number and 64 hexadecimal digits",
        ),
        (
            format!("1 {FIRST} {SECOND}"),
            "line 1: `ID KEY` is expected, a number and 64 hexadecimal digits",
        ),
        (format!("\n0 {FIRST}"), "line 2: a key's number is 1 to 255"),
        (format!("256 {FIRST}"), "line 1: a key's number is 1 to 255"),
        (
            format!("99999999999999999999 {FIRST}"),
            "line 1: a key's number is 1 to 255",
        ),
        (
            format!("1 {short}"),
            "line 1: the key has 62 digits, and 64 are needed (32 bytes)",
        ),
        (
            format!("1 {FIRST}00"),
            "line 1: the key has 66 digits, and 64 are needed (32 bytes)",
        ),
        (
            format!("1 {wrong}"),
            "line 1: the key has a character that is no hexadecimal digit",
        ),
        (
            format!("1 {zeros}"),
            "line 1: the key is one byte over and over: `directord failover keygen` makes a random one",
        ),
        (
            format!("1 {FIRST}\n1 {SECOND}"),
            "line 2: key 1 is in line 1 already",
        ),
        (
            format!("1 {FIRST}\n2 {SECOND}\n3 {}", SECOND.to_lowercase()),
            "line 3: the same key is in line 2 already, under another number",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(&text), expected);
    }
    let line = |n: u8| format!("{n} {n:02x}{}", &FIRST[2..]);
    let many = (1..=17).map(line).collect::<Vec<_>>().join("\n");
    assert!(refusal(&many).starts_with("line 17: there are more than 16 keys"));
    assert!(refusal(&"#".repeat(20_000)).contains("longer than 16384 bytes"));
}

#[test]
fn secrets_are_in_no_output() {
    let (_directory, path) = written(&format!("1 {FIRST}\n2 {SECOND}\n"));
    let keys = read(&path).unwrap();
    let shown = format!("{keys:?} {:?} {keys:#?}", keys.signing());
    assert!(
        !shown.contains("0001") && !shown.contains("1, 2, 3"),
        "{shown}"
    );
    assert!(shown.contains("KeyId"), "{shown}");
    for key in keys.iter() {
        assert_eq!(key.fingerprint().len(), 8);
        assert!(!FIRST.contains(&key.fingerprint()));
    }
}

#[test]
fn a_fingerprint_is_of_the_key_alone() {
    let (_directory, path) = written(&format!("1 {FIRST}\n2 {SECOND}\n"));
    let keys = read(&path).unwrap();
    // printf 'directord key fingerprint\0' and the key, through sha256sum.
    let fingerprints: Vec<String> = keys.iter().map(Key::fingerprint).collect();
    assert_eq!(fingerprints, ["abe2183c", "d0208c49"]);
    let (_directory, other) = written(&format!("9 {FIRST}\n"));
    assert_eq!(
        read(&other).unwrap().signing().fingerprint(),
        fingerprints[0]
    );
}

#[test]
fn a_new_file_is_private_and_never_over_another() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    let (made, text) = generate(Some(&path)).unwrap();
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(fs::read(&path).unwrap(), **text);
    let keys = read(&path).unwrap();
    assert_eq!(keys.signing().secret(), made.signing().secret());
    let error = generate(Some(&path)).unwrap_err().to_string();
    assert!(error.contains("not overwritten"), "{error}");
    assert_eq!(
        read(&path).unwrap().signing().secret(),
        made.signing().secret()
    );
    let (another, _) = generate(None).unwrap();
    assert_ne!(another.signing().secret(), made.signing().secret());
}

#[test]
fn a_key_is_changed_in_three_steps_that_keep_all_else() {
    let (_directory, path) = written(&format!("# head\n1 {FIRST} # old\n# tail"));
    let added = change(&path, Change::Add).unwrap();
    assert_eq!((ids(&added), added.signing().id()), (vec![1, 2], KeyId(1)));
    assert_eq!(
        change(&path, Change::Sign(KeyId(2)))
            .unwrap()
            .signing()
            .id(),
        KeyId(2)
    );
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[3]), ("# head", "# tail"));
    assert!(
        lines[1].starts_with("2 ") && lines[2].ends_with("1f # old"),
        "{lines:?}"
    );
    let error = change(&path, Change::Remove(KeyId(2)))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "key 2 is the one that signs: sign with another one first"
    );
    assert_eq!(ids(&change(&path, Change::Remove(KeyId(1))).unwrap()), [2]);
    for change_of in [Change::Sign(KeyId(1)), Change::Remove(KeyId(1))] {
        let error = change(&path, change_of).unwrap_err().to_string();
        assert_eq!(error, "there is no key 1 in it");
    }
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn numbers_go_up_and_begin_again() {
    let (_directory, path) = written(&format!("255 {FIRST}\n"));
    assert_eq!(ids(&change(&path, Change::Add).unwrap()), [255, 1]);
    let mut count = 2;
    let error = loop {
        match change(&path, Change::Add) {
            Ok(keys) => count = keys.iter().count(),
            Err(error) => break error,
        }
    };
    assert_eq!(count, MAX_KEYS);
    assert!(matches!(error, KeyFileError::Full));
    assert_eq!(read(&path).unwrap().iter().count(), MAX_KEYS);
}

#[test]
fn a_file_that_others_can_read_is_neither_used_nor_changed() {
    let (_directory, path) = written(&format!("1 {FIRST}\n"));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("(mode 0644): run `chmod 600 /"), "{error}");
    change(&path, Change::Add).unwrap_err();
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o644);
}

#[test]
fn keys_are_not_written_through_traps() {
    for trap in private::tests::traps() {
        let made = generate(Some(&trap.target()));
        trap.assert_untouched();
        assert_eq!(
            made.is_err(),
            trap.at_target || trap.immovable,
            "{}",
            trap.name
        );
        if made.is_ok() {
            trap.assert_private();
        } else if trap.at_target {
            change(&trap.target(), Change::Add).unwrap_err();
            trap.assert_untouched();
        }
    }
}

/// One node of a pair in the middle of a change of keys: what it verifies, what it signs with.
struct Running {
    file: PathBuf,
    keys: Keys,
}

/// The three steps, each done on both nodes, in any order of the nodes, with the daemons
/// reading their files at any moment in between: each always verifies what the other signs.
fn rotate(choices: &[bool]) {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let files = directories.map(|directory| (directory.path().join("key"), directory));
    generate(Some(&files[0].0)).unwrap();
    let copy = |from: &PathBuf, to: &PathBuf| {
        let text = fs::read(from).unwrap();
        private::write(to, &text, Existing::Replace, |_| Ok(())).unwrap();
    };
    copy(&files[0].0, &files[1].0);
    let mut nodes = [0, 1].map(|n: usize| Running {
        file: files[n].0.clone(),
        keys: read(&files[n].0).unwrap(),
    });
    let mut choices = choices.iter().copied().chain(std::iter::repeat(true));
    for step in [
        Change::Add,
        Change::Sign(KeyId(2)),
        Change::Remove(KeyId(1)),
    ] {
        let first = usize::from(choices.next().unwrap());
        for node in [first, 1 - first] {
            if step == Change::Add && node != first {
                copy(&files[first].0, &files[node].0);
            } else {
                change(&files[node].0, step).unwrap();
            }
            if choices.next().unwrap() {
                nodes[node].keys = read(&nodes[node].file).unwrap();
            }
            assert_heard(&nodes);
        }
        // A step is over when both nodes have read it.
        for node in &mut nodes {
            node.keys = read(&node.file).unwrap();
        }
        assert_heard(&nodes);
    }
    assert!(nodes.iter().all(|node| ids(&node.keys) == [2]));
}

fn assert_heard(nodes: &[Running; 2]) {
    for (speaker, listener) in [(&nodes[0], &nodes[1]), (&nodes[1], &nodes[0])] {
        let signed = speaker.keys.signing();
        let known = listener
            .keys
            .get(signed.id())
            .expect("a gap in the change of keys");
        assert_eq!(known.secret(), signed.secret());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_change_of_keys_has_no_gap_in_any_order(choices in prop::collection::vec(any::<bool>(), 9)) {
        rotate(&choices);
    }

    #[test]
    fn no_text_brings_the_reader_down(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = lines::parse(&text);
    }
}
