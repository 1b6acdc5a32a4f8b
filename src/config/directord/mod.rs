//! The reader for `directord.yaml`: what an `ldirectord.cf` has no word for, above all the
//! active/standby pair.
//!
//! ```text
//! bytes ─► parse ─► Parsed ── services ──► those in the file, or the ldirectord.cf ┐
//!                     │                                                           ▼
//!                     └───────────────────── check(Some(&Config)) ◄───────────── Config
//!                                               │
//!                     Document { pair, control, … } and warnings, or Rejected
//! ```
//!
//! # Why not serde
//!
//! A diagnostic points at the value it is about, and all are reported at once. The `serde`
//! readers of YAML stop at the first mistake and know a place only while they read, so that
//! "the address on line 20 is also on line 31" cannot be said. So the text is read as events
//! (`saphyr-parser`, which gives each its place) into a small tree of our own, bounded in
//! size, depth and what aliases expand to; a table of keys per mapping makes the Rust type,
//! its reader and its JSON Schema; and the relations between values are checked on typed
//! values that still know where they stand.
//!
//! YAML is read as version 1.2: `yes` and `no` are texts, numbers are decimal.

mod collection;
mod digest;
mod file;
mod instance;
mod link;
mod node;
mod pair;
mod read;
mod relations;
mod services;
mod show;
mod time;
mod timing;
mod track;
mod value;

#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};

pub use digest::digest;

use super::diagnostic::Diagnostic;
use super::effective::Config;
use super::source::{Context, Report, Source};
use super::{Rejected, ldirectord};
use crate::model::pair::Pair;
use file::Top;
use read::{Marked, OptionalKey as _, Read as _};
use services::ServicesEntry;

/// The host that a file is read on: which of the nodes it is.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The host name, full or short.
    pub host_name: &'a str,
    /// The node to be, whatever file and host name say.
    pub node: Option<&'a str>,
}

/// A `directord.yaml` that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The `ldirectord.cf` it goes with; none when the services are in the file.
    pub services: Option<PathBuf>,
    /// The pair this host is a node of.
    pub pair: Option<Pair>,
    /// The control socket.
    pub control: Control,
    /// What is doubtful, in file order.
    pub warnings: Vec<Diagnostic>,
}

/// The control socket as far as the file says something about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    /// Its path, absolute.
    pub socket: Option<PathBuf>,
    /// The group it belongs to.
    pub group: Option<String>,
}

/// A `directord.yaml` taken apart, with what is wrong in it so far.
#[derive(Debug, Clone)]
pub struct Parsed {
    source: Source,
    report: Report,
    /// `None` in it: they are in the file.
    services: Option<Marked<Option<PathBuf>>>,
    here: Option<Box<ldirectord::Parsed>>,
    pair: Option<Pair>,
    control: Control,
    places: pair::Places,
}

/// Takes the text of a file apart. `path` appears in diagnostics, and relative paths in the
/// file begin in its directory.
pub fn parse(text: &[u8], path: &str, here: Here<'_>) -> Parsed {
    let source = Source::new(text, path);
    let mut report = Report::default();
    let mut cx = Context {
        source: &source,
        report: &mut report,
    };
    let tree = node::read(&mut cx);
    let file = tree.and_then(|tree| Top::read(&mut cx, &tree));
    let (mut services, mut in_file) = (None, None);
    let mut control = Control::default();
    let mut lowered = None;
    if let Some(file) = &file {
        (services, in_file) = services_of(&mut cx, file, path);
        control = control_of(file);
        lowered = pair::lower(&mut cx, file, here);
    }
    let (pair, places) = lowered.unwrap_or_default();
    Parsed {
        source,
        report,
        services,
        here: in_file,
        pair,
        control,
        places,
    }
}

impl Parsed {
    /// The `ldirectord.cf` it goes with, when it names one.
    pub fn services_file(&self) -> Option<&Path> {
        let services = self.services.as_ref()?;
        services.value.as_deref()
    }

