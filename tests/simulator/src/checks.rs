//! The safety invariants, looked at after every event. What each means is in the crate's
//! documentation.

use std::time::Duration;

use crate::clock::Local;
use crate::config::{EXECUTION, MS, SECOND, SECRET, Time};
use crate::failover::{Action, Reason, State, Step};
use crate::node::{Node, Process};
use crate::packet;
use crate::world::World;

/// What has to be remembered.
#[derive(Debug, Clone, Default)]
pub struct Checks {
    /// Begin of a time in which both nodes hold an instance.
    double_since: [Option<Time>; 2],
    /// The claims of which it is.
    double_claims: [Option<[u64; 2]>; 2],
    /// Highest epoch that a node has called released.
    released: [[u64; 2]; 2],
    /// Epoch of a node's last takeover.
    claimed: [[u64; 2]; 2],
    /// Epoch that a node has last tried to store.
    pub stored: [[u64; 2]; 2],
    /// The epoch file was tampered with since the last takeover.
    dirty: [bool; 2],
    /// Whether it ever was, or could not be written.
    pub disk_ever: [bool; 2],
    /// After which time a stopped service starts again.
    pub restart_after: [Time; 2],
    /// Since when a node has been serving.
    active_since: [[Option<Time>; 2]; 2],
    /// When a node last became standby.
    standby_since: [[Option<Time>; 2]; 2],
    /// Which node has last given up an instance without need.
    gave_up: [Option<usize>; 2],
    /// Voluntary moves of an instance since the last event that excuses them.
    moves: [Vec<Time>; 2],
    /// Last transition.
    pub last_transition: Time,
    /// Last step or probe that was asked for.
    pub last_step: Time,
    /// Transitions in all.
    pub transitions: u64,
    /// Takeovers in all.
    pub takeovers: u64,
}

impl Checks {
    pub(crate) fn disk_changed(&mut self, n: usize) {
        self.dirty[n] = true;
        self.disk_ever[n] = true;
    }

    /// A life that begins cannot know what is not in the file: it was lost, or writing it had
    /// not ended when the one before ended.
    pub(crate) fn life_begins(&mut self, n: usize, disk: [Option<u64>; 2]) {
        for (i, stored) in disk.into_iter().enumerate() {
            let known = stored.unwrap_or(0);
            if self.disk_ever[n] || known < self.claimed[n][i] {
                self.claimed[n][i] = known;
                self.released[n][i] = known.min(self.released[n][i]);
            }
        }
    }

    /// What a life knows of moves is lost with it.
    pub(crate) fn process_ended(&mut self, n: usize) {
        self.moves = Default::default();
        self.active_since[n] = [None; 2];
    }

    /// Operators may do what they like.
    pub(crate) fn orders_given(&mut self, _: Time) {
        self.moves = Default::default();
    }

    pub(crate) fn asked(&mut self, now: Time) {
        self.last_step = now;
    }
}

impl World {
    /// A node has lately come out of a pause of everything, or does not execute in time.
    fn may_overlap(&self) -> bool {
        let grace = self.config.interval() + EXECUTION + 4 * self.config.delay;
        let stood = |node: &Node| {
            node.stood_until
                .is_some_and(|until| until + grace * node.slow.max(1) >= self.now)
        };
        self.nodes.iter().any(stood)
    }

    fn slowest(&self) -> u64 {
        self.nodes[0].slow.max(self.nodes[1].slow)
    }

    /// A node that could give up in time has served for long, and has all the time been hearing
    /// its peer, although perhaps the peer did not hear it.
    fn was_told(&self, n: usize, i: usize) -> bool {
        let limit = self.now.saturating_sub(2 * self.dead());
        let node = &self.nodes[n];
        let Some(process) = &node.process else {
            return false;
        };
        let heard = self.carried_since(1 - n).is_some_and(|since| since < limit)
            && self.awake_since.iter().all(|since| {
                since.is_some_and(|since| since < limit && process.heard > Some(since))
            });
        // They have met in these lives.
        let met = (0..2).all(|m| {
            let heard = self.nodes[m].process.as_ref().and_then(|p| p.heard);
            heard
                .zip(self.awake_since[1 - m])
                .is_some_and(|(heard, since)| heard > since)
        });
        // Not by a link that was bad anyway.
        let calm_at = self.weather[n].saturating_add(2 * self.dead());
        let heard = heard && met && process.heard > Some(calm_at);
        let calm = process.frozen.is_none() && self.nodes.iter().all(|node| !node.longer);
        heard && calm && self.executes() && process.state[i] == State::Active && {
            let served = self.checks.active_since[n][i];
            // It has heard as an owner, from a peer that could serve, that it is heard: it
            // must notice when that ends.
            let peer = self.nodes[1 - n].process.as_ref();
            let eligible = peer.and_then(|peer| peer.eligible_since[i]);
            let able = self.checks.standby_since[1 - n][i].zip(eligible);
            served.is_some_and(|since| since < limit && process.heard > Some(since))
                && able.is_some_and(|(a, b)| process.heard > Some(a.max(b)))
        }
    }

