//! What a pair's thread is started with, and gets anew with each reload.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::keys::{self, KeyFileError};
use crate::config::directord::digest;
use crate::director::load::Loaded;
use crate::failover::{
    ConfigDigest, Key, KeyId, Keys, Settings, SettingsError, SoftwareVersion, advert::BadKey,
};
use crate::model::ServiceKey;
use crate::model::pair::Pair;

/// A pair that can be run: configuration and keys fit together.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The configuration.
    pub pair: Pair,
    pub(super) settings: Settings,
    /// The virtual services of the configuration.
    pub(super) services: Arc<BTreeSet<ServiceKey>>,
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
    /// Of a configuration, `None` when it has no pair. Reads the keys.
    pub fn of(loaded: &Loaded) -> Result<Option<Self>, PlanError> {
        let pair = loaded.document.as_ref().and_then(|d| d.pair.clone());
        let Some(pair) = pair else {
            return Ok(None);
        };
        let keys = read_keys(&pair)?;
        let digest = ConfigDigest(digest(&pair, &loaded.config));
        let settings = Settings::new(&pair, keys, digest, version())?;
        let services = loaded.config.services.iter().map(|service| service.key);
        Ok(Some(Self {
            pair,
            settings,
            services: Arc::new(services.collect()),
        }))
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::pair::{
        Hooks, Instance, Link, LinkSource, LinkTarget, Node, NodeId, Preempt, Standby, Timing,
        VirtualAddress,
    };

    /// A plan with one instance, `web`, of one address.
    pub(crate) fn plan() -> Plan {
        let node = |name: &str, id, priority| Node {
            name: name.to_owned(),
            id: NodeId(id),
            priority,
        };
        let pair = Pair {
            cluster: "test".to_owned(),
            local: node("d1", 1, 150),
            peer: node("d2", 2, 100),
            key_file: "/nonexistent".into(),
            links: vec![Link {
                name: "lan".to_owned(),
                source: LinkSource::Interface("eth0".parse().unwrap()),
                to: LinkTarget::Multicast("239.255.77.1".parse().unwrap()),
                port: 7694,
            }],
            timing: Timing::default(),
            preempt: Preempt::default(),
            instances: vec![Instance {
                name: "web".to_owned(),
                prefer: None,
                addresses: vec![VirtualAddress {
                    address: "192.0.2.100".parse().unwrap(),
                    prefix: 24,
                    interface: "eth0".parse().unwrap(),
                    label: None,
                }],
                sync: None,
                standby: Standby::Warm,
                strict: false,
                tracks: Vec::new(),
                hooks: Hooks::default(),
            }],
        };
        let keys = Keys::new(KeyId(1), vec![(KeyId(1), Key::new([7; 32]))]).unwrap();
        let settings = Settings::new(&pair, keys, ConfigDigest::default(), version());
        Plan {
            settings: settings.unwrap(),
            services: Arc::default(),
            pair,
        }
    }
}
