//! `directord list connections`: every entry as it is read, so that a hundred thousand of
//! them take no more memory than a few hundred.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::{Connections, CountKey};
use super::csv;
use super::document::SCHEMA_VERSION;
use super::grid::{Cell, Grid, Paint};
use crate::cli::failover::plain;
use crate::kernel::connections::entries::{Connection, Source};
use crate::model::PortAddress;

/// Entries that the widths of columns are taken from before anything is written.
const AHEAD: usize = 512;

/// An entry as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
pub(super) struct ConnectionDocument {
    /// `TCP`, `UDP`, `SCTP`, or `IP` for templates of firewall marks.
    protocol: String,
    client: EndpointDocument,
    /// The virtual address; of a template of a firewall mark, the mark as an address.
    service: EndpointDocument,
    server: EndpointDocument,
    /// `ESTABLISHED`, `FIN_WAIT`, …
    state: String,
    /// Seconds until it is forgotten, unless a packet comes.
    expires_seconds: u64,
    /// A persistence template, and no connection.
    template: bool,
    /// Made here or received by the sync daemon; left out with --engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["local", "sync"]))]
    origin: Option<&'static str>,
    /// Persistence engine, with --engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    /// Its data, such as a call id, with --engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine_data: Option<String>,
}

/// An address with its port.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Endpoint")]
struct EndpointDocument {
    address: IpAddr,
    port: u16,
}

/// How many entries have these in common.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub(super) struct GroupDocument {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// `192.0.2.21:80`.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// `tcp:192.0.2.1:80`.
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    /// `local` or `sync`.
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<String>,
    connections: u64,
    /// Persistence templates, which are not among the connections.
    templates: u64,
}

impl From<PortAddress> for EndpointDocument {
    fn from(PortAddress(address, port): PortAddress) -> Self {
        Self { address, port }
    }
}

impl Connections {
    /// Which of the kernel's files tells what is asked for.
    pub(super) fn source(&self) -> Source {
        if self.engine {
            Source::Engine
        } else {
            Source::Origin
        }
    }

    fn fits(&self, entry: &Connection<'_>) -> bool {
        let endpoint = |patterns: &[super::pattern::Pattern], endpoint: PortAddress| {
            patterns.is_empty()
                || patterns
                    .iter()
                    .any(|pattern| pattern.fits_endpoint(endpoint))
        };
        let state = |state: &String| state.eq_ignore_ascii_case(entry.state);
        endpoint(&self.client, entry.client)
            && endpoint(&self.server, entry.server)
            && (self.state.is_empty() || self.state.iter().any(state))
            && self.fits_service(entry)
    }

    fn fits_service(&self, entry: &Connection<'_>) -> bool {
        if self.service.is_empty() {
            return true;
        }
        let long = service(entry);
        let PortAddress(address, _) = entry.virtual_address;
        let short = entry.virtual_address.to_string();
        let bare = address.to_string();
        let endpoint = Some(entry.virtual_address);
        let mut patterns = self.service.iter();
        patterns.any(|pattern| pattern.fits(endpoint, &[&long, &short, &bare]))
    }
}

fn service(entry: &Connection<'_>) -> String {
    let protocol = entry.protocol.to_ascii_lowercase();
    format!("{protocol}:{}", entry.virtual_address)
}

fn origin(entry: &Connection<'_>) -> Option<&'static str> {
    entry.origin?;
    Some(if entry.is_synchronised() {
        "sync"
    } else {
        "local"
    })
}

/// Entries by what they have in common: connections and templates.
type Groups = BTreeMap<Vec<String>, (u64, u64)>;

/// Writes entries, or counts them.
pub(super) struct Printer<'a, W: Write> {
    out: W,
    options: &'a Connections,
    colour: bool,
    grid: Grid,
    /// Something was written.
    is_begun: bool,
    groups: Groups,
    shown: u64,
    seen: u64,
}

