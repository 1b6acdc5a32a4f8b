//! The command line of `directord`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::completions::Shell;
use super::daemon::DEFAULT_STATE;
use super::failover::Failover;
use super::list::List;
use super::realserver::virtual_address;
use crate::control::DEFAULT_SOCKET;
use crate::kernel::host::InterfaceName;

/// Linux Virtual Server director: checks real servers and programs IPVS from an
/// ldirectord.cf
#[derive(Debug, Parser)]
#[command(name = "directord", version, max_term_width = 100)]
#[command(
    after_help = "Started as `ldirectord` or `ipvsadm` (through a link of that name), or as \
    `directord ldirectord …` or `directord ipvsadm …`, it takes that program's command line.\n\n\
    Exit codes: 0 done, 1 failed or diagnosed, 2 usage error (plan: there is a difference), \
    4 no director is running."
)]
pub(super) struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the director in the foreground
    Run(Run),
    /// Show the kernel's IPVS table with health, names and totals; or its connections
    List(Box<List>),
    /// Show the state of the running director: servers, reasons, weights
    Status(Status),
    /// Diagnose, show or convert a configuration file
    #[command(subcommand)]
    Config(Config),
    /// Show what `run` would change in the kernel, without changing it
    Plan(Plan),
    /// Run every health check once and show what was sent and what came back
    Check(Check),
    /// Prepare a real server for direct routing: run there
    #[command(subcommand)]
    Realserver(Realserver),
    /// The active/standby pair: its state, orders to it, its keys
    #[command(subcommand)]
    Failover(Failover),
    /// Have the running director read its configuration again
    Reload(Socket),
    /// Print the script that completes this command line in a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// The process that gives up the virtual addresses when the director cannot: started by
    /// the director only
    #[command(hide = true)]
    Guard,
    /// The classic program's command line: `[-d] [CONFIG] ACTION`
    #[command(disable_help_flag = true)]
    Ldirectord {
        /// Options and words of `ldirectord`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// The classic program's command line: -A -E -D -a -e -d -L -S -R -C -Z, …
    #[command(disable_help_flag = true)]
    Ipvsadm {
        /// Options and words of `ipvsadm`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Heartbeat's `cl_status`: hbstatus, listnodes, nodestatus NODE, rscstatus, …
    #[command(name = "cl_status", disable_help_flag = true)]
    ClStatus {
        /// Options and words of `cl_status`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// Heartbeat's resource script: `master status`, `backup status`
    #[command(name = "LVSSyncDaemonSwap", disable_help_flag = true)]
    SyncDaemonSwap {
        /// Words of `LVSSyncDaemonSwap`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// Names the control socket where no option does.
pub(super) const SOCKET_VARIABLE: &str = "DIRECTORD_SOCKET";

/// `directord run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The ldirectord.cf or directord.yaml to run; looked for as given, then in /etc/ha.d and
    /// /etc/ha.d/conf
    #[arg(short, long, default_value = "ldirectord.cf", value_name = "FILE")]
    pub(super) config: PathBuf,
    /// The control socket [default: that of the directord.yaml, or /run/directord/control.sock]
    #[arg(long, value_name = "PATH")]
    pub(super) socket: Option<PathBuf>,
    /// Run as this node of a pair [default: node: of the directord.yaml, or the host name]
    #[arg(long, value_name = "NAME")]
    pub(super) node: Option<String>,
    /// Where a node of a pair keeps what it must not forget
    #[arg(
        long,
        env = "STATE_DIRECTORY",
        default_value = DEFAULT_STATE,
        value_name = "DIRECTORY"
    )]
    pub(super) state: PathBuf,
    /// Log to standard error, whatever logfile= says
    #[arg(long)]
    pub(super) log_stderr: bool,
    /// Log decisions, not only events, to standard error
    #[arg(short, long)]
    pub(super) debug: bool,
}

/// Where the control socket is.
#[derive(Debug, Args)]
pub(super) struct Socket {
    /// The director's control socket
    #[arg(
        long,
        env = SOCKET_VARIABLE,
        default_value = DEFAULT_SOCKET,
        value_name = "PATH"
    )]
    pub(super) socket: PathBuf,
}

