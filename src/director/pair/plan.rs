//! What a pair's thread is started with, and gets anew with each reload.

use std::path::PathBuf;

use super::keys::{self, KeyFileError};
use crate::failover::{
    ConfigDigest, Key, KeyId, Keys, Settings, SettingsError, SoftwareVersion, advert::BadKey,
};
use crate::model::pair::Pair;

/// A pair that can be run: configuration and keys fit together.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The configuration.
    pub pair: Pair,
    /// File of the configuration, for messages.
    pub file: PathBuf,
    pub(super) settings: Settings,
}

/// Why a pair cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The key file.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
    /// The keys in it.
    #[error("{0}: {1}")]
    BadKey(PathBuf, BadKey),
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
}

impl Plan {
    /// Reads the keys and puts everything together. `digest` is that of the part of the
    /// configuration that both nodes share.
    pub fn new(pair: Pair, file: PathBuf, digest: [u8; 8]) -> Result<Self, PlanError> {
        let keys = read_keys(&pair)?;
        let settings = Settings::new(&pair, keys, ConfigDigest(digest), version())?;
        Ok(Self {
            pair,
            file,
            settings,
        })
    }
}

fn read_keys(pair: &Pair) -> Result<Keys, PlanError> {
    let file = keys::read(&pair.key_file)?;
    let all = file
        .iter()
        .map(|key| (KeyId(key.id().0), Key::new(*key.secret())));
    let signing = KeyId(file.signing().id().0);
    Keys::new(signing, all.collect())
        .map_err(|error| PlanError::BadKey(pair.key_file.clone(), error))
}

/// This program's version, of which the peer is told.
fn version() -> SoftwareVersion {
    let number = |text: &str| text.parse().unwrap_or(u8::MAX);
    SoftwareVersion {
        major: number(env!("CARGO_PKG_VERSION_MAJOR")),
        minor: number(env!("CARGO_PKG_VERSION_MINOR")),
        patch: number(env!("CARGO_PKG_VERSION_PATCH")),
    }
}