impl<'a, W: Write> Printer<'a, W> {
    /// Begins.
    pub(super) fn new(out: W, options: &'a Connections, colour: bool) -> io::Result<Self> {
        let last: &[(&str, bool)] = if options.engine {
            &[("ENGINE", false), ("DATA", false)]
        } else {
            &[("ORIGIN", false)]
        };
        let titles = [
            ("PROTO", false),
            ("EXPIRES", true),
            ("STATE", false),
            ("CLIENT", false),
            ("SERVICE", false),
            ("SERVER", false),
        ];
        let mut printer = Self {
            out,
            options,
            colour,
            grid: Grid::new(titles.iter().chain(last).copied().collect()),
            is_begun: false,
            groups: Groups::new(),
            shown: 0,
            seen: 0,
        };
        if options.count.is_empty() && options.json {
            write!(
                printer.out,
                "{{\"schema_version\":{SCHEMA_VERSION},\"kind\":\"connections\",\"connections\":["
            )?;
        } else if options.count.is_empty() && options.csv {
            let titles = [
                "protocol",
                "client_address",
                "client_port",
                "service_address",
                "service_port",
                "server_address",
                "server_port",
                "state",
                "expires_seconds",
                "template",
                "origin",
                "engine",
                "engine_data",
            ];
            printer.out.write_all(csv::line(titles).as_bytes())?;
        }
        Ok(printer)
    }

