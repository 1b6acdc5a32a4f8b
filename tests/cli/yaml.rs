//! `directord.yaml` on the command line.

use super::{code, directord, files_of, golden, stem};

fn files(directory: &str) -> Vec<String> {
    files_of(directory, "yaml")
}

#[test]
fn every_example_is_in_order_on_both_nodes() {
    for file in files("directord.yaml.examples") {
        let mut digests = Vec::new();
        for node in ["loadb1", "loadb2"] {
            let (code, out, err) = directord(&["config", "check", "--node", node, &file]);
            assert_eq!((code, err.as_str()), (0, ""), "{file}: {out}");
            assert_eq!(out, format!("{file}: 0 errors, 0 warnings\n"));
            let (_, shown, _) = directord(&["config", "show", "--node", node, &file]);
            golden(&format!("yaml/{}.{node}.show", stem(&file)), &shown);
            let digest = shown.lines().find(|line| line.starts_with("digest:"));
            digests.push(digest.unwrap().to_owned());
        }
        assert_eq!(digests[0], digests[1], "{file}");
    }
}

#[test]
fn keys_that_everybody_may_read_are_found_before_the_start() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let key = at("key");
    assert_eq!(directord(&["failover", "keygen", &key]).0, 0);
    let examples = super::root().join("directord.yaml.examples");
    let text = std::fs::read_to_string(examples.join("pair-two-links.yaml")).unwrap();
    std::fs::write(at("pair.yaml"), text.replace("/etc/directord/key", &key)).unwrap();
    std::fs::copy(examples.join("web.cf"), at("web.cf")).unwrap();
    let file = at("pair.yaml");
    let check = || directord(&["config", "check", "--node", "loadb1", &file]).1;
    assert_eq!(check(), format!("{file}: 0 errors, 0 warnings\n"));
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let found = check();
    assert!(
        found.contains("does not start with these keys") && found.contains(&key),
        "{found}"
    );
}

#[test]
fn mistakes_are_diagnosed_at_once_with_those_of_the_services() {
    for file in files("tests/golden/config/yaml") {
        let (code, out, err) = directord(&["config", "check", &file]);
        assert_eq!((code, err.as_str()), (1, ""), "{file}");
        golden(&format!("yaml/{}.check", stem(&file)), &out);
        let (_, json, _) = directord(&["config", "check", "--json", &file]);
        let found: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
        for one in found {
            let paths = one["path"].as_str().unwrap();
            assert!(paths.starts_with("tests/golden/config/yaml/"), "{one}");
            assert!(one["line"].as_u64().is_some_and(|line| line > 0), "{one}");
        }
        let (code, out, err) = directord(&["run", "-c", &file, "--socket", "no.sock"]);
        assert_eq!((code, out.as_str()), (1, ""), "{file}");
        assert!(
            err.starts_with("error: ") || err.starts_with("warning: "),
            "{err}"
        );
    }
}

#[test]
fn a_host_that_is_no_node_is_told_so() {
    let file = "directord.yaml.examples/pair.yaml";
    let (code, out, _) = directord(&["config", "check", "--node", "loadb3", file]);
    assert_eq!(code, 1);
    assert!(
        out.contains("\"loadb3\", asked for, is none of the nodes"),
        "{out}"
    );
    assert!(out.contains("pair.yaml:7:1"), "{out}");
}

#[test]
fn missing_services_are_reported_where_they_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("directord.yaml");
    std::fs::write(&path, "services: nowhere.cf\n").unwrap();
    let (code, out, _) = directord(&["config", "check", path.to_str().unwrap()]);
    assert_eq!(code, 1);
    assert!(out.contains("directord.yaml:1:11"), "{out}");
    assert!(
        out.contains("nowhere.cf cannot be read: No such file"),
        "{out}"
    );
    std::fs::write(&path, "services: directord.yaml\n").unwrap();
    let (_, out, _) = directord(&["config", "check", path.to_str().unwrap()]);
    assert!(out.contains("it is a directord.yaml itself"), "{out}");
}

#[test]
fn a_director_without_a_peer_needs_only_services() {
    let directory = tempfile::tempdir().unwrap();
    let text = "virtual=192.0.2.100:80\n\treal=192.0.2.21:80 gate\n\tchecktype=connect\n";
    std::fs::write(directory.path().join("ldirectord.cf"), text).unwrap();
    // Not known by its name, but by its first line.
    let path = directory.path().join("director");
    std::fs::write(&path, "# one\n\nservices: ldirectord.cf\n").unwrap();
    let path = path.to_str().unwrap();
    assert_eq!(code(&["config", "check", path]), 0);
    let (_, shown, _) = directord(&["config", "show", path]);
    assert!(
        shown.contains("tcp:192.0.2.100:80") && !shown.contains("failover"),
        "{shown}"
    );
    let (_, converted, _) = directord(&["config", "convert", path]);
    assert!(converted.contains("virtual=192.0.2.100:80"), "{converted}");
}

#[test]
fn the_schema_is_printed() {
    let (code, out, err) = directord(&["config", "schema"]);
    assert_eq!((code, err.as_str()), (0, ""));
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["title"], "directord.yaml");
    golden("yaml/schema.json", &out);
}

#[test]
fn every_check_of_a_rule_is_shown() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed_port = closed.local_addr().unwrap().port();
    drop(closed);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rules.yaml");
    let file = path.to_str().unwrap();
    let write = |rule: &str| {
        let text = format!(
            "checks:
  open: {{ type: connect, port: {port} }}
  shut: {{ type: connect, port: {closed_port} }}
services:
- service: tcp:192.0.2.100:80
  check: {{ {rule}: [ open, shut ] }}
  reals: [ {{ host: 127.0.0.1, port: 80, forwarding: masq }} ]
"
        );
        std::fs::write(&path, text).unwrap();
    };
    write("any");
    assert_eq!(code(&["check", file]), 0);
    write("all");
    let (code, text, _) = directord(&["check", file]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with("    "))
        .collect();
    assert_eq!(
        lines,
        [
            "tcp:192.0.2.100:80 127.0.0.1:80: DOWN all of open, shut: \
             2 of 2 needed, up: open; down: shut (connection refused)",
            &format!("  open: UP connect 127.0.0.1:{port}: connected"),
            &format!("  shut: DOWN connect 127.0.0.1:{closed_port}: connection refused"),
        ]
    );
    let (_, json, _) = directord(&["check", "--json", file]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["state"], "down");
    assert_eq!(json[0]["parts"][0]["state"], "up");
    assert_eq!(json[0]["parts"][1]["name"], "shut");
    let (code, out, err) = directord(&["config", "convert", file]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("no words for the rule that checks tcp:192.0.2.100:80"),
        "{err}"
    );
}