    /// Nothing hinders a node from giving up its addresses in time.
    fn executes(&self) -> bool {
        self.nodes.iter().all(|node| {
            node.kernel.errors == 0
                && node.kernel.stuck_until <= self.now
                && node.slow == 1
                && !node.hang_hooks
                && node.guard.as_ref().is_some_and(|g| !g.paused)
        })
    }

    /// Since when both main processes have been awake and hearing each other, each with proof
    /// that it is heard.
    pub fn hear_each_other_since(&self) -> Option<Time> {
        let since = |n: usize| {
            let node = &self.nodes[n];
            let process = node.process.as_ref().filter(|_| node.is_awake())?;
            if process.is_deaf(self.now, self.config.dead() / 2) {
                return None;
            }
            process.hears_since
        };
        Some(since(0)?.max(since(1)?))
    }

    /// Looks at what must hold between any two events.
    pub(crate) fn check_state(&mut self) {
        let able = self.executes();
        self.executes_since = able.then(|| self.executes_since.unwrap_or(self.now));
        let together = self.same_segment();
        self.together_since = together.then(|| self.together_since.unwrap_or(self.now));
        for n in 0..2 {
            let awake = self.nodes[n].is_awake();
            self.awake_since[n] = awake.then(|| self.awake_since[n].unwrap_or(self.now));
        }
        for i in 0..self.config.instances {
            self.check_owners(i);
        }
        for n in 0..2 {
            let Some(process) = &self.nodes[n].process else {
                continue;
            };
            if !self.nodes[n].is_awake() {
                continue;
            }
            for i in 0..self.config.instances {
                let state = process.state[i];
                if state.is_passive() && self.nodes[n].kernel.addresses[i].is_some() {
                    self.fail("I3", |_| {
                        format!("node {n} is {state} and has instance {i}")
                    });
                    return;
                }
            }
            self.check_bare(n);
        }
    }

    fn check_owners(&mut self, i: usize) {
        let double = self.nodes.iter().all(|node| node.holds(i));
        if !double {
            self.checks.double_since[i] = None;
            return;
        }
        let heard = self.hear_each_other_since();
        let Some(since) = self.checks.double_since[i] else {
            self.checks.double_since[i] = Some(self.now);
            // Somebody has removed an address, and it is back.
            let claims = [0, 1].map(|n| self.checks.claimed[n][i]);
            let again = self.checks.double_claims[i].replace(claims) == Some(claims);
            if again || self.may_overlap() {
                return;
            }
            let looked = 2 * self.probe_window() + EXECUTION * self.slowest();
            let since = self.together_since;
            if since.is_some_and(|since| since + looked < self.now) {
                self.fail("I1", |_| {
                    format!("both nodes own instance {i} on one segment")
                });
            } else if heard.is_some_and(|h| h + self.dead() < self.now) {
                self.fail("I2", |_| {
                    format!("both nodes hold instance {i} and hear each other")
                });
            } else if self.one_way && (0..2).any(|n| self.was_told(n, i)) {
                self.fail("I2", |_| {
                    format!("both nodes hold instance {i}, one hears the other")
                });
            }
            return;
        };
        if let Some(heard) = heard.filter(|_| self.executes()) {
            let limit = 2 * self.config.interval() + EXECUTION + 6 * self.config.delay;
            let able = self.executes_since.unwrap_or(self.now);
            if self.now > since.max(heard).max(able) + limit {
                self.fail("V2", |_| format!("both nodes still hold instance {i}"));
            }
        }
    }

    /// A node that says it serves has the address, or gets it back, or gives up.
    fn check_bare(&mut self, n: usize) {
        let limit = 2 * SECOND + 3 * self.dead();
        let whole = self.executes();
        for i in 0..self.config.instances {
            let now = self.now;
            let node = &mut self.nodes[n];
            let bare = node.kernel.addresses[i].is_none();
            let Some(process) = &mut node.process else {
                return;
            };
            if !(bare && whole && process.state[i] == State::Active && !process.draining) {
                process.bare_since[i] = None;
                continue;
            }
            let since = *process.bare_since[i].get_or_insert(now);
            if now > since + limit {
                self.fail("I3b", |_| {
                    format!("node {n} says it serves {i} without its address")
                });
            }
        }
    }

