//! Decides which mail is due. Pure: time comes in, letters come out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::damping::Damping;
use super::fold::{Concern, Fold, Pending, SERVERS};
use super::letter::{About, Letter, Line};
use super::{Kind, Occurrence, Origin, Route};
use crate::config::{Config, Phase, Phases, VirtualService};
use crate::model::{DestinationKey, ServiceKey};

/// The one who writes letters.
#[derive(Debug)]
pub struct Desk {
    origin: Origin,
    services: BTreeMap<ServiceKey, Subject>,
    /// Services that a reload removed and that have not left the kernel yet.
    former: BTreeMap<ServiceKey, Subject>,
    concerns: BTreeMap<Concern, State>,
    folds: BTreeMap<Arc<Route>, Fold>,
    reminders: BTreeSet<(Instant, Concern)>,
}

/// What the configuration says about mail of a service.
#[derive(Debug, Clone)]
struct Subject {
    route: Arc<Route>,
    phases: Phases,
    reminder: Option<Duration>,
    about: About,
    servers: BTreeSet<DestinationKey>,
}

/// What is known of one server.
#[derive(Debug, Default)]
struct State {
    /// Since when it is out, or when that was last told.
    out_since: Option<Instant>,
    /// Its entry in the list of reminders.
    reminder_at: Option<Instant>,
    pending: Option<(Arc<Route>, Pending)>,
    damping: Damping,
}

impl Desk {
    /// A desk for a configuration.
    pub fn new(config: &Config, origin: Origin) -> Self {
        let mut desk = Self {
            origin,
            services: BTreeMap::new(),
            former: BTreeMap::new(),
            concerns: BTreeMap::new(),
            folds: BTreeMap::new(),
            reminders: BTreeSet::new(),
        };
        desk.services = desk.subjects(config);
        desk
    }

    /// Takes a new configuration into force. Servers that it still names keep their
    /// reminders, those that it does not are forgotten; what has happened is still told.
    pub fn configure(&mut self, config: &Config) {
        let services = self.subjects(config);
        let before = std::mem::replace(&mut self.services, services);
        self.former.extend(before);
        self.former
            .retain(|key, _| !self.services.contains_key(key));
        self.reminders.clear();
        for (concern, state) in &mut self.concerns {
            let subject = self.services.get(&concern.0);
            let subject = subject.filter(|subject| subject.servers.contains(&concern.1));
            state.out_since = state.out_since.filter(|_| subject.is_some());
            let due = subject.and_then(|subject| Some(state.out_since? + subject.reminder?));
            state.reminder_at = due;
            self.reminders.extend(due.map(|due| (due, *concern)));
        }
    }

    /// A service that no configuration names has left the kernel.
    pub fn forget(&mut self, service: &ServiceKey) {
        self.former.remove(service);
    }

    /// Something happened.
    pub fn handle(&mut self, occurrence: Occurrence, now: Instant) {
        let Occurrence {
            service,
            server,
            kind,
            applied,
            message,
            reason,
            phase,
        } = occurrence;
        let subject = self.services.get(&service);
        let Some(subject) = subject.or_else(|| self.former.get(&service)).cloned() else {
            return;
        };
        let concern = (service, server);
        let was_out = self.note_kind(concern, kind, &subject, now);
        let is_news = applied || kind != Kind::Recovered || was_out;
        if is_news && subject.phases.contains(phase) {
            let line = Line {
                about: subject.about,
                message,
                reason,
                at: now,
                phase,
                skipped: 0,
                reminder: false,
            };
            self.put(concern, subject.route, line, now);
        }
    }

    /// Begins or ends the reminders of a server; whether it was out before.
    fn note_kind(&mut self, concern: Concern, kind: Kind, subject: &Subject, now: Instant) -> bool {
        let was_out = self
            .concerns
            .get(&concern)
            .is_some_and(|state| state.out_since.is_some());
        match kind {
            Kind::Failed => {
                self.concerns.entry(concern).or_default().out_since = Some(now);
                self.remind_at(concern, subject.reminder.map(|reminder| now + reminder));
            }
            Kind::Recovered if was_out => {
                self.remind_at(concern, None);
                if let Some(state) = self.concerns.get_mut(&concern) {
                    state.out_since = None;
                }
            }
            Kind::Recovered | Kind::Other => {}
        }
        was_out
    }

