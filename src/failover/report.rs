//! The state machine for people.

use std::time::Instant;

use super::pair::Pair;
use super::view::{PeerView, View};

impl Pair {
    /// What an operator gets to see.
    pub fn view(&self, now: Instant) -> View {
        // Looking must not change anything; the surroundings of an instance can be written to.
        let mut node = self.node.clone();
        let instances = self.slots.iter().map(|slot| {
            let context = node.context(&slot.settings, now);
            slot.instance.view(&context)
        });
        let instances = instances.collect();
        let settings = &self.node.settings;
        View {
            cluster: settings.cluster.clone(),
            node: settings.local.name.clone(),
            node_id: settings.local.id,
            incarnation: self.node.incarnation,
            suspect: self.node.suspect,
            stopping: self.node.stopping.is_some(),
            frozen: self.node.frozen,
            dead_after: self.node.dead_after(),
            peer: self.peer_view(now),
            links: self.node.peer.link_views(now, self.node.dead_after()),
            instances,
            history: self.node.out.history.iter().copied().collect(),
        }
    }

    fn peer_view(&self, now: Instant) -> PeerView {
        let settings = &self.node.settings;
        let peer = &self.node.peer;
        let advert = peer.advert();
        let alive = peer.is_alive(now, self.node.dead_after());
        PeerView {
            name: settings.peer.name.clone(),
            node_id: settings.peer.id,
            incarnation: peer.incarnation(),
            alive,
            heard: peer.heard_ago(now),
            hears_us: alive && advert.is_some_and(|advert| advert.heard != 0),
            version: advert.map(|advert| advert.version),
            newest_format: advert.map(|advert| advert.newest),
            same_config: advert.map(|advert| advert.digest == settings.digest),
            duplicate_id: advert.is_some_and(|advert| advert.sender == settings.local.id),
            retired: peer.retired(),
        }
    }
}
