//! Carrying out faults, and taking them all back.

use crate::config::{MS, SECOND, Time};
use crate::failover::{Command, Event};
use crate::fault::{Attack, Fault, Order, good};
use crate::kernel::Kernel;
use crate::node::Input;
use crate::world::{Coming, Which, World};

impl World {
    /// Something goes wrong.
    pub fn apply(&mut self, fault: Fault) {
        self.change(fault);
        self.set_wakes();
    }

    fn change(&mut self, fault: Fault) {
        match fault {
            Fault::Link(link, from, quality) => self.set_link(link, from, quality),
            Fault::AllLinks(quality) => self.set_all_links(quality),
            Fault::OneWay(from, cut) => self.cut_direction(from, cut),
            Fault::Service(n, up) => self.nodes[n].service = up,
            Fault::Carrier(n, up) => {
                self.nodes[n].carrier = up;
                self.look_at_tracks(n);
            }
            Fault::Targets(up) => self.segment.targets = up,
            Fault::Crash(n, after) => self.kill_main(n, after),
            Fault::CrashBoth(n, after) => {
                self.nodes[n].guard = None;
                self.kill_main(n, after);
            }
            Fault::CrashGuard(n) => self.kill_guard(n),
            Fault::Pause(n, time) => self.pause(n, Which::Main, time),
            Fault::PauseGuard(n, time) => self.pause(n, Which::Guard, time),
            Fault::PauseBoth(n, time) => {
                self.pause(n, Which::Main, time);
                self.pause(n, Which::Guard, time);
            }
            Fault::PowerOff(n, time) => self.power_off(n, time),
            Fault::PauseNode(n, time) => self.stand_still(n, time),
            Fault::Stop(n, after) => self.stop(n, after),
            Fault::DiskLoss(n) => {
                self.nodes[n].disk = [None; 2];
                self.checks.disk_changed(n);
            }
            Fault::DiskRollback(n) => {
                self.nodes[n].disk = self.nodes[n].disk_before;
                self.checks.disk_changed(n);
            }
            Fault::DiskErrors(n, on) => {
                self.nodes[n].disk_errors = on;
                self.checks.disk_changed(n);
            }
            Fault::StepErrors(n, errors) => self.nodes[n].kernel.errors = errors,
            Fault::SlowSteps(n, slow) => self.nodes[n].slow = slow,
            Fault::StuckRemoval(n, time) => self.nodes[n].kernel.stuck_until = self.now + time,
            Fault::RemoveAddress(n) => self.remove_by_hand(n),
            Fault::HangHooks(n, on) => self.nodes[n].hang_hooks = on,
            Fault::FailTargets(n, failed) => self.nodes[n].failed_targets = failed,
            Fault::Weight(n, weight) => self.nodes[n].weight = weight,
            Fault::HostFault(n, on) => {
                self.nodes[n].host_fault = on;
                self.look_at_tracks(n);
            }
            Fault::Ready(n, on) => self.nodes[n].ready = on,
            Fault::Operator(n, order) => self.order(n, order),
            Fault::Reload(n, variant) => self.reload(n, variant),
            // On a clock that stood still nothing is as old as it is.
            Fault::Attack(n, Attack::Withheld, _)
                if self.nodes[n].standing || self.nodes[n].stood_until.is_some() => {}
            Fault::Attack(n, attack, packets) => {
                // Certainly older than what the receiver takes for fresh.
                let longer = self.nodes.iter().any(|node| node.longer);
                let limit = self.dead() * if longer { 17 } else { 11 } / 10;
                let stale_before = self.now.saturating_sub(limit);
                for _ in 0..packets {
                    let (lives, links) = (self.lives(n), self.config.links);
                    let packet = self.attacker.packet(attack, n, lives, stale_before, links);
                    if let Some(packet) = packet {
                        self.arrive(n, packet);
                    }
                }
            }
            Fault::Rogue(on) => self.segment.rogue = on,
        }
    }

    fn order(&mut self, n: usize, order: Order) {
        let instance = None;
        let command = match order {
            Order::Standby => Command::Standby { instance, on: true },
            Order::StandbyOff => Command::Standby {
                instance,
                on: false,
            },
            Order::Takeover => Command::Takeover { instance },
            Order::Freeze(limit) => Command::Freeze {
                duration: (limit > 0).then(|| std::time::Duration::from_nanos(limit)),
            },
            Order::Unfreeze => Command::Unfreeze,
            Order::Cleanup => Command::Cleanup { instance },
        };
        if order != Order::Takeover {
            self.checks.orders_given(self.now);
        }
        let event = Event::Operator {
            ticket: self.now,
            command,
        };
        self.tell(n, Input::Event(event));
    }

    fn reload(&mut self, n: usize, variant: u8) {
        self.nodes[n].variant = variant;
        self.nodes[n].longer |= variant == 3;
        let settings = Box::new(self.config.settings(n, variant));
        self.tell(n, Input::Event(Event::Reconfigured(settings)));
    }

