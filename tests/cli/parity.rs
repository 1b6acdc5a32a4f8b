//! `tests/parity.md` and `tests/faults.md` name tests; this holds them against the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::root;

/// Rust files below a directory.
fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Whether `module::path::function` is a function of the file that the module path means:
/// `src/module/path.rs`, `src/module/path/mod.rs`, or the same below `tests`.
fn exists(name: &str, sources: &[(String, String)]) -> bool {
    let (module, function) = name.rsplit_once("::").unwrap_or(("", name));
    let module = module.strip_suffix("::tests").map_or_else(
        || vec![module.to_owned()],
        |parent| vec![parent.to_owned(), module.to_owned()],
    );
    let wanted = format!("fn {function}(");
    module.iter().any(|module| {
        let path = module.replace("::", "/");
        let places = [
            format!("src/{path}.rs"),
            format!("src/{path}/mod.rs"),
            format!("tests/{path}.rs"),
            format!("tests/{path}/main.rs"),
        ];
        sources
            .iter()
            .any(|(file, text)| places.contains(file) && text.contains(&wanted))
    })
}

/// Everything between back quotes in the third column of the tables.
fn cited(text: &str) -> Vec<(String, String)> {
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.flat_map(|row| {
        let columns: Vec<&str> = row.split(" | ").collect();
        let id = columns[0].trim_start_matches("| ").to_owned();
        let proof = columns.get(2).copied().unwrap_or_default();
        let names = proof.split('`').skip(1).step_by(2);
        names
            .map(|name| (id.clone(), name.to_owned()))
            .collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_test_that_is_cited_exists() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    sources(&root().join("tests"), &mut files);
    for document in ["tests/parity.md", "tests/faults.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let cited = cited(&text);
        assert!(
            cited.len() > 100,
            "{document}: only {} names found",
            cited.len()
        );
        assert_eq!(missing(&cited, &files), BTreeSet::new(), "{document}");
    }
}

fn missing(cited: &[(String, String)], files: &[(String, String)]) -> BTreeSet<String> {
    cited
        .iter()
        .filter(|(_, name)| {
            if let Some(scenario) = name.strip_suffix(".sh") {
                !root().join(format!("tests/lab/{scenario}.sh")).is_file()
            } else {
                !exists(name, files)
            }
        })
        .map(|(id, name)| format!("{id}: {name}"))
        .collect()
}

#[test]
fn every_row_has_a_proof_or_a_reason() {
    let text = fs::read_to_string(root().join("tests/parity.md")).unwrap();
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| id "));
    let mut ids = BTreeSet::new();
    for row in rows {
        let columns: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
        assert_eq!(columns.len(), 3, "{row}");
        assert!(!columns[2].trim().is_empty(), "{row}");
        assert!(ids.insert(columns[0]), "twice: {row}");
    }
    // The checklist of ldirectord has this many rows; theirs are the names with a hyphen.
    assert_eq!(ids.iter().filter(|id| id.contains('-')).count(), 246);
}
