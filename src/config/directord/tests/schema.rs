//! The schema says what the reader takes.

use serde_json::Value;

use super::accepted::EXAMPLE;
use super::validator::fits;
use super::*;
use crate::config::directord::file::{
    AddressEntry, ControlEntry, FailoverEntry, HooksEntry, InstanceEntry, LinkEntry, NodeEntry,
    SyncEntry, TrackEntry,
};

use crate::config::directord::services::keys::{
    CheckEntry, FallbackEntry, GlobalsEntry, LogEntry, MailEntry, PersistenceEntry, RealEntry,
    RuleEntry, ServiceEntry, TlsEntry,
};

fn schema_value() -> Value {
    serde_json::from_str(&schema()).unwrap()
}

fn is_valid(text: &str) -> bool {
    let value: Value = serde_yaml::from_str(text).unwrap();
    let root = schema_value();
    fits(&root, &root, &value)
}

#[test]
fn what_is_accepted_fits_the_schema() {
    assert!(is_valid(EXAMPLE));
    assert!(is_valid(SMALL));
    assert!(is_valid(services::RULES));
    assert!(is_valid("services: ldirectord.cf\n"));
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("directord.yaml.examples");
    let mut count = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(is_valid(&text), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 3);
}

#[test]
fn what_is_refused_does_not_fit_where_a_schema_can_tell() {
    for (part, other) in [
        ("advert_interval: 200ms", "advert_interval: 200 years"),
        ("advert_interval: 200ms", "advert_interval: 20"),
        ("id: 1,", "id: 0,"),
        ("id: 7", "id: 256"),
        ("preempt: false", "preempt: maybe"),
        ("standby: warm", "standby: hot"),
        ("cluster: web", "clutser: web"),
        ("weight: -50", "weight: -500"),
        ("interface: hb0", "interface: 'hb0:1'"),
        ("[/usr/local/bin/notify]", "[notify]"),
        ("loadb2: { id: 2, priority: 100 }", ""),
    ] {
        assert!(EXAMPLE.contains(part), "{part}");
        let text = EXAMPLE.replace(part, other);
        assert!(!is_valid(&text), "{other}");
        assert!(read(&text).is_err(), "{other}");
    }
}

#[test]
fn every_key_of_the_reader_is_in_the_schema_with_a_description() {
    let schema = schema_value();
    let keys = |name: &str, known: &[&str]| {
        let object = if name == "Top" {
            &schema
        } else {
            &schema["$defs"][name]
        };
        let properties = object["properties"].as_object().unwrap();
        let mut listed: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut known = known.to_vec();
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known, "{name}");
        for (key, property) in properties {
            assert!(property["description"].is_string(), "{name}.{key}");
        }
        assert_eq!(object["additionalProperties"], false, "{name}");
    };
    keys("Top", Top::KEYS);
    keys("NodeEntry", NodeEntry::KEYS);
    keys("LinkEntry", LinkEntry::KEYS);
    keys("FailoverEntry", FailoverEntry::KEYS);
    keys("InstanceEntry", InstanceEntry::KEYS);
    keys("AddressEntry", AddressEntry::KEYS);
    keys("SyncEntry", SyncEntry::KEYS);
    keys("TrackEntry", TrackEntry::KEYS);
    keys("HooksEntry", HooksEntry::KEYS);
    keys("ControlEntry", ControlEntry::KEYS);
    keys("GlobalsEntry", GlobalsEntry::KEYS);
    keys("LogEntry", LogEntry::KEYS);
    keys("MailEntry", MailEntry::KEYS);
    keys("FallbackEntry", FallbackEntry::KEYS);
    keys("ServiceEntry", ServiceEntry::KEYS);
    keys("PersistenceEntry", PersistenceEntry::KEYS);
    keys("CheckEntry", CheckEntry::KEYS);
    keys("RuleEntry", RuleEntry::KEYS);
    keys("RealEntry", RealEntry::KEYS);
    keys("TlsEntry", TlsEntry::KEYS);
}

#[test]
fn every_key_is_in_the_manual() {
    let manual = include_str!("../../../../docs/directord.yaml.md");
    let tables = [
        Top::KEYS,
        NodeEntry::KEYS,
        LinkEntry::KEYS,
        FailoverEntry::KEYS,
        InstanceEntry::KEYS,
        AddressEntry::KEYS,
        SyncEntry::KEYS,
        TrackEntry::KEYS,
        HooksEntry::KEYS,
        ControlEntry::KEYS,
        GlobalsEntry::KEYS,
        LogEntry::KEYS,
        MailEntry::KEYS,
        FallbackEntry::KEYS,
        ServiceEntry::KEYS,
        PersistenceEntry::KEYS,
        CheckEntry::KEYS,
        RuleEntry::KEYS,
        RealEntry::KEYS,
        TlsEntry::KEYS,
    ];
    for key in tables.into_iter().flatten() {
        assert!(manual.contains(&format!("`{key}`")), "{key}");
    }
}