    fn remove_by_hand(&mut self, n: usize) {
        if !self.nodes[n].runs() {
            return;
        }
        for instance in 0..self.config.instances {
            if self.nodes[n].kernel.addresses[instance].take().is_some() {
                self.nodes[n].kernel.taken[instance] = true;
                let instance = self.ids[instance];
                self.tell(n, Input::Event(Event::AddressMissing { instance }));
            }
        }
    }

    fn power_off(&mut self, n: usize, time: Time) {
        let seed = self.rng.bits();
        let node = &mut self.nodes[n];
        if !node.powered {
            return;
        }
        node.powered = false;
        if std::mem::take(&mut node.standing) && self.config.clock_stops {
            node.clock.start(self.now);
        }
        node.process = None;
        node.guard = None;
        node.ring.clear();
        node.kernel = Kernel::new(crate::rng::Rng::new(seed, 5));
        node.start += 1;
        self.checks.process_ended(n);
        self.schedule(self.now + time, Coming::Node(n, true));
    }

    fn stand_still(&mut self, n: usize, time: Time) {
        let node = &mut self.nodes[n];
        if !node.runs() {
            return;
        }
        node.standing = true;
        if self.config.clock_stops {
            node.clock.stop(self.now);
        }
        self.schedule(self.now + time, Coming::Node(n, false));
    }

    pub(crate) fn node_is_back(&mut self, n: usize, power: bool) {
        let now = self.now;
        let node = &mut self.nodes[n];
        if power {
            if !node.powered {
                node.powered = true;
                self.schedule_start(n, now + 20 * MS);
            }
            return;
        }
        if !node.standing {
            return;
        }
        node.standing = false;
        node.stood_until = Some(now);
        if let Some(process) = &mut node.process {
            process.sent.fill(None);
        }
        if self.config.clock_stops {
            node.clock.start(now);
        }
        self.log(|_| format!("node {n} moves again"));
        for packet in std::mem::take(&mut self.nodes[n].ring) {
            self.tell(n, Input::Packet(packet));
        }
    }

    fn pause(&mut self, n: usize, which: Which, time: Time) {
        let life = self.nodes[n].lives;
        match which {
            Which::Main => {
                if let Some(process) = &mut self.nodes[n].process {
                    process.paused = true;
                }
            }
            Which::Guard => {
                if let Some(guard) = &mut self.nodes[n].guard {
                    guard.paused = true;
                }
            }
        }
        self.schedule(self.now + time, Coming::Continue(n, which, life));
    }

    pub(crate) fn resume(&mut self, n: usize, which: Which, life: u64) {
        let node = &mut self.nodes[n];
        if node.lives != life {
            return;
        }
        match which {
            Which::Main => {
                if let Some(process) = &mut node.process {
                    process.paused = false;
                    process.sent.fill(None);
                }
            }
            Which::Guard => {
                if let Some(guard) = &mut node.guard {
                    guard.paused = false;
                }
            }
        }
    }

    fn stop(&mut self, n: usize, after: Time) {
        let node = &mut self.nodes[n];
        let Some(process) = &mut node.process else {
            return;
        };
        if std::mem::replace(&mut process.stopping, true) {
            return;
        }
        let life = process.life;
        self.checks.restart_after[n] = after;
        self.schedule(self.now + 10 * SECOND, Coming::Kill(n, life));
        self.tell(n, Input::Event(Event::Stop));
    }

    /// Everything is well again from now on; what is left over from before is not.
    pub fn heal(&mut self) {
        self.log(|_| "HEAL".to_owned());
        self.forget_faults();
        self.set_all_links(good(&self.config));
        self.segment.targets = true;
        self.segment.rogue = false;
        for n in 0..2 {
            let node = &mut self.nodes[n];
            node.service = true;
            node.carrier = true;
            node.disk_errors = false;
            node.kernel.errors = 0;
            node.kernel.stuck_until = 0;
            node.hang_hooks = false;
            node.slow = 1;
            node.failed_targets = 0;
            node.weight = 0;
            node.host_fault = false;
            node.ready = true;
            if node.standing {
                self.node_is_back(n, false);
            }
            if !self.nodes[n].powered {
                self.node_is_back(n, true);
            }
            let life = self.nodes[n].lives;
            self.resume(n, Which::Main, life);
            self.resume(n, Which::Guard, life);
            if self.nodes[n].process.is_none() {
                self.schedule_start(n, self.now + 10 * MS);
            }
            if self.nodes[n].variant != 0 {
                self.reload(n, 0);
            }
            self.order(n, Order::Unfreeze);
            self.order(n, Order::StandbyOff);
            self.order(n, Order::Cleanup);
            self.look_at_tracks(n);
        }
        self.set_wakes();
    }
}
