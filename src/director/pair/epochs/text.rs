//! The text of the file of epochs:
//!
//! ```text
//! directord epochs 1
//! 17 "web"
//! sha256 9f86d081…       of all lines before
//! ```

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::super::hex::hex;

const HEAD: &str = "directord epochs 1";
const MAX_INSTANCES: usize = 256;
const MAX_NAME: usize = 64;

/// The text is not what was once written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// Another program's file, or a later version's.
    #[error("it is not a file of epochs of this version")]
    Head,
    /// Cut off or changed.
    #[error("it is damaged: its checksum is wrong")]
    Checksum,
    /// Whole, but not of our making.
    #[error("it is damaged: line {0} is no epoch")]
    Line(usize),
}

fn checksum(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

pub(super) fn print(epochs: &BTreeMap<String, u64>) -> String {
    let mut text = format!("{HEAD}\n");
    for (instance, epoch) in epochs {
        let name = serde_json::to_string(instance).expect("a string is JSON");
        text += &format!("{epoch} {name}\n");
    }
    let sum = checksum(&text);
    text + &format!("sha256 {sum}\n")
}

pub(super) fn parse(bytes: &[u8]) -> Result<BTreeMap<String, u64>, Damage> {
    let text = std::str::from_utf8(bytes).map_err(|_| Damage::Checksum)?;
    if text.lines().next() != Some(HEAD) {
        return Err(Damage::Head);
    }
    let (body, sum) = text.rsplit_once("sha256 ").ok_or(Damage::Checksum)?;
    if sum.strip_suffix('\n') != Some(checksum(body).as_str()) {
        return Err(Damage::Checksum);
    }
    let mut epochs = BTreeMap::new();
    for (at, line) in body.lines().enumerate().skip(1) {
        let (name, epoch) = entry(line).ok_or(Damage::Line(at + 1))?;
        epochs.insert(name, epoch);
        if epochs.len() > MAX_INSTANCES {
            return Err(Damage::Line(at + 1));
        }
    }
    Ok(epochs)
}

fn entry(line: &str) -> Option<(String, u64)> {
    let (epoch, name) = line.split_once(' ')?;
    let name: String = serde_json::from_str(name).ok()?;
    (name.len() <= MAX_NAME).then_some((name, epoch.parse().ok()?))
}
