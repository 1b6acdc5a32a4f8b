//! `directord failover keygen` and `key fingerprint`.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::super::commands::print_out;
use super::super::exit::Exit;
use crate::director::pair::keys::{self, Change, KeyFileError, KeyId, Keys};

/// `directord failover keygen`.
#[derive(Debug, Args)]
#[command(
    after_help = "To change keys without a gap, on both nodes after each step: --add on one and \
    copy the file to the other, then --sign, then --remove; reload each time."
)]
pub(in super::super) struct Keygen {
    /// The key file, `-` for standard output
    pub(super) file: PathBuf,
    /// Add a new key behind the others: it verifies, and does not sign yet
    #[arg(long, group = "change")]
    pub(super) add: bool,
    /// Sign with this key from now on
    #[arg(long, group = "change", value_name = "ID", value_parser = id)]
    pub(super) sign: Option<KeyId>,
    /// Remove a key that does not sign
    #[arg(long, group = "change", value_name = "ID", value_parser = id)]
    pub(super) remove: Option<KeyId>,
}

/// `directord failover key …`.
#[derive(Debug, Subcommand)]
pub(in super::super) enum KeyCommand {
    /// Show the number of each key and what tells it from others: the same on both nodes
    /// when the key is
    Fingerprint {
        /// The key file
        file: PathBuf,
    },
}

fn id(text: &str) -> Result<KeyId, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("a key's number is 1 to 255".to_owned()),
        Ok(id) => Ok(KeyId(id)),
    }
}

/// Runs `keygen`.
pub(super) fn generate(options: &Keygen) -> anyhow::Result<Exit> {
    let file = options.file.as_path();
    let to_terminal = file == Path::new("-");
    let change = match (options.add, options.sign, options.remove) {
        (true, ..) => Some(Change::Add),
        (_, Some(id), _) => Some(Change::Sign(id)),
        (.., Some(id)) => Some(Change::Remove(id)),
        _ => None,
    };
    let Some(change) = change else {
        let place = (!to_terminal).then_some(file);
        let (keys, text) = keys::generate(place).map_err(with_help)?;
        if to_terminal {
            print_out(std::str::from_utf8(&text).context("a key file is text")?)?;
        } else {
            print_out(&listed(&keys))?;
        }
        return Ok(Exit::Success);
    };
    anyhow::ensure!(
        !to_terminal,
        "there is nothing to change on standard output"
    );
    print_out(&listed(&keys::change(file, change)?))?;
    Ok(Exit::Success)
}

fn with_help(error: KeyFileError) -> anyhow::Error {
    let help = match &error {
        KeyFileError::File(refusal) if refusal.exists() => {
            "use --add for a new key beside those that are in use"
        }
        KeyFileError::File(refusal) if refusal.is_missing() => {
            "its directory has to be there: `install -d -m 700 DIRECTORY`"
        }
        _ => return error.into(),
    };
    anyhow::anyhow!("{error}; {help}")
}

/// Runs `key fingerprint`.
pub(super) fn fingerprint(file: &Path) -> anyhow::Result<Exit> {
    print_out(&listed(&keys::read(file)?))?;
    Ok(Exit::Success)
}

fn listed(keys: &Keys) -> String {
    let signing = keys.signing().id();
    let line = |key: &keys::Key| {
        let role = if key.id() == signing {
            "signs"
        } else {
            "verifies"
        };
        format!("{} {} {role}\n", key.id(), key.fingerprint())
    };
    keys.iter().map(line).collect()
}
