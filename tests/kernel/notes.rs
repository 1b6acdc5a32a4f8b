//! The kernel notes name tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

#[test]
fn every_kernel_note_is_indexed_and_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    files_below(&root.join("src"), &mut sources);
    files_below(&root.join("tests/kernel"), &mut sources);
    let sources: Vec<String> = sources
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let index = fs::read_to_string(root.join("kernel-notes/README.md")).unwrap();
    let mut notes = Vec::new();
    files_below(&root.join("kernel-notes"), &mut notes);
    notes.retain(|path| !path.ends_with("README.md"));
    assert!(notes.len() > 12);
    for note in notes {
        let name = note.file_name().unwrap().to_str().unwrap();
        assert!(
            index.contains(&format!("({name})")),
            "{name} is not indexed"
        );
        let text = fs::read_to_string(&note).unwrap();
        let (_, pinned) = text.split_once("## Pinned by").unwrap();
        let tests: Vec<&str> = pinned.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{name} names no test");
        for test in tests {
            let exists = sources
                .iter()
                .any(|source| source.contains(&format!("fn {test}(")));
            assert!(exists, "{name}: there is no test {test}");
        }
    }
}
