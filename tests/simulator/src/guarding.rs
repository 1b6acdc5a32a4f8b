//! What the guard does in the world.

use crate::clock::Local;
use crate::config::{MS, Time};
use crate::failover::{Event, Step};
use crate::guard::{AGAIN, Guard, Held, Request, offset};
use crate::node::Input;
use crate::world::{Coming, World};

impl World {
    pub(crate) fn ask_guard(&mut self, n: usize, now: Local, request: Request) {
        let time = self.guard_time(n);
        match (&mut self.nodes[n].guard, request) {
            (Some(guard), request) => {
                if guard.queue.is_empty() {
                    guard.busy = Some(now + time);
                }
                guard.queue.push_back(request);
            }
            (None, Request::Step(i, epoch, step, _)) => {
                self.report(n, i, epoch, step, Err("there is no guard".to_owned()));
            }
            (None, Request::Keep(..)) => {}
        }
    }

    fn guard_time(&mut self, n: usize) -> Time {
        let node = &mut self.nodes[n];
        node.rng.range(MS / 20, MS) * node.slow.min(10)
    }

    fn report(&mut self, n: usize, i: usize, epoch: u64, step: Step, result: Result<(), String>) {
        let done = Event::Done {
            instance: self.ids[i],
            epoch,
            step,
            result,
        };
        self.tell(n, Input::Event(done));
    }

    fn fenced(&mut self, n: usize, instances: &[usize]) {
        if !instances.is_empty() {
            self.log(|_| format!("node {n} guard takes away {instances:?}"));
            let instances = instances.iter().map(|i| self.ids[*i]).collect();
            self.tell(n, Input::Event(Event::Fenced { instances }));
        }
    }

    /// Whatever is due. What the guard must not do any more is looked at first.
    pub(crate) fn run_guard(&mut self, n: usize, now: Local) {
        let Some(guard) = &mut self.nodes[n].guard else {
            return;
        };
        if guard.paused {
            return;
        }
        let lifetime = self.config.lifetime();
        // It may have slept while the main process went on.
        let waiting = guard.queue.iter().rev().find_map(|request| match request {
            Request::Keep(deadline, _) => Some(*deadline),
            Request::Step(..) => None,
        });
        guard.deadline = guard.deadline.max(waiting);
        let lapsed = guard
            .held
            .iter()
            .flatten()
            .any(|held| held.refreshed + lifetime <= now);
        if guard.is_fenced(now) || lapsed {
            let taken = guard.fence_held(now);
            self.fenced(n, &taken);
        }
        self.leave(n, now);
        for _ in 0..64 {
            let Some(guard) = &mut self.nodes[n].guard else {
                return;
            };
            if guard.queue.is_empty() || guard.busy.is_some_and(|busy| busy > now) {
                break;
            }
            let request = guard.queue.pop_front();
            guard.busy = None;
            if let Some(request) = request {
                self.serve(n, now, request);
            }
            let time = self.guard_time(n);
            if let Some(guard) = &mut self.nodes[n].guard {
                guard.busy = (!guard.queue.is_empty()).then_some(now + time);
            }
        }
        for i in 0..2 {
            self.refresh(n, i, now, lifetime);
            self.announce_round(n, i, now);
        }
        self.say_farewell(n, now);
        if self.nodes[n].guard.as_ref().is_some_and(Guard::is_finished) {
            self.nodes[n].guard = None;
        }
    }

    /// Attempts to remove what has to go.
    fn leave(&mut self, n: usize, now: Local) {
        let true_time = self.now;
        let node = &mut self.nodes[n];
        let Some(guard) = &mut node.guard else {
            return;
        };
        for i in 0..2 {
            if guard.leaving[i].is_some_and(|at| at <= now) {
                let gone = node.kernel.remove(i, true_time).is_ok();
                guard.leaving[i] = if gone { None } else { Some(now + AGAIN) };
            }
        }
    }

