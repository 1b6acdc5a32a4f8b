//! The listing for people: columns as wide as what is in them, colour for states.

use super::document::{flag_names, tunnel_words};
use super::grid::{Cell, Grid, Paint};
use super::view::{Director, ServerView, ServiceView, Snapshot, Totals};
use crate::cli::failover::plain;
use crate::cli::listing::Mode;
use crate::cli::status::duration;
use crate::director::status::ServerStatus;
use crate::model::{Counters, Netmask, Scheduler, SyncDaemon, Timeouts};

/// How the table is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    /// Which numbers.
    pub(super) mode: Mode,
    /// Numbers in full.
    pub(super) exact: bool,
    /// With colours.
    pub(super) colour: bool,
    /// Columns of the terminal; longer lines are cut.
    pub(super) width: Option<usize>,
}

/// The table with its totals, and who was asked about health.
pub(super) fn table(snapshot: &Snapshot, services: &[ServiceView<'_>], style: Style) -> String {
    let mut grid = Grid::new(titles(style.mode));
    for service in services {
        grid.row(service_row(service, style));
        for server in &service.servers {
            grid.row(server_row(server, style));
        }
    }
    if services.len() > 1 {
        grid.row(total_row(services, style));
    }
    let mut text = grid.text(style.colour, style.width);
    text.push_str(&footer(snapshot, services));
    text
}

/// Titles, with whether numbers stand below.
fn titles(mode: Mode) -> Vec<(&'static str, bool)> {
    let before = [
        ("SERVICE / SERVER", false),
        ("METHOD", false),
        ("WEIGHT", true),
        ("STATE", false),
    ];
    let numbers: &[(&str, bool)] = match mode {
        Mode::Table => &[("ACTIVE", true), ("INACTIVE", true)],
        Mode::Stats => &[
            ("CONNS", true),
            ("PKTS-IN", true),
            ("PKTS-OUT", true),
            ("BYTES-IN", true),
            ("BYTES-OUT", true),
        ],
        Mode::Rate => &[
            ("ACTIVE", true),
            ("CONNS/S", true),
            ("PKTS-IN/S", true),
            ("PKTS-OUT/S", true),
            ("BYTES-IN/S", true),
            ("BYTES-OUT/S", true),
        ],
        Mode::Thresholds => &[
            ("UPPER", true),
            ("LOWER", true),
            ("ACTIVE", true),
            ("INACTIVE", true),
        ],
        Mode::PersistentConnections => {
            &[("PERSISTENT", true), ("ACTIVE", true), ("INACTIVE", true)]
        }
        Mode::TunnelInfo => &[("TUNNEL", false), ("ACTIVE", true), ("INACTIVE", true)],
    };
    let after = [("", false)];
    before
        .iter()
        .chain(numbers)
        .chain(&after)
        .copied()
        .collect()
}

/// Numbers that every row has in one form or another.
struct Numbers {
    active: u64,
    inactive: u64,
    persistent: u64,
    counters: Counters,
    /// Upper and lower.
    thresholds: Option<(u32, u32)>,
    tunnel: String,
}

impl Numbers {
    fn cells(&self, style: Style) -> Vec<Cell> {
        let figure = |value| Cell::plain(figure(value, style.exact));
        let counters = &self.counters;
        let limit = |of: fn((u32, u32)) -> u32| match self.thresholds.map(of) {
            None => Cell::default(),
            Some(0) => Cell::plain("-".to_owned()),
            Some(limit) => Cell::plain(limit.to_string()),
        };
        match style.mode {
            Mode::Table => vec![figure(self.active), figure(self.inactive)],
            Mode::Stats => vec![
                figure(counters.connections),
                figure(counters.in_packets),
                figure(counters.out_packets),
                figure(counters.in_bytes),
                figure(counters.out_bytes),
            ],
            Mode::Rate => vec![
                figure(self.active),
                figure(counters.connections_per_second),
                figure(counters.in_packets_per_second),
                figure(counters.out_packets_per_second),
                figure(counters.in_bytes_per_second),
                figure(counters.out_bytes_per_second),
            ],
            Mode::Thresholds => vec![
                limit(|(upper, _)| upper),
                limit(|(_, lower)| lower),
                figure(self.active),
                figure(self.inactive),
            ],
            Mode::PersistentConnections => vec![
                figure(self.persistent),
                figure(self.active),
                figure(self.inactive),
            ],
            Mode::TunnelInfo => vec![
                Cell::plain(self.tunnel.clone()),
                figure(self.active),
                figure(self.inactive),
            ],
        }
    }
}

fn service_row(service: &ServiceView<'_>, style: Style) -> Vec<Cell> {
    let attributes = service.observed.map(|observed| &observed.service);
    let scheduler = match (attributes, service.status) {
        (Some(attributes), _) => {
            let scheduler = attributes.scheduler.as_ref();
            scheduler.map_or("none", Scheduler::name).to_owned()
        }
        (None, Some(status)) => plain(&status.scheduler),
        (None, None) => String::new(),
    };
    let (serving, all) = (service.serving(), service.servers.len());
    let is_passive = service.status.is_some_and(|status| status.passive);
    let paint = match (serving, all) {
        _ if is_passive => Paint::None,
        (_, 0) => Paint::None,
        (0, _) => Paint::Red,
        (serving, all) if serving < all => Paint::Yellow,
        _ => Paint::Green,
    };
    let mut cells = vec![
        Cell::painted(service.key.to_string(), Paint::Bold),
        Cell::plain(scheduler),
        Cell::default(),
        Cell::painted(format!("{serving}/{all} serving"), paint),
    ];
    match service.observed {
        Some(observed) => cells.extend(
            Numbers {
                active: service.sum(|server| server.active),
                inactive: service.sum(|server| server.inactive),
                persistent: service.sum(|server| server.persistent),
                counters: observed.counters,
                thresholds: None,
                tunnel: String::new(),
            }
            .cells(style),
        ),
        None => cells.extend(vec![Cell::default(); titles(style.mode).len() - 5]),
    }
    cells.push(Cell::plain(service_remarks(service)));
    cells
}

fn service_remarks(service: &ServiceView<'_>) -> String {
    let mut remarks = Vec::new();
    remarks.extend(service.name().map(plain));
    if let Some(observed) = service.observed {
        let attributes = &observed.service;
        if let Some(persistence) = &attributes.persistence {
            let mask = match persistence.netmask {
                mask if mask.is_full() => String::new(),
                Netmask::V4(mask) => format!(" mask {mask}"),
                Netmask::V6(length) => format!(" /{length}"),
            };
            remarks.push(format!("persistent {}s{mask}", persistence.timeout));
        }
        remarks.extend(
            attributes
                .engine
                .as_deref()
                .map(|engine| format!("pe {}", plain(engine))),
        );
        remarks.extend(attributes.one_packet.then(|| "one packet".to_owned()));
        let flags = flag_names(attributes.flags, attributes.scheduler.as_ref());
        remarks.extend(flags.into_iter().map(str::to_owned));
    }
    if let Some(status) = service.status {
        if status.passive {
            remarks.push("cold standby".to_owned());
        } else if service.observed.is_none() {
            remarks.push("NOT IN THE KERNEL".to_owned());
        }
        if status.refused_attempts > 0 {
            remarks.push(format!("kernel refused {} times", status.refused_attempts));
        }
    }
    remarks.join(", ")
}

fn server_row(server: &ServerView<'_>, style: Style) -> Vec<Cell> {
    let mut cells = vec![Cell::plain(format!("  {}", server.key))];
    cells.push(Cell::plain(method(server)));
    let weight = server.weight();
    cells.push(Cell::plain(
        weight.map_or_else(|| "out".to_owned(), |weight| weight.to_string()),
    ));
    cells.push(Cell::painted(state(server), paint(server)));
    match server.observed {
        Some(observed) => {
            let destination = &observed.destination;
            cells.extend(
                Numbers {
                    active: observed.active.into(),
                    inactive: observed.inactive.into(),
                    persistent: observed.persistent.into(),
                    counters: observed.counters,
                    thresholds: Some((destination.upper_threshold, destination.lower_threshold)),
                    tunnel: tunnel(server),
                }
                .cells(style),
            );
        }
        None => cells.extend(vec![Cell::default(); titles(style.mode).len() - 5]),
    }
    cells.push(Cell::plain(server.status.map_or_else(String::new, remarks)));
    cells
}

fn state(server: &ServerView<'_>) -> String {
    match server.status {
        Some(status) => format!(
            "{} {}",
            plain(&status.state),
            duration(status.since_seconds)
        ),
        None => server.word().to_owned(),
    }
}

fn paint(server: &ServerView<'_>) -> Paint {
    match server.word() {
        "up" | "serving" => Paint::Green,
        "down" | "absent" => Paint::Red,
        "fallback" => Paint::Cyan,
        _ => Paint::Yellow,
    }
}

/// What is to be said of a server: why it is out, and what its weight is not.
fn remarks(status: &ServerStatus) -> String {
    let mut remarks = Vec::new();
    if let Some(weight) = status.weight_without_hand {
        remarks.push(format!("weight by hand, {weight} otherwise"));
    } else if status.weight_in_kernel != status.weight_wanted {
        let wanted = status.weight_wanted;
        let wanted = wanted.map_or_else(
            || "to be removed".to_owned(),
            |w| format!("weight {w} wanted"),
        );
        remarks.push(wanted);
    }
    if status.failures > 0 {
        remarks.push(format!(
            "failing {}/{}",
            status.failures, status.failure_limit
        ));
    }
    if status.state != "up" || status.failures > 0 {
        remarks.extend(status.reason.as_deref().map(plain));
    }
    remarks.join(", ")
}

/// The forwarding method: of the tunnels the one it is, which the kernel's words all call `ipip`.
fn method(server: &ServerView<'_>) -> String {
    let Some(observed) = server.observed else {
        return String::new();
    };
    let forwarding = observed.destination.forwarding;
    tunnel_words(forwarding)
        .map_or_else(|| forwarding.word(), |(kind, ..)| kind)
        .to_owned()
}

fn tunnel(server: &ServerView<'_>) -> String {
    let forwarding = server
        .observed
        .map(|observed| observed.destination.forwarding);
    let Some((kind, port, checksum)) = forwarding.and_then(tunnel_words) else {
        return "-".to_owned();
    };
    let port = port.map(|port| format!(":{port}"));
    let checksum = checksum.filter(|word| *word != "none");
    let checksum = checksum.map(|word| format!(" {word} checksum"));
    format!(
        "{kind}{}{}",
        port.unwrap_or_default(),
        checksum.unwrap_or_default()
    )
}

fn total_row(services: &[ServiceView<'_>], style: Style) -> Vec<Cell> {
    let totals = Totals::of(services);
    let observed = services.iter().filter_map(|service| service.observed);
    let counters = observed.fold(Counters::default(), |sum, observed| {
        plus(&sum, &observed.counters)
    });
    let mut cells = vec![
        Cell::painted("TOTAL".to_owned(), Paint::Bold),
        Cell::default(),
        Cell::default(),
        Cell::plain(format!("{}/{} serving", totals.serving, totals.servers)),
    ];
    let numbers = Numbers {
        active: totals.active,
        inactive: totals.inactive,
        persistent: totals.persistent,
        counters,
        thresholds: None,
        tunnel: String::new(),
    };
    cells.extend(numbers.cells(style));
    cells
}

fn plus(a: &Counters, b: &Counters) -> Counters {
    Counters {
        connections: a.connections.saturating_add(b.connections),
        in_packets: a.in_packets.saturating_add(b.in_packets),
        out_packets: a.out_packets.saturating_add(b.out_packets),
        in_bytes: a.in_bytes.saturating_add(b.in_bytes),
        out_bytes: a.out_bytes.saturating_add(b.out_bytes),
        connections_per_second: a
            .connections_per_second
            .saturating_add(b.connections_per_second),
        in_packets_per_second: a
            .in_packets_per_second
            .saturating_add(b.in_packets_per_second),
        out_packets_per_second: a
            .out_packets_per_second
            .saturating_add(b.out_packets_per_second),
        in_bytes_per_second: a.in_bytes_per_second.saturating_add(b.in_bytes_per_second),
        out_bytes_per_second: a
            .out_bytes_per_second
            .saturating_add(b.out_bytes_per_second),
    }
}

fn footer(snapshot: &Snapshot, services: &[ServiceView<'_>]) -> String {
    let totals = Totals::of(services);
    let mut text = format!(
        "{}, {}: {} serving, {} with weight 0, {} not in the kernel\n",
        number(totals.services, "service"),
        number(totals.servers, "server"),
        totals.serving,
        totals.quiescent,
        totals.absent,
    );
    match &snapshot.director {
        Director::Answered(status) => {
            let (version, pid) = (plain(&status.version), status.pid);
            let config = plain(&status.config);
            text.push_str(&format!(
                "health from directord {version} (pid {pid}), {config}\n"
            ));
        }
        Director::Silent(why) => {
            text.push_str(&format!(
                "the kernel's table alone, health is unknown: {}\n",
                plain(why)
            ));
        }
        Director::NotAsked => {}
    }
    text
}

fn number(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A number for people: three digits and a unit from 10,000 on, cut, never rounded up.
pub(super) fn figure(value: u64, exact: bool) -> String {
    if exact || value < 10_000 {
        return value.to_string();
    }
    let units = ["k", "M", "G", "T", "P", "E"];
    let mut unit = 1_000;
    for (place, name) in units.iter().enumerate() {
        let whole = value / unit;
        if whole < 1000 || place == units.len() - 1 {
            // One digit behind the point, where there is room for it.
            let tenth = value % unit / (unit / 10);
            return if whole < 100 {
                format!("{whole}.{tenth}{name}")
            } else {
                format!("{whole}{name}")
            };
        }
        unit *= 1_000;
    }
    value.to_string()
}

/// The sync daemons.
pub(super) fn sync(daemons: &[SyncDaemon], colour: bool) -> String {
    if daemons.is_empty() {
        return "no sync daemon is running\n".to_owned();
    }
    let mut grid = Grid::new(vec![
        ("ROLE", false),
        ("INTERFACE", false),
        ("SYNC-ID", true),
        ("MAX-LENGTH", true),
        ("GROUP", false),
        ("PORT", true),
        ("TTL", true),
    ]);
    let known = |number: u16| match number {
        0 => Cell::plain("-".to_owned()),
        number => Cell::plain(number.to_string()),
    };
    for daemon in daemons {
        let group = daemon
            .group
            .map_or_else(|| "-".to_owned(), |group| group.to_string());
        grid.row(vec![
            Cell::painted(daemon.role.name().to_owned(), Paint::Bold),
            Cell::plain(plain(&daemon.interface)),
            Cell::plain(daemon.sync_id.to_string()),
            known(daemon.max_length),
            Cell::plain(group),
            known(daemon.port),
            known(daemon.ttl.into()),
        ]);
    }
    grid.text(colour, None)
}

/// The time-outs.
pub(super) fn timeouts(timeouts: Timeouts, colour: bool) -> String {
    let mut grid = Grid::new(vec![("CONNECTION", false), ("SECONDS", true), ("", false)]);
    for (name, seconds, remark) in [
        ("tcp", timeouts.tcp, "established"),
        ("tcp fin", timeouts.tcp_fin, "after a FIN"),
        ("udp", timeouts.udp, ""),
    ] {
        grid.row(vec![
            Cell::plain(name.to_owned()),
            Cell::plain(seconds.to_string()),
            Cell::plain(remark.to_owned()),
        ]);
    }
    grid.text(colour, None)
}
