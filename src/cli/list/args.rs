//! The command line of `directord list`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCandidates;

use super::pattern::Pattern;
use super::sort::SortKey;
use crate::cli::args::Socket;
use crate::cli::completions;
use crate::cli::listing::Mode;

/// `directord list`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
pub(in crate::cli) struct List {
    #[command(subcommand)]
    pub(super) what: Option<What>,
    #[command(flatten)]
    pub(super) columns: Columns,
    /// The table of `ipvsadm -Ln`, byte for byte: no health, no names, no colours
    #[arg(long, conflicts_with_all = [
        "service", "server", "state", "sort", "reverse", "watch", "sync", "timeouts", "schema", "format"
    ])]
    pub(super) classic: bool,
    /// Addresses and ports as numbers (always so; accepted for habit)
    #[arg(short, long)]
    pub(super) numeric: bool,
    #[command(flatten)]
    pub(super) filter: Filter,
    /// Sort services, and servers within them, by these; numbers from the largest down
    #[arg(long, value_enum, value_name = "KEY,…", value_delimiter = ',')]
    pub(super) sort: Vec<SortKey>,
    /// Sort the other way round
    #[arg(long)]
    pub(super) reverse: bool,
    /// Show it again every so many seconds, with rates, until `q`, Ctrl-C or --count
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2",
        value_parser = interval)]
    pub(super) watch: Option<Duration>,
    /// With --watch: end after so many times
    #[arg(long, value_name = "N", requires = "watch", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,
    /// The connection synchronisation daemons instead of the table
    #[arg(long, group = "section", conflicts_with_all = ["watch", "csv"])]
    pub(super) sync: bool,
    /// The time-outs of connections instead of the table
    #[arg(long, group = "section", conflicts_with_all = ["watch", "csv"])]
    pub(super) timeouts: bool,
    /// The JSON Schema of --json and --yaml instead of the table
    #[arg(long, group = "section", conflicts_with_all = ["watch", "format"])]
    pub(super) schema: bool,
    #[command(flatten)]
    pub(super) format: Format,
    /// Do not ask the director for health and names
    #[arg(long)]
    pub(super) kernel_only: bool,
    #[command(flatten)]
    pub(super) socket: Socket,
}

/// What can be listed besides the table.
#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Connection entries and persistence templates
    Connections(Connections),
}

/// What is shown of each service and server.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own on the command line"
)]
pub(super) struct Columns {
    /// Counters of connections, packets and bytes
    #[arg(long, group = "mode")]
    stats: bool,
    /// Rates per second
    #[arg(long, group = "mode")]
    rate: bool,
    /// Connection thresholds
    #[arg(long, group = "mode")]
    thresholds: bool,
    /// Persistent connections
    #[arg(long, group = "mode")]
    persistent_conn: bool,
    /// Tunnel types
    #[arg(long, group = "mode")]
    tun_info: bool,
    /// Exact numbers instead of k, M and G
    #[arg(short = 'X', long)]
    pub(super) exact: bool,
}

impl Columns {
    /// What was asked for, if anything.
    pub(super) fn mode(&self) -> Option<Mode> {
        let modes = [
            (self.stats, Mode::Stats),
            (self.rate, Mode::Rate),
            (self.thresholds, Mode::Thresholds),
            (self.persistent_conn, Mode::PersistentConnections),
            (self.tun_info, Mode::TunnelInfo),
        ];
        modes
            .into_iter()
            .find_map(|(asked, mode)| asked.then_some(mode))
    }
}

/// Which services and servers are shown.
#[derive(Debug, Default, Args)]
pub(super) struct Filter {
    /// Only these services: `tcp:192.0.2.1:80`, `192.0.2.1:80`, `192.0.2.0/24`, `fwm:7`, a name;
    /// `*` stands for anything
    #[arg(long, value_name = "SERVICE", add = ArgValueCandidates::new(completions::services))]
    pub(super) service: Vec<Pattern>,
    /// Only these real servers: `192.0.2.21`, `192.0.2.21:80`, `192.0.2.0/24`
    #[arg(long, value_name = "SERVER", add = ArgValueCandidates::new(completions::servers))]
    pub(super) server: Vec<Pattern>,
    /// Only servers in one of these states
    #[arg(long, value_enum, value_name = "STATE,…", value_delimiter = ',')]
    pub(super) state: Vec<StateFilter>,
}

/// States that servers can be picked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StateFilter {
    /// The director's checks succeed
    Up,
    /// The director's checks fail
    Down,
    /// Not checked yet
    Unknown,
    /// Taken out by the operator
    Maintenance,
    /// In the kernel with a weight above 0
    Serving,
    /// In the kernel with weight 0
    Quiescent,
    /// Configured, but not in the kernel
    Absent,
    /// The fallback server
    Fallback,
}

impl StateFilter {
    /// Whether only a director can tell.
    pub(super) fn is_of_director(self) -> bool {
        !matches!(self, Self::Serving | Self::Quiescent)
    }
}

/// Machine-readable forms.
#[derive(Debug, Args)]
#[group(id = "format", multiple = false)]
pub(super) struct Format {
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// As YAML
    #[arg(long)]
    pub(super) yaml: bool,
    /// As CSV, a line for each server
    #[arg(long, conflicts_with = "watch")]
    pub(super) csv: bool,
}

/// `directord list connections`.
#[derive(Debug, Args)]
pub(super) struct Connections {
    /// Only of these clients: `198.51.100.7`, `198.51.100.0/24`, `198.51.100.7:43010`
    #[arg(long, value_name = "CLIENT")]
    pub(super) client: Vec<Pattern>,
    /// Only of these services: `tcp:192.0.2.1:80`, `192.0.2.1:80`, `192.0.2.1`
    #[arg(long, value_name = "SERVICE", add = ArgValueCandidates::new(completions::services))]
    pub(super) service: Vec<Pattern>,
    /// Only to these real servers
    #[arg(long, value_name = "SERVER", add = ArgValueCandidates::new(completions::servers))]
    pub(super) server: Vec<Pattern>,
    /// Only in one of these states: `ESTABLISHED`, `FIN_WAIT`, …
    #[arg(long, value_name = "STATE,…", value_delimiter = ',')]
    pub(super) state: Vec<String>,
    /// How many there are of each kind, instead of the entries
    #[arg(long, value_enum, value_name = "KEY,…", value_delimiter = ',')]
    pub(super) count: Vec<CountKey>,
    /// Persistence engine and its data instead of the origin: the kernel tells one or the other
    #[arg(long, conflicts_with = "count")]
    pub(super) engine: bool,
    /// As JSON
    #[arg(long, conflicts_with = "csv")]
    pub(super) json: bool,
    /// As CSV
    #[arg(long)]
    pub(super) csv: bool,
}

/// What connections are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CountKey {
    /// State of the connection
    State,
    /// Real server
    Server,
    /// Virtual service
    Service,
    /// Made here or received from the other director
    Origin,
}

impl CountKey {
    /// Its name in documents.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Server => "server",
            Self::Service => "service",
            Self::Origin => "origin",
        }
    }
}

/// Seconds between two pictures.
fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    if (0.1..=3600.0).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("not between 0.1 and 3600 seconds".to_owned())
    }
}