/// `directord status`.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    pub(super) socket: Socket,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
    /// One line and an exit code for monitoring: 0 good, 1 warning, 2 critical
    #[arg(long)]
    pub(super) check: bool,
}

/// `directord config …`.
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Report every mistake in a file; exit code 1 when there is one
    Check {
        /// The file
        file: PathBuf,
        /// Read a directord.yaml as this node [default: its node, or the host name]
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
        /// Diagnostics as JSON
        #[arg(long)]
        json: bool,
        /// Refuse what ldirectord 4.12 does not know: the file is to run under it, too
        #[arg(long)]
        strict_ldirectord: bool,
    },
    /// Print the effective configuration, every default filled in
    Show {
        /// The file
        file: PathBuf,
        /// Read a directord.yaml as this node [default: its node, or the host name]
        #[arg(long, value_name = "NAME")]
        node: Option<String>,
        /// The form
        #[arg(long, value_enum, default_value_t = ShowFormat::Yaml)]
        format: ShowFormat,
        /// Short for --format json
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of directord.yaml, for editors
    Schema,
    /// Print the services of a file as a canonical ldirectord.cf
    Convert {
        /// The file
        file: PathBuf,
    },
}

/// Forms of `config show`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ShowFormat {
    /// YAML
    Yaml,
    /// JSON
    Json,
}

/// `directord plan`.
#[derive(Debug, Args)]
pub(super) struct Plan {
    /// The ldirectord.cf
    pub(super) file: PathBuf,
    /// Do not run the checks: take every server that is checked as up
    #[arg(long)]
    pub(super) assume_up: bool,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `directord check`.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// The ldirectord.cf
    pub(super) file: PathBuf,
    /// Only these real servers (ADDRESS or ADDRESS:PORT)
    pub(super) servers: Vec<String>,
    /// One JSON object per service and server
    #[arg(long)]
    pub(super) json: bool,
}

/// `directord realserver …`.
#[derive(Debug, Subcommand)]
pub(super) enum Realserver {
    /// Make ARP quiet and add virtual addresses to lo, until the next boot
    Setup(RealserverSetup),
    /// Show whether virtual addresses are on lo and ARP is quiet; exit code 1 when not
    Status(RealserverStatus),
    /// Remove virtual addresses from lo; with the last one, the ARP settings become what
    /// they were before setup
    Undo(RealserverUndo),
}

/// `directord realserver setup`.
#[derive(Debug, Args)]
pub(super) struct RealserverSetup {
    /// The virtual addresses that the director balances
    #[arg(required = true, value_name = "VIP", value_parser = virtual_address)]
    pub(super) vips: Vec<IpAddr>,
    /// Give these interfaces the ARP settings by name too; `all` covers every interface
    /// that has no odd setting of its own
    #[arg(short, long, value_name = "IF,…", value_delimiter = ',')]
    pub(super) interface: Vec<InterfaceName>,
    /// Change nothing; write the same for other tools, to make it last
    #[arg(long, value_enum, value_name = "FORM")]
    pub(super) print: Option<RealserverFormat>,
}

/// Forms of `realserver setup --print`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum RealserverFormat {
    /// Commands: sysctl and ip
    Ip,
    /// Stanzas for /etc/network/interfaces
    Ifupdown,
    /// Files for systemd-sysctl and systemd-networkd
    Networkd,
}

/// `directord realserver status`.
#[derive(Debug, Args)]
pub(super) struct RealserverStatus {
    /// The virtual addresses; without any, those on lo
    #[arg(value_name = "VIP", value_parser = virtual_address)]
    pub(super) vips: Vec<IpAddr>,
    /// Look at the ARP settings of these interfaces only; without any, of all that are up
    /// with an IPv4 address
    #[arg(short, long, value_name = "IF,…", value_delimiter = ',')]
    pub(super) interface: Vec<InterfaceName>,
    /// As JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// `directord realserver undo`.
#[derive(Debug, Args)]
pub(super) struct RealserverUndo {
    /// The virtual addresses
    #[arg(required = true, value_name = "VIP", value_parser = virtual_address)]
    pub(super) vips: Vec<IpAddr>,
}
