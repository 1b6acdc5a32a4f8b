//! The manual pages in `man/`: made from the command line, the JSON Schema and the table of
//! directives, so that they cannot say something else. `DIRECTORD_GOLDEN=write` makes the
//! files anew.

mod directives;
mod roff;

use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man;
use serde_json::Value;

use super::args::Arguments;
use super::list::golden_file;
use crate::config::{directord, ldirectord};
use roff::{Page, escaped};

const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done; nothing to complain of."),
    (
        "1",
        "Failed: the kernel has no IPVS (\\fBmodprobe ip_vs\\fR), the process lacks CAP_NET_ADMIN, \
         the configuration has errors, or no service or server fits the filters of \\fBlist\\fR. \
         Standard error has a line that says what to do.",
    ),
    (
        "2",
        "The command line makes no sense; \\fBplan\\fR: there is a difference.",
    ),
    (
        "4",
        "No director is running that could answer: \\fBstatus\\fR, \\fBreload\\fR, and \\fBlist\\fR with a \
         \\fB\\-\\-state\\fR that only a director knows.",
    ),
];

const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "DIRECTORD_SOCKET",
        "The director's control socket, where no \\fB\\-\\-socket\\fR says otherwise.",
    ),
    (
        "NO_COLOR",
        "When not empty, nothing is coloured. Without it, colours are for terminals only.",
    ),
];

const FILES: &[(&str, &str)] = &[
    (
        "/etc/ha.d/ldirectord.cf",
        "The services; see \\fBldirectord.cf\\fR(5).",
    ),
    (
        "/etc/directord/directord.yaml",
        "The pair, and optionally the services; see \\fBdirectord.yaml\\fR(5).",
    ),
    ("/run/directord/control.sock", "The control socket."),
];