    fn serve(&mut self, n: usize, now: Local, request: Request) {
        let lifetime = self.config.lifetime();
        let true_time = self.now;
        let node = &mut self.nodes[n];
        let Some(guard) = &mut node.guard else {
            return;
        };
        let (i, epoch, step, asked) = match request {
            Request::Keep(deadline, farewell) => {
                guard.deadline = guard.deadline.max(Some(deadline));
                guard.farewell = farewell;
                return;
            }
            Request::Step(i, epoch, step, asked) => (i, epoch, step, asked),
        };
        let result = match step {
            Step::AddAddresses => {
                let old = guard.given_up[i].is_some_and(|given_up| epoch <= given_up);
                let newer = guard.held[i]
                    .as_ref()
                    .is_some_and(|held| epoch < held.epoch);
                if guard.is_fenced(now) || old || newer {
                    if guard.is_fenced(now) {
                        let oldest = guard.given_up[i].get_or_insert(0);
                        *oldest = epoch.max(*oldest);
                    }
                    self.fenced(n, &[i]);
                    Err("fenced".to_owned())
                } else if asked + self.config.dead() / 2 < now {
                    // The guard has slept: what was true then may not be now.
                    Err("asked for too long ago".to_owned())
                } else if guard.leaving[i].is_some() {
                    Err("its addresses are still being removed".to_owned())
                } else {
                    let added = node.kernel.add(i, now, lifetime);
                    if added.is_ok() {
                        guard.farewells = None;
                        guard.held[i] = Some(Held {
                            epoch,
                            refreshed: now,
                            refresh_at: now + lifetime / 3,
                        });
                        self.check_added(n, i, epoch);
                    }
                    added
                }
            }
            Step::RemoveAddresses => {
                guard.give_up(i, now);
                let oldest = guard.given_up[i].get_or_insert(0);
                *oldest = epoch.max(*oldest);
                let removed = node.kernel.remove(i, true_time);
                guard.leaving[i] = if removed.is_ok() {
                    None
                } else {
                    Some(now + AGAIN)
                };
                removed
            }
            Step::Announce if guard.held[i].is_none() => Err("nothing is held".to_owned()),
            Step::Announce => {
                guard.rounds[i] = Some((now, 0));
                Ok(())
            }
            Step::CancelAnnouncements => {
                guard.rounds[i] = None;
                Ok(())
            }
            _ => Ok(()),
        };
        self.report(n, i, epoch, step, result);
    }

    fn refresh(&mut self, n: usize, i: usize, now: Local, lifetime: Time) {
        let node = &mut self.nodes[n];
        let Some(held) = node.guard.as_mut().and_then(|g| g.held[i].as_mut()) else {
            return;
        };
        if held.refresh_at > now {
            return;
        }
        held.refresh_at = now + lifetime / 3;
        // One that somebody has removed is not brought back by the way.
        if node.kernel.addresses[i].is_some() && node.kernel.add(i, now, lifetime).is_ok() {
            held.refreshed = now;
        } else {
            held.refresh_at = now + lifetime / 10;
        }
    }

    fn announce_round(&mut self, n: usize, i: usize, now: Local) {
        let Some(guard) = &mut self.nodes[n].guard else {
            return;
        };
        let Some((begun, done)) = guard.rounds[i] else {
            return;
        };
        if begun + offset(done) > now {
            return;
        }
        guard.rounds[i] = Some((begun, done + 1));
        self.check_announcement(n, i);
        if !self.nodes[n].is_connected() {
            return;
        }
        let time = self.now;
        self.segment.announce(n, i, time);
        let other = 1 - n;
        if self.same_segment() {
            let event = Event::ForeignClaim {
                instance: self.ids[i],
                mac: Self::mac(n),
            };
            let life = self.nodes[other].lives;
            self.schedule(self.now + MS / 10, Coming::Tell(other, life, event));
        }
    }

    fn say_farewell(&mut self, n: usize, now: Local) {
        let Some(guard) = &mut self.nodes[n].guard else {
            return;
        };
        if guard.farewell_due().is_none_or(|at| at > now) {
            return;
        }
        guard.farewell_done(now);
        let packets = guard.saying.clone();
        let life = self.nodes[n].lives;
        self.log(|_| format!("node {n} guard says farewell"));
        for (link, bytes) in packets {
            self.check_released(n, &bytes);
            self.transmit(n, link, &bytes, life);
        }
    }

    /// The guard dies. The next one either finds out what it held and goes on, or takes it all
    /// away.
    pub(crate) fn kill_guard(&mut self, n: usize) {
        let now = self.local(n);
        let limit = self.config.dead() / 2;
        let adopts = self.rng.chance(500);
        let Some(old) = self.nodes[n].guard.take() else {
            return;
        };
        if self.nodes[n].process.is_none() {
            return;
        }
        let mut new = Guard {
            held: old.held.clone(),
            given_up: old.given_up,
            leaving: old.leaving,
            deadline: Some(now + limit),
            ..Guard::default()
        };
        let mut taken = Vec::new();
        if !adopts || old.is_fenced(now) {
            taken = new.fence_held(now);
        }
        self.nodes[n].guard = Some(new);
        for request in old.queue {
            if let Request::Step(i, epoch, step, _) = request {
                self.report(n, i, epoch, step, Err("the guard died".to_owned()));
            }
        }
        self.fenced(n, &taken);
    }
}
