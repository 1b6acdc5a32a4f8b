//! An attacker who sees every packet and can send what he likes, but has no key.

use std::collections::VecDeque;

use crate::config::{SECRET, Time};
use crate::failover::advert::{Expected, Key, KeyId, Keys, decode, encode};
use crate::fault::Attack;
use crate::model::pair::NodeId;
use crate::node::Packet;
use crate::rng::Rng;

/// Packets that he remembers at most.
const MEMORY: usize = 600;

/// A packet that he has seen.
#[derive(Debug, Clone)]
pub struct Seen {
    number: u64,
    /// The node it was for.
    pub to: usize,
    /// The life that was current there.
    pub to_life: u64,
    /// The life that sent it.
    pub life: u64,
    /// When.
    pub sent: Time,
    /// The life that took it from the network.
    pub taken: Option<u64>,
    link: usize,
    bytes: Vec<u8>,
}

/// What he knows.
#[derive(Debug, Clone)]
pub struct Attacker {
    seen: VecDeque<Seen>,
    count: u64,
    rng: Rng,
}

/// The lives at the moment.
#[derive(Debug, Clone, Copy)]
pub struct Lives {
    /// Of the victim.
    pub to: u64,
    /// Of the other node.
    pub from: u64,
    /// Whether the victim has heard that one: only then are those before it over for him.
    pub met: bool,
}

impl Attacker {
    /// Who has seen nothing yet.
    pub fn new(rng: Rng) -> Self {
        Self {
            seen: VecDeque::new(),
            count: 0,
            rng,
        }
    }

    /// He sees a packet; its number.
    pub fn see(&mut self, to: usize, lives: Lives, sent: Time, link: usize, bytes: &[u8]) -> u64 {
        self.count += 1;
        if self.seen.len() >= MEMORY {
            // Some old ones stay.
            let victim = self.rng.below(self.seen.len() as u64) as usize;
            self.seen.remove(victim);
        }
        self.seen.push_back(Seen {
            number: self.count,
            to,
            to_life: lives.to,
            life: lives.from,
            sent,
            taken: None,
            link,
            bytes: bytes.to_vec(),
        });
        self.count
    }

    /// A packet was taken from the network.
    pub fn taken(&mut self, number: u64, life: u64) {
        let found = self.seen.binary_search_by_key(&number, |seen| seen.number);
        if let Some(seen) = found.ok().and_then(|index| self.seen.get_mut(index)) {
            seen.taken = Some(life);
        }
    }

    /// A packet for a node, none of which may have any effect.
    pub fn packet(
        &mut self,
        attack: Attack,
        to: usize,
        lives: Lives,
        stale_before: Time,
        links: usize,
    ) -> Option<Packet> {
        let fits = |seen: &&Seen| match attack {
            Attack::Replay => seen.to == to && seen.taken == Some(lives.to),
            Attack::Old => {
                let over = seen.to_life == lives.to && seen.life != lives.from && lives.met;
                seen.to == to && (seen.to_life != lives.to || over)
            }
            Attack::Withheld => {
                seen.to == to
                    && seen.taken.is_none()
                    && seen.to_life == lives.to
                    && seen.life == lives.from
                    && seen.sent < stale_before
            }
            Attack::BitFlip | Attack::Forge | Attack::Garbage => seen.to == to,
            Attack::Reflect => true,
        };
        let fitting = self.seen.iter().filter(fits).count() as u64;
        if fitting == 0 {
            return None;
        }
        // The newest ones are the most dangerous.
        let back = if self.rng.chance(600) {
            fitting.min(6)
        } else {
            fitting
        };
        let skip = (fitting - 1 - self.rng.below(back)) as usize;
        let seen = self.seen.iter().filter(fits).nth(skip)?.clone();
        let (mut link, mut bytes) = (seen.link, seen.bytes);
        match attack {
            Attack::Replay | Attack::Old | Attack::Withheld => {}
            Attack::BitFlip => {
                let bit = self.rng.below(bytes.len() as u64 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            Attack::Forge => self.forge(&mut bytes),
            Attack::Reflect => {
                if seen.to == to {
                    // On another link, when there is one.
                    link = (link + 1) % links;
                    if link == seen.link {
                        return None;
                    }
                }
            }
            Attack::Garbage => match self.rng.below(3) {
                0 => bytes.truncate(self.rng.below(bytes.len() as u64) as usize),
                1 => bytes.extend([0; 7]),
                _ => {
                    let length = self.rng.range(0, 600);
                    bytes = (0..length).map(|_| self.rng.bits() as u8).collect();
                }
            },
        }
        Some(Packet {
            link,
            bytes,
            life: None,
            recording: matches!(attack, Attack::Replay | Attack::Old | Attack::Withheld)
                || attack == Attack::Reflect && seen.to != to,
            logged: None,
        })
    }

    /// A newer sequence, other words, and a tag of another key or none at all.
    fn forge(&mut self, bytes: &mut Vec<u8>) {
        let resign = self.rng.chance(500);
        if resign {
            self.resign(bytes);
            return;
        }
        let sequence = self.rng.bits() >> 20;
        if let Some(field) = bytes.get_mut(36..44) {
            field.copy_from_slice(&sequence.to_be_bytes());
        }
        if self.rng.chance(500) {
            let at = self.rng.range(91, bytes.len() as u64 - 33) as usize;
            bytes[at] = self.rng.bits() as u8;
        }
    }

    /// Signed all over with a key that was guessed. The right key only helps to write an advert
    /// that is right in everything else.
    fn resign(&mut self, bytes: &mut Vec<u8>) {
        let keys = |key| Keys::new(KeyId(1), vec![(KeyId(1), Key::new(key))]).expect("one key");
        let expected = Expected {
            cluster: "simulated",
            nodes: [NodeId(1), NodeId(2)],
            link: usize::from(bytes[17]),
        };
        if let Ok(mut advert) = decode(bytes, &expected, &keys(SECRET)) {
            advert.sequence += self.rng.range(1, 1000);
            *bytes = encode(&advert, "simulated", &keys([7; 32]));
        } else if let Some(last) = bytes.last_mut() {
            *last ^= 1;
        }
    }
}