    /// Takes one entry.
    pub(super) fn entry(&mut self, entry: &Connection<'_>) -> io::Result<ControlFlow<()>> {
        self.seen += 1;
        if self.options.fits(entry) {
            self.shown += 1;
            if !self.options.count.is_empty() {
                self.count(entry);
            } else if self.options.json {
                self.json(entry)?;
            } else if self.options.csv {
                let line = csv::line(fields(entry));
                self.out.write_all(line.as_bytes())?;
            } else {
                self.grid.row(cells(entry));
                if self.grid.len() >= AHEAD {
                    self.lines()?;
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Writes what is left.
    pub(super) fn end(mut self) -> io::Result<()> {
        let (shown, seen) = (self.shown, self.seen);
        let Connections {
            count, json, csv, ..
        } = self.options;
        match (count.is_empty(), json, csv) {
            (true, true, _) => {
                writeln!(self.out, "\n],\"shown\":{shown},\"seen\":{seen}}}")?;
            }
            (true, _, true) => {}
            (true, _, _) => {
                self.lines()?;
                writeln!(self.out, "{shown} of {seen} entries")?;
            }
            (false, json, csv) => {
                let text = groups(
                    &self.groups,
                    count,
                    (*json, *csv),
                    (shown, seen),
                    self.colour,
                );
                self.out.write_all(text.as_bytes())?;
            }
        }
        self.out.flush()
    }

    /// Writes the rows so far; titles before the first.
    fn lines(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.is_begun, true) {
            let text = self.grid.text(self.colour, None);
            self.grid.take_lines(self.colour);
            return self.out.write_all(text.as_bytes());
        }
        let text = self.grid.take_lines(self.colour);
        self.out.write_all(text.as_bytes())
    }

    fn json(&mut self, entry: &Connection<'_>) -> io::Result<()> {
        let comma = if std::mem::replace(&mut self.is_begun, true) {
            ","
        } else {
            ""
        };
        writeln!(self.out, "{comma}")?;
        serde_json::to_writer(&mut self.out, &document(entry)).map_err(io::Error::from)
    }

    fn count(&mut self, entry: &Connection<'_>) {
        let key = self.options.count.iter().map(|key| match key {
            CountKey::State => entry.state.to_owned(),
            CountKey::Server => entry.server.to_string(),
            CountKey::Service => service(entry),
            CountKey::Origin => origin(entry).unwrap_or_default().to_owned(),
        });
        let group = self.groups.entry(key.collect()).or_default();
        if entry.is_template() {
            group.1 += 1;
        } else {
            group.0 += 1;
        }
    }
}

fn document(entry: &Connection<'_>) -> ConnectionDocument {
    ConnectionDocument {
        protocol: entry.protocol.to_owned(),
        client: entry.client.into(),
        service: entry.virtual_address.into(),
        server: entry.server.into(),
        state: entry.state.to_owned(),
        expires_seconds: entry.expires,
        template: entry.is_template(),
        origin: origin(entry),
        engine: entry.engine.map(str::to_owned),
        engine_data: data(entry),
    }
}

fn data(entry: &Connection<'_>) -> Option<String> {
    let data = entry.engine_data?;
    Some(String::from_utf8_lossy(data).into_owned())
}

fn fields(entry: &Connection<'_>) -> [String; 13] {
    [
        entry.protocol.to_owned(),
        entry.client.0.to_string(),
        entry.client.1.to_string(),
        entry.virtual_address.0.to_string(),
        entry.virtual_address.1.to_string(),
        entry.server.0.to_string(),
        entry.server.1.to_string(),
        entry.state.to_owned(),
        entry.expires.to_string(),
        entry.is_template().to_string(),
        origin(entry).unwrap_or_default().to_owned(),
        entry.engine.unwrap_or_default().to_owned(),
        data(entry).unwrap_or_default(),
    ]
}

fn cells(entry: &Connection<'_>) -> Vec<Cell> {
    let paint = match entry.state {
        _ if entry.is_template() => Paint::Cyan,
        "ESTABLISHED" | "UDP" => Paint::Green,
        "SYN_RECV" | "SYN_SENT" => Paint::Yellow,
        _ => Paint::None,
    };
    let mut cells = vec![
        Cell::plain(entry.protocol.to_owned()),
        Cell::plain(format!("{}:{:02}", entry.expires / 60, entry.expires % 60)),
        Cell::painted(entry.state.to_owned(), paint),
        Cell::plain(entry.client.to_string()),
        Cell::plain(entry.virtual_address.to_string()),
        Cell::plain(entry.server.to_string()),
    ];
    if let Some(origin) = origin(entry) {
        cells.push(Cell::plain(origin.to_owned()));
    } else {
        cells.push(Cell::plain(entry.engine.unwrap_or_default().to_owned()));
        cells.push(Cell::plain(plain(&data(entry).unwrap_or_default())));
    }
    cells
}

/// The groups, from the largest down.
fn groups(
    groups: &Groups,
    keys: &[CountKey],
    (json, csv): (bool, bool),
    (shown, seen): (u64, u64),
    colour: bool,
) -> String {
    let mut groups: Vec<_> = groups.iter().collect();
    groups.sort_by_key(|(_, (connections, templates))| {
        std::cmp::Reverse(connections.saturating_add(*templates))
    });
    if json {
        let groups: Vec<_> = groups
            .iter()
            .map(|(values, counts)| group(keys, values, **counts))
            .collect();
        let document = serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "kind": "groups",
            "groups": groups,
            "shown": shown,
            "seen": seen,
        });
        return format!("{document:#}\n");
    }
    if csv {
        let titles = keys.iter().map(|key| key.name());
        let mut text = csv::line(titles.chain(["connections", "templates"]));
        for (values, (connections, templates)) in groups {
            let counts = [connections.to_string(), templates.to_string()];
            text.push_str(&csv::line(values.iter().chain(&counts)));
        }
        return text;
    }
    let title = |key: &CountKey| match key {
        CountKey::State => "STATE",
        CountKey::Server => "SERVER",
        CountKey::Service => "SERVICE",
        CountKey::Origin => "ORIGIN",
    };
    let titles = keys.iter().map(|key| (title(key), false));
    let counts = [("CONNECTIONS", true), ("TEMPLATES", true)];
    let mut grid = Grid::new(titles.chain(counts).collect());
    for (values, (connections, templates)) in groups {
        let values = values.iter().map(|value| Cell::plain(value.clone()));
        let counts = [connections, templates].map(|count| Cell::plain(count.to_string()));
        grid.row(values.chain(counts).collect());
    }
    format!("{}{shown} of {seen} entries\n", grid.text(colour, None))
}

fn group(
    keys: &[CountKey],
    values: &[String],
    (connections, templates): (u64, u64),
) -> GroupDocument {
    let mut group = GroupDocument {
        connections,
        templates,
        ..GroupDocument::default()
    };
    for (key, value) in keys.iter().zip(values) {
        let place = match key {
            CountKey::State => &mut group.state,
            CountKey::Server => &mut group.server,
            CountKey::Service => &mut group.service,
            CountKey::Origin => &mut group.origin,
        };
        *place = Some(value.clone());
    }
    group
}

#[cfg(test)]
mod tests;