    /// A packet of the peer has arrived and is about to be handled.
    pub(crate) fn note_arrival(&mut self, n: usize, life: u64, bytes: &[u8]) {
        let current = self.life(1 - n) == Some(life);
        let (now, dead) = (self.now, self.config.dead());
        let ids = self.ids;
        let Some(process) = &mut self.nodes[n].process else {
            return;
        };
        let Some(head) = packet::head(bytes).filter(|h| h.echo == process.incarnation) else {
            return;
        };
        let age = process
            .rounds
            .get(&head.echoed)
            .map(|sent| now.saturating_sub(*sent));
        // Clearly fresh; what is on the edge does not count.
        if !current || head.sequence >> 63 != 0 || age.is_none_or(|age| age > dead * 4 / 10) {
            return;
        }
        // A copy of what came on another link is no news.
        if process.last_news >= (life, head.sequence) {
            return;
        }
        process.last_news = (life, head.sequence);
        if process
            .heard
            .is_none_or(|heard| now.saturating_sub(heard) > dead / 2)
        {
            process.hears_since = Some(now);
        }
        process.heard = Some(now);
        for record in packet::records(bytes) {
            if let Some(i) = ids.iter().position(|id| id.0 == record.instance) {
                process.peer_eligible[i] = record.eligible();
                process.peer_active[i] = record.state == packet::ACTIVE;
                if record.state == packet::ACTIVE {
                    process.heard_epoch[i] = process.heard_epoch[i].max(record.epoch);
                }
            }
        }
    }

    /// I9: with and without the attacker's packets the state machine does the same.
    pub(crate) fn check_unimpressed(&mut self, n: usize, expected: &[Action], found: &[Action]) {
        let counts = |a: &&Action| !matches!(a, Action::Alarm { .. } | Action::Reply { .. });
        let mut expected = expected.iter().filter(counts);
        let mut found = found.iter().filter(counts);
        loop {
            match (expected.next(), found.next()) {
                (None, None) => return,
                (a, b) if a == b => {}
                (a, b) => {
                    let text = format!("node {n} without the attacker: {a:?}; with him: {b:?}");
                    self.fail("I9", |_| text);
                    return;
                }
            }
        }
    }

    /// I9: a recording makes a node echo another life, no more.
    pub(crate) fn check_silent(&mut self, n: usize, actions: &[Action]) {
        let usual = |a: &Action| {
            matches!(
                a,
                Action::Send { .. } | Action::Keep { .. } | Action::Alarm { .. }
            )
        };
        if let Some(action) = actions.iter().find(|a| !usual(a)) {
            let text = format!("a recording makes node {n} do {action:?}");
            self.fail("I9", |_| text);
        }
    }

    /// I5: nothing leaves a process that was late before it has looked around.
    pub(crate) fn check_batch(
        &mut self,
        n: usize,
        late: Local,
        due: Option<Local>,
        actions: &[Action],
    ) {
        let Some(process) = &self.nodes[n].process else {
            return;
        };
        let loud = |a: &&Action| {
            matches!(
                a,
                Action::Send { .. }
                    | Action::Keep { .. }
                    | Action::Do {
                        step: Step::Announce | Step::AddAddresses,
                        ..
                    }
            )
        };
        let Some(action) = actions.iter().find(loud) else {
            return;
        };
        let drains = process.draining || actions.iter().any(|a| matches!(a, Action::Drain));
        if drains {
            let text = format!("node {n} has not looked around and does {action:?}");
            self.fail("I5", |_| text);
        } else if late > self.dead() * 6 / 10 && !self.nodes[n].longer {
            let text =
                format!("node {n} was due at {due:?}, is late by {late} ns, does {action:?}");
            self.fail("I5", |_| text);
        }
    }

    /// I18.
    pub(crate) fn check_secret(&mut self, n: usize, action: &Action) {
        let text = match action {
            Action::Alarm { text, .. } => text,
            Action::Reply { result, .. } => match result {
                Ok(text) | Err(text) => text,
            },
            _ => return,
        };
        if shows_secret(text.as_bytes()) {
            self.fail("I18", |_| format!("node {n} tells the key"));
        }
    }

