//! The event loop's dealings with mail and monitor files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, RealCheck};
use crate::model::ServiceKey;

use super::super::alert::{Desk, Occurrence, Origin, Post, Ways};
use super::super::core::Core;
use super::super::lane::{CheckId, CheckResult};
use super::super::monitor::{self, Monitor};
use super::super::status::AlertStatus;
use super::Director;

/// How long an orderly end waits for mail to go.
const MAIL_AT_END: Duration = Duration::from_secs(5);

/// What the event loop keeps for alerts.
pub(super) struct Side {
    desk: Desk,
    post: Post,
    monitor: Monitor,
    /// Checks whose every result goes into a monitor file.
    monitored: BTreeMap<CheckId, Vec<Monitored>>,
    /// Checks that the lane was told to report in full.
    reported: BTreeSet<CheckId>,
}

/// A real server whose service has a monitor file.
struct Monitored {
    service: ServiceKey,
    position: usize,
    file: Arc<Path>,
    id: String,
}

impl Side {
    /// Starts what delivers. To be called within the runtime.
    pub(super) fn start(config: &Config) -> std::io::Result<Self> {
        let origin = origin();
        let side = Self {
            desk: Desk::new(config, origin.clone()),
            post: Post::start(origin, Ways::default()),
            monitor: Monitor::start()?,
            monitored: BTreeMap::new(),
            reported: BTreeSet::new(),
        };
        Ok(side)
    }

    /// Takes a new configuration into force.
    pub(super) fn configure(&mut self, config: &Config) {
        self.desk.configure(config);
    }

    /// Something that mail may tell of.
    pub(super) fn take(&mut self, occurrence: Occurrence, now: Instant) {
        self.desk.handle(occurrence, now);
    }

    /// A service that no configuration names has left the kernel.
    pub(super) fn forget(&mut self, service: &ServiceKey) {
        self.desk.forget(service);
    }

    /// When a mail is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.desk.poll_timeout()
    }

    /// Whether every result of a check is wanted; the lane is about to be told so.
    pub(super) fn reports(&mut self, id: CheckId) -> bool {
        let wanted = self.monitored.contains_key(&id);
        if wanted {
            self.reported.insert(id);
        }
        wanted
    }

    /// A round of a check has ended: its lines for the monitor files.
    pub(super) fn note_result(&self, core: &Core, id: CheckId, result: &CheckResult) {
        for server in self.monitored.get(&id).into_iter().flatten() {
            let Some(standing) = core.standing(&server.service, server.position) else {
                continue;
            };
            let (up, text) = monitor::words(standing, &result.outcome, &result.detail);
            self.monitor.write(&server.file, &server.id, up, text);
        }
    }

    /// What there is to tell of it.
    pub(super) fn status(&self, now: Instant) -> Option<AlertStatus> {
        let mail = self.post.status(self.desk.waiting(), now);
        let troubles = self.monitor.troubles(now);
        if troubles.is_empty() {
            return mail;
        }
        let mut status = mail.unwrap_or_default();
        status.troubles.extend(troubles);
        Some(status)
    }

    /// Sends what waits, within a limit.
    pub(super) async fn end(mut self, now: Instant) {
        for letter in self.desk.flush(now) {
            self.post.send(letter);
        }
        self.monitor.end();
        self.post.finish(MAIL_AT_END).await;
    }
}

impl Director {
    /// Hands over the mail that is due.
    pub(super) fn serve_alerts(&mut self, now: Instant) {
        let phase = self.core.phase();
        while let Some(letter) = self.alerts.desk.poll(phase, now) {
            self.alerts.post.send(letter);
        }
    }

    /// Learns which checks are to be reported in full, and has the lane do so. Those that are
    /// yet to be started are told so then.
    pub(super) fn watch_checks(&mut self) {
        let config = Arc::clone(self.core.config());
        let side = &mut self.alerts;
        side.monitored.clear();
        let mut files: BTreeSet<Arc<Path>> = BTreeSet::new();
        for service in &config.services {
            let Some(file) = &service.monitor_file else {
                continue;
            };
            let file: Arc<Path> = Arc::from(Path::new(&file.path));
            files.insert(Arc::clone(&file));
            for (position, real) in service.reals.iter().enumerate() {
                let RealCheck::Probe(check) = &real.check else {
                    continue;
                };
                let Some(id) = self.core.check_id(check) else {
                    continue;
                };
                side.monitored.entry(id).or_default().push(Monitored {
                    service: service.key,
                    position,
                    file: Arc::clone(&file),
                    id: monitor::identity(service, real),
                });
            }
        }
        side.monitor.open(files);
        let mut reported = BTreeSet::new();
        for (id, check) in self.core.running_checks() {
            let wanted = side.monitored.contains_key(&id);
            if self.rounds.contains_key(&id) && side.reported.contains(&id) != wanted {
                let rounds = self.lane.add(id, check, wanted);
                self.rounds.insert(id, rounds);
            }
            if wanted {
                reported.insert(id);
            }
        }
        side.reported = reported;
    }
}

fn origin() -> Origin {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
    let user = user.ok().flatten().map(|user| user.name);
    let host = nix::unistd::gethostname().ok();
    let host = host.and_then(|host| host.into_string().ok());
    Origin {
        user: user.unwrap_or_else(|| "root".to_owned()),
        host: host.unwrap_or_else(|| "localhost".to_owned()),
    }
}
