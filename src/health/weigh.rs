//! From the standing of all real servers of a service to who is used, and with what weight.
//! Pure.

use std::time::{Duration, Instant};

use crate::model::Availability;

/// Shortest time between two changes of a weight that advice asks for.
pub const SETTLING: Duration = Duration::from_secs(10);

/// What is known of a real server when the service is weighed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// It counts as one of the service's servers: not switched off, not in maintenance, not
    /// drained, with a weight.
    pub counts: bool,
    /// Its checks and its agent let it be used.
    pub serving: bool,
    /// When it may be used again, if it is suppressed.
    pub reuse: Option<Instant>,
    /// It was in service when it failed, and has been kept there since or failed just now.
    pub leaving: bool,
    /// Since when its standing is what it is.
    pub since: Instant,
}

/// What became of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// As its standing says.
    Own,
    /// Out, although its checks pass: suppressed.
    Damped,
    /// Suppressed, but used: there are not enough others.
    Needed,
    /// In, although it failed: the floor is reached.
    Kept,
}

/// Decides about each server of a service, in the order given. `floor` is a percentage.
///
/// - A suppressed server is out, unless without it no server would be left, or fewer than
///   the floor asks for.
/// - Of the servers that failed while in service, those that failed last stay in as far as
///   the floor asks for them. One that has left does not come back by the floor.
pub fn weigh(candidates: &[Candidate], floor: u8) -> Vec<Place> {
    let counted = candidates.iter().filter(|c| c.counts).count();
    let required = (counted * usize::from(floor.min(100))).div_ceil(100);
    let is_free = |c: &&Candidate| c.counts && c.serving && c.reuse.is_none();
    let mut in_service = candidates.iter().filter(is_free).count();
    let mut places = vec![Place::Own; candidates.len()];

    let mut damped: Vec<(Instant, usize)> = Vec::new();
    let mut leaving: Vec<(Instant, usize)> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        match candidate.reuse {
            Some(reuse) if candidate.serving => damped.push((reuse, index)),
            _ if candidate.leaving && candidate.counts && !candidate.serving => {
                leaving.push((candidate.since, index));
            }
            _ => {}
        }
    }
    damped.sort_unstable();
    for (_, index) in damped {
        let is_needed = candidates[index].counts && in_service < required.max(1);
        in_service += usize::from(is_needed);
        places[index] = if is_needed {
            Place::Needed
        } else {
            Place::Damped
        };
    }
    leaving.sort_unstable();
    for (_, index) in leaving.into_iter().rev() {
        if in_service >= required {
            break;
        }
        in_service += 1;
        places[index] = Place::Kept;
    }
    places
}

impl Place {
    /// The standing with which a server goes into the kernel's table.
    pub fn standing(self, own: Availability) -> Availability {
        match self {
            Self::Own | Self::Needed => own,
            Self::Damped => Availability::Down,
            Self::Kept => Availability::Up,
        }
    }
}

/// A weight at a percentage: 0 at 0 %, else at least 1 of every weight above 0.
pub fn scaled(weight: u32, percent: u8) -> u32 {
    if weight == 0 || percent == 0 {
        return 0;
    }
    let share = (u64::from(weight) * u64::from(percent.min(100)) + 50) / 100;
    u32::try_from(share).unwrap_or(weight).clamp(1, weight)
}

/// The share of the weight that is in force: follows advice, but not at every word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    percent: u8,
    changed: Option<Instant>,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            percent: 100,
            changed: None,
        }
    }
}

impl Share {
    /// The share in force, in percent.
    pub fn percent(&self) -> u8 {
        self.percent
    }

    /// Follows what is advised: a drain at once, everything else [`SETTLING`] after the last
    /// change at the earliest. When to ask again, if it has to wait.
    pub fn follow(&mut self, advised: u8, now: Instant) -> Option<Instant> {
        if advised == self.percent {
            return None;
        }
        let free = self.changed.map(|changed| changed + SETTLING);
        if let Some(free) = free.filter(|free| *free > now && advised > 0) {
            return Some(free);
        }
        self.percent = advised;
        self.changed = Some(now);
        None
    }
}

#[cfg(test)]
mod tests;
