//! What can go wrong, and when it does in a run.

use crate::config::{Config, MS, SECOND, Time};
use crate::rng::Rng;

/// How a link treats packets of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quality {
    /// Nothing passes.
    pub cut: bool,
    /// Lost packets of a thousand.
    pub loss: u64,
    /// Packets that come twice, of a thousand.
    pub duplicate: u64,
    /// Packets with a flipped bit, of a thousand.
    pub corrupt: u64,
    /// Longest delay; each packet has its own, so that they overtake each other.
    pub delay: Time,
}

/// Which operator's command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `standby`.
    Standby,
    /// `standby --off`.
    StandbyOff,
    /// `takeover`.
    Takeover,
    /// `freeze` for so long; until ended when 0.
    Freeze(Time),
    /// `unfreeze`.
    Unfreeze,
    /// `cleanup`.
    Cleanup,
}

/// What the attacker does. He sees and can send everything, but has no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attack {
    /// Packets that arrived already, again.
    Replay,
    /// Packets of lives that are over, of either node.
    Old,
    /// Packets that never arrived, after they have become stale.
    Withheld,
    /// Packets with one changed bit.
    BitFlip,
    /// Packets with a changed field and a tag under another key, or none.
    Forge,
    /// A node's own packets, back to it, and packets on another link.
    Reflect,
    /// Cut short, prolonged, or noise.
    Garbage,
}

impl Attack {
    const ALL: [Self; 7] = [
        Self::Replay,
        Self::Old,
        Self::Withheld,
        Self::BitFlip,
        Self::Forge,
        Self::Reflect,
        Self::Garbage,
    ];
}

/// One thing that happens to the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A link's direction (from this node) gets another quality.
    Link(usize, usize, Quality),
    /// All links, both directions.
    AllLinks(Quality),
    /// All links from this node.
    OneWay(usize, bool),
    /// The node's port of the service segment's switch: no carrier change.
    Service(usize, bool),
    /// The carrier of the service interface.
    Carrier(usize, bool),
    /// The targets on the service segment.
    Targets(bool),
    /// The main process dies; started again after so long.
    Crash(usize, Time),
    /// Main process and guard die together.
    CrashBoth(usize, Time),
    /// The guard dies; another one takes over.
    CrashGuard(usize),
    /// SIGSTOP and, after so long, SIGCONT of the main process.
    Pause(usize, Time),
    /// Of the guard.
    PauseGuard(usize, Time),
    /// Of both.
    PauseBoth(usize, Time),
    /// Power lost; back after so long.
    PowerOff(usize, Time),
    /// The whole node stands still for so long, kernel included.
    PauseNode(usize, Time),
    /// An orderly stop of the service; started again after so long.
    Stop(usize, Time),
    /// The epoch file is gone.
    DiskLoss(usize),
    /// The epoch file is an old one.
    DiskRollback(usize),
    /// The epoch file cannot be written.
    DiskErrors(usize, bool),
    /// So many steps of a thousand fail, from now on.
    StepErrors(usize, u64),
    /// Steps take so many times as long, from now on.
    SlowSteps(usize, u64),
    /// Addresses cannot be removed for so long.
    StuckRemoval(usize, Time),
    /// Somebody removes the addresses.
    RemoveAddress(usize),
    /// Programs before a release hang until their time limit, from now on.
    HangHooks(usize, bool),
    /// So many targets fail on this node only.
    FailTargets(usize, u8),
    /// Weight of failed tracks.
    Weight(usize, i16),
    /// A fault of the host, or its end.
    HostFault(usize, bool),
    /// Whether checks have results.
    Ready(usize, bool),
    /// An operator's command.
    Operator(usize, Order),
    /// A reload, see [`Config::settings`].
    Reload(usize, u8),
    /// So many packets of the attacker to this node.
    Attack(usize, Attack, u8),
    /// A real server that answers ARP requests for the addresses.
    Rogue(bool),
}

/// A class of faults that a seed switches on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    LinkQuality,
    LinkCut,
    AllLinks,
    OneWay,
    Service,
    Carrier,
    Targets,
    Crash,
    Guard,
    Pause,
    Power,
    PauseNode,
    Stop,
    Disk,
    Steps,
    Stuck,
    RemoveAddress,
    Hooks,
    Tracks,
    Operator,
    Freeze,
    Reload,
    Attack,
    Rogue,
    Flapping,
}

const CLASSES: [Class; 25] = [
    Class::LinkQuality,
    Class::LinkCut,
    Class::AllLinks,
    Class::OneWay,
    Class::Service,
    Class::Carrier,
    Class::Targets,
    Class::Crash,
    Class::Guard,
    Class::Pause,
    Class::Power,
    Class::PauseNode,
    Class::Stop,
    Class::Disk,
    Class::Steps,
    Class::Stuck,
    Class::RemoveAddress,
    Class::Hooks,
    Class::Tracks,
    Class::Operator,
    Class::Freeze,
    Class::Reload,
    Class::Attack,
    Class::Rogue,
    Class::Flapping,
];