    /// I4, I16, I18 and V8 at a packet that leaves.
    pub(crate) fn check_send(&mut self, n: usize, now: Local, link: usize, bytes: &[u8]) {
        self.check_released(n, bytes);
        self.check_patience(n, bytes);
        if shows_secret(bytes) {
            self.fail("I18", |_| format!("node {n} sends the key"));
        }
        let longer = self.nodes[n].longer;
        let limit = self.config.interval() * 3 / 2 + self.config.jitter * 2 + MS;
        let Some(process) = &mut self.nodes[n].process else {
            return;
        };
        let Some(sent) = process.sent.get_mut(link) else {
            return;
        };
        let last = sent.replace(now);
        let gap = last.map_or(0, |last| now.saturating_sub(last));
        if gap > limit && !longer {
            self.fail("V8", |_| {
                format!("node {n} was silent on link {link} for {gap} ns")
            });
        }
    }

    /// A node waits no shorter than is configured, and not for ever.
    fn check_patience(&mut self, n: usize, bytes: &[u8]) {
        let configured = self.config.dead();
        let announced = packet::head(bytes).map_or(0, |head| Time::from(head.dead_after) * 1000);
        if !(configured..=SECOND.max(configured * 3 / 2)).contains(&announced) {
            self.fail("I19", |_| format!("node {n} waits for {announced} ns"));
        }
        self.longest = self.longest.max(announced);
    }

    pub(crate) fn check_released(&mut self, n: usize, bytes: &[u8]) {
        for record in packet::records(bytes) {
            let Some(i) = self.ids.iter().position(|id| id.0 == record.instance) else {
                continue;
            };
            if !record.released() {
                continue;
            }
            if record.state == packet::BLOCKED {
                self.fail("I16", |_| format!("node {n} is blocked and says released"));
            } else if self.nodes[n].kernel.addresses[i].is_some() {
                self.fail("I4", |_| {
                    format!("node {n} says released and has instance {i}")
                });
            }
            let released = &mut self.checks.released[n][i];
            *released = record.epoch.max(*released);
        }
    }

    /// I4, I6 and I7 at the moment in which an address appears.
    pub(crate) fn check_added(&mut self, n: usize, i: usize, epoch: u64) {
        let checks = &mut self.checks;
        if checks.dirty[n] {
            checks.released[n][i] = 0;
        }
        let node = &self.nodes[n];
        let stored = checks.stored[n][i];
        let problem = if epoch <= checks.released[n][i] {
            Some(("I4", "has called this epoch released"))
        } else if !node.kernel.table[i] {
            Some(("I6", "has no services"))
        } else if self.config.sync && self.config.backup_only && node.kernel.backup[i] {
            Some((
                "I6",
                "still is a backup of the sync daemon and forwards nothing",
            ))
        } else if stored != epoch {
            Some(("I6", "has not stored the epoch"))
        } else {
            None
        };
        if let Some((invariant, text)) = problem {
            self.fail(invariant, |_| {
                format!("node {n} adds instance {i} at epoch {epoch}: {text}")
            });
        }
        self.log(|_| format!("node {n} has instance {i}, epoch {epoch}"));
    }

    /// I3 and I5 at an announcement.
    pub(crate) fn check_announcement(&mut self, n: usize, i: usize) {
        let node = &self.nodes[n];
        let state = node
            .process
            .as_ref()
            .filter(|p| !p.paused)
            .map(|p| p.state[i]);
        // Somebody else may have removed it a moment ago.
        let taken = node.kernel.taken[i];
        if node.kernel.addresses[i].is_none() && !taken {
            self.fail("I5", |_| {
                format!("node {n} announces instance {i} after its removal")
            });
        } else if state.is_some_and(State::is_passive) {
            self.fail("I3", |_| {
                format!("node {n} announces instance {i} in {state:?}")
            });
        }
    }

    pub(crate) fn check_transition(
        &mut self,
        n: usize,
        i: usize,
        (from, to): (State, State),
        reason: Reason,
        epoch: u64,
    ) {
        self.checks.last_transition = self.now;
        self.checks.transitions += 1;
        let Some(process) = &mut self.nodes[n].process else {
            return;
        };
        let known = std::mem::replace(&mut process.state[i], to);
        if known != from {
            self.fail("transition", |_| {
                format!("node {n} goes from {from}, but was {known}")
            });
            return;
        }
        match (from, to) {
            (State::Standby, State::Probe | State::Acquire) => self.check_claim(n, i, reason),
            (_, State::Release) if from == State::Active => self.check_release(n, i, reason),
            (_, State::Active) => self.check_active(n, i, epoch),
            _ => {}
        }
        if to == State::Standby {
            self.checks.standby_since[n][i] = Some(self.now);
        }
        self.checks.active_since[n][i] = (to == State::Active).then_some(self.now);
        if to == State::Acquire {
            self.check_epoch(n, i, epoch);
        }
    }