/// A page for the program: its commands one after the other.
fn directord_8() -> String {
    let mut command = Arguments::command();
    command.build();
    let mut page = Page::new("DIRECTORD", 8, "System Administration");
    let man = Man::new(command.clone());
    let rendered = |render: &dyn Fn(&mut Vec<u8>) -> std::io::Result<()>| {
        let mut bytes = Vec::new();
        render(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    page.raw(&rendered(&|out| man.render_name_section(out)));
    page.raw(&rendered(&|out| man.render_synopsis_section(out)));
    page.raw(&rendered(&|out| man.render_description_section(out)));
    page.section("COMMANDS");
    subcommands(&mut page, &command, "directord");
    page.section("EXIT STATUS");
    page.terms(EXIT_STATUS);
    page.section("ENVIRONMENT");
    page.terms(ENVIRONMENT);
    page.section("FILES");
    page.terms(FILES);
    page.section("SEE ALSO");
    page.raw(
        ".BR directord.yaml (5),\n.BR ldirectord.cf (5),\n.BR directord\\-ipvsadm (8),\n.BR ipvsadm (8)\n",
    );
    page.text()
}

/// Every command that does something, with its options.
fn subcommands(page: &mut Page, command: &clap::Command, path: &str) {
    for command in command.get_subcommands() {
        let name = command.get_name();
        if command.is_hide_set() || name == "help" {
            continue;
        }
        let path = format!("{path} {name}");
        page.subsection(&path);
        let about = command.get_long_about().or(command.get_about());
        page.paragraph(&escaped(
            &about.map(ToString::to_string).unwrap_or_default(),
        ));
        let has_options = command
            .get_arguments()
            .any(|argument| argument.get_id() != "help");
        if has_options {
            let mut bytes = Vec::new();
            let mut command = command.clone();
            // Said once, of the program.
            if command
                .get_arguments()
                .any(|argument| argument.get_id() == "help")
            {
                command = command.mut_arg("help", |help| help.hide(true));
            }
            Man::new(command)
                .render_options_section(&mut bytes)
                .unwrap();
            let text = String::from_utf8(bytes).unwrap();
            for line in text.lines().filter(|line| !line.starts_with(".SH")) {
                page.raw(&format!("{line}\n"));
            }
        }
        subcommands(page, command, &path);
    }
}

/// The directives: what may stand where, and what it means.
fn ldirectord_cf_5() -> String {
    let mut page = Page::new("LDIRECTORD.CF", 5, "File Formats");
    page.section("NAME");
    page.paragraph("ldirectord.cf \\- virtual services and their real servers");
    for (title, paragraphs) in directives::BEFORE {
        page.section(title);
        for paragraph in *paragraphs {
            page.paragraph(paragraph);
        }
    }
    page.example(directives::EXAMPLE);
    for (title, wants_global) in [
        ("GLOBAL DIRECTIVES", true),
        ("DIRECTIVES OF A SECTION", false),
    ] {
        page.section(title);
        for (name, is_global, is_section) in ldirectord::directive_places() {
            let (_, value, text) = directives::DIRECTIVES
                .iter()
                .find(|(known, _, _)| *known == name)
                .unwrap_or_else(|| panic!("{name} is not described"));
            // What may stand in both places is described once.
            if wants_global != is_global {
                continue;
            }
            let both = if is_global && is_section {
                " May stand in a section, too, and is then for its service."
            } else {
                ""
            };
            page.term(
                &format!("\\fB{name}\\fR = \\fI{}\\fR", escaped(value)),
                &format!("{}{both}", escaped(text)),
            );
        }
    }
    page.section("SEE ALSO");
    page.raw(".BR directord (8),\n.BR directord.yaml (5)\n");
    page.text()
}

/// The keys of the schema, object by object.
fn directord_yaml_5() -> String {
    let schema: Value = serde_json::from_str(&directord::schema()).unwrap();
    let mut page = Page::new("DIRECTORD.YAML", 5, "File Formats");
    page.section("NAME");
    page.paragraph(
        "directord.yaml \\- the pair of directors, and what ldirectord.cf has no word for",
    );
    page.section("DESCRIPTION");
    page.paragraph(
        "YAML 1.2, one document, the same file on both nodes of a pair. Times are \\fB200ms\\fR, \
         \\fB1s\\fR, \\fB1.5s\\fR, \\fB2m\\fR or \\fB1h\\fR. \\fBdirectord config check\\fR reports every \
         mistake at once; \\fBdirectord config schema\\fR prints the JSON Schema from which this page \
         is made.",
    );
    page.section("KEYS");
    keys(&mut page, &schema);
    let definitions = schema["$defs"].as_object().unwrap();
    for (name, definition) in definitions {
        if definition.get("properties").is_some() {
            page.section(&object_name(name).to_uppercase());
            if let Some(about) = definition["description"].as_str() {
                page.paragraph(&escaped(about));
            }
            keys(&mut page, definition);
        }
    }
    page.section("SEE ALSO");
    page.raw(".BR directord (8),\n.BR ldirectord.cf (5)\n");
    page.text()
}

fn keys(page: &mut Page, object: &Value) {
    let required = object["required"].as_array().cloned().unwrap_or_default();
    let properties = object["properties"].as_object().unwrap();
    for (name, property) in properties {
        let needed = if required.contains(&Value::from(name.as_str())) {
            " (required)"
        } else {
            ""
        };
        let kind = kind(property);
        let about = property["description"].as_str().unwrap_or_default();
        page.term(
            &format!(
                "\\fB{}\\fR: \\fI{}\\fR{needed}",
                escaped(name),
                escaped(&kind)
            ),
            &escaped(about),
        );
    }
}

/// What readers call an object of the schema.
fn object_name(name: &str) -> &str {
    name.strip_suffix("Entry").unwrap_or(name)
}

/// What a key's value is, in a word or two.
fn kind(property: &Value) -> String {
    if let Some(target) = property["$ref"].as_str() {
        return object_name(target.rsplit('/').next().unwrap()).to_lowercase();
    }
    for choice in ["anyOf", "oneOf"] {
        if let Some(kinds) = property[choice].as_array() {
            let kinds: Vec<String> = kinds
                .iter()
                .map(kind)
                .filter(|kind| kind != "null")
                .collect();
            return kinds.join(" or ");
        }
    }
    if let Some(words) = property["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str);
        return words.collect::<Vec<_>>().join("|");
    }
    let items = || format!("list of {}", kind(&property["items"]));
    match &property["type"] {
        Value::String(name) if name == "array" => items(),
        Value::String(name) => name.clone(),
        Value::Array(names) if names.contains(&Value::from("array")) => items(),
        Value::Array(names) => {
            let names = names
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| *name != "null");
            names.collect::<Vec<_>>().join(" or ")
        }
        _ => "value".to_owned(),
    }
}

/// What a script that knows ipvsadm has to know.
fn ipvsadm_8() -> String {
    let mut page = Page::new("DIRECTORD-IPVSADM", 8, "System Administration");
    page.section("NAME");
    page.paragraph(
        "directord\\-ipvsadm \\- ipvsadm's command line and output, and where to find them",
    );
    for (title, paragraphs) in directives::IPVSADM {
        page.section(title);
        for paragraph in *paragraphs {
            page.paragraph(paragraph);
        }
    }
    page.section("SEE ALSO");
    page.raw(".BR directord (8),\n.BR ipvsadm (8)\n");
    page.text()
}

#[test]
fn the_pages_in_man_are_those_of_the_program() {
    for (name, text) in [
        ("directord.8", directord_8()),
        ("directord-ipvsadm.8", ipvsadm_8()),
        ("directord.yaml.5", directord_yaml_5()),
        ("ldirectord.cf.5", ldirectord_cf_5()),
    ] {
        assert!(text.starts_with(".TH ") && text.len() > 1000, "{name}");
        golden_file(&Path::new("man").join(name), &text);
    }
}

#[test]
fn every_directive_is_described_once_and_no_other() {
    let known: Vec<&str> = ldirectord::directive_places()
        .map(|(name, _, _)| name)
        .collect();
    let described: Vec<&str> = directives::DIRECTIVES
        .iter()
        .map(|(name, _, _)| *name)
        .collect();
    assert_eq!(described, known);
}