    /// The services that are in the file itself, to be resolved as those of an
    /// `ldirectord.cf` are. What is wrong with how they are written stays here.
    pub fn take_services(&mut self) -> Option<ldirectord::Parsed> {
        self.here.take().map(|parsed| *parsed)
    }

    /// Notes that the `ldirectord.cf` cannot be read, and why.
    pub fn services_unreadable(&mut self, reason: &str) {
        let Some(Marked {
            value: Some(path),
            span,
        }) = &self.services
        else {
            return;
        };
        let (span, path) = (*span, path.display());
        let message = format!("{path} cannot be read: {reason}");
        self.report.error(&self.source, span, message);
    }

    /// Whether the file is already known to be unusable.
    pub fn has_errors(&self) -> bool {
        self.report.has_errors()
    }

    /// Ends the reading; with the services, when they could be read, what the pair moves is
    /// held against them.
    ///
    /// # Errors
    ///
    /// Every mistake, with all warnings.
    pub fn check(mut self, services: Option<&Config>) -> Result<Document, Rejected> {
        if let (Some(_), Some(config)) = (&self.pair, services) {
            let mut cx = Context {
                source: &self.source,
                report: &mut self.report,
            };
            relations::with_services(&mut cx, &self.places, config);
        }
        let has_errors = self.report.has_errors();
        let diagnostics = self.report.finish();
        match self.services {
            Some(services) if !has_errors => Ok(Document {
                services: services.value,
                pair: self.pair,
                control: self.control,
                warnings: diagnostics,
            }),
            _ => Err(Rejected(diagnostics)),
        }
    }
}

/// The JSON Schema of the format, as indented JSON with a final newline.
pub fn schema() -> String {
    let mut text =
        serde_json::to_string_pretty(&file::schema()).expect("a schema has only string keys");
    text.push('\n');
    text
}

/// Whether a file is a `directord.yaml`: by its name, or else by its first line that says
/// something. An `ldirectord.cf` has `NAME=VALUE` there.
pub fn is_directord_yaml(path: &Path, text: &[u8]) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension {
        Some("yaml" | "yml") => return true,
        Some("cf" | "conf") => return false,
        _ => {}
    }
    let lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let first = lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .find(|line| !line.starts_with(b"%YAML"));
    let Some(first) = first else {
        return false;
    };
    let word = first
        .iter()
        .take_while(|b| b.is_ascii_lowercase() || **b == b'_');
    let key = std::str::from_utf8(&first[..word.count()]).unwrap_or_default();
    first == b"---" || (Top::KEYS.contains(&key) && first[key.len()..].starts_with(b":"))
}

/// The `ldirectord.cf`, if there is one, and the services that are in the file.
type ServicesOf = (
    Option<Marked<Option<PathBuf>>>,
    Option<Box<ldirectord::Parsed>>,
);

fn services_of(cx: &mut Context<'_>, file: &Top, path: &str) -> ServicesOf {
    let Some(entry) = file.services.given() else {
        return (None, None);
    };
    let span = entry.span;
    match &entry.value {
        ServicesEntry::File(name) => {
            if let Some(globals) = file.globals.given() {
                cx.error(
                    globals.span,
                    "globals go with services that are written here",
                )
                .help(format!("write these settings into {name}"));
            }
            if let Some(checks) = file.checks.given() {
                cx.error(checks.span, "checks go with services that are written here")
                    .help("an ldirectord.cf has no words for rules: write its services here");
            }
            let value = Some(beside(path, name));
            (Some(Marked { value, span }), None)
        }
        ServicesEntry::Here(list) => {
            let parsed = services::lower(cx, file.globals.given(), file.checks.given(), list);
            let value = None;
            (Some(Marked { value, span }), Some(Box::new(parsed)))
        }
    }
}

fn beside(path: &str, name: &str) -> PathBuf {
    let directory = Path::new(path).parent().unwrap_or(Path::new(""));
    directory.join(name)
}

fn control_of(file: &Top) -> Control {
    let Some(control) = file.control.given() else {
        return Control::default();
    };
    Control {
        socket: control.value.socket.value().map(|path| path.0.clone()),
        group: control.value.group.value().map(|group| group.0.clone()),
    }
}