    fn remind_at(&mut self, concern: Concern, at: Option<Instant>) {
        let Some(state) = self.concerns.get_mut(&concern) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut state.reminder_at, at) {
            self.reminders.remove(&(before, concern));
        }
        self.reminders.extend(at.map(|at| (at, concern)));
    }

    /// Puts a line into the next mail of a route in which it may stand.
    fn put(&mut self, concern: Concern, route: Arc<Route>, line: Line, now: Instant) {
        let fold = self.folds.entry(Arc::clone(&route)).or_default();
        let state = self.concerns.entry(concern).or_default();
        let reminder = line.reminder;
        let ready_at = if reminder {
            now
        } else {
            state.damping.ready_at(now)
        };
        match &mut state.pending {
            Some((on, pending)) if *on == route => {
                pending.push(line);
                if reminder {
                    pending.ready_at = now;
                }
            }
            // Also when the recipients were changed while it waited: the new ones are told.
            pending => {
                if fold.waiting.len() >= SERVERS {
                    fold.dropped = fold.dropped.saturating_add(1);
                    return;
                }
                fold.waiting.push(concern);
                let mut later = Pending::new(line, ready_at);
                if let Some((_, before)) = pending.take() {
                    later.lines.splice(0..0, before.lines);
                }
                *pending = Some((route, later));
            }
        }
        if reminder {
            fold.note_reminder(now);
        } else {
            let ready_at = state
                .pending
                .as_ref()
                .map_or(ready_at, |(_, pending)| pending.ready_at);
            fold.note(ready_at, now);
        }
    }

    /// When [`Desk::poll`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let reminder = self.reminders.first().map(|(at, _)| *at);
        let folds = self.folds.values().filter_map(Fold::due);
        folds.chain(reminder).min()
    }

    /// The next letter that is due, if any. `phase` is what the director is doing.
    pub fn poll(&mut self, phase: Phase, now: Instant) -> Option<Letter> {
        self.remind(phase, now);
        let due = |fold: &Fold| fold.due().is_some_and(|due| due <= now);
        let route = self.folds.iter().find(|(_, fold)| due(fold));
        let route = Arc::clone(route?.0);
        self.close(&route, false, now)
    }

    /// Every letter that has something to tell, whatever the pace: the director ends.
    pub fn flush(&mut self, now: Instant) -> Vec<Letter> {
        let routes: Vec<Arc<Route>> = self.folds.keys().map(Arc::clone).collect();
        let letters = routes.iter().map(|route| self.close(route, true, now));
        letters.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    /// Changes that no letter tells of yet.
    pub fn waiting(&self) -> usize {
        let states = self.concerns.values();
        let pending = states.filter_map(|state| state.pending.as_ref());
        pending.map(|(_, pending)| pending.lines.len()).sum()
    }

    /// Writes the reminders that are due, and with the first those that soon will be, so that
    /// the servers of a route come to be in one mail.
    fn remind(&mut self, phase: Phase, now: Instant) {
        let Some((first_at, first)) = self.reminders.first().copied() else {
            return;
        };
        if first_at > now {
            return;
        }
        let ahead = self
            .services
            .get(&first.0)
            .and_then(|subject| subject.reminder)
            .map_or(Duration::ZERO, |reminder| reminder / 4);
        let soon = self
            .reminders
            .iter()
            .take_while(|(at, _)| *at <= now + ahead);
        let soon: Vec<(Instant, Concern)> = soon.copied().collect();
        let leader = self
            .services
            .get(&first.0)
            .map(|s| (Arc::clone(&s.route), s.reminder));
        for (at, concern) in soon {
            let Some(subject) = self.services.get(&concern.0).cloned() else {
                self.reminders.remove(&(at, concern));
                continue;
            };
            let joins = leader.as_ref() == Some(&(Arc::clone(&subject.route), subject.reminder));
            if at > now && !joins {
                continue;
            }
            if let Some(state) = self.concerns.get_mut(&concern) {
                state.out_since = Some(now);
            }
            self.remind_at(concern, subject.reminder.map(|reminder| now + reminder));
            if subject.phases.contains(phase) {
                let (service, server) = concern;
                let line = Line {
                    about: subject.about,
                    message: format!("Inaccessible real server: {server} ({})", service.short()),
                    reason: None,
                    at: now,
                    phase,
                    skipped: 0,
                    reminder: true,
                };
                self.put(concern, subject.route, line, now);
            }
        }
    }

    /// Makes a letter of what waits on a route and may be told.
    fn close(&mut self, route: &Arc<Route>, all: bool, now: Instant) -> Option<Letter> {
        let fold = self.folds.get_mut(route)?;
        let mut lines = Vec::new();
        let mut later = Vec::new();
        let mut left: Option<Instant> = None;
        for concern in std::mem::take(&mut fold.waiting) {
            let Some(state) = self.concerns.get_mut(&concern) else {
                continue;
            };
            match &state.pending {
                Some((on, pending)) if on == route => {
                    if !all && pending.ready_at > now {
                        left = Some(left.map_or(pending.ready_at, |at| at.min(pending.ready_at)));
                        later.push(concern);
                        continue;
                    }
                    if pending.lines.iter().any(|line| !line.reminder) {
                        state.damping.note(now);
                    }
                }
                _ => continue,
            }
            if let Some((_, pending)) = state.pending.take() {
                lines.extend(pending.lines);
            }
            if state.out_since.is_none() && state.damping.is_idle(now) {
                self.concerns.remove(&concern);
            }
        }
        fold.waiting = later;
        let dropped = fold.dropped;
        let changes = lines.iter().any(|line| !line.reminder);
        fold.sent(changes, left, now);
        self.sweep(now);
        lines.sort_by_key(|line| line.at);
        (!lines.is_empty() || dropped > 0).then(|| Letter {
            route: Arc::clone(route),
            lines,
            dropped,
        })
    }

    /// Forgets what no longer matters.
    fn sweep(&mut self, now: Instant) {
        self.folds.retain(|_, fold| !fold.is_idle(now));
        self.concerns.retain(|_, state| {
            let idle = state.out_since.is_none() && state.pending.is_none();
            !(idle && state.damping.is_idle(now))
        });
    }

    fn subjects(&self, config: &Config) -> BTreeMap<ServiceKey, Subject> {
        let from = config.globals.mail_from.as_deref();
        let mut routes: BTreeSet<Arc<Route>> = BTreeSet::new();
        let services = config.services.iter();
        let subjects = services.filter_map(|service| {
            let route = Arc::new(Route::of(&service.mail, from, &self.origin)?);
            let route = routes.get(&route).map(Arc::clone).unwrap_or(route);
            routes.insert(Arc::clone(&route));
            Some((service.key, Subject::of(service, route)))
        });
        subjects.collect()
    }
}

impl Subject {
    fn of(service: &VirtualService, route: Arc<Route>) -> Self {
        let text = |text: &Option<String>| text.as_deref().map(Arc::from);
        Self {
            route,
            phases: service.mail.phases,
            reminder: service.mail.reminder,
            about: About {
                name: text(&service.service_name),
                comment: text(&service.comment),
            },
            servers: service.reals.iter().map(|r| r.destination.key).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
