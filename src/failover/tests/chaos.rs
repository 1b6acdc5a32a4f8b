//! Random faults, all at once.

use super::world::{World, ms, well};
use crate::failover::{Command, Local, State, Step, SyncPart};

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn disturb(world: &mut World, random: &mut Random, life: &mut u8) {
    let node = random.below(2) as usize;
    let link = random.below(2) as usize;
    match random.below(16) {
        0..=2 => world.cut[node][link] ^= true,
        3 => world.cut_all(node),
        4 => world.cut = [[false; 2]; 2],
        5 => world.hosts[node].stopped = true,
        6 | 7 if world.hosts[node].stopped && !world.hosts[node].dead => world.resume(node),
        8 if !world.hosts[node].dead => {
            world.hosts[node].dead = true;
            world.hosts[node].address = false;
        }
        9 if world.hosts[node].dead => {
            *life = life.wrapping_add(1).max(3);
            world.hosts[node].stopped = false;
            world.reboot(node, *life);
        }
        10 => {
            let steps = [
                Step::AddAddresses,
                Step::RemoveAddresses,
                Step::PrepareTable,
                Step::Sync(SyncPart::None),
                Step::StoreEpoch,
                Step::Announce,
            ];
            world.hosts[node].fails = vec![steps[random.below(6) as usize]];
        }
        11 => world.hosts[node].fails.clear(),
        12 => {
            let local = Local {
                reachable: u8::from(random.below(3) > 0),
                carrier: random.below(4) > 0,
                ready: random.below(4) > 0,
                fault: (random.below(5) == 0).then(|| "broken".to_owned()),
                ..well()
            };
            world.local(node, local);
        }
        13 => world.local(node, well()),
        14 => {
            let on = random.below(2) == 0;
            let commands = [
                Command::Standby { instance: None, on },
                Command::Takeover { instance: None },
                Command::Freeze {
                    duration: Some(ms(3000)),
                },
                Command::Unfreeze,
                Command::Cleanup { instance: None },
            ];
            if !world.hosts[node].dead && !world.hosts[node].stopped {
                let _ = world.command(node, commands[random.below(5) as usize]);
            }
        }
        _ => world.delay = ms(1 + random.below(80)),
    }
}

#[test]
fn chaos() {
    let runs: u64 = std::env::var("RUNS").map_or(30, |v| v.parse().unwrap());
    let first: u64 = std::env::var("FIRST").map_or(1, |v| v.parse().unwrap());
    for run in first..first + runs {
        let mut random = Random(run * 7919);
        let mut world = World::new();
        world.boot(0);
        world.boot(1);
        let mut life = 2;
        let mut done = vec![];
        let mut events = vec![];
        for _ in 0..60 {
            let pause = random.below(900);
            world.run(ms(pause));
            assert_eq!(
                world.overlap,
                ms(0),
                "run {run} {}\n{}\n{:?}",
                done.len(),
                world.trace(),
                events
            );
            done.push(world.now);
            disturb(&mut world, &mut random, &mut life);
            events.push((
                world.now,
                world.cut,
                world.delay,
                world.hosts[0].stopped,
                world.hosts[0].dead,
                world.hosts[1].stopped,
                world.hosts[1].dead,
            ));
            if events.len() > 4 {
                events.remove(0);
            }
        }
        world.cut = [[false; 2]; 2];
        world.delay = ms(1);
        for node in 0..2 {
            world.hosts[node].fails.clear();
            if world.hosts[node].dead {
                life = life.wrapping_add(1).max(3);
                world.hosts[node].stopped = false;
                world.reboot(node, life);
            } else if world.hosts[node].stopped {
                world.resume(node);
            }
            world.local(node, well());
            for command in [
                Command::Unfreeze,
                Command::Cleanup { instance: None },
                Command::Standby {
                    instance: None,
                    on: false,
                },
            ] {
                world.command(node, command).unwrap();
            }
        }
        world.run(ms(8000));
        assert_eq!(world.overlap, ms(0), "run {run}\n{}", world.trace());
        let owners = world
            .states()
            .iter()
            .filter(|s| **s == State::Active)
            .count();
        assert_eq!(
            owners,
            1,
            "run {run}: {:?}\n{:?}\n{:?}",
            world.states(),
            world.path(0),
            world.path(1)
        );
    }
}