    /// I10 and I13.
    fn check_claim(&mut self, n: usize, i: usize, reason: Reason) {
        let dead = self.config.dead();
        let Some(process) = &self.nodes[n].process else {
            return;
        };
        let hears = !process.is_deaf(self.now, dead * 7 / 10);
        let eligible = process.eligible[i] && !process.admin_standby;
        if reason == Reason::PeerSilent && hears {
            self.fail("I10", |_| {
                format!("node {n} claims {i} although links carry both ways")
            });
        } else if !eligible {
            self.fail("I13", |_| {
                format!("node {n} claims {i} and is not eligible")
            });
        }
    }

    /// I10, I11 and I12.
    fn check_release(&mut self, n: usize, i: usize, reason: Reason) {
        let now = self.local(n);
        let calm = |until: &Time| until.saturating_add(2 * self.dead()) < self.now;
        let calm = self.weather.iter().all(calm);
        let Some(process) = &self.nodes[n].process else {
            return;
        };
        let deaf = |process: &Process| process.is_deaf(self.now, self.config.dead() * 3 / 10);
        let other = self.nodes[1 - n].process.as_ref();
        let hears = calm && !deaf(process) && other.is_some_and(|other| !deaf(other));
        let frozen = process.frozen.is_some_and(|end| end > now);
        let voluntary = matches!(reason, Reason::HandedOver | Reason::Fault);
        if hears && matches!(reason, Reason::Isolated | Reason::NotHeard) {
            self.fail("I10", |_| {
                format!("node {n} gives up {i}: {reason}; links carry both ways")
            });
        } else if frozen && voluntary {
            self.fail("I11", |_| {
                format!("node {n} gives up {i} although frozen: {reason}")
            });
        }
        self.checks.gave_up[i] = voluntary.then_some(n);
    }

    fn note_move(&mut self, i: usize) {
        let window = duration(self.config.timing.moves_window) * 95 / 100;
        let limit = usize::from(self.config.timing.max_moves) + 1;
        let now = self.now;
        let moves = &mut self.checks.moves[i];
        moves.push(now);
        moves.retain(|at| at + window >= now);
        if moves.len() > limit {
            let count = moves.len();
            self.fail("I12", |_| {
                format!("instance {i} moved {count} times in the window")
            });
        }
    }

    /// I7: what is in effect is on disk.
    fn check_active(&mut self, n: usize, i: usize, epoch: u64) {
        self.checks.takeovers += 1;
        if self.checks.gave_up[i]
            .take()
            .is_some_and(|other| other != n)
        {
            self.note_move(i);
        }
        let stored = self.nodes[n].disk[i];
        if stored != Some(epoch)
            && !self.checks.dirty[n]
            && !self.checks.disk_ever[n]
            && self.nodes[n].slow == 1
        {
            self.fail("I7", |_| {
                format!("node {n} serves {i} at epoch {epoch}, on disk {stored:?}")
            });
        }
    }

    /// I7: a takeover is newer than this node's last one and than every owner it has heard.
    fn check_epoch(&mut self, n: usize, i: usize, epoch: u64) {
        let forgot = std::mem::take(&mut self.checks.dirty[n]);
        let last = std::mem::replace(&mut self.checks.claimed[n][i], epoch);
        let heard = self.nodes[n]
            .process
            .as_ref()
            .map_or(0, |p| p.heard_epoch[i]);
        if !forgot && !self.checks.disk_ever[n] && epoch <= last {
            self.fail("I7", |_| {
                format!("node {n} takes over {i} at epoch {epoch} after {last}")
            });
        } else if epoch <= heard {
            self.fail("I7", |_| {
                format!("node {n} takes over {i} at epoch {epoch}, peer had {heard}")
            });
        }
    }
}

fn duration(duration: Duration) -> Time {
    duration.as_nanos() as Time
}

/// Whether the key is in it, as it is or in hexadecimal digits.
pub fn shows_secret(bytes: &[u8]) -> bool {
    let start = &SECRET[..8];
    let hex = format!(
        "{:016x}",
        u64::from_be_bytes(*SECRET.first_chunk().expect("32 bytes"))
    );
    let contains = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    contains(start) || contains(hex.as_bytes()) || contains(hex.to_uppercase().as_bytes())
}
