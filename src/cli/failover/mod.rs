//! `directord failover …`: the pair.

mod drill;
mod explain;
mod gaps;
mod history;
mod keys;
mod next;
mod orders;
mod probe;
#[cfg(test)]
pub(super) mod sample;
mod span;
mod status;
mod verdict;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::args::Socket;
use super::commands::{not_answered, print_out, runtime};
use super::exit::Exit;
use crate::control::{Client, ClientError};
use crate::director::pair::order::{Order, Verb};

pub(super) use verdict::{summary, verdict};

/// `directord failover …`.
#[derive(Debug, Subcommand)]
pub(super) enum Failover {
    /// Show who is active, since when, why, what is wrong and what would happen next
    Status {
        #[command(flatten)]
        socket: Socket,
        /// As JSON
        #[arg(long)]
        json: bool,
        /// One line and an exit code for monitoring: 0 active or a good standby, 1 degraded,
        /// 2 critical
        #[arg(long, conflicts_with = "json")]
        check: bool,
    },
    /// Give up: the peer is to serve, and this node stays standby
    Standby {
        #[command(flatten)]
        scope: Scope,
        /// End it: this node may serve again
        #[arg(long)]
        off: bool,
        #[command(flatten)]
        wait: Wait,
    },
    /// Have the peer hand over: this node is to serve
    Takeover {
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        wait: Wait,
    },
    /// Let nothing move by itself unless a node is lost
    Freeze {
        #[command(flatten)]
        socket: Socket,
        /// For so long: 90s, 10m, 2h, 1d
        #[arg(
            long = "for",
            value_name = "TIME",
            value_parser = span::parse,
            default_value = "1h",
            conflicts_with = "forever"
        )]
        time: Duration,
        /// Until `unfreeze`
        #[arg(long)]
        forever: bool,
    },
    /// Let things move again
    Unfreeze {
        #[command(flatten)]
        socket: Socket,
    },
    /// Switch to the peer and back, and measure the gaps
    Drill {
        #[command(flatten)]
        scope: Scope,
        /// Connect to this service every 10 ms meanwhile, from this node
        #[arg(long, value_name = "ADDRESS:PORT")]
        probe: Option<SocketAddr>,
        /// How long to stay on the other node: longer than the 2 s that the kernel may keep
        /// connections back before it synchronises them
        #[arg(long, value_name = "TIME", value_parser = span::parse, default_value = "3s")]
        stay: Duration,
        #[command(flatten)]
        wait: Wait,
    },
    /// Forget failed steps, moves and pins, and decide anew
    Cleanup {
        #[command(flatten)]
        scope: Scope,
    },
    /// Say why this node serves or does not, and what would change that
    Explain {
        #[command(flatten)]
        scope: Scope,
    },
    /// Show the last transitions
    History {
        #[command(flatten)]
        socket: Socket,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make the key file of a pair, or change the keys in it
    Keygen(keys::Keygen),
    /// Show keys without telling them
    #[command(subcommand)]
    Key(keys::KeyCommand),
}

/// Which director, and which of its instances.
#[derive(Debug, Args)]
pub(super) struct Scope {
    #[command(flatten)]
    socket: Socket,
    /// The instance; all of them when none is named
    instance: Option<String>,
}

/// How long to wait.
#[derive(Debug, Args)]
pub(super) struct Wait {
    /// How long one switch may take, hooks included, before it counts as failed
    #[arg(
        long = "wait",
        value_name = "TIME",
        value_parser = span::parse,
        default_value = "15s"
    )]
    limit: Duration,
}

impl Scope {
    fn client(&self) -> Client {
        Client::new(&self.socket.socket)
    }

    fn order(&self, command: Verb) -> Order {
        Order {
            instance: self.instance.clone(),
            ..Order::new(command)
        }
    }
}

/// Runs a subcommand.
pub(super) fn run(command: &Failover) -> anyhow::Result<Exit> {
    let work = async {
        match command {
            Failover::Status {
                socket,
                json,
                check,
            } => show_status(&Client::new(&socket.socket), *json, *check).await,
            Failover::Standby { scope, off, wait } => {
                orders::standby(scope, !off, wait.limit).await
            }
            Failover::Takeover { scope, wait } => orders::takeover(scope, wait.limit).await,
            Failover::Freeze {
                socket,
                time,
                forever,
            } => {
                let order = Order {
                    seconds: (!forever).then_some(time.as_secs()),
                    ..Order::new(Verb::Freeze)
                };
                orders::give(&Client::new(&socket.socket), &order).await
            }
            Failover::Unfreeze { socket } => {
                let order = Order::new(Verb::Unfreeze);
                orders::give(&Client::new(&socket.socket), &order).await
            }
            Failover::Drill {
                scope,
                probe,
                stay,
                wait,
            } => {
                let times = drill::Times {
                    stay: *stay,
                    limit: wait.limit,
                };
                drill::run(scope, *probe, times).await
            }
            Failover::Cleanup { scope } => {
                orders::give(&scope.client(), &scope.order(Verb::Cleanup)).await
            }
            Failover::Explain { scope } => show_explanation(scope).await,
            Failover::History { socket, json } => {
                show_history(&Client::new(&socket.socket), *json).await
            }
            Failover::Keygen(options) => keys::generate(options),
            Failover::Key(keys::KeyCommand::Fingerprint { file }) => keys::fingerprint(file),
        }
    };
    match runtime()?.block_on(work) {
        Err(error) => match error.downcast::<ClientError>() {
            Ok(error) => not_answered(error),
            Err(error) => Err(error),
        },
        done => done,
    }
}

async fn show_status(client: &Client, json: bool, check: bool) -> anyhow::Result<Exit> {
    let pair = client.pair().await?;
    if check {
        let (verdict, why) = verdict(&pair);
        print_out(&format!("{}: {}\n", verdict.word(), plain(&why)))?;
        return Ok(Exit::Verdict(verdict.code()));
    }
    let sync = client.sync().await?;
    if json {
        let document = serde_json::json!({ "pair": pair, "sync": sync });
        print_out(&format!("{}\n", serde_json::to_string_pretty(&document)?))?;
    } else {
        print_out(&status::text(&pair, &sync))?;
    }
    Ok(Exit::Success)
}

async fn show_explanation(scope: &Scope) -> anyhow::Result<Exit> {
    let pair = scope.client().pair().await?;
    let chosen = orders::chosen(&pair, scope.instance.as_deref())?;
    let texts = chosen.iter().map(|one| explain::text(&pair, one));
    print_out(&texts.collect::<Vec<_>>().join("\n"))?;
    Ok(Exit::Success)
}

async fn show_history(client: &Client, json: bool) -> anyhow::Result<Exit> {
    let pair = client.pair().await?;
    if json {
        let text = serde_json::to_string_pretty(&pair.history)?;
        print_out(&format!("{text}\n"))?;
    } else {
        print_out(&history::text(&pair))?;
    }
    Ok(Exit::Success)
}

/// A text on one line and without control characters: reasons may hold words of programs
/// and other hosts.
pub(super) fn plain(text: &str) -> String {
    let visible = |c: char| if c.is_control() { '?' } else { c };
    text.chars().map(visible).collect()
}