/// The faults of a seed in the order of their times, and when they end.
pub fn plan(seed: u64, config: &Config) -> (Vec<(Time, Fault)>, Time) {
    let mut rng = Rng::new(seed, 2);
    let share = rng.pick(&[80, 200, 400]);
    let mut classes: Vec<Class> = CLASSES.into_iter().filter(|_| rng.chance(share)).collect();
    if classes.is_empty() {
        classes.push(rng.pick(&CLASSES));
    }
    let mut draw = Draw {
        rng,
        config,
        scale: config.dead(),
    };
    let count = draw.rng.range(1, 40);
    // From a fault in every dead interval to one in 16.
    let mean = draw.scale * draw.rng.pick(&[1, 2, 4, 8, 16]);
    let mut at = draw.rng.range(0, config.wait() * 2);
    let mut faults = Vec::new();
    for _ in 0..count {
        let class = draw.rng.pick(&classes);
        draw.faults(class, at, &mut faults);
        at += draw.rng.range(0, mean * 2);
    }
    faults.sort_by_key(|(time, _)| *time);
    let last = faults.last().map_or(0, |(time, _)| *time);
    (faults, last.max(at))
}

struct Draw<'a> {
    rng: Rng,
    config: &'a Config,
    scale: Time,
}

impl Draw<'_> {
    /// Some time, mostly about the dead interval, sometimes much longer.
    fn time(&mut self) -> Time {
        let scale = self.scale * self.rng.pick(&[1, 2, 4, 8]);
        match self.rng.below(3) {
            0 => self.rng.range(0, self.scale / 2),
            1 => self.rng.range(self.scale / 3, self.scale * 2),
            _ => self.rng.range(0, scale * 2),
        }
    }

    fn quality(&mut self) -> Quality {
        let rng = &mut self.rng;
        Quality {
            cut: false,
            loss: rng.pick(&[0, 0, 50, 200, 600]),
            duplicate: rng.pick(&[0, 0, 100, 500]),
            corrupt: rng.pick(&[0, 0, 20, 200]),
            delay: rng.pick(&[
                self.config.delay,
                self.config.interval() / 2,
                self.config.interval() * 2,
                self.config.dead(),
                2 * SECOND,
            ]),
        }
    }

    fn faults(&mut self, class: Class, at: Time, out: &mut Vec<(Time, Fault)>) {
        let node = self.rng.below(2) as usize;
        let link = self.rng.below(self.config.links as u64) as usize;
        let time = self.time();
        let good = good(self.config);
        let cut = Quality { cut: true, ..good };
        let after = at + time;
        let restart = self
            .rng
            .pick(&[MS * 20, self.scale / 3, self.scale * 2, self.scale * 6]);
        match class {
            Class::LinkQuality => out.push((at, Fault::Link(link, node, self.quality()))),
            Class::LinkCut => {
                out.push((at, Fault::Link(link, node, cut)));
                if self.rng.chance(500) {
                    out.push((at, Fault::Link(link, 1 - node, cut)));
                }
                out.push((after, Fault::Link(link, node, good)));
                out.push((after, Fault::Link(link, 1 - node, good)));
            }
            Class::AllLinks => {
                let quality = if self.rng.chance(700) {
                    cut
                } else {
                    self.quality()
                };
                out.extend([
                    (at, Fault::AllLinks(quality)),
                    (after, Fault::AllLinks(good)),
                ]);
            }
            Class::OneWay => {
                let mut after = after;
                if self.rng.chance(600) {
                    // The probe does not help either.
                    let port = self.rng.below(2) as usize;
                    after = at + self.scale * 4;
                    out.push((at, Fault::Service(port, false)));
                    out.push((after, Fault::Service(port, true)));
                }
                out.extend([
                    (at, Fault::OneWay(node, true)),
                    (after, Fault::OneWay(node, false)),
                ]);
            }
            Class::Service => {
                out.extend([
                    (at, Fault::Service(node, false)),
                    (after, Fault::Service(node, true)),
                ]);
            }
            Class::Carrier => {
                out.extend([
                    (at, Fault::Carrier(node, false)),
                    (after, Fault::Carrier(node, true)),
                ]);
            }
            Class::Targets => {
                out.extend([(at, Fault::Targets(false)), (after, Fault::Targets(true))]);
            }
            Class::Crash => out.push((at, Fault::Crash(node, restart))),
            Class::Guard => out.push((
                at,
                match self.rng.below(3) {
                    0 => Fault::CrashGuard(node),
                    1 => Fault::PauseGuard(node, time),
                    _ => Fault::CrashBoth(node, restart),
                },
            )),
            Class::Pause => out.push((
                at,
                if self.rng.chance(600) {
                    Fault::Pause(node, time)
                } else {
                    Fault::PauseBoth(node, time)
                },
            )),
            Class::Power => out.push((at, Fault::PowerOff(node, restart + self.scale))),
            Class::PauseNode => out.push((at, Fault::PauseNode(node, time))),
            Class::Stop => out.push((at, Fault::Stop(node, restart))),
            Class::Disk => out.push(match self.rng.below(4) {
                0 => (at, Fault::DiskLoss(node)),
                1 => (at, Fault::DiskRollback(node)),
                2 => (at, Fault::DiskErrors(node, true)),
                _ => (at, Fault::DiskErrors(node, false)),
            }),
            Class::Steps => out.push(match self.rng.below(3) {
                0 => (
                    at,
                    Fault::StepErrors(node, self.rng.pick(&[0, 50, 200, 500])),
                ),
                1 => (at, Fault::SlowSteps(node, self.rng.pick(&[1, 4, 20, 100]))),
                _ => (at, Fault::StepErrors(node, 0)),
            }),
            Class::Stuck => {
                out.extend([0, 1].map(|n| (at, Fault::StuckRemoval(n, time))));
                if self.rng.chance(500) {
                    out.push((at + time / 2, Fault::Operator(node, Order::Takeover)));
                }
            }
            Class::RemoveAddress => out.push((at, Fault::RemoveAddress(node))),
            Class::Hooks => out.push((at, Fault::HangHooks(node, self.rng.chance(600)))),
            Class::Tracks => {
                let targets = u64::from(self.config.targets);
                let (begin, end) = match self.rng.below(4) {
                    0 => (Fault::HostFault(node, true), Fault::HostFault(node, false)),
                    1 => (Fault::Ready(node, false), Fault::Ready(node, true)),
                    2 => {
                        let failed = self.rng.range(0, targets) as u8;
                        (
                            Fault::FailTargets(node, failed),
                            Fault::FailTargets(node, 0),
                        )
                    }
                    _ => {
                        let weight = self.rng.pick(&[-200, -50, -20, 30]);
                        (Fault::Weight(node, weight), Fault::Weight(node, 0))
                    }
                };
                out.extend([(at, begin), (after, end)]);
            }
            Class::Operator => {
                let order = match self.rng.below(5) {
                    0 => Order::Standby,
                    1 => Order::StandbyOff,
                    2 | 3 => Order::Takeover,
                    _ => Order::Cleanup,
                };
                out.push((at, Fault::Operator(node, order)));
            }
            Class::Freeze => {
                let limit = if self.rng.chance(500) { time } else { 0 };
                out.extend([
                    (at, Fault::Operator(node, Order::Freeze(limit))),
                    (at, Fault::Operator(1 - node, Order::Freeze(limit))),
                    (after + time, Fault::Operator(node, Order::Unfreeze)),
                    (after + time, Fault::Operator(1 - node, Order::Unfreeze)),
                ]);
            }
            Class::Reload => out.push((at, Fault::Reload(node, self.rng.range(0, 3) as u8))),
            Class::Attack => {
                let attack = self.rng.pick(&Attack::ALL);
                let packets = self.rng.range(1, 12) as u8;
                self.attack(attack, node, packets, at, out);
            }
            Class::Flapping => {
                for round in 0..14 {
                    let when = at + round * self.scale * 4;
                    let (bad, well) = (round as usize % 2, (round as usize + 1) % 2);
                    out.push((when, Fault::HostFault(well, false)));
                    out.push((when, Fault::HostFault(bad, true)));
                }
                let when = at + 14 * self.scale * 4;
                out.extend([0, 1].map(|n| (when, Fault::HostFault(n, false))));
            }
            Class::Rogue => out.extend([(at, Fault::Rogue(true)), (after, Fault::Rogue(false))]),
        }
    }
}

impl Draw<'_> {
    /// Again and again, with whatever else happens, and when it is worst.
    fn attack(
        &mut self,
        attack: Attack,
        node: usize,
        packets: u8,
        at: Time,
        out: &mut Vec<(Time, Fault)>,
    ) {
        let scale = self.scale;
        match attack {
            // What is withheld must not have arrived, and nothing newer either.
            Attack::Withheld => {
                out.push((at, Fault::OneWay(1 - node, true)));
                out.push((at + 5 * scale, Fault::OneWay(1 - node, false)));
            }
            // The last words of a life, when the next one has just been heard.
            Attack::Old => out.push((at, Fault::Crash(1 - node, MS * 20))),
            _ => {}
        }
        for round in 1..=self.rng.range(2, 8) {
            let when = match attack {
                Attack::Withheld => at + scale * 2 + self.rng.range(0, scale * 3),
                Attack::Old => at + scale / 8 * round,
                _ => at + self.rng.range(0, scale * 3),
            };
            out.push((when, Fault::Attack(node, attack, packets)));
        }
    }
}

/// A link without faults.
pub fn good(config: &Config) -> Quality {
    Quality {
        cut: false,
        loss: 0,
        duplicate: 0,
        corrupt: 0,
        delay: config.delay,
    }
}
