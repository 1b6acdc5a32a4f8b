//! A node's kernel, as far as the pair uses it.

use crate::clock::Local;
use crate::config::{SECOND, SLACK, Time};
use crate::rng::Rng;

/// A network namespace with IPVS.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// When each instance's addresses end; `None` when they are not there.
    pub addresses: [Option<Local>; 2],
    /// Whether somebody else removed them, or their time was over.
    pub taken: [bool; 2],
    /// Services and real servers of each instance are there.
    pub table: [bool; 2],
    /// The backup role runs for it.
    pub backup: [bool; 2],
    /// The master role runs for it.
    pub master: [bool; 2],
    /// The network cannot reach an instance's addresses.
    pub isolated: [bool; 2],
    /// So many operations of a thousand fail.
    pub errors: u64,
    /// Addresses cannot be removed before that.
    pub stuck_until: Time,
    rng: Rng,
}

impl Kernel {
    /// After boot.
    pub fn new(rng: Rng) -> Self {
        Self {
            addresses: [None; 2],
            taken: [false; 2],
            table: [false; 2],
            backup: [false; 2],
            master: [false; 2],
            isolated: [false; 2],
            errors: 0,
            stuck_until: 0,
            rng,
        }
    }

    /// An operation that may fail.
    pub fn attempt(&mut self) -> Result<(), String> {
        if self.rng.chance(self.errors) {
            return Err("No buffer space available (os error 105)".to_owned());
        }
        Ok(())
    }

    /// `RTM_NEWADDR` with a lifetime in whole seconds. The kernel ends it up to κ later.
    pub fn add(&mut self, instance: usize, now: Local, lifetime: Time) -> Result<(), String> {
        self.attempt()?;
        self.taken[instance] = false;
        let whole = lifetime / SECOND * SECOND;
        self.addresses[instance] = Some(now + whole + self.rng.below(SLACK));
        Ok(())
    }

    /// `RTM_DELADDR`; an address that is not there is no error.
    pub fn remove(&mut self, instance: usize, now: Time) -> Result<(), String> {
        if self.addresses[instance].is_some() {
            if now < self.stuck_until {
                return Err("Device or resource busy (os error 16)".to_owned());
            }
            self.attempt()?;
        }
        self.addresses[instance] = None;
        self.isolated[instance] = false;
        Ok(())
    }

    /// Keeps the network away from addresses that cannot be removed.
    pub fn isolate(&mut self, instance: usize, attempt: u8) -> Result<(), String> {
        if attempt == 1 && self.rng.chance(300) {
            return Err("the filter cannot be set".to_owned());
        }
        self.isolated[instance] = true;
        Ok(())
    }

    /// Addresses whose time is over.
    pub fn expire(&mut self, now: Local) -> Vec<usize> {
        let over = |end: &Option<Local>| end.is_some_and(|end| end <= now);
        let ended: Vec<usize> = (0..2).filter(|i| over(&self.addresses[*i])).collect();
        for instance in &ended {
            self.addresses[*instance] = None;
            self.taken[*instance] = true;
        }
        ended
    }
}
