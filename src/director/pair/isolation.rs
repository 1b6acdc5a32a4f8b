//! Hiding addresses that cannot be removed: nobody is answered who asks for them. Taking the
//! interface down would take down what else is on it, and is left to a person.
//!
//! The setting hides the host's own addresses on the interface as well, so what it was before
//! is written to a file first: a process that is killed meanwhile leaves it to the next one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::private;
use super::writer::{self, Writer};
use crate::failover::InstanceId;
use crate::kernel::sysctl::{Scope, Sysctl};
use crate::model::InterfaceName;
use crate::model::pair::Instance;

/// The value of `arp_ignore` with which no question is answered (ip-sysctl.rst of Linux).
const SILENT: i64 = 8;

/// Longest file read, in bytes.
const LONGEST: usize = 64 * 1024;

/// What addresses that could not be removed have changed.
#[derive(Debug)]
pub(super) struct Isolation {
    file: PathBuf,
    /// Started with the first change: there is hardly ever one.
    writer: Option<Writer<String>>,
    changed: BTreeMap<InstanceId, Changed>,
}

#[derive(Debug)]
struct Changed {
    /// Name of the instance.
    name: String,
    /// Interfaces, and what their setting was before.
    before: Vec<(InterfaceName, i64)>,
}

fn setting(interface: &InterfaceName) -> Sysctl {
    Sysctl::of_ipv4(&Scope::Interface(interface.clone()), "arp_ignore")
}

impl Isolation {
    /// What a process before this one has left behind in the file: it ends when the addresses
    /// of `instances` are gone, and at once for instances that are no more.
    pub(super) fn open(file: PathBuf, instances: &[Instance]) -> Self {
        let mut isolation = Self {
            changed: parse(&read(&file)),
            file,
            writer: None,
        };
        let known: BTreeSet<_> = instances.iter().map(|i| InstanceId::of(&i.name)).collect();
        let left: Vec<_> = isolation.changed.keys().copied().collect();
        for instance in left.into_iter().filter(|id| !known.contains(id)) {
            isolation.end(instance);
        }
        isolation
    }

    /// Hides the addresses of an instance.
    pub(super) fn begin(&mut self, instance: &Instance, attempt: u8) -> Result<(), String> {
        let (v4, v6): (Vec<_>, Vec<_>) = instance
            .addresses
            .iter()
            .partition(|address| address.address.is_ipv4());
        let interfaces: BTreeSet<_> = v4.iter().map(|address| &address.interface).collect();
        for interface in interfaces {
            let setting = setting(interface);
            let before = setting.read().map_err(|error| error.to_string())?;
            if before != SILENT {
                tracing::error!(
                    attempt,
                    "an address on {interface} cannot be removed: {setting} is {SILENT} \
                     instead of {before} until it is gone, so that nobody finds it"
                );
                let own = self.changed.entry(InstanceId::of(&instance.name));
                let own = own.or_insert_with(|| Changed {
                    name: instance.name.clone(),
                    before: Vec::new(),
                });
                own.before.push((interface.clone(), before));
                self.write();
            }
            setting.write(SILENT).map_err(|error| error.to_string())?;
        }
        match v6.first() {
            None => Ok(()),
            Some(address) => Err(format!(
                "{address} cannot be hidden, for it is IPv6: it answers until it is gone"
            )),
        }
    }

    /// The addresses are gone: what kept the network from them is no longer needed, and
    /// would keep it from the next ones.
    pub(super) fn end(&mut self, instance: InstanceId) {
        let Some(changed) = self.changed.remove(&instance) else {
            return;
        };
        for (interface, before) in changed.before {
            let setting = setting(&interface);
            match setting.write(before) {
                Ok(()) => tracing::info!("{setting} is {before} again"),
                Err(error) => tracing::error!(%error, "{setting} stays {SILENT}"),
            }
        }
        self.write();
    }

    /// Whether something is hidden.
    pub(super) fn is_some(&self) -> bool {
        !self.changed.is_empty()
    }

    /// Ends all of it.
    pub(super) fn end_all(&mut self) {
        let all: Vec<_> = self.changed.keys().copied().collect();
        for instance in all {
            self.end(instance);
        }
    }

    fn write(&mut self) {
        let text = text(&self.changed);
        let start = || {
            let write = |path: &Path, text: &String| writer::write(path, text);
            Writer::start(self.file.clone(), "the settings of before", write)
        };
        let writer = match self.writer.take() {
            Some(writer) => Ok(writer),
            None => start(),
        };
        match writer {
            Ok(writer) => {
                writer.submit(text);
                self.writer = Some(writer);
            }
            Err(error) => {
                let file = self.file.display();
                tracing::error!(%error, "{file}: what was changed cannot be written down");
            }
        }
    }
}

/// What is in the file; nothing when it cannot be trusted or read.
fn read(file: &Path) -> String {
    match private::read(file, LONGEST) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(refusal) => {
            if !refusal.is_missing() {
                tracing::warn!("{refusal}; what was hidden before this start is not known");
            }
            String::new()
        }
    }
}

/// A line for each: instance, interface, value.
fn text(changed: &BTreeMap<InstanceId, Changed>) -> String {
    let mut text = String::new();
    for Changed { name, before } in changed.values() {
        for (interface, before) in before {
            writeln!(text, "{name}\t{interface}\t{before}").expect("a string takes everything");
        }
    }
    text
}

/// What [`text`] wrote; lines that it cannot have written say nothing.
fn parse(text: &str) -> BTreeMap<InstanceId, Changed> {
    let mut all: BTreeMap<InstanceId, Changed> = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split('\t');
        let (Some(name), Some(interface), Some(before), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        let (Ok(interface), Ok(before)) = (interface.parse(), before.parse()) else {
            continue;
        };
        let own = all.entry(InstanceId::of(name)).or_insert_with(|| Changed {
            name: name.to_owned(),
            before: Vec::new(),
        });
        own.before.push((interface, before));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_outlives_the_process() {
        let written = "mail\teth1\t0\nweb\teth0\t1\nweb\teth1\t0\n";
        let lines = |text: String| {
            let lines: BTreeSet<String> = text.lines().map(str::to_owned).collect();
            lines
        };
        assert_eq!(lines(text(&parse(written))), lines(written.to_owned()));
        assert_eq!(
            text(&parse("web eth0 1\nweb\teth0\none\n\nweb\ta/b\t1\n")),
            ""
        );
    }
}
