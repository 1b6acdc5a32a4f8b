//! The service segment: a switch, two clients, the targets of the nodes' tracks, and possibly
//! a real server that answers for addresses that are not its own.

use crate::config::Time;

/// Number of clients.
pub const CLIENTS: usize = 2;

/// Who answers for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// A node.
    Node(usize),
    /// The real server.
    Rogue,
}

/// The segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Each client's ARP entry of each instance's address.
    pub caches: [[Option<usize>; 2]; CLIENTS],
    /// The switch's memory, when it answers ARP requests by itself.
    pub switch: [Option<usize>; 2],
    /// Targets answer.
    pub targets: bool,
    /// A real server answers for the addresses.
    pub rogue: bool,
    /// Last time that each instance was announced.
    pub announced: [Option<Time>; 2],
}

impl Default for Segment {
    fn default() -> Self {
        Self {
            caches: [[None; 2]; CLIENTS],
            switch: [None; 2],
            targets: true,
            rogue: false,
            announced: [None; 2],
        }
    }
}

impl Segment {
    /// Everybody on it learns who has an address.
    pub fn announce(&mut self, node: usize, instance: usize, now: Time) {
        for cache in &mut self.caches {
            cache[instance] = Some(node);
        }
        self.switch[instance] = Some(node);
        self.announced[instance] = Some(now);
    }
}
