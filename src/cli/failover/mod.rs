//! `directord failover …`: the pair.

mod keys;

use clap::Subcommand;

use super::exit::Exit;

/// `directord failover …`.
#[derive(Debug, Subcommand)]
pub(super) enum Failover {
    /// Make the key file of a pair, or change the keys in it
    Keygen(keys::Keygen),
    /// Show keys without telling them
    #[command(subcommand)]
    Key(keys::KeyCommand),
}

/// Runs a subcommand.
pub(super) fn run(command: &Failover) -> anyhow::Result<Exit> {
    match command {
        Failover::Keygen(options) => keys::generate(options),
        Failover::Key(keys::KeyCommand::Fingerprint { file }) => keys::fingerprint(file),
    }
}
